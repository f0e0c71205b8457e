/* Distances and losses of the cpu filling: tasks are blocks of pairs. */
#include "kernels/cpu/cpu.h"

typedef struct pairs {
    const kn_simd *simd;
    float *loss, *d, *dz;
    const float *z, *y;
    kn_distance kind;
    kn_pair_loss loss_kind;
    float margin;
    size_t B, D, rows; /* rows: pairs of a task */
} pairs;

static void distance_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const pairs *p = arg;
    size_t i = task * p->rows;
    p->simd->distance(p->d, p->z, p->kind, i, kn_min(p->rows, p->B - i), p->B, p->D);
}

static void distance(kn_backend *be, float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    kn_cpu *cpu = kn_cpu_of(be);
    pairs p = {.simd = cpu->simd, .d = d, .z = z, .kind = kind, .B = B, .D = D, .rows = kn_block_rows(D)};
    kn_parallel(cpu->pool, kn_ceil_div(B, p.rows), distance_task, &p);
}

static void pair_loss_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const pairs *p = arg;
    size_t i = task * p->rows;
    p->simd->pair_loss(p->loss, p->d, p->dz, p->z, p->y, p->kind, p->loss_kind, p->margin,
                       1 / (float)p->B, i, kn_min(p->rows, p->B - i), p->B, p->D);
}

static void pair_loss(kn_backend *be, float *loss, float *d, float *dz, const float *z, const float *y,
                      kn_distance kind, kn_pair_loss loss_kind, float margin, size_t B, size_t D)
{
    kn_cpu *cpu = kn_cpu_of(be);
    pairs p = {.simd = cpu->simd, .loss = loss, .d = d, .dz = dz, .z = z, .y = y, .kind = kind,
               .loss_kind = loss_kind, .margin = margin, .B = B, .D = D, .rows = kn_block_rows(2 * D)};
    kn_parallel(cpu->pool, kn_ceil_div(B, p.rows), pair_loss_task, &p);
}

/* ---- all pairs of a batch --------------------------------------------------------- */

typedef struct batch_job {
    kn_batch b;
    const kn_simd *simd;
    float *room; /* [workers][KN_BATCH_ROWS * N] */
} batch_job;

static void batch_task(void *arg, size_t task, int worker)
{
    const batch_job *j = arg;
    size_t i = task * KN_BATCH_ROWS;
    j->simd->batch_loss(&j->b, j->room + (size_t)worker * KN_BATCH_ROWS * j->b.N, i, kn_min(KN_BATCH_ROWS, j->b.N - i));
}

static void weigh(kn_batch *b, float share)
{
    size_t same = 0, all = b->N * (b->N - 1) / 2;
    for (size_t i = 0; i < b->N; i++)
        for (size_t j = 0; j < i; j++)
            same += b->group[i] == b->group[j];
    bool both = same && same < all;
    b->same = (both ? share : 1) / (float)same;
    b->other = (both ? 1 - share : 1) / (float)(all - same);
}

/* Each row goes over all others: a distance is taken twice, but no two tasks
 * write to one row, and nothing of N x N is stored. */
static void batch_loss(kn_backend *be, float *loss, float *dz, const float *z, const uint32_t *group,
                       kn_distance kind, kn_pair_loss loss_kind, float margin, float share, size_t N, size_t D)
{
    kn_cpu *cpu = kn_cpu_of(be);
    batch_job j = {.b = {.loss = loss, .dz = dz, .z = z, .group = group, .kind = kind, .loss_kind = loss_kind,
                         .margin = margin, .N = N, .D = D},
                   .simd = cpu->simd};
    j.room = kn_cpu_scratch(cpu, (size_t)kn_pool_threads(cpu->pool) * KN_BATCH_ROWS * N);
    if (!j.room || N == 0)
        return;
    weigh(&j.b, share);
    kn_parallel(cpu->pool, kn_ceil_div(N, KN_BATCH_ROWS), batch_task, &j);
}

void kn_cpu_pair(kn_backend *be)
{
    be->distance = distance;
    be->pair_loss = pair_loss;
    be->batch_loss = batch_loss;
}
