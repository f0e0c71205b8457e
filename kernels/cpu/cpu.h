/* kernels/cpu: the fast filling for the host's processors.
 *
 * cpu.c opens it; one file for each family of ops cuts the work into tasks (by
 * shapes alone, so that results do not depend on the number of threads) and
 * *.simd.c does the work of a task. blas.c finds OpenBLAS. Start at gemm.c. */
#ifndef KN_CPU_H
#define KN_CPU_H

#include "kernels/backend.h"
#include "kernels/cpu/simd.h"

/* Elements of one task: small enough for the first-level caches, large enough
 * to outweigh handing it out. */
enum { KN_BLOCK = 8192 };

typedef struct kn_cpu {
    kn_backend be; /* first: a kn_backend of ours is a kn_cpu */
    kn_pool *pool;
    const kn_simd *simd;
    bool own_products; /* never OpenBLAS's: tests of the code for machines without it */
    float *scratch;
    size_t scratch_floats;
    kn_error error; /* the first one since the last sync */
    bool failed;
    char description[256];
} kn_cpu;

/* Each puts its family of ops into the table. */
void kn_cpu_gemm(kn_backend *be);
void kn_cpu_rows(kn_backend *be);        /* rows, elements, activation, dropout */
void kn_cpu_batchnorm(kn_backend *be);
void kn_cpu_bn_pool(kn_backend *be);     /* batchnorm and a max pool in one */
void kn_cpu_pair(kn_backend *be);
void kn_cpu_bn_pair(kn_backend *be);     /* batchnorm and pairs in one */
void kn_cpu_loss(kn_backend *be);        /* of classes and of values */
void kn_cpu_conv(kn_backend *be);
void kn_cpu_pool2d(kn_backend *be);
void kn_cpu_nearest(kn_backend *be);
void kn_cpu_optim(kn_backend *be);

static inline kn_cpu *kn_cpu_of(kn_backend *be)
{
    return (kn_cpu *)be->state;
}

/* Room that lasts for one op, grown on first use; NULL when memory is out, then
 * sync() reports it. */
float *kn_cpu_scratch(kn_cpu *cpu, size_t floats);

static inline size_t kn_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t kn_ceil_div(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Rows of C columns that make a task of about KN_BLOCK elements. */
static inline size_t kn_block_rows(size_t C)
{
    return C >= KN_BLOCK ? 1 : KN_BLOCK / (C ? C : 1);
}

/* ---- runs.c: pools walk over an image ------------------------------------------ */

typedef struct kn_range {
    size_t from, to;
} kn_range;

/* n windows side by side that have the same pixels inside the image: pixel t <
 * taps of the first has its channels at[t] floats behind where the image begins. */
typedef struct kn_run {
    size_t pixel, window; /* floats before the image in x, before the first window in y */
    size_t n, taps;
    const size_t *at;
} kn_run;

typedef void (*kn_run_task)(void *arg, const kn_run *r);

/* Calls fn for all windows of these rows of P of one image, in order; at[KH KW]
 * is room for it. */
void kn_each_run(const kn_window *win, size_t image, kn_range windows, size_t *at, kn_run_task fn, void *arg);

/* Each of the first P KH rows and Q KW columns of pixels is in just one window. */
bool kn_windows_adjoin(const kn_window *win);

/* Floats of scratch that are room for the pixels of a window, for each thread. */
static inline size_t kn_tap_floats(const kn_cpu *cpu, const kn_window *win)
{
    return (size_t)kn_pool_threads(cpu->pool) * win->KH * win->KW * (sizeof(size_t) / sizeof(float));
}

/* ---- winograd.c, for conv.c -------------------------------------------------------- */

/* A convolution of this shape, its gradients too, is faster by Winograd's method.
 * Told by one image and the channels: not by how many images there are. */
bool kn_winograd_pays(const kn_window *win, size_t O);
/* For such: as the contract's conv_forward, conv_backward_x and, of N > 0 images,
 * conv_backward_w. */
void kn_winograd_forward(kn_cpu *cpu, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O);
void kn_winograd_backward_x(kn_cpu *cpu, float *dx, const float *dy, const float *w, const kn_window *win, size_t N,
                            size_t O, int acc);
void kn_winograd_backward_w(kn_cpu *cpu, float *dw, const float *dy, const float *x, const kn_window *win, size_t N,
                            size_t O);

/* ---- batchnorm.c, for what is fused with it ---------------------------------------- */

/* Floats of room that the statistics of bn_forward need. */
size_t kn_bn_room(size_t N, size_t C);
/* scale[C] = gamma rstd; N and C are not 0. */
void kn_bn_statistics(kn_cpu *cpu, float *mean, float *rstd, float *running_mean, float *running_var, float *scale,
                      float *room, const float *x, const float *gamma, float momentum, size_t N, size_t C);
/* What a gradient needs of the whole batch: dgamma, dbeta and *s, whose arrays lie
 * in room[3 C]; from `parts` rows each of sums of g and of g (x - mean), added in
 * order. N: rows of the batch. */
void kn_bn_sums_to_slopes(kn_cpu *cpu, kn_bn_slopes *s, float *dgamma, float *dbeta, float *room, const float *sum_g,
                          const float *sum_gd, size_t parts, const float *mean, const float *rstd, const float *gamma,
                          size_t N, size_t C);

/* ---- blas.c ------------------------------------------------------------------ */

typedef void (*kn_sgemm)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a, int lda,
                         const float *b, int ldb, float beta, float *c, int ldc);

/* OpenBLAS's cblas_sgemm, single-threaded, or NULL when there is none. */
kn_sgemm kn_blas_sgemm(void);

typedef enum { KN_LEVEL_SSE, KN_LEVEL_AVX, KN_LEVEL_AVX2, KN_LEVEL_AVX512 } kn_level;

typedef struct kn_processor {
    kn_level level; /* what it and the operating system can run */
    bool amd;
} kn_processor;

kn_processor kn_this_processor(void);

/* The core type to ask OpenBLAS for, when `core`, which it chose by itself, is
 * below what the processor can do; NULL to leave it. user: OPENBLAS_CORETYPE. */
const char *kn_blas_core(kn_processor p, const char *core, const char *user);

#endif
