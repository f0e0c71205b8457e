/* Pairs to judge a network on images by, made of classes. */
#include "siamese/image_model.h"

/* Items by group: order[n], those of group g from start[g] on. */
static int by_group(uint32_t *order, uint32_t *start, const uint32_t *group, size_t n, size_t groups, kn_error *err)
{
    uint32_t *next = kn_alloc(groups, sizeof *next, err);
    if (!next)
        return -1;
    for (size_t i = 0; i < n; i++)
        start[group[i] + 1]++;
    for (size_t g = 0; g < groups; g++) {
        start[g + 1] += start[g];
        next[g] = start[g];
    }
    for (size_t i = 0; i < n; i++)
        order[next[group[i]]++] = (uint32_t)i;
    kn_free(next);
    return 0;
}

static size_t draw(uint32_t *a, uint32_t *b, float *label, const uint32_t *order, const uint32_t *start,
                   const uint32_t *group, size_t n, uint64_t seed)
{
    kn_rng r = kn_rng_new(seed, KN_STREAM_HOLDOUT, 1);
    size_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = start[group[i]], size = start[group[i] + 1] - first;
        if (size > 1) {
            uint32_t other = order[first + kn_rng_below(&r, size - 1)];
            a[k] = i, b[k] = other == i ? order[first + size - 1] : other, label[k++] = 1;
        }
        if (size < n) {
            uint32_t at = kn_rng_below(&r, (uint32_t)n - size); /* among all but its group's */
            a[k] = i, b[k] = order[at < first ? at : at + size], label[k++] = 0;
        }
    }
    return k;
}

int sm_image_pairs(uint32_t **a, uint32_t **b, float **label, size_t *pairs, const uint32_t *group, size_t n,
                   uint64_t seed, kn_error *err)
{
    size_t groups = 0;
    if (n > UINT32_MAX / 2)
        return kn_fail(err, "%zu images are too many", n);
    for (size_t i = 0; i < n; i++)
        groups = group[i] >= groups ? group[i] + (size_t)1 : groups;
    uint32_t *order = kn_alloc(n, sizeof *order, err), *start = order ? kn_alloc(groups + 1, sizeof *start, err) : NULL;
    *a = start ? kn_alloc(3 * 2 * n, sizeof **a, err) : NULL; /* a label takes the room of a number */
    int rc = *a ? by_group(order, start, group, n, groups, err) : -1;
    if (!rc) {
        *b = *a + 2 * n;
        *label = (float *)(void *)(*b + 2 * n);
        *pairs = draw(*a, *b, *label, order, start, group, n, seed);
    } else {
        kn_free(*a);
    }
    kn_free(order);
    kn_free(start);
    return rc;
}
