/* siam-tokenize: a CSV of question pairs -> the same CSV, the questions as tokens. */
#include "tokenize/tokenize.h"
#include "tools/tool.h"

static const char *profile = "glove";

static const tool_option options[] = {
    {"profile", 0, OPT_CHOICE, &profile, "glove", 0, 0, "how text is cut: as that of the GloVe vectors was"},
    {0}};

static const tool tokenize = {"siam-tokenize", "[CSV]",
    "Prints the CSV again with the two question columns tokenised, tokens joined by one space; all else stays\n"
    "byte for byte. Tokenising tokens changes nothing. CSV is a file, gzip or zip; without it stdin.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS, options, 0, 1};

typedef struct writer {
    ds_pairs *in;
    char delimiter;
    bool swapped; /* question2's column comes before question1's */
    kn_buf row;
    uint64_t rows, tokens, empty;
} writer;

static int write_pair(void *arg, const tok_pair *p, kn_error *err)
{
    writer *w = arg;
    w->row.n = 0;
    for (int k = 0; k < 2; k++)
        if (kn_buf_add(&w->row, p->around[k].p, p->around[k].n, err) ||
            ds_csv_put(&w->row, p->q[w->swapped ? 1 - k : k], w->delimiter, err))
            return -1;
    if (kn_buf_add(&w->row, p->around[2].p, p->around[2].n, err))
        return -1;
    tool_write(w->row.p, w->row.n);
    w->rows++;
    w->tokens += p->n[0] + p->n[1];
    w->empty += p->n[0] == 0;
    w->empty += p->n[1] == 0;
    return 0;
}

static void show_rows(void *arg, uint64_t rows)
{
    const writer *w = arg;
    uint64_t done, total;
    ds_progress(ds_pairs_stream(w->in), &done, &total);
    tool_progress("tokenising", (double)rows, done ? (double)rows * (double)total / (double)done : 0, "pairs");
}

int main(int argc, char **argv)
{
    kn_error err;
    int n, column[3];
    char **operand = tool_start(&tokenize, argc, argv, &n);
    const char *name = n ? operand[0] : "-";
    const ds_pairs_options how = {.columns = tool_common.columns, .skip_bad = tool_common.skip_bad};
    ds_pairs *in = ds_pairs_open(name, &how, &err);
    if (!in)
        tool_die_at(name, &err);
    ds_pairs_columns(in, column);
    writer w = {.in = in, .delimiter = ds_csv_delimiter(ds_pairs_csv(in)), .swapped = column[0] > column[1]};
    const ds_row *header = ds_csv_header(ds_pairs_csv(in));
    tool_write(header->line.p, header->line.n);
    const tok_pairs_options o = {.profile = profile, .pair = write_pair, .progress = show_rows, .arg = &w};
    if (tok_pairs(in, &o, tool_pool(), &err))
        tool_die_at(name, &err);
    tool_progress_end();
    if (ds_pairs_rejected(in))
        tool_warn("%s: %s", ds_name(ds_pairs_stream(in)), ds_pairs_last_rejection(in));
    tool_say("%llu rows read = %llu written + %llu rejected; %llu tokens, %llu questions without any",
             (unsigned long long)ds_pairs_read(in), (unsigned long long)w.rows,
             (unsigned long long)ds_pairs_rejected(in), (unsigned long long)w.tokens, (unsigned long long)w.empty);
    kn_buf_free(&w.row);
    ds_pairs_close(in);
    return tool_finish();
}
