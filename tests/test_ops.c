/* Every op of the contract, on every filling, against naive: shapes of all
 * kinds, poisoned outputs, guarded buffers, both values of acc, the aliases that
 * backend.h allows; and the same bits for any number of threads and any run.
 *
 * A new op gets a function that deals its arguments and calls it, and a row in
 * ops[]: the_contract_is_covered fails until it has. */
#include "tests/rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t at_least(size_t n, size_t least)
{
    return n < least ? least : n;
}

static size_t at_most(size_t n, size_t most)
{
    return n > most ? most : n;
}

/* ---- the ops: s is a shape of three sizes, v a variant ---------------------------- */

/* v: ta, tb, acc */
static void gemm(rig *r, const size_t s[3], int v)
{
    size_t M = s[0], N = s[1], K = s[2];
    r->tol = 1e-6 * (double)(4 + K / 16);
    float *c = rig_acc(r, M * N, v >> 2), *a = rig_in(r, M * K, -1, 1), *b = rig_in(r, K * N, -1, 1);
    r->be->gemm(r->be, c, a, b, v & 1, v >> 1 & 1, M, N, K, v >> 2);
}

static void bias_forward(rig *r, const size_t s[3], int v)
{
    (void)v;
    float *y = rig_inout(r, s[0] * s[1], -1, 1), *b = rig_in(r, s[1], -1, 1);
    r->be->bias_forward(r->be, y, b, s[0], s[1]);
}

static void bias_backward(rig *r, const size_t s[3], int v)
{
    (void)v;
    float *db = rig_out(r, s[1]), *dy = rig_in(r, s[0] * s[1], -1, 1);
    r->be->bias_backward(r->be, db, dy, s[0], s[1]);
}

/* v: acc, and whether the rows have gaps (which must stay as they were) */
static void copy2d(rig *r, const size_t s[3], int v)
{
    size_t N = s[0], C = s[1], ldy = C + (size_t)(v >> 1) * 5, ldx = C + (size_t)(v >> 1) * 3;
    float *y = v ? rig_inout(r, N * ldy, -1, 1) : rig_out(r, N * ldy), *x = rig_in(r, N * ldx, -1, 1);
    r->be->copy2d(r->be, y, ldy, x, ldx, N, C, v & 1);
}

/* v: y is neither, a, b */
static void add(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    float *a = v == 1 ? rig_inout(r, n, -1, 1) : rig_in(r, n, -1, 1);
    float *b = v == 2 ? rig_inout(r, n, -1, 1) : rig_in(r, n, -1, 1);
    r->be->add(r->be, v == 0 ? rig_out(r, n) : v == 1 ? a : b, a, b, n);
}

static void gather(rig *r, const size_t s[3], int v)
{
    (void)v;
    size_t R = s[0], D = s[1], rows = s[2] + 1;
    uint32_t idx[8192];
    for (size_t i = 0; i < R; i++)
        idx[i] = kn_rng_below(&r->rng, (uint32_t)rows);
    float *y = rig_out(r, R * D), *table = rig_in(r, rows * D, -1, 1), *rows_of = rig_values(r, idx, R);
    r->be->gather(r->be, y, table, (const uint32_t *)(const void *)rows_of, R, D);
}

/* v: no weights, weights. Some bags are empty. */
static void bag(rig *r, const size_t s[3], int v)
{
    size_t R = s[0], D = s[1], rows = s[2] + 1, n = 0;
    uint32_t start[8192] = {0}, idx[4 * 8192];
    r->tol = 2e-5;
    for (size_t i = 0; i < R; i++) {
        for (uint32_t k = kn_rng_below(&r->rng, R < 8 ? 40 : 5); k > 0; k--)
            idx[n++] = kn_rng_below(&r->rng, (uint32_t)rows);
        start[i + 1] = (uint32_t)n;
    }
    float *y = rig_out(r, R * D), *table = rig_in(r, rows * D, -1, 1), *from = rig_values(r, start, R + 1);
    float *rows_of = rig_values(r, idx, n), *weight = v ? rig_in(r, n, -1, 1) : NULL;
    r->be->bag(r->be, y, table, (const uint32_t *)(const void *)from, (const uint32_t *)(const void *)rows_of, weight, R,
               D);
}

static void act_forward(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    float *y = rig_out(r, n), *x = rig_in(r, n, -4, 2);
    r->be->act_forward(r->be, y, x, (kn_act)v, n);
}

/* v: act, acc, dx is dy */
static void act_backward(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    int acc = v / 3 % 2;
    float *dy = v / 6 ? rig_inout(r, n, -1, 1) : rig_in(r, n, -1, 1), *y = rig_in(r, n, -1, 1);
    r->be->act_backward(r->be, v / 6 ? dy : rig_acc(r, n, acc), dy, y, (kn_act)(v % 3), n, acc);
}

