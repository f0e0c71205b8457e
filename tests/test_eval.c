/* Tests of siamese/eval.c and siamese/calibrate.c: against scikit-learn's values
 * in ref/metrics.txt, against the definitions by counting pairs, and at the
 * edges where a value is not defined. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "siamese/siamese.h"
#include "tests/support.h"

enum { MAX_PAIRS = 100 };

typedef struct sample {
    char name[32];
    size_t n;
    double threshold;
    float d[MAX_PAIRS], label[MAX_PAIRS];
    double p[MAX_PAIRS];
} sample;

/* NaN is a value here: both or neither. */
static void same(double a, double b, double tol, const char *what, const char *name)
{
    if ((isnan(a) && isnan(b)) || fabs(a - b) <= tol * fmax(1, fabs(b)))
        return;
    fail_msg("%s of %s: %.17g, the reference says %.17g", what, name, a, b);
}

static int read_sample(FILE *f, sample *s)
{
    if (fscanf(f, " case %31s %zu %lf", s->name, &s->n, &s->threshold) != 3)
        return 0;
    assert_true(s->n <= MAX_PAIRS);
    for (size_t i = 0; i < s->n; i++)
        assert_int_equal(fscanf(f, "%f %f %lf", s->d + i, s->label + i, s->p + i), 3);
    return 1;
}

static size_t compare_with_reference(FILE *f, const sample *s)
{
    sm_metrics m;
    kn_error err;
    double alpha = NAN, beta = NAN, want;
    char key[32];
    size_t values = 0;
    assert_int_equal(sm_evaluate(&m, s->d, s->p, s->label, s->n, s->threshold, &err), 0);
    if (sm_calibrate(&alpha, &beta, s->d, s->label, s->n, &err))
        assert_non_null(strstr(err.text, "nothing to calibrate on"));
    const struct { const char *key; double value; } got[] = {
        {"accuracy", m.accuracy}, {"precision", m.precision}, {"recall", m.recall}, {"f1", m.f1}, {"auc", m.auc},
        {"average_precision", m.average_precision}, {"log_loss", m.log_loss}, {"brier", m.brier}, {"ece", m.ece},
        {"accuracy_best", m.accuracy_best}, {"threshold_best", m.threshold_best}, {"seed_metric", m.seed_metric},
        {"alpha", alpha}, {"beta", beta}};
    while (fscanf(f, "%31s", key) == 1 && strcmp(key, "end")) {
        size_t k = 0, known = sizeof got / sizeof *got;
        assert_int_equal(fscanf(f, "%lf", &want), 1);
        while (k < known && strcmp(got[k].key, key))
            k++;
        assert_true(k < known);
        same(got[k].value, want, k < 12 ? 1e-9 : 1e-7, key, s->name);
        values++;
    }
    return values;
}

static void as_scikit_learn(void **state)
{
    (void)state;
    FILE *f = fopen("tests/ref/metrics.txt", "r");
    sample s;
    size_t cases = 0;
    assert_non_null(f);
    for (; read_sample(f, &s); cases++)
        assert_int_equal(compare_with_reference(f, &s), 14);
    fclose(f);
    assert_int_equal(cases, 13);
}

/* n pairs whose distances take about `steps` values, by a fixed generator. */
static void draw(float *d, float *label, size_t n, uint32_t steps, uint32_t seed)
{
    kn_rng r = kn_rng_new(seed, KN_STREAM_SPLIT, 0);
    for (size_t i = 0; i < n; i++) {
        label[i] = kn_rng_below(&r, 3) == 0;
        d[i] = (float)(kn_rng_below(&r, steps) + kn_rng_below(&r, steps)) / (float)steps + (label[i] > 0 ? 0.0f : 0.3f);
    }
}

/* The definitions themselves, in quadratic time. */
static void as_counted_pair_by_pair(void **state)
{
    (void)state;
    static float d[1500], label[1500];
    static const uint32_t steps[] = {2, 10, 1000, 1u << 20};
    for (size_t c = 0; c < sizeof steps / sizeof *steps; c++) {
        size_t n = 1500;
        double won = 0, pairs = 0, best = 0, sum = 0, positives = 0;
        sm_metrics m;
        draw(d, label, n, steps[c], (uint32_t)c);
        for (size_t i = 0; i < n; i++) {
            double right = 0, tp = 0, at_most = 0;
            for (size_t j = 0; j < n; j++) {
                right += (d[j] < d[i]) == (label[j] > 0);
                at_most += d[j] <= d[i];
                tp += d[j] <= d[i] && label[j] > 0;
                if (label[i] > label[j]) {
                    pairs++;
                    won += d[i] < d[j] ? 1 : d[i] == d[j] ? 0.5 : 0;
                }
            }
            best = fmax(best, right / (double)n);
            positives += (double)label[i];
            sum += label[i] > 0 ? tp / at_most : 0;
        }
        assert_int_equal(sm_evaluate(&m, d, NULL, label, n, 0.5, NULL), 0);
        test_near(m.auc, won / pairs, 1e-12);
        test_near(m.average_precision, sum / positives, 1e-12);
        test_near(m.accuracy_best, fmax(best, positives / (double)n), 0);
        assert_true(isnan(m.log_loss) && isnan(m.brier) && isnan(m.ece));
        sm_metrics again;
        assert_int_equal(sm_evaluate(&again, d, NULL, label, n, m.threshold_best, NULL), 0);
        test_near(again.accuracy, m.accuracy_best, 0);
    }
}

