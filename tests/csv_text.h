/* What the CSV reader says about an input, as text, so that tests compare it whole. */
#ifndef TESTS_CSV_TEXT_H
#define TESTS_CSV_TEXT_H

#include <string.h>

#include "data/data.h"
#include "tests/support.h"

static inline void say_row(kn_buf *out, const ds_row *row)
{
    assert_int_equal(kn_buf_addf(out, NULL, "row %d @%d", (int)row->row, (int)row->byte), 0);
    for (size_t i = 0; i < row->n; i++) {
        assert_int_equal(kn_buf_adds(out, " [", NULL), 0);
        assert_int_equal(kn_buf_add(out, row->field[i].p, row->field[i].n, NULL), 0);
        assert_int_equal(kn_buf_adds(out, "]", NULL), 0);
    }
    assert_int_equal(kn_buf_adds(out, "\n", NULL), 0);
}

/* Everything the reader says about the input, errors too. */
static inline kn_buf transcript(const char *p, size_t n, size_t chunk, char delimiter)
{
    kn_buf out = {0};
    kn_error err;
    ds_row row;
    ds_stream *s = ds_open_memory(p, n, chunk, &err);
    assert_non_null(s);
    ds_csv *c = ds_csv_new(s, delimiter, &err);
    if (!c) {
        assert_int_equal(kn_buf_addf(&out, NULL, "no: %s\n", err.text), 0);
    } else {
        say_row(&out, ds_csv_header(c));
        for (int r; (r = ds_csv_next(c, &row, &err)) != 0;) {
            assert_true(r == 1 || r == -2);
            if (r == 1)
                say_row(&out, &row);
            else
                assert_int_equal(kn_buf_addf(&out, NULL, "bad: %s\n", err.text), 0);
        }
    }
    ds_csv_free(c);
    ds_close(s);
    assert_int_equal(kn_buf_add(&out, "", 1, NULL), 0);
    return out;
}

/* The same for chunks of 1 .. n bytes. */
static inline void same_for_every_chunk(const char *p, size_t n, char delimiter)
{
    kn_buf whole = transcript(p, n, 0, delimiter);
    for (size_t chunk = 1; chunk <= n; chunk++) {
        kn_buf pieces = transcript(p, n, chunk, delimiter);
        assert_string_equal(pieces.p, whole.p);
        assert_int_equal(pieces.n, whole.n);
        kn_buf_free(&pieces);
    }
    kn_buf_free(&whole);
}

#endif
