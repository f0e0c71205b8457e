/* A store being filled, row by row, and saved. Rows are encoded as they come, so
 * that memory holds the store and not the source. */
#include <math.h>
#include <string.h>

#include "embeddings/import.h"

int emb_build_open(emb_build *b, const emb_import_options *o, emb_import_report *report, kn_error *err)
{
    *b = (emb_build){.o = o, .report = report};
    *report = (emb_import_report){0};
    if (o->dtype != DS_F32 && o->dtype != DS_F16 && o->dtype != DS_I8)
        return kn_fail(err, "vectors are stored as F32, F16 or I8, not %s", ds_dtype_name(o->dtype));
    return (b->words = tok_vocab_new(err)) ? 0 : -1;
}

int emb_build_dim(emb_build *b, uint64_t dim, kn_error *err)
{
    if (dim < 1 || dim > EMB_MAX_DIM)
        return kn_fail(err, "vectors of %llu numbers: 1 to %d can be stored", (unsigned long long)dim, EMB_MAX_DIM);
    b->dim = b->report->dim = (size_t)dim;
    return (b->scratch = kn_alloc(b->dim, sizeof(uint16_t), err)) ? 0 : -1;
}

void emb_build_close(emb_build *b)
{
    tok_vocab_free(b->words);
    kn_buf_free(&b->rows);
    kn_buf_free(&b->scale);
    kn_free(b->scratch);
}

bool emb_build_full(const emb_build *b)
{
    return b->o->limit && b->report->lines >= b->o->limit;
}

void emb_build_progress(const emb_build *b, const ds_stream *s)
{
    uint64_t done, total;
    if (!b->o->progress)
        return;
    ds_progress(s, &done, &total);
    b->o->progress(b->o->arg, b->report->lines, done, total);
}

/* ---- one row ---------------------------------------------------------------------- */

static int reject(emb_build *b, const kn_error *why, kn_error *err)
{
    emb_import_report *r = b->report;
    if (!b->o->skip_bad)
        return kn_fail(err, "%s", why->text);
    if (!r->rejected++)
        snprintf(r->first_rejection, sizeof r->first_rejection, "%.*s", (int)sizeof r->first_rejection - 1, why->text);
    return 0;
}

int emb_build_reject(emb_build *b, const kn_error *why, kn_error *err)
{
    b->report->lines++;
    return reject(b, why, err);
}

static int check_row(const emb_build *b, kn_str word, const float *x, kn_error *why)
{
    float bound = b->o->dtype == DS_F16 ? 65520.0f : INFINITY; /* what rounds to a half's infinity */
    if (!word.n)
        return kn_fail(why, "row %llu: its word is empty", (unsigned long long)b->report->lines);
    for (size_t i = 0; i < b->dim; i++)
        if (!(fabsf(x[i]) < bound))
            return kn_fail(why, "row %llu (\"%.*s\"): number %zu of its vector is %g, which %s cannot hold",
                           (unsigned long long)b->report->lines, (int)(word.n < 40 ? word.n : 40), word.p, i + 1,
                           (double)x[i], ds_dtype_name(b->o->dtype));
    return 0;
}

/* value = scale * q with scale = max|x| / 127 (0 for a row of zeros). */
static float encode_i8(int8_t *q, const float *x, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    float scale = largest / 127;
    for (size_t i = 0; i < n; i++) { /* a scale below the normal floats is coarse: hence the bounds */
        float v = scale > 0 ? rintf(x[i] / scale) : 0;
        q[i] = (int8_t)fmaxf(-127, fminf(127, v));
    }
    return scale;
}

static int encode(emb_build *b, const float *x, kn_error *err)
{
    if (b->o->dtype == DS_F32)
        return kn_buf_add(&b->rows, x, b->dim * sizeof *x, err);
    if (b->o->dtype == DS_I8) {
        float scale = encode_i8(b->scratch, x, b->dim);
        return kn_buf_add(&b->scale, &scale, sizeof scale, err) ? -1 : kn_buf_add(&b->rows, b->scratch, b->dim, err);
    }
    uint16_t *h = b->scratch;
    for (size_t i = 0; i < b->dim; i++)
        h[i] = ds_f32_to_f16(x[i]);
    return kn_buf_add(&b->rows, h, b->dim * sizeof *h, err);
}

int emb_build_add(emb_build *b, kn_str word, const float *x, kn_error *err)
{
    kn_error why;
    b->report->lines++;
    if (check_row(b, word, x, &why))
        return reject(b, &why, err);
    if (b->o->keep && tok_vocab_find(b->o->keep, word) == TOK_NONE) {
        b->report->not_wanted++;
        return 0;
    }
    uint32_t known = tok_vocab_size(b->words), id = tok_vocab_add(b->words, word, err);
    if (id == TOK_NONE)
        return -1;
    if (id < known) {
        b->report->duplicates++;
        return 0;
    }
    b->report->kept++;
    return encode(b, x, err);
}

/* ---- the file --------------------------------------------------------------------- */

static size_t slots_for(uint32_t words)
{
    size_t slots = 16;
    while (slots / 4 * 3 < words) /* at most three quarters full */
        slots *= 2;
    return slots;
}

static void fill_slots(uint32_t *slot, size_t slots, const tok_vocab *words)
{
    memset(slot, 0xff, slots * sizeof *slot); /* UINT32_MAX: empty */
    for (uint32_t row = 0; row < tok_vocab_size(words); row++) {
        size_t i = tok_hash(tok_vocab_word(words, row)) & (slots - 1);
        while (slot[i] != UINT32_MAX)
            i = (i + 1) & (slots - 1);
        slot[i] = row;
    }
}

/* The words end to end; offset[i] is where word i begins, and the last their end. */
static int join_words(kn_buf *text, uint64_t *offset, const tok_vocab *words, kn_error *err)
{
    uint32_t n = tok_vocab_size(words);
    for (uint32_t row = 0; row < n; row++) {
        kn_str w = tok_vocab_word(words, row);
        offset[row] = text->n;
        if (kn_buf_add(text, w.p, w.n, err))
            return -1;
    }
    offset[n] = text->n;
    return 0;
}

int emb_build_save(const emb_build *b, const char *path, kn_error *err)
{
    uint32_t n = tok_vocab_size(b->words);
    size_t slots = slots_for(n);
    bool scaled = b->o->dtype == DS_I8;
    kn_buf text = {0};
    uint64_t *offset = kn_alloc((size_t)n + 1, sizeof *offset, err);
    uint32_t *slot = offset ? kn_alloc(slots, sizeof *slot, err) : NULL;
    int rc = slot ? join_words(&text, offset, b->words, err) : -1;
    if (!rc) {
        fill_slots(slot, slots, b->words);
        /* Wide types first, so that all of them are aligned. */
        ds_tensor t[5] = {{"offsets", DS_U64, 1, {(size_t)n + 1}, offset, ((size_t)n + 1) * sizeof *offset},
                          {"slots", DS_U32, 1, {slots}, slot, slots * sizeof *slot}};
        size_t k = 2;
        if (scaled)
            t[k++] = (ds_tensor){"scale", DS_F32, 1, {n}, b->scale.p, b->scale.n};
        t[k++] = (ds_tensor){"vectors", b->o->dtype, 2, {n, b->dim}, b->rows.p, b->rows.n};
        t[k++] = (ds_tensor){"words", DS_U8, 1, {text.n}, text.p, text.n};
        const ds_meta meta = {"format", EMB_FORMAT};
        rc = ds_st_save(path, &meta, 1, t, k, err);
    }
    kn_buf_free(&text);
    kn_free(slot);
    kn_free(offset);
    return rc;
}
