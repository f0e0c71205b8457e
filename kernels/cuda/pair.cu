/* Twins: distance, loss and gradient. A warp takes a pair, so that both rows are
 * read in stretches of 128 bytes, and the second sweep, which writes the
 * gradient, finds them in the cache. */
#include "kernels/cuda/gpu.cuh"

#include "kernels/by_parts.h"

/* A distance and what its gradient needs: dd/da = to_b * b + a_to_a * a and
 * dd/db = to_b * a + b_to_b * b for cosine, away * (a - b) for Euclidean. */
struct pair_terms {
    float d, away, to_b, a_to_a, b_to_b;
};

static __device__ pair_terms compare(const float *a, const float *b, kn_distance kind, size_t D)
{
    pair_terms t = {};
    if (kind == KN_COSINE) {
        float ab = 0.0f, aa = 0.0f, bb = 0.0f;
        for (size_t j = threadIdx.x; j < D; j += GPU_LANES) {
            ab += a[j] * b[j];
            aa += a[j] * a[j];
            bb += b[j] * b[j];
        }
        ab = gpu_warp_sum(ab), aa = gpu_warp_sum(aa), bb = gpu_warp_sum(bb);
        const float norms = sqrtf(aa) * sqrtf(bb), n = fmaxf(norms, KN_EPS_DIST);
        t.d = 1.0f - ab / n;
        if (norms > KN_EPS_DIST) { /* a row of zeros has no direction: its gradient is 0 */
            t.to_b = -1.0f / n;
            t.a_to_a = ab / n / aa;
            t.b_to_b = ab / n / bb;
        }
        return t;
    }
    float s = 0.0f;
    for (size_t j = threadIdx.x; j < D; j += GPU_LANES) {
        const float diff = a[j] - b[j];
        s += kind == KN_L1 ? fabsf(diff) : diff * diff;
    }
    s = gpu_warp_sum(s);
    t.d = kind == KN_L1 ? s : sqrtf(s + KN_EPS_DIST);
    t.away = kind == KN_L1 ? 0.0f : 1.0f / t.d;
    return t;
}

static __global__ void pair_distance(float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    const size_t i = gpu_warp_row();
    if (i >= B) /* a whole warp at a time */
        return;
    const pair_terms t = compare(&z[i * D], &z[(B + i) * D], kind, D);
    if (threadIdx.x == 0)
        d[i] = t.d;
}

static void distance(kn_backend *be, float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    if (B)
        GPU_LAUNCH(gpu_of(be), pair_distance, gpu_warp_grid(B), dim3(GPU_LANES, GPU_WARPS), d, z, kind, B, D);
}

/* The loss of a pair at distance d, and its slope dloss/dd; NaN stays NaN. */
static __device__ float loss_of(float *slope, float d, float y, kn_pair_loss kind, float margin)
{
    const float room = margin - d < 0.0f ? 0.0f : margin - d;
    if (kind == KN_CONTRASTIVE) {
        *slope = 2.0f * y * d - 2.0f * (1.0f - y) * room;
        return y * d * d + (1.0f - y) * room * room;
    }
    *slope = y - (room > 0.0f ? 1.0f - y : 0.0f);
    return y * d + (1.0f - y) * room;
}

static __global__ void pair_grad(float *loss, float *d, float *dz, const float *z, const float *y, kn_distance kind,
                                 kn_pair_loss loss_kind, float margin, size_t B, size_t D)
{
    const size_t i = gpu_warp_row();
    if (i >= B)
        return;
    const float *a = &z[i * D], *b = &z[(B + i) * D];
    const pair_terms t = compare(a, b, kind, D);
    float slope;
    const float l = loss_of(&slope, t.d, y[i], loss_kind, margin);
    if (threadIdx.x == 0) {
        d[i] = t.d;
        loss[i] = l;
    }
    slope /= static_cast<float>(B); /* of the mean */
    float *da = &dz[i * D], *db = &dz[(B + i) * D];
    for (size_t j = threadIdx.x; j < D; j += GPU_LANES) {
        const float diff = a[j] - b[j];
        const float sign = diff > 0.0f ? 1.0f : diff < 0.0f ? -1.0f : 0.0f;
        if (kind == KN_COSINE) {
            da[j] = slope * (t.to_b * b[j] + t.a_to_a * a[j]);
            db[j] = slope * (t.to_b * a[j] + t.b_to_b * b[j]);
        } else {
            da[j] = slope * (kind == KN_L1 ? sign : t.away * diff);
            db[j] = -da[j];
        }
    }
}

static void pair_loss(kn_backend *be, float *loss, float *d, float *dz, const float *z, const float *y, kn_distance kind,
                      kn_pair_loss loss_kind, float margin, size_t B, size_t D)
{
    if (B)
        GPU_LAUNCH(gpu_of(be), pair_grad, gpu_warp_grid(B), dim3(GPU_LANES, GPU_WARPS), loss, d, dz, z, y, kind,
                   loss_kind, margin, B, D);
}

/* ---- all pairs of a batch ------------------------------------------------------------ */

/* alike[i] = how many rows before i are of its group; a warp takes a row. */
static __global__ void count_alike(float *alike, const uint32_t *group, size_t N)
{
    const size_t i = gpu_warp_row();
    float count = 0.0f;
    if (i >= N)
        return;
    for (size_t j = threadIdx.x; j < i; j += GPU_LANES)
        count += group[i] == group[j] ? 1.0f : 0.0f;
    count = gpu_warp_sum(count);
    if (threadIdx.x == 0)
        alike[i] = count;
}

