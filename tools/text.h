/* tools/text: a CSV of labelled pairs -> vectors and labels, by the common
 * options, with what a user should know of it said on stderr. What training and
 * measuring share. All of it dies on failure, naming the file. */
#ifndef TEXT_H
#define TEXT_H

#include "siamese/siamese.h"
#include "tfidf/tfidf.h"

/* The tokenised questions of path; fit (nullable) counts their words. */
idf_corpus *text_read(const char *path, const char *profile, idf_table *fit);
/* Their vectors by the recipe; frees c; path is for talk. idf_features_free f. */
void text_embed(idf_features *f, idf_corpus *c, const idf_recipe *r, const char *path);
/* The features as pairs that borrow from f; the recipe is the caller's to add. */
sm_pairs text_pairs(const idf_features *f);
/* All at once for training: labelled pairs, idf fitted on them, and the recipe
 * that makes their vectors. */
typedef struct text_training {
    sm_pairs pairs; /* the recipe's bytes with them */
    idf_recipe *recipe;
    emb_store *store;
    idf_table *idf;
    idf_features features;
    kn_buf bytes;
} text_training;

void text_fit(text_training *t, const char *path, const char *vectors, const char *profile, const char *pools);
void text_training_free(text_training *t);

#endif
