/* Question pairs: the columns that matter, found by their names. */
#include <string.h>

#include "data/data.h"

enum { Q1, Q2, LABEL, QID1, QID2, COLUMNS };

static const char *const default_name[COLUMNS] = {"question1", "question2", "is_duplicate", "qid1", "qid2"};

struct ds_pairs {
    ds_stream *stream;
    ds_csv *csv;
    bool need_label, skip_bad;
    kn_str name[COLUMNS]; /* into default_name or the caller's options */
    bool renamed[COLUMNS];
    int column[COLUMNS];  /* -1: there is none */
    uint64_t read, rejected;
    kn_error last;
};

/* ---- columns ------------------------------------------------------------------ */

/* One "question1=a" of the caller's map. */
static int rename_column(ds_pairs *p, kn_str entry, kn_error *err)
{
    const char *eq = memchr(entry.p, '=', entry.n);
    kn_str key = {entry.p, eq ? (size_t)(eq - entry.p) : 0};
    for (int i = 0; eq && i < COLUMNS; i++)
        if (kn_str_eq(key, kn_str_c(default_name[i]))) {
            p->name[i] = (kn_str){eq + 1, entry.n - key.n - 1};
            p->renamed[i] = true;
            return 0;
        }
    return kn_fail(err, "columns: \"%.*s\" is not NAME=COLUMN with NAME one of question1, question2, is_duplicate, "
                   "qid1, qid2", (int)entry.n, entry.p);
}

static int rename_columns(ds_pairs *p, const char *map, kn_error *err)
{
    for (; map; map = strchr(map, ',') ? strchr(map, ',') + 1 : NULL)
        if (rename_column(p, (kn_str){map, strcspn(map, ",")}, err))
            return -1;
    return 0;
}

static int missing(const ds_pairs *p, int which, kn_error *err)
{
    const ds_row *h = ds_csv_header(p->csv);
    kn_buf names = {0};
    for (size_t i = 0; i < h->n && names.n < 400; i++)
        if (kn_buf_addf(&names, err, "%s%.*s", i ? ", " : "", (int)(h->field[i].n < 80 ? h->field[i].n : 80),
                        h->field[i].p))
            break;
    kn_fail(err, "no column \"%.*s\" in the header row (it has: %.*s); --columns %s=NAME says which one it is",
            (int)p->name[which].n, p->name[which].p, (int)names.n, names.n ? names.p : "", default_name[which]);
    kn_buf_free(&names);
    return -1;
}

static int find_columns(ds_pairs *p, kn_error *err)
{
    const ds_row *h = ds_csv_header(p->csv);
    for (int k = 0; k < COLUMNS; k++) {
        p->column[k] = -1;
        for (size_t i = 0; i < h->n; i++) {
            if (!kn_str_eq(h->field[i], p->name[k]))
                continue;
            if (p->column[k] >= 0)
                return kn_fail(err, "two columns are called \"%.*s\"", (int)p->name[k].n, p->name[k].p);
            p->column[k] = (int)i;
        }
        bool needed = k == Q1 || k == Q2 || (k == LABEL && p->need_label) || p->renamed[k];
        if (needed && p->column[k] < 0)
            return missing(p, k, err);
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------------- */

ds_pairs *ds_pairs_open(const char *path, const ds_pairs_options *o, kn_error *err)
{
    ds_pairs *p = kn_alloc(1, sizeof *p, err);
    if (!p)
        return NULL;
    p->need_label = o->need_label;
    p->skip_bad = o->skip_bad;
    for (int k = 0; k < COLUMNS; k++)
        p->name[k] = kn_str_c(default_name[k]);
    if (rename_columns(p, o->columns, err) || !(p->stream = ds_open(path, err)) ||
        !(p->csv = ds_csv_new(p->stream, 0, err)) || find_columns(p, err)) {
        ds_pairs_close(p);
        return NULL;
    }
    return p;
}

/* ---- reading ------------------------------------------------------------------------ */

static kn_str at_column(const ds_row *row, int column)
{
    return column < 0 ? (kn_str){"", 0} : row->field[column];
}

/* The pair of a row that has the right fields; -1 when its label is none. */
static int make_pair(const ds_pairs *p, ds_pair *pair, const ds_row *row, kn_error *err)
{
    kn_str label = at_column(row, p->column[LABEL]);
    *pair = (ds_pair){.q1 = at_column(row, p->column[Q1]), .q2 = at_column(row, p->column[Q2]), .label = -1,
                      .qid1 = at_column(row, p->column[QID1]), .qid2 = at_column(row, p->column[QID2]), .row = *row};
    if (label.n == 1 && (label.p[0] == '0' || label.p[0] == '1'))
        pair->label = label.p[0] - '0';
    else if (p->need_label || label.n)
        return kn_fail(err, "row %llu, byte %llu: the label in column \"%.*s\" is \"%.*s\", not 0 or 1",
                       (unsigned long long)row->row, (unsigned long long)row->byte, (int)p->name[LABEL].n,
                       p->name[LABEL].p, (int)(label.n < 40 ? label.n : 40), label.p);
    return 0;
}

int ds_pairs_next(ds_pairs *p, ds_pair *pair, kn_error *err)
{
    ds_row row;
    for (;;) {
        int r = ds_csv_next(p->csv, &row, &p->last);
        if (r == 0)
            return 0;
        if (r == -1)
            return kn_fail(err, "%s", p->last.text);
        p->read++;
        if (r == 1 && !make_pair(p, pair, &row, &p->last))
            return 1;
        p->rejected++;
        if (!p->skip_bad)
            return kn_fail(err, "%s; --skip-bad leaves such rows out and counts them", p->last.text);
    }
}

ds_csv *ds_pairs_csv(ds_pairs *p)
{
    return p->csv;
}

ds_stream *ds_pairs_stream(ds_pairs *p)
{
    return p->stream;
}

void ds_pairs_columns(const ds_pairs *p, int column[3])
{
    memcpy(column, p->column, 3 * sizeof *column); /* Q1, Q2, LABEL */
}

uint64_t ds_pairs_read(const ds_pairs *p)
{
    return p->read;
}

uint64_t ds_pairs_rejected(const ds_pairs *p)
{
    return p->rejected;
}

const char *ds_pairs_last_rejection(const ds_pairs *p)
{
    return p->rejected ? p->last.text : "";
}

void ds_pairs_close(ds_pairs *p)
{
    if (!p)
        return;
    ds_csv_free(p->csv);
    ds_close(p->stream);
    kn_free(p);
}
