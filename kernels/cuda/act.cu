/* Activations and dropout. */
#include "kernels/cuda/gpu.cuh"
#include "kernels/rng.h"

static __global__ void activate(float *y, const float *x, kn_act act, size_t n)
{
    for (size_t i = gpu_first(); i < n; i += gpu_stride())
        y[i] = gpu_act(x[i], act);
}

static void act_forward(kn_backend *be, float *y, const float *x, kn_act act, size_t n)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), activate, gpu_blocks(n), GPU_THREADS, y, x, act, n);
}

static __global__ void activate_back(float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    for (size_t i = gpu_first(); i < n; i += gpu_stride()) {
        const float v = dy[i] * gpu_act_slope(y[i], act);
        dx[i] = acc ? dx[i] + v : v;
    }
}

static void act_backward(kn_backend *be, float *dx, const float *dy, const float *y, kn_act act, size_t n, int acc)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), activate_back, gpu_blocks(n), GPU_THREADS, dx, dy, y, act, n, acc);
}

/* A thread draws one block of the generator, which decides on 4 elements: the
 * numbers are those the CPU draws for the same elements. */
static __global__ void drop(float *y, const float *x, float p, uint64_t seed, uint64_t stream, const kn_step *step,
                            size_t n, int acc)
{
    const size_t blocks = (n + 3) / 4;
    for (size_t b = gpu_first(); b < blocks; b += gpu_stride()) {
        uint32_t word[4];
        kn_philox(word, seed, stream, step->count * blocks + b);
        for (size_t k = 0; k < 4 && 4 * b + k < n; k++) {
            const size_t i = 4 * b + k;
            const float v = kn_u01(word[k]) >= p ? x[i] / (1.0f - p) : 0.0f;
            y[i] = acc ? y[i] + v : v;
        }
    }
}

static void dropout(kn_backend *be, float *y, const float *x, float p, uint64_t seed, uint64_t stream,
                    const kn_step *step, size_t n, int acc)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), drop, gpu_blocks((n + 3) / 4), GPU_THREADS, y, x, p, seed, stream, step, n, acc);
}

void gpu_fill_act(kn_backend *be)
{
    be->act_forward = act_forward;
    be->act_backward = act_backward;
    be->dropout = dropout;
}
