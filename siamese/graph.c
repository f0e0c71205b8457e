/* The text of a network -> its nodes, with widths and places of parameters. */
#include "siamese/op.h"

#include <ctype.h>
#include <string.h>

sm_text sm_text_new(const char *text)
{
    return (sm_text){.at = text, .line = 1, .next_line = 1};
}

int sm_text_next(sm_text *t, kn_str word[SM_MAX_WORDS])
{
    int words = 0;
    if (!*t->at)
        return -1;
    t->line = t->next_line;
    while (*t->at && *t->at != '\n' && *t->at != ';') {
        const char *start = t->at;
        if (*start == '#') {
            t->at += strcspn(start, "\n");
        } else if (strchr(" \t\r", *start)) {
            t->at++;
        } else {
            t->at += strcspn(start, " \t\r\n;:#");
            t->at += *t->at == ':';
            if (words < SM_MAX_WORDS)
                word[words] = (kn_str){start, (size_t)(t->at - start)};
            words++;
        }
    }
    t->next_line += *t->at == '\n';
    t->at += *t->at != '\0';
    return words;
}

bool sm_is_label(kn_str word)
{
    return word.p[word.n - 1] == ':';
}

int sm_parse_sizes(size_t *n, int count, kn_str word, size_t most)
{
    for (int i = 0; i < count; i++) {
        const char *x = memchr(word.p, 'x', word.n);
        kn_str one = {word.p, x ? (size_t)(x - word.p) : word.n};
        int64_t v;
        if ((i + 1 < count) != (x != NULL) || kn_parse_i64(&v, one, 1, (int64_t)most))
            return -1;
        n[i] = (size_t)v;
        word = x ? (kn_str){x + 1, word.n - one.n - 1} : word;
    }
    return 0;
}

static bool is_name(kn_str s)
{
    if (s.n == 0 || !(isalpha((unsigned char)s.p[0]) || s.p[0] == '_'))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
            return false;
    return true;
}

static int find_name(const sm_graph *g, kn_str name)
{
    for (int i = 0; i < g->nodes; i++)
        if (kn_str_eq(g->node[i].name, name))
            return i;
    return -1;
}

/* For messages: hostile text must not fill them. */
static int shown(kn_str s)
{
    return s.n < 40 ? (int)s.n : 40;
}

static int find_kind(sm_op *op, kn_str word, kn_error *err)
{
    for (int k = SM_INPUT + 1; k < SM_OPS; k++)
        if (sm_kinds[k].word && kn_str_eq(word, kn_str_c(sm_kinds[k].word))) {
            *op = (sm_op)k;
            return 0;
        }
    return kn_fail(err, "'%.*s' is no op: linear, batchnorm, relu, elu, add, concat, dropout, conv, maxpool, avgpool "
                   "and globalpool are", shown(word), word.p);
}

static int read_names(const sm_graph *g, sm_node *d, const kn_str *word, int words, kn_error *err)
{
    if (words == 0)
        return kn_fail(err, "%s needs the name of a result", sm_kinds[d->op].word);
    for (int i = 0; i < words; i++) {
        int from = find_name(g, word[i]);
        if (from < 0)
            return kn_fail(err, "no result above is named '%.*s'", shown(word[i]), word[i].p);
        if (d->inputs == SM_MAX_INPUTS)
            return kn_fail(err, "an op reads at most %d results", SM_MAX_INPUTS);
        d->in[d->inputs++] = from;
    }
    return 0;
}

/* The numbers of a row, once its shape is known. */
static int set_width(sm_node *d, kn_error *err)
{
    if (d->shape.c > SM_MAX_WIDTH)
        return kn_fail(err, "%zu channels are more than %d", d->shape.c, SM_MAX_WIDTH);
    if (kn_mul(&d->width, d->shape.h, d->shape.w) || kn_mul(&d->width, d->width, d->shape.c) ||
        d->width > SM_MAX_NUMBERS)
        return kn_fail(err, "images of %zux%zux%zu are more than %d numbers", d->shape.h, d->shape.w, d->shape.c,
                       SM_MAX_NUMBERS);
    return 0;
}

/* input HxWxC: the numbers of node 0 as an image. */
static int shape_input(sm_graph *g, const kn_str *word, int words, kn_error *err)
{
    size_t n[3];
    if (g->nodes != 1)
        return kn_fail(err, "input, the shape of what is read, stands before all ops");
    if (words != 2 || sm_parse_sizes(n, 3, word[1], SM_MAX_WIDTH))
        return kn_fail(err, "input needs a height, width and number of channels, as 28x28x1");
    g->node[0].shape = (sm_shape){n[0], n[1], n[2]};
    if (set_width(&g->node[0], err))
        return -1;
    if (g->node[0].width != g->input_width)
        return kn_fail(err, "an image of %zux%zux%zu, but %zu numbers to a row", n[0], n[1], n[2], g->input_width);
    return 0;
}

