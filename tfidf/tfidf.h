/* tfidf: document frequencies -> idf; question -> vector.
 *
 * Two things: the idf table (count, save, load) and the *recipe*, all that turns
 * a question's text into a vector: tokenizer profile, word vectors, idf, pools.
 * A recipe is saved as bytes that a model file carries without looking inside.
 * It knows no networks. Start at idf_recipe_embed. */
#ifndef IDF_TFIDF_H
#define IDF_TFIDF_H

#include "embeddings/embeddings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- document frequencies: idf.c ------------------------------------------------- */

/* A document is one question (each of a pair's two, every time it is read). */
typedef struct idf_table idf_table;

idf_table *idf_new(kn_error *err);
/* Counts one document of n tokens. */
int idf_add(idf_table *t, const kn_str *tokens, size_t n, kn_error *err) KN_MUST_CHECK;
/* Adds what was counted elsewhere: documents, and df documents with word. */
int idf_add_documents(idf_table *t, uint64_t documents, kn_error *err) KN_MUST_CHECK;
int idf_add_word(idf_table *t, kn_str word, uint64_t df, kn_error *err) KN_MUST_CHECK;
uint64_t idf_documents(const idf_table *t);
uint32_t idf_words(const idf_table *t);
uint64_t idf_df(const idf_table *t, kn_str word); /* 0 when unseen */
/* idf = ln((1+n)/(1+df)) + 1: scikit-learn's TfidfTransformer, smooth_idf=True. */
double idf_value(uint64_t documents, uint64_t df);
/* First line `# siam-idf n=DOCUMENTS words=WORDS`, then a line `word df idf` each,
 * tab separated, sorted by df (most first), then word (bytes). idf is printed so
 * that it reads back exactly, though n and df alone decide. Appends to out. */
int idf_print(const idf_table *t, kn_buf *out, kn_error *err) KN_MUST_CHECK;
/* Reads that form in any order of words; what does not parse, a word seen twice, an
 * idf that is not that of n and df, and a table cut short are errors that name the
 * line. */
idf_table *idf_read(ds_stream *s, kn_error *err);
void idf_free(idf_table *t);

/* ---- question -> vector: recipe.c ----------------------------------------------------
 *
 * With v the vectors of a question's known tokens (each as often as it stands
 * there) and idf their weights, the pools are
 *   idf-mean  sum idf v / sum idf      mean  sum v / count
 *   sum       sum idf v                max   the largest of each coordinate
 * and a recipe's vector is its pools' results one behind the other. */

typedef struct idf_recipe idf_recipe;

/* 0, or -1 and the sentence that says why no recipe has such pools. They are
 * "idf-mean", "mean", "max", "sum" or any of them joined by "+": "idf-mean+max". */
int idf_pools_check(const char *pools, kn_error *err) KN_MUST_CHECK;
/* The store must outlive the recipe; of idf it takes what it needs. A word of the
 * store that idf has not seen weighs as one with df 0. */
idf_recipe *idf_recipe_new(const char *profile, const emb_store *store, const idf_table *idf, const char *pools,
                           kn_error *err);
/* From bytes of idf_recipe_bytes, used in place (64-byte aligned, must outlive
 * the recipe). */
idf_recipe *idf_recipe_open(const void *p, size_t n, kn_error *err);
/* Appends a safetensors file: the store's tensors, `idf` [V] F32, metadata
 * `format` = "siam-recipe", `profile`, `pools`. The same recipe gives the same bytes. */
int idf_recipe_bytes(const idf_recipe *r, kn_buf *out, kn_error *err) KN_MUST_CHECK;
size_t idf_recipe_dim(const idf_recipe *r); /* D x number of pools */
const char *idf_recipe_pools(const idf_recipe *r);
const char *idf_recipe_profile(const idf_recipe *r);
const emb_store *idf_recipe_store(const idf_recipe *r);
/* out[dim] of a tokenised question (its tokens). Tokens without a vector do not
 * count; with none known out is zero. *known (nullable) = tokens with a vector. */
void idf_recipe_pool(const idf_recipe *r, float *out, const kn_str *tokens, size_t n, size_t *known);
/* The same of tokens that are numbers of words: row[id] is where word id is in the
 * store, or TOK_NONE. */
void idf_recipe_pool_ids(const idf_recipe *r, float *out, const uint32_t *row, const uint32_t *id, size_t n,
                         size_t *known);
/* The same from raw text; t is a tokenizer of the recipe's profile. */
int idf_recipe_embed(const idf_recipe *r, tok_tokenizer *t, float *out, kn_str text, size_t *known,
                     kn_error *err) KN_MUST_CHECK;
void idf_recipe_free(idf_recipe *r);

/* ---- a whole set of pairs: features.c -------------------------------------------------- */

/* Vectors of all distinct questions of a set of pairs, kept once each: questions
 * with the same tokens are one. */
typedef struct idf_features {
    size_t pairs, questions, dim;
    float *x;               /* [questions, dim] */
    uint32_t *q1, *q2;      /* [pairs] rows of x */
    float *label;           /* [pairs] 0 or 1 */
    uint64_t tokens, known; /* over all questions as read: coverage */
    uint64_t empty;         /* questions as read with no known word */
    uint64_t read, rejected; /* data rows, as ds_pairs counts them */
    char digest[65];        /* SHA-256 of "q1 tab q2 tab label newline" of each pair, tokens joined by spaces */
} idf_features;

/* The distinct questions of a labelled set as numbers of words, before there are
 * vectors: what one reading of the CSV gives. */
typedef struct idf_corpus idf_corpus;

/* Adds the document frequencies to fit on the way (nullable). A pair without a
 * label is an error. progress is nullable. */
idf_corpus *idf_corpus_read(ds_pairs *in, const char *profile, idf_table *fit, kn_pool *pool,
                            void (*progress)(void *arg, uint64_t rows), void *arg, kn_error *err);
/* Fills out, that idf_features_free empties, on failure too. A recipe's vectors
 * do not depend on the pool's threads. */
int idf_corpus_embed(const idf_corpus *c, idf_features *out, const idf_recipe *r, kn_pool *pool,
                     kn_error *err) KN_MUST_CHECK;
void idf_corpus_free(idf_corpus *c);
/* features.st: `q1` `q2` [N,D] F32, `label` [N] F32, `recipe` [bytes] U8 (of
 * idf_recipe_bytes, at a multiple of 64 bytes behind `pad`), metadata `format` =
 * "siam-features", `digest`, `pairs` = N. */
int idf_features_save(const idf_features *f, const idf_recipe *r, const char *path, kn_error *err) KN_MUST_CHECK;
void idf_features_free(idf_features *f);

#ifdef __cplusplus
}
#endif
#endif
