/* Products of a convolution: the windows stay where they are, in the image or
 * in a padded copy of it, and are read as rows that begin anywhere.
 *
 * Tiles as in gemm.simd.c: R rows by 2 registers of columns stay in registers
 * while the sum runs. A window is a few segments, runs of floats that are side
 * by side in memory (KW * C of them in each row of the window). */
#include "kernels/cpu/act.h"

#include <string.h>

enum { R = KN_LANES == 16 ? 8 : 6, PANEL = 2 * KN_LANES, LINE = 16 };

/* ---- rows = windows times a panel -------------------------------------------------- */

/* Row after row, since they may overlap. */
KN_INLINE void store_rows(const kn_conv_rows *t, const size_t *y_at, vec s[R][2], int rows, int wide)
{
    if (t->n == (size_t)(wide * V)) {
        KN_UNROLL
        for (int r = 0; r < rows; r++)
            KN_UNROLL
            for (int w = 0; w < wide; w++) {
                float *y = t->y + y_at[r] + w * V;
                store(y, t->acc ? load(y) + s[r][w] : s[r][w]);
            }
        for (size_t r = 0; t->act != KN_ACT_NONE && r < (size_t)rows; r++)
            activate(t->y + y_at[r], t->act, (size_t)(wide * V));
        return;
    }
    float edge[R * PANEL];
    KN_UNROLL
    for (int r = 0; r < rows; r++)
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            store(edge + r * PANEL + w * V, s[r][w]);
    for (size_t r = 0; r < (size_t)rows; r++) {
        float *y = t->y + y_at[r];
        for (size_t j = 0; j < t->n; j++)
            y[j] = t->acc ? y[j] + edge[r * PANEL + j] : edge[r * PANEL + j];
        activate(y, t->act, t->n);
    }
}

KN_INLINE void multiply_rows(const kn_conv_rows *t, size_t m, int rows, int wide)
{
    const float *panel = t->panel;
    float start[PANEL] = {0};
    vec s[R][2];
    if (t->bias)
        memcpy(start, t->bias, t->n * sizeof *start);
    KN_UNROLL
    for (int r = 0; r < rows; r++)
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            s[r][w] = load(start + w * V);
    for (size_t i = 0; i < t->segments; i++) {
        const float *x[R];
        KN_UNROLL
        for (int r = 0; r < rows; r++)
            x[r] = t->x + t->x_at[m + (size_t)r] + t->segment[i].at;
        for (size_t k = 0; k < t->segment[i].n; k++, panel += PANEL) {
            vec b[2];
            KN_UNROLL
            for (int w = 0; w < wide; w++)
                b[w] = load(panel + w * V);
            KN_UNROLL
            for (int r = 0; r < rows; r++) {
                vec a = x[r][k] - (vec){0}; /* broadcast; x - 0 is x, -0 included */
                KN_UNROLL
                for (int w = 0; w < wide; w++)
                    s[r][w] += a * b[w];
            }
        }
    }
    store_rows(t, t->y_at + m, s, rows, wide);
}

KN_INLINE void multiply(const kn_conv_rows *t, size_t m, size_t rows, int wide)
{
    switch (rows) {
    case 1: multiply_rows(t, m, 1, wide); break;
    case 2: multiply_rows(t, m, 2, wide); break;
    case 3: multiply_rows(t, m, 3, wide); break;
    case 4: multiply_rows(t, m, 4, wide); break;
    case 5: multiply_rows(t, m, 5, wide); break;
    case 6: multiply_rows(t, m, 6, wide); break;
#if KN_LANES == 16
    case 7: multiply_rows(t, m, 7, wide); break;
    case 8: multiply_rows(t, m, 8, wide); break;
#endif
    }
}

/* Rows of a tile are too many and too short for the hardware to guess the next. */
KN_INLINE void prefetch_rows(const kn_conv_rows *t, size_t m)
{
    for (size_t end = m + R < t->M ? m + R : t->M; m < end; m++)
        for (size_t i = 0; i < t->segments; i++)
            for (size_t k = 0; k < t->segment[i].n; k += LINE)
                __builtin_prefetch(t->x + t->x_at[m] + t->segment[i].at + k);
}

