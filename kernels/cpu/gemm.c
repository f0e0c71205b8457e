/* Matrix product: which code, and how it is cut into tasks.
 *
 * Three ways, chosen by shape alone:
 *  - panels: b is packed once, tasks are blocks of rows of c. A row has the same
 *    bits whatever rows are around it.
 *  - cuts: a is transposed and k long (the gradient of a weight). k is cut into
 *    at most MAX_CUTS parts, each summed by its own tasks, then added in order.
 *  - OpenBLAS, single-threaded, on fixed blocks of c: everything that is large. */
#include "kernels/cpu/cpu.h"

#include <limits.h>
#include <string.h>

enum {
    PART = 256,      /* rows of a panel that the first-level cache holds */
    SLAB = 1024,     /* rows and columns of b that are packed at a time */
    ROWS = 64,       /* rows of c of a task */
    TASKS = 16,      /* wanted, where the shape allows */
    MAX_CUTS = 16,
    TINY = 1 << 15,  /* multiply-adds not worth a second task */
    LARGE = 512,     /* rows and columns of c that OpenBLAS gets at a time */
    BLOCKS = 8,      /* wanted of those: smaller ones are slower */
};

typedef struct product {
    kn_cpu *cpu;
    float *c;
    const float *a, *b;
    size_t lda, ldb, ldc;
    int ta, tb, acc;
    size_t M, N, K;
    float *packed;       /* panels of K rows, or partial sums [cuts-1][M,N] */
    size_t rows, cols;   /* of c in a task */
    size_t groups;       /* tasks side by side over N */
    size_t cuts;
    kn_sgemm sgemm;
} product;

static const float *a_at(const product *p, size_t m, size_t k)
{
    return p->a + (p->ta ? k * p->lda + m : m * p->lda + k);
}

static const float *b_at(const product *p, size_t k, size_t n)
{
    return p->b + (p->tb ? n * p->ldb + k : k * p->ldb + n);
}

/* ---- panels ------------------------------------------------------------------- */

static void pack_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const product *p = arg;
    const kn_simd *simd = p->cpu->simd;
    size_t n = task * simd->panel;
    simd->gemm_pack(p->packed + n * p->K, b_at(p, 0, n), p->ldb, p->tb, kn_min(simd->panel, p->N - n), p->K);
}

/* c[M,n] (+)= M rows of op(a) from m on, times a packed panel, by parts of k. */
static void times_panel(const product *p, float *c, const float *panel, size_t m, size_t M, size_t n)
{
    const kn_simd *simd = p->cpu->simd;
    size_t part = kn_ceil_div(p->K, kn_ceil_div(p->K, PART));
    for (size_t k = 0; k < p->K; k += part)
        simd->gemm_panel(c, p->ldc, a_at(p, m, k), p->lda, p->ta, panel + k * simd->panel, M, n,
                         kn_min(part, p->K - k), p->acc || k > 0);
}

static void rows_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const product *p = arg;
    size_t panel = p->cpu->simd->panel, panels = kn_ceil_div(p->N, panel);
    size_t m = task / p->groups * p->rows, M = kn_min(p->rows, p->M - m);
    size_t group = task % p->groups, end = panels * (group + 1) / p->groups;
    for (size_t j = panels * group / p->groups; j < end; j++) {
        size_t n = j * panel;
        times_panel(p, p->c + m * p->ldc + n, p->packed + n * p->K, m, M, kn_min(panel, p->N - n));
    }
}

static void multiply_slab(product *p)
{
    kn_pool *pool = p->cpu->pool;
    size_t panels = kn_ceil_div(p->N, p->cpu->simd->panel);
    bool tiny = p->M * p->N * p->K <= TINY;
    p->rows = tiny ? p->M : ROWS;
    size_t blocks = kn_ceil_div(p->M, p->rows);
    p->groups = tiny || blocks >= TASKS ? 1 : kn_min(panels, kn_ceil_div(TASKS, blocks));
    kn_parallel(p->N * p->K <= KN_BLOCK ? NULL : pool, panels, pack_task, p);
    kn_parallel(pool, blocks * p->groups, rows_task, p);
}

static void by_panels(const product *whole)
{
    size_t n_slab = kn_min(whole->N, SLAB), k_slab = kn_min(whole->K, SLAB);
    float *room = kn_cpu_scratch(whole->cpu, (n_slab + KN_GEMM_PANEL) * k_slab);
    for (size_t n = 0; room && n < whole->N; n += SLAB)
        for (size_t k = 0; k < whole->K; k += SLAB) {
            product p = *whole;
            p.packed = room;
            p.c += n;
            p.a = a_at(whole, 0, k);
            p.b = b_at(whole, k, n);
            p.N = kn_min(SLAB, whole->N - n);
            p.K = kn_min(SLAB, whole->K - k);
            p.acc = whole->acc || k > 0;
            multiply_slab(&p);
        }
}

/* ---- cuts ---------------------------------------------------------------------- */

