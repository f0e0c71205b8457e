/* Optimisers of the cpu filling: tasks of KN_BLOCK parameters. */
#include "kernels/cpu/cpu.h"

typedef struct update {
    const kn_simd *simd;
    float *p, *m, *v;
    const float *g;
    const kn_step *step;
    float b1, b2, eps, momentum, decay;
    int nesterov;
    size_t n;
} update;

static void adam_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const update *u = arg;
    size_t i = task * KN_BLOCK;
    u->simd->adam(u->p + i, u->m + i, u->v + i, u->g + i, u->step, u->b1, u->b2, u->eps, u->decay,
                  kn_min(KN_BLOCK, u->n - i));
}

static void adam(kn_backend *be, float *p, float *m, float *v, const float *g, const kn_step *step, float b1, float b2,
                 float eps, float decay, size_t n)
{
    kn_cpu *cpu = kn_cpu_of(be);
    update u = {.simd = cpu->simd, .p = p, .m = m, .v = v, .g = g, .step = step, .b1 = b1, .b2 = b2, .eps = eps,
                .decay = decay, .n = n};
    kn_parallel(cpu->pool, kn_ceil_div(n, KN_BLOCK), adam_task, &u);
}

static void sgd_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const update *u = arg;
    size_t i = task * KN_BLOCK;
    u->simd->sgd(u->p + i, u->m ? u->m + i : NULL, u->g + i, u->step, u->momentum, u->decay, u->nesterov,
                 kn_min(KN_BLOCK, u->n - i));
}

static void sgd(kn_backend *be, float *p, float *m, const float *g, const kn_step *step, float momentum, float decay,
                int nesterov, size_t n)
{
    kn_cpu *cpu = kn_cpu_of(be);
    update u = {.simd = cpu->simd, .p = p, .m = m, .g = g, .step = step, .momentum = momentum, .decay = decay,
                .nesterov = nesterov, .n = n};
    kn_parallel(cpu->pool, kn_ceil_div(n, KN_BLOCK), sgd_task, &u);
}

void kn_cpu_optim(kn_backend *be)
{
    be->adam = adam;
    be->sgd = sgd;
}
