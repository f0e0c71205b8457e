/* Memory, streams, events and graphs of the stand-in. */
#include "cuda_runtime.h"

#include <cstdlib>
#include <deque>
#include <map>
#include <unistd.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) __asan_poison_memory_region(p, n)
#define SHOW(p, n) __asan_unpoison_memory_region(p, n)
#else
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#endif

typedef std::function<void()> work;

struct on_cpu_stream {
    bool recording;
    std::vector<work> recorded;
    std::deque<work> queue;
};

struct on_cpu_event {
    bool pending;
    cudaStream_t stream;
};

struct on_cpu_graph {
    std::vector<work> nodes;
};

namespace {

struct memory {
    std::map<const char *, size_t> device, pinned; /* what is allocated: address, bytes */
    size_t used = 0;
    std::vector<cudaStream_t> streams;
    int alive = 0; /* streams, events, graphs */
};

/* Never unmade: a test may close its backend in an exit handler. */
memory &now = *new memory;

/* After all exit handlers. */
__attribute__((destructor)) void nothing_is_left(void)
{
    if (now.device.empty() && now.pinned.empty() && now.alive == 0)
        return;
    fprintf(stderr, "cuda-on-cpu: never freed: %zu device and %zu pinned blocks, %d streams, events or graphs\n",
            now.device.size(), now.pinned.size(), now.alive);
    fflush(nullptr); /* what is still in stdout */
    _exit(1);
}

size_t limit(void)
{
    const char *mib = getenv("SIAM_CUDA_MEMORY");
    return static_cast<size_t>(mib ? strtoull(mib, nullptr, 10) : 1024) << 20;
}

/* Runs what is queued, until `done`. Device memory can be touched meanwhile only. */
template <class Done> void run_queue(cudaStream_t stream, Done done)
{
    if (done())
        return;
    for (auto &[p, n] : now.device)
        SHOW(p, n);
    while (!done()) {
        const work w = std::move(stream->queue.front());
        stream->queue.pop_front();
        w();
    }
    for (auto &[p, n] : now.device)
        HIDE(p, n);
}

bool inside(const std::map<const char *, size_t> &blocks, const void *p, size_t bytes)
{
    const char *at = static_cast<const char *>(p);
    auto after = blocks.upper_bound(at);
    if (after == blocks.begin())
        return false;
    auto &[start, n] = *--after;
    const size_t offset = static_cast<size_t>(at - start);
    return offset <= n && bytes <= n - offset;
}

bool recording(void)
{
    for (cudaStream_t s : now.streams)
        if (s->recording)
            return true;
    return false;
}

cudaError_t take(std::map<const char *, size_t> &blocks, void **p, size_t bytes)
{
    if (recording())
        return cudaErrorStreamCaptureUnsupported;
    *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*p)
        return cudaErrorMemoryAllocation;
    memset(*p, 0xff, bytes);
    blocks[static_cast<char *>(*p)] = bytes;
    return cudaSuccess;
}

cudaError_t give(std::map<const char *, size_t> &blocks, void *p)
{
    if (!p)
        return cudaSuccess;
    auto at = blocks.find(static_cast<char *>(p));
    if (at == blocks.end())
        on_cpu::misuse("free of %p, which is no such block", p);
    for (cudaStream_t s : now.streams)
        cudaStreamSynchronize(s);
    SHOW(p, at->second);
    blocks.erase(at);
    free(p);
    return cudaSuccess;
}

} // namespace

/* ---- device and errors ---------------------------------------------------------------- */

const char *cudaGetErrorString(cudaError_t code)
{
    switch (code) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    }
    return "unknown error";
}

