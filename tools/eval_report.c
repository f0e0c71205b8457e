/* How good a model is, in lines or as JSON. */
#include "tools/eval_report.h"

#include <math.h>

#include "tools/curves.h"
#include "tools/tool.h"

static bool begun;

void report_close(void)
{
    if (tool_common.json)
        tool_printf("}\n");
}

static void json_key(const char *key)
{
    tool_printf("%s\"%s\":", begun ? "," : "{", key);
    begun = true;
}

void report_count(const char *key, size_t n, const char *note)
{
    if (tool_common.json) {
        json_key(key);
        tool_printf("%zu", n);
    } else {
        tool_printf(*note ? "%-18s %-12zu %s\n" : "%-18s %zu%s\n", key, n, note);
    }
}

void report_value(const char *key, double value, const char *note)
{
    if (!tool_common.json) {
        tool_printf(*note ? "%-18s %-12.6g %s\n" : "%-18s %.6g%s\n", key, value, note);
        return;
    }
    json_key(key);
    if (isnan(value))
        tool_printf("null");
    else
        tool_printf("%.17g", value);
}

void report_truth(const char *key, bool value)
{
    if (!tool_common.json)
        return;
    json_key(key);
    tool_printf(value ? "true" : "false");
}

void report_folds(const char *key, const sm_spread *s, const char *note)
{
    char name[64];
    report_count("folds", s->n, note);
    snprintf(name, sizeof name, "%s_mean", key);
    report_value(name, s->mean, "");
    snprintf(name, sizeof name, "%s_sd", key);
    report_value(name, s->sd, "standard deviation");
}

static void print(const sm_metrics *m, const sm_model *model, const report_pairs_options *o)
{
    char note[64];
    snprintf(note, sizeof note, "pairs, %zu of them %s", m->positives, o->what);
    report_count("n", m->n, note);
    if (tool_common.json)
        report_count("positives", m->positives, "");
    report_truth("calibrated", model->calibrated);
    report_truth("trained_on_this", o->trained_on_this);
    report_value("threshold", m->threshold, model->calibrated ? "the model's: duplicate when the distance is below it"
                                                              : "the model is not calibrated");
    report_value("accuracy", m->accuracy, "");
    report_value("precision", m->precision, "of the pairs called duplicates, those that are");
    report_value("recall", m->recall, "of the duplicates, those that were found");
    report_value("f1", m->f1, "");
    report_value("auc", m->auc, "area under the ROC curve");
    report_value("average_precision", m->average_precision, "area under the precision-recall curve");
    report_value("log_loss", m->log_loss, "of the probabilities");
    report_value("brier", m->brier, "");
    report_value("ece", m->ece, "expected calibration error, 15 bins");
    report_value("accuracy_best", m->accuracy_best, "at threshold_best, which was chosen on these very pairs");
    report_value("threshold_best", m->threshold_best, "");
    if (o->questions)
        report_value("seed_metric", m->seed_metric, "precision at distance < 0.5: what the 2017 code called accuracy");
}

void report_pairs(const sm_model *m, const float *d, const float *label, size_t n, const report_pairs_options *o)
{
    kn_error err;
    sm_metrics metrics;
    sm_spread folds;
    double *p = kn_alloc(n, sizeof *p, &err);
    if (!p)
        tool_die(&err);
    for (size_t i = 0; i < n; i++)
        p[i] = sm_model_probability(m, (double)d[i]);
    if (sm_evaluate(&metrics, d, m->calibrated ? p : NULL, label, n, m->threshold, &err) ||
        (o->folds && sm_folds_pairs(&folds, d, label, n, o->folds, (uint64_t)tool_common.seed, &err)))
        tool_die(&err);
    print(&metrics, m, o);
    if (o->folds)
        report_folds("accuracy", &folds, "parts, each at the threshold that is best on the others");
    if (o->curves)
        curves_save(o->curves, d, m->calibrated ? p : NULL, label, n);
    kn_free(p);
}
