/* Activations and dropout on n elements. */
#include "kernels/cpu/act.h"
#include "kernels/rng.h"

KN_INLINE void forward(float *y, const float *x, kn_act act, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = act_of(x[i], act);
}

void KN_SIMD(act_forward)(float *y, const float *x, kn_act act, size_t n)
{
    switch (act) {
    case KN_ACT_NONE: forward(y, x, KN_ACT_NONE, n); break;
    case KN_ACT_RELU: forward(y, x, KN_ACT_RELU, n); break;
    case KN_ACT_ELU: forward(y, x, KN_ACT_ELU, n); break;
    }
}

KN_INLINE void backward(float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    if (!acc) {
        act_gradients(dx, dy, y, act, n);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] += act_gradient(dy[i], y[i], act);
}

void KN_SIMD(act_backward)(float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    switch (act) {
    case KN_ACT_NONE: backward(dx, dy, y, KN_ACT_NONE, n, acc); break;
    case KN_ACT_RELU: backward(dx, dy, y, KN_ACT_RELU, n, acc); break;
    case KN_ACT_ELU: backward(dx, dy, y, KN_ACT_ELU, n, acc); break;
    }
}

/* Philox blocks drawn at a time, so that the compiler can draw them side by side. */
enum { DRAWN = 64 };

void KN_SIMD(dropout)(float *y, const float *x, float p, uint64_t seed, uint64_t stream, uint64_t block, size_t n,
                      int acc)
{
    float scale = 1 / (1 - p), keep[4 * DRAWN];
    for (size_t i = 0; i < n; i += 4 * DRAWN, block += DRAWN) {
#pragma omp simd
        for (size_t j = 0; j < DRAWN; j++) {
            uint32_t word[4];
            kn_philox(word, seed, stream, block + j);
            for (size_t w = 0; w < 4; w++)
                keep[4 * j + w] = kn_u01(word[w]) >= p ? scale : 0;
        }
        size_t m = n - i < 4 * DRAWN ? n - i : 4 * DRAWN;
#pragma omp simd
        for (size_t j = 0; j < m; j++)
            y[i + j] = (acc ? y[i + j] : 0) + (keep[j] > 0 ? x[i + j] * keep[j] : 0);
    }
}
