/* Word vectors as text: GloVe's, word2vec's and fastText's .vec.
 *
 * A line is a word and D numbers. The text is read a block at a time; a block is
 * cut into shares of fixed size, whose lines the pool parses, and the rows then
 * go into the store in the order of the file. */
#include <math.h>
#include <string.h>

#include "embeddings/import.h"

enum { BLOCK = 4 << 20, SHARE = 128 << 10, SAMPLE = 1000 /* lines that tell the width */ };

typedef struct row {
    kn_str line, word; /* word.p is NULL when the line is malformed */
} row;

typedef struct share {
    const char *from, *to; /* whole lines */
    row *row;
    size_t rows, row_room;
    float *x; /* [rows, dim] */
    size_t x_room;
    kn_error err; /* out of memory */
    bool failed;
} share;

typedef struct block {
    emb_build *b;
    const ds_window *w;
    uint64_t header_lines; /* 0 or 1: lines before the first row */
    share *share;
    size_t shares, share_room;
} block;

/* ---- a line ------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the last field off *line and the blanks before it; false when none is left. */
static bool cut_last(kn_str *line, kn_str *field)
{
    const char *end = line->p + line->n, *p;
    for (p = end; p > line->p && !is_blank(p[-1]); p--)
        continue;
    *field = (kn_str){p, (size_t)(end - p)};
    while (p > line->p && is_blank(p[-1]))
        p--;
    line->n = (size_t)(p - line->p);
    return field->n > 0;
}

static bool is_number(kn_str field)
{
    float x;
    return field.n && emb_parse_float(&x, field.p, field.p + field.n) == field.p + field.n;
}

static size_t count_fields(kn_str line)
{
    kn_str field;
    size_t n = 0;
    while (cut_last(&line, &field))
        n++;
    return n;
}

/* "WORD NUMBER ... NUMBER", which all but a few lines are: true and done. */
static bool parse_plain(kn_str *word, float *x, size_t dim, kn_str line)
{
    const char *p = line.p, *end = line.p + line.n;
    while (p < end && !is_blank(*p))
        p++;
    *word = (kn_str){line.p, (size_t)(p - line.p)};
    for (size_t i = 0; i < dim; i++) {
        if (p == end || !is_blank(*p) || !(p = emb_parse_float(&x[i], p + 1, end)) || !isfinite(x[i]))
            return false;
    }
    return p == end && word->n;
}

/* Any line: the numbers are counted from the right, since a word may hold spaces
 * (GloVe 840B has such). A word that would end in a further number is a line with
 * too many. */
static int parse_line(kn_str *word, float *x, size_t dim, kn_str line, kn_error *err)
{
    kn_str field, whole;
    while (line.n && is_blank(line.p[line.n - 1])) /* fastText ends lines with a space */
        line.n--;
    if (parse_plain(word, x, dim, line))
        return 0;
    size_t fields = count_fields(line);
    if (fields <= dim)
        return kn_fail(err, "%zu numbers behind the word where %zu are expected", fields ? fields - 1 : 0, dim);
    for (size_t i = dim; i-- > 0;) {
        cut_last(&line, &field);
        if (emb_parse_float(&x[i], field.p, field.p + field.n) != field.p + field.n || !isfinite(x[i]))
            return kn_fail(err, "number %zu of %zu is \"%.*s\", which is no finite number", i + 1, dim,
                           (int)(field.n < 40 ? field.n : 40), field.p);
    }
    *word = whole = line;
    if (cut_last(&whole, &field) && whole.n && is_number(field))
        return kn_fail(err, "more than %zu numbers behind the word", dim);
    return 0;
}

/* ---- the width -------------------------------------------------------------------- */

/* How many numbers end the line; its first field is the word. */
static size_t count_numbers(kn_str line)
{
    kn_str field;
    size_t n = 0;
    while (cut_last(&line, &field) && line.n && is_number(field))
        n++;
    return n;
}

/* What most of the first lines have; of equally many the longer, so that the
 * others are refused rather than their numbers taken for words. */
