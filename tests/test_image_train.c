/* Training on images: it learns each target, is the same for any number of
 * threads and workers, resumes to the same bytes, grows, and keeps frozen layers
 * as they are. Also how images are parted and paired, and the recipe. */
#include "tests/support.h"

#include <math.h>
#include <string.h>

#include "siamese/image_model.h"
#include "tests/models.h"

enum { H = 8, W = 8, CLASSES = 4, N = 96 };

/* ---- made-up images: bars in one of four places, with noise -------------------------- */

typedef struct made {
    unsigned char px[N * H * W];
    uint32_t item[N], group[N], a[2 * N], b[2 * N];
    float label[2 * N];
    double score[N];
    sm_pixels pixels;
    sm_image_set set;
} made;

static void make(made *m, uint32_t which)
{
    kn_rng r = kn_rng_new(1, 90, which);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t class = m->group[i] = i % CLASSES;
        m->item[i] = i;
        m->score[i] = 10 + 3 * (double)class;
        for (uint32_t y = 0; y < H; y++)
            for (uint32_t x = 0; x < W; x++) {
                bool bar = class < 2 ? y / 2 == 1 + class : x / 2 == class - 1;
                m->px[(i * H + y) * W + x] = (unsigned char)((bar ? 170 : 60) + kn_rng_below(&r, 60));
            }
    }
    for (uint32_t k = 0; k < 2 * N; k++) {
        m->a[k] = k % N;
        m->b[k] = k < N ? (k % N + CLASSES) % N : (k % N + 1) % N;
        m->label[k] = k < N;
    }
    m->pixels = (sm_pixels){.n = N, .h = H, .w = W, .c = 1, .px = m->px, .item = m->item};
    m->set = (sm_image_set){.pixels = &m->pixels, .group = m->group, .score = m->score, .a = m->a, .b = m->b,
                            .label = m->label, .pairs = 2 * N, .digest = "0123"};
}

static made train, dev;
static kn_backend *naive;

static const char features[] = "input 8x8x1; conv 6 3x3 pad 1 nobias; batchnorm; relu; maxpool 2x2; "
                               "conv 8 3x3 pad 1; elu; globalpool";

static sm_train_options options(sm_target target)
{
    sm_train_options o = sm_train_defaults();
    o.arch = target == SM_CLASSES  ? "input 8x8x1; conv 6 3x3 pad 1 nobias; batchnorm; relu; maxpool 2x2; linear 4"
             : target == SM_SCORES ? "input 8x8x1; conv 6 3x3 pad 1 nobias; batchnorm; relu; maxpool 2x2; linear 1"
                                   : features;
    o.loss = target == SM_CLASSES ? SM_SOFTMAX : target == SM_SCORES ? SM_HUBER : SM_HINGE;
    o.distance = KN_L1;
    o.batch = 16;
    o.epochs = 8;
    o.lr = 0.01;
    return o;
}

static sm_image_options how(sm_target target)
{
    return (sm_image_options){.target = target, .augment = {.rotate = 3, .shift = 0.05}, .each = 4, .workers = 1};
}

static sm_image_recipe recipe_of(sm_target target)
{
    sm_image_recipe r = {.input = sm_pixels_measure(&train.pixels), .score_mean = 14.5, .score_std = 3.4};
    static const char *const name[CLASSES] = {"upper", "lower", "left", "right"};
    if (target == SM_CLASSES)
        assert_int_equal(sm_image_recipe_classes(&r, name, CLASSES, NULL), 0);
    return r;
}

static kn_buf recipe_bytes;

static sm_model *trained(const sm_image_options *io, const sm_train_options *o, const sm_train_control *c, kn_backend *be,
                         kn_error *err)
{
    sm_image_recipe r = recipe_of(io->target);
    recipe_bytes.n = 0;
    assert_int_equal(sm_image_recipe_bytes(&recipe_bytes, &r, NULL), 0);
    sm_model *m = sm_train_images(&train.set, &dev.set, &r, &recipe_bytes, io, o, c, be, err);
    sm_image_recipe_free(&r);
    return m;
}

