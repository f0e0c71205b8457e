/* The probability of a distance: Platt's sigmoid, fitted by Newton's method as
 * Lin, Lin and Weng (2007) do; the definition stands in siamese.h. */
#include "siamese/siamese.h"

#include <math.h>

/* The distances in standard units u = (d - mean)/spread. The fit does not
 * depend on units, but its stopping rule and the conditioning of its 2x2 system
 * do. */
typedef struct sample {
    const float *d, *label;
    size_t n;
    double mean, spread;
    double target[2]; /* what an other and a duplicate should come to */
} sample;

typedef struct fit {
    double a, b; /* p = sigma(a - b u) */
} fit;

static double unit(const sample *s, size_t i)
{
    return ((double)s->d[i] - s->mean) / s->spread;
}

static double target(const sample *s, size_t i)
{
    return s->target[s->label[i] == 1.0f];
}

/* ln(1 + e^x) without overflow. */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigma(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* -sum t ln p + (1-t) ln(1-p). */
static double cost(const sample *s, fit f)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        double z = f.a - f.b * unit(s, i), t = target(s, i);
        sum += t * softplus(-z) + (1 - t) * softplus(z);
    }
    return sum;
}

/* The Newton step at f and the fall of cost it promises, -gradient . step. The
 * gradient is sum (p-t) (1, -u), the Hessian sum p(1-p) (1, -u)(1, -u)^T, with
 * the paper's 1e-12 on its diagonal against a singular system. */
static double newton(const sample *s, fit f, fit *step)
{
    double ga = 0, gb = 0, haa = 1e-12, hab = 0, hbb = 1e-12;
    for (size_t i = 0; i < s->n; i++) {
        double u = unit(s, i), p = sigma(f.a - f.b * u), g = p - target(s, i), h = p * (1 - p);
        ga += g, gb -= g * u;
        haa += h, hab -= h * u, hbb += h * u * u;
    }
    double det = haa * hbb - hab * hab;
    *step = (fit){-(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det};
    return -(ga * step->a + gb * step->b);
}

/* Newton steps, each halved until it brings a share of what it promised (give
 * or take the rounding of the cost). Ends where the step is below 1e-11 units. */
static fit minimise(const sample *s, fit f)
{
    double now = cost(s, f);
    for (int round = 0; round < 100; round++) {
        fit step;
        double promise = newton(s, f, &step);
        if (!(promise > 1e-24 * (double)s->n))
            break;
        for (double share = 1; share > 1e-10; share /= 2) {
            fit next = {f.a + share * step.a, f.b + share * step.b};
            double then = cost(s, next);
            if (then <= now - 1e-4 * share * promise + 1e-14 * now) {
                f = next;
                now = then;
                break;
            }
        }
    }
    return f;
}

int sm_calibrate(double *alpha, double *beta, const float *d, const float *label, size_t n, kn_error *err)
{
    double count = (double)n, positives = 0, mean = 0, square = 0;
    bool differ = false; /* asked exactly: the mean of equal numbers may be off by a rounding */
    for (size_t i = 0; i < n; i++) {
        differ = differ || d[i] != d[0];
        positives += label[i] == 1.0f;
        mean += (double)d[i] / count;
    }
    for (size_t i = 0; i < n; i++)
        square += ((double)d[i] - mean) * ((double)d[i] - mean) / count;
    if (n == 0)
        return kn_fail(err, "no pairs to calibrate on");
    if (positives == 0 || positives == count)
        return kn_fail(err, "all %zu pairs have the same label: nothing to calibrate on", n);
    if (!differ || !(square > 0)) /* NaN fails too */
        return kn_fail(err, "all %zu pairs have the same distance: nothing to calibrate on", n);
    double others = count - positives;
    sample s = {d, label, n, mean, sqrt(square), {1 / (others + 2), (positives + 1) / (positives + 2)}};
    fit f = minimise(&s, (fit){log((positives + 1) / (others + 1)), 0});
    if (!(f.b > 0)) { /* the cost is convex, so the best allowed b is at the border, and p the mean target */
        double t = (positives * s.target[1] + others * s.target[0]) / count;
        f = (fit){log(t / (1 - t)), 0};
    }
    *beta = f.b / s.spread;
    *alpha = f.a + *beta * mean;
    return 0;
}

int sm_model_calibrate(sm_model *m, const float *d, const float *label, size_t n, kn_error *why)
{
    sm_metrics best;
    m->calibrated = false;
    m->threshold = 0.5;
    m->alpha = m->beta = 0;
    if (sm_evaluate(&best, d, NULL, label, n, m->threshold, why))
        return -1;
    if (sm_calibrate(&m->alpha, &m->beta, d, label, n, why))
        return 1;
    m->threshold = best.threshold_best;
    m->calibrated = true;
    return 0;
}

double sm_model_probability(const sm_model *m, double distance)
{
    return m->calibrated ? sigma(m->alpha - m->beta * distance) : (double)NAN;
}
