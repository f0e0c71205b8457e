/* Batch normalisation of a block of rows. */
#include "kernels/cpu/act.h"

#include <string.h>

/* Of at most KN_BN_ROWS rows, twice through the first-level cache: the mean, then
 * the squares about it, so that a large mean does not cancel. */
static void stats(float *KN_RESTRICT mean, float *KN_RESTRICT m2, const float *KN_RESTRICT x, size_t ld, size_t N,
                  size_t C)
{
    KN_SIMD(sum_rows)(mean, x, ld, N, C);
    float share = 1 / (float)N;
#pragma omp simd
    for (size_t c = 0; c < C; c++)
        mean[c] *= share, m2[c] = 0;
    size_t n = 0;
    for (; n + 4 <= N; n += 4, x += 4 * ld) {
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            float d0 = x[c] - mean[c], d1 = x[ld + c] - mean[c];
            float d2 = x[2 * ld + c] - mean[c], d3 = x[3 * ld + c] - mean[c];
            m2[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
        }
    }
    for (; n < N; n++, x += ld) {
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            float d = x[c] - mean[c];
            m2[c] += d * d;
        }
    }
}

void KN_SIMD(bn_merge)(float *KN_RESTRICT mean, float *KN_RESTRICT m2, size_t n, const float *KN_RESTRICT mean_b,
                       const float *KN_RESTRICT m2_b, size_t nb, size_t C)
{
    float share = (float)nb / (float)(n + nb), weight = (float)n * share;
#pragma omp simd
    for (size_t c = 0; c < C; c++) {
        float d = mean_b[c] - mean[c];
        mean[c] += d * share;
        m2[c] += m2_b[c] + d * d * weight;
    }
}

enum { COLUMNS = 128 }; /* of a panel whose statistics are kept aside */

void KN_SIMD(bn_stats)(float *mean, float *m2, const float *x, size_t ld, size_t N, size_t C)
{
    float mean_b[COLUMNS], m2_b[COLUMNS];
    for (size_t c = 0; c < C; c += COLUMNS) {
        size_t w = C - c < COLUMNS ? C - c : COLUMNS;
        stats(mean + c, m2 + c, x + c, ld, N < KN_BN_ROWS ? N : KN_BN_ROWS, w);
        for (size_t n = KN_BN_ROWS; n < N; n += KN_BN_ROWS) {
            size_t rows = N - n < KN_BN_ROWS ? N - n : KN_BN_ROWS;
            stats(mean_b, m2_b, x + n * ld + c, ld, rows, w);
            KN_SIMD(bn_merge)(mean + c, m2 + c, n, mean_b, m2_b, rows, w);
        }
    }
}

KN_INLINE float normal(float x, float mean, float scale, float beta, float res, kn_act act)
{
    return act_of((x - mean) * scale + beta + res, act);
}

/* Two rows at a time, to load what belongs to the channels once for both. */
KN_INLINE void apply(float *y, size_t ldy, const float *x, const float *mean, const float *scale, const float *beta,
                     const float *res, kn_act act, bool has_res, size_t N, size_t C)
{
    size_t n = 0;
    for (; n + 2 <= N; n += 2, y += 2 * ldy, x += 2 * C, res += has_res ? 2 * C : 0) {
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            float m = mean[c], s = scale[c], b = beta[c];
            y[c] = normal(x[c], m, s, b, has_res ? res[c] : 0, act);
            y[ldy + c] = normal(x[C + c], m, s, b, has_res ? res[C + c] : 0, act);
        }
    }
    if (n < N) {
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            y[c] = normal(x[c], mean[c], scale[c], beta[c], has_res ? res[c] : 0, act);
    }
}

KN_INLINE void apply_act(float *y, size_t ldy, const float *x, const float *mean, const float *scale,
                         const float *beta, const float *res, kn_act act, size_t N, size_t C)
{
    if (res)
        apply(y, ldy, x, mean, scale, beta, res, act, true, N, C);
    else
        apply(y, ldy, x, mean, scale, beta, x, act, false, N, C);
}

void KN_SIMD(bn_apply)(float *y, size_t ldy, const float *x, const float *mean, const float *scale, const float *beta,
                       const float *res, kn_act act, size_t N, size_t C)
{
    switch (act) {
    case KN_ACT_NONE: apply_act(y, ldy, x, mean, scale, beta, res, KN_ACT_NONE, N, C); break;
    case KN_ACT_RELU: apply_act(y, ldy, x, mean, scale, beta, res, KN_ACT_RELU, N, C); break;
    case KN_ACT_ELU: apply_act(y, ldy, x, mean, scale, beta, res, KN_ACT_ELU, N, C); break;
    }
}