/* v: acc, y is x */
static void dropout(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    const kn_step step = {.count = s[2]};
    float *x = v >> 1 ? rig_inout(r, n, -1, 1) : rig_in(r, n, -1, 1), *y = v >> 1 ? x : rig_acc(r, n, v & 1);
    float *at = rig_values(r, &step, sizeof step / 4);
    r->be->dropout(r->be, y, x, 0.3f, 42, (uint64_t)KN_STREAM_DROPOUT << 32 | 5, (const kn_step *)(const void *)at, n,
                   v & 1);
}

/* Rows of C among others: from 0, or the gaps between them must stay as they were. */
static float *rows_with_gaps(rig *r, size_t N, size_t C, size_t ld)
{
    return ld == C ? rig_out(r, N * C) : rig_inout(r, N * ld, -1, 1);
}

/* v: act, residual, whether the rows of y have gaps */
static void bn_forward(rig *r, const size_t s[3], int v)
{
    size_t N = s[0], C = s[1], ldy = C + (size_t)(v / 6) * 3;
    r->tol = 2e-5;
    float *y = rows_with_gaps(r, N, C, ldy), *mean = rig_acc(r, C, N == 0), *rstd = rig_acc(r, C, N == 0);
    float *running_mean = rig_inout(r, C, -1, 1), *running_var = rig_inout(r, C, 0, 1);
    float *x = rig_in(r, N * C, 2, 4), *gamma = rig_in(r, C, -1, 1), *beta = rig_in(r, C, -1, 1);
    float *res = v / 3 % 2 ? rig_in(r, N * C, -1, 1) : NULL;
    r->be->bn_forward(r->be, y, ldy, mean, rstd, running_mean, running_var, x, gamma, beta, res, 0.1f, (kn_act)(v % 3),
                      N, C);
}

static void bn_infer(rig *r, const size_t s[3], int v)
{
    size_t N = s[0], C = s[1], ldy = C + (size_t)(v / 6) * 3;
    float *y = rows_with_gaps(r, N, C, ldy), *mean = rig_in(r, C, -1, 1), *var = rig_in(r, C, 0.1f, 1);
    float *x = rig_in(r, N * C, -2, 2), *gamma = rig_in(r, C, -1, 1), *beta = rig_in(r, C, -1, 1);
    float *res = v / 3 % 2 ? rig_in(r, N * C, -1, 1) : NULL;
    r->be->bn_infer(r->be, y, ldy, mean, var, x, gamma, beta, res, (kn_act)(v % 3), N, C);
}

/* v: act; then no dres, dres, dres added to, dres is dy, gaps in dy and y, each
 * with acc 0 and 1; dx is dy, with dres and without */
static void bn_backward(rig *r, const size_t s[3], int v)
{
    int kind = v / 3 % 6, second = v / 18, acc = second && kind != 5;
    size_t N = s[0], C = s[1], ldy = C + (kind == 4 ? 3 : 0);
    r->tol = 2e-5;
    float *dy = kind == 3 || kind == 5 ? rig_inout(r, N * C, -1, 1) : rig_in(r, N * ldy, -1, 1);
    float *dx = kind == 5 ? dy : rig_acc(r, N * C, acc), *dgamma = rig_out(r, C), *dbeta = rig_out(r, C);
    bool no_dres = kind == 0 || (kind == 5 && second);
    float *dres = no_dres ? NULL : kind == 3 ? dy : rig_acc(r, N * C, kind == 2);
    float *x = rig_in(r, N * C, 2, 4), *y = rig_in(r, N * ldy, -1, 1), *mean = rig_in(r, C, 2.5f, 3.5f);
    float *rstd = rig_in(r, C, 0.5f, 2), *gamma = rig_in(r, C, -1, 1);
    r->be->bn_backward(r->be, dx, dres, dgamma, dbeta, dy, x, y, ldy, mean, rstd, gamma, (kn_act)(v % 3), N, C, acc,
                       kind == 2);
}

static void distance(rig *r, const size_t s[3], int v)
{
    size_t B = s[0], D = s[1];
    float *d = rig_out(r, B), *z = rig_in(r, 2 * B * D, -1, 1);
    r->be->distance(r->be, d, z, (kn_distance)v, B, D);
}

/* In the middle of the distances of numbers in [-1, 1), so that both sides of the
 * hinge are there. */
static float margin_of(kn_distance kind, size_t D)
{
    return kind == KN_EUCLIDEAN ? 0.8f * __builtin_sqrtf((float)D) : kind == KN_L1 ? 0.66f * (float)D : 1;
}

