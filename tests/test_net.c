/* Networks on a backend: gradients by finite differences, the seed network
 * against PyTorch (tests/ref/seednet.py), what twins may not depend on. Every
 * test runs on naive and on cpu. */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "siamese/siamese.h"

#define SEED(w)                                                                                       \
    "linear " w " nobias; batchnorm; r1: relu; linear " w " nobias; batchnorm; add r1; r2: relu;"    \
    "linear " w " nobias; batchnorm; add r2; r3: relu; concat r3 r2 r1; batchnorm"

static kn_backend *backend[2];

/* ---- a network with its batch --------------------------------------------------------- */

typedef struct bench {
    kn_backend *be;
    sm_graph *g;
    sm_net *net;
    size_t pairs;
    kn_distance distance;
    kn_pair_loss loss;
    float margin;
    float *y, *pair_loss, *d, *sum; /* device */
    kn_step *step;                  /* device */
    float *start, *stats;           /* host: weights and statistics to run from */
    size_t P, S;
} bench;

static void *device(kn_backend *be, const void *from, size_t bytes)
{
    void *p = be->alloc(be, bytes, NULL);
    assert_non_null(p);
    if (from)
        be->upload(be, p, from, bytes);
    return p;
}

static bench bench_new(kn_backend *be, const char *text, size_t pairs, size_t inputs, const float *x, const float *y)
{
    kn_error err;
    const kn_step step = {.lr = 0.01f, .bias1 = 1, .bias2 = 1, .count = 3};
    bench b = {.be = be, .pairs = pairs, .distance = KN_EUCLIDEAN, .loss = KN_CONTRASTIVE, .margin = 1};
    b.g = sm_graph_parse(text, inputs, &err);
    if (!b.g)
        fail_msg("%s: %s", text, err.text);
    b.net = sm_net_new(b.g, be, 2 * pairs, true, &err);
    assert_non_null(b.net);
    b.P = b.g->params;
    b.S = b.g->stats;
    b.start = kn_alloc(b.P, sizeof *b.start, NULL);
    b.stats = kn_alloc(b.S, sizeof *b.stats, NULL);
    sm_graph_init(b.g, b.start, b.stats, 5);
    b.y = device(be, y, pairs * sizeof *y);
    b.pair_loss = device(be, NULL, pairs * sizeof(float));
    b.d = device(be, NULL, pairs * sizeof(float));
    b.sum = device(be, NULL, sizeof(float));
    b.step = device(be, &step, sizeof step);
    be->upload(be, sm_net_input(b.net), x, 2 * pairs * inputs * sizeof *x);
    return b;
}

static void bench_free(bench *b)
{
    void *all[] = {b->y, b->pair_loss, b->d, b->sum, b->step};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        b->be->dealloc(b->be, all[i]);
    sm_net_free(b->net);
    sm_graph_free(b->g);
    kn_free(b->start);
    kn_free(b->stats);
}

/* Forward and loss with these weights: the mean loss. */
static double run_forward(bench *b, const float *params)
{
    float sum;
    sm_net_set(b->net, params, b->stats);
    sm_net_forward(b->net, 2 * b->pairs, b->step, 11);
    b->be->pair_loss(b->be, b->pair_loss, b->d, sm_net_output_grad(b->net), sm_net_output(b->net), b->y, b->distance,
                     b->loss, b->margin, b->pairs, b->g->output_width);
    b->be->sum(b->be, b->sum, b->pair_loss, b->pairs);
    b->be->download(b->be, &sum, b->sum, sizeof sum);
    return (double)sum / (double)b->pairs;
}

static float *run_backward(bench *b, const float *params)
{
    float *grads = kn_alloc(b->P, sizeof *grads, NULL);
    assert_non_null(grads);
    run_forward(b, params);
    sm_net_backward(b->net, 2 * b->pairs, b->step, 11);
    b->be->download(b->be, grads, sm_net_grads(b->net), b->P * sizeof *grads);
    return grads;
}

static void random_batch(float *x, float *y, size_t pairs, size_t inputs, uint32_t which)
{
    kn_rng r = kn_rng_new(3, 77, which);
    for (size_t i = 0; i < 2 * pairs * inputs; i++)
        x[i] = kn_rng_uniform(&r, -1, 1);
    for (size_t i = 0; i < pairs; i++)
        y[i] = i % 3 == 0;
}

