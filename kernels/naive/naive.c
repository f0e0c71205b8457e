/* The naive filling: its table, and memory on the host. */
#include "kernels/naive/naive.h"

#include <string.h>

static void *host_alloc(kn_backend *be, size_t bytes, kn_error *err)
{
    (void)be;
    return kn_alloc(bytes, 1, err);
}

static void host_dealloc(kn_backend *be, void *p)
{
    (void)be;
    kn_free(p);
}

static void host_copy(kn_backend *be, void *dst, const void *src, size_t bytes)
{
    (void)be;
    if (bytes) /* memcpy of 0 bytes may still not be given NULL */
        memcpy(dst, src, bytes);
}

static void host_fill(kn_backend *be, float *x, float value, size_t n)
{
    (void)be;
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

static void host_run(kn_backend *be, int slot, void (*fn)(void *arg), void *arg)
{
    (void)be, (void)slot;
    fn(arg);
}

static void host_forget(kn_backend *be, int slot)
{
    (void)be, (void)slot;
}

void kn_host_memory(kn_backend *be)
{
    be->host_memory = true;
    be->alloc = host_alloc;
    be->dealloc = host_dealloc;
    be->upload = host_copy;
    be->download = host_copy;
    be->copy = host_copy;
    be->fill = host_fill;
    be->run = host_run;
    be->forget = host_forget;
}

static void naive_close(kn_backend *be)
{
    kn_free(be);
}

static const char *naive_describe(kn_backend *be)
{
    (void)be;
    return "naive: plain loops, one thread";
}

static int naive_sync(kn_backend *be, kn_error *err)
{
    (void)be, (void)err;
    return 0; /* nothing here can fail */
}

kn_backend *kn_backend_naive(kn_error *err)
{
    kn_backend *be = kn_alloc(1, sizeof *be, err);
    if (!be)
        return NULL;
    be->name = "naive";
    be->close = naive_close;
    be->describe = naive_describe;
    be->sync = naive_sync;
    kn_host_memory(be);
    kn_naive_dense(be);
    kn_naive_batchnorm(be);
    kn_naive_bn_pool(be);
    kn_naive_pair(be);
    kn_naive_images(be);
    kn_naive_loss(be);
    return be;
}