static void order_of_pairs_does_not_matter(void **state)
{
    (void)state;
    static float d[500], label[500], back_d[500], back_label[500];
    sm_metrics a, b;
    draw(d, label, 500, 20, 7);
    for (size_t i = 0; i < 500; i++)
        back_d[i] = d[499 - i], back_label[i] = label[499 - i];
    assert_int_equal(sm_evaluate(&a, d, NULL, label, 500, 0.7, NULL), 0);
    assert_int_equal(sm_evaluate(&b, back_d, NULL, back_label, 500, 0.7, NULL), 0);
    assert_memory_equal(&a, &b, offsetof(sm_metrics, log_loss)); /* those after it are NaN */
    assert_true(a.accuracy_best == b.accuracy_best && a.threshold_best == b.threshold_best);
}

static void cuts_rise_from_none_to_all(void **state)
{
    (void)state;
    static const float d[] = {0.5f, -0.0f, 0.5f, 2, 0.0f, FLT_MAX};
    static const float label[] = {1, 1, 0, 0, 1, 0};
    static const size_t tp[] = {0, 2, 3, 3, 3}, fp[] = {0, 0, 1, 2, 3};
    size_t cuts;
    sm_cut *c = sm_cuts(d, label, 6, &cuts, NULL);
    assert_non_null(c);
    assert_int_equal(cuts, 5); /* 0.0 and -0.0 are one distance */
    for (size_t i = 0; i < cuts; i++) {
        size_t below = 0;
        for (size_t j = 0; j < 6; j++)
            below += (double)d[j] < c[i].threshold;
        assert_int_equal(below, tp[i] + fp[i]);
        assert_int_equal(c[i].tp, tp[i]);
        assert_int_equal(c[i].fp, fp[i]);
    }
    kn_free(c);
}

static void no_pairs(void **state)
{
    (void)state;
    sm_metrics m;
    assert_int_equal(sm_evaluate(&m, NULL, NULL, NULL, 0, 0.5, NULL), 0);
    assert_int_equal(m.n, 0);
    assert_true(isnan(m.accuracy) && isnan(m.auc) && isnan(m.average_precision) && isnan(m.accuracy_best) &&
                isnan(m.threshold_best) && isnan(m.seed_metric) && isnan(m.f1));
    double p = 0;
    assert_int_equal(sm_evaluate(&m, NULL, &p, NULL, 0, 0.5, NULL), 0);
    assert_true(isnan(m.log_loss) && isnan(m.brier) && isnan(m.ece));
}

