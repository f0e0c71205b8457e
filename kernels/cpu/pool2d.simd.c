/* Pools over a run of n windows that have the same pixels, `step` floats apart:
 * pixel t of the first is C channels at x + at[t]. What is kept from pixel to
 * pixel, of as many channels as fit, stays in a register. */
#include "kernels/cpu/simd.h"

typedef int ivec __attribute__((vector_size(4 * KN_LANES)));

/* a where the mask is set, else b */
KN_INLINE vec choose(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

/* For each window q and V channels c, or the m that are left: so the compiler
 * makes one loop of whole registers and one of the rest. */
#define EACH_WINDOW(call)                                                                                              \
    for (size_t q = 0; q < n; q++) {                                                                                   \
        size_t c = 0, m = V;                                                                                           \
        for (; c + V <= C; c += V)                                                                                     \
            call;                                                                                                      \
        m = C - c;                                                                                                     \
        if (m)                                                                                                         \
            call;                                                                                                      \
    }

/* The smallest is the largest with all signs flipped. */
KN_INLINE vec flipped(vec x, ivec flip)
{
    return (vec)((ivec)x ^ flip);
}

KN_INLINE ivec flip_of(const float *gamma, size_t m)
{
    return ~(load_n(gamma, m) >= (vec){0}) & ((ivec){0} + INT32_MIN);
}

/* Floats to fetch ahead: windows read from several rows at once, in steps that
 * the hardware follows late. */
enum { AHEAD = 512 };

/* Flipped, as it was compared. */
KN_INLINE vec largest(const float *x, const size_t *at, size_t taps, ivec flip, size_t m)
{
    vec most = flipped(load_n(x + at[0], m), flip);
    __builtin_prefetch(x + at[0] + AHEAD);
    for (size_t t = 1; t < taps; t++) {
        __builtin_prefetch(x + at[t] + AHEAD);
        vec a = flipped(load_n(x + at[t], m), flip);
        most = choose((a > most) | (a != a), a, most); /* NaN wins, on either side */
    }
    return most;
}

void KN_SIMD(maxpool)(float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps, size_t C)
{
    EACH_WINDOW(store_n(y + q * C + c, largest(x + q * step + c, at, taps, (ivec){0}, m), m))
}

KN_INLINE void pick(float *y, const float *x, const size_t *at, size_t taps, const float *gamma, size_t m)
{
    ivec flip = flip_of(gamma, m);
    store_n(y, flipped(largest(x, at, taps, flip, m), flip), m);
}

/* The pixels of the most common window, where the compiler keeps them at hand. */
#define FOUR(at) (const size_t[4]){(at)[0], (at)[1], (at)[2], (at)[3]}, 4

KN_INLINE void pick_all(float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps,
                        const float *gamma, size_t C)
{
    EACH_WINDOW(pick(y + q * C + c, x + q * step + c, at, taps, gamma + c, m))
}

void KN_SIMD(maxpool_signed)(float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps,
                             const float *gamma, size_t C)
{
    if (taps == 4)
        pick_all(y, x, step, n, FOUR(at), gamma, C);
    else
        pick_all(y, x, step, n, at, taps, gamma, C);
}

KN_INLINE void largest_gradient(float *dx, const float *dy, const float *x, const float *y, const size_t *at,
                                size_t taps, size_t m, int acc)
{
    vec left = load_n(dy, m), most = load_n(y, m); /* left: of dy, what no pixel has had yet */
    for (size_t t = 0; t < taps; t++) {
        ivec hit = load_n(x + at[t], m) == most;
        vec g = choose(hit, left, (vec){0});
        store_n(dx + at[t], acc ? load_n(dx + at[t], m) + g : g, m);
        left = choose(hit, (vec){0}, left);
    }
}

void KN_SIMD(maxpool_gradient)(float *dx, const float *dy, const float *x, const float *y, size_t step, size_t n,
                               const size_t *at, size_t taps, size_t C, int acc)
{
    EACH_WINDOW(largest_gradient(dx + q * step + c, dy + q * C + c, x + q * step + c, y + q * C + c, at, taps, m, acc))
}

KN_INLINE void normal_gradient(float *dx, const float *g, const float *x, const size_t *at, size_t taps,
                               const kn_bn_slopes *s, size_t c, size_t m, int acc)
{
    ivec flip = flip_of(s->gamma + c, m);
    vec left = load_n(g, m), most = largest(x, at, taps, flip, m);
    vec mean = load_n(s->mean + c, m), scale = load_n(s->scale + c, m);
    vec mean_g = load_n(s->mean_g + c, m), slope = load_n(s->slope + c, m);
    for (size_t t = 0; t < taps; t++) {
        vec a = load_n(x + at[t], m);
        ivec hit = flipped(a, flip) == most;
        vec d = scale * (choose(hit, left, (vec){0}) - mean_g - (a - mean) * slope);
        store_n(dx + at[t], acc ? load_n(dx + at[t], m) + d : d, m);
        left = choose(hit, (vec){0}, left);
    }
}

KN_INLINE void normal_gradients(float *dx, const float *g, const float *x, size_t step, size_t n, const size_t *at,
                                size_t taps, const kn_bn_slopes *s, size_t C, int acc)
{
    EACH_WINDOW(normal_gradient(dx + q * step + c, g + q * C + c, x + q * step + c, at, taps, s, c, m, acc))
}

void KN_SIMD(bn_pool_gradient)(float *dx, const float *g, const float *x, size_t step, size_t n, const size_t *at,
                               size_t taps, const kn_bn_slopes *s, size_t C, int acc)
{
    const kn_bn_slopes here = *s;
    if (taps == 4 && !acc)
        normal_gradients(dx, g, x, step, n, FOUR(at), &here, C, 0);
    else
        normal_gradients(dx, g, x, step, n, at, taps, &here, C, acc);
}

KN_INLINE void mean(float *y, const float *x, const size_t *at, size_t taps, size_t m)
{
    vec s = load_n(x + at[0], m);
    for (size_t t = 1; t < taps; t++)
        s += load_n(x + at[t], m);
    store_n(y, s / ((vec){0} + (float)taps), m);
}

void KN_SIMD(avgpool)(float *y, const float *x, size_t step, size_t n, const size_t *at, size_t taps, size_t C)
{
    EACH_WINDOW(mean(y + q * C + c, x + q * step + c, at, taps, m))
}

KN_INLINE void mean_gradient(float *dx, const float *dy, const size_t *at, size_t taps, size_t m, int acc)
{
    vec g = load_n(dy, m) / ((vec){0} + (float)taps);
    for (size_t t = 0; t < taps; t++)
        store_n(dx + at[t], acc ? load_n(dx + at[t], m) + g : g, m);
}

void KN_SIMD(avgpool_gradient)(float *dx, const float *dy, size_t step, size_t n, const size_t *at, size_t taps,
                               size_t C, int acc)
{
    EACH_WINDOW(mean_gradient(dx + q * step + c, dy + q * C + c, at, taps, m, acc))
}
