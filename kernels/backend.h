/* kernels/backend: the one op contract of the tensor core.
 *
 * Everything that computes on tensors does so through a kn_backend. There are
 * three fillings: `naive` (plain loops; the oracle, kept for ever), `cpu`
 * (OpenBLAS, SIMD, threads) and `cuda` (cuBLAS and kernels, a plugin that is
 * opened at run time). Whoever writes networks never knows which one runs.
 *
 * Rules for every op, said once:
 *  - All numbers are fp32, row-major, densely packed unless a row stride (ld)
 *    is given. Images are NHWC, so that "rows x channels" fits everywhere.
 *  - Outputs come first, inputs are const, sizes last. Buffers come from
 *    alloc() of the same backend; an output never overlaps an input unless the
 *    op says that it may.
 *  - `acc` (0 or 1): 0 overwrites the output, 1 adds to it. Gradients flow
 *    into a tensor from each of its readers: the first writes, the rest add.
 *  - Any size may be 0: then nothing happens (reductions give 0).
 *  - Fixed order: an output element is summed in an order that depends on
 *    shapes alone. The same inputs give the same bits, whatever the number of
 *    threads. No atomics in reductions.
 *  - An op cannot fail on numbers. If a device fails (a launch, memory), the
 *    backend remembers the first error, later ops do nothing, and sync()
 *    reports it.
 *
 * Letters: N rows (2B for twins) or images, B pairs, C channels, I inputs, O
 * outputs, H x W an image, P x Q what a window makes of it, D width of a vector.
 * Adding an op: declare it here with its formula, fill naive first, then cpu and
 * cuda, and add its row to tests/test_ops.c, which fails while a filling is
 * missing. */
#ifndef KN_BACKEND_H
#define KN_BACKEND_H

#include "kernels/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ReLU is max(x, 0), ELU has alpha 1 (Clevert et al. 2016, eq. 15); NaN stays
 * NaN through both, so that a diverging run is seen. */
typedef enum { KN_ACT_NONE, KN_ACT_RELU, KN_ACT_ELU } kn_act;
typedef enum { KN_EUCLIDEAN, KN_L1, KN_COSINE } kn_distance;
typedef enum { KN_CONTRASTIVE, KN_HINGE } kn_pair_loss;
typedef enum { KN_SQUARED, KN_HUBER } kn_value_loss;

/* How a window walks over an image: of a convolution or a pool. Row p, column q
 * of the result looks at rows p*stride - pad + i*dilation (i < KH) and columns
 * q*stride - pad + j*dilation (j < KW) of the image; what lies outside it counts
 * as 0 in a convolution and is not there in a pool (each window must touch the
 * image). P = (H + 2 pad - dilation (KH-1) - 1)/stride + 1, Q likewise from W. */
typedef struct kn_window {
    size_t H, W, C;   /* the image: height, width, channels */
    size_t KH, KW;    /* the window */
    size_t stride, pad, dilation;
    size_t P, Q;      /* the result: height, width; its channels are the op's */
} kn_window;

/* What stands side by side before a batchnorm: columns x[N,C] and their gradient
 * dx[N,C], added to when acc. */
typedef struct kn_block {
    const float *x;
    float *dx;
    size_t C;
    int acc;
} kn_block;

/* Inside every square root of a distance: d = sqrt(sum (a-b)^2 + KN_EPS_DIST).
 * At a = b the distance is sqrt(KN_EPS_DIST) = 1e-6 and its gradient is 0, not
 * 0/0. Cosine divides by max(|a||b|, KN_EPS_DIST). */
#define KN_EPS_DIST 1e-12f
#define KN_EPS_BN 1e-5f /* added to the variance; PyTorch's default */

/* What changes from step to step lives in device memory, so that a recorded
 * step (see run) can be replayed. The host fills one and upload()s it. */
typedef struct kn_step {
    float lr;            /* learning rate of this step */
    float bias1, bias2;  /* 1/(1-beta1^t), 1/(1-beta2^t): Adam's corrections */
    float pad;
    uint64_t count;      /* steps done before this one: dropout's counter */
} kn_step;

