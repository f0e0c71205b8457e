/* Training: it learns, it is the same for any number of threads, it resumes to
 * the same bytes, and it refuses what cannot be. Also the data sets under it. */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "siamese/siamese.h"

/* ---- a made-up task --------------------------------------------------------------------- */

enum { D = 10, ROWS = 256 };

typedef struct task {
    sm_pairs p;
    float *x, *label;
    uint32_t *q;
} task;

/* Rows are noisy copies of a few patterns; a pair is a duplicate when both rows
 * are of one pattern. */
static task task_new(size_t pairs, uint32_t which)
{
    kn_rng r = kn_rng_new(1, 80, which), fixed = kn_rng_new(1, 81, 0);
    float pattern[8][D];
    task t = {.x = kn_alloc(ROWS * D, sizeof *t.x, NULL), .label = kn_alloc(pairs, sizeof *t.label, NULL),
              .q = kn_alloc(2 * pairs, sizeof *t.q, NULL)};
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < D; i++)
            pattern[k][i] = kn_rng_uniform(&fixed, -1, 1);
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t i = 0; i < D; i++)
            t.x[row * D + i] = pattern[row % 8][i] + kn_rng_uniform(&r, -0.8f, 0.8f);
    for (size_t i = 0; i < pairs; i++) {
        t.q[i] = kn_rng_below(&r, ROWS);
        t.q[pairs + i] = i % 3 ? kn_rng_below(&r, ROWS) : (t.q[i] + 8 * kn_rng_below(&r, ROWS / 8)) % ROWS;
        t.label[i] = t.q[i] % 8 == t.q[pairs + i] % 8;
    }
    t.p = (sm_pairs){.pairs = pairs, .rows = ROWS, .dim = D, .x = t.x, .q1 = t.q, .q2 = t.q + pairs, .label = t.label,
                     .digest = "0123456789abcdef"};
    return t;
}

static void task_free(task *t)
{
    kn_free(t->x);
    kn_free(t->q);
    kn_free(t->label);
}

static sm_train_options options(void)
{
    sm_train_options o = sm_train_defaults();
    o.arch = "linear 16 nobias; batchnorm; r1: relu; linear 16 nobias; batchnorm; add r1; relu";
    o.batch = 32;
    o.epochs = 4;
    o.lr = 0.01;
    return o;
}

static kn_backend *naive;

