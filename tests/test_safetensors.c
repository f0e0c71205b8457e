/* Tests of data/safetensors and data/half: the reference implementation's file,
 * the way there and back, and every way a file can be wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/data.h"
#include "tests/support.h"

/* ---- the reference implementation (tests/ref/safetensors_file.py) -------------- */

static const float f32[] = {1.5f, -2.25f, 0.0f, 3e38f, -1e-38f, INFINITY};
static const uint16_t f16[] = {0x3800, 0xfbff, 0x0001}; /* 0.5, -65504, 2^-24 */
static const double f64[] = {3.141592653589793};
static const int8_t i8[] = {-128, 127};
static const uint8_t u8[] = {0, 1, 2, 3, 4}, truths[] = {1, 0, 1}, two[] = {1, 2};
static const int16_t i16[] = {INT16_MIN};
static const uint16_t u16[] = {UINT16_MAX};
static const int32_t i32[] = {INT32_MIN};
static const uint32_t u32[] = {UINT32_MAX};
static const int64_t i64[] = {INT64_MIN};
static const uint64_t u64[] = {UINT64_MAX};
static const float seven = 7;

static const ds_tensor reference[] = {
    {"f64", DS_F64, 1, {1}, f64, sizeof f64},
    {"i64", DS_I64, 1, {1}, i64, sizeof i64},
    {"u64", DS_U64, 1, {1}, u64, sizeof u64},
    {"f32", DS_F32, 2, {2, 3}, f32, sizeof f32},
    {"i32", DS_I32, 1, {1}, i32, sizeof i32},
    {"u32", DS_U32, 1, {1}, u32, sizeof u32},
    {"scalar", DS_F32, 0, {0}, &seven, sizeof seven},
    {"empty", DS_F32, 2, {0, 3}, "", 0},
    {"f16", DS_F16, 1, {3}, f16, sizeof f16},
    {"i16", DS_I16, 1, {1}, i16, sizeof i16},
    {"u16", DS_U16, 1, {1}, u16, sizeof u16},
    {"i8", DS_I8, 2, {1, 2}, i8, sizeof i8},
    {"u8", DS_U8, 1, {5}, u8, sizeof u8},
    {"bool", DS_BOOL, 1, {3}, truths, sizeof truths},
    {"w\xc3\xb6rter \"quoted\"", DS_U8, 1, {2}, two, sizeof two}};
enum { TENSORS = sizeof reference / sizeof *reference };

static const ds_meta metadata[] = {
    {"format", "np"},
    {"line", "one\ntwo"},
    {"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", "\xd0\xb7\xd0\xbd\xd0\xb0\xd1\x87\xd0\xb5\xd0\xbd\xd0\xb8\xd0\xb5"}};
enum { METAS = sizeof metadata / sizeof *metadata };

