/* Stands in for libopenblas.so.0 in tests/test_blas.c: a library that does not
 * know the processor. It chooses Prescott, unless OPENBLAS_CORETYPE names a core
 * and FAKE_OPENBLAS is not "old". */
#include <stdlib.h>
#include <string.h>

static char core[32] = "Prescott";
static int threads_at_start;

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("OPENBLAS_CORETYPE"), *kind = getenv("FAKE_OPENBLAS");
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    threads_at_start = threads ? atoi(threads) : 64;
    if (wanted && !(kind && !strcmp(kind, "old")))
        strncpy(core, wanted, sizeof core - 1);
}

const char *openblas_get_corename(void);
const char *openblas_get_config(void);
void openblas_set_num_threads(int n);
void cblas_sgemm(void);

const char *openblas_get_corename(void)
{
    return core;
}

const char *openblas_get_config(void)
{
    return threads_at_start == 1 ? "OpenBLAS 9.9.9 FAKE" : "OpenBLAS 9.9.9-with-threads FAKE";
}

void openblas_set_num_threads(int n)
{
    (void)n;
}

void cblas_sgemm(void)
{
}
