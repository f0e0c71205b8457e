/* A list of questions and their vectors in one file, with the model that made
 * them; exact search over all of them. */
#include "siamese/siamese.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- writing ---------------------------------------------------------------------- */

static int check_sizes(size_t n, size_t E, kn_error *err)
{
    size_t floats, bytes;
    if (n >= UINT32_MAX)
        return kn_fail(err, "%zu questions are more than an index can number", n);
    if (kn_mul(&floats, n, E) || kn_mul(&bytes, floats, sizeof(float)))
        return kn_fail(err, "%zu vectors of %zu numbers are more than memory can address", n, E);
    return 0;
}

/* Appends the questions to all and their borders to offset[n+1]. */
static int join(kn_buf *all, uint64_t *offset, const kn_str *text, size_t n, kn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (kn_buf_add(all, text[i].p, text[i].n, err))
            return -1;
        offset[i + 1] = all->n;
    }
    return 0;
}

/* The model stands first, where data are aligned, and `pad` (never empty, so that
 * it needs no case of its own) brings what follows back to a multiple of 64. */
static int save(const char *path, const kn_buf *model, const uint64_t *offset, const float *z, size_t E,
                const kn_buf *text, size_t n, kn_error *err)
{
    static const char zeros[64];
    char count[32];
    size_t pad = 64 - model->n % 64;
    snprintf(count, sizeof count, "%zu", n);
    const ds_meta meta[] = {{"format", "siam-index"}, {"version", "1"}, {"questions", count}};
    const ds_tensor t[] = {
        {"model", DS_U8, 1, {model->n}, model->p, model->n},
        {"pad", DS_U8, 1, {pad}, zeros, pad},
        {"offsets", DS_U64, 1, {n + 1}, offset, (n + 1) * sizeof *offset},
        {"z", DS_F32, 2, {n, E}, z, n * E * sizeof *z},
        {"text", DS_U8, 1, {text->n}, text->n ? text->p : zeros, text->n},
    };
    return ds_st_save(path, meta, sizeof meta / sizeof *meta, t, sizeof t / sizeof *t, err);
}

int sm_index_save(const char *path, const sm_model *m, const float *z, const kn_str *text, size_t n, kn_error *err)
{
    kn_buf model = {0}, all = {0};
    uint64_t *offset = NULL;
    int rc = -1;
    if (!check_sizes(n, m->graph->output_width, err) && !sm_model_bytes(m, &model, err) &&
        (offset = kn_alloc(n + 1, sizeof *offset, err)) && !join(&all, offset, text, n, err))
        rc = save(path, &model, offset, z, m->graph->output_width, &all, n, err);
    kn_free(offset);
    kn_buf_free(&all);
    kn_buf_free(&model);
    return rc;
}

/* ---- reading ---------------------------------------------------------------------- */

struct sm_index {
    ds_st *st;
    sm_model *model; /* inside st */
    const uint64_t *offset;
    const float *z;
    const char *text;
    size_t n;
};

static int check_offsets(const sm_index *x, size_t bytes, kn_error *err)
{
    if (x->offset[0] != 0 || x->offset[x->n] != bytes)
        return kn_fail(err, "the questions of the index do not fill its text: the file is damaged");
    for (size_t i = 0; i < x->n; i++)
        if (x->offset[i] > x->offset[i + 1])
            return kn_fail(err, "question %zu of the index ends before it starts: the file is damaged", i + 1);
    return 0;
}

static int read_tensors(sm_index *x, kn_error *err)
{
    const ds_tensor *model = ds_st_need(x->st, "model", DS_U8, 1, NULL, err);
    const ds_tensor *offsets = model ? ds_st_need(x->st, "offsets", DS_U64, 1, NULL, err) : NULL;
    const ds_tensor *text = offsets ? ds_st_need(x->st, "text", DS_U8, 1, NULL, err) : NULL;
    if (!text)
        return -1;
    if (offsets->shape[0] == 0 || (uintptr_t)model->data % 64)
        return kn_fail(err, "the index has no offsets, or its model is not at a multiple of 64 bytes: the file is damaged");
    x->n = offsets->shape[0] - 1;
    x->offset = offsets->data;
    x->text = text->data;
    if (check_offsets(x, text->bytes, err))
        return -1;
    x->model = sm_model_open_memory(model->data, model->bytes, err);
    if (!x->model)
        return kn_fail_prefix(err, "the model in the index");
    size_t E = x->model->graph->output_width;
    const ds_tensor *z = ds_st_need(x->st, "z", DS_F32, 2, (const size_t[]){0, E}, err);
    if (!z)
        return -1;
    if (z->shape[0] != x->n)
        return kn_fail(err, "the index has %zu vectors for %zu questions: the file is damaged", z->shape[0], x->n);
    x->z = z->data;
    return check_sizes(x->n, E, err);
}