typedef struct kn_backend kn_backend;

struct kn_backend {
    const char *name;    /* "naive", "cpu", "cuda" */
    void *state;         /* the filling's own */
    bool host_memory;    /* ops may be given pointers to the host's memory */
    void (*close)(kn_backend *be);
    /* One line on what runs here (threads, SIMD, BLAS kernels or device). */
    const char *(*describe)(kn_backend *be);

    /* ---- memory and order ------------------------------------------------ */
    /* bytes of zeroed device memory, 64-byte aligned; NULL and err when out.
     * dealloc(NULL) is allowed. */
    void *(*alloc)(kn_backend *be, size_t bytes, kn_error *err);
    void (*dealloc)(kn_backend *be, void *p);
    /* Copies host -> device, device -> host, device -> device. upload may
     * return before the copy is done but has read `src` by then; download
     * waits for all work before it. */
    void (*upload)(kn_backend *be, void *dst, const void *src, size_t bytes);
    void (*download)(kn_backend *be, void *dst, const void *src, size_t bytes);
    void (*copy)(kn_backend *be, void *dst, const void *src, size_t bytes);
    void (*fill)(kn_backend *be, float *x, float value, size_t n);
    /* Waits for all work; -1 and err if anything failed since the last sync. */
    int (*sync)(kn_backend *be, kn_error *err);
    /* Runs fn(arg), which calls ops of this backend with the same pointers and
     * sizes at every call with this `slot` (0..7) until forget(slot). A GPU
     * records the calls once and replays them as one graph. */
    void (*run)(kn_backend *be, int slot, void (*fn)(void *arg), void *arg);
    void (*forget)(kn_backend *be, int slot);

    /* ---- matrix product -------------------------------------------------- */
    /* c[M,N] = (acc ? c : 0) + op(a) op(b); op(a) is [M,K]: a is [M,K], or
     * [K,M] when ta; op(b) is [K,N]: b is [K,N], or [N,K] when tb. */
    void (*gemm)(kn_backend *be, float *c, const float *a, const float *b, int ta, int tb, size_t M, size_t N,
                 size_t K, int acc);

    /* ---- rows and columns ------------------------------------------------ */
    /* y[N,C] += b[C] on every row. */
    void (*bias_forward)(kn_backend *be, float *y, const float *b, size_t N, size_t C);
    /* db[C] = sum over rows of dy[N,C]. */
    void (*bias_backward)(kn_backend *be, float *db, const float *dy, size_t N, size_t C);
    /* y = (acc ? y : 0) + x over a block of N rows, C columns, whose rows are
     * ldy and ldx floats apart: concat forward and backward, add, gradients. */
    void (*copy2d)(kn_backend *be, float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc);
    /* y[i] = a[i] + b[i]; y may be a or b. */
    void (*add)(kn_backend *be, float *y, const float *a, const float *b, size_t n);
    /* y[r,:] = table[idx[r],:] for R rows of width D; idx in device memory. */
    void (*gather)(kn_backend *be, float *y, const float *table, const uint32_t *idx, size_t R, size_t D);
    /* Embedding bag: y[r,:] = sum over k = start[r] .. start[r+1] - 1, in this
     * order, of weight[k] table[idx[k],:], for R rows of width D; start[R+1] from
     * 0, weight NULL: all 1. An empty bag gives 0. The gradient of the table is
     * the same op: dy is its table and the lists are transposed (start and idx
     * say for each row of the table which bags have it), so that a row is summed
     * by one task, in order. */
    void (*bag)(kn_backend *be, float *y, const float *table, const uint32_t *start, const uint32_t *idx,
                const float *weight, size_t R, size_t D);

