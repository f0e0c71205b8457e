/* Pools of the cpu filling: tasks are images, cut into runs of windows that have
 * the same pixels. */
#include "kernels/cpu/cpu.h"

#include <string.h>

typedef struct pool {
    const kn_simd *simd;
    const kn_window *win;
    float *y, *dx;
    const float *x, *dy, *out;
    int acc;     /* to what dx is */
    bool zeroed; /* dx begins as zeros */
    size_t *at;  /* [KH KW] a thread: the pixels of a window */
    void (*run)(const struct pool *p, size_t pixel, size_t window, size_t n, const size_t *at, size_t taps);
} pool;

/* ---- runs of windows --------------------------------------------------------------- */

typedef struct range {
    size_t from, to;
} range;

/* Which taps of window row p are inside an image of height H; of columns alike. */
static range inside(const kn_window *win, size_t p, size_t taps, size_t H)
{
    size_t h = p * win->stride, end = H + win->pad;
    return (range){h < win->pad ? kn_ceil_div(win->pad - h, win->dilation) : 0,
                   h < end ? kn_min(taps, kn_ceil_div(end - h, win->dilation)) : 0};
}

static size_t list_taps(const kn_window *win, size_t p, size_t q, range rows, range columns, size_t *at)
{
    size_t n = 0;
    for (size_t i = rows.from; i < rows.to; i++)
        for (size_t j = columns.from; j < columns.to; j++)
            at[n++] = ((p * win->stride + i * win->dilation - win->pad) * win->W + q * win->stride +
                       j * win->dilation - win->pad) * win->C;
    return n;
}

static void image_task(void *arg, size_t image, int worker)
{
    const pool *p = arg;
    const kn_window *win = p->win;
    size_t *at = p->at + (size_t)worker * win->KH * win->KW, pixel = image * win->H * win->W * win->C;
    if (p->zeroed)
        memset(p->dx + pixel, 0, win->H * win->W * win->C * sizeof *p->dx);
    for (size_t i = 0; i < win->P; i++) {
        range rows = inside(win, i, win->KH, win->H);
        for (size_t q = 0, end; q < win->Q; q = end) {
            range columns = inside(win, q, win->KW, win->W), next = columns;
            for (end = q + 1; end < win->Q; end++) {
                next = inside(win, end, win->KW, win->W);
                if (next.from != columns.from || next.to != columns.to)
                    break;
            }
            p->run(p, pixel, ((image * win->P + i) * win->Q + q) * win->C, end - q, at,
                   list_taps(win, i, q, rows, columns, at));
        }
    }
}

static void each_image(kn_backend *be, pool *p, size_t N)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t taps = p->win->KH * p->win->KW;
    float *room = kn_cpu_scratch(cpu, (size_t)kn_pool_threads(cpu->pool) * taps * (sizeof *p->at / sizeof *room));
    if (!room || p->win->C == 0)
        return;
    p->simd = cpu->simd;
    p->at = (size_t *)(void *)room;
    kn_parallel(cpu->pool, N, image_task, p);
}

/* P windows of K pixels are all H, each once. */
static bool tiles(const kn_window *win, size_t H, size_t K, size_t P)
{
    return P * K == H && (P == 1 || K == win->stride);
}

static void each_gradient(kn_backend *be, pool *p, size_t N, int acc)
{
    const kn_window *win = p->win;
    bool once = win->pad == 0 && win->dilation == 1 && tiles(win, win->H, win->KH, win->P) &&
                tiles(win, win->W, win->KW, win->Q);
    p->zeroed = !acc && !once; /* else the gradient is written at once */
    p->acc = acc || p->zeroed;
    each_image(be, p, N);
}

/* ---- the pools ----------------------------------------------------------------------- */

static void max_run(const pool *p, size_t pixel, size_t window, size_t n, const size_t *at, size_t taps)
{
    p->simd->maxpool(p->y + window, p->x + pixel, p->win->stride * p->win->C, n, at, taps, p->win->C);
}

static void maxpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    each_image(be, &(pool){.win = win, .y = y, .x = x, .run = max_run}, N);
}

static void max_gradient_run(const pool *p, size_t pixel, size_t window, size_t n, const size_t *at, size_t taps)
{
    p->simd->maxpool_gradient(p->dx + pixel, p->dy + window, p->x + pixel, p->out + window,
                              p->win->stride * p->win->C, n, at, taps, p->win->C, p->acc);
}

static void maxpool_backward(kn_backend *be, float *dx, const float *dy, const float *x, const float *y,
                             const kn_window *win, size_t N, int acc)
{
    each_gradient(be, &(pool){.win = win, .dx = dx, .dy = dy, .x = x, .out = y, .run = max_gradient_run}, N, acc);
}

static void mean_run(const pool *p, size_t pixel, size_t window, size_t n, const size_t *at, size_t taps)
{
    p->simd->avgpool(p->y + window, p->x + pixel, p->win->stride * p->win->C, n, at, taps, p->win->C);
}

static void avgpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    each_image(be, &(pool){.win = win, .y = y, .x = x, .run = mean_run}, N);
}

static void mean_gradient_run(const pool *p, size_t pixel, size_t window, size_t n, const size_t *at, size_t taps)
{
    p->simd->avgpool_gradient(p->dx + pixel, p->dy + window, p->win->stride * p->win->C, n, at, taps, p->win->C,
                              p->acc);
}

static void avgpool_backward(kn_backend *be, float *dx, const float *dy, const kn_window *win, size_t N, int acc)
{
    each_gradient(be, &(pool){.win = win, .dx = dx, .dy = dy, .run = mean_gradient_run}, N, acc);
}

void kn_cpu_pool2d(kn_backend *be)
{
    be->maxpool_forward = maxpool_forward;
    be->maxpool_backward = maxpool_backward;
    be->avgpool_forward = avgpool_forward;
    be->avgpool_backward = avgpool_backward;
}
