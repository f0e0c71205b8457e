/* tools/image_source: a SOURCE of images on the command line -> what is trained
 * or judged on. */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include "siamese/image_model.h"
#include "tools/tool.h"

/* Items of a source that belong together, decoded at the network's size. */
typedef struct image_part {
    sm_pixels pixels;
    uint32_t *group; /* [pixels.n] class of the set; NULL when some item has none */
    double *score;   /* [pixels.n]; NULL when some item has none */
    char digest[65]; /* of the source and of which of its items these are */
} image_part;

extern struct image_source_options {
    const char *images, *labels, *fold;
    bool skip_bad;
} image_source_options;

#define IMAGE_SOURCE_ROWS                                                                                              \
    {"images", 0, OPT_TEXT, &image_source_options.images, "SOURCE", 0, 0,                                              \
     "a folder or tar(.gz) with a folder a class, or an IDX(.gz) file; or, with labels:"},                              \
    {"labels", 0, OPT_TEXT, &image_source_options.labels, "CSV", 0, 0,                                                 \
     "file,score|label[,split]; a labels.csv inside is found"},                                                        \
    {"skip-bad", 0, OPT_FLAG, &image_source_options.skip_bad, NULL, 0, 0,                                              \
     "leave out images that cannot be decoded, count them, go on"}

#define IMAGE_FOLD_ROW(does)                                                                                           \
    {"fold", 0, OPT_TEXT, &image_source_options.fold, "K[-L]/N", 0, 0,                                                 \
     "cut all images in N parts by the seed, whatever their split, and " does " parts K to L"}

/* Opens --images; dies with a sentence. */
ds_images *image_source_open(void);
/* Items of `split`, or of any split when it is NULL; kn_alloc'd. */
uint32_t *image_source_items(const ds_images *set, const char *split, size_t *n);
/* Items of the parts that --fold names, or of the others; kn_alloc'd. */
uint32_t *image_source_fold(const ds_images *set, bool inside, size_t *n);
/* What is to be trained on: what --fold leaves, or split "train", or all that have no split when there
 * is none of it. */
uint32_t *image_source_train(const ds_images *set, size_t *n);
/* Decodes items; in: their size. */
void image_part_read(image_part *p, const ds_images *set, const uint32_t *item, size_t n, const sm_image_input *in);
void image_part_free(image_part *p);

/* "64x64", "64" or NULL, which is: the first item's size, made smaller to at most
 * 32 (grey) or 64 (colour). */
sm_image_input image_source_size(const ds_images *set, const char *size);

#endif
