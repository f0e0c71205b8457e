/* Net2WiderNet (Chen, Goodfellow, Shlens 2016, section 2.2) on whole networks:
 * which channels are tied, which get clones, and the weights that follow. */
#include "siamese/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* All channels of all results, those of node i from first[i] on. */
typedef struct channels {
    const sm_graph *graph;
    size_t *first;    /* [nodes + 1] */
    size_t *tied;     /* the first of those that a channel is tied to, maybe itself */
    bool *fixed;      /* some that it is tied to are in the network's output or input */
    uint32_t *copies; /* how often it will be there */
    size_t *readers;  /* weights that read it, or what it is tied to */
} channels;

static size_t count(const channels *ch)
{
    return ch->first[ch->graph->nodes];
}

/* ---- which channels are tied --------------------------------------------------------- */

/* The first of a set of tied channels; halves the way there (union-find). */
static size_t root(size_t *tied, size_t i)
{
    while (tied[i] != i)
        i = tied[i] = tied[tied[i]];
    return i;
}

static void tie(channels *ch, size_t a, size_t b)
{
    a = root(ch->tied, a);
    b = root(ch->tied, b);
    ch->tied[a < b ? b : a] = a < b ? a : b;
}

/* Channels of a result to those that it is made of. Ops that mix all they read
 * tie nothing; concat sets channels side by side; the others keep each apart. */
static void tie_node(channels *ch, int i)
{
    const sm_node *d = &ch->graph->node[i];
    size_t at = 0;
    if (sm_mixes(ch->graph, i))
        return;
    for (int k = 0; k < d->inputs; k++) {
        size_t from = ch->first[d->in[k]], width = ch->graph->node[d->in[k]].shape.c;
        for (size_t c = 0; c < width; c++)
            tie(ch, ch->first[i] + at + c, from + c);
        at += d->op == SM_CONCAT ? width : 0;
    }
}

/* A linear on an image has a weight for each pixel of a channel. */
static void count_readers(channels *ch, int i)
{
    const sm_node *d = &ch->graph->node[i], *in = &ch->graph->node[d->in[0]];
    size_t taps = d->op == SM_CONV ? d->window.KH * d->window.KW : in->shape.h * in->shape.w;
    for (size_t c = 0; sm_mixes(ch->graph, i) && c < in->shape.c; c++)
        ch->readers[ch->tied[ch->first[d->in[0]] + c]] += d->shape.c * taps;
}

static void channels_free(channels *ch)
{
    kn_free(ch->readers);
    kn_free(ch->first);
    kn_free(ch->tied);
    kn_free(ch->fixed);
    kn_free(ch->copies);
}

static void fix_node(channels *ch, int i)
{
    for (size_t c = ch->first[i]; c < ch->first[i + 1]; c++)
        ch->fixed[ch->tied[c]] = true;
}

/* To be freed on failure, too. */
static int channels_new(channels *ch, const sm_graph *g, kn_error *err)
{
    *ch = (channels){.graph = g, .first = kn_alloc((size_t)g->nodes + 1, sizeof *ch->first, err)};
    if (!ch->first)
        return -1;
    for (int i = 0; i < g->nodes; i++) /* SM_MAX_NODES x SM_MAX_NUMBERS fits easily */
        ch->first[i + 1] = ch->first[i] + g->node[i].shape.c;
    ch->tied = kn_alloc(count(ch), sizeof *ch->tied, err);
    ch->fixed = ch->tied ? kn_alloc(count(ch), sizeof *ch->fixed, err) : NULL;
    ch->copies = ch->fixed ? kn_alloc(count(ch), sizeof *ch->copies, err) : NULL;
    ch->readers = ch->copies ? kn_alloc(count(ch), sizeof *ch->readers, err) : NULL;
    if (!ch->readers)
        return -1;
    for (size_t c = 0; c < count(ch); c++) {
        ch->tied[c] = c;
        ch->copies[c] = 1;
    }
    for (int i = 1; i < g->nodes; i++)
        tie_node(ch, i);
    for (size_t c = 0; c < count(ch); c++)
        ch->tied[c] = root(ch->tied, c);
    fix_node(ch, 0);
    fix_node(ch, g->nodes - 1);
    for (int i = 1; i < g->nodes; i++)
        count_readers(ch, i);
    for (size_t c = 0; c < count(ch); c++) {
        ch->fixed[c] = ch->fixed[ch->tied[c]];
        ch->readers[c] = ch->readers[ch->tied[c]];
    }
    return 0;
}

