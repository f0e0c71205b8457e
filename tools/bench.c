#include "tools/bench.h"

#include <stdlib.h>

#include "kernels/rng.h"

enum { NEAREST_QUERIES = 16, NEAREST_K = 10, BAG = 8, GROUPS = 16, SIDE = 8 /* of images */ };
#define BATCH(rows) ((rows) < 256 ? (rows) : 256) /* batch_loss grows with its square */

/* ---- buffers ------------------------------------------------------------------- */

static float *filled(kn_backend *be, size_t n, uint32_t stream, kn_error *err)
{
    float *host = kn_alloc(n, sizeof *host, err), *device = host ? be->alloc(be, n * sizeof *host, err) : NULL;
    kn_rng r = kn_rng_new(1, KN_STREAM_INIT, stream);
    for (size_t i = 0; device && i < n; i++)
        host[i] = kn_rng_uniform(&r, 0.1f, 1.0f); /* away from 0: no denormals, no dead ReLU */
    if (device)
        be->upload(be, device, host, n * sizeof *host);
    kn_free(host);
    return device;
}

static uint32_t *words(kn_backend *be, const uint32_t *host, size_t n, kn_error *err)
{
    uint32_t *device = be->alloc(be, n * sizeof *device, err);
    if (device)
        be->upload(be, device, host, n * sizeof *device);
    return device;
}

/* The rows in a drawn order, as bags of BAG rows, and dealt to groups. */
static int fill_index(bench_buffers *b, kn_error *err)
{
    size_t n = b->rows, bags = n / BAG + 1;
    uint32_t *host = kn_alloc(2 * n + bags, sizeof *host, err), *start = host + n, *group = start + bags;
    if (!host)
        return -1;
    for (size_t i = 0; i < n; i++) {
        host[i] = (uint32_t)i;
        group[i] = (uint32_t)(i % GROUPS);
    }
    for (size_t i = 0; i < bags; i++)
        start[i] = (uint32_t)(i * BAG);
    kn_rng r = kn_rng_new(1, KN_STREAM_SHUFFLE, 0);
    kn_rng_shuffle(&r, host, (uint32_t)n);
    b->index = words(b->be, host, n, err);
    b->start = words(b->be, start, bags, err);
    b->group = words(b->be, group, n, err);
    kn_free(host);
    return b->index && b->start && b->group ? 0 : -1;
}

static kn_window window(size_t channels, size_t size, size_t stride, size_t pad)
{
    size_t P = (SIDE + 2 * pad - size) / stride + 1;
    return (kn_window){.H = SIDE, .W = SIDE, .C = channels, .KH = size, .KW = size, .stride = stride, .pad = pad,
                       .dilation = 1, .P = P, .Q = P};
}

int bench_open(bench_buffers *b, kn_backend *be, size_t rows, size_t width, kn_error *err)
{
    *b = (bench_buffers){.be = be, .rows = rows, .width = width, .conv = window(width, 3, 1, 1),
                         .halves = window(width, 2, 2, 0)};
    float **big[] = {&b->a, &b->b, &b->c, &b->d, &b->e, &b->f};
    bool ok = true;
    for (uint32_t i = 0; i < 6; i++)
        ok = (*big[i] = filled(be, rows * width, i, err)) && ok;
    for (uint32_t i = 0; i < 4; i++)
        ok = (b->p[i] = filled(be, width * width, 8 + i, err)) && ok;
    for (uint32_t i = 0; i < 8; i++)
        ok = (b->channel[i] = filled(be, width, 16 + i, err)) && ok;
    for (uint32_t i = 0; i < 2; i++)
        ok = (b->filter[i] = filled(be, 9 * width * width, 24 + i, err)) && ok;
    ok = ok && !fill_index(b, err) && (b->step = be->alloc(be, sizeof *b->step, err));
    if (ok) {
        kn_step step = {.lr = 1e-9f, .bias1 = 1, .bias2 = 1, .count = 1};
        be->upload(be, b->step, &step, sizeof step);
        return be->sync(be, err);
    }
    bench_close(b);
    return -1;
}

void bench_close(bench_buffers *b)
{
    kn_backend *be = b->be;
    void *all[] = {b->a, b->b, b->c, b->d, b->e, b->f, b->index, b->start, b->group, b->step};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
    for (int i = 0; i < 4; i++)
        be->dealloc(be, b->p[i]);
    for (int i = 0; i < 8; i++)
        be->dealloc(be, b->channel[i]);
    for (int i = 0; i < 2; i++)
        be->dealloc(be, b->filter[i]);
}

/* ---- timing ------------------------------------------------------------------------ */

