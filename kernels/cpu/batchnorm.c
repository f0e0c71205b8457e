/* Batch normalisation of the cpu filling.
 *
 * Two rounds of tasks, blocks of rows by panels of columns: the first takes
 * sums of each block, which are then put together in order of rows; the second
 * does the rows. Everything around it (residual, activation, its gradient)
 * happens in these same passes over memory. */
#include "kernels/cpu/cpu.h"

#include <math.h>

enum { COLUMNS = 128, MAX_BLOCKS = 256 };

typedef struct bn {
    const kn_simd *simd;
    float *y, *dx, *dres;
    const float *dy, *x, *out, *res;
    const float *beta;
    kn_bn_slopes of; /* forward: mean and scale */
    float *part[2]; /* [blocks, C]: sums of each block of rows */
    kn_act act;
    size_t N, C, ldy, panels, block; /* ldy: of y, or of dy and out; block: rows of a block of the first round */
    int acc, acc_res;
} bn;

/* Rows of a block: what the first-level cache holds, but not too many blocks. */
static size_t block_of(size_t N)
{
    size_t units = kn_ceil_div(N, KN_BN_ROWS);
    return kn_ceil_div(units, MAX_BLOCKS) * KN_BN_ROWS;
}

static void stats_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const bn *p = arg;
    size_t b = task / p->panels, n = b * p->block, c = task % p->panels * COLUMNS;
    p->simd->bn_stats(p->part[0] + b * p->C + c, p->part[1] + b * p->C + c, p->x + n * p->C + c, p->C,
                      kn_min(p->block, p->N - n), kn_min(COLUMNS, p->C - c));
}

static void apply_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const bn *p = arg;
    size_t rows = kn_block_rows(p->C), n = task * rows, i = n * p->C;
    p->simd->bn_apply(p->y + n * p->ldy, p->ldy, p->x + i, p->of.mean, p->of.scale, p->beta, p->res ? p->res + i : NULL,
                      p->act, kn_min(rows, p->N - n), p->C);
}

static void apply(kn_cpu *cpu, bn *p)
{
    kn_parallel(cpu->pool, kn_ceil_div(p->N, kn_block_rows(p->C)), apply_task, p);
}

static size_t blocks_of(size_t N)
{
    return N ? kn_ceil_div(N, block_of(N)) : 0;
}

size_t kn_bn_room(size_t N, size_t C)
{
    return 2 * blocks_of(N) * C;
}

void kn_bn_statistics(kn_cpu *cpu, float *mean, float *rstd, float *running_mean, float *running_var, float *scale,
                      float *room, const float *x, const float *gamma, float momentum, size_t N, size_t C)
{
    size_t block = block_of(N), blocks = blocks_of(N);
    float *m2 = room + blocks * C;
    bn p = {.simd = cpu->simd, .x = x, .part = {room, m2}, .N = N, .C = C, .panels = kn_ceil_div(C, COLUMNS),
            .block = block};
    kn_parallel(cpu->pool, blocks * p.panels, stats_task, &p);
    for (size_t b = 1; b < blocks; b++)
        cpu->simd->bn_merge(room, m2, b * block, room + b * C, m2 + b * C, kn_min(block, N - b * block), C);
    for (size_t c = 0; c < C; c++) {
        mean[c] = room[c];
        rstd[c] = 1 / sqrtf(m2[c] / (float)N + KN_EPS_BN);
        scale[c] = gamma[c] * rstd[c];
        running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c];
        running_var[c] = (1 - momentum) * running_var[c] + momentum * (m2[c] / (float)(N > 1 ? N - 1 : 1));
    }
}

static void bn_forward(kn_backend *be, float *y, size_t ldy, float *mean, float *rstd, float *running_mean,
                       float *running_var, const float *x, const float *gamma, const float *beta, const float *res,
                       float momentum, kn_act act, size_t N, size_t C)
{
    kn_cpu *cpu = kn_cpu_of(be);
    float *scale = kn_cpu_scratch(cpu, C + kn_bn_room(N, C));
    if (!scale || N == 0 || C == 0)
        return;
    kn_bn_statistics(cpu, mean, rstd, running_mean, running_var, scale, scale + C, x, gamma, momentum, N, C);
    bn p = {.simd = cpu->simd, .y = y, .x = x, .res = res, .of = {.mean = mean, .scale = scale}, .beta = beta,
            .act = act, .N = N, .C = C, .ldy = ldy};
    apply(cpu, &p);
}

