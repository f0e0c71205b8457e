/* Images through a trained network. */
#include "siamese/image_model.h"

#include <math.h>

enum { SIZES = 3, ROWS = 256, FLOATS = 1 << 22 /* of images, about, and at most ROWS of them, at a time */ };

/* The ways an image is looked at: view[2 SIZES]. Returns how many. */
static size_t views_of(sm_change *view, const sm_image_recipe *r)
{
    const double size[SIZES] = {1, 1 + r->zoom, 1 / (1 + r->zoom)};
    size_t n = 0;
    for (size_t i = 0; i < (r->zoom > 0 ? SIZES : 1); i++)
        for (int mirror = 0; mirror <= r->mirror; mirror++)
            view[n++] = sm_change_view(&r->input, size[i], mirror);
    return n;
}

int sm_image_outputs(sm_encoder *e, float *z, const sm_pixels *p, const sm_image_recipe *r, kn_error *err)
{
    size_t D = r->input.h * r->input.w * r->input.c, E = sm_encoder_width(e);
    size_t most = FLOATS / D < ROWS ? FLOATS / D + 1 : ROWS;
    float *x = kn_alloc(most + 1, D * sizeof *x, err), *other = x ? kn_alloc(most, E * sizeof *other, err) : NULL;
    sm_change view[2 * SIZES];
    size_t views = views_of(view, r);
    int rc = other ? 0 : -1;
    for (size_t at = 0; !rc && at < p->n; at += most) {
        size_t rows = p->n - at < most ? p->n - at : most;
        float *sum = z + at * E;
        for (size_t v = 0; !rc && v < views; v++) {
            sm_pixels_rows(x, p, &r->input, at, rows, &view[v], x + most * D);
            rc = sm_encode(e, v ? other : sum, x, rows, err);
            for (size_t i = 0; v && i < rows * E; i++)
                sum[i] += other[i];
        }
        for (size_t i = 0; !rc && i < rows * E; i++)
            sum[i] /= (float)views;
    }
    kn_free(x);
    kn_free(other);
    return rc;
}

void sm_softmax(float *z, size_t n, size_t C)
{
    for (size_t i = 0; i < n; i++, z += C) {
        float most = z[0];
        double sum = 0;
        for (size_t c = 1; c < C; c++)
            most = z[c] > most ? z[c] : most;
        for (size_t c = 0; c < C; c++)
            sum += (double)(z[c] = expf(z[c] - most));
        for (size_t c = 0; c < C; c++)
            z[c] = (float)((double)z[c] / sum);
    }
}

size_t sm_most_probable(const float *p, size_t C)
{
    size_t best = 0;
    for (size_t c = 1; c < C; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

double sm_image_score(const sm_image_recipe *r, float output)
{
    return r->score_mean + r->score_std * (double)output;
}

void sm_judge_classes(sm_judgement *j, const float *p, const uint32_t *group, size_t n, size_t C)
{
    size_t right = 0;
    *j = (sm_judgement){.n = n, .kind = SM_CLASSES};
    for (size_t i = 0; i < n; i++, p += C) {
        right += sm_most_probable(p, C) == group[i];
        j->loss -= log(fmax((double)p[group[i]], 1e-12)) / (double)n;
    }
    j->score = j->accuracy = (double)right / (double)n;
}
