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
    p->simd->pair_loss(p->loss, p->d, p->dz, p->z, p->y, p->kind, p->loss_kind, p->margin, i,
                       kn_min(p->rows, p->B - i), p->B, p->D);
}

static void pair_loss(kn_backend *be, float *loss, float *d, float *dz, const float *z, const float *y,
                      kn_distance kind, kn_pair_loss loss_kind, float margin, size_t B, size_t D)
{
    kn_cpu *cpu = kn_cpu_of(be);
    pairs p = {.simd = cpu->simd, .loss = loss, .d = d, .dz = dz, .z = z, .y = y, .kind = kind,
               .loss_kind = loss_kind, .margin = margin, .B = B, .D = D, .rows = kn_block_rows(2 * D)};
    kn_parallel(cpu->pool, kn_ceil_div(B, p.rows), pair_loss_task, &p);
}

void kn_cpu_pair(kn_backend *be)
{
    be->distance = distance;
    be->pair_loss = pair_loss;
}
