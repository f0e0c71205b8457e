/* Tests of siamese/pixels.c: reading sets with whole and broken files by any
 * number of threads, measuring, and pixels as a network reads them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/pixels.h"

enum { FILES = 40, BROKEN = 7 };

/* Image number i is 8 x 6 and grey; the broken ones end too soon. */
static void write_image(const char *folder, int i, bool broken)
{
    char path[4200], bytes[100];
    snprintf(path, sizeof path, "%s/%02d.pgm", folder, i);
    int n = snprintf(bytes, sizeof bytes, "P5 6 8 255\n");
    for (int k = 0; k < 48; k++)
        bytes[n + k] = (char)(unsigned char)(i * 5 + k);
    test_write(path, bytes, (size_t)n + (broken ? 20 : 48));
}

static bool is_broken(int i)
{
    return i % BROKEN == 3;
}

static ds_images *folder_of_images(const char *name, bool some_broken)
{
    kn_error err;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", test_path(name));
    assert_int_equal(mkdir(folder, 0700), 0);
    strcat(folder, "/kind");
    assert_int_equal(mkdir(folder, 0700), 0);
    for (int i = 0; i < FILES; i++)
        write_image(folder, i, some_broken && is_broken(i));
    ds_images *set = ds_images_open(test_path(name), &(ds_images_options){0}, &err);
    if (!set)
        fail_msg("%s", err.text);
    assert_int_equal(ds_images_count(set), FILES);
    return set;
}

static void progress(void *arg, size_t done, size_t total)
{
    size_t *last = arg;
    assert_true(done >= *last && done <= total && total == FILES);
    *last = done;
}

static void images_are_read_in_order(void **state)
{
    (void)state;
    kn_error err;
    ds_images *set = folder_of_images("whole", false);
    for (int threads = 1; threads <= 4; threads++) {
        kn_pool *pool = kn_pool_new(threads, &err);
        size_t last = 0;
        sm_pixels p;
        sm_pixels_options o = {.h = 8, .w = 6, .c = 1, .progress = progress, .arg = &last};
        assert_int_equal(sm_pixels_read(&p, set, NULL, 0, &o, pool, &err), 0);
        assert_true(p.n == FILES && p.bad == 0 && p.h == 8 && p.w == 6 && p.c == 1);
        for (uint32_t i = 0; i < FILES; i++) {
            assert_int_equal(p.item[i], i);
            for (uint32_t k = 0; k < 48; k++)
                assert_int_equal(p.px[i * 48 + k], (unsigned char)(i * 5 + k));
        }
        sm_pixels_free(&p);
        /* some, in an order of their own, larger and with colours */
        const uint32_t some[] = {30, 2, 30, 11};
        o = (sm_pixels_options){.h = 10, .w = 12, .c = 3};
        assert_int_equal(sm_pixels_read(&p, set, some, 4, &o, pool, &err), 0);
        assert_true(p.n == 4 && !memcmp(p.item, some, sizeof some));
        for (size_t i = 0; i < 4; i++) {
            ds_image im, fit;
            assert_int_equal(ds_images_read(set, some[i], &im, &err), 0);
            assert_int_equal(ds_image_resize(&fit, &im, 10, 12, 3, &err), 0);
            assert_memory_equal(p.px + i * 360, fit.px, 360);
            ds_image_free(&im);
            ds_image_free(&fit);
        }
        sm_pixels_free(&p);
        kn_pool_free(pool);
    }
    ds_images_close(set);
}

static void broken_images_are_named_or_left_out(void **state)
{
    (void)state;
    kn_error err;
    ds_images *set = folder_of_images("broken", true);
    for (int threads = 1; threads <= 4; threads++) {
        kn_pool *pool = kn_pool_new(threads, &err);
        sm_pixels p;
        sm_pixels_options o = {.h = 8, .w = 6, .c = 1};
        assert_int_equal(sm_pixels_read(&p, set, NULL, 0, &o, pool, &err), -1);
        assert_non_null(strstr(err.text, "03.pgm")); /* the first, whoever decoded which */
        assert_true(!p.px && !p.item);
        o.skip_bad = true;
        assert_int_equal(sm_pixels_read(&p, set, NULL, 0, &o, pool, &err), 0);
        uint32_t at = 0;
        for (int i = 0; i < FILES; i++) {
            if (is_broken(i))
                continue;
            assert_int_equal(p.item[at], i);
            assert_int_equal(p.px[at++ * 48 + 47], (unsigned char)(i * 5 + 47));
        }
        assert_true(p.n == at && p.bad == FILES - at && p.bad > 0);
        sm_pixels_free(&p);
        const uint32_t bad[] = {10, 3};
        assert_int_equal(sm_pixels_read(&p, set, bad, 2, &o, pool, &err), -1);
        assert_non_null(strstr(err.text, "none of 2 images"));
        assert_non_null(strstr(err.text, "10.pgm"));
        kn_pool_free(pool);
    }
    ds_images_close(set);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    kn_error err;
    ds_images *set = folder_of_images("sizes", false);
    sm_pixels p;
    static const sm_pixels_options bad[] = {
        {.h = 0, .w = 6, .c = 1}, {.h = 8, .w = 0, .c = 1}, {.h = 8, .w = 6, .c = 2},
        {.h = SIZE_MAX / 2, .w = 4, .c = 1}, {.h = 1 << 14, .w = 1 << 14, .c = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sm_pixels_read(&p, set, NULL, 0, &bad[i], NULL, &err), -1);
        assert_non_null(strstr(err.text, "cannot be used"));
    }
    uint32_t *many = calloc((size_t)1 << 20, sizeof *many); /* of 192 MB each: 200 TB */
    assert_non_null(many);
    const sm_pixels_options large = {.h = 1 << 13, .w = 1 << 13, .c = 3};
    assert_int_equal(sm_pixels_read(&p, set, many, (size_t)1 << 20, &large, NULL, &err), -1);
    assert_non_null(strstr(err.text, "1048576 images of 8192 x 8192 x 3 do not fit into memory"));
    assert_int_equal(sm_pixels_read(&p, set, many, 0, &large, NULL, &err), -1);
    free(many);
    ds_images_close(set);
}

