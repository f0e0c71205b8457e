/* Tests of tfidf/recipe.c: pools against numpy, recipes as bytes. */
#include <math.h>
#include <stdlib.h>

#include "tests/recipes.h"

/* ---- pools -------------------------------------------------------------------------- */

static void pools_are_numpys(void **state)
{
    (void)state;
    static const char *const pools[] = {"idf-mean", "mean", "max", "sum"};
    size_t n, cases = 0;
    char *all = test_read("tests/ref/tfidf_pools.tsv", &n), *line = all;
    for (size_t p = 0; p < 4; p++) {
        set s = set_up(DS_F32, pools[p]);
        idf_features f;
        assert_int_equal(idf_corpus_embed(s.corpus, &f, s.recipe, NULL, NULL), 0);
        assert_int_equal(f.dim, D);
        for (size_t q = 0; q < 2 * f.pairs; q++, cases++) {
            const float *x = f.x + (q % 2 ? f.q2 : f.q1)[q / 2] * D;
            assert_memory_equal(line, pools[p], strlen(pools[p]));
            line += strlen(pools[p]);
            for (int j = 0; j < D; j++)
                test_near(x[j], strtod(line, &line), 2e-6);
            assert_int_equal(*line++, '\n');
        }
        idf_features_free(&f);
        tear_down(&s);
    }
    assert_int_equal(cases, 80);
    free(all);
}

static void joined_pools_stand_side_by_side(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "max+idf-mean+sum+mean");
    static const char *const one[] = {"max", "idf-mean", "sum", "mean"};
    static const char question[] = "Why don't cats like the salty SEA, zebra?";
    float all[4 * D], part[D];
    size_t known;
    assert_int_equal(idf_recipe_dim(s.recipe), 4 * D);
    assert_string_equal(idf_recipe_pools(s.recipe), "max+idf-mean+sum+mean");
    embed(s.recipe, question, all, &known);
    assert_int_equal(known, 10); /* of why do n't cats like the salty sea , zebra ? all but the last */
    for (size_t p = 0; p < 4; p++) {
        idf_recipe *r = idf_recipe_new("glove", s.store, s.idf, one[p], NULL);
        embed(r, question, part, NULL);
        assert_memory_equal(part, all + p * D, sizeof part);
        idf_recipe_free(r);
    }
    tear_down(&s);
}

static void the_ways_to_a_vector_agree(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "idf-mean+max");
    const kn_str token[] = {kn_str_c("sea"), kn_str_c("nosuch"), kn_str_c("milk"), kn_str_c("sea")};
    const uint32_t id[] = {1, 0, 2, 1},
                   row[] = {TOK_NONE, emb_find(s.store, token[0]), emb_find(s.store, token[2])};
    float a[2 * D], b[2 * D], c[2 * D];
    size_t known[3];
    assert_true(row[1] != TOK_NONE && row[2] != TOK_NONE);
    idf_recipe_pool(s.recipe, a, token, 4, &known[0]);
    idf_recipe_pool_ids(s.recipe, b, row, id, 4, &known[1]);
    embed(s.recipe, "Sea nosuch MILK sea", c, &known[2]);
    assert_true(known[0] == 3 && known[1] == 3 && known[2] == 3);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(a, c, sizeof a);
    tear_down(&s);
}

static void no_known_word_is_zero(void **state)
{
    (void)state;
    static const char *const nothing[] = {"", "  ", "nosuch words", "\xff\xff", "?"};
    set s = set_up(DS_F32, "idf-mean+mean+max+sum");
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        float x[4 * D] = {1, 2, 3}, zero[4 * D] = {0};
        size_t known = 9;
        embed(s.recipe, nothing[i], x, &known);
        assert_int_equal(known, 0);
        assert_memory_equal(x, zero, sizeof x);
    }
    tear_down(&s);
}

static void a_word_idf_has_not_seen_weighs_most(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "sum");
    float x[D], v[D];
    embed(s.recipe, "zebra", x, NULL);
    emb_row(s.store, v, emb_find(s.store, kn_str_c("zebra")));
    for (int j = 0; j < D; j++)
        test_near(x[j], (float)(log(21.0) + 1) * v[j], 1e-6);
    tear_down(&s);
}

static void settings_that_cannot_be(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "+",        "mean+", "+mean",    "mean+mean",
                                      "median", "mean,max", "Mean",  "mean +max"};
    set s = set_up(DS_F32, "mean");
    kn_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.text[0] = 0;
        assert_null(idf_recipe_new("glove", s.store, s.idf, bad[i], &err));
        assert_non_null(strstr(err.text, "pool"));
        assert_int_equal(idf_pools_check(bad[i], &err), -1);
    }
    assert_int_equal(idf_pools_check("max+idf-mean", &err), 0);
    assert_null(idf_recipe_new("latin", s.store, s.idf, "mean", &err));
    assert_non_null(strstr(err.text, "latin"));
    tear_down(&s);
}

