/* What the op contract says of special points: NaN, equal vectors, ties, kinks,
 * large means, lone rows. On every filling. */
#include "tests/rig.h"

#include <math.h>
#include <string.h>

static void relu_and_elu_keep_nan(kn_backend *be)
{
    const float x[5] = {NAN, -1, 0, 2, -INFINITY};
    float y[5], *at = rig_device(be, x, sizeof x), *out = rig_device(be, NULL, sizeof x);
    for (int act = KN_ACT_NONE; act <= KN_ACT_ELU; act++) {
        be->act_forward(be, out, at, (kn_act)act, 5);
        be->download(be, y, out, sizeof y);
        assert_true(isnan(y[0]));
        assert_true(y[3] == 2 && y[2] == 0);
        assert_true(act == KN_ACT_NONE || y[4] == (act == KN_ACT_RELU ? 0 : -1));
    }
    be->dealloc(be, at);
    be->dealloc(be, out);
}

/* d = 1e-6 and a gradient of 0, not 0/0; cosine of a zero vector likewise. */
static void equal_vectors(kn_backend *be)
{
    float z[12] = {1, 2, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6}, y[2] = {1, 0}, got[12], d[2];
    float *zd = rig_device(be, z, sizeof z), *yd = rig_device(be, y, sizeof y), *dz = rig_device(be, NULL, sizeof z);
    float *dd = rig_device(be, NULL, sizeof d), *loss = rig_device(be, NULL, sizeof d);
    for (int kind = KN_EUCLIDEAN; kind <= KN_COSINE; kind++)
        for (int l = KN_CONTRASTIVE; l <= KN_HINGE; l++) {
            be->pair_loss(be, loss, dd, dz, zd, yd, (kn_distance)kind, (kn_pair_loss)l, 1.5f, 2, 3);
            be->download(be, d, dd, sizeof d);
            be->download(be, got, dz, sizeof got);
            test_near(d[0], kind == KN_EUCLIDEAN ? 1e-6 : 0, kind == KN_COSINE ? 2e-7 : 1e-9);
            for (int i = 0; i < 3; i++) {
                test_near(got[i], 0, 1e-6);
                test_near(got[6 + i], 0, 1e-6);
            }
            if (kind == KN_COSINE) {
                test_near(d[1], 1, 0); /* a zero vector has no direction */
                test_near(got[3], 0, 0);
                test_near(got[9], 0, 0);
            }
        }
    float *all[] = {zd, yd, dz, dd, loss};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

/* At margin = d the gradient of a different pair is 0, as beyond it. */
static void the_kink_of_the_margin(kn_backend *be)
{
    const float z[4] = {0, 1, 3, 1.5f}, y[2] = {0, 0};
    float got[4], *zd = rig_device(be, z, sizeof z), *yd = rig_device(be, y, sizeof y);
    float *dz = rig_device(be, NULL, sizeof z), *out = rig_device(be, NULL, 4 * sizeof *out);
    be->pair_loss(be, out, out + 2, dz, zd, yd, KN_L1, KN_HINGE, 3, 2, 1); /* distances 3 and 0.5 */
    be->download(be, got, dz, sizeof got);
    assert_true(got[0] == 0 && got[2] == 0);
    test_near(got[1], 0.5, 1e-6); /* nearer than the margin: pushed apart */
    test_near(got[3], -0.5, 1e-6);
    float *all[] = {zd, yd, dz, out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

/* batch_loss of z[n], one number a row, L1 and hinge with margin 3. */
static void batch_at(kn_backend *be, float *loss, float *dz, const float *z, const uint32_t *group, size_t n)
{
    float *at = rig_device(be, z, n * sizeof *z), *out = rig_device(be, NULL, 2 * n * sizeof *out);
    float *of = rig_device(be, group, n * sizeof *group);
    be->batch_loss(be, out, out + n, at, (const uint32_t *)(const void *)of, KN_L1, KN_HINGE, 3, 0.25f, n, 1);
    be->download(be, loss, out, n * sizeof *loss);
    be->download(be, dz, out + n, n * sizeof *dz);
    be->dealloc(be, at);
    be->dealloc(be, out);
    be->dealloc(be, of);
}

static void pairs_of_a_batch(kn_backend *be)
{
    const float z[4] = {0, 1, 3, 5};
    const uint32_t one[4] = {7, 7, 7, 7}, all[4] = {1, 2, 3, 4}, two[4] = {5, 6, 5, 6};
    float loss[4], dz[4];
    batch_at(be, loss, dz, z, one, 4); /* the mean of six distances */
    test_near(loss[0] + loss[1] + loss[2] + loss[3], (1 + 3 + 5 + 2 + 4 + 2) / 6.0, 1e-6);
    test_near(dz[3], 3 / 6.0, 1e-6);
    batch_at(be, loss, dz, z, all, 4); /* d 1 and twice 2 are nearer than 3 */
    test_near(loss[0] + loss[1] + loss[2] + loss[3], (2 + 1 + 1) / 6.0, 1e-6);
    test_near(loss[0], 2 / 12.0, 1e-6);
    test_near(dz[0], 1 / 6.0, 1e-6);  /* from 1; to 3 it is at the kink */
    test_near(dz[3], -1 / 6.0, 1e-6);
    batch_at(be, loss, dz, z, two, 4); /* 0-3 and 1-5 belong together */
    test_near(loss[0] + loss[1] + loss[2] + loss[3], 0.25 * (3 + 4) / 2 + 0.75 * (2 + 1 + 1) / 4, 1e-6);
    batch_at(be, loss, dz, z, one, 1);
    assert_true(loss[0] == 0 && dz[0] == 0); /* a lone row has no pairs */
}

/* Two rows that are equal, of one group and of two, by each distance. */
static void equal_rows_of_a_batch(kn_backend *be)
{
    const float z[6] = {1, 2, 3, 1, 2, 3};
    const uint32_t groups[2][2] = {{4, 4}, {4, 5}};
    float got[8], *at = rig_device(be, z, sizeof z), *out = rig_device(be, NULL, sizeof got);
    for (int v = 0; v < 12; v++) {
        float *of = rig_device(be, groups[v / 6], sizeof groups[0]);
        be->batch_loss(be, out, out + 2, at, (const uint32_t *)(const void *)of, (kn_distance)(v % 3),
                       (kn_pair_loss)(v / 3 % 2), 1.5f, 0.3f, 2, 3);
        be->download(be, got, out, sizeof got);
        test_near(got[0] + got[1], v < 6 ? 0 : v < 9 ? 2.25 : 1.5, 4e-6);
        for (int i = 0; i < 6; i++)
            test_near(got[2 + i], 0, 1e-6);
        be->dealloc(be, of);
    }
    be->dealloc(be, at);
    be->dealloc(be, out);
}

static void losses_show_nan(kn_backend *be)
{
    const float z[4] = {0, NAN, 1, 2};
    const uint32_t one[4] = {0}, all[4] = {0, 1, 2, 3}, *of[2] = {one, all};
    float loss[4], dz[4], *at = rig_device(be, z, sizeof z), *out = rig_device(be, NULL, 2 * sizeof z);
    for (int k = 0; k < 2; k++) {
        batch_at(be, loss, dz, z, of[k], 4);
        for (int i = 0; i < 4; i++)
            assert_true(isnan(loss[i])); /* each row meets the one that diverged */
    }
    for (int kind = KN_SQUARED; kind <= KN_HUBER; kind++) {
        be->value_loss(be, out, out + 4, at, at + 3, (kn_value_loss)kind, 1, 1);
        be->value_loss(be, out + 1, out + 5, at + 1, at, (kn_value_loss)kind, 1, 1);
        be->download(be, loss, out, sizeof loss);
        be->download(be, dz, out + 4, sizeof dz);
        assert_true(!isnan(loss[0]) && isnan(loss[1]) && isnan(dz[1]));
    }
    float *label = rig_device(be, one, sizeof one);
    be->softmax_loss(be, out, out + 4, NULL, at, (const uint32_t *)(const void *)label, 2, 2);
    be->download(be, loss, out, sizeof loss);
    be->download(be, dz, out + 4, sizeof dz);
    assert_true(isnan(loss[0]) && isnan(dz[0]) && isnan(dz[1]) && !isnan(loss[1]) && !isnan(dz[2]));
    be->dealloc(be, at);
    be->dealloc(be, out);
    be->dealloc(be, label);
}

static void huge_logits_do_not_overflow(kn_backend *be)
{
    const float z[9] = {1e30f, -1e30f, 0, 100, 0, 200, 5, 5, 5};
    const uint32_t label[3] = {0, 1, 2};
    float loss[3], p[9], *at = rig_device(be, z, sizeof z), *out = rig_device(be, NULL, 21 * sizeof *out);
    float *of = rig_device(be, label, sizeof label);
    be->softmax_loss(be, out, out + 3, out + 12, at, (const uint32_t *)(const void *)of, 3, 3);
    be->download(be, loss, out, sizeof loss);
    be->download(be, p, out + 12, sizeof p);
    test_near(loss[0], 0, 0);
    test_near(loss[1], 200, 1e-4);
    test_near(loss[2], log(3), 1e-6);
    test_near(p[0], 1, 0);
    test_near(p[1], 0, 0);
    test_near(p[8], 1 / 3.0, 1e-6);
    be->softmax_loss(be, out, out + 3, NULL, at, (const uint32_t *)(const void *)of, 1, 1); /* one class: sure */
    be->download(be, loss, out, sizeof loss);
    test_near(loss[0], 0, 0);
    be->dealloc(be, at);
    be->dealloc(be, out);
    be->dealloc(be, of);
}

/* At |e| = delta both branches of Huber meet, and far out its slope stays delta. */
static void the_joint_of_huber(kn_backend *be)
{
    const float z[3] = {2, -2, 1e20f}, zero[3] = {0, 0, 0};
    float loss[3], dz[3], *at = rig_device(be, z, sizeof z), *to = rig_device(be, zero, sizeof zero);
    float *out = rig_device(be, NULL, 6 * sizeof *out);
    be->value_loss(be, out, out + 3, at, to, KN_HUBER, 2, 3);
    be->download(be, loss, out, sizeof loss);
    be->download(be, dz, out + 3, sizeof dz);
    test_near(loss[0], 2, 1e-6);
    test_near(loss[1], 2, 1e-6);
    test_near(loss[2] / 2e20, 1, 1e-6);
    for (int i = 0; i < 3; i++)
        test_near(dz[i], (i == 1 ? -2 : 2) / 3.0, 1e-6);
    be->dealloc(be, at);
    be->dealloc(be, to);
    be->dealloc(be, out);
}

static void a_large_mean_does_not_cancel(kn_backend *be)
{
    enum { N = 1000, C = 3 };
    static float x[N * C], y[N * C];
    const float one[3 * C] = {1, 1, 1, 0, 0, 0, 0, 0, 0};
    float stat[4 * C], *xd, *yd = rig_device(be, NULL, sizeof y), *sd = rig_device(be, NULL, sizeof stat);
    float *gamma = rig_device(be, one, sizeof one);
    for (int i = 0; i < N * C; i++)
        x[i] = 4096 + (float)((i / C) % 4) / 8; /* exact in fp32; standard deviation sqrt(5)/16 */
    x[0] = 4096; /* the first row is like the others */
    xd = rig_device(be, x, sizeof x);
    be->bn_forward(be, yd, C, sd, sd + C, sd + 2 * C, sd + 3 * C, xd, gamma, gamma + C, NULL, 0.1f, KN_ACT_NONE, N, C);
    be->download(be, y, yd, sizeof y);
    be->download(be, stat, sd, sizeof stat);
    for (int c = 0; c < C; c++) {
        test_near(stat[c], 4096 + 3.0 / 16, 1e-3);
        test_near(stat[C + c], 1 / sqrt(5.0 / 256 + 1e-5), 1e-3);
        test_near(y[c], -3 / sqrt(5.0), 5e-3);
    }
    float *all[] = {xd, yd, sd, gamma};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

/* Row 5 by itself is row 5 of 40, bit by bit: what an encoder's callers may
 * count on. */
static void a_lone_row(kn_backend *be)
{
    enum { N = 40, I = 37, O = 29 };
    float row[2][O];
    rig r = rig_new(be, 9);
    float *x = rig_in(&r, N * I, -1, 1), *w = rig_in(&r, O * I, -1, 1), *stat = rig_in(&r, 4 * O, 0.5f, 1);
    float *res = rig_in(&r, N * O, -1, 1), *y = rig_out(&r, N * O), *z = rig_out(&r, N * O);
    for (int lone = 0; lone < 2; lone++) {
        size_t at = lone ? 5 : 0, n = lone ? 1 : N;
        be->gemm(be, y + at * O, x + at * I, w, 0, 1, n, O, I, 0);
        be->bn_infer(be, z + at * O, O, stat, stat + O, y + at * O, stat + 2 * O, stat + 3 * O, res + at * O,
                     KN_ACT_ELU, n, O);
        be->download(be, row[lone], z + 5 * O, sizeof row[lone]);
    }
    assert_memory_equal(row[0], row[1], sizeof row[0]);
    rig_finish(&r, "lone row");
    rig_free(&r);
}

static void dropout_keeps_its_share(kn_backend *be)
{
    enum { N = 20000 };
    static float x[N], y[N], again[N];
    for (int i = 0; i < N; i++)
        x[i] = 1;
    kn_step step = {.count = 0};
    float *xd = rig_device(be, x, sizeof x), *yd = rig_device(be, NULL, sizeof y), *sd = rig_device(be, NULL, sizeof step);
    for (step.count = 0; step.count < 2; step.count++) {
        be->upload(be, sd, &step, sizeof step);
        be->dropout(be, yd, xd, 0.25f, 1, 2, (const kn_step *)(const void *)sd, N, 0);
        be->download(be, step.count ? again : y, yd, sizeof y);
    }
    int kept = 0, differ = 0;
    for (int i = 0; i < N; i++) {
        assert_true(y[i] == 0 || fabsf(y[i] - 4.0f / 3) < 1e-6f);
        kept += y[i] != 0;
        differ += y[i] != again[i];
    }
    test_near(kept, 0.75 * N, 4 * sqrt(0.75 * 0.25 * N)); /* 4 standard deviations */
    test_near(differ, 2 * 0.75 * 0.25 * N, 0.03 * N);     /* another step, another mask */
    be->dropout(be, yd, xd, 0, 1, 2, (const kn_step *)(const void *)sd, N, 0);
    be->download(be, y, yd, sizeof y);
    assert_memory_equal(x, y, sizeof x); /* p = 0 keeps all */
    float *all[] = {xd, yd, sd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        be->dealloc(be, all[i]);
}

static void nearest_orders_ties_and_leaves_nan_out(kn_backend *be)
{
    const float base[6] = {2, 1, NAN, 1, 3, INFINITY}, query[1] = {0};
    const uint32_t want[6] = {1, 3, 0, 4, 5, UINT32_MAX};
    uint32_t idx[6];
    float dist[6], *b = rig_device(be, base, sizeof base), *q = rig_device(be, query, sizeof query);
    float *d = rig_device(be, NULL, sizeof dist), *i = rig_device(be, NULL, sizeof idx);
    for (size_t k = 1; k <= 6; k++) {
        be->nearest(be, d, (uint32_t *)(void *)i, q, b, KN_L1, 1, 6, 1, k);
        be->download(be, dist, d, k * sizeof *dist);
        be->download(be, idx, i, k * sizeof *idx);
        assert_memory_equal(idx, want, k * sizeof *idx);
        assert_true(dist[0] == 1);
    }
    assert_true(dist[1] == 1 && dist[2] == 2 && dist[3] == 3 && isinf(dist[4]) && isinf(dist[5]));
    float *all[] = {b, q, d, i};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        be->dealloc(be, all[k]);
}

static void memory_moves(kn_backend *be)
{
    kn_error err;
    float x[5] = {1, 2, 3, 4, 5}, y[5];
    float *a = rig_device(be, NULL, sizeof x), *b = rig_device(be, NULL, sizeof x);
    be->download(be, y, a, sizeof y);
    for (int i = 0; i < 5; i++)
        assert_true(y[i] == 0); /* memory begins as zeros */
    assert_true((uintptr_t)a % 64 == 0);
    be->upload(be, a, x, sizeof x);
    be->copy(be, b, a, sizeof x);
    be->fill(be, a, 7, 3);
    be->download(be, y, b, sizeof y);
    assert_memory_equal(x, y, sizeof x);
    be->download(be, y, a, sizeof y);
    assert_true(y[2] == 7 && y[3] == 4);
    be->copy(be, b, a, 0);
    be->fill(be, a, 7, 0);
    assert_int_equal(be->sync(be, &err), 0);
    be->dealloc(be, NULL);
    be->dealloc(be, a);
    be->dealloc(be, b);
}

typedef struct replay {
    kn_backend *be;
    float *x;
} replay;

static void add_twice(void *arg)
{
    const replay *p = arg;
    p->be->add(p->be, p->x, p->x, p->x, 1);
}

static void a_run_can_be_repeated(kn_backend *be)
{
    float one = 1, got;
    replay p = {be, rig_device(be, &one, sizeof one)};
    for (int i = 0; i < 5; i++)
        be->run(be, 3, add_twice, &p);
    be->download(be, &got, p.x, sizeof got);
    assert_true(got == 32);
    be->forget(be, 3);
    be->dealloc(be, p.x);
}

#define POINT(test)                                                                                                    \
    static void test##_everywhere(void **state)                                                                        \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        rig_each(test);                                                                                                \
    }
POINT(relu_and_elu_keep_nan)
POINT(equal_vectors)
POINT(the_kink_of_the_margin)
POINT(pairs_of_a_batch)
POINT(equal_rows_of_a_batch)
POINT(losses_show_nan)
POINT(huge_logits_do_not_overflow)
POINT(the_joint_of_huber)
POINT(a_large_mean_does_not_cancel)
POINT(a_lone_row)
POINT(dropout_keeps_its_share)
POINT(nearest_orders_ties_and_leaves_nan_out)
POINT(memory_moves)
POINT(a_run_can_be_repeated)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relu_and_elu_keep_nan_everywhere),
        cmocka_unit_test(equal_vectors_everywhere),
        cmocka_unit_test(the_kink_of_the_margin_everywhere),
        cmocka_unit_test(pairs_of_a_batch_everywhere),
        cmocka_unit_test(equal_rows_of_a_batch_everywhere),
        cmocka_unit_test(losses_show_nan_everywhere),
        cmocka_unit_test(huge_logits_do_not_overflow_everywhere),
        cmocka_unit_test(the_joint_of_huber_everywhere),
        cmocka_unit_test(a_large_mean_does_not_cancel_everywhere),
        cmocka_unit_test(a_lone_row_everywhere),
        cmocka_unit_test(dropout_keeps_its_share_everywhere),
        cmocka_unit_test(nearest_orders_ties_and_leaves_nan_out_everywhere),
        cmocka_unit_test(memory_moves_everywhere),
        cmocka_unit_test(a_run_can_be_repeated_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
