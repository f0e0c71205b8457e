/* The cuBLAS calls of the stand-in. */
#include "cublas_v2.h"

struct on_cpu_blas {
    cudaStream_t stream;
    bool has_space;
};

const char *cublasGetStatusString(cublasStatus_t code)
{
    return code == CUBLAS_STATUS_SUCCESS ? "success" : "invalid value";
}

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    *handle = new on_cpu_blas();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion(cublasHandle_t, int *version)
{
    *version = 0;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    handle->has_space = false; /* as the library does */
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *space, size_t bytes)
{
    on_cpu::check_device(space, bytes, "the workspace of cuBLAS");
    handle->has_space = space != nullptr;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t)
{
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t)
{
    return CUBLAS_STATUS_SUCCESS;
}

/* Bytes of a column-major matrix of `rows` x `cols`. */
static size_t extent(int rows, int cols, int ld)
{
    return (static_cast<size_t>(cols - 1) * static_cast<size_t>(ld) + static_cast<size_t>(rows)) * sizeof(float);
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                           const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta,
                           float *c, int ldc)
{
    const int a_rows = ta == CUBLAS_OP_N ? m : k, b_rows = tb == CUBLAS_OP_N ? k : n;
    if (m <= 0 || n <= 0 || k <= 0 || lda < a_rows || ldb < b_rows || ldc < m)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!handle->has_space)
        on_cpu::misuse("a product without a workspace of our own may differ from run to run");
    on_cpu::check_device(a, extent(a_rows, ta == CUBLAS_OP_N ? k : m, lda), "a of a product");
    on_cpu::check_device(b, extent(b_rows, tb == CUBLAS_OP_N ? n : k, ldb), "b of a product");
    on_cpu::check_device(c, extent(m, n, ldc), "c of a product");
    const float scale = *alpha, keep = *beta;
    const ptrdiff_t a_row = ta == CUBLAS_OP_N ? 1 : lda, a_col = ta == CUBLAS_OP_N ? lda : 1;
    const ptrdiff_t b_row = tb == CUBLAS_OP_N ? 1 : ldb, b_col = tb == CUBLAS_OP_N ? ldb : 1;
    on_cpu::submit(handle->stream, [=] {
        for (int j = 0; j < n; j++)
            for (int i = 0; i < m; i++) {
                float s = 0.0f;
                for (int l = 0; l < k; l++)
                    s += a[i * a_row + l * a_col] * b[l * b_row + j * b_col];
                float *to = &c[static_cast<ptrdiff_t>(j) * ldc + i];
                *to = keep == 0.0f ? scale * s : scale * s + keep * *to;
            }
    });
    return CUBLAS_STATUS_SUCCESS;
}
