/* Sequential reading of Philox streams; the generator itself is in rng.h. */
#include "kernels/rng.h"

kn_rng kn_rng_new(uint64_t seed, uint32_t purpose, uint32_t index)
{
    return (kn_rng){.seed = seed, .stream = (uint64_t)purpose << 32 | index};
}

uint32_t kn_rng_u32(kn_rng *r)
{
    if (r->next % 4 == 0)
        kn_philox(r->block, r->seed, r->stream, r->next / 4);
    return r->block[r->next++ % 4];
}

/* Rejects the top sliver of the 32-bit range that would favour small results. */
uint32_t kn_rng_below(kn_rng *r, uint32_t n)
{
    uint32_t limit = UINT32_MAX - (UINT32_MAX % n + 1) % n, x;
    do
        x = kn_rng_u32(r);
    while (x > limit);
    return x % n;
}

float kn_rng_uniform(kn_rng *r, float lo, float hi)
{
    return lo + (hi - lo) * kn_u01(kn_rng_u32(r));
}

void kn_rng_shuffle(kn_rng *r, uint32_t *a, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = kn_rng_below(r, i), t = a[i - 1];
        a[i - 1] = a[j];
        a[j] = t;
    }
}