/* The model's bytes, or a failure. */
static kn_buf trained(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                      const sm_train_control *c, kn_backend *be)
{
    kn_error err;
    kn_buf bytes = {0};
    sm_model *m = sm_train(train, dev, o, c, be, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_int_equal(sm_model_bytes(m, &bytes, &err), 0);
    sm_model_free(m);
    return bytes;
}

static void same_bytes(kn_buf *a, const kn_buf *b, const char *what)
{
    if (a->n != b->n || memcmp(a->p, b->p, a->n))
        fail_msg("another model: %s", what);
    kn_buf_free(a);
}

static void refused(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o, const sm_train_control *c,
                    const char *why)
{
    kn_error err = {{0}};
    assert_null(sm_train(train, dev, o, c, naive, &err));
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

/* ---- what a run tells, and when it is stopped ----------------------------------------------- */

typedef struct watch {
    sm_epoch epoch[32];
    int epochs, steps, stop_at; /* stop_at: the question in which the answer is yes; 0: never */
    size_t train, dev;
} watch;

static void on_start(void *arg, const sm_run *r)
{
    watch *w = arg;
    assert_true(r->graph->params > 0 && r->done >= 0);
    w->train = r->train;
    w->dev = r->dev;
}

static void on_epoch(void *arg, const sm_epoch *e)
{
    watch *w = arg;
    assert_true(w->epochs < 32 && isfinite(e->loss) && e->rate > 0);
    w->epoch[w->epochs++] = *e;
}

static bool on_step(void *arg)
{
    watch *w = arg;
    return ++w->steps == w->stop_at;
}

static sm_train_control watched(watch *w)
{
    return (sm_train_control){.start = on_start, .epoch = on_epoch, .stop = on_step, .arg = w};
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void learns(void **state)
{
    (void)state;
    static const struct {
        kn_distance distance;
        sm_loss loss;
        sm_optimizer optimizer;
        double lr;
        bool nesterov;
    } ways[] = {{KN_EUCLIDEAN, SM_CONTRASTIVE, SM_ADAM, 0.01, false}, {KN_L1, SM_HINGE, SM_ADAM, 0.01, false},
                {KN_COSINE, SM_CONTRASTIVE, SM_ADAM, 0.01, false}, {KN_EUCLIDEAN, SM_CONTRASTIVE, SM_SGD, 0.05, false},
                {KN_EUCLIDEAN, SM_CONTRASTIVE, SM_SGD, 0.05, true}};
    task train = task_new(900, 0), dev = task_new(300, 1);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        watch w = {0};
        sm_train_control c = watched(&w);
        sm_train_options o = options();
        o.distance = ways[i].distance;
        o.loss = ways[i].loss;
        o.margin = ways[i].distance == KN_L1 ? 8 : ways[i].distance == KN_COSINE ? 0.7 : 2;
        o.optimizer = ways[i].optimizer;
        o.lr = ways[i].lr;
        o.nesterov = ways[i].nesterov;
        o.epochs = 8;
        kn_buf m = trained(&train.p, &dev.p, &o, &c, naive);
        kn_buf_free(&m);
        double best = 0;
        for (int k = 0; k < w.epochs; k++)
            best = fmax(best, w.epoch[k].dev.pairs.auc);
        if (!(best > 0.9) || !(w.epoch[7].loss < 0.8 * w.epoch[0].loss))
            fail_msg("way %zu: AUC %g, loss %g to %g", i, best, w.epoch[0].loss, w.epoch[7].loss);
        assert_int_equal(w.train, 900);
        assert_int_equal(w.dev, 300);
    }
    task_free(&train);
    task_free(&dev);
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    task t = task_new(700, 0);
    sm_train_options o = options();
    o.arch = "seed";
    o.batch = 300;
    o.epochs = 2;
    o.dropout = 0.1;
    kn_buf first = {0};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        kn_pool *pool = kn_pool_new(threads[i], NULL);
        kn_backend *be = kn_backend_cpu(pool, NULL);
        kn_buf m = trained(&t.p, NULL, &o, NULL, be);
        if (i == 0)
            first = m;
        else
            same_bytes(&m, &first, "threads");
        kn_backend_close(be);
        kn_pool_free(pool);
    }
    kn_buf_free(&first);
    task_free(&t);
}

/* Killed at every step of a run and resumed, it ends in the same bytes. A kill
 * and a stop are alike: the checkpoint is of the last whole epoch. */
static void resumes_bit_equal(void **state)
{
    (void)state;
    task t = task_new(150, 0);
    for (int way = 0; way < 3; way++) {
        sm_train_options o = options();
        if (way == 1)
            o.dropout = 0.2, o.patience = 2, o.schedule = SM_STEP, o.schedule_epochs = 1, o.decay = 1e-3;
        if (way == 2)
            o.optimizer = SM_SGD, o.nesterov = true, o.warmup = 0.3, o.hold_out = 0;
        watch w = {0};
        sm_train_control c = watched(&w);
        kn_buf whole = trained(&t.p, NULL, &o, &c, naive);
        int all = w.steps;
        assert_true(all >= 8);
        for (int at = 1; at <= all; at++) {
            const char *path = test_path("run.checkpoint");
            remove(path);
            w = (watch){.stop_at = at};
            c.checkpoint = path;
            c.resume = true; /* where there is none the run starts anew */
            refused(&t.p, NULL, &o, &c, "stopped in epoch");
            w = (watch){0};
            kn_buf resumed = trained(&t.p, NULL, &o, &c, naive);
            same_bytes(&resumed, &whole, "resumed");
            w = (watch){0};
            kn_buf done = trained(&t.p, NULL, &o, &c, naive); /* from a checkpoint of the end */
            assert_int_equal(w.steps, 0);
            same_bytes(&done, &whole, "resumed after the end");
        }
        kn_buf_free(&whole);
    }
    task_free(&t);
}

static void another_run_cannot_be_resumed(void **state)
{
    (void)state;
    task t = task_new(150, 0);
    sm_train_options o = options();
    sm_train_control c = {.checkpoint = test_path("other.checkpoint"), .resume = true};
    kn_buf m = trained(&t.p, NULL, &o, &c, naive);
    kn_buf_free(&m);
    sm_train_options other = o;
    other.lr = 0.02;
    refused(&t.p, NULL, &other, &c, "its run was another one: settings");
    other = o;
    other.epochs++;
    refused(&t.p, NULL, &other, &c, "its run was another one: settings");
    sm_pairs changed = t.p;
    changed.digest = "fedc";
    refused(&changed, NULL, &o, &c, "its run was another one: train");
    c.resume = false; /* then it is not read */
    m = trained(&changed, NULL, &o, &c, naive);
    kn_buf_free(&m);
    c.resume = true;
    size_t n;
    char *whole = test_read(c.checkpoint, &n);
    for (size_t cut = 0; cut < n; cut += cut < 2000 ? 97 : 4001) { /* every part of the file */
        test_write(c.checkpoint, whole, cut);
        kn_error err;
        assert_null(sm_train(&changed, NULL, &o, &c, naive, &err));
    }
    free(whole);
    task_free(&t);
}

/* Batches of 32 from what leaves a remainder of 0, 1, 2, 31 and all. */
static void the_last_batch(void **state)
{
    (void)state;
    static const struct {
        size_t pairs;
        int steps;
    } cases[] = {{64, 2}, {65, 2}, {66, 3}, {95, 3}, {20, 1}, {2, 1}, {33, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        task t = task_new(cases[i].pairs, 0);
        watch w = {0};
        sm_train_control c = watched(&w);
        sm_train_options o = options();
        o.hold_out = 0;
        o.epochs = 3;
        kn_buf m = trained(&t.p, NULL, &o, &c, naive);
        kn_buf_free(&m);
        assert_int_equal(w.steps, 3 * cases[i].steps);
        assert_true(w.epoch[0].dev.n == 0);
        task_free(&t);
    }

}

/* Where all pairs are one pair and the weights stand still, only the masks of
 * dropout can make one step's loss another's. */
static void dropout_draws_anew_each_step(void **state)
{
    (void)state;
    task t = task_new(32, 0);
    for (int i = 0; i < 32; i++)
        t.q[i] = 1, t.q[32 + i] = 2, t.label[i] = 1;
    for (int p = 0; p < 2; p++) {
        watch w = {0};
        sm_train_control c = watched(&w);
        sm_train_options o = options();
        o.arch = "linear 16; linear 8";
        o.dropout = p ? 0.5 : 0;
        o.hold_out = 0;
        o.lr = 1e-12;
        kn_buf m = trained(&t.p, NULL, &o, &c, naive);
        kn_buf_free(&m);
        assert_int_equal(w.epoch[0].loss != w.epoch[1].loss, p);
        assert_int_equal(w.epoch[1].loss != w.epoch[2].loss, p);
    }
    task_free(&t);
}

static void the_best_weights_are_kept(void **state)
{
    (void)state;
    task train = task_new(300, 0), dev = task_new(200, 1);
    sm_train_options o = options();
    watch w = {0};
    sm_train_control c = watched(&w);
    o.lr = 1; /* so rough that the last epoch is not the best */
    o.schedule = SM_CONSTANT;
    o.epochs = 12;
    kn_error err;
    sm_model *m = sm_train(&train.p, &dev.p, &o, &c, naive, &err);
    assert_non_null(m);
    double best = 0;
    for (int i = 0; i < w.epochs; i++) {
        assert_int_equal(w.epoch[i].best, w.epoch[i].dev.pairs.auc > best);
        best = fmax(best, w.epoch[i].dev.pairs.auc);
    }
    assert_true(w.epoch[w.epochs - 1].dev.pairs.auc < best);
    float *d = kn_alloc(200, sizeof *d, NULL);
    sm_metrics metrics;
    sm_encoder *e = sm_encoder_new(m, naive, &err);
    assert_int_equal(sm_distances(e, d, &dev.p, &err), 0);
    assert_int_equal(sm_evaluate(&metrics, d, NULL, dev.label, 200, m->threshold, &err), 0);
    assert_true(metrics.auc == best);
    assert_true(m->calibrated && metrics.accuracy == metrics.accuracy_best);
    sm_encoder_free(e);
    sm_model_free(m);
    kn_free(d);

    o.patience = 2;
    watch early = {0};
    c.arg = &early;
    kn_buf bytes = trained(&train.p, &dev.p, &o, &c, naive);
    kn_buf_free(&bytes);
    assert_true(early.epochs < o.epochs); /* the end: two epochs after the best */
    assert_true(early.epoch[early.epochs - 3].best && !early.epoch[early.epochs - 2].best);
    task_free(&train);
    task_free(&dev);
}

static void starts_from_a_model(void **state)
{
    (void)state;
    task t = task_new(300, 0);
    sm_train_options o = options();
    watch w = {0}, again = {0};
    sm_train_control c = watched(&w);
    kn_error err;
    o.schedule = SM_CONSTANT;
    sm_model *m = sm_train(&t.p, NULL, &o, &c, naive, &err);
    assert_non_null(m);
    c.init = m;
    c.arg = &again;
    kn_buf bytes = trained(&t.p, NULL, &o, &c, naive);
    kn_buf_free(&bytes);
    assert_true(again.epoch[0].loss < 0.7 * w.epoch[0].loss);
    o.arch = "linear 3";
    refused(&t.p, NULL, &o, &c, "another network");
    sm_model_free(m);
    task_free(&t);
}

static void numbers_that_run_away(void **state)
{
    (void)state;
    task t = task_new(100, 0);
    sm_train_options o = options();
    o.arch = "linear 8; linear 8";
    o.optimizer = SM_SGD;
    o.lr = 1e20;
    refused(&t.p, NULL, &o, NULL, "lower --lr (now 1e+20)");
    t.x[3] = NAN;
    refused(&t.p, NULL, &o, NULL, "no longer a number in epoch 1");
    task_free(&t);
}

static void data_that_cannot_be(void **state)
{
    (void)state;
    task t = task_new(100, 0), dev = task_new(30, 1);
    sm_train_options o = options();
    sm_pairs p = t.p;
    p.pairs = 1;
    refused(&p, &dev.p, &o, NULL, "1 pairs cannot be trained on");
    refused(&p, NULL, &o, NULL, "too few to hold");
    p = dev.p;
    p.dim--;
    refused(&t.p, &p, &o, NULL, "vectors of 10 numbers for training, of 9 for dev");
    for (int i = 0; i < 30; i++)
        dev.label[i] = 1;
    refused(&t.p, &dev.p, &o, NULL, "must hold duplicates and others");
    task_free(&t);
    task_free(&dev);
}

static void options_that_cannot_be(void **state)
{
    (void)state;
    const sm_train_options good = options();
    kn_error err;
    assert_int_equal(sm_train_check(&good, &err), 0);
#define BAD(field, value)                            \
    do {                                             \
        sm_train_options o = good;                   \
        o.field = (value);                           \
        assert_int_equal(sm_train_check(&o, &err), -1); \
    } while (0)
    BAD(batch, 1);
    BAD(epochs, 0);
    BAD(patience, -1);
    BAD(schedule_epochs, 0);
    BAD(lr, 0);
    BAD(lr, NAN);
    BAD(margin, 0);
    BAD(decay, -1);
    BAD(dropout, 1);
    BAD(momentum, 1);
    BAD(beta1, 1);
    BAD(beta2, -0.1);
    BAD(epsilon, 0);
    BAD(hold_out, 1);
    BAD(warmup, 1);
    BAD(nesterov, true); /* of Adam */
#undef BAD
}

static void rates(void **state)
{
    (void)state;
    sm_train_options o = sm_train_defaults();
    o.lr = 0.8;
    o.epochs = 4;
    o.schedule = SM_CONSTANT;
    test_near(sm_rate(&o, 0, 10), 0.8, 1e-12);
    test_near(sm_rate(&o, 39, 10), 0.8, 1e-12);
    o.schedule = SM_COSINE;
    test_near(sm_rate(&o, 0, 10), 0.8, 1e-12);
    test_near(sm_rate(&o, 20, 10), 0.4, 1e-12);
    test_near(sm_rate(&o, 10, 10), 0.8 * (1 + sqrt(0.5)) / 2, 1e-12);
    assert_true(sm_rate(&o, 39, 10) < 0.01 && sm_rate(&o, 39, 10) > 0);
    o.schedule = SM_STEP;
    o.schedule_factor = 0.5;
    o.schedule_epochs = 2;
    test_near(sm_rate(&o, 19, 10), 0.8, 1e-12);
    test_near(sm_rate(&o, 20, 10), 0.4, 1e-12);
    o.schedule = SM_CONSTANT;
    o.warmup = 0.25;
    test_near(sm_rate(&o, 0, 10), 0.08, 1e-12);
    test_near(sm_rate(&o, 4, 10), 0.4, 1e-12);
    test_near(sm_rate(&o, 9, 10), 0.8, 1e-12);
    test_near(sm_rate(&o, 30, 10), 0.8, 1e-12);
}

/* ---- data sets ---------------------------------------------------------------------------------- */

static void holding_out_cuts_in_two(void **state)
{
    (void)state;
    task t = task_new(1000, 0);
    uint32_t first = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        sm_pairs train, dev;
        kn_error err;
        assert_int_equal(sm_pairs_hold_out(&train, &dev, &t.p, 0.1, seed, &err), 0);
        assert_int_equal(train.pairs, 900);
        assert_int_equal(dev.pairs, 100);
        /* merged in order they are all pairs again */
        size_t a = 0, b = 0;
        for (size_t i = 0; i < 1000; i++) {
            if (a < 900 && train.q1[a] == t.q[i] && train.q2[a] == t.q[1000 + i] && train.label[a] == t.label[i])
                a++;
            else if (b < 100 && dev.q1[b] == t.q[i] && dev.q2[b] == t.q[1000 + i] && dev.label[b] == t.label[i])
                b++;
        }
        assert_int_equal(a + b, 1000);
        assert_true(seed == 1 || memcmp(&first, dev.q1, sizeof first)); /* another seed, another part */
        first = dev.q1[0];
        sm_pairs_close(&train);
        sm_pairs_close(&dev);
        assert_int_equal(sm_pairs_hold_out(&train, &dev, &t.p, 0.0001, seed, &err), -1);
        assert_int_equal(sm_pairs_hold_out(&train, &dev, &t.p, 0.9999, seed, &err), -1);
    }
    task_free(&t);
}

static void write_features(const char *path, const char *format, const float *q1, const float *q2, const float *label,
                           size_t n, size_t wide2)
{
    const ds_meta meta[] = {{"format", format}, {"digest", "abc"}};
    const ds_tensor t[] = {
        {.name = "q1", .dtype = DS_F32, .ndim = 2, .shape = {n, D}, .data = q1, .bytes = n * D * 4},
        {.name = "q2", .dtype = DS_F32, .ndim = 2, .shape = {n, wide2}, .data = q2, .bytes = n * wide2 * 4},
        {.name = "label", .dtype = DS_F32, .ndim = 1, .shape = {n}, .data = label, .bytes = n * 4},
        {.name = "recipe", .dtype = DS_U8, .ndim = 1, .shape = {6}, .data = "opaque", .bytes = 6},
    };
    kn_error err;
    if (ds_st_save(path, meta, 2, t, label ? 4 : 2, &err))
        fail_msg("%s", err.text);
}

static void features_files(void **state)
{
    (void)state;
    const char *path = test_path("features.st");
    task t = task_new(20, 0);
    sm_pairs p;
    kn_error err;
    write_features(path, "siam-features", t.x, t.x + 20 * D, t.label, 20, D);
    assert_int_equal(sm_pairs_open(&p, path, &err), 0);
    assert_true(p.pairs == 20 && p.rows == 40 && p.dim == D && p.recipe_bytes == 6);
    assert_memory_equal(p.recipe, "opaque", 6);
    assert_string_equal(p.digest, "abc");
    for (uint32_t i = 0; i < 20; i++)
        assert_true(p.q1[i] == i && p.q2[i] == 20 + i && p.label[i] == t.label[i]);
    assert_memory_equal(p.x, t.x, 40 * D * sizeof *p.x);
    sm_pairs_close(&p);
    sm_pairs_close(&p); /* twice is harmless */

    write_features(path, "siam-model", t.x, t.x, t.label, 20, D);
    assert_int_equal(sm_pairs_open(&p, path, &err), -1);
    assert_non_null(strstr(err.text, "not features"));
    write_features(path, "siam-features", t.x, t.x, t.label, 20, D - 1);
    assert_int_equal(sm_pairs_open(&p, path, &err), -1);
    write_features(path, "siam-features", t.x, t.x, NULL, 20, D);
    assert_int_equal(sm_pairs_open(&p, path, &err), -1);
    write_features(path, "siam-features", t.x, t.x, t.label, 0, D);
    assert_int_equal(sm_pairs_open(&p, path, &err), -1);
    t.label[7] = 0.5f;
    write_features(path, "siam-features", t.x, t.x, t.label, 20, D);
    assert_int_equal(sm_pairs_open(&p, path, &err), -1);
    assert_non_null(strstr(err.text, "label of pair 8 is 0.5"));
    assert_int_equal(sm_pairs_open(&p, test_path("absent.st"), &err), -1);
    task_free(&t);
}

static int open_naive(void **state)
{
    (void)state;
    naive = kn_backend_naive(NULL);
    return naive ? 0 : -1;
}

static int close_naive(void **state)
{
    (void)state;
    kn_backend_close(naive);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(resumes_bit_equal),
        cmocka_unit_test(another_run_cannot_be_resumed),
        cmocka_unit_test(the_last_batch),
        cmocka_unit_test(dropout_draws_anew_each_step),
        cmocka_unit_test(the_best_weights_are_kept),
        cmocka_unit_test(starts_from_a_model),
        cmocka_unit_test(numbers_that_run_away),
        cmocka_unit_test(data_that_cannot_be),
        cmocka_unit_test(options_that_cannot_be),
        cmocka_unit_test(rates),
        cmocka_unit_test(holding_out_cuts_in_two),
        cmocka_unit_test(features_files),
    };
    return cmocka_run_group_tests(tests, open_naive, close_naive);
}
