/* Tests of data/csv.c: what it says of good and malformed rows in every chunk
 * size, limits, writing. test_csv_judges.c asks others. */
#include <stdlib.h>
#include <string.h>

#include "tests/csv_text.h"

/* ---- inputs and what is to be said ------------------------------------------------- */

static const struct {
    const char *input, *said;
} cases[] = {
    {"", "no: empty: a header row is needed\n"},
    {"a", "row 1 @0 [a]\n"},
    {"a,b\n1,2\n", "row 1 @0 [a] [b]\nrow 2 @4 [1] [2]\n"},
    {"a,b\r\n1,2\r\n3,4", "row 1 @0 [a] [b]\nrow 2 @5 [1] [2]\nrow 3 @10 [3] [4]\n"},
    {"a,b\r\n\"1\",\"2\"\r\n3,\"4\"\r", "row 1 @0 [a] [b]\nrow 2 @5 [1] [2]\nrow 3 @14 [3] [4]\n"},
    {"\xef\xbb\xbf" "a,b\n,\n", "row 1 @0 [a] [b]\nrow 2 @7 [] []\n"},
    {"\xef\xbb\xbf", "no: empty: a header row is needed\n"},
    {"\xff\xfe" "a\0", "no: this is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)\n"},
    {"a,b\n\"x,\n\"\"y\"\"\",\"\"\n", "row 1 @0 [a] [b]\nrow 2 @4 [x,\n\"y\"] []\n"},
    {"a,b\n\"\"\"\",\"\"\"\"\"\"\n", "row 1 @0 [a] [b]\nrow 2 @4 [\"] [\"\"]\n"},
    {"a,b\n5\" disk, \"x\"\n", "row 1 @0 [a] [b]\nrow 2 @4 [5\" disk] [ \"x\"]\n"},
    {"a,b\n1\r2,\r\n", "row 1 @0 [a] [b]\nrow 2 @4 [1\r2] []\n"},
    /* blank lines */
    {"a,b\n\n1,2\n\r\n\n", "row 1 @0 [a] [b]\nrow 2 @5 [1] [2]\n"},
    {"a\n\nx\n\r\n", "row 1 @0 [a]\nrow 2 @2 []\nrow 3 @3 [x]\nrow 4 @5 []\n"},
    {"a,b\n\"\"\n", "row 1 @0 [a] [b]\nbad: row 2, byte 4: 1 field where the header has 2\n"},
    /* delimiters */
    {"a\tb\n1,5\t2\n", "row 1 @0 [a] [b]\nrow 2 @4 [1,5] [2]\n"},
    {"a,b\tc\n", "row 1 @0 [a,b] [c]\n"},
    {"a,b,c\td\n", "row 1 @0 [a] [b] [c\td]\n"},
    {"\"a\tb\",c\n", "row 1 @0 [a\tb] [c]\n"},
    {"\"a,b,c\"\t\"d\"\n", "row 1 @0 [a,b,c] [d]\n"},
    /* malformed rows */
    {"a,b\n1\n2,3\n4,5,6\n7,8\n",
     "row 1 @0 [a] [b]\nbad: row 2, byte 4: 1 field where the header has 2\nrow 3 @6 [2] [3]\n"
     "bad: row 4, byte 10: 3 fields where the header has 2\nrow 5 @16 [7] [8]\n"},
    {"a,b\n\"x\ny\"\nz,1\n",
     "row 1 @0 [a] [b]\nbad: row 2, byte 4: 1 field where the header has 2\nrow 3 @10 [z] [1]\n"},
    {"a,b\n\"x\"y,1\n2,3\n", "row 1 @0 [a] [b]\nbad: row 2, byte 4: text behind a closing quote (a quote inside a "
                              "quoted field must be doubled)\nrow 3 @11 [2] [3]\n"},
    {"a,b\n\"x\"\ry,1\n2,3\n",
     "row 1 @0 [a] [b]\nbad: row 2, byte 4: a carriage return behind a closing quote\nrow 3 @12 [2] [3]\n"},
    {"a,b\n\"x,1\n2,3\n4,5\n",
     "row 1 @0 [a] [b]\nbad: row 2, byte 4: a quote is never closed\nrow 3 @9 [2] [3]\nrow 4 @13 [4] [5]\n"},
    {"a,b\n1,2\n3,\"", "row 1 @0 [a] [b]\nrow 2 @4 [1] [2]\nbad: row 3, byte 8: a quote is never closed\n"},
    /* a stray quote that the next row's opening quote seems to close */
    {"a,b\n\"x,1\n\"2\",3\n", "row 1 @0 [a] [b]\nbad: row 2, byte 4: text behind a closing quote (a quote inside a "
                              "quoted field must be doubled)\nrow 3 @9 [2] [3]\n"},
    {"\"a,b\n1,2\n", "no: row 1, byte 0: a quote is never closed\n"},
};
enum { CASES = sizeof cases / sizeof *cases };

