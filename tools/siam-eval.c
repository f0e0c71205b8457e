/* siam-eval: how good a model is on data that it has not seen. */
#include <string.h>

#include "tools/coder.h"
#include "tools/eval_images.h"
#include "tools/eval_report.h"
#include "tools/image_source.h"
#include "tools/text.h"
#include "tools/tool.h"

static const char *model_path;
static eval_images_options how = {.trials = 2000};

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-train or siam-image-train"},
    {"pairs", 0, OPT_TEXT, &how.list, "CSV", 0, 0,
     "labelled pairs that the model has not seen; with --images a list of 'fileA fileB 0|1'"},
    {"curves", 0, OPT_TEXT, &how.curves, "FILE", 0, 0, "save ROC, precision-recall and reliability points (TSV)"},
    {"folds", 0, OPT_INT, &how.folds, "N", 2, 1e6,
     "also cut the data in N parts (5 is usual): accuracy of pairs at the threshold best on the other parts, or "
     "correlation of scores"},
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Models of images"},
    {"images", 0, OPT_TEXT, &image_source_options.images, "SOURCE", 0, 0,
     "a folder or tar(.gz) with a folder a class, or an IDX(.gz) file; or, with labels:"},
    {"labels", 0, OPT_TEXT, &image_source_options.labels, "CSV", 0, 0,
     "file,score|label[,split]; a labels.csv inside is found"},
    {"split", 0, OPT_TEXT, &how.split, "NAME", 0, 0, "only images of this split; 'test' where there is one, else all"},
    IMAGE_FOLD_ROW("measure on"),
    {"one-shot", 0, OPT_INT, &how.ways, "WAYS", 2, 1e6, "also tell so many classes (20) apart by one image of each"},
    {"trials", 0, OPT_INT, &how.trials, "N", 1, 1e6, "of --one-shot"},
    {0}};

static const tool eval = {"siam-eval", "-m MODEL (--pairs CSV | --images SOURCE [--labels CSV | --pairs LIST])",
    "Measures a model on labelled pairs: at its own threshold, over all thresholds, and its probabilities. A model\n"
    "of images is measured by what it tells: classes, scores, or (by a list, or seeded pairs of the classes) which\n"
    "images are of the same. A value that is not defined on these data is nan (in JSON null).",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_SEED | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

static void evaluate(const sm_model *m, const sm_pairs *pairs)
{
    kn_error err;
    float *d = kn_alloc(pairs->pairs, sizeof *d, &err);
    sm_encoder *e = d ? sm_encoder_new(m, tool_backend(), &err) : NULL;
    if (!e)
        tool_die(&err);
    if (sm_distances(e, d, pairs, &err))
        tool_die_at(model_path, &err);
    const report_pairs_options report = {
        .what = "duplicates", .trained_on_this = m->digest[0] && pairs->digest && !strcmp(pairs->digest, m->digest),
        .curves = how.curves, .folds = (size_t)how.folds, .questions = true};
    if (report.trained_on_this)
        tool_warn("%s was trained on these very pairs: they say nothing about new ones", model_path);
    report_pairs(m, d, pairs->label, pairs->pairs, &report);
    sm_encoder_free(e);
    kn_free(d);
}

static void eval_questions(const sm_model *m)
{
    idf_recipe *r = coder_recipe(m, model_path);
    idf_features f;
    text_embed(&f, text_read(how.list, idf_recipe_profile(r), NULL), r, how.list);
    if (f.pairs == 0)
        tool_dief("%s: no pairs to measure on", how.list);
    const sm_pairs pairs = text_pairs(&f);
    evaluate(m, &pairs);
    idf_features_free(&f);
    idf_recipe_free(r);
}

static void check_options(void)
{
    static const char *const of_images[] = {"labels", "split", "fold", "one-shot"};
    bool images = image_source_options.images;
    if (!model_path || (!how.list && !images))
        tool_usage("-m MODEL and --pairs CSV, or --images SOURCE of a model of images, are needed");
    for (size_t i = 0; i < sizeof of_images / sizeof *of_images; i++)
        if (!images && tool_given(of_images[i]))
            tool_usage("--%s goes with --images", of_images[i]);
    if (images && tool_common.columns)
        tool_usage("--columns is for a CSV of questions, not for images");
    for (size_t i = 0; i < sizeof of_images / sizeof *of_images; i++)
        if (how.list && tool_given(of_images[i]))
            tool_usage("--%s and --pairs do not go together: the list says which images are meant", of_images[i]);
    if (tool_given("split") && image_source_options.fold)
        tool_usage("--split and --fold do not go together: parts are cut from all images");
    if (tool_given("trials") && !how.ways)
        tool_usage("--trials goes with --one-shot");
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    tool_start(&eval, argc, argv, &n);
    check_options();
    image_source_options.skip_bad = tool_common.skip_bad;
    sm_model *m = sm_model_open(model_path, &err);
    if (!m)
        tool_die_at(model_path, &err);
    if (image_source_options.images)
        eval_images(m, model_path, &how);
    else
        eval_questions(m);
    report_close();
    sm_model_free(m);
    return tool_finish();
}
