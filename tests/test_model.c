/* Tests of siamese/model.c and siamese/encode.c: the file comes back as it was,
 * hostile files are refused, and a row's vector does not depend on the rows
 * beside it. */
#include <float.h>
#include <math.h>
#include "tests/models.h"
#include "tests/support.h"

/* ---- the file ------------------------------------------------------------------------ */

static void check_same_model(const sm_model *a, const sm_model *b)
{
    assert_string_equal(a->graph->text, b->graph->text);
    assert_int_equal(a->graph->input_width, b->graph->input_width);
    assert_memory_equal(a->params, b->params, a->graph->params * sizeof(float));
    assert_memory_equal(a->stats, b->stats, a->graph->stats * sizeof(float));
    assert_true(a->distance == b->distance && a->loss == b->loss && a->margin == b->margin &&
                a->threshold == b->threshold && a->alpha == b->alpha && a->beta == b->beta &&
                a->calibrated == b->calibrated && a->seed == b->seed);
    assert_string_equal(a->digest, b->digest);
    assert_string_equal(a->settings, b->settings);
    assert_int_equal(a->recipe_bytes, b->recipe_bytes);
    assert_memory_equal(a->recipe, b->recipe, a->recipe_bytes);
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    static const double hard[] = {0, 0.1, 1.0 / 3, 1e-300, 5e-324, DBL_MAX, 0.30000000000000004, 12345678.901234567};
    const char *path = test_path("model.st");
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        sm_model *m = test_model(small_network, 3, i);
        kn_error err;
        size_t n;
        m->threshold = -hard[i], m->alpha = -hard[i], m->beta = m->margin = hard[i];
        m->distance = (kn_distance)(i % 3), m->loss = (sm_loss)(i % 2), m->calibrated = i % 2;
        m->seed = i == 0 ? 0 : UINT64_MAX / i;
        m->recipe_bytes = i * 9;
        assert_int_equal(sm_model_save(m, path, &err), 0);
        sm_model *back = sm_model_open(path, &err);
        assert_non_null(back);
        check_same_model(m, back);
        assert_int_equal((uintptr_t)back->recipe % 64, 0);
        kn_buf bytes = {0};
        assert_int_equal(sm_model_bytes(back, &bytes, &err), 0);
        char *file = test_read(path, &n);
        assert_int_equal(n, bytes.n);
        assert_memory_equal(file, bytes.p, n);
        free(file);
        kn_buf_free(&bytes);
        sm_model_free(back);
        sm_model_free(m);
    }
}

static void without_a_recipe(void **state)
{
    (void)state;
    const char *path = test_path("bare.st");
    sm_model *m = test_model(small_network, 3, 1);
    m->recipe = NULL, m->recipe_bytes = 0;
    assert_int_equal(sm_model_save(m, path, NULL), 0);
    sm_model *back = sm_model_open(path, NULL);
    assert_non_null(back);
    assert_null(back->recipe);
    sm_model_free(back);
    sm_model_free(m);
    kn_error err = {""};
    assert_null(sm_model_open(test_path("absent"), &err));
    assert_true(err.text[0]);
}

/* ---- files that must be refused ---------------------------------------------------------- */

static void truncated_anywhere(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, 3, 1);
    kn_buf bytes = {0};
    assert_int_equal(sm_model_bytes(m, &bytes, NULL), 0);
    for (size_t n = 0; n < bytes.n; n++) {
        char *part = test_exact_copy(bytes.p, n);
        kn_error err = {""};
        assert_null(sm_model_open_memory(part, n, &err));
        assert_true(err.text[0]);
        free(part);
    }
    kn_buf_free(&bytes);
    sm_model_free(m);
}

/* A changed byte is refused, or gives a model that runs: it answers with finite
 * numbers or says that it cannot. */
