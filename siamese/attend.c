/* What a network looks at, found by covering parts of the image: M. Zeiler,
 * R. Fergus, "Visualizing and understanding convolutional networks" (ECCV 2014),
 * section 4.3. Their square is grey; this one has the mean colour of the images
 * that the network was trained on, which is zero to it. */
#include "siamese/image_model.h"

#include <math.h>
#include <string.h>

enum { ROWS = 256 }; /* covered images at a time */

typedef struct occlusion {
    const sm_pixels *image;
    const sm_model *model;
    const sm_image_recipe *recipe;
    const sm_attend_options *o;
    sm_encoder *e;
    sm_pixels covered;    /* [ROWS,h,w,c] */
    float *z;             /* [1 + ROWS, E]: the image's outputs, then those of covered */
    float *drop;          /* [ROWS] */
    uint32_t *first, *row; /* [ROWS] the pairs (0, 1 + i) of rows of z */
    double *sum;          /* [h,w] of drops, */
    uint32_t *count;      /* [h,w] and how many */
    size_t down, across;  /* places of the square */
} occlusion;

/* Where the square starts at its place number i: the last one ends at the edge. */
static size_t start_of(size_t i, size_t stride, size_t patch, size_t side)
{
    return i * stride < side - patch ? i * stride : side - patch;
}

static size_t places(size_t side, size_t patch, size_t stride)
{
    return 1 + (side - patch + stride - 1) / stride;
}

static unsigned char mean_colour(float mean)
{
    return (unsigned char)lroundf(255 * fminf(fmaxf(mean, 0), 1));
}

static void cover(unsigned char *px, const occlusion *w, size_t place)
{
    const sm_pixels *p = w->image;
    size_t top = start_of(place / w->across, w->o->stride, w->o->patch, p->h);
    size_t left = start_of(place % w->across, w->o->stride, w->o->patch, p->w);
    memcpy(px, p->px, p->h * p->w * p->c);
    for (size_t y = top; y < top + w->o->patch; y++)
        for (size_t x = left; x < left + w->o->patch; x++)
            for (size_t k = 0; k < p->c; k++)
                px[(y * p->w + x) * p->c + k] = mean_colour(w->recipe->input.mean[k]);
}

/* Its drop to every pixel that the square covers. */
static void spread(occlusion *w, size_t place, double drop)
{
    const sm_pixels *p = w->image;
    size_t top = start_of(place / w->across, w->o->stride, w->o->patch, p->h);
    size_t left = start_of(place % w->across, w->o->stride, w->o->patch, p->w);
    for (size_t y = top; y < top + w->o->patch; y++)
        for (size_t x = left; x < left + w->o->patch; x++) {
            w->sum[y * p->w + x] += drop;
            w->count[y * p->w + x]++;
        }
}

/* drop[n] of the covered images whose outputs are z[1 .. n]. */
static int drops(occlusion *w, const sm_attention *a, size_t n, kn_error *err)
{
    size_t E = sm_encoder_width(w->e);
    float *z = w->z + E;
    switch (sm_image_tells(w->model)) {
    case SM_CLASSES:
        sm_softmax(z, n, E);
        for (size_t i = 0; i < n; i++)
            w->drop[i] = (float)(a->answer - (double)z[i * E + a->class_number]);
        return 0;
    case SM_SCORES:
        for (size_t i = 0; i < n; i++)
            w->drop[i] = (float)(a->answer - sm_image_score(w->recipe, z[i]));
        return 0;
    default:
        return sm_vector_distances(w->e, w->drop, w->z, w->first, w->row, n, err);
    }
}

