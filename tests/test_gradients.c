/* Every backward op against finite differences of its forward, on every filling
 * of the op contract. */
#include "tests/rig.h"

#include <math.h>

/* A forward op seen as one function: parts of inputs x[] in, weighted sum of its
 * output (or of its losses) out. Its backward gives the gradient of that. */
enum { PARTS = 4, N = 6, C = 5 };

typedef struct slope_case {
    const char *name;
    size_t part[PARTS]; /* floats of each input */
    size_t outputs;
    void (*forward)(kn_backend *be, float *out, float *const x[PARTS], int v);
    void (*backward)(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out, float *const x[PARTS],
                     int v);
    int variants;
    float weight; /* of each output, for a loss that knows its dy; 0: drawn */
} slope_case;

static float *saved; /* [2C] mean and rstd of the newest bn_forward */
static float *scrap; /* [32] arguments besides x, and outputs that nobody reads */

static void forward_gemm(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    (void)v;
    be->gemm(be, out, x[0], x[1], 0, 1, N, C, 4, 0);
    be->bias_forward(be, out, x[2], N, C);
}

static void backward_gemm(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                          float *const x[PARTS], int v)
{
    (void)out, (void)v;
    be->gemm(be, dx[0], dy, x[1], 0, 0, N, 4, C, 0);
    be->gemm(be, dx[1], dy, x[0], 1, 0, C, 4, N, 0);
    be->bias_backward(be, dx[2], dy, N, C);
}

static void forward_act(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->act_forward(be, out, x[0], (kn_act)v, N * C);
}

static void backward_act(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                         float *const x[PARTS], int v)
{
    (void)x;
    be->act_backward(be, dx[0], dy, out, (kn_act)v, N * C, 0);
}

static void forward_bn(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->bn_forward(be, out, C, saved, saved + C, scrap, scrap + C, x[0], x[1], x[2], x[3], 0.1f, (kn_act)v, N, C);
}

static void backward_bn(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                        float *const x[PARTS], int v)
{
    be->bn_backward(be, dx[0], dx[3], dx[1], dx[2], dy, x[0], out, C, saved, saved + C, x[1], (kn_act)v, N, C, 0, 0);
}

static void forward_dropout(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    const kn_step step = {.count = 3};
    (void)v;
    be->upload(be, scrap, &step, sizeof step);
    be->dropout(be, out, x[0], 0.4f, 5, 6, (const kn_step *)(const void *)scrap, N * C, 0);
}

static void backward_dropout(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                             float *const x[PARTS], int v)
{
    float *forward_of_dy[PARTS] = {(float *)(uintptr_t)dy};
    (void)out, (void)x;
    forward_dropout(be, dx[0], forward_of_dy, v);
}

/* v: distance, loss. The output is the loss of each pair. */
static void pair_of(kn_backend *be, float *loss, float *dz, const float *z, int v)
{
    static const float label[N / 2] = {1, 0, 0}, margin[] = {2.5f, 4, 1.2f};
    be->upload(be, scrap, label, sizeof label);
    be->pair_loss(be, loss, scrap + 4, dz, z, scrap, (kn_distance)(v % 3), (kn_pair_loss)(v / 3), margin[v % 3], N / 2,
                  C);
}

/* v: distance, loss. Both sides of the batch weigh in: three groups. */
static void batch_of(kn_backend *be, float *loss, float *dz, const float *z, int v)
{
    static const uint32_t group[N] = {0, 1, 0, 2, 1, 2};
    static const float margin[] = {2.5f, 4, 1.2f};
    be->upload(be, scrap, group, sizeof group);
    be->batch_loss(be, loss, dz, z, (const uint32_t *)(const void *)scrap, (kn_distance)(v % 3), (kn_pair_loss)(v / 3),
                   margin[v % 3], 0.3f, N, C);
}

static void softmax_of(kn_backend *be, float *loss, float *dz, const float *z, int v)
{
    static const uint32_t label[N] = {0, 4, 2, 2, 1, 3};
    (void)v;
    be->upload(be, scrap, label, sizeof label);
    be->softmax_loss(be, loss, dz, NULL, z, (const uint32_t *)(const void *)scrap, N, C);
}

