/* libFuzzer: any bytes as CSV. The first byte is the size of the chunks they
 * arrive in. Held against: the same bytes in one piece, the order of the rows in
 * the file, and what ds_csv_put and another reading make of each row. */
#include <stdlib.h>

#include "data/data.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Written and read again, the row has the same fields. */
static void check_round_trip(const ds_row *row, char delimiter)
{
    kn_buf b = {0};
    kn_error err;
    for (size_t i = 0; i < row->n; i++)
        check(!kn_buf_add(&b, &delimiter, i > 0, &err) && !ds_csv_put(&b, row->field[i], delimiter, &err));
    check(!kn_buf_add(&b, "\n", 1, &err));
    kn_buf twice = {0}; /* as the header of itself, so that the number of fields fits */
    check(!kn_buf_add(&twice, b.p, b.n, &err) && !kn_buf_add(&twice, b.p, b.n, &err));
    ds_stream *s = ds_open_memory(twice.p, twice.n, 0, &err);
    ds_csv *c = ds_csv_new(s, delimiter, &err);
    ds_row again;
    if (c) { /* but a first field may begin like a byte order mark */
        check(ds_csv_next(c, &again, &err) == 1 && again.n == row->n);
        for (size_t i = 0; i < row->n; i++)
            check(kn_str_eq(again.field[i], row->field[i]));
        check(ds_csv_next(c, &again, &err) == 0);
    }
    ds_csv_free(c);
    ds_close(s);
    kn_buf_free(&b);
    kn_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    kn_error err[2];
    ds_stream *s[2];
    ds_csv *c[2];
    ds_row row[2];
    uint64_t end = 0;
    if (n == 0)
        return 0;
    for (int i = 0; i < 2; i++) {
        s[i] = ds_open_memory(data + 1, n - 1, i ? data[0] : 0, &err[i]);
        check(s[i] != NULL);
        c[i] = ds_csv_new(s[i], 0, &err[i]);
    }
    check(!c[0] == !c[1]);
    for (int r = 1; c[0] && r != 0;) {
        r = ds_csv_next(c[0], &row[0], &err[0]);
        check(r != -1 && ds_csv_next(c[1], &row[1], &err[1]) == r);
        if (r == -2)
            check(kn_str_eq(kn_str_c(err[0].text), kn_str_c(err[1].text)));
        if (r != 1)
            continue;
        check(row[0].row == row[1].row && row[0].byte == row[1].byte && row[0].n == ds_csv_header(c[0])->n);
        check(row[0].byte >= end && kn_str_eq(row[0].line, row[1].line));
        end = row[0].byte + row[0].line.n;
        check(end <= n - 1);
        for (size_t i = 0; i < row[0].n; i++)
            check(kn_str_eq(row[0].field[i], row[1].field[i]) && kn_str_eq(row[0].raw[i], row[1].raw[i]));
        check_round_trip(&row[0], ds_csv_delimiter(c[0]));
    }
    for (int i = 0; i < 2; i++) {
        ds_csv_free(c[i]);
        ds_close(s[i]);
    }
    return 0;
}
