/* siam-train: labelled question pairs, or the vectors made of them -> a trained,
 * calibrated model. --pairs makes the same library calls as siam-tokenize,
 * siam-tfidf and siam-embed one after the other, so it gives the same bytes. */
#include <string.h>

#include "tools/text.h"
#include "tools/tool.h"
#include "tools/training.h"

static const char *pairs_path, *vectors_path, *features_path, *dev_path;
static const char *pools = "idf-mean+mean+max", *profile = "glove";

static const tool_option options[] = {
    {"pairs", 0, OPT_TEXT, &pairs_path, "CSV", 0, 0, "labelled question pairs; needs --vectors"},
    {"vectors", 0, OPT_TEXT, &vectors_path, "STORE", 0, 0, "word vectors, made by siam-vectors"},
    {"pool", 0, OPT_TEXT, &pools, "POOL", 0, 0, "idf-mean, mean, max, sum, or any of them joined by +"},
    {"profile", 0, OPT_CHOICE, &profile, "glove", 0, 0, "how text is cut"},
    {"features", 0, OPT_TEXT, &features_path, "FEATURES", 0, 0, "made by siam-embed, instead of the four above"},
    {"dev", 0, OPT_TEXT, &dev_path, "CSV", 0, 0, "labelled pairs to choose the best epoch and to calibrate by"},
    {"hold-out", 0, OPT_REAL, &training.hold_out, "SHARE", 0, 0.9, "share of the pairs held out for that without --dev"},
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Network and loss"},
    {"arch", 0, OPT_TEXT, &training.arch, "NET", 0, 0,
     "wide, seed, residual, residual-post, residual-dropout, mlp3, mlp2, linear; a file; or text as 'linear 64; relu'"},
    {"dropout", 0, OPT_REAL, &training.dropout, "P", 0, 0.99, "on the input of every linear but the first"},
    {"distance", 0, OPT_CHOICE, &training_words.distance, "euclidean|l1|cosine", 0, 0, "between the twins' vectors"},
    {"loss", 0, OPT_CHOICE, &training_words.loss, "contrastive|hinge", 0, 0, "what is made small"},
    {"margin", 0, OPT_REAL, &training.margin, "M", 1e-6, 1e6, "others are pushed this far apart"},
    TRAINING_ROWS("pairs"),
    {0}};

static const tool train = {"siam-train", "(--pairs CSV --vectors STORE | --features FEATURES) [--dev CSV] -o MODEL",
    "Trains a Siamese network on labelled question pairs, keeps the weights of the best epoch and calibrates\n"
    "distance -> probability on pairs that were held out. MODEL holds all that a prediction needs.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_SEED | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

/* A features file is a training set too, with everything but the text. */
static void read_features(text_training *t)
{
    kn_error err;
    if (sm_pairs_open(&t->pairs, features_path, &err) ||
        (t->pairs.recipe && !(t->recipe = idf_recipe_open(t->pairs.recipe, t->pairs.recipe_bytes, &err))))
        tool_die_at(features_path, &err);
}

static sm_pairs read_dev(idf_features *f, const idf_recipe *r)
{
    if (!r)
        tool_dief("%s: these features carry no recipe, so --dev cannot be turned into vectors", features_path);
    text_embed(f, text_read(dev_path, idf_recipe_profile(r), NULL), r, dev_path);
    return text_pairs(f);
}

static void read_options(int argc, char **argv)
{
    int n;
    kn_error err;
    training_defaults();
    tool_start(&train, argc, argv, &n);
    if (features_path ? pairs_path || vectors_path : !pairs_path || !vectors_path)
        tool_usage("either --pairs CSV with --vectors STORE, or --features FEATURES is needed");
    if (features_path && (tool_given("pool") || tool_given("profile")))
        tool_usage("--pool and --profile were decided when siam-embed made the features");
    if (idf_pools_check(pools, &err))
        tool_usage("--pool: %s", err.text);
    training_read();
    if (training_init() && !tool_given("arch"))
        training.arch = training_init()->graph->text;
}

int main(int argc, char **argv)
{
    kn_error err;
    text_training t = {0};
    idf_features dev_features = {0};
    sm_pairs dev = {0};
    read_options(argc, argv);
    if (features_path)
        read_features(&t);
    else
        text_fit(&t, pairs_path, vectors_path, profile, pools);
    if (dev_path)
        dev = read_dev(&dev_features, t.recipe);
    sm_train_control c = training_control();
    training_end(sm_train(&t.pairs, dev_path ? &dev : NULL, &training, &c, tool_backend(), &err), &err);
    sm_pairs_close(&t.pairs);
    text_training_free(&t);
    idf_features_free(&dev_features);
    return tool_finish();
}
