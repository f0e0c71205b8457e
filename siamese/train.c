/* The training loop: epochs of seeded shuffles, the best weights by dev AUC, a
 * checkpoint after each epoch, a calibrated model at the end. Start at sm_train. */
#include "siamese/train.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct trainer {
    const sm_train_options *o;
    const sm_train_control *c;
    const sm_pairs *train, *dev; /* dev->pairs 0: none */
    kn_backend *be;
    sm_model *model;             /* its blocks hold the weights that dev is run with */
    sm_stepper *stepper;
    sm_state state;
    sm_run_id id;
    uint32_t *order;             /* [train->pairs] */
    float *distance;             /* [dev->pairs] */
    uint64_t steps;              /* of an epoch */
} trainer;

/* ---- the dev part ------------------------------------------------------------------- */

static double pair_loss(const sm_train_options *o, double d, bool same)
{
    double gap = d < o->margin ? o->margin - d : 0;
    if (o->loss == KN_CONTRASTIVE)
        return same ? d * d : gap * gap;
    return same ? d : gap;
}

/* Distances of the dev part with the weights of the model. */
static int dev_distances(trainer *t, const float *params, const float *stats, kn_error *err)
{
    memcpy(t->model->params, params, t->state.P * sizeof *params);
    memcpy(t->model->stats, stats, t->state.S * sizeof *stats);
    sm_encoder *e = sm_encoder_new(t->model, t->be, err);
    int rc = e ? sm_distances(e, t->distance, t->dev, err) : -1;
    sm_encoder_free(e);
    return rc;
}

/* Fills the dev part of the report and keeps these weights when they are the
 * best yet; without a dev part the newest are. */
static int judge(trainer *t, sm_epoch *report, kn_error *err)
{
    sm_state *s = &t->state;
    sm_metrics metrics;
    report->dev_loss = report->dev_auc = report->dev_accuracy = NAN;
    if (t->dev->pairs) {
        if (dev_distances(t, s->params, s->stats, err) ||
            sm_evaluate(&metrics, t->distance, NULL, t->dev->label, t->dev->pairs, 0.5, err))
            return -1;
        report->dev_loss = 0;
        for (size_t i = 0; i < t->dev->pairs; i++)
            report->dev_loss += pair_loss(t->o, (double)t->distance[i], t->dev->label[i] > 0) / (double)t->dev->pairs;
        report->dev_auc = metrics.auc;
        report->dev_accuracy = metrics.accuracy_best;
    }
    report->best = !t->dev->pairs || s->best_epoch == 0 || metrics.auc > s->best_auc;
    if (report->best) {
        s->best_epoch = s->epoch;
        s->best_auc = report->dev_auc;
        memcpy(s->best_params, s->params, s->P * sizeof *s->params);
        memcpy(s->best_stats, s->stats, s->S * sizeof *s->stats);
    }
    return 0;
}

/* ---- an epoch --------------------------------------------------------------------------- */

/* The order of epoch number s->epoch, from 0. */
static void shuffle(trainer *t)
{
    kn_rng rng = kn_rng_new(t->o->seed, KN_STREAM_SHUFFLE, (uint32_t)t->state.epoch);
    for (size_t i = 0; i < t->train->pairs; i++)
        t->order[i] = (uint32_t)i;
    kn_rng_shuffle(&rng, t->order, (uint32_t)t->train->pairs);
}

/* Steps over all batches. *trained counts the pairs that were in one. */
static int run_batches(trainer *t, size_t *trained, kn_error *err)
{
    const sm_train_control *c = t->c;
    size_t N = t->train->pairs, B = (size_t)t->o->batch;
    double told = kn_seconds();
    uint64_t step = t->state.steps;
    for (size_t at = 0; at + 1 < N; at += B) {
        size_t count = N - at < B ? N - at : B;
        if (c->stop && c->stop(c->arg))
            return kn_fail(err, "stopped in epoch %" PRIu64 " of %d: nothing is lost but this epoch, --resume goes on from there",
                           t->state.epoch + 1, t->o->epochs);
        sm_stepper_train(t->stepper, t->order + at, count, step, sm_rate(t->o, step, t->steps));
        step++;
        *trained = at + count;
        if (c->progress && kn_seconds() - told > 0.1) {
            told = kn_seconds();
            c->progress(c->arg, (int)t->state.epoch + 1, *trained, N);
        }
    }
    t->state.steps = step;
    return 0;
}

