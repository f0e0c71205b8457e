/* What the parts of Net2Net share. Private to siamese/. */
#ifndef SM_GROWTH_H
#define SM_GROWTH_H

#include "siamese/net2net.h"
#include "siamese/op.h"

/* A network that is being changed, with its weights. The graph is not fused:
 * node i is op number i. All owned. */
typedef struct sm_growth {
    sm_graph *graph;
    float *params, *stats;
} sm_growth;

/* ---- net2net.c ------------------------------------------------------------------- */

/* The network of this text, its blocks zero. */
int sm_growth_new(sm_growth *out, const char *text, size_t input, kn_error *err) KN_MUST_CHECK;
void sm_growth_free(sm_growth *w);
/* The words of the next op of a text that parses: no `input`, no empty statement. */
int sm_text_next_op(sm_text *t, kn_str word[SM_MAX_WORDS]);
/* Ops whose channels are sums over what they read: linear and conv. */
bool sm_mixes(const sm_graph *g, int op);

/* ---- wider.c --------------------------------------------------------------------- */

int sm_widen(sm_growth *w, int op, size_t width, double noise, uint64_t seed, kn_error *err) KN_MUST_CHECK;
/* All that may be widened, `factor` times, rounded up to a multiple. Returns how
 * many ops got wider, or -1. */
int sm_widen_all(sm_growth *w, double factor, size_t multiple, double noise, uint64_t seed, kn_error *err);

/* ---- deeper.c -------------------------------------------------------------------- */

/* The activation that follows op, or -1. */
int sm_activation_behind(const sm_graph *g, int op);
/* op has one. */
int sm_deepen(sm_growth *w, int op, kn_error *err) KN_MUST_CHECK;

#endif
