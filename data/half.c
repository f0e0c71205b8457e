/* Half precision (IEEE 754 binary16) by bits, without the processor's help. */
#include <string.h>

#include "data/data.h"

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float ds_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) /* infinity, NaN */
        return float_of(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) /* zero and subnormals: fraction * 2^-24, exact in fp32 */
        return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    return float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

uint16_t ds_f32_to_f16(float f)
{
    uint32_t bits = bits_of(f), a = bits & 0x7fffffff;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (a > 0x7f800000) /* NaN stays NaN: the quiet bit keeps its fraction from becoming 0 */
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= bits_of(65520.0f)) /* half way from the largest half to the next step */
        return (uint16_t)(sign | 0x7c00);
    if (a < bits_of(0x1p-14f)) /* subnormal: in [0.5, 1) the last bit is worth 2^-24, so the sum rounds there */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - bits_of(0.5f)));
    /* Drop 13 bits, to nearest, ties to even; a carry moves into the exponent. */
    return (uint16_t)(sign | ((a - (112u << 23) + 0xfff + (a >> 13 & 1)) >> 13));
}
