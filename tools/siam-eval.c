/* siam-eval: how good a model is on labelled pairs. */
#include <math.h>
#include <string.h>

#include "tools/coder.h"
#include "tools/curves.h"
#include "tools/text.h"
#include "tools/tool.h"

static const char *model_path, *pairs_path, *curves_path;

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-train"},
    {"pairs", 0, OPT_TEXT, &pairs_path, "CSV", 0, 0, "labelled pairs that the model has not seen"},
    {"curves", 0, OPT_TEXT, &curves_path, "FILE", 0, 0, "save ROC, precision-recall and reliability points (TSV)"},
    {0}};

static const tool eval = {"siam-eval", "-m MODEL --pairs CSV",
    "Measures a model on labelled pairs: at its own threshold, over all thresholds, and its probabilities.\n"
    "A value that is not defined on these pairs is nan (in JSON null).",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_DEVICE | TOOL_JSON, options, 0, 0};

static void print_value(const char *key, double value, const char *note)
{
    if (!tool_common.json)
        tool_printf(*note ? "%-18s %-12.6g %s\n" : "%-18s %.6g%s\n", key, value, note);
    else if (isnan(value))
        tool_printf(",\"%s\":null", key);
    else
        tool_printf(",\"%s\":%.17g", key, value);
}

static void report(const sm_metrics *m, const sm_model *model, bool trained_on_this)
{
    if (tool_common.json)
        tool_printf("{\"n\":%zu,\"positives\":%zu,\"calibrated\":%s,\"trained_on_this\":%s", m->n, m->positives,
                    model->calibrated ? "true" : "false", trained_on_this ? "true" : "false");
    else
        tool_printf("%-18s %-12zu pairs, %zu of them duplicates\n", "n", m->n, m->positives);
    print_value("threshold", m->threshold, model->calibrated ? "the model's: duplicate when the distance is below it"
                                                             : "the model is not calibrated");
    print_value("accuracy", m->accuracy, "");
    print_value("precision", m->precision, "of the pairs called duplicates, those that are");
    print_value("recall", m->recall, "of the duplicates, those that were found");
    print_value("f1", m->f1, "");
    print_value("auc", m->auc, "area under the ROC curve");
    print_value("average_precision", m->average_precision, "area under the precision-recall curve");
    print_value("log_loss", m->log_loss, "of the probabilities");
    print_value("brier", m->brier, "");
    print_value("ece", m->ece, "expected calibration error, 15 bins");
    print_value("accuracy_best", m->accuracy_best, "at threshold_best, which was chosen on these very pairs");
    print_value("threshold_best", m->threshold_best, "");
    print_value("seed_metric", m->seed_metric, "precision at distance < 0.5: what the 2017 code called accuracy");
    if (tool_common.json)
        tool_printf("}\n");
}

static void evaluate(const sm_model *m, const sm_pairs *pairs)
{
    kn_error err;
    sm_metrics metrics;
    float *d = kn_alloc(pairs->pairs, sizeof *d, &err);
    double *p = d ? kn_alloc(pairs->pairs, sizeof *p, &err) : NULL;
    sm_encoder *e = p ? sm_encoder_new(m, tool_backend(), &err) : NULL;
    if (!e)
        tool_die(&err);
    if (sm_distances(e, d, pairs, &err))
        tool_die_at(model_path, &err);
    for (size_t i = 0; i < pairs->pairs; i++)
        p[i] = sm_model_probability(m, (double)d[i]);
    if (sm_evaluate(&metrics, d, m->calibrated ? p : NULL, pairs->label, pairs->pairs, m->threshold, &err))
        tool_die(&err);
    bool trained_on_this = m->digest[0] && pairs->digest && !strcmp(pairs->digest, m->digest);
    if (trained_on_this)
        tool_warn("%s was trained on these very pairs: they say nothing about new ones", model_path);
    report(&metrics, m, trained_on_this);
    if (curves_path)
        curves_save(curves_path, d, m->calibrated ? p : NULL, pairs->label, pairs->pairs);
    sm_encoder_free(e);
    kn_free(p);
    kn_free(d);
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    tool_start(&eval, argc, argv, &n);
    if (!model_path || !pairs_path)
        tool_usage("-m MODEL and --pairs CSV are needed");
    sm_model *m = sm_model_open(model_path, &err);
    if (!m)
        tool_die_at(model_path, &err);
    idf_recipe *r = coder_recipe(m, model_path);
    idf_features f;
    text_embed(&f, text_read(pairs_path, idf_recipe_profile(r), NULL), r, pairs_path);
    if (f.pairs == 0)
        tool_dief("%s: no pairs to measure on", pairs_path);
    const sm_pairs pairs = text_pairs(&f);
    evaluate(m, &pairs);
    idf_features_free(&f);
    idf_recipe_free(r);
    sm_model_free(m);
    return tool_finish();
}