static void cut_task(void *arg, size_t task, int worker)
{
    (void)worker;
    product *p = arg;
    const kn_simd *simd = p->cpu->simd;
    float panel[PART * KN_GEMM_PANEL];
    size_t cut = task / p->groups, n = task % p->groups * KN_GEMM_PANEL;
    size_t k_end = p->K * (cut + 1) / p->cuts, n_end = kn_min(n + KN_GEMM_PANEL, p->N);
    float *c = cut ? p->packed + (cut - 1) * p->M * p->N : p->c;
    int acc = cut ? 0 : p->acc;
    for (size_t k = p->K * cut / p->cuts; k < k_end; k += PART, acc = 1)
        for (size_t j = n; j < n_end; j += simd->panel) {
            size_t cols = kn_min(simd->panel, n_end - j), K = kn_min(PART, k_end - k);
            simd->gemm_pack(panel, b_at(p, k, j), p->ldb, p->tb, cols, K);
            simd->gemm_panel(c + j, p->ldc, a_at(p, 0, k), p->lda, p->ta, panel, p->M, cols, K, acc);
        }
}

static void add_cuts_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const product *p = arg;
    size_t i = task * KN_BLOCK, n = kn_min(KN_BLOCK, p->M * p->N - i);
    for (size_t cut = 1; cut < p->cuts; cut++)
        p->cpu->simd->add(p->c + i, p->c + i, p->packed + (cut - 1) * p->M * p->N + i, n);
}

static void by_cuts(product *p)
{
    p->cuts = kn_min(MAX_CUTS, kn_ceil_div(p->K, PART));
    p->groups = kn_ceil_div(p->N, KN_GEMM_PANEL);
    p->packed = kn_cpu_scratch(p->cpu, (p->cuts - 1) * p->M * p->N);
    if (!p->packed)
        return;
    kn_parallel(p->cpu->pool, p->cuts * p->groups, cut_task, p);
    if (p->cuts > 1)
        kn_parallel(p->cpu->pool, kn_ceil_div(p->M * p->N, KN_BLOCK), add_cuts_task, p);
}

/* ---- OpenBLAS ------------------------------------------------------------------ */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* of cblas.h */

static void blas_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const product *p = arg;
    size_t m = task / p->groups * p->rows, n = task % p->groups * p->cols;
    p->sgemm(ROW_MAJOR, p->ta ? TRANSPOSED : PLAIN, p->tb ? TRANSPOSED : PLAIN, (int)kn_min(p->rows, p->M - m),
             (int)kn_min(p->cols, p->N - n), (int)p->K, 1, a_at(p, m, 0), (int)p->lda, b_at(p, 0, n), (int)p->ldb,
             p->acc ? 1 : 0, p->c + m * p->ldc + n, (int)p->ldc);
}

/* Blocks of c, halved until there are BLOCKS of them or they are small. */
static void by_blas(product *p)
{
    p->rows = kn_min(p->M, LARGE);
    p->cols = kn_min(p->N, LARGE);
    while (kn_ceil_div(p->M, p->rows) * kn_ceil_div(p->N, p->cols) < BLOCKS && (p->rows > ROWS || p->cols > ROWS)) {
        size_t *longer = p->rows > p->cols ? &p->rows : &p->cols;
        *longer = kn_ceil_div(*longer, 2);
    }
    p->groups = kn_ceil_div(p->N, p->cols);
    kn_parallel(p->cpu->pool, kn_ceil_div(p->M, p->rows) * p->groups, blas_task, p);
}

/* ---- which -------------------------------------------------------------------- */

/* Where the code here was measured to be faster than OpenBLAS 0.3.21 on blocks:
 * on the widths of our networks. Never told by the number of rows of a. */
static bool cuts_are_faster(const product *p)
{
    return p->ta && p->M <= 256 && p->M * p->N <= 1 << 18;
}

static bool panels_are_faster(const product *p)
{
    return !p->ta && p->N * p->K <= 3 << 18;
}

static bool has_blas(product *p)
{
    if (!p->cpu->own_products && p->M <= INT_MAX && p->N <= INT_MAX && p->K <= INT_MAX)
        p->sgemm = kn_blas_sgemm();
    return p->sgemm;
}

static void gemm(kn_backend *be, float *c, const float *a, const float *b, int ta, int tb, size_t M, size_t N,
                 size_t K, int acc)
{
    if (M == 0 || N == 0)
        return;
    if (K == 0) {
        if (!acc)
            memset(c, 0, M * N * sizeof *c);
        return;
    }
    product p = {.cpu = kn_cpu_of(be), .c = c, .a = a, .b = b, .lda = ta ? M : K, .ldb = tb ? K : N, .ldc = N,
                 .ta = ta, .tb = tb, .acc = acc, .M = M, .N = N, .K = K};
    if (cuts_are_faster(&p))
        by_cuts(&p);
    else if (panels_are_faster(&p) || !has_blas(&p))
        by_panels(&p);
    else
        by_blas(&p);
}

void kn_cpu_gemm(kn_backend *be)
{
    be->gemm = gemm;
}
