/* The end of a step on twins: batchnorm, distance and loss, there and back.
 *
 * One after the other, these three move z and its gradient through memory eight
 * times. Here a task takes a few pairs at a time, so that their rows of z and dz
 * are never anywhere but in its cache: x is read for the statistics, again for
 * the losses and the sums of the gradient, and a last time when dx is written.
 * The normalised rows and their gradient are computed twice, which is cheaper. */
#include "kernels/cpu/cpu.h"

enum { FLOATS = 1 << 14 }; /* of z and dz of a task */

typedef struct twins {
    const kn_simd *simd;
    const kn_block *block;
    size_t blocks;
    float *loss, *d;
    const float *y, *beta;
    kn_bn_slopes of; /* mean and scale at first, all once the sums are there */
    float *part[2]; /* [2 a task, D]: sums of g and of g (x - mean) */
    float *rooms;   /* z and dz of each worker */
    kn_distance kind;
    kn_pair_loss loss_kind;
    float margin;
    size_t B, D, pairs; /* pairs: of a task */
} twins;

/* n pairs from i on: rows i.. and B+i.. of x are rows 0.. and n.. of z. */
typedef struct few {
    float *z, *dz;
    size_t i, n;
} few;

static const float *x_of(const twins *p, const kn_block *b, const few *f, size_t side)
{
    return b->x + (side * p->B + f->i) * b->C;
}

static few compare(const twins *p, size_t task, int worker)
{
    few f = {.i = task * p->pairs, .z = p->rooms + (size_t)worker * 4 * p->pairs * p->D};
    f.n = kn_min(p->pairs, p->B - f.i);
    f.dz = f.z + 2 * f.n * p->D;
    size_t c = 0;
    for (const kn_block *b = p->block; b < p->block + p->blocks; c += b++->C)
        for (size_t side = 0; side < 2; side++)
            p->simd->bn_apply(f.z + side * f.n * p->D + c, p->D, x_of(p, b, &f, side), p->of.mean + c, p->of.scale + c,
                              p->beta + c, NULL, KN_ACT_NONE, f.n, b->C);
    p->simd->pair_loss(p->loss + f.i, p->d + f.i, f.dz, f.z, p->y + f.i, p->kind, p->loss_kind, p->margin,
                       1 / (float)p->B, 0, f.n, f.n, p->D);
    return f;
}

static void sums_task(void *arg, size_t task, int worker)
{
    const twins *p = arg;
    few f = compare(p, task, worker);
    size_t c = 0;
    for (const kn_block *b = p->block; b < p->block + p->blocks; c += b++->C)
        for (size_t side = 0; side < 2; side++) {
            size_t at = (2 * task + side) * p->D + c;
            p->simd->bn_sums(p->part[0] + at, p->part[1] + at, f.dz + side * f.n * p->D + c, NULL, p->D,
                             x_of(p, b, &f, side), b->C, p->of.mean + c, KN_ACT_NONE, f.n, b->C);
        }
}

static void gradient_task(void *arg, size_t task, int worker)
{
    const twins *p = arg;
    few f = compare(p, task, worker);
    size_t c = 0;
    for (const kn_block *b = p->block; b < p->block + p->blocks; c += b++->C)
        for (size_t side = 0; side < 2; side++)
            p->simd->bn_gradient(b->dx + (side * p->B + f.i) * b->C, NULL, f.dz + side * f.n * p->D + c, NULL, p->D,
                                 x_of(p, b, &f, side), p->of.mean + c, p->of.scale + c, p->of.mean_g + c,
                                 p->of.slope + c, KN_ACT_NONE, f.n, b->C, b->acc, 0);
}

static size_t widest(const kn_block *block, size_t blocks)
{
    size_t most = 0;
    for (size_t k = 0; k < blocks; k++)
        most = block[k].C > most ? block[k].C : most;
    return most;
}

static void bn_pair_loss(kn_backend *be, float *loss, float *d, float *dgamma, float *dbeta, float *running_mean,
                         float *running_var, float *z, float *dz, float *saved, const kn_block *block, size_t blocks,
                         const float *gamma, const float *beta, const float *y, kn_distance kind,
                         kn_pair_loss loss_kind, float margin, float momentum, size_t B, size_t D)
{
    (void)z, (void)dz;
    kn_cpu *cpu = kn_cpu_of(be);
    size_t pairs = D < FLOATS / 4 ? FLOATS / 4 / (D ? D : 1) : 1, tasks = kn_ceil_div(B, pairs), parts = 2 * tasks;
    size_t workers = (size_t)kn_pool_threads(cpu->pool), stats = kn_bn_room(2 * B, widest(block, blocks));
    float *room = kn_cpu_scratch(cpu, (4 + 2 * parts + workers * 4 * pairs) * D + stats + 1);
    if (!room)
        return;
    if (B == 0) {
        be->fill(be, dgamma, 0, D);
        be->fill(be, dbeta, 0, D);
        return;
    }
    float *mean = saved, *rstd = saved + D, *scale = room, *sums = room + 4 * D, *rooms = sums + 2 * parts * D;
    twins p = {.simd = cpu->simd, .block = block, .blocks = blocks, .loss = loss, .d = d, .y = y, .beta = beta,
               .of = {.mean = mean, .scale = scale}, .part = {sums, sums + parts * D}, .rooms = rooms, .kind = kind,
               .loss_kind = loss_kind, .margin = margin, .B = B, .D = D, .pairs = pairs};
    size_t c = 0;
    for (size_t k = 0; k < blocks; c += block[k++].C)
        kn_bn_statistics(cpu, mean + c, rstd + c, running_mean + c, running_var + c, scale + c,
                         rooms + workers * 4 * pairs * D, block[k].x, gamma + c, momentum, 2 * B, block[k].C);
    kn_parallel(cpu->pool, tasks, sums_task, &p);
    kn_bn_sums_to_slopes(cpu, &p.of, dgamma, dbeta, room + D, p.part[0], p.part[1], parts, mean, rstd, gamma, 2 * B, D);
    kn_parallel(cpu->pool, tasks, gradient_task, &p);
}

void kn_cpu_bn_pair(kn_backend *be)
{
    be->bn_pair_loss = bn_pair_loss;
}
