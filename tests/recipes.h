/* What tests of recipes and of features share: the corpus and the word vectors of
 * tests/ref/tfidf.py. */
#ifndef TESTS_RECIPES_H
#define TESTS_RECIPES_H

#include <string.h>

#include "tests/support.h"
#include "tfidf/tfidf.h"

enum { D = 5 }; /* of tests/ref/tfidf_vectors.txt */

static inline emb_store *store_of(ds_dtype dtype)
{
    kn_error err;
    emb_import_report report;
    char name[32];
    snprintf(name, sizeof name, "store-%s", ds_dtype_name(dtype));
    const char *path = test_path(name);
    const emb_import_options o = {.dtype = dtype};
    emb_store *store = NULL;
    if (emb_import("tests/ref/tfidf_vectors.txt", path, &o, NULL, &report, &err) || !(store = emb_open(path, &err)))
        fail_msg("%s", err.text);
    return store;
}

static inline idf_corpus *read_corpus(const char *path, idf_table *fit, int threads)
{
    kn_error err;
    const ds_pairs_options how = {.need_label = true};
    ds_pairs *in = ds_pairs_open(path, &how, &err);
    if (!in)
        fail_msg("%s", err.text);
    kn_pool *pool = kn_pool_new(threads, NULL);
    idf_corpus *c = idf_corpus_read(in, "glove", fit, pool, NULL, NULL, &err);
    if (!c)
        fail_msg("%s", err.text);
    kn_pool_free(pool);
    ds_pairs_close(in);
    return c;
}

/* What most tests need: the reference corpus, its idf, a store and a recipe. */
typedef struct set {
    idf_corpus *corpus;
    idf_table *idf;
    emb_store *store;
    idf_recipe *recipe;
} set;

static inline set set_up(ds_dtype dtype, const char *pools)
{
    kn_error err;
    set s = {.idf = idf_new(NULL), .store = store_of(dtype)};
    s.corpus = read_corpus("tests/ref/tfidf.csv", s.idf, 1);
    s.recipe = idf_recipe_new("glove", s.store, s.idf, pools, &err);
    if (!s.recipe)
        fail_msg("%s", err.text);
    return s;
}

static inline void tear_down(set *s)
{
    idf_recipe_free(s->recipe);
    idf_corpus_free(s->corpus);
    idf_free(s->idf);
    emb_close(s->store);
}

/* The recipe's bytes where a model would have them: aligned. kn_free them. */
static inline char *bytes_of(const idf_recipe *r, size_t *n)
{
    kn_buf b = {0};
    assert_int_equal(idf_recipe_bytes(r, &b, NULL), 0);
    char *p = kn_alloc(b.n, 1, NULL);
    memcpy(p, b.p, b.n);
    *n = b.n;
    kn_buf_free(&b);
    return p;
}

static inline void expect_same_bytes(const idf_recipe *a, const idf_recipe *b)
{
    size_t na, nb;
    char *pa = bytes_of(a, &na), *pb = bytes_of(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(pa, pb, na);
    kn_free(pa);
    kn_free(pb);
}

static inline void embed(const idf_recipe *r, const char *text, float *out, size_t *known)
{
    tok_tokenizer *t = tok_new(idf_recipe_profile(r), NULL);
    assert_int_equal(idf_recipe_embed(r, t, out, kn_str_c(text), known, NULL), 0);
    tok_free(t);
}

#endif
