/* Naive batch normalisation and max pool in one. Formulas: backend.h. */
#include "kernels/naive/naive.h"

#include <math.h>

static size_t windows_of(const kn_window *win, size_t N)
{
    return N * win->P * win->Q;
}

static size_t pixels_of(const kn_window *win, size_t N)
{
    return N * win->H * win->W;
}

/* Where in x the number is that window m picks in channel c: the first of equal
 * ones, or the first NaN. */
static size_t pick(const float *x, const kn_window *win, size_t m, size_t c, float gamma)
{
    size_t best = KN_NAIVE_OUTSIDE;
    for (size_t k = 0; k < win->KH * win->KW; k++) {
        size_t pixel = kn_naive_tap(win, m, k), at = pixel * win->C + c;
        if (pixel == KN_NAIVE_OUTSIDE)
            continue;
        if (best == KN_NAIVE_OUTSIDE || (isnan(x[at]) && !isnan(x[best])) ||
            (gamma >= 0 ? x[at] > x[best] : x[at] < x[best]))
            best = at;
    }
    return best;
}

static void normalise(float *y, kn_naive_moments s, const float *x, float gamma, float beta, kn_act act,
                      const kn_window *win, size_t N, size_t c)
{
    for (size_t m = 0; m < windows_of(win, N); m++) {
        double p = (double)x[pick(x, win, m, c, gamma)];
        y[m * win->C + c] = kn_naive_act((float)((double)gamma * (p - s.mean) * s.rstd + (double)beta), act);
    }
}

static void bn_pool_forward(kn_backend *be, float *y, float *mean, float *rstd, float *running_mean,
                            float *running_var, const float *x, const float *gamma, const float *beta, float momentum,
                            kn_act act, const kn_window *win, size_t N)
{
    (void)be;
    size_t M = pixels_of(win, N);
    for (size_t c = 0; M > 0 && c < win->C; c++) {
        kn_naive_moments s = kn_naive_statistics(mean, rstd, running_mean, running_var, x, momentum, c, M, win->C);
        normalise(y, s, x, gamma[c], beta[c], act, win, N, c);
    }
}

static void bn_pool_infer(kn_backend *be, float *y, const float *running_mean, const float *running_var,
                          const float *x, const float *gamma, const float *beta, kn_act act, const kn_window *win,
                          size_t N)
{
    (void)be;
    for (size_t c = 0; c < win->C; c++) {
        kn_naive_moments s = {(double)running_mean[c], 1 / sqrt((double)running_var[c] + (double)KN_EPS_BN)};
        normalise(y, s, x, gamma[c], beta[c], act, win, N, c);
    }
}

static void bn_pool_backward(kn_backend *be, float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                             const float *y, const float *mean, const float *rstd, const float *gamma, kn_act act,
                             const kn_window *win, size_t N, int acc)
{
    (void)be;
    size_t M = pixels_of(win, N), C = win->C;
    for (size_t c = 0; c < C; c++) {
        double mu = (double)mean[c], r = (double)rstd[c], slope = (double)gamma[c] * r, sum_g = 0, sum_gx = 0;
        for (size_t m = 0; m < windows_of(win, N); m++) {
            float g = dy[m * C + c] * kn_naive_act_slope(y[m * C + c], act);
            sum_g += (double)g;
            sum_gx += (double)g * ((double)x[pick(x, win, m, c, gamma[c])] - mu) * r;
        }
        for (size_t i = c; i < M * C; i += C)
            dx[i] = (acc ? dx[i] : 0) - (float)(slope * (sum_g + ((double)x[i] - mu) * r * sum_gx) / (double)M);
        for (size_t m = 0; m < windows_of(win, N); m++) {
            size_t at = pick(x, win, m, c, gamma[c]);
            if (!isnan(x[at]))
                dx[at] += (float)(slope * (double)dy[m * C + c] * (double)kn_naive_act_slope(y[m * C + c], act));
        }
        dgamma[c] = (float)sum_gx;
        dbeta[c] = (float)sum_g;
    }
}

void kn_naive_bn_pool(kn_backend *be)
{
    be->bn_pool_forward = bn_pool_forward;
    be->bn_pool_infer = bn_pool_infer;
    be->bn_pool_backward = bn_pool_backward;
}
