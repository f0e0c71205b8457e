/* Tests of siamese/augment.c: the map and the colours against SciPy
 * (tests/ref/augment.py), what is drawn, and no change at all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pixels.h"

static const ds_tensor *part(const ds_st *ref, int number, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "%d.%s", number, name);
    return ds_st_find(ref, key);
}

static void one_case(const ds_st *ref, int number)
{
    const ds_tensor *px = part(ref, number, "px"), *y = part(ref, number, "y");
    size_t h = px->shape[0], w = px->shape[1], c = px->shape[2], n = h * w * c;
    sm_change change;
    sm_image_input in = {.h = h, .w = w, .c = c};
    memcpy(&change, part(ref, number, "change")->data, sizeof change);
    memcpy(in.mean, part(ref, number, "input")->data, sizeof in.mean + sizeof in.std);
    float *x = malloc(n * sizeof *x), *scratch = malloc(n * sizeof *scratch), *want = malloc(n * sizeof *want);
    assert_true(x && scratch && want && y->bytes == n * sizeof *want);
    memcpy(want, y->data, y->bytes);
    sm_change_apply(x, px->data, &in, &change, scratch);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)want[i]) <= 2e-5))
            fail_msg("case %d [%zu]: %.9g, SciPy has %.9g", number, i, (double)x[i], (double)want[i]);
    free(x);
    free(scratch);
    free(want);
}

static void maps_and_colours_are_those_of_scipy(void **state)
{
    (void)state;
    kn_error err;
    ds_st *ref = ds_st_open("tests/ref/augment.st", &err);
    int cases = 0;
    if (!ref)
        fail_msg("%s", err.text);
    for (; part(ref, cases, "px"); cases++)
        one_case(ref, cases);
    assert_true(cases == 11);
    ds_st_close(ref);
}

static const sm_image_input input = {.h = 20, .w = 30, .c = 3, .mean = {0.5f, 0.25f, 0.75f}, .std = {0.5f, 0.2f, 0.3f}};

static void no_change_is_exact(void **state)
{
    (void)state;
    sm_pixels p = test_pixels(1, 20, 30, 3);
    float x[20 * 30 * 3], mirrored[20 * 30 * 3], scratch[20 * 30 * 3];
    for (uint32_t row = 0; row < 8; row++) {
        sm_change none = sm_augment_draw(&(sm_augment){0}, &input, 3, 4, row);
        sm_change_apply(x, p.px, &input, &none, scratch);
        for (size_t i = 0; i < sizeof x / sizeof *x; i++)
            assert_true(x[i] == ((float)p.px[i] / 255 - input.mean[i % 3]) / input.std[i % 3]);
    }
    /* and a mirrored image is the same numbers at other places */
    int flipped = 0;
    for (uint32_t row = 0; row < 8; row++) {
        sm_change flip = sm_augment_draw(&(sm_augment){.flip = true}, &input, 3, 4, row);
        sm_change_apply(mirrored, p.px, &input, &flip, scratch);
        flipped += flip.col[1] < 0;
        for (size_t y = 0; y < 20; y++)
            for (size_t at = 0; at < 30; at++)
                for (size_t k = 0; k < 3; k++)
                    assert_true(mirrored[(y * 30 + at) * 3 + k] ==
                                x[(y * 30 + (flip.col[1] < 0 ? 29 - at : at)) * 3 + k]);
    }
    assert_true(flipped > 0 && flipped < 8);
    sm_pixels_free(&p);
}

/* What many draws reach: nearly the ends of each range, never more, about evenly. */
static void draws_fill_their_ranges(void **state)
{
    (void)state;
    const sm_augment a = {.rotate = 30, .zoom = 0.25, .shift = 0.1, .colour = 0.2, .flip = true};
    const double degrees = 180 / 3.14159265358979323846;
    enum { N = 20000, CHECKED = 5 };
    double low[CHECKED], high[CHECKED], sum[CHECKED] = {0}, flips = 0;
    static const double most[CHECKED] = {30, 0.2231435513, 2, 3, 0.2};
    for (int i = 0; i < N; i++) {
        sm_change c = sm_augment_draw(&a, &input, 1, (uint64_t)i / 100, (uint32_t)i % 100);
        double det = (double)c.row[0] * (double)c.col[1] - (double)c.row[1] * (double)c.col[0];
        double v[CHECKED] = {atan2((double)c.col[0], (double)c.row[0]) * degrees, -log(fabs(det)) / 2,
                             (double)c.row[2] - 9.5, (double)c.col[2] - 14.5,
                             /* a pixel of mean colour: no contrast, so gain and brightness alone */
                             (double)(c.scale[0] * 0.5f + c.offset[0]) - 0.5};
        flips += det < 0;
        /* turned and zoomed, never sheared */
        test_near(c.row[0] * c.col[0] + c.row[1] * c.col[1], 0, 1e-6);
        test_near(hypotf(c.row[0], c.row[1]), hypotf(c.col[0], c.col[1]), 1e-6);
        for (int k = 0; k < CHECKED; k++) {
            low[k] = i == 0 || v[k] < low[k] ? v[k] : low[k];
            high[k] = i == 0 || v[k] > high[k] ? v[k] : high[k];
            sum[k] += v[k];
        }
    }
    for (int k = 0; k < CHECKED; k++) {
        double reach = k == 4 ? 0.3 : most[k]; /* brightness 0.2 + gain 0.2 of 0.5 */
        assert_true(low[k] >= -reach * 1.0001 && high[k] <= reach * 1.0001);
        assert_true(low[k] < -reach * 0.9 && high[k] > reach * 0.9);
        test_near(sum[k] / N, 0, reach * 0.03);
    }
    test_near(flips / N, 0.5, 0.02);
}

