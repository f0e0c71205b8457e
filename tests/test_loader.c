/* Tests of siamese/loader.c: the same batches by any number of threads and from
 * any step on, each what sampler and augmentation say; an end at any time. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pixels.h"

enum { N = 83, BATCH = 16, STEPS = 40 };

static sm_pixels pixels;
static sm_image_input input;
static const sm_augment augment = {.rotate = 20, .zoom = 0.2, .shift = 0.1, .colour = 0.2, .flip = true};
static uint32_t group[N], first[N], second[N];
static float label[N];

static int make_images(void **state)
{
    (void)state;
    pixels = test_pixels(N, 13, 17, 3);
    input = sm_pixels_measure(&pixels);
    for (uint32_t i = 0; i < N; i++) {
        group[i] = i % 11;
        first[i] = i;
        second[i] = (i * 31 + 5) % N;
        label[i] = i % 3 == 0;
    }
    return 0;
}

static int free_images(void **state)
{
    (void)state;
    sm_pixels_free(&pixels);
    return 0;
}

enum { KINDS = 3 };

static sm_sampler *sampler(int kind)
{
    sm_sampler *s = kind == 0   ? sm_sampler_shuffled(N, BATCH, 1, NULL)
                    : kind == 1 ? sm_sampler_balanced(group, N, 8, 2, 1, NULL)
                                : sm_sampler_pairs(first, second, label, N, BATCH / 2, false, 1, NULL);
    assert_non_null(s);
    return s;
}

static sm_loader *loader(sm_sampler *s, int workers, uint64_t first_step)
{
    kn_error err;
    const sm_loader_options o = {.augment = augment, .seed = 4, .first_step = first_step, .workers = workers};
    sm_loader *l = sm_loader_new(&pixels, &input, s, &o, &err);
    if (!l)
        fail_msg("%s", err.text);
    return l;
}

/* A batch is what its parts say when they are asked one by one. */
static void check_batch(const sm_image_batch *b, sm_sampler *s, uint64_t step)
{
    enum { ONE = 13 * 17 * 3 };
    uint32_t item[2 * BATCH], in_group[2 * BATCH] = {0};
    float labels[2 * BATCH] = {0}, x[ONE], scratch[ONE];
    size_t rows = sm_sampler_step(s, step, item, in_group, labels);
    assert_int_equal(b->step, step);
    assert_int_equal(b->rows, rows);
    assert_memory_equal(b->item, item, rows * sizeof *item);
    assert_memory_equal(b->group, in_group, rows * sizeof *in_group);
    assert_memory_equal(b->label, labels, rows / 2 * sizeof *labels);
    for (uint32_t r = 0; r < rows; r++) {
        sm_change change = sm_augment_draw(&augment, &input, 4, step, r);
        sm_change_apply(x, pixels.px + item[r] * ONE, &input, &change, scratch);
        assert_memory_equal(b->x + r * ONE, x, sizeof x);
    }
}

static void the_same_batches_by_any_number_of_threads(void **state)
{
    (void)state;
    static const int workers[] = {0, 1, 2, 3, 8};
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t k = 0; k < sizeof workers / sizeof *workers; k++) {
            sm_sampler *s = sampler(kind), *again = sampler(kind);
            sm_loader *l = loader(s, workers[k], 0);
            for (uint64_t step = 0; step < STEPS; step++)
                check_batch(sm_loader_next(l), again, step);
            sm_loader_free(l);
            sm_sampler_free(s);
            sm_sampler_free(again);
        }
}

static void begins_at_any_step(void **state)
{
    (void)state;
    static const uint64_t from[] = {1, 7, 1000, (uint64_t)1 << 40};
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t k = 0; k < sizeof from / sizeof *from; k++) {
            sm_sampler *s = sampler(kind), *again = sampler(kind);
            sm_loader *l = loader(s, 3, from[k]);
            for (uint64_t step = from[k]; step < from[k] + 12; step++)
                check_batch(sm_loader_next(l), again, step);
            sm_loader_free(l);
            sm_sampler_free(s);
            sm_sampler_free(again);
        }
}

static void ends_at_any_time(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        sm_sampler *s = sampler(i % KINDS);
        sm_loader *l = loader(s, i % 5, 0);
        for (int step = 0; step < i % 4; step++)
            assert_int_equal(sm_loader_next(l)->step, step);
        if (i % 7 == 0)
            usleep(1000); /* all slots are full, workers wait */
        sm_loader_free(l);
        sm_sampler_free(s);
    }
    sm_loader_free(NULL);
}

/* The caller's batch is not touched while workers run ahead. */
static void a_batch_is_valid_until_the_next(void **state)
{
    (void)state;
    sm_sampler *s = sampler(0), *again = sampler(0);
    sm_loader *l = loader(s, 2, 0);
    for (uint64_t step = 0; step < 4; step++) {
        const sm_image_batch *b = sm_loader_next(l);
        usleep(5000);
        check_batch(b, again, step);
    }
    sm_loader_free(l);
    sm_sampler_free(s);
    sm_sampler_free(again);
}

static void what_cannot_be_loaded_is_an_error(void **state)
{
    (void)state;
    kn_error err;
    sm_sampler *s = sampler(0), *large = sm_sampler_shuffled(N + 1, BATCH, 1, NULL);
    sm_image_input other = input;
    other.w = 16;
    assert_null(sm_loader_new(&pixels, &other, s, &(sm_loader_options){0}, &err));
    assert_non_null(strstr(err.text, "13 x 17 x 3 for a network that reads 13 x 16 x 3"));
    assert_null(sm_loader_new(&pixels, &input, large, &(sm_loader_options){0}, &err));
    assert_non_null(strstr(err.text, "image 84 of 83"));
    assert_null(sm_loader_new(&pixels, &input, s, &(sm_loader_options){.workers = -1}, &err));
    assert_null(sm_loader_new(&pixels, &input, s, &(sm_loader_options){.workers = SM_MAX_WORKERS + 1}, &err));
    assert_null(sm_loader_new(&pixels, &input, s, &(sm_loader_options){.augment.zoom = 99}, &err));
    assert_non_null(strstr(err.text, "a zoom of 99"));
    sm_sampler_free(s);
    sm_sampler_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_batches_by_any_number_of_threads),
        cmocka_unit_test(begins_at_any_step),
        cmocka_unit_test(ends_at_any_time),
        cmocka_unit_test(a_batch_is_valid_until_the_next),
        cmocka_unit_test(what_cannot_be_loaded_is_an_error),
    };
    return cmocka_run_group_tests_name("loader", tests, make_images, free_images);
}
