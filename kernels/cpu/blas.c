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
 * afterwards, so children do not inherit them. */
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

/* Sets a variable, or removes it when value is NULL. */
static void put(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static bool open_with(blas *b, const char *core)
{
    const char *threads_now = getenv("OPENBLAS_NUM_THREADS");
    char *threads = threads_now ? strdup(threads_now) : NULL;
    put("OPENBLAS_NUM_THREADS", "1");
    if (core)
        put("OPENBLAS_CORETYPE", core);
    *b = (blas){.lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL)};
    put("OPENBLAS_NUM_THREADS", threads);
    if (core)
        put("OPENBLAS_CORETYPE", NULL);
    free(threads);
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

/* "OpenBLAS 0.3.21" of the configuration line. */
static int name_length(const char *config)
{
    const char *space = strchr(config, ' ');
    return space ? (int)(space - config + 1 + (ptrdiff_t)strcspn(space + 1, " ")) : (int)strlen(config);
}

static void load_once(void)
{
    if (!open_with(&the.lib, NULL)) {
        snprintf(the.text, sizeof the.text, "no OpenBLAS (libopenblas.so.0 does not load): siam's own matrix product");
        return;
    }
    char own[64];
    snprintf(own, sizeof own, "%s", the.lib.core());
    const char *user = getenv("OPENBLAS_CORETYPE"), *wanted = kn_blas_core(kn_this_processor(), own, user);
    if (wanted) {
        dlclose(the.lib.lib);
        if (!open_with(&the.lib, wanted) && !open_with(&the.lib, NULL))
            return; /* it loaded a moment ago */
    }
    const char *why = user && *user ? " (OPENBLAS_CORETYPE is set)" : !wanted ? " (its own choice)" : NULL;
    char chosen[160];
    if (!why && !strcasecmp(the.lib.core(), wanted))
        snprintf(chosen, sizeof chosen, " (chosen by siam: its own choice was %s)", own);
    else if (!why)
        snprintf(chosen, sizeof chosen, " (siam asked for %s, which it does not have)", wanted);
    const char *config = the.lib.config();
    snprintf(the.text, sizeof the.text, "%.*s, %s kernels%s", name_length(config), config, the.lib.core(),
             why ? why : chosen);
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