    /* ---- activation, dropout --------------------------------------------- */
    void (*act_forward)(kn_backend *be, float *y, const float *x, kn_act act, size_t n);
    /* dx (+)= dy * act'(x), told from y = act(x): ReLU' = [y > 0], ELU' = y > 0
     * ? 1 : y + 1. dx may be dy. */
    void (*act_backward)(kn_backend *be, float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc);
    /* Inverted dropout (Srivastava et al. 2014): y (+)= keep(i) ? x/(1-p) : 0.
     * keep(i) = u(i) >= p with u(i) = kn_u01(word i%4 of kn_philox(seed,
     * stream, block)), block = step->count * ceil(n/4) + i/4. Backward is the
     * same call on dy. p in [0,1). y may be x. */
    void (*dropout)(kn_backend *be, float *y, const float *x, float p, uint64_t seed, uint64_t stream,
                    const kn_step *step, size_t n, int acc);

    /* ---- batch normalisation (Ioffe, Szegedy 2015, alg. 1 and 2) ---------- */
    /* y = act(gamma * (x - mean) * rstd + beta + res), over the N rows of each
     * channel; rows of y are ldy floats apart, so that several results can be
     * written side by side (a concat that costs no copy). rstd = 1/sqrt(var +
     * KN_EPS_BN), var the biased variance. res (nullable) is a residual [N,C].
     * Stores mean[C], rstd[C] for backward;
     * running_mean = (1-momentum) running_mean + momentum mean, running_var
     * likewise with the unbiased variance (biased when N is 1). Sums are taken
     * so that a large mean does not cancel (two-pass or shifted). */
    void (*bn_forward)(kn_backend *be, float *y, size_t ldy, float *mean, float *rstd, float *running_mean,
                       float *running_var, const float *x, const float *gamma, const float *beta, const float *res,
                       float momentum, kn_act act, size_t N, size_t C);
    /* y = act(gamma * (x - running_mean)/sqrt(running_var + eps) + beta + res).
     * Rows do not see each other: a lone row gets the same bits as in a batch. */
    void (*bn_infer)(kn_backend *be, float *y, size_t ldy, const float *running_mean, const float *running_var,
                     const float *x, const float *gamma, const float *beta, const float *res, kn_act act, size_t N,
                     size_t C);
    /* g = dy * act'(y); dbeta = sum g; dgamma = sum g xhat; dx (+)= gamma rstd
     * (g - dbeta/N - xhat dgamma/N); dres (+)= g, dres nullable. Rows of dy and
     * y are ldy floats apart. dx, dres and dy are three buffers, but where ldy
     * is C, dy may be dx when acc is 0, or dres when acc_res is 0. */
    void (*bn_backward)(kn_backend *be, float *dx, float *dres, float *dgamma, float *dbeta, const float *dy,
                        const float *x, const float *y, size_t ldy, const float *mean, const float *rstd,
                        const float *gamma, kn_act act, size_t N, size_t C, int acc, int acc_res);

    /* ---- the same, and a max pool behind it ---------------------------------- */
    /* Normalising never falls in x where gamma >= 0 and never rises where it is
     * below, and act never falls, so that maxpool(act(bn(x))) = act(bn(p)): p is
     * the largest x of a window, or the smallest. Nothing as large as x lies
     * between x and y. Windows compare x itself, so that every filling picks the
     * same pixel; a NaN among them is picked. win is of a pool; M = N H W.
     *
     * y[N,P,Q,C] = act(gamma (p - mean) rstd + beta), with the statistics of all M
     * pixels, which are taken and stored as in bn_forward. */
    void (*bn_pool_forward)(kn_backend *be, float *y, float *mean, float *rstd, float *running_mean,
                            float *running_var, const float *x, const float *gamma, const float *beta, float momentum,
                            kn_act act, const kn_window *win, size_t N);
    /* The same by running statistics, as bn_infer; a row of y has the same bits
     * whatever images stand beside it. */
    void (*bn_pool_infer)(kn_backend *be, float *y, const float *running_mean, const float *running_var,
                          const float *x, const float *gamma, const float *beta, kn_act act, const kn_window *win,
                          size_t N);
    /* g = dy * act'(y) belongs to the first pixel (by row, then column) of its
     * window that equals p; windows that overlap add up, other pixels have 0.
     * dbeta = sum g; dgamma = sum g xhat; dx (+)= gamma rstd (g - dbeta/M - xhat
     * dgamma/M), for every pixel. */
    void (*bn_pool_backward)(kn_backend *be, float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                             const float *y, const float *mean, const float *rstd, const float *gamma, kn_act act,
                             const kn_window *win, size_t N, int acc);

