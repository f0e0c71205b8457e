/* A rig runs one op on one filling of the op contract: it deals out arguments
 * in device memory with guard zones around them, the same values each time, and
 * brings everything back. Two rigs are then compared. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "tests/support.h"

#include "kernels/backend.h"
#include "kernels/rng.h"

enum { RIG_ARGS = 16, RIG_FILLINGS = 8 };

typedef struct rig {
    kn_backend *be;
    kn_rng rng;
    double tol; /* |got - want| <= tol * (1 + |want|); set by the op, 1e-5 at first */
    int args;
    struct {
        char *device; /* of the whole block, guards included */
        float *host;  /* what came back; the argument alone */
        float *start; /* what was uploaded */
        size_t n;     /* of 4 bytes */
        bool out;
        bool words;   /* not floats: compared bit by bit */
        bool infinite; /* may be */
        bool room;     /* what the op leaves there is not looked at */
    } arg[RIG_ARGS];
} rig;

rig rig_new(kn_backend *be, uint64_t seed);
/* n numbers in [lo, hi), which the op must leave alone. */
float *rig_in(rig *r, size_t n, float lo, float hi);
float *rig_values(rig *r, const void *values, size_t n); /* these 4-byte values */
/* n numbers that the op writes: NaN when it must not read them first. */
float *rig_out(rig *r, size_t n);
uint32_t *rig_out_words(rig *r, size_t n);
float *rig_room(rig *r, size_t n);   /* n floats to work in */
float *rig_inout(rig *r, size_t n, float lo, float hi);
static inline float *rig_acc(rig *r, size_t n, int acc)
{
    return acc ? rig_inout(r, n, -1, 1) : rig_out(r, n);
}
float *rig_out_values(rig *r, const float *values, size_t n); /* begins as these */

/* Downloads all, checks guards, inputs and that floats are finite, frees the
 * device's side. The rig's arrays stay until rig_free. */
void rig_finish(rig *r, const char *what);
/* got against want by want's tolerance; exact: bit by bit. */
void rig_compare(const rig *got, const rig *want, bool exact, const char *what);
void rig_free(rig *r);

/* Plain device memory of bytes, holding `from` when that is not NULL. */
float *rig_device(kn_backend *be, const void *from, size_t bytes);

/* ---- what is tested ------------------------------------------------------------ */

typedef struct filling {
    const char *name;
    kn_backend *be;
} filling;

/* naive, cpu with each instruction set that this machine can run (2 threads),
 * and cuda when its plugin opens. Opened once, closed at exit. */
const filling *rig_fillings(int *count);
kn_backend *rig_naive(void);
void rig_each(void (*test)(kn_backend *be));
/* cpu with its best instructions on that many threads; close both. */
kn_backend *rig_cpu(int threads, kn_pool **pool);

#endif
