/* siam-bench: how fast each op and each training step runs here, against what
 * this machine itself was measured to reach. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "siamese/siamese.h"
#include "tools/bench.h"
#include "tools/tool.h"

enum { LIMIT_ROWS = 2048, LIMIT_WIDTH = 1024, COPY_ROWS = 1 << 16, STEP_PAIRS = 1 << 15 };

static int64_t rows = 1024, width = 128;
static const char *what = "all";

static const tool_option options[] = {
    {"rows", 0, OPT_INT, &rows, "N", 2, 1 << 20, "rows of the ops' matrices: twice the pairs of a batch"},
    {"width", 0, OPT_INT, &width, "N", 16, 4096, "channels of the ops' matrices"},
    {"what", 0, OPT_CHOICE, &what, "all|ops|steps", 0, 0, "what to time"},
    {NULL, 0, OPT_FLAG, NULL, NULL, 0, 0, NULL},
};

static const tool description = {
    "siam-bench", "[options]",
    "Times every op of the tensor core and whole training steps, and prints each\n"
    "beside the limits measured here in the same run: the largest matrix-product\n"
    "rate and the memory copy rate.",
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

/* Forward is 2 I O a row for each linear layer; backward twice that, but for the
 * first, whose input needs no gradient. A pair is two rows. */
static double flops_per_pair(const char *arch, size_t input)
{
    kn_error err;
    char *text = sm_arch_text(arch, 0, &err);
    sm_graph *g = text ? sm_graph_parse(text, input, &err) : NULL;
    double sum = 0;
    if (!g)
        tool_die(&err);
    for (int i = 0; i < g->nodes; i++) {
        const sm_node *node = &g->node[i];
        if (node->op == SM_LINEAR)
            sum += 2.0 * 2.0 * (double)g->node[node->in[0]].width * (double)node->width * (node->in[0] == 0 ? 2 : 3);
    }
    sm_graph_free(g);
    kn_free(text);
    return sum;
}

static void keep_rate(void *arg, const sm_epoch *e)
{
    double *best = arg;
    if (e->rate > *best)
        *best = e->rate;
}

static sm_pairs random_pairs(size_t pairs, size_t dim)
{
    kn_error err;
    float *x = kn_alloc(2 * pairs * dim, sizeof *x, &err), *label = x ? kn_alloc(pairs, sizeof *label, &err) : NULL;
    uint32_t *q = label ? kn_alloc(2 * pairs, sizeof *q, &err) : NULL;
    if (!q)
        tool_die(&err);
    kn_rng r = kn_rng_new(1, KN_STREAM_INIT, 0);
    for (size_t i = 0; i < 2 * pairs * dim; i++)
        x[i] = kn_rng_uniform(&r, -1, 1);
    for (size_t i = 0; i < pairs; i++) {
        q[i] = (uint32_t)i;
        q[pairs + i] = (uint32_t)(pairs + i);
        label[i] = (float)(i & 1);
    }
    return (sm_pairs){.pairs = pairs, .rows = 2 * pairs, .dim = dim, .x = x, .q1 = q, .q2 = q + pairs, .label = label,
                      .digest = ""};
}

static void time_steps(kn_backend *be, limits top, const char *arch, size_t input)
{
    static const int batches[] = {128, 512, 4096};
    sm_pairs p = random_pairs(STEP_PAIRS, input), dev = p;
    double flops = flops_per_pair(arch, input);
    dev.pairs = 256;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        kn_error err;
        double rate = 0;
        sm_train_options o = sm_train_defaults();
        sm_train_control control = {.epoch = keep_rate, .arg = &rate};
        o.arch = arch;
        o.batch = batches[i];
        o.epochs = 5;
        o.patience = 0;
        sm_model *m = sm_train(&p, &dev, &o, &control, be, &err);
        if (!m)
            tool_die(&err);
        sm_model_free(m);
        if (tool_common.json)
            add_row("steps", json_pack("{s:s,s:I,s:i,s:f,s:f,s:f}", "arch", arch, "input", (json_int_t)input, "batch",
                                       batches[i], "pairs_per_second", rate, "flops", rate * flops, "of_limit",
                                       rate * flops / top.flops));
        else
            tool_printf("%-18s %7zu %7d %12.0f %9.1f %7.0f%%\n", arch, input, batches[i], rate, rate * flops / 1e9,
                        100 * rate * flops / top.flops);
    }
    kn_free((void *)(uintptr_t)p.x);
    kn_free((void *)(uintptr_t)p.q1);
    kn_free((void *)(uintptr_t)p.label);
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
            tool_printf("\n%-18s %7s %7s %12s %9s %8s\n", "training", "input", "batch", "pairs/s", "GFLOP/s", "of limit");
        time_steps(be, top, "seed", 100);
        time_steps(be, top, "wide", 300);
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