static void assert_is_reference(const ds_st *s)
{
    assert_int_equal(ds_st_count(s), TENSORS);
    assert_int_equal(ds_st_meta_count(s), METAS);
    for (int i = 0; i < METAS; i++)
        assert_string_equal(ds_st_meta(s, metadata[i].key), metadata[i].value);
    for (int i = 0; i < TENSORS; i++) {
        const ds_tensor *t = ds_st_find(s, reference[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, reference[i].dtype);
        assert_int_equal(t->ndim, reference[i].ndim);
        assert_memory_equal(t->shape, reference[i].shape, t->ndim * sizeof *t->shape);
        assert_int_equal(t->bytes, reference[i].bytes);
        if (t->bytes)
            assert_memory_equal(t->data, reference[i].data, t->bytes);
    }
}

static void reads_the_reference(void **state)
{
    (void)state;
    kn_error err;
    ds_st *s = ds_st_open("tests/ref/safetensors.st", &err);
    assert_non_null(s);
    assert_is_reference(s);
    assert_null(ds_st_find(s, "absent"));
    assert_null(ds_st_meta(s, "absent"));
    ds_st_close(s);
}

/* The script reads the committed file; that ours are the same bytes makes it read
 * ours, and pins that the same input always gives the same file. */
static void writes_what_the_reference_reads(void **state)
{
    (void)state;
    kn_buf out = {0};
    kn_error err;
    size_t n, m;
    assert_int_equal(ds_st_bytes(&out, metadata, METAS, reference, TENSORS, &err), 0);
    const char *path = test_path("ours.st");
    assert_int_equal(ds_st_save(path, metadata, METAS, reference, TENSORS, &err), 0);
    char *saved = test_read(path, &n), *committed = test_read("tests/ref/safetensors-ours.st", &m);
    assert_int_equal(n, out.n);
    assert_memory_equal(saved, out.p, n);
    assert_int_equal(n, m);
    assert_memory_equal(saved, committed, n);
    uint64_t header;
    memcpy(&header, saved, sizeof header);
    assert_int_equal((8 + header) % 64, 0);
    ds_st *s = ds_st_open(path, &err);
    assert_non_null(s);
    assert_is_reference(s);
    for (int i = 0; i < TENSORS; i++) /* file order is the order given */
        assert_string_equal(ds_st_at(s, (size_t)i)->name, reference[i].name);
    assert_int_equal((uintptr_t)ds_st_at(s, 0)->data % 64, 0);
    ds_st_close(s);
    free(saved);
    free(committed);
    kn_buf_free(&out);
}

static void empty_file(void **state)
{
    (void)state;
    kn_error err;
    assert_int_equal(ds_st_save(test_path("none.st"), NULL, 0, NULL, 0, &err), 0);
    ds_st *s = ds_st_open(test_path("none.st"), &err);
    assert_non_null(s);
    assert_int_equal(ds_st_count(s), 0);
    assert_int_equal(ds_st_meta_count(s), 0);
    ds_st_close(s);
}

/* ---- files that are wrong --------------------------------------------------------- */

/* Opens a copy of exactly n bytes, so that a sanitizer sees every step past them,
 * and reads all that it offers. NULL: refused, with a sentence in err. */
static bool opens(const char *p, size_t n, kn_error *err)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, p, n);
    err->text[0] = '\0';
    ds_st *s = ds_st_open_memory(copy, n, err);
    unsigned sum = 0;
    for (size_t i = 0; s && i < ds_st_count(s); i++)
        for (size_t k = 0; k < ds_st_at(s, i)->bytes; k++)
            sum += ((const unsigned char *)ds_st_at(s, i)->data)[k];
    const char *key, *value;
    for (size_t i = 0; s && i < ds_st_meta_count(s); i++) {
        ds_st_meta_at(s, i, &key, &value);
        sum += (unsigned)(strlen(key) + strlen(value));
    }
    bool ok = s != NULL && sum != 1;
    assert_true(s || err->text[0]);
    ds_st_close(s);
    free(copy);
    return ok;
}

static void cut_short_anywhere(void **state)
{
    (void)state;
    size_t n, cuts = 0;
    kn_error err;
    char *p = test_read("tests/ref/safetensors.st", &n);
    assert_true(opens(p, n, &err));
    for (; cuts < n; cuts++)
        assert_false(opens(p, cuts, &err));
    assert_true(cuts > 1000);
    test_write(test_path("short.st"), p, n - 1); /* and through a map */
    assert_null(ds_st_open(test_path("short.st"), &err));
    test_write(test_path("zero.st"), p, 0);
    assert_null(ds_st_open(test_path("zero.st"), &err));
    free(p);
}

/* Whatever a byte of the header becomes, opening ends well or with a sentence. */
static void any_byte_changed(void **state)
{
    (void)state;
    const ds_tensor t[] = {{"a", DS_F32, 2, {1, 2}, f32, 8}, {"b", DS_U8, 1, {3}, u8, 3}};
    const ds_meta m = {"k", "v"};
    kn_buf b = {0};
    kn_error err;
    size_t refused = 0, taken = 0;
    assert_int_equal(ds_st_bytes(&b, &m, 1, t, 2, &err), 0);
    for (size_t i = 0; i < b.n - 11; i++) {
        char old = b.p[i];
        for (int v = 0; v < 256; v++) {
            b.p[i] = (char)v;
            if (opens(b.p, b.n, &err))
                taken++;
            else
                refused++;
        }
        b.p[i] = old;
    }
    assert_true(refused > 10000 && taken > 500);
    kn_buf_free(&b);
}

