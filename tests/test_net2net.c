/* Net2Net: a network that has grown computes what it did before, in inference
 * and with batch statistics, and can be trained on. */
#include "tests/models.h"

#include <math.h>

#include "siamese/net2net.h"

static kn_backend *backend[2];

/* ---- a model, and what it computes ------------------------------------------------------- */

/* Random in all its numbers: gammas, betas and biases too. */
static sm_model *model(const char *network, size_t input, uint64_t seed)
{
    kn_error err = {{0}};
    sm_graph *g = sm_graph_parse(network, input, &err);
    if (!g)
        fail_msg("%s: %s", network, err.text);
    sm_graph_free(g);
    sm_model *m = test_model(network, input, seed);
    kn_rng r = kn_rng_new(seed, 78, 0);
    for (int i = 0; i < m->graph->parts; i++) {
        const sm_part *p = &m->graph->part[i];
        bool mean = strstr(p->name, "running_mean") != NULL;
        for (size_t k = 0; p->ndim == 1 && k < p->shape[0]; k++)
            if (mean)
                m->stats[p->offset + k] = kn_rng_uniform(&r, -0.5f, 0.5f);
            else if (!p->stat)
                m->params[p->offset + k] += kn_rng_uniform(&r, -0.5f, 0.5f);
    }
    return m;
}

enum { ROWS = 6 };

/* y[ROWS, E] of random rows; owned. */
static float *outputs(kn_backend *be, const sm_model *m, bool train)
{
    const kn_step step = {.lr = 0.01f, .bias1 = 1, .bias2 = 1, .count = 3};
    size_t D = m->graph->input_width, E = m->graph->output_width;
    float *x = kn_alloc(ROWS * D, sizeof *x, NULL), *y = kn_alloc(ROWS * E, sizeof *y, NULL);
    kn_step *on_device = be->alloc(be, sizeof step, NULL);
    sm_net *net = sm_net_new(m->graph, be, ROWS, true, NULL);
    assert_true(x && y && on_device && net);
    kn_rng r = kn_rng_new(4, 79, 0);
    for (size_t i = 0; i < ROWS * D; i++)
        x[i] = kn_rng_uniform(&r, -1, 1);
    be->upload(be, on_device, &step, sizeof step);
    be->upload(be, sm_net_input(net), x, ROWS * D * sizeof *x);
    sm_net_set(net, m->params, m->stats);
    if (train)
        sm_net_forward(net, ROWS, on_device, 11);
    else
        sm_net_infer(net, ROWS);
    be->download(be, y, sm_net_output(net), ROWS * E * sizeof *y);
    be->dealloc(be, on_device);
    sm_net_free(net);
    kn_free(x);
    return y;
}

typedef struct before {
    float *y[2][2]; /* [backend][train] */
    size_t E;
} before;

static before before_of(const sm_model *m)
{
    before b = {.E = m->graph->output_width};
    for (int be = 0; be < 2; be++)
        for (int train = 0; train < 2; train++)
            b.y[be][train] = outputs(backend[be], m, train);
    return b;
}

/* Dropout in training has another mask in a wider network. */
static void same_outputs(const before *b, const sm_model *m, const char *what)
{
    bool drops = strstr(m->graph->text, "dropout") != NULL;
    assert_int_equal(m->graph->output_width, b->E);
    for (int be = 0; be < 2; be++)
        for (int train = 0; train < (drops ? 1 : 2); train++) {
            float *y = outputs(backend[be], m, train), most = 0;
            for (size_t i = 0; i < ROWS * b->E; i++) {
                float was = b->y[be][train][i];
                most = fabsf(was) > most ? fabsf(was) : most;
                if (!(fabsf(y[i] - was) <= 1e-5f * fmaxf(1, fabsf(was))))
                    fail_msg("%s: output %zu was %g and is %g (%s) in\n%s", what, i, (double)was, (double)y[i],
                             train ? "training" : "inference", m->graph->text);
            }
            if (!(most > 0.01f))
                fail_msg("%s: all outputs are 0, which proves nothing", what);
            kn_free(y);
        }
}

