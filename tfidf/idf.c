/* In how many documents does each word occur? */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tfidf/tfidf.h"

typedef struct count {
    uint64_t df;
    uint64_t last; /* number of the document it was last seen in: counted once there */
} count;

struct idf_table {
    tok_vocab *words;
    count *count; /* [words] */
    size_t cap;
    uint64_t documents, added; /* added: of them by idf_add */
    uint32_t *id;              /* of the document at hand */
    size_t id_cap;
};

idf_table *idf_new(kn_error *err)
{
    idf_table *t = kn_alloc(1, sizeof *t, err);
    if (t && !(t->words = tok_vocab_new(err))) {
        kn_free(t);
        return NULL;
    }
    return t;
}

void idf_free(idf_table *t)
{
    if (!t)
        return;
    tok_vocab_free(t->words);
    kn_free(t->count);
    kn_free(t->id);
    kn_free(t);
}

/* A count for each word there is. */
static int make_counts(idf_table *t, kn_error *err)
{
    return kn_grow(&t->count, &t->cap, idf_words(t), sizeof *t->count, err);
}

int idf_add(idf_table *t, const kn_str *tokens, size_t n, kn_error *err)
{
    if (idf_add_documents(t, 1, err) || kn_grow(&t->id, &t->id_cap, n, sizeof *t->id, err) ||
        tok_vocab_add_all(t->words, t->id, tokens, n, err) || make_counts(t, err))
        return -1;
    t->added++;
    for (size_t i = 0; i < n; i++) {
        count *c = &t->count[t->id[i]];
        c->df += c->last != t->added;
        c->last = t->added;
    }
    return 0;
}

int idf_add_documents(idf_table *t, uint64_t documents, kn_error *err)
{
    if (documents > INT64_MAX - t->documents)
        return kn_fail(err, "more than 2^63 documents");
    t->documents += documents;
    return 0;
}

int idf_add_word(idf_table *t, kn_str word, uint64_t df, kn_error *err)
{
    uint32_t id = tok_vocab_add(t->words, word, err);
    if (id == TOK_NONE || make_counts(t, err))
        return -1;
    count *c = &t->count[id];
    if (df > t->documents - c->df)
        return kn_fail(err, "\"%.*s\" is in more documents than there are", (int)(word.n < 80 ? word.n : 80), word.p);
    c->df += df;
    return 0;
}

uint64_t idf_documents(const idf_table *t)
{
    return t->documents;
}

uint32_t idf_words(const idf_table *t)
{
    return tok_vocab_size(t->words);
}

uint64_t idf_df(const idf_table *t, kn_str word)
{
    uint32_t id = tok_vocab_find(t->words, word);
    return id == TOK_NONE ? 0 : t->count[id].df;
}

double idf_value(uint64_t documents, uint64_t df)
{
    return log((1 + (double)documents) / (1 + (double)df)) + 1;
}

/* ---- as text ------------------------------------------------------------------ */

static const char head[] = "# siam-idf n=", between[] = " words=";

typedef struct entry {
    kn_str word;
    uint64_t df;
} entry;

static int by_df_then_word(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return x->df != y->df ? (x->df < y->df) - (x->df > y->df) : kn_str_cmp(x->word, y->word);
}

int idf_print(const idf_table *t, kn_buf *out, kn_error *err)
{
    size_t n = idf_words(t);
    entry *e = kn_alloc(n, sizeof *e, err);
    if (!e)
        return -1;
    for (size_t i = 0; i < n; i++)
        e[i] = (entry){tok_vocab_word(t->words, (uint32_t)i), t->count[i].df};
    qsort(e, n, sizeof *e, by_df_then_word);
    int rc = kn_buf_addf(out, err, "%s%" PRIu64 "%s%zu\n", head, t->documents, between, n);
    kn_buf rest = {0}; /* of a line; words with the same df share it */
    for (size_t i = 0; i < n && !rc; i++) {
        if (i == 0 || e[i].df != e[i - 1].df) {
            rest.n = 0;
            rc = kn_buf_addf(&rest, err, "\t%" PRIu64 "\t%.17g\n", e[i].df, idf_value(t->documents, e[i].df));
        }
        if (rc || kn_buf_add(out, e[i].word.p, e[i].word.n, err) || kn_buf_add(out, rest.p, rest.n, err))
            rc = -1;
    }
    kn_buf_free(&rest);
    kn_free(e);
    return rc;
}

