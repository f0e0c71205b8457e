/* Training on images: batches from a loader; the dev set judges by its pairs,
 * classes or scores. */
#include "siamese/image_model.h"
#include "siamese/train.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct images_task {
    const sm_image_set *train, *dev;
    const sm_image_recipe *recipe;
    const sm_image_options *io;
    uint64_t seed;
    sm_sampler *sampler;
    sm_loader *loader;
    uint64_t expected;          /* the step that the loader prepares next */
    uint32_t *bin;              /* [n] of scores, where batches are balanced */
    void *target;               /* [batch] classes or scores of a batch */
    float *z, *distance;        /* of the dev set: [n,E], and [pairs] or [n] */
    size_t z_floats;
} images_task;

/* ---- batches ----------------------------------------------------------------------------- */

/* The loader works ahead from some step on; another step needs another loader. */
static int load_from(images_task *t, uint64_t step, kn_error *err)
{
    const sm_loader_options how = {.augment = t->io->augment, .seed = t->seed, .first_step = step,
                                   .workers = t->io->workers};
    sm_loader_free(t->loader);
    t->loader = sm_loader_new(t->train->pixels, &t->recipe->input, t->sampler, &how, err);
    return t->loader ? 0 : -1;
}

static int next(void *arg, sm_batch *b, uint64_t step, kn_error *err)
{
    images_task *t = arg;
    if ((!t->loader || step != t->expected) && load_from(t, step, err))
        return -1;
    const sm_image_batch *have = sm_loader_next(t->loader);
    t->expected = step + 1;
    *b = (sm_batch){.items = have->rows, .rows = have->rows, .x = have->x, .target = t->target};
    uint32_t *class = t->target;
    float *score = t->target;
    switch (t->io->target) {
    case SM_PAIRS: b->items = have->rows / 2, b->target = have->label; break;
    case SM_GROUPS: b->target = have->group; break;
    case SM_CLASSES:
        for (size_t i = 0; i < have->rows; i++)
            class[i] = t->train->group[have->item[i]];
        break;
    case SM_SCORES:
        for (size_t i = 0; i < have->rows; i++)
            score[i] = (float)((t->train->score[have->item[i]] - t->recipe->score_mean) / t->recipe->score_std);
        break;
    }
    return 0;
}

/* One of each group, or as many of each as the batch holds. */
static sm_sampler *balanced(images_task *t, const uint32_t *group, size_t groups, size_t batch, kn_error *err)
{
    size_t n = t->train->pixels->n, each = t->io->target == SM_GROUPS ? t->io->each : batch / groups;
    each = each ? each : 1;
    size_t dealt = batch / each < groups ? batch / each : groups;
    return sm_sampler_balanced(group, n, dealt, each, t->seed, err);
}

static int make_sampler(images_task *t, size_t batch, kn_error *err)
{
    enum { BINS = 16 };
    const sm_image_set *set = t->train;
    size_t n = set->pixels->n, bins;
    if (t->io->target == SM_PAIRS) {
        t->sampler = sm_sampler_pairs(set->a, set->b, set->label, set->pairs, batch < set->pairs ? batch : set->pairs,
                                      false, t->seed, err);
    } else if (t->io->target == SM_GROUPS || (t->io->target == SM_CLASSES && t->io->balanced)) {
        t->sampler = balanced(t, set->group, sm_image_groups(set->group, n), batch, err);
    } else if (t->io->balanced) {
        t->bin = kn_alloc(n, sizeof *t->bin, err);
        if (t->bin && !sm_score_bins(t->bin, &bins, set->score, n, BINS, err))
            t->sampler = balanced(t, t->bin, bins, batch, err);
    } else {
        t->sampler = sm_sampler_shuffled(n, batch < n ? batch : n, t->seed, err);
    }
    return t->sampler ? 0 : -1;
}

/* ---- judging ------------------------------------------------------------------------------- */

static int dev_outputs(images_task *t, sm_encoder *e, kn_error *err)
{
    const sm_image_set *dev = t->dev;
    size_t n = dev->pixels->n, floats = n * sm_encoder_width(e), most = dev->pairs > n ? dev->pairs : n;
    if (!t->z) {
        t->z = kn_alloc(floats, sizeof *t->z, err);
        t->distance = t->z ? kn_alloc(most, sizeof *t->distance, err) : NULL;
        if (!t->distance)
            return -1;
    }
    sm_image_recipe one_size = *t->recipe; /* each epoch: what is best is best at one size too */
    one_size.zoom = 0;
    return sm_image_outputs(e, t->z, dev->pixels, &one_size, err);
}

