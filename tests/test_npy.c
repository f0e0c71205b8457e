/* Tests of data/npy.c against files of NumPy (tests/ref/npy.py). */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "tests/support.h"

#define ORACLE "tests/ref/npy.npz"

static void assert_numbers(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        test_near(x[i], ((double)i - 5) / 8, 0);
}

static void reads_what_numpy_writes(void **state)
{
    (void)state;
    static const struct { const char *name; size_t rows, cols; } known[] = {
        {"f4", 3, 4}, {"f8", 3, 4}, {"f2", 3, 4}, {"flat", 7, 1}, {"column", 7, 1}, {"empty", 0, 4},
        {"version2", 3, 4}, {"version3", 3, 4}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char path[64];
        size_t rows = 99, cols = 99;
        kn_error err;
        snprintf(path, sizeof path, ORACLE ":%s.npy", known[i].name);
        float *x = ds_npy_read(path, &rows, &cols, &err);
        if (!x)
            fail_msg("%s: %s", path, err.text);
        assert_int_equal(rows, known[i].rows);
        assert_int_equal(cols, known[i].cols);
        assert_numbers(x, rows * cols);
        kn_free(x);
    }
}

static void refuses_what_it_cannot_hold(void **state)
{
    (void)state;
    static const struct { const char *name, *why; } refused[] = {
        {"big-endian", "dtype"}, {"integers", "dtype"}, {"records", "dtype"}, {"by-columns", "by columns"},
        {"scalar", "0 dimensions"}, {"three", "3 dimensions"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char path[64];
        size_t rows, cols;
        kn_error err = {""};
        snprintf(path, sizeof path, ORACLE ":%s.npy", refused[i].name);
        assert_null(ds_npy_read(path, &rows, &cols, &err));
        assert_non_null(strstr(err.text, refused[i].why));
    }
    assert_null(ds_npy_read(test_path("nowhere.npy"), &(size_t){0}, &(size_t){0}, NULL));
}

/* The bytes of a member of the oracle. */
static kn_buf member(const char *name)
{
    char path[64], chunk[4096];
    kn_buf b = {0};
    ptrdiff_t n;
    snprintf(path, sizeof path, ORACLE ":%s.npy", name);
    ds_stream *s = ds_open(path, NULL);
    assert_non_null(s);
    while ((n = ds_read(s, chunk, sizeof chunk, NULL)) > 0)
        assert_int_equal(kn_buf_add(&b, chunk, (size_t)n, NULL), 0);
    assert_int_equal(n, 0);
    ds_close(s);
    return b;
}

static void writes_as_numpy_does(void **state)
{
    (void)state;
    kn_error err;
    const char *path = test_path("saved.npy");
    kn_buf oracle = member("f4");
    float x[12];
    size_t n;
    for (int i = 0; i < 12; i++)
        x[i] = (float)(i - 5) / 8;
    assert_int_equal(ds_npy_save(path, x, 3, 4, &err), 0);
    char *saved = test_read(path, &n);
    assert_int_equal(n, oracle.n);
    assert_memory_equal(saved, oracle.p, n);
    free(saved);
    kn_buf_free(&oracle);
    assert_int_equal(ds_npy_save(path, x, SIZE_MAX / 2, 4, &err), -1);
    assert_int_equal(ds_npy_save("/nonexistent/folder/x.npy", x, 3, 4, &err), -1);
}

/* 0 when n bytes that come in pieces of `chunk` are an array of numbers. */
static int parse(const char *p, size_t n, size_t chunk, ds_tensor *t, kn_error *err)
{
    ds_stream *s = ds_open_memory(p, n, chunk, err);
    assert_non_null(s);
    int rc = ds_npy_tensor(t, s, err);
    ds_close(s);
    return rc;
}

static void pieces_of_any_size_and_every_cut(void **state)
{
    (void)state;
    kn_buf whole = member("f4");
    ds_tensor t;
    kn_error err;
    for (size_t chunk = 1; chunk <= whole.n; chunk++) {
        assert_int_equal(parse(whole.p, whole.n, chunk, &t, &err), 0);
        assert_numbers(t.data, 12);
        kn_free((void *)t.data);
    }
    for (size_t n = 0; n < whole.n; n++) {
        assert_int_equal(parse(whole.p, n, 0, &t, &err), -1);
        assert_non_null(strstr(err.text, "cut short"));
    }
    assert_int_equal(kn_buf_add(&whole, "x", 1, NULL), 0);
    assert_int_equal(parse(whole.p, whole.n, 0, &t, &err), -1);
    assert_non_null(strstr(err.text, "more bytes follow"));
    kn_buf_free(&whole);
}

/* More than the reader first asks memory for. */
static void a_large_array_comes_back(void **state)
{
    (void)state;
    enum { ROWS = 3001, COLS = 301 };
    const char *path = test_path("large.npy");
    float *x = kn_alloc((size_t)ROWS * COLS, sizeof *x, NULL);
    size_t rows, cols;
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++)
        x[i] = (float)i;
    assert_int_equal(ds_npy_save(path, x, ROWS, COLS, NULL), 0);
    float *y = ds_npy_read(path, &rows, &cols, NULL);
    assert_non_null(y);
    assert_int_equal(rows, ROWS);
    assert_int_equal(cols, COLS);
    assert_memory_equal(x, y, (size_t)ROWS * COLS * sizeof *x);
    kn_free(x);
    kn_free(y);
}

