/* Rows, columns and elements of the cpu filling: tasks of about KN_BLOCK
 * elements. */
#include "kernels/cpu/cpu.h"

#include <string.h>

enum { AHEAD = 8 }; /* rows that a gather asks for before it copies them */

typedef struct job {
    kn_cpu *cpu;
    float *y;
    const float *x, *b;
    const uint32_t *idx, *start;
    size_t N, C, ldx, ldy, rows;
    int acc;
    kn_act act;
    float p;
    uint64_t seed, stream, block;
} job;

static void run(job *j, size_t tasks, kn_task fn)
{
    kn_parallel(j->cpu->pool, tasks, fn, j);
}

/* Element-wise ops see N elements as tasks of KN_BLOCK. */
static size_t first_of(size_t task)
{
    return task * KN_BLOCK;
}

static size_t count_of(const job *j, size_t task)
{
    return kn_min(KN_BLOCK, j->N - first_of(task));
}

/* ---- rows and columns ------------------------------------------------------ */

static void bias_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t n = task * j->rows;
    j->cpu->simd->bias_rows(j->y + n * j->C, j->b, kn_min(j->rows, j->N - n), j->C);
}

static void bias_forward(kn_backend *be, float *y, const float *b, size_t N, size_t C)
{
    size_t rows = kn_block_rows(C);
    job j = {.cpu = kn_cpu_of(be), .y = y, .b = b, .N = N, .C = C, .rows = rows};
    run(&j, C ? kn_ceil_div(N, rows) : 0, bias_task);
}

static void sum_rows_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t n = task * j->rows;
    j->cpu->simd->sum_rows(j->y + task * j->C, j->x + n * j->C, j->C, kn_min(j->rows, j->N - n), j->C);
}

static void bias_backward(kn_backend *be, float *db, const float *dy, size_t N, size_t C)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t rows = kn_block_rows(C), blocks = kn_ceil_div(N, rows);
    float *part = kn_cpu_scratch(cpu, blocks * C);
    if (!part || C == 0)
        return;
    job j = {.cpu = cpu, .y = part, .x = dy, .N = N, .C = C, .rows = rows};
    run(&j, blocks, sum_rows_task);
    cpu->simd->sum_rows(db, part, C, blocks, C);
}

static void copy2d_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t n = task * j->rows;
    j->cpu->simd->copy_rows(j->y + n * j->ldy, j->ldy, j->x + n * j->ldx, j->ldx, kn_min(j->rows, j->N - n), j->C,
                            j->acc);
}

static void copy2d(kn_backend *be, float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc)
{
    size_t rows = kn_block_rows(C);
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = x, .N = N, .C = C, .ldx = ldx, .ldy = ldy, .rows = rows, .acc = acc};
    run(&j, C ? kn_ceil_div(N, rows) : 0, copy2d_task);
}

/* Rows of a large table are nowhere near a cache: asked for some rows ahead. */
static void prefetch_row(const job *j, size_t r)
{
    const float *row = j->x + (size_t)j->idx[r] * j->C;
    for (size_t c = 0; c < j->C; c += 16)
        __builtin_prefetch(row + c);
}

static void gather_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t first = task * j->rows, end = kn_min(j->N, first + j->rows);
    for (size_t r = first; r < kn_min(first + AHEAD, end); r++)
        prefetch_row(j, r);
    for (size_t r = first; r < end; r++) {
        if (r + AHEAD < end)
            prefetch_row(j, r + AHEAD);
        memcpy(j->y + r * j->C, j->x + (size_t)j->idx[r] * j->C, j->C * sizeof *j->y);
    }
}

static void gather(kn_backend *be, float *y, const float *table, const uint32_t *idx, size_t R, size_t D)
{
    size_t rows = kn_block_rows(D);
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = table, .idx = idx, .N = R, .C = D, .rows = rows};
    run(&j, D ? kn_ceil_div(R, rows) : 0, gather_task);
}

static void bag_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t first = task * j->rows;
    for (size_t r = first; r < kn_min(first + j->rows, j->N); r++) {
        size_t k = j->start[r];
        j->cpu->simd->bag_row(j->y + r * j->C, j->x, j->idx + k, j->b ? j->b + k : NULL, j->start[r + 1] - k, j->C);
    }
}

/* A task takes the bags of about KN_BLOCK elements; a bag is never cut. */
static void bag(kn_backend *be, float *y, const float *table, const uint32_t *start, const uint32_t *idx,
                const float *weight, size_t R, size_t D)
{
    if (R == 0 || D == 0)
        return;
    size_t rows = kn_block_rows(D * (1 + start[R] / R));
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = table, .b = weight, .idx = idx, .start = start, .N = R, .C = D,
             .rows = rows};
    run(&j, kn_ceil_div(R, rows), bag_task);
}

/* ---- elements ---------------------------------------------------------------- */

static void add_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t i = first_of(task);
    j->cpu->simd->add(j->y + i, j->x + i, j->b + i, count_of(j, task));
}

static void add(kn_backend *be, float *y, const float *a, const float *b, size_t n)
{
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = a, .b = b, .N = n};
    run(&j, kn_ceil_div(n, KN_BLOCK), add_task);
}

static void sum_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    j->y[task] = j->cpu->simd->sum(j->x + first_of(task), count_of(j, task));
}

static void sum(kn_backend *be, float *out, const float *x, size_t n)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t blocks = kn_ceil_div(n, KN_BLOCK);
    float *part = kn_cpu_scratch(cpu, blocks);
    if (!part)
        return;
    job j = {.cpu = cpu, .y = part, .x = x, .N = n};
    run(&j, blocks, sum_task);
    *out = cpu->simd->sum(part, blocks);
}

static void act_forward_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t i = first_of(task);
    j->cpu->simd->act_forward(j->y + i, j->x + i, j->act, count_of(j, task));
}

static void act_forward(kn_backend *be, float *y, const float *x, kn_act act, size_t n)
{
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = x, .act = act, .N = n};
    run(&j, kn_ceil_div(n, KN_BLOCK), act_forward_task);
}

static void act_backward_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t i = first_of(task);
    j->cpu->simd->act_backward(j->y + i, j->x + i, j->b + i, j->act, count_of(j, task), j->acc);
}

static void act_backward(kn_backend *be, float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    job j = {.cpu = kn_cpu_of(be), .y = dx, .x = dy, .b = y, .act = act, .N = n, .acc = acc};
    run(&j, kn_ceil_div(n, KN_BLOCK), act_backward_task);
}

static void dropout_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const job *j = arg;
    size_t i = first_of(task);
    j->cpu->simd->dropout(j->y + i, j->x + i, j->p, j->seed, j->stream, j->block + i / 4, count_of(j, task), j->acc);
}

static void dropout(kn_backend *be, float *y, const float *x, float p, uint64_t seed, uint64_t stream,
                    const kn_step *step, size_t n, int acc)
{
    job j = {.cpu = kn_cpu_of(be), .y = y, .x = x, .p = p, .seed = seed, .stream = stream, .N = n, .acc = acc};
    j.block = step->count * kn_ceil_div(n, 4);
    run(&j, kn_ceil_div(n, KN_BLOCK), dropout_task);
}

void kn_cpu_rows(kn_backend *be)
{
    be->bias_forward = bias_forward;
    be->bias_backward = bias_backward;
    be->copy2d = copy2d;
    be->gather = gather;
    be->bag = bag;
    be->add = add;
    be->sum = sum;
    be->act_forward = act_forward;
    be->act_backward = act_backward;
    be->dropout = dropout;
}