static void before_free(before *b)
{
    for (int i = 0; i < 4; i++)
        kn_free(b->y[i / 2][i % 2]);
}

static void wider(sm_model *m, int op, size_t width, double noise, uint64_t seed)
{
    kn_error err = {{0}};
    if (sm_net2net_wider(m, op, width, noise, seed, &err))
        fail_msg("%s", err.text);
}

static size_t width_of(const sm_model *m, int op)
{
    char name[32];
    snprintf(name, sizeof name, "%d.weight", op);
    for (int i = 0; i < m->graph->parts; i++)
        if (!strcmp(m->graph->part[i].name, name))
            return m->graph->part[i].shape[0];
    fail_msg("no part %s", name);
    return 0;
}

static void deeper(sm_model *m, int op)
{
    kn_error err = {{0}};
    if (sm_net2net_deeper(m, op, &err))
        fail_msg("%s", err.text);
}

/* ---- what is computed stays ------------------------------------------------------------------ */

/* Every pair of layer kinds; all but the seed network have something hidden. */
static const struct {
    const char *text;
    size_t input;
    int wide[3];  /* ops to widen, 0 ends */
    int deep[3];  /* ops to put a layer after */
} networks[] = {
    {"linear 7; relu; linear 5; elu; linear 3", 11, {1, 3}, {1, 3}},
    {"linear 7 nobias; batchnorm; relu; linear 5 nobias; relu; batchnorm; linear 3", 11, {1, 4}, {1, 4}},
    {"linear 7; dropout 0.3; elu; dropout 0.2; linear 3", 11, {1}, {1}},
    {"linear 7; linear 5; linear 3", 11, {1, 2}, {0}},
    {"input 7x5x2; conv 3 3x3 pad 1; relu; conv 5 2x3/2 nobias; elu; linear 3", 70, {1, 3}, {1, 3}},
    {"input 7x5x2; conv 3 3x3 pad 2 dilation 2 nobias; batchnorm; relu; maxpool 2x2; conv 5 1x1; elu; batchnorm;"
     "avgpool 2x2/1 pad 1; linear 4; relu; linear 3", 70, {1, 5, 9}, {1, 5, 9}},
    {"input 7x5x2; conv 3 3x3; elu; globalpool; linear 4; relu; batchnorm; linear 3", 70, {1, 4}, {1, 4}},
    {"input 7x5x2; conv 3 3x3; maxpool 3x3/2; batchnorm; elu; linear 3", 70, {1}, {1}},
    {"input 7x5x2; conv 3 3x3; relu; linear 1", 70, {1}, {1}},
    {"input 5x5x2; conv 3 3x3 pad 1; a: relu; conv 5 3x3 pad 1; b: relu; conv 4 3x3 pad 1; c: elu; concat c b a b;"
     "batchnorm; relu; conv 3 3x3; elu; globalpool", 50, {1, 3, 5}, {1, 3, 5}},
    {"linear 7; a: relu; linear 5; b: relu; concat a b a; linear 4; c: relu; concat a c b; linear 3", 11, {1, 3, 6},
     {1, 3, 6}},
    {"input 5x5x2; conv 3 3x3 pad 1; r: relu; conv 3 3x3 pad 1 nobias; batchnorm; add r; s: relu; conv 3 3x3 pad 1;"
     "batchnorm; add s r; elu; linear 3", 50, {1}, {1, 3, 7}},
    {"linear 7; r: elu; linear 4; p: relu; linear 3; q: relu; concat q p; add r; elu; linear 3", 11, {3, 5, 1},
     {1, 3, 5}},
    {"linear 6 nobias; batchnorm; r1: relu; linear 6 nobias; batchnorm; add r1; r2: relu; linear 6 nobias; batchnorm;"
     "add r2; r3: relu; concat r3 r2 r1; batchnorm; linear 3", 11, {4}, {1, 4, 8}},
    {"linear 6 nobias; batchnorm; r1: relu; linear 6 nobias; batchnorm; add r1; r2: relu; concat r2 r1; batchnorm",
     11, {0}, {1, 4}},
};