static bool is_fixed(const channels *ch, int op)
{
    bool fixed = false;
    for (size_t c = ch->first[op]; c < ch->first[op + 1]; c++)
        fixed = fixed || ch->fixed[c];
    return fixed;
}

/* ---- which channels get clones --------------------------------------------------------- */

/* Copies of op's channels in a random order, in rounds, until it has `width`. A
 * channel that op has n times, tied to itself through a concat, brings n at
 * once. order and times are scratch, [width of op] and [count], zero. */
static int draw_clones(channels *ch, int op, size_t width, kn_rng *rng, uint32_t *order, uint32_t *times, kn_error *err)
{
    const size_t *tied = ch->tied + ch->first[op];
    size_t old = ch->graph->node[op].shape.c, have = old, before;
    for (size_t i = 0; i < old; i++) {
        order[i] = (uint32_t)i;
        times[tied[i]]++;
    }
    do {
        before = have;
        kn_rng_shuffle(rng, order, (uint32_t)old);
        for (size_t i = 0; i < old; i++) {
            size_t c = tied[order[i]];
            if (times[c] <= width - have) {
                ch->copies[c]++;
                have += times[c];
            }
        }
    } while (have < width && have > before);
    if (have < width)
        return kn_fail(err, "op %d has channels that are tied to each other: it cannot be just %zu wide", op, width);
    for (size_t c = 0; c < count(ch); c++)
        ch->copies[c] = ch->copies[ch->tied[c]];
    return 0;
}

static int choose_clones(channels *ch, int op, size_t width, uint64_t seed, kn_error *err)
{
    kn_rng rng = kn_rng_new(seed, KN_STREAM_GROW, (uint32_t)(SM_MAX_NODES + op)); /* below: the noise of ops */
    uint32_t *order = kn_alloc(ch->graph->node[op].shape.c, sizeof *order, err);
    uint32_t *times = order ? kn_alloc(count(ch), sizeof *times, err) : NULL;
    int rc = times ? draw_clones(ch, op, width, &rng, order, times, err) : -1;
    kn_free(order);
    kn_free(times);
    return rc;
}

/* ---- the wider network ------------------------------------------------------------------- */

static size_t new_width(const channels *ch, int i)
{
    size_t width = 0;
    for (size_t c = ch->first[i]; c < ch->first[i + 1]; c++)
        width += ch->copies[c];
    return width;
}

/* The text with the new number of channels in each linear and conv. */
static int write_text(kn_buf *out, const channels *ch, kn_error *err)
{
    const char *copied = ch->graph->text;
    sm_text t = sm_text_new(copied);
    kn_str word[SM_MAX_WORDS];
    for (int i = 1; sm_text_next_op(&t, word) >= 0; i++) {
        kn_str *size = &word[sm_is_label(word[0]) ? 2 : 1];
        if (!sm_mixes(ch->graph, i))
            continue;
        if (kn_buf_add(out, copied, (size_t)(size->p - copied), err) || kn_buf_addf(out, err, "%zu", new_width(ch, i)))
            return -1;
        copied = size->p + size->n;
    }
    return kn_buf_add(out, copied, strlen(copied) + 1, err);
}

/* Noise for k weights `stride` apart that sums to zero: each times 1 + u - mean
 * of u. */
static void vary(float *w, size_t stride, uint32_t k, float noise, kn_rng *rng)
{
    kn_rng again = *rng;
    float sum = 0;
    for (uint32_t r = 0; k > 1 && r < k; r++)
        sum += kn_rng_uniform(rng, -noise, noise);
    for (uint32_t r = 0; k > 1 && r < k; r++)
        w[r * stride] *= 1 + (kn_rng_uniform(&again, -noise, noise) - sum / (float)k);
}

/* A row of weights of op i to one where each has a share for each copy of what it
 * reads. Returns its end. */
static float *share_row(const channels *ch, int i, float *to, const float *from, size_t row, float noise, kn_rng *rng)
{
    int in = ch->graph->node[i].in[0];
    size_t first = ch->first[in], C = ch->graph->node[in].shape.c;
    for (size_t x = 0; x < row; x++) {
        size_t c = first + x % C;
        uint32_t k = ch->copies[c];
        for (uint32_t r = 0; r < k; r++)
            to[r] = from[x] / (float)k;
        if (ch->readers[c] > 1)
            vary(to, 1, k, noise, rng);
        to += k;
    }
    return to;
}

/* [OUT, taps, C] of op i: a window of a conv, the pixels of an image that a
 * linear reads. The rows of a channel's copies stand one behind the other. */
