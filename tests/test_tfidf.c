/* Tests of tfidf/idf.c: against scikit-learn, and the table as text. */
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"
#include "tfidf/tfidf.h"

/* ---- helpers -------------------------------------------------------------------- */

static int add_pair(void *arg, const tok_pair *p, kn_error *err)
{
    return idf_add(arg, p->token[0], p->n[0], err) || idf_add(arg, p->token[1], p->n[1], err) ? -1 : 0;
}

/* The table of tests/ref/tfidf.csv. */
static idf_table *reference_table(void)
{
    kn_error err;
    ds_pairs *in = ds_pairs_open("tests/ref/tfidf.csv", &(ds_pairs_options){0}, &err);
    idf_table *t = idf_new(&err);
    const tok_pairs_options o = {.profile = "glove", .pair = add_pair, .arg = t};
    if (!in || !t || tok_pairs(in, &o, NULL, &err))
        fail_msg("%s", err.text);
    ds_pairs_close(in);
    return t;
}

static idf_table *table_of(const char *text, size_t n, size_t chunk, kn_error *err)
{
    ds_stream *s = ds_open_memory(text, n, chunk, err);
    assert_non_null(s);
    idf_table *t = idf_read(s, err);
    ds_close(s);
    return t;
}

static void expect_same(const idf_table *t, const kn_buf *text)
{
    kn_buf again = {0};
    assert_int_equal(idf_print(t, &again, NULL), 0);
    assert_int_equal(again.n, text->n);
    assert_memory_equal(again.p, text->p, text->n);
    kn_buf_free(&again);
}

/* ---- counting ---------------------------------------------------------------------- */

static void same_as_scikit_learn(void **state)
{
    (void)state;
    idf_table *t = reference_table();
    size_t n, words = 0;
    char *all = test_read("tests/ref/tfidf_idf.tsv", &n), *line = all;
    for (; *line; line = strchr(line, '\n') + 1, words++) {
        kn_str word = {line, strcspn(line, "\t")};
        char *end;
        uint64_t df = strtoull(line + word.n, &end, 10);
        assert_int_equal(idf_df(t, word), df);
        test_near(idf_value(idf_documents(t), df), strtod(end, NULL), 1e-6);
    }
    assert_int_equal(words, idf_words(t));
    assert_int_equal(words, 76);
    assert_int_equal(idf_documents(t), 20);
    assert_int_equal(idf_df(t, kn_str_c("zebra")), 0);
    kn_buf text = {0}; /* and in its order */
    assert_int_equal(idf_print(t, &text, NULL), 0);
    assert_memory_equal(strchr(text.p, '\n') + 1, all, 12);
    kn_buf_free(&text);
    free(all);
    idf_free(t);
}

static void a_document_counts_a_word_once(void **state)
{
    (void)state;
    const kn_str a = kn_str_c("a"), b = kn_str_c("b");
    idf_table *t = idf_new(NULL);
    assert_int_equal(idf_add(t, (kn_str[]){a, b, a, a}, 4, NULL), 0);
    assert_int_equal(idf_add(t, NULL, 0, NULL), 0);
    assert_int_equal(idf_add(t, (kn_str[]){a}, 1, NULL), 0);
    assert_int_equal(idf_documents(t), 3);
    assert_int_equal(idf_df(t, a), 2);
    assert_int_equal(idf_df(t, b), 1);
    /* counted elsewhere */
    kn_error err;
    assert_int_equal(idf_add_documents(t, 10, NULL), 0);
    assert_int_equal(idf_add_word(t, a, 10, NULL), 0);
    assert_int_equal(idf_df(t, a), 12);
    assert_int_equal(idf_add_word(t, a, 2, &err), -1);
    assert_non_null(strstr(err.text, "more documents than there are"));
    assert_int_equal(idf_add_documents(t, UINT64_MAX, &err), -1);
    idf_free(t);
}

/* ---- as text ---------------------------------------------------------------------------- */

static void prints_what_it_reads(void **state)
{
    (void)state;
    idf_table *t = reference_table();
    kn_buf text = {0};
    kn_error err;
    assert_int_equal(idf_print(t, &text, NULL), 0);
    for (size_t chunk = 0; chunk < 40; chunk++) {
        idf_table *again = table_of(text.p, text.n, chunk, &err);
        if (!again)
            fail_msg("chunks of %zu: %s", chunk, err.text);
        expect_same(again, &text);
        idf_free(again);
    }
    kn_buf_free(&text);
    idf_free(t);
}

static void cut_anywhere_is_an_error(void **state)
{
    (void)state;
    idf_table *t = reference_table();
    kn_buf text = {0};
    kn_error err;
    assert_int_equal(idf_print(t, &text, NULL), 0);
    for (size_t n = 0; n < text.n; n++) {
        err.text[0] = 0;
        if (table_of(text.p, n, 0, &err))
            fail_msg("cut after %zu of %zu bytes, and nothing said", n, text.n);
        assert_true(err.text[0]);
    }
    kn_buf_free(&text);
    idf_free(t);
}

static void empty_table(void **state)
{
    (void)state;
    idf_table *t = idf_new(NULL);
    kn_buf text = {0};
    kn_error err;
    assert_int_equal(idf_print(t, &text, NULL), 0);
    assert_int_equal(kn_buf_add(&text, "", 1, NULL), 0);
    assert_string_equal(text.p, "# siam-idf n=0 words=0\n");
    idf_table *again = table_of(text.p, text.n - 1, 0, &err);
    assert_non_null(again);
    assert_int_equal(idf_documents(again) + idf_words(again), 0);
    idf_free(again);
    idf_free(t);
    kn_buf_free(&text);
}

static void refuses_what_is_not_one(void **state)
{
    (void)state;
    static const char *const c[][2] = {
        {"", "no idf table"},
        {"word\t1\t1\n", "no idf table"},
        {"# siam-idf n=1\n", "no idf table"},
        {"# siam-idf n=-1 words=0\n", "no idf table"},
        {"# siam-idf n=1 words=x\n", "no idf table"},
        {"# siam-idf n=99999999999999999999 words=0\n", "no idf table"},
        {"# siam-idf n=1 words=99999999999\n", "no idf table"},
        {"# siam-idf n=1 words=1\na\t1\t1", "cut short"},
        {"# siam-idf n=1 words=2\na\t1\t1\n", "cut short"},
        {"# siam-idf n=1 words=1\na\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na 1 1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\n\t1\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t0\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t2\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t1x\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t1\tnan\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t1\t1e400\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t1\t1\t1\n", "line 2: not"},
        {"# siam-idf n=1 words=1\n\n", "line 2: not"},
        {"# siam-idf n=1 words=1\na\t1\t1.1\n", "line 2: the idf of \"a\""},
        {"# siam-idf n=1 words=2\na\t1\t1\na\t1\t1\n", "line 3: \"a\" a second time"},
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        kn_error err = {""};
        if (table_of(c[i][0], strlen(c[i][0]), 0, &err) || !strstr(err.text, c[i][1]))
            fail_msg("[%s] gives [%s], not [%s]", c[i][0], err.text, c[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_scikit_learn),
        cmocka_unit_test(a_document_counts_a_word_once),
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(cut_anywhere_is_an_error),
        cmocka_unit_test(empty_table),
        cmocka_unit_test(refuses_what_is_not_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