static int dev_distances(images_task *t, sm_encoder *e, kn_error *err)
{
    const sm_image_set *dev = t->dev;
    if (dev_outputs(t, e, err))
        return -1;
    return sm_vector_distances(e, t->distance, t->z, dev->a, dev->b, dev->pairs, err);
}

static int judge(void *arg, sm_judgement *j, sm_encoder *e, const sm_train_options *o, kn_error *err)
{
    images_task *t = arg;
    const sm_image_set *dev = t->dev;
    size_t n = dev->pixels->n;
    if (t->io->target == SM_PAIRS || t->io->target == SM_GROUPS)
        return dev_distances(t, e, err) || sm_judge_pairs(j, t->distance, dev->label, dev->pairs, o, err) ? -1 : 0;
    if (dev_outputs(t, e, err))
        return -1;
    if (t->io->target == SM_CLASSES) {
        sm_softmax(t->z, n, sm_encoder_width(e));
        sm_judge_classes(j, t->z, dev->group, n, sm_encoder_width(e));
        return 0;
    }
    float *want = t->distance; /* [n] is free */
    for (size_t i = 0; i < n; i++) {
        t->z[i] = (float)sm_image_score(t->recipe, t->z[i]);
        want[i] = (float)dev->score[i];
    }
    sm_judge_scores(j, t->z, want, n);
    return 0;
}

static int finish_pairs(void *arg, sm_judgement *j, sm_encoder *e, sm_model *m, kn_error *err)
{
    images_task *t = arg;
    const sm_image_set *dev = t->dev;
    j->n = dev->pairs;
    j->kind = t->io->target;
    if (dev_distances(t, e, err) || sm_model_calibrate(m, t->distance, dev->label, dev->pairs, err) < 0)
        return -1;
    return sm_evaluate(&j->pairs, t->distance, NULL, dev->label, dev->pairs, m->threshold, err);
}

/* ---- the run --------------------------------------------------------------------------------- */

static char *settings_of(const sm_image_options *io, kn_error *err)
{
    const sm_augment *a = &io->augment;
    json_t *j = json_pack("{si sI sb sf sf sf sf sb}", "target", (int)io->target, "each", (json_int_t)io->each,
                          "balanced", (int)io->balanced, "rotate", a->rotate, "zoom", a->zoom, "shift", a->shift,
                          "colour", a->colour, "flip", (int)a->flip);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    if (!text)
        kn_fail(err, "out of memory");
    json_decref(j);
    return text;
}

static sm_model *train_on(images_task *t, const sm_task *task, const sm_train_options *o,
                          const sm_train_control *control, kn_backend *be, kn_error *err)
{
    t->target = kn_alloc(task->batch, sizeof(float), err);
    return t->target ? sm_train_task(task, o, control, be, err) : NULL;
}

static sm_task task_of(images_task *t, const kn_buf *recipe_bytes)
{
    const sm_image_set *train = t->train, *dev = t->dev;
    bool pairs = t->io->target == SM_PAIRS, paired = pairs || t->io->target == SM_GROUPS;
    size_t rows = sm_sampler_rows(t->sampler), steps = sm_sampler_steps(t->sampler);
    return (sm_task){
        .target = t->io->target, .unit = pairs ? "pairs" : "images",
        .dim = train->pixels->h * train->pixels->w * train->pixels->c,
        .train = pairs ? train->pairs : train->pixels->n, .dev = !dev ? 0 : paired ? dev->pairs : dev->pixels->n,
        .steps = steps, .batch = pairs ? rows / 2 : rows, .digest = train->digest,
        .dev_digest = dev ? dev->digest : NULL,
        .recipe = recipe_bytes->p, .recipe_bytes = recipe_bytes->n, .arg = t, .next = next, .judge = judge,
        .finish = paired ? finish_pairs : NULL};
}

sm_model *sm_train_images(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                          const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                          const sm_train_control *control, kn_backend *be, kn_error *err)
{
    images_task t = {.train = train, .dev = dev, .recipe = recipe, .io = io, .seed = o->seed};
    sm_model *m = NULL;
    char *settings = NULL;
    if (!sm_train_check(o, err) && !sm_augment_check(&io->augment, err) && !make_sampler(&t, (size_t)o->batch, err) &&
        (settings = settings_of(io, err))) {
        sm_task task = task_of(&t, recipe_bytes);
        task.settings = settings;
        m = train_on(&t, &task, o, control, be, err);
    }
    free(settings);
    sm_loader_free(t.loader);
    sm_sampler_free(t.sampler);
    kn_free(t.bin);
    kn_free(t.target);
    kn_free(t.z);
    kn_free(t.distance);
    return m;
}
