/* PGM and PPM of Netpbm, plain (P2, P3) and raw (P5, P6): magic, width, height,
 * the largest value, samples. Values of raw files over 255 are two bytes, the
 * high one first. */
#include "data/image_private.h"

typedef struct cursor {
    const unsigned char *p, *end;
} cursor;

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int cut_short(kn_error *err)
{
    return kn_fail(err, "damaged PGM or PPM: it was cut short");
}

/* The next decimal number, behind white space and comments (# to the end of the line). */
static int number(cursor *c, size_t most, size_t *out, kn_error *err)
{
    for (bool comment = false; c->p < c->end && (comment || *c->p == '#' || is_space(*c->p)); c->p++)
        comment = *c->p == '#' || (comment && *c->p != '\n' && *c->p != '\r');
    if (c->p == c->end)
        return cut_short(err);
    if (*c->p < '0' || *c->p > '9')
        return kn_fail(err, "damaged PGM or PPM: a byte of %u where a number should be", *c->p);
    for (*out = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
        if ((*out = 10 * *out + *c->p - '0') > most)
            return kn_fail(err, "damaged PGM or PPM: a number over %zu", most);
    return 0;
}

static int sample(cursor *c, bool plain, size_t maxval, size_t *out, kn_error *err)
{
    if (plain)
        return number(c, maxval, out, err);
    *out = *c->p++;
    if (maxval > 255)
        *out = *out << 8 | *c->p++;
    return *out <= maxval ? 0 : kn_fail(err, "damaged PGM or PPM: a value over %zu", maxval);
}

int ds_pnm_decode(ds_image *out, const unsigned char *p, size_t n, kn_error *err)
{
    bool plain = p[1] <= '3';
    cursor c = {p + 2, p + n};
    size_t w, h, maxval, v;
    if (number(&c, DS_MAX_PIXELS, &w, err) || number(&c, DS_MAX_PIXELS, &h, err) || number(&c, 65535, &maxval, err))
        return -1;
    if (!maxval)
        return kn_fail(err, "damaged PGM or PPM: its largest value is 0");
    if (c.p == c.end || !is_space(*c.p++))
        return cut_short(err);
    size_t values = h * w * (p[1] == '3' || p[1] == '6' ? 3 : 1), left = (size_t)(c.end - c.p);
    if (left < values && h * w <= DS_MAX_PIXELS) /* before memory is asked for; a plain value is a byte or more */
        return cut_short(err);
    if (ds_image_new(out, h, w, p[1] == '3' || p[1] == '6' ? 3 : 1, err))
        return -1;
    if (!plain && left / (maxval > 255 ? 2 : 1) < values)
        return cut_short(err);
    for (size_t i = 0; i < values; i++) {
        if (sample(&c, plain, maxval, &v, err))
            return -1;
        out->px[i] = (unsigned char)((v * 255 + maxval / 2) / maxval);
    }
    return 0;
}