/* Two rows at a time, to load and store the sums half as often. */
KN_INLINE void sums(float *KN_RESTRICT sum_g, float *KN_RESTRICT sum_gd, const float *dy, const float *y, size_t ldy,
                    const float *x, size_t ldx, const float *mean, kn_act act, size_t N, size_t C)
{
    size_t n = 0;
    for (; n + 2 <= N; n += 2, dy += 2 * ldy, y += 2 * ldy, x += 2 * ldx) {
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            float g0 = act_gradient(dy[c], y[c], act), g1 = act_gradient(dy[ldy + c], y[ldy + c], act);
            sum_g[c] += g0 + g1;
            sum_gd[c] += g0 * (x[c] - mean[c]) + g1 * (x[ldx + c] - mean[c]);
        }
    }
    if (n < N) {
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            float g = act_gradient(dy[c], y[c], act);
            sum_g[c] += g;
            sum_gd[c] += g * (x[c] - mean[c]);
        }
    }
}

void KN_SIMD(bn_sums)(float *sum_g, float *sum_gd, const float *dy, const float *y, size_t ldy, const float *x,
                      size_t ldx, const float *mean, kn_act act, size_t N, size_t C)
{
    memset(sum_g, 0, C * sizeof *sum_g);
    memset(sum_gd, 0, C * sizeof *sum_gd);
    switch (act) {
    case KN_ACT_NONE: sums(sum_g, sum_gd, dy, dy, ldy, x, ldx, mean, KN_ACT_NONE, N, C); break;
    case KN_ACT_RELU: sums(sum_g, sum_gd, dy, y, ldy, x, ldx, mean, KN_ACT_RELU, N, C); break;
    case KN_ACT_ELU: sums(sum_g, sum_gd, dy, y, ldy, x, ldx, mean, KN_ACT_ELU, N, C); break;
    }
}

/* What bn_gradient was asked; the compiler makes one loop for each combination. */
typedef struct ask {
    float *dx, *dres;
    const float *dy, *y, *x, *mean, *scale, *mean_g, *slope;
    size_t ldy, N, C;
} ask;

enum { NO_RES, WRITE_RES, ADD_RES };

KN_INLINE void gradient_at(const ask *q, size_t n, size_t c, kn_act act, int acc, int res)
{
    size_t i = n * q->C + c, o = n * q->ldy + c;
    float g = act_gradient(q->dy[o], q->y[o], act);
    float d = q->scale[c] * (g - q->mean_g[c] - (q->x[i] - q->mean[c]) * q->slope[c]);
    q->dx[i] = acc ? q->dx[i] + d : d;
    if (res != NO_RES)
        q->dres[i] = res == ADD_RES ? q->dres[i] + g : g; /* last: it may be dy */
}

KN_INLINE void gradient(const ask *asked, kn_act act, int acc, int res)
{
    ask q = *asked;
    size_t n = 0;
    for (; n + 2 <= q.N; n += 2) {
#pragma omp simd
        for (size_t c = 0; c < q.C; c++) {
            gradient_at(&q, n, c, act, acc, res);
            gradient_at(&q, n + 1, c, act, acc, res);
        }
    }
    if (n < q.N) {
#pragma omp simd
        for (size_t c = 0; c < q.C; c++)
            gradient_at(&q, n, c, act, acc, res);
    }
}

KN_INLINE void gradient_res(const ask *q, kn_act act, int acc, int acc_res)
{
    if (!q->dres)
        gradient(q, act, acc, NO_RES);
    else if (!acc_res)
        gradient(q, act, acc, WRITE_RES);
    else
        gradient(q, act, acc, ADD_RES);
}

KN_INLINE void gradient_act(const ask *q, kn_act act, int acc, int acc_res)
{
    if (acc)
        gradient_res(q, act, 1, acc_res);
    else
        gradient_res(q, act, 0, acc_res);
}

void KN_SIMD(bn_gradient)(float *dx, float *dres, const float *dy, const float *y, size_t ldy, const float *x,
                          const float *mean, const float *scale, const float *mean_g, const float *slope, kn_act act,
                          size_t N, size_t C, int acc, int acc_res)
{
    const ask q = {dx, dres, dy, act == KN_ACT_NONE ? dy : y, x, mean, scale, mean_g, slope, ldy, N, C};
    switch (act) {
    case KN_ACT_NONE: gradient_act(&q, KN_ACT_NONE, acc, acc_res); break;
    case KN_ACT_RELU: gradient_act(&q, KN_ACT_RELU, acc, acc_res); break;
    case KN_ACT_ELU: gradient_act(&q, KN_ACT_ELU, acc, acc_res); break;
    }
}
