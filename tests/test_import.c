/* Tests of reading word vectors: every form, and every way it can be malformed. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embeddings/import.h"
#include "kernels/rng.h"
#include "tests/support.h"

/* ---- a source given as text ---------------------------------------------------------- */

static emb_import_report report;
static kn_error error;

/* Imports the file as options say; a store to be closed, or NULL and `error`. */
static emb_store *import_file(const char *path, const emb_import_options *o, kn_pool *pool)
{
    static const emb_import_options all = {.dtype = DS_F32};
    static int number;
    char name[32];
    snprintf(name, sizeof name, "store-%d.st", number++);
    const char *to = test_path(name);
    error.text[0] = '\0';
    if (emb_import(path, to, o ? o : &all, pool, &report, &error)) {
        assert_true(error.text[0] && access(to, F_OK)); /* told, and nothing written */
        return NULL;
    }
    kn_error err;
    emb_store *e = emb_open(to, &err);
    if (!e)
        fail_msg("%s", err.text);
    assert_int_equal(report.lines, report.kept + report.duplicates + report.rejected + report.not_wanted);
    assert_int_equal(report.kept, emb_count(e));
    assert_int_equal(report.dim, emb_dim(e));
    return e;
}

static emb_store *import_bytes(const void *p, size_t n, const emb_import_options *o)
{
    const char *path = test_path("source");
    test_write(path, p, n);
    return import_file(path, o, NULL);
}

static emb_store *import_text(const char *text, const emb_import_options *o)
{
    return import_bytes(text, strlen(text), o);
}

static void has_row(const emb_store *e, const char *word, const float *x)
{
    float row[64];
    uint32_t at = emb_find(e, kn_str_c(word));
    if (at == TOK_NONE)
        fail_msg("\"%s\" is not in the store", word);
    assert_true(emb_dim(e) <= 64);
    emb_row(e, row, at);
    assert_memory_equal(row, x, emb_dim(e) * sizeof *x);
}

