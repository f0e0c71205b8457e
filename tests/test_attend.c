/* Tests of siamese/attend.c on networks that are linear in the pixels, where what
 * a covered square takes from the answer can be told. */
#include <math.h>
#include <string.h>

#include "siamese/image_model.h"
#include "tests/models.h"
#include "tests/pixels.h"
#include "tests/support.h"

enum { H = 6, W = 5, C = 3 };

static kn_backend *naive;

static const sm_image_recipe recipe = {
    .input = {H, W, C, {0.25f, 0.5f, 1}, {0.5f, 2, 0.25f}}, .score_mean = 3, .score_std = 10};

static sm_model *linear_model(size_t outputs, sm_loss loss)
{
    char text[64];
    snprintf(text, sizeof text, "input %dx%dx%d\nlinear %zu", H, W, C, outputs);
    sm_model *m = test_model(text, H * W * C, 7);
    m->loss = loss;
    m->distance = KN_L1;
    return m;
}

static sm_attention attended(const sm_model *m, const sm_image_recipe *r, const sm_pixels *p, size_t patch,
                             size_t stride, ptrdiff_t class)
{
    sm_encoder *e = sm_encoder_new(m, naive, NULL);
    sm_attention a;
    kn_error err;
    if (sm_attend(&a, e, m, r, p, &(sm_attend_options){patch, stride, class}, &err))
        fail_msg("%s", err.text);
    sm_encoder_free(e);
    return a;
}

/* What covering this pixel takes from output k of a linear network. */
static double share(const sm_model *m, const sm_pixels *p, size_t k, size_t pixel)
{
    static const double mean[C] = {64, 128, 255}, std[C] = {0.5, 2, 0.25}; /* the mean colour as bytes */
    double sum = 0;
    for (size_t c = 0; c < C; c++) {
        size_t i = pixel * C + c;
        sum += (double)m->params[k * H * W * C + i] * (p->px[i] - mean[c]) / 255 / std[c];
    }
    return sum;
}

/* The same of the square of side n at (top,left). */
static double share_of(const sm_model *m, const sm_pixels *p, size_t k, size_t top, size_t left, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n * n; i++)
        sum += share(m, p, k, (top + i / n) * W + left + i % n);
    return sum;
}

static void a_single_pixel_shows_its_weight(void **state)
{
    (void)state;
    sm_model *m = linear_model(1, SM_HUBER);
    sm_pixels p = test_pixels(1, H, W, C);
    sm_attention a = attended(m, &recipe, &p, 1, 1, -1);
    double score = 3, bias = (double)m->params[H * W * C], largest = 0;
    for (size_t i = 0; i < H * W; i++) {
        test_near(a.map[i], 10 * share(m, &p, 0, i), 1e-4);
        largest = fmax(largest, fabs((double)a.map[i]));
        for (size_t c = 0; c < C; c++)
            score += 10 * (double)m->params[i * C + c] *
                     ((double)p.px[i * C + c] / 255 - (double)recipe.input.mean[c]) / (double)recipe.input.std[c];
    }
    test_near(a.answer, score + 10 * bias, 1e-4);
    assert_true(largest > 0.1);
    kn_free(a.map);
    sm_pixels_free(&p);
    sm_model_free(m);
}

/* Squares of 3 moved by 2 begin at rows 0, 2, 3 and columns 0, 2. */
static void a_pixel_has_the_mean_of_its_squares(void **state)
{
    (void)state;
    static const size_t top[] = {0, 2, 3}, left[] = {0, 2};
    sm_model *m = linear_model(1, SM_MSE);
    sm_pixels p = test_pixels(1, H, W, C);
    sm_attention a = attended(m, &recipe, &p, 3, 2, -1);
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) {
            double sum = 0, n = 0;
            for (int s = 0; s < 6; s++)
                if (y - top[s / 2] < 3 && x - left[s % 2] < 3) {
                    sum += 10 * share_of(m, &p, 0, top[s / 2], left[s % 2], 3);
                    n++;
                }
            assert_true(n > 0);
            test_near(a.map[y * W + x], sum / n, 1e-4);
        }
    kn_free(a.map);
    sm_pixels_free(&p);
    sm_model_free(m);
}

