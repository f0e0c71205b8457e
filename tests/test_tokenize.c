/* Tests of tokenize/tokenize.c and normalize.c: the rules case by case, against
 * the same rules in Python, unchanged by a second pass, and on hostile bytes. */
#include <stdlib.h>
#include <string.h>

#include "kernels/rng.h"
#include "tests/support.h"
#include "tokenize/tokenize.h"

/* ---- helpers -------------------------------------------------------------------- */

static tok_tokenizer *tokenizer(void)
{
    static tok_tokenizer *t;
    kn_error err;
    if (!t && !(t = tok_new("glove", &err)))
        fail_msg("%s", err.text);
    return t;
}

/* Sets out to the tokens of p[0..n) joined by one space, and checks what every token must be. */
static size_t join_tokens(kn_buf *out, const char *p, size_t n)
{
    const kn_str *token;
    size_t tokens;
    kn_error err;
    out->n = 0;
    if (tok_tokens(tokenizer(), &token, &tokens, (kn_str){p, n}, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < tokens; i++) {
        assert_true(token[i].n > 0);
        for (size_t k = 0; k < token[i].n; k++)
            if ((unsigned char)token[i].p[k] <= ' ' || token[i].p[k] == 0x7f)
                fail_msg("token %zu holds byte %d", i, token[i].p[k]);
        assert_int_equal((i && kn_buf_add(out, " ", 1, NULL)) || kn_buf_add(out, token[i].p, token[i].n, NULL), 0);
    }
    return tokens;
}

static void expect(const char *text, size_t n, const char *want)
{
    kn_buf got = {0};
    join_tokens(&got, text, n);
    if (got.n != strlen(want) || (got.n && memcmp(got.p, want, got.n)))
        fail_msg("[%.*s] gives [%.*s], not [%s]", (int)n, text, (int)got.n, got.n ? got.p : "", want);
    kn_buf_free(&got);
}

/* Tokenising the tokens gives the tokens. */
static void expect_unchanged(const char *p, size_t n)
{
    static kn_buf once, twice;
    size_t a = join_tokens(&once, p, n), b = once.n ? join_tokens(&twice, once.p, once.n) : (twice.n = 0);
    if (a != b || once.n != twice.n || (once.n && memcmp(once.p, twice.p, once.n)))
        fail_msg("[%.*s] gives [%.*s], and that [%.*s]", (int)n, p, (int)once.n, once.p, (int)twice.n, twice.p);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(c | (0xf00u >> n & 0xf0));
    return n;
}

/* ---- the rules ---------------------------------------------------------------------- */

static void rules(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\r\n ", ""},
        {"How old is it?", "how old is it ?"},
        /* contractions */
        {"Don't", "do n't"},
        {"can't won't shan't", "ca n't wo n't sha n't"},
        {"It's I'm we've you're she'll he'd", "it 's i 'm we 've you 're she 'll he 'd"},
        {"couldn't've", "could n't 've"},
        {"it'sn't", "it 's n't"},
        {"n't 's 'll", "n't 's 'll"},
        {"cannot gonna dont", "cannot gonna dont"},
        {"the dogs' owner", "the dogs ' owner"},
        {"'single' \"double\" `tick` ``two''", "' single ' \" double \" ' tick ' \" two \""},
        {"'tis the '90s", "' tis the ' 90s"},
        {"'sure 's-hook", "' sure ' s-hook"},
        {"o'clock O'Brien ma'am", "o'clock o'brien ma'am"},
        /* hyphens, dashes, dots */
        {"well-being state-of-the-art", "well-being state-of-the-art"},
        {"-5 a- -b", "- 5 a - - b"},
        {"one--two --- three", "one -- two -- three"},
        {"x-n't", "x - n't"},
        {"wait... what.. why. . .", "wait ... what ... why . . ."},
        {"end.Next", "end . next"},
        /* numbers */
        {"1,000 1,00,000 1,000,000 3.5 10.0.0.1", "1,000 1,00,000 1,000,000 3.5 10.0.0.1"},
        {"1,2,3 1,2345 .5 5.", "1 , 2 , 3 1 , 2345 . 5 5 ."},
        {"10th 4g 1/2 12/25/2010 1/2/2010 9:30", "10th 4g 1/2 12 / 25 / 2010 1 / 2 / 2010 9 : 30"},
        {"2.5gb 15-year-old 90's", "2.5 gb 15 - year-old 90 's"},
        {"$100 100% #1 @you", "$ 100 100 % # 1 @ you"},
        /* abbreviations */
        {"the U.S. and u.s or U.S.A", "the u.s. and u.s. or u.s.a."},
        {"e.g.this i.e. U.S.'s p.m.?", "e.g. this i.e. u.s. 's p.m. ?"},
        {"u.s...", "u.s. ..."},
        {"a.bc plan b.", "a . bc plan b ."},
        {"Dr. Who vs. Mr.X Inc.", "dr. who vs. mr. x inc."},
        {"say no. dr.. first.", "say no . dr ... first ."},
        /* everything else apart */
        {"C++, C#; and/or R&D", "c + + , c # ; and / or r & d"},
        {"http://a.example.com/b_c?d=e", "http : / / a . example . com / b _ c ? d = e"},
        {"f(x)=[1]{2}", "f ( x ) = [ 1 ] { 2 }"},
        {"?!?", "? ! ?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i][0], strlen(cases[i][0]), cases[i][1]);
        expect_unchanged(cases[i][0], strlen(cases[i][0]));
    }
}

static void unicode(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\u2018a\u2019 \u201cb\u201d \u00abc\u00bb don\u2019t don\u00b4t", "' a ' \" b \" \" c \" do n't do n't"},
        {"a\u2014b c\u2013d \u2212 5", "a -- b c-d - 5"},
        {"\u2026", "..."},
        {"CAF\u00c9 cafe\u0301 \uff23\uff41f\u00e9", "caf\u00e9 caf\u00e9 caf\u00e9"},
        {"a\u00a0b\u3000c\xc2\x85" "d\u2028e", "a b c d e"},
        {"co\u00adop\u200b \ufeffx\u200dy", "coop xy"},
        {"3\u00bd cups, 10\u00b2 m, CO\u2082, \u2167", "3 1/2 cups , 10 2 m , co2 , viii"},
        {"5\u20b9x \u2764\ufe0f\U0001f600", "5 \u20b9 x \u2764 \U0001f600"},
        {"\u0130 \u039f\u0394\u039f\u03a3 \u1e9e \u212a", "i\u0307 \u03bf\u03b4\u03bf\u03c3 \u00df k"},
        {"J\u030c \u01f0", "\u01f0 \u01f0"},
        {"a\u0323\u0302 a\u0302\u0323", "\u1ead \u1ead"},
        {"\u4e2d\u6587\u3002\u0939\u0948", "\u4e2d\u6587 \u3002 \u0939\u0948"},
        /* each invalid byte is U+FFFD, apart: alone, overlong, surrogate, too large, cut short */
        {"a\xff" "b", "a \ufffd b"},
        {"\xc0\xaf", "\ufffd \ufffd"},
        {"\xed\xa0\x80", "\ufffd \ufffd \ufffd"},
        {"\xf4\x90\x80\x80", "\ufffd \ufffd \ufffd \ufffd"},
        {"x\xe2\x82", "x \ufffd \ufffd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(cases[i][0], strlen(cases[i][0]), cases[i][1]);
        expect_unchanged(cases[i][0], strlen(cases[i][0]));
    }
    expect("a\0b", 3, "a b");
}

