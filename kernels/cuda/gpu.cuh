/* kernels/cuda: the filling of the op contract that runs on a GPU, a plugin.
 *
 * Start at siam_cuda_open in open.cu. One family of ops a file: order.cu has
 * memory, streams and graphs, gemm.cu the matrix product (cuBLAS), the others
 * own kernels: a static kernel, then the op that launches it through
 * gpu_launch, and at the end of the file a gpu_fill_ function that enters the
 * family into the table.
 *
 * Rules of the house:
 *  - Nothing waits for the device except download, sync, and dealloc.
 *  - A failed call is remembered (the first one, in words) and every later one
 *    is skipped until sync reports it, so ops need no checks of their own.
 *  - Launch shapes and the order of sums depend on the shapes of the data
 *    alone, never on the device: same bits on every run. No atomics.
 *  - tests/cuda-on-cpu compiles these same files with g++ against a stand-in
 *    for the CUDA runtime. Whatever is used here of CUDA, it has to know. */
#ifndef KN_CUDA_GPU_CUH
#define KN_CUDA_GPU_CUH

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "kernels/backend.h"

enum {
    GPU_THREADS = 256,        /* of a block, in every kernel but the tile of nearest */
    GPU_LANES = 32,           /* of a warp */
    GPU_WARPS = GPU_THREADS / GPU_LANES,
    GPU_SLOTS = 8,            /* of run() */
    GPU_RING = 32,            /* uploads that may be on their way at once ... */
    GPU_RING_BYTES = 1 << 19, /* ... of this size; longer ones are cut */
    GPU_SCRATCHES = 64        /* each at least twice the one before: never reached */
};

/* What one slot of run() has recorded. */
typedef struct gpu_record {
    bool warm; /* ran once, so that every kernel is loaded and scratch is large enough */
    cudaGraphExec_t exec;
} gpu_record;

typedef struct gpu {
    kn_backend ops;
    cudaStream_t stream; /* the only one: ops run in the order they were called in */
    cublasHandle_t blas;
    void *blas_space;
    char *ring; /* pinned host memory [GPU_RING][GPU_RING_BYTES] */
    cudaEvent_t ring_free[GPU_RING];
    unsigned ring_next;
    gpu_record slot[GPU_SLOTS];
    bool recording;
    void *scratch[GPU_SCRATCHES]; /* the last is in use; graphs may still name the others */
    int scratches;
    size_t scratch_bytes;
    kn_error first; /* the first failure since the last sync */
    bool failed;
    char about[400];
} gpu;

static inline gpu *gpu_of(kn_backend *be)
{
    return static_cast<gpu *>(be->state);
}

/* ---- failures (open.cu) ------------------------------------------------------ */

void gpu_fail(gpu *g, const char *fmt, ...) KN_PRINTF(2, 3);
/* Remembers a failed `what`; true when it succeeded. */
bool gpu_note(gpu *g, cudaError_t code, const char *what);
bool gpu_note(gpu *g, cublasStatus_t code, const char *what);

/* Makes the call unless one has failed before; true when it was made and
 * succeeded. */
#define GPU_TRY(g, call) (!(g)->failed && gpu_note(g, call, #call))

/* ---- launches ------------------------------------------------------------------ */

#define GPU_LAUNCH(g, kernel, grid, block, ...) gpu_launch(g, #kernel, kernel, grid, block, __VA_ARGS__)

template <class... Param, class... Arg>
static void gpu_launch(gpu *g, const char *name, void (*kernel)(Param...), dim3 grid, dim3 block, Arg... arg)
{
    cudaLaunchConfig_t at = {};
    at.gridDim = grid;
    at.blockDim = block;
    at.stream = g->stream;
    if (!g->failed)
        gpu_note(g, cudaLaunchKernelEx(&at, kernel, static_cast<Param>(arg)...), name);
}

/* Blocks for a kernel whose threads walk n elements, a grid's width at a time. */
static inline unsigned gpu_blocks(size_t n)
{
    size_t blocks = (n + GPU_THREADS - 1) / GPU_THREADS;
    return static_cast<unsigned>(blocks < 4096 ? blocks : 4096);
}

/* Blocks of GPU_LANES x GPU_WARPS threads for a kernel whose warps take a row each. */
static inline dim3 gpu_warp_grid(size_t rows)
{
    return dim3(static_cast<unsigned>((rows + GPU_WARPS - 1) / GPU_WARPS));
}

/* Device memory that the next op may overwrite, NULL after a failure. It grows
 * when it must, which run() sees to before it records. (order.cu) */
void *gpu_scratch(gpu *g, size_t bytes);

/* ---- inside kernels: walking -------------------------------------------------- */

