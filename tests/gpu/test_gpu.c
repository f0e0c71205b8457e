/* What tests/test_ops.c cannot see of the CUDA filling: that a step is recorded
 * and replayed, that runs give the same bits, that training agrees with the CPU,
 * and what is said when something fails. The same program runs on a GPU (make
 * check-gpu) and on the CPU stand-in (make check-cuda-on-cpu), there with less
 * to do and with threads in another order at the second of two runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "siamese/train.h"
#include "tests/support.h"

static kn_error err;

static kn_backend *open_gpu(void)
{
    kn_backend *be = kn_backend_cuda(&err);
    if (!be)
        fail_msg("%s", err.text);
    return be;
}

static bool on_stand_in(kn_backend *be)
{
    return strstr(be->describe(be), "stand-in") != NULL;
}

static void *device(kn_backend *be, size_t bytes)
{
    void *p = be->alloc(be, bytes, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void assert_fine(kn_backend *be)
{
    if (be->sync(be, &err))
        fail_msg("%s", err.text);
}

/* auto is the GPU when there is one, else the cpu; SIAM_CUDA_MEMORY=0 takes the
 * stand-in's device away. */
static void test_auto(void **state)
{
    (void)state;
    kn_backend *be = kn_backend_open("auto", NULL, &err);
    assert_non_null(be);
    assert_string_equal(be->name, "cuda");
    bool stand_in = on_stand_in(be);
    kn_backend_close(be);
    if (!stand_in)
        return;
    setenv("SIAM_CUDA_MEMORY", "0", 1);
    assert_null(kn_backend_cuda(&err));
    assert_non_null(strstr(err.text, "no CUDA-capable device"));
    be = kn_backend_open("auto", NULL, &err);
    unsetenv("SIAM_CUDA_MEMORY");
    assert_non_null(be);
    assert_string_equal(be->name, "cpu");
    kn_backend_close(be);
}

/* ---- memory ------------------------------------------------------------------------ */

/* New memory is zero. The host's bytes may change as soon as upload returns; all
 * of the ring is used more than once. */
