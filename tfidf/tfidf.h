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
uint64_t idf_documents(const idf_table *t);
uint32_t idf_words(const idf_table *t);
uint64_t idf_df(const idf_table *t, kn_str word); /* 0 when unseen */
/* idf = ln((1+n)/(1+df)) + 1: scikit-learn's TfidfTransformer, smooth_idf=True. */
double idf_value(uint64_t documents, uint64_t df);
/* `word df idf` a line, tab-separated, sorted by df (most first), then word
 * (bytes); first line `# siam-idf n=DOCUMENTS`. idf printed so that it reads
 * back exactly. Appends to out. */
int idf_print(const idf_table *t, kn_buf *out, kn_error *err) KN_MUST_CHECK;
/* Reads that form; refuses what does not parse, naming the line. */
idf_table *idf_read(ds_stream *s, kn_error *err);
void idf_free(idf_table *t);

/* ---- question -> vector: recipe.c ---------------------------------------------------- */

typedef enum { IDF_POOL_IDF_MEAN, IDF_POOL_MEAN, IDF_POOL_MAX, IDF_POOL_SUM } idf_pool;

typedef struct idf_recipe idf_recipe;

/* pools: "idf-mean", "mean", "max", "sum" or any joined by "+", e.g.
 * "idf-mean+max". Both store and table must outlive the recipe. */
idf_recipe *idf_recipe_new(const char *profile, const emb_store *store, const idf_table *idf, const char *pools,
                           kn_error *err);
/* From bytes of idf_recipe_bytes, used in place (64-byte aligned, must outlive
 * the recipe). */
idf_recipe *idf_recipe_open(const void *p, size_t n, kn_error *err);
/* A safetensors file in memory: the store's tensors, idf [V] F32 and settings. */
int idf_recipe_bytes(const idf_recipe *r, kn_buf *out, kn_error *err) KN_MUST_CHECK;
size_t idf_recipe_dim(const idf_recipe *r); /* D x number of pools */
const char *idf_recipe_pools(const idf_recipe *r);
const char *idf_recipe_profile(const idf_recipe *r);
const emb_store *idf_recipe_store(const idf_recipe *r);
/* out[dim] of a tokenised question (its tokens). Tokens without a vector do not
 * count; with none known out is zero. *known (nullable) = tokens with a vector. */
void idf_recipe_pool(const idf_recipe *r, float *out, const kn_str *tokens, size_t n, size_t *known);
/* The same from raw text; t is a tokenizer of the recipe's profile. */
int idf_recipe_embed(const idf_recipe *r, tok_tokenizer *t, float *out, kn_str text, size_t *known,
                     kn_error *err) KN_MUST_CHECK;
void idf_recipe_free(idf_recipe *r);

/* ---- a whole set of pairs: features.c -------------------------------------------------- */

/* Vectors of all distinct questions of a set of pairs, kept once each. */
typedef struct idf_features {
    size_t pairs, questions, dim;
    float *x;               /* [questions, dim] */
    uint32_t *q1, *q2;      /* [pairs] rows of x */
    float *label;           /* [pairs] 0 or 1 */
    uint64_t tokens, known; /* over all questions as read: coverage */
    uint64_t empty;         /* questions with no known word */
    uint64_t read, rejected;
    char digest[65];        /* SHA-256 of tokens and labels, in order */
} idf_features;

/* Distinct tokenised questions of a labelled set, before there are vectors:
 * what one reading of the CSV gives. Fits idf on the way when idf is given. */
typedef struct idf_corpus idf_corpus;
idf_corpus *idf_corpus_read(ds_pairs *in, const char *profile, idf_table *fit, kn_pool *pool,
                            void (*progress)(void *arg, uint64_t rows), void *arg, kn_error *err);
int idf_corpus_embed(const idf_corpus *c, idf_features *out, const idf_recipe *r, kn_pool *pool,
                     kn_error *err) KN_MUST_CHECK;
void idf_corpus_free(idf_corpus *c);
/* features.st: `q1` `q2` [N,D] F32, `label` [N] F32, `recipe` [bytes] U8 (of
 * idf_recipe_bytes), metadata `format` = "siam-features", `digest`, `pairs`. */
int idf_features_save(const idf_features *f, const idf_recipe *r, const char *path, kn_error *err) KN_MUST_CHECK;
void idf_features_free(idf_features *f);

#ifdef __cplusplus
}
#endif
#endif
