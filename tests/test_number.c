/* Tests of the number parser of word vectors: the same bits as strtof's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embeddings/import.h"
#include "kernels/rng.h"
#include "tests/support.h"

static size_t numbers_tried;

/* The text is one number, and parses to strtof's bits. */
static void same_as_strtof(const char *text)
{
    float got = 0, expected = strtof(text, NULL);
    size_t n = strlen(text);
    char *exact = malloc(n); /* nothing behind the last digit may be looked at */
    assert_non_null(exact);
    memcpy(exact, text, n);
    const char *end = emb_parse_float(&got, exact, exact + n);
    if (end != exact + n || memcmp(&got, &expected, sizeof got))
        fail_msg("%s: %a where strtof says %a", text, (double)got, (double)expected);
    free(exact);
    numbers_tried++;
}

static void numbers_by_hand(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0", "-0", "+1", "1.", ".5", "-.5", "1e5", "1E+5", "1e-5", "0.1", "16777217", "9007199254740993", "1e22", "1e23",
        "3.4028235e38", "3.4028236e38", "3.5e38", "1e39", "-1e99999999999", "1e-38", "1.1754944e-38", "1e-45", "7e-46",
        "1e-99999999999", "0e999", "00000000000000000000000000000001", "0.00000000000000000000000000000000000000000001",
        "18446744073709551616", "99999999999999999999999999999", "1.00000005960464477539062", "1.000000059604644775390625",
        "1.00000005960464477539063", "0.000000000000000000000000000000000000000000000700649232162408535461864791644958",
        "123456789012345678901234567890e-20"};
    static const char *const none[] = {"", "-", "+", ".", "-.", "e5", "nan", "inf", "-inf", "x", " 1", "--1", "+-1"};
    static const struct { const char *text; size_t used; } part[] = {
        {"1e", 1}, {"1e+", 1}, {"1e-x", 1}, {"1.5.2", 3}, {"0x1p3", 1}, {"12a", 2}, {"1,5", 1}, {"1 2", 1}};
    float x;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        same_as_strtof(good[i]);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(emb_parse_float(&x, none[i], none[i] + strlen(none[i])));
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        assert_ptr_equal(emb_parse_float(&x, part[i].text, part[i].text + strlen(part[i].text)),
                         part[i].text + part[i].used);
    char digits[2000]; /* longer than any float needs: no number rather than a wrong one */
    memset(digits, '1', sizeof digits);
    assert_null(emb_parse_float(&x, digits, digits + sizeof digits));
}

static float random_float(kn_rng *r)
{
    uint32_t bits = kn_rng_u32(r);
    float f;
    memcpy(&f, &bits, sizeof f);
    return isfinite(f) ? f : 1;
}

static void numbers_at_random(void **state)
{
    (void)state;
    kn_rng r = kn_rng_new(7, KN_STREAM_SPLIT, 0);
    char text[256];
    numbers_tried = 0;
    for (int i = 0; i < 400000; i++) {
        float f = random_float(&r), next = nextafterf(f, INFINITY);
        snprintf(text, sizeof text, "%.*g", 1 + (int)kn_rng_below(&r, 12), (double)f);
        same_as_strtof(text);
        /* as vectors are written, from 1 to 9 places */
        snprintf(text, sizeof text, "%.*f", 1 + (int)kn_rng_below(&r, 9), (double)kn_rng_uniform(&r, -9, 9));
        same_as_strtof(text);
        /* digits and an exponent around the limits of the fast path */
        snprintf(text, sizeof text, "%s%u.%0*ue%d", i % 2 ? "-" : "", kn_rng_u32(&r), 1 + (int)kn_rng_below(&r, 10),
                 kn_rng_u32(&r), (int)kn_rng_below(&r, 70) - 35);
        same_as_strtof(text);
        if (i % 8 || !isfinite(next))
            continue;
        /* half way between two floats, exactly, and cut at a digit of it */
        snprintf(text, sizeof text, "%.150g", ((double)f + (double)next) / 2);
        same_as_strtof(text);
        snprintf(text, sizeof text, "%.*g", 8 + (int)kn_rng_below(&r, 12), ((double)f + (double)next) / 2);
        same_as_strtof(text);
    }
    /* halves that a double holds, so that only the digits behind them decide */
    for (int i = 0; i < 100000; i++) {
        double middle = 1 + ((double)(kn_rng_u32(&r) >> 9) + 0.5) * 0x1p-23;
        static const char *const tail[] = {"", "0", "1", "00000000000000000000001"};
        snprintf(text, sizeof text, "%.24f%s", middle, tail[i % 4]);
        same_as_strtof(text);
        snprintf(text, sizeof text, "%.15f", middle);
        same_as_strtof(text);
    }
    assert_true(numbers_tried > 1400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_by_hand), cmocka_unit_test(numbers_at_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