static void test_upload_has_read_its_source(void **state)
{
    (void)state;
    enum { BYTES = 40 * 1000 * 1000 + 3, PIECE = 4096 };
    kn_backend *be = open_gpu();
    char *to = device(be, BYTES), *host = malloc(BYTES), *back = malloc(BYTES);
    assert_true(host && back);
    be->download(be, back, to, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(back[i], 0);
    for (size_t i = 0; i < BYTES; i++)
        host[i] = (char)(i * 2654435761u >> 13);
    be->upload(be, to, host, BYTES);
    memset(host, 0, BYTES);
    be->download(be, back, to, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(back[i], (char)(i * 2654435761u >> 13));
    for (int i = 0; i < 100; i++) {
        memset(host, i, PIECE);
        be->upload(be, to + i * PIECE, host, PIECE);
    }
    be->download(be, back, to, 100 * PIECE);
    for (size_t i = 0; i < 100 * PIECE; i++)
        assert_int_equal(back[i], (char)(i / PIECE));
    assert_fine(be);
    be->dealloc(be, to);
    kn_backend_close(be);
    free(host), free(back);
}

static void test_memory_out(void **state)
{
    (void)state;
    kn_backend *be = open_gpu();
    assert_null(be->alloc(be, (size_t)1 << 50, &err));
    assert_non_null(strstr(err.text, "1073741824.0 MiB were asked for"));
    assert_non_null(strstr(err.text, "MiB are free"));
    float *x = device(be, 4); /* the device goes on */
    be->fill(be, x, 3, 1);
    assert_fine(be);
    be->dealloc(be, x);
    be->dealloc(be, NULL);
    kn_backend_close(be);
}

/* Scratch memory comes into being with the first op that needs some. */
static void test_first_op_of_all(void **state)
{
    (void)state;
    kn_backend *be = open_gpu();
    float *x = device(be, 8), dist[2];
    uint32_t *i = device(be, 8), idx[2];
    be->nearest(be, x, i, x, x, KN_L1, 1, 0, 1, 2);
    be->download(be, dist, x, sizeof dist);
    be->download(be, idx, i, sizeof idx);
    assert_fine(be);
    assert_true(isinf(dist[0]) && isinf(dist[1]) && idx[0] == UINT32_MAX && idx[1] == UINT32_MAX);
    be->dealloc(be, x), be->dealloc(be, i);
    kn_backend_close(be);
}

static void compare_with(kn_backend *be, const float *at, const float *want, size_t n)
{
    float *got = malloc(n * sizeof *got);
    assert_non_null(got);
    be->download(be, got, at, n * sizeof *got);
    for (size_t i = 0; i < n; i++)
        test_near(got[i], want[i], 1e-4 * (1 + fabs((double)want[i])));
    free(got);
}

/* More windows than the matrix in scratch has room for: 60 images of 57. */
static void test_convolution_in_parts(void **state)
{
    (void)state;
    enum { IMAGES = 60, SIDE = 64, CHANNELS = 8, TAPS = 9 * CHANNELS, WINDOWS = IMAGES * SIDE * SIDE };
    const kn_window win = {.H = SIDE, .W = SIDE, .C = CHANNELS, .KH = 3, .KW = 3, .stride = 1, .pad = 1, .dilation = 1,
                           .P = SIDE, .Q = SIDE};
    const size_t n[] = {WINDOWS * CHANNELS, TAPS, WINDOWS, WINDOWS * CHANNELS, TAPS, WINDOWS};
    kn_backend *be[2] = {kn_backend_cpu(NULL, &err), open_gpu()};
    float *on[2][6], *host = malloc(n[0] * sizeof *host); /* x, w, dy; then dx, dw, y */
    kn_rng r = kn_rng_new(3, KN_STREAM_INIT, 0);
    assert_true(host && be[0]);
    for (int i = 0; i < 6; i++) {
        for (size_t k = 0; k < n[i]; k++)
            host[k] = kn_rng_uniform(&r, -0.1f, 0.1f);
        for (int k = 0; k < 2; k++) {
            on[k][i] = device(be[k], n[i] * sizeof *host);
            be[k]->upload(be[k], on[k][i], host, n[i] * sizeof *host);
        }
    }
    for (int k = 0; k < 2; k++) {
        float **t = on[k];
        be[k]->conv_forward(be[k], t[5], t[0], t[1], NULL, KN_ACT_ELU, &win, IMAGES, 1);
        be[k]->conv_backward_x(be[k], t[3], t[2], t[1], &win, IMAGES, 1, 1);
        be[k]->conv_backward_w(be[k], t[4], t[2], t[0], &win, IMAGES, 1);
    }
    for (int i = 3; i < 6; i++)
        compare_with(be[1], on[1][i], on[0][i], n[i]);
    assert_fine(be[1]);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 6; i++)
            be[k]->dealloc(be[k], on[k][i]);
        kn_backend_close(be[k]);
    }
    free(host);
}

/* ---- recorded steps ------------------------------------------------------------------ */

typedef struct count_up {
    kn_backend *be;
    float *x, *one;
    int calls;
} count_up;

static void add_one(void *arg)
{
    count_up *c = arg;
    c->calls++;
    c->be->add(c->be, c->x, c->x, c->one, 1);
}

static void test_run_replays(void **state)
{
    (void)state;
    kn_backend *be = open_gpu();
    count_up c = {.be = be, .x = device(be, 4), .one = device(be, 4)};
    float x;
    be->fill(be, c.one, 1, 1);
    for (int i = 0; i < 100; i++)
        be->run(be, 3, add_one, &c);
    assert_true(c.calls < 5); /* else nothing was recorded */
    be->download(be, &x, c.x, 4);
    test_near(x, 100, 0);
    be->forget(be, 3);
    be->forget(be, 3);
    be->run(be, 3, add_one, &c);
    be->download(be, &x, c.x, 4);
    test_near(x, 101, 0);
    assert_fine(be);
    be->dealloc(be, c.x);
    be->dealloc(be, c.one);
    kn_backend_close(be);
}

static void upload_inside(void *arg)
{
    count_up *c = arg;
    float one = 1;
    c->be->upload(c->be, c->one, &one, 4);
    add_one(arg);
}

/* The first failure is told, what follows is skipped, and sync makes a new start. */
static void test_failure_is_kept(void **state)
{
    (void)state;
    kn_backend *be = open_gpu();
    count_up c = {.be = be, .x = device(be, 4), .one = device(be, 4)};
    float x;
    for (int i = 0; i < 5; i++)
        be->run(be, 0, upload_inside, &c); /* the first is a plain run */
    be->run(be, 99, add_one, &c);
    be->fill(be, c.x, 50, 1);
    assert_int_equal(be->sync(be, &err), -1);
    assert_non_null(strstr(err.text, "upload inside a recorded step"));
    assert_fine(be);
    be->download(be, &x, c.x, 4);
    test_near(x, 1, 0);
    be->gemm(be, c.x, c.x, c.x, 0, 0, (size_t)1 << 32, 1, 1, 0);
    assert_int_equal(be->sync(be, NULL), -1);
    be->fill(be, c.x, 50, 1);
    be->download(be, &x, c.x, 4);
    test_near(x, 50, 0);
    assert_fine(be);
    be->dealloc(be, c.x);
    be->dealloc(be, c.one);
    kn_backend_close(be);
}