static void changed_anywhere(void **state)
{
    (void)state;
    kn_backend *be = kn_backend_naive(NULL);
    sm_model *m = test_model(small_network, 3, 1);
    kn_buf bytes = {0};
    size_t refused = 0, run = 0;
    assert_int_equal(sm_model_bytes(m, &bytes, NULL), 0);
    for (size_t i = 0; i < bytes.n; i++)
        for (int change = 0; change < 3; change++) {
            char *copy = test_exact_copy(bytes.p, bytes.n);
            copy[i] = (char)(change == 0 ? copy[i] ^ 1 : change == 1 ? ~copy[i] : '9');
            sm_model *odd = sm_model_open_memory(copy, bytes.n, NULL);
            refused += odd == NULL;
            if (odd) {
                float x[64] = {1, 2, 3}, z[SM_MAX_WIDTH];
                sm_encoder *e = odd->graph->input_width <= 64 ? sm_encoder_new(odd, be, NULL) : NULL;
                run += e && sm_encode(e, z, x, 1, NULL) == 0;
                sm_encoder_free(e);
            }
            sm_model_free(odd);
            free(copy);
        }
    assert_true(refused > 100 && run > 100);
    kn_buf_free(&bytes);
    sm_model_free(m);
    kn_backend_close(be);
}

/* Opens the model's file with one setting or tensor replaced; the error. */
static const char *opened_with(const char *key, const char *value, const ds_tensor *tensor)
{
    static kn_error err;
    sm_model *m = test_model(small_network, 3, 1);
    kn_buf bytes = {0};
    assert_int_equal(sm_model_bytes(m, &bytes, NULL), 0);
    kn_buf out = test_rebuilt(&bytes, key, value, tensor);
    char *copy = test_exact_copy(out.p, out.n);
    strcpy(err.text, "opened");
    sm_model *odd = sm_model_open_memory(copy, out.n, &err);
    sm_model_free(odd);
    free(copy);
    kn_buf_free(&out);
    kn_buf_free(&bytes);
    sm_model_free(m);
    return err.text;
}

static void settings_that_cannot_be(void **state)
{
    (void)state;
    static const struct { const char *key, *value, *says; } bad[] = {
        {"format", "siam-features", "not a model"}, {"format", NULL, "not a model"},
        {"version", "2", "version '2'"},            {"version", NULL, "version 'not given'"},
        {"network", NULL, "no 'network'"},          {"network", "linear", "line 1"},
        {"network", "linear 5\nrelu\nlinear 4000", "3.weight"},
        {"input", NULL, "no 'input'"},              {"input", "0", "input is '0'"},
        {"input", "9", "1.weight"},                 {"input", "99999999999999999999", "input is"},
        {"distance", "manhattan", "distance is 'manhattan'"}, {"distance", NULL, "no 'distance'"},
        {"loss", "", "loss is ''"},                 {"margin", "-1", "margin is '-1'"},
        {"threshold", "nan", "threshold is 'nan'"}, {"alpha", "inf", "alpha is"},
        {"beta", "-0.5", "beta is"},                {"beta", "0x1p3", "beta is"},
        {"calibrated", "maybe", "calibrated is"},   {"seed", "1.5", "seed is"},
        {"digest", "xyz", "digest is 'xyz'"},       {"settings", NULL, "no 'settings'"},
        {"digest", "00000000000000000000000000000000000000000000000000000000000000000", "too many"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *said = opened_with(bad[i].key, bad[i].value, NULL);
        if (!strstr(said, bad[i].says))
            fail_msg("%s = %s: \"%s\" does not say \"%s\"", bad[i].key, bad[i].value ? bad[i].value : "(none)", said,
                     bad[i].says);
    }
    assert_string_equal(opened_with("margin", "2", NULL), "opened");
}

static void tensors_that_cannot_be(void **state)
{
    (void)state;
    static float x[15] = {1, 2, 3};
    static const char *const name[] = {"1.weight", "1.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var"};
    static const size_t size[] = {15, 5, 5, 5, 5, 5};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        ds_tensor t = {name[i], DS_F32, 1, {size[i]}, x, size[i] * sizeof *x};
        if (i == 0)
            t.ndim = 2, t.shape[0] = 5, t.shape[1] = 3;
        assert_string_equal(opened_with(NULL, NULL, &t), "opened");
        x[4] = NAN;
        assert_non_null(strstr(opened_with(NULL, NULL, &t), name[i]));
        x[4] = -INFINITY;
        assert_non_null(strstr(opened_with(NULL, NULL, &t), name[i]));
        x[4] = -1;
        assert_int_equal(strstr(opened_with(NULL, NULL, &t), "holds -1") != NULL, i == 5);
        x[4] = 0;
        ds_tensor odd = t;
        odd.shape[t.ndim - 1]--;
        odd.bytes = (i ? odd.shape[0] : odd.shape[0] * odd.shape[1]) * sizeof *x;
        assert_non_null(strstr(opened_with(NULL, NULL, &odd), name[i]));
        odd = t;
        odd.dtype = DS_I32;
        assert_non_null(strstr(opened_with(NULL, NULL, &odd), name[i]));
    }
    ds_tensor recipe = {"recipe", DS_F32, 1, {2}, x, 2 * sizeof *x};
    assert_non_null(strstr(opened_with(NULL, NULL, &recipe), "recipe"));
    ds_tensor pad = {"pad", DS_U8, 1, {3}, x, 3};
    assert_non_null(strstr(opened_with(NULL, NULL, &pad), "multiple of 64"));
}