__device__ static inline size_t gpu_first(void)
{
    return static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ static inline size_t gpu_stride(void)
{
    return static_cast<size_t>(gridDim.x) * blockDim.x;
}

/* Walks the cells of a matrix of C columns, a grid's width at a time:
 * for (gpu_cell at(C); at.row < N; at.next()). It divides once, not at each
 * cell, where a 64-bit division would cost more than the memory access. */
struct gpu_cell {
    size_t row, col;

    __device__ explicit gpu_cell(size_t C)
        : row(gpu_first() / C), col(gpu_first() % C), width(C), hop_row(gpu_stride() / C), hop_col(gpu_stride() % C)
    {
    }
    __device__ void next(void)
    {
        row += hop_row;
        col += hop_col;
        if (col >= width)
            col -= width, row++;
    }

private:
    size_t width, hop_row, hop_col;
};

/* The row of this warp in a gpu_warp_grid, which may be beyond the last. */
__device__ static inline size_t gpu_warp_row(void)
{
    return static_cast<size_t>(blockIdx.x) * GPU_WARPS + threadIdx.y;
}

/* Every lane gets the sum, always added in the same order. */
__device__ static inline float gpu_warp_sum(float v)
{
    for (int apart = GPU_LANES / 2; apart > 0; apart /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, apart);
    return v;
}

/* ---- inside kernels: activations ------------------------------------------------ */

__device__ static inline float gpu_act(float x, kn_act act)
{
    if (act == KN_ACT_NONE || !(x < 0)) /* NaN stays NaN */
        return x;
    return act == KN_ACT_ELU ? expm1f(x) : 0.0f;
}

/* act'(x), told from y = act(x). */
__device__ static inline float gpu_act_slope(float y, kn_act act)
{
    if (act == KN_ACT_NONE || y > 0)
        return 1.0f;
    return act == KN_ACT_ELU ? y + 1.0f : 0.0f;
}

/* ---- sums over rows --------------------------------------------------------------- */

/* A matrix [N,C] cut for column sums: blocks of `across` columns by
 * GPU_THREADS/across rows, `chunks` of `rows` rows each. The first launch sums
 * every chunk, a second one the chunks; both in a fixed order. Few columns get
 * narrow blocks, so that a warp still reads a stretch of memory. */
struct gpu_cut {
    dim3 block, grid; /* grid: column tiles x chunks */
    size_t rows;      /* of a chunk */

    gpu_cut(size_t N, size_t C, bool one_chunk)
    {
        unsigned across = 1;
        while (across < 32 && across < C)
            across *= 2;
        block = dim3(across, GPU_THREADS / across);
        size_t chunk = 8 * static_cast<size_t>(block.y); /* 8 rows a thread at least ... */
        if (chunk < (N + 255) / 256)
            chunk = (N + 255) / 256; /* ... and 256 chunks at most */
        rows = one_chunk ? N : chunk;
        size_t chunks = rows ? (N + rows - 1) / rows : 1;
        grid = dim3(static_cast<unsigned>((C + across - 1) / across), static_cast<unsigned>(chunks ? chunks : 1));
    }
    size_t chunks(void) const { return grid.y; }
};

/* In a block of gpu_cut: the column of this thread, which may be beyond C. */
__device__ static inline size_t gpu_column(void)
{
    return static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

/* Sums K numbers over rows [begin, end): add(r, s) adds those of row r to s[K],
 * and is called for columns below C only. Every thread of the block must come
 * here; each gets the sums of its column. */
template <int K, class Add>
__device__ static void gpu_sum_rows(float (&s)[K], size_t begin, size_t end, size_t C, Add add)
{
    __shared__ float part[K][GPU_THREADS];
    const unsigned across = blockDim.x, me = threadIdx.y * across + threadIdx.x;
    for (int k = 0; k < K; k++)
        s[k] = 0.0f;
    if (gpu_column() < C)
        for (size_t r = begin + threadIdx.y; r < end; r += blockDim.y)
            add(r, s);
    for (int k = 0; k < K; k++)
        part[k][me] = s[k];
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half)
            for (int k = 0; k < K; k++)
                part[k][me] += part[k][me + half * across];
    }
    __syncthreads();
    for (int k = 0; k < K; k++)
        s[k] = part[k][threadIdx.x];
    __syncthreads(); /* part may be used again */
}

/* out[C] = sum over the rows of x[N,C]. (rows.cu) */
void gpu_column_sums(gpu *g, float *out, const float *x, size_t N, size_t C);

/* ---- batchnorm.cu ------------------------------------------------------------------ */

/* What bn_forward stores of x[N,C], N and C not 0. */
void gpu_bn_statistics(gpu *g, float *mean, float *rstd, float *running_mean, float *running_var, const float *x,
                       float momentum, size_t N, size_t C);
/* rstd[C] of var, in scratch. */
float *gpu_bn_deviations(gpu *g, const float *var, size_t C);
/* dbeta and dgamma, the sums over the chunks of part[chunk][2][C]. */
void gpu_bn_join(gpu *g, float *dgamma, float *dbeta, const float *part, size_t C, size_t chunks);

/* ---- the families ------------------------------------------------------------------ */

void gpu_fill_order(kn_backend *be);
void gpu_fill_gemm(kn_backend *be);
void gpu_fill_rows(kn_backend *be);
void gpu_fill_act(kn_backend *be);
void gpu_fill_batchnorm(kn_backend *be);
void gpu_fill_bn_pool(kn_backend *be);
void gpu_fill_pair(kn_backend *be);
void gpu_fill_loss(kn_backend *be);
void gpu_fill_conv(kn_backend *be);
void gpu_fill_pool(kn_backend *be);
void gpu_fill_optim(kn_backend *be);
void gpu_fill_nearest(kn_backend *be);

#endif
