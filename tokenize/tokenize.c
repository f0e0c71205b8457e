/* Normal text -> tokens, as the text of GloVe 6B was cut (Pennington, Socher,
 * Manning 2014: the Stanford tokenizer, which follows the Penn Treebank).
 *
 * The rules, and where they choose:
 *   don't it's i'm we've   do n't, it 's, i 'm, we 've; can't is ca n't
 *   cannot, gonna          whole, as they are in GloVe's vocabulary
 *   o'clock, well-being    whole: ' and - inside a word that starts with a letter
 *   1,000 3.5 10th 1/2     whole; 3.5gb is 3.5 gb, 15-year-old is 15 - year-old
 *   u.s. e.g.              whole; u.s is u.s. too
 *   dr. inc. sept.         whole: the abbreviations that GloVe spells with the dot
 *   .. ...   -- ---   ''   "...", "--" and the plain double quote
 *   anything else          each mark apart: c + +, and / or, google . com
 *
 * Why tokenising tokens changes nothing: each rule looks only at its token's own
 * bytes and at whether a word goes on after it, and a space never goes on. What
 * a word loses at its end is taken off in such a way that the rest is cut like
 * the rest alone. */
#include <string.h>

#include "tokenize/normalize.h"
#include "tokenize/tokenize.h"

enum { WORD = 1, DIGIT = 2, LETTER = 4 }; /* LETTER: a-z; bytes over 0x7f are WORD only */

struct tok_tokenizer {
    tok_normalizer norm;
    kn_str *token;
    size_t tokens, cap;
    char *extra; /* tokens that do not stand in the text as they are */
    size_t extra_n, extra_cap;
    unsigned char class[256];
};

tok_tokenizer *tok_new(const char *profile, kn_error *err)
{
    if (strcmp(profile, "glove")) {
        kn_fail(err, "no tokenizer profile is called \"%s\": there is glove", profile);
        return NULL;
    }
    tok_tokenizer *t = kn_alloc(1, sizeof *t, err);
    if (!t)
        return NULL;
    for (int c = 0; c < 256; c++)
        t->class[c] = c >= 'a' && c <= 'z' ? WORD | LETTER : c >= '0' && c <= '9' ? WORD | DIGIT : c > 0x7f ? WORD : 0;
    return t;
}

const char *tok_profile(const tok_tokenizer *t)
{
    (void)t;
    return "glove";
}

void tok_free(tok_tokenizer *t)
{
    if (!t)
        return;
    tok_normalizer_free(&t->norm);
    kn_free(t->token);
    kn_free(t->extra);
    kn_free(t);
}

static int push(tok_tokenizer *t, const char *p, size_t n, kn_error *err)
{
    if (t->tokens == t->cap && kn_grow(&t->token, &t->cap, t->tokens + 1, sizeof *t->token, err))
        return -1;
    t->token[t->tokens++] = (kn_str){p, n};
    return 0;
}

static inline bool is(const tok_tokenizer *t, char c, int class)
{
    return t->class[(unsigned char)c] & class;
}

/* p points to ' or - between two characters of words. */
static inline bool joins(const tok_tokenizer *t, const char *p)
{
    return (*p == '\'' || *p == '-') && is(t, p[1], WORD);
}

/* ---- numbers -------------------------------------------------------------- */

static const char *digits(const tok_tokenizer *t, const char *p)
{
    while (is(t, *p, DIGIT))
        p++;
    return p;
}

/* The end of what starts with the digit at p. */
static const char *number_end(const tok_tokenizer *t, const char *p)
{
    if (p[1] == '/' && is(t, p[2], DIGIT) && !is(t, p[3], WORD) && p[3] != '/')
        return p + 3; /* 1/2 */
    const char *plain = digits(t, p), *end = plain;
    for (;;) {
        if (end[0] == '.' && is(t, end[1], DIGIT))
            end = digits(t, end + 2);
        else if (end[0] == ',' && is(t, end[1], DIGIT) && is(t, end[2], DIGIT) && !is(t, end[3], DIGIT))
            end += 3; /* groups of two: 1,00,000 is Indian for 100,000 */
        else if (end[0] == ',' && is(t, end[1], DIGIT) && is(t, end[2], DIGIT) && is(t, end[3], DIGIT) &&
                 !is(t, end[4], DIGIT))
            end += 4;
        else
            break;
    }
    if (end == plain)
        while (is(t, *end, WORD)) /* 10th */
            end++;
    return end;
}

/* ---- words ---------------------------------------------------------------- */

static const char *word_end(const tok_tokenizer *t, const char *p)
{
    for (;;) {
        while (is(t, *p, WORD))
            p++;
        if (!joins(t, p))
            return p;
        p++;
    }
}

/* Bytes that the clitic at p (after an apostrophe) has: 's 'm 'd 're 've 'll. */
static size_t clitic(const char *p)
{
    if (*p == 's' || *p == 'm' || *p == 'd')
        return 1;
    return (p[0] == 'r' && p[1] == 'e') || (p[0] == 'v' && p[1] == 'e') || (p[0] == 'l' && p[1] == 'l') ? 2 : 0;
}

