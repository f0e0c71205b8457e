/* Naive distances, pair losses and search. Formulas: backend.h. */
#include "kernels/by_parts.h"
#include "kernels/naive/naive.h"

#include <math.h>

static double pair_distance(const float *a, const float *b, kn_distance kind, size_t D)
{
    double l1 = 0, l2 = 0, ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < D; i++) {
        double u = (double)a[i], v = (double)b[i];
        l1 += fabs(u - v);
        l2 += (u - v) * (u - v);
        ab += u * v, aa += u * u, bb += v * v;
    }
    switch (kind) {
    case KN_EUCLIDEAN: return sqrt(l2 + (double)KN_EPS_DIST);
    case KN_L1: return l1;
    case KN_COSINE: return 1 - ab / fmax(sqrt(aa * bb), (double)KN_EPS_DIST);
    }
    return NAN;
}

static void distance(kn_backend *be, float *d, const float *z, kn_distance kind, size_t B, size_t D)
{
    (void)be;
    for (size_t i = 0; i < B; i++)
        d[i] = (float)pair_distance(z + i * D, z + (B + i) * D, kind, D);
}

/* da[D] (+)= k * d distance(a, b) / d a; the distance itself is d. */
static void distance_gradient(float *da, const float *a, const float *b, double d, double k, kn_distance kind,
                              size_t D, int acc)
{
    double aa = 0, bb = 0;
    for (size_t i = 0; i < D; i++)
        aa += (double)a[i] * (double)a[i], bb += (double)b[i] * (double)b[i];
    double norms = sqrt(aa * bb);
    for (size_t i = 0; i < D; i++) {
        double u = (double)a[i], v = (double)b[i], slope = 0;
        if (kind == KN_EUCLIDEAN)
            slope = (u - v) / d;
        else if (kind == KN_L1)
            slope = (u > v) - (u < v);
        else if (norms > (double)KN_EPS_DIST) /* d cos / da = b/(|a||b|) - cos a/|a|^2 */
            slope = (1 - d) * u / aa - v / norms;
        da[i] = (acc ? da[i] : 0) + (float)(k * slope);
    }
}

/* The loss of a pair at distance d; *slope = d loss / d d. */
static double loss_at(double *slope, double d, double same, kn_pair_loss kind, double margin)
{
    double short_of = margin - d < 0 ? 0 : margin - d; /* NaN stays NaN */
    if (kind == KN_CONTRASTIVE) {
        *slope = 2 * same * d - 2 * (1 - same) * short_of;
        return same * d * d + (1 - same) * short_of * short_of;
    }
    *slope = same - (1 - same) * (short_of > 0);
    return same * d + (1 - same) * short_of;
}

static void pair_loss(kn_backend *be, float *loss, float *d, float *dz, const float *z, const float *y,
                      kn_distance kind, kn_pair_loss loss_kind, float margin, size_t B, size_t D)
{
    (void)be;
    for (size_t i = 0; i < B; i++) {
        const float *a = z + i * D, *b = z + (B + i) * D;
        double slope, dist = pair_distance(a, b, kind, D);
        loss[i] = (float)loss_at(&slope, dist, (double)y[i], loss_kind, (double)margin);
        d[i] = (float)dist;
        distance_gradient(dz + i * D, a, b, dist, slope / (double)B, kind, D, 0);
        distance_gradient(dz + (B + i) * D, b, a, dist, slope / (double)B, kind, D, 0);
    }
}

static void batch_loss(kn_backend *be, float *loss, float *dz, const float *z, const uint32_t *group,
                       kn_distance kind, kn_pair_loss loss_kind, float margin, float share, size_t N, size_t D)
{
    size_t S = 0, T = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            *(group[i] == group[j] ? &S : &T) += 1;
    be->fill(be, dz, 0, N * D);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t j = 0; j < N; j++) {
            if (j == i)
                continue;
            bool same = group[i] == group[j];
            double weight = (S && T ? same ? (double)share : 1 - (double)share : 1) / (double)(same ? S : T);
            double slope, dist = pair_distance(z + i * D, z + j * D, kind, D);
            sum += weight * loss_at(&slope, dist, same, loss_kind, (double)margin) / 2;
            distance_gradient(dz + i * D, z + i * D, z + j * D, dist, slope * weight, kind, D, 1);
        }
        loss[i] = (float)sum;
    }
}

/* Keeps best[k] in ascending order by (distance, row): insertion. */
static void nearest(kn_backend *be, float *dist, uint32_t *idx, const float *query, const float *base,
                    kn_distance kind, size_t Q, size_t N, size_t D, size_t k)
{
    (void)be;
    for (size_t q = 0; q < Q; q++) {
        float *best = dist + q * k;
        uint32_t *row = idx + q * k;
        for (size_t i = 0; i < k; i++)
            best[i] = INFINITY, row[i] = UINT32_MAX;
        for (size_t n = 0; n < N; n++) {
            float d = (float)pair_distance(query + q * D, base + n * D, kind, D);
            size_t at = k;
            while (at > 0 && (d < best[at - 1] || (d == best[at - 1] && (uint32_t)n < row[at - 1])))
                at--;
            for (size_t i = k; i-- > at + 1;)
                best[i] = best[i - 1], row[i] = row[i - 1];
            if (at < k)
                best[at] = d, row[at] = (uint32_t)n;
        }
    }
}

void kn_naive_pair(kn_backend *be)
{
    be->distance = distance;
    be->pair_loss = pair_loss;
    be->bn_pair_loss = kn_bn_pair_loss_by_parts;
    be->batch_loss = batch_loss;
    be->nearest = nearest;
}