static int run_epoch(trainer *t, kn_error *err)
{
    sm_state *s = &t->state;
    sm_epoch report = {.epoch = (int)s->epoch + 1, .epochs = t->o->epochs};
    size_t trained = 0;
    double loss, start = kn_seconds();
    shuffle(t);
    if (run_batches(t, &trained, err) || sm_stepper_loss(t->stepper, &loss, err))
        return -1;
    report.seconds = kn_seconds() - start;
    report.pairs_per_second = (double)trained / report.seconds;
    report.loss = loss / (double)trained;
    report.lr = sm_rate(t->o, s->steps - 1, t->steps);
    if (!isfinite(report.loss))
        return kn_fail(err, "the loss is no longer a number in epoch %d: lower --lr (now %g), or give it --warmup; or the "
                       "vectors hold NaN", report.epoch, t->o->lr);
    sm_stepper_get(t->stepper, s);
    s->epoch++;
    if (judge(t, &report, err))
        return -1;
    if (t->c->checkpoint && sm_checkpoint_save(s, &t->id, t->c->checkpoint, err))
        return -1;
    if (t->c->epoch)
        t->c->epoch(t->c->arg, &report);
    return 0;
}

/* ---- a run -------------------------------------------------------------------------------- */

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

static int same_parts(const sm_graph *a, const sm_graph *b)
{
    bool same = a->parts == b->parts;
    for (int i = 0; same && i < a->parts; i++)
        same = !strcmp(a->part[i].name, b->part[i].name) && a->part[i].ndim == b->part[i].ndim &&
               !memcmp(a->part[i].shape, b->part[i].shape, sizeof a->part[i].shape);
    return same;
}

/* Channels that leave a batchnorm have variance 1, so two unrelated rows start
 * out sqrt(2 width) apart by Euclid, 2 width/sqrt(pi) by L1 (normal channels).
 * This scale makes it one margin: from far outside it the first epochs would do
 * nothing but shrink the output, and what they learn meanwhile is lost. */
static float start_scale(const sm_train_options *o, size_t width)
{
    const double pi = 3.14159265358979323846;
    switch (o->distance) {
    case KN_EUCLIDEAN: return (float)(o->margin / sqrt(2 * (double)width));
    case KN_L1: return (float)(o->margin * sqrt(pi) / (2 * (double)width));
    default: return 1; /* the angle of two rows has no scale */
    }
}

/* Weights at the start: a checkpoint's, another model's, or drawn. */
static int start_state(trainer *t, kn_error *err)
{
    sm_state *s = &t->state;
    const sm_graph *g = t->model->graph;
    const sm_model *init = t->c->init;
    if (sm_state_new(s, g->params, g->stats, err))
        return -1;
    if (init && !same_parts(init->graph, g))
        return kn_fail(err, "the model to start from has another network");
    sm_graph_init(g, s->params, s->stats, t->o->seed);
    sm_graph_scale(g, s->params, start_scale(t->o, g->output_width));
    if (init) {
        memcpy(s->params, init->params, s->P * sizeof *s->params);
        memcpy(s->stats, init->stats, s->S * sizeof *s->stats);
    }
    return t->c->checkpoint && t->c->resume && sm_checkpoint_load(s, &t->id, t->c->checkpoint, err) < 0 ? -1 : 0;
}

