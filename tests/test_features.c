/* Tests of tfidf/features.c: what a set of pairs says, the same vectors however
 * they are made, the features file. */
#include <stdlib.h>

#include "tests/recipes.h"

static void expect_same_features(const idf_features *a, const idf_features *b)
{
    assert_int_equal(a->pairs, b->pairs);
    assert_int_equal(a->questions, b->questions);
    assert_int_equal(a->dim, b->dim);
    assert_memory_equal(a->x, b->x, a->questions * a->dim * sizeof *a->x);
    assert_memory_equal(a->q1, b->q1, a->pairs * sizeof *a->q1);
    assert_memory_equal(a->q2, b->q2, a->pairs * sizeof *a->q2);
    assert_memory_equal(a->label, b->label, a->pairs * sizeof *a->label);
    assert_string_equal(a->digest, b->digest);
    assert_true(a->tokens == b->tokens && a->known == b->known && a->empty == b->empty);
}

static void a_set_says_what_was_read(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "mean");
    idf_features f;
    assert_int_equal(idf_corpus_embed(s.corpus, &f, s.recipe, NULL, NULL), 0);
    assert_int_equal(f.pairs, 10); /* the numbers by Python from the same files */
    assert_int_equal(f.questions, 19);
    assert_int_equal(f.tokens, 170);
    assert_int_equal(f.known, 151);
    assert_int_equal(f.empty, 1);
    assert_string_equal(f.digest, "c15c02933a7da88334108567a7ae155ce491b38640e353e9a152e3a2dabfe076");
    assert_int_equal(f.q1[0], f.q1[1]); /* the same question */
    assert_int_equal(f.read, 10);
    assert_int_equal(f.rejected, 0);
    for (size_t i = 0; i < f.pairs; i++)
        assert_true(f.label[i] == (i == 0 || i == 3 || i == 5 || i == 6 ? 1.0f : 0.0f));
    idf_features_free(&f);
    tear_down(&s);
}

/* Though it counts each distinct question once, as often as it was read. */
static void a_corpus_counts_as_scikit_learn(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "mean");
    size_t n, words = 0;
    char *all = test_read("tests/ref/tfidf_idf.tsv", &n), *line = all;
    for (; *line; line = strchr(line, '\n') + 1, words++) {
        kn_str word = {line, strcspn(line, "\t")};
        assert_int_equal(idf_df(s.idf, word), strtoull(line + word.n, NULL, 10));
    }
    assert_int_equal(words, 76);
    assert_int_equal(idf_words(s.idf), 76);
    assert_int_equal(idf_documents(s.idf), 20);
    free(all);
    tear_down(&s);
}

/* A few thousand raw pairs with repeated questions. */
static const char *raw_pairs(void)
{
    static const char *const word[] = {"The", "cat's", "milk",   "isn't", "salty,",
                                       "u.s", "zebra", "nosuch", "sea?",  "\u00c9"};
    const char *path = test_path("raw.csv");
    kn_buf b = {0};
    uint32_t x = 1;
    assert_int_equal(kn_buf_adds(&b, "question1,question2,is_duplicate\n", NULL), 0);
    for (int i = 0; i < 12000; i++) {
        assert_int_equal(kn_buf_adds(&b, "\"", NULL), 0);
        for (int k = 0; k < 6; k++) {
            x = x * 1664525u + 1013904223u;
            assert_int_equal(kn_buf_addf(&b, NULL, "%s%s", word[(x >> 20) % 10], k == 2 ? "\",\"" : " "), 0);
        }
        assert_int_equal(kn_buf_addf(&b, NULL, "\",%u\n", x >> 31), 0);
    }
    test_write(path, b.p, b.n);
    kn_buf_free(&b);
    return path;
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    const char *path = raw_pairs();
    emb_store *store = store_of(DS_I8);
    idf_features first = {0};
    for (size_t i = 0; i < 4; i++) {
        idf_table *idf = idf_new(NULL);
        idf_corpus *c = read_corpus(path, idf, threads[i]);
        idf_recipe *r = idf_recipe_new("glove", store, idf, "idf-mean+max", NULL);
        kn_pool *pool = kn_pool_new(threads[i], NULL);
        idf_features f;
        assert_int_equal(idf_corpus_embed(c, &f, r, pool, NULL), 0);
        assert_true(f.questions > 256 * 2 && f.questions < 2 * f.pairs); /* several tasks; some repeat */
        if (i == 0)
            first = f;
        else {
            expect_same_features(&first, &f);
            idf_features_free(&f);
        }
        kn_pool_free(pool);
        idf_recipe_free(r);
        idf_corpus_free(c);
        idf_free(idf);
    }
    idf_features_free(&first);
    emb_close(store);
}

