/* Where the windows of a convolution or a pool stand, for conv.cu and pool.cu. */
#ifndef KN_CUDA_WINDOW_CUH
#define KN_CUDA_WINDOW_CUH

#include "kernels/cuda/gpu.cuh"

/* kn_window in numbers that a GPU divides quickly. */
struct gpu_window {
    int H, W, C, KH, KW, stride, pad, dilation, P, Q;
};

/* Fails, and is never launched with, when a size is beyond an int. */
static inline gpu_window gpu_window_of(gpu *g, const kn_window *win)
{
    const size_t most = 0x7fffffff, reach = win->dilation * (win->KH > win->KW ? win->KH : win->KW) + 2 * win->pad;
    if (win->H + reach > most || win->W + reach > most || win->C > most / (win->KW ? win->KW : 1))
        gpu_fail(g, "an image of %zu x %zu x %zu is larger than a GPU's kernels take", win->H, win->W, win->C);
    auto as_int = [](size_t n) { return static_cast<int>(n); };
    return {as_int(win->H),      as_int(win->W),   as_int(win->C),        as_int(win->KH), as_int(win->KW),
            as_int(win->stride), as_int(win->pad), as_int(win->dilation), as_int(win->P),  as_int(win->Q)};
}

/* A pixel of many images, told from its number: 64 bits are divided only where
 * 32 do not do. */
struct gpu_pixel {
    size_t n;
    int row, col;

    __device__ gpu_pixel(size_t i, int height, int width)
    {
        const size_t line = divide(i, width);
        n = divide(line, height);
        row = static_cast<int>(line - n * static_cast<size_t>(height));
        col = static_cast<int>(i - line * static_cast<size_t>(width));
    }

private:
    __device__ static size_t divide(size_t a, int b)
    {
        return a >> 32 ? a / static_cast<size_t>(b) : static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
    }
};

/* Element (row, col, c) of image n of `height` rows. */
__device__ static inline size_t gpu_at(size_t n, int height, int width, int channels, int row, int col, int c)
{
    const size_t line = n * static_cast<size_t>(height) + static_cast<size_t>(row);
    return (line * static_cast<size_t>(width) + static_cast<size_t>(col)) * static_cast<size_t>(channels) +
           static_cast<size_t>(c);
}

/* Along one side of the image: calls see(p, i) for each window p that sees place
 * h, with its tap i, in order of p. K taps a window, P windows. */
template <class See> __device__ static void gpu_windows(int h, int K, int P, const gpu_window &w, See see)
{
    const int from = h + w.pad - (K - 1) * w.dilation;
    int p = from > 0 ? (from + w.stride - 1) / w.stride : 0;
    for (; p < P && p * w.stride <= h + w.pad; p++) {
        const int apart = h + w.pad - p * w.stride;
        if (apart % w.dilation == 0)
            see(p, apart / w.dilation);
    }
}

/* The taps first .. end - 1 of window p that are inside the image, along one side. */
struct gpu_taps {
    int first, end, start; /* start: the place that tap 0 looks at */

    __device__ gpu_taps(int p, int K, int size, const gpu_window &w)
    {
        start = p * w.stride - w.pad;
        first = start < 0 ? (-start + w.dilation - 1) / w.dilation : 0;
        end = start < size ? (size - 1 - start) / w.dilation + 1 : 0;
        end = end < K ? end : K;
    }
    __device__ int count(void) const { return end - first; }
};

#endif
