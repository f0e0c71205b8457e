/* A set of pairs -> vectors of its distinct questions.
 *
 * Reading keeps, of each distinct question, the numbers of its words: a tenth of
 * the text's memory, and words are looked up in the store once, not once a use. */
#include <string.h>

#include "tfidf/tfidf.h"

struct idf_corpus {
    tok_vocab *words;
    tok_vocab *questions; /* a question is a string of word numbers, uint32 each */
    uint64_t *times;      /* [questions] how often each was read */
    size_t times_cap;
    uint32_t *q[2]; /* [pairs] */
    float *label;
    size_t pairs, q_cap[2], label_cap;
    uint64_t tokens, read, rejected;
    char digest[65];
};

/* What reading needs beside the corpus. */
typedef struct reader {
    idf_corpus *c;
    kn_digest *digest;
    uint32_t *id; /* of the question at hand */
    size_t id_cap;
    void (*progress)(void *arg, uint64_t rows);
    void *arg;
} reader;

/* ---- reading ---------------------------------------------------------------------- */

static int add_question(reader *u, const kn_str *token, size_t n, uint32_t *number, kn_error *err)
{
    idf_corpus *c = u->c;
    if (kn_grow(&u->id, &u->id_cap, n, sizeof *u->id, err) || tok_vocab_add_all(c->words, u->id, token, n, err))
        return -1;
    *number = tok_vocab_add(c->questions, (kn_str){(const char *)u->id, n * sizeof *u->id}, err);
    if (*number == TOK_NONE || kn_grow(&c->times, &c->times_cap, (size_t)*number + 1, sizeof *c->times, err))
        return -1;
    c->times[*number]++;
    c->tokens += n;
    return 0;
}

static int add_pair(void *arg, const tok_pair *p, kn_error *err)
{
    reader *u = arg;
    idf_corpus *c = u->c;
    if (p->label < 0)
        return kn_fail(err, "pair %zu has no label: a column is_duplicate with 0 or 1 is needed", c->pairs + 1);
    for (int k = 0; k < 2; k++) {
        if (kn_grow(&c->q[k], &c->q_cap[k], c->pairs + 1, sizeof *c->q[k], err) ||
            add_question(u, p->token[k], p->n[k], &c->q[k][c->pairs], err))
            return -1;
        kn_digest_add(u->digest, p->q[k].p, p->q[k].n);
        kn_digest_add(u->digest, "\t", 1);
    }
    kn_digest_add(u->digest, p->label ? "1\n" : "0\n", 2);
    if (kn_grow(&c->label, &c->label_cap, c->pairs + 1, sizeof *c->label, err))
        return -1;
    c->label[c->pairs++] = (float)p->label;
    return 0;
}

static void tell(void *arg, uint64_t rows)
{
    reader *u = arg;
    if (u->progress)
        u->progress(u->arg, rows);
}

/* The numbers of question q's words, n of them. */
static const uint32_t *question_words(const idf_corpus *c, uint32_t q, size_t *n)
{
    kn_str s = tok_vocab_word(c->questions, q);
    *n = s.n / sizeof(uint32_t);
    return (const uint32_t *)(const void *)s.p; /* all strings there are whole words: aligned */
}

/* Adds the corpus to the document frequencies. */
static int count_words(const idf_corpus *c, idf_table *fit, kn_error *err)
{
    uint32_t words = tok_vocab_size(c->words), questions = tok_vocab_size(c->questions);
    uint64_t *df = kn_alloc(words, sizeof *df, err);
    uint32_t *last = df ? kn_alloc(words, sizeof *last, err) : NULL; /* question + 1 it was last seen in */
    int rc = last ? idf_add_documents(fit, 2 * (uint64_t)c->pairs, err) : -1;
    for (uint32_t q = 0; q < questions && !rc; q++) {
        size_t n;
        const uint32_t *id = question_words(c, q, &n);
        for (size_t i = 0; i < n; i++) {
            df[id[i]] += last[id[i]] == q + 1 ? 0 : c->times[q];
            last[id[i]] = q + 1;
        }
    }
    for (uint32_t w = 0; w < words && !rc; w++)
        rc = idf_add_word(fit, tok_vocab_word(c->words, w), df[w], err);
    kn_free(last);
    kn_free(df);
    return rc;
}

