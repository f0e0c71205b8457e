/* The stand-in itself: that it computes, and above all that it finds the
 * mistakes it is there for. */
#include "cuda_runtime.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include <cmocka.h>
}

enum { N = 256 };

namespace {

/* A stream and N floats on the device. */
struct device {
    cudaStream_t stream = nullptr;
    float *x = nullptr;

    device()
    {
        void *p = nullptr;
        assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
        assert_int_equal(cudaMalloc(&p, N * sizeof *x), cudaSuccess);
        x = static_cast<float *>(p);
    }
    ~device()
    {
        cudaStreamDestroy(stream);
        cudaFree(x);
    }
    template <class... Param, class... Arg> cudaError_t launch(void (*kernel)(Param...), dim3 grid, dim3 block, Arg... arg)
    {
        cudaLaunchConfig_t at = {};
        at.gridDim = grid;
        at.blockDim = block;
        at.stream = stream;
        return cudaLaunchKernelEx(&at, kernel, static_cast<Param>(arg)...);
    }
    std::vector<float> result()
    {
        std::vector<float> host(N);
        cudaMemcpyAsync(host.data(), x, N * sizeof *x, cudaMemcpyDeviceToHost, stream);
        cudaStreamSynchronize(stream);
        return host;
    }
};

/* x after one launch of the kernel, with threads in the order of this seed. */
template <class... Param> std::vector<float> shuffled(const char *seed, void (*kernel)(Param...), dim3 grid, dim3 block)
{
    device d;
    setenv("SIAM_CUDA_SHUFFLE", seed, 1);
    assert_int_equal(d.launch(kernel, grid, block, d.x), cudaSuccess);
    std::vector<float> x = d.result();
    unsetenv("SIAM_CUDA_SHUFFLE");
    return x;
}

/* ---- kernels, sound and not ----------------------------------------------------------- */

__global__ void neighbours(float *x)
{
    __shared__ float s[N];
    const unsigned t = threadIdx.x;
    s[t] = static_cast<float>(t);
    __syncthreads();
    x[t] = s[(t + 1) % N];
}

__global__ void neighbours_racing(float *x)
{
    __shared__ float s[N];
    const unsigned t = threadIdx.x;
    s[t] = static_cast<float>(t);
    x[t] = s[(t + 1) % N];
}

__global__ void last_block_wins(float *x)
{
    x[0] = static_cast<float>(blockIdx.x);
}

__global__ void warp_sums(float *x)
{
    float v = static_cast<float>(threadIdx.x);
    for (int apart = 16; apart > 0; apart /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, apart);
    x[threadIdx.x] = v;
}

__global__ void half_waits(float *x)
{
    if (threadIdx.x % 2)
        __syncthreads();
    x[threadIdx.x] = 0;
}

__global__ void two_barriers(float *x)
{
    if (threadIdx.x % 2)
        __syncthreads();
    else
        __syncthreads();
    x[threadIdx.x] = 0;
}

__global__ void reads_unset(float *x)
{
    __shared__ float s[N];
    if (threadIdx.x == 0)
        s[0] = 1;
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x];
}

__global__ void set(float *x, float value)
{
    x[threadIdx.x] = value;
}

__global__ void beyond(float *x)
{
    x[threadIdx.x + 1] = 1;
}

/* ---- what it computes -------------------------------------------------------------------- */

void test_barriers_and_shuffles(void **)
{
    const std::vector<float> once = shuffled("0", neighbours, 1, N);
    assert_true(once == shuffled("1", neighbours, 1, N) && once == shuffled("77", neighbours, 1, N));
    assert_true(once[0] == 1 && once[N - 1] == 0);
    const std::vector<float> sums = shuffled("9", warp_sums, 1, N);
    for (unsigned t = 0; t < N; t++)
        assert_true(sums[t] == static_cast<float>(t / 32 * 32 * 32 + 496));
}

void test_races_show(void **)
{
    assert_false(shuffled("0", neighbours_racing, 1, N) == shuffled("1", neighbours_racing, 1, N));
    assert_false(shuffled("0", last_block_wins, N, 1)[0] == shuffled("1", last_block_wins, N, 1)[0]);
}

void test_nothing_starts_as_zero(void **)
{
    device d;
    assert_true(std::isnan(d.result()[5]));
    shuffled("0", neighbours, 1, N); /* leaves its numbers in shared memory */
    const std::vector<float> x = shuffled("0", reads_unset, 1, N);
    assert_true(x[0] == 1 && std::isnan(x[1]));
}

