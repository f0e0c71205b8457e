/* A decimal number -> the nearest float, the same bits as strtof's.
 *
 * Clinger 1990, "How to read floating point numbers accurately", section 4: when
 * the digits make a whole number up to 2^53 and the power of ten is at most
 * 10^22, both are exact doubles, so one division or product rounds once. That
 * double rounds on to the right float unless it lies exactly half way between
 * two floats: then the digits that were rounded off decide, and strtof is asked.
 * (The range of this path, 1e-22 to 9.1e37, is inside the normal floats.) */
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "embeddings/import.h"

static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum { MAX_POWER = 22, MAX_DIGITS = 19 /* of any uint64_t */, MAX_TEXT = 1024 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static const char *by_strtof(float *out, const char *p, const char *end)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char text[MAX_TEXT];
    size_t n = (size_t)(end - p);
    if (n >= sizeof text)
        return NULL;
    pthread_once(&once, make_c_locale);
    memcpy(text, p, n);
    text[n] = '\0';
    *out = c_locale ? strtof_l(text, NULL, c_locale) : strtof(text, NULL);
    return end;
}

/* "e-5" and its like at p; p itself when there is none. */
static const char *parse_exponent(int *exponent, const char *p, const char *end)
{
    const char *q = p + 1;
    if (p == end || (*p != 'e' && *p != 'E'))
        return p;
    bool negative = q < end && *q == '-';
    q += q < end && (*q == '-' || *q == '+');
    if (q == end || !is_digit(*q))
        return p;
    int value = 0;
    for (; q < end && is_digit(*q); q++)
        value = value < 1000 ? value * 10 + (*q - '0') : value; /* beyond any float already */
    *exponent += negative ? -value : value;
    return q;
}

const char *emb_parse_float(float *out, const char *p, const char *end)
{
    const char *start = p;
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    uint64_t whole = 0;
    const char *first = p;
    for (; p < end && is_digit(*p); p++)
        whole = whole * 10 + (uint64_t)(*p - '0'); /* may wrap: not used when digits > MAX_DIGITS */
    size_t digits = (size_t)(p - first);
    int exponent = 0;
    if (p < end && *p == '.') {
        for (first = ++p; p < end && is_digit(*p); p++)
            whole = whole * 10 + (uint64_t)(*p - '0');
        digits += (size_t)(p - first);
        exponent = p - first < MAX_TEXT ? -(int)(p - first) : -MAX_TEXT;
    }
    if (!digits)
        return NULL;
    p = parse_exponent(&exponent, p, end);
    if (digits > MAX_DIGITS || whole > (uint64_t)1 << 53 || exponent < -MAX_POWER || exponent > MAX_POWER)
        return by_strtof(out, start, p);
    double d = exponent < 0 ? (double)whole / power_of_ten[-exponent] : (double)whole * power_of_ten[exponent];
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    if ((bits & 0x1fffffff) == 0x10000000) /* of 53 bits the 29 that a float lacks: exactly one half */
        return by_strtof(out, start, p);
    *out = (float)(negative ? -d : d);
    return p;
}
