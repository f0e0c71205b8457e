/* Tests of tokenize/questions.c: identity, frequency, repeats, lengths. */
#include <string.h>

#include "tests/support.h"
#include "tokenize/tokenize.h"

static void trimming_and_characters(void **state)
{
    (void)state;
    static const struct { const char *text, *trimmed; size_t characters; } t[] = {
        {"", "", 0}, {" ", "", 0}, {"\t\r\n\v\f ", "", 0}, {" a b ", "a b", 3}, {"a", "a", 1},
        {"caf\xc3\xa9?\n", "caf\xc3\xa9?", 5}, {"\xf0\x9f\x99\x82", "\xf0\x9f\x99\x82", 1}, {"\xff\xfe", "\xff\xfe", 2}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        kn_str s = tok_trim(kn_str_c(t[i].text));
        assert_true(kn_str_eq(s, kn_str_c(t[i].trimmed)));
        assert_int_equal(tok_characters(s), t[i].characters);
    }
    assert_int_equal(tok_trim((kn_str){" \0 ", 3}).n, 1); /* NUL is no white space */
}

static void same_text_same_question(void **state)
{
    (void)state;
    static const char *const pair[][2] = {{"a", "b"}, {"b ", " a"}, {"a", "c"}, {"c", "C"}, {"", " "}, {"a\n", "b"}};
    static const uint32_t id[] = {0, 1, 1, 0, 0, 2, 2, 3, 4, 4, 0, 1}, asked[] = {4, 3, 2, 1, 2};
    kn_error err;
    tok_questions q = {.text = tok_vocab_new(&err)};
    size_t repeats;
    assert_non_null(q.text);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(tok_questions_add(&q, kn_str_c(pair[i][0]), kn_str_c(pair[i][1]), &err), 0);
    assert_int_equal(q.pairs, 6);
    assert_int_equal(tok_vocab_size(q.text), 5);
    assert_memory_equal(q.id, id, sizeof id);
    assert_memory_equal(q.asked, asked, sizeof asked);
    assert_int_equal(tok_questions_repeats(&q, &repeats, &err), 0);
    assert_int_equal(repeats, 2);
    tok_questions_free(&q);
}

static void lengths(void **state)
{
    (void)state;
    kn_error err;
    tok_lengths l = {0};
    assert_int_equal(tok_lengths_quantile(&l, 0.5), 0);
    assert_int_equal(tok_lengths_below(&l, 10), 0);
    test_near(tok_lengths_mean(&l), 0, 0);
    for (size_t i = 100; i >= 1; i--) /* 1 .. 100 */
        assert_int_equal(tok_lengths_add(&l, i, &err), 0);
    static const struct { double q; size_t want; } t[] = {{0.5, 50}, {0.501, 51}, {0.95, 95}, {0.01, 1}, {1, 100}, {0, 0}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_int_equal(tok_lengths_quantile(&l, t[i].q), t[i].want);
    test_near(tok_lengths_mean(&l), 50.5, 0);
    assert_int_equal(tok_lengths_below(&l, 10), 9);
    assert_int_equal(tok_lengths_below(&l, 1000), 100);
    assert_int_equal(l.max, 100);
    tok_lengths_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimming_and_characters),
        cmocka_unit_test(same_text_same_question),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
