/* Talk, progress and logs of a training run. */
#include "tools/runlog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/json.h"
#include "tools/tool.h"

static struct {
    FILE *file;
    const char *path;
    double start;
    int best_epoch;
    const char *unit;
    sm_judgement dev;
} run;

static void on_start(void *arg, const sm_run *r)
{
    (void)arg;
    const sm_graph *g = r->graph;
    run.unit = r->unit;
    tool_say("%zu %s to train on, %zu to judge by; network %zu -> %zu, %zu parameters; %s", r->train, r->unit,
             r->dev, g->input_width, g->output_width, g->params, tool_backend()->describe(tool_backend()));
    if (r->done)
        tool_say("going on after epoch %d", r->done);
}

static void on_progress(void *arg, int epoch, size_t done, size_t total)
{
    char what[32];
    (void)arg;
    snprintf(what, sizeof what, "epoch %d", epoch);
    tool_progress(what, (double)done, (double)total, run.unit);
}

/* JSON has no NaN. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void put(json_t *j, const char *prefix, const char *key, double x)
{
    char name[32];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    json_object_set_new(j, name, number(x));
}

/* The accuracy of pairs is that of the best threshold while training goes on. */
static json_t *judgement_json(const sm_judgement *d, const char *prefix)
{
    json_t *j = json_object();
    put(j, prefix, "loss", d->loss);
    if (d->kind == SM_CLASSES) {
        put(j, prefix, "accuracy", d->accuracy);
    } else if (d->kind == SM_SCORES) {
        put(j, prefix, "pearson", d->pearson);
        put(j, prefix, "mae", d->mae);
        put(j, prefix, "rmse", d->rmse);
    } else {
        put(j, prefix, "auc", d->pairs.auc);
        put(j, prefix, "accuracy", d->pairs.accuracy_best);
    }
    return j;
}

static void judgement_text(char *out, size_t n, const sm_judgement *d)
{
    if (d->kind == SM_CLASSES)
        snprintf(out, n, "dev loss %.4f, accuracy %.4f", d->loss, d->accuracy);
    else if (d->kind == SM_SCORES)
        snprintf(out, n, "dev loss %.4f, correlation %.4f, MAE %.4f, RMSE %.4f", d->loss, d->pearson, d->mae, d->rmse);
    else
        snprintf(out, n, "dev loss %.4f, AUC %.4f, accuracy %.4f", d->loss, d->pairs.auc, d->pairs.accuracy_best);
}

static void log_line(const sm_epoch *e)
{
    char rate[32];
    snprintf(rate, sizeof rate, "%s_per_second", run.unit);
    json_t *j = json_pack("{si so so so so sb}", "epoch", e->epoch, "loss", number(e->loss), "lr", number(e->lr),
                          "seconds", number(e->seconds), rate, number(e->rate), "best", e->best);
    if (j && e->dev.n)
        json_object_update_new(j, judgement_json(&e->dev, "dev_"));
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (!text)
        tool_dief("out of memory while making JSON");
    if (fprintf(run.file, "%s\n", text) < 0 || fflush(run.file))
        tool_dief("%s: cannot be written: is the disk full?", run.path);
    free(text);
    json_decref(j);
}

static void on_epoch(void *arg, const sm_epoch *e)
{
    char dev[128] = "";
    (void)arg;
    if (e->dev.n)
        judgement_text(dev, sizeof dev, &e->dev);
    tool_say("epoch %d/%d: loss %.4f%s%s%s, %.0f %s/s", e->epoch, e->epochs, e->loss, e->dev.n ? ", " : "", dev,
             e->dev.n && e->best ? " *" : "", e->rate, run.unit);
    if (run.file)
        log_line(e);
}

static bool on_stop(void *arg)
{
    (void)arg;
    return tool_stopped();
}

static void on_finish(void *arg, int best_epoch, const sm_judgement *dev)
{
    (void)arg;
    run.best_epoch = best_epoch;
    run.dev = *dev;
}

sm_train_control runlog_open(const char *log, bool resume)
{
    run.start = kn_seconds();
    run.path = log;
    if (log && !(run.file = fopen(log, resume ? "a" : "w")))
        tool_dief("%s: cannot be written", log);
    tool_stop_gently();
    return (sm_train_control){.start = on_start, .epoch = on_epoch, .progress = on_progress, .stop = on_stop,
                              .finish = on_finish};
}

void runlog_close(void)
{
    double seconds = kn_seconds() - run.start;
    const sm_metrics *m = &run.dev.pairs;
    bool pairs = run.dev.n && (run.dev.kind == SM_PAIRS || run.dev.kind == SM_GROUPS);
    char dev[128];
    if (run.file && fclose(run.file))
        tool_dief("%s: cannot be written: is the disk full?", run.path);
    if (pairs)
        tool_say("best epoch %d: dev accuracy %.4f at threshold %.4f, precision %.4f, recall %.4f, AUC %.4f", run.best_epoch,
                 m->accuracy, m->threshold, m->precision, m->recall, m->auc);
    else if (run.dev.n) {
        judgement_text(dev, sizeof dev, &run.dev);
        tool_say("best epoch %d: %s", run.best_epoch, dev);
    } else
        tool_say("no dev part: the last weights are kept%s",
                 strcmp(run.unit, "pairs") ? "" : ", and the threshold is not calibrated");
    tool_say("%.1f s, peak memory %ld MiB", seconds, kn_peak_rss_kib() / 1024);
    if (!tool_common.json)
        return;
    json_t *j = json_pack("{si sf}", "best_epoch", run.best_epoch, "seconds", seconds);
    if (j && run.dev.n && !pairs)
        json_object_set_new(j, "dev", judgement_json(&run.dev, ""));
    if (j && pairs)
        json_object_set_new(j, "dev", json_pack("{so so so so so}", "accuracy", number(m->accuracy), "threshold",
                            number(m->threshold), "precision", number(m->precision), "recall", number(m->recall), "auc",
                            number(m->auc)));
    json_print(j);
}
