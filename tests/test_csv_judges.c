/* Tests of data/csv.c against other readers: Python's csv module (by the files of
 * tests/ref/csv_rows.py), libcsv, and itself behind ds_csv_put. */
#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/csv_text.h"

#if defined(__has_include)
#if __has_include(<csv.h>)
#include <csv.h>
#define HAVE_LIBCSV 1
#endif
#endif

/* ---- the cases of tests/ref/csv_rows.py ---------------------------------------- */

static kn_buf from_hex(const json_t *hex)
{
    kn_buf out = {0};
    const char *s = json_string_value(hex);
    assert_non_null(s);
    for (; *s; s += 2) {
        char digits[3] = {s[0], s[1], 0}, byte = (char)strtol(digits, NULL, 16);
        assert_int_equal(kn_buf_add(&out, &byte, 1, NULL), 0);
    }
    return out;
}

static json_t *reference(void)
{
    json_error_t why;
    json_t *all = json_load_file("tests/ref/csv_rows.json", 0, &why);
    assert_non_null(all);
    assert_true(json_array_size(all) >= 300);
    return all;
}

typedef struct {
    kn_buf input;
    char delimiter;
    json_t *rows;
    bool bad;
} ref_case;

static ref_case case_at(const json_t *all, size_t i)
{
    json_t *o = json_array_get(all, i);
    return (ref_case){.input = from_hex(json_object_get(o, "input")), .rows = json_object_get(o, "rows"),
                      .delimiter = *json_string_value(json_object_get(o, "delimiter")),
                      .bad = !strcmp(json_string_value(json_object_get(o, "end")), "bad")};
}

static void assert_row(const ds_row *row, const json_t *want)
{
    assert_int_equal(row->n, json_array_size(want));
    for (size_t i = 0; i < row->n; i++) {
        kn_buf f = from_hex(json_array_get(want, i));
        assert_true(kn_str_eq(row->field[i], (kn_str){f.p, f.n}));
        kn_buf_free(&f);
    }
}

static void python_reads_the_same(void **state)
{
    (void)state;
    json_t *all = reference();
    size_t whole = 0, broken = 0, ragged = 0;
    for (size_t k = 0; k < json_array_size(all); k++) {
        ref_case t = case_at(all, k);
        kn_error err;
        ds_row row;
        ds_stream *s = ds_open_memory(t.input.p, t.input.n, 0, &err);
        ds_csv *c = ds_csv_new(s, t.delimiter, &err);
        assert_non_null(c);
        assert_row(ds_csv_header(c), json_array_get(t.rows, 0));
        for (size_t i = 1; i < json_array_size(t.rows); i++) {
            const json_t *want = json_array_get(t.rows, i);
            int r = ds_csv_next(c, &row, &err);
            if (r == 1) {
                assert_row(&row, want);
            } else {
                assert_int_equal(r, -2);
                assert_non_null(strstr(err.text, "where the header has"));
                assert_int_not_equal(json_array_size(want), ds_csv_header(c)->n);
                ragged++;
            }
        }
        int r = ds_csv_next(c, &row, &err);
        assert_int_equal(r, t.bad ? -2 : 0);
        if (t.bad)
            assert_null(strstr(err.text, "where the header has"));
        *(t.bad ? &broken : &whole) += 1;
        ds_csv_free(c);
        ds_close(s);
        same_for_every_chunk(t.input.p, t.input.n, t.delimiter);
        kn_buf_free(&t.input);
    }
    json_decref(all);
    assert_true(whole > 100 && broken > 50 && ragged > 50); /* the cases reach what they are for */
}

/* What is read, written by ds_csv_put and read again is the same. */
static void writing_and_reading_is_the_identity(void **state)
{
    (void)state;
    json_t *all = reference();
    size_t rows = 0;
    for (size_t k = 0; k < json_array_size(all); k++) {
        ref_case t = case_at(all, k);
        const json_t *header = json_array_get(t.rows, 0), *want;
        kn_buf text = {0};
        kn_error err;
        size_t i;
        json_array_foreach(t.rows, i, want) {
            for (size_t j = 0; j < json_array_size(header); j++) {
                kn_buf f = {0};
                if (j < json_array_size(want))
                    f = from_hex(json_array_get(want, j));
                assert_int_equal(kn_buf_add(&text, &t.delimiter, j > 0, &err), 0);
                assert_int_equal(ds_csv_put(&text, (kn_str){f.p, f.n}, t.delimiter, &err), 0);
                kn_buf_free(&f);
            }
            assert_int_equal(kn_buf_add(&text, "\n", 1, &err), 0);
        }
        ds_stream *s = ds_open_memory(text.p, text.n, 0, &err);
        ds_csv *c = ds_csv_new(s, t.delimiter, &err);
        assert_non_null(c);
        assert_row(ds_csv_header(c), header);
        json_array_foreach(t.rows, i, want) {
            ds_row row;
            if (i == 0)
                continue;
            assert_int_equal(ds_csv_next(c, &row, &err), 1);
            if (json_array_size(want) == json_array_size(header)) { /* else it was padded or cut above */
                assert_row(&row, want);
                rows++;
            }
        }
        ds_csv_free(c);
        ds_close(s);
        kn_buf_free(&text);
        kn_buf_free(&t.input);
    }
    json_decref(all);
    assert_true(rows > 100);
}

