/* Naive ops on rows, elements and parameters. Formulas: backend.h. */
#include "kernels/naive/naive.h"

#include <math.h>

#include "kernels/rng.h"

static void gemm(kn_backend *be, float *c, const float *a, const float *b, int ta, int tb, size_t M, size_t N,
                 size_t K, int acc)
{
    (void)be;
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double s = acc ? (double)c[m * N + n] : 0;
            for (size_t k = 0; k < K; k++)
                s += (double)a[ta ? k * M + m : m * K + k] * (double)b[tb ? n * K + k : k * N + n];
            c[m * N + n] = (float)s;
        }
}

/* ---- rows and columns ------------------------------------------------------ */

static void bias_forward(kn_backend *be, float *y, const float *b, size_t N, size_t C)
{
    (void)be;
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < C; c++)
            y[n * C + c] += b[c];
}

static void bias_backward(kn_backend *be, float *db, const float *dy, size_t N, size_t C)
{
    (void)be;
    for (size_t c = 0; c < C; c++) {
        double s = 0;
        for (size_t n = 0; n < N; n++)
            s += (double)dy[n * C + c];
        db[c] = (float)s;
    }
}

static void copy2d(kn_backend *be, float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc)
{
    (void)be;
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < C; c++)
            y[n * ldy + c] = (acc ? y[n * ldy + c] : 0) + x[n * ldx + c];
}

static void add(kn_backend *be, float *y, const float *a, const float *b, size_t n)
{
    (void)be;
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void gather(kn_backend *be, float *y, const float *table, const uint32_t *idx, size_t R, size_t D)
{
    (void)be;
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d++)
            y[r * D + d] = table[idx[r] * D + d];
}

static void bag(kn_backend *be, float *y, const float *table, const uint32_t *start, const uint32_t *idx,
                const float *weight, size_t R, size_t D)
{
    (void)be;
    for (size_t r = 0; r < R; r++)
        for (size_t d = 0; d < D; d++) {
            double s = 0;
            for (size_t k = start[r]; k < start[r + 1]; k++)
                s += (weight ? (double)weight[k] : 1) * (double)table[idx[k] * D + d];
            y[r * D + d] = (float)s;
        }
}

static void sum(kn_backend *be, float *out, const float *x, size_t n)
{
    (void)be;
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)x[i];
    out[0] = (float)s;
}

/* ---- activation, dropout --------------------------------------------------- */

float kn_naive_act(float x, kn_act act)
{
    if (act == KN_ACT_RELU)
        return x < 0 ? 0 : x;
    if (act == KN_ACT_ELU)
        return x > 0 ? x : expm1f(x);
    return x;
}

float kn_naive_act_slope(float y, kn_act act)
{
    if (act == KN_ACT_RELU)
        return y > 0 ? 1 : 0;
    if (act == KN_ACT_ELU)
        return y > 0 ? 1 : y + 1;
    return 1;
}

static void act_forward(kn_backend *be, float *y, const float *x, kn_act act, size_t n)
{
    (void)be;
    for (size_t i = 0; i < n; i++)
        y[i] = kn_naive_act(x[i], act);
}

static void act_backward(kn_backend *be, float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    (void)be;
    for (size_t i = 0; i < n; i++)
        dx[i] = (acc ? dx[i] : 0) + dy[i] * kn_naive_act_slope(y[i], act);
}

static void dropout(kn_backend *be, float *y, const float *x, float p, uint64_t seed, uint64_t stream,
                    const kn_step *step, size_t n, int acc)
{
    (void)be;
    uint64_t first = step->count * (n / 4 + (n % 4 != 0));
    for (size_t i = 0; i < n; i++) {
        uint32_t word[4];
        kn_philox(word, seed, stream, first + i / 4);
        float kept = kn_u01(word[i % 4]) >= p ? x[i] / (1 - p) : 0;
        y[i] = (acc ? y[i] : 0) + kept;
    }
}

/* ---- optimisers ------------------------------------------------------------- */

static void adam(kn_backend *be, float *p, float *m, float *v, const float *g, const kn_step *step, float b1,
                 float b2, float eps, float decay, size_t n)
{
    (void)be;
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] + decay * p[i];
        m[i] = b1 * m[i] + (1 - b1) * gi;
        v[i] = b2 * v[i] + (1 - b2) * gi * gi;
        p[i] -= step->lr * (m[i] * step->bias1) / (sqrtf(v[i] * step->bias2) + eps);
    }
}

static void sgd(kn_backend *be, float *p, float *m, const float *g, const kn_step *step, float momentum, float decay,
                int nesterov, size_t n)
{
    (void)be;
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] + decay * p[i];
        if (momentum != 0) {
            m[i] = step->count == 0 ? gi : momentum * m[i] + gi;
            gi = nesterov ? gi + momentum * m[i] : m[i];
        }
        p[i] -= step->lr * gi;
    }
}

void kn_naive_dense(kn_backend *be)
{
    be->gemm = gemm;
    be->bias_forward = bias_forward;
    be->bias_backward = bias_backward;
    be->copy2d = copy2d;
    be->add = add;
    be->gather = gather;
    be->bag = bag;
    be->sum = sum;
    be->act_forward = act_forward;
    be->act_backward = act_backward;
    be->dropout = dropout;
    be->adam = adam;
    be->sgd = sgd;
}
