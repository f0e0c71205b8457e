/* kernels/naive: the op contract in plain loops, the oracle of all tests.
 *
 * Written to be read beside the formulas of backend.h: sums run in double, one
 * element after the other, and nothing is fused, blocked or threaded. Start at
 * naive.c. */
#ifndef KN_NAIVE_H
#define KN_NAIVE_H

#include "kernels/backend.h"

/* Each puts its family of ops into the table. */
void kn_naive_dense(kn_backend *be);     /* gemm, rows, activation, dropout, optimisers */
void kn_naive_batchnorm(kn_backend *be);
void kn_naive_bn_pool(kn_backend *be);   /* batchnorm and a max pool in one */
void kn_naive_pair(kn_backend *be);      /* distances, losses of pairs, search */
void kn_naive_images(kn_backend *be);    /* convolution, pools */
void kn_naive_loss(kn_backend *be);      /* of classes and of values */

float kn_naive_act(float x, kn_act act);       /* NaN stays NaN */
float kn_naive_act_slope(float y, kn_act act); /* act'(x), told from y = act(x) */

/* The statistics of channel c of x[N,C], N > 0, stored as bn_forward has to. */
typedef struct kn_naive_moments {
    double mean, rstd;
} kn_naive_moments;
kn_naive_moments kn_naive_statistics(float *mean, float *rstd, float *running_mean, float *running_var, const float *x,
                                     float momentum, size_t c, size_t N, size_t C);

/* Which pixel of all images tap k of window m of all windows looks at, or
 * KN_NAIVE_OUTSIDE. */
#define KN_NAIVE_OUTSIDE SIZE_MAX
size_t kn_naive_tap(const kn_window *win, size_t m, size_t k);

/* Memory, order and run() of fillings whose device is the host itself. */
void kn_host_memory(kn_backend *be);

#endif
