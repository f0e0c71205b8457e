/* Tests of siamese/sampler.c: what each kind of batch promises, over whole epochs
 * and decks, and that a step is the same whichever step was asked for before. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "siamese/images.h"
#include "tests/support.h"

enum { MOST = 512 };

typedef struct step {
    size_t rows;
    uint32_t item[MOST], group[MOST];
    float label[MOST];
} step;

static step step_of(sm_sampler *s, uint64_t number)
{
    step t = {0};
    assert_true(sm_sampler_rows(s) <= MOST);
    t.rows = sm_sampler_step(s, number, t.item, t.group, t.label);
    assert_true(t.rows > 0 && t.rows <= sm_sampler_rows(s));
    return t;
}

/* Steps in any order from `a` are those of `b`, which goes forward. */
static void same_in_any_order(sm_sampler *a, sm_sampler *b, uint64_t steps)
{
    step *all = calloc(steps, sizeof *all);
    assert_non_null(all);
    for (uint64_t i = 0; i < steps; i++)
        all[i] = step_of(b, i);
    for (uint64_t i = steps; i-- > 0;) {
        step back = step_of(a, i), hop = step_of(a, i * 7919 % steps);
        assert_memory_equal(&back, &all[i], sizeof back);
        assert_memory_equal(&hop, &all[i * 7919 % steps], sizeof hop);
    }
    free(all);
    sm_sampler_free(a);
    sm_sampler_free(b);
}

static void shuffled_epochs_have_every_row_once(void **state)
{
    (void)state;
    static const struct { size_t n, batch, steps, last; } of[] = {
        {100, 10, 10, 10}, {103, 10, 11, 3}, {101, 10, 10, 10}, {7, 10, 1, 7}, {2, 1, 2, 1}, {102, 10, 11, 2}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        sm_sampler *s = sm_sampler_shuffled(of[k].n, of[k].batch, 3, NULL);
        assert_int_equal(sm_sampler_steps(s), of[k].steps);
        assert_int_equal(sm_sampler_images(s), of[k].n);
        uint32_t order[2][MOST];
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            unsigned char seen[MOST] = {0};
            size_t rows = 0;
            for (uint64_t i = 0; i < of[k].steps; i++) {
                step t = step_of(s, epoch * of[k].steps + i);
                assert_int_equal(t.rows, i + 1 < of[k].steps ? of[k].batch : of[k].last);
                for (size_t r = 0; r < t.rows; r++) {
                    assert_true(t.item[r] < of[k].n && !seen[t.item[r]]++);
                    order[epoch][rows++] = t.item[r];
                }
            }
            assert_true(rows == of[k].n || (rows + 1 == of[k].n && of[k].n % of[k].batch == 1));
        }
        assert_true(of[k].n == 2 || memcmp(order[0], order[1], of[k].n * sizeof **order));
        sm_sampler_free(s);
    }
    /* the shuffle of sm_train's epochs */
    sm_sampler *s = sm_sampler_shuffled(50, 50, 9, NULL);
    kn_rng rng = kn_rng_new(9, KN_STREAM_SHUFFLE, 4);
    uint32_t known[50];
    for (uint32_t i = 0; i < 50; i++)
        known[i] = i;
    kn_rng_shuffle(&rng, known, 50);
    assert_memory_equal(step_of(s, 4).item, known, sizeof known);
    sm_sampler_free(s);
}

/* Sizes of groups: many, few, one; the numbers of groups have gaps. */
static size_t groups_of(uint32_t *group, size_t groups)
{
    size_t n = 0;
    for (size_t g = 0; g < groups; g++)
        for (size_t k = 0; k <= g % 7; k++)
            group[n++] = (uint32_t)(g * 1000003);
    for (size_t i = 0; i < n; i++) { /* not in order */
        size_t j = i * 7919 % n;
        uint32_t t = group[i];
        group[i] = group[j];
        group[j] = t;
    }
    return n;
}

static void balanced_step(const step *t, const uint32_t *group, size_t n, size_t groups, size_t each, uint32_t *came)
{
    assert_int_equal(t->rows, groups * each);
    for (size_t g = 0; g < groups; g++) {
        uint32_t name = t->group[g * each], number = name / 1000003;
        size_t members = number % 7 + 1;
        came[number]++;
        for (size_t other = 0; other < g; other++)
            assert_true(t->group[other * each] != name);
        for (size_t k = 0; k < each; k++) {
            size_t times = 0;
            uint32_t item = t->item[g * each + k];
            assert_true(item < n && group[item] == name && t->group[g * each + k] == name);
            for (size_t m = 0; m < each; m++)
                times += t->item[g * each + m] == item;
            assert_true(times == each / members || times == (each + members - 1) / members);
        }
    }
}

