/* Whole training steps, timed. */
#include "siamese/image_model.h"
#include "tools/bench.h"
#include "tools/tool.h"

enum { PAIRS = 1 << 15, IMAGES = 2048 /* of 28x28; fewer when larger */ };

/* Forward is 2 multiply-adds' worth for each weight at each place; backward twice
 * that, but for the first op, whose input needs no gradient. */
static double flops_of_row(const char *text, size_t input)
{
    kn_error err;
    sm_graph *g = sm_graph_parse(text, input, &err);
    double sum = 0;
    if (!g)
        tool_die(&err);
    for (int i = 1; i < g->nodes; i++) {
        const sm_node *d = &g->node[i];
        const kn_window *w = &d->window;
        double inputs = d->op == SM_LINEAR ? (double)g->node[d->in[0]].width
                        : d->op == SM_CONV ? (double)(w->KH * w->KW * w->C) : 0;
        sum += 2 * inputs * (double)d->width * (d->in[0] == 0 ? 2 : 3);
    }
    sm_graph_free(g);
    return sum;
}

static void keep_rate(void *arg, const sm_epoch *e)
{
    double *best = arg;
    if (e->rate > *best)
        *best = e->rate;
}

double bench_pairs(kn_backend *be, const char *arch, size_t input, int batch, double *flops)
{
    kn_error err;
    double rate = 0;
    float *x = tool_alloc(2 * PAIRS * input, sizeof *x), *label = tool_alloc(PAIRS, sizeof *label);
    uint32_t *q = tool_alloc(2 * PAIRS, sizeof *q);
    kn_rng r = kn_rng_new(1, KN_STREAM_INIT, 0);
    for (size_t i = 0; i < 2 * PAIRS * input; i++)
        x[i] = kn_rng_uniform(&r, -1, 1);
    for (uint32_t i = 0; i < 2 * PAIRS; i++)
        q[i] = i;
    for (size_t i = 0; i < PAIRS; i++)
        label[i] = (float)(i & 1);
    const sm_pairs p = {.pairs = PAIRS, .rows = 2 * PAIRS, .dim = input, .x = x, .q1 = q, .q2 = q + PAIRS,
                        .label = label};
    char *text = sm_arch_text(arch, 0, &err);
    if (!text)
        tool_die(&err);
    *flops = 2 * flops_of_row(text, input);
    sm_train_options o = sm_train_defaults();
    o.arch = arch;
    o.batch = batch;
    o.epochs = 5;
    o.hold_out = 0;
    sm_model *m = sm_train(&p, NULL, &o, &(sm_train_control){.epoch = keep_rate, .arg = &rate}, be, &err);
    if (!m)
        tool_die(&err);
    sm_model_free(m);
    kn_free(text);
    kn_free(x);
    kn_free(label);
    kn_free(q);
    return rate;
}

double bench_images(kn_backend *be, const char *arch, sm_shape shape, size_t classes, int batch, double *flops)
{
    kn_error err;
    kn_buf recipe = {0};
    double rate = 0;
    size_t numbers = shape.h * shape.w * shape.c, n = IMAGES * 784 / numbers / (size_t)batch * (size_t)batch;
    n = n ? n : (size_t)batch;
    sm_pixels pixels = {.n = n, .h = shape.h, .w = shape.w, .c = shape.c, .px = tool_alloc(n, numbers)};
    uint32_t *class = tool_alloc(n, sizeof *class);
    kn_rng r = kn_rng_new(1, KN_STREAM_INIT, 0);
    for (size_t i = 0; i < n * numbers; i++)
        pixels.px[i] = (unsigned char)kn_rng_below(&r, 256);
    for (size_t i = 0; i < n; i++)
        class[i] = (uint32_t)i % 10;
    sm_image_recipe how = {.input = sm_pixels_measure(&pixels), .score_std = 1};
    char *text = sm_image_arch(&how.input, arch, NULL, classes, 0, &err);
    if (!text || sm_image_recipe_bytes(&recipe, &how, &err))
        tool_die(&err);
    *flops = flops_of_row(text, numbers);
    sm_train_options o = sm_train_defaults();
    o.arch = text;
    o.loss = SM_SOFTMAX;
    o.batch = batch;
    o.epochs = 4;
    const sm_image_set set = {.pixels = &pixels, .group = class};
    const sm_image_options io = {.target = SM_CLASSES, .workers = 1};
    sm_model *m = sm_train_images(&set, NULL, &how, &recipe, &io, &o,
                                  &(sm_train_control){.epoch = keep_rate, .arg = &rate}, be, &err);
    if (!m)
        tool_die(&err);
    sm_model_free(m);
    kn_buf_free(&recipe);
    kn_free(text);
    kn_free(class);
    kn_free(pixels.px);
    return rate;
}
