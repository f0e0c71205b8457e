/* The cpu filling: its table, its scratch memory, its choice of instructions. */
#include "kernels/cpu/cpu.h"

#include <stdio.h>

#include "kernels/naive/naive.h"

float *kn_cpu_scratch(kn_cpu *cpu, size_t floats)
{
    if (cpu->failed)
        return NULL;
    if (!cpu->scratch || floats > cpu->scratch_floats) {
        float *more = kn_alloc(floats, sizeof *more, &cpu->error);
        if (!more) {
            cpu->failed = true;
            return NULL;
        }
        kn_free(cpu->scratch);
        cpu->scratch = more;
        cpu->scratch_floats = floats;
    }
    return cpu->scratch;
}

static int cpu_sync(kn_backend *be, kn_error *err)
{
    kn_cpu *cpu = kn_cpu_of(be);
    if (!cpu->failed)
        return 0;
    cpu->failed = false;
    return kn_fail(err, "%s", cpu->error.text);
}

static const char *cpu_describe(kn_backend *be)
{
    kn_cpu *cpu = kn_cpu_of(be);
    int threads = kn_pool_threads(cpu->pool);
    snprintf(cpu->description, sizeof cpu->description, "cpu: %d thread%s, %s; %s", threads, threads == 1 ? "" : "s",
             cpu->simd->name, kn_blas_describe());
    return cpu->description;
}

static void cpu_close(kn_backend *be)
{
    kn_cpu *cpu = kn_cpu_of(be);
    kn_free(cpu->scratch);
    kn_free(cpu);
}

kn_backend *kn_backend_cpu(kn_pool *pool, kn_error *err)
{
    kn_cpu *cpu = kn_alloc(1, sizeof *cpu, err);
    if (!cpu)
        return NULL;
    cpu->pool = pool;
    cpu->simd = kn_simd_choose();
    kn_backend *be = &cpu->be;
    be->name = "cpu";
    be->state = cpu;
    be->close = cpu_close;
    be->describe = cpu_describe;
    be->sync = cpu_sync;
    kn_host_memory(be);
    kn_cpu_gemm(be);
    kn_cpu_rows(be);
    kn_cpu_batchnorm(be);
    kn_cpu_bn_pool(be);
    kn_cpu_pair(be);
    kn_cpu_bn_pair(be);
    kn_cpu_loss(be);
    kn_cpu_nearest(be);
    kn_cpu_optim(be);
    kn_cpu_pool2d(be);
    kn_cpu_conv(be);
    return be;
}
