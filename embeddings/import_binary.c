/* Word vectors that stand as numbers and not as text: word2vec's binary form, an
 * npy array with its words beside it, a store of our own. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "embeddings/import.h"

enum { MAX_WORD = 1 << 16, READ_AHEAD = 1 << 20 };

/* ---- word2vec: "WORD " and D floats, and a newline that some writers leave out ------ */

/* The next word and its vector; *n is the bytes that both take. */
static int find_vector(const ds_window *w, const emb_header *h, uint64_t number, kn_str *word, size_t *n, kn_error *err)
{
    const char *p = w->p + w->start;
    size_t held = w->end - w->start, skip = held && *p == '\n', vector = (size_t)h->dim * sizeof(float);
    const char *space = memchr(p, ' ', held < MAX_WORD ? held : MAX_WORD);
    if (!space && held >= MAX_WORD)
        return kn_fail(err, "vector %llu, byte %llu: no word ends here", (unsigned long long)number,
                       (unsigned long long)w->offset);
    if (!space || held - (size_t)(space + 1 - p) < vector)
        return kn_fail(err, "the file ends inside vector %llu of %llu: it was cut short", (unsigned long long)number,
                       (unsigned long long)h->words);
    *word = (kn_str){p + skip, (size_t)(space - p) - skip};
    *n = (size_t)(space + 1 - p) + vector;
    return 0;
}

static int read_vectors(emb_build *b, ds_window *w, const emb_header *h, float *x, kn_error *err)
{
    size_t vector = b->dim * sizeof *x, n = 0;
    kn_str word;
    for (uint64_t i = 1; i <= h->words && !emb_build_full(b); i++) {
        if (w->end - w->start < MAX_WORD + vector && emb_want(w, READ_AHEAD + vector, err))
            return -1;
        if (find_vector(w, h, i, &word, &n, err))
            return -1;
        memcpy(x, w->p + w->start + n - vector, vector);
        if (emb_build_add(b, word, x, err))
            return -1;
        ds_window_drop(w, n);
        if (i % 4096 == 0)
            emb_build_progress(b, w->stream);
    }
    if (emb_build_full(b))
        return 0;
    if (emb_want(w, 2, err))
        return -1;
    size_t rest = w->end - w->start;
    return rest && !(rest == 1 && w->p[w->start] == '\n')
               ? kn_fail(err, "byte %llu: more follows the %llu vectors that the first line promises",
                         (unsigned long long)w->offset, (unsigned long long)h->words)
               : 0;
}

int emb_read_binary(emb_build *b, ds_window *w, const emb_header *h, kn_error *err)
{
    if (emb_build_dim(b, h->dim, err))
        return -1;
    float *x = kn_alloc(b->dim, sizeof *x, err);
    int rc = x ? read_vectors(b, w, h, x, err) : -1;
    kn_free(x);
    return rc;
}

/* ---- npy ----------------------------------------------------------------------------- */

/* The words of NAME.npy, a line each, are in NAME.words or NAME.txt. */
static ds_stream *open_words(const char *path, kn_error *err)
{
    static const char *const endings[] = {".words", ".txt"};
    size_t n = strlen(path);
    kn_buf name = {0};
    ds_stream *s = NULL;
    int found = 0;
    if (n > 4 && !strcmp(path + n - 4, ".npy"))
        n -= 4;
    for (int i = 0; i < 2 && !found; i++) {
        name.n = 0;
        if (kn_buf_add(&name, path, n, err) || kn_buf_add(&name, endings[i], strlen(endings[i]) + 1, err))
            break;
        found = access(name.p, F_OK) == 0;
        if (found && !(s = ds_open(name.p, err)))
            kn_fail_prefix(err, "%s", name.p);
    }
    if (!found)
        kn_fail(err, "an array has no words: they are expected, one a line, in %.*s.words or %.*s.txt", (int)n, path,
                (int)n, path);
    kn_buf_free(&name);
    return s;
}

static int add_rows(emb_build *b, const float *x, size_t rows, ds_stream *s, kn_error *err)
{
    kn_str word;
    ds_lines *l = ds_lines_new(s, err);
    int more = l ? 1 : -1;
    for (size_t i = 0; more > 0 && i < rows && !emb_build_full(b); i++) {
        more = ds_line(l, &word, NULL, err);
        if (more > 0 && emb_build_add(b, word, x + i * b->dim, err))
            more = -1;
        if (!more)
            more = kn_fail(err, "%s has %zu words for an array of %zu rows", ds_name(s), i, rows);
    }
    if (more > 0 && !emb_build_full(b) && (more = ds_line(l, &word, NULL, err)) > 0)
        more = kn_fail(err, "%s has more words than the array's %zu rows", ds_name(s), rows);
    ds_lines_free(l);
    return more < 0 ? -1 : 0;
}

int emb_read_npy(emb_build *b, const char *path, kn_error *err)
{
    size_t rows, dim;
    float *x = ds_npy_read(path, &rows, &dim, err);
    ds_stream *words = x ? open_words(path, err) : NULL;
    int rc = words ? emb_build_dim(b, dim, err) : -1;
    if (!rc)
        rc = add_rows(b, x, rows, words, err);
    ds_close(words);
    kn_free(x);
    return rc;
}

/* ---- a store: to trim it or to store it smaller ------------------------------------------ */

int emb_read_store(emb_build *b, const char *path, kn_error *err)
{
    emb_store *e = emb_open(path, err);
    float *x = NULL;
    int rc = e ? emb_build_dim(b, emb_dim(e), err) : -1;
    if (!rc && !(x = kn_alloc(b->dim, sizeof *x, err)))
        rc = -1;
    for (uint32_t row = 0; !rc && row < emb_count(e) && !emb_build_full(b); row++) {
        emb_row(e, x, row);
        rc = emb_build_add(b, emb_word(e, row), x, err);
    }
    kn_free(x);
    emb_close(e);
    return rc;
}
