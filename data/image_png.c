/* PNG by libpng: read as grey or RGB of 8 bits, and written. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "data/image_private.h"

typedef struct codec {
    png_structp png;
    png_infop info;
    jmp_buf failed;
    kn_error *err;
    const unsigned char *p; /* bytes that are still to be read */
    size_t left;
    unsigned char *px;      /* decoded, alpha last if there is any */
    kn_save *save;          /* of an image being written */
} codec;

static void fail(png_structp png, png_const_charp text)
{
    codec *k = png_get_error_ptr(png);
    if (text)
        kn_fail(k->err, "damaged PNG: %s", text);
    longjmp(k->failed, 1);
}

/* Warnings are about metadata: what touches pixels is an error (see open_read). */
static void warn(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

/* ---- reading --------------------------------------------------------------------- */

static void take(png_structp png, png_bytep to, size_t n)
{
    codec *k = png_get_io_ptr(png);
    if (n > k->left)
        png_error(png, "it was cut short");
    memcpy(to, k->p, n);
    k->p += n;
    k->left -= n;
}

static int open_read(codec *k)
{
    k->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, k, fail, warn);
    k->info = k->png ? png_create_info_struct(k->png) : NULL;
    if (!k->info)
        return kn_fail(k->err, "libpng cannot start: out of memory");
    png_set_read_fn(k->png, k, take);
    png_set_crc_action(k->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT); /* tRNS is ancillary, yet alpha */
    return 0;
}

/* v laid on white with opacity a, rounded. */
static unsigned char on_white(unsigned v, unsigned a)
{
    return (unsigned char)((v * a + 255 * (255 - a) + 127) / 255);
}

static void drop_alpha(ds_image *out, const unsigned char *px)
{
    size_t c = out->c;
    for (size_t i = 0; i < out->h * out->w; i++)
        for (size_t k = 0; k < c; k++)
            out->px[i * c + k] = on_white(px[i * (c + 1) + k], px[i * (c + 1) + c]);
}

static int decode(codec *k, ds_image *out)
{
    png_read_info(k->png, k->info);
    png_set_expand(k->png); /* palettes to RGB, 1, 2 and 4 bits to 8, tRNS to alpha */
    png_set_scale_16(k->png);
    int passes = png_set_interlace_handling(k->png);
    size_t h = png_get_image_height(k->png, k->info), w = png_get_image_width(k->png, k->info);
    bool colour = png_get_color_type(k->png, k->info) & PNG_COLOR_MASK_COLOR;
    if (ds_image_new(out, h, w, colour ? 3 : 1, k->err))
        return -1;
    png_read_update_info(k->png, k->info);
    size_t c = png_get_channels(k->png, k->info);
    if (c > out->c && !(k->px = kn_alloc(h * w, c, k->err)))
        return -1;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < h; y++)
            png_read_row(k->png, (k->px ? k->px : out->px) + y * w * c, NULL);
    png_read_end(k->png, NULL);
    if (k->px)
        drop_alpha(out, k->px);
    return 0;
}

int ds_png_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err)
{
    codec k = {.err = err, .p = p, .left = n};
    int rc = setjmp(k.failed) || open_read(&k) || decode(&k, out) ? -1 : 0;
    png_destroy_read_struct(&k.png, &k.info, NULL);
    kn_free(k.px);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------- */

static void put(png_structp png, png_bytep p, size_t n)
{
    codec *k = png_get_io_ptr(png);
    if (kn_save_write(k->save, p, n, k->err))
        fail(png, NULL);
}

static void flush(png_structp png)
{
    (void)png; /* kn_save_commit does */
}

static int encode(codec *k, const ds_image *im)
{
    k->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, k, fail, warn);
    k->info = k->png ? png_create_info_struct(k->png) : NULL;
    if (!k->info)
        return kn_fail(k->err, "libpng cannot start: out of memory");
    png_set_write_fn(k->png, k, put, flush);
    png_set_IHDR(k->png, k->info, (png_uint_32)im->w, (png_uint_32)im->h, 8,
                 im->c == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(k->png, k->info);
    for (size_t y = 0; y < im->h; y++)
        png_write_row(k->png, im->px + y * im->w * im->c);
    png_write_end(k->png, NULL);
    return 0;
}

int ds_image_save(const char *path, const ds_image *im, kn_error *err)
{
    codec k = {.err = err, .save = kn_save_open(path, err)};
    if (!k.save)
        return -1;
    int rc = setjmp(k.failed) || encode(&k, im) ? -1 : 0;
    png_destroy_write_struct(&k.png, &k.info);
    if (!rc)
        return kn_save_commit(k.save, err);
    kn_save_abort(k.save);
    return -1;
}
