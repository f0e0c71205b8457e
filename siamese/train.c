/* The training loop, one for vectors and images: epochs of steps, the best
 * weights by a dev set, a checkpoint after each epoch, a model at the end. What
 * is trained on is a task (train.h). Start at sm_train_task. */
#include "siamese/train.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct trainer {
    const sm_task *task;
    sm_train_options o;          /* the caller's, but for epochs by time */
    const sm_train_control *c;
    kn_backend *be;
    sm_model *model;             /* its blocks hold the weights that dev is run with */
    sm_stepper *stepper;
    sm_state state;
    sm_run_id id;
} trainer;

/* ---- the dev part ------------------------------------------------------------------- */

/* Runs judge, or finish, with these weights in the model. */
static int judge_with(trainer *t, sm_judgement *j, const float *params, const float *stats, bool last, kn_error *err)
{
    const sm_task *task = t->task;
    memcpy(t->model->params, params, t->state.P * sizeof *params);
    memcpy(t->model->stats, stats, t->state.S * sizeof *stats);
    *j = (sm_judgement){0};
    if (!task->dev)
        return 0;
    sm_encoder *e = sm_encoder_new(t->model, t->be, err);
    int rc = !e ? -1 : last && task->finish ? task->finish(task->arg, j, e, t->model, err)
                                            : task->judge(task->arg, j, e, &t->o, err);
    sm_encoder_free(e);
    return rc;
}

/* Fills the dev part of the report and keeps these weights when they are the
 * best yet; without a dev part the newest are. */
static int judge(trainer *t, sm_epoch *report, kn_error *err)
{
    sm_state *s = &t->state;
    if (judge_with(t, &report->dev, s->params, s->stats, false, err))
        return -1;
    report->best = !t->task->dev || s->best_epoch == 0 || report->dev.score > s->best_score;
    if (report->best) {
        s->best_epoch = s->epoch;
        s->best_score = report->dev.score;
        memcpy(s->best_params, s->params, s->P * sizeof *s->params);
        memcpy(s->best_stats, s->stats, s->S * sizeof *s->stats);
    }
    return 0;
}

/* ---- an epoch --------------------------------------------------------------------------- */

/* Steps over all batches of an epoch. *trained counts what was in them. */
static int run_batches(trainer *t, size_t *trained, kn_error *err)
{
    const sm_train_control *c = t->c;
    const sm_task *task = t->task;
    double told = kn_seconds();
    uint64_t step = t->state.steps;
    sm_batch b;
    for (size_t i = 0; i < task->steps; i++, step++) {
        if (c->stop && c->stop(c->arg))
            return kn_fail(err, "stopped in epoch %" PRIu64 " of %d: nothing is lost but this epoch, --resume goes on from there",
                           t->state.epoch + 1, t->o.epochs);
        if (task->next(task->arg, &b, step, err))
            return -1;
        sm_stepper_train(t->stepper, &b, step, sm_rate(&t->o, step, task->steps));
        *trained += b.items;
        if (c->progress && kn_seconds() - told > 0.1) {
            told = kn_seconds();
            c->progress(c->arg, (int)t->state.epoch + 1, *trained, task->train);
        }
    }
    t->state.steps = step;
    return 0;
}