void test_nothing_runs_before_somebody_waits(void **)
{
    device d;
    void *p = nullptr;
    cudaEvent_t event;
    cudaMallocHost(&p, sizeof(float));
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    float *host = static_cast<float *>(p);
    *host = 1;
    cudaMemcpyAsync(d.x, host, sizeof *host, cudaMemcpyHostToDevice, d.stream);
    *host = 2; /* too early */
    assert_true(d.result()[0] == 2);
    cudaMemcpyAsync(d.x, host, sizeof *host, cudaMemcpyHostToDevice, d.stream);
    cudaEventRecord(event, d.stream);
    cudaEventSynchronize(event);
    *host = 3;
    assert_true(d.result()[0] == 2);
    cudaEventDestroy(event);
    cudaFreeHost(p);
}

void test_graphs_keep_their_arguments(void **)
{
    device d;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    void *p = nullptr;
    float value = 4;
    cudaStreamBeginCapture(d.stream, cudaStreamCaptureModeThreadLocal);
    d.launch(set, 1, N, d.x, value);
    assert_int_equal(cudaMalloc(&p, 1), cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamSynchronize(d.stream), cudaErrorStreamCaptureUnsupported);
    cudaStreamEndCapture(d.stream, &graph);
    value = 5;
    assert_true(std::isnan(d.result()[0])); /* recorded, not run */
    cudaGraphInstantiateWithFlags(&exec, graph, 0);
    cudaGraphDestroy(graph);
    cudaGraphLaunch(exec, d.stream);
    cudaGraphExecDestroy(exec);
    assert_true(d.result()[N - 1] == 4);
}

void test_limits(void **)
{
    device d;
    void *p = nullptr;
    size_t unused, total;
    assert_int_equal(d.launch(set, 1, dim3(1025), d.x, 1), cudaErrorInvalidConfiguration);
    assert_int_equal(d.launch(set, dim3(1, 65536), 1, d.x, 1), cudaErrorInvalidConfiguration);
    assert_int_equal(d.launch(set, 0, 1, d.x, 1), cudaErrorInvalidConfiguration);
    cudaMemGetInfo(&unused, &total);
    assert_int_equal(total - unused, N * sizeof(float));
    assert_int_equal(cudaMalloc(&p, unused + 1), cudaErrorMemoryAllocation);
}

/* ---- what it refuses ------------------------------------------------------------------------ */

/* fn ends its process, with this on stderr. */
void dies(void (*fn)(), const char *saying)
{
    int ends[2];
    char text[1 << 14];
    std::string all;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        fn();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;)
        all.append(text, static_cast<size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_not_equal(status, 0);
    if (all.find(saying) == std::string::npos)
        fail_msg("\"%s\" was not said, but: %s", saying, all.c_str());
}

template <class Kernel> void run_and_wait(Kernel kernel)
{
    device d;
    d.launch(kernel, 1, N, d.x);
    cudaStreamSynchronize(d.stream);
}

void test_misuse_is_found(void **)
{
    dies([] { run_and_wait(half_waits); }, "for threads that ended or wait elsewhere");
    dies([] { run_and_wait(two_barriers); }, "for threads that ended or wait elsewhere");
    dies(
        [] {
            device d;
            float host[N];
            d.launch(set, 1, N, host, 1);
        },
        "a pointer given to a kernel is not in device memory");
    dies(
        [] {
            device d;
            float host[N] = {};
            cudaMemcpyAsync(d.x, host, sizeof host, cudaMemcpyHostToDevice, d.stream);
        },
        "not pinned");
    dies(
        [] {
            device d;
            cudaMemsetAsync(d.x, 0, N * sizeof(float) + 1, d.stream);
        },
        "the target of a memset is not in device memory");
    dies(
        [] {
            device d;
            d.x = nullptr;
            exit(0);
        },
        "never freed: 1 device and 0 pinned blocks, 1 streams, events or graphs");
}

/* Only AddressSanitizer sees these two. */
void test_addresses_are_checked(void **)
{
#ifdef __SANITIZE_ADDRESS__
    dies([] { run_and_wait(beyond); }, "heap-buffer-overflow");
    dies(
        [] {
            device d;
            *static_cast<volatile float *>(d.x) = 1;
        },
        "use-after-poison");
#else
    (void)beyond;
    skip();
#endif
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(test_barriers_and_shuffles),       cmocka_unit_test(test_races_show),
        cmocka_unit_test(test_nothing_starts_as_zero),      cmocka_unit_test(test_nothing_runs_before_somebody_waits),
        cmocka_unit_test(test_graphs_keep_their_arguments), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_misuse_is_found),             cmocka_unit_test(test_addresses_are_checked),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