/* v: distance, loss */
static void pair_loss(rig *r, const size_t s[3], int v)
{
    size_t B = s[0], D = s[1];
    float label[8192], margin = margin_of((kn_distance)(v % 3), D);
    for (size_t i = 0; i < B; i++)
        label[i] = (float)kn_rng_below(&r->rng, 2);
    float *loss = rig_out(r, B), *d = rig_out(r, B), *dz = rig_out(r, 2 * B * D);
    float *z = rig_in(r, 2 * B * D, -1, 1), *y = rig_values(r, label, B);
    r->be->pair_loss(r->be, loss, d, dz, z, y, (kn_distance)(v % 3), (kn_pair_loss)(v / 3), margin, B, D);
}

/* v: distance, loss; one block, or three of which two are added to */
static void bn_pair_loss(rig *r, const size_t s[3], int v)
{
    size_t B = s[0], D = s[1], N = 2 * B, blocks = v / 6 ? 3 : 1;
    kn_distance kind = (kn_distance)(v % 3);
    float label[8192];
    for (size_t i = 0; i < B; i++)
        label[i] = (float)kn_rng_below(&r->rng, 2);
    r->tol = 1e-4 + 1e-7 * (double)D; /* dx is a difference of large numbers */
    float *loss = rig_out(r, B), *d = rig_out(r, B), *dgamma = rig_out(r, D), *dbeta = rig_out(r, D);
    float *running_mean = rig_inout(r, D, -1, 1), *running_var = rig_inout(r, D, 0.1f, 1);
    float *z = rig_room(r, N * D), *dz = rig_room(r, N * D), *saved = rig_room(r, 2 * D);
    float *x = rig_in(r, N * D, -2, 2), *dx = rig_inout(r, N * D, -1, 1);
    float *beta = rig_in(r, D, -1, 1), *y = rig_values(r, label, B);
    float *gamma = rig_in(r, D, 0.5f, 1); /* not so small that L1's a > b is a matter of rounding */
    kn_block block[3];
    for (size_t k = 0, c = 0; k < blocks; c += block[k++].C) /* side by side in memory */
        block[k] = (kn_block){.x = x + N * c, .dx = dx + N * c, .C = D * (k + 1) / blocks - c, .acc = k > 0};
    r->be->bn_pair_loss(r->be, loss, d, dgamma, dbeta, running_mean, running_var, z, dz, saved, block, blocks, gamma,
                        beta, y, kind, (kn_pair_loss)(v / 3 % 2), margin_of(kind, D), 0.1f, B, D);
}

/* N words below `end`, in device memory. */
static const uint32_t *words_below(rig *r, size_t N, uint32_t end)
{
    uint32_t word[8192];
    for (size_t i = 0; i < N; i++)
        word[i] = kn_rng_below(&r->rng, end);
    return (const uint32_t *)(const void *)rig_values(r, word, N);
}

/* v: distance, loss; groups of all sizes, the third size says how many */
static void batch_loss(rig *r, const size_t s[3], int v)
{
    size_t N = s[0] < 300 ? s[0] : 300, D = s[1];
    kn_distance kind = (kn_distance)(v % 3);
    r->tol = 1e-5 + 1e-7 * (double)D;
    float *loss = rig_out(r, N), *dz = rig_out(r, N * D), *z = rig_in(r, N * D, -1, 1);
    const uint32_t *group = words_below(r, N, (uint32_t)s[2] + 1);
    r->be->batch_loss(r->be, loss, dz, z, group, kind, (kn_pair_loss)(v / 3), margin_of(kind, D), 0.3f, N, D);
}

/* v: without p, with it */
static void softmax_loss(rig *r, const size_t s[3], int v)
{
    size_t N = s[0], C = s[1], rows = C ? N : 0;
    float *loss = rig_out(r, rows), *dz = rig_out(r, N * C), *p = v ? rig_out(r, N * C) : NULL;
    float *z = rig_in(r, N * C, -30, 30);
    const uint32_t *label = words_below(r, rows, (uint32_t)at_least(C, 1));
    r->be->softmax_loss(r->be, loss, dz, p, z, label, N, C);
}

/* v: squared, Huber with errors on both sides of delta */
static void value_loss(rig *r, const size_t s[3], int v)
{
    size_t N = s[0] * s[1];
    float *loss = rig_out(r, N), *dz = rig_out(r, N), *z = rig_in(r, N, -2, 2), *target = rig_in(r, N, -2, 2);
    r->be->value_loss(r->be, loss, dz, z, target, (kn_value_loss)v, 0.7f, N);
}

static void sum(rig *r, const size_t s[3], int v)
{
    (void)v;
    size_t n = s[0] * s[1];
    r->tol = 1e-6 * (double)(10 + n / 1000);
    float *out = rig_out(r, 1), *x = rig_in(r, n, -1, 1);
    r->be->sum(r->be, out, x, n);
}

static float *step_of(rig *r, size_t count)
{
    const kn_step step = {.lr = 0.01f, .bias1 = 1.7f, .bias2 = 30, .count = count};
    return rig_values(r, &step, sizeof step / 4);
}

