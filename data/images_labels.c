/* What a CSV says of images: "file,score|label[,split]". A file's name is looked
 * for below the CSV's own folder, the source, its one top folder, and last as
 * the end of exactly one item's path. */
#include <math.h>
#include <string.h>

#include "data/images_private.h"

enum { FILE_NAME, SCORE, LABEL, SPLIT, COLUMNS };

static const char *const column_name[COLUMNS] = {"file", "score", "label", "split"};

typedef struct table {
    ds_images *set;
    const ds_images_options *options;
    ds_csv *csv;
    int column[COLUMNS]; /* -1: there is none */
    kn_buf folder;       /* "FOLDER/" of a CSV inside the source */
    ds_named *by_base;   /* [count]: items by the last part of their names */
    bool *named;         /* [count]: a row was about it */
} table;

/* ---- names ------------------------------------------------------------------------ */

static kn_str base_of(kn_str name)
{
    const char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;
    return slash ? (kn_str){slash + 1, name.n - (size_t)(slash + 1 - name.p)} : name;
}

/* Whether name is path, or its end behind a slash. */
static bool is_end(kn_str path, kn_str name)
{
    return path.n >= name.n && !memcmp(path.p + path.n - name.n, name.p, name.n) &&
           (path.n == name.n || path.p[path.n - name.n - 1] == '/');
}

/* The one item whose path ends like this; -1 none, -2 several. */
static ptrdiff_t find_end(const table *t, kn_str name)
{
    kn_str base = base_of(name);
    ptrdiff_t found = -1;
    for (size_t i = ds_named_find(t->by_base, t->set->count, base);
         i < t->set->count && kn_str_eq(t->by_base[i].name, base); i++) {
        if (!is_end(kn_str_c(t->set->item[t->by_base[i].item].name), name))
            continue;
        if (found >= 0)
            return -2;
        found = t->by_base[i].item;
    }
    return found;
}

static int find_file(table *t, kn_str name, ptrdiff_t *item, kn_error *err)
{
    size_t folder = t->folder.n;
    if (name.n > 2 && !memcmp(name.p, "./", 2))
        name = (kn_str){name.p + 2, name.n - 2};
    *item = -1;
    if (folder && name.n) {
        if (kn_buf_add(&t->folder, name.p, name.n, err))
            return -1;
        *item = ds_images_find(t->set, (kn_str){t->folder.p, t->folder.n});
        t->folder.n = folder;
    }
    if (*item < 0)
        *item = ds_images_find(t->set, name);
    if (*item < 0 && name.n)
        *item = find_end(t, name);
    return 0;
}

