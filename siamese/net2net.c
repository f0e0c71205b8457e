/* Net2Net on models: a working copy is changed, then takes the model's place.
 * The ways to change it: wider.c, deeper.c. */
#include "siamese/growth.h"

#include <string.h>

/* ---- the working copy ----------------------------------------------------------------- */

int sm_growth_new(sm_growth *out, const char *text, size_t input, kn_error *err)
{
    *out = (sm_growth){.graph = sm_graph_read(text, input, err)};
    out->params = out->graph ? kn_alloc(out->graph->params, sizeof *out->params, err) : NULL;
    out->stats = out->params ? kn_alloc(out->graph->stats, sizeof *out->stats, err) : NULL;
    if (out->stats)
        return 0;
    sm_growth_free(out);
    return kn_fail_prefix(err, "the grown network");
}

void sm_growth_free(sm_growth *w)
{
    sm_graph_free(w->graph);
    kn_free(w->params);
    kn_free(w->stats);
    *w = (sm_growth){0};
}

static int growth_of(sm_growth *out, const sm_model *m, kn_error *err)
{
    if (sm_growth_new(out, m->graph->text, m->graph->input_width, err))
        return -1;
    memcpy(out->params, m->params, m->graph->params * sizeof *m->params);
    memcpy(out->stats, m->stats, m->graph->stats * sizeof *m->stats);
    return 0;
}

/* Puts w in the place of m's network when rc is 0. w is gone. Returns rc. */
static int take(sm_model *m, sm_growth *w, int rc)
{
    if (!rc) {
        const sm_growth old = {m->graph, m->params, m->stats};
        sm_graph_fuse(w->graph);
        m->graph = w->graph;
        m->params = w->params;
        m->stats = w->stats;
        *w = old;
    }
    sm_growth_free(w);
    return rc;
}

/* ---- ops --------------------------------------------------------------------------------- */

int sm_text_next_op(sm_text *t, kn_str word[SM_MAX_WORDS])
{
    int words;
    do
        words = sm_text_next(t, word);
    while (words == 0 || (words > 0 && kn_str_eq(word[0], kn_str_c("input"))));
    return words;
}

bool sm_mixes(const sm_graph *g, int op)
{
    return g->node[op].op == SM_LINEAR || g->node[op].op == SM_CONV;
}

static int check_op(const sm_graph *g, int op, kn_error *err)
{
    if (op < 1 || op >= g->nodes)
        return kn_fail(err, "the network has ops 1 to %d, not %d", g->nodes - 1, op);
    if (!sm_mixes(g, op))
        return kn_fail(err, "op %d is %s: linear and conv can grow", op, sm_kinds[g->node[op].op].word);
    return 0;
}

static int check_noise(double noise, kn_error *err)
{
    return noise >= 0 && noise <= 1 ? 0 : kn_fail(err, "the noise of clones is 0 to 1, not %g", noise);
}

/* ---- the calls ----------------------------------------------------------------------------- */

int sm_net2net_wider(sm_model *m, int op, size_t width, double noise, uint64_t seed, kn_error *err)
{
    sm_growth w;
    if (check_noise(noise, err) || growth_of(&w, m, err))
        return -1;
    int rc = check_op(w.graph, op, err);
    if (!rc)
        rc = sm_widen(&w, op, width, noise, seed, err);
    return take(m, &w, rc);
}

int sm_net2net_wider_all(sm_model *m, double factor, double noise, uint64_t seed, kn_error *err)
{
    sm_growth w;
    if (!(factor > 1 && factor <= 64))
        return kn_fail(err, "a network gets more than 1, and at most 64, times as wide, not %g", factor);
    if (check_noise(noise, err) || growth_of(&w, m, err))
        return -1;
    int wider = sm_widen_all(&w, factor, 1, noise, seed, err);
    if (wider == 0)
        kn_fail(err, "all channels of this network are, or are added to, its output or input: none can be cloned");
    return take(m, &w, wider > 0 ? 0 : -1);
}

int sm_net2net_deeper(sm_model *m, int op, kn_error *err)
{
    sm_growth w;
    if (growth_of(&w, m, err))
        return -1;
    int rc = check_op(w.graph, op, err);
    if (!rc && sm_activation_behind(w.graph, op) < 0)
        rc = kn_fail(err, "no relu or elu follows op %d: nothing can be put behind it", op);
    if (!rc)
        rc = sm_deepen(&w, op, err);
    return take(m, &w, rc);
}

/* ---- growing ---------------------------------------------------------------------------------- */

/* Where step `step` gets deeper: the last op of each image size that has an
 * activation behind it, last one first; or -1. */
static int deeper_at(const sm_graph *g, int step)
{
    int last[SM_MAX_NODES], sizes = 0;
    sm_shape size = {0};
    for (int i = g->nodes - 1; i > 0; i--) {
        int at = sm_mixes(g, i) ? sm_activation_behind(g, i) : -1;
        if (at < 0)
            continue;
        const sm_shape *s = &g->node[at].shape;
        if (s->h != size.h || s->w != size.w)
            last[sizes++] = i;
        size = *s;
    }
    return sizes ? last[step / 2 % sizes] : -1;
}

/* By half as much again, to whole vectors of numbers. Returns 1 when done, 0
 * when nothing can be, -1 on error. */
static int grow_wider(sm_growth *w, double noise, uint64_t seed, kn_error *err)
{
    int wider = sm_widen_all(w, 1.5, 8, noise, seed, err);
    return wider > 0 ? 1 : wider;
}

static int grow_deeper(sm_growth *w, int step, kn_error *err)
{
    int op = deeper_at(w->graph, step);
    return op < 0 ? 0 : sm_deepen(w, op, err) ? -1 : 1;
}

int sm_net2net_grow(sm_model *m, int step, double noise, uint64_t seed, kn_error *err)
{
    sm_growth w;
    if (step < 0)
        return kn_fail(err, "steps of growth count from 0, not %d", step);
    if (check_noise(noise, err) || growth_of(&w, m, err))
        return -1;
    seed += (uint64_t)step;
    int grown = step % 2 ? grow_deeper(&w, step, err) : grow_wider(&w, noise, seed, err);
    if (grown == 0)
        grown = step % 2 ? grow_wider(&w, noise, seed, err) : grow_deeper(&w, step, err);
    if (grown == 0)
        kn_fail(err, "this network can be made neither wider nor deeper: no channel is hidden, no relu or elu there");
    return take(m, &w, grown > 0 ? 0 : -1);
}