/* v: decay */
static void adam(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    float *p = rig_inout(r, n, -1, 1), *m = rig_inout(r, n, -1, 1), *w = rig_inout(r, n, 0, 1);
    float *g = rig_in(r, n, -1, 1), *step = step_of(r, 2);
    r->be->adam(r->be, p, m, w, g, (const kn_step *)(const void *)step, 0.9f, 0.999f, 1e-8f, v ? 0.1f : 0, n);
}

/* v: no momentum, momentum at step 0, later, Nesterov */
static void sgd(rig *r, const size_t s[3], int v)
{
    size_t n = s[0] * s[1];
    float *p = rig_inout(r, n, -1, 1), *m = v ? rig_acc(r, n, v > 1) : NULL;
    float *g = rig_in(r, n, -1, 1), *step = step_of(r, v > 1);
    r->be->sgd(r->be, p, m, g, (const kn_step *)(const void *)step, v ? 0.9f : 0, 0.1f, v == 3, n);
}

/* On a grid sums are exact and rows at equal distances are there; cosine, which
 * has a root and a quotient to round, gets no ties. */
static float *points(rig *r, size_t n, kn_distance kind)
{
    static float x[4097 * 300];
    for (size_t i = 0; i < n; i++)
        x[i] = kind == KN_COSINE ? kn_rng_uniform(&r->rng, -1, 1) : (float)kn_rng_below(&r->rng, 5) / 4;
    return rig_values(r, x, n);
}

/* v: distance; from 3 on, k is beyond N */
static void nearest(rig *r, const size_t s[3], int v)
{
    size_t N = s[0], D = s[1], Q = s[2] < 40 ? s[2] : 40, k = v < 3 ? 3 : N + 2;
    float *dist = rig_out(r, Q * k);
    r->arg[0].infinite = true; /* what is not there is infinitely far */
    uint32_t *idx = rig_out_words(r, Q * k);
    float *query = points(r, Q * D, (kn_distance)(v % 3)), *base = points(r, N * D, (kn_distance)(v % 3));
    r->be->nearest(r->be, dist, idx, query, base, (kn_distance)(v % 3), Q, N, D, k);
}

/* ---- images: s is N, C, O; v tells the window --------------------------------------- */

/* H, W, KH, KW, stride, pad, dilation. Pools take the first ones: in the others
 * a window may miss the image. The last ones are for large shapes only. */
static const size_t windows[][7] = {
    {5, 7, 3, 3, 1, 1, 1}, {1, 1, 1, 1, 1, 0, 1}, {5, 7, 1, 1, 1, 0, 1}, {6, 5, 2, 2, 2, 0, 1}, {7, 8, 4, 2, 2, 1, 1},
    {9, 6, 3, 3, 3, 1, 1}, {7, 7, 3, 3, 1, 2, 2}, {8, 5, 3, 2, 2, 2, 2}, {3, 3, 5, 5, 1, 2, 1}, {4, 6, 4, 6, 1, 0, 1},
    {5, 5, 2, 2, 3, 0, 1}, {9, 9, 8, 8, 2, 3, 1}, {3, 40, 2, 3, 1, 1, 1}, {7, 7, 2, 2, 2, 0, 1},
    {4, 4, 3, 1, 1, 1, 1}, {5, 3, 2, 2, 2, 3, 1}, {6, 7, 2, 3, 4, 0, 3}, {1, 2, 1, 1, 1, 2, 1},
    {9, 10, 3, 3, 1, 0, 1}, {3, 6, 3, 3, 1, 2, 1}, {14, 16, 6, 6, 2, 0, 1}, {8, 10, 6, 6, 2, 2, 1},
    {28, 30, 3, 3, 1, 1, 1}, {14, 14, 6, 6, 2, 0, 1}, {40, 20, 1, 1, 1, 0, 1}, {33, 70, 2, 2, 2, 0, 1},
};
enum { POOL_WINDOWS = 14, CONV_WINDOWS = 22, BIG_3X3 = 22, BIG_6X6, BIG_1X1, BIG_2X2 };

static kn_window window_of(int index, size_t C)
{
    const size_t *w = windows[index];
    return (kn_window){.H = w[0], .W = w[1], .C = C, .KH = w[2], .KW = w[3], .stride = w[4], .pad = w[5],
                       .dilation = w[6], .P = (w[0] + 2 * w[5] - w[6] * (w[2] - 1) - 1) / w[4] + 1,
                       .Q = (w[1] + 2 * w[5] - w[6] * (w[3] - 1) - 1) / w[4] + 1};
}

/* What a convolution or a pool works on; sums have up to `terms` terms. */
typedef struct image_case {
    kn_window win;
    size_t N, O, x, w, y, terms; /* x, w, y: elements */
} image_case;

