/* All that turns a question's text into a vector, and its bytes in a model. */
#include <math.h>
#include <string.h>

#include "tfidf/tfidf.h"

typedef enum { IDF_MEAN, MEAN, MAX, SUM, POOLS } pool;

static const char *const pool_name[POOLS] = {"idf-mean", "mean", "max", "sum"};

enum { MAX_DIM = 8192 }; /* numbers of a word vector: one is unpacked on the stack */

struct idf_recipe {
    const emb_store *store;
    const float *idf; /* [V] */
    pool pool[POOLS];
    size_t pools;
    char pools_text[32], profile[32];
    /* what a recipe of its own makes owns, and what an opened one does */
    float *own_idf;
    ds_st *own_st;
    emb_store *own_store;
};

/* ---- making one ---------------------------------------------------------------- */

static int add_pool(idf_recipe *r, kn_str name, const char *all, kn_error *err)
{
    for (int p = 0; p < POOLS; p++) {
        if (!kn_str_eq(name, kn_str_c(pool_name[p])))
            continue;
        for (size_t i = 0; i < r->pools; i++)
            if (r->pool[i] == (pool)p)
                return kn_fail(err, "pool \"%s\" is twice in \"%.80s\"", pool_name[p], all);
        r->pool[r->pools++] = (pool)p;
        return 0;
    }
    return kn_fail(err, "no pool \"%.*s\" in \"%.80s\": there are idf-mean, mean, max and sum, joined by +",
                   (int)(name.n < 80 ? name.n : 80), name.p, all);
}

static int parse_pools(idf_recipe *r, const char *text, kn_error *err)
{
    for (const char *p = text;; p++) {
        kn_str name = {p, strcspn(p, "+")};
        if (add_pool(r, name, text, err))
            return -1;
        p += name.n;
        if (!*p)
            break;
    }
    snprintf(r->pools_text, sizeof r->pools_text, "%s", text); /* each pool once: it fits */
    return 0;
}

int idf_pools_check(const char *pools, kn_error *err)
{
    idf_recipe scratch = {0};
    return parse_pools(&scratch, pools, err);
}

/* Store and text settings of a new recipe. */
static int settle(idf_recipe *r, const char *profile, const emb_store *store, const char *pools, kn_error *err)
{
    tok_tokenizer *t = tok_new(profile, err); /* is there such a profile? */
    if (!t)
        return -1;
    snprintf(r->profile, sizeof r->profile, "%s", tok_profile(t));
    tok_free(t);
    r->store = store;
    if (emb_dim(store) > MAX_DIM)
        return kn_fail(err, "word vectors of %zu numbers: at most %d can be pooled", emb_dim(store), MAX_DIM);
    return parse_pools(r, pools, err);
}

idf_recipe *idf_recipe_new(const char *profile, const emb_store *store, const idf_table *idf, const char *pools,
                           kn_error *err)
{
    uint32_t words = emb_count(store);
    idf_recipe *r = kn_alloc(1, sizeof *r, err);
    if (!r)
        return NULL;
    if (settle(r, profile, store, pools, err) || !(r->own_idf = kn_alloc(words, sizeof *r->own_idf, err))) {
        idf_recipe_free(r);
        return NULL;
    }
    for (uint32_t i = 0; i < words; i++)
        r->own_idf[i] = (float)idf_value(idf_documents(idf), idf_df(idf, emb_word(store, i)));
    r->idf = r->own_idf;
    return r;
}

void idf_recipe_free(idf_recipe *r)
{
    if (!r)
        return;
    kn_free(r->own_idf);
    emb_close(r->own_store);
    ds_st_close(r->own_st);
    kn_free(r);
}

/* ---- as bytes -------------------------------------------------------------------- */

static const char *need_meta(const ds_st *st, const char *key, kn_error *err)
{
    const char *value = ds_st_meta(st, key);
    if (!value)
        kn_fail(err, "the recipe's metadata lack \"%s\"", key);
    return value;
}

static int open_parts(idf_recipe *r, const void *p, size_t n, kn_error *err)
{
    if (!(r->own_st = ds_st_open_memory(p, n, err)))
        return -1;
    const char *format = need_meta(r->own_st, "format", err), *profile, *pools;
    if (!format || !(profile = need_meta(r->own_st, "profile", err)) || !(pools = need_meta(r->own_st, "pools", err)))
        return -1;
    if (strcmp(format, "siam-recipe"))
        return kn_fail(err, "its format is \"%.40s\", not \"siam-recipe\"", format);
    if (!(r->own_store = emb_from_st(r->own_st, err)) || settle(r, profile, r->own_store, pools, err))
        return -1;
    const size_t shape[] = {emb_count(r->store)};
    const ds_tensor *idf = ds_st_need(r->own_st, "idf", DS_F32, 1, shape, err);
    if (!idf)
        return -1;
    r->idf = idf->data;
    for (size_t i = 0; i < shape[0]; i++)
        if (!(r->idf[i] > 0 && r->idf[i] < 1e3f))
            return kn_fail(err, "the idf of word %zu is %g", i, (double)r->idf[i]);
    return 0;
}