/* What the model says of the image as it is. */
static int answer(sm_attention *a, occlusion *w, kn_error *err)
{
    size_t E = sm_encoder_width(w->e);
    if (sm_image_outputs(w->e, w->z, w->image, w->recipe, err))
        return -1;
    if (sm_image_tells(w->model) == SM_SCORES)
        a->answer = sm_image_score(w->recipe, w->z[0]);
    if (sm_image_tells(w->model) != SM_CLASSES)
        return 0;
    sm_softmax(w->z, 1, E);
    a->class_number = w->o->class_number < 0 ? sm_most_probable(w->z, E) : (size_t)w->o->class_number;
    a->answer = (double)w->z[a->class_number];
    return 0;
}

static int occlude(sm_attention *a, occlusion *w, kn_error *err)
{
    const sm_pixels *p = w->image;
    size_t all = w->down * w->across, one = p->h * p->w * p->c;
    if (answer(a, w, err))
        return -1;
    for (size_t at = 0; at < all; at += ROWS) {
        size_t n = w->covered.n = all - at < ROWS ? all - at : ROWS;
        for (size_t i = 0; i < n; i++)
            cover(w->covered.px + i * one, w, at + i);
        if (sm_image_outputs(w->e, w->z + sm_encoder_width(w->e), &w->covered, w->recipe, err) || drops(w, a, n, err))
            return -1;
        for (size_t i = 0; i < n; i++)
            spread(w, at + i, (double)w->drop[i]);
    }
    for (size_t i = 0; i < p->h * p->w; i++)
        a->map[i] = (float)(w->sum[i] / w->count[i]);
    return 0;
}

static int make_room(occlusion *w, kn_error *err)
{
    const sm_pixels *p = w->image;
    w->covered = (sm_pixels){.h = p->h, .w = p->w, .c = p->c};
    if (!(w->covered.px = kn_alloc(ROWS, p->h * p->w * p->c, err)) ||
        !(w->z = kn_alloc(1 + ROWS, sm_encoder_width(w->e) * sizeof *w->z, err)) ||
        !(w->drop = kn_alloc(ROWS, sizeof *w->drop, err)) || !(w->first = kn_alloc(2 * ROWS, sizeof *w->first, err)) ||
        !(w->sum = kn_alloc(p->h * p->w, sizeof *w->sum, err)) ||
        !(w->count = kn_alloc(p->h * p->w, sizeof *w->count, err)))
        return -1;
    w->row = w->first + ROWS;
    for (uint32_t i = 0; i < ROWS; i++)
        w->row[i] = 1 + i;
    return 0;
}

static int check(const sm_pixels *p, const sm_model *m, const sm_attend_options *o, kn_error *err)
{
    size_t least = p->h < p->w ? p->h : p->w;
    if (o->stride < 1 || o->stride > o->patch || o->patch > least)
        return kn_fail(err, "a square of %zu pixels moved by %zu does not go over an image of %zu x %zu", o->patch,
                       o->stride, p->h, p->w);
    if (o->class_number >= 0 && (sm_image_tells(m) != SM_CLASSES || (size_t)o->class_number >= m->graph->output_width))
        return kn_fail(err, "the model knows no class number %td", o->class_number);
    return 0;
}

int sm_attend(sm_attention *a, sm_encoder *e, const sm_model *m, const sm_image_recipe *r, const sm_pixels *image,
              const sm_attend_options *o, kn_error *err)
{
    *a = (sm_attention){0};
    if (check(image, m, o, err))
        return -1;
    occlusion w = {.image = image, .model = m, .recipe = r, .o = o, .e = e,
                   .down = places(image->h, o->patch, o->stride), .across = places(image->w, o->patch, o->stride)};
    a->map = kn_alloc(image->h * image->w, sizeof *a->map, err);
    int rc = a->map && !make_room(&w, err) ? occlude(a, &w, err) : -1;
    sm_pixels_free(&w.covered);
    kn_free(w.z);
    kn_free(w.drop);
    kn_free(w.first);
    kn_free(w.sum);
    kn_free(w.count);
    if (rc) {
        kn_free(a->map);
        *a = (sm_attention){0};
    }
    return rc;
}
