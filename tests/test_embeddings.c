/* Tests of stores of word vectors: look-up, quantisation, neighbours, and files
 * that are wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embeddings/embeddings.h"
#include "kernels/rng.h"
#include "tests/support.h"

enum { WORDS = 3000, DIM = 17 };

static float value[WORDS][DIM]; /* what was imported, as strtof reads it */

static void word_of(char out[32], int row)
{
    snprintf(out, 32, row % 3 ? "word%d" : "\xc3\xa9%d", row);
}

/* A store of random vectors, some of zeros, in a file of this name. */
static const char *make_store(const char *name, ds_dtype dtype)
{
    const emb_import_options o = {.dtype = dtype};
    const char *source = test_path("source"), *path = test_path(name);
    kn_rng r = kn_rng_new(11, KN_STREAM_SPLIT, 0);
    emb_import_report report;
    kn_buf text = {0};
    kn_error err;
    char word[32], number[32];
    for (int i = 0; i < WORDS; i++) {
        word_of(word, i);
        assert_int_equal(kn_buf_adds(&text, word, NULL), 0);
        for (int k = 0; k < DIM; k++) {
            snprintf(number, sizeof number, " %.4f", i % 100 == 50 ? 0 : (double)kn_rng_uniform(&r, -2, 2));
            value[i][k] = strtof(number, NULL);
            assert_int_equal(kn_buf_adds(&text, number, NULL), 0);
        }
        assert_int_equal(kn_buf_adds(&text, "\n", NULL), 0);
    }
    test_write(source, text.p, text.n);
    kn_buf_free(&text);
    if (emb_import(source, path, &o, NULL, &report, &err))
        fail_msg("%s", err.text);
    return path;
}

static emb_store *opened(const char *path)
{
    kn_error err;
    emb_store *e = emb_open(path, &err);
    if (!e)
        fail_msg("%s", err.text);
    return e;
}

/* ---- looking up ------------------------------------------------------------------- */

static void every_word_is_found(void **state)
{
    (void)state;
    emb_store *e = opened(make_store("find.st", DS_F32));
    char word[32];
    assert_int_equal(emb_count(e), WORDS);
    assert_int_equal(emb_dim(e), DIM);
    for (int i = 0; i < WORDS; i++) {
        word_of(word, i);
        assert_int_equal(emb_find(e, kn_str_c(word)), i);
        assert_true(kn_str_eq(emb_word(e, (uint32_t)i), kn_str_c(word)));
        bool shorter = i >= 10 && !(i % 3) == !(i / 10 % 3); /* is the word less a digit one, too? */
        assert_true((emb_find(e, (kn_str){word, strlen(word) - 1}) != TOK_NONE) == shorter);
        strcat(word, "x");
        assert_int_equal(emb_find(e, kn_str_c(word)), TOK_NONE);
    }
    assert_int_equal(emb_find(e, (kn_str){"", 0}), TOK_NONE);
    emb_close(e);
    emb_close(NULL);
}

/* However full the slots are. */
static void stores_of_any_size(void **state)
{
    (void)state;
    const emb_import_options o = {.dtype = DS_F32};
    emb_import_report report;
    kn_buf text = {0};
    kn_error err;
    for (uint32_t n = 1; n <= 70; n++) {
        assert_int_equal(kn_buf_addf(&text, NULL, "w%u %u\n", n, n), 0);
        test_write(test_path("source"), text.p, text.n);
        assert_int_equal(emb_import(test_path("source"), test_path("size.st"), &o, NULL, &report, &err), 0);
        emb_store *e = opened(test_path("size.st"));
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(emb_find(e, emb_word(e, i)), i);
        assert_int_equal(emb_find(e, kn_str_c("w0")), TOK_NONE);
        emb_close(e);
    }
    kn_buf_free(&text);
}

/* ---- numbers ------------------------------------------------------------------------ */

static void rows_in_each_type(void **state)
{
    (void)state;
    static const ds_dtype types[] = {DS_F32, DS_F16, DS_I8};
    float row[DIM];
    for (int t = 0; t < 3; t++) {
        emb_store *e = opened(make_store("rows.st", types[t]));
        assert_int_equal(emb_dtype(e), types[t]);
        for (uint32_t i = 0; i < WORDS; i++) {
            float largest = 0;
            for (int k = 0; k < DIM; k++)
                largest = fmaxf(largest, fabsf(value[i][k]));
            emb_row(e, row, i);
            for (int k = 0; k < DIM; k++) {
                float x = value[i][k], exact = types[t] == DS_F32 ? x : ds_f16_to_f32(ds_f32_to_f16(x));
                if (types[t] != DS_I8)
                    assert_true(row[k] == exact);
                else /* half a step, and fp32's own rounding */
                    test_near(row[k], x, (double)largest / 127 * 0.50001);
            }
        }
        emb_close(e);
    }
}

