/* Between the importers of embeddings/ only. */
#ifndef EMB_IMPORT_H
#define EMB_IMPORT_H

#include "data/window.h"
#include "embeddings/embeddings.h"

enum { EMB_MAX_DIM = 1 << 16 };

/* ---- number.c ------------------------------------------------------------------ */

/* The decimal number at p, as strtof would round it (overflow is infinite):
 * where it ends, or NULL when no number is there. */
const char *emb_parse_float(float *out, const char *p, const char *end);

/* ---- a store being filled: build.c ------------------------------------------------ */

typedef struct emb_build {
    const emb_import_options *o;
    emb_import_report *report;
    size_t dim;
    tok_vocab *words;
    kn_buf rows;    /* encoded */
    kn_buf scale;   /* a float a row, only for DS_I8 */
    void *scratch;  /* one row while it is encoded */
} emb_build;

int emb_build_open(emb_build *b, const emb_import_options *o, emb_import_report *report, kn_error *err) KN_MUST_CHECK;
/* Every source says its width once, before the first word. */
int emb_build_dim(emb_build *b, uint64_t dim, kn_error *err) KN_MUST_CHECK;
/* The next row of the source. One that is repeated or not wanted is counted;
 * numbers that cannot be stored make it malformed. */
int emb_build_add(emb_build *b, kn_str word, const float *x, kn_error *err) KN_MUST_CHECK;
/* The next row is malformed, as `why` says: counted when such may be skipped,
 * else -1 and why is the error. */
int emb_build_reject(emb_build *b, const kn_error *why, kn_error *err) KN_MUST_CHECK;
bool emb_build_full(const emb_build *b); /* has the limit been reached? */
void emb_build_progress(const emb_build *b, const ds_stream *s);
int emb_build_save(const emb_build *b, const char *path, kn_error *err) KN_MUST_CHECK;
void emb_build_close(emb_build *b);

/* ---- sources ------------------------------------------------------------------------ */

/* Reads all of s, whatever it is. path: the file's name, or NULL when s has none. */
int emb_read(emb_build *b, ds_stream *s, const char *path, kn_pool *pool, kn_error *err) KN_MUST_CHECK;

/* "WORDS DIM", the first line of word2vec's and fastText's files. */
typedef struct emb_header {
    uint64_t words, dim; /* dim 0: there was no such line */
} emb_header;

/* Makes the window hold at least n bytes unless the stream ends before: 0 or -1. */
int emb_want(ds_window *w, size_t n, kn_error *err) KN_MUST_CHECK;
/* Both read on behind the header line. */
int emb_read_text(emb_build *b, ds_window *w, const emb_header *h, kn_pool *pool, kn_error *err) KN_MUST_CHECK;
int emb_read_binary(emb_build *b, ds_window *w, const emb_header *h, kn_error *err) KN_MUST_CHECK;
int emb_read_npy(emb_build *b, const char *path, kn_error *err) KN_MUST_CHECK;
int emb_read_store(emb_build *b, const char *path, kn_error *err) KN_MUST_CHECK;

#endif
