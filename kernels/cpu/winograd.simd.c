/* The transforms of Winograd's convolution with 3x3 weights, 4x4 results a tile,
 * F(4x4,3x3) of A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2016:
 *
 *    y = A^T [(G g G^T) . (B^T d B)] A      g[3,3], d[6,6], y[4,4]
 *
 * made by the method of Toom and Cook from the points 0, 1, -1, 1/2, -2 and
 * infinity. With 2 instead of 1/2, as in the paper, results have twice the error
 * (measured on sums of 64 channels: 1.6e-5 of their size at most beside 7e-6;
 * summed directly 3e-6).
 *
 * Each *_line is one side of it; both sides are the columns of a square, then its
 * rows. */
#include "kernels/cpu/act.h"

enum { SIDE = KN_WINOGRAD_SIDE, TAPS = 3 };

/* Numbers `step` apart become others, `step` apart. */
typedef void (*line_map)(vec *to, const vec *from, size_t step);

/* B^T: six pixels */
KN_INLINE void image_line(vec *to, const vec *d, size_t step)
{
    vec a = d[3 * step] - d[step], b = d[4 * step] - d[2 * step];
    to[0] = d[0] - 2 * d[2 * step] + d[4 * step] + 1.5f * a;
    to[step] = b + a + 1.5f * (d[2 * step] + d[3 * step]);
    to[2 * step] = b - a + 1.5f * (d[3 * step] - d[2 * step]);
    to[3 * step] = b + 2 * a;
    to[4 * step] = b - 0.5f * a;
    to[5 * step] = d[step] - 2 * d[3 * step] + d[5 * step] + 1.5f * b;
}

/* G: three weights */
KN_INLINE void weights_line(vec *to, const vec *g, size_t step)
{
    vec even = g[0] + g[2 * step], odd = g[step];
    to[0] = g[0];
    to[step] = (even + odd) * (1.0f / 3);
    to[2 * step] = (odd - even) * (1.0f / 3);
    to[3 * step] = (g[0] + 0.5f * odd + 0.25f * g[2 * step]) * (-16.0f / 15);
    to[4 * step] = (g[0] - 2 * odd + 4 * g[2 * step]) * (1.0f / 15);
    to[5 * step] = g[2 * step];
}

/* A: four gradients of results */
KN_INLINE void gradient_line(vec *to, const vec *y, size_t step)
{
    vec even = y[0] + y[2 * step], odd = y[step] + y[3 * step];
    to[0] = y[0];
    to[step] = even + odd;
    to[2 * step] = even - odd;
    to[3 * step] = y[0] + 0.5f * y[step] + 0.25f * y[2 * step] + 0.125f * y[3 * step];
    to[4 * step] = y[0] - 2 * y[step] + 4 * y[2 * step] - 8 * y[3 * step];
    to[5 * step] = y[3 * step];
}

/* A^T: four results */
KN_INLINE void result_line(vec *to, const vec *m, size_t step)
{
    vec even = m[step] + m[2 * step], odd = m[step] - m[2 * step];
    to[0] = m[0] + even + m[3 * step] + m[4 * step];
    to[step] = odd + 0.5f * m[3 * step] - 2 * m[4 * step];
    to[2 * step] = even + 0.25f * m[3 * step] + 4 * m[4 * step];
    to[3 * step] = odd + 0.125f * m[3 * step] - 8 * m[4 * step] + m[5 * step];
}

/* G^T: three gradients of weights */
KN_INLINE void weights_gradient_line(vec *to, const vec *u, size_t step)
{
    vec even = (u[step] + u[2 * step]) * (1.0f / 3), odd = (u[step] - u[2 * step]) * (1.0f / 3);
    vec half = u[3 * step] * (-16.0f / 15), two = u[4 * step] * (1.0f / 15);
    to[0] = u[0] + odd + half + two;
    to[step] = even + 0.5f * half - 2 * two;
    to[2 * step] = odd + 0.25f * half + 4 * two + u[5 * step];
}

