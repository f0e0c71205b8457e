/* A store of word vectors: opened by mmap, looked up in place. */
#include <math.h>
#include <string.h>

#include "embeddings/embeddings.h"

struct emb_store {
    ds_st *own; /* NULL when the container is the caller's */
    const ds_st *st;
    uint32_t words;
    size_t dim, slots;
    ds_dtype dtype;
    const void *vectors;    /* [words, dim] */
    const float *scale;     /* [words], or NULL */
    const uint64_t *offset; /* [words + 1] */
    const uint32_t *slot;   /* [slots], a power of two */
    const char *text;
};

/* ---- opening: all that a look-up relies on is checked, and no vector touched -------- */

static int check_offsets(emb_store *e, size_t text_bytes, kn_error *err)
{
    for (uint32_t i = 0; i < e->words; i++)
        if (e->offset[i] > e->offset[i + 1])
            return kn_fail(err, "the offset of word %u is larger than the next one", i);
    return e->offset[0] == 0 && e->offset[e->words] == text_bytes
               ? 0
               : kn_fail(err, "the offsets of the words do not span their %zu bytes", text_bytes);
}

/* Fewer words than slots, so that every search ends. */
static int check_slots(emb_store *e, kn_error *err)
{
    size_t used = 0;
    for (size_t i = 0; i < e->slots; i++) {
        if (e->slot[i] == UINT32_MAX)
            continue;
        if (e->slot[i] >= e->words)
            return kn_fail(err, "slot %zu holds row %u of %u", i, e->slot[i], e->words);
        used++;
    }
    if (e->slots & (e->slots - 1) || used != e->words || used >= e->slots)
        return kn_fail(err, "%zu slots with %zu rows in them cannot find %u words", e->slots, used, e->words);
    return 0;
}

static int check_scales(const emb_store *e, kn_error *err)
{
    for (uint32_t i = 0; i < e->words; i++)
        if (!(e->scale[i] >= 0 && isfinite(e->scale[i])))
            return kn_fail(err, "the scale of word %u is %g", i, (double)e->scale[i]);
    return 0;
}

static int find_vectors(emb_store *e, kn_error *err)
{
    const ds_tensor *t = ds_st_find(e->st, "vectors");
    e->dtype = t && (t->dtype == DS_F16 || t->dtype == DS_I8) ? t->dtype : DS_F32;
    if (!(t = ds_st_need(e->st, "vectors", e->dtype, 2, NULL, err)))
        return -1;
    if (t->shape[0] < 1 || t->shape[0] > TOK_MAX_WORDS || t->shape[1] < 1)
        return kn_fail(err, "vectors are [%zu,%zu]: there must be at least one word and one number", t->shape[0],
                       t->shape[1]);
    e->vectors = t->data;
    e->words = (uint32_t)t->shape[0];
    e->dim = t->shape[1];
    return 0;
}

static int find_tensors(emb_store *e, kn_error *err)
{
    if (find_vectors(e, err))
        return -1;
    const size_t ends[] = {(size_t)e->words + 1}, rows[] = {e->words};
    const ds_tensor *offsets = ds_st_need(e->st, "offsets", DS_U64, 1, ends, err);
    const ds_tensor *slots = offsets ? ds_st_need(e->st, "slots", DS_U32, 1, NULL, err) : NULL;
    const ds_tensor *text = slots ? ds_st_need(e->st, "words", DS_U8, 1, NULL, err) : NULL;
    const ds_tensor *scale = text && e->dtype == DS_I8 ? ds_st_need(e->st, "scale", DS_F32, 1, rows, err) : NULL;
    if (!text || (e->dtype == DS_I8 && !scale))
        return -1;
    e->offset = offsets->data;
    e->slot = slots->data;
    e->slots = slots->shape[0];
    e->text = text->data;
    e->scale = scale ? scale->data : NULL;
    return check_offsets(e, text->bytes, err) || check_slots(e, err) || (scale && check_scales(e, err)) ? -1 : 0;
}

emb_store *emb_from_st(const ds_st *st, kn_error *err)
{
    emb_store *e = kn_alloc(1, sizeof *e, err);
    if (!e)
        return NULL;
    e->st = st;
    if (find_tensors(e, err)) {
        kn_free(e);
        return NULL;
    }
    return e;
}

emb_store *emb_open(const char *path, kn_error *err)
{
    ds_st *st = ds_st_open(path, err);
    if (!st)
        return NULL;
    const char *format = ds_st_meta(st, "format");
    emb_store *e = NULL;
    if (!format || strcmp(format, EMB_FORMAT))
        kn_fail(err, "not a store of word vectors (its format is %s): siam-vectors makes one", format ? format : "not given");
    else
        e = emb_from_st(st, err);
    if (e)
        e->own = st;
    else
        ds_st_close(st);
    return e;
}

void emb_close(emb_store *e)
{
    if (!e)
        return;
    ds_st_close(e->own);
    kn_free(e);
}

/* ---- looking up ------------------------------------------------------------------------ */

uint32_t emb_count(const emb_store *e)
{
    return e->words;
}

size_t emb_dim(const emb_store *e)
{
    return e->dim;
}

ds_dtype emb_dtype(const emb_store *e)
{
    return e->dtype;
}

const ds_st *emb_st(const emb_store *e)
{
    return e->st;
}

kn_str emb_word(const emb_store *e, uint32_t row)
{
    return (kn_str){e->text + e->offset[row], (size_t)(e->offset[row + 1] - e->offset[row])};
}

uint32_t emb_find(const emb_store *e, kn_str word)
{
    for (size_t i = tok_hash(word) & (e->slots - 1);; i = (i + 1) & (e->slots - 1)) {
        uint32_t row = e->slot[i];
        if (row == UINT32_MAX || kn_str_eq(emb_word(e, row), word))
            return row; /* an empty slot is TOK_NONE */
    }
}

void emb_row(const emb_store *e, float *out, uint32_t row)
{
    size_t at = row * e->dim;
    if (e->dtype == DS_F32) {
        memcpy(out, (const float *)e->vectors + at, e->dim * sizeof *out);
    } else if (e->dtype == DS_I8) {
        const int8_t *q = (const int8_t *)e->vectors + at;
        for (size_t i = 0; i < e->dim; i++)
            out[i] = e->scale[row] * (float)q[i];
    } else {
        const uint16_t *h = (const uint16_t *)e->vectors + at;
        for (size_t i = 0; i < e->dim; i++)
            out[i] = ds_f16_to_f32(h[i]);
    }
}
