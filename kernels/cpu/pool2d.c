/* Pools of the cpu filling: tasks are images, done in runs of windows. */
#include "kernels/cpu/cpu.h"

#include <string.h>

typedef struct pool {
    const kn_simd *simd;
    const kn_window *win;
    float *y, *dx;
    const float *x, *dy, *out;
    int acc;     /* to what dx is */
    bool zeroed; /* dx begins as zeros */
    size_t *at;  /* [KH KW] a thread */
    kn_run_task run;
} pool;

static void image_task(void *arg, size_t image, int worker)
{
    pool *p = arg;
    const kn_window *win = p->win;
    size_t pixels = win->H * win->W * win->C;
    if (p->zeroed)
        memset(p->dx + image * pixels, 0, pixels * sizeof *p->dx);
    kn_each_run(win, image, (kn_range){0, win->P}, p->at + (size_t)worker * win->KH * win->KW, p->run, p);
}

static void each_image(kn_backend *be, pool *p, size_t N)
{
    kn_cpu *cpu = kn_cpu_of(be);
    float *room = kn_cpu_scratch(cpu, kn_tap_floats(cpu, p->win));
    if (!room || p->win->C == 0)
        return;
    p->simd = cpu->simd;
    p->at = (size_t *)(void *)room;
    kn_parallel(cpu->pool, N, image_task, p);
}

static void each_gradient(kn_backend *be, pool *p, size_t N, int acc)
{
    const kn_window *win = p->win;
    bool once = kn_windows_adjoin(win) && win->P * win->KH == win->H && win->Q * win->KW == win->W;
    p->zeroed = !acc && !once; /* else each pixel is in one window, and the gradient written at once */
    p->acc = acc || p->zeroed;
    each_image(be, p, N);
}

/* ---- the pools ----------------------------------------------------------------------- */

static void max_run(void *arg, const kn_run *r)
{
    const pool *p = arg;
    p->simd->maxpool(p->y + r->window, p->x + r->pixel, p->win->stride * p->win->C, r->n, r->at, r->taps, p->win->C);
}

static void maxpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    each_image(be, &(pool){.win = win, .y = y, .x = x, .run = max_run}, N);
}

static void max_gradient_run(void *arg, const kn_run *r)
{
    const pool *p = arg;
    p->simd->maxpool_gradient(p->dx + r->pixel, p->dy + r->window, p->x + r->pixel, p->out + r->window,
                              p->win->stride * p->win->C, r->n, r->at, r->taps, p->win->C, p->acc);
}

static void maxpool_backward(kn_backend *be, float *dx, const float *dy, const float *x, const float *y,
                             const kn_window *win, size_t N, int acc)
{
    each_gradient(be, &(pool){.win = win, .dx = dx, .dy = dy, .x = x, .out = y, .run = max_gradient_run}, N, acc);
}

static void mean_run(void *arg, const kn_run *r)
{
    const pool *p = arg;
    p->simd->avgpool(p->y + r->window, p->x + r->pixel, p->win->stride * p->win->C, r->n, r->at, r->taps, p->win->C);
}

static void avgpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    each_image(be, &(pool){.win = win, .y = y, .x = x, .run = mean_run}, N);
}

static void mean_gradient_run(void *arg, const kn_run *r)
{
    const pool *p = arg;
    p->simd->avgpool_gradient(p->dx + r->pixel, p->dy + r->window, p->win->stride * p->win->C, r->n, r->at, r->taps,
                              p->win->C, p->acc);
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
