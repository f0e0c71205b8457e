/* Importing word vectors: what kind of source it is, told by its first bytes,
 * and the way from it to a saved store. */
#include <string.h>

#include "embeddings/import.h"

enum { FIRST = 1 << 20 }; /* bytes looked at */

int emb_want(ds_window *w, size_t n, kn_error *err)
{
    int more = 1;
    while (more > 0 && w->end - w->start < n)
        more = ds_window_fill(w, err);
    return more < 0 ? -1 : 0;
}

/* ---- recognising ----------------------------------------------------------------- */

static bool begins(const ds_window *w, size_t at, const char *bytes, size_t n)
{
    return w->end - w->start >= at + n && !memcmp(w->p + w->start + at, bytes, n);
}

/* Cuts the line off *text; false when no newline is left. */
static bool cut_line(kn_str *text, kn_str *line)
{
    const char *newline = text->n ? memchr(text->p, '\n', text->n) : NULL;
    if (!newline)
        return false;
    *line = (kn_str){text->p, (size_t)(newline - text->p)};
    text->p = newline + 1;
    text->n -= line->n + 1;
    return true;
}

static kn_str trimmed(kn_str s)
{
    while (s.n && strchr(" \t\r", s.p[s.n - 1]) && s.p[s.n - 1])
        s.n--;
    return s;
}

/* Takes the header line off the window if it is there. */
static void take_header(ds_window *w, emb_header *h)
{
    kn_str text = {w->p + w->start, w->end - w->start}, line;
    int64_t words, dim;
    *h = (emb_header){0};
    if (!cut_line(&text, &line))
        return;
    kn_str all = trimmed(line);
    const char *space = all.n ? memchr(all.p, ' ', all.n) : NULL;
    if (!space || kn_parse_i64(&words, (kn_str){all.p, (size_t)(space - all.p)}, 0, INT64_MAX) ||
        kn_parse_i64(&dim, (kn_str){space + 1, all.n - (size_t)(space + 1 - all.p)}, 1, INT64_MAX))
        return;
    *h = (emb_header){(uint64_t)words, (uint64_t)dim};
    ds_window_drop(w, line.n + 1);
}

/* Behind a header: text, unless the first line does not end in a number and the
 * place of the first vector holds bytes that no text has. */
static bool is_binary(const ds_window *w, const emb_header *h)
{
    kn_str text = {w->p + w->start, w->end - w->start}, rest = text, line = text;
    cut_line(&rest, &line);
    line = trimmed(line);
    const char *end = line.p + line.n, *last = end, *space = text.n ? memchr(text.p, ' ', text.n) : NULL;
    float x;
    while (last > line.p && last[-1] != ' ' && last[-1] != '\t')
        last--;
    if (!space || (last > line.p && emb_parse_float(&x, last, end) == end))
        return false;
    const char *p = space + 1, *stop = text.p + text.n;
    if ((uint64_t)(stop - p) / sizeof(float) > h->dim)
        stop = p + h->dim * sizeof(float);
    for (; p < stop; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x7f || (c < ' ' && c != '\n' && c != '\r' && c != '\t'))
            return true;
    }
    return false;
}

/* ---- reading ------------------------------------------------------------------------ */

static int read_source(emb_build *b, ds_window *w, const char *path, kn_pool *pool, kn_error *err)
{
    emb_header h;
    const char **kind = &b->report->kind;
    if (emb_want(w, FIRST, err))
        return -1;
    bool npy = begins(w, 0, "\x93NUMPY", 6), store = begins(w, 8, "{\"", 2) && begins(w, 4, "\0\0\0\0", 4);
    if (npy || store) {
        *kind = npy ? "npy" : "store";
        if (!path)
            return kn_fail(err, "an array or a store is read from a file that has a name, not from a pipe");
        return npy ? emb_read_npy(b, path, err) : emb_read_store(b, path, err);
    }
    if (begins(w, 0, "\xba\x16\x4f\x2f", 4)) /* the number 793712314 of fastText's model files */
        return kn_fail(err, "a fastText model (.bin): its vectors are in the .vec file that fastText writes beside it");
    take_header(w, &h);
    if (h.dim && is_binary(w, &h)) {
        *kind = "word2vec binary";
        return emb_read_binary(b, w, &h, err);
    }
    *kind = h.dim ? "word2vec text" : "GloVe text";
    return emb_read_text(b, w, &h, pool, err);
}

int emb_read(emb_build *b, ds_stream *s, const char *path, kn_pool *pool, kn_error *err)
{
    ds_window w = {0};
    int rc = ds_window_open(&w, s, err);
    if (!rc)
        rc = read_source(b, &w, path, pool, err);
    if (!rc && !b->report->kept)
        rc = kn_fail(err, "none of its %llu rows is %s", (unsigned long long)b->report->lines,
                     b->report->not_wanted ? "a wanted word" : "a word with a vector");
    kn_free(w.p);
    return rc;
}

int emb_import(const char *source, const char *path, const emb_import_options *o, kn_pool *pool,
               emb_import_report *report, kn_error *err)
{
    emb_build b;
    ds_stream *s = NULL;
    int rc = emb_build_open(&b, o, report, err);
    if (!rc) {
        s = ds_open(source, err);
        rc = s ? emb_read(&b, s, strcmp(source, "-") ? source : NULL, pool, err) : -1;
        if (rc)
            kn_fail_prefix(err, "%s", s ? ds_name(s) : source);
    }
    ds_close(s);
    if (!rc)
        rc = emb_build_save(&b, path, err);
    emb_build_close(&b);
    return rc;
}
