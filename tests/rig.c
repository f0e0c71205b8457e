#include "tests/rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/cpu.h"

/* Floats of a guard zone: a whole number of cache lines, wider than any vector. */
enum { GUARD = 64 };
static const float guard_value = -7.0e33f;

rig rig_new(kn_backend *be, uint64_t seed)
{
    return (rig){.be = be, .rng = kn_rng_new(seed, KN_STREAM_INIT, 77), .tol = 1e-5};
}

/* Takes start over. */
static float *deal(rig *r, float *start, size_t n, bool out)
{
    kn_error err;
    size_t bytes = (n + 2 * GUARD) * sizeof(float);
    float *block = malloc(bytes);
    assert_true(r->args < RIG_ARGS);
    assert_non_null(block);
    for (size_t i = 0; i < n + 2 * GUARD; i++)
        block[i] = guard_value;
    if (n)
        memcpy(block + GUARD, start, n * sizeof *start);
    char *device = r->be->alloc(r->be, bytes, &err);
    assert_non_null(device);
    r->be->upload(r->be, device, block, bytes);
    free(block);
    r->arg[r->args].device = device;
    r->arg[r->args].start = start;
    r->arg[r->args].n = n;
    r->arg[r->args++].out = out;
    return (float *)(void *)device + GUARD;
}

static float *numbers(size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    return x;
}

static float *drawn(rig *r, size_t n, float lo, float hi)
{
    float *x = numbers(n);
    for (size_t i = 0; i < n; i++)
        x[i] = kn_rng_uniform(&r->rng, lo, hi);
    return x;
}

float *rig_in(rig *r, size_t n, float lo, float hi)
{
    return deal(r, drawn(r, n, lo, hi), n, false);
}

float *rig_values(rig *r, const void *values, size_t n)
{
    float *x = numbers(n);
    if (n)
        memcpy(x, values, n * sizeof *x);
    return deal(r, x, n, false);
}

float *rig_out(rig *r, size_t n)
{
    float *x = numbers(n);
    for (size_t i = 0; i < n; i++)
        x[i] = NAN;
    return deal(r, x, n, true);
}

float *rig_room(rig *r, size_t n)
{
    float *device = rig_out(r, n);
    r->arg[r->args - 1].out = false;
    r->arg[r->args - 1].room = true;
    return device;
}

uint32_t *rig_out_words(rig *r, size_t n)
{
    float *device = rig_out(r, n);
    r->arg[r->args - 1].words = true;
    return (uint32_t *)(void *)device;
}

float *rig_inout(rig *r, size_t n, float lo, float hi)
{
    return deal(r, drawn(r, n, lo, hi), n, true);
}

float *rig_out_values(rig *r, const float *values, size_t n)
{
    float *device = rig_values(r, values, n);
    r->arg[r->args - 1].out = true;
    return device;
}

static void check_arg(const rig *r, int i, const float *block, const char *what)
{
    size_t n = r->arg[i].n;
    for (size_t g = 0; g < GUARD; g++)
        if (memcmp(&block[g], &guard_value, sizeof guard_value) ||
            memcmp(&block[GUARD + n + g], &guard_value, sizeof guard_value))
            fail_msg("%s on %s: argument %d of %zu was written outside its bounds", what, r->be->name, i, n);
    if (!r->arg[i].out && !r->arg[i].room && n && memcmp(r->arg[i].host, r->arg[i].start, n * sizeof(float)))
        fail_msg("%s on %s: argument %d is const and was written", what, r->be->name, i);
    for (size_t k = 0; r->arg[i].out && !r->arg[i].words && k < n; k++)
        if (r->arg[i].infinite ? isnan(r->arg[i].host[k]) : !isfinite(r->arg[i].host[k]))
            fail_msg("%s on %s: argument %d [%zu of %zu] is %f", what, r->be->name, i, k, n, (double)r->arg[i].host[k]);
}

void rig_finish(rig *r, const char *what)
{
    kn_error err;
    if (r->be->sync(r->be, &err))
        fail_msg("%s on %s: %s", what, r->be->name, err.text);
    for (int i = 0; i < r->args; i++) {
        size_t n = r->arg[i].n;
        float *block = numbers(n + 2 * GUARD);
        r->be->download(r->be, block, r->arg[i].device, (n + 2 * GUARD) * sizeof *block);
        r->arg[i].host = numbers(n);
        if (n)
            memcpy(r->arg[i].host, block + GUARD, n * sizeof *block);
        check_arg(r, i, block, what);
        free(block);
        r->be->dealloc(r->be, r->arg[i].device);
    }
}