idf_corpus *idf_corpus_read(ds_pairs *in, const char *profile, idf_table *fit, kn_pool *pool,
                            void (*progress)(void *arg, uint64_t rows), void *arg, kn_error *err)
{
    reader u = {.progress = progress, .arg = arg};
    const tok_pairs_options o = {.profile = profile, .pair = add_pair, .progress = tell, .arg = &u};
    idf_corpus *c = u.c = kn_alloc(1, sizeof *c, err);
    if (!c)
        return NULL;
    bool ok = (c->words = tok_vocab_new(err)) && (c->questions = tok_vocab_new(err)) &&
              (u.digest = kn_digest_new(err)) && !tok_pairs(in, &o, pool, err);
    if (u.digest)
        kn_digest_end(u.digest, c->digest);
    kn_free(u.id);
    c->read = ds_pairs_read(in);
    c->rejected = ds_pairs_rejected(in);
    if (!ok || (fit && count_words(c, fit, err))) {
        idf_corpus_free(c);
        return NULL;
    }
    return c;
}

void idf_corpus_free(idf_corpus *c)
{
    if (!c)
        return;
    tok_vocab_free(c->words);
    tok_vocab_free(c->questions);
    kn_free(c->times);
    kn_free(c->q[0]);
    kn_free(c->q[1]);
    kn_free(c->label);
    kn_free(c);
}

/* ---- embedding ------------------------------------------------------------------------ */

enum { SHARE = 256 }; /* questions a task */

typedef struct job {
    const idf_corpus *c;
    const idf_recipe *r;
    const uint32_t *row; /* [words] in the store */
    float *x;
    uint32_t *known; /* [questions] */
} job;

static void embed_share(void *arg, size_t task, int worker)
{
    const job *j = arg;
    size_t end = (task + 1) * SHARE, all = tok_vocab_size(j->c->questions), dim = idf_recipe_dim(j->r);
    (void)worker;
    for (size_t q = task * SHARE; q < end && q < all; q++) {
        size_t n, known;
        const uint32_t *id = question_words(j->c, (uint32_t)q, &n);
        idf_recipe_pool_ids(j->r, j->x + q * dim, j->row, id, n, &known);
        j->known[q] = (uint32_t)known;
    }
}

/* Room in out for all, and what is the same for every recipe. */
static int make_room(const idf_corpus *c, idf_features *out, size_t dim, kn_error *err)
{
    *out = (idf_features){.pairs = c->pairs, .questions = tok_vocab_size(c->questions), .dim = dim,
                          .tokens = c->tokens, .read = c->read, .rejected = c->rejected};
    memcpy(out->digest, c->digest, sizeof out->digest);
    size_t numbers;
    if (kn_mul(&numbers, out->questions, dim))
        return kn_fail(err, "%zu questions of %zu numbers are more than memory can address", out->questions, dim);
    if (!(out->x = kn_alloc(numbers, sizeof *out->x, err)) ||
        !(out->q1 = kn_alloc(c->pairs, sizeof *out->q1, err)) ||
        !(out->q2 = kn_alloc(c->pairs, sizeof *out->q2, err)) ||
        !(out->label = kn_alloc(c->pairs, sizeof *out->label, err)))
        return -1;
    if (c->pairs) {
        memcpy(out->q1, c->q[0], c->pairs * sizeof *out->q1);
        memcpy(out->q2, c->q[1], c->pairs * sizeof *out->q2);
        memcpy(out->label, c->label, c->pairs * sizeof *out->label);
    }
    return 0;
}