/* idf fitted on the way or read back from its text: the same recipe and vectors. */
static void piped_is_one_shot(void **state)
{
    (void)state;
    const char *path = raw_pairs();
    emb_store *store = store_of(DS_F32);
    idf_table *fit = idf_new(NULL);
    idf_corpus *a = read_corpus(path, fit, 2), *b = read_corpus(path, NULL, 3);
    kn_buf text = {0};
    assert_int_equal(idf_print(fit, &text, NULL), 0);
    ds_stream *stream = ds_open_memory(text.p, text.n, 0, NULL);
    idf_table *read = idf_read(stream, NULL);
    assert_non_null(read);
    idf_recipe *ra = idf_recipe_new("glove", store, fit, "idf-mean", NULL);
    idf_recipe *rb = idf_recipe_new("glove", store, read, "idf-mean", NULL);
    expect_same_bytes(ra, rb);
    idf_features fa, fb;
    assert_int_equal(idf_corpus_embed(a, &fa, ra, NULL, NULL), 0);
    assert_int_equal(idf_corpus_embed(b, &fb, rb, NULL, NULL), 0);
    expect_same_features(&fa, &fb);
    idf_features_free(&fa);
    idf_features_free(&fb);
    idf_recipe_free(ra);
    idf_recipe_free(rb);
    ds_close(stream);
    kn_buf_free(&text);
    idf_corpus_free(a);
    idf_corpus_free(b);
    idf_free(fit);
    idf_free(read);
    emb_close(store);
}

static void a_features_file(void **state)
{
    (void)state;
    set s = set_up(DS_F32, "idf-mean+max");
    idf_features f;
    kn_error err;
    const char *path = test_path("features.st");
    assert_int_equal(idf_corpus_embed(s.corpus, &f, s.recipe, NULL, NULL), 0);
    if (idf_features_save(&f, s.recipe, path, &err))
        fail_msg("%s", err.text);
    ds_st *st = ds_st_open(path, &err);
    assert_non_null(st);
    assert_string_equal(ds_st_meta(st, "format"), "siam-features");
    assert_string_equal(ds_st_meta(st, "digest"), f.digest);
    assert_string_equal(ds_st_meta(st, "pairs"), "10");
    const size_t shape[] = {10, 2 * D};
    const ds_tensor *q1 = ds_st_need(st, "q1", DS_F32, 2, shape, &err);
    const ds_tensor *q2 = ds_st_need(st, "q2", DS_F32, 2, shape, &err);
    const ds_tensor *label = ds_st_need(st, "label", DS_F32, 1, shape, &err);
    assert_true(q1 && q2 && label);
    assert_ptr_equal((const char *)q1->data + q1->bytes, q2->data);
    for (size_t i = 0; i < 10; i++) {
        assert_memory_equal((const float *)q1->data + i * 2 * D, f.x + f.q1[i] * 2 * D, 2 * D * sizeof(float));
        assert_memory_equal((const float *)q2->data + i * 2 * D, f.x + f.q2[i] * 2 * D, 2 * D * sizeof(float));
    }
    assert_memory_equal(label->data, f.label, 10 * sizeof(float));
    size_t n;
    char *bytes = bytes_of(s.recipe, &n);
    const ds_tensor *recipe = ds_st_need(st, "recipe", DS_U8, 1, &n, &err);
    assert_non_null(recipe);
    assert_memory_equal(recipe->data, bytes, n);
    kn_free(bytes);
    idf_recipe *r = idf_recipe_open(recipe->data, n, &err); /* in place */
    if (!r)
        fail_msg("%s", err.text);
    idf_recipe_free(r);
    ds_st_close(st);
    idf_features_free(&f);
    tear_down(&s);
}

static void no_pairs_and_no_labels(void **state)
{
    (void)state;
    kn_error err;
    const char *path = test_path("few.csv");
    test_write(path, "question1,question2,is_duplicate\n", 33);
    emb_store *store = store_of(DS_F32);
    idf_table *idf = idf_new(NULL);
    idf_corpus *c = read_corpus(path, idf, 2);
    idf_recipe *r = idf_recipe_new("glove", store, idf, "mean", NULL);
    idf_features f;
    assert_int_equal(idf_corpus_embed(c, &f, r, NULL, NULL), 0);
    assert_int_equal(f.pairs + f.questions + f.tokens, 0);
    idf_features_free(&f);
    idf_recipe_free(r);
    idf_corpus_free(c);
    test_write(path, "question1,question2\na,b\n", 24);
    ds_pairs *in = ds_pairs_open(path, &(ds_pairs_options){0}, &err);
    assert_null(idf_corpus_read(in, "glove", NULL, NULL, NULL, NULL, &err));
    assert_non_null(strstr(err.text, "no label"));
    ds_pairs_close(in);
    idf_free(idf);
    emb_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_says_what_was_read),
        cmocka_unit_test(a_corpus_counts_as_scikit_learn),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(piped_is_one_shot),
        cmocka_unit_test(a_features_file),
        cmocka_unit_test(no_pairs_and_no_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