static size_t find_dim(const char *p, const char *end)
{
    size_t numbers[SAMPLE], n = 0, best = 0, best_votes = 0;
    for (const char *newline; n < SAMPLE && p < end && (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
        kn_str line = {p, (size_t)(newline - p)};
        while (line.n && (is_blank(line.p[line.n - 1]) || line.p[line.n - 1] == '\r'))
            line.n--;
        numbers[n++] = count_numbers(line);
    }
    for (size_t i = 0; i < n; i++) {
        size_t votes = 0;
        for (size_t k = 0; k < n; k++)
            votes += numbers[k] == numbers[i];
        if (votes > best_votes || (votes == best_votes && numbers[i] > best)) {
            best = numbers[i];
            best_votes = votes;
        }
    }
    return best;
}

/* ---- a block ----------------------------------------------------------------------- */

static int parse_share(share *s, size_t dim, bool skip_bad)
{
    s->rows = 0;
    for (const char *p = s->from, *newline; p < s->to; p = newline + 1) {
        newline = memchr(p, '\n', (size_t)(s->to - p));
        if (kn_grow(&s->row, &s->row_room, s->rows + 1, sizeof *s->row, &s->err) ||
            kn_grow(&s->x, &s->x_room, (s->rows + 1) * dim, sizeof *s->x, &s->err))
            return -1;
        row *r = &s->row[s->rows];
        r->line = (kn_str){p, (size_t)(newline - p) - (newline > p && newline[-1] == '\r')};
        bool bad = parse_line(&r->word, s->x + s->rows * dim, dim, r->line, NULL);
        if (bad)
            r->word.p = NULL;
        s->rows++;
        if (bad && !skip_bad) /* nothing behind it will be used */
            break;
    }
    return 0;
}

static void do_share(void *arg, size_t task, int worker)
{
    (void)worker;
    block *k = arg;
    share *s = &k->share[task];
    s->failed = parse_share(s, k->b->dim, k->b->o->skip_bad) != 0;
}

/* Cuts p[0..n), whole lines, into shares of about SHARE bytes. */
static int cut_block(block *k, const char *p, size_t n, kn_error *err)
{
    const char *end = p + n;
    for (k->shares = 0; p < end; k->shares++) {
        if (kn_grow(&k->share, &k->share_room, k->shares + 1, sizeof *k->share, err))
            return -1;
        share *s = &k->share[k->shares];
        s->from = p;
        p = end - p > SHARE ? (const char *)memchr(p + SHARE, '\n', (size_t)(end - p - SHARE)) + 1 : end;
        s->to = p;
    }
    return 0;
}

/* "line 7, byte 512: " before what is wrong with the line at p. */
static void name_line(kn_error *why, const block *k, const char *p)
{
    kn_fail_prefix(why, "line %llu, byte %llu", (unsigned long long)(k->header_lines + k->b->report->lines + 1),
                   (unsigned long long)(k->w->offset + (uint64_t)(p - (k->w->p + k->w->start))));
}

static int add_row(const block *k, const row *r, float *x, kn_error *err)
{
    kn_error why;
    kn_str word;
    if (r->word.p)
        return emb_build_add(k->b, r->word, x, err);
    if (parse_line(&word, x, k->b->dim, r->line, &why)) /* once more, for the sentence */
        name_line(&why, k, r->line.p);
    return emb_build_reject(k->b, &why, err);
}

/* Parses the n bytes of whole lines at the window's start and adds their rows. */
static int read_block(block *k, size_t n, kn_pool *pool, kn_error *err)
{
    if (cut_block(k, k->w->p + k->w->start, n, err))
        return -1;
    kn_parallel(pool, k->shares, do_share, k);
    for (size_t i = 0; i < k->shares; i++) {
        share *s = &k->share[i];
        for (size_t r = 0; r < s->rows; r++) {
            if (emb_build_full(k->b))
                return 0;
            if (add_row(k, &s->row[r], s->x + r * k->b->dim, err))
                return -1;
        }
        if (s->failed)
            return kn_fail(err, "%s", s->err.text);
    }
    return 0;
}

/* ---- the file ----------------------------------------------------------------------- */

/* What is left when no whole line is: nothing, or a line that was cut short. */
static int read_rest(const block *k, kn_error *err)
{
    kn_error why;
    size_t held = k->w->end - k->w->start;
    if (!held || emb_build_full(k->b))
        return 0;
    if (held >= BLOCK)
        kn_fail(&why, "longer than %d MiB: is this a text file?", BLOCK >> 20);
    else
        kn_fail(&why, "the file ends inside this line: it was cut short (a whole last line ends with a newline)");
    name_line(&why, k, k->w->p + k->w->start);
    return held >= BLOCK ? kn_fail(err, "%s", why.text) : emb_build_reject(k->b, &why, err);
}

static int read_lines(block *k, ds_window *w, kn_pool *pool, kn_error *err)
{
    while (!emb_build_full(k->b)) {
        if (emb_want(w, BLOCK, err))
            return -1;
        const char *p = w->p + w->start, *last = memrchr(p, '\n', w->end - w->start);
        if (!last)
            break;
        size_t n = (size_t)(last - p) + 1;
        if (read_block(k, n, pool, err))
            return -1;
        ds_window_drop(w, n);
        emb_build_progress(k->b, w->stream);
    }
    return read_rest(k, err);
}

int emb_read_text(emb_build *b, ds_window *w, const emb_header *h, kn_pool *pool, kn_error *err)
{
    block k = {.b = b, .w = w, .header_lines = h->dim != 0};
    if (emb_want(w, BLOCK, err))
        return -1;
    uint64_t dim = h->dim ? h->dim : find_dim(w->p + w->start, w->p + w->end);
    if (!dim)
        return kn_fail(err, "no line is a word and numbers: is this a file of word vectors?");
    int rc = emb_build_dim(b, dim, err);
    if (!rc)
        rc = read_lines(&k, w, pool, err);
    for (size_t i = 0; i < k.share_room; i++) {
        kn_free(k.share[i].row);
        kn_free(k.share[i].x);
    }
    kn_free(k.share);
    if (!rc && h->dim && !emb_build_full(b) && b->report->lines != h->words)
        rc = kn_fail(err, "its first line promises %llu words, %llu follow: the file is not whole",
                     (unsigned long long)h->words, (unsigned long long)b->report->lines);
    return rc;
}