/* Twice in a row each, with and without noise, and the other way between. */
static void wider_computes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        for (int noise = 0; noise < 2; noise++) {
            sm_model *m = model(networks[i].text, networks[i].input, 3 + i);
            before b = before_of(m);
            for (int k = 0; k < 3 && networks[i].wide[k]; k++) {
                int op = networks[i].wide[k];
                wider(m, op, width_of(m, op) + 2, noise, 5);
                same_outputs(&b, m, "wider");
                wider(m, op, 2 * width_of(m, op) + 3, noise, 6);
                same_outputs(&b, m, "wider twice");
            }
            before_free(&b);
            sm_model_free(m);
        }
}

static void deeper_computes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        sm_model *m = model(networks[i].text, networks[i].input, 3 + i);
        before b = before_of(m);
        for (int k = 2; k >= 0; k--) /* from the end, where numbers have not shifted */
            if (networks[i].deep[k]) {
                deeper(m, networks[i].deep[k]);
                same_outputs(&b, m, "deeper");
                deeper(m, networks[i].deep[k]);
                same_outputs(&b, m, "deeper twice");
            }
        before_free(&b);
        sm_model_free(m);
    }
}

/* All that has a name grows, again and again, by the rule. */
static void built_in_networks_grow(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input;
        size_t width;
    } all[] = {{"conv4:5", "input 16x16x1\n", 256}, {"conv4-elu:5", "input 16x16x1\n", 256},
               {"pyramid:3", "input 17x16x3\n", 816}, {"resnet:3", "input 17x16x3\n", 816},
               {"lenet", "input 16x16x1\n", 256},
               {"tiny-darknet", "input 16x16x3\n", 768}, {"mnist-net", "input 28x28x1\n", 784}, {"mlp3", "", 9},
               {"seed", "", 9}, {"residual-post", "", 9}, {"wide", "", 9}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *text = sm_arch_text(all[i].name, 0, NULL), whole[2048];
        snprintf(whole, sizeof whole, "%s%s", all[i].input, text);
        sm_model *m = model(whole, all[i].width, 1);
        before b = before_of(m);
        kn_error err = {{0}};
        for (int step = 0; step < (m->graph->params > 400000 ? 2 : 6); step++) {
            size_t params = m->graph->params;
            if (sm_net2net_grow(m, step, 0.5, 1, &err))
                fail_msg("%s: %s", all[i].name, err.text);
            same_outputs(&b, m, all[i].name);
            assert_true(m->graph->params > params);
        }
        before_free(&b);
        sm_model_free(m);
        kn_free(text);
    }
}

/* ---- the networks and weights that come out ------------------------------------------------------ */

static void text_is(const sm_model *m, const char *want)
{
    assert_string_equal(m->graph->text, want);
}

static void texts_keep_all_else(void **state)
{
    (void)state;
    sm_model *m = model("input 4x4x2 # what is read\n\nconv 3 3x3 pad 1 nobias ;batchnorm; a: relu # first\n"
                        "conv 3 1x1; add a;relu;linear 2", 32, 1);
    wider(m, 1, 4, 0, 1);
    text_is(m, "input 4x4x2 # what is read\n\nconv 4 3x3 pad 1 nobias ;batchnorm; a: relu # first\n"
               "conv 4 1x1; add a;relu;linear 2");
    deeper(m, 1);
    text_is(m, "input 4x4x2 # what is read\n\nconv 4 3x3 pad 1 nobias ;batchnorm; relu; conv 4 3x3 pad 1; "
               "a: relu # first\nconv 4 1x1; add a;relu;linear 2");
    sm_model_free(m);

    m = model("deep1: linear 3\nr: elu; linear 3; add r; elu; add deep1", 2, 1);
    deeper(m, 3);
    deeper(m, 1);
    text_is(m, "deep1: linear 3\ndeep3: elu; linear 3; elu; r: add deep3; linear 3; add r; deep2: elu; linear 3; elu; "
               "add deep2; add deep1");
    sm_model_free(m);
}