static image_case images_of(rig *r, const size_t s[3], int window)
{
    image_case c = {.N = at_most(s[0], 17), .O = at_most(s[2], 127)};
    c.win = window_of(window, at_most(s[1], 65));
    c.x = c.N * c.win.H * c.win.W * c.win.C;
    c.w = c.O * c.win.KH * c.win.KW * c.win.C;
    c.y = c.N * c.win.P * c.win.Q;
    c.terms = c.win.KH * c.win.KW * (c.win.C > c.O ? c.win.C : c.O) + c.y;
    r->tol = 1e-6 * (double)(4 + c.terms / 16);
    return c;
}

/* v: act (without one there is no bias), window */
static void conv_forward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 3);
    float *y = rig_out(r, c.y * c.O), *x = rig_in(r, c.x, -1, 1), *w = rig_in(r, c.w, -1, 1);
    float *bias = v % 3 ? rig_in(r, c.O, -1, 1) : NULL;
    r->be->conv_forward(r->be, y, x, w, bias, (kn_act)(v % 3), &c.win, c.N, c.O);
}

/* v: acc, window */
static void conv_backward_x(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 2);
    float *dx = rig_acc(r, c.x, v % 2), *dy = rig_in(r, c.y * c.O, -1, 1), *w = rig_in(r, c.w, -1, 1);
    r->be->conv_backward_x(r->be, dx, dy, w, &c.win, c.N, c.O, v % 2);
}

/* v: window */
static void conv_backward_w(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v);
    float *dw = rig_out(r, c.w), *dy = rig_in(r, c.y * c.O, -1, 1), *x = rig_in(r, c.x, -1, 1);
    r->be->conv_backward_w(r->be, dw, dy, x, &c.win, c.N, c.O);
}

/* Equal values are likely among these, so that it matters which is the first. */
static float *few_values(rig *r, size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)kn_rng_below(&r->rng, 9) / 4 - 1;
    float *device = rig_values(r, x, n);
    free(x);
    return device;
}

static void maxpool_forward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v);
    float *y = rig_out(r, c.y * c.win.C), *x = rig_in(r, c.x, -1, 1);
    r->be->maxpool_forward(r->be, y, x, &c.win, c.N);
}

/* v: acc, window */
static void maxpool_backward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 2);
    float *dx = rig_acc(r, c.x, v % 2), *dy = rig_in(r, c.y * c.win.C, -1, 1), *x = few_values(r, c.x);
    float *y = rig_out(r, c.y * c.win.C);
    r->be->maxpool_forward(r->be, y, x, &c.win, c.N);
    r->be->maxpool_backward(r->be, dx, dy, x, y, &c.win, c.N, v % 2);
}

static void avgpool_forward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v);
    float *y = rig_out(r, c.y * c.win.C), *x = rig_in(r, c.x, -1, 1);
    r->be->avgpool_forward(r->be, y, x, &c.win, c.N);
}

/* v: acc, window */
static void avgpool_backward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 2);
    float *dx = rig_acc(r, c.x, v % 2), *dy = rig_in(r, c.y * c.win.C, -1, 1);
    r->be->avgpool_backward(r->be, dx, dy, &c.win, c.N, v % 2);
}

/* v: act, window */
static void bn_pool_forward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 3);
    size_t C = c.win.C;
    r->tol = 2e-5;
    float *y = rig_out(r, c.y * C), *mean = rig_acc(r, C, c.N == 0), *rstd = rig_acc(r, C, c.N == 0);
    float *running_mean = rig_inout(r, C, -1, 1), *running_var = rig_inout(r, C, 0, 1), *x = rig_in(r, c.x, 2, 4);
    float *gamma = rig_in(r, C, -1, 1), *beta = rig_in(r, C, -1, 1);
    r->be->bn_pool_forward(r->be, y, mean, rstd, running_mean, running_var, x, gamma, beta, 0.1f, (kn_act)(v % 3),
                           &c.win, c.N);
}

static void bn_pool_infer(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 3);
    size_t C = c.win.C;
    float *y = rig_out(r, c.y * C), *mean = rig_in(r, C, -1, 1), *var = rig_in(r, C, 0.1f, 1);
    float *x = rig_in(r, c.x, -2, 2), *gamma = rig_in(r, C, -1, 1), *beta = rig_in(r, C, -1, 1);
    r->tol = 1e-5;
    r->be->bn_pool_infer(r->be, y, mean, var, x, gamma, beta, (kn_act)(v % 3), &c.win, c.N);
}

