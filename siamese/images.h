/* siamese/images: batches of pixels for networks.
 *
 * Images are decoded once, as bytes of the network's size (pixels.c). Which of
 * them make up a step (sampler.c) and how each is changed (augment.c) are pure
 * functions of seed and step, so worker threads can prepare batches ahead of
 * training (loader.c), a run can begin at any step, and the stream of batches is
 * the same bits at any number of threads. Start at sm_loader_new. */
#ifndef SM_IMAGES_H
#define SM_IMAGES_H

#include "data/images.h"
#include "kernels/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pixels.c: decoded images ------------------------------------------------------ */

/* n images as bytes, row number r at px + r h w c; c is 1 or 3. */
typedef struct sm_pixels {
    size_t n, h, w, c;
    unsigned char *px; /* [n,h,w,c], owned */
    uint32_t *item;    /* [n] items of the set that they were read from, in order; owned; NULL of one image */
    size_t bad;        /* images left out because they cannot be decoded */
} sm_pixels;

typedef struct sm_pixels_options {
    size_t h, w, c; /* size of all images: see ds_image_resize */
    bool skip_bad;  /* leave out and count what cannot be decoded; else the first of them is an error */
    void (*progress)(void *arg, size_t done, size_t total); /* or NULL; from the calling thread, a few times a second */
    void *arg;
} sm_pixels_options;

/* Decodes the items item[n] of a set; item NULL: all of them. The error names the
 * file. Free p with sm_pixels_free; after an error there is nothing to free. */
int sm_pixels_read(sm_pixels *p, const ds_images *set, const uint32_t *item, size_t n, const sm_pixels_options *o,
                   kn_pool *pool, kn_error *err) KN_MUST_CHECK;
/* One image, in another size. */
int sm_pixels_of(sm_pixels *p, const ds_image *im, size_t h, size_t w, size_t c, kn_error *err) KN_MUST_CHECK;
void sm_pixels_free(sm_pixels *p);

/* What a network reads: images [h,w,c] of (px/255 - mean[c]) / std[c]. */
typedef struct sm_image_input {
    size_t h, w, c;
    float mean[3], std[3]; /* by channel */
} sm_image_input;

/* Mean and standard deviation (biased) of each channel over all pixels of p, by
 * exact sums; std is 1 where a channel is constant. */
sm_image_input sm_pixels_measure(const sm_pixels *p);

/* x[n,h,w,c]: the n rows from `first` on as the network reads them, all changed
 * alike. p has the size that `in` has; scratch as for sm_change_apply. */
typedef struct sm_change sm_change;
void sm_pixels_rows(float *x, const sm_pixels *p, const sm_image_input *in, size_t first, size_t n,
                    const sm_change *change, float *scratch);

/* ---- augment.c: images changed at random --------------------------------------------- */

/* How far each change may go, evenly drawn; all 0 changes nothing. */
typedef struct sm_augment {
    double rotate; /* degrees, to either side: 0 .. 180 */
    double zoom;   /* size times exp(u ln(1 + zoom)), u in [-1,1]: from 1/(1+zoom) to 1+zoom; 0 .. 10 */
    double shift;  /* down and across, as a share of the side: 0 .. 1 */
    double colour; /* v = gain[c] (mean[c] + contrast (v - mean[c])) + brightness, kept in [0,1], of v = px/255 and
                    * the input's mean: gains and contrast within 1 +- colour, brightness +- colour; 0 .. 1 */
    bool flip;     /* left to right, every other image */
} sm_augment;

int sm_augment_check(const sm_augment *a, kn_error *err) KN_MUST_CHECK; /* the ranges above */

/* One change, as drawn. The pixel of the result that is (y,x) away from the
 * centre of the image is read at row[0] y + row[1] x + row[2] of the rows and at
 * col[0] y + col[1] x + col[2] of the columns, bilinear between four pixels;
 * beyond the edge the pixels of the edge go on. Colours: scale[c] px/255 + offset[c],
 * kept in [0,1]. */
struct sm_change {
    float row[3], col[3];
    float scale[3], offset[3];
};

/* That many times as large, about the centre; and then mirrored left to right. 1
 * and false change nothing. */
