/* Images parted into those to train on and those to judge by, and pairs of the
 * latter. */
#include "siamese/image_model.h"

#include <math.h>

size_t sm_image_groups(const uint32_t *group, size_t n)
{
    size_t groups = 0;
    for (size_t i = 0; i < n; i++)
        groups = group[i] >= groups ? group[i] + (size_t)1 : groups;
    return groups;
}

/* A seeded share of n things: 2 in mark, 1 for the others. */
static int mark_share(uint8_t *mark, size_t n, size_t held, uint64_t seed, kn_error *err)
{
    uint32_t *order = kn_alloc(n, sizeof *order, err);
    if (!order)
        return -1;
    kn_rng r = kn_rng_new(seed, KN_STREAM_HOLDOUT, 2);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    kn_rng_shuffle(&r, order, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        mark[order[i]] = i < held ? 2 : 1;
    kn_free(order);
    return 0;
}

static size_t share_of(double share, size_t n)
{
    return (size_t)llround(share * (double)n);
}

int sm_image_part_items(uint8_t *mark, size_t n, double share, uint64_t seed, kn_error *err)
{
    return n > UINT32_MAX ? kn_fail(err, "%zu images are too many", n)
                          : mark_share(mark, n, share_of(share, n), seed, err);
}

/* size[groups], then each group's new number: those of two items or more count. */
static size_t number_groups(uint32_t *size, const uint32_t *group, size_t n, size_t groups)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        size[group[i]]++;
    for (size_t g = 0; g < groups; g++)
        size[g] = size[g] > 1 ? (uint32_t)used++ : UINT32_MAX;
    return used;
}

int sm_image_part_groups(uint8_t *mark, uint32_t *group, size_t n, double share, uint64_t seed, kn_error *err)
{
    size_t groups = sm_image_groups(group, n), used;
    uint32_t *number = kn_alloc(groups, sizeof *number, err);
    uint8_t *side = number ? kn_alloc(groups, sizeof *side, err) : NULL;
    int rc = side ? 0 : -1;
    if (!rc) {
        used = number_groups(number, group, n, groups);
        size_t held = share_of(share, used);
        if (share > 0 && held < 2 && used >= 4) /* one alone has nothing to be told from */
            held = 2;
        rc = mark_share(side, used, held, seed, err);
    }
    for (size_t i = 0; !rc && i < n; i++) {
        group[i] = number[group[i]];
        mark[i] = group[i] == UINT32_MAX ? 0 : side[group[i]];
    }
    if (!rc) { /* numbers of each side from 0 on */
        uint32_t next[3] = {0};
        for (size_t g = 0; g < used; g++)
            number[g] = next[side[g]]++;
        for (size_t i = 0; i < n; i++)
            group[i] = mark[i] ? number[group[i]] : 0;
    }
    kn_free(number);
    kn_free(side);
    return rc;
}

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
    if (n > UINT32_MAX / 2)
        return kn_fail(err, "%zu images are too many", n);
    size_t groups = sm_image_groups(group, n);
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

void sm_score_scale(double *mean, double *std, const double *score, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += score[i];
    *mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += (score[i] - *mean) * (score[i] - *mean);
    *std = squares > 0 ? sqrt(squares / (double)n) : 1;
}
