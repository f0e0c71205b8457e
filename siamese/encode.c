/* Vectors through a trained network: alone, or as pairs to their distances. */
#include "siamese/siamese.h"

#include <math.h>
#include <string.h>

struct sm_encoder {
    const sm_model *model;
    kn_backend *be;
    sm_net *net;
    size_t block;    /* rows: even */
    float *stage;    /* host [block, D]: the rows of pairs, gathered */
    float *distance; /* device [block / 2] */
};

/* As many rows as 64 MiB of results hold, SM_BLOCK at most: told by the network
 * alone. */
static size_t block_of(const sm_graph *g)
{
    size_t width = 0, rows;
    for (int i = 0; i < g->nodes; i++) /* SM_MAX_NODES x SM_MAX_NUMBERS fits */
        width += g->node[i].width;
    rows = (1 << 24) / width / 2 * 2;
    return rows < 2 ? 2 : rows > SM_BLOCK ? SM_BLOCK : rows;
}

sm_encoder *sm_encoder_new(const sm_model *m, kn_backend *be, kn_error *err)
{
    sm_encoder *e = kn_alloc(1, sizeof *e, err);
    if (!e)
        return NULL;
    e->model = m;
    e->be = be;
    e->block = block_of(m->graph);
    e->net = sm_net_new(m->graph, be, e->block, false, err);
    e->stage = e->net ? kn_alloc(e->block * m->graph->input_width, sizeof *e->stage, err) : NULL;
    e->distance = e->stage ? be->alloc(be, e->block / 2 * sizeof *e->distance, err) : NULL;
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
    size_t D = e->model->graph->input_width, E = sm_encoder_width(e), B = e->block;
    for (size_t at = 0; at < N; at += B) {
        size_t rows = N - at < B ? N - at : B; /* the others keep what they held: no row sees them */
        be->upload(be, sm_net_input(e->net), x + at * D, rows * D * sizeof *x);
        sm_net_infer(e->net, e->block);
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
    size_t D = e->model->graph->input_width, E = sm_encoder_width(e), B = e->block / 2;
    if (p->dim != D)
        return kn_fail(err, "these vectors have %zu numbers, the model reads %zu", p->dim, D);
    for (size_t at = 0; at < p->pairs; at += B) {
        size_t pairs = p->pairs - at < B ? p->pairs - at : B;
        stage_rows(e, 0, p, p->q1 + at, pairs);
        stage_rows(e, B, p, p->q2 + at, pairs);
        be->upload(be, sm_net_input(e->net), e->stage, e->block * D * sizeof *e->stage);
        sm_net_infer(e->net, e->block);
        be->distance(be, e->distance, sm_net_output(e->net), e->model->distance, B, E);
        be->download(be, d + at, e->distance, pairs * sizeof *d);
    }
    return be->sync(be, err) ? -1 : check_finite(d, p->pairs, 1, err);
}

int sm_vector_distances(sm_encoder *e, float *d, const float *z, const uint32_t *a, const uint32_t *b, size_t n,
                        kn_error *err)
{
    kn_backend *be = e->be;
    size_t E = sm_encoder_width(e), B = e->block / 2;
    float *host = kn_alloc(2 * B, E * sizeof *host, err);
    float *vectors = host ? be->alloc(be, 2 * B * E * sizeof *vectors, err) : NULL;
    for (size_t at = 0; vectors && at < n; at += B) {
        size_t pairs = n - at < B ? n - at : B;
        for (size_t i = 0; i < pairs; i++) {
            memcpy(host + i * E, z + a[at + i] * E, E * sizeof *z);
            memcpy(host + (B + i) * E, z + b[at + i] * E, E * sizeof *z);
        }
        be->upload(be, vectors, host, 2 * B * E * sizeof *host);
        be->distance(be, e->distance, vectors, e->model->distance, B, E);
        be->download(be, d + at, e->distance, pairs * sizeof *d);
    }
    int rc = !vectors || be->sync(be, err) ? -1 : check_finite(d, n, 1, err);
    be->dealloc(be, vectors);
    kn_free(host);
    return rc;
}
