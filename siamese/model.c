/* The model file: a safetensors container that holds all a prediction needs.
 *
 * Tensors: the parts of the graph, each under its own name, then `recipe` U8, the
 * opaque bytes that turn a question into the network's input; `pad` before it is
 * 1 to 64 zeros that bring it to a multiple of 64, so that it can be used in
 * place.
 * Settings stand in the metadata as text; numbers are printed so that they read
 * back exactly. */
#include "siamese/siamese.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *const sm_distance_words[] = {"euclidean", "l1", "cosine", NULL};
const char *const sm_loss_words[] = {"contrastive", "hinge", "softmax", "huber", "mse", NULL};

/* ---- writing -------------------------------------------------------------------- */

/* The arguments of ds_st_save, and what they point to. */
typedef struct layout {
    ds_tensor *t;
    size_t tensors;
    ds_meta meta[16];
    size_t metas;
    char number[8][32];
    size_t numbers;
} layout;

static void put(layout *l, const char *key, const char *value)
{
    l->meta[l->metas++] = (ds_meta){key, value};
}

static void put_f64(layout *l, const char *key, double v)
{
    char *text = l->number[l->numbers++];
    snprintf(text, sizeof l->number[0], "%.17g", v);
    put(l, key, text);
}

static void put_i64(layout *l, const char *key, int64_t v)
{
    char *text = l->number[l->numbers++];
    snprintf(text, sizeof l->number[0], "%" PRId64, v);
    put(l, key, text);
}

static void put_settings(layout *l, const sm_model *m)
{
    put(l, "format", "siam-model");
    put(l, "version", "1");
    put(l, "network", m->graph->text);
    put_i64(l, "input", (int64_t)m->graph->input_width);
    put(l, "distance", sm_distance_words[m->distance]);
    put(l, "loss", sm_loss_words[m->loss]);
    put_f64(l, "margin", m->margin);
    put_f64(l, "threshold", m->threshold);
    put_f64(l, "alpha", m->alpha);
    put_f64(l, "beta", m->beta);
    put(l, "calibrated", m->calibrated ? "true" : "false");
    put_i64(l, "seed", (int64_t)m->seed);
    put(l, "digest", m->digest);
    put(l, "settings", m->settings ? m->settings : "{}");
}

static void put_bytes(layout *l, const char *name, const void *p, size_t n)
{
    l->t[l->tensors++] = (ds_tensor){.name = name, .dtype = DS_U8, .ndim = 1, .shape = {n}, .data = p, .bytes = n};
}

/* Only l->t is allocated. */
static int lay_out(layout *l, const sm_model *m, kn_error *err)
{
    static const char zeros[64];
    const sm_graph *g = m->graph;
    size_t end = 0;
    *l = (layout){.t = kn_alloc((size_t)g->parts + 2, sizeof *l->t, err)};
    if (!l->t)
        return -1;
    put_settings(l, m);
    for (int i = 0; i < g->parts; i++) {
        const sm_part *part = &g->part[i];
        ds_tensor t = {.name = part->name, .dtype = DS_F32, .ndim = part->ndim, .bytes = sizeof(float)};
        t.data = (part->stat ? m->stats : m->params) + part->offset;
        for (size_t k = 0; k < part->ndim; k++) {
            t.shape[k] = part->shape[k];
            t.bytes *= part->shape[k]; /* fits: the block it lies in does */
        }
        end += t.bytes;
        l->t[l->tensors++] = t;
    }
    if (m->recipe) {
        put_bytes(l, "pad", zeros, 64 - end % 64);
        put_bytes(l, "recipe", m->recipe, m->recipe_bytes);
    }
    return 0;
}

int sm_model_save(const sm_model *m, const char *path, kn_error *err)
{
    layout l;
    if (lay_out(&l, m, err))
        return -1;
    int rc = ds_st_save(path, l.meta, l.metas, l.t, l.tensors, err);
    kn_free(l.t);
    return rc;
}

int sm_model_bytes(const sm_model *m, kn_buf *out, kn_error *err)
{
    layout l;
    if (lay_out(&l, m, err))
        return -1;
    int rc = ds_st_bytes(out, l.meta, l.metas, l.t, l.tensors, err);
    kn_free(l.t);
    return rc;
}

/* ---- reading -------------------------------------------------------------------- */

static const char *need(const ds_st *st, const char *key, kn_error *err)
{
    const char *value = ds_st_meta(st, key);
    if (!value)
        kn_fail(err, "the model has no '%s' in its metadata: the file is damaged", key);
    return value;
}

static int need_f64(double *out, const ds_st *st, const char *key, double lo, kn_error *err)
{
    const char *value = need(st, key, err);
    if (!value)
        return -1;
    if (kn_parse_f64(out, kn_str_c(value), lo, DBL_MAX))
        return kn_fail(err, "the model's %s is '%.40s': not a number that can be used", key, value);
    return 0;
}

static int need_i64(int64_t *out, const ds_st *st, const char *key, int64_t lo, kn_error *err)
{
    const char *value = need(st, key, err);
    if (!value)
        return -1;
    if (kn_parse_i64(out, kn_str_c(value), lo, INT64_MAX))
        return kn_fail(err, "the model's %s is '%.40s': not a whole number that can be used", key, value);
    return 0;
}

