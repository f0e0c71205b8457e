/* Tests of tokenize/vocab.c: numbers and words, and the hash that files rely on. */
#include <string.h>

#include "tests/support.h"
#include "tokenize/tokenize.h"

static void hash_is_the_formats(void **state)
{
    (void)state;
    /* FNV-1a and fmix64 restated in Python. */
    static const struct {
        const char *s;
        size_t n;
        uint64_t hash;
    } c[] = {{"", 0, 0xefd01f60ba992926},
             {"a", 1, 0x82a2a958a9bece5b},
             {"foobar", 6, 0x2c22194922d1672b},
             {"\0\xff", 2, 0xacb64f88d28b68b8},
             {"na\u00efve", 6, 0x1b21a798c5ab1dcf}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        assert_int_equal(tok_hash((kn_str){c[i].s, c[i].n}), c[i].hash);
}

static void numbers_words_in_order(void **state)
{
    (void)state;
    enum { N = 100000 };
    tok_vocab *v = tok_vocab_new(NULL);
    char word[32];
    assert_non_null(v);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < N; i++) {
            size_t n = (size_t)snprintf(word, sizeof word, "w%u", i * 7919u);
            assert_int_equal(tok_vocab_find(v, (kn_str){word, n}), round ? i : TOK_NONE);
            assert_int_equal(tok_vocab_add(v, (kn_str){word, n}, NULL), i);
        }
    assert_int_equal(tok_vocab_size(v), N);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(word, sizeof word, "w%u", i * 7919u);
        assert_true(kn_str_eq(tok_vocab_word(v, i), kn_str_c(word)));
    }
    tok_vocab_free(v);
}

static void any_bytes_are_words(void **state)
{
    (void)state;
    static const kn_str s[] = {{"", 0}, {"\0", 1}, {"\0\0", 2}, {"a\0b", 3}, {"a", 1}, {"\xff\xfe", 2}};
    tok_vocab *v = tok_vocab_new(NULL);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(tok_vocab_add(v, s[i], NULL), i);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(tok_vocab_find(v, s[i]), i);
        assert_true(kn_str_eq(tok_vocab_word(v, i), s[i]));
    }
    tok_vocab_free(v);
}

/* Two words whose hashes agree in all that a small table looks at. */
static void words_that_collide(void **state)
{
    (void)state;
    const kn_str a = kn_str_c("w7891488"), b = kn_str_c("w3753228");
    uint64_t x = tok_hash(a), y = tok_hash(b);
    assert_true(x >> 32 == y >> 32 && (x & 1023) == (y & 1023));
    tok_vocab *v = tok_vocab_new(NULL);
    assert_int_equal(tok_vocab_add(v, a, NULL), 0);
    assert_int_equal(tok_vocab_find(v, b), TOK_NONE);
    assert_int_equal(tok_vocab_add(v, b, NULL), 1);
    assert_int_equal(tok_vocab_find(v, a), 0);
    tok_vocab_free(v);
}

static void all_at_once_is_one_by_one(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char text[N][8];
    static kn_str s[N];
    static uint32_t id[N];
    tok_vocab *a = tok_vocab_new(NULL), *b = tok_vocab_new(NULL);
    for (uint32_t i = 0; i < N; i++) /* half of them twice, some within one block */
        s[i] = (kn_str){text[i], (size_t)snprintf(text[i], sizeof text[i], "%u", i * i % 2503)};
    assert_int_equal(tok_vocab_add_all(a, id, s, N, NULL), 0);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(id[i], tok_vocab_add(b, s[i], NULL));
    assert_int_equal(tok_vocab_size(a), tok_vocab_size(b));
    assert_true(tok_vocab_size(a) > 1000 && tok_vocab_size(a) < N);
    assert_int_equal(tok_vocab_add_all(a, id, s, 0, NULL), 0);
    tok_vocab_free(a);
    tok_vocab_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_the_formats),
        cmocka_unit_test(numbers_words_in_order),
        cmocka_unit_test(any_bytes_are_words),
        cmocka_unit_test(words_that_collide),
        cmocka_unit_test(all_at_once_is_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
