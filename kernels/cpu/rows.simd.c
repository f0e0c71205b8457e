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

KN_INLINE void prefetch(const float *row, size_t D)
{
    for (size_t d = 0; d < D; d += 16)
        __builtin_prefetch(row + d);
}

/* Four rows of the table at a time, while the next four are asked for. */
void KN_SIMD(bag_row)(float *KN_RESTRICT y, const float *KN_RESTRICT table, const uint32_t *idx, const float *weight,
                      size_t n, size_t D)
{
    enum { STEP = 4 };
    memset(y, 0, D * sizeof *y);
    for (size_t k = 0; k < n; k += STEP) {
        const float *x[STEP];
        float w[STEP];
        size_t rows = n - k < STEP ? n - k : STEP;
        for (size_t i = 0; i < rows; i++) {
            x[i] = table + idx[k + i] * D;
            w[i] = weight ? weight[k + i] : 1;
            if (k + STEP + i < n)
                prefetch(table + idx[k + STEP + i] * D, D);
        }
        if (rows == STEP) {
#pragma omp simd
            for (size_t d = 0; d < D; d++)
                y[d] = y[d] + w[0] * x[0][d] + w[1] * x[1][d] + w[2] * x[2][d] + w[3] * x[3][d];
            continue;
        }
        for (size_t i = 0; i < rows; i++) {
#pragma omp simd
            for (size_t d = 0; d < D; d++)
                y[d] += w[i] * x[i][d];
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
