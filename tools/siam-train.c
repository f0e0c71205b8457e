/* siam-train: labelled question pairs, or the vectors made of them -> a trained,
 * calibrated model. --pairs makes the same library calls as siam-tokenize,
 * siam-tfidf and siam-embed one after the other, so it gives the same bytes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/runlog.h"
#include "tools/text.h"
#include "tools/tool.h"

static const char *pairs_path, *vectors_path, *features_path, *dev_path, *init_path, *log_path;
static const char *pools = "idf-mean+mean+max", *profile = "glove";
static const char *distance = "euclidean", *loss = "contrastive", *optimizer = "adam", *schedule;
static int64_t schedule_epochs, batch, epochs, patience;
static bool resume;
static sm_train_options o; /* numbers are read right into it */

static const tool_option options[] = {
    {"pairs", 0, OPT_TEXT, &pairs_path, "CSV", 0, 0, "labelled question pairs; needs --vectors"},
    {"vectors", 0, OPT_TEXT, &vectors_path, "STORE", 0, 0, "word vectors, made by siam-vectors"},
    {"pool", 0, OPT_TEXT, &pools, "POOL", 0, 0, "idf-mean, mean, max, sum, or any of them joined by +"},
    {"profile", 0, OPT_CHOICE, &profile, "glove", 0, 0, "how text is cut"},
    {"features", 0, OPT_TEXT, &features_path, "FEATURES", 0, 0, "made by siam-embed, instead of the four above"},
    {"dev", 0, OPT_TEXT, &dev_path, "CSV", 0, 0, "labelled pairs to choose the best epoch and to calibrate by"},
    {"hold-out", 0, OPT_REAL, &o.hold_out, "SHARE", 0, 0.9, "share of the pairs held out for that without --dev"},
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Network and loss"},
    {"arch", 0, OPT_TEXT, &o.arch, "NET", 0, 0,
     "wide, seed, residual, residual-post, residual-dropout, mlp3, mlp2, linear; a file; or text as 'linear 64; relu'"},
    {"dropout", 0, OPT_REAL, &o.dropout, "P", 0, 0.99, "on the input of every linear but the first"},
    {"distance", 0, OPT_CHOICE, &distance, "euclidean|l1|cosine", 0, 0, "between the twins' vectors"},
    {"loss", 0, OPT_CHOICE, &loss, "contrastive|hinge", 0, 0, "what is made small"},
    {"margin", 0, OPT_REAL, &o.margin, "M", 1e-6, 1e6, "others are pushed this far apart"},
    {"init", 0, OPT_TEXT, &init_path, "MODEL", 0, 0, "start from its weights, and its network without --arch"},
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Optimiser"},
    {"optimizer", 0, OPT_CHOICE, &optimizer, "adam|sgd", 0, 0, "how weights move"},
    {"lr", 0, OPT_REAL, &o.lr, "X", 1e-12, 1e3, "learning rate"},
    {"schedule", 0, OPT_CHOICE, &schedule, "constant|step|cosine", 0, 0, "how the rate falls"},
    {"step-epochs", 0, OPT_INT, &schedule_epochs, "N", 1, 1e6, "epochs to each fall of --schedule step"},
    {"step-factor", 0, OPT_REAL, &o.schedule_factor, "F", 1e-6, 1, "by which the rate is then multiplied"},
    {"warmup", 0, OPT_REAL, &o.warmup, "SHARE", 0, 0.99, "share of all steps with a rising rate"},
    {"momentum", 0, OPT_REAL, &o.momentum, "M", 0, 0.9999, "of sgd"},
    {"nesterov", 0, OPT_FLAG, &o.nesterov, NULL, 0, 0, "of sgd"},
    {"decay", 0, OPT_REAL, &o.decay, "X", 0, 10, "L2 penalty"},
    {"batch", 0, OPT_INT, &batch, "N", 2, 1 << 20, "pairs a step"},
    {"epochs", 0, OPT_INT, &epochs, "N", 1, 1e6, "times through the pairs"},
    {"patience", 0, OPT_INT, &patience, "N", 0, 1e6, "stop after N epochs without a better dev AUC; 0: never"},
    {"resume", 0, OPT_FLAG, &resume, NULL, 0, 0, "go on from MODEL.checkpoint, which a stopped run leaves"},
    {"log", 0, OPT_TEXT, &log_path, "FILE", 0, 0, "a JSON line an epoch"},
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

static int place(const char *const *words, const char *word)
{
    int i = 0;
    while (strcmp(words[i], word))
        i++;
    return i;
}

static void read_options(int argc, char **argv)
{
    int n;
    o = sm_train_defaults();
    schedule = sm_schedule_words[o.schedule];
    schedule_epochs = o.schedule_epochs, batch = o.batch, epochs = o.epochs, patience = o.patience;
    tool_start(&train, argc, argv, &n);
    o.distance = (kn_distance)place(sm_distance_words, distance);
    o.loss = (kn_pair_loss)place(sm_loss_words, loss);
    o.optimizer = (sm_optimizer)place(sm_optimizer_words, optimizer);
    o.schedule = (sm_schedule)place(sm_schedule_words, schedule);
    o.schedule_epochs = (int)schedule_epochs, o.batch = (int)batch, o.epochs = (int)epochs, o.patience = (int)patience;
    o.seed = (uint64_t)tool_common.seed;
    kn_error err;
    if (!tool_common.out || !strcmp(tool_common.out, "-"))
        tool_usage("-o MODEL is needed: a model cannot go to a pipe");
    if (features_path ? pairs_path || vectors_path : !pairs_path || !vectors_path)
        tool_usage("either --pairs CSV with --vectors STORE, or --features FEATURES is needed");
    if (features_path && (tool_given("pool") || tool_given("profile")))
        tool_usage("--pool and --profile were decided when siam-embed made the features");
    if (idf_pools_check(pools, &err))
        tool_usage("--pool: %s", err.text);
    if (sm_train_check(&o, &err))
        tool_usage("%s", err.text);
}

/* Before minutes of training: can MODEL be written? */
static void try_to_write(const char *path)
{
    kn_error err;
    kn_save *s = kn_save_open(path, &err);
    if (!s)
        tool_die(&err);
    kn_save_abort(s);
}

int main(int argc, char **argv)
{
    kn_error err;
    kn_buf checkpoint = {0};
    text_training t = {0};
    idf_features dev_features = {0};
    sm_pairs dev = {0};
    sm_model *init = NULL;
    read_options(argc, argv);
    const char *model_path = tool_common.out;
    tool_common.out = NULL; /* stdout is for --json */
    try_to_write(model_path);
    if (init_path && !(init = sm_model_open(init_path, &err)))
        tool_die_at(init_path, &err);
    if (init && !tool_given("arch"))
        o.arch = init->graph->text;
    if (features_path)
        read_features(&t);
    else
        text_fit(&t, pairs_path, vectors_path, profile, pools);
    if (dev_path)
        dev = read_dev(&dev_features, t.recipe);
    sm_train_control c = runlog_open(log_path, resume);
    if (kn_buf_addf(&checkpoint, &err, "%s.checkpoint%c", model_path, '\0'))
        tool_die(&err);
    c.checkpoint = checkpoint.p;
    c.resume = resume;
    c.init = init;
    sm_model *m = sm_train(&t.pairs, dev_path ? &dev : NULL, &o, &c, tool_backend(), &err);
    if (!m || sm_model_save(m, model_path, &err))
        tool_die(&err);
    if (unlink(checkpoint.p) && errno != ENOENT)
        tool_warn("%s: cannot be removed", checkpoint.p);
    runlog_close();
    sm_model_free(m);
    sm_model_free(init);
    sm_pairs_close(&t.pairs);
    text_training_free(&t);
    idf_features_free(&dev_features);
    kn_buf_free(&checkpoint);
    return tool_finish();
}
