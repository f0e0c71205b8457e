/* Losses of classes and of values. */
#include "kernels/cpu/act.h"

#include <math.h>
#include <string.h>

/* NaN is no maximum. */
KN_INLINE float larger(float a, float b)
{
    return b > a ? b : a;
}

/* In V lanes: compilers do not make them of a maximum, as NaN might be in it. */
static float largest(const float *z, size_t C)
{
    float top[V];
    size_t c = 0;
    for (size_t i = 0; i < V; i++)
        top[i] = z[0];
    for (; c + V <= C; c += V) {
#pragma omp simd
        for (size_t i = 0; i < V; i++)
            top[i] = larger(top[i], z[c + i]);
    }
    for (; c < C; c++)
        top[0] = larger(top[0], z[c]);
    for (size_t i = 1; i < V; i++)
        top[0] = larger(top[0], top[i]);
    return top[0];
}

/* dz[C] = softmax(z): exponents are at most 0, so that nothing overflows. */
static void softmax_row(float *KN_RESTRICT dz, float *KN_RESTRICT loss, const float *KN_RESTRICT z, uint32_t label,
                        size_t C)
{
    float most = largest(z, C), sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < C; c++) {
        dz[c] = exp_of(z[c] - most);
        sum += dz[c];
    }
    *loss = logf(sum) + most - z[label];
    sum = 1 / sum;
#pragma omp simd
    for (size_t c = 0; c < C; c++)
        dz[c] *= sum;
}

void KN_SIMD(softmax_loss)(float *loss, float *dz, float *p, const float *z, const uint32_t *label, float scale,
                           size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++, z += C, dz += C) {
        softmax_row(dz, &loss[n], z, label[n], C);
        if (p)
            memcpy(p + n * C, dz, C * sizeof *p);
        dz[label[n]] -= 1;
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            dz[c] *= scale;
    }
}

void KN_SIMD(value_loss)(float *loss, float *dz, const float *z, const float *target, kn_value_loss kind, float delta,
                         float scale, size_t N)
{
    if (kind == KN_SQUARED) {
#pragma omp simd
        for (size_t n = 0; n < N; n++) {
            float e = z[n] - target[n];
            loss[n] = e * e;
            dz[n] = 2 * e * scale;
        }
        return;
    }
#pragma omp simd
    for (size_t n = 0; n < N; n++) {
        float e = z[n] - target[n], size = fabsf(e);
        float near = e < -delta ? -delta : e > delta ? delta : e;
        loss[n] = size <= delta ? e * e / 2 : delta * (size - delta / 2);
        dz[n] = near * scale;
    }
}
