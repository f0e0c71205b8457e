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
    bool mirror;            /* an output is the mean of the image's and its mirror image's */
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

/* The text, kn_alloc'd, of a network on such images: `input`, then arch (as
 * sm_arch_text takes it), then, where outputs is not 0, `linear OUTPUTS`. With
 * init, its network instead of arch; when that has been trained on classes or
 * scores already it stays as it is. */
char *sm_image_arch(const sm_image_input *in, const char *arch, const sm_model *init, size_t outputs, kn_error *err);

/* ---- image_outputs.c: images through a model ---------------------------------------------- */

/* z[p->n, E] of all images of p, which has the recipe's size. */
int sm_image_outputs(sm_encoder *e, float *z, const sm_pixels *p, const sm_image_recipe *r, kn_error *err) KN_MUST_CHECK;
/* Outputs to probabilities, in place: z[n,C] = softmax of each row. */
void sm_softmax(float *z, size_t n, size_t C);

/* ---- task_images.c: training; image_parts.c: what on, what it is judged by ------------------------------------------------------------------ */

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
 * the last third is one stage with o's schedule. Not to be resumed: control's
 * checkpoint is not looked at. */
sm_model *sm_train_growing(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                           const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                           double noise, const sm_train_control *control, kn_backend *be, kn_error *err);

/* Of n items those whose groups serve to train a network that compares: mark[i]
 * is 1 for training, 2 for a seeded share of the groups, to judge by, and 0 for
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

#ifdef __cplusplus
}
#endif
#endif