static void text_forms(void **state)
{
    (void)state;
    static const struct { const char *text, *kind; } same[] = {
        {"a 1 -2.5 3e-2\nb .5 0 -0.25\n", "GloVe text"},
        {"a 1 -2.5 3e-2\r\nb .5 0 -0.25\r\n", "GloVe text"},
        {"a 1 -2.5 3e-2 \nb .5 0 -0.25 \n", "GloVe text"},
        {"a\t1\t-2.5\t3e-2\nb\t.5\t0\t-0.25\n", "GloVe text"},
        {"a  1   -2.5 3e-2\nb .5 0  -0.25  \n", "GloVe text"},
        {"2 3\na 1 -2.5 3e-2\nb .5 0 -0.25\n", "word2vec text"},
        {"2 3 \na 1 -2.5 3e-2 \nb .5 0 -0.25 \n", "word2vec text"},
        {"2 3\r\na 1 -2.5 3e-2\r\nb .5 0 -0.25\r\n", "word2vec text"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        emb_store *e = import_text(same[i].text, NULL);
        if (!e)
            fail_msg("case %zu: %s", i, error.text);
        assert_string_equal(report.kind, same[i].kind);
        assert_int_equal(emb_count(e), 2);
        assert_int_equal(emb_dim(e), 3);
        has_row(e, "a", (const float[]){1, -2.5f, 3e-2f});
        has_row(e, "b", (const float[]){.5f, 0, -0.25f});
        emb_close(e);
    }
}

static void odd_words(void **state)
{
    (void)state;
    static const char text[] = "the 1 2\n"
                               ". . . 3 4\n"               /* spaces, as GloVe 840B has */
                               "at name@domain.com 5 6\n"
                               "2000 7 8\n"                /* a number */
                               "\xff\xfe\xc3 9 10\n"       /* no UTF-8 */
                               "the 11 12\n"               /* twice */
                               "\xe4\xb8\xad\xe6\x96\x87 13 14\n"
                               "\xc2\xa0 15 16\n"          /* a no-break space is no separator */
                               "1 000 x 17 18\n"
                               "</s> 19 20\n"
                               "- 21 22\n"
                               "nan 23 24\n"
                               "1999  25 26\n";
    emb_store *e = import_text(text, NULL);
    if (!e)
        fail_msg("%s", error.text);
    assert_int_equal(report.duplicates, 1);
    assert_int_equal(emb_count(e), 12);
    has_row(e, "the", (const float[]){1, 2}); /* the first counts */
    has_row(e, ". . .", (const float[]){3, 4});
    has_row(e, "at name@domain.com", (const float[]){5, 6});
    has_row(e, "2000", (const float[]){7, 8});
    has_row(e, "\xff\xfe\xc3", (const float[]){9, 10});
    has_row(e, "\xe4\xb8\xad\xe6\x96\x87", (const float[]){13, 14});
    has_row(e, "\xc2\xa0", (const float[]){15, 16});
    has_row(e, "1 000 x", (const float[]){17, 18});
    has_row(e, "nan", (const float[]){23, 24});
    has_row(e, "1999", (const float[]){25, 26});
    assert_int_equal(emb_find(e, kn_str_c(".")), TOK_NONE);
    emb_close(e);
    /* a first line that is not like most does not settle the width */
    e = import_text("a 2 3 4\nb 1 1\nc 1 1\n", NULL);
    assert_null(e);
    assert_non_null(strstr(error.text, "line 1, byte 0: more than 2 numbers"));
    static const char *const four[] = {". . 3 4\nb 1 1\n", "abcdefgh{\" 3 4\n", "2000 3 4\n", "1 2\n. \xc3\xa9 3 4\n"};
    for (int i = 0; i < 4; i++) {
        e = import_text(four[i], NULL);
        assert_non_null(e);
        assert_int_equal(emb_dim(e), 2);
        emb_close(e);
    }
}

static void malformed_text(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        {"a 1 2\nb 1\nc 1 2\n", "line 2, byte 6: 1 numbers behind the word where 2"},
        {"a 1 2\nb 1 2\nc 1 2 3\n", "line 3, byte 12: more than 2 numbers"},
        {"a 1 2\nb 1 x\n", "line 2, byte 6: number 2 of 2 is \"x\""},
        {"a 1 2\nb nan 2\nc 1 2\n", "line 2, byte 6: number 1 of 2 is \"nan\""},
        {"a 1 2\nb 1 -inf\nc 1 2\n", "line 2, byte 6: number 2 of 2 is \"-inf\""},
        {"a 1 2\nb 1 1e39\nc 1 2\n", "line 2, byte 6: number 2 of 2 is \"1e39\""},
        {"a 1 2\nb 1 0x10\nc 1 2\n", "line 2, byte 6: number 2 of 2 is \"0x10\""},
        {"a 1 2\nb 1 2,5\nc 1 2\n", "line 2, byte 6: number 2 of 2 is \"2,5\""},
        {"a 1 2\n\nb 1 2\n", "line 2, byte 6: 0 numbers"},
        {"a 1 2\n 1 2\nb 1 2\n", "line 2, byte 6: 1 numbers"},
        {"a 1 2\nb 1 2", "line 2, byte 6: the file ends inside this line"},
        {"a 1 2\nb 1", "line 2, byte 6: the file ends inside this line"},
        {"a 1 2\nb 1 2 3\n", "line 1, byte 0: 2 numbers behind the word where 3"},
        {"2 2\na 1 2\nb 1 2 3\n", "line 3, byte 10: more than 2 numbers"},
        {"3 2\na 1 2\nb 1 2\n", "promises 3 words, 2 follow"},
        {"1 2\na 1 2\nb 1 2\n", "promises 1 words, 2 follow"},
        {"1 99999999\na 1 2\n", "99999999 numbers"},
        {"", "no line"},
        {"one line of prose\n", "no line"},
        {"a 1 2", "no line"},
        {"\n", "no line"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        emb_store *e = import_text(bad[i].text, NULL);
        if (e || !strstr(error.text, bad[i].says))
            fail_msg("case %zu: \"%s\" where \"%s\" was expected", i, error.text, bad[i].says);
        assert_non_null(strstr(error.text, "source: ")); /* the file is named */
    }
    char number[1200] = "a 1\nb 0."; /* longer than any reader needs */
    memset(number + strlen(number), '1', 1100);
    strcpy(number + 1150, "\n");
    assert_null(import_text(number, NULL));
    assert_non_null(strstr(error.text, "line 2"));
}

static void bad_lines_skipped(void **state)
{
    (void)state;
    const emb_import_options skip = {.dtype = DS_F32, .skip_bad = true};
    emb_store *e = import_text("a 1 2\nb 1\nc 3 4\nd nan 1\ne 5 6\nf 7", &skip);
    assert_non_null(e);
    assert_int_equal(report.lines, 6);
    assert_int_equal(report.kept, 3);
    assert_int_equal(report.rejected, 3);
    assert_string_equal(report.first_rejection, "line 2, byte 6: 1 numbers behind the word where 2 are expected");
    has_row(e, "e", (const float[]){5, 6});
    emb_close(e);
    assert_null(import_text("a 1 x\nb 1 x\n", &skip)); /* nothing is left */
}

/* Cut anywhere but behind a line, a text is refused; with a header, anywhere. */
static void text_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "alpha 1.5 -2.25\nbeta 0.125 3\ngamma 1e-3 4\n", headed[] = "3 2\nalpha 1.5 2\nb 1 3\nc 1 4\n";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        emb_store *e = import_bytes(text, n, NULL);
        assert_true((e != NULL) == (n > 0 && text[n - 1] == '\n'));
        if (!e && n > 16 && n < 29)
            assert_non_null(strstr(error.text, "line 2, byte 16"));
        emb_close(e);
    }
    for (size_t n = 4; n < sizeof headed - 1; n++)
        assert_null(import_bytes(headed, n, NULL));
}