static void value_of(kn_backend *be, float *loss, float *dz, const float *z, int v)
{
    static const float target[N] = {0.5f, -1, 2, 0, 1.3f, -0.7f};
    be->upload(be, scrap, target, sizeof target);
    be->value_loss(be, loss, dz, z, scrap, (kn_value_loss)v, 0.7f, N);
}

/* A loss as forward writes loss[] only, as backward dz only. */
#define LOSS(name, rows)                                                                                               \
    static void forward_##name(kn_backend *be, float *out, float *const x[PARTS], int v)                               \
    {                                                                                                                  \
        float *dz = rig_device(be, NULL, N * C * sizeof *dz);                                                          \
        name##_of(be, out, dz, x[0], v);                                                                               \
        be->sync(be, NULL);                                                                                            \
        be->dealloc(be, dz);                                                                                           \
    }                                                                                                                  \
    static void backward_##name(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,             \
                                float *const x[PARTS], int v)                                                          \
    {                                                                                                                  \
        (void)dy, (void)out;                                                                                           \
        float *loss = rig_device(be, NULL, (rows) * sizeof *loss);                                                     \
        name##_of(be, loss, dx[0], x[0], v);                                                                           \
        be->sync(be, NULL);                                                                                            \
        be->dealloc(be, loss);                                                                                         \
    }
LOSS(pair, N / 2)
LOSS(batch, N)
LOSS(softmax, N)
LOSS(value, N)

/* 8 rows in N bags: lists has N + 1 starts, then the rows. */
static void bag_of(kn_backend *be, float *y, const float *table, const uint32_t lists[N + 9], const float weight[8])
{
    const uint32_t *start = (const uint32_t *)(const void *)scrap;
    be->upload(be, scrap, lists, (N + 9) * sizeof *lists);
    be->upload(be, scrap + N + 9, weight, 8 * sizeof *weight);
    be->bag(be, y, table, start, start + N + 1, scrap + N + 9, N, C);
}

static void forward_bag(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    static const uint32_t lists[] = {0, 2, 2, 5, 6, 6, 8, /* starts */ 1, 4, 0, 1, 1, 5, 3, 2};
    static const float weight[] = {1, -2, 0.5f, 3, -1, 0.25f, 2, 1.5f};
    (void)v;
    bag_of(be, out, x[0], lists, weight);
}

/* The same lists seen from the rows of the table: which bags have them. */
static void backward_bag(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                         float *const x[PARTS], int v)
{
    static const uint32_t lists[] = {0, 1, 4, 5, 6, 7, 8, /* bags */ 2, 0, 2, 2, 5, 5, 0, 3};
    static const float weight[] = {0.5f, 1, 3, -1, 1.5f, 2, -2, 0.25f};
    (void)out, (void)x, (void)v;
    bag_of(be, dx[0], dy, lists, weight);
}

/* ---- images: two of 3 x 2, or one of 3 x 4, of 2 channels ----------------------- */

enum { IMAGE_CASES = 4, PIXELS = 24 };

static const struct {
    size_t N;
    kn_window win;
} image_cases[IMAGE_CASES] = {
    {1, {.H = 3, .W = 4, .C = 2, .KH = 2, .KW = 2, .stride = 1, .pad = 0, .dilation = 1, .P = 2, .Q = 3}},
    {1, {.H = 3, .W = 4, .C = 2, .KH = 2, .KW = 2, .stride = 2, .pad = 1, .dilation = 1, .P = 2, .Q = 3}},
    {1, {.H = 3, .W = 4, .C = 2, .KH = 2, .KW = 2, .stride = 1, .pad = 1, .dilation = 2, .P = 3, .Q = 4}},
    {2, {.H = 3, .W = 2, .C = 2, .KH = 2, .KW = 2, .stride = 1, .pad = 1, .dilation = 2, .P = 3, .Q = 2}},
};

/* A ReLU of a small slope hides its kink from compare_part. v: window, none or
 * ELU; two channels out */
static kn_act smooth_act(int v)
{
    return v / IMAGE_CASES ? KN_ACT_ELU : KN_ACT_NONE;
}

static void forward_conv(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->conv_forward(be, out, x[0], x[1], x[2], smooth_act(v), &image_cases[v % IMAGE_CASES].win,
                     image_cases[v % IMAGE_CASES].N, 2);
}