static void balanced_batches_deal_groups_equally(void **state)
{
    (void)state;
    static const struct { size_t all, groups, each; } of[] = {
        {10, 8, 3}, {10, 10, 2}, {31, 8, 4}, {7, 6, 1}, {12, 8, 9}, {1, 1, 5}, {64, 3, 2}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        uint32_t group[MOST], came[64] = {0};
        size_t n = groups_of(group, of[k].all);
        if (n < 2)
            group[n++] = group[0]; /* a second member of the only group */
        sm_sampler *s = sm_sampler_balanced(group, n, of[k].groups, of[k].each, 5, NULL);
        assert_int_equal(sm_sampler_rows(s), of[k].groups * of[k].each);
        assert_int_equal(sm_sampler_steps(s), (n + sm_sampler_rows(s) - 1) / sm_sampler_rows(s));
        for (uint64_t i = 0; i < 500 && of[k].all > 1; i++) {
            step t = step_of(s, i);
            balanced_step(&t, group, n, of[k].groups, of[k].each, came);
            uint32_t least = came[0], most = came[0];
            for (size_t g = 1; g < of[k].all; g++) {
                least = came[g] < least ? came[g] : least;
                most = came[g] > most ? came[g] : most;
            }
            assert_true(most - least <= 1);
        }
        sm_sampler *a = sm_sampler_balanced(group, n, of[k].groups, of[k].each, 5, NULL);
        same_in_any_order(a, s, 100);
    }
}

/* Each member of a group as often as the others, each first neighbour too. */
static void balanced_batches_draw_members_evenly(void **state)
{
    (void)state;
    enum { N = 30, STEPS = 6000 };
    uint32_t group[N], came[N] = {0}, together[10] = {0};
    for (uint32_t i = 0; i < N; i++)
        group[i] = i % 3;
    sm_sampler *s = sm_sampler_balanced(group, N, 2, 3, 1, NULL);
    for (uint64_t i = 0; i < STEPS; i++) {
        step t = step_of(s, i);
        for (size_t r = 0; r < t.rows; r++)
            came[t.item[r]]++;
        for (size_t r = 0; r < 3; r++) /* members of group 0 that stand with item 0 */
            if (t.item[r] == 0)
                for (size_t o = 0; o < 3; o++)
                    together[t.item[o] / 3]++;
    }
    for (size_t i = 0; i < N; i++)
        test_near(came[i], STEPS * 6.0 / N, 5 * sqrt(STEPS * 6.0 / N));
    for (size_t i = 1; i < 10; i++)
        test_near(together[i], together[0] * 2.0 / 9, 5 * sqrt(together[0] * 2.0 / 9));
    sm_sampler_free(s);
}

typedef struct pair_list {
    uint32_t a[90], b[90];
    float label[90];
} pair_list;

static pair_list list_of_pairs(void)
{
    pair_list p;
    for (uint32_t i = 0; i < 90; i++) {
        p.a[i] = i;
        p.b[i] = 200 - i;
        p.label[i] = i % 9 == 0; /* 10 of 90 */
    }
    return p;
}

static void check_pairs(const pair_list *p, const step *t, uint32_t *came, size_t *same)
{
    size_t B = t->rows / 2;
    *same = 0;
    for (size_t i = 0; i < B; i++) {
        uint32_t k = t->item[i];
        assert_true(k < 90 && t->item[B + i] == p->b[k] && t->label[i] == p->label[k]);
        *same += t->label[i] > 0;
        came[k]++;
    }
}

static void pairs_come_with_their_labels(void **state)
{
    (void)state;
    pair_list p = list_of_pairs();
    sm_sampler *s = sm_sampler_pairs(p.a, p.b, p.label, 90, 16, false, 2, NULL);
    uint32_t came[90] = {0};
    size_t same;
    assert_int_equal(sm_sampler_rows(s), 32);
    assert_int_equal(sm_sampler_images(s), 201);
    assert_int_equal(sm_sampler_steps(s), 6);
    for (uint64_t i = 0; i < 6; i++) {
        step t = step_of(s, i);
        assert_int_equal(t.rows, i < 5 ? 32 : 20);
        check_pairs(&p, &t, came, &same);
    }
    for (size_t i = 0; i < 90; i++)
        assert_int_equal(came[i], 1);
    same_in_any_order(sm_sampler_pairs(p.a, p.b, p.label, 90, 16, false, 2, NULL), s, 40);
}

static void halves_of_pairs_are_equal(void **state)
{
    (void)state;
    pair_list p = list_of_pairs();
    sm_sampler *s = sm_sampler_pairs(p.a, p.b, p.label, 90, 16, true, 2, NULL);
    uint32_t came[90] = {0};
    size_t same;
    assert_int_equal(sm_sampler_steps(s), 6);
    for (uint64_t i = 0; i < 100; i++) { /* 800 of each kind: 80 decks of 10, 10 of 80 */
        step t = step_of(s, i);
        assert_int_equal(t.rows, 32);
        check_pairs(&p, &t, came, &same);
        assert_int_equal(same, 8);
    }
    for (size_t i = 0; i < 90; i++)
        assert_int_equal(came[i], i % 9 == 0 ? 80 : 10);
    same_in_any_order(sm_sampler_pairs(p.a, p.b, p.label, 90, 16, true, 2, NULL), s, 40);
}

