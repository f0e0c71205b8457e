/* Training on pairs of vectors: an epoch is a shuffle of the pairs, the dev part
 * judges by AUC and calibrates. */
#include "siamese/train.h"

#include <math.h>
#include <string.h>

typedef struct pairs_task {
    const sm_train_options *o;
    const sm_pairs *train, *dev; /* dev->pairs 0: none */
    size_t steps, batch;
    uint32_t *order;             /* [train->pairs], of epoch `shuffled` */
    uint64_t shuffled;           /* UINT64_MAX: none yet */
    uint32_t *row;               /* [2 batch] */
    float *label;                /* [batch] */
    float *distance;             /* [dev->pairs] */
} pairs_task;

/* The order of epoch number `epoch`, from 0. */
static void shuffle(pairs_task *t, uint64_t epoch)
{
    kn_rng rng = kn_rng_new(t->o->seed, KN_STREAM_SHUFFLE, (uint32_t)epoch);
    for (size_t i = 0; i < t->train->pairs; i++)
        t->order[i] = (uint32_t)i;
    kn_rng_shuffle(&rng, t->order, (uint32_t)t->train->pairs);
    t->shuffled = epoch;
}

static int next(void *arg, sm_batch *b, uint64_t step, kn_error *err)
{
    (void)err;
    pairs_task *t = arg;
    size_t at = step % t->steps * t->batch, left = t->train->pairs - at, count = left < t->batch ? left : t->batch;
    if (step / t->steps != t->shuffled)
        shuffle(t, step / t->steps);
    for (size_t i = 0; i < count; i++) {
        uint32_t pair = t->order[at + i];
        t->label[i] = t->train->label[pair];
        t->row[i] = t->train->q1[pair];
        t->row[count + i] = t->train->q2[pair];
    }
    *b = (sm_batch){.items = count, .rows = 2 * count, .row = t->row, .target = t->label};
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

static int allocate(pairs_task *t, kn_error *err)
{
    t->order = kn_alloc(t->train->pairs, sizeof *t->order, err);
    t->row = t->order ? kn_alloc(t->batch, 2 * sizeof *t->row, err) : NULL;
    t->label = t->row ? kn_alloc(t->batch, sizeof *t->label, err) : NULL;
    t->distance = t->label ? kn_alloc(t->dev->pairs, sizeof *t->distance, err) : NULL;
    return t->distance ? 0 : -1;
}

static sm_model *train_on(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                          const sm_train_control *control, kn_backend *be, kn_error *err)
{
    size_t N = train->pairs, B = (size_t)o->batch < N ? (size_t)o->batch : N;
    if (check_data(train, dev, err))
        return NULL;
    pairs_task t = {.o = o, .train = train, .dev = dev, .batch = B, .steps = N / B + (N % B > 1), .shuffled = UINT64_MAX};
    const sm_task task = {.target = SM_PAIRS, .unit = "pairs", .dim = train->dim, .train = N, .dev = dev->pairs,
                          .steps = t.steps, .batch = B, .table = train->x, .table_rows = train->rows,
                          .digest = train->digest, .dev_digest = dev->digest, .recipe = train->recipe,
                          .recipe_bytes = train->recipe_bytes, .arg = &t, .next = next, .judge = judge,
                          .finish = finish};
    sm_model *m = allocate(&t, err) ? NULL : sm_train_task(&task, o, control, be, err);
    kn_free(t.order);
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
