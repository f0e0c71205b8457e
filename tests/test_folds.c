/* Tests of siamese/folds.c and one_shot.c: against scikit-learn where no random
 * cut matters (tests/ref/folds.py), and where the answer can be told by hand. */
#include <math.h>
#include <string.h>

#include "siamese/image_model.h"
#include "tests/models.h"
#include "tests/support.h"

static kn_backend *naive;

/* A network that gives back the two numbers it reads. */
static sm_model *identity(void)
{
    sm_model *m = test_model("linear 2 nobias", 2, 1);
    memcpy(m->params, (float[]){1, 0, 0, 1}, 4 * sizeof(float));
    return m;
}

static void folds_refuse(size_t n, size_t folds)
{
    static const float d[8] = {1, 2, 3, 4}, label[8] = {1, 1};
    sm_spread s;
    kn_error err = {{0}};
    assert_int_equal(sm_folds_pairs(&s, d, label, n, folds, 1, &err), -1);
    assert_non_null(strstr(err.text, "cannot be cut into"));
}

static void leave_one_out_as_scikit_learn(void **state)
{
    (void)state;
    static const float d[] = {.1f, .9f, .35f, .3f, .75f, .5f, .2f, .4f, .65f, .55f, .45f, .6f, .25f};
    static const float label[] = {1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1};
    for (uint64_t seed = 0; seed < 4; seed++) {
        sm_spread s;
        assert_int_equal(sm_folds_pairs(&s, d, label, 13, 13, seed, NULL), 0);
        assert_int_equal(s.n, 13);
        test_near(s.mean, 0.538461538462, 1e-12);
        test_near(s.sd, 0.518874521663, 1e-12);
    }
}

/* A part is judged by a threshold that the others chose: two pairs out of order
 * spoil each other's part, and only theirs. */
static void the_threshold_comes_from_the_other_parts(void **state)
{
    (void)state;
    static const float d[] = {.1f, .9f}, label[] = {0, 1};
    sm_spread s;
    assert_int_equal(sm_folds_pairs(&s, d, label, 2, 2, 1, NULL), 0);
    test_near(s.mean, 0, 0); /* the best on their own would be 0.5 */
    folds_refuse(1, 2);
    folds_refuse(4, 1);
    folds_refuse(4, 5);
    folds_refuse(0, 2);
    kn_error err;
    assert_int_equal(sm_folds_pairs(&s, (float[]){1, NAN, 2}, (float[]){1, 0, 1}, 3, 3, 1, &err), -1);
    assert_non_null(strstr(err.text, "finite"));
}

/* Four scores in two parts: three cuts are possible, and seeds find each. */
static void correlation_of_each_part(void **state)
{
    (void)state;
    static const float have[] = {1, 2, 3, 4}, want[] = {1, 2, 4, 3};
    int mean_one = 0, mean_zero = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        sm_spread s;
        assert_int_equal(sm_folds_scores(&s, have, want, 4, 2, seed, NULL), 0);
        mean_one += fabs(s.mean - 1) < 1e-6 && s.sd < 1e-6;           /* 3 and 4 apart: 1 and 1 */
        mean_zero += fabs(s.mean) < 1e-6 && fabs(s.sd - sqrt(2)) < 1e-6; /* together: 1 and -1 */
    }
    assert_int_equal(mean_one + mean_zero, 40);
    assert_in_range(mean_zero, 5, 25);
    sm_spread s, again;
    assert_int_equal(sm_folds_scores(&s, have, want, 4, 2, 7, NULL), 0);
    assert_int_equal(sm_folds_scores(&again, have, want, 4, 2, 7, NULL), 0);
    assert_memory_equal(&s, &again, sizeof s);
    kn_error err;
    assert_int_equal(sm_folds_scores(&s, have, want, 3, 2, 1, &err), -1);
    assert_non_null(strstr(err.text, "parts of 2 or more"));
}

static double one_shot(const float *z, const uint32_t *group, size_t n, size_t ways, size_t trials, uint64_t seed)
{
    sm_model *m = identity();
    sm_encoder *e = sm_encoder_new(m, naive, NULL);
    double accuracy = NAN;
    kn_error err;
    if (sm_one_shot(&accuracy, e, z, group, n, ways, trials, seed, &err))
        fail_msg("%s", err.text);
    sm_encoder_free(e);
    sm_model_free(m);
    return accuracy;
}

static void one_shot_by_hand(void **state)
{
    (void)state;
    /* class 0 lies around class 1, so its query is nearer to the other always; class 2 has one image */
    static const float z[] = {0, 0, 1, 0, 10, 0, 1.5f, 0, 1, 0.1f};
    static const uint32_t group[] = {0, 1, 0, 1, 2};
    double half = one_shot(z, group, 5, 2, 2000, 1);
    test_near(half, 0.5, 0.05); /* the share of trials that ask for class 1 */
    test_near(half, one_shot(z, group, 5, 2, 2000, 1), 0);
    assert_true(half != one_shot(z, group, 5, 2, 2000, 2));
}

static void one_shot_at_the_ends(void **state)
{
    (void)state;
    enum { CLASSES = 7, EACH = 3, N = CLASSES * EACH };
    float apart[2 * N] = {0}, alike[2 * N] = {0}, any[2 * N];
    uint32_t group[N];
    kn_rng r = kn_rng_new(5, KN_STREAM_SPLIT, 0);
    for (uint32_t i = 0; i < N; i++) {
        group[i] = i % CLASSES;
        apart[2 * i] = (float)group[i] + 0.01f * (float)i;
        any[2 * i] = kn_rng_uniform(&r, 0, 1);
        any[2 * i + 1] = kn_rng_uniform(&r, 0, 1);
    }
    test_near(one_shot(apart, group, N, CLASSES, 500, 1), 1, 0);
    test_near(one_shot(alike, group, N, 2, 500, 1), 0, 0);
    /* A query is never its own support: on vectors without meaning it is near chance, not 1. */
    assert_true(one_shot(any, group, N, 5, 4000, 1) < 0.45);
}

static void one_shot_refuses(void **state)
{
    (void)state;
    static const float z[] = {0, 0, 1, 0, 10, 0};
    static const uint32_t group[] = {0, 1, 0};
    sm_model *m = identity();
    sm_encoder *e = sm_encoder_new(m, naive, NULL);
    double accuracy;
    kn_error err = {{0}};
    assert_int_equal(sm_one_shot(&accuracy, e, z, group, 3, 2, 10, 1, &err), -1);
    assert_non_null(strstr(err.text, "there are 1 classes of two images or more"));
    assert_int_equal(sm_one_shot(&accuracy, e, z, group, 3, 1, 10, 1, &err), -1);
    assert_int_equal(sm_one_shot(&accuracy, e, z, group, 3, 2, 0, 1, &err), -1);
    sm_encoder_free(e);
    sm_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leave_one_out_as_scikit_learn), cmocka_unit_test(the_threshold_comes_from_the_other_parts),
        cmocka_unit_test(correlation_of_each_part),      cmocka_unit_test(one_shot_by_hand),
        cmocka_unit_test(one_shot_at_the_ends),          cmocka_unit_test(one_shot_refuses),
    };
    naive = kn_backend_naive(NULL);
    return naive ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
