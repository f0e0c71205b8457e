/* Images changed at random: turned, zoomed, shifted, mirrored, other colours.
 *
 * Colours and the network's normalisation are one table of 256 floats a channel.
 * Then one affine map from the pixels of the result back into the image, bilinear
 * between four neighbours (G. Wolberg, "Digital Image Warping", 1990, 3.1 inverse
 * mapping), row by row of the result. */
#include "siamese/images.h"

#include <math.h>

int sm_augment_check(const sm_augment *a, kn_error *err)
{
    const struct { const char *name; double value, most; } range[] = {
        {"rotation", a->rotate, 180}, {"zoom", a->zoom, 10}, {"shift", a->shift, 1}, {"colour change", a->colour, 1}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= 0 && range[i].value <= range[i].most))
            return kn_fail(err, "a %s of %g: it must be from 0 to %g", range[i].name, range[i].value, range[i].most);
    return 0;
}

/* ---- which change ------------------------------------------------------------------ */

sm_change sm_change_view(const sm_image_input *in, double size, bool mirror)
{
    float step = (float)(1 / size);
    return (sm_change){.row = {step, 0, (float)(in->h - 1) / 2},
                       .col = {0, mirror ? -step : step, (float)(in->w - 1) / 2}, .scale = {1, 1, 1}};
}

/* Uniform in [-1,1). */
static double either_side(kn_rng *rng)
{
    return 2 * (double)kn_u01(kn_rng_u32(rng)) - 1;
}

/* Numbers are drawn in one order, used or not, so that a change of one setting
 * leaves the other draws alone. */
enum { DRAWS = 16 }; /* words of the stream a step has; whole blocks of Philox */

sm_change sm_augment_draw(const sm_augment *a, const sm_image_input *in, uint64_t seed, uint64_t step, uint32_t row)
{
    const double pi = 3.14159265358979323846;
    kn_rng rng = kn_rng_new(seed, KN_STREAM_AUGMENT, row);
    rng.next = step * DRAWS;
    sm_change c = sm_change_view(in, 1, false);
    double angle = a->rotate * either_side(&rng) * pi / 180, size = exp(log1p(a->zoom) * either_side(&rng));
    double down = a->shift * either_side(&rng) * (double)in->h, across = a->shift * either_side(&rng) * (double)in->w;
    double side = kn_rng_u32(&rng) >> 31 && a->flip ? -1 : 1;
    double y = cos(angle) / size, x = sin(angle) / size;
    c.row[0] = (float)y, c.row[1] = (float)(-x * side), c.row[2] += (float)down;
    c.col[0] = (float)x, c.col[1] = (float)(y * side), c.col[2] += (float)across;
    double brightness = a->colour * either_side(&rng), contrast = 1 + a->colour * either_side(&rng);
    for (size_t k = 0; k < in->c; k++) {
        double gain = 1 + a->colour * either_side(&rng);
        c.scale[k] = (float)(gain * contrast);
        c.offset[k] = (float)(gain * (1 - contrast) * (double)in->mean[k] + brightness);
    }
    return c;
}

/* ---- colours and normalisation ---------------------------------------------------------- */

static void colour_table(float table[256], float scale, float offset, float mean, float std)
{
    for (int v = 0; v < 256; v++) {
        float x = scale * ((float)v / 255) + offset;
        x = x < 0 ? 0 : x;
        x = x > 1 ? 1 : x;
        table[v] = (x - mean) / std;
    }
}

static void look_up(float *x, const unsigned char *px, const sm_image_input *in, const sm_change *change)
{
    float table[3][256];
    size_t c = in->c, n = in->h * in->w * c;
    for (size_t k = 0; k < c; k++)
        colour_table(table[k], change->scale[k], change->offset[k], in->mean[k], in->std[k]);
    if (c == 1)
        for (size_t i = 0; i < n; i++)
            x[i] = table[0][px[i]];
    else
        for (size_t i = 0; i < n; i += 3) {
            x[i] = table[0][px[i]];
            x[i + 1] = table[1][px[i + 1]];
            x[i + 2] = table[2][px[i + 2]];
        }
}

