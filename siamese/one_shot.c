/* Classes that nobody trained on, told by one image each. */
#include "siamese/image_model.h"

enum { TRIALS = 64 }; /* measured at a time */

/* Items by class: order[n], those of class g from start[g] on; and the classes
 * of two images or more, which can give a support and a query. */
typedef struct deck {
    uint32_t *order, *start, *class;
    size_t classes;
} deck;

static void deck_free(deck *d)
{
    kn_free(d->order);
    kn_free(d->start);
    kn_free(d->class);
}

static int deck_new(deck *d, const uint32_t *group, size_t n, kn_error *err)
{
    size_t groups = 0;
    *d = (deck){0};
    if (n > UINT32_MAX / 2)
        return kn_fail(err, "%zu images are too many", n);
    for (size_t i = 0; i < n; i++)
        groups = group[i] >= groups ? group[i] + (size_t)1 : groups;
    d->order = kn_alloc(n, sizeof *d->order, err);
    d->start = d->order ? kn_alloc(groups + 2, sizeof *d->start, err) : NULL;
    d->class = d->start ? kn_alloc(groups, sizeof *d->class, err) : NULL;
    if (!d->class) {
        deck_free(d);
        return -1;
    }
    for (size_t i = 0; i < n; i++) /* start[g + 2] counts g, then start[g + 1] is where its next one goes */
        d->start[group[i] + 2]++;
    for (size_t g = 0; g < groups; g++) {
        if (d->start[g + 2] > 1)
            d->class[d->classes++] = (uint32_t)g;
        d->start[g + 2] += d->start[g + 1];
    }
    for (size_t i = 0; i < n; i++)
        d->order[d->start[group[i] + 1]++] = (uint32_t)i;
    return 0;
}

/* A trial: `ways` different classes to the front of the deck (Fisher-Yates), an
 * image of each into support; the query is another image of the first. */
static void draw(uint32_t *support, uint32_t *query, deck *d, size_t ways, kn_rng *r)
{
    for (size_t k = 0; k < ways; k++) {
        size_t at = k + kn_rng_below(r, (uint32_t)(d->classes - k));
        uint32_t class = d->class[at], first = d->start[class], size = d->start[class + 1] - first;
        uint32_t image = kn_rng_below(r, size);
        d->class[at] = d->class[k];
        d->class[k] = class;
        support[k] = d->order[first + image];
        if (k == 0) {
            uint32_t other = kn_rng_below(r, size - 1);
            query[0] = d->order[first + other + (other >= image)];
        } else {
            query[k] = query[0];
        }
    }
}

/* Is the first the least? A tie is not, so that vectors which are all alike are
 * never right. */
static bool nearest(const float *d, size_t ways)
{
    for (size_t k = 1; k < ways; k++)
        if (!(d[0] < d[k]))
            return false;
    return true;
}

static int run(size_t *right, deck *cards, sm_encoder *e, const float *z, size_t ways, size_t trials, uint64_t seed,
               kn_error *err)
{
    kn_rng r = kn_rng_new(seed, KN_STREAM_ONE_SHOT, 0);
    uint32_t *support = kn_alloc(2 * TRIALS * sizeof *support, ways, err);
    uint32_t *query = support ? support + TRIALS * ways : NULL;
    float *d = support ? kn_alloc(TRIALS * sizeof *d, ways, err) : NULL;
    int rc = d ? 0 : -1;
    for (size_t at = 0; !rc && at < trials; at += TRIALS) {
        size_t now = trials - at < TRIALS ? trials - at : TRIALS;
        for (size_t t = 0; t < now; t++)
            draw(support + t * ways, query + t * ways, cards, ways, &r);
        rc = sm_vector_distances(e, d, z, support, query, now * ways, err);
        for (size_t t = 0; !rc && t < now; t++)
            *right += nearest(d + t * ways, ways);
    }
    kn_free(support);
    kn_free(d);
    return rc;
}

int sm_one_shot(double *accuracy, sm_encoder *e, const float *z, const uint32_t *group, size_t n, size_t ways,
                size_t trials, uint64_t seed, kn_error *err)
{
    deck cards;
    size_t right = 0;
    if (ways < 2 || trials < 1)
        return kn_fail(err, "%zu trials of %zu classes measure nothing", trials, ways);
    if (deck_new(&cards, group, n, err))
        return -1;
    int rc = cards.classes < ways
                 ? kn_fail(err, "there are %zu classes of two images or more: %zu cannot be told apart", cards.classes,
                           ways)
                 : run(&right, &cards, e, z, ways, trials, seed, err);
    if (!rc)
        *accuracy = (double)right / (double)trials;
    deck_free(&cards);
    return rc;
}
