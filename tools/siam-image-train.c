/* siam-image-train: images with scores or classes -> a network that tells them. */
#include <math.h>
#include <string.h>

#include "siamese/net2net.h"
#include "tools/image_source.h"
#include "tools/image_training.h"
#include "tools/training.h"

static int64_t freeze, freeze_epochs = 3;
static double widen = 1;
static bool balanced;

static const tool_option options[] = {
    IMAGE_SOURCE_ROWS,
    IMAGE_FOLD_ROW("leave out"),
    {"hold-out", 0, OPT_REAL, &training.hold_out, "SHARE", 0, 0.9,
     "share of the images to judge by, where none have the split 'dev'"},
    {"balanced", 0, OPT_FLAG, &balanced, NULL, 0, 0, "draw first a class (or one of 16 bins of scores), then an image of it"},
    IMAGE_TRAINING_ROWS,
    {"loss", 0, OPT_CHOICE, &training_words.loss, "auto|huber|mse|softmax", 0, 0,
     "what is made small: of scores huber or mse, of classes softmax"},
    {"dropout", 0, OPT_REAL, &image_training_options.dropout, "P", 0, 0.99, "on the input of the last layer; where not given, 0.4 of scores, 0 of classes"},
    {"freeze", 0, OPT_INT, &freeze, "N", 0, 1000, "the first N layers with weights stand still at first"},
    {"freeze-epochs", 0, OPT_INT, &freeze_epochs, "N", 1, 1e6, "for so many epochs"},
    {"widen", 0, OPT_REAL, &widen, "F", 1, 64, "the network of --init F times as wide, but for its last layer (Net2Net)"},
    TRAINING_ROWS("images"),
    {0}};

static const tool train = {"siam-image-train", "--images SOURCE [--labels CSV] [--init MODEL] [--minutes M] -o MODEL",
    "Trains a network on images with scores (regression) or classes, from scratch or from the features that\n"
    "siam-image-pretrain made. The model judges by the mean of what it says of an image as it is, as much larger\n"
    "and smaller as --zoom tells, and of the mirror images of these where --flip mirrors.",
    TOOL_OUT | TOOL_THREADS | TOOL_SEED | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

/* What to train on and what to judge by. */
static void read_parts(image_run *run)
{
    kn_error err;
    size_t n, devs;
    uint32_t *item = image_source_train(run->set, &n), *dev = image_source_items(run->set, "dev", &devs);
    devs = image_source_options.fold ? 0 : devs;
    uint32_t *all = tool_alloc(n + devs, sizeof *all);
    uint8_t *mark = tool_alloc(n + devs, 1);
    if (sm_image_part_items(mark, n, devs ? 0 : training.hold_out, training.seed, &err))
        tool_die(&err);
    for (size_t i = 0; i < n + devs; i++)
        all[i] = i < n ? item[i] : dev[i - n];
    memset(mark + n, 2, devs);
    image_run_parts(run, all, NULL, mark, n + devs);
    kn_free(item);
    kn_free(dev);
    kn_free(all);
    kn_free(mark);
}

/* Scores or classes, by what there is and by --loss; returns the network's
 * outputs. */
static size_t choose_target(image_run *run)
{
    kn_error err;
    const image_part *p = &run->train;
    bool scores = p->score && (run->dev.score || !run->dev.pixels.n), classes = p->group != NULL;
    if (!strcmp(training_words.loss, "auto"))
        training.loss = scores ? SM_HUBER : SM_SOFTMAX;
    bool want_scores = training.loss != SM_SOFTMAX;
    if (want_scores ? !scores : !classes)
        tool_dief("%s: not every image has a %s: give --labels, or another --loss", image_source_options.images,
                  want_scores ? "score" : "class");
    run->io.target = want_scores ? SM_SCORES : SM_CLASSES;
    run->io.balanced = balanced;
    if (want_scores) {
        if (!tool_given("dropout")) /* a score is learnt for many epochs from few images */
            image_training_options.dropout = 0.4;
        sm_score_scale(&run->recipe.score_mean, &run->recipe.score_std, p->score, p->pixels.n);
        return 1;
    }
    size_t n = ds_images_classes(run->set);
    const char **name = tool_alloc(n, sizeof *name);
    for (size_t c = 0; c < n; c++)
        name[c] = ds_images_class_name(run->set, c);
    if (sm_image_recipe_classes(&run->recipe, name, n, &err))
        tool_die(&err);
    kn_free(name);
    return n;
}

int main(int argc, char **argv)
{
    int n;
    image_run run;
    kn_error err;
    training_defaults();
    image_training_defaults(&run);
    training_words.loss = "auto";
    training_words.batch = 64; /* sets are small: more steps */
    training.lr = 1.5e-3;
    training.hold_out = 0.1;
    tool_start(&train, argc, argv, &n);
    training_read();
    if (widen > 1 && !training_words.init)
        tool_usage("--widen is of the network of --init");
    image_run_open(&run);
    run.recipe.zoom = run.io.augment.zoom; /* scores gain by it, distances do not */
    if (widen > 1 && sm_net2net_wider_all(training_init(), widen, image_training_options.noise, training.seed, &err))
        tool_die_at(training_words.init, &err);
    training.freeze = (int)freeze;
    training.freeze_epochs = freeze ? (int)freeze_epochs : 0;
    read_parts(&run);
    image_run_train(&run, choose_target(&run));
    return tool_finish();
}