/* ---- running it ------------------------------------------------------------------------------ */

enum { ROWS = 2 * SM_BLOCK + 30, WIDTH = 37 };

static float *random_rows(size_t n, uint32_t seed)
{
    float *x = kn_alloc(n, sizeof *x, NULL);
    kn_rng r = kn_rng_new(seed, KN_STREAM_SPLIT, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = kn_rng_uniform(&r, -2, 2);
    return x;
}

static void a_row_is_alone(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 64, SM_BLOCK - 1, SM_BLOCK, SM_BLOCK + 1};
    sm_model *m = test_model(wide_network, WIDTH, 4);
    float *x = random_rows(ROWS * WIDTH, 1), *first = NULL;
    for (int threads = 0; threads <= 3; threads++) { /* 0: naive */
        kn_pool *pool = threads ? kn_pool_new(threads, NULL) : NULL;
        kn_backend *be = threads ? kn_backend_cpu(pool, NULL) : kn_backend_naive(NULL);
        sm_encoder *e = sm_encoder_new(m, be, NULL);
        assert_non_null(e);
        size_t E = sm_encoder_width(e);
        float *whole = random_rows(ROWS * E, 2), *z = random_rows(ROWS * E, 3);
        assert_int_equal(sm_encode(e, whole, x, ROWS, NULL), 0);
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
            for (size_t at = 0; at < ROWS; at += steps[s] * (1 + 60 / steps[s])) { /* not every row: it takes long */
                size_t n = ROWS - at < steps[s] ? ROWS - at : steps[s];
                assert_int_equal(sm_encode(e, z, x + at * WIDTH, n, NULL), 0);
                assert_memory_equal(z, whole + at * E, n * E * sizeof *z);
            }
        if (threads == 0)
            first = random_rows(ROWS * E, 4), memcpy(first, whole, ROWS * E * sizeof *z);
        for (size_t i = 0; i < ROWS * E; i++)
            test_near(whole[i], first[i], 1e-4);
        if (threads == 1)
            memcpy(first, whole, ROWS * E * sizeof *z);
        if (threads > 1)
            assert_memory_equal(whole, first, ROWS * E * sizeof *z);
        kn_free(whole);
        kn_free(z);
        sm_encoder_free(e);
        kn_backend_close(be);
        kn_pool_free(pool);
    }
    kn_free(first);
    kn_free(x);
    sm_model_free(m);
}

/* The same row anywhere in a block. */
static void a_row_has_no_place(void **state)
{
    (void)state;
    sm_model *m = test_model(wide_network, WIDTH, 4);
    float *x = random_rows(WIDTH, 1), *same = random_rows(SM_BLOCK * WIDTH, 1);
    kn_backend *be = kn_backend_cpu(NULL, NULL);
    sm_encoder *e = sm_encoder_new(m, be, NULL);
    size_t E = sm_encoder_width(e);
    float *z = random_rows(SM_BLOCK * E, 2);
    for (size_t i = 0; i < SM_BLOCK; i++)
        memcpy(same + i * WIDTH, x, WIDTH * sizeof *x);
    assert_int_equal(sm_encode(e, z, same, SM_BLOCK, NULL), 0);
    for (size_t i = 1; i < SM_BLOCK; i++)
        assert_memory_equal(z + i * E, z, E * sizeof *z);
    sm_encoder_free(e);
    kn_backend_close(be);
    kn_free(z);
    kn_free(same);
    kn_free(x);
    sm_model_free(m);
}