static void embed_all(const idf_corpus *c, idf_features *out, const idf_recipe *r, uint32_t *row, uint32_t *known,
                      kn_pool *pool)
{
    job j = {c, r, row, out->x, known};
    for (uint32_t w = 0; w < tok_vocab_size(c->words); w++)
        row[w] = emb_find(idf_recipe_store(r), tok_vocab_word(c->words, w));
    kn_parallel(pool, (out->questions + SHARE - 1) / SHARE, embed_share, &j);
    for (size_t q = 0; q < out->questions; q++) {
        out->known += c->times[q] * known[q];
        out->empty += known[q] ? 0 : c->times[q];
    }
}

int idf_corpus_embed(const idf_corpus *c, idf_features *out, const idf_recipe *r, kn_pool *pool, kn_error *err)
{
    if (make_room(c, out, idf_recipe_dim(r), err))
        return -1;
    uint32_t *row = kn_alloc(tok_vocab_size(c->words), sizeof *row, err);
    uint32_t *known = row ? kn_alloc(out->questions, sizeof *known, err) : NULL;
    if (known)
        embed_all(c, out, r, row, known, pool);
    int rc = known ? 0 : -1;
    kn_free(known);
    kn_free(row);
    return rc;
}

void idf_features_free(idf_features *f)
{
    kn_free(f->x);
    kn_free(f->q1);
    kn_free(f->q2);
    kn_free(f->label);
    *f = (idf_features){0};
}

/* ---- saving ---------------------------------------------------------------------------- */

static int save(const idf_features *f, float *q, const kn_buf *recipe, const char *path, kn_error *err)
{
    size_t half = f->pairs * f->dim;
    for (size_t i = 0; i < f->pairs; i++) {
        memcpy(q + i * f->dim, f->x + f->q1[i] * f->dim, f->dim * sizeof *q);
        memcpy(q + half + i * f->dim, f->x + f->q2[i] * f->dim, f->dim * sizeof *q);
    }
    /* The two tables of questions lie one behind the other: a reader can take them as
     * one. `pad`, never empty, brings the recipe to a multiple of 64, to be used in place. */
    static const char zeros[64];
    size_t pad = 64 - (2 * half + f->pairs) * sizeof *q % 64;
    const ds_tensor t[] = {
        {.name = "q1", .dtype = DS_F32, .ndim = 2, .shape = {f->pairs, f->dim}, .data = q, .bytes = half * sizeof *q},
        {.name = "q2", .dtype = DS_F32, .ndim = 2, .shape = {f->pairs, f->dim}, .data = q + half,
         .bytes = half * sizeof *q},
        {.name = "label", .dtype = DS_F32, .ndim = 1, .shape = {f->pairs}, .data = f->label,
         .bytes = f->pairs * sizeof *f->label},
        {.name = "pad", .dtype = DS_U8, .ndim = 1, .shape = {pad}, .data = zeros, .bytes = pad},
        {.name = "recipe", .dtype = DS_U8, .ndim = 1, .shape = {recipe->n}, .data = recipe->p, .bytes = recipe->n},
    };
    char pairs[24];
    snprintf(pairs, sizeof pairs, "%zu", f->pairs);
    const ds_meta meta[] = {{"format", "siam-features"}, {"digest", f->digest}, {"pairs", pairs}};
    return ds_st_save(path, meta, sizeof meta / sizeof *meta, t, sizeof t / sizeof *t, err);
}

int idf_features_save(const idf_features *f, const idf_recipe *r, const char *path, kn_error *err)
{
    kn_buf recipe = {0};
    size_t numbers;
    if (kn_mul(&numbers, f->pairs, f->dim) || kn_mul(&numbers, numbers, 2))
        return kn_fail(err, "%zu pairs of %zu numbers are more than memory can address", f->pairs, f->dim);
    float *q = kn_alloc(numbers, sizeof *q, err);
    int rc = !q || idf_recipe_bytes(r, &recipe, err) ? -1 : save(f, q, &recipe, path, err);
    kn_buf_free(&recipe);
    kn_free(q);
    return rc;
}