/* The place of a setting's value among words, which end with NULL. */
static int need_word(int *out, const ds_st *st, const char *key, const char *const *words, kn_error *err)
{
    const char *value = need(st, key, err);
    if (!value)
        return -1;
    for (*out = 0; words[*out]; ++*out)
        if (!strcmp(value, words[*out]))
            return 0;
    return kn_fail(err, "the model's %s is '%.40s', which this siam does not know", key, value);
}

static int check_format(const ds_st *st, kn_error *err)
{
    const char *format = ds_st_meta(st, "format"), *version = ds_st_meta(st, "version");
    if (!format || strcmp(format, "siam-model"))
        return kn_fail(err, "not a model: its format is '%.40s', not 'siam-model'", format ? format : "not given");
    if (!version || strcmp(version, "1"))
        return kn_fail(err, "a model of version '%.40s': this siam reads version 1", version ? version : "not given");
    return 0;
}

static int read_settings(sm_model *m, const ds_st *st, kn_error *err)
{
    static const char *const truth[] = {"false", "true", NULL};
    const char *text, *digest, *settings;
    int distance, loss, calibrated;
    int64_t input, seed;
    if (!(text = need(st, "network", err)) || need_i64(&input, st, "input", 1, err) ||
        need_word(&distance, st, "distance", sm_distance_words, err) ||
        need_word(&loss, st, "loss", sm_loss_words, err) || need_f64(&m->margin, st, "margin", 0, err) ||
        need_f64(&m->threshold, st, "threshold", -DBL_MAX, err) || need_f64(&m->alpha, st, "alpha", -DBL_MAX, err) ||
        need_f64(&m->beta, st, "beta", 0, err) || need_word(&calibrated, st, "calibrated", truth, err) ||
        need_i64(&seed, st, "seed", -INT64_MAX, err) || !(digest = need(st, "digest", err)) ||
        !(settings = need(st, "settings", err)))
        return -1;
    m->distance = (kn_distance)distance;
    m->loss = (sm_loss)loss;
    m->calibrated = calibrated;
    m->seed = (uint64_t)seed;
    size_t digits = strspn(digest, "0123456789abcdef");
    if (digest[digits] || digits >= sizeof m->digest)
        return kn_fail(err, "the model's digest is '%.80s': not hexadecimal digits, or too many", digest);
    memcpy(m->digest, digest, digits + 1);
    m->settings = kn_alloc(strlen(settings) + 1, 1, err);
    m->graph = m->settings ? sm_graph_parse(text, (size_t)input, err) : NULL;
    if (!m->graph)
        return -1;
    memcpy(m->settings, settings, strlen(settings));
    return 0;
}

/* A network can run on these: no NaN spreads from them, no root of a negative
 * variance. */
static int check_numbers(const float *x, size_t n, const char *name, kn_error *err)
{
    bool variance = strstr(name, "running_var") != NULL;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]) || (variance && x[i] < 0))
            return kn_fail(err, "tensor '%s' holds %g at %zu: the file is damaged", name, (double)x[i], i);
    return 0;
}

/* The tensors are found, with their shapes, before anything of the size that the
 * network text claims is allocated. */
static int read_parts(sm_model *m, const ds_st *st, kn_error *err)
{
    const sm_graph *g = m->graph;
    for (int i = 0; i < g->parts; i++)
        if (!ds_st_need(st, g->part[i].name, DS_F32, g->part[i].ndim, g->part[i].shape, err))
            return -1;
    m->params = kn_alloc(g->params, sizeof *m->params, err);
    m->stats = m->params ? kn_alloc(g->stats, sizeof *m->stats, err) : NULL;
    if (!m->stats)
        return -1;
    for (int i = 0; i < g->parts; i++) {
        const ds_tensor *t = ds_st_find(st, g->part[i].name);
        float *to = (g->part[i].stat ? m->stats : m->params) + g->part[i].offset;
        memcpy(to, t->data, t->bytes);
        if (check_numbers(to, t->bytes / sizeof *to, t->name, err))
            return -1;
    }
    return 0;
}

static int read_recipe(sm_model *m, const ds_st *st, kn_error *err)
{
    if (!ds_st_find(st, "recipe"))
        return 0; /* a network over vectors */
    const ds_tensor *t = ds_st_need(st, "recipe", DS_U8, 1, NULL, err);
    if (!t)
        return -1;
    if ((uintptr_t)t->data % 64)
        return kn_fail(err, "tensor 'recipe' is not at a multiple of 64 bytes: the file is damaged");
    m->recipe = t->data;
    m->recipe_bytes = t->bytes;
    return 0;
}

/* Owns st from here on. */
static sm_model *from_st(ds_st *st, kn_error *err)
{
    sm_model *m = st ? kn_alloc(1, sizeof *m, err) : NULL;
    if (!m) {
        ds_st_close(st);
        return NULL;
    }
    m->st = st;
    if (check_format(st, err) || read_settings(m, st, err) || read_parts(m, st, err) || read_recipe(m, st, err)) {
        sm_model_free(m);
        return NULL;
    }
    return m;
}

sm_model *sm_model_open(const char *path, kn_error *err)
{
    return from_st(ds_st_open(path, err), err);
}

sm_model *sm_model_open_memory(const void *p, size_t n, kn_error *err)
{
    return from_st(ds_st_open_memory(p, n, err), err);
}

void sm_model_free(sm_model *m)
{
    if (!m)
        return;
    sm_graph_free(m->graph);
    kn_free(m->params);
    kn_free(m->stats);
    kn_free(m->settings);
    ds_st_close(m->st);
    kn_free(m);
}