static void one_image_in_another_size(void **state)
{
    (void)state;
    kn_error err;
    sm_pixels big = test_pixels(1, 40, 30, 3), p;
    ds_image im = {.h = 40, .w = 30, .c = 3, .px = big.px}, fit;
    assert_int_equal(sm_pixels_of(&p, &im, 20, 10, 1, &err), 0);
    assert_int_equal(ds_image_resize(&fit, &im, 20, 10, 1, &err), 0);
    assert_true(p.n == 1 && !p.item && !memcmp(p.px, fit.px, 200));
    ds_image_free(&fit);
    sm_pixels_free(&p);
    assert_int_equal(sm_pixels_of(&p, &im, 20, 10, 4, &err), -1);
    sm_pixels_free(&big);
}

static void mean_and_deviation_of_channels(void **state)
{
    (void)state;
    for (size_t c = 1; c <= 3; c += 2) {
        sm_pixels p = test_pixels(9, 11, 13, c);
        size_t n = 9 * 11 * 13;
        for (size_t i = 0; i < n; i++) /* channels unlike each other, one constant */
            for (size_t k = 0; k < c; k++)
                p.px[i * c + k] = k == 2 ? 77 : (unsigned char)(p.px[i * c + k] >> (k + 1));
        sm_image_input in = sm_pixels_measure(&p);
        assert_true(in.h == 11 && in.w == 13 && in.c == c);
        for (size_t k = 0; k < c; k++) {
            double mean = 0, var = 0;
            for (size_t i = 0; i < n; i++)
                mean += p.px[i * c + k] / 255.0 / (double)n;
            for (size_t i = 0; i < n; i++)
                var += pow(p.px[i * c + k] / 255.0 - mean, 2) / (double)n;
            test_near(in.mean[k], mean, 1e-7);
            test_near(in.std[k], k == 2 ? 1 : sqrt(var), 1e-7);
        }
        sm_pixels_free(&p);
    }
}

static void rows_as_the_network_reads_them(void **state)
{
    (void)state;
    static const struct { size_t w, c; } of[] = {{7, 1}, {6, 1}, {7, 3}, {6, 3}, {1, 3}};
    for (size_t t = 0; t < sizeof of / sizeof *of; t++) {
        size_t w = of[t].w, c = of[t].c, one = 5 * w * c;
        sm_pixels p = test_pixels(6, 5, w, c);
        sm_image_input in = {.h = 5, .w = w, .c = c, .mean = {0.1f, 0.5f, 0.7f}, .std = {0.3f, 0.2f, 0.9f}};
        float x[2 * 5 * 7 * 3], mirrored[2 * 5 * 7 * 3], scratch[5 * 7 * 3];
        sm_change plain = sm_change_view(&in, 1, false), turned = sm_change_view(&in, 1, true);
        sm_pixels_rows(x, &p, &in, 3, 2, &plain, scratch);
        sm_pixels_rows(mirrored, &p, &in, 3, 2, &turned, scratch);
        for (size_t i = 0; i < 2 * one; i++) {
            size_t k = i % c, at = i / c % w, row = i / c / w;
            assert_true(x[i] == ((float)p.px[3 * one + i] / 255 - in.mean[k]) / in.std[k]);
            assert_true(mirrored[(row * w + w - 1 - at) * c + k] == x[i]);
        }
        sm_pixels_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_read_in_order),
        cmocka_unit_test(broken_images_are_named_or_left_out),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(one_image_in_another_size),
        cmocka_unit_test(mean_and_deviation_of_channels),
        cmocka_unit_test(rows_as_the_network_reads_them),
    };
    return cmocka_run_group_tests_name("pixels", tests, NULL, NULL);
}
