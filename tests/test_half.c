/* Tests of data/half.c: every one of the 65 536 numbers, and every rounding
 * between two of them. */
#include <math.h>
#include <string.h>

#include "data/data.h"
#include "tests/support.h"

/* The value by the definition of IEEE 754, 3.4, from its fields. */
static double by_definition(unsigned h)
{
    int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void every_half_as_float_and_back(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        float f = ds_f16_to_f32((uint16_t)h);
        double known = by_definition(h);
        uint16_t back = ds_f32_to_f16(f);
        if (isnan(known)) {
            assert_true(isnan(f) && isnan(ds_f16_to_f32(back)));
            continue;
        }
        assert_true((double)f == known && !signbit(f) == !signbit(known));
        assert_int_equal(back, h);
    }
}

static void rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) { /* from 0 to infinity, which takes the place of 2^16 */
        double a = by_definition(h), b = h == 0x7bff ? 65536 : by_definition(h + 1);
        float middle = (float)((a + b) / 2); /* 12 bits: exact */
        uint16_t low = (uint16_t)h, high = (uint16_t)(h + 1), even = h & 1 ? high : low;
        assert_int_equal(ds_f32_to_f16(nextafterf(middle, 0)), low);
        assert_int_equal(ds_f32_to_f16(nextafterf(middle, INFINITY)), high);
        assert_int_equal(ds_f32_to_f16(middle), even);
        assert_int_equal(ds_f32_to_f16(-middle), even | 0x8000);
    }
    assert_int_equal(ds_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(ds_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(ds_f32_to_f16(1e-40f), 0);
}

/* One whose fraction has only bits that a half lacks must not become infinity. */
static void nan_stays_nan(void **state)
{
    (void)state;
    const uint32_t bits = 0x7f800001;
    float f;
    memcpy(&f, &bits, sizeof f);
    assert_true(isnan(ds_f16_to_f32(ds_f32_to_f16(f))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_as_float_and_back),
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(nan_stays_nan),
    };
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
