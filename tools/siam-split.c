/* siam-split: question pairs -> files to train on, to tune on and to test on. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tokenize/tokenize.h"
#include "tools/rows.h"
#include "tools/tool.h"

static double train = 0.88;
static const char *by = "component", *out[3]; /* by ds_part */
static int64_t min_chars;

static const tool_option options[] = {
    {"train", 0, OPT_REAL, &train, "SHARE", 0, 1, "share of the rows that is not for the test"},
    {"by", 0, OPT_CHOICE, &by, "row|component", 0, 0, "what stays together: each row by itself, or questions"},
    {"min-chars", 0, OPT_INT, &min_chars, "N", 0, 1 << 24, "leave out rows with a question shorter than this"},
    {"out-train", 0, OPT_TEXT, &out[DS_TRAIN], "FILE", 0, 0, "rows to train on"},
    {"out-test", 0, OPT_TEXT, &out[DS_TEST], "FILE", 0, 0, "rows to test on"},
    {"out-dev", 0, OPT_TEXT, &out[DS_DEV], "FILE", 0, 0, "rows to tune on: as many as for the test, taken from train"},
    {0}};

static const tool split = {"siam-split", "--out-train FILE --out-test FILE [PAIRS]",
    "Splits question pairs at random, the same way for the same seed. Rows go out byte for byte and in order,\n"
    "each file with the header. By component no question is on both sides: questions that pairs connect stay\n"
    "together, and the largest such set is in train. The test file does not depend on --out-dev. PAIRS is a\n"
    "CSV or TSV, plain, gzip or zip; without it stdin. What is written is plain.",
    TOOL_PAIRS | TOOL_SEED | TOOL_JSON, options, 0, 1};

/* The rows wait in a temporary file until it is known where they go. */
typedef struct pile {
    FILE *rows;
    uint32_t *length; /* [q.pairs], of each */
    size_t room;
    kn_buf header;
    tok_questions q;
    uint64_t read, rejected, too_short;
} pile;

/* ---- reading ---------------------------------------------------------------------- */

static bool is_short(kn_str question)
{
    return tok_characters(tok_trim(question)) < (size_t)min_chars;
}

/* The row, ended by a newline also where the file ends without one. */
static int keep_row(pile *p, const ds_pair *pair, kn_error *err)
{
    kn_str line = pair->row.line;
    bool ended = line.p[line.n - 1] == '\n';
    if (kn_grow(&p->length, &p->room, p->q.pairs + 1, sizeof *p->length, err))
        return -1;
    p->length[p->q.pairs] = (uint32_t)line.n + !ended;
    if (fwrite(line.p, 1, line.n, p->rows) != line.n || (!ended && putc('\n', p->rows) == EOF))
        return kn_fail_errno(err, "the temporary file cannot be written");
    return tok_questions_add(&p->q, pair->q1, pair->q2, err);
}

static void read_rows(pile *p, const char *path)
{
    kn_error err;
    ds_pair pair;
    ds_pairs *in = rows_open(path, false);
    kn_str header = ds_csv_header(ds_pairs_csv(in))->line;
    bool ended = header.p[header.n - 1] == '\n';
    int fd = ds_temporary(&err);
    if (fd < 0 || !(p->q.text = tok_vocab_new(&err)) || kn_buf_add(&p->header, header.p, header.n, &err) ||
        kn_buf_add(&p->header, "\n", !ended, &err))
        tool_die(&err);
    if (!(p->rows = fdopen(fd, "w+")))
        tool_dief("the temporary file cannot be used: %s", strerror(errno));
    while (rows_next(in, &pair, "reading"))
        if (is_short(pair.q1) || is_short(pair.q2))
            p->too_short++;
        else if (keep_row(p, &pair, &err))
            tool_die(&err);
    rows_close(in, &p->read, &p->rejected);
}

/* ---- splitting ---------------------------------------------------------------------- */

static void choose(uint8_t *part, const pile *p)
{
    kn_error err;
    uint32_t *group = NULL, *component = NULL, n, nodes = tok_vocab_size(p->q.text);
    if (!strcmp(by, "component")) {
        if (!(group = kn_alloc(p->q.pairs, sizeof *group, &err)) ||
            !(component = kn_alloc(nodes, sizeof *component, &err)) ||
            ds_components(component, &n, p->q.id, p->q.pairs, nodes, &err))
            tool_die(&err);
        for (size_t i = 0; i < p->q.pairs; i++)
            group[i] = component[p->q.id[2 * i]];
    }
    if (ds_split(part, group, p->q.pairs, train, out[DS_DEV], (uint64_t)tool_common.seed, &err))
        tool_die(&err);
    kn_free(group);
    kn_free(component);
}