/* A file of this header and so many bytes of data. */
static bool header_opens(const char *json, size_t data, kn_error *err)
{
    static const char zeros[64];
    uint64_t n = strlen(json);
    kn_buf b = {0};
    assert_int_equal(kn_buf_add(&b, &n, sizeof n, NULL), 0);
    assert_int_equal(kn_buf_adds(&b, json, NULL), 0);
    assert_int_equal(kn_buf_add(&b, zeros, data, NULL), 0);
    bool ok = opens(b.p, b.n, err);
    kn_buf_free(&b);
    return ok;
}

#define U8(name, shape, from, to) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" shape "],\"data_offsets\":[" from "," to "]}"

static void the_rules(void **state)
{
    (void)state;
    static const struct { const char *says, *json; size_t data; } cases[] = {
        {NULL, "{}", 0},
        {NULL, "{}      ", 0},
        {NULL, "{" U8("a", "4", "0", "4") "}", 4},
        {NULL, "{" U8("b", "2", "4", "6") "," U8("a", "4", "0", "4") "}", 6},
        {NULL, "{" U8("a", "", "0", "1") "}", 1},
        {NULL, "{" U8("a", "4", "0", "4") "," U8("none", "0,9", "4", "4") "}", 4},
        {NULL, "{" U8("none", "0", "0", "0") "," U8("a", "4", "0", "4") "," U8("nil", "0", "0", "0") "}", 4},
        {NULL, "{\"__metadata__\":{}}", 0},
        {"no JSON object", " {}", 0},
        {"no JSON object", "[]", 0},
        {"no JSON object", "", 0},
        {"not JSON", "{", 0},
        {"not JSON", "{} x", 0},
        {"not JSON", "{\"\xff\":1}", 0},
        {"not JSON", "{\"a\\u0000b\":1}", 0},
        {"duplicate", "{" U8("a", "1", "0", "1") "," U8("a", "1", "1", "2") "}", 2},
        {"duplicate", "{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", 0},
        {"duplicate", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
        {"overlap", "{" U8("a", "4", "0", "4") "," U8("b", "4", "2", "6") "}", 6},
        {"overlap", "{" U8("a", "4", "0", "4") "," U8("b", "4", "0", "4") "}", 4},
        {"hole", "{" U8("a", "4", "0", "4") "," U8("b", "1", "5", "6") "}", 6},
        {"hole", "{" U8("a", "4", "1", "5") "}", 5},
        {"hole", "{" U8("a", "4", "0", "4") "," U8("none", "0", "5", "5") "}", 5},
        {"overlap", "{" U8("a", "4", "0", "4") "," U8("none", "0", "2", "2") "}", 4},
        {"follow the last", "{" U8("a", "4", "0", "4") "}", 5},
        {"follow the last", "{}", 1},
        {"cut short", "{" U8("a", "4", "0", "4") "}", 3},
        {"cut short", "{" U8("a", "4", "4", "0") "}", 4},
        {"make 5 bytes", "{" U8("a", "5", "0", "4") "}", 4},
        {"make 4 bytes", "{" U8("a", "4", "0", "0") "}", 0},
        {"no size", "{" U8("a", "-4", "0", "4") "}", 4},
        {"no size", "{" U8("a", "4.0", "0", "4") "}", 4},
        {"no size", "{" U8("a", "\"4\"", "0", "4") "}", 4},
        {"no size", "{" U8("a", "true", "0", "4") "}", 4},
        {"not JSON", "{" U8("a", "99999999999999999999", "0", "4") "}", 4},
        {"larger than memory", "{" U8("a", "4294967296,4294967296", "0", "0") "}", 0},
        {"larger than memory", "{" U8("a", "4294967297,4294967296", "0", "4294967296") "}", 4},
        {"9 dimensions", "{" U8("a", "1,1,1,1,1,1,1,1,1", "0", "1") "}", 1},
        {"data_offsets", "{" U8("a", "4", "0", "-1") "}", 4},
        {"data_offsets", "{" U8("a", "4", "0", "4,5") "}", 4},
        {"data_offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4},
        {"no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4},
        {"no shape", "{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", 4},
        {"no dtype", "{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4},
        {"dtype X9", "{\"a\":{\"dtype\":\"X9\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4},
        {"no description", "{\"a\":[]}", 0},
        {"__metadata__", "{\"__metadata__\":[]}", 0},
        {"not a string", "{\"__metadata__\":{\"a\":1}}", 0}};
    kn_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ok = header_opens(cases[i].json, cases[i].data, &err);
        if (ok != !cases[i].says || (!ok && !strstr(err.text, cases[i].says)))
            fail_msg("%s: \"%s\" where \"%s\" was expected", cases[i].json, err.text, cases[i].says ? cases[i].says : "success");
    }
}

static void absurd_sizes(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 100000000, 100000001, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    kn_error err;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char p[10];
        memcpy(p, &lengths[i], 8);
        memcpy(p + 8, "{}", 2);
        assert_false(opens(p, sizeof p, &err));
        assert_non_null(strstr(err.text, lengths[i] > 100000000 ? "at most 100000000" : "cut short"));
    }
    kn_buf deep = {0}; /* nesting is bounded, not the stack's to survive */
    for (int i = 0; i < 100000; i++)
        assert_int_equal(kn_buf_adds(&deep, "{\"a\":", NULL), 0);
    assert_int_equal(kn_buf_add(&deep, "", 1, NULL), 0);
    assert_false(header_opens(deep.p, 0, &err));
    kn_buf_free(&deep);
}

static void not_a_file(void **state)
{
    (void)state;
    kn_error err;
    assert_null(ds_st_open(test_path("absent.st"), &err));
    assert_non_null(strstr(err.text, "No such file"));
    assert_null(ds_st_open(test_folder(), &err));
    assert_non_null(strstr(err.text, "regular file"));
    assert_null(ds_st_open("/dev/null", &err));
}

/* ---- what a reader asks for ---------------------------------------------------------- */

static void needs(void **state)
{
    (void)state;
    kn_error err;
    ds_st *s = ds_st_open("tests/ref/safetensors-ours.st", &err);
    assert_non_null(s);
    const size_t any[] = {0, 3}, right[] = {2, 3}, wrong[] = {3, 3};
    assert_non_null(ds_st_need(s, "f32", DS_F32, 2, any, &err));
    assert_non_null(ds_st_need(s, "f32", DS_F32, 2, right, &err));
    assert_non_null(ds_st_need(s, "f32", DS_F32, 2, NULL, &err));
    assert_non_null(ds_st_need(s, "scalar", DS_F32, 0, NULL, &err));
    assert_null(ds_st_need(s, "f32", DS_F32, 2, wrong, &err));
    assert_string_equal(err.text, "tensor f32 is F32 [2,3] where F32 [3,3] is needed");
    assert_null(ds_st_need(s, "f32", DS_F64, 2, any, &err));
    assert_string_equal(err.text, "tensor f32 is F32 [2,3] where F64 [any,3] is needed");
    assert_null(ds_st_need(s, "f32", DS_F32, 1, NULL, &err));
    assert_null(ds_st_need(s, "x", DS_F32, 1, NULL, &err));
    assert_string_equal(err.text, "tensor x is missing");
    ds_st_close(s);
}

static void needs_alignment(void **state)
{
    (void)state;
    const ds_tensor t[] = {{"one", DS_U8, 1, {1}, u8, 1}, {"f", DS_F32, 1, {1}, f32, 4}};
    kn_buf b = {0};
    kn_error err;
    assert_int_equal(ds_st_bytes(&b, NULL, 0, t, 2, &err), 0);
    test_write(test_path("odd.st"), b.p, b.n);
    ds_st *s = ds_st_open(test_path("odd.st"), &err);
    assert_non_null(s);
    assert_null(ds_st_need(s, "f", DS_F32, 1, NULL, &err));
    assert_non_null(strstr(err.text, "aligned"));
    ds_st_close(s);
    kn_buf_free(&b);
}

static void refuses_to_write(void **state)
{
    (void)state;
    const ds_tensor ok = {"a", DS_U8, 1, {5}, u8, 5}, twice[] = {ok, ok};
    const ds_tensor bad[] = {{"a", DS_U8, 1, {4}, u8, 5},
                             {"a", DS_U8, 2, {SIZE_MAX / 4 + 1, 4}, u8, 0},
                             {"a", DS_U8, DS_MAX_DIMS + 1, {1, 1, 1, 1, 1, 1, 1, 1}, u8, 1},
                             {"\xff", DS_U8, 1, {5}, u8, 5},
                             {"__metadata__", DS_U8, 1, {5}, u8, 5}};
    const ds_meta again[] = {{"a", "1"}, {"a", "2"}}, latin = {"a", "\xe9"};
    const char *path = test_path("refused.st");
    static const char *const says[] = {"makes 4 bytes", "larger than memory", "9 dimensions", "UTF-8", "__metadata__"};
    kn_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ds_st_save(path, NULL, 0, &bad[i], 1, &err), -1);
        assert_non_null(strstr(err.text, says[i]));
    }
    assert_int_equal(ds_st_save(path, NULL, 0, twice, 2, &err), -1);
    assert_non_null(strstr(err.text, "twice"));
    assert_int_equal(ds_st_save(path, again, 2, &ok, 1, &err), -1);
    assert_int_equal(ds_st_save(path, &latin, 1, &ok, 1, &err), -1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ds_st_save(test_path("no/such/folder"), NULL, 0, &ok, 1, &err), -1);
    assert_non_null(strstr(err.text, "no/such/folder"));
}

/* ---- half precision -------------------------------------------------------------------- */

static double half_value(uint16_t h) /* IEEE 754-2008, 3.4 */
{
    int e = h >> 10 & 31, f = h & 1023;
    double v = e == 31 ? (f ? NAN : INFINITY) : e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -v : v;
}

static void every_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = ds_f16_to_f32((uint16_t)h);
        if (isnan(half_value((uint16_t)h))) {
            assert_true(isnan(f) && isnan(ds_f16_to_f32(ds_f32_to_f16(f))));
        } else {
            assert_true((double)f == half_value((uint16_t)h) && !signbit(f) == !(h & 0x8000));
            assert_int_equal(ds_f32_to_f16(f), h);
        }
    }
}

