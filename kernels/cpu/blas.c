/* OpenBLAS, opened at run time, made to use the kernels the processor can run.
 *
 * OpenBLAS chooses its kernels when it is loaded, by a list of processor models.
 * One that is newer than the list gets the oldest kernels: 0.3.21 (Debian 12)
 * runs "Prescott" (SSE3) on an AVX-512 Xeon of 2023, at a fifth of the speed. So
 * its choice is compared with what cpuid says; when it is below, the library is
 * loaded again with OPENBLAS_CORETYPE set. A choice that is good enough is left
 * alone: a newer library may know better. OPENBLAS_CORETYPE of the user wins.
 *
 * OPENBLAS_NUM_THREADS is 1 while it loads, or it would start a thread for each
 * processor: the threads here are kn_parallel's. Both variables are as before
 * afterwards, so children do not inherit them. (OPENBLAS_L2_SIZE is left alone:
 * the blocking of the AVX2 and AVX-512 kernels does not depend on it.) */
#include "kernels/cpu/cpu.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

static kn_level this_level(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return KN_LEVEL_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return KN_LEVEL_AVX2;
    return __builtin_cpu_supports("avx") ? KN_LEVEL_AVX : KN_LEVEL_SSE;
}

kn_processor kn_this_processor(void)
{
    unsigned eax, ebx, ecx, edx;
    bool amd = __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx;
    return (kn_processor){this_level(), amd};
}

#else

kn_processor kn_this_processor(void)
{
    return (kn_processor){KN_LEVEL_SSE, false}; /* no claim: OpenBLAS's own choice stands */
}

#endif

/* Of the names that openblas_get_corename() returns on x86-64. */
static kn_level level_of_core(const char *core)
{
    static const struct {
        const char *core;
        kn_level level;
    } known[] = {
        {"SkylakeX", KN_LEVEL_AVX512}, {"Cooperlake", KN_LEVEL_AVX512}, {"SapphireRapids", KN_LEVEL_AVX512},
        {"Haswell", KN_LEVEL_AVX2},    {"Zen", KN_LEVEL_AVX2},          {"Sandybridge", KN_LEVEL_AVX},
        {"Bulldozer", KN_LEVEL_AVX},   {"Piledriver", KN_LEVEL_AVX},    {"Steamroller", KN_LEVEL_AVX},
        {"Excavator", KN_LEVEL_AVX},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(core, known[i].core))
            return known[i].level;
    return KN_LEVEL_SSE;
}

const char *kn_blas_core(kn_processor p, const char *core, const char *user)
{
    /* AMD's processors gain little from 512-bit kernels, and newer libraries
     * choose 256-bit ones for them on purpose. */
    kn_level enough = p.amd && p.level > KN_LEVEL_AVX2 ? KN_LEVEL_AVX2 : p.level;
    if ((user && *user) || p.level < KN_LEVEL_AVX2 || level_of_core(core) >= enough)
        return NULL;
    return p.level == KN_LEVEL_AVX512 ? "SkylakeX" : p.amd ? "Zen" : "Haswell";
}

/* ---- loading ------------------------------------------------------------------ */

typedef struct blas {
    void *lib;
    kn_sgemm sgemm;
    const char *(*core)(void);
    const char *(*config)(void);
    void (*threads)(int);
} blas;

/* ISO C has no cast from an object's address to a function's. */
static bool find(void *lib, const char *name, void *function)
{
    void *symbol = dlsym(lib, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol;
}

/* Sets a variable, or removes it when value is NULL; returns what it was, to be
 * freed. */
static char *exchange(const char *name, const char *value)
{
    const char *now = getenv(name);
    char *before = now ? strdup(now) : NULL;
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    return before;
}

static void put_back(const char *name, char *before)
{
    free(exchange(name, before));
    free(before);
}

static void *open_for(const char *core)
{
    char *threads = exchange("OPENBLAS_NUM_THREADS", "1");
    char *user_core = core ? exchange("OPENBLAS_CORETYPE", core) : NULL;
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (core)
        put_back("OPENBLAS_CORETYPE", user_core);
    put_back("OPENBLAS_NUM_THREADS", threads);
    return lib;
}

static bool load(blas *b, const char *core)
{
    *b = (blas){.lib = open_for(core)};
    if (!b->lib)
        return false;
    if (find(b->lib, "cblas_sgemm", &b->sgemm) && find(b->lib, "openblas_get_corename", &b->core) &&
        find(b->lib, "openblas_get_config", &b->config) && find(b->lib, "openblas_set_num_threads", &b->threads)) {
        b->threads(1);
        return true;
    }
    dlclose(b->lib);
    *b = (blas){0};
    return false;
}

static struct {
    pthread_once_t once;
    blas lib;
    char text[256];
} the = {.once = PTHREAD_ONCE_INIT};

/* own: the core it chose by itself; wanted: the one siam asked for, or NULL. */
static void write_text(const char *own, const char *wanted, const char *user)
{
    const char *config = the.lib.config(), *core = the.lib.core(); /* "OpenBLAS 0.3.21 NO_LAPACKE ..." */
    size_t name = strcspn(config, " "), version = config[name] ? 1 + strcspn(config + name + 1, " ") : 0;
    int length = (int)(name + version);
    if (user && *user)
        snprintf(the.text, sizeof the.text, "%.*s, %s kernels (OPENBLAS_CORETYPE is set)", length, config, core);
    else if (!wanted)
        snprintf(the.text, sizeof the.text, "%.*s, %s kernels (its own choice)", length, config, core);
    else if (!strcasecmp(core, wanted))
        snprintf(the.text, sizeof the.text, "%.*s, %s kernels (chosen by siam: its own choice was %s)", length, config,
                 core, own);
    else
        snprintf(the.text, sizeof the.text, "%.*s, %s kernels (siam asked for %s, which it does not have)", length,
                 config, core, wanted);
}

static void load_once(void)
{
    snprintf(the.text, sizeof the.text, "no OpenBLAS (libopenblas.so.0 does not load): siam's own matrix product");
    if (!load(&the.lib, NULL))
        return;
    char own[64];
    snprintf(own, sizeof own, "%s", the.lib.core());
    const char *user = getenv("OPENBLAS_CORETYPE"), *wanted = kn_blas_core(kn_this_processor(), own, user);
    if (wanted) {
        dlclose(the.lib.lib);
        if (!load(&the.lib, wanted))
            return;
    }
    write_text(own, wanted, user);
}

kn_sgemm kn_blas_sgemm(void)
{
    pthread_once(&the.once, load_once);
    return the.lib.sgemm;
}

const char *kn_blas_describe(void)
{
    pthread_once(&the.once, load_once);
    return the.text;
}
