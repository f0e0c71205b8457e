/* JPEG by libjpeg-turbo. The library fills what is missing with grey and says so
 * in a warning; here every warning ends the decoding. */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "data/image_private.h"

/* Scans of a progressive file: encoders write about ten. Each costs a pass over
 * all coefficients, and a few bytes of a hostile file. */
enum { MAX_SCANS = 100 };

typedef struct reader {
    struct jpeg_decompress_struct c; /* first: the library's callbacks are given its address */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    kn_error *err;
} reader;

static void fail(j_common_ptr c)
{
    reader *r = (reader *)c;
    char text[JMSG_LENGTH_MAX];
    r->errors.format_message(c, text);
    kn_fail(r->err, "damaged JPEG: %s", text);
    longjmp(r->failed, 1);
}

static void message(j_common_ptr c, int level)
{
    if (level < 0) /* a warning; others are traces */
        fail(c);
}

static void count_scans(j_common_ptr c)
{
    reader *r = (reader *)c;
    if (r->c.input_scan_number > MAX_SCANS) {
        kn_fail(r->err, "damaged JPEG: more than %d scans", MAX_SCANS);
        longjmp(r->failed, 1);
    }
}

static int decode(reader *r, ds_image *out, const unsigned char *p, size_t n)
{
    jpeg_create_decompress(&r->c);
    r->c.progress = &r->progress;
    jpeg_mem_src(&r->c, p, n);
    jpeg_read_header(&r->c, TRUE);
    if (r->c.num_components != 1 && r->c.num_components != 3)
        return kn_fail(r->err, "a JPEG of %d colour components (CMYK?): save it as RGB", r->c.num_components);
    r->c.out_color_space = r->c.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (ds_image_new(out, r->c.image_height, r->c.image_width, (size_t)r->c.num_components, r->err))
        return -1;
    jpeg_start_decompress(&r->c);
    while (r->c.output_scanline < r->c.output_height) {
        JSAMPROW row = out->px + r->c.output_scanline * out->w * out->c;
        jpeg_read_scanlines(&r->c, &row, 1);
    }
    jpeg_finish_decompress(&r->c); /* reads up to the end-of-image marker */
    return 0;
}

int ds_jpeg_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err)
{
    reader r = {.err = err, .progress.progress_monitor = count_scans};
    r.c.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = fail;
    r.errors.emit_message = message;
    int rc = setjmp(r.failed) ? -1 : decode(&r, out, p, n);
    jpeg_destroy_decompress(&r.c);
    return rc;
}
