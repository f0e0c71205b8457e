/* What the decoders of data/image.c share; no part of the public interface. */
#ifndef DS_IMAGE_PRIVATE_H
#define DS_IMAGE_PRIVATE_H

#include "data/images.h"

/* An encoded image can be this long. */
enum { DS_MAX_IMAGE_BYTES = 1 << 30 };

/* Black pixels; refuses sizes of 0 and over DS_MAX_PIXELS. */
int ds_image_new(ds_image *im, size_t h, size_t w, size_t c, kn_error *err) KN_MUST_CHECK;

/* On failure what out holds is the caller's to free. */
int ds_jpeg_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err) KN_MUST_CHECK;
int ds_png_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err) KN_MUST_CHECK;
int ds_pnm_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err) KN_MUST_CHECK;

#endif
