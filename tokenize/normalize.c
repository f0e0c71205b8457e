/* Unicode -> normal text. ASCII, nearly all of what people type, takes the short
 * way through one table; the rest goes code point by code point:
 * fold, decompose, lower-case, order the marks, compose, encode. */
#include "tokenize/normalize.h"

#include <string.h>
#include <utf8proc.h>

/* UAX #15 section 13, Stream-Safe Text: no text in any language needs more
 * marks in a row, and ordering an endless run would take quadratic time. */
enum { MAX_MARKS = 30, MAX_DECOMPOSED = 32 };

/* ' ' for controls, lower case, ` as '. */
static unsigned char fold_ascii(unsigned char c)
{
    if (c < 0x20 || c == 0x7f)
        return ' ';
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c + ('a' - 'A'));
    return c == '`' ? '\'' : c;
}

/* What the typographic quotes and dashes are in ASCII; NULL for other code
 * points. An em dash parts words, so it becomes "--" on its own. */
static const char *fold_typography(int32_t c)
{
    switch (c) {
    case 0x00b4: case 0x02b9: case 0x02bc: case 0x2018: case 0x2019: case 0x201a:
    case 0x201b: case 0x2032: case 0x2035: case 0x2039: case 0x203a:
        return "'";
    case 0x00ab: case 0x00bb: case 0x201c: case 0x201d: case 0x201e: case 0x201f:
        return "\"";
    case 0x2010: case 0x2011: case 0x2012: case 0x2013: case 0x2212:
        return "-";
    case 0x2014: case 0x2015: case 0x2e3a: case 0x2e3b:
        return " -- ";
    case 0x2044: /* fraction slash */
        return "/";
    default:
        return NULL;
    }
}

static void put_codes(tok_normalizer *z, const char *ascii)
{
    for (; *ascii; ascii++)
        z->code[z->codes++] = *ascii;
}

/* Appends code point c, folded, decomposed and in lower case; the caller has made
 * room for MAX_DECOMPOSED * 4 + 2. */
static void decompose(tok_normalizer *z, int32_t c)
{
    const char *folded = fold_typography(c);
    if (folded) {
        put_codes(z, folded);
        return;
    }
    utf8proc_int32_t part[MAX_DECOMPOSED];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, part, MAX_DECOMPOSED,
                                                 UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE, &boundary);
    if (n < 0 || n > MAX_DECOMPOSED) { /* the longest there is has 18 (UAX #15) */
        part[0] = 0xfffd;
        n = 1;
    }
    /* 2 1/2 written with one sign for the half is not 21/2, nor 10 squared 102. */
    int type = (int)utf8proc_get_property(c)->decomp_type;
    if (type == UTF8PROC_DECOMP_TYPE_FRACTION || type == UTF8PROC_DECOMP_TYPE_SUPER)
        put_codes(z, " ");
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if ((folded = fold_typography(part[i])))
            put_codes(z, folded);
        else if (part[i] < 0x80)
            z->code[z->codes++] = fold_ascii((unsigned char)part[i]);
        else
            z->code[z->codes++] = utf8proc_tolower(part[i]);
    }
    if (type == UTF8PROC_DECOMP_TYPE_FRACTION)
        put_codes(z, " ");
}

/* UTF-8 -> decomposed code points. */
static int decode(tok_normalizer *z, kn_str text, kn_error *err)
{
    z->codes = 0;
    for (size_t i = 0; i < text.n;) {
        if (z->code_cap < z->codes + 4 * MAX_DECOMPOSED + 2 &&
            kn_grow(&z->code, &z->code_cap, z->codes + 4 * MAX_DECOMPOSED + 2, sizeof *z->code, err))
            return -1;
        unsigned char first = (unsigned char)text.p[i];
        if (first < 0x80) {
            z->code[z->codes++] = fold_ascii(first);
            i++;
            continue;
        }
        utf8proc_int32_t c;
        size_t left = text.n - i < 4 ? text.n - i : 4;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text.p + i, (utf8proc_ssize_t)left, &c);
        decompose(z, n > 0 ? c : 0xfffd);
        i += n > 0 ? (size_t)n : 1;
    }
    return 0;
}

static int combining_class(int32_t c)
{
    return c < 0x80 ? 0 : utf8proc_get_property(c)->combining_class;
}