/* However the bytes arrive, the same comes of them. */
static void any_chunk_size(void **state)
{
    (void)state;
    static const char *const files[] = {"tests/ref/vectors-w2v.txt", "tests/ref/vectors-w2v.bin",
                                        "tests/ref/vectors-w2v-newlines.bin"};
    const emb_import_options o = {.dtype = DS_F32};
    for (int f = 0; f < 3; f++) {
        size_t n;
        char *p = test_read(files[f], &n);
        emb_build whole;
        for (size_t chunk = 0; chunk <= n; chunk++) { /* 0: in one piece */
            emb_build b;
            ds_stream *s = ds_open_memory(p, n, chunk, &error);
            assert_int_equal(emb_build_open(chunk ? &b : &whole, &o, &report, &error), 0);
            assert_int_equal(emb_read(chunk ? &b : &whole, s, NULL, NULL, &error), 0);
            ds_close(s);
            assert_int_equal(report.kept, 5);
            if (!chunk)
                continue;
            assert_int_equal(b.rows.n, whole.rows.n);
            assert_memory_equal(b.rows.p, whole.rows.p, b.rows.n);
            for (uint32_t i = 0; i < 5; i++)
                assert_true(kn_str_eq(tok_vocab_word(b.words, i), tok_vocab_word(whole.words, i)));
            emb_build_close(&b);
        }
        emb_build_close(&whole);
        free(p);
    }
}

static void limit_and_keep(void **state)
{
    (void)state;
    static const char text[] = "a 1\nb 2\na 3\nc 4\nd x\n";
    emb_import_options o = {.dtype = DS_F32, .limit = 4};
    emb_store *e = import_text(text, &o); /* the bad line is behind the limit */
    assert_non_null(e);
    assert_int_equal(report.lines, 4);
    assert_int_equal(emb_count(e), 3);
    emb_close(e);
    e = import_text("9 1\na 1\nb 2\na 3\nc 4\nd 5\n", &o); /* so is what the header promises */
    assert_non_null(e);
    emb_close(e);
    kn_error err;
    tok_vocab *keep = tok_vocab_new(&err);
    assert_int_equal(tok_vocab_add(keep, kn_str_c("zebra"), &err), 0);
    assert_int_equal(tok_vocab_add(keep, kn_str_c("c"), &err), 1);
    o.keep = keep;
    e = import_text(text, &o);
    assert_non_null(e);
    assert_int_equal(report.not_wanted, 3);
    has_row(e, "c", &(const float){4});
    assert_int_equal(emb_find(e, kn_str_c("a")), TOK_NONE);
    emb_close(e);
    o.limit = 0;
    assert_null(import_text(text, &o)); /* a line that is not wanted must be right, too */
    o.limit = 1;
    assert_null(import_text(text, &o));
    assert_non_null(strstr(error.text, "none of its 1 rows is a wanted word"));
    tok_vocab_free(keep);
}

/* ---- many blocks, many threads ---------------------------------------------------------- */