/* Known answers: scale = max|x| / 127, to nearest, ties to even, zeros stay. */
static void quantised_by_hand(void **state)
{
    (void)state;
    static const char text[] = "a 254 1 3 -3 5 -253\nzero 0 0 0 0 -0 0\ntiny 1e-45 -1e-45 0 0 0 0\n";
    static const int8_t expected[3][6] = {{127, 0, 2, -2, 2, -126}, {0}};
    const emb_import_options o = {.dtype = DS_I8};
    emb_import_report report;
    kn_error err;
    test_write(test_path("hand"), text, sizeof text - 1);
    assert_int_equal(emb_import(test_path("hand"), test_path("hand.st"), &o, NULL, &report, &err), 0);
    emb_store *e = opened(test_path("hand.st"));
    const ds_tensor *q = ds_st_find(emb_st(e), "vectors"), *scale = ds_st_find(emb_st(e), "scale");
    assert_memory_equal(q->data, expected, sizeof expected);
    assert_true(((const float *)scale->data)[0] == 2 && ((const float *)scale->data)[1] == 0);
    emb_close(e);
    /* at the bottom of fp32 the scale is coarse, and q stays within 127 */
    static const char low[] = "a 2.5e-43 -2.5e-43\n";
    test_write(test_path("hand"), low, sizeof low - 1);
    assert_int_equal(emb_import(test_path("hand"), test_path("low.st"), &o, NULL, &report, &err), 0);
    e = opened(test_path("low.st"));
    q = ds_st_find(emb_st(e), "vectors");
    assert_true(((const int8_t *)q->data)[0] == 127 && ((const int8_t *)q->data)[1] == -127);
    emb_close(e);
    /* what a half cannot hold is refused */
    static const char high[] = "a 65519 1\nb 65520 1\n";
    const emb_import_options half = {.dtype = DS_F16};
    test_write(test_path("hand"), high, sizeof high - 1);
    assert_int_equal(emb_import(test_path("hand"), test_path("high.st"), &half, NULL, &report, &err), -1);
    assert_non_null(strstr(err.text, "row 2 (\"b\"): number 1 of its vector is 65520, which F16 cannot hold"));
}

/* ---- neighbours ----------------------------------------------------------------------- */

static double cosine(const float *a, const float *b)
{
    long double ab = 0, aa = 0, bb = 0;
    for (int k = 0; k < DIM; k++) {
        ab += (long double)a[k] * b[k];
        aa += (long double)a[k] * a[k];
        bb += (long double)b[k] * b[k];
    }
    return aa > 0 && bb > 0 ? (double)(ab / sqrtl(aa * bb)) : 0; /* a zero vector has no direction */
}

static void neighbours(void **state)
{
    (void)state;
    enum { K = 25 };
    emb_store *e = opened(make_store("near.st", DS_F32));
    kn_pool *pool = kn_pool_new(3, NULL);
    uint32_t rows[WORDS], again[WORDS];
    float similarity[WORDS], other[WORDS];
    kn_error err;
    for (uint32_t w = 0; w < WORDS; w += 371) {
        assert_int_equal(emb_nearest(e, rows, similarity, value[w], K, pool, &err), 0);
        assert_int_equal(rows[0], w);
        for (int i = 0; i < K; i++) {
            test_near(similarity[i], cosine(value[w], value[rows[i]]), 1e-6);
            assert_true(i == 0 || similarity[i] <= similarity[i - 1]);
        }
        size_t nearer = 0; /* none that is left out belongs in */
        for (int i = 0; i < WORDS; i++)
            nearer += cosine(value[w], value[i]) > (double)similarity[K - 1] + 1e-6;
        assert_true(nearer < K);
        assert_int_equal(emb_nearest(e, again, other, value[w], K, NULL, &err), 0);
        assert_memory_equal(again, rows, K * sizeof *rows);
        assert_memory_equal(other, similarity, K * sizeof *other);
    }
    /* nothing is near a zero vector, and ties go by row */
    assert_int_equal(emb_nearest(e, rows, similarity, value[50], WORDS, pool, &err), 0);
    for (uint32_t i = 0; i < WORDS; i++)
        assert_true(rows[i] == i && similarity[i] == 0);
    const float bad[DIM] = {NAN};
    assert_int_equal(emb_nearest(e, rows, similarity, bad, K, pool, &err), 0);
    assert_int_equal(rows[1], 1);
    assert_int_equal(emb_nearest(e, rows, similarity, value[0], WORDS + 1, pool, &err), -1);
    assert_int_equal(emb_nearest(e, rows, similarity, value[0], 0, pool, &err), 0);
    kn_pool_free(pool);
    emb_close(e);
}

