/* A graph on a backend: one block of memory, and the two ways through it. */
#include "siamese/op.h"

/* The next rows x width floats of a block at base, starting on 64 bytes; *end
 * is where the block ends so far, SIZE_MAX for good once memory cannot address
 * it. base NULL: only counts. */
static float *place(float *base, size_t *end, size_t rows, size_t width)
{
    size_t start = *end, size;
    if (start == SIZE_MAX || kn_mul(&size, rows, width) || kn_add(&size, size, 15) ||
        kn_add(end, start, size / 16 * 16))
        *end = SIZE_MAX;
    return base ? base + start : NULL;
}

/* ---- gradients share memory ------------------------------------------------------------- */

/* Backward goes from the last node to the first: the gradient of a node lives from
 * its last reader, who writes it first, until the node itself has passed it on.
 * Then another takes its place: half the memory, and what is still in a cache is
 * written to. */
typedef struct places {
    int of[SM_MAX_NODES];       /* node -> place */
    size_t width[SM_MAX_NODES]; /* of each place */
    bool taken[SM_MAX_NODES];
    int count;
} places;

/* By how much place k would have to be widened. */
static size_t growth(const places *p, int k, size_t width)
{
    return width > p->width[k] ? width - p->width[k] : 0;
}

/* The free place that grows least, the narrowest of those; or a new one. */
static int find_place(places *p, size_t width)
{
    int best = -1;
    for (int k = 0; k < p->count; k++) {
        if (p->taken[k])
            continue;
        size_t more = growth(p, k, width), least = best < 0 ? SIZE_MAX : growth(p, best, width);
        if (more < least || (more == least && p->width[k] < p->width[best]))
            best = k;
    }
    best = best < 0 ? p->count++ : best;
    p->width[best] += growth(p, best, width);
    p->taken[best] = true;
    return best;
}

static void share_places(places *p, const sm_graph *g)
{
    int last = g->nodes - 1;
    bool placed[SM_MAX_NODES] = {false};
    *p = (places){0};
    p->of[last] = find_place(p, g->node[last].width);
    for (int i = last; i > 0; i--) {
        const sm_node *d = &g->node[i];
        bool given = false; /* its own place, to its first input */
        for (int k = 0; k < d->inputs; k++) {
            int in = d->in[k];
            if (placed[in])
                continue;
            given |= k == 0 && sm_kinds[d->op].in_place && d->blocks <= 1;
            p->of[in] = k == 0 && given ? p->of[i] : find_place(p, g->node[in].width);
            placed[in] = true;
        }
        p->taken[p->of[i]] = given;
    }
}

/* Lays the block out: returns its floats and, once there is one, sets the
 * pointers into it. */
static size_t lay_out(sm_net *n, bool train)
{
    const sm_graph *g = n->graph;
    size_t end = 0;
    n->params = place(n->block, &end, 1, g->params);
    n->stats = place(n->block, &end, 1, g->stats);
    places shared = {0};
    float *dy[SM_MAX_NODES];
    if (train) {
        n->grads = place(n->block, &end, 1, g->params);
        share_places(&shared, g);
    }
    for (int k = 0; k < shared.count; k++)
        dy[k] = place(n->block, &end, n->rows, shared.width[k]);
    for (int i = 0; i < g->nodes; i++) {
        sm_cell *c = &n->cell[i];
        size_t width = g->node[i].width, channels = g->node[i].shape.c;
        c->y = place(n->block, &end, n->rows, width);
        if (train) {
            c->dy = dy[shared.of[i]];
            c->saved = place(n->block, &end, sm_kinds[g->node[i].op].saved, channels);
        }
    }
    return end;
}

static bool owns_parameters(const sm_node *d)
{
    return sm_kinds[d->op].init != NULL;
}

static void mark_needed(sm_net *n)
{
    const sm_graph *g = n->graph;
    for (int i = 1; i < g->nodes; i++) {
        n->cell[i].needed = owns_parameters(&g->node[i]) && !n->cell[i].still;
        for (int k = 0; k < g->node[i].inputs; k++)
            n->cell[i].needed |= n->cell[g->node[i].in[k]].needed;
    }
}

sm_net *sm_net_new(const sm_graph *g, kn_backend *be, size_t rows, bool train, kn_error *err)
{
    size_t bytes;
    sm_net *n = kn_alloc(1, sizeof *n, err);
    if (!n)
        return NULL;
    *n = (sm_net){.graph = g, .be = be, .rows = rows};
    n->cell = kn_alloc((size_t)g->nodes, sizeof *n->cell, err);
    if (!n->cell)
        goto fail;
    if (kn_mul(&bytes, lay_out(n, train), sizeof(float))) {
        kn_fail(err, "%zu rows through this network are more than memory can address", rows);
        goto fail;
    }
    n->block = be->alloc(be, bytes, err);
    if (!n->block)
        goto fail;
    lay_out(n, train);
    mark_needed(n);
    return n;
fail:
    sm_net_free(n);
    return NULL;
}