static double distance_of(kn_distance kind, const float *a, const float *b, size_t E)
{
    double square = 0, sum = 0, dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < E; i++) {
        double x = (double)a[i], y = (double)b[i];
        square += (x - y) * (x - y), sum += fabs(x - y);
        dot += x * y, aa += x * x, bb += y * y;
    }
    return kind == KN_EUCLIDEAN ? sqrt(square + 1e-12) : kind == KN_L1 ? sum : 1 - dot / sqrt(aa * bb);
}

static void distances_are_symmetric(void **state)
{
    (void)state;
    enum { PAIRS = 300 };
    static uint32_t q1[PAIRS], q2[PAIRS];
    static float d[PAIRS], swapped[PAIRS], alone;
    float *x = random_rows(ROWS * WIDTH, 1);
    kn_rng r = kn_rng_new(5, KN_STREAM_SPLIT, 0);
    kn_backend *be = kn_backend_cpu(NULL, NULL);
    for (size_t i = 0; i < PAIRS; i++)
        q1[i] = kn_rng_below(&r, ROWS), q2[i] = i % 10 ? kn_rng_below(&r, ROWS) : q1[i];
    for (int kind = KN_EUCLIDEAN; kind <= KN_COSINE; kind++) {
        sm_model *m = test_model(wide_network, WIDTH, 4);
        m->distance = (kn_distance)kind;
        sm_encoder *e = sm_encoder_new(m, be, NULL);
        size_t E = sm_encoder_width(e);
        float *z = random_rows(ROWS * E, 2);
        sm_pairs p = {.pairs = PAIRS, .rows = ROWS, .dim = WIDTH, .x = x, .q1 = q1, .q2 = q2};
        assert_int_equal(sm_distances(e, d, &p, NULL), 0);
        assert_int_equal(sm_encode(e, z, x, ROWS, NULL), 0);
        p.q1 = q2, p.q2 = q1;
        assert_int_equal(sm_distances(e, swapped, &p, NULL), 0);
        assert_memory_equal(d, swapped, sizeof d);
        for (size_t i = 0; i < PAIRS; i++) {
            test_near(d[i], distance_of(m->distance, z + q1[i] * E, z + q2[i] * E, E), 1e-4);
            sm_pairs one = {.pairs = 1, .rows = ROWS, .dim = WIDTH, .x = x, .q1 = q1 + i, .q2 = q2 + i};
            assert_int_equal(sm_distances(e, &alone, &one, NULL), 0);
            assert_memory_equal(&alone, d + i, sizeof alone);
        }
        if (kind == KN_EUCLIDEAN)
            test_near(d[0], 1e-6, 1e-12); /* a = b: the root of epsilon */
        kn_free(z);
        sm_encoder_free(e);
        sm_model_free(m);
    }
    kn_backend_close(be);
    kn_free(x);
}

static void numbers_out_of_range_are_an_error(void **state)
{
    (void)state;
    kn_backend *be = kn_backend_naive(NULL);
    sm_model *m = test_model(small_network, 3, 1);
    for (size_t i = 0; i < m->graph->params; i++)
        m->params[i] = FLT_MAX;
    sm_encoder *e = sm_encoder_new(m, be, NULL);
    float x[6] = {1, 1, 1, 2, 2, 2}, z[64], d;
    uint32_t q[] = {0, 1};
    kn_error err = {""};
    assert_int_equal(sm_encode(e, z, x, 1, &err), -1);
    assert_non_null(strstr(err.text, "cannot be used"));
    sm_pairs p = {.pairs = 1, .rows = 2, .dim = 3, .x = x, .q1 = q, .q2 = q + 1};
    assert_int_equal(sm_distances(e, &d, &p, &err), -1);
    p.dim = 2;
    assert_int_equal(sm_distances(e, &d, &p, &err), -1);
    assert_non_null(strstr(err.text, "2 numbers, the model reads 3"));
    p.dim = 3, p.pairs = 0;
    assert_int_equal(sm_distances(e, &d, &p, &err), 0);
    sm_encoder_free(e);
    sm_model_free(m);
    kn_backend_close(be);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(without_a_recipe),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(changed_anywhere),
        cmocka_unit_test(settings_that_cannot_be),
        cmocka_unit_test(tensors_that_cannot_be),
        cmocka_unit_test(a_row_is_alone),
        cmocka_unit_test(a_row_has_no_place),
        cmocka_unit_test(distances_are_symmetric),
        cmocka_unit_test(numbers_out_of_range_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
