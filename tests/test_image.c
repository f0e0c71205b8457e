/* Tests of data/image.c and its decoders against Pillow (tests/ref/images.py). */
#include <stdlib.h>
#include <string.h>

#include "data/images.h"
#include "tests/support.h"

static ds_st *oracle;

static int open_oracle(void **state)
{
    (void)state;
    return (oracle = ds_st_open("tests/ref/images.st", NULL)) ? 0 : -1;
}

static int close_oracle(void **state)
{
    (void)state;
    ds_st_close(oracle);
    return 0;
}

/* The pixels that Pillow sees in an encoded image; NULL: t is none. */
static const ds_tensor *pixels_of(const ds_tensor *t)
{
    char name[64];
    snprintf(name, sizeof name, "%s.px", t->name);
    return ds_st_find(oracle, name);
}

/* Every value of im is within `far` of the tensor's. */
static void assert_pixels(const ds_image *im, const ds_tensor *t, int far)
{
    const unsigned char *px = t->data;
    if (t->ndim != 3 || im->h != t->shape[0] || im->w != t->shape[1] || im->c != t->shape[2])
        fail_msg("%s: %zu x %zu x %zu", t->name, im->h, im->w, im->c);
    for (size_t i = 0; i < t->bytes; i++)
        if (abs(im->px[i] - px[i]) > far)
            fail_msg("%s: value %zu is %d, not %d", t->name, i, im->px[i], px[i]);
}

static void decodes_as_pillow_does(void **state)
{
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < ds_st_count(oracle); i++) {
        const ds_tensor *t = ds_st_at(oracle, i), *px = pixels_of(t);
        ds_image im;
        kn_error err;
        if (!px)
            continue;
        if (ds_image_decode(&im, t->data, t->bytes, &err))
            fail_msg("%s: %s", t->name, err.text);
        assert_pixels(&im, px, 0);
        ds_image_free(&im);
        seen++;
    }
    assert_int_equal(seen, 27);
}

/* Bytes at the end of an image without which nobody can know: the digits of the
 * last number of plain files and the white space behind them. */
static size_t spare(const ds_tensor *t)
{
    const unsigned char *p = t->data;
    size_t n = 0;
    if (!strstr(t->name, "plain"))
        return 0;
    for (bool digit = false; !digit || p[t->bytes - n - 1] > ' '; n++)
        digit = digit || p[t->bytes - n - 1] > ' ';
    return n - 1;
}

static void every_cut_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ds_st_count(oracle); i++) {
        const ds_tensor *t = ds_st_at(oracle, i);
        if (!pixels_of(t))
            continue;
        for (size_t n = 0; n < t->bytes - spare(t); n++) {
            unsigned char *cut = malloc(n ? n : 1); /* so that a sanitizer sees a read behind it */
            ds_image im;
            kn_error err = {""};
            assert_non_null(cut);
            memcpy(cut, t->data, n);
            if (!ds_image_decode(&im, cut, n, &err))
                fail_msg("%s: %zu bytes of %zu are decoded", t->name, n, t->bytes);
            assert_null(im.px);
            assert_true(err.text[0]);
            free(cut);
        }
    }
}

static void damage_is_an_error_or_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < ds_st_count(oracle); i++) {
        const ds_tensor *t = ds_st_at(oracle, i);
        if (!pixels_of(t))
            continue;
        unsigned char *bytes = malloc(t->bytes);
        size_t refused = 0;
        assert_non_null(bytes);
        memcpy(bytes, t->data, t->bytes);
        for (size_t k = 0; k < t->bytes; k++) {
            ds_image im;
            bytes[k] ^= 0x55;
            refused += ds_image_decode(&im, bytes, t->bytes, NULL) != 0;
            ds_image_free(&im);
            bytes[k] ^= 0x55;
        }
        if (!strncmp(t->name, "png", 3)) /* each chunk has its checksum */
            assert_int_equal(refused, t->bytes);
        else
            assert_true(refused > 0);
        free(bytes);
    }
}

