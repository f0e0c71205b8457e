/* Batch normalisation, fused with a residual and an activation. Three launches
 * each way: sums a chunk of rows, sums over the chunks, and one pass that
 * writes the result. */
#include "kernels/cuda/gpu.cuh"

/* ---- forward ------------------------------------------------------------------------ */

/* Grid of gpu_cut: mean and sum of squared differences from it (m2), of each
 * chunk of rows, part[chunk][2][C]. Values are taken relative to the chunk's
 * first row, so that a mean far from 0 does not cancel. */
static __global__ void chunk_moments(float *part, const float *x, size_t N, size_t C, size_t rows)
{
    const size_t c = gpu_column(), begin = blockIdx.y * rows, end = begin + rows < N ? begin + rows : N;
    const float shift = c < C ? x[begin * C + c] : 0.0f;
    float s[2];
    gpu_sum_rows(s, begin, end, C, [=](size_t r, float (&to)[2]) {
        const float v = x[r * C + c] - shift;
        to[0] += v;
        to[1] += v * v;
    });
    if (threadIdx.y == 0 && c < C) {
        const float offset = s[0] / static_cast<float>(end - begin);
        part[2 * blockIdx.y * C + c] = shift + offset;
        part[(2 * blockIdx.y + 1) * C + c] = fmaxf(s[1] - s[0] * offset, 0.0f);
    }
}

/* Grid of gpu_cut over the chunks: joins their moments (Chan, Golub, LeVeque
 * 1983, eq. 2.1, for many parts at once) and moves the running statistics. */
static __global__ void join_moments(float *mean, float *rstd, float *running_mean, float *running_var, const float *part,
                                    float momentum, size_t N, size_t C, size_t rows, size_t chunks)
{
    const size_t c = gpu_column();
    const float first = c < C ? part[c] : 0.0f;
    auto count = [=](size_t j) { return static_cast<float>(j + 1 < chunks ? rows : N - j * rows); };
    float s[1];
    gpu_sum_rows(s, 0, chunks, C, [=](size_t j, float (&to)[1]) { to[0] += count(j) * (part[2 * j * C + c] - first); });
    const float all = static_cast<float>(N), m = first + s[0] / all;
    gpu_sum_rows(s, 0, chunks, C, [=](size_t j, float (&to)[1]) {
        const float away = part[2 * j * C + c] - m;
        to[0] += part[(2 * j + 1) * C + c] + count(j) * away * away;
    });
    if (threadIdx.y == 0 && c < C) {
        mean[c] = m;
        rstd[c] = 1.0f / sqrtf(s[0] / all + KN_EPS_BN);
        running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * m;
        running_var[c] = (1.0f - momentum) * running_var[c] + momentum * (s[0] / (N > 1 ? all - 1.0f : 1.0f));
    }
}

void gpu_bn_statistics(gpu *g, float *mean, float *rstd, float *running_mean, float *running_var, const float *x,
                       float momentum, size_t N, size_t C)
{
    const gpu_cut cut(N, C, false), last(cut.chunks(), C, true);
    float *part = static_cast<float *>(gpu_scratch(g, 2 * cut.chunks() * C * sizeof *part));
    GPU_LAUNCH(g, chunk_moments, cut.grid, cut.block, part, x, N, C, cut.rows);
    GPU_LAUNCH(g, join_moments, last.grid, last.block, mean, rstd, running_mean, running_var, part, momentum, N, C,
               cut.rows, cut.chunks());
}

static __global__ void normalise(float *y, size_t ldy, const float *mean, const float *rstd, const float *x,
                                 const float *gamma, const float *beta, const float *res, kn_act act, size_t N,
                                 size_t C)
{
    for (gpu_cell at(C); at.row < N; at.next()) {
        const size_t c = at.col, i = at.row * C + c;
        const float v = gamma[c] * (x[i] - mean[c]) * rstd[c] + beta[c];
        y[at.row * ldy + c] = gpu_act(res ? v + res[i] : v, act);
    }
}

static void bn_forward(kn_backend *be, float *y, size_t ldy, float *mean, float *rstd, float *running_mean,
                       float *running_var, const float *x, const float *gamma, const float *beta, const float *res,
                       float momentum, kn_act act, size_t N, size_t C)
{
    gpu *g = gpu_of(be);
    if (N == 0 || C == 0)
        return;
    gpu_bn_statistics(g, mean, rstd, running_mean, running_var, x, momentum, N, C);
    GPU_LAUNCH(g, normalise, gpu_blocks(N * C), GPU_THREADS, y, ldy, mean, rstd, x, gamma, beta, res, act, N, C);
}

static __global__ void reciprocal_deviation(float *rstd, const float *var, size_t C)
{
    for (size_t c = gpu_first(); c < C; c += gpu_stride())
        rstd[c] = 1.0f / sqrtf(var[c] + KN_EPS_BN);
}

