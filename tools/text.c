/* A CSV of labelled pairs -> vectors and labels. */
#include "tools/text.h"

#include "tools/tool.h"

static void show_rows(void *arg, uint64_t rows)
{
    uint64_t done, total;
    ds_progress(ds_pairs_stream(arg), &done, &total);
    tool_progress("reading", (double)rows, done ? (double)rows * (double)total / (double)done : 0, "pairs");
}

idf_corpus *text_read(const char *path, const char *profile, idf_table *fit)
{
    kn_error err;
    const ds_pairs_options how = {
        .columns = tool_common.columns, .need_label = true, .skip_bad = tool_common.skip_bad};
    ds_pairs *in = ds_pairs_open(path, &how, &err);
    if (!in)
        tool_die_at(path, &err);
    idf_corpus *c = idf_corpus_read(in, profile, fit, tool_pool(), show_rows, in, &err);
    if (!c)
        tool_die_at(path, &err);
    tool_progress_end();
    if (ds_pairs_rejected(in))
        tool_warn("%s: %s", path, ds_pairs_last_rejection(in));
    ds_pairs_close(in);
    return c;
}

void text_embed(idf_features *f, idf_corpus *c, const idf_recipe *r, const char *path)
{
    kn_error err;
    if (idf_corpus_embed(c, f, r, tool_pool(), &err))
        tool_die_at(path, &err);
    idf_corpus_free(c);
    tool_say("%s: %llu rows = %zu pairs + %llu rejected; %zu distinct questions, %llu of all without a known word; "
             "%.2f %% of %llu tokens known", path, (unsigned long long)f->read, f->pairs,
             (unsigned long long)f->rejected, f->questions, (unsigned long long)f->empty,
             f->tokens ? 100 * (double)f->known / (double)f->tokens : 0.0, (unsigned long long)f->tokens);
}

sm_pairs text_pairs(const idf_features *f)
{
    return (sm_pairs){.pairs = f->pairs, .rows = f->questions, .dim = f->dim, .x = f->x, .q1 = f->q1, .q2 = f->q2,
                      .label = f->label, .digest = f->digest};
}

void text_fit(text_training *t, const char *path, const char *vectors, const char *profile, const char *pools)
{
    kn_error err;
    t->store = emb_open(vectors, &err);
    if (!t->store)
        tool_die_at(vectors, &err);
    t->idf = idf_new(&err);
    if (!t->idf)
        tool_die(&err);
    idf_corpus *c = text_read(path, profile, t->idf);
    t->recipe = idf_recipe_new(profile, t->store, t->idf, pools, &err);
    if (!t->recipe || idf_recipe_bytes(t->recipe, &t->bytes, &err))
        tool_die(&err);
    text_embed(&t->features, c, t->recipe, path);
    t->pairs = text_pairs(&t->features);
    t->pairs.recipe = t->bytes.p;
    t->pairs.recipe_bytes = t->bytes.n;
}

void text_training_free(text_training *t)
{
    idf_features_free(&t->features);
    idf_recipe_free(t->recipe);
    idf_free(t->idf);
    emb_close(t->store);
    kn_buf_free(&t->bytes);
}
