/* Rows in groups: connected components, and splits that keep a group whole. */
#include <math.h>

#include "data/data.h"
#include "kernels/rng.h"

/* ---- components ------------------------------------------------------------------ */

/* The root of x in a forest where a root is its own parent; halves the path. */
static uint32_t find_root(uint32_t *parent, uint32_t x)
{
    while (parent[x] != x)
        x = parent[x] = parent[parent[x]];
    return x;
}

/* Union-find (Galler, Fischer 1964) with path halving (van Leeuwen, van der Weide
 * 1977). The smaller root wins, so that a node's parent never comes after it. */
int ds_components(uint32_t *component, uint32_t *components, const uint32_t *edge, size_t edges, uint32_t nodes,
                  kn_error *err)
{
    uint32_t *parent = kn_alloc(nodes, sizeof *parent, err), count = 0;
    if (!parent)
        return -1;
    for (uint32_t i = 0; i < nodes; i++)
        parent[i] = i;
    for (size_t i = 0; i < edges; i++) {
        uint32_t a = find_root(parent, edge[2 * i]), b = find_root(parent, edge[2 * i + 1]);
        parent[a < b ? b : a] = a < b ? a : b;
    }
    for (uint32_t i = 0; i < nodes; i++)
        component[i] = parent[i] == i ? count++ : component[parent[i]];
    *components = count;
    kn_free(parent);
    return 0;
}

/* ---- splits ------------------------------------------------------------------------ */

typedef struct {
    uint32_t groups;
    uint32_t *rows, *order; /* [groups]: rows of each; the order they are asked in */
    uint32_t stays;         /* the group that no part may take; `groups` when all may go */
    uint8_t *part;          /* [groups] */
} deal;

static uint32_t largest(const uint32_t *rows, uint32_t groups)
{
    uint32_t best = 0;
    for (uint32_t g = 1; g < groups; g++)
        if (rows[g] > rows[best])
            best = g;
    return best;
}

static int open_deal(deal *d, const uint32_t *group, size_t n, uint64_t seed, kn_error *err)
{
    if (n > UINT32_MAX)
        return kn_fail(err, "%zu rows: at most %u can be split", n, UINT32_MAX);
    d->groups = group ? 0 : (uint32_t)n;
    for (size_t i = 0; group && i < n; i++)
        d->groups = group[i] >= d->groups ? group[i] + 1 : d->groups;
    if (!(d->rows = kn_alloc(d->groups, sizeof *d->rows, err)) ||
        !(d->order = kn_alloc(d->groups, sizeof *d->order, err)) || !(d->part = kn_alloc(d->groups, 1, err)))
        return -1;
    for (uint32_t i = 0; i < n; i++)
        d->rows[group ? group[i] : i]++;
    for (uint32_t g = 0; g < d->groups; g++)
        d->order[g] = g;
    d->stays = group ? largest(d->rows, d->groups) : d->groups;
    kn_rng rng = kn_rng_new(seed, KN_STREAM_SPLIT, 0);
    kn_rng_shuffle(&rng, d->order, d->groups);
    return 0;
}

/* Moves groups from train to `part`, up to `most` rows; how many rows went. */
static size_t take(deal *d, ds_part part, size_t most)
{
    size_t taken = 0;
    for (uint32_t i = 0; i < d->groups; i++) {
        uint32_t g = d->order[i];
        if (g == d->stays || d->part[g] != DS_TRAIN || d->rows[g] > most - taken)
            continue;
        d->part[g] = (uint8_t)part;
        taken += d->rows[g];
    }
    return taken;
}

int ds_split(uint8_t *part, const uint32_t *group, size_t n, double train, bool dev, uint64_t seed, kn_error *err)
{
    deal d = {0};
    int rc = open_deal(&d, group, n, seed, err);
    if (!rc) {
        size_t test = take(&d, DS_TEST, n - (size_t)llround(train * (double)n));
        if (dev)
            take(&d, DS_DEV, test);
        for (size_t i = 0; i < n; i++)
            part[i] = d.part[group ? group[i] : i];
    }
    kn_free(d.rows);
    kn_free(d.order);
    kn_free(d.part);
    return rc;
}
