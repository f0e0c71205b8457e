/* How good a model of images is, by what it tells. */
#include "tools/eval_images.h"

#include <string.h>

#include "tools/eval_report.h"
#include "tools/image_source.h"

typedef struct job {
    const sm_model *m;
    const char *model_path, *source;
    const eval_images_options *o;
    sm_image_recipe recipe;
    ds_images *set;
    image_part part;
    sm_encoder *e;
    float *z; /* [part.pixels.n, E] */
} job;

/* ---- what is measured on --------------------------------------------------------- */

static uint32_t *chosen(const job *j, size_t *n)
{
    if (image_source_options.fold)
        return image_source_fold(j->set, true, n);
    const char *split = j->o->split ? j->o->split : "test";
    uint32_t *item = image_source_items(j->set, split, n);
    if (*n == 0 && j->o->split)
        tool_dief("%s: no image is of split '%s'", j->source, split);
    if (*n == 0) {
        kn_free(item);
        return image_source_items(j->set, NULL, n);
    }
    tool_say("split '%s': %zu of %zu images", split, *n, ds_images_count(j->set));
    return item;
}

/* The items that pairs speak of, each once. */
static uint32_t *named(const job *j, const ds_image_pairs *pairs, size_t *n)
{
    size_t count = ds_images_count(j->set);
    unsigned char *in = tool_alloc(count, 1);
    uint32_t *item = tool_alloc(count, sizeof *item);
    for (size_t i = 0; i < pairs->n; i++)
        in[pairs->a[i]] = in[pairs->b[i]] = 1;
    *n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (in[i])
            item[(*n)++] = i;
    kn_free(in);
    return item;
}

static void run(job *j, uint32_t *item, size_t n)
{
    kn_error err;
    image_part_read(&j->part, j->set, item, n, &j->recipe.input);
    kn_free(item);
    if (!(j->e = sm_encoder_new(j->m, tool_backend(), &err)))
        tool_die(&err);
    j->z = tool_alloc(j->part.pixels.n, sm_encoder_width(j->e) * sizeof *j->z);
    if (sm_image_outputs(j->e, j->z, &j->part.pixels, &j->recipe, &err))
        tool_die_at(j->model_path, &err);
}

static bool trained_on_this(const job *j)
{
    bool same = j->m->digest[0] && !strcmp(j->m->digest, j->part.digest);
    if (same)
        tool_warn("%s was trained on these very images: they say nothing about new ones", j->model_path);
    return same;
}

/* ---- classes and scores -------------------------------------------------------------- */

/* The model's number of each class of the set. */
static uint32_t *known_classes(const job *j)
{
    const sm_image_recipe *r = &j->recipe;
    uint32_t *number = tool_alloc(ds_images_classes(j->set), sizeof *number);
    for (size_t c = 0; c < ds_images_classes(j->set); c++) {
        const char *name = ds_images_class_name(j->set, c);
        while (number[c] < r->classes && strcmp(r->class_name[number[c]], name))
            number[c]++;
    }
    return number;
}

static void eval_classes(job *j)
{
    sm_judgement figures;
    size_t n, C = j->recipe.classes;
    uint32_t *item = chosen(j, &n), *number = known_classes(j);
    run(j, item, n);
    if (!j->part.group)
        tool_dief("%s: not all images have a class: --labels CSV gives them, or folders", j->source);
    for (size_t i = 0; i < j->part.pixels.n; i++) {
        uint32_t class = j->part.group[i];
        if (number[class] == C)
            tool_dief("%s: %s tells %zu classes apart, and '%s' is none of them", j->source, j->model_path, C,
                      ds_images_class_name(j->set, class));
        j->part.group[i] = number[class];
    }
    sm_softmax(j->z, j->part.pixels.n, C);
    sm_judge_classes(&figures, j->z, j->part.group, j->part.pixels.n, C);
    report_count("n", figures.n, "images");
    report_truth("trained_on_this", trained_on_this(j));
    report_value("accuracy", figures.accuracy, "of the most probable class");
    report_value("log_loss", figures.loss, "of the probabilities");
    kn_free(number);
}

static void eval_scores(job *j)
{
    kn_error err;
    sm_judgement figures = {0};
    sm_spread folds;
    size_t n;
    uint32_t *item = chosen(j, &n);
    run(j, item, n);
    if (!j->part.score)
        tool_dief("%s: not all images have a score: --labels CSV gives them", j->source);
    n = j->part.pixels.n;
    float *want = tool_alloc(n, sizeof *want);
    for (size_t i = 0; i < n; i++) {
        j->z[i] = (float)sm_image_score(&j->recipe, j->z[i]);
        want[i] = (float)j->part.score[i];
    }
    sm_judge_scores(&figures, j->z, want, n);
    if (j->o->folds &&
        sm_folds_scores(&folds, j->z, want, n, (size_t)j->o->folds, (uint64_t)tool_common.seed, &err))
        tool_die(&err);
    report_count("n", n, "images");
    report_truth("trained_on_this", trained_on_this(j));
    report_value("pearson", figures.pearson, "correlation of the scores told and given");
    report_value("mae", figures.mae, "mean absolute error");
    report_value("rmse", figures.rmse, "root mean squared error");
    if (j->o->folds)
        report_folds("pearson", &folds, "parts of these images, told by the one model");
    kn_free(want);
}

