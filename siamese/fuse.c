/* [concat +] batchnorm [+ activation], or batchnorm [+ add or maxpool] [+ activation],
 * or conv [+ activation] -> one node: the op contract has these in one pass over
 * memory, forward and backward. An activation before a max pool comes after it. */
#include "siamese/op.h"

#include <string.h>

/* The one node that reads node i, once, or -1. */
static int only_reader(const sm_graph *g, int i)
{
    int reader = -1;
    for (int k = i + 1; k < g->nodes; k++)
        for (int j = 0; j < g->node[k].inputs; j++)
            if (g->node[k].in[j] == i) {
                if (reader >= 0)
                    return -1;
                reader = k;
            }
    return reader;
}

/* d, with the name of what stood there. */
static void move_to(sm_graph *g, sm_node d, int at)
{
    d.name = g->node[at].name;
    g->node[at] = d;
}

static bool is_activation(const sm_node *d)
{
    return d->op == SM_RELU || d->op == SM_ELU;
}

/* The largest of what an activation made is what it makes of the largest, since
 * neither ever falls: the pool at first, and the activation, there and back, has
 * only what the pool leaves. */
static void pool_first(sm_graph *g, int i)
{
    int reader = only_reader(g, i);
    if (reader < 0 || g->node[reader].op != SM_MAXPOOL)
        return;
    sm_node act = g->node[i], pool = g->node[reader];
    pool.in[0] = act.in[0];
    act.in[0] = i;
    act.shape = pool.shape;
    act.width = pool.width;
    move_to(g, pool, i);
    move_to(g, act, reader);
}

/* What node a, the reader of batchnorm d at node i, adds to it; -1 when that
 * cannot be the fused residual: a is no add, or adds three results, or adds the
 * batchnorm's own input, whose one gradient cannot be both dx and dres of
 * bn_backward. */
static int residual_of(const sm_graph *g, const sm_node *d, int i, int a)
{
    const sm_node *add = &g->node[a];
    if (add->op != SM_ADD || add->inputs != 2)
        return -1;
    int other = add->in[0] == i ? add->in[1] : add->in[0];
    return other == d->in[0] ? -1 : other;
}

/* Channels are normalised one by one, so d can read what the concat above it
 * reads, and write side by side: the copies, and the concat, are gone. */
static void take_concat(sm_graph *g, sm_node *d, int i)
{
    sm_node *above = &g->node[d->in[0]];
    if (above->op != SM_CONCAT || only_reader(g, d->in[0]) != i)
        return;
    memcpy(d->in, above->in, sizeof d->in);
    d->inputs = d->blocks = above->inputs;
    above->inputs = 0;
}

/* Only what the pool leaves is normalised. */
static void take_pool(sm_node *d, const sm_node *pool)
{
    d->op = SM_BN_POOL;
    d->window = pool->window;
    d->shape = pool->shape;
    d->width = pool->width;
}

/* Moves the batchnorm at node i to the last op that it can take in, where all
 * that it reads is known. What it took in reads nothing from then on, which
 * marks it as gone: every op that is left has an input. */
static void fuse_at(sm_graph *g, int i)
{
    sm_node d = g->node[i];
    take_concat(g, &d, i);
    int last = i, reader = only_reader(g, i);
    bool alone = reader >= 0 && d.blocks == 1, pool = alone && g->node[reader].op == SM_MAXPOOL;
    int residual = alone ? residual_of(g, &d, i, reader) : -1;
    if (residual >= 0)
        d.in[d.inputs++] = residual;
    if (pool)
        take_pool(&d, &g->node[reader]);
    if (pool || residual >= 0) {
        g->node[last].inputs = 0;
        last = reader;
        reader = only_reader(g, last);
    }
    if (reader >= 0 && is_activation(&g->node[reader])) {
        d.act = g->node[reader].act;
        g->node[last].inputs = 0;
        last = reader;
    }
    move_to(g, d, last);
}

/* conv + activation: applied to each block of results while it is in the cache. */
static void fuse_conv(sm_graph *g, int i)
{
    sm_node d = g->node[i];
    int reader = only_reader(g, i);
    if (reader < 0 || !is_activation(&g->node[reader]))
        return;
    d.act = g->node[reader].act;
    g->node[i].inputs = 0;
    move_to(g, d, reader);
}

void sm_graph_fuse(sm_graph *g)
{
    int place[SM_MAX_NODES], kept = 0;
    for (int i = 0; i < g->nodes; i++)
        if (is_activation(&g->node[i]))
            pool_first(g, i);
    for (int i = 0; i < g->nodes; i++) { /* one that was fused is met again at its new place */
        const sm_node *d = &g->node[i];
        if (d->op == SM_BATCHNORM && d->inputs == 1 && d->act == KN_ACT_NONE && d->blocks == 1)
            fuse_at(g, i);
        else if (d->op == SM_CONV && d->inputs == 1 && d->act == KN_ACT_NONE)
            fuse_conv(g, i);
    }
    for (int i = 0; i < g->nodes; i++) {
        sm_node d = g->node[i];
        place[i] = kept;
        if (d.op != SM_INPUT && d.inputs == 0)
            continue;
        for (int k = 0; k < d.inputs; k++)
            d.in[k] = place[d.in[k]];
        g->node[kept++] = d;
    }
    g->nodes = kept;
}