static kn_buf from_hex(const char *p, size_t n)
{
    kn_buf b = {0};
    for (size_t i = 0; i + 1 < n; i += 2) {
        const char digits[] = {p[i], p[i + 1], 0};
        char byte = (char)strtol(digits, NULL, 16);
        assert_int_equal(kn_buf_add(&b, &byte, 1, NULL), 0);
    }
    assert_int_equal(kn_buf_add(&b, "", 1, NULL), 0); /* NUL behind */
    b.n--;
    return b;
}

static void same_as_reference(void **state)
{
    (void)state;
    size_t n, cases = 0;
    char *all = test_read("tests/ref/tokens.tsv", &n);
    for (char *line = all; *line; line = strchr(line, '\n') + 1, cases++) {
        size_t tab = strcspn(line, "\t"), rest = strcspn(line + tab + 1, "\n");
        kn_buf text = from_hex(line, tab), want = from_hex(line + tab + 1, rest);
        expect(text.p, text.n, want.p);
        kn_buf_free(&text);
        kn_buf_free(&want);
    }
    assert_int_equal(cases, 550);
    free(all);
}

/* ---- a second pass changes nothing ------------------------------------------------------- */

static void unchanged_every_code_point(void **state)
{
    (void)state;
    static const char *const pattern[] = {"%", "a%b", "'%", "1%n't", "%'s."};
    for (uint32_t c = 0; c < 0x110000; c++) {
        char u[4], text[32];
        size_t un = put_utf8(u, c);
        const char *from = pattern[c % 5];
        size_t n = 0;
        for (; *from; from++) {
            memcpy(text + n, *from == '%' ? u : from, *from == '%' ? un : 1);
            n += *from == '%' ? un : 1;
        }
        expect_unchanged(text, n);
        if (c < 0x3400)
            for (size_t k = 0; k < 5; k++) {
                memcpy(text, "e.", 2);
                memcpy(text + 2, u, un);
                memcpy(text + 2 + un, &"s'-.\xcc"[k], 1);
                expect_unchanged(text, un + 3);
            }
    }
}

