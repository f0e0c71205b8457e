/* Tests of data/split.c: components against a slow search, splits that keep
 * groups whole. */
#include <string.h>

#include "data/data.h"
#include "kernels/rng.h"
#include "tests/support.h"

/* ---- components --------------------------------------------------------------------- */

enum { NODES = 60 };

/* Which nodes reach which, by Warshall's algorithm. */
static void close_under_paths(bool reach[NODES][NODES], const uint32_t *edge, size_t edges)
{
    memset(reach, 0, NODES * sizeof *reach);
    for (int i = 0; i < NODES; i++)
        reach[i][i] = true;
    for (size_t e = 0; e < edges; e++)
        reach[edge[2 * e]][edge[2 * e + 1]] = reach[edge[2 * e + 1]][edge[2 * e]] = true;
    for (int k = 0; k < NODES; k++)
        for (int i = 0; i < NODES; i++)
            for (int j = 0; j < NODES; j++)
                reach[i][j] |= reach[i][k] && reach[k][j];
}

static void components_are_those_of_a_search(void **state)
{
    (void)state;
    static bool reach[NODES][NODES];
    uint32_t edge[2 * NODES], component[NODES], count;
    kn_error err;
    for (uint32_t trial = 0; trial < 200; trial++) {
        size_t edges = trial % NODES;
        kn_rng rng = kn_rng_new(7, KN_STREAM_SPLIT, trial);
        for (size_t i = 0; i < 2 * edges; i++)
            edge[i] = kn_rng_below(&rng, NODES);
        assert_int_equal(ds_components(component, &count, edge, edges, NODES, &err), 0);
        close_under_paths(reach, edge, edges);
        uint32_t next = 0; /* numbers come in order of first sight */
        for (int i = 0; i < NODES; i++) {
            assert_true(component[i] <= next);
            next += component[i] == next;
            for (int j = 0; j < NODES; j++)
                assert_int_equal(component[i] == component[j], reach[i][j]);
        }
        assert_int_equal(next, count);
    }
    assert_int_equal(ds_components(component, &count, edge, 0, 0, &err), 0);
    assert_int_equal(count, 0);
}

/* ---- splits ----------------------------------------------------------------------------- */

enum { ROWS = 10000 };

static void count_parts(size_t count[3], const uint8_t *part, size_t n)
{
    memset(count, 0, 3 * sizeof *count);
    for (size_t i = 0; i < n; i++)
        count[part[i]]++;
}

static void rows_split_exactly(void **state)
{
    (void)state;
    static uint8_t part[ROWS], again[ROWS], other[ROWS], dev[ROWS];
    size_t count[3];
    kn_error err;
    assert_int_equal(ds_split(part, NULL, ROWS, 0.88, false, 1, &err), 0);
    count_parts(count, part, ROWS);
    assert_int_equal(count[DS_TRAIN], 8800);
    assert_int_equal(count[DS_DEV], 0);
    assert_int_equal(count[DS_TEST], 1200);
    assert_int_equal(ds_split(again, NULL, ROWS, 0.88, false, 1, &err), 0);
    assert_memory_equal(part, again, ROWS);
    assert_int_equal(ds_split(other, NULL, ROWS, 0.88, false, 2, &err), 0);
    assert_memory_not_equal(part, other, ROWS);
    assert_int_equal(ds_split(dev, NULL, ROWS, 0.88, true, 1, &err), 0);
    count_parts(count, dev, ROWS);
    assert_int_equal(count[DS_TRAIN], 7600);
    assert_int_equal(count[DS_DEV], 1200);
    for (size_t i = 0; i < ROWS; i++) /* the test is the same */
        assert_int_equal(part[i] == DS_TEST, dev[i] == DS_TEST);
    size_t first_half = 0, both = 0; /* and it comes from everywhere, another seed's from elsewhere */
    for (size_t i = 0; i < ROWS; i++) {
        first_half += i < ROWS / 2 && part[i] == DS_TEST;
        both += part[i] == DS_TEST && other[i] == DS_TEST;
    }
    assert_in_range(first_half, 500, 700); /* 600 +- 16 (hypergeometric) */
    assert_in_range(both, 85, 205);        /* 144 +- 11 */
    assert_int_equal(ds_split(part, NULL, 0, 0.5, true, 1, &err), 0);
}

static void groups_stay_whole(void **state)
{
    (void)state;
    static uint32_t group[ROWS];
    static uint8_t part[ROWS];
    size_t count[3];
    kn_error err;
    uint32_t groups = 0;
    for (uint32_t i = 0; i < ROWS; groups++) { /* sizes 1 .. 7, and one of 900 */
        uint32_t size = groups == 5 ? 900 : 1 + groups % 7;
        for (uint32_t k = 0; k < size && i < ROWS; k++)
            group[i++] = groups;
    }
    size_t seen_test = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_int_equal(ds_split(part, group, ROWS, 0.88, true, seed, &err), 0);
        count_parts(count, part, ROWS);
        assert_int_equal(count[DS_TEST], 1200);
        assert_int_equal(count[DS_DEV], 1200);
        for (size_t i = 1; i < ROWS; i++)
            assert_true(group[i] != group[i - 1] || part[i] == part[i - 1]);
        for (size_t i = 0; i < ROWS; i++)
            assert_true(group[i] != 5 || part[i] == DS_TRAIN);
        seen_test += part[0] == DS_TEST;
    }
    assert_in_range(seen_test, 1, 19);
}

/* What does not fit stays in train; never is more than the share taken. */
static void few_large_groups(void **state)
{
    (void)state;
    static const uint32_t group[10] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2};
    uint8_t part[10];
    size_t count[3];
    kn_error err;
    assert_int_equal(ds_split(part, group, 10, 0.6, false, 1, &err), 0);
    count_parts(count, part, 10);
    assert_int_equal(count[DS_TEST], 3);
    assert_int_equal(ds_split(part, group, 10, 0.8, false, 1, &err), 0);
    count_parts(count, part, 10);
    assert_int_equal(count[DS_TRAIN], 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_are_those_of_a_search),
        cmocka_unit_test(rows_split_exactly),
        cmocka_unit_test(groups_stay_whole),
        cmocka_unit_test(few_large_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