/* Larger than it starts out, so that nothing hides behind 0 and 1. */
static void shake(bench *b)
{
    kn_rng r = kn_rng_new(9, 78, 0);
    for (size_t i = 0; i < b->P; i++)
        b->start[i] += kn_rng_uniform(&r, -0.3f, 0.3f);
}

/* ---- finite differences ----------------------------------------------------------------- */

enum { DIRECTIONS = 8 };

/* The slope along a random direction u of unit length against grad . u: with all
 * of a tensor moving at once rounding is small beside the change, and a mistake
 * in any one element shows. Central differences, error O(h^2). Returns how many
 * directions disagreed. */
static int wrong_slopes(bench *b, const float *grads, size_t from, size_t to)
{
    float *moved = kn_alloc(b->P, sizeof *moved, NULL), *u = kn_alloc(b->P, sizeof *u, NULL);
    const double h = 1e-3;
    int wrong = 0;
    for (uint32_t k = 0; k < DIRECTIONS; k++) {
        kn_rng r = kn_rng_new(1, 79, k);
        double norm = 0, slope = 0, value[2];
        for (size_t i = from; i < to; i++) {
            u[i] = kn_rng_uniform(&r, -1, 1);
            norm += (double)u[i] * (double)u[i];
        }
        for (int side = 0; side < 2; side++) {
            memcpy(moved, b->start, b->P * sizeof *moved);
            for (size_t i = from; i < to; i++)
                moved[i] += (float)((side ? h : -h) * (double)u[i] / sqrt(norm));
            value[side] = run_forward(b, moved);
        }
        for (size_t i = from; i < to; i++)
            slope += (double)grads[i] * (double)u[i] / sqrt(norm);
        double measured = (value[1] - value[0]) / (2 * h);
        double rounding = 0x1p-22 * fabs(value[0]) / h; /* a few last bits of the loss */
        wrong += !(fabs(measured - slope) <= 0.02 * fabs(slope) + rounding);
    }
    kn_free(moved);
    kn_free(u);
    return wrong;
}

/* Every tensor of the network alone. ReLU has kinks: where one lies between the
 * two points the difference is no slope, so there a few directions may disagree;
 * a wrong gradient is wrong in all. */
static void check_gradients(kn_backend *be, const char *text, size_t inputs, kn_distance distance, kn_pair_loss loss,
                            float margin)
{
    enum { PAIRS = 12 };
    float *x = kn_alloc(2 * PAIRS * inputs, sizeof *x, NULL), y[PAIRS];
    random_batch(x, y, PAIRS, inputs, 0);
    bench b = bench_new(be, text, PAIRS, inputs, x, y);
    b.distance = distance;
    b.loss = loss;
    b.margin = margin;
    shake(&b);
    float *grads = run_backward(&b, b.start);
    double largest = 0;
    for (size_t i = 0; i < b.P; i++)
        largest = fmax(largest, fabs((double)grads[i]));
    assert_true(largest > 1e-3); /* all zero would pass any comparison with zero slopes */
    int checked = 0, allowed = strstr(text, "relu") || strstr(text, "maxpool") ? DIRECTIONS / 4 : 0; /* kinks */
    for (int i = 0; i < b.g->parts; i++) {
        const sm_part *p = &b.g->part[i];
        if (p->stat)
            continue;
        size_t size = 1;
        for (size_t k = 0; k < p->ndim; k++)
            size *= p->shape[k];
        int wrong = wrong_slopes(&b, grads, p->offset, p->offset + size);
        if (wrong > allowed)
            fail_msg("%s: '%s': %d slopes of %s are wrong", be->name, text, wrong, p->name);
        checked++;
    }
    assert_true(checked > 0);
    kn_free(grads);
    kn_free(x);
    bench_free(&b);
}