static int index_bases(table *t, kn_error *err)
{
    const ds_images *s = t->set;
    if (!(t->by_base = kn_alloc(s->count, sizeof *t->by_base, err)) ||
        !(t->named = kn_alloc(s->count, sizeof *t->named, err)))
        return -1;
    for (uint32_t i = 0; i < s->count; i++)
        t->by_base[i] = (ds_named){base_of(kn_str_c(s->item[i].name)), i};
    ds_named_sort(t->by_base, s->count);
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------- */

static int find_columns(table *t, kn_error *err)
{
    const ds_row *h = ds_csv_header(t->csv);
    for (int k = 0; k < COLUMNS; k++) {
        t->column[k] = -1;
        for (size_t i = 0; i < h->n; i++) {
            if (!kn_str_eq(h->field[i], kn_str_c(column_name[k])))
                continue;
            if (t->column[k] >= 0)
                return kn_fail(err, "two columns are called \"%s\"", column_name[k]);
            t->column[k] = (int)i;
        }
    }
    if (t->column[FILE_NAME] < 0 || (t->column[SCORE] < 0 && t->column[LABEL] < 0))
        return kn_fail(err, "its header row must have the column \"file\" and \"score\" or \"label\"");
    return 0;
}

static int bad_row(const ds_row *row, kn_str field, const char *what, kn_error *why)
{
    kn_fail(why, "row %llu, byte %llu: \"%.*s\" %s", (unsigned long long)row->row, (unsigned long long)row->byte,
            (int)(field.n < 200 ? field.n : 200), field.n ? field.p : "", what);
    return -2;
}

/* 0; -1 out of memory, in err; -2 the row is bad, in why. */
static int apply_row(table *t, const ds_row *row, kn_error *why, kn_error *err)
{
    ptrdiff_t i;
    double score = NAN;
    kn_str name = row->field[t->column[FILE_NAME]], label = {0}, split = {0};
    if (find_file(t, name, &i, err))
        return -1;
    if (i < 0)
        return bad_row(row, name, i == -1 ? "is no image of the source" : "is the end of several images' paths", why);
    if (t->named[i])
        return bad_row(row, name, "has a row already", why);
    if (t->column[SCORE] >= 0 && kn_parse_f64(&score, row->field[t->column[SCORE]], -HUGE_VAL, HUGE_VAL))
        return bad_row(row, row->field[t->column[SCORE]], "is no score", why);
    if (t->column[LABEL] >= 0 && (!(label = row->field[t->column[LABEL]]).n || memchr(label.p, '\0', label.n)))
        return bad_row(row, label, "is no label", why);
    if (t->column[SPLIT] >= 0)
        split = row->field[t->column[SPLIT]];
    ds_item *item = &t->set->item[i];
    item->score = score;
    if (!(item->split = ds_images_keep(t->set, split, err)) ||
        !(item->group.p = ds_images_keep(t->set, label, err)))
        return -1;
    item->group.n = label.n;
    t->named[i] = true;
    return 0;
}

static int read_rows(table *t, kn_error *err)
{
    ds_row row;
    kn_error why;
    for (;;) {
        int r = ds_csv_next(t->csv, &row, &why);
        if (r == 0)
            return 0;
        if (r == -1)
            return kn_fail(err, "%s", why.text);
        if (r == 1 && (r = apply_row(t, &row, &why, err)) == -1)
            return -1;
        if (r == -2 && ds_images_reject(t->set, t->options, &why, err))
            return -1;
    }
}

static void drop_unnamed(table *t)
{
    ds_images *s = t->set;
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (t->named[i])
            s->item[n++] = s->item[i];
    s->count = n;
    s->folders = false;
}

/* ---- opening ---------------------------------------------------------------------------- */

/* The CSV inside the source. */
static ds_stream *open_inside(table *t, kn_error *err)
{
    const ds_item *csv = &t->set->labels;
    kn_buf path = {0};
    if (kn_buf_add(&t->folder, csv->name, strlen(csv->name) - strlen("labels.csv"), err))
        return NULL;
    if (csv->bytes)
        return ds_open_memory(csv->bytes, csv->n, 0, err);
    ds_stream *in = kn_buf_addf(&path, err, "%s/%s", t->set->source, csv->name) || kn_buf_add(&path, "", 1, err)
                        ? NULL : ds_open(path.p, err);
    kn_buf_free(&path);
    return in;
}

int ds_images_read_labels(ds_images *s, const ds_images_options *o, kn_error *err)
{
    table t = {.set = s, .options = o};
    ds_stream *in = o->labels ? ds_open(o->labels, err) : open_inside(&t, err);
    int rc = -1;
    if (in && !index_bases(&t, err) && (t.csv = ds_csv_new(in, 0, err)) && !find_columns(&t, err) &&
        !read_rows(&t, err)) {
        drop_unnamed(&t);
        rc = 0;
    }
    if (rc)
        kn_fail_prefix(err, "%s", o->labels ? o->labels : s->labels.name);
    ds_csv_free(t.csv);
    ds_close(in);
    kn_free(t.by_base);
    kn_free(t.named);
    kn_buf_free(&t.folder);
    return rc;
}
