/* The activations as the simd files inline them. */
#ifndef KN_ACT_H
#define KN_ACT_H

#include "kernels/cpu/simd.h"

#ifdef KN_ISA

/* x <= 0 as n ln 2 + r with |r| <= ln 2 / 2: 2^n to *two_n, and exp(r) - 1 by
 * its Taylor series to r^7 (the rest is below 1e-8 of it). ln 2 is taken in two
 * parts (Cody, Waite 1980), the first of which has few enough digits that n
 * times it is exact. */
KN_INLINE float exp_parts(float *two_n, float x)
{
    float big = x * 1.44269504f + 0x1.8p23f; /* round to nearest by its last bit */
    float n = big - 0x1.8p23f;
    float r = (x - n * 0x1.63p-1f) + n * 0x1.bd0106p-13f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    union {
        float f;
        uint32_t u;
    } bits = {.f = big};
    bits.u = (bits.u + 127) << 23; /* the low bits of big are n */
    *two_n = bits.f;
    return p * r * r + r;
}

/* exp(x) - 1 for x <= 0, to 2 units in the last place: 2^n (exp(r) - 1) +
 * (2^n - 1), where nothing cancels. */
KN_INLINE float exp_minus_1(float x)
{
    float two_n, p = exp_parts(&two_n, x < -25.0f ? -25.0f : x); /* from there on it is -1; NaN passes */
    return two_n * p + (two_n - 1);
}

/* exp(x) for x <= 0; 0 where fp32 has no normal number for it. */
KN_INLINE float exp_of(float x)
{
    float two_n, p = exp_parts(&two_n, x < -87.0f ? -87.0f : x);
    return x < -87.0f ? 0 : two_n * p + two_n;
}

KN_INLINE float act_of(float x, kn_act act)
{
    if (act == KN_ACT_RELU)
        return x < 0 ? 0 : x;
    if (act == KN_ACT_ELU) {
        float e = exp_minus_1(x);
        return x > 0 ? x : e;
    }
    return x;
}

/* y[n] = act(y) */
KN_INLINE void activate(float *y, kn_act act, size_t n)
{
    if (act == KN_ACT_RELU) {
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            y[j] = act_of(y[j], KN_ACT_RELU);
    } else if (act == KN_ACT_ELU) {
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            y[j] = act_of(y[j], KN_ACT_ELU);
    }
}

/* dy * act'(x), told from y = act(x) */
KN_INLINE float act_gradient(float dy, float y, kn_act act)
{
    if (act == KN_ACT_RELU)
        return y > 0 ? dy : 0;
    if (act == KN_ACT_ELU)
        return y > 0 ? dy : dy * (y + 1);
    return dy;
}

KN_INLINE void act_gradients(float *dx, const float *dy, const float *y, kn_act act, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        dx[i] = act_gradient(dy[i], y[i], act);
}

#endif
#endif