/* What a pair of rows i, j says before it is weighed: its loss, its pull of j on i
 * as k in k (a - b), k sign(a - b) or k b, and cosine's pull of i on itself. */
struct gpu_pull {
    float loss, k, own;
};

/* Grid: N x tiles of GPU_WARPS rows; a warp takes a pair. */
static __global__ void batch_pairs(gpu_pull *pull, const float *z, const uint32_t *group, kn_distance kind,
                                   kn_pair_loss loss_kind, float margin, size_t N, size_t D)
{
    const size_t i = blockIdx.x, j = static_cast<size_t>(blockIdx.y) * GPU_WARPS + threadIdx.y;
    if (j >= N)
        return;
    const pair_terms t = compare(&z[i * D], &z[j * D], kind, D);
    gpu_pull p = {};
    if (i != j) {
        float slope;
        p.loss = loss_of(&slope, t.d, group[i] == group[j] ? 1.0f : 0.0f, loss_kind, margin);
        p.k = slope * (kind == KN_COSINE ? t.to_b : kind == KN_L1 ? 1.0f : t.away);
        p.own = slope * t.a_to_a;
    }
    if (threadIdx.x == 0)
        pull[i * N + j] = p;
}

/* Every thread of a block gets the sum, always added in the same order. */
static __device__ float block_sum(float v)
{
    __shared__ float part[GPU_WARPS];
    v = gpu_warp_sum(v);
    if (threadIdx.x == 0)
        part[threadIdx.y] = v;
    __syncthreads();
    v = 0.0f;
    for (int w = 0; w < GPU_WARPS; w++)
        v += part[w];
    __syncthreads(); /* part may be used again */
    return v;
}

/* Grid: N x tiles of GPU_THREADS columns. A thread adds up one number of dz over
 * all rows in order; what they weigh is put before all threads, a tile at a time. */
static __global__ void batch_grad(float *loss, float *dz, const gpu_pull *pull, const float *alike, const float *z,
                                  const uint32_t *group, kn_distance kind, float share, size_t N, size_t D)
{
    __shared__ float weighed[GPU_THREADS];
    const unsigned me = threadIdx.y * GPU_LANES + threadIdx.x;
    const size_t i = blockIdx.x, c = static_cast<size_t>(blockIdx.y) * GPU_THREADS + me;
    float S = 0.0f, sum = 0.0f, own = 0.0f, d = 0.0f;
    for (size_t j = me; j < N; j += GPU_THREADS)
        S += alike[j];
    S = block_sum(S);
    const float T = static_cast<float>(N * (N - 1) / 2) - S;
    const bool both = S > 0.0f && T > 0.0f;
    const float same = (both ? share : 1.0f) / S, other = (both ? 1.0f - share : 1.0f) / T;
    const float a = c < D ? z[i * D + c] : 0.0f;
    for (size_t tile = 0; tile < N; tile += GPU_THREADS) {
        const size_t mine = tile + me, end = tile + GPU_THREADS < N ? tile + GPU_THREADS : N;
        if (mine < N) {
            const gpu_pull p = pull[i * N + mine];
            const float w = mine == i ? 0.0f : group[i] == group[mine] ? same : other;
            sum += w * p.loss;
            own += w * p.own;
            weighed[me] = w * p.k;
        }
        __syncthreads();
        for (size_t j = tile; j < end && c < D; j++) {
            const float k = weighed[j - tile], b = z[j * D + c];
            if (kind == KN_L1)
                d += a > b ? k : a < b ? -k : 0.0f;
            else
                d += k * (kind == KN_COSINE ? b : a - b);
        }
        __syncthreads();
    }
    sum = block_sum(sum);
    own = block_sum(own);
    if (c < D)
        dz[i * D + c] = d + own * a;
    if (blockIdx.y == 0 && me == 0)
        loss[i] = sum / 2.0f;
}

static void batch_loss(kn_backend *be, float *loss, float *dz, const float *z, const uint32_t *group, kn_distance kind,
                       kn_pair_loss loss_kind, float margin, float share, size_t N, size_t D)
{
    gpu *g = gpu_of(be);
    if (N == 0)
        return;
    gpu_pull *pull = static_cast<gpu_pull *>(gpu_scratch(g, N * N * sizeof *pull + N * sizeof(float)));
    float *alike = reinterpret_cast<float *>(pull + N * N);
    const dim3 block(GPU_LANES, GPU_WARPS), rows = gpu_warp_grid(N);
    const unsigned tiles = static_cast<unsigned>(D / GPU_THREADS + 1);
    GPU_LAUNCH(g, count_alike, rows, block, alike, group, N);
    GPU_LAUNCH(g, batch_pairs, dim3(static_cast<unsigned>(N), rows.x), block, pull, z, group, kind, loss_kind, margin, N,
               D);
    GPU_LAUNCH(g, batch_grad, dim3(static_cast<unsigned>(N), tiles), block, loss, dz, pull, alike, z, group, kind, share, N, D);
}

void gpu_fill_pair(kn_backend *be)
{
    be->distance = distance;
    be->pair_loss = pair_loss;
    be->bn_pair_loss = kn_bn_pair_loss_by_parts;
    be->batch_loss = batch_loss;
}
