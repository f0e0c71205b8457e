/* Inner loops of the cpu filling, compiled once for each instruction set.
 *
 * Each *.simd.c is compiled with -DKN_ISA=base, avx2 and avx512 (Makefile,
 * ISAS); every function below then exists once per set, named kn_NAME_ISA, and
 * table.simd.c gathers them into kn_simd_ISA. kn_simd_choose() picks a table by
 * cpuid. avx2x16 is the 16-lane code of avx512 in AVX2 instructions, so that a
 * machine without AVX-512 can test it.
 *
 * These functions know no threads and no backend: they work on the block of
 * rows or elements that a task was given. Formulas: backend.h. */
#ifndef KN_SIMD_H
#define KN_SIMD_H

#include "kernels/backend.h"

/* Widest panel of packed b, over all tables. */
enum { KN_GEMM_PANEL = 32 };

/* Rows of a block whose batch-norm statistics are taken in one go. */
enum { KN_BN_ROWS = 64 };

/* batch_loss(): its arguments, and what each pair of one group weighs, and any
 * other. KN_BATCH_ROWS rows are compared with all others in one go. */
enum { KN_BATCH_ROWS = 4 };
typedef struct kn_batch {
    float *loss, *dz;
    const float *z;
    const uint32_t *group;
    kn_distance kind;
    kn_pair_loss loss_kind;
    float margin, same, other;
    size_t N, D;
} kn_batch;

/* A tile of Winograd's convolution has TILE x TILE results, made from SIDE x SIDE
 * pixels. */
enum { KN_WINOGRAD_TILE = 4, KN_WINOGRAD_SIDE = KN_WINOGRAD_TILE + 2 };

/* Of each channel, for the gradient of a batch norm: scale = gamma rstd, mean_g =
 * mean of g, slope = rstd^2 mean of g (x - mean). */
typedef struct kn_bn_slopes {
    const float *mean, *scale, *mean_g, *slope, *gamma;
} kn_bn_slopes;

/* n floats of a window, side by side, `at` floats after its first. */
typedef struct kn_segment {
    size_t at, n;
} kn_segment;

/* Rows of a product whose rows begin anywhere: y[y_at[m] + j] = act((acc ? y : 0)
 * + bias[j] + sum over the floats k of all segments of x[x_at[m] + ..] panel[k,
 * j]), for j < n <= table.panel; bias is nullable. Rows of y may overlap when act
 * is none. */
typedef struct kn_conv_rows {
    float *y;
    const size_t *y_at, *x_at;
    const float *x, *panel, *bias;
    const kn_segment *segment;
    size_t segments, M, n;
    kn_act act;
    int acc;
    bool cold; /* x is in no near cache */
} kn_conv_rows;