static void gradients_by_finite_differences(void **state)
{
    (void)state;
    static const char *const networks[] = {
        SEED("13"),
        "linear 5",
        "linear 5 nobias; elu; linear 4",
        "a: linear 6; elu; linear 6; batchnorm; add a; relu",
        "a: linear 6; batchnorm; add a; relu",                /* not fused */
        "linear 6; b: batchnorm; elu; add b; linear 3",       /* a result with two readers */
        "a: linear 6; elu; b: linear 6; add a b a; linear 4", /* a result read twice by one op */
        "a: linear 6; b: elu; concat b a b; linear 4",
        "batchnorm; linear 6; elu",                           /* parameters right on the data */
        "linear 7; dropout 0.3; elu; linear 5; dropout 0.2",
        "x: dropout 0.1; concat x x; linear 4",
    };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
            check_gradients(backend[k], networks[i], 9, KN_EUCLIDEAN, KN_CONTRASTIVE, 3);
            check_gradients(backend[k], networks[i], 9, KN_COSINE, KN_CONTRASTIVE, 1);
            check_gradients(backend[k], networks[i], 9, KN_EUCLIDEAN, KN_HINGE, 3);
        }
}

static void gradients_of_images_by_finite_differences(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t inputs;
    } networks[] = {
        {"input 6x5x2; conv 3 3x3 pad 1 nobias; batchnorm; elu; maxpool 2x2; linear 5", 60},
        {"input 6x5x2; conv 3 3x2/2; elu; conv 4 2x2 pad 1; elu; globalpool", 60},
        {"input 5x5x1; conv 4 3x3 pad 2 dilation 2; relu; avgpool 2x2/1; conv 2 1x1; linear 3", 25},
        {"input 4x4x3; conv 3 3x3 pad 1; a: elu; conv 3 3x3 pad 1; batchnorm; add a; elu; b: avgpool 2x2; "
         "conv 2 1x1; c: elu; concat b c; batchnorm; maxpool 2x2", 48},
        {"input 6x6x1; conv 2 3x3; dropout 0.3; elu; maxpool 2x2 pad 1; linear 4", 36},
    };
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
            check_gradients(backend[k], networks[i].text, networks[i].inputs, KN_EUCLIDEAN, KN_CONTRASTIVE, 3);
            check_gradients(backend[k], networks[i].text, networks[i].inputs, KN_COSINE, KN_CONTRASTIVE, 1);
        }
}

/* The first ops stand still: as in inference, without gradients, and what they
 * own is the first part of the block. */
static void frozen_ops_stand_still(void **state)
{
    (void)state;
    enum { PAIRS = 8, IN = 9 };
    float x[2 * PAIRS * IN], y[PAIRS];
    random_batch(x, y, PAIRS, IN, 0);
    for (int k = 0; k < 2; k++) {
        bench b = bench_new(backend[k], "linear 6; batchnorm; dropout 0.5; relu; linear 5; batchnorm", PAIRS, IN, x, y);
        float stats[22];
        shake(&b);
        assert_int_equal(sm_net_freeze(b.net, 0), 0);
        float *all = run_backward(&b, b.start);
        assert_int_equal(sm_net_freeze(b.net, 2), 6 * 9 + 6 + 12);
        sm_net_set(b.net, b.start, b.stats);
        float *some = run_backward(&b, b.start);
        b.be->download(b.be, stats, sm_net_stats(b.net), sizeof stats);
        assert_memory_equal(stats, b.stats, 12 * sizeof *stats);
        assert_memory_not_equal(stats + 12, b.stats + 12, 10 * sizeof *stats);
        for (size_t i = 0; i < 6 * 9 + 6 + 12; i++)
            assert_true(some[i] == all[i]); /* nobody wrote there */
        assert_memory_not_equal(some + 72, all + 72, (b.P - 72) * sizeof *some); /* no dropout, other statistics */
        assert_int_equal(sm_net_freeze(b.net, 4), b.P);
        kn_free(all);
        kn_free(some);
        bench_free(&b);
    }
}

/* ---- by hand ----------------------------------------------------------------------------- */

/* Two linears and an ELU in double, straight from their formulas. */
static void forward_by_hand(void **state)
{
    (void)state;
    enum { PAIRS = 3, D = 4, H = 5, OUT = 2 };
    float x[2 * PAIRS * D], y[PAIRS], z[2 * PAIRS * OUT];
    random_batch(x, y, PAIRS, D, 3);
    for (int k = 0; k < 2; k++) {
        bench b = bench_new(backend[k], "linear 5; elu; linear 2", PAIRS, D, x, y);
        const float *w1 = b.start, *b1 = w1 + H * D, *w2 = b1 + H, *b2 = w2 + OUT * H;
        run_forward(&b, b.start);
        b.be->download(b.be, z, sm_net_output(b.net), sizeof z);
        for (int r = 0; r < 2 * PAIRS; r++)
            for (int o = 0; o < OUT; o++) {
                double want = (double)b2[o];
                for (int h = 0; h < H; h++) {
                    double a = (double)b1[h];
                    for (int i = 0; i < D; i++)
                        a += (double)w1[h * D + i] * (double)x[r * D + i];
                    want += (double)w2[o * H + h] * (a > 0 ? a : expm1(a));
                }
                test_near(z[r * OUT + o], want, 1e-6);
            }
        bench_free(&b);
    }
}

