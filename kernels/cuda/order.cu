/* Memory, the order of work, and recorded steps. */
#include "kernels/cuda/gpu.cuh"

#include <cstring>

/* ---- memory ------------------------------------------------------------------------ */

static void *gpu_alloc(kn_backend *be, size_t bytes, kn_error *err)
{
    gpu *g = gpu_of(be);
    void *p = NULL;
    cudaError_t code = cudaMalloc(&p, bytes ? bytes : 1);
    if (code == cudaErrorMemoryAllocation) {
        size_t unused = 0, total = 0;
        cudaMemGetInfo(&unused, &total);
        cudaGetLastError(); /* memory being out is no lasting state of the device */
        kn_fail(err,
                "the GPU is out of memory: %.1f MiB were asked for, %.1f of %.1f MiB are free (%s); "
                "use a smaller --batch, or --device cpu",
                static_cast<double>(bytes) / (1 << 20), static_cast<double>(unused) / (1 << 20),
                static_cast<double>(total) / (1 << 20), g->about);
        return NULL;
    }
    if (code != cudaSuccess) {
        kn_fail(err, "CUDA: cudaMalloc of %zu bytes: %s", bytes, cudaGetErrorString(code));
        return NULL;
    }
    GPU_TRY(g, cudaMemsetAsync(p, 0, bytes ? bytes : 1, g->stream));
    return p;
}

static void gpu_dealloc(kn_backend *be, void *p)
{
    gpu *g = gpu_of(be);
    gpu_note(g, cudaFree(p), "cudaFree"); /* waits for the work that uses p; also after a failure */
}

void *gpu_scratch(gpu *g, size_t bytes)
{
    if (g->failed)
        return NULL;
    if (g->scratches && bytes <= g->scratch_bytes)
        return g->scratch[g->scratches - 1];
    if (g->recording) {
        gpu_fail(g, "a recorded step asked for more scratch than its first run");
        return NULL;
    }
    size_t size = g->scratches ? 2 * g->scratch_bytes : static_cast<size_t>(1) << 20;
    if (size < bytes)
        size = bytes;
    kn_error why;
    void *p = gpu_alloc(&g->ops, size, &why);
    if (!p) {
        gpu_fail(g, "%s", why.text);
        return NULL;
    }
    g->scratch[g->scratches++] = p;
    g->scratch_bytes = size;
    return p;
}

/* Through pinned memory, so that the device fetches the bytes by itself while
 * the host goes on. A piece of the ring is free again once its copy is done. */
static void gpu_upload(kn_backend *be, void *dst, const void *src, size_t bytes)
{
    gpu *g = gpu_of(be);
    if (g->recording)
        gpu_fail(g, "upload inside a recorded step: a replay would not read the source again");
    for (size_t at = 0; at < bytes && !g->failed; at += GPU_RING_BYTES) {
        unsigned i = g->ring_next;
        g->ring_next = (i + 1) % GPU_RING;
        char *piece = g->ring + static_cast<size_t>(i) * GPU_RING_BYTES;
        size_t n = bytes - at < GPU_RING_BYTES ? bytes - at : static_cast<size_t>(GPU_RING_BYTES);
        if (!GPU_TRY(g, cudaEventSynchronize(g->ring_free[i])))
            return;
        memcpy(piece, static_cast<const char *>(src) + at, n);
        GPU_TRY(g, cudaMemcpyAsync(static_cast<char *>(dst) + at, piece, n, cudaMemcpyHostToDevice, g->stream));
        GPU_TRY(g, cudaEventRecord(g->ring_free[i], g->stream));
    }
}

static void gpu_download(kn_backend *be, void *dst, const void *src, size_t bytes)
{
    gpu *g = gpu_of(be);
    if (bytes)
        GPU_TRY(g, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, g->stream));
    GPU_TRY(g, cudaStreamSynchronize(g->stream));
}

static void gpu_copy(kn_backend *be, void *dst, const void *src, size_t bytes)
{
    gpu *g = gpu_of(be);
    if (bytes)
        GPU_TRY(g, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, g->stream));
}

static __global__ void set_all(float *x, float value, size_t n)
{
    for (size_t i = gpu_first(); i < n; i += gpu_stride())
        x[i] = value;
}

static void fill(kn_backend *be, float *x, float value, size_t n)
{
    if (n)
        GPU_LAUNCH(gpu_of(be), set_all, gpu_blocks(n), GPU_THREADS, x, value, n);
}

/* ---- order -------------------------------------------------------------------------- */

static int gpu_sync(kn_backend *be, kn_error *err)
{
    gpu *g = gpu_of(be);
    gpu_note(g, cudaStreamSynchronize(g->stream), "cudaStreamSynchronize"); /* also after a failure */
    if (!g->failed)
        return 0;
    if (err)
        *err = g->first;
    g->failed = false;
    return -1;
}

static void forget(kn_backend *be, int slot)
{
    gpu *g = gpu_of(be);
    if (slot < 0 || slot >= GPU_SLOTS)
        return;
    if (g->slot[slot].exec)
        gpu_note(g, cudaGraphExecDestroy(g->slot[slot].exec), "cudaGraphExecDestroy");
    g->slot[slot] = gpu_record();
}

/* fn's calls become a graph instead of running. */
static void record(gpu *g, gpu_record *r, void (*fn)(void *arg), void *arg)
{
    cudaGraph_t graph = NULL;
    if (!GPU_TRY(g, cudaStreamBeginCapture(g->stream, cudaStreamCaptureModeThreadLocal)))
        return;
    g->recording = true;
    fn(arg);
    g->recording = false;
    gpu_note(g, cudaStreamEndCapture(g->stream, &graph), "cudaStreamEndCapture"); /* also after a failure */
    GPU_TRY(g, cudaGraphInstantiateWithFlags(&r->exec, graph, 0));
    if (graph)
        gpu_note(g, cudaGraphDestroy(graph), "cudaGraphDestroy");
}

/* The first call runs plainly: it loads the kernels, lets cuBLAS choose, and
 * grows scratch, none of which may happen while a graph is recorded. The second
 * records; from then on a step is one launch. */
static void gpu_run(kn_backend *be, int slot, void (*fn)(void *arg), void *arg)
{
    gpu *g = gpu_of(be);
    if (slot < 0 || slot >= GPU_SLOTS) {
        gpu_fail(g, "run: slot %d is not one of 0..%d", slot, GPU_SLOTS - 1);
        return;
    }
    gpu_record *r = &g->slot[slot];
    if (!r->warm) {
        fn(arg);
        r->warm = !g->failed;
        return;
    }
    if (!r->exec)
        record(g, r, fn, arg);
    if (r->exec)
        GPU_TRY(g, cudaGraphLaunch(r->exec, g->stream));
}

void gpu_fill_order(kn_backend *be)
{
    be->alloc = gpu_alloc;
    be->dealloc = gpu_dealloc;
    be->upload = gpu_upload;
    be->download = gpu_download;
    be->copy = gpu_copy;
    be->fill = fill;
    be->sync = gpu_sync;
    be->run = gpu_run;
    be->forget = forget;
}
