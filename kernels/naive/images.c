/* Naive convolution and pools. Formulas: backend.h. */
#include "kernels/naive/naive.h"

#include <math.h>

static size_t pixel(const kn_window *win, size_t n, size_t p, size_t q, size_t i, size_t j)
{
    size_t h = p * win->stride + i * win->dilation, w = q * win->stride + j * win->dilation; /* padding counted */
    if (h < win->pad || h - win->pad >= win->H || w < win->pad || w - win->pad >= win->W)
        return KN_NAIVE_OUTSIDE;
    return (n * win->H + h - win->pad) * win->W + w - win->pad;
}

size_t kn_naive_tap(const kn_window *win, size_t m, size_t k)
{
    return pixel(win, m / win->Q / win->P, m / win->Q % win->P, m % win->Q, k / win->KW, k % win->KW);
}

/* ---- convolution ----------------------------------------------------------------- */

static void conv_forward(kn_backend *be, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O)
{
    (void)be;
    size_t C = win->C;
    for (size_t n = 0; n < N; n++)
        for (size_t p = 0; p < win->P; p++)
            for (size_t q = 0; q < win->Q; q++)
                for (size_t o = 0; o < O; o++) {
                    double s = bias ? (double)bias[o] : 0;
                    for (size_t i = 0; i < win->KH; i++)
                        for (size_t j = 0; j < win->KW; j++) {
                            size_t at = pixel(win, n, p, q, i, j);
                            for (size_t c = 0; at != KN_NAIVE_OUTSIDE && c < C; c++)
                                s += (double)w[((o * win->KH + i) * win->KW + j) * C + c] * (double)x[at * C + c];
                        }
                    y[((n * win->P + p) * win->Q + q) * O + o] = kn_naive_act((float)s, act);
                }
}

/* p of the window whose tap i looks at row h, or KN_NAIVE_OUTSIDE of 0 .. P; for columns
 * alike. */
static size_t window_at(const kn_window *win, size_t h, size_t i, size_t P)
{
    size_t from_first = h + win->pad - i * win->dilation;
    if (h + win->pad < i * win->dilation || from_first % win->stride || from_first / win->stride >= P)
        return KN_NAIVE_OUTSIDE;
    return from_first / win->stride;
}

static double gradient_at(const kn_window *win, const float *dy, const float *w, size_t O, size_t n, size_t h,
                          size_t col, size_t c)
{
    double s = 0;
    for (size_t i = 0; i < win->KH; i++)
        for (size_t j = 0; j < win->KW; j++) {
            size_t p = window_at(win, h, i, win->P), q = window_at(win, col, j, win->Q);
            for (size_t o = 0; p != KN_NAIVE_OUTSIDE && q != KN_NAIVE_OUTSIDE && o < O; o++)
                s += (double)w[((o * win->KH + i) * win->KW + j) * win->C + c] *
                     (double)dy[((n * win->P + p) * win->Q + q) * O + o];
        }
    return s;
}

static void conv_backward_x(kn_backend *be, float *dx, const float *dy, const float *w, const kn_window *win,
                            size_t N, size_t O, int acc)
{
    (void)be;
    for (size_t n = 0; n < N; n++)
        for (size_t h = 0; h < win->H; h++)
            for (size_t col = 0; col < win->W; col++)
                for (size_t c = 0; c < win->C; c++) {
                    size_t at = ((n * win->H + h) * win->W + col) * win->C + c;
                    dx[at] = (acc ? dx[at] : 0) + (float)gradient_at(win, dy, w, O, n, h, col, c);
                }
}

static void conv_backward_w(kn_backend *be, float *dw, const float *dy, const float *x, const kn_window *win,
                            size_t N, size_t O)
{
    (void)be;
    size_t C = win->C, windows = win->P * win->Q;
    for (size_t o = 0; o < O; o++)
        for (size_t i = 0; i < win->KH; i++)
            for (size_t j = 0; j < win->KW; j++)
                for (size_t c = 0; c < C; c++) {
                    double s = 0;
                    for (size_t m = 0; m < N * windows; m++) {
                        size_t at = pixel(win, m / windows, m % windows / win->Q, m % win->Q, i, j);
                        if (at != KN_NAIVE_OUTSIDE)
                            s += (double)dy[m * O + o] * (double)x[at * C + c];
                    }
                    dw[((o * win->KH + i) * win->KW + j) * C + c] = (float)s;
                }
}