static void backward_conv(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                          float *const x[PARTS], int v)
{
    const kn_window *win = &image_cases[v % IMAGE_CASES].win;
    size_t images = image_cases[v % IMAGE_CASES].N, rows = images * win->P * win->Q;
    float *g = rig_device(be, NULL, PIXELS * sizeof *g);
    be->act_backward(be, g, dy, out, smooth_act(v), rows * 2, 0);
    be->conv_backward_x(be, dx[0], g, x[1], win, images, 2, 0);
    be->conv_backward_w(be, dx[1], g, x[0], win, images, 2);
    be->bias_backward(be, dx[2], g, rows, 2);
    be->sync(be, NULL);
    be->dealloc(be, g);
}

static void forward_maxpool(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->maxpool_forward(be, out, x[0], &image_cases[v].win, image_cases[v].N);
}

static void backward_maxpool(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                             float *const x[PARTS], int v)
{
    be->maxpool_backward(be, dx[0], dy, x[0], out, &image_cases[v].win, image_cases[v].N, 0);
}

static void forward_avgpool(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->avgpool_forward(be, out, x[0], &image_cases[v].win, image_cases[v].N);
}

static void backward_avgpool(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                             float *const x[PARTS], int v)
{
    (void)out, (void)x;
    be->avgpool_backward(be, dx[0], dy, &image_cases[v].win, image_cases[v].N, 0);
}

/* v: window, none or ELU */
static void forward_bn_pool(kn_backend *be, float *out, float *const x[PARTS], int v)
{
    be->bn_pool_forward(be, out, saved, saved + 2, scrap, scrap + 2, x[0], x[1], x[2], 0.1f, smooth_act(v),
                        &image_cases[v % IMAGE_CASES].win, image_cases[v % IMAGE_CASES].N);
}

static void backward_bn_pool(kn_backend *be, float *const dx[PARTS], const float *dy, const float *out,
                             float *const x[PARTS], int v)
{
    be->bn_pool_backward(be, dx[0], dx[1], dx[2], dy, x[0], out, saved, saved + 2, x[1], smooth_act(v),
                         &image_cases[v % IMAGE_CASES].win, image_cases[v % IMAGE_CASES].N, 0);
}

static const slope_case slope_cases[] = {
    {"gemm, bias", {N * 4, C * 4, C, 0}, N * C, forward_gemm, backward_gemm, 1, 0},
    {"act", {N * C, 0, 0, 0}, N * C, forward_act, backward_act, 3, 0},
    {"bn", {N * C, C, C, N * C}, N * C, forward_bn, backward_bn, 3, 0},
    {"dropout", {N * C, 0, 0, 0}, N * C, forward_dropout, backward_dropout, 1, 0},
    {"bag", {N * C, 0, 0, 0}, N * C, forward_bag, backward_bag, 1, 0},
    {"pair_loss", {N * C, 0, 0, 0}, N / 2, forward_pair, backward_pair, 6, 2.0f / N},
    {"batch_loss", {N * C, 0, 0, 0}, N, forward_batch, backward_batch, 6, 1},
    {"softmax_loss", {N * C, 0, 0, 0}, N, forward_softmax, backward_softmax, 1, 1.0f / N},
    {"value_loss", {N, 0, 0, 0}, N, forward_value, backward_value, 2, 1.0f / N},
    {"conv", {PIXELS, 16, 2, 0}, PIXELS, forward_conv, backward_conv, 2 * IMAGE_CASES, 0},
    {"maxpool", {PIXELS, 0, 0, 0}, PIXELS, forward_maxpool, backward_maxpool, IMAGE_CASES, 0},
    {"bn_pool", {PIXELS, 2, 2, 0}, PIXELS, forward_bn_pool, backward_bn_pool, 2 * IMAGE_CASES, 0},
    {"avgpool", {PIXELS, 0, 0, 0}, PIXELS, forward_avgpool, backward_avgpool, IMAGE_CASES, 0},
};
enum { SLOPE_CASES = sizeof slope_cases / sizeof *slope_cases };

typedef struct slopes {
    kn_backend *be;
    const slope_case *c;
    int v;
    float *x[PARTS], *dx[PARTS], *out, *dy; /* device */
    float weight[N * C];
} slopes;

