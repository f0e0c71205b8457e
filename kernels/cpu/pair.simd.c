/* Distances between vectors, and the losses of pairs. */
#include "kernels/cpu/simd.h"

#include <math.h>
#include <string.h>

typedef int32_t ivec __attribute__((vector_size(4 * KN_LANES)));

/* Up to V floats, the rest 0: a pair of zeros adds nothing to any sum here. */
KN_INLINE vec load_some(const float *p, size_t n)
{
    if (n >= V)
        return load(p);
    vec x = {0};
    memcpy(&x, p, n * sizeof *p);
    return x;
}

KN_INLINE float sum_of(vec x)
{
    float s[V];
    store(s, x);
    KN_UNROLL
    for (int half = V / 2; half > 0; half /= 2)
        KN_UNROLL
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

/* What the distance of `kind` is made of: sum (a-b)^2, sum |a-b| or a.b. */
KN_INLINE vec term(vec a, vec b, kn_distance kind)
{
    vec d = a - b;
    if (kind == KN_COSINE)
        return a * b;
    if (kind == KN_L1)
        return (vec)((ivec)d & INT32_MAX);
    return d * d;
}

typedef struct sums {
    float ab, aa, bb; /* sum of terms; |a|^2 and |b|^2 for cosine only */
} sums;

enum { CHAINS = 4 }; /* independent sums, to hide the latency of an addition */

KN_INLINE sums sums_of(const float *a, const float *b, kn_distance kind, size_t D)
{
    vec ab[CHAINS] = {{0}}, aa[CHAINS] = {{0}}, bb[CHAINS] = {{0}};
    size_t i = 0;
    for (; i + CHAINS * V <= D; i += CHAINS * V)
        KN_UNROLL
        for (int j = 0; j < CHAINS; j++) {
            vec x = load(a + i + j * V), y = load(b + i + j * V);
            ab[j] += term(x, y, kind);
            if (kind == KN_COSINE)
                aa[j] += x * x, bb[j] += y * y;
        }
    for (; i < D; i += V) {
        vec x = load_some(a + i, D - i), y = load_some(b + i, D - i);
        ab[0] += term(x, y, kind);
        if (kind == KN_COSINE)
            aa[0] += x * x, bb[0] += y * y;
    }
    sums s = {sum_of((ab[0] + ab[1]) + (ab[2] + ab[3])), 0, 0};
    if (kind == KN_COSINE) {
        s.aa = sum_of((aa[0] + aa[1]) + (aa[2] + aa[3]));
        s.bb = sum_of((bb[0] + bb[1]) + (bb[2] + bb[3]));
    }
    return s;
}

/* Each root by itself: the product of two squares may leave the range of fp32. */
KN_INLINE float norms_of(sums s)
{
    return sqrtf(s.aa) * sqrtf(s.bb);
}

KN_INLINE float distance_of(sums s, kn_distance kind)
{
    if (kind == KN_EUCLIDEAN)
        return sqrtf(s.ab + KN_EPS_DIST);
    if (kind == KN_L1)
        return s.ab;
    float norms = norms_of(s);
    return 1 - s.ab / (norms > KN_EPS_DIST ? norms : KN_EPS_DIST);
}

KN_INLINE sums pair_sums(const float *a, const float *b, kn_distance kind, size_t D)
{
    switch (kind) {
    case KN_EUCLIDEAN: return sums_of(a, b, KN_EUCLIDEAN, D);
    case KN_L1: return sums_of(a, b, KN_L1, D);
    case KN_COSINE: break;
    }
    return sums_of(a, b, KN_COSINE, D);
}

void KN_SIMD(distance)(float *d, const float *z, kn_distance kind, size_t first, size_t n, size_t B, size_t D)
{
    for (size_t i = first; i < first + n; i++)
        d[i] = distance_of(pair_sums(z + i * D, z + (B + i) * D, kind, D), kind);
}

/* da = k * gradient of the distance by a, db = k * gradient by b. */
static void gradients(float *KN_RESTRICT da, float *KN_RESTRICT db, const float *KN_RESTRICT a,
                      const float *KN_RESTRICT b, kn_distance kind, sums s, float d, float k, size_t D)
{
    if (kind == KN_EUCLIDEAN) {
        float scale = k / d;
#pragma omp simd
        for (size_t i = 0; i < D; i++) {
            float g = scale * (a[i] - b[i]);
            da[i] = g;
            db[i] = -g;
        }
    } else if (kind == KN_L1) {
#pragma omp simd
        for (size_t i = 0; i < D; i++) {
            float g = a[i] > b[i] ? k : a[i] < b[i] ? -k : 0;
            da[i] = g;
            db[i] = -g;
        }
    } else {
        float norms = norms_of(s);
        bool defined = !(norms <= KN_EPS_DIST);
        float cross = defined ? k / norms : 0;
        float own_a = defined ? k * (1 - d) / s.aa : 0, own_b = defined ? k * (1 - d) / s.bb : 0;
#pragma omp simd
        for (size_t i = 0; i < D; i++) {
            da[i] = own_a * a[i] - cross * b[i];
            db[i] = own_b * b[i] - cross * a[i];
        }
    }
}

void KN_SIMD(pair_loss)(float *loss, float *d, float *dz, const float *z, const float *y, kn_distance kind,
                        kn_pair_loss loss_kind, float margin, size_t first, size_t n, size_t B, size_t D)
{
    float share = 1 / (float)B;
    for (size_t i = first; i < first + n; i++) {
        const float *a = z + i * D, *b = z + (B + i) * D;
        sums s = pair_sums(a, b, kind, D);
        float dist = distance_of(s, kind), same = y[i], other = 1 - same, slope;
        float gap = margin - dist > 0 ? margin - dist : 0;
        if (loss_kind == KN_CONTRASTIVE) {
            loss[i] = same * dist * dist + other * gap * gap;
            slope = 2 * (same * dist - other * gap);
        } else {
            loss[i] = same * dist + other * gap;
            slope = same - (gap > 0 ? other : 0);
        }
        d[i] = dist;
        gradients(dz + i * D, dz + (B + i) * D, a, b, kind, s, dist, slope * share, D);
    }
}

/* ---- search ------------------------------------------------------------------- */

/* Distances of q queries to each of n rows; a row is loaded once for all. */
KN_INLINE void table(float *d, const float *query, const float *base, kn_distance kind, size_t q, size_t n, size_t D)
{
    float aa[4] = {0};
    if (kind == KN_COSINE)
        for (size_t i = 0; i < q; i++)
            aa[i] = sums_of(query + i * D, query + i * D, kind, D).aa;
    for (size_t row = 0; row < n; row++, base += D) {
        vec ab[4] = {{0}}, bb = {0};
        for (size_t i = 0; i < D; i += V) {
            vec y = load_some(base + i, D - i);
            KN_UNROLL
            for (size_t j = 0; j < q; j++)
                ab[j] += term(load_some(query + j * D + i, D - i), y, kind);
            if (kind == KN_COSINE)
                bb += y * y;
        }
        float row_bb = sum_of(bb);
        KN_UNROLL
        for (size_t j = 0; j < q; j++)
            d[j * n + row] = distance_of((sums){sum_of(ab[j]), aa[j], row_bb}, kind);
    }
}

KN_INLINE void table_of(float *d, const float *query, const float *base, kn_distance kind, size_t q, size_t n,
                        size_t D)
{
    switch (q) {
    case 1: table(d, query, base, kind, 1, n, D); break;
    case 2: table(d, query, base, kind, 2, n, D); break;
    case 3: table(d, query, base, kind, 3, n, D); break;
    case 4: table(d, query, base, kind, 4, n, D); break;
    }
}

void KN_SIMD(distance_table)(float *d, const float *query, const float *base, kn_distance kind, size_t q, size_t n,
                             size_t D)
{
    switch (kind) {
    case KN_EUCLIDEAN: table_of(d, query, base, KN_EUCLIDEAN, q, n, D); break;
    case KN_L1: table_of(d, query, base, KN_L1, q, n, D); break;
    case KN_COSINE: table_of(d, query, base, KN_COSINE, q, n, D); break;
    }
}
