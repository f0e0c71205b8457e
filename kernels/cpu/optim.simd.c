/* Optimisers over a run of parameters. */
#include "kernels/cpu/simd.h"

#include <math.h>

void KN_SIMD(adam)(float *KN_RESTRICT p, float *KN_RESTRICT m, float *KN_RESTRICT v, const float *KN_RESTRICT g,
                   const kn_step *step, float b1, float b2, float eps, float decay, size_t n)
{
    float lr = step->lr, bias1 = step->bias1, bias2 = step->bias2;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] + decay * p[i];
        float mi = b1 * m[i] + (1 - b1) * gi;
        float vi = b2 * v[i] + (1 - b2) * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] -= lr * (mi * bias1) / (sqrtf(vi * bias2) + eps);
    }
}

void KN_SIMD(sgd)(float *KN_RESTRICT p, float *KN_RESTRICT m, const float *KN_RESTRICT g, const kn_step *step,
                  float momentum, float decay, int nesterov, size_t n)
{
    float lr = step->lr;
    if (momentum == 0) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            p[i] -= lr * (g[i] + decay * p[i]);
        return;
    }
    bool first = step->count == 0; /* m holds nothing yet */
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] + decay * p[i];
        float mi = first ? gi : momentum * m[i] + gi;
        m[i] = mi;
        p[i] -= lr * (nesterov ? gi + momentum * mi : mi);
    }
}
