/* The matrix product, by cuBLAS. */
#include "kernels/cuda/gpu.cuh"

#include <climits>

/* cuBLAS reads matrices column by column. The bytes of a row-major c[M,N] are a
 * column-major [N,M], that is c transposed, and c' = op(b)' op(a)': so b goes
 * first, M and N change places, and nothing is ever transposed in memory. This
 * is the one place that knows. */
static void gemm(kn_backend *be, float *c, const float *a, const float *b, int ta, int tb, size_t M, size_t N, size_t K,
                 int acc)
{
    gpu *g = gpu_of(be);
    if (M == 0 || N == 0)
        return;
    if (K == 0) {
        if (!acc)
            be->fill(be, c, 0.0f, M * N);
        return;
    }
    if (M > INT_MAX || N > INT_MAX || K > INT_MAX) {
        gpu_fail(g, "a matrix product of %zu x %zu x %zu is larger than cuBLAS takes", M, N, K);
        return;
    }
    const float one = 1.0f, keep = acc ? 1.0f : 0.0f;
    const int m = static_cast<int>(M), n = static_cast<int>(N), k = static_cast<int>(K);
    GPU_TRY(g, cublasSgemm(g->blas, tb ? CUBLAS_OP_T : CUBLAS_OP_N, ta ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &one, b,
                           tb ? k : n, a, ta ? m : k, &keep, c, n));
}

void gpu_fill_gemm(kn_backend *be)
{
    be->gemm = gemm;
}