/* ---- the map ------------------------------------------------------------------------------ */

enum { SPAN = 64 }; /* pixels of the result at a time */

/* Where these pixels are read: number of the upper left neighbour, and how far
 * below and right of it. */
typedef struct span {
    int32_t at[SPAN];
    float down[SPAN], right[SPAN];
} span;

/* Kept in [0, most]: beyond the edge lies the edge. NaN becomes 0. */
static inline float inside(float v, float most)
{
    v = v > 0 ? v : 0;
    return v < most ? v : most;
}

/* Pixels `from` .. from + n - 1 of row y of the result. The last neighbour but
 * one is the upper left one of the edge too, at a distance of 1. */
static void locate(span *s, const sm_image_input *in, const sm_change *change, size_t y, size_t from, size_t n)
{
    int32_t w = (int32_t)in->w, last_row = in->h > 1 ? (int32_t)in->h - 2 : 0, last_col = w > 1 ? w - 2 : 0;
    float dy = (float)y - (float)(in->h - 1) / 2, left = (float)from - (float)(in->w - 1) / 2;
    float row0 = change->row[0] * dy + change->row[2], col0 = change->col[0] * dy + change->col[2];
    float row1 = change->row[1], col1 = change->col[1], bottom = (float)(in->h - 1), end = (float)(in->w - 1);
    for (size_t i = 0; i < n; i++) {
        float dx = left + (float)i;
        float r = inside(row1 * dx + row0, bottom), c = inside(col1 * dx + col0, end);
        int32_t ri = (int32_t)r, ci = (int32_t)c;
        ri = ri < last_row ? ri : last_row;
        ci = ci < last_col ? ci : last_col;
        s->at[i] = ri * w + ci;
        s->down[i] = r - (float)ri;
        s->right[i] = c - (float)ci;
    }
}

/* x[n,c] between four neighbours each; below and beside say where they lie.
 * Written so that a share of 0 or 1 gives exactly one of them. */
static inline void blend(float *x, const float *image, const span *s, size_t n, size_t c, size_t below, size_t beside)
{
    for (size_t i = 0; i < n; i++) {
        const float *p = image + (size_t)s->at[i] * c;
        float down = s->down[i], right = s->right[i], up = 1 - down, left = 1 - right;
        for (size_t k = 0; k < c; k++) {
            float upper = left * p[k] + right * p[beside + k];
            float lower = left * p[below + k] + right * p[below + beside + k];
            x[i * c + k] = up * upper + down * lower;
        }
    }
}

static void warp(float *x, const float *image, const sm_image_input *in, const sm_change *change)
{
    span s;
    size_t c = in->c, below = in->h > 1 ? in->w * c : 0, beside = in->w > 1 ? c : 0;
    for (size_t y = 0; y < in->h; y++)
        for (size_t from = 0; from < in->w; from += SPAN) {
            size_t n = in->w - from < SPAN ? in->w - from : SPAN;
            float *to = x + (y * in->w + from) * c;
            locate(&s, in, change, y, from, n);
            if (c == 1)
                blend(to, image, &s, n, 1, below, beside);
            else
                blend(to, image, &s, n, 3, below, beside);
        }
}

static bool moves_nothing(const sm_change *change, const sm_image_input *in)
{
    sm_change none = sm_change_view(in, 1, false);
    bool same = true;
    for (int i = 0; i < 3; i++)
        same = same && change->row[i] == none.row[i] && change->col[i] == none.col[i];
    return same;
}

void sm_change_apply(float *x, const unsigned char *px, const sm_image_input *in, const sm_change *change,
                     float *scratch)
{
    bool stays = moves_nothing(change, in);
    look_up(stays ? x : scratch, px, in, change);
    if (!stays)
        warp(x, scratch, in, change);
}
