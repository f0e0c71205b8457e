/* siam-stats: what a set of question pairs is like, before anything is trained. */
#include <math.h>

#include "siamese/siamese.h"
#include "tokenize/tokenize.h"
#include "tools/rows.h"
#include "tools/tool.h"

enum { SHORT = 10 }; /* characters */

static const tool stats = {"siam-stats", "[PAIRS]",
    "Describes question pairs: how many, how long, how they hang together, and how well it would do to answer\n"
    "by nothing but how often a question is asked in this very file (leakage). Questions are the same when\n"
    "their texts are. PAIRS is a CSV or TSV, plain, gzip or zip; without it stdin.",
    TOOL_OUT | TOOL_PAIRS | TOOL_JSON, NULL, 0, 1};

typedef struct figures {
    uint64_t read, rejected;
    tok_questions q;
    tok_lengths characters, tokens;
    float *label; /* [q.pairs] when `labelled` */
    size_t label_room, labelled, duplicates, repeats;
    uint32_t components;
    size_t most_questions, most_pairs; /* of the largest component */
    sm_metrics by_min, by_mean;        /* of the frequency as a distance */
} figures;

/* ---- collecting ------------------------------------------------------------------ */

static int add_pair(figures *f, tok_tokenizer *t, const ds_pair *pair, kn_error *err)
{
    const kn_str text[2] = {pair->q1, pair->q2}, *token;
    size_t tokens;
    for (int k = 0; k < 2; k++)
        if (tok_lengths_add(&f->characters, tok_characters(tok_trim(text[k])), err) ||
            tok_tokens(t, &token, &tokens, text[k], err) || tok_lengths_add(&f->tokens, tokens, err))
            return -1;
    if (kn_grow(&f->label, &f->label_room, f->q.pairs + 1, sizeof *f->label, err))
        return -1;
    f->label[f->q.pairs] = (float)pair->label;
    f->labelled += pair->label >= 0;
    f->duplicates += pair->label == 1;
    return tok_questions_add(&f->q, pair->q1, pair->q2, err);
}

static void read_pairs(figures *f, const char *path)
{
    kn_error err;
    ds_pair pair;
    ds_pairs *in = rows_open(path, false);
    tok_tokenizer *t = tok_new("glove", &err);
    if (!t || !(f->q.text = tok_vocab_new(&err)))
        tool_die(&err);
    while (rows_next(in, &pair, "reading"))
        if (add_pair(f, t, &pair, &err))
            tool_die(&err);
    tok_free(t);
    rows_close(in, &f->read, &f->rejected);
}

static size_t largest(const uint32_t *n, size_t count)
{
    size_t best = 0;
    for (size_t i = 0; i < count; i++)
        best = n[i] > best ? n[i] : best;
    return best;
}

static void measure_components(figures *f)
{
    kn_error err;
    uint32_t nodes = tok_vocab_size(f->q.text), *component = kn_alloc(nodes, sizeof *component, &err);
    if (!component || ds_components(component, &f->components, f->q.id, f->q.pairs, nodes, &err))
        tool_die(&err);
    uint32_t *questions = kn_alloc(f->components, sizeof *questions, &err);
    uint32_t *pairs = questions ? kn_alloc(f->components, sizeof *pairs, &err) : NULL;
    if (!pairs)
        tool_die(&err);
    for (uint32_t i = 0; i < nodes; i++)
        questions[component[i]]++;
    for (size_t i = 0; i < f->q.pairs; i++)
        pairs[component[f->q.id[2 * i]]]++;
    f->most_questions = largest(questions, f->components);
    f->most_pairs = largest(pairs, f->components);
    kn_free(component);
    kn_free(questions);
    kn_free(pairs);
}

