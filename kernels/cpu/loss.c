/* Losses of classes and of values: tasks are blocks of rows. */
#include "kernels/cpu/cpu.h"

typedef struct losses {
    const kn_simd *simd;
    float *loss, *dz, *p;
    const float *z, *target;
    const uint32_t *label;
    kn_value_loss kind;
    float delta, scale;
    size_t N, C, rows;
} losses;

static void softmax_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const losses *l = arg;
    size_t n = task * l->rows, at = n * l->C;
    l->simd->softmax_loss(l->loss + n, l->dz + at, l->p ? l->p + at : NULL, l->z + at, l->label + n, l->scale,
                          kn_min(l->rows, l->N - n), l->C);
}

static void softmax_loss(kn_backend *be, float *loss, float *dz, float *p, const float *z, const uint32_t *label,
                         size_t N, size_t C)
{
    kn_cpu *cpu = kn_cpu_of(be);
    losses l = {.simd = cpu->simd, .loss = loss, .dz = dz, .p = p, .z = z, .label = label, .scale = 1 / (float)N,
                .N = N, .C = C, .rows = kn_block_rows(C)};
    kn_parallel(cpu->pool, C ? kn_ceil_div(N, l.rows) : 0, softmax_task, &l);
}

static void value_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const losses *l = arg;
    size_t n = task * KN_BLOCK;
    l->simd->value_loss(l->loss + n, l->dz + n, l->z + n, l->target + n, l->kind, l->delta, l->scale,
                        kn_min(KN_BLOCK, l->N - n));
}

static void value_loss(kn_backend *be, float *loss, float *dz, const float *z, const float *target,
                       kn_value_loss kind, float delta, size_t N)
{
    kn_cpu *cpu = kn_cpu_of(be);
    losses l = {.simd = cpu->simd, .loss = loss, .dz = dz, .z = z, .target = target, .kind = kind, .delta = delta,
                .scale = 1 / (float)N, .N = N};
    kn_parallel(cpu->pool, kn_ceil_div(N, KN_BLOCK), value_task, &l);
}

void kn_cpu_loss(kn_backend *be)
{
    be->softmax_loss = softmax_loss;
    be->value_loss = value_loss;
}
