/* The bytes of a stream that a parser is looking at: what lines.c and csv.c
 * share, and the readers of word vectors in embeddings/; no part of the public
 * interface. */
#ifndef DS_WINDOW_H
#define DS_WINDOW_H

#include "data/data.h"

/* A line, a row and so a field can be this long; longer ones are refused, so
 * that memory stays bounded whatever the input is. */
enum { DS_MAX_ROW = 16 << 20 };

typedef struct ds_window {
    ds_stream *stream; /* not owned */
    char *p;           /* [cap] */
    size_t cap;
    size_t start, end; /* p[start..end) is read and still wanted */
    uint64_t offset;   /* of p[start] in the stream */
} ds_window;

/* w->p is to be given to kn_free; s stays the caller's. */
int ds_window_open(ds_window *w, ds_stream *s, kn_error *err) KN_MUST_CHECK;
/* Reads more behind p[start..end), which may move. 1, 0 at the end of the
 * stream, -1 on an error. */
int ds_window_fill(ds_window *w, kn_error *err) KN_MUST_CHECK;
/* The first n bytes are done with. */
void ds_window_drop(ds_window *w, size_t n);

#endif