/* ---- against PyTorch ----------------------------------------------------------------------- */

static const float *reference(const ds_st *st, const char *name, const char *key, size_t *n)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", name, key);
    const ds_tensor *t = ds_st_find(st, full);
    if (!t)
        fail_msg("no %s", full);
    *n = t->bytes / sizeof(float);
    return t->data;
}

/* The reference's tensors "NAME.KIND.PART" of all parts of one block. */
static void read_block(const ds_st *st, const char *name, const char *kind, const sm_graph *g, bool stat, float *block)
{
    char key[64];
    size_t n, total = 0;
    for (int i = 0; i < g->parts; i++)
        if (g->part[i].stat == stat) {
            snprintf(key, sizeof key, "%s.%s", kind, g->part[i].name);
            const float *x = reference(st, name, key, &n);
            assert_int_equal(g->part[i].offset, total);
            memcpy(block + total, x, n * sizeof *x);
            total += n;
        }
    assert_int_equal(total, stat ? g->stats : g->params);
}

/* Largest difference, relative to the largest number: what rounding leaves. */
static void check_near(const char *what, const float *have, const float *want, size_t n, double tol)
{
    double scale = 0;
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)have[i] - (double)want[i]) <= tol * scale))
            fail_msg("%s[%zu] of %zu is %.9g, not %.9g (scale %.3g)", what, i, n, (double)have[i], (double)want[i], scale);
}

static void check_device(bench *b, const char *what, const float *p, const float *want, size_t n, double tol)
{
    float *have = kn_alloc(n, sizeof *have, NULL);
    b->be->download(b->be, have, p, n * sizeof *have);
    check_near(what, have, want, n, tol);
    kn_free(have);
}

/* By the way of training: sm_net_step_pairs. */
static void ten_steps(bench *b, const float *losses)
{
    float *m = device(b->be, NULL, b->P * sizeof *m), *v = device(b->be, NULL, b->P * sizeof *v);
    const double b1 = 0.9, b2 = 0.999;
    sm_net_set(b->net, b->start, b->stats);
    for (int t = 1; t <= 10; t++) {
        const kn_step step = {.lr = 0.01f, .bias1 = (float)(1 / (1 - pow(b1, t))), .bias2 = (float)(1 / (1 - pow(b2, t)))};
        float loss;
        b->be->upload(b->be, b->step, &step, sizeof step);
        sm_net_step_pairs(b->net, b->pair_loss, b->d, b->y, b->distance, b->loss, b->margin, 2 * b->pairs, b->step, 11);
        b->be->sum(b->be, b->sum, b->pair_loss, b->pairs);
        b->be->adam(b->be, sm_net_params(b->net), m, v, sm_net_grads(b->net), b->step, (float)b1, (float)b2, 1e-8f, 0, b->P);
        b->be->download(b->be, &loss, b->sum, sizeof loss);
        test_near(loss / (float)b->pairs, losses[t - 1], 1e-4 * (double)losses[t - 1]);
    }
    b->be->dealloc(b->be, m);
    b->be->dealloc(b->be, v);
}

/* beta of the last batchnorm is the same in a and in b, so it cancels in a - b
 * and its gradient is exactly 0; in fp32 it is rounding noise, which Adam scales
 * up to steps of up to lr. No distance depends on it, so it is left out when the
 * weights are compared; but it can have moved by ten steps at most. */
