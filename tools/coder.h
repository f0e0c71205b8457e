/* tools/coder: questions -> distances and vectors, by the recipe and the network
 * that one model file carries. What eval, predict, index and query share. */
#ifndef CODER_H
#define CODER_H

#include "siamese/siamese.h"
#include "tfidf/tfidf.h"

/* The recipe a model carries; dies, naming path, when it has none that fits. */
idf_recipe *coder_recipe(const sm_model *m, const char *path);

typedef struct coder coder;

/* m must outlive it; path is the model's, for errors. Works on the backend and
 * the threads of the common options. All of it dies on failure. */
coder *coder_open(const sm_model *m, const char *path);
size_t coder_dim(const coder *c); /* numbers a question is turned into */
/* x[n, dim] of n questions; known[n] (nullable): how many of its tokens have a
 * vector. What a question gets does not depend on those beside it. */
void coder_embed(coder *c, float *x, uint32_t *known, const kn_str *question, size_t n);
void coder_close(coder *c);

#endif