sm_index *sm_index_open(const char *path, kn_error *err)
{
    sm_index *x = kn_alloc(1, sizeof *x, err);
    if (!x || !(x->st = ds_st_open(path, err))) {
        kn_free(x);
        return NULL;
    }
    const char *format = ds_st_meta(x->st, "format"), *version = ds_st_meta(x->st, "version");
    int bad = 0;
    if (!format || strcmp(format, "siam-index"))
        bad = kn_fail(err, "not an index: its format is '%.40s', not 'siam-index'", format ? format : "not given");
    else if (!version || strcmp(version, "1"))
        bad = kn_fail(err, "an index of version '%.40s': this siam reads version 1", version ? version : "not given");
    if (bad || read_tensors(x, err)) {
        sm_index_close(x);
        return NULL;
    }
    return x;
}

void sm_index_close(sm_index *x)
{
    if (!x)
        return;
    sm_model_free(x->model);
    ds_st_close(x->st);
    kn_free(x);
}

size_t sm_index_count(const sm_index *x)
{
    return x->n;
}

kn_str sm_index_text(const sm_index *x, size_t i)
{
    return (kn_str){x->text + x->offset[i], (size_t)(x->offset[i + 1] - x->offset[i])};
}

const float *sm_index_vectors(const sm_index *x)
{
    return x->z;
}

const sm_model *sm_index_model(const sm_index *x)
{
    return x->model;
}

/* ---- search ----------------------------------------------------------------------- */

struct sm_search {
    const sm_index *index;
    kn_backend *be;
    sm_encoder *encoder;
    size_t k, E;
    float *query;         /* host [E] */
    const float *base;    /* device [n,E]: the mapped file itself where ops can read it, else a copy */
    float *copy;
    float *point, *dist;  /* device [E], [k] */
    uint32_t *row;        /* device [k] */
};

/* A NaN would be near to nothing and far from nothing. */
static int check_vectors(const sm_index *x, size_t E, kn_error *err)
{
    for (size_t i = 0; i < x->n * E; i++)
        if (!isfinite(x->z[i]))
            return kn_fail(err, "the vector of question %zu holds %g: the index is damaged", i / E + 1,
                           (double)x->z[i]);
    return 0;
}

static int place_vectors(sm_search *s, kn_error *err)
{
    size_t bytes = s->index->n * s->E * sizeof *s->base;
    s->base = s->index->z;
    if (s->be->host_memory)
        return 0;
    s->base = s->copy = s->be->alloc(s->be, bytes, err);
    if (!s->copy)
        return -1;
    s->be->upload(s->be, s->copy, s->index->z, bytes);
    return 0;
}

sm_search *sm_search_new(const sm_index *x, kn_backend *be, size_t k, kn_error *err)
{
    sm_search *s = kn_alloc(1, sizeof *s, err);
    if (!s)
        return NULL;
    s->index = x;
    s->be = be;
    s->E = x->model->graph->output_width;
    s->k = k < x->n ? k : x->n;
    if (check_vectors(x, s->E, err) || place_vectors(s, err) || !(s->encoder = sm_encoder_new(x->model, be, err)) ||
        !(s->query = kn_alloc(s->E, sizeof *s->query, err)) ||
        !(s->point = be->alloc(be, s->E * sizeof *s->point, err)) ||
        !(s->dist = be->alloc(be, s->k * sizeof *s->dist, err)) ||
        !(s->row = be->alloc(be, s->k * sizeof *s->row, err))) {
        sm_search_free(s);
        return NULL;
    }
    return s;
}

ptrdiff_t sm_search_nearest(sm_search *s, float *dist, uint32_t *row, const float *vector, kn_error *err)
{
    kn_backend *be = s->be;
    if (sm_encode(s->encoder, s->query, vector, 1, err))
        return -1;
    be->upload(be, s->point, s->query, s->E * sizeof *s->query);
    be->nearest(be, s->dist, s->row, s->point, s->base, s->index->model->distance, 1, s->index->n, s->E, s->k);
    be->download(be, dist, s->dist, s->k * sizeof *dist);
    be->download(be, row, s->row, s->k * sizeof *row);
    return be->sync(be, err) ? -1 : (ptrdiff_t)s->k;
}

void sm_search_free(sm_search *s)
{
    if (!s)
        return;
    sm_encoder_free(s->encoder);
    s->be->dealloc(s->be, s->copy);
    s->be->dealloc(s->be, s->point);
    s->be->dealloc(s->be, s->dist);
    s->be->dealloc(s->be, s->row);
    kn_free(s->query);
    kn_free(s);
}
