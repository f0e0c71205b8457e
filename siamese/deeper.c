/* Net2DeeperNet (Chen, Goodfellow, Shlens 2016, section 2.3): layers that change
 * nothing yet. Their forms and why: net2net.h. */
#include "siamese/growth.h"

#include <string.h>

/* All ops but concat read the result above them. */
int sm_activation_behind(const sm_graph *g, int op)
{
    for (int i = op + 1; i < g->nodes && !sm_mixes(g, i) && g->node[i].op != SM_CONCAT; i++)
        if (g->node[i].act != KN_ACT_NONE)
            return i;
    return -1;
}

static bool is_image(const sm_node *d)
{
    return d->shape.h * d->shape.w > 1;
}

/* A name that no op has. */
static void new_name(char name[16], const sm_graph *g)
{
    bool taken = true;
    for (int n = 1; taken; n++) {
        snprintf(name, 16, "deep%d", n);
        taken = false;
        for (int i = 0; i < g->nodes; i++)
            taken = taken || kn_str_eq(g->node[i].name, kn_str_c(name));
    }
}

/* What stands in the place of activation d. */
static int write_layer(kn_buf *out, const sm_graph *g, const sm_node *d, kn_error *err)
{
    const char *act = sm_kinds[d->op].word, *colon = d->name.n ? ": " : "";
    char name[16], layer[64];
    snprintf(layer, sizeof layer, is_image(d) ? "conv %zu 3x3 pad 1" : "linear %zu", d->shape.c);
    if (d->act == KN_ACT_RELU)
        return kn_buf_addf(out, err, "%s; %s; %.*s%s%s", act, layer, (int)d->name.n, d->name.p, colon, act);
    new_name(name, g);
    return kn_buf_addf(out, err, "%s: %s; %s; %s; %.*s%sadd %s", name, act, layer, act, (int)d->name.n, d->name.p,
                       colon, name);
}

/* The text with activation number `at` replaced. */
static int write_text(kn_buf *out, const sm_graph *g, int at, kn_error *err)
{
    sm_text t = sm_text_new(g->text);
    kn_str word[SM_MAX_WORDS];
    int words = 0;
    for (int i = 0; i < at; i++)
        words = sm_text_next_op(&t, word);
    const char *behind = word[words - 1].p + word[words - 1].n;
    if (kn_buf_add(out, g->text, (size_t)(word[0].p - g->text), err) || write_layer(out, g, &g->node[at], err))
        return -1;
    return kn_buf_add(out, behind, strlen(behind) + 1, err);
}

/* Each channel to itself, through the middle of the window. */
static void set_identity(float *weight, size_t C, size_t taps)
{
    for (size_t c = 0; c < C; c++)
        weight[(c * taps + taps / 2) * C + c] = 1;
}

/* The blocks of w with room for what the new ops own, which is zero, or weights
 * of an identity. They own no statistics. */
static void fill(sm_growth *deep, const sm_growth *w, int at)
{
    const sm_graph *g = w->graph;
    size_t before = at + 1 < g->nodes ? g->node[at + 1].param : g->params, added = deep->graph->params - g->params;
    memcpy(deep->params, w->params, before * sizeof *w->params);
    memcpy(deep->params + before + added, w->params + before, (g->params - before) * sizeof *w->params);
    memcpy(deep->stats, w->stats, g->stats * sizeof *w->stats);
    if (g->node[at].act == KN_ACT_RELU)
        set_identity(deep->params + before, g->node[at].shape.c, is_image(&g->node[at]) ? 9 : 1);
}

int sm_deepen(sm_growth *w, int op, kn_error *err)
{
    kn_buf text = {0};
    sm_growth deep = {0};
    int at = sm_activation_behind(w->graph, op);
    int rc = write_text(&text, w->graph, at, err);
    if (!rc)
        rc = sm_growth_new(&deep, text.p, w->graph->input_width, err);
    if (!rc) {
        fill(&deep, w, at);
        sm_growth_free(w);
        *w = deep;
    }
    kn_buf_free(&text);
    return rc;
}
