/* siam-embed: a CSV of labelled question pairs -> one vector a question, ready to
 * train on. The same library calls as siam-train --pairs makes, so the same vectors. */
#include <string.h>

#include "tools/text.h"
#include "tools/tool.h"

static const char *vectors_path, *idf_path, *pools = "idf-mean+mean+max", *profile = "glove";

static const tool_option options[] = {
    {"vectors", 0, OPT_TEXT, &vectors_path, "STORE", 0, 0, "word vectors, made by siam-vectors"},
    {"idf", 0, OPT_TEXT, &idf_path, "IDF", 0, 0, "word weights, made by siam-tfidf from the training data"},
    {"pool", 0, OPT_TEXT, &pools, "POOL", 0, 0, "idf-mean, mean, max, sum, or any of them joined by +"},
    {"profile", 0, OPT_CHOICE, &profile, "glove", 0, 0, "how text is cut, when it is not tokenised yet"},
    {0}};

static const tool embed = {"siam-embed", "--vectors STORE --idf IDF -o FEATURES [TOKENS]",
    "Makes a vector of each question: its words' vectors, pooled. FEATURES is a safetensors file with q1, q2\n"
    "[N,D] and label [N], that carries the recipe for new questions along. TOKENS is what siam-tokenize prints,\n"
    "or a plain CSV of labelled pairs; a file, gzip or zip; without it stdin.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS, options, 0, 1};

static idf_table *read_idf(const char *path)
{
    kn_error err;
    ds_stream *s = ds_open(path, &err);
    idf_table *t = s ? idf_read(s, &err) : NULL;
    if (!t)
        tool_die_at(path, &err);
    ds_close(s);
    return t;
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    char **operand = tool_start(&embed, argc, argv, &n);
    const char *name = n ? operand[0] : "-";
    if (!vectors_path || !idf_path)
        tool_usage("--vectors STORE and --idf IDF are needed");
    if (!tool_common.out || !strcmp(tool_common.out, "-"))
        tool_usage("-o FEATURES is needed: features cannot go to a pipe");
    if (idf_pools_check(pools, &err))
        tool_usage("--pool: %s", err.text);
    emb_store *store = emb_open(vectors_path, &err);
    if (!store)
        tool_die_at(vectors_path, &err);
    idf_table *idf = read_idf(idf_path);
    idf_recipe *r = idf_recipe_new(profile, store, idf, pools, &err);
    if (!r)
        tool_die(&err);
    idf_features f;
    text_embed(&f, text_read(name, profile, NULL), r, name);
    if (idf_features_save(&f, r, tool_common.out, &err))
        tool_die_at(tool_common.out, &err);
    idf_features_free(&f);
    idf_recipe_free(r);
    idf_free(idf);
    emb_close(store);
    return 0;
}