#define KN_SIMD_FUNCTIONS(F)                                                                                           \
    /* Packs n <= table.panel columns of b[K,.] (of its transpose [.,K] when tb; rows ldb apart) as panel[K,.],\
     * filled up with zeros. */                                                                                        \
    F(void, gemm_pack, (float *panel, const float *b, size_t ldb, int tb, size_t n, size_t K))                         \
    /* c[M,n] (+)= op(a) * panel; a is [M,K], or [K,M] when ta, its rows lda apart. */                                 \
    F(void, gemm_panel, (float *c, size_t ldc, const float *a, size_t lda, int ta, const float *panel, size_t M,       \
                         size_t n, size_t K, int acc))                                                                 \
    F(void, bias_rows, (float *y, const float *b, size_t N, size_t C))                                                 \
    F(void, sum_rows, (float *s, const float *x, size_t ld, size_t N, size_t C))                                       \
    F(void, copy_rows, (float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc))                \
    F(void, add, (float *y, const float *a, const float *b, size_t n))                                                 \
    /* y[D] = sum of weight[k] table[idx[k],D] over n, in order; weight may be NULL. */                                 \
    F(void, bag_row, (float *y, const float *table, const uint32_t *idx, const float *weight, size_t n, size_t D))     \
    F(float, sum, (const float *x, size_t n))                                                                          \
    F(void, act_forward, (float *y, const float *x, kn_act act, size_t n))                                             \
    F(void, act_backward, (float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc))                 \
    /* n elements, the first of which belongs to Philox block `block`. */                                              \
    F(void, dropout, (float *y, const float *x, float p, uint64_t seed, uint64_t stream, uint64_t block, size_t n,     \
                      int acc))                                                                                        \
    /* mean[C] and m2[C] = sum (x - mean)^2 of N > 0 rows, ld apart. */                                                \
    F(void, bn_stats, (float *mean, float *m2, const float *x, size_t ld, size_t N, size_t C))                         \
    /* (mean, m2, n) += (mean_b, m2_b, nb): Chan, Golub, LeVeque 1979, eq. 2.1. */                                     \
    F(void, bn_merge, (float *mean, float *m2, size_t n, const float *mean_b, const float *m2_b, size_t nb, size_t C)) \
    /* y = act((x - mean) * scale + beta + res) */                                                                     \
    F(void, bn_apply, (float *y, size_t ldy, const float *x, const float *mean, const float *scale, const float *beta, \
                       const float *res, kn_act act, size_t N, size_t C))                                              \
    /* sum_g[C] = sum g, sum_gd[C] = sum g (x - mean) of N rows of dy, y (ldy apart) and x (ldx apart). */             \
    F(void, bn_sums, (float *sum_g, float *sum_gd, const float *dy, const float *y, size_t ldy, const float *x,        \
                      size_t ldx, const float *mean, kn_act act, size_t N, size_t C))                                  \
    /* dx (+)= scale * (g - mean_g - (x - mean) * slope); dres (+)= g; rows of dy and y are ldy apart. */              \
    F(void, bn_gradient, (float *dx, float *dres, const float *dy, const float *y, size_t ldy, const float *x,         \
                          const float *mean, const float *scale, const float *mean_g, const float *slope, kn_act act,  \
                          size_t N, size_t C, int acc, int acc_res))                                                   \
    F(void, conv_rows, (const kn_conv_rows *t))                                                                        \
    /* dw[O,n] (+)= sum over m of dy[m,o] x[x_at[m] + j]; rows of dw and dy are ldw and ldy apart. Reads, and does not \
     * use, up to table.panel floats from the last n on. */                                                            \
    F(void, conv_weights, (float *dw, size_t ldw, const float *dy, size_t ldy, size_t O, const float *x,               \
                           const size_t *x_at, size_t M, size_t n, int acc))                                           \
    /* y[m, .] = the segments of window m one after the other, rows of y ldy apart; reads and writes up to             \
     * table.panel floats more. */                                                                                     \
    F(void, conv_gather, (float *y, size_t ldy, const float *x, const size_t *x_at, size_t M,                          \
                          const kn_segment *segment, size_t segments))                                                 \
    /* Winograd's transforms (winograd.simd.c), for C channels. Of a tile: v[SIDE SIDE][C], rows ldv apart, from        \
     * pixels px[SIDE SIDE]; or from gradients px[TILE TILE] of its results; u likewise from weights px[3 3]. */        \
    F(void, winograd_image, (float *v, size_t ldv, const float *const *px, size_t C))                                  \
    F(void, winograd_gradient, (float *v, size_t ldv, const float *const *px, size_t C))                               \
    F(void, winograd_weights, (float *u, size_t ldu, const float *const *px, size_t C))                                \
    /* y[TILE TILE] = act((acc ? y : 0) + bias + the results); acc only without act */                                 \
    F(void, winograd_results, (float *const *y, const float *v, size_t ldv, const float *bias, kn_act act, size_t C,   \
                               int acc))                                                                               \
    F(void, winograd_weights_gradient, (float *const *dw, const float *u, size_t ldu, size_t C)) /* dw[3 3] */         \
    /* Pools over n windows that are `step` floats apart; pixel t < taps of the first has its channels at x + at[t]. */\
    F(void, maxpool, (float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps, size_t C))       \
    F(void, maxpool_gradient, (float *dx, const float *dy, const float *x, const float *y, size_t step, size_t n,      \
                               const size_t *at, size_t taps, size_t C, int acc))                                      \
    /* The largest for channels of gamma >= 0, the smallest for the others. */                                         \
    F(void, maxpool_signed, (float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps,           \
                             const float *gamma, size_t C))                                                            \
    /* dx (+)= scale * (g' - mean_g - (x - mean) * slope) for all pixels of the windows, of which only the first that  \
     * equals what maxpool_signed picks has g' = g, the others 0. No pixel is in two windows. */                       \
    F(void, bn_pool_gradient, (float *dx, const float *g, const float *x, size_t step, size_t n, const size_t *at,     \
                               size_t taps, const kn_bn_slopes *s, size_t C, int acc))                                 \
    F(void, avgpool, (float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps, size_t C))       \
    F(void, avgpool_gradient, (float *dx, const float *dy, size_t step, size_t n, const size_t *at, size_t taps,       \
                               size_t C, int acc))                                                                     \
    /* distance() and pair_loss() for pairs first .. first+n-1 of B; share: 1 over the pairs of the batch */           \
    F(void, distance, (float *d, const float *z, kn_distance kind, size_t first, size_t n, size_t B, size_t D))        \
    F(void, pair_loss, (float *loss, float *d, float *dz, const float *z, const float *y, kn_distance kind,            \
                        kn_pair_loss loss_kind, float margin, float share, size_t first, size_t n, size_t B, size_t D))\
    /* rows first .. first+n-1 of b, n <= KN_BATCH_ROWS; room[n * N] */                                                \
    F(void, batch_loss, (const kn_batch *b, float *room, size_t first, size_t n))                                      \
    /* N rows; scale: 1 over the rows of the whole batch. */                                                           \
    F(void, softmax_loss, (float *loss, float *dz, float *p, const float *z, const uint32_t *label, float scale,       \
                           size_t N, size_t C))                                                                        \
    F(void, value_loss, (float *loss, float *dz, const float *z, const float *target, kn_value_loss kind, float delta, \
                         float scale, size_t N))                                                                       \
    /* d[i * n + j]: distance from query i of q <= 4 to row j of n */                                                  \
    F(void, distance_table, (float *d, const float *query, const float *base, kn_distance kind, size_t q, size_t n,    \
                             size_t D))                                                                                \
    F(void, adam, (float *p, float *m, float *v, const float *g, const kn_step *step, float b1, float b2, float eps,   \
                   float decay, size_t n))                                                                             \
    F(void, sgd, (float *p, float *m, const float *g, const kn_step *step, float momentum, float decay, int nesterov,  \
                  size_t n))

