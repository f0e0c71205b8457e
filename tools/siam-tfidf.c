/* siam-tfidf: a CSV of question pairs -> how often each word occurs, and its weight. */
#include "tfidf/tfidf.h"
#include "tools/tool.h"

static const char *profile = "glove";

static const tool_option options[] = {
    {"profile", 0, OPT_CHOICE, &profile, "glove", 0, 0, "how text is cut, when it is not tokenised yet"},
    {0}};

static const tool tfidf = {"siam-tfidf", "[TOKENS]",
    "Counts in how many questions each word occurs and prints `word df idf` a line, sorted by df, then word;\n"
    "idf = ln((1+n)/(1+df)) + 1. TOKENS is what siam-tokenize prints, or a plain CSV of pairs, that is\n"
    "tokenised on the way; a file, gzip or zip; without it stdin. Count training data only.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS, options, 0, 1};

typedef struct counter {
    ds_pairs *in;
    idf_table *table;
    uint64_t tokens;
} counter;

static int count_pair(void *arg, const tok_pair *p, kn_error *err)
{
    counter *c = arg;
    for (int k = 0; k < 2; k++) {
        if (idf_add(c->table, p->token[k], p->n[k], err))
            return -1;
        c->tokens += p->n[k];
    }
    return 0;
}

static void show_rows(void *arg, uint64_t rows)
{
    const counter *c = arg;
    uint64_t done, total;
    ds_progress(ds_pairs_stream(c->in), &done, &total);
    tool_progress("counting", (double)rows, done ? (double)rows * (double)total / (double)done : 0, "pairs");
}

int main(int argc, char **argv)
{
    kn_error err;
    kn_buf text = {0};
    int n;
    char **operand = tool_start(&tfidf, argc, argv, &n);
    const char *name = n ? operand[0] : "-";
    const ds_pairs_options how = {.columns = tool_common.columns, .skip_bad = tool_common.skip_bad};
    counter c = {.in = ds_pairs_open(name, &how, &err)};
    if (!c.in)
        tool_die_at(name, &err);
    const tok_pairs_options o = {.profile = profile, .pair = count_pair, .progress = show_rows, .arg = &c};
    if (!(c.table = idf_new(&err)) || tok_pairs(c.in, &o, tool_pool(), &err))
        tool_die_at(name, &err);
    tool_progress_end();
    if (idf_print(c.table, &text, &err))
        tool_die(&err);
    tool_write(text.p, text.n);
    if (ds_pairs_rejected(c.in))
        tool_warn("%s: %s", ds_name(ds_pairs_stream(c.in)), ds_pairs_last_rejection(c.in));
    tool_say("%llu rows read = %llu counted + %llu rejected; %llu questions, %llu tokens, %u different words",
             (unsigned long long)ds_pairs_read(c.in),
             (unsigned long long)(ds_pairs_read(c.in) - ds_pairs_rejected(c.in)),
             (unsigned long long)ds_pairs_rejected(c.in), (unsigned long long)idf_documents(c.table),
             (unsigned long long)c.tokens, idf_words(c.table));
    kn_buf_free(&text);
    idf_free(c.table);
    ds_pairs_close(c.in);
    return tool_finish();
}
