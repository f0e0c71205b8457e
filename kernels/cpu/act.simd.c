/* Activations on n elements. */
#include "kernels/cpu/act.h"

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
