/* The fillings of the op contract against PyTorch (tests/ref/ops.py). */
#include "tests/rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"

static ds_st *ref;

static const ds_tensor *tensor(const char *name)
{
    const ds_tensor *t = ds_st_find(ref, name);
    if (!t || (t->dtype != DS_F32 && t->dtype != DS_U32))
        fail_msg("tests/ref/ops.st has no %s", name);
    return t;
}

static float *given(kn_backend *be, const char *name)
{
    const ds_tensor *t = tensor(name);
    return rig_device(be, t->data, t->bytes);
}

static const uint32_t *words(const float *device)
{
    return (const uint32_t *)(const void *)device;
}

static void compare(kn_backend *be, const float *at, const char *name, double tol)
{
    const ds_tensor *t = tensor(name);
    const float *want = t->data;
    float got[256];
    size_t n = t->bytes / sizeof *got;
    assert_true(n > 0 && n <= 256);
    be->download(be, got, at, n * sizeof *got);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tol * (1 + fabs((double)want[i]))))
            fail_msg("%s [%zu] on %s: %.9g, PyTorch has %.9g", name, i, be->name, (double)got[i], (double)want[i]);
}

static void torch_bn(kn_backend *be, const char *name, kn_act act)
{
    size_t rows = tensor("bn.x")->shape[0], width = tensor("bn.x")->shape[1];
    float *x = given(be, "bn.x"), *res = given(be, "bn.res"), *dy = given(be, "bn.dy"), *gamma = given(be, "bn.gamma");
    float *beta = given(be, "bn.beta"), *running = given(be, "bn.running");
    float *y = rig_device(be, NULL, rows * width * sizeof *y), *dx = rig_device(be, NULL, rows * width * sizeof *dx);
    float *dres = rig_device(be, NULL, rows * width * sizeof *dres), *stat = rig_device(be, NULL, 4 * width * sizeof *stat);
    be->bn_forward(be, y, width, stat, stat + width, running, running + width, x, gamma, beta, res, 0.1f, act, rows,
                   width);
    be->bn_backward(be, dx, dres, stat + 2 * width, stat + 3 * width, dy, x, y, width, stat, stat + width, gamma, act,
                    rows, width, 0, 0);
    const struct {
        const char *part;
        float *got;
    } parts[] = {{"y", y}, {"dx", dx}, {"dres", dres}, {"dgamma", stat + 2 * width}, {"dbeta", stat + 3 * width}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char full[32];
        snprintf(full, sizeof full, "bn.%s.%s", name, parts[i].part);
        compare(be, parts[i].got, full, 1e-5);
    }
    compare(be, running, "bn.after", 1e-6);
    float *all[] = {x, res, dy, gamma, beta, running, y, dx, dres, stat};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void torch_pairs(kn_backend *be)
{
    static const char *const kinds[] = {"euclidean", "l1", "cosine"}, *const losses[] = {"contrastive", "hinge"};
    size_t pairs = tensor("pair.y")->shape[0], width = tensor("pair.z")->shape[1];
    const float *margin = tensor("pair.margin")->data;
    float *z = given(be, "pair.z"), *y = given(be, "pair.y"), *loss = rig_device(be, NULL, pairs * sizeof *loss);
    float *d = rig_device(be, NULL, pairs * sizeof *d), *dz = rig_device(be, NULL, 2 * pairs * width * sizeof *dz);
    for (int v = 0; v < 6; v++) {
        char name[48];
        be->pair_loss(be, loss, d, dz, z, y, (kn_distance)(v % 3), (kn_pair_loss)(v / 3), margin[v % 3], pairs, width);
        snprintf(name, sizeof name, "pair.%s.%s.loss", kinds[v % 3], losses[v / 3]);
        compare(be, loss, name, 1e-5);
        snprintf(name, sizeof name, "pair.%s.%s.d", kinds[v % 3], losses[v / 3]);
        compare(be, d, name, 1e-5);
        snprintf(name, sizeof name, "pair.%s.%s.dz", kinds[v % 3], losses[v / 3]);
        compare(be, dz, name, 1e-5);
        be->distance(be, d, z, (kn_distance)(v % 3), pairs, width);
        snprintf(name, sizeof name, "pair.%s.%s.d", kinds[v % 3], losses[v / 3]);
        compare(be, d, name, 1e-5);
    }
    float *all[] = {z, y, loss, d, dz};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void image_name(char *name, size_t size, const char *op, int k, const char *part)
{
    snprintf(name, size, "%s.%d.%s", op, k, part);
}

static float *given_image(kn_backend *be, const char *op, int k, const char *part)
{
    char name[48];
    image_name(name, sizeof name, op, k, part);
    return given(be, name);
}

static void compare_image(kn_backend *be, float *got, const char *op, int k, const char *part)
{
    char name[48];
    image_name(name, sizeof name, op, k, part);
    compare(be, got, name, 1e-5);
}

static kn_window window_of(int k)
{
    char name[48];
    image_name(name, sizeof name, "conv", k, "window");
    size_t v[10];
    for (int i = 0; i < 10; i++)
        v[i] = (size_t)((const float *)tensor(name)->data)[i];
    return (kn_window){v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]};
}

static void torch_conv(kn_backend *be, int k)
{
    char name[48];
    kn_window win = window_of(k);
    image_name(name, sizeof name, "conv", k, "x");
    size_t images = tensor(name)->shape[0];
    image_name(name, sizeof name, "conv", k, "w");
    size_t O = tensor(name)->shape[0], rows = images * win.P * win.Q;
    float *x = given_image(be, "conv", k, "x"), *w = given_image(be, "conv", k, "w");
    float *bias = given_image(be, "conv", k, "bias"), *dy = given_image(be, "conv", k, "dy");
    float *y = rig_device(be, NULL, rows * O * sizeof *y), *dbias = rig_device(be, NULL, O * sizeof *dbias);
    float *dx = rig_device(be, NULL, images * win.H * win.W * win.C * sizeof *dx);
    float *dw = rig_device(be, NULL, O * win.KH * win.KW * win.C * sizeof *dw);
    be->conv_forward(be, y, x, w, bias, KN_ACT_NONE, &win, images, O);
    be->conv_backward_x(be, dx, dy, w, &win, images, O, 0);
    be->conv_backward_w(be, dw, dy, x, &win, images, O);
    be->bias_backward(be, dbias, dy, rows, O);
    compare_image(be, y, "conv", k, "y");
    compare_image(be, dx, "conv", k, "dx");
    compare_image(be, dw, "conv", k, "dw");
    compare_image(be, dbias, "conv", k, "dbias");
    float *all[] = {x, w, bias, dy, y, dbias, dx, dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

/* PyTorch's mean knows no dilation. */
static void torch_pool(kn_backend *be, int k, bool largest)
{
    const char *op = largest ? "maxpool" : "avgpool";
    char name[48];
    kn_window win = window_of(k);
    if (!largest && win.dilation > 1)
        return;
    image_name(name, sizeof name, "conv", k, "x");
    size_t images = tensor(name)->shape[0];
    float *x = given_image(be, "conv", k, "x"), *dy = given_image(be, op, k, "dy");
    float *y = rig_device(be, NULL, images * win.P * win.Q * win.C * sizeof *y);
    float *dx = rig_device(be, NULL, images * win.H * win.W * win.C * sizeof *dx);
    if (largest) {
        be->maxpool_forward(be, y, x, &win, images);
        be->maxpool_backward(be, dx, dy, x, y, &win, images, 0);
    } else {
        be->avgpool_forward(be, y, x, &win, images);
        be->avgpool_backward(be, dx, dy, &win, images, 0);
    }
    compare_image(be, y, op, k, "y");
    compare_image(be, dx, op, k, "dx");
    float *all[] = {x, dy, y, dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void torch_bn_pool(kn_backend *be, int k)
{
    const char *op = "bn_pool";
    kn_window win = window_of(k);
    kn_act act = k % 2 ? KN_ACT_RELU : KN_ACT_ELU;
    char name[48];
    image_name(name, sizeof name, op, k, "x");
    size_t images = tensor(name)->shape[0], C = win.C;
    float *x = given_image(be, op, k, "x"), *dy = given_image(be, op, k, "dy");
    float *gamma = given_image(be, op, k, "gamma"), *beta = given_image(be, op, k, "beta");
    float *y = rig_device(be, NULL, images * win.P * win.Q * C * sizeof *y);
    float *dx = rig_device(be, NULL, images * win.H * win.W * C * sizeof *dx);
    float *stat = rig_device(be, NULL, 6 * C * sizeof *stat), *dgamma = stat + 4 * C, *dbeta = dgamma + C;
    be->bn_pool_forward(be, y, stat, stat + C, stat + 2 * C, stat + 3 * C, x, gamma, beta, 0.1f, act, &win, images);
    be->bn_pool_backward(be, dx, dgamma, dbeta, dy, x, y, stat, stat + C, gamma, act, &win, images, 0);
    compare_image(be, y, op, k, "y");
    compare_image(be, dx, op, k, "dx");
    compare_image(be, dgamma, op, k, "dgamma");
    compare_image(be, dbeta, op, k, "dbeta");
    float *all[] = {x, dy, gamma, beta, y, stat, dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void torch_batch(kn_backend *be)
{
    static const char *const kinds[] = {"euclidean", "l1", "cosine"}, *const losses[] = {"contrastive", "hinge"};
    size_t N = tensor("batch.z")->shape[0], D = tensor("batch.z")->shape[1];
    const float *margin = tensor("pair.margin")->data;
    float *z = given(be, "batch.z"), *group = given(be, "batch.group");
    float *loss = rig_device(be, NULL, (N + 1) * sizeof *loss), *dz = rig_device(be, NULL, N * D * sizeof *dz);
    for (int v = 0; v < 6; v++) {
        char name[48];
        be->batch_loss(be, loss + 1, dz, z, words(group), (kn_distance)(v % 3), (kn_pair_loss)(v / 3), margin[v % 3],
                       0.3f, N, D);
        be->sum(be, loss, loss + 1, N);
        snprintf(name, sizeof name, "batch.%s.%s.loss", kinds[v % 3], losses[v / 3]);
        compare(be, loss, name, 1e-5);
        snprintf(name, sizeof name, "batch.%s.%s.dz", kinds[v % 3], losses[v / 3]);
        compare(be, dz, name, 1e-5);
    }
    float *all[] = {z, group, loss, dz};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void torch_softmax(kn_backend *be)
{
    size_t N = tensor("softmax.z")->shape[0], C = tensor("softmax.z")->shape[1];
    float *z = given(be, "softmax.z"), *label = given(be, "softmax.label"), *loss = rig_device(be, NULL, N * sizeof *loss);
    float *dz = rig_device(be, NULL, N * C * sizeof *dz), *p = rig_device(be, NULL, N * C * sizeof *p);
    be->softmax_loss(be, loss, dz, p, z, words(label), N, C);
    compare(be, loss, "softmax.loss", 1e-6);
    compare(be, p, "softmax.p", 1e-6);
    compare(be, dz, "softmax.dz", 1e-6);
    float *all[] = {z, label, loss, dz, p};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void torch_values(kn_backend *be)
{
    size_t N = tensor("value.z")->shape[0];
    float *z = given(be, "value.z"), *target = given(be, "value.target");
    float *loss = rig_device(be, NULL, N * sizeof *loss), *dz = rig_device(be, NULL, N * sizeof *dz);
    be->value_loss(be, loss, dz, z, target, KN_SQUARED, 0, N);
    compare(be, loss, "value.squared.loss", 1e-6);
    compare(be, dz, "value.squared.dz", 1e-6);
    be->value_loss(be, loss, dz, z, target, KN_HUBER, 0.7f, N);
    compare(be, loss, "value.huber.loss", 1e-6);
    compare(be, dz, "value.huber.dz", 1e-6);
    float *all[] = {z, target, loss, dz};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

enum { BAG_LIST = 64 };

/* The lists seen from the rows of the table: which bags have them, in order. */
static void transpose(uint32_t *start, uint32_t *bag, float *weight, size_t rows)
{
    const uint32_t *from = tensor("bag.start")->data, *idx = tensor("bag.idx")->data;
    const float *w = tensor("bag.weight")->data;
    size_t bags = tensor("bag.dy")->shape[0], n = 0;
    assert_true(rows < BAG_LIST && from[bags] <= BAG_LIST);
    for (size_t row = 0; row < rows; row++) {
        start[row] = (uint32_t)n;
        for (uint32_t r = 0; r < bags; r++)
            for (uint32_t k = from[r]; k < from[r + 1]; k++)
                if (idx[k] == row)
                    bag[n] = r, weight[n++] = w[k];
    }
    start[rows] = (uint32_t)n;
}

static void torch_bag(kn_backend *be)
{
    uint32_t from[BAG_LIST], of[BAG_LIST];
    float w[BAG_LIST];
    size_t rows = tensor("bag.table")->shape[0], D = tensor("bag.table")->shape[1], R = tensor("bag.dy")->shape[0];
    float *table = given(be, "bag.table"), *start = given(be, "bag.start"), *idx = given(be, "bag.idx");
    float *weight = given(be, "bag.weight"), *dy = given(be, "bag.dy"), *y = rig_device(be, NULL, R * D * sizeof *y);
    float *dtable = rig_device(be, NULL, rows * D * sizeof *dtable);
    be->bag(be, y, table, words(start), words(idx), weight, R, D);
    compare(be, y, "bag.y", 1e-6);
    transpose(from, of, w, rows);
    float *back[] = {rig_device(be, from, sizeof from), rig_device(be, of, sizeof of), rig_device(be, w, sizeof w)};
    be->bag(be, dtable, dy, words(back[0]), words(back[1]), back[2], rows, D);
    compare(be, dtable, "bag.dtable", 1e-6);
    float *all[] = {table, start, idx, weight, dy, y, dtable, back[0], back[1], back[2]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

typedef struct recipe {
    const char *name;
    float lr, momentum, decay;
    int nesterov;
} recipe;

static void torch_optimiser(kn_backend *be, const recipe *o)
{
    char name[32];
    bool adam = !strncmp(o->name, "adam", 4);
    snprintf(name, sizeof name, "%s.g", o->name);
    size_t steps = tensor(name)->shape[0], n = tensor(name)->shape[1];
    float *g = given(be, name), *m = rig_device(be, NULL, 2 * n * sizeof *m), *step = rig_device(be, NULL, sizeof(kn_step));
    snprintf(name, sizeof name, "%s.p", o->name);
    float *p = given(be, name), *all = rig_device(be, NULL, steps * n * sizeof *all);
    for (size_t t = 0; t < steps; t++) {
        const kn_step host = {.lr = o->lr, .bias1 = (float)(1 / (1 - pow(0.9, (double)t + 1))),
                              .bias2 = (float)(1 / (1 - pow(0.999, (double)t + 1))), .count = t};
        be->upload(be, step, &host, sizeof host);
        const kn_step *at = (const kn_step *)(const void *)step;
        if (adam)
            be->adam(be, p, m, m + n, g + t * n, at, 0.9f, 0.999f, 1e-8f, o->decay, n);
        else
            be->sgd(be, p, o->momentum != 0 ? m : NULL, g + t * n, at, o->momentum, o->decay, o->nesterov, n);
        be->copy(be, all + t * n, p, n * sizeof *p);
    }
    snprintf(name, sizeof name, "%s.after", o->name);
    compare(be, all, name, 1e-6);
    float *device_memory[] = {g, m, step, p, all};
    for (size_t i = 0; i < sizeof device_memory / sizeof *device_memory; i++)
        be->dealloc(be, device_memory[i]);
}

static void torch_of(kn_backend *be)
{
    static const recipe recipes[] = {{"adam", 0.01f, 0, 0, 0}, {"adam_decay", 0.01f, 0, 0.1f, 0},
                                     {"sgd", 0.1f, 0, 0.1f, 0}, {"sgd_momentum", 0.1f, 0.9f, 0, 0},
                                     {"sgd_nesterov", 0.1f, 0.9f, 0.1f, 1}};
    torch_bn(be, "relu", KN_ACT_RELU);
    torch_bn(be, "elu", KN_ACT_ELU);
    torch_pairs(be);
    for (int k = 0; k < 4; k++) {
        torch_conv(be, k);
        torch_pool(be, k, true);
        torch_pool(be, k, false);
        torch_bn_pool(be, k);
    }
    torch_batch(be);
    torch_softmax(be);
    torch_values(be);
    torch_bag(be);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        torch_optimiser(be, &recipes[i]);
    float *x = given(be, "elu.x");
    be->act_forward(be, x, x, KN_ACT_ELU, tensor("elu.x")->shape[0]);
    compare(be, x, "elu.y", 1e-7);
    be->dealloc(be, x);
}

static void ops_are_those_of_pytorch(void **state)
{
    (void)state;
    kn_error err;
    ref = ds_st_open("tests/ref/ops.st", &err);
    if (!ref)
        fail_msg("%s", err.text);
    rig_each(torch_of);
    ds_st_close(ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ops_are_those_of_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
