/* A stand-in for the CUDA runtime, so that kernels/cuda compiles with g++ and
 * runs on the CPU: only what is used there, and stricter than a device.
 *
 *  - A block's threads are fibers that change places at __syncthreads and at
 *    shuffles. SIAM_CUDA_SHUFFLE=seed shuffles their order between barriers, and
 *    the order of blocks; a kernel without races gives the same bits.
 *    A barrier that some thread does not reach is an error. (threads.cpp)
 *  - A stream runs nothing until somebody waits for it, so whatever is wrong to
 *    rely on too early is caught. A recorded graph keeps arguments by value and
 *    runs only when it is launched. (runtime.cpp)
 *  - Device memory starts as NaN, cannot be touched by the host (under
 *    AddressSanitizer), is limited to SIAM_CUDA_MEMORY MiB (1024), and must be
 *    freed: what is alive when the process ends is an error.
 *  - Misuse prints a sentence and aborts; failures that a device would report,
 *    such as memory being out, are returned. */
#ifndef SIAM_CUDA_ON_CPU_RUNTIME_H
#define SIAM_CUDA_ON_CPU_RUNTIME_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <type_traits>

/* ---- the language ------------------------------------------------------------- */

#define __global__
#define __device__
#define __host__
/* One section, so that all of it can be filled with NaN before each block. */
#define __shared__ static __attribute__((section("cuda_shared")))

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace on_cpu {
[[noreturn]] void misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void barrier(const char *file, int line);
uint32_t shuffle(unsigned mask, uint32_t value, unsigned lane_xor, const char *file, int line);
void run_grid(dim3 grid, dim3 block, const std::function<void()> &thread);
} // namespace on_cpu

#define __syncthreads() on_cpu::barrier(__FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, lane_xor)                                                                         \
    __uint_as_float(on_cpu::shuffle(mask, __float_as_uint(value), static_cast<unsigned>(lane_xor), __FILE__, __LINE__))

static inline uint32_t __float_as_uint(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float __uint_as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- the library ---------------------------------------------------------------- */

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorNoDevice = 100,
    cudaErrorStreamCaptureUnsupported = 900
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };

typedef struct on_cpu_stream *cudaStream_t;
typedef struct on_cpu_event *cudaEvent_t;
typedef struct on_cpu_graph *cudaGraph_t;
typedef struct on_cpu_graph *cudaGraphExec_t;

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
};

const char *cudaGetErrorString(cudaError_t code);
cudaError_t cudaGetLastError(void);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaGetDeviceCount(int *devices);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);

cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t bytes);
template <class T> cudaError_t cudaMallocHost(T **p, size_t bytes)
{
    return cudaMallocHost(reinterpret_cast<void **>(p), bytes);
}
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemGetInfo(size_t *unused, size_t *total);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

namespace on_cpu {
/* Work for the device, in the stream's order: runs later, or goes into the graph
 * that is being recorded. */
cudaError_t submit(cudaStream_t stream, std::function<void()> work);
/* Misuse unless p is NULL or in device memory, with `bytes` behind it. */
void check_device(const void *p, size_t bytes, const char *what);
cudaError_t launch(const cudaLaunchConfig_t &at, std::function<void()> thread);

template <class T> void check_argument(const T &arg)
{
    if constexpr (std::is_pointer_v<T>)
        check_device(arg, 0, "a pointer given to a kernel");
}
} // namespace on_cpu

template <class... Param, class... Arg>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *at, void (*kernel)(Param...), Arg... arg)
{
    (on_cpu::check_argument(arg), ...);
    return on_cpu::launch(*at, [=] { kernel(arg...); });
}

#endif