#define KN_SIMD_MEMBER(type, name, args) type(*name) args;

typedef struct kn_simd {
    const char *name;  /* "SSE2", "AVX2", "AVX-512" */
    size_t panel;      /* columns of a packed panel of gemm */
    KN_SIMD_FUNCTIONS(KN_SIMD_MEMBER)
} kn_simd;

/* The best table that this processor and operating system can run. */
const kn_simd *kn_simd_choose(void);

/* ---- for the *.simd.c files ------------------------------------------------- */

#ifdef KN_ISA

#define KN_PASTE2(a, b) a##_##b
#define KN_PASTE(a, b) KN_PASTE2(a, b)
#define KN_SIMD(name) KN_PASTE(kn_##name, KN_ISA)
#define KN_SIMD_DECLARE(type, name, args) type KN_SIMD(name) args;
KN_SIMD_FUNCTIONS(KN_SIMD_DECLARE)

#define KN_LANES_base 4
#define KN_LANES_avx2 8
#define KN_LANES_avx512 16
#define KN_LANES_avx2x16 16
#define KN_LANES KN_PASTE(KN_LANES, KN_ISA)

enum { V = KN_LANES };

/* One register of V floats, and the same at any address. */
typedef float vec __attribute__((vector_size(4 * KN_LANES)));
typedef float uvec __attribute__((vector_size(4 * KN_LANES), aligned(4), may_alias));

#define KN_INLINE static inline __attribute__((always_inline))
#define KN_RESTRICT __restrict__

#ifdef __clang__
#define KN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KN_UNROLL _Pragma("GCC unroll 16")
#endif

KN_INLINE vec load(const float *p)
{
    return *(const uvec *)p;
}

KN_INLINE void store(float *p, vec x)
{
    *(uvec *)p = x;
}

/* m < V of them, where an array ends, the rest 0; or V. */
KN_INLINE vec load_n(const float *p, size_t m)
{
    if (m == V)
        return load(p);
    float x[V] = {0};
    for (size_t i = 0; i < m; i++)
        x[i] = p[i];
    return load(x);
}

KN_INLINE void store_n(float *p, vec x, size_t m)
{
    if (m == V) {
        store(p, x);
        return;
    }
    float y[V];
    store(y, x);
    for (size_t i = 0; i < m; i++)
        p[i] = y[i];
}

#endif
#endif
