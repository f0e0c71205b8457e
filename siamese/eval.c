/* Metrics of a set of distances. One sweep over the sorted distances gives the
 * cuts, and all that needs an order is read off them; definitions and sources
 * stand in siamese.h. */
#include "siamese/siamese.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

typedef struct scored {
    float d;
    int positive;
} scored;

static int by_distance(const void *a, const void *b)
{
    float x = ((const scored *)a)->d, y = ((const scored *)b)->d;
    return (x > y) - (x < y);
}

static int check_label(float label, size_t i, kn_error *err)
{
    if (label == 0.0f || label == 1.0f)
        return 0;
    return kn_fail(err, "the label of pair %zu is %g: it must be 0 or 1", i + 1, (double)label);
}

static scored *sorted(const float *d, const float *label, size_t n, kn_error *err)
{
    scored *s = kn_alloc(n, sizeof *s, err);
    if (!s)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(d[i]))
            kn_fail(err, "the distance of pair %zu is %g: it must be finite", i + 1, (double)d[i]);
        if (!isfinite(d[i]) || check_label(label[i], i, err)) {
            kn_free(s);
            return NULL;
        }
        s[i] = (scored){d[i], label[i] == 1.0f};
    }
    qsort(s, n, sizeof *s, by_distance);
    return s;
}

/* A threshold that parts d[i-1] from d[i]; the mean of two floats is exact
 * enough in double to lie strictly between them. */
static double between(const scored *s, size_t n, size_t i)
{
    if (n == 0)
        return 0;
    if (i == 0)
        return (double)s[0].d;
    if (i == n)
        return nextafter((double)s[n - 1].d, INFINITY);
    return ((double)s[i - 1].d + (double)s[i].d) / 2;
}

