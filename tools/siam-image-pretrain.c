/* siam-image-pretrain: images of classes, or labelled pairs of images -> a network
 * whose vectors of like images are near. */
#include <math.h>

#include "tools/image_source.h"
#include "tools/image_training.h"
#include "tools/training.h"

static const char *pairs_path, *without_path;
static int64_t each = 4, bins = 8;

static const tool_option options[] = {
    IMAGE_SOURCE_ROWS,
    {"pairs", 0, OPT_TEXT, &pairs_path, "LIST", 0, 0, "train on these pairs, a line 'pathA pathB 0|1', not on classes"},
    {"without", 0, OPT_TEXT, &without_path, "LIST", 0, 0, "leave out every class with an image in this list of pairs"},
    {"bins", 0, OPT_INT, &bins, "N", 2, 1000,
     "where images have scores, not classes: like are those of one of N quantiles"},
    {"hold-out", 0, OPT_REAL, &training.hold_out, "SHARE", 0, 0.9, "share of the classes (or pairs) to judge by"},
    IMAGE_TRAINING_ROWS,
    {"distance", 0, OPT_CHOICE, &training_words.distance, "l1|euclidean|cosine", 0, 0, "between two images' vectors"},
    {"loss", 0, OPT_CHOICE, &training_words.loss, "hinge|contrastive", 0, 0, "what is made small"},
    {"margin", 0, OPT_REAL, &training.margin, "M", 1e-6, 1e6, "unlike images are pushed this far apart"},
    {"each", 0, OPT_INT, &each, "N", 2, 1000, "images of a class in a batch; all pairs of a batch are learnt from"},
    {"grow", 0, OPT_FLAG, &image_training_options.grow, NULL, 0, 0,
     "a larger network that computes the same (Net2Net) each time training stalls"},
    TRAINING_ROWS("images"),
    {0}};

static const tool pretrain = {"siam-image-pretrain", "--images SOURCE [--pairs LIST] [--net NET] [--minutes M] -o MODEL",
    "Trains a Siamese feature network on \"the same class or not\", or on labelled pairs. MODEL compares images, and is\n"
    "a start for siam-image-train --init.",
    TOOL_OUT | TOOL_THREADS | TOOL_SEED | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

/* ---- what is like what ------------------------------------------------------------------- */

/* Takes the items out whose class has an image in the list. */
static size_t leave_out(uint32_t *item, size_t n, const ds_images *set)
{
    kn_error err;
    ds_image_pairs list;
    size_t kept = 0, classes = ds_images_classes(set);
    bool *out = tool_alloc(classes, sizeof *out);
    if (ds_image_pairs_read(&list, without_path, set, &err))
        tool_die_at(without_path, &err);
    for (size_t i = 0; i < 2 * list.n; i++) {
        ptrdiff_t class = ds_images_class(set, i < list.n ? list.a[i] : list.b[i - list.n]);
        if (class >= 0)
            out[class] = true;
    }
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t class = ds_images_class(set, item[i]);
        if (class < 0 || !out[class])
            item[kept++] = item[i];
    }
    tool_say("%zu of %zu images are left without the classes of %s", kept, n, without_path);
    ds_image_pairs_free(&list);
    kn_free(out);
    return kept;
}

/* group[n] of items, by class or by score, and how the items are parted. */
static void part(uint8_t *mark, uint32_t *group, const uint32_t *item, size_t n, const ds_images *set)
{
    kn_error err;
    double *score = tool_alloc(n, sizeof *score);
    size_t classed = 0, scored = 0, used;
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t class = ds_images_class(set, item[i]);
        score[i] = ds_images_score(set, item[i]);
        group[i] = (uint32_t)class;
        classed += class >= 0;
        scored += isnan(score[i]) == 0;
    }
    if (classed < n && scored < n)
        tool_dief("%s: not every image has a class or a score to tell what is like what; give --labels or --pairs",
                  image_source_options.images);
    int rc = classed == n ? sm_image_part_groups(mark, group, n, training.hold_out, training.seed, &err)
                          : sm_score_bins(group, &used, score, n, (size_t)bins, &err);
    if (rc || (classed < n && sm_image_part_items(mark, n, training.hold_out, training.seed, &err)))
        tool_die(&err);
    kn_free(score);
}

static void by_groups(image_run *run)
{
    kn_error err;
    size_t n;
    uint32_t *item = image_source_train(run->set, &n);
    if (without_path)
        n = leave_out(item, n, run->set);
    uint8_t *mark = tool_alloc(n, 1);
    uint32_t *group = tool_alloc(n, sizeof *group);
    part(mark, group, item, n, run->set);
    image_run_parts(run, item, group, mark, n);
    run->io.target = SM_GROUPS;
    if (run->dev.pixels.n && sm_image_pairs(&run->pairs.a, &run->pairs.b, &run->pairs.label, &run->pairs.n,
                                            run->dev.group, run->dev.pixels.n, training.seed, &err))
        tool_die(&err);
    kn_free(item);
    kn_free(mark);
    kn_free(group);
}

int main(int argc, char **argv)
{
    int n;
    image_run run = {0};
    training_defaults();
    image_training_defaults(&run);
    training_words.distance = "l1";
    training_words.loss = "hinge";
    training.hold_out = 0.1;
    tool_start(&pretrain, argc, argv, &n);
    training_read();
    if (pairs_path && (without_path || tool_given("each") || tool_given("bins")))
        tool_usage("--without, --each and --bins are of classes: --pairs says itself what is like what");
    image_run_open(&run);
    run.io.each = (size_t)each;
    if (pairs_path)
        image_run_pairs(&run, pairs_path);
    else
        by_groups(&run);
    image_run_train(&run, 0);
    return tool_finish();
}
