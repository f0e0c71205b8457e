/* Pools. A thread makes one number of the result; backward it asks the windows
 * that see its pixel, in their order, so nothing is added by two threads. */
#include "kernels/cuda/window.cuh"

static __global__ void max_of(float *y, const float *x, gpu_window w, size_t windows)
{
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < windows; cell.next()) {
        const gpu_pixel at(cell.row, w.P, w.Q);
        const gpu_taps rows(at.row, w.KH, w.H, w), cols(at.col, w.KW, w.W, w);
        const int c = static_cast<int>(cell.col);
        float most = -INFINITY;
        for (int i = rows.first; i < rows.end; i++)
            for (int j = cols.first; j < cols.end; j++) {
                const float v =
                    x[gpu_at(at.n, w.H, w.W, w.C, rows.start + i * w.dilation, cols.start + j * w.dilation, c)];
                if (most == most && !(v <= most)) /* NaN is taken, and stays */
                    most = v;
            }
        y[cell.row * static_cast<size_t>(w.C) + cell.col] = most;
    }
}

static void maxpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    gpu *g = gpu_of(be);
    const size_t windows = N * win->P * win->Q;
    if (windows && win->C)
        GPU_LAUNCH(g, max_of, gpu_blocks(windows * win->C), GPU_THREADS, y, x, gpu_window_of(g, win), windows);
}

/* Whether a tap of window (p, q) before tap (i, j) equals `most`. */
static __device__ bool found_before(const float *x, float most, const gpu_window &w, size_t n, int p, int q, int i,
                                    int j, int c)
{
    const gpu_taps rows(p, w.KH, w.H, w), cols(q, w.KW, w.W, w);
    for (int a = rows.first; a <= i; a++)
        for (int b = cols.first; b < (a < i ? cols.end : j); b++)
            if (x[gpu_at(n, w.H, w.W, w.C, rows.start + a * w.dilation, cols.start + b * w.dilation, c)] == most)
                return true;
    return false;
}

static __global__ void max_back(float *dx, const float *dy, const float *x, const float *y, gpu_window w,
                                size_t pixels, int acc)
{
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < pixels; cell.next()) {
        const gpu_pixel at(cell.row, w.H, w.W);
        const int c = static_cast<int>(cell.col);
        const size_t me = cell.row * static_cast<size_t>(w.C) + cell.col;
        const float mine = x[me];
        float s = 0.0f;
        gpu_windows(at.row, w.KH, w.P, w, [&](int p, int i) {
            gpu_windows(at.col, w.KW, w.Q, w, [&](int q, int j) {
                const size_t m = gpu_at(at.n, w.P, w.Q, w.C, p, q, c);
                if (y[m] == mine && !found_before(x, mine, w, at.n, p, q, i, j, c))
                    s += dy[m];
            });
        });
        dx[me] = acc ? dx[me] + s : s;
    }
}

static void maxpool_backward(kn_backend *be, float *dx, const float *dy, const float *x, const float *y,
                             const kn_window *win, size_t N, int acc)
{
    gpu *g = gpu_of(be);
    const size_t pixels = N * win->H * win->W;
    if (pixels && win->C)
        GPU_LAUNCH(g, max_back, gpu_blocks(pixels * win->C), GPU_THREADS, dx, dy, x, y, gpu_window_of(g, win), pixels,
                   acc);
}

static __global__ void mean_of(float *y, const float *x, gpu_window w, size_t windows)
{
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < windows; cell.next()) {
        const gpu_pixel at(cell.row, w.P, w.Q);
        const gpu_taps rows(at.row, w.KH, w.H, w), cols(at.col, w.KW, w.W, w);
        const int c = static_cast<int>(cell.col);
        float s = 0.0f;
        for (int i = rows.first; i < rows.end; i++)
            for (int j = cols.first; j < cols.end; j++)
                s += x[gpu_at(at.n, w.H, w.W, w.C, rows.start + i * w.dilation, cols.start + j * w.dilation, c)];
        y[cell.row * static_cast<size_t>(w.C) + cell.col] = s / static_cast<float>(rows.count() * cols.count());
    }
}

static void avgpool_forward(kn_backend *be, float *y, const float *x, const kn_window *win, size_t N)
{
    gpu *g = gpu_of(be);
    const size_t windows = N * win->P * win->Q;
    if (windows && win->C)
        GPU_LAUNCH(g, mean_of, gpu_blocks(windows * win->C), GPU_THREADS, y, x, gpu_window_of(g, win), windows);
}

static __global__ void mean_back(float *dx, const float *dy, gpu_window w, size_t pixels, int acc)
{
    for (gpu_cell cell(static_cast<size_t>(w.C)); cell.row < pixels; cell.next()) {
        const gpu_pixel at(cell.row, w.H, w.W);
        const size_t me = cell.row * static_cast<size_t>(w.C) + cell.col;
        float s = 0.0f;
        gpu_windows(at.row, w.KH, w.P, w, [&](int p, int) {
            const int rows = gpu_taps(p, w.KH, w.H, w).count();
            gpu_windows(at.col, w.KW, w.Q, w, [&](int q, int) {
                const int count = rows * gpu_taps(q, w.KW, w.W, w).count();
                s += dy[gpu_at(at.n, w.P, w.Q, w.C, p, q, static_cast<int>(cell.col))] / static_cast<float>(count);
            });
        });
        dx[me] = acc ? dx[me] + s : s;
    }
}

static void avgpool_backward(kn_backend *be, float *dx, const float *dy, const kn_window *win, size_t N, int acc)
{
    gpu *g = gpu_of(be);
    const size_t pixels = N * win->H * win->W;
    if (pixels && win->C)
        GPU_LAUNCH(g, mean_back, gpu_blocks(pixels * win->C), GPU_THREADS, dx, dy, gpu_window_of(g, win), pixels, acc);
}

void gpu_fill_pool(kn_backend *be)
{
    be->maxpool_forward = maxpool_forward;
    be->maxpool_backward = maxpool_backward;
    be->avgpool_forward = avgpool_forward;
    be->avgpool_backward = avgpool_backward;
}
