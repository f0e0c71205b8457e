/* The learning rate, a function of the step alone: a resumed run needs nothing
 * else to go on. */
#include "siamese/siamese.h"

#include <math.h>

double sm_rate(const sm_train_options *o, uint64_t step, uint64_t steps)
{
    const double pi = 3.14159265358979323846;
    double t = (double)step, T = (double)steps * o->epochs, rate = o->lr;
    if (o->schedule == SM_COSINE)
        rate *= (1 + cos(pi * t / T)) / 2;
    else if (o->schedule == SM_STEP)
        rate *= pow(o->schedule_factor, floor(t / ((double)steps * o->schedule_epochs)));
    return t + 1 < o->warmup * T ? rate * (t + 1) / (o->warmup * T) : rate;
}