/* ---- training --------------------------------------------------------------------------- */

enum { DIM = 100, ROWS = 1000, PAIRS = 2000, MOST_STEPS = 100, MOST_BATCH = 1025 };
/* Small, since training magnifies roundings: Adam moves a weight by the rate
 * whatever the size of its gradient. At 1e-3 even the cpu and naive, which sums in
 * double, are 1e-3 apart after 100 steps; at 1e-4 they are 4e-5 apart. */
static const double RATE = 1e-4;

typedef struct run_of_steps {
    size_t batch, steps;
    double loss[MOST_STEPS];
    sm_state state; /* weights and moments at the end */
} run_of_steps;

/* Rows of random numbers; duplicates are rows close to each other. */
static sm_pairs make_pairs(void)
{
    float *x = malloc(ROWS * DIM * sizeof *x), *label = malloc(PAIRS * sizeof *label);
    uint32_t *q1 = malloc(PAIRS * sizeof *q1), *q2 = malloc(PAIRS * sizeof *q2);
    assert_true(x && label && q1 && q2);
    kn_rng r = kn_rng_new(7, KN_STREAM_SPLIT, 0);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < DIM; j++)
            x[i * DIM + j] = i % 2 ? x[(i - 1) * DIM + j] + kn_rng_uniform(&r, -0.3f, 0.3f) : kn_rng_uniform(&r, -1, 1);
    for (size_t i = 0; i < PAIRS; i++) {
        q1[i] = kn_rng_below(&r, ROWS);
        q2[i] = i % 3 ? kn_rng_below(&r, ROWS) : q1[i] ^ 1;
        label[i] = q2[i] == (q1[i] ^ 1);
    }
    return (sm_pairs){.pairs = PAIRS, .rows = ROWS, .dim = DIM, .x = x, .q1 = q1, .q2 = q2, .label = label};
}

static void free_pairs(sm_pairs *p)
{
    free((void *)(uintptr_t)p->x), free((void *)(uintptr_t)p->label);
    free((void *)(uintptr_t)p->q1), free((void *)(uintptr_t)p->q2);
}

/* Draws the pairs of a batch. */
static sm_batch draw(const sm_pairs *p, size_t count, kn_rng *r, uint32_t row[2 * MOST_BATCH], float label[MOST_BATCH])
{
    for (size_t k = 0; k < count; k++) {
        uint32_t pair = kn_rng_below(r, PAIRS);
        row[k] = p->q1[pair];
        row[count + k] = p->q2[pair];
        label[k] = p->label[pair];
    }
    return (sm_batch){.items = count, .rows = 2 * count, .row = row, .target = label};
}

static void train(run_of_steps *r, const char *arch, const sm_pairs *p, kn_backend *be)
{
    sm_train_options o = sm_train_defaults();
    o.batch = (int)r->batch;
    char *text = sm_arch_text(arch, 0, &err);
    sm_graph *g = sm_graph_parse(text, DIM, &err);
    assert_non_null(g);
    assert_int_equal(sm_state_new(&r->state, g->params, g->stats, &err), 0);
    sm_graph_init(g, r->state.params, r->state.stats, 1);
    const sm_task task = {.target = SM_PAIRS, .dim = DIM, .batch = r->batch, .table = p->x, .table_rows = ROWS};
    sm_stepper *s = sm_stepper_new(g, &o, &task, be, &err);
    if (!s)
        fail_msg("%s", err.text);
    sm_stepper_set(s, &r->state);
    uint32_t row[2 * MOST_BATCH];
    float label[MOST_BATCH];
    kn_rng order = kn_rng_new(1, KN_STREAM_SHUFFLE, 0);
    for (size_t i = 0; i < r->steps; i++) {
        size_t count = i % 10 == 9 ? PAIRS % r->batch : r->batch; /* an epoch's last batch is short */
        sm_batch b = draw(p, count, &order, row, label);
        sm_stepper_train(s, &b, i, RATE);
        assert_int_equal(sm_stepper_loss(s, &r->loss[i], &err), 0);
        r->loss[i] /= (double)count;
    }
    sm_stepper_get(s, &r->state);
    assert_fine(be);
    sm_stepper_free(s);
    sm_graph_free(g);
    kn_free(text);
}

