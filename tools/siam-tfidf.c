/* siam-tfidf: a CSV of question pairs -> how often each word occurs, and its weight. */
#include "tfidf/tfidf.h"
#include "tools/rows.h"
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
    rows_progress(((const counter *)arg)->in, "counting", rows);
}

int main(int argc, char **argv)
{
    kn_error err;
    kn_buf text = {0};
    uint64_t read, rejected;
    int n;
    char **operand = tool_start(&tfidf, argc, argv, &n);
    counter c = {.in = rows_open(n ? operand[0] : "-", false), .table = idf_new(&err)};
    const tok_pairs_options o = {.profile = profile, .pair = count_pair, .progress = show_rows, .arg = &c};
    if (!c.table || tok_pairs(c.in, &o, tool_pool(), &err))
        tool_die_at(n ? operand[0] : "-", &err);
    rows_close(c.in, &read, &rejected);
    if (idf_print(c.table, &text, &err))
        tool_die(&err);
    tool_write(text.p, text.n);
    tool_say("%llu rows read = %llu counted + %llu rejected; %llu questions, %llu tokens, %u different words",
             (unsigned long long)read, (unsigned long long)(read - rejected), (unsigned long long)rejected,
             (unsigned long long)idf_documents(c.table), (unsigned long long)c.tokens, idf_words(c.table));
    kn_buf_free(&text);
    idf_free(c.table);
    return tool_finish();
}