static void seeds_differ(void **state)
{
    (void)state;
    uint32_t group[MOST];
    size_t n = groups_of(group, 40);
    pair_list p = list_of_pairs();
    sm_sampler *s[4][2];
    for (uint64_t k = 0; k < 2; k++) {
        s[0][k] = sm_sampler_shuffled(90, 16, k, NULL);
        s[1][k] = sm_sampler_balanced(group, n, 8, 2, k, NULL);
        s[2][k] = sm_sampler_pairs(p.a, p.b, p.label, 90, 16, false, k, NULL);
        s[3][k] = sm_sampler_pairs(p.a, p.b, p.label, 90, 16, true, k, NULL);
    }
    for (int i = 0; i < 4; i++) {
        step a = step_of(s[i][0], 3), b = step_of(s[i][1], 3), c = step_of(s[i][0], 4);
        assert_true(memcmp(a.item, b.item, sizeof a.item) && memcmp(a.item, c.item, sizeof a.item));
        sm_sampler_free(s[i][0]);
        sm_sampler_free(s[i][1]);
    }
}

static void what_cannot_be_sampled_is_an_error(void **state)
{
    (void)state;
    kn_error err;
    pair_list p = list_of_pairs();
    const uint32_t group[4] = {5, 5, 6, 6};
    const float same[4] = {1, 1, 1, 1};
    assert_null(sm_sampler_shuffled(1, 4, 1, &err));
    assert_null(sm_sampler_shuffled(9, 0, 1, &err));
    assert_non_null(strstr(err.text, "batches of 0 from 9"));
    assert_null(sm_sampler_shuffled((size_t)UINT32_MAX + 1, 4, 1, &err));
    assert_null(sm_sampler_balanced(group, 4, 3, 1, 1, &err));
    assert_non_null(strstr(err.text, "3 groups cannot be drawn from 2"));
    assert_null(sm_sampler_balanced(group, 4, SIZE_MAX / 2, 3, 1, &err));
    assert_null(sm_sampler_balanced(group, 4, 0, 3, 1, &err));
    assert_null(sm_sampler_pairs(p.a, p.b, same, 4, 2, true, 1, &err));
    assert_non_null(strstr(err.text, "of which 4 are the same"));
    assert_null(sm_sampler_pairs(p.a, p.b, p.label, 90, 3, true, 1, &err));
    assert_non_null(strstr(err.text, "two equal halves"));
    sm_sampler_free(NULL);
}

static void scores_are_cut_into_quantiles(void **state)
{
    (void)state;
    kn_error err;
    double score[100];
    uint32_t bin[100], count[100] = {0};
    size_t used;
    for (uint32_t i = 0; i < 100; i++)
        score[i] = pow(i * 37 % 100, 3) - 1e4; /* all different, far from even */
    assert_int_equal(sm_score_bins(bin, &used, score, 100, 7, &err), 0);
    assert_int_equal(used, 7);
    for (uint32_t i = 0; i < 100; i++) {
        count[bin[i]]++;
        for (uint32_t j = 0; j < 100; j++)
            assert_true(score[i] <= score[j] ? bin[i] <= bin[j] : bin[i] >= bin[j]);
    }
    for (uint32_t b = 0; b < 7; b++)
        assert_true(count[b] == 14 || count[b] == 15);
    /* equal scores stay together; bins without members are not counted */
    const double few[10] = {3, 1, 3, 3, 3, 2, 3, 3, 3, 3};
    assert_int_equal(sm_score_bins(bin, &used, few, 10, 5, &err), 0);
    const uint32_t known[10] = {1, 0, 1, 1, 1, 0, 1, 1, 1, 1};
    assert_int_equal(used, 2);
    assert_memory_equal(bin, known, sizeof known);
    assert_int_equal(sm_score_bins(bin, &used, few, 10, 1000, &err), 0);
    assert_int_equal(used, 3);
    score[5] = (double)NAN;
    assert_int_equal(sm_score_bins(bin, &used, score, 100, 7, &err), -1);
    assert_non_null(strstr(err.text, "image 6"));
    assert_int_equal(sm_score_bins(bin, &used, few, 10, 0, &err), -1);
    assert_int_equal(sm_score_bins(bin, &used, few, 0, 3, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffled_epochs_have_every_row_once),
        cmocka_unit_test(balanced_batches_deal_groups_equally),
        cmocka_unit_test(balanced_batches_draw_members_evenly),
        cmocka_unit_test(pairs_come_with_their_labels),
        cmocka_unit_test(halves_of_pairs_are_equal),
        cmocka_unit_test(seeds_differ),
        cmocka_unit_test(what_cannot_be_sampled_is_an_error),
        cmocka_unit_test(scores_are_cut_into_quantiles),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