/* How well "asked often" predicts "duplicate": the more often, the closer. */
static void measure_leakage(figures *f)
{
    kn_error err;
    f->by_min = f->by_mean = (sm_metrics){.auc = (double)NAN, .accuracy_best = (double)NAN};
    if (!f->q.pairs || f->labelled < f->q.pairs)
        return;
    float *d_min = kn_alloc(f->q.pairs, sizeof *d_min, &err);
    float *d_mean = d_min ? kn_alloc(f->q.pairs, sizeof *d_mean, &err) : NULL;
    if (!d_mean)
        tool_die(&err);
    for (size_t i = 0; i < f->q.pairs; i++) {
        float a = (float)f->q.asked[f->q.id[2 * i]], b = (float)f->q.asked[f->q.id[2 * i + 1]];
        d_min[i] = -fminf(a, b);
        d_mean[i] = -(a + b) / 2;
    }
    if (sm_evaluate(&f->by_min, d_min, NULL, f->label, f->q.pairs, 0, &err) ||
        sm_evaluate(&f->by_mean, d_mean, NULL, f->label, f->q.pairs, 0, &err))
        tool_die(&err);
    kn_free(d_min);
    kn_free(d_mean);
}

/* ---- reporting ----------------------------------------------------------------------- */

/* One figure, NAN when there is none, as a line or as a member of the JSON object. */
static void say(const char *key, double value, const char *note)
{
    static int said;
    const char *before = said++ ? "," : "{";
    int digits = value == floor(value) ? 0 : 4;
    if (!tool_common.json && isnan(value))
        tool_printf("%-28s %-10s %s\n", key, "-", note);
    else if (!tool_common.json)
        tool_printf(*note ? "%-28s %-10.*f %s\n" : "%-28s %.*f%s\n", key, digits, value, note);
    else if (isnan(value))
        tool_printf("%s\"%s\":null", before, key);
    else
        tool_printf("%s\"%s\":%.17g", before, key, value);
}

static void say_lengths(const char *const key[4], const tok_lengths *l, const char *note)
{
    say(key[0], tok_lengths_mean(l), note);
    say(key[1], (double)tok_lengths_quantile(l, 0.5), "");
    say(key[2], (double)tok_lengths_quantile(l, 0.95), "");
    say(key[3], (double)l->max, "");
}

static void report(const figures *f)
{
    double n = (double)f->q.pairs, yes = (double)f->duplicates;
    say("rows", (double)f->read, "read = pairs + rejected");
    say("pairs", n, "");
    say("rejected", (double)f->rejected, "");
    say("duplicates", f->labelled ? yes : (double)NAN, "pairs with label 1");
    say("duplicate_share", f->labelled ? yes / (double)f->labelled : (double)NAN, "");
    say("repeated_pairs", (double)f->repeats, "the same two questions as a pair before");
    say_lengths((const char *[]){"characters_mean", "characters_median", "characters_p95", "characters_max"},
                &f->characters, "a question");
    say_lengths((const char *[]){"tokens_mean", "tokens_median", "tokens_p95", "tokens_max"}, &f->tokens, "a question");
    say("questions", 2 * n, "two a pair");
    say("short_questions", (double)tok_lengths_below(&f->characters, SHORT), "of them, under 10 characters");
    say("empty_questions", (double)tok_lengths_below(&f->characters, 1), "of them, without any");
    say("unique_questions", (double)tok_vocab_size(f->q.text), "different texts");
    say("components", (double)f->components, "sets of questions that pairs connect");
    say("largest_component_questions", (double)f->most_questions, "");
    say("largest_component_pairs", (double)f->most_pairs, "");
    say("leakage_auc_min", f->by_min.auc, "of the rarer question's frequency as a prediction");
    say("leakage_accuracy_min", f->by_min.accuracy_best, "at its best threshold");
    say("leakage_auc_mean", f->by_mean.auc, "of the mean frequency of both");
    say("leakage_accuracy_mean", f->by_mean.accuracy_best, "at its best threshold");
    say("majority_accuracy", f->labelled ? fmax(yes, (double)f->labelled - yes) / (double)f->labelled : (double)NAN, "by the more frequent label, always");
    if (tool_common.json)
        tool_printf("}\n");
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    figures f = {0};
    char **operand = tool_start(&stats, argc, argv, &n);
    read_pairs(&f, n ? operand[0] : NULL);
    if (tok_questions_repeats(&f.q, &f.repeats, &err))
        tool_die(&err);
    measure_components(&f);
    measure_leakage(&f);
    report(&f);
    tok_questions_free(&f.q);
    tok_lengths_free(&f.characters);
    tok_lengths_free(&f.tokens);
    kn_free(f.label);
    return tool_finish();
}
