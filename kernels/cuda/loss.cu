/* Losses of classes and of values, with their gradients. */
#include "kernels/cuda/gpu.cuh"

static __device__ float warp_max(float v)
{
    for (int apart = GPU_LANES / 2; apart > 0; apart /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, apart));
    return v;
}

/* A warp takes a row. A NaN is no maximum, but ends in the sum and so in all. */
static __global__ void softmax_grad(float *loss, float *dz, float *p, const float *z, const uint32_t *label, size_t N,
                                    size_t C)
{
    const size_t n = gpu_warp_row();
    if (n >= N)
        return;
    const float *row = &z[n * C];
    float most = row[0], sum = 0.0f;
    for (size_t c = threadIdx.x; c < C; c += GPU_LANES)
        most = fmaxf(most, row[c]);
    most = warp_max(most);
    for (size_t c = threadIdx.x; c < C; c += GPU_LANES)
        sum += expf(row[c] - most);
    sum = gpu_warp_sum(sum);
    if (threadIdx.x == 0)
        loss[n] = logf(sum) + most - row[label[n]];
    for (size_t c = threadIdx.x; c < C; c += GPU_LANES) {
        const float share = expf(row[c] - most) / sum;
        if (p)
            p[n * C + c] = share;
        dz[n * C + c] = (share - (c == label[n] ? 1.0f : 0.0f)) / static_cast<float>(N);
    }
}

static void softmax_loss(kn_backend *be, float *loss, float *dz, float *p, const float *z, const uint32_t *label,
                         size_t N, size_t C)
{
    if (N && C)
        GPU_LAUNCH(gpu_of(be), softmax_grad, gpu_warp_grid(N), dim3(GPU_LANES, GPU_WARPS), loss, dz, p, z, label, N, C);
}

static __global__ void value_grad(float *loss, float *dz, const float *z, const float *target, kn_value_loss kind,
                                  float delta, size_t N)
{
    const float share = 1.0f / static_cast<float>(N);
    for (size_t n = gpu_first(); n < N; n += gpu_stride()) {
        const float e = z[n] - target[n], size = fabsf(e);
        if (kind == KN_SQUARED) {
            loss[n] = e * e;
            dz[n] = 2.0f * e * share;
        } else {
            loss[n] = size <= delta ? e * e / 2.0f : delta * (size - delta / 2.0f);
            dz[n] = (e < -delta ? -delta : e > delta ? delta : e) * share; /* NaN stays NaN */
        }
    }
}

static void value_loss(kn_backend *be, float *loss, float *dz, const float *z, const float *target, kn_value_loss kind,
                       float delta, size_t N)
{
    if (N)
        GPU_LAUNCH(gpu_of(be), value_grad, gpu_blocks(N), GPU_THREADS, loss, dz, z, target, kind, delta, N);
}

void gpu_fill_loss(kn_backend *be)
{
    be->softmax_loss = softmax_loss;
    be->value_loss = value_loss;
}
