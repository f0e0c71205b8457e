/* Training that makes the network larger each time it stalls (Net2Net). */
#include "siamese/image_model.h"
#include "siamese/net2net.h"

/* Of the budget, when the last stage begins: it is trained to its end, with the
 * schedule asked for, since what grew late has still to learn. */
#define LAST_STAGE_FROM (2.0 / 3)

/* Epochs that are not better on dev before the network grows. */
enum { STALLED = 3 };

typedef struct growth {
    const sm_train_control *caller;
    double start, seconds; /* seconds 0: the budget is epochs */
    int epochs;            /* done in all stages */
} growth;

static void count_epoch(void *arg, const sm_epoch *e)
{
    growth *g = arg;
    g->epochs++;
    if (g->caller->epoch)
        g->caller->epoch(g->caller->arg, e);
}

static void pass_start(void *arg, const sm_run *run)
{
    growth *g = arg;
    if (g->caller->start)
        g->caller->start(g->caller->arg, run);
}

static void pass_progress(void *arg, int epoch, size_t done, size_t total)
{
    growth *g = arg;
    if (g->caller->progress)
        g->caller->progress(g->caller->arg, epoch, done, total);
}

static bool pass_stop(void *arg)
{
    growth *g = arg;
    return g->caller->stop && g->caller->stop(g->caller->arg);
}

static void pass_finish(void *arg, int best_epoch, const sm_judgement *dev)
{
    growth *g = arg;
    if (g->caller->finish)
        g->caller->finish(g->caller->arg, best_epoch, dev);
}

/* What a stage may use of the budget; sets whether it is the last. */
static void plan_stage(sm_train_options *o, sm_train_control *c, bool *last, const growth *g, int epochs)
{
    double all = g->seconds > 0 ? g->seconds : epochs;
    double used = g->seconds > 0 ? kn_seconds() - g->start : g->epochs;
    *last = used >= 0.95 * LAST_STAGE_FROM * all; /* what is left would be less than an epoch or two */
    double share = (*last ? 1 : LAST_STAGE_FROM) * all - used;
    if (g->seconds > 0)
        c->seconds = share > 1 ? share : 1;
    else
        o->epochs = share > 1 ? (int)(share + 0.5) : 1;
    if (!*last) {
        o->schedule = SM_CONSTANT;
        o->patience = STALLED;
    }
}

sm_model *sm_train_growing(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                           const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                           double noise, const sm_train_control *control, kn_backend *be, kn_error *err)
{
    growth g = {.caller = control, .start = kn_seconds(), .seconds = control->seconds};
    sm_model *m = NULL;
    bool last = false;
    if (!dev) {
        kn_fail(err, "growing needs something to judge by: hold a share out, it tells when training stalls");
        return NULL;
    }
    for (int step = 0; !last; step++) {
        sm_train_options stage = *o;
        sm_train_control c = {.init = m ? m : control->init, .start = pass_start, .epoch = count_epoch,
                              .progress = pass_progress, .stop = pass_stop, .finish = pass_finish, .arg = &g};
        if (m && sm_net2net_grow(m, step - 1, noise, o->seed + (uint64_t)step, err)) {
            sm_model_free(m);
            return NULL;
        }
        if (m)
            stage.arch = m->graph->text;
        plan_stage(&stage, &c, &last, &g, o->epochs);
        sm_model *next = sm_train_images(train, dev, recipe, recipe_bytes, io, &stage, &c, be, err);
        sm_model_free(m);
        m = next;
        if (!m)
            return NULL;
    }
    return m;
}
