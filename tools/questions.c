/* Lists of questions, from a CSV or from plain text. */
#include "tools/questions.h"

#include <string.h>

#include "data/data.h"
#include "tools/tool.h"

/* The name that --columns gives to `role`, or role itself. */
static kn_str column_name(const char *role)
{
    size_t n = strlen(role);
    for (const char *p = tool_common.columns; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, role, n) && p[n] == '=')
            return (kn_str){p + n + 1, strcspn(p + n + 1, ",")};
    return kn_str_c(role);
}

static int find_column(const ds_row *header, const char *role)
{
    kn_str name = column_name(role);
    for (size_t i = 0; i < header->n; i++)
        if (kn_str_eq(header->field[i], name))
            return (int)i;
    return -1;
}

/* The columns with questions, up to two; how many, 0 when this is no such CSV. */
static int find_columns(const ds_row *header, int column[2])
{
    column[0] = find_column(header, "question");
    if (column[0] >= 0)
        return 1;
    column[0] = find_column(header, "question1");
    column[1] = find_column(header, "question2");
    return column[0] >= 0 && column[1] >= 0 ? 2 : 0;
}

static void add(question_list *l, kn_str question)
{
    kn_error err;
    uint32_t before = tok_vocab_size(l->distinct);
    l->read++;
    if (question.n == 0)
        l->empty++;
    else if (tok_vocab_add(l->distinct, question, &err) == TOK_NONE)
        tool_die(&err);
    else if (tok_vocab_size(l->distinct) == before)
        l->repeated++;
}

static void read_rows(question_list *l, ds_csv *csv, const int column[2], int columns, const char *path)
{
    kn_error err;
    ds_row row;
    int got;
    while ((got = ds_csv_next(csv, &row, &err)) != 0) {
        if (got == 1) {
            for (int i = 0; i < columns; i++)
                add(l, row.field[column[i]]);
        } else if (got == -2 && tool_common.skip_bad) {
            if (!l->rejected++)
                tool_warn("%s: %s", path, err.text);
        } else {
            tool_die_at(path, &err);
        }
    }
}

static void read_lines(question_list *l, ds_stream *s, const char *path)
{
    kn_error err;
    kn_str line;
    int got;
    ds_lines *lines = ds_lines_new(s, &err);
    if (!lines)
        tool_die(&err);
    while ((got = ds_line(lines, &line, NULL, &err)) > 0) {
        if (ds_line_number(lines) == 1 && line.n >= 3 && !memcmp(line.p, "\xef\xbb\xbf", 3))
            line.p += 3, line.n -= 3; /* a byte order mark is no part of a question */
        add(l, line);
    }
    if (got < 0)
        tool_die_at(path, &err);
    ds_lines_free(lines);
}

/* A stream cannot be read twice, and only its header tells what it is. */
static kn_buf read_whole(const char *path)
{
    kn_error err;
    kn_buf all = {0};
    char piece[1 << 16];
    ptrdiff_t n;
    ds_stream *s = ds_open(path, &err);
    if (!s)
        tool_die_at(path, &err);
    while ((n = ds_read(s, piece, sizeof piece, &err)) > 0)
        if (kn_buf_add(&all, piece, (size_t)n, &err))
            tool_die(&err);
    if (n < 0)
        tool_die_at(path, &err);
    ds_close(s);
    return all;
}

question_list question_list_read(const char *path)
{
    kn_error err;
    question_list l = {.distinct = tok_vocab_new(&err)};
    int column[2], columns = 0;
    if (!l.distinct)
        tool_die(&err);
    kn_buf all = read_whole(path);
    ds_stream *s = ds_open_memory(all.p, all.n, 0, &err);
    ds_csv *csv = s ? ds_csv_new(s, 0, &err) : NULL;
    if (csv && (columns = find_columns(ds_csv_header(csv), column)) > 0) {
        read_rows(&l, csv, column, columns, path);
    } else if (tool_common.columns) {
        tool_dief("%s: no CSV with the columns that --columns names", path);
    } else {
        ds_close(s);
        if (!(s = ds_open_memory(all.p, all.n, 0, &err)))
            tool_die(&err);
        read_lines(&l, s, path);
    }
    l.form = columns == 2 ? "pairs of questions" : columns ? "a column of questions" : "a question a line";
    ds_csv_free(csv);
    ds_close(s);
    kn_buf_free(&all);
    return l;
}

void question_list_free(question_list *l)
{
    tok_vocab_free(l->distinct);
}