static kn_buf bytes_of(sm_model *m, const kn_error *err)
{
    kn_buf bytes = {0};
    if (!m)
        fail_msg("%s", err->text);
    assert_int_equal(sm_model_bytes(m, &bytes, NULL), 0);
    sm_model_free(m);
    return bytes;
}

typedef struct watch {
    sm_judgement dev, first;
    int epochs, asked, stop_at;
} watch;

static void on_epoch(void *arg, const sm_epoch *e)
{
    watch *w = arg;
    if (w->epochs++ == 0)
        w->first = e->dev;
}

static void on_finish(void *arg, int best, const sm_judgement *j)
{
    watch *w = arg;
    assert_true(best > 0);
    w->dev = *j;
}

static bool on_step(void *arg)
{
    watch *w = arg;
    return ++w->asked == w->stop_at;
}

static sm_train_control watched(watch *w)
{
    return (sm_train_control){.epoch = on_epoch, .finish = on_finish, .stop = on_step, .arg = w};
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void learns_each_target(void **state)
{
    (void)state;
    static const sm_target targets[] = {SM_PAIRS, SM_GROUPS, SM_CLASSES, SM_SCORES};
    for (int i = 0; i < 4; i++)
        for (int balanced = 0; balanced < 2; balanced++) {
            kn_error err;
            watch w = {0};
            sm_train_options o = options(targets[i]);
            sm_image_options io = how(targets[i]);
            sm_train_control c = watched(&w);
            io.balanced = balanced;
            o.epochs = 20;
            sm_model *m = trained(&io, &o, &c, naive, &err);
            if (!m)
                fail_msg("%s", err.text);
            assert_int_equal(w.epochs, 20);
            assert_int_equal(w.dev.n, i < 2 ? 2 * N : N);
            if (i < 2) {
                assert_true(w.dev.pairs.auc > 0.95 && m->calibrated && m->threshold < o.margin * 2);
            } else if (i == 2) {
                assert_true(w.dev.accuracy > 0.9 && w.dev.accuracy == w.dev.score && w.dev.loss <= w.first.loss);
            } else {
                assert_true(w.dev.pearson > 0.9 && w.dev.mae < 1.5 && w.dev.rmse >= w.dev.mae);
            }
            sm_model_free(m);
        }
}

/* Batches may be prepared and shared out by any number of threads. */
static void any_number_of_threads_gives_the_same_bytes(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    kn_buf first = {0};
    for (int i = 0; i < 4; i++) {
        kn_error err;
        kn_pool *pool = kn_pool_new(threads[i], &err);
        kn_backend *be = kn_backend_cpu(pool, &err);
        sm_train_options o = options(SM_GROUPS);
        sm_image_options io = how(SM_GROUPS);
        o.epochs = 2;
        io.workers = threads[i] - 1;
        kn_buf bytes = bytes_of(trained(&io, &o, NULL, be, &err), &err);
        if (i == 0) {
            first = bytes;
        } else {
            assert_int_equal(bytes.n, first.n);
            assert_memory_equal(bytes.p, first.p, first.n);
            kn_buf_free(&bytes);
        }
        kn_backend_close(be);
        kn_pool_free(pool);
    }
    kn_buf_free(&first);
}

/* Stopped in several places, with layers frozen until epoch 2. */
static void resumes_bit_equal(void **state)
{
    (void)state;
    const char *path = test_path("image.checkpoint");
    kn_error err;
    sm_train_options o = options(SM_CLASSES);
    sm_image_options io = how(SM_CLASSES);
    o.epochs = 4;
    o.freeze = 1;
    o.freeze_epochs = 2;
    kn_buf want = bytes_of(trained(&io, &o, NULL, naive, &err), &err);
    for (int stop_at = 2; stop_at < 24; stop_at += 7) {
        watch w = {.stop_at = stop_at};
        sm_train_control c = watched(&w);
        c.checkpoint = path;
        remove(path);
        assert_null(trained(&io, &o, &c, naive, &err));
        assert_non_null(strstr(err.text, "stopped in epoch"));
        w.stop_at = 0;
        c.resume = true;
        kn_buf got = bytes_of(trained(&io, &o, &c, naive, &err), &err);
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.p, want.p, want.n);
        kn_buf_free(&got);
    }
    kn_buf_free(&want);
}