static void same_bytes_by_any_threads(void **state)
{
    (void)state;
    enum { ROWS = 30000, DIM = 50 };
    kn_rng r = kn_rng_new(3, KN_STREAM_SPLIT, 0);
    kn_buf text = {0};
    char *whole[3];
    size_t n[3];
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(kn_buf_addf(&text, NULL, i % 1000 ? "w%d" : "w w%d", i - i % 7 / 6), 0); /* some twice */
        for (int k = 0; k < DIM; k++)
            assert_int_equal(kn_buf_addf(&text, NULL, " %.5f", (double)kn_rng_uniform(&r, -1, 1)), 0);
        assert_int_equal(kn_buf_adds(&text, "\n", NULL), 0);
    }
    assert_true(text.n > 9 << 20); /* several blocks */
    test_write(test_path("large"), text.p, text.n);
    const emb_import_options o = {.dtype = DS_I8};
    for (int i = 0; i < 3; i++) {
        kn_pool *pool = i ? kn_pool_new(i == 1 ? 2 : 5, NULL) : NULL;
        const char *to = test_path("large.st");
        assert_int_equal(emb_import(test_path("large"), to, &o, pool, &report, &error), 0);
        assert_int_equal(report.lines, ROWS);
        assert_true(report.duplicates > 1000);
        whole[i] = test_read(to, &n[i]);
        kn_pool_free(pool);
        assert_int_equal(n[i], n[0]);
        assert_memory_equal(whole[i], whole[0], n[0]);
    }
    for (int i = 0; i < 3; i++)
        free(whole[i]);
    char *late = text.p + text.n - 3; /* a fault far behind is found at its line */
    *late = 'x';
    test_write(test_path("large"), text.p, text.n);
    kn_pool *pool = kn_pool_new(2, NULL);
    assert_null(import_file(test_path("large"), NULL, pool));
    kn_pool_free(pool);
    while (late[-1] != '\n')
        late--;
    char says[64];
    snprintf(says, sizeof says, "line %d, byte %td: number %d", ROWS, late - text.p, DIM);
    assert_non_null(strstr(error.text, says));
    kn_buf_free(&text);
}

static void no_line_without_end(void **state)
{
    (void)state;
    size_t n = 9 << 20;
    char *p = malloc(n);
    assert_non_null(p);
    memcpy(memset(p, 'x', n), "a 1\n", 4);
    const emb_import_options skip = {.dtype = DS_F32, .skip_bad = true};
    assert_null(import_bytes(p, n, &skip));
    assert_non_null(strstr(error.text, "line 2, byte 4: longer than"));
    free(p);
}

/* ---- other programs' files (tests/ref/vectors.py) ------------------------------------------- */

static void gensim_and_word2vec(void **state)
{
    (void)state;
    static const struct { const char *path, *kind; } files[] = {{"tests/ref/vectors-w2v.txt", "word2vec text"},
                                                                {"tests/ref/vectors-w2v.bin", "word2vec binary"},
                                                                {"tests/ref/vectors-w2v-newlines.bin", "word2vec binary"}};
    static const char *const words[] = {"</s>", "the", "na\xc3\xafve", "\xc3\xa9t\xc3\xa9", "\xe4\xb8\xad\xe6\x96\x87"};
    for (size_t i = 0; i < 3; i++) {
        emb_store *e = import_file(files[i].path, NULL, NULL);
        if (!e)
            fail_msg("%s", error.text);
        assert_string_equal(report.kind, files[i].kind);
        assert_int_equal(emb_count(e), 5);
        for (int w = 0; w < 5; w++) {
            float x[4];
            for (int k = 0; k < 4; k++)
                x[k] = ((float)(w * 4 + k) - 9.5f) / 7;
            has_row(e, words[w], x);
        }
        emb_close(e);
        size_t n;
        char *p = test_read(files[i].path, &n);
        size_t ending = p[n - 1] == '\n' && i == 2; /* the last newline of the binary form may be missing */
        for (size_t cut = 4; cut < n - ending; cut++)
            assert_null(import_bytes(p, cut, NULL));
        if (i)
            assert_non_null(strstr(error.text, "inside vector 5 of 5"));
        free(p);
    }
}