static void unchanged_ascii_soup(void **state)
{
    (void)state;
    static const char letters[] = "aabnnsttrelvdm'''---...,,,//01239 `\"$%#u.s.n't's";
    kn_rng r = kn_rng_new(1, 0, 0);
    char text[16];
    for (int i = 0; i < 200000; i++) {
        size_t n = 1 + kn_rng_below(&r, 14);
        for (size_t k = 0; k < n; k++)
            text[k] = letters[kn_rng_below(&r, sizeof letters - 1)];
        expect_unchanged(text, n);
    }
}

static void unchanged_random_text(void **state)
{
    (void)state;
    static const uint32_t from[][2] = {{0, 0x80},        {0, 0x3000},   {0x300, 0x370},
                                       {0x2000, 0x2300}, {0, 0x110000}, {0x80, 0x880}};
    kn_rng r = kn_rng_new(2, 0, 0);
    char text[128];
    for (int i = 0; i < 50000; i++) {
        size_t n = 0;
        for (uint32_t k = kn_rng_below(&r, 20) + 1; k; k--) {
            uint32_t what = kn_rng_below(&r, 7);
            if (what == 6)
                text[n++] = (char)kn_rng_below(&r, 256);
            else
                n += put_utf8(text + n, from[what][0] + kn_rng_below(&r, from[what][1] - from[what][0]));
        }
        expect_unchanged(text, n);
    }
}

/* ---- hostile ------------------------------------------------------------------------------ */