static int make_model(trainer *t, kn_error *err)
{
    const sm_train_options *o = t->o;
    sm_model *m = t->model = kn_alloc(1, sizeof *m, err);
    char *text = m ? sm_arch_text(o->arch, o->dropout, err) : NULL;
    if (!text)
        return -1;
    m->graph = sm_graph_parse(text, t->train->dim, err);
    kn_free(text);
    m->settings = m->graph ? sm_train_settings(o, err) : NULL;
    m->params = m->settings ? kn_alloc(m->graph->params, sizeof *m->params, err) : NULL;
    m->stats = m->params ? kn_alloc(m->graph->stats, sizeof *m->stats, err) : NULL;
    if (!m->stats)
        return -1;
    m->distance = o->distance;
    m->loss = o->loss;
    m->margin = o->margin;
    m->threshold = 0.5;
    m->seed = o->seed;
    m->recipe = t->train->recipe;
    m->recipe_bytes = t->train->recipe_bytes;
    if (t->train->digest)
        snprintf(m->digest, sizeof m->digest, "%s", t->train->digest);
    t->id = (sm_run_id){.settings = m->settings, .network = m->graph->text, .train = m->digest,
                        .dev = t->dev->digest ? t->dev->digest : ""};
    return 0;
}

static int prepare(trainer *t, kn_error *err)
{
    size_t N = t->train->pairs, B = (size_t)t->o->batch;
    if (check_data(t->train, t->dev, err) || make_model(t, err) || start_state(t, err))
        return -1;
    t->steps = N / B + (N % B > 1);
    t->order = kn_alloc(N, sizeof *t->order, err);
    t->distance = t->order ? kn_alloc(t->dev->pairs, sizeof *t->distance, err) : NULL;
    t->stepper = t->distance ? sm_stepper_new(t->model->graph, t->o, t->train, t->be, err) : NULL;
    if (!t->stepper)
        return -1;
    sm_stepper_set(t->stepper, &t->state);
    return 0;
}

static bool is_over(const trainer *t)
{
    uint64_t epoch = t->state.epoch, patience = (uint64_t)t->o->patience;
    return epoch >= (uint64_t)t->o->epochs || (patience && epoch - t->state.best_epoch >= patience);
}

/* The model with the best weights, calibrated on the dev part. */
static int finish(trainer *t, kn_error *err)
{
    sm_model *m = t->model;
    const sm_state *s = &t->state;
    sm_metrics metrics;
    if (t->dev->pairs) {
        if (dev_distances(t, s->best_params, s->best_stats, err) ||
            sm_model_calibrate(m, t->distance, t->dev->label, t->dev->pairs, err) < 0 ||
            sm_evaluate(&metrics, t->distance, NULL, t->dev->label, t->dev->pairs, m->threshold, err))
            return -1;
    } else {
        memcpy(m->params, s->best_params, s->P * sizeof *m->params);
        memcpy(m->stats, s->best_stats, s->S * sizeof *m->stats);
    }
    if (t->c->finish)
        t->c->finish(t->c->arg, (int)s->best_epoch, t->dev->pairs ? &metrics : NULL);
    return 0;
}

static sm_model *run(trainer *t, kn_error *err)
{
    int rc = prepare(t, err);
    if (!rc && t->c->start)
        t->c->start(t->c->arg, t->model->graph, t->train->pairs, t->dev->pairs, (int)t->state.epoch);
    while (!rc && !is_over(t))
        rc = run_epoch(t, err);
    if (!rc)
        rc = finish(t, err);
    sm_stepper_free(t->stepper);
    sm_state_free(&t->state);
    kn_free(t->order);
    kn_free(t->distance);
    if (rc) {
        sm_model_free(t->model);
        return NULL;
    }
    return t->model;
}

sm_model *sm_train(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                   const sm_train_control *control, kn_backend *be, kn_error *err)
{
    static const sm_train_control alone;
    sm_pairs rest = {0}, held = {0};
    sm_model *m = NULL;
    if (sm_train_check(o, err))
        return NULL;
    bool cut = !dev && o->hold_out > 0;
    if (!cut || !sm_pairs_hold_out(&rest, &held, train, o->hold_out, o->seed, err)) {
        trainer t = {.o = o, .c = control ? control : &alone, .be = be, .train = cut ? &rest : train,
                     .dev = dev ? dev : &held};
        m = run(&t, err);
    }
    sm_pairs_close(&rest);
    sm_pairs_close(&held);
    return m;
}
