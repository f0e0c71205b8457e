/* Convolution: windows become rows of a matrix, and cuBLAS multiplies. The matrix
 * is made for as many images as fit UNFOLDED floats of scratch (one at least); a
 * 1 x 1 window that steps by 1 is the image itself. */
#include "kernels/cuda/window.cuh"

static const size_t UNFOLDED = static_cast<size_t>(1) << 24;

/* A thread row takes a window, its lanes the KW x C numbers of one image row,
 * which lie side by side in the matrix and, without dilation, in the image. */
static dim3 lines_block(size_t across)
{
    unsigned lanes = 1;
    while (lanes < GPU_LANES && lanes < across)
        lanes *= 2;
    return dim3(lanes, GPU_THREADS / lanes);
}

static unsigned lines_grid(size_t lines, dim3 block)
{
    return gpu_blocks((lines + block.y - 1) / block.y * GPU_THREADS);
}

/* u[n P Q, KH KW C] = the windows of x[n,H,W,C], 0 where they are outside. */
static __global__ void unfold(float *u, const float *x, gpu_window w, size_t windows)
{
    const size_t step = static_cast<size_t>(gridDim.x) * blockDim.y;
    const int across = w.KW * w.C;
    for (size_t m = static_cast<size_t>(blockIdx.x) * blockDim.y + threadIdx.y; m < windows; m += step) {
        const gpu_pixel at(m, w.P, w.Q);
        float *to = &u[m * static_cast<size_t>(w.KH) * static_cast<size_t>(across)];
        for (int i = 0; i < w.KH; i++, to += across) {
            const int h = at.row * w.stride - w.pad + i * w.dilation;
            for (int k = static_cast<int>(threadIdx.x); k < across; k += static_cast<int>(blockDim.x)) {
                const int j = k / w.C, col = at.col * w.stride - w.pad + j * w.dilation;
                const bool inside = h >= 0 && h < w.H && col >= 0 && col < w.W;
                to[k] = inside ? x[gpu_at(at.n, w.H, w.W, w.C, h, col, k - j * w.C)] : 0.0f;
            }
        }
    }
}

/* dx (+)= what each pixel got from the windows that see it, in their order. */
static __global__ void fold(float *dx, const float *u, gpu_window w, size_t pixels, int acc)
{
    const size_t C = static_cast<size_t>(w.C);
    for (gpu_cell cell(C); cell.row < pixels; cell.next()) {
        const gpu_pixel at(cell.row, w.H, w.W);
        float s = 0.0f;
        gpu_windows(at.row, w.KH, w.P, w, [&](int p, int i) {
            gpu_windows(at.col, w.KW, w.Q, w, [&](int q, int j) {
                s += u[gpu_at(at.n, w.P, w.Q, w.KH * w.KW, p, q, i * w.KW + j) * C + cell.col];
            });
        });
        float *to = &dx[cell.row * C + cell.col];
        *to = acc ? *to + s : s;
    }
}

/* y = act(y + bias) */
static __global__ void finish(float *y, const float *bias, kn_act act, size_t rows, size_t O)
{
    for (gpu_cell at(O); at.row < rows; at.next()) {
        float *to = &y[at.row * O + at.col];
        *to = gpu_act(bias ? *to + bias[at.col] : *to, act);
    }
}

/* ---- the ops ------------------------------------------------------------------------- */

/* Some images of a convolution, as a product sees them. */
struct part {
    size_t n, x, windows; /* images; their numbers in x; rows of the matrix */
};

static bool is_product(const kn_window *win)
{
    return win->KH == 1 && win->KW == 1 && win->stride == 1 && win->pad == 0;
}

static size_t taps(const kn_window *win)
{
    return win->KH * win->KW * win->C;
}

/* The next images that fit, of `left`. */
static part next_part(const kn_window *win, size_t left)
{
    const size_t image = win->P * win->Q * taps(win);
    size_t n = image && !is_product(win) ? UNFOLDED / image : left;
    n = n < 1 ? 1 : n < left ? n : left;
    return {n, n * win->H * win->W * win->C, n * win->P * win->Q};
}

static float *matrix(gpu *g, const kn_window *win, const part &part)
{
    return static_cast<float *>(gpu_scratch(g, part.windows * taps(win) * sizeof(float)));
}

/* The windows of x: made in scratch, or x itself. */
static const float *unfolded(gpu *g, const float *x, const kn_window *win, const part &part)
{
    if (is_product(win))
        return x;
    float *u = matrix(g, win, part);
    const dim3 block = lines_block(win->KW * win->C);
    if (part.windows && taps(win))
        GPU_LAUNCH(g, unfold, lines_grid(part.windows, block), block, u, x, gpu_window_of(g, win), part.windows);
    return u;
}

static void conv_forward(kn_backend *be, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O)
{
    const size_t rows = N * win->P * win->Q;
    float *to = y;
    for (size_t left = N; left && O;) {
        const part part = next_part(win, left);
        be->gemm(be, to, unfolded(gpu_of(be), x, win, part), w, 0, 1, part.windows, O, taps(win), 0);
        left -= part.n;
        x += part.x;
        to += part.windows * O;
    }
    if (rows && O && (bias || act != KN_ACT_NONE))
        GPU_LAUNCH(gpu_of(be), finish, gpu_blocks(rows * O), GPU_THREADS, y, bias, act, rows, O);
}

static void conv_backward_x(kn_backend *be, float *dx, const float *dy, const float *w, const kn_window *win, size_t N,
                            size_t O, int acc)
{
    gpu *g = gpu_of(be);
    for (size_t left = N; left && win->C;) {
        const part part = next_part(win, left);
        const size_t pixels = part.n * win->H * win->W;
        if (is_product(win)) {
            be->gemm(be, dx, dy, w, 0, 0, part.windows, win->C, O, acc);
        } else {
            float *u = matrix(g, win, part);
            be->gemm(be, u, dy, w, 0, 0, part.windows, taps(win), O, 0);
            if (pixels)
                GPU_LAUNCH(g, fold, gpu_blocks(part.x), GPU_THREADS, dx, u, gpu_window_of(g, win), pixels, acc);
        }
        left -= part.n;
        dx += part.x;
        dy += part.windows * O;
    }
}

static void conv_backward_w(kn_backend *be, float *dw, const float *dy, const float *x, const kn_window *win, size_t N,
                            size_t O)
{
    if (N == 0)
        be->fill(be, dw, 0.0f, O * taps(win));
    for (size_t left = N; left;) {
        const part part = next_part(win, left);
        const float *u = unfolded(gpu_of(be), x, win, part);
        be->gemm(be, dw, dy, u, 1, 0, O, taps(win), part.windows, left < N);
        left -= part.n;
        x += part.x;
        dy += part.windows * O;
    }
}

void gpu_fill_conv(kn_backend *be)
{
    be->conv_forward = conv_forward;
    be->conv_backward_x = conv_backward_x;
    be->conv_backward_w = conv_backward_w;
}