static void write_rows(pile *p, const uint8_t *part, uint64_t count[3])
{
    kn_error err;
    kn_save *file[3] = {0};
    char *row = NULL;
    size_t room = 0;
    for (int k = 0; k < 3; k++)
        if (out[k] && (!(file[k] = kn_save_open(out[k], &err)) ||
                       kn_save_write(file[k], p->header.p, p->header.n, &err)))
            tool_die(&err);
    if (fflush(p->rows) || fseek(p->rows, 0, SEEK_SET))
        tool_dief("the temporary file cannot be written: %s", strerror(errno));
    for (size_t i = 0; i < p->q.pairs; i++) {
        if (kn_grow(&row, &room, p->length[i], 1, &err))
            tool_die(&err);
        if (fread(row, 1, p->length[i], p->rows) != p->length[i])
            tool_dief("the temporary file cannot be read");
        if (kn_save_write(file[part[i]], row, p->length[i], &err))
            tool_die(&err);
        count[part[i]]++;
    }
    for (int k = 0; k < 3; k++)
        if (file[k] && kn_save_commit(file[k], &err))
            tool_die(&err);
    kn_free(row);
}

/* Questions of test rows, and how many of them train rows hold too. */
static void count_shared(const pile *p, const uint8_t *part, uint64_t *tested, uint64_t *shared)
{
    kn_error err;
    uint32_t n = tok_vocab_size(p->q.text);
    uint8_t *seen = kn_alloc(n, 1, &err); /* bit k: in a row of part k */
    if (!seen)
        tool_die(&err);
    for (size_t i = 0; i < 2 * p->q.pairs; i++)
        seen[p->q.id[i]] |= (uint8_t)(1 << part[i / 2]);
    for (uint32_t i = 0; i < n; i++) {
        *tested += seen[i] >> DS_TEST & 1;
        *shared += seen[i] >> DS_TEST & seen[i] >> DS_TRAIN & 1;
    }
    kn_free(seen);
}

static void report(const pile *p, const uint64_t count[3], uint64_t tested, uint64_t shared)
{
    const struct { const char *key; uint64_t n; } line[] = {
        {"rows", p->read}, {"rejected", p->rejected}, {"too_short", p->too_short}, {"train", count[DS_TRAIN]},
        {"dev", count[DS_DEV]}, {"test", count[DS_TEST]}, {"test_questions", tested},
        {"test_questions_in_train", shared}};
    for (size_t i = 0; i < sizeof line / sizeof *line; i++)
        if (tool_common.json)
            tool_printf("%s\"%s\":%llu", i ? "," : "{", line[i].key, (unsigned long long)line[i].n);
        else
            tool_printf("%-24s %llu\n", line[i].key, (unsigned long long)line[i].n);
    if (tool_common.json)
        tool_printf("}\n");
    tool_say("%llu rows read = %llu train + %llu dev + %llu test + %llu rejected + %llu too short",
             (unsigned long long)p->read, (unsigned long long)count[DS_TRAIN], (unsigned long long)count[DS_DEV],
             (unsigned long long)count[DS_TEST], (unsigned long long)p->rejected, (unsigned long long)p->too_short);
}

static bool same_file(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    uint64_t count[3] = {0}, tested = 0, shared = 0;
    pile p = {0};
    char **operand = tool_start(&split, argc, argv, &n);
    if (!out[DS_TRAIN] || !out[DS_TEST])
        tool_usage("--out-train FILE and --out-test FILE are needed");
    if (same_file(out[0], out[1]) || same_file(out[1], out[2]) || same_file(out[0], out[2]))
        tool_usage("the files to write must differ");
    if (!(train > 0 && train < 1))
        tool_usage("--train must be above 0 and below 1");
    if (out[DS_DEV] && train <= 0.5)
        tool_usage("with --out-dev, which takes as much as the test, --train must be above 0.5");
    read_rows(&p, n ? operand[0] : NULL);
    uint8_t *part = kn_alloc(p.q.pairs, 1, &err);
    if (!part)
        tool_die(&err);
    choose(part, &p);
    write_rows(&p, part, count);
    count_shared(&p, part, &tested, &shared);
    report(&p, count, tested, shared);
    fclose(p.rows);
    kn_free(part);
    kn_free(p.length);
    kn_buf_free(&p.header);
    tok_questions_free(&p.q);
    return tool_finish();
}