static void of_a_class_its_probability(void **state)
{
    (void)state;
    sm_model *m = linear_model(2, SM_SOFTMAX);
    sm_pixels p = test_pixels(1, H, W, C);
    for (ptrdiff_t class = 0; class < 2; class++) {
        sm_attention a = attended(m, &recipe, &p, 1, 1, class);
        double logit = log(a.answer / (1 - a.answer));
        assert_int_equal(a.class_number, class);
        for (size_t i = 0; i < H * W; i++) {
            double less = share(m, &p, (size_t)class, i) - share(m, &p, (size_t)!class, i);
            test_near(a.map[i], a.answer - 1 / (1 + exp(less - logit)), 1e-5);
        }
        kn_free(a.map);
        m->params[2 * H * W * C + !class] = -100; /* its bias: the other is the most probable one */
        m->params[2 * H * W * C + class] = 0;
        a = attended(m, &recipe, &p, 1, 1, -1);
        assert_int_equal(a.class_number, class);
        kn_free(a.map);
        m->params[2 * H * W * C + !class] = 0;
    }
    sm_pixels_free(&p);
    sm_model_free(m);
}

static void of_a_vector_the_distance(void **state)
{
    (void)state;
    sm_model *m = linear_model(3, SM_HINGE);
    sm_pixels p = test_pixels(1, H, W, C);
    sm_attention a = attended(m, &recipe, &p, 1, 1, -1);
    for (size_t i = 0; i < H * W; i++)
        test_near(a.map[i], fabs(share(m, &p, 0, i)) + fabs(share(m, &p, 1, i)) + fabs(share(m, &p, 2, i)), 1e-5);
    kn_free(a.map);
    sm_pixels_free(&p);
    sm_model_free(m);
}

/* More squares than are covered at a time: a larger image, and its mirror image too. */
static void any_number_of_squares(void **state)
{
    (void)state;
    enum { SIDE = 24 };
    sm_image_recipe r = {.input = {SIDE, SIDE, 1, {0.5f}, {1}}, .mirror = true, .score_std = 1};
    sm_model *m = test_model("input 24x24x1\nlinear 1", SIDE * SIDE, 3);
    m->loss = SM_MSE;
    sm_pixels p = test_pixels(1, SIDE, SIDE, 1);
    sm_attention a = attended(m, &r, &p, 1, 1, -1);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        size_t mirrored = i / SIDE * SIDE + SIDE - 1 - i % SIDE;
        double w = ((double)m->params[i] + (double)m->params[mirrored]) / 2;
        test_near(a.map[i], w * (p.px[i] - 128) / 255, 1e-5);
    }
    kn_free(a.map);
    sm_pixels_free(&p);
    sm_model_free(m);
}

static void refuses(void **state)
{
    (void)state;
    static const sm_attend_options bad[] = {{0, 0, -1}, {1, 0, -1}, {2, 3, -1}, {6, 1, -1}, {1, 1, 2}};
    sm_model *m = linear_model(2, SM_SOFTMAX);
    sm_encoder *e = sm_encoder_new(m, naive, NULL);
    sm_pixels p = test_pixels(1, H, W, C);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sm_attention a;
        kn_error err = {{0}};
        assert_int_equal(sm_attend(&a, e, m, &recipe, &p, bad + i, &err), -1);
        assert_non_null(strstr(err.text, i < 4 ? "does not go over an image of 6 x 5" : "knows no class number 2"));
        assert_null(a.map);
    }
    sm_pixels_free(&p);
    sm_encoder_free(e);
    sm_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_pixel_shows_its_weight), cmocka_unit_test(a_pixel_has_the_mean_of_its_squares),
        cmocka_unit_test(of_a_class_its_probability),      cmocka_unit_test(of_a_vector_the_distance),
        cmocka_unit_test(any_number_of_squares),           cmocka_unit_test(refuses),
    };
    naive = kn_backend_naive(NULL);
    return naive ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
