/* siam-tokenize: a CSV of question pairs -> the same CSV, the questions as tokens. */
#include "tokenize/tokenize.h"
#include "tools/rows.h"
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
    rows_progress(((const writer *)arg)->in, "tokenising", rows);
}

int main(int argc, char **argv)
{
    kn_error err;
    uint64_t read, rejected;
    int n, column[3];
    char **operand = tool_start(&tokenize, argc, argv, &n);
    ds_pairs *in = rows_open(n ? operand[0] : "-", false);
    ds_pairs_columns(in, column);
    writer w = {.in = in, .delimiter = ds_csv_delimiter(ds_pairs_csv(in)), .swapped = column[0] > column[1]};
    const kn_str header = ds_csv_header(ds_pairs_csv(in))->line;
    tool_write(header.p, header.n);
    const tok_pairs_options o = {.profile = profile, .pair = write_pair, .progress = show_rows, .arg = &w};
    if (tok_pairs(in, &o, tool_pool(), &err))
        tool_die_at(n ? operand[0] : "-", &err);
    rows_close(in, &read, &rejected);
    tool_say("%llu rows read = %llu written + %llu rejected; %llu tokens, %llu questions without any",
             (unsigned long long)read, (unsigned long long)w.rows, (unsigned long long)rejected,
             (unsigned long long)w.tokens, (unsigned long long)w.empty);
    kn_buf_free(&w.row);
    return tool_finish();
}