static double value_at(slopes *s, int part, size_t i, float xi)
{
    float y[N * C];
    double sum = 0;
    s->be->upload(s->be, s->x[part] + i, &xi, sizeof xi);
    s->c->forward(s->be, s->out, s->x, s->v);
    s->be->download(s->be, y, s->out, s->c->outputs * sizeof *y);
    for (size_t k = 0; k < s->c->outputs; k++)
        sum += (double)y[k] * (double)s->weight[k];
    return sum;
}

/* Compares each slope of a part; returns how many were not at a kink. */
static size_t compare_part(slopes *s, int part, const float *x, const float *dx, bool *nonzero)
{
    const float h = 1.0f / 128;
    size_t smooth = 0;
    double middle = value_at(s, part, 0, x[0]);
    for (size_t i = 0; i < s->c->part[part]; i++) {
        double up = (value_at(s, part, i, x[i] + h) - middle) / (double)h;
        double down = (middle - value_at(s, part, i, x[i] - h)) / (double)h;
        value_at(s, part, i, x[i]);
        if (!(fabs(up - down) <= 0.1)) /* the two sides differ: a kink is near */
            continue;
        smooth++;
        *nonzero |= dx[i] != 0;
        double got = (double)dx[i], want = (up + down) / 2;
        if (!(fabs(got - want) <= 2e-3 * (1 + fabs(want))))
            fail_msg("%s %d on %s: slope by part %d [%zu] is %g, differences say %g", s->c->name, s->v, s->be->name,
                     part, i, got, want);
    }
    return smooth;
}

static void check_slopes(kn_backend *be, const slope_case *c, int v)
{
    slopes s = {.be = be, .c = c, .v = v};
    kn_rng rng = kn_rng_new((uint64_t)v + 3, KN_STREAM_INIT, 78);
    float x[PARTS][N * C], dx[PARTS][N * C];
    size_t all = 0, smooth = 0;
    for (size_t k = 0; k < c->outputs; k++)
        s.weight[k] = c->weight > 0 ? c->weight : kn_rng_uniform(&rng, -1, 1);
    for (int p = 0; p < PARTS; p++) {
        for (size_t i = 0; i < c->part[p]; i++)
            x[p][i] = kn_rng_uniform(&rng, -2, 2);
        s.x[p] = c->part[p] ? rig_device(be, x[p], c->part[p] * sizeof(float)) : NULL;
        s.dx[p] = c->part[p] ? rig_device(be, NULL, c->part[p] * sizeof(float)) : NULL;
    }
    s.out = rig_device(be, NULL, c->outputs * sizeof(float));
    s.dy = rig_device(be, s.weight, c->outputs * sizeof(float));
    c->forward(be, s.out, s.x, v);
    c->backward(be, s.dx, s.dy, s.out, s.x, v);
    for (int p = 0; p < PARTS; p++)
        if (c->part[p])
            be->download(be, dx[p], s.dx[p], c->part[p] * sizeof(float));
    for (int p = 0; p < PARTS; p++) {
        bool nonzero = false;
        if (!c->part[p])
            continue;
        smooth += compare_part(&s, p, x[p], dx[p], &nonzero);
        all += c->part[p];
        assert_true(nonzero); /* or a gradient that is never written would pass */
    }
    if (smooth * 10 < all * 6)
        fail_msg("%s %d: only %zu of %zu slopes are away from kinks", c->name, v, smooth, all);
    for (int p = 0; p < PARTS; p++) {
        be->dealloc(be, s.x[p]);
        be->dealloc(be, s.dx[p]);
    }
    be->dealloc(be, s.out);
    be->dealloc(be, s.dy);
}

static void slopes_of(kn_backend *be)
{
    saved = rig_device(be, NULL, 2 * C * sizeof *saved);
    scrap = rig_device(be, NULL, 32 * sizeof *scrap);
    for (int i = 0; i < SLOPE_CASES; i++)
        for (int v = 0; v < slope_cases[i].variants; v++)
            check_slopes(be, &slope_cases[i], v);
    be->dealloc(be, saved);
    be->dealloc(be, scrap);
}

static void backward_is_the_slope_of_forward(void **state)
{
    (void)state;
    rig_each(slopes_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(backward_is_the_slope_of_forward)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