static double time_rounds(const bench_buffers *b, void (*run)(const bench_buffers *), int calls)
{
    double t = kn_seconds();
    for (int i = 0; i < calls; i++)
        run(b);
    b->be->sync(b->be, NULL);
    return (kn_seconds() - t) / calls;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double bench_time(const bench_buffers *b, void (*run)(const bench_buffers *))
{
    double once = time_rounds(b, run, 3), round[7];
    int calls = once > 0 ? (int)(0.02 / once) + 1 : 1000;
    for (int i = 0; i < 7; i++)
        round[i] = time_rounds(b, run, calls > 100000 ? 100000 : calls);
    qsort(round, 7, sizeof *round, by_value);
    return round[3];
}

/* ---- the ops ------------------------------------------------------------------------- */

#define OP(name) static void name(const bench_buffers *b)
#define BE b->be
#define N b->rows
#define C b->width

OP(copy) { BE->copy(BE, b->a, b->b, N * C * sizeof(float)); }
OP(gemm_forward) { BE->gemm(BE, b->c, b->a, b->p[0], 0, 1, N, C, C, 0); }
OP(gemm_input) { BE->gemm(BE, b->c, b->a, b->p[0], 0, 0, N, C, C, 0); }
OP(gemm_weight) { BE->gemm(BE, b->p[1], b->a, b->b, 1, 0, C, C, N, 0); }
OP(gather) { BE->gather(BE, b->c, b->a, b->index, N, C); }
OP(bias_forward) { BE->bias_forward(BE, b->c, b->channel[0], N, C); }
OP(bias_backward) { BE->bias_backward(BE, b->channel[1], b->a, N, C); }
OP(copy2d) { BE->copy2d(BE, b->c, C, b->a, C, N, C, 0); }
OP(add) { BE->add(BE, b->c, b->a, b->b, N * C); }
OP(relu_forward) { BE->act_forward(BE, b->c, b->a, KN_ACT_RELU, N * C); }
OP(relu_backward) { BE->act_backward(BE, b->c, b->a, b->b, KN_ACT_RELU, N * C, 0); }
OP(elu_forward) { BE->act_forward(BE, b->c, b->a, KN_ACT_ELU, N * C); }
OP(dropout) { BE->dropout(BE, b->c, b->a, 0.5f, 1, 1, b->step, N * C, 0); }
OP(bn_forward)
{
    BE->bn_forward(BE, b->c, C, b->channel[0], b->channel[1], b->channel[2], b->channel[3], b->a, b->channel[4],
                   b->channel[5], b->b, 0.1f, KN_ACT_RELU, N, C);
}
OP(bn_infer)
{
    BE->bn_infer(BE, b->c, C, b->channel[2], b->channel[3], b->a, b->channel[4], b->channel[5], b->b, KN_ACT_RELU, N,
                 C);
}
OP(bn_backward)
{
    BE->bn_backward(BE, b->d, b->e, b->channel[6], b->channel[7], b->a, b->b, b->f, C, b->channel[0], b->channel[1],
                    b->channel[4], KN_ACT_RELU, N, C, 0, 0);
}
OP(distance) { BE->distance(BE, b->c, b->a, KN_EUCLIDEAN, N / 2, C); }
OP(pair_loss)
{
    BE->pair_loss(BE, b->c, b->d, b->e, b->a, b->b, KN_EUCLIDEAN, KN_CONTRASTIVE, 1.0f, N / 2, C);
}
OP(bag) { BE->bag(BE, b->c, b->a, b->start, b->index, NULL, N / BAG, C); }
OP(batch_loss)
{
    BE->batch_loss(BE, b->c, b->d, b->a, b->group, KN_L1, KN_HINGE, (float)C / 3, 0.25f, BATCH(N), C);
}
OP(softmax_loss) { BE->softmax_loss(BE, b->c, b->d, NULL, b->a, b->group, N, C); }
OP(value_loss) { BE->value_loss(BE, b->c, b->d, b->a, b->b, KN_HUBER, 0.2f, N * C); }
OP(sum) { BE->sum(BE, b->channel[0], b->a, N * C); }
OP(adam) { BE->adam(BE, b->p[0], b->p[1], b->p[2], b->p[3], b->step, 0.9f, 0.999f, 1e-8f, 0.0f, C * C); }
OP(sgd) { BE->sgd(BE, b->p[0], b->p[1], b->p[3], b->step, 0.9f, 0.0f, 1, C * C); }
OP(nearest)
{
    BE->nearest(BE, b->c, (uint32_t *)(void *)b->d, b->b, b->a, KN_EUCLIDEAN, NEAREST_QUERIES, N, C, NEAREST_K);
}

#define IMAGES (N / (SIDE * SIDE))
OP(conv_forward) { BE->conv_forward(BE, b->c, b->a, b->filter[0], NULL, KN_ACT_RELU, &b->conv, IMAGES, C); }
OP(conv_backward_x) { BE->conv_backward_x(BE, b->c, b->a, b->filter[0], &b->conv, IMAGES, C, 0); }
OP(conv_backward_w) { BE->conv_backward_w(BE, b->filter[1], b->a, b->b, &b->conv, IMAGES, C); }
OP(maxpool_forward) { BE->maxpool_forward(BE, b->c, b->a, &b->halves, IMAGES); }
OP(maxpool_backward) { BE->maxpool_backward(BE, b->d, b->b, b->a, b->c, &b->halves, IMAGES, 0); }
OP(bn_pool_forward)
{
    BE->bn_pool_forward(BE, b->c, b->channel[0], b->channel[1], b->channel[2], b->channel[3], b->a, b->channel[4],
                        b->channel[5], 0.1f, KN_ACT_RELU, &b->halves, IMAGES);
}
OP(bn_pool_backward)
{
    BE->bn_pool_backward(BE, b->d, b->channel[6], b->channel[7], b->b, b->a, b->f, b->channel[0], b->channel[1],
                         b->channel[4], KN_ACT_RELU, &b->halves, IMAGES, 0);
}
OP(avgpool_forward) { BE->avgpool_forward(BE, b->c, b->a, &b->halves, IMAGES); }
OP(avgpool_backward) { BE->avgpool_backward(BE, b->d, b->b, &b->halves, IMAGES, 0); }

static double conv_flops(double rows, double width) { return 18 * rows * width * width; }
static double product_flops(double rows, double width) { return 2 * rows * width * width; }
/* Of each of N^2 pairs: a distance and a gradient, of 3 operations a number. */
static double batch_flops(double rows, double width) { return 6 * BATCH(rows) * BATCH(rows) * width; }
static double nearest_flops(double rows, double width) { return 3 * NEAREST_QUERIES * rows * width; }

const bench_op bench_ops[] = {
    {"copy", copy, NULL, 2, 0},
    {"gemm forward", gemm_forward, product_flops, 2, 1},
    {"gemm d input", gemm_input, product_flops, 2, 1},
    {"gemm d weight", gemm_weight, product_flops, 2, 1},
    {"gather", gather, NULL, 2, 0},
    {"bias forward", bias_forward, NULL, 2, 0},
    {"bias backward", bias_backward, NULL, 1, 0},
    {"copy2d", copy2d, NULL, 2, 0},
    {"add", add, NULL, 3, 0},
    {"relu forward", relu_forward, NULL, 2, 0},
    {"relu backward", relu_backward, NULL, 3, 0},
    {"elu forward", elu_forward, NULL, 2, 0},
    {"dropout", dropout, NULL, 2, 0},
    {"bn+add+relu", bn_forward, NULL, 3, 0},
    {"bn infer", bn_infer, NULL, 3, 0},
    {"bn+relu backward", bn_backward, NULL, 5, 0},
    {"distance", distance, NULL, 1, 0},
    {"distance+loss+d", pair_loss, NULL, 2, 0},
    {"bags of 8", bag, NULL, 1.125, 0},
    {"batch loss, 256", batch_loss, batch_flops, 0, 0},
    {"softmax+loss+d", softmax_loss, NULL, 2, 0},
    {"huber+d", value_loss, NULL, 4, 0},
    {"sum", sum, NULL, 1, 0},
    {"adam", adam, NULL, 0, 7},
    {"sgd", sgd, NULL, 0, 5},
    {"nearest 16, k 10", nearest, nearest_flops, 1, 0},
    {"conv 3x3 + relu", conv_forward, conv_flops, 2, 9},
    {"conv 3x3 d input", conv_backward_x, conv_flops, 2, 9},
    {"conv 3x3 d weight", conv_backward_w, conv_flops, 2, 9},
    {"maxpool 2x2", maxpool_forward, NULL, 1.25, 0},
    {"maxpool 2x2 d", maxpool_backward, NULL, 2.5, 0},
    {"bn+maxpool+relu", bn_pool_forward, NULL, 2.25, 0},
    {"bn+maxpool+relu d", bn_pool_backward, NULL, 4, 0},
    {"avgpool 2x2", avgpool_forward, NULL, 1.25, 0},
    {"avgpool 2x2 d", avgpool_backward, NULL, 1.25, 0},
    {NULL, NULL, NULL, 0, 0},
};