/* The canonical ordering of UAX #15: marks by combining class, stable. A run that
 * goes on after MAX_MARKS is cut there by a space in place of the next mark's
 * join, so the text may grow. */
static int order_marks(tok_normalizer *z, kn_error *err)
{
    size_t run = 0, cuts = 0;
    for (size_t i = 0; i < z->codes; i++) { /* count first: room is made once */
        run = combining_class(z->code[i]) ? run + 1 : 0;
        if (run > MAX_MARKS) {
            cuts++;
            run = 1;
        }
    }
    if (kn_grow(&z->code, &z->code_cap, z->codes + cuts, sizeof *z->code, err))
        return -1;
    memmove(z->code + cuts, z->code, z->codes * sizeof *z->code);
    size_t out = 0;
    run = 0;
    for (size_t i = cuts; i < z->codes + cuts; i++) {
        int32_t c = z->code[i];
        int class = combining_class(c);
        run = class ? run + 1 : 0;
        if (run > MAX_MARKS) {
            z->code[out++] = ' ';
            run = 1;
        }
        size_t at = out++;
        for (size_t k = run; k > 1 && combining_class(z->code[at - 1]) > class; k--, at--)
            z->code[at] = z->code[at - 1];
        z->code[at] = c;
    }
    z->codes = out;
    return 0;
}

typedef enum { BLANK, WORD, SYMBOL } kind;

static kind kind_of(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO:
        return WORD;
    case UTF8PROC_CATEGORY_ZS: case UTF8PROC_CATEGORY_ZL: case UTF8PROC_CATEGORY_ZP: case UTF8PROC_CATEGORY_CC:
        return BLANK;
    default:
        return SYMBOL;
    }
}

/* Composed code points -> UTF-8, symbols set apart. */
static int encode(tok_normalizer *z, kn_error *err)
{
    size_t room;
    if (kn_mul(&room, z->codes, 6) || kn_add(&room, room, TOK_AHEAD))
        return kn_fail(err, "a text of %zu characters is more than memory can address", z->codes);
    if (kn_grow(&z->text, &z->cap, room, 1, err))
        return -1;
    z->n = 0;
    for (size_t i = 0; i < z->codes; i++) {
        int32_t c = z->code[i];
        if (c < 0x80) {
            z->text[z->n++] = (char)c;
            continue;
        }
        kind k = kind_of(c);
        if (k != WORD)
            z->text[z->n++] = ' ';
        if (k != BLANK)
            z->n += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)z->text + z->n);
        if (k == SYMBOL)
            z->text[z->n++] = ' ';
    }
    return 0;
}

static int normalize_unicode(tok_normalizer *z, kn_str text, kn_error *err)
{
    if (decode(z, text, err) || order_marks(z, err))
        return -1;
    if (z->codes > PTRDIFF_MAX)
        return kn_fail(err, "a text of %zu characters is too long", z->codes);
    utf8proc_ssize_t n = utf8proc_normalize_utf32(z->code, (utf8proc_ssize_t)z->codes,
                                                  UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (n < 0)
        return kn_fail(err, "cannot normalise text: %s", utf8proc_errmsg(n));
    z->codes = (size_t)n;
    return encode(z, err);
}

int tok_normalize(tok_normalizer *z, kn_str text, kn_error *err)
{
    size_t room;
    if (kn_add(&room, text.n, TOK_AHEAD))
        return kn_fail(err, "a text of %zu bytes is more than memory can address", text.n);
    if (kn_grow(&z->text, &z->cap, room, 1, err))
        return -1;
    unsigned char any = 0;
    char *restrict out = z->text; /* not aliased: many bytes at a time */
    for (size_t i = 0; i < text.n; i++) {
        any |= (unsigned char)text.p[i];
        out[i] = (char)fold_ascii((unsigned char)text.p[i]);
    }
    z->n = text.n;
    if (any & 0x80 && normalize_unicode(z, text, err))
        return -1;
    memset(z->text + z->n, 0, TOK_AHEAD);
    return 0;
}

void tok_normalizer_free(tok_normalizer *z)
{
    kn_free(z->text);
    kn_free(z->code);
    *z = (tok_normalizer){0};
}