/* Headers that NumPy would not write, before the one number 1. */
static void hostile_headers(void **state)
{
    (void)state;
    static const struct { const char *text; int rc; } header[] = {
        {"{'descr':'<f4','shape':(1,),'fortran_order':False}\n", 0}, /* other writers' spacing and order */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ( 1 ,1 , ) , } \n", 0},
        {"", -1}, {"\n", -1}, {"{}\n", -1}, {"{", -1}, {"{,}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}\n", -1},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n", -1},
        {"{'descr': '<f4' 'fortran_order': False 'shape': (1,)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 1)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}\n", -1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 1)}\n", -1}, /* 4 bytes, modulo 2^64 */
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1)}\n", -1}}; /* 4 TB are not asked for */
    for (size_t i = 0; i < sizeof header / sizeof *header; i++) {
        kn_buf b = {0};
        ds_tensor t;
        kn_error err = {""};
        size_t n = strlen(header[i].text);
        const char head[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)n, 0};
        assert_false(kn_buf_add(&b, head, sizeof head, NULL) || kn_buf_add(&b, header[i].text, n, NULL) ||
                     kn_buf_add(&b, "\0\0\200\77", 4, NULL));
        int rc = parse(b.p, b.n, 0, &t, &err);
        if (rc != header[i].rc)
            fail_msg("%s gave %d %s", header[i].text, rc, err.text);
        assert_int_equal(rc == 0, err.text[0] == '\0');
        if (!rc) {
            assert_true(*(const float *)t.data == 1);
            kn_free((void *)t.data);
        }
        kn_buf_free(&b);
    }
}

static void other_magic_and_versions(void **state)
{
    (void)state;
    kn_buf whole = member("version2");
    ds_tensor t;
    kn_error err;
    static const struct { size_t at; char byte; const char *why; } change[] = {
        {0, 'x', "not a npy file"}, {6, 0, "version 0.0"}, {6, 4, "version 4.0"}, {6, (char)200, "version 200.0"},
        {7, 1, "version 2.1"}, {11, 1, "at most"}, {11, (char)255, "at most"}};
    for (size_t i = 0; i < sizeof change / sizeof *change; i++) {
        char old = whole.p[change[i].at];
        whole.p[change[i].at] = change[i].byte;
        assert_int_equal(parse(whole.p, whole.n, 0, &t, &err), -1);
        assert_non_null(strstr(err.text, change[i].why));
        whole.p[change[i].at] = old;
    }
    kn_buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_numpy_writes),
        cmocka_unit_test(refuses_what_it_cannot_hold),
        cmocka_unit_test(writes_as_numpy_does),
        cmocka_unit_test(pieces_of_any_size_and_every_cut),
        cmocka_unit_test(a_large_array_comes_back),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(other_magic_and_versions),
    };
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
