/* One measurement made on parts of the data: how far it can be trusted. */
#include "siamese/image_model.h"

#include <math.h>

uint32_t *sm_folds_cut(size_t n, size_t folds, size_t least, uint64_t seed, kn_error *err)
{
    if (folds < 2 || n / folds < least || n > UINT32_MAX) {
        kn_fail(err, "%zu rows cannot be cut into %zu parts of %zu or more", n, folds, least);
        return NULL;
    }
    uint32_t *part = kn_alloc(n, sizeof *part, err);
    kn_rng r = kn_rng_new(seed, KN_STREAM_FOLDS, 0);
    for (size_t i = 0; part && i < n; i++)
        part[i] = (uint32_t)(i % folds);
    if (part)
        kn_rng_shuffle(&r, part, (uint32_t)n);
    return part;
}

static void spread(sm_spread *s, const double *x, size_t n)
{
    double squares = 0;
    *s = (sm_spread){.n = n};
    for (size_t i = 0; i < n; i++)
        s->mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - s->mean) * (x[i] - s->mean);
    s->sd = sqrt(squares / (double)(n - 1));
}

/* Rows of the part `fold` (inside) or of all others, gathered into a and b. */
static size_t gather(float *a, float *b, const float *from_a, const float *from_b, const uint32_t *part, size_t n,
                     size_t fold, bool inside)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if ((part[i] == fold) == inside) {
            a[k] = from_a[i];
            b[k++] = from_b[i];
        }
    return k;
}

typedef int (*measure)(double *value, float *a, float *b, const float *from_a, const float *from_b,
                       const uint32_t *part, size_t n, size_t fold, kn_error *err);

static int pair_accuracy(double *value, float *d, float *label, const float *from_d, const float *from_label,
                         const uint32_t *part, size_t n, size_t fold, kn_error *err)
{
    sm_metrics m;
    size_t k = gather(d, label, from_d, from_label, part, n, fold, false);
    if (sm_evaluate(&m, d, NULL, label, k, 0, err))
        return -1;
    double threshold = m.threshold_best;
    k = gather(d, label, from_d, from_label, part, n, fold, true);
    if (sm_evaluate(&m, d, NULL, label, k, threshold, err))
        return -1;
    *value = m.accuracy;
    return 0;
}

static int score_pearson(double *value, float *have, float *want, const float *from_have, const float *from_want,
                         const uint32_t *part, size_t n, size_t fold, kn_error *err)
{
    sm_judgement j = {0};
    (void)err;
    sm_judge_scores(&j, have, want, gather(have, want, from_have, from_want, part, n, fold, true));
    *value = j.pearson;
    return 0;
}

static int over_folds(sm_spread *s, measure of, const float *a, const float *b, size_t n, size_t folds, size_t least,
                      uint64_t seed, kn_error *err)
{
    uint32_t *part = sm_folds_cut(n, folds, least, seed, err);
    float *own_a = part ? kn_alloc(n, sizeof *own_a, err) : NULL;
    float *own_b = own_a ? kn_alloc(n, sizeof *own_b, err) : NULL;
    double *value = own_b ? kn_alloc(folds, sizeof *value, err) : NULL;
    int rc = value ? 0 : -1;
    for (size_t f = 0; !rc && f < folds; f++)
        rc = of(&value[f], own_a, own_b, a, b, part, n, f, err);
    if (!rc)
        spread(s, value, folds);
    kn_free(value);
    kn_free(own_b);
    kn_free(own_a);
    kn_free(part);
    return rc;
}

int sm_folds_pairs(sm_spread *accuracy, const float *d, const float *label, size_t n, size_t folds, uint64_t seed,
                   kn_error *err)
{
    return over_folds(accuracy, pair_accuracy, d, label, n, folds, 1, seed, err);
}

int sm_folds_scores(sm_spread *pearson, const float *have, const float *want, size_t n, size_t folds, uint64_t seed,
                    kn_error *err)
{
    return over_folds(pearson, score_pearson, have, want, n, folds, 2, seed, err);
}
