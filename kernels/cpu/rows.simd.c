/* Rows, columns and elements. */
#include "kernels/cpu/simd.h"

#include <string.h>

void KN_SIMD(bias_rows)(float *y, const float *b, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++, y += C) {
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            y[c] += b[c];
    }
}

/* Four rows at a time: a sum is then loaded and stored once for four additions. */
void KN_SIMD(sum_rows)(float *KN_RESTRICT s, const float *KN_RESTRICT x, size_t ld, size_t N, size_t C)
{
    size_t n = 0;
    memset(s, 0, C * sizeof *s);
    for (; n + 4 <= N; n += 4, x += 4 * ld) {
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            s[c] += (x[c] + x[ld + c]) + (x[2 * ld + c] + x[3 * ld + c]);
    }
    for (; n < N; n++, x += ld) {
#pragma omp simd
        for (size_t c = 0; c < C; c++)
            s[c] += x[c];
    }
}

void KN_SIMD(copy_rows)(float *KN_RESTRICT y, size_t ldy, const float *KN_RESTRICT x, size_t ldx, size_t N, size_t C,
                        int acc)
{
    for (size_t n = 0; n < N; n++, y += ldy, x += ldx) {
        if (!acc)
            memcpy(y, x, C * sizeof *y);
        else {
#pragma omp simd
            for (size_t c = 0; c < C; c++)
                y[c] += x[c];
        }
    }
}

void KN_SIMD(add)(float *y, const float *a, const float *b, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

float KN_SIMD(sum)(const float *x, size_t n)
{
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (size_t i = 0; i < n; i++)
        s += x[i];
    return s;
}