static void bn_infer(kn_backend *be, float *y, size_t ldy, const float *running_mean, const float *running_var,
                     const float *x, const float *gamma, const float *beta, const float *res, kn_act act, size_t N,
                     size_t C)
{
    kn_cpu *cpu = kn_cpu_of(be);
    float *scale = kn_cpu_scratch(cpu, C);
    if (!scale || C == 0)
        return;
    for (size_t c = 0; c < C; c++)
        scale[c] = gamma[c] / sqrtf(running_var[c] + KN_EPS_BN);
    bn p = {.simd = cpu->simd, .y = y, .x = x, .res = res, .of = {.mean = running_mean, .scale = scale}, .beta = beta,
            .act = act, .N = N, .C = C, .ldy = ldy};
    apply(cpu, &p);
}

static void sums_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const bn *p = arg;
    size_t b = task / p->panels, n = b * p->block, c = task % p->panels * COLUMNS, o = n * p->ldy + c;
    const float *out = p->act == KN_ACT_NONE ? NULL : p->out + o;
    p->simd->bn_sums(p->part[0] + b * p->C + c, p->part[1] + b * p->C + c, p->dy + o, out, p->ldy, p->x + n * p->C + c,
                     p->C, p->of.mean + c, p->act, kn_min(p->block, p->N - n), kn_min(COLUMNS, p->C - c));
}

static void gradient_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const bn *p = arg;
    size_t rows = kn_block_rows(p->C), n = task * rows, i = n * p->C, o = n * p->ldy;
    const float *out = p->act == KN_ACT_NONE ? NULL : p->out + o;
    p->simd->bn_gradient(p->dx + i, p->dres ? p->dres + i : NULL, p->dy + o, out, p->ldy, p->x + i, p->of.mean,
                         p->of.scale, p->of.mean_g, p->of.slope, p->act, kn_min(rows, p->N - n), p->C, p->acc,
                         p->acc_res);
}

void kn_bn_sums_to_slopes(kn_cpu *cpu, kn_bn_slopes *s, float *dgamma, float *dbeta, float *room, const float *sum_g,
                          const float *sum_gd, size_t parts, const float *mean, const float *rstd, const float *gamma,
                          size_t N, size_t C)
{
    float *scale = room, *mean_g = scale + C, *slope = mean_g + C;
    cpu->simd->sum_rows(dbeta, sum_g, C, parts, C);
    cpu->simd->sum_rows(dgamma, sum_gd, C, parts, C);
    for (size_t c = 0; c < C; c++) {
        dgamma[c] *= rstd[c];
        scale[c] = gamma[c] * rstd[c];
        mean_g[c] = dbeta[c] / (float)N;
        slope[c] = rstd[c] * dgamma[c] / (float)N;
    }
    *s = (kn_bn_slopes){mean, scale, mean_g, slope, gamma};
}

static void bn_backward(kn_backend *be, float *dx, float *dres, float *dgamma, float *dbeta, const float *dy,
                        const float *x, const float *y, size_t ldy, const float *mean, const float *rstd,
                        const float *gamma, kn_act act, size_t N, size_t C, int acc, int acc_res)
{
    kn_cpu *cpu = kn_cpu_of(be);
    size_t block = block_of(N), blocks = blocks_of(N);
    float *room = kn_cpu_scratch(cpu, kn_bn_room(N, C) + 3 * C);
    if (!room || C == 0)
        return;
    float *sum_gd = room + blocks * C;
    bn p = {.simd = cpu->simd, .dx = dx, .dres = dres, .dy = dy, .x = x, .out = y, .of.mean = mean,
            .part = {room, sum_gd}, .act = act, .N = N, .C = C, .ldy = ldy, .panels = kn_ceil_div(C, COLUMNS),
            .block = block, .acc = acc, .acc_res = acc_res};
    kn_parallel(cpu->pool, blocks * p.panels, sums_task, &p);
    kn_bn_sums_to_slopes(cpu, &p.of, dgamma, dbeta, sum_gd + blocks * C, room, sum_gd, blocks, mean, rstd, gamma, N, C);
    kn_parallel(cpu->pool, kn_ceil_div(N, kn_block_rows(C)), gradient_task, &p);
}

void kn_cpu_batchnorm(kn_backend *be)
{
    be->bn_forward = bn_forward;
    be->bn_infer = bn_infer;
    be->bn_backward = bn_backward;
}