static bool parse_count(uint64_t *out, kn_str s, uint64_t lo, uint64_t hi)
{
    int64_t v;
    if (kn_parse_i64(&v, s, (int64_t)lo, (int64_t)hi))
        return false;
    *out = (uint64_t)v;
    return true;
}

/* The first line: documents and how many words follow. */
static int read_head(idf_table *t, uint64_t *words, kn_str line, kn_error *err)
{
    const size_t skip = sizeof head - 1;
    bool ours = line.n > skip && !memcmp(line.p, head, skip);
    const char *n = line.p + (ours ? skip : 0), *end = line.p + line.n;
    const char *gap = ours ? memmem(n, (size_t)(end - n), between, sizeof between - 1) : NULL;
    const char *w = gap ? gap + sizeof between - 1 : end;
    if (!gap || !parse_count(&t->documents, (kn_str){n, (size_t)(gap - n)}, 0, INT64_MAX) ||
        !parse_count(words, (kn_str){w, (size_t)(end - w)}, 0, TOK_MAX_WORDS))
        return kn_fail(err, "this is no idf table: it would start with \"%sDOCUMENTS%sWORDS\" (siam-tfidf makes one)",
                       head, between);
    return 0;
}

static int read_word(idf_table *t, kn_str line, kn_error *err)
{
    const char *a = memchr(line.p, '\t', line.n), *end = line.p + line.n;
    const char *b = a ? memchr(a + 1, '\t', (size_t)(end - a - 1)) : NULL;
    uint64_t df;
    double idf;
    if (!b || a == line.p || !parse_count(&df, (kn_str){a + 1, (size_t)(b - a - 1)}, 1, t->documents) ||
        kn_parse_f64(&idf, (kn_str){b + 1, (size_t)(end - b - 1)}, 0, 1e3))
        return kn_fail(err, "not \"WORD tab DF tab IDF\" with DF from 1 to %" PRIu64, t->documents);
    kn_str word = {line.p, (size_t)(a - line.p)};
    if (!(fabs(idf - idf_value(t->documents, df)) <= 1e-6))
        return kn_fail(err, "the idf of \"%.*s\" is not that of %" PRIu64 " in %" PRIu64 " documents: %.17g",
                       (int)(word.n < 80 ? word.n : 80), word.p, df, t->documents, idf_value(t->documents, df));
    if (idf_df(t, word))
        return kn_fail(err, "\"%.*s\" a second time", (int)(word.n < 80 ? word.n : 80), word.p);
    return idf_add_word(t, word, df, err);
}

static int read_table(idf_table *t, ds_lines *l, kn_error *err)
{
    kn_str line = {"", 0};
    uint64_t words = 0;
    bool newline, whole = true; /* did the last line have its newline? */
    int more = ds_line(l, &line, &newline, err);
    if (more < 0 || read_head(t, &words, line, err))
        return -1;
    while (more && (more = ds_line(l, &line, &newline, err)) > 0) {
        if (read_word(t, line, err))
            return kn_fail_prefix(err, "line %" PRIu64, ds_line_number(l));
        whole = newline;
    }
    if (!more && (!whole || idf_words(t) != words))
        return kn_fail(err, "the table ends in line %" PRIu64 ", not after %" PRIu64 " words: it was cut short",
                       ds_line_number(l), words);
    return more;
}

idf_table *idf_read(ds_stream *s, kn_error *err)
{
    idf_table *t = idf_new(err);
    ds_lines *l = t ? ds_lines_new(s, err) : NULL;
    int rc = l ? read_table(t, l, err) : -1;
    ds_lines_free(l);
    if (rc) {
        idf_free(t);
        return NULL;
    }
    return t;
}