static void long_fields(void **state)
{
    (void)state;
    /* Each fills 256 KiB: anything quadratic would not end here. */
    static const struct {
        const char *unit;
        size_t tokens_a_unit; /* 0: not said */
    } c[] = {{"a", 0}, {"a ", 1}, {"?", 1}, {".", 0}, {"-", 0}, {"'", 0}, {"a'", 0}, {"'s", 0}, {"n't", 0}, {"a.", 0},
             {"a.b ", 1}, {"1,", 0}, {"1.", 0}, {"12/", 2}, {"\xcc\x81\xcc\xa3", 0}, {"\xff", 1}, {"\xef\xb7\xba", 0},
             {"\xe2\x80\x94", 1}, {"\xf0\x9f\x98\x80", 1}, {"\xc2\xad", 0}, {"a-", 0}, {"dr.", 1}};
    const size_t size = 1 << 18, longest = 1 << 20;
    char *text = malloc(longest);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const kn_str *token;
        size_t tokens, unit = strlen(c[i].unit), n = size / unit * unit;
        for (size_t k = 0; k < n; k++)
            text[k] = c[i].unit[k % unit];
        assert_int_equal(tok_tokens(tokenizer(), &token, &tokens, (kn_str){text, n}, NULL), 0);
        if (c[i].tokens_a_unit)
            assert_int_equal(tokens, n / unit * c[i].tokens_a_unit);
        expect_unchanged(text, n);
    }
    memset(text, 0, longest);
    const kn_str *token;
    size_t tokens = 1;
    assert_int_equal(tok_tokens(tokenizer(), &token, &tokens, (kn_str){text, longest}, NULL), 0);
    assert_int_equal(tokens, 0);
    free(text);
}

static void unknown_profile(void **state)
{
    (void)state;
    kn_error err;
    assert_null(tok_new("latin", &err));
    assert_non_null(strstr(err.text, "glove"));
    assert_string_equal(tok_profile(tokenizer()), "glove");
}

/* ---- the real thing ------------------------------------------------------------------------- */

static tok_vocab *glove_words(const char *path)
{
    ds_stream *s = ds_open(path, NULL);
    ds_lines *l = s ? ds_lines_new(s, NULL) : NULL;
    tok_vocab *v = tok_vocab_new(NULL);
    kn_str line;
    assert_non_null(l);
    while (ds_line(l, &line, NULL, NULL) > 0) {
        line.n = (size_t)((const char *)memchr(line.p, ' ', line.n) - line.p);
        assert_true(tok_vocab_add(v, line, NULL) != TOK_NONE);
    }
    ds_lines_free(l);
    ds_close(s);
    return v;
}

static void real_questions(void **state)
{
    (void)state;
    char glove[1024];
    const char *path = test_shared("glove/glove.6B.100d.txt.gz");
    if (!path)
        skip();
    snprintf(glove, sizeof glove, "%s", path);
    if (!(path = test_shared("quora/pairs.tsv.gz")))
        skip();
    tok_vocab *v = glove_words(glove);
    ds_pairs *in = ds_pairs_open(path, &(ds_pairs_options){0}, NULL);
    assert_non_null(in);
    ds_pair pair;
    size_t all = 0, known = 0, rows = 0, n;
    for (; ds_pairs_next(in, &pair, NULL) > 0; rows++)
        for (int k = 0; k < 2; k++) {
            kn_str q = k ? pair.q2 : pair.q1;
            const kn_str *token;
            assert_int_equal(tok_tokens(tokenizer(), &token, &n, q, NULL), 0);
            all += n;
            for (size_t i = 0; i < n; i++)
                known += tok_vocab_find(v, token[i]) != TOK_NONE;
            if (rows % 16 == 0)
                expect_unchanged(q.p, q.n);
        }
    assert_true(rows > 300000);
    double covered = (double)known / (double)all;
    print_message("# %.3f %% of %zu tokens have a vector\n", 100 * covered, all);
    if (!(covered >= 0.985))
        fail_msg("only %.3f %% of the tokens have a vector", 100 * covered);
    ds_pairs_close(in);
    tok_vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(unicode),
        cmocka_unit_test(same_as_reference),
        cmocka_unit_test(unchanged_every_code_point),
        cmocka_unit_test(unchanged_ascii_soup),
        cmocka_unit_test(unchanged_random_text),
        cmocka_unit_test(long_fields),
        cmocka_unit_test(unknown_profile),
        cmocka_unit_test(real_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