/* ---- pools ----------------------------------------------------------------------- */

static void maxpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    (void)be;
    size_t C = win->C;
    for (size_t m = 0; m < N * win->P * win->Q; m++)
        for (size_t c = 0; c < C; c++) {
            float most = -INFINITY;
            for (size_t k = 0; k < win->KH * win->KW; k++) {
                size_t at = kn_naive_tap(win, m, k);
                if (at != KN_NAIVE_OUTSIDE && !(x[at * C + c] <= most))
                    most = isnan(most) ? most : x[at * C + c];
            }
            y[m * C + c] = most;
        }
}

static void maxpool_backward(kn_backend *be, float *dx, const float *dy, const float *x, const float *y,
                             const kn_window *win, size_t N, int acc)
{
    (void)be;
    size_t C = win->C;
    for (size_t k = 0; !acc && k < N * win->H * win->W * C; k++)
        dx[k] = 0;
    for (size_t m = 0; m < N * win->P * win->Q; m++)
        for (size_t c = 0; c < C; c++)
            for (size_t k = 0; k < win->KH * win->KW; k++) {
                size_t at = kn_naive_tap(win, m, k);
                if (at == KN_NAIVE_OUTSIDE || x[at * C + c] != y[m * C + c])
                    continue;
                dx[at * C + c] += dy[m * C + c];
                break;
            }
}

/* Pixels of the image in the window at (p, q). */
static size_t inside(const kn_window *win, size_t p, size_t q)
{
    size_t count = 0;
    for (size_t i = 0; i < win->KH; i++)
        for (size_t j = 0; j < win->KW; j++)
            count += pixel(win, 0, p, q, i, j) != KN_NAIVE_OUTSIDE;
    return count;
}

static void avgpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    (void)be;
    size_t C = win->C;
    for (size_t m = 0; m < N * win->P * win->Q; m++)
        for (size_t c = 0; c < C; c++) {
            size_t n = m / win->Q / win->P, p = m / win->Q % win->P, q = m % win->Q;
            double s = 0;
            for (size_t k = 0; k < win->KH * win->KW; k++) {
                size_t at = pixel(win, n, p, q, k / win->KW, k % win->KW);
                s += at == KN_NAIVE_OUTSIDE ? 0 : (double)x[at * C + c];
            }
            y[m * C + c] = (float)(s / (double)inside(win, p, q));
        }
}

static void avgpool_backward(kn_backend *be, float *dx, const float *dy, const kn_window *win, size_t N, int acc)
{
    (void)be;
    size_t C = win->C;
    for (size_t k = 0; !acc && k < N * win->H * win->W * C; k++)
        dx[k] = 0;
    for (size_t m = 0; m < N * win->P * win->Q; m++) {
        size_t n = m / win->Q / win->P, p = m / win->Q % win->P, q = m % win->Q;
        for (size_t k = 0; k < win->KH * win->KW; k++) {
            size_t at = pixel(win, n, p, q, k / win->KW, k % win->KW);
            for (size_t c = 0; at != KN_NAIVE_OUTSIDE && c < C; c++)
                dx[at * C + c] += dy[m * C + c] / (float)inside(win, p, q);
        }
    }
}

void kn_naive_images(kn_backend *be)
{
    be->conv_forward = conv_forward;
    be->conv_backward_x = conv_backward_x;
    be->conv_backward_w = conv_backward_w;
    be->maxpool_forward = maxpool_forward;
    be->maxpool_backward = maxpool_backward;
    be->avgpool_forward = avgpool_forward;
    be->avgpool_backward = avgpool_backward;
}
