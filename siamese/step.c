/* Batches through the network, on the device: one upload and one recorded run a
 * step, no allocation, no waiting. */
#include "siamese/train.h"

#include <math.h>
#include <string.h>

/* What a step needs to know, uploaded in one piece. The batch's targets, then
 * the numbers of its rows follow, if the task has a table. */
typedef struct feed {
    kn_step step;
    float tail[];
} feed;

/* Argument of a recorded step: its size is part of the recording. */
typedef struct sized {
    sm_stepper *s;
    size_t items, rows;
} sized;

struct sm_stepper {
    const sm_train_options *o;
    const sm_task *task;
    kn_backend *be;
    sm_net *net;
    const sm_graph *graph;
    size_t batch, rows;     /* the most items and rows of a step */
    size_t still;           /* parameters that do not move, from the start of the block */
    float *block;           /* device, all below */
    float *m, *v;           /* moments */
    float *loss, *distance; /* [batch] */
    float *sum, *total;     /* [1] of a batch, of all since sm_stepper_loss */
    feed *device, *host;
    size_t feed_bytes;
    float *table;           /* the task's on the device; NULL where the device can read the host's */
    sized whole, part;      /* the sizes of batches: whole ones, and the newest other one */
};

enum { SLOT_WHOLE, SLOT_PART };

static float *targets_of(feed *f)
{
    return f->tail;
}

/* A row number takes the room of a float. */
static uint32_t *rows_of(const sm_stepper *s, feed *f)
{
    return (uint32_t *)(void *)(f->tail + s->batch);
}

static int allocate(sm_stepper *s, kn_error *err)
{
    kn_backend *be = s->be;
    size_t P = (s->graph->params + 15) / 16 * 16, B = (s->batch + 15) / 16 * 16; /* keeps each on 64 bytes */
    s->feed_bytes = sizeof(feed) + (s->batch + (s->task->table ? s->rows : 0)) * sizeof(float);
    s->net = sm_net_new(s->graph, be, s->rows, true, err);
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
    if (be->host_memory || !s->task->table)
        return 0;
    size_t bytes = s->task->table_rows * s->task->dim * sizeof(float);
    s->table = be->alloc(be, bytes, err);
    if (!s->table)
        return -1;
    be->upload(be, s->table, s->task->table, bytes);
    return 0;
}

sm_stepper *sm_stepper_new(const sm_graph *g, const sm_train_options *o, const sm_task *task, kn_backend *be,
                           kn_error *err)
{
    sm_stepper *s = kn_alloc(1, sizeof *s, err);
    if (!s)
        return NULL;
    size_t rows = task->target == SM_PAIRS ? 2 * task->batch : task->batch;
    *s = (sm_stepper){.o = o, .task = task, .be = be, .graph = g, .batch = task->batch, .rows = rows};
    s->whole = (sized){s, task->batch, rows};
    s->part = (sized){.s = s};
    if (allocate(s, err)) {
        sm_stepper_free(s);
        return NULL;
    }
    return s;
}

static void forget(sm_stepper *s)
{
    s->be->forget(s->be, SLOT_WHOLE);
    s->be->forget(s->be, SLOT_PART);
}

void sm_stepper_free(sm_stepper *s)
{
    if (!s)
        return;
    forget(s);
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

void sm_stepper_freeze(sm_stepper *s, int n)
{
    s->still = sm_net_freeze(s->net, n);
    forget(s);
}

/* ---- one step ------------------------------------------------------------------------- */

static void update(sm_stepper *s)
{
    const sm_train_options *o = s->o;
    kn_backend *be = s->be;
    size_t k = s->still, n = s->graph->params - k;
    float *params = sm_net_params(s->net) + k, *grads = sm_net_grads(s->net) + k;
    if (o->optimizer == SM_ADAM)
        be->adam(be, params, s->m + k, s->v + k, grads, &s->device->step, (float)o->beta1, (float)o->beta2,
                 (float)o->epsilon, (float)o->decay, n);
    else
        be->sgd(be, params, s->m + k, grads, &s->device->step, (float)o->momentum, (float)o->decay, o->nesterov, n);
}

static void step_ops(void *arg)
{
    const sized *z = arg;
    sm_stepper *s = z->s;
    kn_backend *be = s->be;
    const sm_train_options *o = s->o;
    const float *table = s->table ? s->table : s->task->table;
    if (table)
        be->gather(be, sm_net_input(s->net), table, rows_of(s, s->device), z->rows, s->task->dim);
    const kn_step *step = &s->device->step;
    const float *target = targets_of(s->device);
    if (s->task->target == SM_PAIRS) {
        sm_net_step_pairs(s->net, s->loss, s->distance, target, o->distance, (kn_pair_loss)o->loss, (float)o->margin,
                          z->rows, step, o->seed);
    } else {
        sm_net_forward(s->net, z->rows, step, o->seed);
        sm_objective(be, s->loss, sm_net_output_grad(s->net), sm_net_output(s->net), target, s->task->target, o,
                     z->items, s->graph->output_width);
        sm_net_backward(s->net, z->rows, step, o->seed);
    }
    be->sum(be, s->sum, s->loss, z->items);
    be->add(be, s->total, s->total, s->sum, 1);
    update(s);
}

void sm_stepper_train(sm_stepper *s, const sm_batch *b, uint64_t step, double lr)
{
    kn_backend *be = s->be;
    double t = (double)step + 1;
    memcpy(targets_of(s->host), b->target, b->items * sizeof(float));
    if (b->row)
        memcpy(rows_of(s, s->host), b->row, b->rows * sizeof *b->row);
    else
        be->upload(be, sm_net_input(s->net), b->x, b->rows * s->task->dim * sizeof *b->x);
    s->host->step = (kn_step){.lr = (float)lr, .bias1 = (float)(1 / (1 - pow(s->o->beta1, t))),
                              .bias2 = (float)(1 / (1 - pow(s->o->beta2, t))), .count = step};
    be->upload(be, s->device, s->host, s->feed_bytes);
    if (b->items == s->whole.items) {
        be->run(be, SLOT_WHOLE, step_ops, &s->whole);
        return;
    }
    if (b->items != s->part.items)
        be->forget(be, SLOT_PART);
    s->part.items = b->items;
    s->part.rows = b->rows;
    be->run(be, SLOT_PART, step_ops, &s->part);
}

int sm_stepper_loss(sm_stepper *s, double *loss, kn_error *err)
{
    float total;
    s->be->download(s->be, &total, s->total, sizeof total);
    s->be->fill(s->be, s->total, 0, 1);
    *loss = (double)total;
    return s->be->sync(s->be, err);
}