/* v: acc, act, window */
static void bn_pool_backward(rig *r, const size_t s[3], int v)
{
    image_case c = images_of(r, s, v / 6);
    size_t C = c.win.C;
    r->tol = 2e-5;
    float *dx = rig_acc(r, c.x, v % 2), *dgamma = rig_out(r, C), *dbeta = rig_out(r, C);
    float *dy = rig_in(r, c.y * C, -1, 1), *x = few_values(r, c.x), *y = rig_in(r, c.y * C, -1, 1);
    float *mean = rig_in(r, C, -0.5f, 0.5f), *rstd = rig_in(r, C, 0.5f, 2), *gamma = rig_in(r, C, -1, 1);
    r->be->bn_pool_backward(r->be, dx, dgamma, dbeta, dy, x, y, mean, rstd, gamma, (kn_act)(v / 2 % 3), &c.win, c.N,
                            v % 2);
}

#define OP(name, variants) {#name, name, variants, offsetof(kn_backend, name)}
static const struct {
    const char *name;
    void (*run)(rig *r, const size_t s[3], int v);
    int variants;
    size_t entry;
} ops[] = {
    OP(gemm, 8),       OP(bias_forward, 1), OP(bias_backward, 1), OP(copy2d, 4),      OP(add, 3),       OP(gather, 1),
    OP(act_forward, 3), OP(act_backward, 9), OP(dropout, 3),       OP(bn_forward, 12), OP(bn_infer, 12),
    OP(bn_backward, 36),
    OP(conv_forward, 3 * CONV_WINDOWS), OP(conv_backward_x, 2 * CONV_WINDOWS), OP(conv_backward_w, CONV_WINDOWS),
    OP(maxpool_forward, POOL_WINDOWS), OP(maxpool_backward, 2 * POOL_WINDOWS),
    OP(bn_pool_forward, 3 * POOL_WINDOWS), OP(bn_pool_infer, 3 * POOL_WINDOWS), OP(bn_pool_backward, 6 * POOL_WINDOWS),
    OP(avgpool_forward, POOL_WINDOWS), OP(avgpool_backward, 2 * POOL_WINDOWS),
    OP(bag, 2),        OP(batch_loss, 6),   OP(softmax_loss, 2),  OP(value_loss, 2),
    OP(distance, 3),   OP(pair_loss, 6),    OP(bn_pair_loss, 12), OP(sum, 1),         OP(adam, 2),      OP(sgd, 4),
    OP(nearest, 5),
};
enum { OPS = sizeof ops / sizeof *ops };

/* ---- the tests ------------------------------------------------------------------------ */