void KN_SIMD(conv_rows)(const kn_conv_rows *t)
{
    for (size_t m = 0; m < t->M; m += R) {
        size_t rows = t->M - m < R ? t->M - m : R;
        if (t->cold)
            prefetch_rows(t, m + R);
        if (t->n > V)
            multiply(t, m, rows, 2);
        else
            multiply(t, m, rows, 1);
    }
}

/* ---- gradient of the weights --------------------------------------------------------- */

/* dw[rows, n] (+)= sum over m of dy[m, rows] x[x_at[m], n] */
KN_INLINE void sum_tile(float *dw, size_t ldw, const float *dy, size_t ldy, const float *x, const size_t *x_at,
                        size_t M, size_t n, int acc, int rows, int wide)
{
    vec s[R][2];
    KN_UNROLL
    for (int r = 0; r < rows; r++)
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            s[r][w] = (vec){0};
    for (size_t m = 0; m < M; m++, dy += ldy) {
        vec b[2];
        KN_UNROLL
        for (int w = 0; w < wide; w++)
            b[w] = load(x + x_at[m] + w * V);
        KN_UNROLL
        for (int r = 0; r < rows; r++) {
            vec a = dy[r] - (vec){0};
            KN_UNROLL
            for (int w = 0; w < wide; w++)
                s[r][w] += a * b[w];
        }
    }
    float edge[PANEL];
    for (int r = 0; r < rows; r++, dw += ldw) {
        bool whole = n == (size_t)(wide * V);
        KN_UNROLL
        for (int w = 0; w < wide; w++) {
            float *to = whole ? dw + w * V : edge + w * V;
            store(to, whole && acc ? load(to) + s[r][w] : s[r][w]);
        }
        for (size_t j = 0; !whole && j < n; j++)
            dw[j] = acc ? dw[j] + edge[j] : edge[j];
    }
}

KN_INLINE void sum_wide(float *dw, size_t ldw, const float *dy, size_t ldy, size_t rows, const float *x,
                        const size_t *x_at, size_t M, size_t n, int acc, int wide)
{
    switch (rows) {
    case 1: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 1, wide); break;
    case 2: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 2, wide); break;
    case 3: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 3, wide); break;
    case 4: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 4, wide); break;
    case 5: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 5, wide); break;
    case 6: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 6, wide); break;
#if KN_LANES == 16
    case 7: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 7, wide); break;
    case 8: sum_tile(dw, ldw, dy, ldy, x, x_at, M, n, acc, 8, wide); break;
#endif
    }
}

void KN_SIMD(conv_weights)(float *dw, size_t ldw, const float *dy, size_t ldy, size_t O, const float *x,
                           const size_t *x_at, size_t M, size_t n, int acc)
{
    for (size_t k = 0; k < n; k += PANEL) {
        size_t cols = n - k < PANEL ? n - k : PANEL;
        for (size_t o = 0; o < O; o += R) {
            size_t rows = O - o < R ? O - o : R;
            float *to = dw + o * ldw + k;
            if (cols > V)
                sum_wide(to, ldw, dy + o, ldy, rows, x + k, x_at, M, cols, acc, 2);
            else
                sum_wide(to, ldw, dy + o, ldy, rows, x + k, x_at, M, cols, acc, 1);
        }
    }
}

/* ---- windows side by side ------------------------------------------------------------- */

void KN_SIMD(conv_gather)(float *y, size_t ldy, const float *x, const size_t *x_at, size_t M, const kn_segment *segment,
                          size_t segments)
{
    for (size_t m = 0; m < M; m++, y += ldy) {
        float *to = y;
        for (size_t i = 0; i < segments; to += segment[i++].n)
            for (size_t k = 0; k < segment[i].n; k += V)
                store(to + k, load(x + x_at[m] + segment[i].at + k));
    }
}
