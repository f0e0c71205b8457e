/* Batches through the network, on the device: one upload and one recorded run a
 * step, no allocation, no waiting. */
#include "siamese/train.h"

#include <math.h>
#include <string.h>

/* What a step needs to know, uploaded in one piece. The batch's labels, then
 * rows follow: rows 0..B-1 are the first questions, B..2B-1 the second. */
typedef struct feed {
    kn_step step;
    float tail[];
} feed;

/* Argument of a recorded step: its size is part of the recording. */
typedef struct sized {
    sm_stepper *s;
    size_t pairs;
} sized;

struct sm_stepper {
    const sm_train_options *o;
    const sm_pairs *p;
    kn_backend *be;
    sm_net *net;
    const sm_graph *graph;
    float *block;           /* device, all below */
    float *m, *v;           /* moments */
    float *loss, *distance; /* [batch] */
    float *sum, *total;     /* [1] of a batch, of all since sm_stepper_loss */
    feed *device, *host;
    size_t feed_bytes;
    float *table;           /* p->x on the device; NULL where the device can read the host's */
    sized whole, part;      /* the two sizes of batches in an epoch */
};

enum { SLOT_WHOLE, SLOT_PART };

static float *labels_of(feed *f)
{
    return f->tail;
}

/* A row number takes the room of a float. */
static uint32_t *rows_of(feed *f, size_t batch)
{
    return (uint32_t *)(void *)(f->tail + batch);
}

static int allocate(sm_stepper *s, size_t batch, kn_error *err)
{
    kn_backend *be = s->be;
    size_t P = (s->graph->params + 15) / 16 * 16, B = (batch + 15) / 16 * 16; /* keeps each on 64 bytes */
    s->feed_bytes = sizeof(feed) + 3 * batch * sizeof(float);
    s->net = sm_net_new(s->graph, be, 2 * batch, true, err);
    s->block = s->net ? be->alloc(be, (2 * P + 2 * B + 32) * sizeof(float), err) : NULL;
    s->device = s->block ? be->alloc(be, s->feed_bytes, err) : NULL;
    s->host = s->device ? kn_alloc(s->feed_bytes, 1, err) : NULL;
    if (!s->host)
        return -1;
    s->m = s->block;
    s->v = s->m + P;
    s->loss = s->v + P;
    s->distance = s->loss + B;
    s->sum = s->distance + B;
    s->total = s->sum + 16;
    if (be->host_memory)
        return 0;
    size_t bytes = s->p->rows * s->p->dim * sizeof(float);
    s->table = be->alloc(be, bytes, err);
    if (!s->table)
        return -1;
    be->upload(be, s->table, s->p->x, bytes);
    return 0;
}

sm_stepper *sm_stepper_new(const sm_graph *g, const sm_train_options *o, const sm_pairs *p, kn_backend *be,
                           kn_error *err)
{
    sm_stepper *s = kn_alloc(1, sizeof *s, err);
    if (!s)
        return NULL;
    size_t batch = (size_t)o->batch < p->pairs ? (size_t)o->batch : p->pairs;
    *s = (sm_stepper){.o = o, .p = p, .be = be, .graph = g};
    s->whole = (sized){s, batch};
    s->part = (sized){s, p->pairs % batch};
    if (allocate(s, batch, err)) {
        sm_stepper_free(s);
        return NULL;
    }
    return s;
}

void sm_stepper_free(sm_stepper *s)
{
    if (!s)
        return;
    s->be->forget(s->be, SLOT_WHOLE);
    s->be->forget(s->be, SLOT_PART);
    s->be->dealloc(s->be, s->table);
    s->be->dealloc(s->be, s->device);
    s->be->dealloc(s->be, s->block);
    kn_free(s->host);
    sm_net_free(s->net);
    kn_free(s);
}

void sm_stepper_get(sm_stepper *s, sm_state *state)
{
    sm_net_get(s->net, state->params, state->stats);
    s->be->download(s->be, state->m, s->m, s->graph->params * sizeof *s->m);
    s->be->download(s->be, state->v, s->v, s->graph->params * sizeof *s->v);
}

void sm_stepper_set(sm_stepper *s, const sm_state *state)
{
    sm_net_set(s->net, state->params, state->stats);
    s->be->upload(s->be, s->m, state->m, s->graph->params * sizeof *s->m);
    s->be->upload(s->be, s->v, state->v, s->graph->params * sizeof *s->v);
}

/* ---- one step ------------------------------------------------------------------------- */

static void update(sm_stepper *s)
{
    const sm_train_options *o = s->o;
    kn_backend *be = s->be;
    float *params = sm_net_params(s->net), *grads = sm_net_grads(s->net);
    size_t n = s->graph->params;
    if (o->optimizer == SM_ADAM)
        be->adam(be, params, s->m, s->v, grads, &s->device->step, (float)o->beta1, (float)o->beta2, (float)o->epsilon,
                 (float)o->decay, n);
    else
        be->sgd(be, params, s->m, grads, &s->device->step, (float)o->momentum, (float)o->decay, o->nesterov, n);
}

static void step_ops(void *arg)
{
    const sized *z = arg;
    sm_stepper *s = z->s;
    kn_backend *be = s->be;
    const sm_train_options *o = s->o;
    size_t B = z->pairs, D = s->p->dim, E = s->graph->output_width;
    const float *table = s->table ? s->table : s->p->x;
    be->gather(be, sm_net_input(s->net), table, rows_of(s->device, s->whole.pairs), 2 * B, D);
    sm_net_forward(s->net, 2 * B, &s->device->step, o->seed);
    be->pair_loss(be, s->loss, s->distance, sm_net_output_grad(s->net), sm_net_output(s->net), labels_of(s->device),
                  o->distance, o->loss, (float)o->margin, B, E);
    be->sum(be, s->sum, s->loss, B);
    be->add(be, s->total, s->total, s->sum, 1);
    sm_net_backward(s->net, 2 * B, &s->device->step, o->seed);
    update(s);
}

void sm_stepper_train(sm_stepper *s, const uint32_t *pair, size_t count, uint64_t step, double lr)
{
    float *label = labels_of(s->host);
    uint32_t *row = rows_of(s->host, s->whole.pairs);
    double t = (double)step + 1;
    for (size_t i = 0; i < count; i++) {
        label[i] = s->p->label[pair[i]];
        row[i] = s->p->q1[pair[i]];
        row[count + i] = s->p->q2[pair[i]];
    }
    s->host->step = (kn_step){.lr = (float)lr, .bias1 = (float)(1 / (1 - pow(s->o->beta1, t))),
                              .bias2 = (float)(1 / (1 - pow(s->o->beta2, t))), .count = step};
    s->be->upload(s->be, s->device, s->host, s->feed_bytes);
    if (count == s->whole.pairs)
        s->be->run(s->be, SLOT_WHOLE, step_ops, &s->whole);
    else
        s->be->run(s->be, SLOT_PART, step_ops, &s->part);
}

int sm_stepper_loss(sm_stepper *s, double *loss, kn_error *err)
{
    float total;
    s->be->download(s->be, &total, s->total, sizeof total);
    s->be->fill(s->be, s->total, 0, 1);
    *loss = (double)total;
    return s->be->sync(s->be, err);
}
