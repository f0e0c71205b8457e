/* Training on pairs of vectors: an epoch is a shuffle of the pairs, the dev part
 * judges by AUC and calibrates. */
#include "siamese/images.h"
#include "siamese/train.h"

typedef struct pairs_task {
    const sm_pairs *dev; /* pairs 0: none */
    sm_sampler *sampler;
    uint32_t *row;       /* [2 batch] */
    float *label;        /* [batch] */
    float *distance;     /* [dev->pairs] */
} pairs_task;

static int next(void *arg, sm_batch *b, uint64_t step, kn_error *err)
{
    (void)err;
    pairs_task *t = arg;
    size_t rows = sm_sampler_step(t->sampler, step, t->row, NULL, t->label);
    *b = (sm_batch){.items = rows / 2, .rows = rows, .row = t->row, .target = t->label};
    return 0;
}

static int judge(void *arg, sm_judgement *j, sm_encoder *e, const sm_train_options *o, kn_error *err)
{
    pairs_task *t = arg;
    const sm_pairs *dev = t->dev;
    if (sm_distances(e, t->distance, dev, err))
        return -1;
    return sm_judge_pairs(j, t->distance, dev->label, dev->pairs, o, err);
}

static int finish(void *arg, sm_judgement *j, sm_encoder *e, sm_model *m, kn_error *err)
{
    pairs_task *t = arg;
    const sm_pairs *dev = t->dev;
    j->n = dev->pairs;
    j->kind = SM_PAIRS;
    if (sm_distances(e, t->distance, dev, err) || sm_model_calibrate(m, t->distance, dev->label, dev->pairs, err) < 0 ||
        sm_evaluate(&j->pairs, t->distance, NULL, dev->label, dev->pairs, m->threshold, err))
        return -1;
    return 0;
}

static int check_data(const sm_pairs *train, const sm_pairs *dev, kn_error *err)
{
    size_t same = 0;
    if (train->pairs < 2 || train->pairs > UINT32_MAX)
        return kn_fail(err, "%zu pairs cannot be trained on", train->pairs);
    if (!dev->pairs)
        return 0;
    if (dev->dim != train->dim)
        return kn_fail(err, "vectors of %zu numbers for training, of %zu for dev", train->dim, dev->dim);
    for (size_t i = 0; i < dev->pairs; i++)
        same += dev->label[i] > 0;
    if (same == 0 || same == dev->pairs)
        return kn_fail(err, "the dev part (%zu pairs) must hold duplicates and others: it decides which weights are kept",
                       dev->pairs);
    return 0;
}

static int allocate(pairs_task *t, const sm_pairs *train, size_t batch, uint64_t seed, kn_error *err)
{
    t->sampler = sm_sampler_pairs(train->q1, train->q2, train->label, train->pairs, batch, false, seed, err);
    t->row = t->sampler ? kn_alloc(batch, 2 * sizeof *t->row, err) : NULL;
    t->label = t->row ? kn_alloc(batch, sizeof *t->label, err) : NULL;
    t->distance = t->label ? kn_alloc(t->dev->pairs, sizeof *t->distance, err) : NULL;
    return t->distance ? 0 : -1;
}

static sm_task task_of(pairs_task *t, const sm_pairs *train, size_t batch)
{
    return (sm_task){.target = SM_PAIRS, .unit = "pairs", .dim = train->dim, .train = train->pairs,
                     .dev = t->dev->pairs, .steps = sm_sampler_steps(t->sampler), .batch = batch, .table = train->x,
                     .table_rows = train->rows, .digest = train->digest, .dev_digest = t->dev->digest, .recipe = train->recipe,
                     .recipe_bytes = train->recipe_bytes, .arg = t, .next = next, .judge = judge, .finish = finish};
}

static sm_model *train_on(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                          const sm_train_control *control, kn_backend *be, kn_error *err)
{
    size_t batch = (size_t)o->batch < train->pairs ? (size_t)o->batch : train->pairs;
    pairs_task t = {.dev = dev};
    sm_model *m = NULL;
    if (!check_data(train, dev, err) && !allocate(&t, train, batch, o->seed, err)) {
        const sm_task task = task_of(&t, train, batch);
        m = sm_train_task(&task, o, control, be, err);
    }
    sm_sampler_free(t.sampler);
    kn_free(t.row);
    kn_free(t.label);
    kn_free(t.distance);
    return m;
}

sm_model *sm_train(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                   const sm_train_control *control, kn_backend *be, kn_error *err)
{
    sm_pairs rest = {0}, held = {0};
    sm_model *m = NULL;
    if (sm_train_check(o, err))
        return NULL;
    bool cut = !dev && o->hold_out > 0;
    if (!cut || !sm_pairs_hold_out(&rest, &held, train, o->hold_out, o->seed, err))
        m = train_on(cut ? &rest : train, dev ? dev : &held, o, control, be, err);
    sm_pairs_close(&rest);
    sm_pairs_close(&held);
    return m;
}