static void check_after(const ds_st *st, bench *b)
{
    size_t last = b->P - b->g->output_width;
    float *have = kn_alloc(b->P, sizeof *have, NULL), *want = kn_alloc(b->P, sizeof *want, NULL);
    float *stats = kn_alloc(b->S, sizeof *stats, NULL), *want_stats = kn_alloc(b->S, sizeof *want_stats, NULL);
    read_block(st, "small", "after", b->g, false, want);
    read_block(st, "small", "after", b->g, true, want_stats);
    sm_net_get(b->net, have, stats);
    check_near("weights after ten steps", have, want, last, 1e-4);
    for (size_t i = last; i < b->P; i++)
        test_near(have[i], b->start[i], 10 * 0.01001);
    check_near("statistics after ten steps", stats, want_stats, b->S, 1e-4);
    kn_free(have);
    kn_free(want);
    kn_free(stats);
    kn_free(want_stats);
}

static void check_case(const ds_st *st, kn_backend *be, const char *name, const char *text, bool whole)
{
    size_t n, N, pairs;
    const float *x = reference(st, name, "x", &N), *y = reference(st, name, "y", &pairs);
    const float *margin = reference(st, name, "margin", &n);
    bench b = bench_new(be, text, pairs, N / pairs / 2, x, y);
    b.margin = *margin;
    read_block(st, name, "start", b.g, false, b.start);
    read_block(st, name, "start", b.g, true, b.stats);
    float *grads = run_backward(&b, b.start);
    const float *want = reference(st, name, "z", &n);
    check_device(&b, "z", sm_net_output(b.net), want, n, 2e-6);
    want = reference(st, name, "d", &n);
    check_device(&b, "d", b.d, want, n, 2e-6);
    want = reference(st, name, "loss", &n);
    check_device(&b, "loss", b.pair_loss, want, n, 4e-6);
    if (whole) {
        float *block = kn_alloc(b.P + b.S, sizeof *block, NULL);
        read_block(st, name, "grad", b.g, false, block);
        check_near("gradients", grads, block, b.P, 1e-5);
        read_block(st, name, "stat", b.g, true, block);
        check_device(&b, "statistics", sm_net_stats(b.net), block, b.S, 1e-6);
        kn_free(block);
    }
    ten_steps(&b, reference(st, name, "losses", &n));
    assert_int_equal(n, 10);
    if (whole)
        check_after(st, &b);
    sm_net_infer(b.net, 2 * pairs);
    be->distance(be, b.d, sm_net_output(b.net), KN_EUCLIDEAN, pairs, b.g->output_width);
    want = reference(st, name, "infer_d", &n);
    check_device(&b, "distances by running statistics", b.d, want, n, 1e-4);
    kn_free(grads);
    bench_free(&b);
}

static void seed_network_against_pytorch(void **state)
{
    (void)state;
    kn_error err;
    ds_st *st = ds_st_open("tests/ref/seednet.st", &err);
    if (!st)
        fail_msg("%s", err.text);
    for (int k = 0; k < 2; k++) {
        check_case(st, backend[k], "small", SEED("12"), true);
        char *text = sm_arch_text("seed", 0, NULL);
        check_case(st, backend[k], "true", text, false);
        kn_free(text);
    }
    ds_st_close(st);
}

/* ---- fused and not -------------------------------------------------------------------------------- */

/* Gammas of both signs, so that both the largest and the smallest are picked. */
static void turn_gammas(bench *b)
{
    for (int i = 0; i < b->g->parts; i++) {
        const sm_part *p = &b->g->part[i];
        if (p->ndim == 1 && strstr(p->name, "weight"))
            for (size_t k = p->offset; k < p->offset + p->shape[0]; k += 2)
                b->start[k] = -b->start[k];
    }
}

/* Gradients, then what comes out and the statistics, of training and of inference. */
static void run_all(bench *b, float *to)
{
    size_t outputs = 2 * b->pairs * b->g->output_width;
    float *grads = run_backward(b, b->start);
    memcpy(to, grads, b->P * sizeof *to);
    b->be->download(b->be, to += b->P, sm_net_stats(b->net), b->S * sizeof *to);
    b->be->download(b->be, to += b->S, sm_net_output(b->net), outputs * sizeof *to);
    sm_net_infer(b->net, 2 * b->pairs);
    b->be->download(b->be, to + outputs, sm_net_output(b->net), outputs * sizeof *to);
    kn_free(grads);
}

