/* data/images: pictures <-> pixels.
 *
 * A source of images is a folder, a tar, a gzipped tar or an IDX file; each of
 * its items has a class, a score or neither. Start at ds_images_open. What is
 * done with pixels (sizes, augmentation, networks) is not known here. */
#ifndef DS_IMAGES_H
#define DS_IMAGES_H

#include "data/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one image: image.c, image_jpeg.c, image_png.c, image_pnm.c, image_resize.c, image_overlay.c */

/* Pixels as bytes, rows from the top, channels last: px[h][w][c]. c is 1 (grey)
 * or 3 (red, green, blue); alpha is laid on white. */
typedef struct ds_image {
    size_t h, w, c;
    unsigned char *px; /* kn_alloc'd, owned */
} ds_image;

/* Larger ones are refused before a pixel is decoded or allocated. */
enum { DS_MAX_PIXELS = 1 << 26 };

/* JPEG (libjpeg-turbo), PNG (libpng; 16 bits, palettes, alpha, interlaced), PGM
 * and PPM (P2, P3, P5, P6, maxval up to 65535), told apart by content. A file
 * that is cut short or damaged is an error, also where the library would fill
 * the rest with grey; only a plain P2 or P3 may lose digits of its last number
 * unseen. */
int ds_image_decode(ds_image *out, const void *bytes, size_t n, kn_error *err) KN_MUST_CHECK;
int ds_image_read(ds_image *out, const char *path, kn_error *err) KN_MUST_CHECK; /* as ds_open; errors name it */
void ds_image_free(ds_image *im);
/* PNG, saved atomically. */
int ds_image_save(const char *path, const ds_image *im, kn_error *err) KN_MUST_CHECK;
/* Another size, by the mean of the area that a new pixel covers (bilinear where
 * it grows), and another number of channels: grey is 0.299 R + 0.587 G + 0.114 B
 * (ITU-R BT.601). out is a new image. */
int ds_image_resize(ds_image *out, const ds_image *in, size_t h, size_t w, size_t c, kn_error *err) KN_MUST_CHECK;

/* A map[h,w] of numbers over an image: its grey picture, 256 to 1024 pixels on its
 * longer side, red where the map is above 0 and blue where it is below, by as much
 * as the number is of the largest (in size). Between numbers bilinear. -1 for a
 * number that is not finite. out is a new image. */
int ds_image_overlay(ds_image *out, const ds_image *in, const float *map, size_t h, size_t w,
                     kn_error *err) KN_MUST_CHECK;

/* ---- a set of images: images.c, images_folder.c, images_tar.c, images_idx.c, images_labels.c ---- */

typedef struct ds_images ds_images;

typedef struct ds_images_options {
    const char *labels; /* a CSV "file,score|label[,split]"; NULL: a labels.csv inside is taken, if there is one */
    bool skip_bad;      /* images that cannot be decoded (each is, once, to know) are counted and left out, as are
                           rows of labels without a file */
} ds_images_options;

/* SOURCE is
 *  - a folder or tar(.gz) with a folder a class at any depth: the deepest folder
 *    names the class (its whole path below the source does when two have one name);
 *  - the same with labels: each file of the CSV has its score (a number), its
 *    class (label), or both, and its split; files that it does not name are left
 *    out. A name is looked for below the CSV's folder, the source, its one top
 *    folder, and last as the end of exactly one item's path;
 *  - an IDX(.gz) file of images (magic 0x00000803, or 0x00000804 whose last size
 *    is 1 or 3); its labels are the file beside it with "labels" for "images" and
 *    "idx1" for "idx3" in its name, if there is one;
 *  - a folder that has such files at its top ("images" and "idx3" in their names):
 *    those with "train" in their names have split "train", with "t10k" or "test"
 *    "test". Nothing else of the folder counts.
 * Items are in order of their names, bytewise, those of IDX of their number;
 * classes in order of their paths or labels. Only what looks like an image by its
 * ending (.jpg .jpeg .png .pgm .ppm .pnm, any case) is an item. Hidden files and
 * "__MACOSX" are left out, in archives links and devices too; names with ".." and
 * absolute ones are errors there. Reads an archive into memory once, compressed
 * images as they are; a folder's files are read when asked for, links followed.
 * "-" is an archive or IDX file from stdin. */
ds_images *ds_images_open(const char *source, const ds_images_options *o, kn_error *err);
/* A set of files named one by one, in this order, whatever their endings: no
 * class, no score; o's labels are not looked at. */
ds_images *ds_images_open_files(char *const *path, size_t n, const ds_images_options *o, kn_error *err);
void ds_images_close(ds_images *s); /* NULL is allowed */

size_t ds_images_count(const ds_images *s);
/* Path below the source; "17" of an IDX file, "train/17" of one in a folder. */
const char *ds_images_name(const ds_images *s, size_t i);
ptrdiff_t ds_images_class(const ds_images *s, size_t i);   /* or -1: none */
double ds_images_score(const ds_images *s, size_t i);      /* or NaN: none */
const char *ds_images_split(const ds_images *s, size_t i); /* "train", "test", "dev", ... or "" */
size_t ds_images_classes(const ds_images *s);
const char *ds_images_class_name(const ds_images *s, size_t c);
/* Images and rows left out by skip_bad, and why the newest was. */
uint64_t ds_images_rejected(const ds_images *s);
const char *ds_images_last_rejection(const ds_images *s);
/* Item of that name, below the source or below its one top folder; -1. */
ptrdiff_t ds_images_find(const ds_images *s, kn_str name);
/* SHA-256 over names, classes, scores, splits and the bytes of all images: what
 * a model file keeps of its training data. hex[65]. Reads every file. */
int ds_images_digest(const ds_images *s, char hex[65], kn_error *err) KN_MUST_CHECK;

/* Decodes item i; may be called from several threads at once. The error names
 * the file. */
int ds_images_read(const ds_images *s, size_t i, ds_image *out, kn_error *err) KN_MUST_CHECK;

/* ---- pairs of images: image_pairs.c -------------------------------------------------- */

/* A list with a line "pathA pathB 0|1" (spaces or tabs; # and blank lines are
 * passed over), paths relative to the source or to its one top folder. */
typedef struct ds_image_pairs {
    size_t n;
    uint32_t *a, *b; /* items of the set */
    float *label;    /* 1: the same */
} ds_image_pairs;

int ds_image_pairs_read(ds_image_pairs *p, const char *path, const ds_images *s, kn_error *err) KN_MUST_CHECK;
void ds_image_pairs_free(ds_image_pairs *p);

#ifdef __cplusplus
}
#endif
#endif