/* ---- pairs ------------------------------------------------------------------------------ */

static void measure(job *j, const uint32_t *a, const uint32_t *b, const float *label, size_t n)
{
    kn_error err;
    float *d = tool_alloc(n, sizeof *d);
    const report_pairs_options how = {.what = "of the same", .trained_on_this = trained_on_this(j),
                                      .curves = j->o->curves, .folds = (size_t)j->o->folds};
    if (n == 0)
        tool_dief("%s: no pairs can be made of its images", j->source);
    if (sm_vector_distances(j->e, d, j->z, a, b, n, &err))
        tool_die_at(j->model_path, &err);
    report_pairs(j->m, d, label, n, &how);
    kn_free(d);
}

static void eval_list(job *j)
{
    kn_error err;
    ds_image_pairs pairs;
    size_t n;
    if (ds_image_pairs_read(&pairs, j->o->list, j->set, &err))
        tool_die(&err);
    uint32_t *item = named(j, &pairs, &n), *row = tool_alloc(ds_images_count(j->set), sizeof *row);
    run(j, item, n);
    for (uint32_t i = 0; i < j->part.pixels.n; i++)
        row[j->part.pixels.item[i]] = i;
    for (size_t i = 0; i < pairs.n; i++) {
        pairs.a[i] = row[pairs.a[i]];
        pairs.b[i] = row[pairs.b[i]];
    }
    measure(j, pairs.a, pairs.b, pairs.label, pairs.n);
    kn_free(row);
    ds_image_pairs_free(&pairs);
}

static double one_shot(const job *j)
{
    kn_error err;
    double accuracy;
    if (sm_one_shot(&accuracy, j->e, j->z, j->part.group, j->part.pixels.n, (size_t)j->o->ways, (size_t)j->o->trials,
                    (uint64_t)tool_common.seed, &err))
        tool_die_at(j->source, &err);
    return accuracy;
}

static void eval_grouped(job *j)
{
    kn_error err;
    uint32_t *a, *b;
    float *label;
    size_t n, pairs;
    uint32_t *item = chosen(j, &n);
    run(j, item, n);
    if (!j->part.group)
        tool_dief("%s: not all images have a class: --pairs LIST says which are of the same, or --labels CSV gives "
                  "classes", j->source);
    if (sm_image_pairs(&a, &b, &label, &pairs, j->part.group, j->part.pixels.n, (uint64_t)tool_common.seed, &err))
        tool_die(&err);
    double accuracy = j->o->ways ? one_shot(j) : 0; /* nothing is printed before all is known to work */
    measure(j, a, b, label, pairs);
    if (j->o->ways) {
        report_value("one_shot", accuracy, "of the queries nearest to their own class's one image");
        report_count("one_shot_ways", (size_t)j->o->ways, "classes in a trial");
        report_count("one_shot_trials", (size_t)j->o->trials, "");
    }
    kn_free(a);
}

/* ---- which of them ------------------------------------------------------------------------ */

static void check(const job *j, sm_target tells)
{
    const eval_images_options *o = j->o;
    const char *what = tells == SM_CLASSES ? "classes" : "scores";
    if (tells != SM_PAIRS && (o->list || o->ways || o->curves))
        tool_dief("%s: %s is for a model that compares images; this one tells %s", j->model_path,
                  o->list ? "--pairs" : o->ways ? "--one-shot" : "--curves", what);
    if (tells == SM_CLASSES && o->folds)
        tool_dief("%s: --folds is for a model that tells scores or compares images; this one tells %s", j->model_path,
                  what);
}

void eval_images(const sm_model *m, const char *model_path, const eval_images_options *o)
{
    kn_error err;
    job j = {.m = m, .model_path = model_path, .source = image_source_options.images, .o = o};
    sm_target tells = sm_image_tells(m);
    if (sm_image_recipe_read(&j.recipe, m, &err))
        tool_dief("%s: %s; --images is for those, --pairs CSV for models of questions", model_path, err.text);
    check(&j, tells);
    j.set = image_source_open();
    if (tells == SM_CLASSES)
        eval_classes(&j);
    else if (tells == SM_SCORES)
        eval_scores(&j);
    else if (o->list)
        eval_list(&j);
    else
        eval_grouped(&j);
    kn_free(j.z);
    sm_encoder_free(j.e);
    image_part_free(&j.part);
    ds_images_close(j.set);
    sm_image_recipe_free(&j.recipe);
}