    /* ---- images: x[N,H,W,C] ------------------------------------------------ */
    /* y[N,P,Q,O] = act(sum over i,j,c of w[O,KH,KW,C] x + bias[O]); bias is
     * nullable. A product of [N P Q, KH KW C] (the windows as rows: "im2col",
     * Chellapilla, Puri, Simard 2006) and w transposed; a row of y has the same
     * bits whatever images stand beside it. */
    void (*conv_forward)(kn_backend *be, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O);
    /* dx (+)= the gradient of x: sum over the windows that see it of dy w. */
    void (*conv_backward_x)(kn_backend *be, float *dx, const float *dy, const float *w, const kn_window *win,
                            size_t N, size_t O, int acc);
    /* dw[O,KH,KW,C] = sum over all windows of dy x. */
    void (*conv_backward_w)(kn_backend *be, float *dw, const float *dy, const float *x, const kn_window *win,
                            size_t N, size_t O);
    /* y[N,P,Q,C] = the largest of each window; NaN when one is NaN. */
    void (*maxpool_forward)(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N);
    /* dx (+)= dy for the first (by row, then column) of a window that equals
     * y, 0 for the others; windows that overlap add up. */
    void (*maxpool_backward)(kn_backend *be, float *dx, const float *dy, const float *x, const float *y,
                             const kn_window *win, size_t N, int acc);
    /* y[N,P,Q,C] = the mean of what is there of each window. A window as large
     * as the image is the global average. */
    void (*avgpool_forward)(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N);
    void (*avgpool_backward)(kn_backend *be, float *dx, const float *dy, const kn_window *win, size_t N, int acc);

    /* ---- twins ------------------------------------------------------------ */
    /* d[B] between rows i and B+i of z[2B,D]. Euclidean sqrt(sum (a-b)^2 + eps),
     * L1 sum |a-b|, cosine 1 - a.b / max(|a||b|, eps). */
    void (*distance)(kn_backend *be, float *d, const float *z, kn_distance kind, size_t B, size_t D);
    /* Distance, loss and gradient in one pass. y[B] is 1 for duplicates. loss[B]
     * holds each pair's loss, d[B] its distance, dz[2B,D] the gradient of the
     * mean loss (the sum of loss[] over B). Losses:
     * contrastive y d^2 + (1-y) max(margin-d,0)^2  (Hadsell, Chopra, LeCun 2006;
     *   without their factor 1/2, as the seed of this project),
     * hinge       y d   + (1-y) max(margin-d,0)    (hinge embedding).
     * At the kink margin = d the gradient is 0; d|a-b| at a = b is 0; cosine's
     * where |a||b| <= eps (a zero vector has no direction) is 0. */
    void (*pair_loss)(kn_backend *be, float *loss, float *d, float *dz, const float *z, const float *y,
                      kn_distance kind, kn_pair_loss loss_kind, float margin, size_t B, size_t D);
    /* The end of a step on twins in one op. The same as, one after the other,
     *   bn_forward of each of the `blocks` blocks into its columns of z[2B,D], D
     *     the sum of their C, without residual and activation,
     *   pair_loss of z,
     *   bn_backward of each from its columns of dz[2B,D],
     * but z, dz and saved[2D] are room: what they hold afterwards is left open. */
    void (*bn_pair_loss)(kn_backend *be, float *loss, float *d, float *dgamma, float *dbeta, float *running_mean,
                         float *running_var, float *z, float *dz, float *saved, const kn_block *block, size_t blocks,
                         const float *gamma, const float *beta, const float *y, kn_distance kind,
                         kn_pair_loss loss_kind, float margin, float momentum, size_t B, size_t D);
    /* Pairs of any two rows of a batch: z[N,D], group[N]. With l(d) of the
     * formulas above, at y = 1 for the S pairs i < j of one group and y = 0 for
     * the T others, the loss is `share` times the mean of l over the former plus
     * 1 - share times its mean over the latter:
     *   w_ij = share/S in one group, else (1 - share)/T (1/T when S is 0; 1/S when T is)
     *   loss[i] = 1/2 sum over j != i of w_ij l(d_ij)
     * whose sum over N is that loss; dz[N,D] is its gradient. All 0 when N is 1.
     * share is over 0 and under 1. */
    void (*batch_loss)(kn_backend *be, float *loss, float *dz, const float *z, const uint32_t *group,
                       kn_distance kind, kn_pair_loss loss_kind, float margin, float share, size_t N, size_t D);

