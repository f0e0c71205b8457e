/* siamese/image_model: networks on images, trained by the one loop (train.c).
 *
 * A model of images carries an sm_image_recipe: what makes a picture into the
 * network's input, and what the network's output means. Start at sm_train_images
 * (task_images.c), and at sm_image_outputs for a trained model. */
#ifndef SM_IMAGE_MODEL_H
#define SM_IMAGE_MODEL_H

#include "siamese/images.h"
#include "siamese/siamese.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- image_recipe.c: what a model of images knows of them ------------------------------ */

typedef struct sm_image_recipe {
    sm_image_input input;
    double zoom;            /* an output is the mean of the image's, and with a zoom of those of the image so much
                             * larger and smaller; .. */
    bool mirror;            /* .. and of the mirror images of all these */
    size_t classes;
    char **class_name;      /* [classes], owned; of a model that tells classes */
    double score_mean, score_std; /* score = mean + std * output; of a model that tells scores */
} sm_image_recipe;

/* As JSON, appended to out; and back. -1 and err for bytes that are no recipe of
 * images, as a text model's. */
int sm_image_recipe_bytes(kn_buf *out, const sm_image_recipe *r, kn_error *err) KN_MUST_CHECK;
int sm_image_recipe_read(sm_image_recipe *r, const sm_model *m, kn_error *err) KN_MUST_CHECK;
/* Takes copies of the names. */
int sm_image_recipe_classes(sm_image_recipe *r, const char *const *name, size_t classes, kn_error *err) KN_MUST_CHECK;
void sm_image_recipe_free(sm_image_recipe *r);

/* What a model tells of an image, by its loss: SM_CLASSES, SM_SCORES, or SM_PAIRS:
 * a vector to compare with another's. */
sm_target sm_image_tells(const sm_model *m);

/* The text, kn_alloc'd, of a network on such images: `input`, then arch (as
 * sm_arch_text takes it), then, where outputs is not 0, `dropout P` if that is
 * not 0 and `linear OUTPUTS`. With init, its network instead of arch; when that has been trained on classes or
 * scores already it stays as it is. */
char *sm_image_arch(const sm_image_input *in, const char *arch, const sm_model *init, size_t outputs, double dropout,
                    kn_error *err);

/* ---- image_outputs.c: images through a model ---------------------------------------------- */

/* z[p->n, E] of all images of p, which has the recipe's size. */
int sm_image_outputs(sm_encoder *e, float *z, const sm_pixels *p, const sm_image_recipe *r,
                     kn_error *err) KN_MUST_CHECK;
/* Outputs to probabilities, in place: z[n,C] = softmax of each row. */
void sm_softmax(float *z, size_t n, size_t C);
size_t sm_most_probable(const float *p, size_t C); /* of equal ones the first */
double sm_image_score(const sm_image_recipe *r, float output);
/* Accuracy and loss, the mean of -ln p of the right class (p kept over 1e-12), of
 * n images: probabilities p[n,C] and classes group[n]. */
void sm_judge_classes(sm_judgement *j, const float *p, const uint32_t *group, size_t n, size_t C);

/* ---- task_images.c: training; image_parts.c: what on, what it is judged by ------------------ */

/* Images and what is known of them: of the arrays those that the target needs. */
typedef struct sm_image_set {
    const sm_pixels *pixels;
    const uint32_t *group;     /* [n] classes, from 0; SM_GROUPS, SM_CLASSES */
    const double *score;       /* [n]; SM_SCORES */
    const uint32_t *a, *b;     /* [pairs] rows of the pixels; SM_PAIRS, and what SM_GROUPS is judged by */
    const float *label;        /* [pairs] 1: the same */
    size_t pairs;
    const char *digest;
} sm_image_set;

typedef struct sm_image_options {
    sm_target target;
    sm_augment augment;
    size_t each;     /* SM_GROUPS: images of a class in a batch */
    bool balanced;   /* SM_CLASSES, SM_SCORES: first a class (or a bin of scores), then an image of it */
    int workers;     /* threads that prepare batches */
} sm_image_options;

/* As sm_train. o->arch is the whole network (sm_image_arch), recipe what the
 * model will carry, in memory that outlives it (recipe_bytes). dev may be NULL. */
sm_model *sm_train_images(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                          const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                          const sm_train_control *control, kn_backend *be, kn_error *err);

/* grow.c: the same in stages, within the same budget of epochs or time. Each time
 * the dev score has not risen for some epochs the network grows (sm_net2net_grow
 * with this noise) and training goes on from its best weights at a constant rate;
 * the last third is one stage with o's schedule. A resumed run goes on in the stage
 * that it was stopped in. */
