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
    sm_metrics dev;
    bool has_dev;
} run;

static void on_start(void *arg, const sm_graph *g, size_t train, size_t dev, int done)
{
    (void)arg;
    tool_say("%zu pairs to train on, %zu to judge by; network %zu -> %zu, %zu parameters; %s", train, dev,
             g->input_width, g->output_width, g->params, tool_backend()->describe(tool_backend()));
    if (done)
        tool_say("going on after epoch %d", done);
}

static void on_progress(void *arg, int epoch, size_t done, size_t total)
{
    char what[32];
    (void)arg;
    snprintf(what, sizeof what, "epoch %d", epoch);
    tool_progress(what, (double)done, (double)total, "pairs");
}

/* JSON has no NaN. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void log_line(const sm_epoch *e)
{
    json_t *j = json_pack("{si so so so so so so so sb}", "epoch", e->epoch, "loss", number(e->loss), "lr",
                          number(e->lr), "dev_loss", number(e->dev_loss), "dev_auc", number(e->dev_auc),
                          "dev_accuracy", number(e->dev_accuracy), "seconds", number(e->seconds), "pairs_per_second",
                          number(e->pairs_per_second), "best", e->best);
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
    if (!isnan(e->dev_auc))
        snprintf(dev, sizeof dev, ", dev loss %.4f, AUC %.4f, accuracy %.4f%s", e->dev_loss, e->dev_auc,
                 e->dev_accuracy, e->best ? " *" : "");
    tool_say("epoch %d/%d: loss %.4f%s, %.0f pairs/s", e->epoch, e->epochs, e->loss, dev, e->pairs_per_second);
    if (run.file)
        log_line(e);
}

static bool on_stop(void *arg)
{
    (void)arg;
    return tool_stopped();
}

static void on_finish(void *arg, int best_epoch, const sm_metrics *dev)
{
    (void)arg;
    run.best_epoch = best_epoch;
    run.has_dev = dev != NULL;
    if (dev)
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
    const sm_metrics *m = &run.dev;
    if (run.file && fclose(run.file))
        tool_dief("%s: cannot be written: is the disk full?", run.path);
    if (run.has_dev)
        tool_say("best epoch %d: dev accuracy %.4f at threshold %.4f, precision %.4f, recall %.4f, AUC %.4f", run.best_epoch,
                 m->accuracy, m->threshold, m->precision, m->recall, m->auc);
    else
        tool_say("no dev part: the last weights are kept, and the threshold is not calibrated");
    tool_say("%.1f s, peak memory %ld MiB", seconds, kn_peak_rss_kib() / 1024);
    if (!tool_common.json)
        return;
    json_t *j = json_pack("{si sf}", "best_epoch", run.best_epoch, "seconds", seconds);
    if (j && run.has_dev)
        json_object_set_new(j, "dev", json_pack("{so so so so so}", "accuracy", number(m->accuracy), "threshold",
                            number(m->threshold), "precision", number(m->precision), "recall", number(m->recall), "auc",
                            number(m->auc)));
    json_print(j);
}