float *gpu_bn_deviations(gpu *g, const float *var, size_t C)
{
    float *rstd = static_cast<float *>(gpu_scratch(g, C * sizeof *rstd));
    GPU_LAUNCH(g, reciprocal_deviation, gpu_blocks(C), GPU_THREADS, rstd, var, C);
    return rstd;
}

static void bn_infer(kn_backend *be, float *y, size_t ldy, const float *running_mean, const float *running_var,
                     const float *x, const float *gamma, const float *beta, const float *res, kn_act act, size_t N,
                     size_t C)
{
    gpu *g = gpu_of(be);
    if (N == 0 || C == 0)
        return;
    const float *rstd = gpu_bn_deviations(g, running_var, C);
    GPU_LAUNCH(g, normalise, gpu_blocks(N * C), GPU_THREADS, y, ldy, running_mean, rstd, x, gamma, beta, res, act, N,
               C);
}

/* ---- backward ----------------------------------------------------------------------- */

/* Grid of gpu_cut: part[chunk][2][C] = sums of g and of g xhat, g = dy act'(y). */
static __global__ void chunk_grads(float *part, const float *dy, const float *x, const float *y, size_t ldy,
                                   const float *mean, const float *rstd, kn_act act, size_t N, size_t C, size_t rows)
{
    const size_t c = gpu_column(), begin = blockIdx.y * rows, end = begin + rows < N ? begin + rows : N;
    const float m = c < C ? mean[c] : 0.0f, rs = c < C ? rstd[c] : 0.0f;
    float s[2];
    gpu_sum_rows(s, begin, end, C, [=](size_t r, float (&to)[2]) {
        const float v = dy[r * ldy + c] * gpu_act_slope(y[r * ldy + c], act);
        to[0] += v;
        to[1] += v * (x[r * C + c] - m) * rs;
    });
    if (threadIdx.y == 0 && c < C) {
        part[2 * blockIdx.y * C + c] = s[0];
        part[(2 * blockIdx.y + 1) * C + c] = s[1];
    }
}

static __global__ void join_grads(float *dgamma, float *dbeta, const float *part, size_t C, size_t chunks)
{
    const size_t c = gpu_column();
    float s[2];
    gpu_sum_rows(s, 0, chunks, C, [=](size_t j, float (&to)[2]) {
        to[0] += part[2 * j * C + c];
        to[1] += part[(2 * j + 1) * C + c];
    });
    if (threadIdx.y == 0 && c < C) {
        dbeta[c] = s[0];
        dgamma[c] = s[1];
    }
}

void gpu_bn_join(gpu *g, float *dgamma, float *dbeta, const float *part, size_t C, size_t chunks)
{
    const gpu_cut all(chunks, C, true);
    GPU_LAUNCH(g, join_grads, all.grid, all.block, dgamma, dbeta, part, C, chunks);
}

/* dres may be dy: each cell is read before it is written, by one thread. */
static __global__ void spread_grads(float *dx, float *dres, const float *dgamma, const float *dbeta, const float *dy,
                                    const float *x, const float *y, size_t ldy, const float *mean,
                                    const float *rstd, const float *gamma, kn_act act, size_t N, size_t C, int acc,
                                    int acc_res)
{
    const float share = 1.0f / static_cast<float>(N);
    for (gpu_cell at(C); at.row < N; at.next()) {
        const size_t c = at.col, i = at.row * C + c, o = at.row * ldy + c;
        const float v = dy[o] * gpu_act_slope(y[o], act);
        const float xhat = (x[i] - mean[c]) * rstd[c];
        const float d = gamma[c] * rstd[c] * (v - dbeta[c] * share - xhat * (dgamma[c] * share));
        dx[i] = acc ? dx[i] + d : d;
        if (dres)
            dres[i] = acc_res ? dres[i] + v : v;
    }
}

static void bn_backward(kn_backend *be, float *dx, float *dres, float *dgamma, float *dbeta, const float *dy,
                        const float *x, const float *y, size_t ldy, const float *mean, const float *rstd,
                        const float *gamma, kn_act act, size_t N, size_t C, int acc, int acc_res)
{
    gpu *g = gpu_of(be);
    if (C == 0)
        return;
    const gpu_cut cut(N, C, false);
    float *part = static_cast<float *>(gpu_scratch(g, 2 * cut.chunks() * C * sizeof *part));
    GPU_LAUNCH(g, chunk_grads, cut.grid, cut.block, part, dy, x, y, ldy, mean, rstd, act, N, C, cut.rows);
    gpu_bn_join(g, dgamma, dbeta, part, C, cut.chunks());
    if (N)
        GPU_LAUNCH(g, spread_grads, gpu_blocks(N * C), GPU_THREADS, dx, dres, dgamma, dbeta, dy, x, y, ldy, mean, rstd,
                   gamma, act, N, C, acc, acc_res);
}

void gpu_fill_batchnorm(kn_backend *be)
{
    be->bn_forward = bn_forward;
    be->bn_infer = bn_infer;
    be->bn_backward = bn_backward;
}
