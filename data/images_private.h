/* A set of images, as its readers fill it; no part of the public interface. */
#ifndef DS_IMAGES_PRIVATE_H
#define DS_IMAGES_PRIVATE_H

#include "data/images.h"

/* Strings belong to the set. */
typedef struct ds_item {
    const char *name, *split;
    kn_str group; /* names the class: the folder or the label; empty: none */
    ptrdiff_t class;
    double score;
    const unsigned char *bytes; /* NULL: a file of the folder */
    size_t n;
    size_t h, w, c;             /* of bytes that are pixels; h 0: an encoded image */
} ds_item;

/* A name that leads to an item. */
typedef struct ds_named {
    kn_str name;
    uint32_t item;
} ds_named;

struct ds_images {
    const char *source;
    ds_item *item;
    size_t count, cap;
    const char **class_name;
    size_t classes;
    bool folders;      /* groups are paths of folders */
    kn_str top;        /* "FOLDER/" that all names begin with, or empty */
    ds_named *by_name; /* [count], sorted */
    ds_item labels;    /* the labels.csv inside; name NULL: none */
    uint64_t rejected;
    kn_error last;     /* why */
    void **block;      /* memory that all the above points to */
    size_t blocks, block_cap;
    char *room;        /* what the last one still holds */
    size_t left;
};

/* ---- images.c ------------------------------------------------------------------------ */

/* A set of what a stream holds, tar or IDX; `source` is what it is called. s
 * stays the caller's. For tests: ds_images_open does all else. */
ds_images *ds_images_open_stream(ds_stream *s, const char *source, const ds_images_options *o, kn_error *err);

/* n bytes that the set frees. */
void *ds_images_take(ds_images *s, size_t n, kn_error *err) KN_MUST_CHECK;
char *ds_images_keep(ds_images *s, kn_str text, kn_error *err) KN_MUST_CHECK; /* NUL behind it */
/* p, from kn_alloc, is the set's from now on, also on failure. */
int ds_images_own(ds_images *s, void *p, kn_error *err) KN_MUST_CHECK;
/* A new item, of which only the name is set. */
ds_item *ds_images_add(ds_images *s, const char *name, kn_error *err) KN_MUST_CHECK;
/* Where a file of a folder or an archive goes by its name: a new item, the
 * set's `labels`, or NULL in *to: nowhere. */
int ds_images_place(ds_images *s, const char *name, ds_item **to, kn_error *err) KN_MUST_CHECK;
/* Counts a rejected image or row when bad ones are skipped; else fails. `why`
 * may be err. */
int ds_images_reject(ds_images *s, const ds_images_options *o, const kn_error *why, kn_error *err) KN_MUST_CHECK;

void ds_named_sort(ds_named *v, size_t n);
/* The first of v[n] that is not below name; n: there is none. */
size_t ds_named_find(const ds_named *v, size_t n, kn_str name);

/* ---- readers ----------------------------------------------------------------------------- */

enum { DS_HEAD = 4 }; /* bytes that tell IDX from tar */

int ds_images_read_folder(ds_images *s, kn_error *err) KN_MUST_CHECK;
/* head[n] are the first bytes of the stream. */
int ds_images_read_tar(ds_images *s, ds_stream *in, const unsigned char *head, size_t n, kn_error *err) KN_MUST_CHECK;

bool ds_is_idx(const unsigned char *head, size_t n);
/* Of an IDX file `path`; items are called prefix0, prefix1, ... */
int ds_images_read_idx(ds_images *s, ds_stream *in, const unsigned char head[DS_HEAD], const char *path,
                       const char *prefix, const char *split, kn_error *err) KN_MUST_CHECK;
/* All IDX files of a folder, if it has any. */
int ds_images_read_idx_folder(ds_images *s, kn_error *err) KN_MUST_CHECK;

/* ---- images_labels.c ------------------------------------------------------------------------ */

/* Gives items what the CSV says of them, and drops the others. */
int ds_images_read_labels(ds_images *s, const ds_images_options *o, kn_error *err) KN_MUST_CHECK;

#endif