    /* ---- other losses: loss[N], and the gradient of their mean ---------------- */
    /* Cross entropy of softmax(z[N,C]) and label[N], each below C: loss = ln sum_c
     * exp(z_c - z_max) + z_max - z_label, where nothing can overflow; dz =
     * (softmax(z) - one-hot)/N. p[N,C], nullable, receives the softmax. */
    void (*softmax_loss)(kn_backend *be, float *loss, float *dz, float *p, const float *z, const uint32_t *label,
                         size_t N, size_t C);
    /* e = z - target: squared e^2; Huber (1964, eq. 5) e^2/2 for |e| <= delta,
     * else delta (|e| - delta/2). dz = 2e/N, or e cut to [-delta, delta] over N. */
    void (*value_loss)(kn_backend *be, float *loss, float *dz, const float *z, const float *target,
                       kn_value_loss kind, float delta, size_t N);

    /* out[0] = sum of x[n], in a fixed order. */
    void (*sum)(kn_backend *be, float *out, const float *x, size_t n);

    /* ---- optimisers over one block of parameters --------------------------- */
    /* Adam (Kingma, Ba 2015, alg. 1): g += decay p; m = b1 m + (1-b1) g;
     * v = b2 v + (1-b2) g^2; p -= lr (m bias1) / (sqrt(v bias2) + eps). */
    void (*adam)(kn_backend *be, float *p, float *m, float *v, const float *g, const kn_step *step, float b1,
                 float b2, float eps, float decay, size_t n);
    /* SGD as PyTorch writes it: g += decay p; m = momentum m + g (m = g at
     * step->count 0); p -= lr (nesterov ? g + momentum m : m). momentum 0
     * leaves m (which may then be NULL) alone. */
    void (*sgd)(kn_backend *be, float *p, float *m, const float *g, const kn_step *step, float momentum,
                float decay, int nesterov, size_t n);

    /* ---- search ------------------------------------------------------------ */
    /* The k rows of base[N,D] nearest to each of query[Q,D], nearest first;
     * equal distances in order of row. dist[Q,k], idx[Q,k]; when k > N the rest
     * is +inf and UINT32_MAX; a NaN distance is never among them. Distances follow the formulas of `distance`, not
     * |a|^2 + |b|^2 - 2ab, which cancels near a = b, where it matters most. */
    void (*nearest)(kn_backend *be, float *dist, uint32_t *idx, const float *query, const float *base,
                    kn_distance kind, size_t Q, size_t N, size_t D, size_t k);
};

/* ---- opening -------------------------------------------------------------- */

kn_backend *kn_backend_naive(kn_error *err);
/* pool: shared with the caller, must outlive the backend; NULL runs serially. */
kn_backend *kn_backend_cpu(kn_pool *pool, kn_error *err);
/* Opens the plugin siam-cuda.so; NULL and a sentence that says why it cannot. */
kn_backend *kn_backend_cuda(kn_error *err);
/* device: "auto" (a GPU when there is one, else the cpu), "cpu", "cuda" or
 * "naive". */
kn_backend *kn_backend_open(const char *device, kn_pool *pool, kn_error *err);
void kn_backend_close(kn_backend *be); /* NULL is allowed */

/* Which BLAS kernels run and why, for --version, `make info` and siam-bench,
 * e.g. "OpenBLAS 0.3.21, Haswell kernels (chosen by siam: library would ...)". */
const char *kn_blas_describe(void);

#ifdef __cplusplus
}
#endif
#endif
