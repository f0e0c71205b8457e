/* Another size: each new row is a weighted sum of old rows, each new pixel then
 * one of that row's pixels. Weights of an axis of `in` pixels that gets `out`:
 *  - out <= in: pixel i covers [i in/out, (i+1) in/out); an old pixel's weight is
 *    the share of it (box filter), computed in whole numbers;
 *  - out > in: linear between the centres (i + 1/2) in/out - 1/2, the border
 *    pixels going on outside. */
#include <math.h>
#include <string.h>

#include "data/image_private.h"

typedef struct taps {
    size_t *first; /* [out]: the first old pixel */
    size_t most;   /* old pixels of one new pixel, at most */
    float *weight; /* [out][most], 0 behind the last */
} taps;

static void free_taps(taps *t)
{
    kn_free(t->first);
    kn_free(t->weight);
}

static void box(taps *t, size_t in, size_t out)
{
    for (size_t i = 0; i < out; i++) { /* in units of 1/out pixel */
        size_t begin = i * in, end = begin + in, j = t->first[i] = begin / out;
        for (size_t k = 0; (j + k) * out < end; k++) {
            size_t from = (j + k) * out > begin ? (j + k) * out : begin;
            size_t to = (j + k + 1) * out < end ? (j + k + 1) * out : end;
            t->weight[i * t->most + k] = (float)(to - from) / (float)in;
        }
    }
}

static void linear(taps *t, size_t in, size_t out)
{
    for (size_t i = 0; i < out; i++) {
        double x = ((double)i + 0.5) * (double)in / (double)out - 0.5;
        x = fmin(fmax(x, 0), (double)(in - 1));
        t->first[i] = (size_t)x;
        float share = (float)(x - floor(x));
        t->weight[i * t->most] = 1 - share;
        if (in > 1)
            t->weight[i * t->most + 1] = share;
    }
}

static int make_taps(taps *t, size_t in, size_t out, kn_error *err)
{
    t->most = out <= in ? (in - 1) / out + 2 : in > 1 ? 2 : 1;
    if (!(t->first = kn_alloc(out, sizeof *t->first, err)) ||
        !(t->weight = kn_alloc(out * t->most, sizeof *t->weight, err)))
        return -1;
    if (out <= in)
        box(t, in, out);
    else
        linear(t, in, out);
    return 0;
}

/* row[w c] = sum over old rows. */
static void blend_rows(float *row, const ds_image *in, const taps *t, size_t y)
{
    size_t n = in->w * in->c;
    memset(row, 0, n * sizeof *row);
    for (size_t k = 0; k < t->most; k++) {
        float weight = t->weight[y * t->most + k];
        if (!(weight > 0))
            continue;
        const unsigned char *px = in->px + (t->first[y] + k) * n;
        for (size_t i = 0; i < n; i++)
            row[i] += weight * (float)px[i];
    }
}

static unsigned char to_byte(float v)
{
    return (unsigned char)(v + 0.5f);
}

/* px[w c] of the output from row[.][from]. */
static void blend_columns(unsigned char *px, size_t w, size_t c, const float *row, size_t from, const taps *t)
{
    for (size_t x = 0; x < w; x++) {
        float v[3] = {0};
        for (size_t k = 0; k < t->most; k++) {
            float weight = t->weight[x * t->most + k];
            for (size_t i = 0; weight > 0 && i < from; i++)
                v[i] += weight * row[(t->first[x] + k) * from + i];
        }
        if (c < from)
            v[0] = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
        for (size_t i = 0; i < c; i++)
            px[x * c + i] = to_byte(v[from == 3 ? i : 0]);
    }
}

int ds_image_resize(ds_image *out, const ds_image *in, size_t h, size_t w, size_t c, kn_error *err)
{
    taps rows = {0}, columns = {0};
    float *row = NULL;
    *out = (ds_image){0};
    if (c != 1 && c != 3)
        return kn_fail(err, "an image of %zu channels: 1 (grey) or 3 (RGB) can be made", c);
    int rc = ds_image_new(out, h, w, c, err);
    if (!rc && (make_taps(&rows, in->h, h, err) || make_taps(&columns, in->w, w, err) ||
                !(row = kn_alloc(in->w * in->c, sizeof *row, err))))
        rc = -1;
    for (size_t y = 0; !rc && y < h; y++) {
        blend_rows(row, in, &rows, y);
        blend_columns(out->px + y * w * c, w, c, row, in->c, &columns);
    }
    kn_free(row);
    free_taps(&rows);
    free_taps(&columns);
    if (rc)
        ds_image_free(out);
    return rc;
}
