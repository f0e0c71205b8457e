/* embeddings: stores of word vectors.
 *
 * Import (GloVe text, word2vec text and binary, fastText .vec, npy), trim,
 * quantise, save as one safetensors file, open by mmap, look up, nearest. It
 * knows no weights of words and no networks. Start at emb_import and emb_open.
 *
 * The file (a safetensors container whose metadata say `format` =
 * "siam-vectors"; wide types stand first, so that all are aligned in the map):
 *   offsets  [V+1] U64, word i is words[offsets[i] .. offsets[i+1])
 *   slots    [2^k] U32, open addressing by tok_hash, linear probing, UINT32_MAX
 *                  is empty: a look-up needs no table built at start
 *   scale    [V]   F32, only with I8: value = scale[row] * int8
 *   vectors  [V,D] F32, F16 or I8
 *   words    [bytes] U8 */
#ifndef EMB_EMBEDDINGS_H
#define EMB_EMBEDDINGS_H

#include "data/data.h"
#include "tokenize/tokenize.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct emb_store emb_store;

#define EMB_FORMAT "siam-vectors"

/* ---- open, look up ------------------------------------------------------------ */

/* Errors do not name the file (the caller does, as for ds_open). */
emb_store *emb_open(const char *path, kn_error *err);
/* On an already open container (that must outlive the store), e.g. the part of
 * a model file; checks everything a look-up relies on (offsets rise and end
 * inside, slots are rows or empty, scales finite). */
emb_store *emb_from_st(const ds_st *st, kn_error *err);
uint32_t emb_count(const emb_store *e);
size_t emb_dim(const emb_store *e);
ds_dtype emb_dtype(const emb_store *e);
kn_str emb_word(const emb_store *e, uint32_t row);
uint32_t emb_find(const emb_store *e, kn_str word); /* row or TOK_NONE */
void emb_row(const emb_store *e, float *out, uint32_t row); /* out[D], dequantised */
const ds_st *emb_st(const emb_store *e); /* its tensors, to be copied into another file */
void emb_close(emb_store *e);            /* NULL is allowed */

/* The k words nearest by cosine to the vector v[D] (k <= count): rows and
 * similarities, best first, ties by row. */
int emb_nearest(const emb_store *e, uint32_t *rows, float *similarity, const float *v, uint32_t k, kn_pool *pool,
                kn_error *err) KN_MUST_CHECK;

/* ---- import ----------------------------------------------------------------------- */

typedef struct emb_import_options {
    uint64_t limit;        /* first rows of the source only; 0: all */
    const tok_vocab *keep; /* only these words; NULL: all */
    ds_dtype dtype;        /* DS_F32, DS_F16 or DS_I8 */
    bool skip_bad;         /* malformed lines are counted, not an error */
    void (*progress)(void *arg, uint64_t rows, uint64_t done, uint64_t total);
    void *arg;
} emb_import_options;

typedef struct emb_import_report {
    uint64_t lines; /* rows read = kept + duplicates + rejected + not_wanted */
    uint64_t kept, duplicates, rejected, not_wanted;
    char first_rejection[256];
    const char *kind; /* "GloVe text", "word2vec text", "word2vec binary", "npy", "store" */
    size_t dim;
} emb_import_report;

/* Reads source (ds_open, so gz and zip too; "-" is stdin) and saves a store at
 * path. Of a word seen twice the first counts. NaN, infinity, a short or long
 * line, a last line without its newline are errors that name file, line and byte.
 * Parses in parallel on pool (nullable); the bytes written do not depend on it.
 * Memory: the store, not the source. */
int emb_import(const char *source, const char *path, const emb_import_options *o, kn_pool *pool,
               emb_import_report *report, kn_error *err) KN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