static void says_what_it_finds(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        kn_buf got = transcript(cases[i].input, strlen(cases[i].input), 0, 0);
        assert_string_equal(got.p, cases[i].said);
        kn_buf_free(&got);
        same_for_every_chunk(cases[i].input, strlen(cases[i].input), 0);
    }
}

static void nul_and_invalid_bytes_are_text(void **state)
{
    (void)state;
    static const char input[] = "a\0,b\n\xff\xfe\0,\"\0\"\"\x80\"\n";
    static const char said[] = "row 1 @0 [a\0] [b]\nrow 2 @5 [\xff\xfe\0] [\0\"\x80]\n";
    kn_buf got = transcript(input, sizeof input - 1, 0, 0);
    assert_int_equal(got.n, sizeof said);
    assert_memory_equal(got.p, said, sizeof said);
    kn_buf_free(&got);
    same_for_every_chunk(input, sizeof input - 1, 0);
}

static void rows_can_be_passed_on_as_they_stood(void **state)
{
    (void)state;
    static const char input[] = "\xef\xbb\xbf" "a,\"b\"\r\n\"x\"\"\",\"\n\"\n\n,y\r\n1,2";
    static const char *const raw[3][2] = {{"\"x\"\"\"", "\"\n\""}, {"", "y"}, {"1", "2"}};
    kn_error err;
    kn_buf out = {0};
    ds_row row;
    ds_stream *s = ds_open_memory(input, sizeof input - 1, 3, &err);
    ds_csv *c = ds_csv_new(s, 0, &err);
    assert_non_null(c);
    const ds_row *h = ds_csv_header(c);
    assert_true(kn_str_eq(h->raw[0], kn_str_c("a")) && kn_str_eq(h->raw[1], kn_str_c("\"b\"")));
    assert_int_equal(kn_buf_add(&out, h->line.p, h->line.n, &err), 0);
    for (int i = 0; ds_csv_next(c, &row, &err) == 1; i++) {
        assert_true(i < 3 && kn_str_eq(row.raw[0], kn_str_c(raw[i][0])) && kn_str_eq(row.raw[1], kn_str_c(raw[i][1])));
        assert_int_equal(kn_buf_add(&out, row.line.p, row.line.n, &err), 0);
    }
    static const char want[] = "\xef\xbb\xbf" "a,\"b\"\r\n\"x\"\"\",\"\n\"\n,y\r\n1,2"; /* the blank line is no row */
    assert_int_equal(out.n, sizeof want - 1);
    assert_memory_equal(out.p, want, out.n);
    kn_buf_free(&out);
    ds_csv_free(c);
    ds_close(s);
}

/* ---- size ------------------------------------------------------------------------------- */

enum { MIB = 1 << 20 };

/* A table "a,b" with the row `"FILL",1` of `fill` bytes, quote closed or not,
 * and the row 2,3. */
static kn_buf long_row(size_t fill, const char *close)
{
    kn_buf b = {0};
    char *x = malloc(fill);
    assert_non_null(x);
    memset(x, 'x', fill);
    for (size_t i = 0; i + 1 < fill; i += 997) /* a doubled quote now and then, wherever chunks may end */
        memcpy(x + i, "\"\"", 2);
    assert_int_equal(kn_buf_adds(&b, "a,b\n\"", NULL) || kn_buf_add(&b, x, fill, NULL) ||
                     kn_buf_adds(&b, close, NULL) || kn_buf_adds(&b, "2,3\n", NULL), 0);
    free(x);
    return b;
}

static void long_fields(void **state)
{
    (void)state;
    static const size_t chunks[] = {0, 1, 61, 4096, 65536};
    kn_buf b = long_row(MIB, "\",1\n");
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        kn_error err;
        ds_row row;
        ds_stream *s = ds_open_memory(b.p, b.n, chunks[i], &err);
        ds_csv *c = ds_csv_new(s, 0, &err);
        assert_non_null(c);
        assert_int_equal(ds_csv_next(c, &row, &err), 1);
        assert_int_equal(row.field[0].n, MIB - (MIB + 996) / 997);
        assert_int_equal(row.raw[0].n, MIB + 2);
        assert_true(kn_str_eq(row.field[1], kn_str_c("1")));
        assert_int_equal(ds_csv_next(c, &row, &err), 1);
        assert_true(kn_str_eq(row.field[0], kn_str_c("2")));
        assert_int_equal(ds_csv_next(c, &row, &err), 0);
        ds_csv_free(c);
        ds_close(s);
    }
    kn_buf_free(&b);
}

