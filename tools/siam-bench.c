/* siam-bench: how fast each op and each training step runs here, against what
 * this machine itself was measured to reach. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "siamese/siamese.h"
#include "tools/bench.h"
#include "tools/tool.h"

enum { LIMIT_ROWS = 2048, LIMIT_WIDTH = 1024, COPY_ROWS = 1 << 16 };

static int64_t rows = 1024, width = 128;
static const char *what = "all";

static const tool_option options[] = {
    {"rows", 0, OPT_INT, &rows, "N", 64, 1 << 20,
     "rows of the ops' matrices: twice the pairs of a batch, pixels of all images"},
    {"width", 0, OPT_INT, &width, "N", 16, 4096, "channels of the ops' matrices"},
    {"what", 0, OPT_CHOICE, &what, "all|ops|steps", 0, 0, "what to time"},
    {NULL, 0, OPT_FLAG, NULL, NULL, 0, 0, NULL},
};

static const tool description = {
    "siam-bench", "[options]",
    "Times every op of the tensor core and whole training steps, and prints each\n"
    "beside the limits measured here in the same run: the largest matrix-product\n"
    "rate and the memory copy rate. Flops are the plain method's: a convolution that\n"
    "has fewer to do (kernels/cpu/winograd.c) can be over 100 %.",
    TOOL_THREADS | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

typedef struct limits {
    double flops, bytes; /* a second */
} limits;

static void check(int rc, const kn_error *err)
{
    if (rc)
        tool_die(err);
}

static json_t *report; /* rows collected for --json */

static void add_row(const char *section, json_t *row)
{
    json_t *list = json_object_get(report, section);
    if (!list) {
        list = json_array();
        json_object_set_new(report, section, list);
    }
    if (json_array_append_new(list, row))
        tool_dief("out of memory");
}

/* ---- limits and ops --------------------------------------------------------------- */

static limits measure_limits(kn_backend *be)
{
    kn_error err;
    bench_buffers big;
    check(bench_open(&big, be, LIMIT_ROWS, LIMIT_WIDTH, &err), &err);
    double product = bench_time(&big, bench_ops[1].run);
    bench_close(&big);
    check(bench_open(&big, be, COPY_ROWS, 128, &err), &err);
    double copy = bench_time(&big, bench_ops[0].run);
    bench_close(&big);
    return (limits){2.0 * LIMIT_ROWS * LIMIT_WIDTH * LIMIT_WIDTH / product, 2.0 * 4 * COPY_ROWS * 128 / copy};
}

static void time_ops(kn_backend *be, limits top)
{
    kn_error err;
    bench_buffers b;
    check(bench_open(&b, be, (size_t)rows, (size_t)width, &err), &err);
    double n = (double)rows, c = (double)width;
    if (!tool_common.json)
        tool_printf("\n%-18s %10s %9s %9s %8s   rows %lld, width %lld\n", "op", "us", "GFLOP/s", "GB/s", "of limit",
                    (long long)rows, (long long)width);
    for (const bench_op *op = bench_ops; op->name; op++) {
        double t = bench_time(&b, op->run);
        double flops = op->flops ? op->flops(n, c) / t : 0, bytes = 4 * (op->arrays * n * c + op->squares * c * c) / t;
        double share = op->flops ? flops / top.flops : bytes / top.bytes;
        if (tool_common.json)
            add_row("ops", json_pack("{s:s,s:f,s:f,s:f,s:f}", "op", op->name, "seconds", t, "flops", flops, "bytes",
                                     bytes, "of_limit", share));
        else
            tool_printf("%-18s %10.1f %9.1f %9.1f %7.0f%%\n", op->name, t * 1e6, flops / 1e9, bytes / 1e9, share * 100);
    }
    check(be->sync(be, &err), &err);
    bench_close(&b);
}

/* ---- training steps ---------------------------------------------------------------- */

static void print_steps(const char *net, const char *input, int batch, const char *unit, double rate, double flops,
                        limits top)
{
    char key[32];
    snprintf(key, sizeof key, "%s_per_second", unit);
    if (tool_common.json)
        add_row("steps", json_pack("{s:s,s:s,s:i,s:f,s:f,s:f}", "arch", net, "input", input, "batch", batch, key, rate,
                                   "flops", rate * flops, "of_limit", rate * flops / top.flops));
    else
        tool_printf("%-18s %9s %7d %8.0f %-8s %7.1f %7.0f%%\n", net, input, batch, rate, unit, rate * flops / 1e9,
                    100 * rate * flops / top.flops);
}

static void time_pairs(kn_backend *be, limits top, const char *arch, size_t input)
{
    static const int batches[] = {128, 512, 4096};
    char numbers[32];
    snprintf(numbers, sizeof numbers, "%zu", input);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        double flops, rate = bench_pairs(be, arch, input, batches[i], &flops);
        print_steps(arch, numbers, batches[i], "pairs", rate, flops, top);
    }
}

static void time_images(kn_backend *be, limits top)
{
    static const struct {
        const char *arch, *input;
        sm_shape shape;
        size_t classes;
        int batch;
    } nets[] = {{"mnist-net", "28x28x1", {28, 28, 1}, 10, 128}, {"conv4", "28x28x1", {28, 28, 1}, 10, 128},
                {"tiny-darknet", "128x128x3", {128, 128, 3}, 0, 32}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        double flops, rate = bench_images(be, nets[i].arch, nets[i].shape, nets[i].classes, nets[i].batch, &flops);
        print_steps(nets[i].arch, nets[i].input, nets[i].batch, "images", rate, flops, top);
    }
}

int main(int argc, char **argv)
{
    int n;
    tool_start(&description, argc, argv, &n);
    kn_backend *be = tool_backend();
    report = json_object();
    limits top = measure_limits(be);
    if (tool_common.json)
        json_object_update_new(report, json_pack("{s:s,s:s,s:s,s:f,s:f}", "version", SIAM_VERSION, "device",
                                                 be->describe(be), "blas", kn_blas_describe(), "limit_flops", top.flops,
                                                 "limit_bytes", top.bytes));
    else
        tool_printf("device  %s\nBLAS    %s\nlimits  %.1f GFLOP/s (product %dx%dx%d), %.1f GB/s (copy of %d MiB)\n",
                    be->describe(be), kn_blas_describe(), top.flops / 1e9, LIMIT_ROWS, LIMIT_WIDTH, LIMIT_WIDTH,
                    top.bytes / 1e9, COPY_ROWS * 128 * 4 >> 20);
    if (strcmp(what, "steps"))
        time_ops(be, top);
    if (strcmp(what, "ops")) {
        if (!tool_common.json)
            tool_printf("\n%-18s %9s %7s %17s %7s %8s\n", "training", "input", "batch", "a second", "GFLOP/s", "of limit");
        time_pairs(be, top, "seed", 100);
        time_pairs(be, top, "wide", 300);
        time_images(be, top);
    }
    if (tool_common.json) {
        char *text = json_dumps(report, JSON_INDENT(1));
        if (!text)
            tool_dief("out of memory");
        tool_printf("%s\n", text);
        free(text);
    }
    json_decref(report);
    return tool_finish();
}