/* The rule: conv4 gets wider but for its last block, then deeper from there on. */
static void growth_by_steps(void **state)
{
    (void)state;
    kn_error err = {{0}};
    sm_model *m = model("input 8x8x1\nconv 8 3x3 pad 1; relu; maxpool 2x2; conv 10 3x3 pad 1; relu; maxpool 2x2;"
                        "conv 10 3x3 pad 1; relu; maxpool 2x2", 64, 1);
    for (int step = 0; step < 4; step++)
        assert_int_equal(sm_net2net_grow(m, step, 0.1, 1, &err), 0);
    text_is(m, "input 8x8x1\nconv 24 3x3 pad 1; relu; maxpool 2x2; conv 24 3x3 pad 1; relu; conv 24 3x3 pad 1; relu; "
               "maxpool 2x2;conv 16 3x3 pad 1; relu; conv 10 3x3 pad 1; relu; maxpool 2x2");
    sm_model_free(m);
}

static void all_by_a_factor(void **state)
{
    (void)state;
    kn_error err = {{0}};
    sm_model *m = model("linear 3; r: relu; linear 3; add r; relu; linear 5; relu; linear 2", 4, 1);
    before b = before_of(m);
    assert_int_equal(sm_net2net_wider_all(m, 2, 0.3, 1, &err), 0);
    text_is(m, "linear 6; r: relu; linear 6; add r; relu; linear 10; relu; linear 2");
    same_outputs(&b, m, "doubled");
    assert_int_equal(sm_net2net_wider_all(m, 1.01, 0.3, 1, &err), 0);
    text_is(m, "linear 7; r: relu; linear 7; add r; relu; linear 11; relu; linear 2");
    same_outputs(&b, m, "a little wider");
    before_free(&b);
    sm_model_free(m);
}

/* Twice as wide, by hand: clones beside their channels, halves behind them. */
static void weights_of_clones(void **state)
{
    (void)state;
    static const float halves[] = {10, 10, 20, 20, 30, 30, 40, 40};
    for (int noisy = 0; noisy < 2; noisy++) {
        float most = 0;
        sm_model *m = test_model("linear 2; batchnorm; linear 2 nobias", 1, 1);
        for (size_t i = 0; i < m->graph->params; i++)
            m->params[i] = (float)(i < 8 ? i : 20 * (i - 7));
        wider(m, 1, 4, noisy ? 0.25 : 0, 1);
        for (int i = 0; i < 16; i++) /* weight, bias, gamma, beta */
            test_near(m->params[i], i / 2, 0);
        for (int i = 0; i < 8; i += 2)
            test_near(m->stats[i], m->stats[i + 1], 0);
        for (int i = 0; i < 8; i++) {
            float off = m->params[16 + i] / halves[i] - 1;
            most = fmaxf(most, fabsf(off));
            test_near(m->params[16 + i] + m->params[16 + (i ^ 1)], 2 * halves[i], 1e-5);
        }
        assert_true(noisy ? most > 0.02f && most <= 0.25f : most == 0);
        sm_model_free(m);
    }
}

/* Before `linear 1` the noise is in front of the clones, with the mean of the
 * channel that they are of; a tenth of it moves the output by a hundredth. */
static void noise_where_one_weight_reads(void **state)
{
    (void)state;
    float moved[2] = {0};
    for (int i = 0; i < 2; i++) {
        sm_model *m = model("linear 5; elu; linear 1", 6, 1), *was = model("linear 5; elu; linear 1", 6, 1);
        wider(m, 1, 10, i ? 0.05 : 0.5, 3);
        for (size_t k = 0; k < 30; k++) {
            const float *a = m->params + k / 6 * 12 + k % 6;
            test_near(0.5f * (a[0] + a[6]), was->params[k], 1e-6);
            assert_true(a[0] != a[6]);
        }
        for (size_t k = 0; k < 10; k++)
            test_near(m->params[70 + k], was->params[35 + k / 2] / 2, 0);
        float *y = outputs(backend[0], m, false), *y0 = outputs(backend[0], was, false);
        for (int k = 0; k < ROWS; k++)
            moved[i] = fmaxf(moved[i], fabsf(y[k] - y0[k]));
        kn_free(y);
        kn_free(y0);
        sm_model_free(m);
        sm_model_free(was);
    }
    assert_true(moved[0] > 1e-4f);
    test_near(moved[1] / moved[0], 0.01, 0.005);
}