/* A dropout that drops nothing keeps batchnorm and pool apart. */
#define POOLED(gap)                                                                                        \
    "input 7x6x2; conv 3 3x3 pad 1 nobias; batchnorm; " gap "relu; maxpool 2x2; conv 4 3x3 pad 1; batchnorm; " gap \
    "elu; maxpool 3x3/1 pad 1; conv 3 1x1; batchnorm; " gap "maxpool 2x2/1"

static void a_pool_within_a_batchnorm_changes_nothing(void **state)
{
    (void)state;
    enum { PAIRS = 8, IN = 84, OUT = 12, MOST = 1024 };
    float x[2 * PAIRS * IN], y[PAIRS], want[MOST], have[MOST];
    random_batch(x, y, PAIRS, IN, 5);
    for (int k = 0; k < 2; k++) {
        bench apart = bench_new(backend[k], POOLED("dropout 0; "), PAIRS, IN, x, y);
        bench fused = bench_new(backend[k], POOLED(""), PAIRS, IN, x, y);
        size_t n = fused.P + fused.S + (size_t)4 * PAIRS * OUT;
        assert_int_equal(fused.g->nodes, 7); /* input, 3 x (conv, all else) */
        assert_int_equal(apart.g->nodes, 1 + 5 + 5 + 4);
        assert_int_equal(fused.g->output_width, OUT);
        assert_true(n <= MOST && fused.P == apart.P && fused.S == apart.S);
        shake(&apart);
        turn_gammas(&apart);
        memcpy(fused.start, apart.start, fused.P * sizeof *fused.start);
        for (int frozen = 0; frozen < 5; frozen += 2) { /* convs with their batchnorms */
            assert_int_equal(sm_net_freeze(fused.net, frozen), sm_net_freeze(apart.net, frozen));
            apart.margin = fused.margin = 4;
            run_all(&apart, want);
            run_all(&fused, have);
            check_near("gradients", have, want, fused.P, 1e-5);
            check_near("statistics, outputs", have + fused.P, want + fused.P, n - fused.P, 1e-5);
        }
        bench_free(&apart);
        bench_free(&fused);
    }
}

/* ---- twins ------------------------------------------------------------------------------------- */

/* Both twins are in one batch, so batch statistics cannot tell them apart: with
 * the questions of every pair swapped, losses and distances stay. */
static void swapping_the_questions_changes_nothing(void **state)
{
    (void)state;
    enum { PAIRS = 33, D = 17 };
    static float x[2 * PAIRS * D], swapped[2 * PAIRS * D];
    float y[PAIRS], d[2][PAIRS], loss[2][PAIRS];
    random_batch(x, y, PAIRS, D, 1);
    memcpy(swapped, x + PAIRS * D, sizeof x / 2);
    memcpy(swapped + PAIRS * D, x, sizeof x / 2);
    for (int k = 0; k < 2; k++) {
        for (int side = 0; side < 2; side++) {
            bench b = bench_new(backend[k], SEED("16"), PAIRS, D, side ? swapped : x, y);
            b.margin = 6;
            run_forward(&b, b.start);
            b.be->download(b.be, d[side], b.d, sizeof d[side]);
            b.be->download(b.be, loss[side], b.pair_loss, sizeof loss[side]);
            bench_free(&b);
        }
        for (int i = 0; i < PAIRS; i++) { /* sums of the batch run in another order: the last bits differ */
            assert_true(d[0][i] > 0.1f);
            test_near(d[0][i], d[1][i], 1e-5 * (double)d[0][i]);
            test_near(loss[0][i], loss[1][i], 2e-5 * (double)(loss[0][i] + 1));
        }
    }
}

/* A row's inference does not depend on the rows beside it, and dropout is off. */
static void inference_sees_one_row(void **state)
{
    (void)state;
    enum { PAIRS = 8, D = 9, OUT = 5 };
    float x[2 * PAIRS * D], y[PAIRS], all[2 * PAIRS * OUT], one[2 * PAIRS * OUT];
    random_batch(x, y, PAIRS, D, 2);
    for (int k = 0; k < 2; k++) {
        bench b = bench_new(backend[k], "linear 8; batchnorm; elu; dropout 0.5; linear 5", PAIRS, D, x, y);
        run_forward(&b, b.start); /* moves the running statistics */
        sm_net_infer(b.net, 2 * PAIRS);
        b.be->download(b.be, all, sm_net_output(b.net), sizeof all);
        for (size_t i = 0; i < 2 * PAIRS; i++) {
            b.be->upload(b.be, sm_net_input(b.net), x + i * D, D * sizeof *x);
            sm_net_infer(b.net, 2 * PAIRS);
            b.be->download(b.be, one, sm_net_output(b.net), sizeof one);
            assert_memory_equal(one, all + i * OUT, OUT * sizeof *one);
        }
        bench_free(&b);
    }
}