/* Between each two neighbouring halves: the middle goes to the even one, a float
 * on either side of it to the nearer. The step past the largest is infinity. */
static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double low = half_value((uint16_t)h), high = h + 1 < 0x7c00 ? half_value((uint16_t)(h + 1)) : 65536;
        float middle = (float)((low + high) / 2); /* exact: one more bit than a half has */
        assert_int_equal(ds_f32_to_f16(middle), h % 2 ? h + 1 : h);
        assert_int_equal(ds_f32_to_f16(-middle), (h % 2 ? h + 1 : h) | 0x8000);
        assert_int_equal(ds_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(ds_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
    }
    assert_int_equal(ds_f32_to_f16(3e38f), 0x7c00);
    assert_int_equal(ds_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(ds_f32_to_f16(1e-45f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_reference), cmocka_unit_test(writes_what_the_reference_reads),
        cmocka_unit_test(empty_file), cmocka_unit_test(cut_short_anywhere), cmocka_unit_test(any_byte_changed),
        cmocka_unit_test(the_rules), cmocka_unit_test(absurd_sizes), cmocka_unit_test(not_a_file),
        cmocka_unit_test(needs), cmocka_unit_test(needs_alignment), cmocka_unit_test(refuses_to_write),
        cmocka_unit_test(every_half), cmocka_unit_test(rounds_to_nearest_even)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
