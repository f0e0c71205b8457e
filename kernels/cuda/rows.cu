/* Rows and columns: bias, strided blocks, sums, gather, bags. All are bound by memory:
 * neighbouring threads touch neighbouring floats. */
#include "kernels/cuda/gpu.cuh"

static __global__ void bias_add(float *y, const float *b, size_t N, size_t C)
{
    for (gpu_cell at(C); at.row < N; at.next())
        y[at.row * C + at.col] += b[at.col];
}

static void bias_forward(kn_backend *be, float *y, const float *b, size_t N, size_t C)
{
    if (N && C)
        GPU_LAUNCH(gpu_of(be), bias_add, gpu_blocks(N * C), GPU_THREADS, y, b, N, C);
}

/* Grid of gpu_cut: out[chunk,C] = sum over the chunk's rows of x[N,C]. */
static __global__ void column_sums(float *out, const float *x, size_t N, size_t C, size_t rows)
{
    const size_t c = gpu_column(), begin = blockIdx.y * rows, end = begin + rows < N ? begin + rows : N;
    float s[1];
    gpu_sum_rows(s, begin, end, C, [=](size_t r, float (&to)[1]) { to[0] += x[r * C + c]; });
    if (threadIdx.y == 0 && c < C)
        out[blockIdx.y * C + c] = s[0];
}

void gpu_column_sums(gpu *g, float *out, const float *x, size_t N, size_t C)
{
    if (C == 0)
        return;
    const gpu_cut cut(N, C, false);
    if (cut.chunks() == 1) {
        GPU_LAUNCH(g, column_sums, cut.grid, cut.block, out, x, N, C, cut.rows);
        return;
    }
    const gpu_cut last(cut.chunks(), C, true);
    float *part = static_cast<float *>(gpu_scratch(g, cut.chunks() * C * sizeof *part));
    GPU_LAUNCH(g, column_sums, cut.grid, cut.block, part, x, N, C, cut.rows);
    GPU_LAUNCH(g, column_sums, last.grid, last.block, out, part, cut.chunks(), C, last.rows);
}

static void bias_backward(kn_backend *be, float *db, const float *dy, size_t N, size_t C)
{
    gpu_column_sums(gpu_of(be), db, dy, N, C);
}

static void sum(kn_backend *be, float *out, const float *x, size_t n)
{
    gpu_column_sums(gpu_of(be), out, x, n, 1);
}

static __global__ void block_copy(float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc)
{
    for (gpu_cell at(C); at.row < N; at.next()) {
        float *to = &y[at.row * ldy + at.col];
        const float v = x[at.row * ldx + at.col];
        *to = acc ? *to + v : v;
    }
}

static void copy2d(kn_backend *be, float *y, size_t ldy, const float *x, size_t ldx, size_t N, size_t C, int acc)
{
    if (N && C)
        GPU_LAUNCH(gpu_of(be), block_copy, gpu_blocks(N * C), GPU_THREADS, y, ldy, x, ldx, N, C, acc);
}

static __global__ void add_all(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = gpu_first(); i < n; i += gpu_stride())
        y[i] = a[i] + b[i];
}

static void add(kn_backend *be, float *y, const float *a, const float *b, size_t n)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), add_all, gpu_blocks(n), GPU_THREADS, y, a, b, n);
}

static __global__ void gather_rows(float *y, const float *table, const uint32_t *idx, size_t R, size_t D)
{
    for (gpu_cell at(D); at.row < R; at.next())
        y[at.row * D + at.col] = table[idx[at.row] * D + at.col];
}

static void gather(kn_backend *be, float *y, const float *table, const uint32_t *idx, size_t R, size_t D)
{
    if (R && D)
        GPU_LAUNCH(gpu_of(be), gather_rows, gpu_blocks(R * D), GPU_THREADS, y, table, idx, R, D);
}

static __global__ void sum_bags(float *y, const float *table, const uint32_t *start, const uint32_t *idx,
                                const float *weight, size_t R, size_t D)
{
    for (gpu_cell at(D); at.row < R; at.next()) {
        float s = 0.0f;
        for (size_t k = start[at.row]; k < start[at.row + 1]; k++) {
            const float v = table[idx[k] * D + at.col];
            s += weight ? weight[k] * v : v;
        }
        y[at.row * D + at.col] = s;
    }
}

static void bag(kn_backend *be, float *y, const float *table, const uint32_t *start, const uint32_t *idx,
                const float *weight, size_t R, size_t D)
{
    if (R && D)
        GPU_LAUNCH(gpu_of(be), sum_bags, gpu_blocks(R * D), GPU_THREADS, y, table, start, idx, weight, R, D);
}

void gpu_fill_rows(kn_backend *be)
{
    be->bias_forward = bias_forward;
    be->bias_backward = bias_backward;
    be->sum = sum;
    be->copy2d = copy2d;
    be->add = add;
    be->gather = gather;
    be->bag = bag;
}