/* ---- files that are wrong ----------------------------------------------------------------- */

/* A correct store of two words; each case changes one thing of it. */
typedef struct parts {
    const char *format;
    uint64_t offset[4];
    uint32_t slot[8];
    float scale[2];
    int8_t vector[6];
    ds_tensor t[5];
} parts;

static parts correct(void)
{
    parts p = {.format = "siam-vectors", .offset = {0, 1, 3}, .scale = {1, 0.5f}, .vector = {1, 2, 3, 4, 5, 6},
               .t = {{.name = "offsets", .dtype = DS_U64, .ndim = 1, .shape = {3}},
                     {.name = "slots", .dtype = DS_U32, .ndim = 1, .shape = {4}},
                     {.name = "scale", .dtype = DS_F32, .ndim = 1, .shape = {2}},
                     {.name = "vectors", .dtype = DS_I8, .ndim = 2, .shape = {2, 3}},
                     {.name = "words", .dtype = DS_U8, .ndim = 1, .shape = {3}}}};
    memset(p.slot, 0xff, sizeof p.slot);
    for (uint32_t i = 0; i < 2; i++) {
        size_t at = tok_hash(i ? kn_str_c("bc") : kn_str_c("a")) % 4;
        while (p.slot[at] != UINT32_MAX)
            at = (at + 1) % 4;
        p.slot[at] = i;
    }
    return p;
}

static emb_store *open_parts(parts *p, kn_error *err)
{
    const void *data[] = {p->offset, p->slot, p->scale, p->vector, "abc"};
    const ds_meta meta = {"format", p->format};
    const char *path = test_path("parts.st");
    ds_tensor t[5];
    size_t k = 0;
    for (int i = 0; i < 5; i++) {
        if (!p->t[i].name)
            continue;
        t[k] = p->t[i];
        t[k].data = data[i];
        t[k].bytes = ds_dtype_size(t[k].dtype);
        for (size_t d = 0; d < t[k].ndim; d++)
            t[k].bytes *= t[k].shape[d];
        k++;
    }
    if (ds_st_save(path, &meta, p->format != NULL, t, k, err))
        fail_msg("%s", err->text);
    return emb_open(path, err);
}

