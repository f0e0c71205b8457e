/* Opening and closing the GPU, and what is said when something fails. */
#include "kernels/cuda/gpu.cuh"

#include <cstdlib>
#include <cstring>

/* ---- failures ------------------------------------------------------------------- */

void gpu_fail(gpu *g, const char *fmt, ...)
{
    if (g->failed)
        return;
    char text[sizeof g->first.text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    kn_fail(&g->first, "%s", text);
    g->failed = true;
}

bool gpu_note(gpu *g, cudaError_t code, const char *what)
{
    if (code != cudaSuccess)
        gpu_fail(g, "CUDA: %s: %s", what, cudaGetErrorString(code));
    return code == cudaSuccess;
}

bool gpu_note(gpu *g, cublasStatus_t code, const char *what)
{
    if (code != CUBLAS_STATUS_SUCCESS)
        gpu_fail(g, "cuBLAS: %s: %s", what, cublasGetStatusString(code));
    return code == CUBLAS_STATUS_SUCCESS;
}

/* ---- opening ---------------------------------------------------------------------- */

/* cuBLAS promises the same bits from run to run only while its workspace is
 * given by the user (its manual, "Results Reproducibility"); 32 MiB is what it
 * recommends for sm_90. cublasSetStream resets the workspace, so it comes first. */
static const size_t BLAS_BYTES = static_cast<size_t>(32) << 20;

static void open_blas(gpu *g, bool tf32)
{
    GPU_TRY(g, cublasCreate(&g->blas));
    GPU_TRY(g, cublasSetStream(g->blas, g->stream));
    GPU_TRY(g, cudaMalloc(&g->blas_space, BLAS_BYTES));
    GPU_TRY(g, cublasSetWorkspace(g->blas, g->blas_space, BLAS_BYTES));
    GPU_TRY(g, cublasSetAtomicsMode(g->blas, CUBLAS_ATOMICS_NOT_ALLOWED));
    GPU_TRY(g, cublasSetMathMode(g->blas, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH));
}

static void open_ring(gpu *g)
{
    GPU_TRY(g, cudaMallocHost(&g->ring, static_cast<size_t>(GPU_RING) * GPU_RING_BYTES));
    for (int i = 0; i < GPU_RING; i++)
        GPU_TRY(g, cudaEventCreateWithFlags(&g->ring_free[i], cudaEventDisableTiming));
}

static void say_what_runs(gpu *g, bool tf32)
{
    cudaDeviceProp p;
    int blas = 0;
    if (GPU_TRY(g, cudaGetDeviceProperties(&p, 0)) && GPU_TRY(g, cublasGetVersion(g->blas, &blas)))
        snprintf(g->about, sizeof g->about, "%s (sm_%d%d, %d multiprocessors, %.1f GiB), cuBLAS %d.%d.%d, %s", p.name,
                 p.major, p.minor, p.multiProcessorCount, static_cast<double>(p.totalGlobalMem) / (1 << 30), blas / 10000,
                 blas / 100 % 100, blas % 100, tf32 ? "TF32 products" : "fp32");
}

static void gpu_close(kn_backend *be)
{
    gpu *g = gpu_of(be);
    if (g->stream)
        cudaStreamSynchronize(g->stream);
    for (gpu_record &slot : g->slot)
        if (slot.exec)
            cudaGraphExecDestroy(slot.exec);
    if (g->blas)
        cublasDestroy(g->blas);
    cudaFree(g->blas_space);
    for (int i = 0; i < g->scratches; i++)
        cudaFree(g->scratch[i]);
    for (cudaEvent_t event : g->ring_free)
        if (event)
            cudaEventDestroy(event);
    cudaFreeHost(g->ring);
    if (g->stream)
        cudaStreamDestroy(g->stream);
    free(g);
}

static const char *gpu_describe(kn_backend *be)
{
    return gpu_of(be)->about;
}

/* TF32 keeps 10 of 23 bits of each factor and sums in fp32: only on request. */
static bool wants_tf32(void)
{
    const char *text = getenv("SIAM_TF32");
    return text && strcmp(text, "0") != 0 && *text;
}

extern "C" __attribute__((visibility("default"))) kn_backend *siam_cuda_open(kn_error *err)
{
    int devices = 0, driver = 0;
    cudaError_t code = cudaDriverGetVersion(&driver);
    if (code == cudaSuccess)
        code = cudaGetDeviceCount(&devices);
    if (code != cudaSuccess || devices == 0) {
        kn_fail(err, "CUDA cannot be used: %s; see to it, or use --device cpu",
                driver == 0           ? "no NVIDIA driver is installed"
                : code == cudaSuccess ? "no GPU is visible"
                                      : cudaGetErrorString(code));
        return NULL;
    }
    gpu *g = static_cast<gpu *>(calloc(1, sizeof *g));
    if (!g) {
        kn_fail(err, "out of memory: %zu bytes were asked for", sizeof *g);
        return NULL;
    }
    kn_backend *be = &g->ops;
    be->name = "cuda";
    be->state = g;
    be->close = gpu_close;
    be->describe = gpu_describe;
    gpu_fill_order(be);
    gpu_fill_gemm(be);
    gpu_fill_rows(be);
    gpu_fill_act(be);
    gpu_fill_batchnorm(be);
    gpu_fill_bn_pool(be);
    gpu_fill_pair(be);
    gpu_fill_loss(be);
    gpu_fill_conv(be);
    gpu_fill_pool(be);
    gpu_fill_optim(be);
    gpu_fill_nearest(be);
    bool tf32 = wants_tf32();
    GPU_TRY(g, cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking));
    open_blas(g, tf32);
    open_ring(g);
    say_what_runs(g, tf32);
    if (be->sync(be, err)) {
        gpu_close(be);
        return NULL;
    }
    return be;
}
