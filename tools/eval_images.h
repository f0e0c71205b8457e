/* tools/eval_images: siam-eval of models of images. */
#ifndef EVAL_IMAGES_H
#define EVAL_IMAGES_H

#include "siamese/siamese.h"

typedef struct eval_images_options {
    const char *list;            /* of pairs, or NULL */
    const char *split;           /* NULL: "test" where there is one, else all images */
    const char *curves;          /* or NULL */
    int64_t folds, ways, trials; /* folds, ways 0: not asked */
} eval_images_options;

/* Measures m on image_source_options and reports; dies where model, data and
 * options do not fit. */
void eval_images(const sm_model *m, const char *model_path, const eval_images_options *o);

#endif
