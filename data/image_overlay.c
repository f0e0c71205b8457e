/* A map of numbers drawn over an image. */
#include <math.h>

#include "data/image_private.h"

enum { LEAST = 256, MOST = 1024 }; /* pixels of the longer side */

static void drawn_size(size_t *H, size_t *W, const ds_image *in)
{
    size_t longer = in->h > in->w ? in->h : in->w;
    size_t side = longer < LEAST ? LEAST : longer > MOST ? MOST : longer;
    *H = (in->h * side + longer / 2) / longer;
    *W = (in->w * side + longer / 2) / longer;
    *H += *H == 0;
    *W += *W == 0;
}

/* Where pixel i of n lies among m numbers, by centres: between number *at and the
 * next, *share of the way. */
static void place(size_t *at, double *share, size_t i, size_t n, size_t m)
{
    double x = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    x = fmin(fmax(x, 0), (double)(m - 1));
    *at = m > 1 && x >= (double)(m - 1) ? m - 2 : (size_t)x;
    *share = x - (double)*at;
}

static double between(const float *map, size_t h, size_t w, size_t y, size_t x, double down, double across)
{
    const float *row = map + y * w + x, *below = y + 1 < h ? row + w : row;
    size_t right = x + 1 < w;
    double above = (1 - across) * (double)row[0] + across * (double)row[right];
    return (1 - down) * above + down * ((1 - across) * (double)below[0] + across * (double)below[right]);
}

/* v in [-1,1] as red or blue over a grey pixel; the colour of the largest still
 * lets a third of the picture through. */
static void tint(unsigned char px[3], unsigned char grey, double v)
{
    static const unsigned char red[3] = {255, 0, 0}, blue[3] = {0, 64, 255};
    const unsigned char *colour = v > 0 ? red : blue;
    double share = 2 * fabs(v) / 3;
    for (int k = 0; k < 3; k++)
        px[k] = (unsigned char)lround((1 - share) * grey + share * colour[k]);
}

static int largest(double *most, const float *map, size_t n, kn_error *err)
{
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(map[i]))
            return kn_fail(err, "the map has the number %g: it cannot be drawn", (double)map[i]);
        *most = fmax(*most, fabs((double)map[i]));
    }
    return 0;
}

int ds_image_overlay(ds_image *out, const ds_image *in, const float *map, size_t h, size_t w, kn_error *err)
{
    ds_image grey = {0};
    double most, down, across;
    size_t H, W, y, x;
    *out = (ds_image){0};
    drawn_size(&H, &W, in);
    if (largest(&most, map, h * w, err) || ds_image_resize(&grey, in, H, W, 1, err))
        return -1;
    int rc = ds_image_new(out, H, W, 3, err);
    for (size_t i = 0; !rc && i < H * W; i++) {
        place(&y, &down, i / W, H, h);
        place(&x, &across, i % W, W, w);
        tint(out->px + 3 * i, grey.px[i], most > 0 ? between(map, h, w, y, x, down, across) / most : 0);
    }
    ds_image_free(&grey);
    return rc;
}
