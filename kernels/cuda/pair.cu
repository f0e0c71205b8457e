/* Twins: distance, loss and gradient. A warp takes a pair, so that both rows are
 * read in stretches of 128 bytes, and the second sweep, which writes the
 * gradient, finds them in the cache. */
#include "kernels/cuda/gpu.cuh"

enum { LANES = 32, PAIRS = GPU_THREADS / LANES }; /* block: LANES x PAIRS */

static dim3 pair_grid(size_t B)
{
    return dim3(static_cast<unsigned>((B + PAIRS - 1) / PAIRS));
}

/* Every lane gets the sum, always added in the same order. */
static __device__ float warp_sum(float v)
{
    for (int apart = LANES / 2; apart > 0; apart /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, apart);
    return v;
}

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
        for (size_t j = threadIdx.x; j < D; j += LANES) {
            ab += a[j] * b[j];
            aa += a[j] * a[j];
            bb += b[j] * b[j];
        }
        ab = warp_sum(ab), aa = warp_sum(aa), bb = warp_sum(bb);
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
    for (size_t j = threadIdx.x; j < D; j += LANES) {
        const float diff = a[j] - b[j];
        s += kind == KN_L1 ? fabsf(diff) : diff * diff;
    }
    s = warp_sum(s);
    t.d = kind == KN_L1 ? s : sqrtf(s + KN_EPS_DIST);
    t.away = kind == KN_L1 ? 0.0f : 1.0f / t.d;
    return t;
}

static __global__ void pair_distance(float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    const size_t i = static_cast<size_t>(blockIdx.x) * PAIRS + threadIdx.y;
    if (i >= B) /* a whole warp at a time */
        return;
    const pair_terms t = compare(&z[i * D], &z[(B + i) * D], kind, D);
    if (threadIdx.x == 0)
        d[i] = t.d;
}

static void distance(kn_backend *be, float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    if (B)
        GPU_LAUNCH(gpu_of(be), pair_distance, pair_grid(B), dim3(LANES, PAIRS), d, z, kind, B, D);
}

/* The loss of a pair at distance d, and its slope dloss/dd. */
static __device__ float loss_of(float *slope, float d, float y, kn_pair_loss kind, float margin)
{
    const float room = fmaxf(margin - d, 0.0f);
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
    const size_t i = static_cast<size_t>(blockIdx.x) * PAIRS + threadIdx.y;
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
    for (size_t j = threadIdx.x; j < D; j += LANES) {
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
        GPU_LAUNCH(gpu_of(be), pair_grad, pair_grid(B), dim3(LANES, PAIRS), loss, d, dz, z, y, kind, loss_kind, margin, B,
                   D);
}

void gpu_fill_pair(kn_backend *be)
{
    be->distance = distance;
    be->pair_loss = pair_loss;
}
