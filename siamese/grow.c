/* Training that makes the network larger each time it stalls (Net2Net). */
#include "siamese/image_model.h"
#include "siamese/net2net.h"
#include "siamese/train.h"

#include <string.h>

/* Of the budget, when the last stage begins: it is trained to its end, with the
 * schedule asked for, since what grew late has still to learn. */
#define LAST_STAGE_FROM (2.0 / 3)

/* Epochs that are not better on dev before the network grows. */
enum { STALLED = 3 };

typedef struct growth {
    const sm_image_set *train, *dev;
    const sm_image_recipe *recipe;
    const kn_buf *recipe_bytes;
    const sm_image_options *io;
    const sm_train_options *o;
    const sm_train_control *caller;
    kn_backend *be;
    double noise;
    double start, seconds;   /* seconds 0: the budget is epochs */
    int step, epochs;        /* how often the network has grown, epochs done .. */
    double used;             /* .. and seconds, when the stage began */
    char text[96];           /* these three, for the checkpoint */
    char *network;           /* of the stage that a resumed run goes on with; NULL later, and of a new run */
    bool last;               /* stage */
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
    g->epochs += run->done; /* before this start, of a stage that goes on */
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
static void plan_stage(sm_train_options *o, sm_train_control *c, growth *g)
{
    double all = g->seconds > 0 ? g->seconds : g->o->epochs, used = g->seconds > 0 ? g->used : g->epochs;
    g->last = used >= 0.95 * LAST_STAGE_FROM * all; /* what is left would be less than an epoch or two */
    double share = (g->last ? 1 : LAST_STAGE_FROM) * all - used;
    if (g->seconds > 0)
        c->seconds = share > 1 ? share : 1;
    else
        o->epochs = share > 1 ? (int)(share + 0.5) : 1;
    if (!g->last) {
        o->schedule = SM_CONSTANT;
        o->patience = STALLED;
    }
}

/* Trains m, as it is by now, or what the checkpoint has; NULL: at the start. */
static sm_model *run_stage(growth *g, const sm_model *m, kn_error *err)
{
    sm_train_options o = *g->o;
    sm_train_control c = {.checkpoint = g->caller->checkpoint, .resume = g->caller->resume && !m, .stage = g->text,
                          .init = g->step ? m : g->caller->init, .start = pass_start, .epoch = count_epoch,
                          .progress = pass_progress, .stop = pass_stop, .finish = pass_finish, .arg = g};
    if (m || g->network)
        o.arch = m ? m->graph->text : g->network;
    plan_stage(&o, &c, g);
    return sm_train_images(g->train, g->dev, g->recipe, g->recipe_bytes, g->io, &o, &c, g->be, err);
}

/* ---- stages and checkpoints -------------------------------------------------------------- */

static void write_text(char text[sizeof((growth *)0)->text], const growth *g)
{
    snprintf(text, sizeof g->text, "grown %d times, %d epochs, %a seconds", g->step, g->epochs, g->used);
}

/* Where the checkpoint's run stood when its stage began, if there is a checkpoint. */
static int go_on(growth *g, kn_error *err)
{
    char *text, again[sizeof g->text];
    int rc = sm_checkpoint_stage(&g->network, &text, g->caller->checkpoint, err);
    if (rc <= 0)
        return rc;
    bool whole = sscanf(text, "grown %d times, %d epochs, %la seconds", &g->step, &g->epochs, &g->used) == 3;
    write_text(again, g);
    rc = whole && !strcmp(again, text) && g->step >= 0 && g->epochs >= 0 && g->used >= 0
             ? 0 : kn_fail(err, "%s: not of a run that grows: start without --resume", g->caller->checkpoint);
    kn_free(text);
    return rc;
}

static sm_model *run_stages(growth *g, kn_error *err)
{
    sm_model *m = NULL;
    for (; !g->last; g->step++) {
        if (m)
            g->used = g->seconds > 0 ? kn_seconds() - g->start : 0;
        if (m && sm_net2net_grow(m, g->step - 1, g->noise, g->o->seed + (uint64_t)g->step, err)) {
            sm_model_free(m);
            return NULL;
        }
        write_text(g->text, g);
        sm_model *next = run_stage(g, m, err);
        sm_model_free(m);
        m = next;
        if (!m)
            return NULL;
    }
    return m;
}

sm_model *sm_train_growing(const sm_image_set *train, const sm_image_set *dev, const sm_image_recipe *recipe,
                           const kn_buf *recipe_bytes, const sm_image_options *io, const sm_train_options *o,
                           double noise, const sm_train_control *control, kn_backend *be, kn_error *err)
{
    growth g = {.train = train, .dev = dev, .recipe = recipe, .recipe_bytes = recipe_bytes, .io = io, .o = o,
                .caller = control, .be = be, .noise = noise, .seconds = control->seconds};
    sm_model *m = NULL;
    if (!dev)
        kn_fail(err, "growing needs something to judge by: hold a share out, it tells when training stalls");
    else if (!(control->checkpoint && control->resume && go_on(&g, err))) {
        g.start = kn_seconds() - g.used;
        m = run_stages(&g, err);
    }
    kn_free(g.network);
    return m;
}
