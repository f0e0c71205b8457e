/* siam-predict: question pairs -> the same pairs with distance, probability and
 * answer. Reads and writes as it goes: memory is one batch. */
#include <math.h>
#include <string.h>

#include "tools/coder.h"
#include "tools/tool.h"

static const char *model_path;

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-train"},
    {0}};

static const tool predict = {"siam-predict", "-m MODEL [PAIRS]",
    "Prints the CSV again, in order, with three columns more: the distance of the two questions, the\n"
    "probability that they are duplicates (empty when the model is not calibrated), and 1 or 0 as the\n"
    "distance is below the model's threshold or not. A label column is not needed. PAIRS is a file, gzip or\n"
    "zip; without it stdin.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_DEVICE, options, 0, 1};

/* How the CSV that came in is written. */
typedef struct form {
    char delimiter;
    const char *ending;
} form;

/* A batch is full at so many pairs or so much text. */
enum { PAIRS = 2048, TEXT = 16 << 20 };

typedef struct batch {
    size_t n;
    kn_buf text;                 /* rows as they stood, and questions, one behind the other */
    size_t row[PAIRS + 1];       /* where row i starts; its questions stand behind it */
    size_t q1[PAIRS], q2[PAIRS]; /* where they start; q1 ends at q2 */
    float *x;                    /* [2 PAIRS, dim]: all first questions, then all second ones */
    float d[PAIRS];
    uint32_t first[PAIRS], second[PAIRS]; /* rows of x */
} batch;

/* A row without its line ending, which stands behind the new columns. */
static kn_str without_ending(kn_str line)
{
    if (line.n && line.p[line.n - 1] == '\n')
        line.n -= line.n > 1 && line.p[line.n - 2] == '\r' ? 2 : 1;
    return line;
}

static void add_pair(batch *b, const ds_pair *pair)
{
    kn_error err;
    kn_str line = without_ending(pair->row.line);
    b->q1[b->n] = b->text.n + line.n;
    b->q2[b->n] = b->q1[b->n] + pair->q1.n;
    if (kn_buf_add(&b->text, line.p, line.n, &err) || kn_buf_add(&b->text, pair->q1.p, pair->q1.n, &err) ||
        kn_buf_add(&b->text, pair->q2.p, pair->q2.n, &err))
        tool_die(&err);
    b->row[++b->n] = b->text.n;
}

static void measure(batch *b, coder *c, sm_encoder *e)
{
    kn_str question[2 * PAIRS];
    kn_error err;
    for (size_t i = 0; i < b->n; i++) {
        question[i] = (kn_str){b->text.p + b->q1[i], b->q2[i] - b->q1[i]};
        question[b->n + i] = (kn_str){b->text.p + b->q2[i], b->row[i + 1] - b->q2[i]};
        b->first[i] = (uint32_t)i;
        b->second[i] = (uint32_t)(b->n + i);
    }
    coder_embed(c, b->x, NULL, question, 2 * b->n);
    const sm_pairs p = {.pairs = b->n, .rows = 2 * b->n, .dim = coder_dim(c), .x = b->x, .q1 = b->first, .q2 = b->second};
    if (sm_distances(e, b->d, &p, &err))
        tool_die_at(model_path, &err);
}

static void flush(batch *b, coder *c, sm_encoder *e, const sm_model *m, const form *f)
{
    measure(b, c, e);
    for (size_t i = 0; i < b->n; i++) {
        double d = (double)b->d[i], p = sm_model_probability(m, d);
        tool_write(b->text.p + b->row[i], b->q1[i] - b->row[i]);
        tool_printf("%c%.9g%c", f->delimiter, d, f->delimiter);
        if (!isnan(p))
            tool_printf("%.6g", p);
        tool_printf("%c%d%s", f->delimiter, d < m->threshold, f->ending);
    }
    b->n = b->text.n = 0;
}

static uint64_t predict_all(ds_pairs *in, const char *name, coder *c, sm_encoder *e, const sm_model *m)
{
    kn_error err;
    ds_pair pair;
    kn_str header = ds_csv_header(ds_pairs_csv(in))->line, names = without_ending(header);
    const form f = {ds_csv_delimiter(ds_pairs_csv(in)), header.n == names.n + 2 ? "\r\n" : "\n"};
    uint64_t rows = 0, done, total;
    int more;
    batch *b = kn_alloc(1, sizeof *b, &err);
    if (!b || !(b->x = kn_alloc(2 * PAIRS * coder_dim(c), sizeof *b->x, &err)))
        tool_die(&err);
    tool_write(names.p, names.n);
    tool_printf("%cdistance%cprobability%cduplicate%s", f.delimiter, f.delimiter, f.delimiter, f.ending);
    while ((more = ds_pairs_next(in, &pair, &err)) > 0) {
        add_pair(b, &pair);
        rows++;
        if (b->n == PAIRS || b->text.n > TEXT) {
            flush(b, c, e, m, &f);
            ds_progress(ds_pairs_stream(in), &done, &total);
            tool_progress("pairs", (double)rows, done ? (double)rows * (double)total / (double)done : 0, "pairs");
        }
    }
    if (more < 0)
        tool_die_at(name, &err);
    flush(b, c, e, m, &f);
    tool_progress_end();
    kn_buf_free(&b->text);
    kn_free(b->x);
    kn_free(b);
    return rows;
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    char **operand = tool_start(&predict, argc, argv, &n);
    const char *name = n ? operand[0] : "-";
    if (!model_path)
        tool_usage("-m MODEL is needed");
    sm_model *m = sm_model_open(model_path, &err);
    if (!m)
        tool_die_at(model_path, &err);
    if (!m->calibrated)
        tool_warn("%s is not calibrated: no probabilities, and a threshold of %g", model_path, m->threshold);
    const ds_pairs_options how = {.columns = tool_common.columns, .skip_bad = tool_common.skip_bad};
    ds_pairs *in = ds_pairs_open(name, &how, &err);
    if (!in)
        tool_die_at(name, &err);
    coder *c = coder_open(m, model_path);
    sm_encoder *e = sm_encoder_new(m, tool_backend(), &err);
    if (!e)
        tool_die(&err);
    uint64_t rows = predict_all(in, name, c, e, m), rejected = ds_pairs_rejected(in);
    if (rejected)
        tool_warn("%s", ds_pairs_last_rejection(in));
    tool_say("%llu rows read = %llu written + %llu rejected", (unsigned long long)ds_pairs_read(in),
             (unsigned long long)rows, (unsigned long long)rejected);
    sm_encoder_free(e);
    coder_close(c);
    ds_pairs_close(in);
    sm_model_free(m);
    return tool_finish();
}
