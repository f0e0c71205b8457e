/* Batch normalisation and max pool in one. As in pool.cu a thread makes one
 * number of the result; backward it asks the windows that see its pixel, in
 * their order, whether they picked it. */
#include "kernels/cuda/window.cuh"

/* What the window picks in channel c: the largest, with the signs turned around
 * where gamma < 0. */
static __device__ float picked(const float *x, float gamma, const gpu_window &w, const gpu_pixel &at, int c)
{
    const gpu_taps rows(at.row, w.KH, w.H, w), cols(at.col, w.KW, w.W, w);
    const float sign = gamma >= 0 ? 1.0f : -1.0f;
    float most = -INFINITY;
    for (int i = rows.first; i < rows.end; i++)
        for (int j = cols.first; j < cols.end; j++) {
            const float v =
                sign * x[gpu_at(at.n, w.H, w.W, w.C, rows.start + i * w.dilation, cols.start + j * w.dilation, c)];
            if (most == most && !(v <= most)) /* NaN is taken, and stays */
                most = v;
        }
    return sign * most;
}

/* Whether window (p, q) of image n picks its tap (i, j), which is `mine`: it is
 * above all taps before it, and no other is above it. A NaN is never. */
static __device__ bool picks(const float *x, float mine, float gamma, const gpu_window &w, size_t n, int p, int q,
                             int i, int j, int c)
{
    const gpu_taps rows(p, w.KH, w.H, w), cols(q, w.KW, w.W, w);
    const float sign = gamma >= 0 ? 1.0f : -1.0f, most = sign * mine;
    for (int a = rows.first; a < rows.end; a++)
        for (int b = cols.first; b < cols.end; b++) {
            const float v =
                sign * x[gpu_at(n, w.H, w.W, w.C, rows.start + a * w.dilation, cols.start + b * w.dilation, c)];
            const bool before = a < i || (a == i && b < j);
            if (before ? !(v < most) : !(v <= most))
                return false;
        }
    return true;
}

/* ---- forward ------------------------------------------------------------------------ */

static __global__ void normalise_picked(float *y, const float *mean, const float *rstd, const float *x,
                                        const float *gamma, const float *beta, kn_act act, gpu_window w,
                                        size_t windows)
{
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < windows; cell.next()) {
        const size_t c = cell.col;
        const float p = picked(x, gamma[c], w, gpu_pixel(cell.row, w.P, w.Q), static_cast<int>(c));
        y[cell.row * static_cast<size_t>(w.C) + c] = gpu_act(gamma[c] * (p - mean[c]) * rstd[c] + beta[c], act);
    }
}

static void normalise(gpu *g, float *y, const float *mean, const float *rstd, const float *x, const float *gamma,
                      const float *beta, kn_act act, const kn_window *win, size_t N)
{
    const size_t windows = N * win->P * win->Q;
    GPU_LAUNCH(g, normalise_picked, gpu_blocks(windows * win->C), GPU_THREADS, y, mean, rstd, x, gamma, beta, act,
               gpu_window_of(g, win), windows);
}

static void bn_pool_forward(kn_backend *be, float *y, float *mean, float *rstd, float *running_mean,
                            float *running_var, const float *x, const float *gamma, const float *beta, float momentum,
                            kn_act act, const kn_window *win, size_t N)
{
    gpu *g = gpu_of(be);
    const size_t pixels = N * win->H * win->W;
    if (pixels == 0 || win->C == 0)
        return;
    gpu_bn_statistics(g, mean, rstd, running_mean, running_var, x, momentum, pixels, win->C);
    normalise(g, y, mean, rstd, x, gamma, beta, act, win, N);
}

static void bn_pool_infer(kn_backend *be, float *y, const float *running_mean, const float *running_var,
                          const float *x, const float *gamma, const float *beta, kn_act act, const kn_window *win,
                          size_t N)
{
    gpu *g = gpu_of(be);
    if (N && win->C)
        normalise(g, y, running_mean, gpu_bn_deviations(g, running_var, win->C), x, gamma, beta, act, win, N);
}

