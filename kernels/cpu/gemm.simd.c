/* Matrix product of small and middle shapes.
 *
 * One tile of c, R rows by 2 registers, stays in registers while k runs: per
 * step it loads 2 registers of b and R scalars of a for 2R multiply-adds. That
 * is 12 accumulators of AVX2's 16 registers (R = 6; two FMA units of latency 4
 * need 8) and 16 of AVX-512's 32 (R = 8, which divides the widths in use).
 *
 * b is packed into panels of 2 registers of columns, so that the inner loop
 * reads it in order from the first-level cache; a is read in place: its R rows
 * are R streams, or one when it is transposed. Each element of c is one
 * chain of sums over k, whatever rows are around it. */
#include "kernels/cpu/simd.h"

#include <string.h>

enum { R = KN_LANES == 16 ? 8 : 6, PANEL = 2 * KN_LANES, AHEAD = 4 };

void KN_SIMD(gemm_pack)(float *panel, const float *b, size_t ldb, int tb, size_t n, size_t K)
{
    if (n < PANEL)
        memset(panel, 0, K * PANEL * sizeof *panel);
    if (tb)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < K; k++)
                panel[k * PANEL + i] = b[i * ldb + k];
    else if (n == PANEL)
        for (size_t k = 0; k < K; k++) {
            store(panel + k * PANEL, load(b + k * ldb));
            store(panel + k * PANEL + V, load(b + k * ldb + V));
        }
    else
        for (size_t k = 0; k < K; k++)
            memcpy(panel + k * PANEL, b + k * ldb, n * sizeof *b);
}

/* c[rows,cols] (+)= a * panel; element (r, k) of a is a[r*row + k*step]. */
typedef struct tile {
    float *c;
    size_t ldc;
    const float *a;
    size_t row, step;
    const float *panel;
    size_t K, cols;
    int acc;
} tile;

KN_INLINE void store_tile(const tile *t, vec s[R][2], int rows, int wide)
{
    if (t->cols == (size_t)(wide * V)) {
        KN_UNROLL
        for (int r = 0; r < rows; r++)
            KN_UNROLL
            for (int w = 0; w < wide; w++) {
                float *c = t->c + (size_t)r * t->ldc + w * V;
                if (t->acc)
                    s[r][w] += load(c);
                store(c, s[r][w]);
            }
        return;
    }
    float edge[R * PANEL];
    KN_UNROLL
    for (int r = 0; r < rows; r++)
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            store(edge + r * PANEL + w * V, s[r][w]);
    for (size_t r = 0; r < (size_t)rows; r++)
        for (size_t j = 0; j < t->cols; j++) {
            float *c = t->c + r * t->ldc + j;
            *c = t->acc ? *c + edge[r * PANEL + j] : edge[r * PANEL + j];
        }
}

KN_INLINE void multiply(const tile *t, int rows, int wide, size_t row, size_t step)
{
    const float *a = t->a, *panel = t->panel;
    size_t K = t->K;
    vec s[R][2];
    KN_UNROLL
    for (int r = 0; r < rows; r++)
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            s[r][w] = (vec){0};
    for (size_t k = 0; k < K; k++) {
        vec b[2];
        if (row == 1)
            __builtin_prefetch(a + (k + AHEAD) * step); /* one line a step, too far apart for the hardware to guess */
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            b[w] = load(panel + k * PANEL + w * V);
        KN_UNROLL
        for (int r = 0; r < rows; r++) {
            vec x = a[(size_t)r * row + k * step] - (vec){0}; /* broadcast; x - 0 is x, -0 included */
            KN_UNROLL
            for (int w = 0; w < wide; w++)
                s[r][w] += x * b[w];
        }
    }
    store_tile(t, s, rows, wide);
}

/* The compiler makes one loop for each number of rows, width and layout of a. */
KN_INLINE void multiply_rows(const tile *t, int rows, int wide)
{
    if (t->step == 1)
        multiply(t, rows, wide, t->row, 1);
    else
        multiply(t, rows, wide, 1, t->step);
}

KN_INLINE void multiply_wide(const tile *t, size_t rows, int wide)
{
    switch (rows) {
    case 1: multiply_rows(t, 1, wide); break;
    case 2: multiply_rows(t, 2, wide); break;
    case 3: multiply_rows(t, 3, wide); break;
    case 4: multiply_rows(t, 4, wide); break;
    case 5: multiply_rows(t, 5, wide); break;
    case 6: multiply_rows(t, 6, wide); break;
#if KN_LANES == 16
    case 7: multiply_rows(t, 7, wide); break;
    case 8: multiply_rows(t, 8, wide); break;
#endif
    }
}

void KN_SIMD(gemm_panel)(float *c, size_t ldc, const float *a, size_t lda, int ta, const float *panel, size_t M,
                         size_t n, size_t K, int acc)
{
    size_t row = ta ? 1 : lda, step = ta ? lda : 1;
    for (size_t i = 0; i < M; i += R) {
        tile t = {c + i * ldc, ldc, a + i * row, row, step, panel, K, n, acc};
        size_t rows = M - i < R ? M - i : R;
        if (n > V)
            multiply_wide(&t, rows, 2);
        else
            multiply_wide(&t, rows, 1);
    }
}