static void refusals(void **state)
{
    (void)state;
    static const struct { float d, label; double p; const char *says; } bad[] = {
        {NAN, 1, 0.5, "distance of pair 2"}, {INFINITY, 1, 0.5, "distance of pair 2"},
        {1, 0.5f, 0.5, "label of pair 2"},   {1, -1, 0.5, "label of pair 2"},
        {1, NAN, 0.5, "label of pair 2"},    {1, 1, NAN, "probability of pair 2"},
        {1, 1, 1.0000001, "probability of pair 2"}, {1, 1, -1e-9, "probability of pair 2"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float d[] = {0, bad[i].d}, label[] = {0, bad[i].label};
        double p[] = {0, bad[i].p};
        sm_metrics m;
        kn_error err = {""};
        assert_int_equal(sm_evaluate(&m, d, p, label, 2, 0.5, &err), -1);
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

/* Every p of the finest steps below a bin's edge lands in a bin. */
static void reliability_bins(void **state)
{
    (void)state;
    double p[4 * SM_BINS + 4];
    float label[4 * SM_BINS + 4];
    size_t n = 0;
    sm_bin bin[SM_BINS];
    for (int b = 0; b <= SM_BINS; b++)
        for (int side = -1; side <= 1; side++) {
            double edge = (double)b / SM_BINS, at = side ? nextafter(edge, edge + side) : edge;
            if (at >= 0 && at <= 1)
                label[n] = (float)(b % 2), p[n++] = at;
        }
    assert_int_equal(sm_reliability(bin, p, label, n, NULL), 0);
    size_t all = 0;
    double mass = 0, total = 0;
    for (int b = 0; b < SM_BINS; b++) {
        all += bin[b].n;
        mass += bin[b].sum_p;
        if (bin[b].n)
            test_near(bin[b].sum_p / (double)bin[b].n, (b + 0.5) / SM_BINS, 0.5 / SM_BINS + 1e-15);
    }
    for (size_t i = 0; i < n; i++)
        total += p[i];
    assert_int_equal(all, n);
    test_near(mass, total, 1e-12);
}

/* ---- calibration --------------------------------------------------------------- */

/* Labels drawn from a known sigmoid give it back. */
static void finds_the_sigmoid_that_made_the_labels(void **state)
{
    (void)state;
    enum { N = 40000 };
    float *d = kn_alloc(N, sizeof *d, NULL), *label = kn_alloc(N, sizeof *label, NULL);
    assert_true(d && label);
    kn_rng r = kn_rng_new(3, KN_STREAM_SPLIT, 0);
    for (size_t i = 0; i < N; i++) {
        d[i] = kn_rng_uniform(&r, 0, 2);
        label[i] = (double)kn_rng_uniform(&r, 0, 1) < 1 / (1 + exp(-(2 - 5 * (double)d[i])));
    }
    double alpha, beta;
    assert_int_equal(sm_calibrate(&alpha, &beta, d, label, N, NULL), 0);
    test_near(alpha, 2, 0.1);
    test_near(beta, 5, 0.2);
    sm_model m = {0};
    assert_int_equal(sm_model_calibrate(&m, d, label, N, NULL), 0);
    assert_true(m.calibrated && m.alpha == alpha && m.beta == beta);
    test_near(m.threshold, 0.4, 0.05); /* where that sigmoid crosses 1/2 */
    test_near(sm_model_probability(&m, alpha / beta), 0.5, 1e-12);
    kn_free(d);
    kn_free(label);
}

/* The gradient of the likelihood is zero at the answer, in hard places too. */
static void is_a_minimum(void **state)
{
    (void)state;
    static float d[300], label[300];
    static const float scale[] = {1e-30f, 1e-3f, 1, 1e6f, 1e30f};
    for (size_t c = 0; c < sizeof scale / sizeof *scale; c++) {
        double alpha, beta, P = 0, ga = 0, gb = 0;
        draw(d, label, 300, 50, 11);
        for (size_t i = 0; i < 300; i++)
            d[i] *= scale[c], P += (double)label[i];
        assert_int_equal(sm_calibrate(&alpha, &beta, d, label, 300, NULL), 0);
        assert_true(beta > 0);
        for (size_t i = 0; i < 300; i++) {
            double t = label[i] > 0 ? (P + 1) / (P + 2) : 1 / (300 - P + 2);
            double g = 1 / (1 + exp(beta * (double)d[i] - alpha)) - t;
            ga += g, gb += g * (double)d[i] / (double)scale[c];
        }
        test_near(ga, 0, 1e-8);
        test_near(gb, 0, 1e-8);
    }
}

static void degenerate_data_leave_the_model_uncalibrated(void **state)
{
    (void)state;
    static const float d[] = {0.1f, 0.1f, 0.1f, 0.7f, 0.8f}, label[] = {1, 0, 1, 1, 1};
    static const struct { size_t from, n; const char *says; } set[] = {
        {0, 0, "no pairs"}, {0, 1, "same label"}, {2, 3, "same label"}, {0, 3, "same distance"}, {1, 1, "same label"}};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        sm_model m = {.threshold = 9, .alpha = 9, .beta = 9, .calibrated = true};
        kn_error why = {""};
        assert_int_equal(sm_model_calibrate(&m, d + set[i].from, label + set[i].from, set[i].n, &why), 1);
        assert_non_null(strstr(why.text, set[i].says));
        assert_true(!m.calibrated && m.threshold == 0.5 && m.alpha == 0 && m.beta == 0);
        assert_true(isnan(sm_model_probability(&m, 0.3)));
    }
    float equal[60], mixed[60]; /* their mean may be off by a rounding */
    sm_model m = {0};
    for (size_t n = 2; n <= 60; n++) {
        equal[n - 2] = equal[n - 1] = 0.3f;
        mixed[n - 2] = 0, mixed[n - 1] = 1;
        assert_int_equal(sm_model_calibrate(&m, equal, mixed, n, NULL), 1);
    }
    float nan[] = {0.5f, NAN};
    assert_int_equal(sm_model_calibrate(&m, nan, label, 2, NULL), -1);
}

static void probabilities_fall_with_distance(void **state)
{
    (void)state;
    sm_model m = {.calibrated = true, .alpha = 3, .beta = 8};
    double last = 1;
    for (double d = 0; d < 100; d += 0.01) {
        double p = sm_model_probability(&m, d);
        assert_true(p >= 0 && p <= last);
        last = p;
    }
    assert_true(sm_model_probability(&m, -1e308) == 1 && sm_model_probability(&m, 1e308) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_scikit_learn),
        cmocka_unit_test(as_counted_pair_by_pair),
        cmocka_unit_test(order_of_pairs_does_not_matter),
        cmocka_unit_test(cuts_rise_from_none_to_all),
        cmocka_unit_test(no_pairs),
        cmocka_unit_test(refusals),
        cmocka_unit_test(reliability_bins),
        cmocka_unit_test(finds_the_sigmoid_that_made_the_labels),
        cmocka_unit_test(is_a_minimum),
        cmocka_unit_test(degenerate_data_leave_the_model_uncalibrated),
        cmocka_unit_test(probabilities_fall_with_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