/* Five of three channels: each has a clone before one has two; which, is drawn. */
static void clones_are_spread(void **state)
{
    (void)state;
    int single[3] = {0};
    for (uint64_t seed = 1; seed < 9; seed++) {
        int found[3] = {0};
        sm_model *m = test_model("linear 3 nobias; linear 2", 1, 1);
        for (int i = 0; i < 3; i++)
            m->params[i] = (float)i;
        wider(m, 1, 5, 0, seed);
        for (int i = 0; i < 5; i++)
            found[(int)m->params[i]]++;
        for (int i = 0; i < 3; i++) {
            assert_in_range(found[i], 1, 2);
            single[i] += found[i] == 1;
        }
        sm_model_free(m);
    }
    assert_true(single[0] < 8 && single[1] < 8 && single[2] < 8);
}

static kn_buf grown_bytes(uint64_t seed, int step)
{
    kn_buf bytes = {0};
    sm_model *m = model("linear 5; relu; linear 3", 4, 1);
    assert_int_equal(sm_net2net_grow(m, step, 0.1, seed, NULL), 0);
    assert_int_equal(sm_model_bytes(m, &bytes, NULL), 0);
    sm_model_free(m);
    return bytes;
}

/* The file of a grown model reads back, recipe and all. */
static void same_seed_same_bytes(void **state)
{
    (void)state;
    kn_error err = {{0}};
    kn_buf a = grown_bytes(7, 0), b = grown_bytes(7, 0), c = grown_bytes(8, 0), d = grown_bytes(7, 2);
    assert_true(a.n == b.n && !memcmp(a.p, b.p, a.n));
    assert_true(a.n == c.n && memcmp(a.p, c.p, a.n));
    assert_true(a.n == d.n && memcmp(a.p, d.p, a.n)); /* each step draws anew */
    char *copy = test_exact_copy(a.p, a.n);
    sm_model *m = sm_model_open_memory(copy, a.n, &err);
    if (!m)
        fail_msg("%s", err.text);
    text_is(m, "linear 8; relu; linear 3");
    assert_int_equal(m->recipe_bytes, 100);
    assert_int_equal(sm_net2net_deeper(m, 1, &err), 0); /* one from a file grows too */
    assert_string_equal(m->recipe, "a recipe is opaque bytes");
    sm_model_free(m);
    free(copy);
    kn_buf_free(&a);
    kn_buf_free(&b);
    kn_buf_free(&c);
    kn_buf_free(&d);
}

/* ---- training goes on --------------------------------------------------------------------------------- */

/* Pairs of rows of two kinds. */
static sm_pairs made_up_pairs(void)
{
    enum { PAIRS = 64, D = 6 };
    static float x[2 * PAIRS * D], label[PAIRS];
    static uint32_t q[2 * PAIRS];
    kn_rng r = kn_rng_new(1, 80, 0);
    for (uint32_t i = 0; i < 2 * PAIRS; i++) {
        q[i] = i;
        for (int k = 0; k < D; k++)
            x[i * D + (uint32_t)k] = kn_rng_uniform(&r, -1, 1) + (i % 3 == 0 && k < 3 ? 1.0f : 0.0f);
    }
    for (uint32_t i = 0; i < PAIRS; i++)
        label[i] = (i % 3 == 0) == ((i + PAIRS) % 3 == 0);
    return (sm_pairs){.pairs = PAIRS, .rows = 2 * PAIRS, .dim = D, .x = x, .q1 = q, .q2 = q + PAIRS, .label = label,
                      .digest = "01"};
}

static void keep_loss(void *arg, const sm_epoch *e)
{
    double *loss = arg;
    if (e->epoch == 1)
        loss[0] = e->dev.loss;
    loss[1] = e->dev.loss;
}