sm_cut *sm_cuts(const float *d, const float *label, size_t n, size_t *cuts, kn_error *err)
{
    size_t most;
    if (kn_add(&most, n, 1)) {
        kn_fail(err, "%zu pairs are too many", n);
        return NULL;
    }
    scored *s = sorted(d, label, n, err);
    sm_cut *c = s ? kn_alloc(most, sizeof *c, err) : NULL;
    if (!c) {
        kn_free(s);
        return NULL;
    }
    size_t k = 0, tp = 0;
    c[k++].threshold = between(s, n, 0);
    for (size_t i = 1; i <= n; i++) {
        tp += (size_t)s[i - 1].positive;
        if (i == n || s[i].d > s[i - 1].d)
            c[k++] = (sm_cut){between(s, n, i), tp, i - tp};
    }
    kn_free(s);
    *cuts = k;
    return c;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

static sm_cut cut_at(const float *d, const float *label, size_t n, double threshold)
{
    sm_cut c = {threshold, 0, 0};
    for (size_t i = 0; i < n; i++)
        if ((double)d[i] < threshold)
            *(label[i] == 1.0f ? &c.tp : &c.fp) += 1;
    return c;
}

/* What depends on the order of the distances alone. Counts and their products
 * are exact in double up to 2^53, for up to 10^8 pairs. */
static void ranking(sm_metrics *m, const sm_cut *c, size_t cuts)
{
    double P = (double)c[cuts - 1].tp, N = (double)c[cuts - 1].fp;
    double area = 0, precision = 0;
    for (size_t i = 1; i < cuts; i++) {
        double tp = (double)c[i].tp, fp = (double)c[i].fp;
        double last_tp = (double)c[i - 1].tp, last_fp = (double)c[i - 1].fp;
        area += (fp - last_fp) * (tp + last_tp) / 2;
        precision += (tp - last_tp) * tp / (tp + fp);
    }
    m->auc = ratio(area, P * N);
    m->average_precision = ratio(precision, P);
}

/* Right answers at a cut: duplicates below it, others not. */
static size_t right(const sm_cut *c, size_t others)
{
    return c->tp + others - c->fp;
}

static void best_cut(sm_metrics *m, const sm_cut *c, size_t cuts)
{
    size_t others = c[cuts - 1].fp, best = 0, reach = 0;
    for (size_t i = 0; i < cuts; i++) {
        size_t r = right(c + i, others);
        reach = r > best ? 1 : reach + (r == best);
        best = r > best ? r : best;
    }
    m->accuracy_best = ratio((double)best, (double)m->n);
    m->threshold_best = (double)NAN;
    size_t middle = (reach + 1) / 2; /* the lower of two */
    for (size_t i = 0; m->n > 0 && middle > 0; i++)
        if (right(c + i, others) == best && --middle == 0)
            m->threshold_best = c[i].threshold;
}

static void at_threshold(sm_metrics *m, const sm_cut *c)
{
    double tp = (double)c->tp, fp = (double)c->fp, P = (double)m->positives, n = (double)m->n;
    m->accuracy = ratio(tp + (n - P) - fp, n);
    m->precision = ratio(tp, tp + fp);
    m->recall = ratio(tp, P);
    m->f1 = ratio(2 * tp, tp + fp + P); /* FN = P - TP */
}

int sm_reliability(sm_bin bin[SM_BINS], const double *p, const float *label, size_t n, kn_error *err)
{
    for (int b = 0; b < SM_BINS; b++)
        bin[b] = (sm_bin){0};
    for (size_t i = 0; i < n; i++) {
        if (!(p[i] >= 0 && p[i] <= 1))
            return kn_fail(err, "the probability of pair %zu is %g: it must be from 0 to 1", i + 1, p[i]);
        if (check_label(label[i], i, err))
            return -1;
        int b = p[i] < 1 ? (int)(p[i] * SM_BINS) : SM_BINS - 1;
        bin[b].n++;
        bin[b].positives += label[i] == 1.0f;
        bin[b].sum_p += p[i];
    }
    return 0;
}

static int probabilities(sm_metrics *m, const double *p, const float *label, size_t n, kn_error *err)
{
    sm_bin bin[SM_BINS];
    if (sm_reliability(bin, p, label, n, err))
        return -1;
    double loss = 0, square = 0, gap = 0;
    for (size_t i = 0; i < n; i++) {
        double y = (double)label[i];
        double q = fmin(fmax(p[i], DBL_EPSILON), 1 - DBL_EPSILON);
        loss -= log(label[i] == 1.0f ? q : 1 - q);
        square += (p[i] - y) * (p[i] - y);
    }
    for (int b = 0; b < SM_BINS; b++)
        gap += fabs((double)bin[b].positives - bin[b].sum_p);
    m->log_loss = ratio(loss, (double)n);
    m->brier = ratio(square, (double)n);
    m->ece = ratio(gap, (double)n);
    return 0;
}

int sm_evaluate(sm_metrics *m, const float *d, const double *p, const float *label, size_t n, double threshold,
                kn_error *err)
{
    size_t cuts;
    sm_cut *c = sm_cuts(d, label, n, &cuts, err);
    if (!c)
        return -1;
    *m = (sm_metrics){.n = n, .positives = c[cuts - 1].tp, .threshold = threshold};
    ranking(m, c, cuts);
    best_cut(m, c, cuts);
    kn_free(c);
    sm_cut here = cut_at(d, label, n, threshold), seed = cut_at(d, label, n, 0.5);
    at_threshold(m, &here);
    m->seed_metric = ratio((double)seed.tp, (double)(seed.tp + seed.fp));
    m->log_loss = m->brier = m->ece = (double)NAN;
    return p ? probabilities(m, p, label, n, err) : 0;
}

void sm_judge_scores(sm_judgement *j, const float *have, const float *want, size_t n)
{
    double mean_h = 0, mean_w = 0, hh = 0, ww = 0, hw = 0, absolute = 0, squared = 0;
    for (size_t i = 0; i < n; i++) {
        mean_h += (double)have[i] / (double)n;
        mean_w += (double)want[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double h = (double)have[i] - mean_h, w = (double)want[i] - mean_w, e = (double)have[i] - (double)want[i];
        hh += h * h, ww += w * w, hw += h * w;
        absolute += fabs(e), squared += e * e;
    }
    j->n = n;
    j->kind = SM_SCORES;
    j->pearson = hh > 0 && ww > 0 ? hw / sqrt(hh * ww) : NAN;
    j->mae = absolute / (double)n;
    j->rmse = sqrt(squared / (double)n);
    j->loss = squared / (double)n;
    j->score = isnan(j->pearson) ? -1 : j->pearson;
}
