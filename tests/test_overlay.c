/* Tests of data/image_overlay.c: colours and places told by hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/images.h"
#include "tests/support.h"

static ds_image grey(size_t h, size_t w, unsigned char value)
{
    ds_image im = {h, w, 1, kn_alloc(h * w, 1, NULL)};
    assert_non_null(im.px);
    memset(im.px, value, h * w);
    return im;
}

static ds_image drawn(const ds_image *im, const float *map, size_t h, size_t w)
{
    ds_image out;
    kn_error err;
    if (ds_image_overlay(&out, im, map, h, w, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out.c, 3);
    return out;
}

static void pixel_is(const ds_image *im, size_t y, size_t x, int r, int g, int b)
{
    const unsigned char *px = im->px + (y * im->w + x) * 3;
    if (abs(px[0] - r) > 1 || abs(px[1] - g) > 1 || abs(px[2] - b) > 1)
        fail_msg("(%zu,%zu) is %d %d %d, not %d %d %d", y, x, px[0], px[1], px[2], r, g, b);
}

static void sizes(void **state)
{
    (void)state;
    static const size_t size[][4] = { /* of the image, of the picture */
        {28, 28, 256, 256}, {10, 20, 128, 256}, {300, 200, 300, 200}, {2000, 1000, 1024, 512}, {1, 5000, 1, 1024}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        ds_image im = grey(size[i][0], size[i][1], 7), out = drawn(&im, (float[]){0}, 1, 1);
        assert_int_equal(out.h, size[i][2]);
        assert_int_equal(out.w, size[i][3]);
        pixel_is(&out, out.h - 1, out.w - 1, 7, 7, 7); /* a map of zeros is the picture */
        ds_image_free(&im);
        ds_image_free(&out);
    }
}

/* The largest is two parts colour and one part picture; others by their size. */
static void colours(void **state)
{
    (void)state;
    ds_image im = grey(300, 300, 90);
    ds_image out = drawn(&im, (float[]){2}, 1, 1);
    pixel_is(&out, 0, 0, 200, 30, 30);
    pixel_is(&out, 299, 150, 200, 30, 30);
    ds_image_free(&out);
    out = drawn(&im, (float[]){4, -2, 0, -4}, 2, 2);
    pixel_is(&out, 0, 0, 200, 30, 30);
    pixel_is(&out, 0, 299, 60, 81, 145); /* a third of the way to 0 64 255 */
    pixel_is(&out, 299, 0, 90, 90, 90);
    pixel_is(&out, 299, 299, 30, 73, 200);
    ds_image_free(&out);
    ds_image_free(&im);
}

/* Between the centres of two numbers, at 1/4 and 3/4 of the picture, the map is a line. */
static void between_numbers(void **state)
{
    (void)state;
    ds_image im = grey(400, 400, 0);
    for (int across = 0; across < 2; across++) {
        ds_image out = drawn(&im, (float[]){0, 3}, across ? 1 : 2, across ? 2 : 1);
        for (size_t i = 0; i < 400; i++) {
            double at = fmin(fmax(((double)i + 0.5 - 100) / 200, 0), 1);
            pixel_is(&out, across ? 17 : i, across ? i : 17, (int)lround(255 * at * 2 / 3), 0, 0);
        }
        ds_image_free(&out);
    }
    ds_image_free(&im);
}

static void colour_pictures_become_grey(void **state)
{
    (void)state;
    ds_image im = {256, 256, 3, kn_alloc(256 * 256, 3, NULL)};
    assert_non_null(im.px);
    for (size_t i = 0; i < 256 * 256; i++)
        im.px[3 * i] = 200;
    ds_image out = drawn(&im, (float[]){0}, 1, 1);
    pixel_is(&out, 3, 3, 60, 60, 60); /* 0.299 of 200 */
    ds_image_free(&out);
    ds_image_free(&im);
}

static void numbers_must_be_finite(void **state)
{
    (void)state;
    ds_image im = grey(3, 3, 0), out;
    kn_error err;
    assert_int_equal(ds_image_overlay(&out, &im, (float[]){1, NAN}, 1, 2, &err), -1);
    assert_non_null(strstr(err.text, "nan"));
    assert_int_equal(ds_image_overlay(&out, &im, (float[]){INFINITY, 1}, 2, 1, &err), -1);
    assert_null(out.px);
    ds_image_free(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),           cmocka_unit_test(colours),
        cmocka_unit_test(between_numbers), cmocka_unit_test(colour_pictures_become_grey),
        cmocka_unit_test(numbers_must_be_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