void sm_net_free(sm_net *n)
{
    if (!n)
        return;
    n->be->dealloc(n->be, n->block);
    kn_free(n->cell);
    kn_free(n);
}

size_t sm_net_freeze(sm_net *n, int ops)
{
    const sm_graph *g = n->graph;
    size_t still = 0;
    for (int number = 1; number <= SM_MAX_NODES && ops >= 0; number++) /* in order of the text */
        for (int i = 1; i < g->nodes; i++)
            if (g->node[i].number == number && owns_parameters(&g->node[i]) && ops-- >= 0)
                still = ops < 0 ? g->node[i].param : g->params;
    bool moving = false; /* an op that learns stands above */
    for (int i = 1; i < g->nodes; i++) {
        bool owner = owns_parameters(&g->node[i]);
        moving = moving || (owner && g->node[i].param >= still);
        n->cell[i].still = owner ? g->node[i].param < still : !moving;
    }
    mark_needed(n);
    return still;
}

void sm_net_get(sm_net *n, float *params, float *stats)
{
    n->be->download(n->be, params, n->params, n->graph->params * sizeof *params);
    n->be->download(n->be, stats, n->stats, n->graph->stats * sizeof *stats);
}

void sm_net_set(sm_net *n, const float *params, const float *stats)
{
    n->be->upload(n->be, n->params, params, n->graph->params * sizeof *params);
    n->be->upload(n->be, n->stats, stats, n->graph->stats * sizeof *stats);
}

float *sm_net_input(sm_net *n)
{
    return n->cell[0].y;
}

float *sm_net_output(sm_net *n)
{
    return n->cell[n->graph->nodes - 1].y;
}

float *sm_net_output_grad(sm_net *n)
{
    return n->cell[n->graph->nodes - 1].dy;
}

float *sm_net_params(sm_net *n)
{
    return n->params;
}

float *sm_net_grads(sm_net *n)
{
    return n->grads;
}

float *sm_net_stats(sm_net *n)
{
    return n->stats;
}

/* Nodes 1 .. end-1. */
static void forward(sm_net *n, int end, const sm_pass *p)
{
    sm_pass still = *p;
    still.infer = true;
    for (int i = 1; i < end; i++)
        sm_kinds[n->graph->node[i].op].forward(n, i, n->cell[i].still ? &still : p);
}

/* Nodes end-1 .. 1. */
static void backward(sm_net *n, int end, const sm_pass *p)
{
    for (int i = end - 1; i > 0; i--)
        if (n->cell[i].needed)
            sm_kinds[n->graph->node[i].op].backward(n, i, p);
}

static void nothing_written(sm_net *n)
{
    for (int i = 0; i < n->graph->nodes; i++)
        n->cell[i].written = false;
}

void sm_net_forward(sm_net *n, size_t rows, const kn_step *step, uint64_t seed)
{
    forward(n, n->graph->nodes, &(sm_pass){.rows = rows, .step = step, .seed = seed});
}

void sm_net_infer(sm_net *n, size_t rows)
{
    forward(n, n->graph->nodes, &(sm_pass){.rows = rows, .infer = true});
}

void sm_net_backward(sm_net *n, size_t rows, const kn_step *step, uint64_t seed)
{
    nothing_written(n);
    backward(n, n->graph->nodes, &(sm_pass){.rows = rows, .step = step, .seed = seed});
}

/* A batchnorm of pixels is of no vector: a row of z would be a pixel's. */
static bool ends_in_batchnorm(const sm_net *n)
{
    const sm_node *d = &n->graph->node[n->graph->nodes - 1];
    return d->op == SM_BATCHNORM && d->act == KN_ACT_NONE && d->inputs == d->blocks && sm_pixels_of(d) == 1 &&
           !n->cell[n->graph->nodes - 1].still;
}

void sm_net_step_pairs(sm_net *n, float *loss, float *d, const float *y, kn_distance distance, kn_pair_loss kind,
                       float margin, size_t rows, const kn_step *step, uint64_t seed)
{
    const sm_pass p = {.rows = rows, .step = step, .seed = seed};
    int nodes = n->graph->nodes, end = ends_in_batchnorm(n) ? nodes - 1 : nodes;
    forward(n, end, &p);
    nothing_written(n);
    if (end < nodes)
        sm_batchnorm_pairs(n, end, &p, loss, d, y, distance, kind, margin);
    else
        n->be->pair_loss(n->be, loss, d, sm_net_output_grad(n), sm_net_output(n), y, distance, kind, margin, rows / 2,
                         n->graph->output_width);
    backward(n, end, &p);
}
