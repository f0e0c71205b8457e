/* Pools over a run of windows that have the same pixels, `step` floats apart:
 * pixel t of the first is C channels at x + at[t]. Some channels at a time, so
 * that what is kept between pixels stays in the first-level cache. */
#include "kernels/cpu/simd.h"

#include <string.h>

enum { CHANNELS = 64 };

#define EACH_WINDOW                                                                                                    \
    for (size_t q = 0; q < n; q++)                                                                                     \
        for (size_t c = 0, m; m = C - c < CHANNELS ? C - c : CHANNELS, c < C; c += m)

/* NaN wins, on either side. */
KN_INLINE float larger(float a, float b)
{
    float m = b > a ? b : a;
    return b == b ? m : b;
}

void KN_SIMD(maxpool)(float *KN_RESTRICT y, const float *KN_RESTRICT x, size_t step, size_t n, const size_t *at,
                      size_t taps, size_t C)
{
    EACH_WINDOW {
        float most[CHANNELS];
        memcpy(most, x + q * step + at[0] + c, m * sizeof *most);
        for (size_t t = 1; t < taps; t++) {
            const float *from = x + q * step + at[t] + c;
#pragma omp simd
            for (size_t i = 0; i < m; i++)
                most[i] = larger(most[i], from[i]);
        }
        memcpy(y + q * C + c, most, m * sizeof *most);
    }
}

KN_INLINE void max_gradient(float *KN_RESTRICT dx, const float *KN_RESTRICT dy, const float *KN_RESTRICT x,
                            const float *KN_RESTRICT y, const size_t *at, size_t taps, size_t m, int acc)
{
    float left[CHANNELS]; /* of dy: what no pixel has had yet */
    memcpy(left, dy, m * sizeof *left);
    for (size_t t = 0; t < taps; t++) {
        float *to = dx + at[t];
        const float *from = x + at[t];
#pragma omp simd
        for (size_t i = 0; i < m; i++) {
            float g = from[i] == y[i] ? left[i] : 0;
            to[i] = acc ? to[i] + g : g;
            left[i] = from[i] == y[i] ? 0 : left[i];
        }
    }
}

void KN_SIMD(maxpool_gradient)(float *KN_RESTRICT dx, const float *KN_RESTRICT dy, const float *KN_RESTRICT x,
                               const float *KN_RESTRICT y, size_t step, size_t n, const size_t *at, size_t taps,
                               size_t C, int acc)
{
    EACH_WINDOW {
        size_t from = q * step + c, row = q * C + c;
        if (acc)
            max_gradient(dx + from, dy + row, x + from, y + row, at, taps, m, 1);
        else
            max_gradient(dx + from, dy + row, x + from, y + row, at, taps, m, 0);
    }
}

void KN_SIMD(avgpool)(float *KN_RESTRICT y, const float *KN_RESTRICT x, size_t step, size_t n, const size_t *at,
                      size_t taps, size_t C)
{
    EACH_WINDOW {
        float s[CHANNELS] = {0};
        for (size_t t = 0; t < taps; t++) {
            const float *from = x + q * step + at[t] + c;
#pragma omp simd
            for (size_t i = 0; i < m; i++)
                s[i] += from[i];
        }
        for (size_t i = 0; i < m; i++)
            y[q * C + c + i] = s[i] / (float)taps;
    }
}

void KN_SIMD(avgpool_gradient)(float *KN_RESTRICT dx, const float *KN_RESTRICT dy, size_t step, size_t n,
                               const size_t *at, size_t taps, size_t C, int acc)
{
    EACH_WINDOW {
        float g[CHANNELS];
        for (size_t i = 0; i < m; i++)
            g[i] = dy[q * C + c + i] / (float)taps;
        for (size_t t = 0; t < taps; t++) {
            float *to = dx + q * step + at[t] + c;
#pragma omp simd
            for (size_t i = 0; i < m; i++)
                to[i] = acc ? to[i] + g[i] : g[i];
        }
    }
}