/* [NAME:] OP WORDS... as the next node of g. */
static int add_node(sm_graph *g, const kn_str *word, int words, kn_error *err)
{
    if (words > SM_MAX_WORDS)
        return kn_fail(err, "an op has at most %d words", SM_MAX_WORDS);
    if (g->nodes == SM_MAX_NODES)
        return kn_fail(err, "a network has at most %d ops", SM_MAX_NODES - 1);
    sm_node d = {.number = g->nodes};
    if (sm_is_label(word[0])) {
        d.name = (kn_str){word[0].p, word[0].n - 1};
        if (!is_name(d.name))
            return kn_fail(err, "'%.*s' is no name: letters, digits, _ and - are", shown(d.name), d.name.p);
        if (find_name(g, d.name) >= 0)
            return kn_fail(err, "the name '%.*s' is taken", shown(d.name), d.name.p);
        word++, words--;
    }
    if (words == 0)
        return kn_fail(err, "a name, but no op behind it");
    if (d.name.n == 0 && kn_str_eq(word[0], kn_str_c("input")))
        return shape_input(g, word, words, err);
    if (find_kind(&d.op, word[0], err))
        return -1;
    const sm_kind *kind = &sm_kinds[d.op];
    word++, words--;
    d.act = kind->act;
    if (kind->reads_above)
        d.in[d.inputs++] = g->nodes - 1;
    if (kind->reads_names) {
        if (read_names(g, &d, word, words, err))
            return -1;
        words = 0;
    }
    d.param = g->params;
    d.stat = g->stats;
    if (kind->define(g, &d, word, words, err))
        return -1;
    if (set_width(&d, err))
        return -1;
    g->node[g->nodes++] = d;
    return 0;
}

/* A result that nobody reads gets no gradient: most likely a slip. */
static int check_read(const sm_graph *g, kn_error *err)
{
    bool read[SM_MAX_NODES] = {false};
    for (int i = 0; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].inputs; k++)
            read[g->node[i].in[k]] = true;
    for (int i = 1; i < g->nodes - 1; i++)
        if (!read[i])
            return kn_fail(err, "network: the result of op %d (%s) is never read", g->node[i].number,
                           sm_kinds[g->node[i].op].word);
    return 0;
}

static int parse(sm_graph *g, kn_error *err)
{
    sm_text t = sm_text_new(g->text);
    kn_str word[SM_MAX_WORDS];
    int words;
    g->node[g->nodes++] = (sm_node){.op = SM_INPUT, .shape = {1, 1, g->input_width}, .width = g->input_width,
                                    .name = kn_str_c("input")};
    while ((words = sm_text_next(&t, word)) >= 0)
        if (words > 0 && add_node(g, word, words, err))
            return kn_fail_prefix(err, "network, line %d", t.line);
    if (g->nodes == 1)
        return kn_fail(err, "the network has no ops");
    if (g->params == 0)
        return kn_fail(err, "the network has nothing to train: no linear, conv or batchnorm");
    return check_read(g, err);
}

sm_graph *sm_graph_read(const char *text, size_t input, kn_error *err)
{
    size_t length = strlen(text);
    if (input == 0 || input > SM_MAX_NUMBERS) {
        kn_fail(err, "a network reads 1 to %d numbers, not %zu", SM_MAX_NUMBERS, input);
        return NULL;
    }
    sm_graph *g = kn_alloc(1, sizeof *g, err);
    if (!g)
        return NULL;
    g->input_width = input;
    g->node = kn_alloc(SM_MAX_NODES, sizeof *g->node, err);
    g->part = g->node ? kn_alloc(4 * SM_MAX_NODES, sizeof *g->part, err) : NULL;
    g->text = g->part ? kn_alloc(length + 1, 1, err) : NULL;
    if (!g->text) {
        sm_graph_free(g);
        return NULL;
    }
    memcpy(g->text, text, length);
    if (parse(g, err)) {
        sm_graph_free(g);
        return NULL;
    }
    g->output_width = g->node[g->nodes - 1].width;
    return g;
}

sm_graph *sm_graph_parse(const char *text, size_t input, kn_error *err)
{
    sm_graph *g = sm_graph_read(text, input, err);
    if (g)
        sm_graph_fuse(g);
    return g;
}

void sm_graph_free(sm_graph *g)
{
    if (!g)
        return;
    kn_free(g->node);
    kn_free(g->part);
    kn_free(g->text);
    kn_free(g);
}

int sm_graph_part(sm_graph *g, sm_node *d, const char *name, bool stat, size_t ndim, const size_t *shape,
                  kn_error *err)
{
    size_t *end = stat ? &g->stats : &g->params, size = 1, next;
    sm_part *part = &g->part[g->parts];
    part->stat = stat;
    part->offset = *end;
    part->ndim = ndim;
    for (size_t i = 0; i < ndim; i++) {
        part->shape[i] = shape[i];
        if (kn_mul(&size, size, shape[i]))
            return kn_fail(err, "more parameters than memory can address");
    }
    if (kn_add(&next, *end, size))
        return kn_fail(err, "more parameters than memory can address");
    snprintf(part->name, sizeof part->name, "%d.%s", d->number, name);
    *end = next;
    g->parts++;
    return 0;
}

void sm_graph_init(const sm_graph *g, float *params, float *stats, uint64_t seed)
{
    for (int i = 0; i < g->nodes; i++) {
        const sm_node *d = &g->node[i];
        kn_rng rng = kn_rng_new(seed, KN_STREAM_INIT, (uint32_t)d->number);
        if (sm_kinds[d->op].init)
            sm_kinds[d->op].init(g, d, params, stats, &rng);
    }
}

void sm_graph_scale(const sm_graph *g, float *params, float scale)
{
    bool reached[SM_MAX_NODES] = {false};
    reached[g->nodes - 1] = true;
    for (int i = g->nodes - 1; i > 0; i--) {
        const sm_node *d = &g->node[i];
        if (!reached[i] || d->op == SM_LINEAR || d->op == SM_CONV)
            continue;
        if (d->op == SM_BATCHNORM || d->op == SM_BN_POOL)
            for (size_t c = 0; c < d->shape.c; c++)
                params[d->param + c] *= scale;
        for (int k = d->blocks; k < d->inputs; k++) /* batchnorm undoes its blocks' scale, not its residual's */
            reached[d->in[k]] = true;
    }
}