static const size_t shapes[][3] = {
    {1, 1, 1},    {3, 17, 5},     {17, 1, 127},  {127, 3, 17}, {1, 300, 33},  {300, 127, 3}, {64, 128, 100},
    {5, 4097, 2}, {4097, 3, 1},   {129, 33, 65}, {7, 16, 300}, {33, 20, 513}, {300, 8, 40},  {0, 5, 3},
    {5, 0, 3},    {5, 3, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Functions follow gemm to the end of the table: each has its row, and each
 * filling has each. */
static void the_contract_is_covered(void **state)
{
    (void)state;
    int count;
    const filling *f = rig_fillings(&count);
    assert_int_equal(OPS, (sizeof(kn_backend) - offsetof(kn_backend, gemm)) / sizeof(void (*)(void)));
    for (int i = 0; i < count; i++)
        for (size_t at = offsetof(kn_backend, close); at < sizeof(kn_backend); at += sizeof(void (*)(void))) {
            void (*entry)(void);
            memcpy(&entry, (const char *)f[i].be + at, sizeof entry);
            if (!entry)
                fail_msg("%s leaves entry %zu of the table empty", f[i].name, at / sizeof entry);
        }
    for (int a = 0; a < OPS; a++)
        for (int b = 0; b < a; b++)
            assert_int_not_equal(ops[a].entry, ops[b].entry);
}

static rig run(kn_backend *be, int op, const size_t s[3], int v, const char *what)
{
    rig r = rig_new(be, at_least(s[0] * 7 + s[1] * 3 + s[2], 1));
    ops[op].run(&r, s, v);
    rig_finish(&r, what);
    return r;
}

static void fillings_agree(void **state)
{
    (void)state;
    int count;
    long cases = 0;
    const filling *f = rig_fillings(&count);
    for (int op = 0; op < OPS; op++)
        for (int i = 0; i < SHAPES; i++)
            for (int v = 0; v < ops[op].variants; v++) {
                const size_t *s = shapes[i];
                char what[128];
                snprintf(what, sizeof what, "%s %zux%zux%zu variant %d", ops[op].name, s[0], s[1], s[2], v);
                rig want = run(rig_naive(), op, s, v, what);
                for (int k = 1; k < count; k++, cases++) {
                    rig got = run(f[k].be, op, s, v, what);
                    rig_compare(&got, &want, false, what);
                    rig_free(&got);
                }
                rig_free(&want);
            }
    print_message("# %ld cases: %d ops, %d shapes, %d fillings against naive\n", cases, OPS, SHAPES, count - 1);
    assert_true(cases >= 10L * OPS);
}

/* Shapes that are cut into many tasks: products of each way (panels, cuts,
 * OpenBLAS or several slabs without it), statistics of many blocks. */
static const struct {
    const char *op;
    size_t shape[3];
    int variant;
} large[] = {
    {"gemm", {700, 130, 100}, 2},   {"gemm", {130, 128, 1500}, 1}, {"gemm", {100, 70, 5000}, 5},
    {"gemm", {20, 1100, 1050}, 4},  {"gemm", {70, 1100, 1050}, 2}, {"gemm", {300, 600, 300}, 0},
    {"gemm", {520, 130, 1030}, 7},  {"bias_backward", {900, 130, 0}, 0}, {"bn_forward", {900, 130, 0}, 10},
    {"bn_forward", {20000, 5, 0}, 4}, {"bn_backward", {900, 130, 0}, 7},
    {"bn_backward", {900, 130, 0}, 13}, {"dropout", {900, 130, 7}, 0},
    {"pair_loss", {900, 130, 0}, 0}, {"bn_pair_loss", {900, 130, 0}, 7}, {"bn_pair_loss", {50, 9000, 0}, 3},
    {"sum", {900, 1300, 0}, 0}, {"adam", {900, 130, 0}, 1},
    {"bag", {2000, 130, 500}, 1}, {"bag", {7, 300, 900}, 0}, {"batch_loss", {255, 130, 20}, 1},
    {"batch_loss", {130, 300, 2}, 3}, {"batch_loss", {129, 64, 9}, 5}, {"softmax_loss", {900, 130, 0}, 1},
    {"value_loss", {900, 130, 0}, 1},
    {"bn_pool_forward", {17, 65, 0}, 3 * BIG_2X2 + 1}, {"bn_pool_backward", {17, 65, 0}, 6 * BIG_2X2 + 2},
    {"bn_pool_forward", {17, 33, 0}, 3 * BIG_3X3 + 2}, {"bn_pool_backward", {17, 33, 0}, 6 * BIG_3X3 + 5},
    {"conv_forward", {7, 33, 40}, 3 * BIG_3X3 + 2}, {"conv_backward_x", {7, 33, 40}, 2 * BIG_3X3 + 1},
    {"conv_backward_w", {7, 33, 40}, BIG_3X3}, {"conv_forward", {17, 65, 65}, 3 * BIG_6X6},
    {"conv_backward_x", {17, 65, 65}, 2 * BIG_6X6}, {"conv_backward_w", {17, 65, 65}, BIG_6X6},
    {"conv_forward", {17, 3, 40}, 3 * BIG_2X2 + 1}, {"conv_backward_x", {17, 7, 40}, 2 * BIG_2X2},
    {"conv_backward_w", {17, 3, 40}, BIG_2X2}, {"conv_forward", {17, 65, 20}, 3 * BIG_1X1},
    {"nearest", {4097, 50, 40}, 0}, {"nearest", {4097, 3, 3}, 3},
};
enum { LARGE = sizeof large / sizeof *large };

static int find_op(const char *name)
{
    for (int op = 0; op < OPS; op++)
        if (!strcmp(ops[op].name, name))
            return op;
    fail_msg("%s is no op", name);
    return -1;
}

static void large_shapes_agree(void **state)
{
    (void)state;
    int count;
    const filling *f = rig_fillings(&count);
    for (int i = 0; i < LARGE; i++) {
        int op = find_op(large[i].op);
        rig want = run(rig_naive(), op, large[i].shape, large[i].variant, large[i].op);
        for (int k = 1; k < count; k++) {
            rig got = run(f[k].be, op, large[i].shape, large[i].variant, large[i].op);
            rig_compare(&got, &want, false, large[i].op);
            rig_free(&got);
        }
        rig_free(&want);
    }
}

static void the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    rig want[LARGE];
    for (int t = 0; t < 4; t++) {
        kn_pool *pool;
        kn_backend *be = rig_cpu(threads[t], &pool);
        for (int i = 0; i < LARGE; i++) {
            rig got = run(be, find_op(large[i].op), large[i].shape, large[i].variant, large[i].op);
            if (t == 0) {
                want[i] = got;
                continue;
            }
            rig_compare(&got, &want[i], true, large[i].op);
            rig_free(&got);
        }
        kn_backend_close(be);
        kn_pool_free(pool);
    }
    for (int i = 0; i < LARGE; i++)
        rig_free(&want[i]);
}

static void the_same_bits_every_run(void **state)
{
    (void)state;
    int count;
    const filling *f = rig_fillings(&count);
    for (int k = 0; k < count; k++)
        for (int op = 0; op < OPS; op++) {
            rig a = run(f[k].be, op, shapes[5], 0, ops[op].name), b = run(f[k].be, op, shapes[5], 0, ops[op].name);
            rig_compare(&b, &a, true, ops[op].name);
            rig_free(&a);
            rig_free(&b);
        }
}

/* A row of images alone, and the same row among others. */
static void a_convolution_does_not_see_its_neighbours(void **state)
{
    (void)state;
    int count;
    const filling *f = rig_fillings(&count);
    static const int of[] = {0, 4, 9, 11, 18, 19, BIG_3X3, BIG_6X6};
    for (int k = 0; k < count; k++)
        for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
            kn_window win = window_of(of[i], 19);
            enum { IMAGES = 7, OUT = 37 };
            rig r = rig_new(f[k].be, 5);
            size_t in = win.H * win.W * win.C, out = win.P * win.Q * OUT;
            float *all = rig_out(&r, IMAGES * out), *alone = rig_out(&r, IMAGES * out);
            float *x = rig_in(&r, IMAGES * in, -1, 1), *w = rig_in(&r, OUT * win.KH * win.KW * win.C, -1, 1);
            r.be->conv_forward(r.be, all, x, w, NULL, KN_ACT_NONE, &win, IMAGES, OUT);
            for (size_t n = 0; n < IMAGES; n++)
                r.be->conv_forward(r.be, alone + n * out, x + n * in, w, NULL, KN_ACT_NONE, &win, 1, OUT);
            rig_finish(&r, "conv_forward");
            assert_memory_equal(r.arg[0].host, r.arg[1].host, IMAGES * out * sizeof(float));
            rig_free(&r);
        }
}