static int run_epoch(trainer *t, kn_error *err)
{
    sm_state *s = &t->state;
    sm_epoch report = {.epoch = (int)s->epoch + 1, .epochs = t->o.epochs};
    size_t trained = 0;
    double loss, start = kn_seconds();
    if (t->o.freeze && s->epoch == (uint64_t)t->o.freeze_epochs)
        sm_stepper_freeze(t->stepper, 0);
    if (run_batches(t, &trained, err) || sm_stepper_loss(t->stepper, &loss, err))
        return -1;
    report.seconds = kn_seconds() - start;
    report.rate = (double)trained / report.seconds;
    report.loss = loss / (double)(t->task->target == SM_GROUPS ? t->task->steps : trained);
    report.lr = sm_rate(&t->o, s->steps - 1, t->task->steps);
    if (!isfinite(report.loss))
        return kn_fail(err, "the loss is no longer a number in epoch %d: lower --lr (now %g), or give it --warmup; or the "
                       "input holds NaN", report.epoch, t->o.lr);
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

/* ---- epochs by time ------------------------------------------------------------------------ */

/* How many epochs fit into c->seconds, told from a few steps and one judgement,
 * whose effects are undone. */
static int epochs_that_fit(trainer *t, kn_error *err)
{
    enum { WARM = 3, LEAST = 10 };
    const double enough = 3; /* seconds */
    sm_batch b;
    sm_judgement j;
    double start = 0, spent = 0, loss;
    uint64_t step = 0;
    for (; step < LEAST || spent < enough; step++) {
        if (step == WARM)
            start = kn_seconds();
        if (t->task->next(t->task->arg, &b, step, err))
            return -1;
        sm_stepper_train(t->stepper, &b, step, 0);
        spent = step > WARM ? kn_seconds() - start : 0;
    }
    if (sm_stepper_loss(t->stepper, &loss, err))
        return -1;
    spent = (kn_seconds() - start) / (double)(step - WARM) * (double)t->task->steps;
    sm_stepper_set(t->stepper, &t->state);
    start = kn_seconds();
    if (judge_with(t, &j, t->state.params, t->state.stats, false, err))
        return -1;
    double fit = t->c->seconds / (spent + kn_seconds() - start);
    t->o.epochs = fit < 1 ? 1 : fit > 1e6 ? 1000000 : (int)fit;
    return 0;
}

/* A run by time that goes on has the epochs that its start gave it. */
static int plan_epochs(trainer *t, kn_error *err)
{
    int planned = t->c->checkpoint && t->c->resume ? sm_checkpoint_epochs(t->c->checkpoint, err) : 0;
    if (planned < 0)
        return -1;
    if (planned > 0)
        t->o.epochs = planned;
    else if (epochs_that_fit(t, err))
        return -1;
    kn_free(t->model->settings);
    t->model->settings = sm_train_settings(&t->o, t->task->settings, err);
    t->id.settings = t->model->settings;
    return t->model->settings ? 0 : -1;
}

/* ---- a run -------------------------------------------------------------------------------- */

/* Is a the first part of b? Then its parameters are the first of b's. */
static bool begins_with(const sm_graph *b, const sm_graph *a)
{
    bool same = a->parts <= b->parts;
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

/* Weights at the start: drawn, or another model's where it has them. */
static int start_state(trainer *t, kn_error *err)
{
    sm_state *s = &t->state;
    const sm_graph *g = t->model->graph;
    const sm_model *init = t->c->init;
    if (sm_state_new(s, g->params, g->stats, err))
        return -1;
    if (init && !begins_with(g, init->graph))
        return kn_fail(err, "the model to start from has another network");
    sm_graph_init(g, s->params, s->stats, t->o.seed);
    if (t->task->target == SM_PAIRS || t->task->target == SM_GROUPS)
        sm_graph_scale(g, s->params, start_scale(&t->o, g->output_width));
    if (init) {
        memcpy(s->params, init->params, init->graph->params * sizeof *s->params);
        memcpy(s->stats, init->stats, init->graph->stats * sizeof *s->stats);
    }
    return 0;
}

static int make_model(trainer *t, kn_error *err)
{
    const sm_train_options *o = &t->o;
    const sm_task *task = t->task;
    sm_model *m = t->model = kn_alloc(1, sizeof *m, err);
    char *text = m ? sm_arch_text(o->arch, o->dropout, err) : NULL;
    if (!text)
        return -1;
    m->graph = sm_graph_parse(text, task->dim, err);
    kn_free(text);
    m->settings = m->graph ? sm_train_settings(o, task->settings, err) : NULL;
    m->params = m->settings ? kn_alloc(m->graph->params, sizeof *m->params, err) : NULL;
    m->stats = m->params ? kn_alloc(m->graph->stats, sizeof *m->stats, err) : NULL;
    if (!m->stats)
        return -1;
    m->distance = o->distance;
    m->loss = o->loss;
    m->margin = o->margin;
    m->threshold = 0.5;
    m->seed = o->seed;
    m->recipe = task->recipe;
    m->recipe_bytes = task->recipe_bytes;
    if (task->digest)
        snprintf(m->digest, sizeof m->digest, "%s", task->digest);
    t->id = (sm_run_id){.settings = m->settings, .network = m->graph->text, .train = m->digest,
                        .dev = task->dev_digest ? task->dev_digest : "", .stage = t->c->stage ? t->c->stage : ""};
    return 0;
}

static int prepare(trainer *t, kn_error *err)
{
    if (sm_objective_check(t->task->target, t->o.loss, err) || make_model(t, err) || start_state(t, err))
        return -1;
    t->stepper = sm_stepper_new(t->model->graph, &t->o, t->task, t->be, err);
    if (!t->stepper)
        return -1;
    sm_stepper_set(t->stepper, &t->state);
    if (t->c->seconds > 0 && plan_epochs(t, err))
        return -1;
    if (t->c->checkpoint && t->c->resume && sm_checkpoint_load(&t->state, &t->id, t->c->checkpoint, err) < 0)
        return -1;
    sm_stepper_set(t->stepper, &t->state);
    if (t->state.epoch < (uint64_t)t->o.freeze_epochs)
        sm_stepper_freeze(t->stepper, t->o.freeze);
    return 0;
}

static bool is_over(const trainer *t)
{
    uint64_t epoch = t->state.epoch, patience = (uint64_t)t->o.patience;
    return epoch >= (uint64_t)t->o.epochs || (patience && epoch - t->state.best_epoch >= patience);
}

/* The model with the best weights, and what the dev part says of it. */
static int finish(trainer *t, kn_error *err)
{
    sm_judgement j;
    if (judge_with(t, &j, t->state.best_params, t->state.best_stats, true, err))
        return -1;
    if (t->c->finish)
        t->c->finish(t->c->arg, (int)t->state.best_epoch, &j);
    return 0;
}

static int run(trainer *t, kn_error *err)
{
    int rc = prepare(t, err);
    if (!rc && t->c->start)
        t->c->start(t->c->arg, &(sm_run){.graph = t->model->graph, .unit = t->task->unit, .train = t->task->train,
                                         .dev = t->task->dev, .epochs = t->o.epochs, .done = (int)t->state.epoch});
    while (!rc && !is_over(t))
        rc = run_epoch(t, err);
    return rc ? rc : finish(t, err);
}

sm_model *sm_train_task(const sm_task *task, const sm_train_options *o, const sm_train_control *control,
                        kn_backend *be, kn_error *err)
{
    static const sm_train_control alone;
    trainer t = {.task = task, .o = *o, .c = control ? control : &alone, .be = be};
    int rc = run(&t, err);
    sm_stepper_free(t.stepper);
    sm_state_free(&t.state);
    if (!rc)
        return t.model;
    sm_model_free(t.model);
    return NULL;
}