/* Row 2 of `input` in `chunk`s is refused with `why`, and then come `rest` rows. */
static void refused(const kn_buf *input, size_t chunk, const char *why, int rest)
{
    kn_error err;
    ds_row row;
    ds_stream *s = ds_open_memory(input->p, input->n, chunk, &err);
    ds_csv *c = ds_csv_new(s, 0, &err);
    assert_non_null(c);
    assert_int_equal(ds_csv_next(c, &row, &err), -2);
    assert_non_null(strstr(err.text, why));
    for (int i = 0; i < rest; i++)
        assert_int_equal(ds_csv_next(c, &row, &err), 1);
    assert_int_equal(ds_csv_next(c, &row, &err), 0);
    ds_csv_free(c);
    ds_close(s);
}

static void too_long_rows_are_refused(void **state)
{
    (void)state;
    const size_t most = 16 * MIB; /* of a row with its newline */
    kn_buf fits = long_row(most - 5, "\",1\n"), over = long_row(most - 4, "\",1\n"), open = long_row(17 * MIB, "\n");
    ds_row row;
    kn_error err;
    ds_stream *s = ds_open_memory(fits.p, fits.n, 0, &err);
    ds_csv *c = ds_csv_new(s, 0, &err);
    assert_non_null(c);
    assert_int_equal(ds_csv_next(c, &row, &err), 1);
    assert_int_equal(row.line.n, most);
    ds_csv_free(c);
    ds_close(s);
    refused(&over, 0, "row 2, byte 4: over 16 MiB long", 1);
    refused(&over, 65536, "row 2, byte 4: over 16 MiB long", 1);
    refused(&open, 0, "a quote that is never closed?", 1);
    refused(&open, 4096, "a quote that is never closed?", 1);
    kn_buf_free(&fits);
    kn_buf_free(&over);
    kn_buf_free(&open);
}

static void too_many_columns_are_refused(void **state)
{
    (void)state;
    kn_buf b = {0};
    for (int i = 0; i < 1 << 16; i++)
        assert_int_equal(kn_buf_adds(&b, ",", NULL), 0);
    kn_buf got = transcript(b.p, b.n, 0, 0);
    assert_string_equal(got.p, "no: 65537 columns: not a table of questions\n");
    kn_buf_free(&got);
    got = transcript(b.p, b.n - 1, 0, 0);
    assert_memory_equal(got.p, "row 1 @0 [] []", 14);
    kn_buf_free(&got);
    kn_buf_free(&b);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void quotes_only_what_must_be(void **state)
{
    (void)state;
    static const struct { const char *field, *comma, *tab; } t[] = {
        {"", "", ""}, {"plain", "plain", "plain"}, {" x ", " x ", " x "}, {"a,b", "\"a,b\"", "a,b"},
        {"a\tb", "a\tb", "\"a\tb\""}, {"\"", "\"\"\"\"", "\"\"\"\""}, {"a\"b\"", "\"a\"\"b\"\"\"", "\"a\"\"b\"\"\""},
        {"a\nb", "\"a\nb\"", "\"a\nb\""}, {"a\r", "\"a\r\"", "\"a\r\""}, {"12345678,", "\"12345678,\"", "12345678,"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        kn_buf b = {0};
        assert_int_equal(ds_csv_put(&b, kn_str_c(t[i].field), ',', NULL), 0);
        assert_true(kn_str_eq((kn_str){b.p, b.n}, kn_str_c(t[i].comma)));
        b.n = 0;
        assert_int_equal(ds_csv_put(&b, kn_str_c(t[i].field), '\t', NULL), 0);
        assert_true(kn_str_eq((kn_str){b.p, b.n}, kn_str_c(t[i].tab)));
        kn_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_finds),
        cmocka_unit_test(nul_and_invalid_bytes_are_text),
        cmocka_unit_test(rows_can_be_passed_on_as_they_stood),
        cmocka_unit_test(long_fields),
        cmocka_unit_test(too_long_rows_are_refused),
        cmocka_unit_test(too_many_columns_are_refused),
        cmocka_unit_test(quotes_only_what_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
