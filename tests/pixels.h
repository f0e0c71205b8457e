/* What the tests of pixels, augmentation and loading share: made-up images. */
#ifndef TESTS_PIXELS_H
#define TESTS_PIXELS_H

#include "siamese/images.h"
#include "tests/support.h"

/* n images of random bytes; sm_pixels_free them. */
static inline sm_pixels test_pixels(size_t n, size_t h, size_t w, size_t c)
{
    sm_pixels p = {.n = n, .h = h, .w = w, .c = c, .px = kn_alloc(n * h * w * c, 1, NULL)};
    kn_rng rng = kn_rng_new(n, KN_STREAM_SPLIT, (uint32_t)(h * w * c));
    assert_non_null(p.px);
    for (size_t i = 0; i < n * h * w * c; i++)
        p.px[i] = (unsigned char)kn_rng_u32(&rng);
    return p;
}

#endif