static void refuses_what_it_cannot_hold(void **state)
{
    (void)state;
    static const struct { const char *bytes, *why; } refused[] = {
        {"", "empty"}, {"x", "no JPEG"}, {"GIF89a", "no JPEG"}, {"P4\n8 1\n\1", "no JPEG"}, {"\xff\xd8\xff", "JPEG"},
        {"P5", "cut short"}, {"P5\n1", "cut short"}, {"P5 1 1", "cut short"}, {"P5 1 1 255", "cut short"},
        {"P5 1 1 255x", "cut short"}, {"P5 1 1 255\n", "cut short"}, {"P5 0 1 255\n", "empty"},
        {"P5 1 0 255\n", "empty"},
        {"P5 1 1 0\nx", "largest value is 0"}, {"P5 1 1 65536\nxx", "over 65535"}, {"P5 1 1 9\n\x10", "over 9"},
        {"P2 1 1 9\n10\n", "over 9"}, {"P2 1 1 9\n-1\n", "byte of 45"}, {"P2 2 1 9\n1 # 2\n", "cut short"},
        {"P5 8193 8193 255\nx", "at most 67 million"}, {"P5 99999999999999999999 1 255\nx", "over 67108864"},
        {"P5 8192 8192 255\nx", "cut short"}, {"P6 1 1 255\nxx", "cut short"}, {"P5 1 1 256\nx", "cut short"}};
    kn_error err;
    ds_image im;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(ds_image_decode(&im, refused[i].bytes, strlen(refused[i].bytes), &err), -1);
        if (!strstr(err.text, refused[i].why))
            fail_msg("%s: %s", refused[i].bytes, err.text);
    }
    const ds_tensor *t = ds_st_find(oracle, "refused jpeg CMYK");
    assert_non_null(t);
    assert_int_equal(ds_image_decode(&im, t->data, t->bytes, &err), -1);
    assert_non_null(strstr(err.text, "CMYK"));
}

static void headers_at_their_limits(void **state)
{
    (void)state;
    ds_image im;
    assert_int_equal(ds_image_decode(&im, "P2#a\r2 1#b\n9\t\v3#c\n\n9", 21, NULL), 0);
    assert_int_equal(im.w, 2);
    assert_int_equal(im.px[0], 85);
    assert_int_equal(im.px[1], 255);
    ds_image_free(&im);
    assert_int_equal(ds_image_decode(&im, "P5 1 1 256\n\1", 13, NULL), 0); /* 256 in two bytes */
    assert_int_equal(im.px[0], 255);
    ds_image_free(&im);
}

/* A few bytes that claim many pixels: refused before memory is asked for. */
static void sizes_are_checked_before_memory(void **state)
{
    (void)state;
    static const struct { const char *name; size_t at; } header[] = {{"png grey", 16}, {"jpeg grey", 0}};
    for (size_t i = 0; i < sizeof header / sizeof *header; i++) {
        const ds_tensor *t = ds_st_find(oracle, header[i].name);
        ds_image im;
        kn_error err;
        unsigned char *bytes = malloc(t->bytes);
        assert_non_null(bytes);
        memcpy(bytes, t->data, t->bytes);
        if (i == 0) { /* 262144 x 262144, with the checksum of it */
            memcpy(bytes + header[i].at, "\0\4\0\0\0\4\0\0", 8);
            memcpy(bytes + 29, "\x99\xac\x16\x4b", 4);
        } else { /* SOF0: ff c0, length, precision, height, width */
            unsigned char *sof = bytes + 2;
            while (sof[1] != 0xc0)
                sof += 2 + (sof[2] << 8 | sof[3]);
            memcpy(sof + 5, "\xff\xdc\xff\xdc", 4);
        }
        assert_int_equal(ds_image_decode(&im, bytes, t->bytes, &err), -1);
        if (!strstr(err.text, "at most 67 million"))
            fail_msg("%s: %s", t->name, err.text);
        free(bytes);
    }
}

/* ---- files -------------------------------------------------------------------------- */

static void what_is_saved_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ds_st_count(oracle); i++) {
        const ds_tensor *t = ds_st_at(oracle, i);
        if (!strstr(t->name, ".px"))
            continue;
        const ds_image im = {t->shape[0], t->shape[1], t->shape[2], (unsigned char *)t->data};
        ds_image back;
        kn_error err;
        if (ds_image_save(test_path("saved.png"), &im, &err) || ds_image_read(&back, test_path("saved.png"), &err))
            fail_msg("%s: %s", t->name, err.text);
        assert_pixels(&back, t, 0);
        ds_image_free(&back);
    }
}