/* A longer network from a shorter one's weights: what is frozen stays. */
static void fine_tuning_begins_with_the_features(void **state)
{
    (void)state;
    kn_error err;
    sm_train_options o = options(SM_GROUPS);
    sm_image_options io = how(SM_GROUPS), classes = how(SM_CLASSES);
    o.epochs = 2;
    sm_model *start = trained(&io, &o, NULL, naive, &err);
    assert_non_null(start);
    sm_image_recipe r = recipe_of(SM_CLASSES);
    char *arch = sm_image_arch(&r.input, NULL, start, CLASSES, 0, &err);
    assert_non_null(arch);
    sm_train_control c = {.init = start};
    o.arch = arch;
    o.loss = SM_SOFTMAX;
    o.epochs = 3;
    o.freeze = 3;
    o.freeze_epochs = 3;
    kn_buf kept = {0};
    assert_int_equal(kn_buf_add(&kept, recipe_bytes.p, recipe_bytes.n, NULL), 0); /* start borrows what is made anew */
    sm_model *m = trained(&classes, &o, &c, naive, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_memory_equal(m->params, start->params, start->graph->params * sizeof(float));
    assert_memory_equal(m->stats, start->stats, start->graph->stats * sizeof(float));
    assert_int_equal(m->graph->output_width, CLASSES);
    assert_int_equal(m->loss, SM_SOFTMAX);
    /* a model of classes goes on as it is */
    char *same = sm_image_arch(&r.input, NULL, m, CLASSES, 0, &err);
    assert_string_equal(same, m->graph->text);
    kn_free(same);
    sm_model_free(m);
    sm_model_free(start);
    sm_image_recipe_free(&r);
    kn_buf_free(&kept);
    kn_free(arch);
}

static void grows_when_it_stalls(void **state)
{
    (void)state;
    kn_error err;
    watch w = {0};
    sm_train_options o = options(SM_GROUPS);
    sm_image_options io = how(SM_GROUPS);
    sm_image_recipe r = recipe_of(SM_GROUPS);
    sm_train_control c = watched(&w);
    sm_graph *before = sm_graph_parse(features, H * W, &err);
    o.epochs = 18;
    o.lr = 1e-9; /* nothing is learnt: it stalls at once */
    recipe_bytes.n = 0;
    assert_int_equal(sm_image_recipe_bytes(&recipe_bytes, &r, NULL), 0);
    sm_model *m = sm_train_growing(&train.set, &dev.set, &r, &recipe_bytes, &io, &o, 0.5, &c, naive, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_true(m->graph->params > before->params);
    assert_int_equal(m->graph->output_width, before->output_width);
    assert_int_equal(w.epochs, 18);
    kn_buf want = bytes_of(m, &err);
    c.checkpoint = test_path("growing.checkpoint");
    for (int stop_at = 1; stop_at < 18 * 6; stop_at += 17) { /* in each stage, and between two */
        remove(c.checkpoint);
        w = (watch){.stop_at = stop_at};
        c.resume = false;
        assert_null(sm_train_growing(&train.set, &dev.set, &r, &recipe_bytes, &io, &o, 0.5, &c, naive, &err));
        assert_non_null(strstr(err.text, "stopped in epoch"));
        w.stop_at = 0;
        c.resume = true;
        kn_buf got = bytes_of(
            sm_train_growing(&train.set, &dev.set, &r, &recipe_bytes, &io, &o, 0.5, &c, naive, &err), &err);
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.p, want.p, want.n);
        kn_buf_free(&got);
    }
    sm_model *one_stage = trained(&io, &o, &c, naive, &err);
    assert_null(one_stage); /* the checkpoint is of a run that grows */
    assert_non_null(strstr(err.text, "stage was 'grown"));
    kn_buf_free(&want);
    assert_null(sm_train_growing(&train.set, NULL, &r, &recipe_bytes, &io, &o, 0.5, &c, naive, &err));
    assert_non_null(strstr(err.text, "judge"));
    sm_graph_free(before);
    sm_image_recipe_free(&r);
}

/* The same file gives the same outputs, alone or among others, and the mean of
 * both ways round where the recipe says so. */
static void a_recipe_comes_back(void **state)
{
    (void)state;
    kn_error err;
    sm_train_options o = options(SM_CLASSES);
    sm_image_options io = how(SM_CLASSES);
    o.epochs = 1;
    kn_buf bytes = bytes_of(trained(&io, &o, NULL, naive, &err), &err);
    char *copy = test_exact_copy(bytes.p, bytes.n);
    sm_model *m = sm_model_open_memory(copy, bytes.n, &err);
    sm_image_recipe r;
    if (!m || sm_image_recipe_read(&r, m, &err))
        fail_msg("%s", err.text);
    sm_image_input in = sm_pixels_measure(&train.pixels);
    assert_true(r.classes == CLASSES && !strcmp(r.class_name[3], "right") && !r.mirror);
    assert_true(r.input.h == H && r.input.c == 1 && r.input.mean[0] == in.mean[0] && r.input.std[0] == in.std[0]);
    assert_true(r.score_mean == 14.5 && r.score_std == 3.4);
    sm_encoder *e = sm_encoder_new(m, naive, &err);
    float z[N * CLASSES], one[CLASSES], both[CLASSES];
    assert_int_equal(sm_image_outputs(e, z, &dev.pixels, &r, &err), 0);
    sm_pixels single = dev.pixels;
    single.n = 1;
    single.px += 5 * H * W;
    assert_int_equal(sm_image_outputs(e, one, &single, &r, &err), 0);
    assert_memory_equal(one, z + 5 * CLASSES, sizeof one);
    r.mirror = true;
    assert_int_equal(sm_image_outputs(e, both, &single, &r, &err), 0);
    unsigned char turned[H * W];
    for (int i = 0; i < H * W; i++)
        turned[i] = single.px[i / W * W + W - 1 - i % W];
    single.px = turned;
    r.mirror = false;
    assert_int_equal(sm_image_outputs(e, z, &single, &r, &err), 0);
    for (int c = 0; c < CLASSES; c++)
        test_near((double)both[c], ((double)one[c] + (double)z[c]) / 2, 1e-6);
    r.zoom = 0.25; /* three sizes, and their mirror images */
    r.mirror = true;
    assert_int_equal(sm_image_outputs(e, both, &single, &r, &err), 0);
    double mean[CLASSES] = {0};
    for (int i = 0; i < 6; i++) {
        float x[H * W], scratch[H * W];
        sm_change view = sm_change_view(&r.input, i / 2 == 0 ? 1 : i / 2 == 1 ? 1.25 : 0.8, i % 2);
        sm_pixels_rows(x, &single, &r.input, 0, 1, &view, scratch);
        assert_int_equal(sm_encode(e, z, x, 1, &err), 0);
        for (int c = 0; c < CLASSES; c++)
            mean[c] += (double)z[c] / 6;
    }
    for (int c = 0; c < CLASSES; c++)
        test_near((double)both[c], mean[c], 1e-6);
    sm_softmax(one, 1, CLASSES);
    test_near((double)one[0] + (double)one[1] + (double)one[2] + (double)one[3], 1, 1e-6);
    sm_image_recipe_free(&r);
    sm_encoder_free(e);
    static const char *const wrong[] = {"", "{}", "{\"kind\":\"images\"}", "recipe", "{\"kind\":\"images\",\"height\":9,\"width\":8,"
        "\"channels\":1,\"mean\":[0],\"std\":[1],\"classes\":[\"a\",\"b\",\"c\",\"d\"],\"score_mean\":0,\"score_std\":1}",
        "{\"kind\":\"images\",\"height\":8,\"width\":8,\"zoom\":-1,\"channels\":1,\"mean\":[0],\"std\":[1],"
        "\"classes\":[\"a\",\"b\",\"c\",\"d\"],\"score_mean\":0,\"score_std\":1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        m->recipe = wrong[i];
        m->recipe_bytes = strlen(wrong[i]);
        assert_int_equal(sm_image_recipe_read(&r, m, &err), -1);
    }
    sm_model_free(m);
    free(copy);
    kn_buf_free(&bytes);
}

static void groups_are_parted_whole(void **state)
{
    (void)state;
    enum { ITEMS = 300 };
    uint8_t mark[ITEMS];
    uint32_t group[ITEMS], was[ITEMS];
    kn_rng r = kn_rng_new(4, 91, 0);
    for (int i = 0; i < ITEMS; i++)
        was[i] = group[i] = kn_rng_below(&r, 120);
    assert_int_equal(sm_image_part_groups(mark, group, ITEMS, 0.25, 7, NULL), 0);
    size_t sizes[121] = {0}, sides[3] = {0};
    for (int i = 0; i < ITEMS; i++)
        sizes[was[i]]++;
    for (int i = 0; i < ITEMS; i++) {
        sides[mark[i]]++;
        assert_int_equal(mark[i] == 0, sizes[was[i]] == 1);
        for (int k = 0; k < i; k++)
            if (mark[i] && mark[k]) {
                assert_true(was[i] != was[k] || mark[i] == mark[k]);
                assert_true(mark[i] != mark[k] || (was[i] == was[k]) == (group[i] == group[k]));
            }
    }
    assert_true(sides[0] > 0 && sides[1] > sides[2] && sides[2] > 40);
    uint32_t *a, *b;
    float *label;
    size_t pairs, same = 0;
    assert_int_equal(sm_image_pairs(&a, &b, &label, &pairs, was, ITEMS, 3, NULL), 0);
    for (size_t i = 0; i < pairs; i++) {
        assert_true(a[i] != b[i] && (was[a[i]] == was[b[i]]) == (label[i] > 0));
        same += label[i] > 0;
    }
    assert_int_equal(same + ITEMS, pairs);
    assert_int_equal(same, ITEMS - sides[0]);
    kn_free(a);
}

static void judging_scores(void **state)
{
    (void)state;
    const float have[] = {1, 2, 3, 5}, want[] = {1.5f, 1, 3.5f, 4}, flat[] = {2, 2, 2, 2};
    sm_judgement j;
    sm_judge_scores(&j, have, want, 4); /* numpy: corrcoef, mean |e|, sqrt(mean e^2) */
    test_near(j.pearson, 0.86189161, 1e-8);
    test_near(j.mae, 0.75, 1e-12);
    test_near(j.rmse, 0.79056942, 1e-8);
    sm_judge_scores(&j, flat, want, 4);
    assert_true(isnan(j.pearson) && j.score < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_each_target),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(resumes_bit_equal),
        cmocka_unit_test(fine_tuning_begins_with_the_features),
        cmocka_unit_test(grows_when_it_stalls),
        cmocka_unit_test(a_recipe_comes_back),
        cmocka_unit_test(groups_are_parted_whole),
        cmocka_unit_test(judging_scores),
    };
    make(&train, 0);
    make(&dev, 1);
    naive = kn_backend_naive(NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kn_backend_close(naive);
    kn_buf_free(&recipe_bytes);
    return failed;
}