idf_recipe *idf_recipe_open(const void *p, size_t n, kn_error *err)
{
    idf_recipe *r = kn_alloc(1, sizeof *r, err);
    if (r && open_parts(r, p, n, err)) {
        kn_fail_prefix(err, "the recipe cannot be used");
        idf_recipe_free(r);
        return NULL;
    }
    return r;
}

int idf_recipe_bytes(const idf_recipe *r, kn_buf *out, kn_error *err)
{
    const ds_st *st = emb_st(r->store);
    size_t n = ds_st_count(st);
    ds_tensor *t = kn_alloc(n + 1, sizeof *t, err);
    if (!t)
        return -1;
    t[0] = (ds_tensor){.name = "idf", .dtype = DS_F32, .ndim = 1, .shape = {emb_count(r->store)}, .data = r->idf,
                       .bytes = emb_count(r->store) * sizeof *r->idf};
    size_t k = 1;
    for (size_t i = 0; i < n; i++) /* an opened recipe's store brings its idf along */
        if (strcmp(ds_st_at(st, i)->name, "idf"))
            t[k++] = *ds_st_at(st, i);
    for (size_t i = 1; i < k; i++) /* wide types first, so that all are aligned */
        for (size_t j = i; j > 0 && ds_dtype_size(t[j - 1].dtype) < ds_dtype_size(t[j].dtype); j--) {
            ds_tensor swap = t[j];
            t[j] = t[j - 1];
            t[j - 1] = swap;
        }
    const ds_meta meta[] = {{"format", "siam-recipe"}, {"profile", r->profile}, {"pools", r->pools_text}};
    int rc = ds_st_bytes(out, meta, sizeof meta / sizeof *meta, t, k, err);
    kn_free(t);
    return rc;
}

/* ---- what it is ---------------------------------------------------------------------- */

size_t idf_recipe_dim(const idf_recipe *r)
{
    return emb_dim(r->store) * r->pools;
}

const char *idf_recipe_pools(const idf_recipe *r)
{
    return r->pools_text;
}

const char *idf_recipe_profile(const idf_recipe *r)
{
    return r->profile;
}

const emb_store *idf_recipe_store(const idf_recipe *r)
{
    return r->store;
}

/* ---- what it does ---------------------------------------------------------------------- */

/* A question on its way: the pools' sums stand in out. */
typedef struct sums {
    const idf_recipe *r;
    float *out; /* [pools, D] */
    float idf;
    size_t known;
} sums;

static sums start(const idf_recipe *r, float *out)
{
    memset(out, 0, idf_recipe_dim(r) * sizeof *out);
    return (sums){.r = r, .out = out};
}

static void add_row(sums *s, uint32_t row)
{
    if (row == TOK_NONE)
        return;
    float v[MAX_DIM], w = s->r->idf[row], *out = s->out;
    size_t D = emb_dim(s->r->store);
    emb_row(s->r->store, v, row);
    for (size_t p = 0; p < s->r->pools; p++, out += D)
        switch (s->r->pool[p]) {
        case IDF_MEAN:
        case SUM:
            for (size_t j = 0; j < D; j++)
                out[j] += w * v[j];
            break;
        case MEAN:
            for (size_t j = 0; j < D; j++)
                out[j] += v[j];
            break;
        default: /* MAX */
            for (size_t j = 0; j < D; j++)
                out[j] = s->known && out[j] > v[j] ? out[j] : v[j];
        }
    s->idf += w;
    s->known++;
}

static void finish(const sums *s, size_t *known)
{
    size_t D = emb_dim(s->r->store);
    for (size_t p = 0; p < s->r->pools && s->known; p++) {
        pool kind = s->r->pool[p];
        float by = kind == IDF_MEAN ? s->idf : kind == MEAN ? (float)s->known : 1.0f;
        for (size_t j = p * D; j < (p + 1) * D; j++)
            s->out[j] /= by;
    }
    if (known)
        *known = s->known;
}

void idf_recipe_pool_ids(const idf_recipe *r, float *out, const uint32_t *row, const uint32_t *id, size_t n,
                         size_t *known)
{
    sums s = start(r, out);
    for (size_t i = 0; i < n; i++)
        add_row(&s, row[id[i]]);
    finish(&s, known);
}

void idf_recipe_pool(const idf_recipe *r, float *out, const kn_str *tokens, size_t n, size_t *known)
{
    sums s = start(r, out);
    for (size_t i = 0; i < n; i++)
        add_row(&s, emb_find(r->store, tokens[i]));
    finish(&s, known);
}

int idf_recipe_embed(const idf_recipe *r, tok_tokenizer *t, float *out, kn_str text, size_t *known, kn_error *err)
{
    const kn_str *tokens;
    size_t n;
    if (tok_tokens(t, &tokens, &n, text, err))
        return -1;
    idf_recipe_pool(r, out, tokens, n, known);
    return 0;
}