void rig_compare(const rig *got, const rig *want, bool exact, const char *what)
{
    assert_int_equal(got->args, want->args);
    for (int i = 0; i < got->args; i++)
        for (size_t k = 0; got->arg[i].out && k < got->arg[i].n; k++) {
            double g = (double)got->arg[i].host[k], w = (double)want->arg[i].host[k];
            bool same = exact || got->arg[i].words
                            ? !memcmp(&got->arg[i].host[k], &want->arg[i].host[k], sizeof(float))
                            : g == w || fabs(g - w) <= want->tol * (1 + fabs(w));
            if (!same)
                fail_msg("%s on %s: argument %d [%zu of %zu] is %.9g, not %.9g", what, got->be->name, i, k,
                         got->arg[i].n, g, w);
        }
}

void rig_free(rig *r)
{
    for (int i = 0; i < r->args; i++) {
        free(r->arg[i].host);
        free(r->arg[i].start);
    }
}

float *rig_device(kn_backend *be, const void *from, size_t bytes)
{
    kn_error err;
    float *p = be->alloc(be, bytes, &err);
    assert_non_null(p);
    if (from)
        be->upload(be, p, from, bytes);
    return p;
}

/* ---- fillings -------------------------------------------------------------------- */

static filling fillings[RIG_FILLINGS];
static int filled;
static kn_pool *two_threads;

static void close_all(void)
{
    for (int i = 0; i < filled; i++)
        kn_backend_close(fillings[i].be);
    kn_pool_free(two_threads);
}

static void add_filling(const char *name, kn_backend *be)
{
    assert_non_null(be);
    assert_true(filled < RIG_FILLINGS);
    fillings[filled++] = (filling){name, be};
    print_message("# %s: %s\n", name, be->describe(be));
}

static void add_cpu(const char *name, const kn_simd *simd, bool own_products)
{
    kn_backend *be = kn_backend_cpu(two_threads, NULL);
    assert_non_null(be);
    kn_cpu_of(be)->simd = simd;
    kn_cpu_of(be)->own_products = own_products;
    add_filling(name, be);
}

extern const kn_simd kn_simd_base;
#ifdef __x86_64__
extern const kn_simd kn_simd_avx2, kn_simd_avx512, kn_simd_avx2x16;
#endif

static void add_cpus(void)
{
    add_cpu("cpu base", &kn_simd_base, true);
#ifdef __x86_64__
    kn_level level = kn_this_processor().level;
    if (level >= KN_LEVEL_AVX2) {
        add_cpu("cpu avx2", &kn_simd_avx2, false);
        add_cpu("cpu avx2x16", &kn_simd_avx2x16, true);
    }
    if (level >= KN_LEVEL_AVX512)
        add_cpu("cpu avx512", &kn_simd_avx512, false);
#endif
}

const filling *rig_fillings(int *count)
{
    if (!filled) {
        kn_error err;
        const char *plugin = getenv("SIAM_CUDA_PLUGIN");
        two_threads = kn_pool_new(2, NULL);
        atexit(close_all);
        add_filling("naive", kn_backend_naive(NULL));
        add_cpus();
        kn_backend *cuda = kn_backend_cuda(&err);
        if (cuda)
            add_filling("cuda", cuda);
        else if (plugin && *plugin)
            fail_msg("%s", err.text); /* asked for, so it must be there */
        else
            print_message("# cuda is not tested here: %s\n", err.text);
    }
    *count = filled;
    return fillings;
}

kn_backend *rig_naive(void)
{
    int count;
    return rig_fillings(&count)[0].be;
}

void rig_each(void (*test)(kn_backend *be))
{
    int count;
    const filling *f = rig_fillings(&count);
    for (int i = 0; i < count; i++)
        test(f[i].be);
}

kn_backend *rig_cpu(int threads, kn_pool **pool)
{
    *pool = kn_pool_new(threads, NULL);
    assert_non_null(*pool);
    kn_backend *be = kn_backend_cpu(*pool, NULL);
    assert_non_null(be);
    return be;
}