static void draws_depend_on_seed_step_and_row_alone(void **state)
{
    (void)state;
    const sm_augment a = {.rotate = 30, .zoom = 0.25, .shift = 0.1, .colour = 0.2, .flip = true};
    sm_change first = sm_augment_draw(&a, &input, 1, 5, 7), again = sm_augment_draw(&a, &input, 1, 5, 7);
    assert_memory_equal(&first, &again, sizeof first);
    const struct { uint64_t seed, step; uint32_t row; } others[] = {
        {2, 5, 7}, {1, 6, 7}, {1, 5, 8}, {1, UINT64_MAX, 7}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        sm_change c = sm_augment_draw(&a, &input, others[i].seed, others[i].step, others[i].row);
        assert_true(c.row[0] != first.row[0] && c.row[2] != first.row[2] && c.scale[0] != first.scale[0]);
    }
    /* one setting leaves the others' draws alone */
    sm_augment still = a;
    still.rotate = 0;
    sm_change c = sm_augment_draw(&still, &input, 1, 5, 7);
    assert_true(c.row[2] == first.row[2] && c.col[2] == first.col[2] && c.offset[2] == first.offset[2]);
}

static void settings_out_of_range_are_refused(void **state)
{
    (void)state;
    kn_error err;
    const sm_augment good[] = {{0}, {180, 10, 1, 1, true}};
    const sm_augment bad[] = {{.rotate = -1}, {.rotate = 181}, {.zoom = -0.1}, {.zoom = 11}, {.shift = 1.1},
                              {.colour = (double)NAN}, {.shift = (double)INFINITY}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(sm_augment_check(&good[i], &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sm_augment_check(&bad[i], &err), -1);
        assert_non_null(strstr(err.text, "it must be from 0 to"));
    }
}

/* Brightness 2 x + 3 y, seen at other sizes about the centre and from behind. */
static void views_are_sizes_and_mirrors(void **state)
{
    (void)state;
    enum { SIDE = 21 };
    unsigned char px[SIDE * SIDE];
    float x[SIDE * SIDE], scratch[SIDE * SIDE];
    const sm_image_input in = {.h = SIDE, .w = SIDE, .c = 1, .std = {1}};
    const double sizes[] = {1, 1.25, 2, 4};
    for (int i = 0; i < SIDE * SIDE; i++)
        px[i] = (unsigned char)(2 * (i % SIDE) + 3 * (i / SIDE));
    for (int k = 0; k < 8; k++) {
        double size = sizes[k / 2], side = k % 2 ? -1 : 1, middle = (SIDE - 1) / 2.0;
        sm_change c = sm_change_view(&in, size, k % 2);
        sm_change_apply(x, px, &in, &c, scratch);
        for (int i = 0; i < SIDE * SIDE; i++) {
            double across = middle + side * (i % SIDE - middle) / size, down = middle + (i / SIDE - middle) / size;
            test_near((double)x[i] * 255, 2 * across + 3 * down, 1e-3);
        }
    }
}

/* A change that no setting gives, NaN even, reads no pixel outside the image. */
static void any_map_stays_inside(void **state)
{
    (void)state;
    sm_pixels p = test_pixels(1, 20, 30, 3);
    float x[20 * 30 * 3], scratch[20 * 30 * 3];
    const float wild[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 3e9f};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++)
        for (int k = 0; k < 3; k++) {
            sm_change c = sm_change_view(&input, 1, false);
            c.row[k] = wild[i];
            c.col[(k + 1) % 3] = wild[i];
            sm_change_apply(x, p.px, &input, &c, scratch);
            for (size_t e = 0; e < sizeof x / sizeof *x; e++)
                assert_true(isfinite(x[e]));
        }
    sm_pixels_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_and_colours_are_those_of_scipy),
        cmocka_unit_test(no_change_is_exact),
        cmocka_unit_test(draws_fill_their_ranges),
        cmocka_unit_test(draws_depend_on_seed_step_and_row_alone),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(views_are_sizes_and_mirrors),
        cmocka_unit_test(any_map_stays_inside),
    };
    return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