#ifdef HAVE_LIBCSV
static void libcsv_field(void *p, size_t n, void *out)
{
    assert_int_equal(kn_buf_addf(out, NULL, "%zu:", n) || kn_buf_add(out, p, n, NULL), 0);
}

static void libcsv_row(int end, void *out)
{
    (void)end;
    assert_int_equal(kn_buf_adds(out, ";", NULL), 0);
}

static int no_space(unsigned char byte)
{
    (void)byte;
    return 0;
}

/* "length:bytes" of each field and ";" after each row, in libcsv's opinion. It
 * is loaded rather than linked, so that it need not be there. */
static kn_buf ask_libcsv(void *lib, const ref_case *t)
{
    int (*init)(struct csv_parser *, unsigned char);
    size_t (*parse)(struct csv_parser *, const void *, size_t, void (*)(void *, size_t, void *),
                    void (*)(int, void *), void *);
    int (*fini)(struct csv_parser *, void (*)(void *, size_t, void *), void (*)(int, void *), void *);
    void (*set_delim)(struct csv_parser *, unsigned char), (*set_space)(struct csv_parser *, int (*)(unsigned char));
    void (*release)(struct csv_parser *);
    *(void **)&init = dlsym(lib, "csv_init");
    *(void **)&parse = dlsym(lib, "csv_parse");
    *(void **)&fini = dlsym(lib, "csv_fini");
    *(void **)&set_delim = dlsym(lib, "csv_set_delim");
    *(void **)&set_space = dlsym(lib, "csv_set_space_func");
    *(void **)&release = dlsym(lib, "csv_free");
    struct csv_parser parser;
    kn_buf out = {0};
    assert_int_equal(init(&parser, 0), 0);
    set_delim(&parser, (unsigned char)t->delimiter);
    set_space(&parser, no_space);
    assert_int_equal(parse(&parser, t->input.p, t->input.n, libcsv_field, libcsv_row, &out), t->input.n);
    assert_int_equal(fini(&parser, libcsv_field, libcsv_row, &out), 0);
    release(&parser);
    return out;
}

static void libcsv_reads_the_same(void **state)
{
    (void)state;
    void *lib = dlopen("libcsv.so.3", RTLD_NOW);
    if (!lib) {
        print_message("# skipped: libcsv is not installed\n");
        skip();
    }
    json_t *all = reference();
    size_t asked = 0;
    for (size_t k = 0; k < json_array_size(all); k++) {
        ref_case t = case_at(all, k);
        const json_t *row, *f;
        size_t i, j;
        kn_buf ours = {0};
        json_array_foreach(t.rows, i, row) {
            json_array_foreach(row, j, f) {
                kn_buf b = from_hex(f);
                libcsv_field(b.p ? b.p : "", b.n, &ours);
                kn_buf_free(&b);
            }
            libcsv_row(0, &ours);
        }
        bool blank = json_array_size(json_array_get(t.rows, 0)) == 1; /* libcsv passes over blank lines */
        if (!t.bad && !blank) {
            kn_buf theirs = ask_libcsv(lib, &t);
            assert_int_equal(theirs.n, ours.n);
            assert_memory_equal(theirs.p, ours.p, ours.n);
            kn_buf_free(&theirs);
            asked++;
        }
        kn_buf_free(&ours);
        kn_buf_free(&t.input);
    }
    json_decref(all);
    dlclose(lib);
    assert_true(asked > 80);
}
#else
static void libcsv_reads_the_same(void **state)
{
    (void)state;
    print_message("# skipped: no csv.h of libcsv when this was compiled\n");
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_reads_the_same),
        cmocka_unit_test(writing_and_reading_is_the_identity),
        cmocka_unit_test(libcsv_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