static sm_model *train(const sm_model *init, const char *arch, double lr, double loss[2])
{
    kn_error err = {{0}};
    sm_pairs p = made_up_pairs();
    sm_train_options o = sm_train_defaults();
    o.arch = arch;
    o.batch = 16;
    o.epochs = 8;
    o.lr = lr;
    const sm_train_control c = {.init = init, .epoch = keep_loss, .arg = loss};
    sm_model *m = sm_train(&p, &p, &o, &c, backend[0], &err);
    if (!m)
        fail_msg("%s: %s", arch, err.text);
    return m;
}

/* How unlike each other the clones of 16 channels are: the mean difference of
 * incoming weights over their mean. */
static double unlike(const sm_model *m)
{
    double difference = 0, size = 0;
    for (size_t o = 0; o < 32; o += 2)
        for (size_t i = 0; i < 6; i++) {
            difference += fabs((double)m->params[o * 6 + i] - (double)m->params[(o + 1) * 6 + i]);
            size += fabs((double)m->params[o * 6 + i]);
        }
    return difference / size;
}

/* A grown model starts where it was, learns on, and its clones part, which
 * without noise they do not, with the optimiser that is the default. */
static void training_goes_on(void **state)
{
    (void)state;
    double loss[2], parted[2];
    sm_model *start = train(NULL, "linear 16; relu; linear 16; elu; linear 4", 0.01, loss);
    double reached = loss[1];
    for (int noisy = 0; noisy < 2; noisy++) {
        sm_model *m = train(start, start->graph->text, 1e-12, loss), *more;
        wider(m, 1, 32, noisy ? 0.5 : 0, 1);
        deeper(m, 3);
        deeper(m, 1);
        sm_model_free(train(m, m->graph->text, 1e-12, loss));
        test_near(loss[0], reached, 1e-5);
        more = train(m, m->graph->text, 0.01, loss);
        assert_true(loss[1] < reached);
        parted[noisy] = unlike(more);
        sm_model_free(m);
        sm_model_free(more);
    }
    sm_model_free(start);
    assert_true(parted[0] < 1e-4);
    assert_true(parted[1] > 0.02);
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

static void refused(int rc, const kn_error *err, const char *why)
{
    if (rc != -1 || !strstr(err->text, why))
        fail_msg("gave %d '%s', not '%s'", rc, err->text, why);
}

static void hostile_arguments(void **state)
{
    (void)state;
    kn_error err = {{0}};
    sm_model *m = model("linear 3; r: relu; linear 3; add r; relu; linear 4; a: relu; linear 6; relu; linear 6;"
                        "add input; relu; linear 4; add a", 6, 1);
    kn_buf was = {0}, is = {0};
    assert_int_equal(sm_model_bytes(m, &was, &err), 0);
#define WIDER(...) sm_net2net_wider(m, __VA_ARGS__, &err)
    refused(WIDER(0, 5, 0, 1), &err, "ops 1 to 14, not 0");
    refused(WIDER(-1, 5, 0, 1), &err, "ops 1 to 14, not -1");
    refused(WIDER(15, 5, 0, 1), &err, "ops 1 to 14, not 15");
    refused(WIDER(2, 5, 0, 1), &err, "op 2 is relu");
    refused(WIDER(1, 3, 0, 1), &err, "op 1 can be made 4 to 65536 wide, not 3");
    refused(WIDER(1, 0, 0, 1), &err, "not 0");
    refused(WIDER(1, 65537, 0, 1), &err, "not 65537");
    refused(WIDER(1, SIZE_MAX, 0, 1), &err, "not 18446744073709551615");
    refused(WIDER(13, 8, 0, 1), &err, "output or input");
    refused(WIDER(6, 8, 0, 1), &err, "output or input"); /* through add a */
    refused(WIDER(10, 8, 0, 1), &err, "output or input"); /* through add input */
    refused(WIDER(1, 5, -0.1, 1), &err, "noise of clones is 0 to 1");
    refused(WIDER(1, 5, 1.1, 1), &err, "noise of clones is 0 to 1");
    refused(WIDER(1, 5, NAN, 1), &err, "noise of clones is 0 to 1");
    refused(sm_net2net_wider_all(m, 1, 0, 1, &err), &err, "times as wide, not 1");
    refused(sm_net2net_wider_all(m, NAN, 0, 1, &err), &err, "times as wide");
    refused(sm_net2net_wider_all(m, INFINITY, 0, 1, &err), &err, "times as wide");
    refused(sm_net2net_wider_all(m, 2, NAN, 1, &err), &err, "noise of clones");
    refused(sm_net2net_deeper(m, 5, &err), &err, "op 5 is relu");
    refused(sm_net2net_deeper(m, 15, &err), &err, "ops 1 to 14");
    refused(sm_net2net_deeper(m, 13, &err), &err, "no relu or elu follows op 13");
    refused(sm_net2net_grow(m, -1, 0, 1, &err), &err, "count from 0");
    refused(sm_net2net_grow(m, 0, 2, 1, &err), &err, "noise of clones");
    assert_int_equal(sm_model_bytes(m, &is, &err), 0);
    assert_true(is.n == was.n && !memcmp(is.p, was.p, is.n)); /* a refusal changes nothing */
    kn_buf_free(&was);
    kn_buf_free(&is);
    sm_model_free(m);
}

static void networks_that_cannot_grow(void **state)
{
    (void)state;
    kn_error err = {{0}};
    sm_model *m = model("linear 4; r: relu; linear 4; add r", 6, 1);
    refused(sm_net2net_wider_all(m, 2, 0, 1, &err), &err, "none can be cloned");
    sm_model_free(m);
    m = model("linear 4", 6, 1);
    refused(sm_net2net_grow(m, 0, 0, 1, &err), &err, "neither wider nor deeper");
    refused(sm_net2net_grow(m, 1, 0, 1, &err), &err, "neither wider nor deeper");
    sm_model_free(m);
    m = model("r: linear 4; concat r r; s: relu; linear 8; add s; linear 2", 6, 1); /* op 4 has each channel twice */
    refused(sm_net2net_wider(m, 4, 11, 0, 1, &err), &err, "it cannot be just 11 wide");
    before b = before_of(m);
    wider(m, 4, 12, 0.5, 1);
    text_is(m, "r: linear 6; concat r r; s: relu; linear 12; add s; linear 2");
    same_outputs(&b, m, "twice in a concat");
    before_free(&b);
    sm_model_free(m);
    m = model("linear 4; linear 5; relu; linear 2", 6, 1);
    refused(sm_net2net_deeper(m, 1, &err), &err, "no relu or elu follows op 1");
    sm_model_free(m);
    m = model("linear 4; a: dropout 0.1; concat a a; relu", 6, 1);
    refused(sm_net2net_deeper(m, 1, &err), &err, "no relu or elu follows op 1");
    sm_model_free(m);
    m = model("linear 3; relu; linear 30000; relu; linear 2", 1, 1);
    refused(sm_net2net_wider_all(m, 3, 0, 1, &err), &err, "to 65536 wide, not 90000");
    text_is(m, "linear 3; relu; linear 30000; relu; linear 2"); /* op 1 could have been, but it is all or nothing */
    sm_model_free(m);
    m = model("input 1000x1000x1; conv 10 1x1; relu; linear 1", 1000000, 1);
    refused(sm_net2net_wider(m, 1, 20, 0, 1, &err), &err, "the grown network: network, line 1: images of 1000x1000x20");
    sm_model_free(m);
}

static int open_backends(void **state)
{
    kn_pool *pool = kn_pool_new(2, NULL);
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
        cmocka_unit_test(wider_computes_the_same),
        cmocka_unit_test(deeper_computes_the_same),
        cmocka_unit_test(built_in_networks_grow),
        cmocka_unit_test(texts_keep_all_else),
        cmocka_unit_test(growth_by_steps),
        cmocka_unit_test(all_by_a_factor),
        cmocka_unit_test(weights_of_clones),
        cmocka_unit_test(noise_where_one_weight_reads),
        cmocka_unit_test(clones_are_spread),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(training_goes_on),
        cmocka_unit_test(hostile_arguments),
        cmocka_unit_test(networks_that_cannot_grow),
    };
    return cmocka_run_group_tests(tests, open_backends, close_backends);
}