/* out[to,to] from in[from,from]: the columns, then the rows. */
KN_INLINE void both_sides(vec *out, const vec *in, line_map line, size_t to, size_t from)
{
    vec half[SIDE * SIDE];
    KN_UNROLL
    for (size_t j = 0; j < from; j++)
        line(half + j, in + j, from);
    KN_UNROLL
    for (size_t i = 0; i < to; i++)
        line(out + i * to, half + i * from, 1);
}

/* m <= V channels, from c on. */
KN_INLINE void spread(float *v, size_t ldv, const float *const *px, line_map line, size_t from, size_t c, size_t m)
{
    vec in[SIDE * SIDE], out[SIDE * SIDE];
    KN_UNROLL
    for (size_t i = 0; i < from * from; i++)
        in[i] = load_n(px[i] + c, m);
    both_sides(out, in, line, SIDE, from);
    KN_UNROLL
    for (size_t i = 0; i < SIDE * SIDE; i++)
        store_n(v + i * ldv + c, out[i], m);
}

KN_INLINE void spread_all(float *v, size_t ldv, const float *const *px, line_map line, size_t from, size_t C)
{
    size_t c = 0;
    for (; c + V <= C; c += V)
        spread(v, ldv, px, line, from, c, V);
    if (c < C)
        spread(v, ldv, px, line, from, c, C - c);
}

void KN_SIMD(winograd_image)(float *v, size_t ldv, const float *const *px, size_t C)
{
    spread_all(v, ldv, px, image_line, SIDE, C);
}

void KN_SIMD(winograd_gradient)(float *v, size_t ldv, const float *const *px, size_t C)
{
    spread_all(v, ldv, px, gradient_line, KN_WINOGRAD_TILE, C);
}

void KN_SIMD(winograd_weights)(float *v, size_t ldv, const float *const *px, size_t C)
{
    spread_all(v, ldv, px, weights_line, TAPS, C);
}

KN_INLINE void gather(vec *out, const float *v, size_t ldv, line_map line, size_t to, size_t m)
{
    vec in[SIDE * SIDE];
    KN_UNROLL
    for (size_t i = 0; i < SIDE * SIDE; i++)
        in[i] = load_n(v + i * ldv, m);
    both_sides(out, in, line, to, SIDE);
}

KN_INLINE void results(float *const *y, const float *v, size_t ldv, const float *bias, kn_act act, int acc, size_t c,
                       size_t m)
{
    vec out[KN_WINOGRAD_TILE * KN_WINOGRAD_TILE], b = bias ? load_n(bias + c, m) : (vec){0};
    gather(out, v + c, ldv, result_line, KN_WINOGRAD_TILE, m);
    for (size_t i = 0; i < KN_WINOGRAD_TILE * KN_WINOGRAD_TILE; i++) {
        vec x = out[i] + b;
        store_n(y[i] + c, acc ? load_n(y[i] + c, m) + x : x, m);
        activate(y[i] + c, act, m);
    }
}

void KN_SIMD(winograd_results)(float *const *y, const float *v, size_t ldv, const float *bias, kn_act act, size_t C,
                               int acc)
{
    size_t c = 0;
    for (; c + V <= C; c += V)
        results(y, v, ldv, bias, act, acc, c, V);
    if (c < C)
        results(y, v, ldv, bias, act, acc, c, C - c);
}

KN_INLINE void weights_gradient(float *const *dw, const float *u, size_t ldu, size_t c, size_t m)
{
    vec out[TAPS * TAPS];
    gather(out, u + c, ldu, weights_gradient_line, TAPS, m);
    KN_UNROLL
    for (size_t i = 0; i < TAPS * TAPS; i++)
        store_n(dw[i] + c, out[i], m);
}

void KN_SIMD(winograd_weights_gradient)(float *const *dw, const float *u, size_t ldu, size_t C)
{
    size_t c = 0;
    for (; c + V <= C; c += V)
        weights_gradient(dw, u, ldu, c, V);
    if (c < C)
        weights_gradient(dw, u, ldu, c, C - c);
}