sm_model *sm_train_growing(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                           const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                           double noise, const sm_train_control *control, kn_backend *be, kn_error *err);

/* One more than the greatest of group[n]; 0 of none. */
size_t sm_image_groups(const uint32_t *group, size_t n);
/* Of n items those whose groups serve to train a network that compares: mark[i]
 * is 1 for training, 2 for a seeded share of the groups (two at least, where there
 * are four), to judge by, and 0 for
 * groups of a single item, which has no like. group[i] of marked items becomes a
 * number from 0 on without gaps, apart for 1 and 2. */
int sm_image_part_groups(uint8_t *mark, uint32_t *group, size_t n, double share, uint64_t seed,
                         kn_error *err) KN_MUST_CHECK;
/* Mean and standard deviation of scores, 1 where they are all the same: a network
 * learns (score - mean) / std. */
void sm_score_scale(double *mean, double *std, const double *score, size_t n);
/* The same of single items: 1, or 2 for a seeded share of them. */
int sm_image_part_items(uint8_t *mark, size_t n, double share, uint64_t seed, kn_error *err) KN_MUST_CHECK;

/* A seeded list of pairs for judging: for each of the n images one of the same
 * group, where there is one, and one of another. Owned arrays [*pairs], *a is
 * given to kn_free for all. */
int sm_image_pairs(uint32_t **a, uint32_t **b, float **label, size_t *pairs, const uint32_t *group, size_t n,
                   uint64_t seed, kn_error *err) KN_MUST_CHECK;

/* ---- folds.c: one measurement on several parts -------------------------------------------------- */

typedef struct sm_spread {
    size_t n;
    double mean, sd; /* sd by n - 1; NaN where one of them is */
} sm_spread;

/* part[n], numbered from 0: a seeded cut into `folds` parts as alike in size as
 * can be, of `least` or more; kn_alloc'd. */
uint32_t *sm_folds_cut(size_t n, size_t folds, size_t least, uint64_t seed, kn_error *err);
/* n pairs are cut into `folds` parts by seed; of each part the accuracy at the
 * threshold that is best on all other parts, as in G. Huang et al., "Labeled faces
 * in the wild" (2007), section 4. Each part needs a pair. */
int sm_folds_pairs(sm_spread *accuracy, const float *d, const float *label, size_t n, size_t folds, uint64_t seed,
                   kn_error *err) KN_MUST_CHECK;
/* Pearson's correlation of each of as many parts of n scores; two or more in a part. */
int sm_folds_scores(sm_spread *pearson, const float *have, const float *want, size_t n, size_t folds, uint64_t seed,
                    kn_error *err) KN_MUST_CHECK;

/* ---- one_shot.c: classes told by one image ------------------------------------------------------ */

/* In each of `trials` seeded trials `ways` classes are drawn, an image of each
 * (the support), and another one of the first class (the query): the share of
 * trials in which the query is nearer to its own class's image than to all others
 * (B. Lake, R. Salakhutdinov, J. Tenenbaum, "Human-level concept learning through
 * probabilistic program induction", 2015, with any classes for those of one
 * alphabet). z[n,E] are vectors of e, group[n] their classes; classes of a single
 * image take no part. */
int sm_one_shot(double *accuracy, sm_encoder *e, const float *z, const uint32_t *group, size_t n, size_t ways,
                size_t trials, uint64_t seed, kn_error *err) KN_MUST_CHECK;

/* ---- attend.c: what the network looks at ----------------------------------------------------------- */

typedef struct sm_attend_options {
    size_t patch, stride;   /* of the square, in the network's pixels: 1 <= stride <= patch <= the smaller side */
    ptrdiff_t class_number; /* of a model of classes: whose probability; -1: the most probable one's */
} sm_attend_options;

typedef struct sm_attention {
    float *map;          /* [h,w], kn_alloc'd */
    double answer;       /* of the whole image: its score, or the probability of .. */
    size_t class_number; /* .. this class */
} sm_attention;

/* A square is moved over the image, and what that takes from the answer (of a
 * network that compares: the distance to the vector of the whole image) is noted:
 * map = mean over all squares that cover the pixel. Below 0 where covering it
 * raises the answer. image has one image, of the recipe's size. */
int sm_attend(sm_attention *a, sm_encoder *e, const sm_model *m, const sm_image_recipe *r, const sm_pixels *image,
              const sm_attend_options *o, kn_error *err) KN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