cudaError_t cudaGetLastError(void)
{
    return cudaSuccess; /* every call returns its own */
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

/* SIAM_CUDA_MEMORY=0: a machine without a GPU. */
cudaError_t cudaGetDeviceCount(int *devices)
{
    *devices = limit() > 0;
    return *devices ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    *p = cudaDeviceProp();
    snprintf(p->name, sizeof p->name, "CUDA stand-in on the CPU");
    p->totalGlobalMem = limit();
    p->multiProcessorCount = 1;
    return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------------ */

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    if (bytes > limit() - now.used)
        return cudaErrorMemoryAllocation;
    const cudaError_t code = take(now.device, p, bytes);
    if (code == cudaSuccess) {
        now.used += bytes;
        HIDE(*p, bytes);
    }
    return code;
}

cudaError_t cudaFree(void *p)
{
    if (recording())
        return cudaErrorStreamCaptureUnsupported;
    auto at = now.device.find(static_cast<char *>(p));
    if (at != now.device.end())
        now.used -= at->second;
    return give(now.device, p);
}

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
    return take(now.pinned, p, bytes);
}

cudaError_t cudaFreeHost(void *p)
{
    return give(now.pinned, p);
}

cudaError_t cudaMemGetInfo(size_t *unused, size_t *total)
{
    *total = limit();
    *unused = *total - now.used;
    return cudaSuccess;
}

void on_cpu::check_device(const void *p, size_t bytes, const char *what)
{
    if (p && !inside(now.device, p, bytes))
        misuse("%s is not in device memory", what);
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    if (kind != cudaMemcpyDeviceToHost)
        on_cpu::check_device(dst, bytes, "the target of a copy");
    if (kind != cudaMemcpyHostToDevice)
        on_cpu::check_device(src, bytes, "the source of a copy");
    if (kind == cudaMemcpyHostToDevice && !inside(now.pinned, src, bytes))
        on_cpu::misuse("the source of a copy to the device is not pinned memory");
    return on_cpu::submit(stream, [=] { memmove(dst, src, bytes); });
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    on_cpu::check_device(p, bytes, "the target of a memset");
    return on_cpu::submit(stream, [=] { memset(p, value, bytes); });
}

/* ---- streams and events --------------------------------------------------------------------- */

cudaError_t on_cpu::submit(cudaStream_t stream, work w)
{
    if (stream->recording)
        stream->recorded.push_back(std::move(w));
    else
        stream->queue.push_back(std::move(w));
    return cudaSuccess;
}

cudaError_t on_cpu::launch(const cudaLaunchConfig_t &at, work thread)
{
    const dim3 g = at.gridDim, b = at.blockDim;
    const bool fits = g.x && g.y && g.z && g.x <= 0x7fffffffu && g.y <= 65535 && g.z <= 65535 && b.x && b.y && b.z &&
                      static_cast<uint64_t>(b.x) * b.y * b.z <= 1024 && at.dynamicSmemBytes == 0;
    if (!fits)
        return cudaErrorInvalidConfiguration;
    return submit(at.stream, [=] { run_grid(g, b, thread); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = new on_cpu_stream();
    now.streams.push_back(*stream);
    now.alive++;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    cudaStreamSynchronize(stream);
    for (size_t i = 0; i < now.streams.size(); i++)
        if (now.streams[i] == stream)
            now.streams.erase(now.streams.begin() + static_cast<ptrdiff_t>(i--));
    delete stream;
    now.alive--;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (stream->recording)
        return cudaErrorStreamCaptureUnsupported;
    run_queue(stream, [=] { return stream->queue.empty(); });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new on_cpu_event();
    now.alive++;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    now.alive--;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (stream->recording)
        return cudaErrorStreamCaptureUnsupported;
    event->pending = true;
    event->stream = stream;
    return on_cpu::submit(stream, [event] { event->pending = false; });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    run_queue(event->stream, [=] { return !event->pending; });
    return cudaSuccess;
}

/* ---- graphs ------------------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    if (stream->recording)
        return cudaErrorStreamCaptureUnsupported;
    stream->recording = true;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    if (!stream->recording)
        return cudaErrorInvalidValue;
    stream->recording = false;
    *graph = new on_cpu_graph{std::move(stream->recorded)};
    stream->recorded.clear();
    now.alive++;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new on_cpu_graph(*graph);
    now.alive++;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    for (const work &w : exec->nodes)
        on_cpu::submit(stream, w);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    now.alive--;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    return cudaGraphDestroy(exec);
}
