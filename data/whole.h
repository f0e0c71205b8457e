/* Files that are read as a whole: what npy.c and the readers of images share;
 * no part of the public interface. */
#ifndef DS_WHOLE_H
#define DS_WHOLE_H

#include "data/data.h"

/* Exactly n bytes; fewer are an error. */
int ds_read_exactly(ds_stream *s, void *p, size_t n, kn_error *err) KN_MUST_CHECK;
/* The n bytes that are all the rest of s; fewer or more are an error. n may be
 * any number a file claims: memory grows with what arrives. To be given to
 * kn_free. */
void *ds_read_rest(ds_stream *s, size_t n, kn_error *err) KN_MUST_CHECK;
/* Appends all the rest of s to b; over `most` bytes are an error. */
int ds_read_whole(kn_buf *b, ds_stream *s, size_t most, kn_error *err) KN_MUST_CHECK;

#endif