/* Initial weights: in PyTorch's range and filling it, another for every seed,
 * the same for the same. */
static void initial_weights(void **state)
{
    (void)state;
    sm_graph *g = sm_graph_parse("linear 64; batchnorm; relu; linear 64", 100, NULL);
    float *p[3], *s = kn_alloc(g->stats, sizeof *s, NULL);
    for (int k = 0; k < 3; k++) {
        p[k] = kn_alloc(g->params, sizeof *p[k], NULL);
        sm_graph_init(g, p[k], s, k == 1 ? 2 : 1);
    }
    assert_memory_equal(p[0], p[2], g->params * sizeof **p);
    for (int i = 0; i < g->parts; i++) {
        const sm_part *part = &g->part[i];
        size_t n = part->shape[0] * (part->ndim == 2 ? part->shape[1] : 1);
        const float *x = (part->stat ? s : p[0]) + part->offset;
        bool norm = part->name[0] == '2';
        double bound = 1 / sqrt(part->name[0] == '1' ? 100 : 64), lowest = 9, highest = -9;
        for (size_t k = 0; k < n; k++) {
            lowest = fmin(lowest, (double)x[k]);
            highest = fmax(highest, (double)x[k]);
        }
        if (norm) {
            double want = strstr(part->name, "weight") || strstr(part->name, "var") ? 1 : 0;
            assert_true(lowest == want && highest == want);
        } else {
            assert_true(lowest >= -bound && lowest < -0.9 * bound && highest < bound && highest > 0.9 * bound);
            assert_memory_not_equal(x, p[1] + part->offset, n * sizeof *x);
        }
    }
    for (int k = 0; k < 3; k++)
        kn_free(p[k]);
    kn_free(s);
    sm_graph_free(g);
}

/* Scaling scales the output by just that, whatever way the network ends; but
 * for the biases of inner linears, which residual-post has. */
static void output_scale(void **state)
{
    (void)state;
    static const char *const names[] = {"seed", "wide", "residual", "residual-post"};
    enum { PAIRS = 16, D = 9 };
    float x[2 * PAIRS * D], y[PAIRS], d[2][PAIRS];
    random_batch(x, y, PAIRS, D, 4);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text = sm_arch_text(names[i], 0, NULL);
        bench b = bench_new(backend[1], text, PAIRS, D, x, y);
        for (int k = 0; k < 2; k++) {
            run_forward(&b, b.start);
            b.be->download(b.be, d[k], b.d, sizeof d[k]);
            sm_graph_scale(b.g, b.start, 0.25f);
        }
        for (int k = 0; k < PAIRS; k++)
            test_near(d[1][k], 0.25 * (double)d[0][k], (i == 3 ? 0.1 : 0.01) * (double)d[0][k]);
        bench_free(&b);
        kn_free(text);
    }
}

static int open_backends(void **state)
{
    (void)state;
    static kn_pool *pool;
    pool = kn_pool_new(2, NULL);
    backend[0] = kn_backend_naive(NULL);
    backend[1] = kn_backend_cpu(pool, NULL);
    *state = pool;
    return backend[0] && backend[1] ? 0 : -1;
}

static int close_backends(void **state)
{
    kn_backend_close(backend[0]);
    kn_backend_close(backend[1]);
    kn_pool_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_by_finite_differences),
        cmocka_unit_test(gradients_of_images_by_finite_differences),
        cmocka_unit_test(frozen_ops_stand_still),
        cmocka_unit_test(forward_by_hand),
        cmocka_unit_test(seed_network_against_pytorch),
        cmocka_unit_test(a_pool_within_a_batchnorm_changes_nothing),
        cmocka_unit_test(swapping_the_questions_changes_nothing),
        cmocka_unit_test(inference_sees_one_row),
        cmocka_unit_test(initial_weights),
        cmocka_unit_test(output_scale),
    };
    return cmocka_run_group_tests(tests, open_backends, close_backends);
}