static void files_that_fail_are_named(void **state)
{
    (void)state;
    unsigned char px[1] = {0};
    const ds_image im = {1, 1, 1, px};
    ds_image back;
    kn_error err;
    assert_int_equal(ds_image_read(&back, test_path("nowhere.png"), &err), -1);
    assert_non_null(strstr(err.text, "nowhere.png: cannot be opened"));
    test_write(test_path("text.png"), "text", 4);
    assert_int_equal(ds_image_read(&back, test_path("text.png"), &err), -1);
    assert_non_null(strstr(err.text, "text.png: no JPEG"));
    assert_int_equal(ds_image_save("/nonexistent/folder/x.png", &im, &err), -1);
    assert_int_equal(ds_image_save("/dev/full", &im, &err), -1);
    assert_non_null(strstr(err.text, "/dev/full"));
}

/* ---- resizing ------------------------------------------------------------------------- */

static void resizes_as_pillow_does(void **state)
{
    (void)state;
    const ds_tensor *source = ds_st_find(oracle, "source");
    const ds_image in = {source->shape[0], source->shape[1], source->shape[2], (unsigned char *)source->data};
    size_t seen = 0;
    for (size_t i = 0; i < ds_st_count(oracle); i++) {
        const ds_tensor *t = ds_st_at(oracle, i);
        ds_image im;
        if (strncmp(t->name, "resize", 6))
            continue;
        assert_int_equal(ds_image_resize(&im, &in, t->shape[0], t->shape[1], t->shape[2], NULL), 0);
        assert_pixels(&im, t, 1); /* Pillow rounds between its two passes */
        ds_image_free(&im);
        seen++;
    }
    assert_int_equal(seen, 14);
}

static void resizing_keeps_what_it_must(void **state)
{
    (void)state;
    static unsigned char px[9 * 7 * 3];
    const ds_image in = {9, 7, 3, px};
    static const size_t size[] = {1, 2, 5, 7, 9, 10, 40};
    ds_image im, grey;
    memset(px, 255, sizeof px);
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) { /* of one colour it stays */
            assert_int_equal(ds_image_resize(&im, &in, size[i], size[j], 3, NULL), 0);
            for (size_t k = 0; k < size[i] * size[j] * 3; k++)
                assert_int_equal(im.px[k], 255);
            assert_int_equal(ds_image_resize(&grey, &im, 9, 7, 1, NULL), 0);
            assert_int_equal(grey.px[0], 255);
            ds_image_free(&im);
            assert_int_equal(ds_image_resize(&im, &grey, 3, 3, 3, NULL), 0);
            assert_int_equal(im.px[26], 255);
            ds_image_free(&im);
            ds_image_free(&grey);
        }
    for (size_t k = 0; k < sizeof px; k++)
        px[k] = (unsigned char)(37 * k);
    assert_int_equal(ds_image_resize(&im, &in, 9, 7, 3, NULL), 0); /* the same size is the same image */
    assert_memory_equal(im.px, px, sizeof px);
    ds_image_free(&im);
}

static void resizing_refuses(void **state)
{
    (void)state;
    unsigned char px[1] = {0};
    const ds_image in = {1, 1, 1, px};
    static const size_t bad[][3] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {1, 1, 2}, {1, 1, 4}, {1 << 14, 1 << 13, 1},
                                    {SIZE_MAX, 3, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ds_image im;
        kn_error err = {""};
        assert_int_equal(ds_image_resize(&im, &in, bad[i][0], bad[i][1], bad[i][2], &err), -1);
        assert_true(err.text[0]);
        assert_null(im.px);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_pillow_does),
        cmocka_unit_test(every_cut_is_an_error),
        cmocka_unit_test(damage_is_an_error_or_harmless),
        cmocka_unit_test(refuses_what_it_cannot_hold),
        cmocka_unit_test(headers_at_their_limits),
        cmocka_unit_test(sizes_are_checked_before_memory),
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(files_that_fail_are_named),
        cmocka_unit_test(resizes_as_pillow_does),
        cmocka_unit_test(resizing_keeps_what_it_must),
        cmocka_unit_test(resizing_refuses),
    };
    return cmocka_run_group_tests_name("image", tests, open_oracle, close_oracle);
}
