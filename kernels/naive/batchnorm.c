/* Naive batch normalisation. Formulas: backend.h. */
#include "kernels/naive/naive.h"

#include <math.h>

kn_naive_moments kn_naive_statistics(float *mean, float *rstd, float *running_mean, float *running_var, const float *x,
                                     float momentum, size_t c, size_t N, size_t C)
{
    double s = 0, q = 0;
    for (size_t n = 0; n < N; n++)
        s += (double)x[n * C + c];
    double mu = s / (double)N;
    for (size_t n = 0; n < N; n++)
        q += ((double)x[n * C + c] - mu) * ((double)x[n * C + c] - mu);
    double r = 1 / sqrt(q / (double)N + (double)KN_EPS_BN);
    mean[c] = (float)mu;
    rstd[c] = (float)r;
    running_mean[c] = (1 - momentum) * running_mean[c] + momentum * (float)mu;
    running_var[c] = (1 - momentum) * running_var[c] + momentum * (float)(q / (double)(N > 1 ? N - 1 : 1));
    return (kn_naive_moments){mu, r};
}

static void bn_forward(kn_backend *be, float *y, size_t ldy, float *mean, float *rstd, float *running_mean,
                       float *running_var, const float *x, const float *gamma, const float *beta, const float *res,
                       float momentum, kn_act act, size_t N, size_t C)
{
    (void)be;
    if (N == 0)
        return;
    for (size_t c = 0; c < C; c++) {
        kn_naive_moments s = kn_naive_statistics(mean, rstd, running_mean, running_var, x, momentum, c, N, C);
        for (size_t n = 0; n < N; n++) {
            double v = (double)gamma[c] * ((double)x[n * C + c] - s.mean) * s.rstd + (double)beta[c];
            y[n * ldy + c] = kn_naive_act((float)(v + (res ? (double)res[n * C + c] : 0)), act);
        }
    }
}

static void bn_infer(kn_backend *be, float *y, size_t ldy, const float *running_mean, const float *running_var,
                     const float *x, const float *gamma, const float *beta, const float *res, kn_act act, size_t N,
                     size_t C)
{
    (void)be;
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < C; c++) {
            double r = 1 / sqrt((double)running_var[c] + (double)KN_EPS_BN);
            double v = (double)gamma[c] * ((double)x[n * C + c] - (double)running_mean[c]) * r + (double)beta[c];
            y[n * ldy + c] = kn_naive_act((float)(v + (res ? (double)res[n * C + c] : 0)), act);
        }
}

static void bn_backward(kn_backend *be, float *dx, float *dres, float *dgamma, float *dbeta, const float *dy,
                        const float *x, const float *y, size_t ldy, const float *mean, const float *rstd,
                        const float *gamma, kn_act act, size_t N, size_t C, int acc, int acc_res)
{
    (void)be;
    for (size_t c = 0; c < C; c++) {
        double sum_g = 0, sum_gx = 0;
        for (size_t n = 0; n < N; n++) {
            size_t i = n * C + c, o = n * ldy + c;
            float g = dy[o] * kn_naive_act_slope(y[o], act);
            sum_g += (double)g;
            sum_gx += (double)g * ((double)x[i] - (double)mean[c]) * (double)rstd[c];
        }
        for (size_t n = 0; n < N; n++) {
            size_t i = n * C + c, o = n * ldy + c;
            float g = dy[o] * kn_naive_act_slope(y[o], act);
            double xhat = ((double)x[i] - (double)mean[c]) * (double)rstd[c];
            double d = (double)gamma[c] * (double)rstd[c] * ((double)g - (sum_g + xhat * sum_gx) / (double)N);
            dx[i] = (acc ? dx[i] : 0) + (float)d;
            if (dres) /* last, since it may be dy */
                dres[i] = (acc_res ? dres[i] : 0) + g;
        }
        dgamma[c] = (float)sum_gx;
        dbeta[c] = (float)sum_g;
    }
}

void kn_naive_batchnorm(kn_backend *be)
{
    be->bn_forward = bn_forward;
    be->bn_infer = bn_infer;
    be->bn_backward = bn_backward;
}
