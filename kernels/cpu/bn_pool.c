/* Batch normalisation and max pool in one, of the cpu filling.
 *
 * Forward, and for the sums of backward, a task is a band of windows: it picks
 * one number of each, which then are rows like any other to the functions of
 * batchnorm. The gradient is written an image at a time, in rows of windows, so
 * that what they share is still in the cache when the next one adds to it. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

typedef struct bn_pool {
    const kn_simd *simd;
    const kn_window *win;
    float *y, *dx;
    const float *dy, *x, *out, *beta, *zeros;
    kn_bn_slopes of;
    float *part[2];          /* [N bands, C]: sums of each band */
    kn_act act;
    size_t row, rows, bands; /* row: floats of a row of windows; rows of a band, bands of an image */
    size_t *at;              /* [KH KW] a thread */
    float *room;             /* [rows + 1, row] a thread */
    bool adjoin;
    int acc;
} bn_pool;

/* Bands of about KN_BLOCK elements. */
static bn_pool bn_pool_of(kn_cpu *cpu, const float *x, const float *gamma, kn_act act, const kn_window *win)
{
    size_t row = win->Q * win->C, rows = kn_min(kn_block_rows(row), win->P);
    return (bn_pool){.simd = cpu->simd, .win = win, .x = x, .of.gamma = gamma, .act = act, .row = row, .rows = rows,
                     .bands = kn_ceil_div(win->P, rows)};
}

/* ---- bands of windows -------------------------------------------------------------- */

typedef struct band {
    const bn_pool *p;
    size_t image, first, n; /* first: floats before its windows in y; n windows */
    kn_range windows;       /* rows of P */
    float *picked;          /* [n, C] */
    const float *g;         /* [n, C] */
} band;

static band band_of(const bn_pool *p, size_t image, size_t row, size_t rows)
{
    kn_range windows = {row, kn_min(row + rows, p->win->P)};
    return (band){.p = p, .image = image, .windows = windows, .first = (image * p->win->P + row) * p->row,
                  .n = (windows.to - windows.from) * p->win->Q};
}

static band band_of_task(const bn_pool *p, size_t task)
{
    return band_of(p, task / p->bands, task % p->bands * p->rows, p->rows);
}

static void each_run(band *b, int worker, kn_run_task fn)
{
    const kn_window *win = b->p->win;
    kn_each_run(win, b->image, b->windows, b->p->at + (size_t)worker * win->KH * win->KW, fn, b);
}

static void pick_run(void *arg, const kn_run *r)
{
    const band *b = arg;
    const bn_pool *p = b->p;
    p->simd->maxpool_signed(b->picked + r->window - b->first, p->x + r->pixel, p->win->stride * p->win->C, r->n, r->at,
                            r->taps, p->of.gamma, p->win->C);
}

/* ---- forward ------------------------------------------------------------------------- */

static void forward_task(void *arg, size_t task, int worker)
{
    const bn_pool *p = arg;
    band b = band_of_task(p, task);
    size_t C = p->win->C;
    b.picked = p->y + b.first;
    each_run(&b, worker, pick_run);
    p->simd->bn_apply(b.picked, C, b.picked, p->of.mean, p->of.scale, p->beta, NULL, p->act, b.n, C);
}

/* y = act(scale (picked x - mean) + beta); at: room for the pixels of a window. */
static void pool_normalised(kn_cpu *cpu, float *y, const float *mean, const float *scale, float *at, const float *x,
                            const float *gamma, const float *beta, kn_act act, const kn_window *win, size_t N)
{
    bn_pool p = bn_pool_of(cpu, x, gamma, act, win);
    p.y = y;
    p.beta = beta;
    p.of.mean = mean;
    p.of.scale = scale;
    p.at = (size_t *)(void *)at;
    kn_parallel(cpu->pool, N * p.bands, forward_task, &p);
}

static void bn_pool_forward(kn_backend *be, float *y, float *mean, float *rstd, float *running_mean,
                            float *running_var, const float *x, const float *gamma, const float *beta, float momentum,
                            kn_act act, const kn_window *win, size_t N)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t C = win->C, M = N * win->H * win->W, taps = kn_tap_floats(cpu, win);
    float *room = kn_cpu_scratch(cpu, taps + C + kn_bn_room(M, C)), *scale = room + taps;
    if (!room || M == 0 || C == 0)
        return;
    kn_bn_statistics(cpu, mean, rstd, running_mean, running_var, scale, scale + C, x, gamma, momentum, M, C);
    pool_normalised(cpu, y, mean, scale, room, x, gamma, beta, act, win, N);
}

static void bn_pool_infer(kn_backend *be, float *y, const float *running_mean, const float *running_var,
                          const float *x, const float *gamma, const float *beta, kn_act act, const kn_window *win,
                          size_t N)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t C = win->C, taps = kn_tap_floats(cpu, win);
    float *room = kn_cpu_scratch(cpu, taps + C), *scale = room + taps;
    if (!room || C == 0)
        return;
    for (size_t c = 0; c < C; c++)
        scale[c] = gamma[c] / sqrtf(running_var[c] + KN_EPS_BN);
    pool_normalised(cpu, y, running_mean, scale, room, x, gamma, beta, act, win, N);
}

