/* tools/curves: what a plot of a model's quality needs, as TSV. */
#ifndef CURVES_H
#define CURVES_H

#include "siamese/siamese.h"

/* Saves path, a row a point: `curve` roc (x false positive rate, y true positive
 * rate), precision-recall (x recall, y precision) or, with p, reliability (x mean
 * probability, y share of duplicates); `threshold` a distance, of reliability the
 * lower edge of a bin of probabilities; `pairs` below that threshold, or in the
 * bin. A curve that needs a class that is not there is left out. d, p (nullable)
 * and label of n pairs are as sm_evaluate takes them. Dies on failure. */
void curves_save(const char *path, const float *d, const double *p, const float *label, size_t n);

#endif
