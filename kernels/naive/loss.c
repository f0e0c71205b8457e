/* Naive losses of classes and of values. Formulas: backend.h. */
#include "kernels/naive/naive.h"

#include <math.h>

static void softmax_loss(kn_backend *be, float *loss, float *dz, float *p, const float *z, const uint32_t *label,
                         size_t N, size_t C)
{
    (void)be;
    for (size_t n = 0; n < N && C; n++) {
        const float *row = z + n * C;
        double most = (double)row[0], sum = 0;
        for (size_t c = 1; c < C; c++)
            most = (double)row[c] > most ? (double)row[c] : most;
        for (size_t c = 0; c < C; c++)
            sum += exp((double)row[c] - most); /* at most 1 each: nothing overflows */
        loss[n] = (float)(log(sum) + most - (double)row[label[n]]);
        for (size_t c = 0; c < C; c++) {
            double share = exp((double)row[c] - most) / sum;
            if (p)
                p[n * C + c] = (float)share;
            dz[n * C + c] = (float)((share - (c == label[n])) / (double)N);
        }
    }
}

static void value_loss(kn_backend *be, float *loss, float *dz, const float *z, const float *target,
                       kn_value_loss kind, float delta, size_t N)
{
    (void)be;
    for (size_t n = 0; n < N; n++) {
        double e = (double)z[n] - (double)target[n], slope, d = (double)delta;
        if (kind == KN_SQUARED) {
            loss[n] = (float)(e * e);
            slope = 2 * e;
        } else {
            loss[n] = (float)(fabs(e) <= d ? e * e / 2 : d * (fabs(e) - d / 2));
            slope = e < -d ? -d : e > d ? d : e;
        }
        dz[n] = (float)(slope / (double)N);
    }
}

void kn_naive_loss(kn_backend *be)
{
    be->softmax_loss = softmax_loss;
    be->value_loss = value_loss;
}
