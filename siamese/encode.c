/* Vectors through a trained network: alone, or as pairs to their distances. */
#include "siamese/siamese.h"

#include <math.h>
#include <string.h>

enum { PAIRS = SM_BLOCK / 2 };

struct sm_encoder {
    const sm_model *model;
    kn_backend *be;
    sm_net *net;
    float *stage;    /* host [SM_BLOCK, D]: the rows of pairs, gathered */
    float *distance; /* device [PAIRS] */
};

sm_encoder *sm_encoder_new(const sm_model *m, kn_backend *be, kn_error *err)
{
    sm_encoder *e = kn_alloc(1, sizeof *e, err);
    if (!e)
        return NULL;
    e->model = m;
    e->be = be;
    e->net = sm_net_new(m->graph, be, SM_BLOCK, false, err);
    e->stage = e->net ? kn_alloc(SM_BLOCK * m->graph->input_width, sizeof *e->stage, err) : NULL;
    e->distance = e->stage ? be->alloc(be, PAIRS * sizeof *e->distance, err) : NULL;
    if (!e->distance) {
        sm_encoder_free(e);
        return NULL;
    }
    sm_net_set(e->net, m->params, m->stats);
    return e;
}

void sm_encoder_free(sm_encoder *e)
{
    if (!e)
        return;
    e->be->dealloc(e->be, e->distance);
    kn_free(e->stage);
    sm_net_free(e->net);
    kn_free(e);
}

size_t sm_encoder_width(const sm_encoder *e)
{
    return e->model->graph->output_width;
}

/* Weights near the end of fp32's range can leave it. */
static int check_finite(const float *x, size_t rows, size_t width, kn_error *err)
{
    for (size_t i = 0; i < rows * width; i++)
        if (!isfinite(x[i]))
            return kn_fail(err, "the model gives %g for row %zu: its weights cannot be used", (double)x[i],
                           i / width + 1);
    return 0;
}

int sm_encode(sm_encoder *e, float *z, const float *x, size_t N, kn_error *err)
{
    kn_backend *be = e->be;
    size_t D = e->model->graph->input_width, E = sm_encoder_width(e);
    for (size_t at = 0; at < N; at += SM_BLOCK) {
        size_t rows = N - at < SM_BLOCK ? N - at : SM_BLOCK; /* the others keep what they held: no row sees them */
        be->upload(be, sm_net_input(e->net), x + at * D, rows * D * sizeof *x);
        sm_net_infer(e->net, SM_BLOCK);
        be->download(be, z + at * E, sm_net_output(e->net), rows * E * sizeof *z);
    }
    return be->sync(be, err) ? -1 : check_finite(z, N, E, err);
}

static void stage_rows(sm_encoder *e, size_t first, const sm_pairs *p, const uint32_t *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(e->stage + (first + i) * p->dim, p->x + row[i] * p->dim, p->dim * sizeof *p->x);
}

int sm_distances(sm_encoder *e, float *d, const sm_pairs *p, kn_error *err)
{
    kn_backend *be = e->be;
    size_t D = e->model->graph->input_width, E = sm_encoder_width(e);
    if (p->dim != D)
        return kn_fail(err, "these vectors have %zu numbers, the model reads %zu", p->dim, D);
    for (size_t at = 0; at < p->pairs; at += PAIRS) {
        size_t pairs = p->pairs - at < PAIRS ? p->pairs - at : PAIRS;
        stage_rows(e, 0, p, p->q1 + at, pairs);
        stage_rows(e, PAIRS, p, p->q2 + at, pairs);
        be->upload(be, sm_net_input(e->net), e->stage, SM_BLOCK * D * sizeof *e->stage);
        sm_net_infer(e->net, SM_BLOCK);
        be->distance(be, e->distance, sm_net_output(e->net), e->model->distance, PAIRS, E);
        be->download(be, d + at, e->distance, pairs * sizeof *d);
    }
    return be->sync(be, err) ? -1 : check_finite(d, p->pairs, 1, err);
}