static void widen_weight(const channels *ch, int i, float *to, const float *from, size_t row, float noise,
                         uint64_t seed)
{
    kn_rng rng = kn_rng_new(seed, KN_STREAM_GROW, (uint32_t)i);
    for (size_t c = ch->first[i]; c < ch->first[i + 1]; c++, from += row) {
        float *start = to;
        uint32_t k = ch->copies[c];
        for (uint32_t r = 0; r < k; r++)
            to = share_row(ch, i, to, from, row, noise, &rng);
        size_t width = (size_t)(to - start) / k;
        for (size_t x = 0; ch->readers[c] == 1 && x < width; x++)
            vary(start + x, width, k, noise, &rng);
    }
}

/* One number a channel. */
static void widen_vector(const channels *ch, int i, float *to, const float *from)
{
    const uint32_t *out = ch->copies + ch->first[i];
    for (size_t c = 0; c < ch->graph->node[i].shape.c; c++)
        for (uint32_t r = 0; r < out[c]; r++)
            *to++ = from[c];
}

/* The same parts stand in both, in the same order. */
static void fill(sm_growth *wide, const sm_growth *w, const channels *ch, float noise, uint64_t seed)
{
    for (int p = 0; p < w->graph->parts; p++) {
        const sm_part *part = &w->graph->part[p];
        float *to = (part->stat ? wide->stats : wide->params) + wide->graph->part[p].offset;
        const float *from = (part->stat ? w->stats : w->params) + part->offset;
        int op = atoi(part->name);
        size_t row = 1;
        for (size_t k = 1; k < part->ndim; k++)
            row *= part->shape[k];
        if (part->ndim == 1)
            widen_vector(ch, op, to, from);
        else
            widen_weight(ch, op, to, from, row, noise, seed);
    }
}

static int rebuild(sm_growth *w, const channels *ch, double noise, uint64_t seed, kn_error *err)
{
    kn_buf text = {0};
    sm_growth wide = {0};
    int rc = write_text(&text, ch, err);
    if (!rc)
        rc = sm_growth_new(&wide, text.p, w->graph->input_width, err);
    if (!rc) {
        fill(&wide, w, ch, (float)noise, seed);
        sm_growth_free(w);
        *w = wide;
    }
    kn_buf_free(&text);
    return rc;
}

/* ---- one op, and all ---------------------------------------------------------------------- */

static int check(const channels *ch, int op, size_t width, kn_error *err)
{
    size_t have = ch->graph->node[op].shape.c;
    if (is_fixed(ch, op))
        return kn_fail(err, "op %d cannot be wider: its channels are, or are added to, the network's output or input",
                       op);
    if (width <= have || width > SM_MAX_WIDTH)
        return kn_fail(err, "op %d can be made %zu to %d wide, not %zu", op, have + 1, SM_MAX_WIDTH, width);
    return 0;
}

int sm_widen(sm_growth *w, int op, size_t width, double noise, uint64_t seed, kn_error *err)
{
    channels ch;
    int rc = channels_new(&ch, w->graph, err);
    if (!rc)
        rc = check(&ch, op, width, err) || choose_clones(&ch, op, width, seed, err) ||
                     rebuild(w, &ch, noise, seed, err)
                 ? -1 : 0;
    channels_free(&ch);
    return rc;
}

/* The ops that may be widened, each as wide as it should be. */
static int plan(size_t *want, const sm_graph *g, double factor, size_t multiple, kn_error *err)
{
    channels ch;
    int found = 0, rc = channels_new(&ch, g, err);
    for (int i = 1; !rc && i < g->nodes; i++)
        if (sm_mixes(g, i) && !is_fixed(&ch, i)) {
            size_t width = (size_t)ceil(factor * (double)g->node[i].shape.c);
            want[i] = (width + multiple - 1) / multiple * multiple;
            found++;
        }
    channels_free(&ch);
    return rc ? -1 : found;
}

/* Ops keep their numbers. One that got wider with another is done. */
int sm_widen_all(sm_growth *w, double factor, size_t multiple, double noise, uint64_t seed, kn_error *err)
{
    size_t want[SM_MAX_NODES] = {0}, before[SM_MAX_NODES];
    int found = plan(want, w->graph, factor, multiple, err);
    for (int i = 0; i < w->graph->nodes; i++)
        before[i] = w->graph->node[i].shape.c;
    for (int i = 1; found > 0 && i < w->graph->nodes; i++)
        if (want[i] > before[i] && w->graph->node[i].shape.c == before[i] && sm_widen(w, i, want[i], noise, seed, err))
            return -1;
    return found;
}
