/* Which filling of the op contract runs. */
#include "kernels/backend.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The CUDA filling is a plugin, so that programs run where there is no driver
 * and no cuBLAS. It stands beside this library (or the program that holds it),
 * above it, in ../lib/siam of it, or where SIAM_CUDA_PLUGIN says. */
#define PLUGIN "siam-cuda.so"

typedef kn_backend *(*plugin_open)(kn_error *err);

/* The file that this code is in, to be given to free. dladdr calls a program what
 * its caller called it: without a folder that would mean the working directory. */
static char *own_file(void)
{
    Dl_info here;
    char *file = NULL;
    if (dladdr((const void *)(uintptr_t)&kn_backend_open, &here) && here.dli_fname && strchr(here.dli_fname, '/'))
        file = realpath(here.dli_fname, NULL);
    return file ? file : realpath("/proc/self/exe", NULL);
}

/* Looks in `subfolder` of the folder that `file` is in. True when the plugin is
 * there: *lib is then open, or NULL and dlerror() says why. */
static bool open_beside(const char *file, const char *subfolder, void **lib)
{
    kn_buf path = {0};
    bool there = false;
    int folder = (int)(strrchr(file, '/') - file) + 1; /* of a real path */
    if (!kn_buf_addf(&path, NULL, "%.*s%s%s", folder, file, subfolder, PLUGIN) && !kn_buf_add(&path, "", 1, NULL))
        there = access(path.p, F_OK) == 0;
    if (there)
        *lib = dlopen(path.p, RTLD_NOW | RTLD_LOCAL);
    kn_buf_free(&path);
    return there;
}

kn_backend *kn_backend_cuda(kn_error *err)
{
    static const char *const places[] = {"./", "../", "../lib/siam/", "siam/"};
    const char *named = getenv("SIAM_CUDA_PLUGIN");
    char *file = own_file();
    void *lib = NULL;
    dlerror(); /* forgets what others left */
    if (named && *named)
        lib = dlopen(named, RTLD_NOW | RTLD_LOCAL);
    else
        for (size_t i = 0; file && i < sizeof places / sizeof *places && !open_beside(file, places[i], &lib); i++)
            ;
    free(file);
    if (!lib) {
        const char *why = dlerror();
        kn_fail(err, "CUDA cannot be used: the plugin " PLUGIN " does not load (%s); `make cuda` builds it, and it needs cuBLAS; or use --device cpu",
                why ? why : "not found");
        return NULL;
    }
    plugin_open open;
    void *symbol = dlsym(lib, "siam_cuda_open");
    if (!symbol) {
        kn_fail(err, "CUDA cannot be used: " PLUGIN " is not a plugin of this version of siam");
        dlclose(lib);
        return NULL;
    }
    memcpy(&open, &symbol, sizeof open); /* ISO C has no cast from object to function pointer */
    return open(err); /* the plugin stays loaded: CUDA's own threads may outlive the backend */
}

kn_backend *kn_backend_open(const char *device, kn_pool *pool, kn_error *err)
{
    if (!strcmp(device, "naive"))
        return kn_backend_naive(err);
    if (!strcmp(device, "cuda"))
        return kn_backend_cuda(err);
    if (!strcmp(device, "auto")) {
        kn_backend *gpu = kn_backend_cuda(NULL);
        return gpu ? gpu : kn_backend_cpu(pool, err);
    }
    if (!strcmp(device, "cpu"))
        return kn_backend_cpu(pool, err);
    kn_fail(err, "%s is no device: auto, cpu and cuda are", device);
    return NULL;
}

void kn_backend_close(kn_backend *be)
{
    if (be)
        be->close(be);
}