/* 100 steps of batch 512; on the stand-in as many as take a few seconds. */
static run_of_steps size_for(kn_backend *be)
{
    return on_stand_in(be) ? (run_of_steps){.batch = 21, .steps = 12} : (run_of_steps){.batch = 512, .steps = 100};
}

static void test_trains_as_the_cpu(void **state)
{
    (void)state;
    kn_backend *gpu = open_gpu(), *cpu = kn_backend_cpu(NULL, &err);
    sm_pairs p = make_pairs();
    run_of_steps a = size_for(gpu), b = a;
    double worst = 0;
    assert_non_null(cpu);
    train(&a, "seed", &p, gpu);
    train(&b, "seed", &p, cpu);
    for (size_t i = 0; i < a.steps; i++)
        worst = fmax(worst, fabs(a.loss[i] - b.loss[i]) / b.loss[i]);
    print_message("# %zu steps of %zu pairs: loss %.6f to %.6f, off by %.1e at most\n", a.steps, a.batch, b.loss[0],
                  b.loss[b.steps - 1], worst);
    assert_true(b.loss[b.steps - 1] < b.loss[0]); /* it did learn */
    for (size_t i = 0; i < a.steps; i++)
        test_near(a.loss[i], b.loss[i], 1e-4 * b.loss[i]);
    sm_state_free(&a.state), sm_state_free(&b.state);
    free_pairs(&p);
    kn_backend_close(gpu), kn_backend_close(cpu);
}

/* Nearest rows of base[N,DIM] to the first Q of them, as bytes. */
static void search(kn_backend *be, float *dist, uint32_t *idx, const float *base, size_t Q, size_t N, size_t k)
{
    float *b = device(be, N * DIM * 4), *d = device(be, Q * k * 4);
    uint32_t *i = device(be, Q * k * 4);
    be->upload(be, b, base, N * DIM * 4);
    be->nearest(be, d, i, b, b, KN_EUCLIDEAN, Q, N, DIM, k);
    be->download(be, dist, d, Q * k * 4);
    be->download(be, idx, i, Q * k * 4);
    be->dealloc(be, b), be->dealloc(be, d), be->dealloc(be, i);
}

static void test_same_bits_twice(void **state)
{
    (void)state;
    enum { Q = 5, K = 30 };
    sm_pairs p = make_pairs();
    run_of_steps run[2];
    float dist[2][Q * K];
    uint32_t idx[2][Q * K];
    const char *seed = getenv("SIAM_CUDA_SHUFFLE");
    char old[32];
    snprintf(old, sizeof old, "%s", seed ? seed : "0");
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            setenv("SIAM_CUDA_SHUFFLE", "12345", 1); /* for the stand-in */
        kn_backend *be = open_gpu();
        run[i] = size_for(be);
        run[i].batch = run[i].batch * 2 + 1;
        run[i].steps = run[i].steps / 2;
        train(&run[i], "residual-dropout", &p, be);
        search(be, dist[i], idx[i], p.x, Q, ROWS, K);
        kn_backend_close(be);
    }
    setenv("SIAM_CUDA_SHUFFLE", old, 1);
    size_t bytes = run[0].state.P * sizeof(float);
    assert_memory_equal(run[0].loss, run[1].loss, run[0].steps * sizeof *run[0].loss);
    assert_memory_equal(run[0].state.params, run[1].state.params, bytes);
    assert_memory_equal(run[0].state.v, run[1].state.v, bytes);
    assert_memory_equal(run[0].state.stats, run[1].state.stats, run[0].state.S * sizeof(float));
    assert_memory_equal(dist[0], dist[1], sizeof dist[0]);
    assert_memory_equal(idx[0], idx[1], sizeof idx[0]);
    sm_state_free(&run[0].state), sm_state_free(&run[1].state);
    free_pairs(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_upload_has_read_its_source),
        cmocka_unit_test(test_memory_out),
        cmocka_unit_test(test_first_op_of_all),
        cmocka_unit_test(test_convolution_in_parts),
        cmocka_unit_test(test_run_replays),
        cmocka_unit_test(test_failure_is_kept),
        cmocka_unit_test(test_trains_as_the_cpu),
        cmocka_unit_test(test_same_bits_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