/* ---- backward ------------------------------------------------------------------------ */

static float *room_of(const bn_pool *p, int worker)
{
    return p->room + (size_t)worker * (p->rows + 1) * p->row;
}

static void sums_task(void *arg, size_t task, int worker)
{
    const bn_pool *p = arg;
    band b = band_of_task(p, task);
    size_t C = p->win->C;
    b.picked = room_of(p, worker);
    each_run(&b, worker, pick_run);
    p->simd->bn_sums(p->part[0] + task * C, p->part[1] + task * C, p->dy + b.first, p->out + b.first, C, b.picked, C,
                     p->of.mean, p->act, b.n, C);
}

/* dx of pixels that no window has picked, of columns `from` to W of some rows. */
static void write_unpicked(const bn_pool *p, size_t image, kn_range rows, size_t from)
{
    const kn_window *win = p->win;
    for (size_t h = rows.from; h < rows.to; h++) {
        size_t at = ((image * win->H + h) * win->W + from) * win->C;
        p->simd->bn_gradient(p->dx + at, NULL, p->zeros, NULL, 0, p->x + at, p->of.mean, p->of.scale, p->of.mean_g,
                             p->of.slope, KN_ACT_NONE, win->W - from, win->C, p->acc, 0);
    }
}

static void write_run(void *arg, const kn_run *r)
{
    const band *b = arg;
    const bn_pool *p = b->p;
    p->simd->bn_pool_gradient(p->dx + r->pixel, b->g + r->window - b->first, p->x + r->pixel,
                              p->win->stride * p->win->C, r->n, r->at, r->taps, &p->of, p->win->C, p->acc);
}

static void add_run(void *arg, const kn_run *r)
{
    const band *b = arg;
    const bn_pool *p = b->p;
    p->simd->maxpool_gradient(p->dx + r->pixel, b->g + r->window - b->first, p->x + r->pixel,
                              b->picked + r->window - b->first, p->win->stride * p->win->C, r->n, r->at, r->taps,
                              p->win->C, 1);
}

/* Windows that adjoin write all of their pixels; others add to what is there. */
static void gradient_task(void *arg, size_t image, int worker)
{
    const bn_pool *p = arg;
    const kn_window *win = p->win;
    float *g = room_of(p, worker);
    kn_range rows = {0, 0};
    for (size_t i = 0; i < win->P; i++, rows.from = rows.to) {
        band b = band_of(p, image, i, 1);
        b.g = g;
        b.picked = g + p->row;
        rows.to = kn_min(win->H, i * win->stride + win->dilation * (win->KH - 1) + 1 - win->pad);
        write_unpicked(p, image, rows, p->adjoin ? win->Q * win->KW : 0);
        p->simd->act_backward(g, p->dy + b.first, p->out + b.first, p->act, p->row, 0);
        if (p->adjoin) {
            each_run(&b, worker, write_run);
            continue;
        }
        p->simd->bn_apply(g, win->C, g, p->zeros, p->of.scale, p->zeros, NULL, KN_ACT_NONE, b.n, win->C);
        each_run(&b, worker, pick_run);
        each_run(&b, worker, add_run);
    }
    rows.to = win->H;
    write_unpicked(p, image, rows, 0);
}

static void bn_pool_backward(kn_backend *be, float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                             const float *y, const float *mean, const float *rstd, const float *gamma, kn_act act,
                             const kn_window *win, size_t N, int acc)
{
    kn_cpu *cpu = kn_cpu_of(be);
    bn_pool p = bn_pool_of(cpu, x, gamma, act, win);
    size_t C = win->C, taps = kn_tap_floats(cpu, win), sums = N * p.bands * C;
    size_t rooms = (size_t)kn_pool_threads(cpu->pool) * (p.rows + 1) * p.row;
    float *room = kn_cpu_scratch(cpu, taps + rooms + 2 * sums + 4 * C);
    if (!room || C == 0)
        return;
    float *sum_g = room + taps + rooms, *sum_gd = sum_g + sums, *zeros = sum_gd + sums;
    p.dx = dx;
    p.dy = dy;
    p.out = y;
    p.of.mean = mean;
    p.zeros = zeros;
    p.part[0] = sum_g;
    p.part[1] = sum_gd;
    p.at = (size_t *)(void *)room;
    p.room = room + taps;
    p.adjoin = kn_windows_adjoin(win);
    p.acc = acc;
    kn_parallel(cpu->pool, N * p.bands, sums_task, &p);
    kn_bn_sums_to_slopes(cpu, &p.of, dgamma, dbeta, zeros + C, sum_g, sum_gd, N * p.bands, mean, rstd, gamma,
                         N * win->H * win->W, C);
    memset(zeros, 0, C * sizeof *zeros);
    kn_parallel(cpu->pool, N, gradient_task, &p);
}

void kn_cpu_bn_pool(kn_backend *be)
{
    be->bn_pool_forward = bn_pool_forward;
    be->bn_pool_infer = bn_pool_infer;
    be->bn_pool_backward = bn_pool_backward;
}