static void binary_faults(void **state)
{
    (void)state;
    static const char good[] = "2 2\na \0\0\x80\x3f\0\0\0\x40\nb \0\0\x80\xbf\0\0\0\0";
    enum { N = sizeof good - 1 };
    char p[N + 8];
    emb_store *e = import_bytes(good, N, NULL);
    assert_non_null(e);
    has_row(e, "b", (const float[]){-1, 0});
    emb_close(e);
    memcpy(p, good, N);
    memcpy(p + 6, "\0\0\xc0\x7f", 4); /* NaN */
    assert_null(import_bytes(p, N, NULL));
    assert_non_null(strstr(error.text, "row 1 (\"a\"): number 1 of its vector is nan"));
    const emb_import_options skip = {.dtype = DS_F32, .skip_bad = true};
    e = import_bytes(p, N, &skip);
    assert_non_null(e);
    assert_int_equal(report.rejected, 1);
    emb_close(e);
    memcpy(p, good, N);
    memcpy(p + N, "\nc ", 3);
    assert_null(import_bytes(p, N + 3, NULL));
    assert_non_null(strstr(error.text, "more follows"));
    e = import_bytes(p, N + 1, NULL); /* the newline alone is fine */
    assert_non_null(e);
    emb_close(e);
    p[N] = 'c';
    assert_null(import_bytes(p, N + 1, NULL));
    memcpy(p, good, N);
    p[4] = ' '; /* an empty word */
    assert_null(import_bytes(p, N, NULL));
    const emb_import_options first = {.dtype = DS_F32, .limit = 1};
    e = import_bytes(good, 14, &first);
    assert_non_null(e);
    emb_close(e);
    memset(p, 'x', sizeof p);
    memcpy(p, "\xba\x16\x4f\x2f", 4);
    assert_null(import_bytes(p, sizeof p, NULL));
    assert_non_null(strstr(error.text, ".vec"));
}

static void npy_and_its_words(void **state)
{
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6};
    const char *npy = test_path("array.npy");
    assert_int_equal(ds_npy_save(npy, x, 3, 2, NULL), 0);
    assert_null(import_file(npy, NULL, NULL));
    assert_non_null(strstr(error.text, "array.words"));
    test_write(test_path("array.txt"), "a\nb b\nc\n", 8);
    emb_store *e = import_file(npy, NULL, NULL);
    if (!e)
        fail_msg("%s", error.text);
    assert_string_equal(report.kind, "npy");
    has_row(e, "b b", x + 2);
    emb_close(e);
    test_write(test_path("array.words"), "a\nb\n", 4); /* comes before .txt */
    assert_null(import_file(npy, NULL, NULL));
    assert_non_null(strstr(error.text, "has 2 words for an array of 3 rows"));
    test_write(test_path("array.words"), "a\nb\nc\nd\n", 8);
    assert_null(import_file(npy, NULL, NULL));
    assert_non_null(strstr(error.text, "more words"));
}

static void store_of_a_store(void **state)
{
    (void)state;
    emb_store *e = import_text("a 1 2\nb 3 4\nc 5 -6\n", NULL);
    assert_non_null(e);
    const char *from = test_path("first.st");
    const emb_import_options all = {.dtype = DS_F32}, part = {.dtype = DS_F16, .limit = 2};
    assert_int_equal(emb_import(test_path("source"), from, &all, NULL, &report, &error), 0);
    emb_close(e);
    e = import_file(from, &part, NULL);
    if (!e)
        fail_msg("%s", error.text);
    assert_string_equal(report.kind, "store");
    assert_int_equal(emb_count(e), 2);
    assert_int_equal(emb_dtype(e), DS_F16);
    has_row(e, "b", (const float[]){3, 4});
    emb_close(e);
}

static void no_place_to_save(void **state)
{
    (void)state;
    const emb_import_options o = {.dtype = DS_F32}, odd = {.dtype = DS_U8};
    test_write(test_path("source"), "a 1\n", 4);
    assert_int_equal(emb_import(test_path("source"), test_path("no/folder"), &o, NULL, &report, &error), -1);
    assert_non_null(strstr(error.text, "no/folder"));
    assert_int_equal(emb_import(test_path("absent"), test_path("x"), &o, NULL, &report, &error), -1);
    assert_non_null(strstr(error.text, "absent: "));
    assert_int_equal(emb_import(test_path("source"), test_path("x"), &odd, NULL, &report, &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms),
        cmocka_unit_test(odd_words), cmocka_unit_test(malformed_text), cmocka_unit_test(bad_lines_skipped),
        cmocka_unit_test(text_cut_anywhere), cmocka_unit_test(any_chunk_size), cmocka_unit_test(limit_and_keep),
        cmocka_unit_test(same_bytes_by_any_threads), cmocka_unit_test(no_line_without_end),
        cmocka_unit_test(gensim_and_word2vec), cmocka_unit_test(binary_faults), cmocka_unit_test(npy_and_its_words),
        cmocka_unit_test(store_of_a_store), cmocka_unit_test(no_place_to_save)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