#define WRONG(change, words)                                                                    \
    do {                                                                                        \
        parts p = correct();                                                                    \
        change;                                                                                 \
        emb_store *bad = open_parts(&p, &err);                                                  \
        if (bad || !strstr(err.text, words))                                                    \
            fail_msg(#change ": \"%s\" does not say \"%s\"", bad ? "no error" : err.text, words); \
    } while (0)

static void parts_that_cannot_be(void **state)
{
    (void)state;
    kn_error err = {""};
    parts good = correct();
    emb_store *e = open_parts(&good, &err);
    if (!e)
        fail_msg("%s", err.text);
    float row[3];
    emb_row(e, row, emb_find(e, kn_str_c("bc")));
    assert_true(row[0] == 2 && row[1] == 2.5f && row[2] == 3);
    emb_close(e);
    WRONG(p.format = NULL, "not a store of word vectors");
    WRONG(p.format = "siam-model", "not a store of word vectors");
    WRONG(p.offset[1] = 4, "offset of word 1 is larger");
    WRONG(p.offset[1] = UINT64_MAX, "offset of word 1 is larger");
    WRONG(p.offset[0] = 1, "do not span");
    WRONG(p.offset[2] = 2, "do not span");
    WRONG(p.offset[2] = 4, "do not span");
    WRONG(p.slot[0] = p.slot[1] = p.slot[2] = p.slot[3] = 2, "holds row 2 of 2");
    WRONG(p.slot[0] = p.slot[1] = p.slot[2] = p.slot[3] = 0, "cannot find 2 words"); /* a search would never end */
    WRONG(memset(p.slot, 0xff, sizeof p.slot), "cannot find 2 words");
    WRONG((p.slot[0] = 0, p.slot[1] = 1, p.t[1].shape[0] = 2), "cannot find 2 words");
    WRONG((memset(p.slot, 0xff, sizeof p.slot), p.slot[0] = 0, p.slot[1] = 1, p.t[1].shape[0] = 3), "cannot find 2 words");
    WRONG(p.t[1].shape[0] = 0, "cannot find 2 words");
    WRONG(p.scale[1] = NAN, "scale of word 1 is nan");
    WRONG(p.scale[0] = -1, "scale of word 0 is -1");
    WRONG(p.scale[0] = INFINITY, "scale of word 0 is inf");
    WRONG(p.t[0].name = NULL, "offsets is missing");
    WRONG(p.t[1].name = NULL, "slots is missing");
    WRONG(p.t[2].name = NULL, "scale is missing");
    WRONG(p.t[3].name = NULL, "vectors is missing");
    WRONG(p.t[4].name = NULL, "words is missing");
    WRONG(p.t[0].shape[0] = 4, "offsets is U64 [4] where U64 [3]");
    WRONG(p.t[2].shape[0] = 1, "scale is F32 [1] where F32 [2]");
    WRONG(p.t[3].dtype = DS_U8, "vectors is U8 [2,3] where F32 [any,any]");
    WRONG((p.t[3].shape[0] = 0), "vectors are [0,3]");
    WRONG((p.t[3].shape[1] = 0), "vectors are [2,0]");
    WRONG((p.t[3].ndim = 1), "vectors is I8 [2] where I8 [any,any]");
    WRONG((p.t[4].dtype = DS_I8), "words is I8");
}

static void store_cut_anywhere(void **state)
{
    (void)state;
    parts p = correct();
    kn_error err;
    emb_close(open_parts(&p, &err));
    size_t n;
    char *bytes = test_read(test_path("parts.st"), &n);
    for (size_t cut = 0; cut < n; cut++) {
        test_write(test_path("cut.st"), bytes, cut);
        assert_null(emb_open(test_path("cut.st"), &err));
    }
    free(bytes);
}

/* ---- the bundled store ------------------------------------------------------------------------ */

static void bundled(void **state)
{
    (void)state;
    emb_store *e = opened("data/glove-6b-100d-40k.st");
    uint32_t rows[4], king = emb_find(e, kn_str_c("king"));
    float v[100], similarity[4];
    kn_error err;
    assert_int_equal(emb_count(e), 40000);
    assert_int_equal(emb_dim(e), 100);
    assert_int_equal(emb_dtype(e), DS_I8);
    assert_int_equal(emb_find(e, kn_str_c("the")), 0);
    for (uint32_t i = 0; i < 40000; i++)
        assert_int_equal(emb_find(e, emb_word(e, i)), i);
    assert_true(king != TOK_NONE);
    emb_row(e, v, king);
    assert_int_equal(emb_nearest(e, rows, similarity, v, 4, NULL, &err), 0);
    assert_int_equal(rows[0], king);
    assert_true(kn_str_eq(emb_word(e, rows[1]), kn_str_c("prince")));
    assert_true(kn_str_eq(emb_word(e, rows[2]), kn_str_c("queen")));
    emb_close(e);
}

/* It is what data/README.md says: the public vectors' first 40 000. */
static void bundled_is_of_the_public_file(void **state)
{
    (void)state;
    const char *glove = test_shared("glove/glove.6B.100d.txt.gz");
    if (!glove)
        skip();
    const emb_import_options o = {.limit = 40000, .dtype = DS_I8};
    emb_import_report report;
    kn_error err;
    size_t n, m;
    assert_int_equal(emb_import(glove, test_path("glove.st"), &o, NULL, &report, &err), 0);
    char *a = test_read(test_path("glove.st"), &n), *b = test_read("data/glove-6b-100d-40k.st", &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_is_found), cmocka_unit_test(stores_of_any_size),
        cmocka_unit_test(rows_in_each_type), cmocka_unit_test(quantised_by_hand),
        cmocka_unit_test(neighbours), cmocka_unit_test(parts_that_cannot_be), cmocka_unit_test(store_cut_anywhere),
        cmocka_unit_test(bundled), cmocka_unit_test(bundled_is_of_the_public_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