/* Bytes at the end of the word p[0..n) that are a token of their own, or 0. A
 * mark is left at the end when "n't" behind it was taken off. */
static size_t ending(const char *p, size_t n)
{
    if (n < 2)
        return 0;
    if (p[n - 1] == '\'' || p[n - 1] == '-')
        return 1;
    if (n > 3 && memcmp(p + n - 3, "n't", 3) == 0)
        return 3;
    if (n > 2 && p[n - 2] == '\'' && clitic(p + n - 1) == 1)
        return 2;
    return n > 3 && p[n - 3] == '\'' && clitic(p + n - 2) == 2 ? 3 : 0;
}

/* Is the word p[0..n) one that GloVe spells with a dot? These are those among
 * its 3 000 most frequent words, save "no.", which more often ends a sentence. */
static bool abbreviation(const char *p, size_t n)
{
    static const char list[][5] = {"mr", "ms", "dr", "jr", "st", "co", "vs", "inc", "sen",
                                   "jan", "aug", "oct", "nov", "dec", "corp", "sept"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (strlen(list[i]) == n && memcmp(list[i], p, n) == 0)
            return true;
    return false;
}

/* Pushes the word at *p with its endings apart, and moves *p behind it. */
static int word(tok_tokenizer *t, const char **p, kn_error *err)
{
    const char *start = *p, *end = word_end(t, start);
    size_t n = (size_t)(end - start), first = t->tokens, k;
    *p = end;
    for (; (k = ending(start, n)); n -= k)
        if (push(t, start + n - k, k, err))
            return -1;
    if (start + n == end && end[0] == '.' && end[1] != '.' && abbreviation(start, n)) {
        n++;
        ++*p;
    }
    if (push(t, start, n, err))
        return -1;
    for (size_t a = first, b = t->tokens - 1; a < b; a++, b--) { /* they came last first */
        kn_str s = t->token[a];
        t->token[a] = t->token[b];
        t->token[b] = s;
    }
    return 0;
}

static bool single_letter(const tok_tokenizer *t, const char *p)
{
    return is(t, p[0], LETTER) && !is(t, p[1], WORD);
}

/* u.s. and the like at *p: single letters with dots between. 1 when there was
 * one, 0 when not. Without its last dot it is spelt anew, with it. */
static int dotted(tok_tokenizer *t, const char **p, kn_error *err)
{
    const char *start = *p, *end = start + 1;
    if (!is(t, *start, LETTER))
        return 0;
    while (end[0] == '.' && single_letter(t, end + 1))
        end += 2;
    size_t n = (size_t)(end - start);
    if (n == 1)
        return 0;
    *p = end + (*end == '.');
    if (*end == '.')
        return push(t, start, n + 1, err) ? -1 : 1;
    /* At most one dot for each separator: room for all, so that slices stay valid. */
    if (kn_grow(&t->extra, &t->extra_cap, t->norm.cap, 1, err))
        return -1;
    char *copy = t->extra + t->extra_n;
    memcpy(copy, start, n);
    copy[n] = '.';
    t->extra_n += n + 1;
    return push(t, copy, n + 1, err) ? -1 : 1;
}

/* ---- marks ---------------------------------------------------------------- */

/* Pushes the token of the mark at *p and moves *p behind it. */
static int mark(tok_tokenizer *t, const char **p, kn_error *err)
{
    const char *s = *p, *end = s + 1;
    if (*s == '.' || *s == '-') {
        while (*end == *s)
            end++;
        *p = end;
        if (end == s + 1)
            return push(t, s, 1, err);
        return *s == '.' ? push(t, "...", 3, err) : push(t, "--", 2, err);
    }
    if (*s == '\'' && *end == '\'') {
        *p = end + 1;
        return push(t, "\"", 1, err);
    }
    if (*s == '\'') {
        size_t k = clitic(end);
        if (k && !is(t, end[k], WORD) && !joins(t, end + k))
            end += k;
    }
    *p = end;
    return push(t, s, (size_t)(end - s), err);
}

int tok_tokens(tok_tokenizer *t, const kn_str **tokens, size_t *n, kn_str text, kn_error *err)
{
    if (tok_normalize(&t->norm, text, err))
        return -1;
    t->tokens = t->extra_n = 0;
    const char *p = t->norm.text, *end = p + t->norm.n;
    while (p < end) {
        int rc = 0;
        if (*p == ' ') {
            p++;
        } else if (is(t, *p, DIGIT)) {
            const char *stop = number_end(t, p);
            rc = push(t, p, (size_t)(stop - p), err);
            p = stop;
        } else if (is(t, *p, WORD)) {
            rc = dotted(t, &p, err);
            rc = rc ? rc : word(t, &p, err);
        } else {
            rc = mark(t, &p, err);
        }
        if (rc < 0)
            return -1;
    }
    *tokens = t->token;
    *n = t->tokens;
    return 0;
}