sm_change sm_change_view(const sm_image_input *in, double size, bool mirror);
/* The change of row number `row` of the batch of step `step`. */
sm_change sm_augment_draw(const sm_augment *a, const sm_image_input *in, uint64_t seed, uint64_t step, uint32_t row);
/* x[h,w,c] of px[h,w,c]; scratch[h,w,c], which a change of colours alone does not
 * need. No change gives exactly (px/255 - mean)/std. */
void sm_change_apply(float *x, const unsigned char *px, const sm_image_input *in, const sm_change *change,
                     float *scratch);

/* ---- sampler.c: which images make up a step ------------------------------------------- */

/* A sampler speaks of rows of an sm_pixels. It keeps the order of its newest
 * epoch, so one thread uses it at a time; steps in order are fast, any other
 * step is right too. */
typedef struct sm_sampler sm_sampler;

/* An epoch is a seeded shuffle of n rows cut into batches of `batch`; the last
 * one is what is left, and when that is a single row it waits for another
 * epoch's shuffle (see sm_train). */
sm_sampler *sm_sampler_shuffled(size_t n, size_t batch, uint64_t seed, kn_error *err);
/* A batch is `each` rows of each of `groups` different groups (classes, or bins of
 * scores), group[n] being those of the n rows. Groups come from a deck that is
 * reshuffled when it has been dealt, so all come equally often. The rows of a
 * group are different ones unless it has fewer than `each`. An epoch is as many
 * steps as n rows take. */
sm_sampler *sm_sampler_balanced(const uint32_t *group, size_t n, size_t groups, size_t each, uint64_t seed,
                                kn_error *err);
/* The same of pairs (a[i], b[i]) with label[n] 1 (the same) or 0: batches of
 * `batch` pairs, B of them first the B rows a, then the B rows b. half: as many
 * same pairs as others in a batch (which is even), each kind from a deck of its
 * own. Arrays are borrowed. */
sm_sampler *sm_sampler_pairs(const uint32_t *a, const uint32_t *b, const float *label, size_t n, size_t batch,
                             bool half, uint64_t seed, kn_error *err);
void sm_sampler_free(sm_sampler *s); /* NULL is allowed */

size_t sm_sampler_rows(const sm_sampler *s);    /* the most that a step has */
size_t sm_sampler_images(const sm_sampler *s);  /* rows of the pixels that it needs */
uint64_t sm_sampler_steps(const sm_sampler *s); /* of an epoch */
/* Rows of step `step`: item[rows], and group[rows] when balanced, label[rows/2]
 * when of pairs. Returns how many. */
size_t sm_sampler_step(sm_sampler *s, uint64_t step, uint32_t *item, uint32_t *group, float *label);

/* bin[n] of scores, from 0: `bins` quantiles, as alike in number as equal scores
 * allow, which are never parted. *used bins have members (numbered without gaps).
 * -1 when a score is not a number. */
int sm_score_bins(uint32_t *bin, size_t *used, const double *score, size_t n, size_t bins, kn_error *err) KN_MUST_CHECK;

/* ---- loader.c: batches prepared ahead ---------------------------------------------------- */

typedef struct sm_image_batch {
    uint64_t step;
    size_t rows;
    const float *x;        /* [rows,h,w,c], as the network reads it */
    const uint32_t *item;  /* [rows] rows of the pixels */
    const uint32_t *group; /* [rows] of a balanced sampler; else zeros */
    const float *label;    /* [rows/2] of a sampler of pairs; else zeros */
} sm_image_batch;

enum { SM_MAX_WORKERS = 64 };

typedef struct sm_loader_options {
    sm_augment augment;
    uint64_t seed;       /* of the augmentation */
    uint64_t first_step; /* where to begin */
    int workers;         /* threads, up to SM_MAX_WORKERS; 0: sm_loader_next does the work itself */
} sm_loader_options;

typedef struct sm_loader sm_loader;
/* p and s must outlive it, and s is its own to use. p has the size that `in` has. */
sm_loader *sm_loader_new(const sm_pixels *p, const sm_image_input *in, sm_sampler *s, const sm_loader_options *o,
                         kn_error *err);
/* The next step's batch, valid until the next call; there is no last one. */
const sm_image_batch *sm_loader_next(sm_loader *l);
void sm_loader_free(sm_loader *l); /* at any time; NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