/* ---- as bytes ------------------------------------------------------------------------- */

static void bytes_come_back(void **state)
{
    (void)state;
    static const ds_dtype dtype[] = {DS_F32, DS_F16, DS_I8};
    for (size_t i = 0; i < 3; i++) {
        set s = set_up(dtype[i], "idf-mean+max");
        kn_error err;
        size_t n;
        float x[2 * D], y[2 * D];
        char *bytes = bytes_of(s.recipe, &n);
        idf_recipe *r = idf_recipe_open(bytes, n, &err);
        if (!r)
            fail_msg("%s", err.text);
        assert_string_equal(idf_recipe_pools(r), "idf-mean+max");
        assert_string_equal(idf_recipe_profile(r), "glove");
        assert_int_equal(emb_dtype(idf_recipe_store(r)), dtype[i]);
        embed(s.recipe, "is a cat in the salty sea safe?", x, NULL);
        embed(r, "is a cat in the salty sea safe?", y, NULL);
        assert_memory_equal(x, y, sizeof x);
        expect_same_bytes(s.recipe, r);
        idf_recipe_free(r);
        kn_free(bytes);
        tear_down(&s);
    }
}

static void damaged_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    set s = set_up(DS_I8, "idf-mean");
    kn_error err;
    size_t n, refused = 0;
    char *bytes = bytes_of(s.recipe, &n);
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = kn_alloc(cut, 1, NULL); /* the sanitizer sees a read behind it */
        memcpy(copy, bytes, cut);
        err.text[0] = 0;
        assert_null(idf_recipe_open(copy, cut, &err));
        assert_true(err.text[0]);
        kn_free(copy);
    }
    for (size_t i = 0; i < n; i++) {
        char keep = bytes[i];
        bytes[i] = (char)(keep ^ (i % 2 ? 0x41 : 0xff));
        idf_recipe *r = idf_recipe_open(bytes, n, &err);
        float x[D];
        if (r && idf_recipe_dim(r) == D)
            embed(r, "is a cat in the salty sea safe?", x, NULL);
        refused += r == NULL;
        idf_recipe_free(r);
        bytes[i] = keep;
    }
    assert_true(refused > 100);
    kn_free(bytes);
    tear_down(&s);
}

static void change(char *bytes, size_t n, const char *from, const char *to)
{
    char *at = memmem(bytes, n, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void settings_in_bytes_are_checked(void **state)
{
    (void)state;
    static const char *const c[][3] = {
        {"siam-recipe", "siam-wrecip", "its format"},
        {"\"format\"", "\"fermat\"", "lack \"format\""},
        {"\"pools\"", "\"poops\"", "lack \"pools\""},
        {"\"glove\"", "\"grove\"", "grove"},
        {"\"idf-mean\"", "\"idf-meen\"", "idf-meen"},
        {"\"idf\"", "\"odf\"", "idf"},
    };
    set s = set_up(DS_F32, "idf-mean");
    kn_error err;
    size_t n;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        char *bytes = bytes_of(s.recipe, &n);
        change(bytes, n, c[i][0], c[i][1]);
        err.text[0] = 0;
        if (idf_recipe_open(bytes, n, &err) || !strstr(err.text, c[i][2]))
            fail_msg("%s in place of %s gives [%s]", c[i][1], c[i][0], err.text);
        kn_free(bytes);
    }
    static const float bad[] = {NAN, INFINITY, 0, -1, 1e4f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *bytes = bytes_of(s.recipe, &n);
        ds_st *st = ds_st_open_memory(bytes, n, &err);
        size_t at = (size_t)((const char *)ds_st_find(st, "idf")->data - bytes);
        ds_st_close(st);
        memcpy(bytes + at + 3 * sizeof(float), &bad[i], sizeof(float));
        assert_null(idf_recipe_open(bytes, n, &err));
        assert_non_null(strstr(err.text, "the idf of word 3"));
        kn_free(bytes);
    }
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_are_numpys),
        cmocka_unit_test(joined_pools_stand_side_by_side),
        cmocka_unit_test(the_ways_to_a_vector_agree),
        cmocka_unit_test(no_known_word_is_zero),
        cmocka_unit_test(a_word_idf_has_not_seen_weighs_most),
        cmocka_unit_test(settings_that_cannot_be),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(settings_in_bytes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