enum { NAN_WIDTH = 37 };

/* On each filling, a window of four pixels, each of which is the bad one in turn. */
static void each_bad_pixel(void (*test)(kn_backend *be, const kn_window *win, size_t bad))
{
    int count;
    const filling *f = rig_fillings(&count);
    const kn_window win = {.H = 2, .W = 2, .C = NAN_WIDTH, .KH = 2, .KW = 2, .stride = 1, .dilation = 1, .P = 1,
                           .Q = 1};
    for (int k = 0; k < count; k++)
        for (size_t bad = 0; bad < 4; bad++)
            test(f[k].be, &win, bad);
}

static void largest_with_nan(kn_backend *be, const kn_window *win, size_t bad)
{
    float x[4 * NAN_WIDTH] = {0}, y[NAN_WIDTH];
    for (size_t c = 0; c < NAN_WIDTH; c += 2)
        x[bad * NAN_WIDTH + c] = NAN;
    float *image = rig_device(be, x, sizeof x), *most = rig_device(be, NULL, sizeof y);
    be->maxpool_forward(be, most, image, win, 1);
    be->download(be, y, most, sizeof y);
    for (size_t c = 0; c < NAN_WIDTH; c++)
        assert_int_equal(isnan(y[c]) != 0, c % 2 == 0);
    be->dealloc(be, image);
    be->dealloc(be, most);
}

static void the_largest_is_nan_where_one_is(void **state)
{
    (void)state;
    each_bad_pixel(largest_with_nan);
}

/* With the largest picked, and the smallest. */
static void picked_with_nan(kn_backend *be, const kn_window *win, size_t bad)
{
    float x[4 * NAN_WIDTH] = {0}, gamma[NAN_WIDTH], one[NAN_WIDTH], y[NAN_WIDTH];
    for (size_t c = 0; c < NAN_WIDTH; c++) {
        x[bad * NAN_WIDTH + c] = c % 2 ? 1 : NAN;
        gamma[c] = c % 3 ? -1 : 1;
        one[c] = 1;
    }
    float *all[] = {rig_device(be, NULL, sizeof y), rig_device(be, one, sizeof one), rig_device(be, x, sizeof x),
                    rig_device(be, gamma, sizeof gamma)};
    be->bn_pool_infer(be, all[0], all[1], all[1], all[2], all[3], all[1], KN_ACT_RELU, win, 1);
    be->download(be, y, all[0], sizeof y);
    for (size_t c = 0; c < NAN_WIDTH; c++)
        if (c % 2 == 0)
            assert_true(isnan(y[c]));
        else
            test_near(y[c], c % 3 ? 2 : 1, 1e-5); /* gamma (p - 1) + 1 */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void a_nan_is_picked(void **state)
{
    (void)state;
    each_bad_pixel(picked_with_nan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_contract_is_covered),
        cmocka_unit_test(fillings_agree),
        cmocka_unit_test(large_shapes_agree),
        cmocka_unit_test(the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(the_same_bits_every_run),
        cmocka_unit_test(a_convolution_does_not_see_its_neighbours),
        cmocka_unit_test(the_largest_is_nan_where_one_is),
        cmocka_unit_test(a_nan_is_picked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