/* ---- backward ----------------------------------------------------------------------- */

/* Grid of gpu_cut over the windows: part[chunk][2][C] = sums of g and of g
 * xhat(p), g = dy act'(y). */
static __global__ void chunk_picked(float *part, const float *dy, const float *x, const float *y, const float *mean,
                                    const float *rstd, const float *gamma, kn_act act, gpu_window w, size_t windows,
                                    size_t rows)
{
    const size_t C = static_cast<size_t>(w.C), c = gpu_column(), begin = blockIdx.y * rows;
    const size_t end = begin + rows < windows ? begin + rows : windows;
    const float m = c < C ? mean[c] : 0.0f, rs = c < C ? rstd[c] : 0.0f, ga = c < C ? gamma[c] : 0.0f;
    float s[2];
    gpu_sum_rows(s, begin, end, C, [=](size_t r, float (&to)[2]) {
        const float v = dy[r * C + c] * gpu_act_slope(y[r * C + c], act);
        to[0] += v;
        to[1] += v * (picked(x, ga, w, gpu_pixel(r, w.P, w.Q), static_cast<int>(c)) - m) * rs;
    });
    if (threadIdx.y == 0 && c < C) {
        part[2 * blockIdx.y * C + c] = s[0];
        part[(2 * blockIdx.y + 1) * C + c] = s[1];
    }
}

static __global__ void spread_picked(float *dx, const float *dgamma, const float *dbeta, const float *dy,
                                     const float *x, const float *y, const float *mean, const float *rstd,
                                     const float *gamma, kn_act act, gpu_window w, size_t pixels, int acc)
{
    const float share = 1.0f / static_cast<float>(pixels);
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < pixels; cell.next()) {
        const gpu_pixel at(cell.row, w.H, w.W);
        const size_t k = cell.col, me = cell.row * static_cast<size_t>(w.C) + k;
        const int c = static_cast<int>(k);
        const float mine = x[me], sloped = gamma[k];
        float v = 0.0f;
        gpu_windows(at.row, w.KH, w.P, w, [&](int p, int i) {
            gpu_windows(at.col, w.KW, w.Q, w, [&](int q, int j) {
                const size_t m = gpu_at(at.n, w.P, w.Q, w.C, p, q, c);
                if (picks(x, mine, sloped, w, at.n, p, q, i, j, c))
                    v += dy[m] * gpu_act_slope(y[m], act);
            });
        });
        const float xhat = (mine - mean[k]) * rstd[k];
        const float d = sloped * rstd[k] * (v - dbeta[k] * share - xhat * (dgamma[k] * share));
        dx[me] = acc ? dx[me] + d : d;
    }
}

static void bn_pool_backward(kn_backend *be, float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                             const float *y, const float *mean, const float *rstd, const float *gamma, kn_act act,
                             const kn_window *win, size_t N, int acc)
{
    gpu *g = gpu_of(be);
    const size_t pixels = N * win->H * win->W, windows = N * win->P * win->Q, C = win->C;
    if (C == 0)
        return;
    const gpu_cut cut(windows, C, false);
    const gpu_window w = gpu_window_of(g, win);
    float *part = static_cast<float *>(gpu_scratch(g, 2 * cut.chunks() * C * sizeof *part));
    GPU_LAUNCH(g, chunk_picked, cut.grid, cut.block, part, dy, x, y, mean, rstd, gamma, act, w, windows, cut.rows);
    gpu_bn_join(g, dgamma, dbeta, part, C, cut.chunks());
    if (pixels)
        GPU_LAUNCH(g, spread_picked, gpu_blocks(pixels * C), GPU_THREADS, dx, dgamma, dbeta, dy, x, y, mean, rstd,
                   gamma, act, w, pixels, acc);
}

void gpu_fill_bn_pool(kn_backend *be)
{
    be->bn_pool_forward = bn_pool_forward;
    be->bn_pool_infer = bn_pool_infer;
    be->bn_pool_backward = bn_pool_backward;
}
