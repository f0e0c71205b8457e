/* Pairs of rows: from a features file, and cut in two. */
#include "siamese/siamese.h"

#include <stdalign.h>
#include <math.h>
#include <string.h>

/* What a set of pairs owns. */
typedef struct owner {
    ds_st *st;
    uint32_t *q;  /* q1, then q2 */
    float *label;
} owner;

/* Room for the numbers and labels of n pairs, which p owns from here on. */
static owner *own(sm_pairs *p, size_t n, bool labels, kn_error *err)
{
    owner *o = kn_alloc(1, sizeof *o, err);
    p->owner = o;
    p->pairs = n;
    if (!o || !(o->q = kn_alloc(n, 2 * sizeof *o->q, err)) ||
        (labels && !(o->label = kn_alloc(n, sizeof *o->label, err)))) {
        sm_pairs_close(p);
        return NULL;
    }
    p->q1 = o->q;
    p->q2 = o->q + n;
    p->label = o->label;
    return o;
}

void sm_pairs_close(sm_pairs *p)
{
    owner *o = p->owner;
    if (o) {
        ds_st_close(o->st);
        kn_free(o->q);
        kn_free(o->label);
        kn_free(o);
    }
    *p = (sm_pairs){0};
}

static int check_labels(const float *label, size_t n, kn_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!(label[i] == 0 || label[i] == 1))
            return kn_fail(err, "the label of pair %zu is %g, not 0 or 1", i + 1, (double)label[i]);
    return 0;
}

/* The tensors of a features file: q1 and q2 one behind the other are one table
 * of 2N rows, used as it lies in the file. */
static int read_features(sm_pairs *p, const ds_st *st, kn_error *err)
{
    const char *format = ds_st_meta(st, "format");
    if (!format || strcmp(format, "siam-features"))
        return kn_fail(err, "not features: its format is '%.40s', not 'siam-features'", format ? format : "not given");
    const ds_tensor *q1 = ds_st_need(st, "q1", DS_F32, 2, (const size_t[]){0, 0}, err);
    const ds_tensor *q2 = q1 ? ds_st_need(st, "q2", DS_F32, 2, q1->shape, err) : NULL;
    const ds_tensor *label = q2 ? ds_st_need(st, "label", DS_F32, 1, q1->shape, err) : NULL;
    if (!label)
        return -1;
    size_t n = q1->shape[0], dim = q1->shape[1];
    if (n == 0 || dim == 0 || n > UINT32_MAX / 2)
        return kn_fail(err, "features of %zu pairs with %zu numbers each cannot be used", n, dim);
    if ((const char *)q1->data + q1->bytes != q2->data || (uintptr_t)q1->data % alignof(float) ||
        (uintptr_t)label->data % alignof(float))
        return kn_fail(err, "the tensors q1 and q2 must lie one behind the other: make this file with siam-embed");
    if (check_labels(label->data, n, err))
        return -1;
    owner *o = own(p, n, false, err);
    if (!o)
        return -1;
    for (size_t i = 0; i < 2 * n; i++)
        o->q[i] = (uint32_t)i;
    const ds_tensor *recipe = ds_st_find(st, "recipe");
    p->rows = 2 * n;
    p->dim = dim;
    p->x = q1->data;
    p->label = label->data;
    p->digest = ds_st_meta(st, "digest");
    p->recipe = recipe ? recipe->data : NULL;
    p->recipe_bytes = recipe ? recipe->bytes : 0;
    return 0;
}

int sm_pairs_open(sm_pairs *p, const char *path, kn_error *err)
{
    *p = (sm_pairs){0};
    ds_st *st = ds_st_open(path, err);
    if (!st)
        return -1;
    if (read_features(p, st, err)) {
        ds_st_close(st);
        return -1;
    }
    ((owner *)p->owner)->st = st;
    return 0;
}

/* Those pairs of p whose mark is `which`, in their order. */
static int part_of(sm_pairs *part, const sm_pairs *p, const unsigned char *mark, int which, size_t n, kn_error *err)
{
    *part = *p;
    owner *o = own(part, n, true, err);
    if (!o)
        return -1;
    for (size_t i = 0, k = 0; i < p->pairs; i++)
        if (mark[i] == which) {
            o->q[k] = p->q1[i];
            o->q[n + k] = p->q2[i];
            o->label[k++] = p->label[i];
        }
    return 0;
}

int sm_pairs_hold_out(sm_pairs *train, sm_pairs *dev, const sm_pairs *p, double share, uint64_t seed, kn_error *err)
{
    size_t held = (size_t)llround(share * (double)p->pairs);
    if (held < 1 || held + 2 > p->pairs)
        return kn_fail(err, "%zu pairs are too few to hold a share of %g out", p->pairs, share);
    uint32_t *order = kn_alloc(p->pairs, sizeof *order, err);
    unsigned char *mark = kn_alloc(p->pairs, 1, err);
    int rc = -1;
    if (order && mark) {
        kn_rng rng = kn_rng_new(seed, KN_STREAM_HOLDOUT, 0);
        for (size_t i = 0; i < p->pairs; i++)
            order[i] = (uint32_t)i;
        kn_rng_shuffle(&rng, order, (uint32_t)p->pairs);
        for (size_t i = 0; i < held; i++)
            mark[order[i]] = 1;
        rc = part_of(dev, p, mark, 1, held, err);
        if (!rc && part_of(train, p, mark, 0, p->pairs - held, err)) {
            sm_pairs_close(dev);
            rc = -1;
        }
    }
    kn_free(order);
    kn_free(mark);
    return rc;
}
