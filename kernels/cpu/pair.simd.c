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

/* The loss of a pair at distance d; *slope = d loss / d d. */
KN_INLINE float loss_at(float *slope, float d, float same, kn_pair_loss kind, float margin)
{
    float other = 1 - same, gap = margin - d < 0 ? 0 : margin - d; /* NaN stays NaN */
    if (kind == KN_CONTRASTIVE) {
        *slope = 2 * (same * d - other * gap);
        return same * d * d + other * gap * gap;
    }
    *slope = same - (gap > 0 ? other : 0);
    return same * d + other * gap;
}

void KN_SIMD(pair_loss)(float *loss, float *d, float *dz, const float *z, const float *y, kn_distance kind,
                        kn_pair_loss loss_kind, float margin, float share, size_t first, size_t n, size_t B, size_t D)
{
    for (size_t i = first; i < first + n; i++) {
        const float *a = z + i * D, *b = z + (B + i) * D;
        sums s = pair_sums(a, b, kind, D);
        float dist = distance_of(s, kind), slope;
        loss[i] = loss_at(&slope, dist, y[i], loss_kind, margin);
        d[i] = dist;
        gradients(dz + i * D, dz + (B + i) * D, a, b, kind, s, dist, slope * share, D);
    }
}

/* ---- one row with many: search, all pairs of a batch ------------------------------ */

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

/* Distances d[q,N] to the losses of q rows from i on and, in their place, the k of
 * pulls(). own[q]: cosine's pull of a row on itself. */
KN_INLINE void weights(const kn_batch *b, float *own, float *d, kn_distance kind, size_t i, size_t q)
{
    double sum[KN_BATCH_ROWS] = {0};
    float aa[KN_BATCH_ROWS] = {0}, bb = 0;
    for (size_t r = 0; r < q; r++) {
        const float *a = b->z + (i + r) * b->D;
        own[r] = 0;
        aa[r] = kind == KN_COSINE ? sums_of(a, a, kind, b->D).aa : 0;
    }
    for (size_t j = 0; j < b->N; j++) {
        const float *y = b->z + j * b->D;
        if (kind == KN_COSINE)
            bb = sums_of(y, y, kind, b->D).aa;
        for (size_t r = 0; r < q; r++) {
            bool same = b->group[i + r] == b->group[j];
            float at = d[r * b->N + j], weight = i + r == j ? 0 : same ? b->same : b->other, k;
            sum[r] += (double)(weight * loss_at(&k, at, same, b->loss_kind, b->margin));
            k *= weight;
            if (kind == KN_COSINE) {
                float norms = norms_of((sums){0, aa[r], bb});
                bool defined = !(norms <= KN_EPS_DIST);
                own[r] += defined ? k * (1 - at) / aa[r] : 0;
                k = defined ? -k / norms : 0;
            }
            d[r * b->N + j] = kind == KN_EUCLIDEAN ? k / at : k;
        }
    }
    for (size_t r = 0; r < q; r++)
        b->loss[i + r] = (float)(sum[r] / 2);
}

/* k * (a - b), k * sign(a - b), or k * b */
KN_INLINE vec pull(vec a, vec b, float k, kn_distance kind)
{
    if (kind == KN_EUCLIDEAN)
        return k * (a - b);
    if (kind == KN_COSINE)
        return k * b;
    ivec bits = (ivec)(k + (vec){0});
    return (vec)((ivec)(a > b) & bits) - (vec)((ivec)(a < b) & bits);
}

/* dz[q,D] += pulls of rows b[n,D] on a[q,D]; k[q] is N apart. */
KN_INLINE void pulls(float *dz, const float *a, const float *b, const float *k, kn_distance kind, size_t q, size_t n,
                     size_t N, size_t D)
{
    for (size_t i = 0; i < D; i += V) {
        vec x[KN_BATCH_ROWS], sum[KN_BATCH_ROWS];
        KN_UNROLL
        for (size_t r = 0; r < q; r++) {
            x[r] = load_some(a + r * D + i, D - i);
            sum[r] = load_some(dz + r * D + i, D - i);
        }
        for (size_t j = 0; j < n; j++) {
            vec y = load_some(b + j * D + i, D - i);
            KN_UNROLL
            for (size_t r = 0; r < q; r++)
                sum[r] += pull(x[r], y, k[r * N + j], kind);
        }
        KN_UNROLL
        for (size_t r = 0; r < q; r++)
            memcpy(dz + r * D + i, &sum[r], (D - i < V ? D - i : V) * sizeof *dz);
    }
}

/* In blocks of rows, so that the sums of a stretch of dz stay in registers while
 * the block goes by, and memory is read in stretches. */
KN_INLINE void batch(const kn_batch *b, float *room, kn_distance kind, size_t i, size_t q)
{
    enum { BLOCK = 8 };
    size_t N = b->N, D = b->D;
    float own[KN_BATCH_ROWS], *dz = b->dz + i * D;
    const float *a = b->z + i * D;
    table(room, a, b->z, kind, q, N, D);
    weights(b, own, room, kind, i, q);
    for (size_t r = 0; r < q; r++)
        for (size_t c = 0; c < D; c++)
            dz[r * D + c] = kind == KN_COSINE ? own[r] * a[r * D + c] : 0;
    for (size_t j = 0; j < N; j += BLOCK)
        pulls(dz, a, b->z + j * D, room + j, kind, q, N - j < BLOCK ? N - j : BLOCK, N, D);
}

KN_INLINE void batch_of(const kn_batch *b, float *room, kn_distance kind, size_t i, size_t q)
{
    if (q == KN_BATCH_ROWS)
        batch(b, room, kind, i, KN_BATCH_ROWS);
    else
        for (size_t r = 0; r < q; r++)
            batch(b, room, kind, i + r, 1);
}

void KN_SIMD(batch_loss)(const kn_batch *b, float *room, size_t first, size_t n)
{
    switch (b->kind) {
    case KN_EUCLIDEAN: batch_of(b, room, KN_EUCLIDEAN, first, n); break;
    case KN_L1: batch_of(b, room, KN_L1, first, n); break;
    case KN_COSINE: batch_of(b, room, KN_COSINE, first, n); break;
    }
}
