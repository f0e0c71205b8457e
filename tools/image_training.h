/* tools/image_training: what siam-image-pretrain and siam-image-train share. */
#ifndef IMAGE_TRAINING_H
#define IMAGE_TRAINING_H

#include "siamese/image_model.h"
#include "tools/image_source.h"
#include "tools/training.h"

/* A run from the source to the model; zero-initialise. */
typedef struct image_run {
    ds_images *set;
    image_part train, dev;    /* dev.pixels.n 0: none; pairs of images: dev's are train's */
    ds_image_pairs pairs;     /* of dev's pixels, to judge by */
    ds_image_pairs train_pairs;
    sm_image_recipe recipe;
    sm_image_options io;
} image_run;

extern struct image_training_options {
    const char *size;
    const char *flip;
    double minutes, noise, dropout;
    bool grow;
    sm_augment augment;
} image_training_options;

#define IMAGE_TRAINING_ROWS                                                                                            \
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Network and images"},                                                         \
    {"net", 0, OPT_TEXT, &training.arch, "NET", 0, 0,                                                                  \
     "conv4, pyramid, resnet, each also NET-elu, NET:WIDTH, NET-elu:WIDTH; lenet, mnist-net, tiny-darknet; a file; or text"}, \
    {"size", 0, OPT_TEXT, &image_training_options.size, "HxW", 0, 0,                                                   \
     "of the network's images; the first image's, at most 32 grey or 64 in colour"},                                    \
    {"minutes", 0, OPT_REAL, &image_training_options.minutes, "M", 0, 1e5,                                             \
     "as many epochs as fit, told from the first steps; --epochs is not looked at then"},                              \
    {"rotate", 0, OPT_REAL, &image_training_options.augment.rotate, "DEGREES", 0, 180, "turn images, to either side"}, \
    {"zoom", 0, OPT_REAL, &image_training_options.augment.zoom, "SHARE", 0, 10, "make images larger or smaller"},      \
    {"shift", 0, OPT_REAL, &image_training_options.augment.shift, "SHARE", 0, 1, "move images, of their side"},        \
    {"colour", 0, OPT_REAL, &image_training_options.augment.colour, "SHARE", 0, 1, "change brightness, contrast, colours"}, \
    {"flip", 0, OPT_CHOICE, &image_training_options.flip, "auto|yes|no", 0, 0,                                           \
     "mirror every other image, and judge by both; auto: in colour"},                                                   \
    {"noise", 0, OPT_REAL, &image_training_options.noise, "SHARE", 0, 1,                                               \
     "of weights, where Net2Net clones channels: what sets the clones apart"}

/* Before tool_start. */
void image_training_defaults(image_run *run);
/* Opens the source; size, channels and mirroring of the recipe. */
void image_run_open(image_run *run);
/* Takes the marked items (mark[n] 1: train, 2: dev) of item[n] in; group (nullable)
 * has their groups instead of the set's classes. */
void image_run_parts(image_run *run, const uint32_t *item, const uint32_t *group, const uint8_t *mark, size_t n);
/* Trains on a list of pairs, a share of them held out. */
void image_run_pairs(image_run *run, const char *path);
/* Measures the images, makes the network with `outputs` numbers at its end (0:
 * what it has), trains, saves, frees. */
void image_run_train(image_run *run, size_t outputs);

#endif
