/* tools/eval_report: the figures of siam-eval, a line each or as one JSON object.
 * All of it dies on failure. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "siamese/image_model.h"

void report_count(const char *key, size_t n, const char *note); /* note: for people, or "" */
void report_value(const char *key, double value, const char *note); /* NaN: nan, in JSON null */
void report_truth(const char *key, bool value); /* in JSON alone */
void report_close(void); /* ends the object that the first figure began */

/* What is said of pairs besides how far apart they are. */
typedef struct report_pairs_options {
    const char *what;     /* "duplicates": of the n pairs, those with label 1 */
    bool trained_on_this; /* the model has seen these very pairs */
    const char *curves;   /* as curves_save's path, or NULL */
    size_t folds;         /* 0: not asked */
    bool questions;       /* the figure of the 2017 code, too */
} report_pairs_options;

/* All figures of n pairs at distances d: at m's threshold, over all, and of m's
 * probabilities. */
void report_pairs(const sm_model *m, const float *d, const float *label, size_t n, const report_pairs_options *o);
/* `key`_mean and `key`_sd of the folds. */
void report_folds(const char *key, const sm_spread *s, const char *note);

#endif
