/* Optimisers: the whole block of parameters in one launch. The step's own
 * numbers are read from device memory, so that a recorded step can be replayed. */
#include "kernels/cuda/gpu.cuh"

static __global__ void adam_step(float *p, float *m, float *v, const float *g, const kn_step *step, float b1, float b2,
                                 float eps, float decay, size_t n)
{
    const float lr = step->lr, bias1 = step->bias1, bias2 = step->bias2;
    for (size_t i = gpu_first(); i < n; i += gpu_stride()) {
        const float gi = g[i] + decay * p[i];
        const float mi = b1 * m[i] + (1.0f - b1) * gi;
        const float vi = b2 * v[i] + (1.0f - b2) * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] -= lr * (mi * bias1) / (sqrtf(vi * bias2) + eps);
    }
}

static void adam(kn_backend *be, float *p, float *m, float *v, const float *g, const kn_step *step, float b1, float b2,
                 float eps, float decay, size_t n)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), adam_step, gpu_blocks(n), GPU_THREADS, p, m, v, g, step, b1, b2, eps, decay, n);
}

static __global__ void sgd_step(float *p, float *m, const float *g, const kn_step *step, float momentum, float decay,
                                int nesterov, size_t n)
{
    const float lr = step->lr;
    const bool begin = step->count == 0;
    for (size_t i = gpu_first(); i < n; i += gpu_stride()) {
        const float gi = g[i] + decay * p[i];
        float move = gi;
        if (momentum != 0.0f) {
            const float mi = begin ? gi : momentum * m[i] + gi;
            m[i] = mi;
            move = nesterov ? gi + momentum * mi : mi;
        }
        p[i] -= lr * move;
    }
}

static void sgd(kn_backend *be, float *p, float *m, const float *g, const kn_step *step, float momentum, float decay,
                int nesterov, size_t n)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), sgd_step, gpu_blocks(n), GPU_THREADS, p, m, g, step, momentum, decay, nesterov, n);
}

void gpu_fill_optim(kn_backend *be)
{
    be->adam = adam;
    be->sgd = sgd;
}
