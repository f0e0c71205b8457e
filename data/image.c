/* One image: what it is, told by its first bytes. */
#include <string.h>

#include "data/image_private.h"
#include "data/whole.h"

int ds_image_new(ds_image *im, size_t h, size_t w, size_t c, kn_error *err)
{
    size_t n;
    *im = (ds_image){0};
    if (!h || !w)
        return kn_fail(err, "%zu x %zu pixels: the image is empty", w, h);
    if (kn_mul(&n, h, w) || n > DS_MAX_PIXELS)
        return kn_fail(err, "%zu x %zu pixels: at most %d million can be read", w, h, DS_MAX_PIXELS / 1000000);
    *im = (ds_image){h, w, c, kn_alloc(n, c, err)};
    return im->px ? 0 : -1;
}

int ds_image_decode(ds_image *out, const void *bytes, size_t n, kn_error *err)
{
    const unsigned char *p = bytes;
    int rc;
    *out = (ds_image){0};
    if (n >= 3 && !memcmp(p, "\xff\xd8\xff", 3))
        rc = ds_jpeg_decode(out, p, n, err);
    else if (n >= 8 && !memcmp(p, "\x89PNG\r\n\x1a\n", 8))
        rc = ds_png_decode(out, p, n, err);
    else if (n >= 2 && p[0] == 'P' && memchr("2356", p[1], 4))
        rc = ds_pnm_decode(out, p, n, err);
    else
        return kn_fail(err, n ? "no JPEG, PNG, PGM or PPM image" : "an empty file is no image");
    if (rc)
        ds_image_free(out);
    return rc;
}

int ds_image_read(ds_image *out, const char *path, kn_error *err)
{
    kn_buf b = {0};
    *out = (ds_image){0};
    ds_stream *s = ds_open(path, err);
    int rc = s && !ds_read_whole(&b, s, DS_MAX_IMAGE_BYTES, err) ? ds_image_decode(out, b.p, b.n, err) : -1;
    ds_close(s);
    kn_buf_free(&b);
    return rc ? kn_fail_prefix(err, "%s", path) : 0;
}

void ds_image_free(ds_image *im)
{
    kn_free(im->px);
    *im = (ds_image){0};
}
