/* What the parts of training share. Private to siamese/. */
#ifndef SM_TRAIN_H
#define SM_TRAIN_H

#include "siamese/siamese.h"

/* ---- step.c: batches through the network, on the device ------------------------------ */

typedef struct sm_stepper sm_stepper;

/* For batches of up to o->batch pairs of p; all must outlive it. Holds the
 * weights, the optimiser's moments and p's table of rows on the device. */
sm_stepper *sm_stepper_new(const sm_graph *g, const sm_train_options *o, const sm_pairs *p, kn_backend *be,
                           kn_error *err);
void sm_stepper_free(sm_stepper *s);
/* Trains on the pairs named by pair[count], as step number `step` (from 0) at
 * this rate; what it computes stays on the device. */
void sm_stepper_train(sm_stepper *s, const uint32_t *pair, size_t count, uint64_t step, double lr);
/* The sum of the losses of all pairs since the last call. Waits for the device. */
int sm_stepper_loss(sm_stepper *s, double *loss, kn_error *err);

/* ---- checkpoint.c: what outlives an epoch ------------------------------------------------ */

/* Everything that the rest of a run depends on. Random numbers are functions of
 * seed and counters, so counters are all there is to keep of them. */
typedef struct sm_state {
    uint64_t epoch, steps, best_epoch;              /* done; best_epoch 0: none yet */
    double best_auc;
    size_t P, S;                                    /* floats in a block of parameters, of statistics */
    float *params, *stats, *m, *v;                  /* as they are; m, v: the optimiser's moments */
    float *best_params, *best_stats;                /* of best_epoch */
    float *block;                                   /* that all lie in */
} sm_state;

int sm_state_new(sm_state *s, size_t P, size_t S, kn_error *err);
void sm_state_free(sm_state *s);
/* To and from the device. */
void sm_stepper_get(sm_stepper *s, sm_state *state);
void sm_stepper_set(sm_stepper *s, const sm_state *state);

/* What must be equal for a state to be continued: options, network, data. */
typedef struct sm_run_id {
    const char *settings, *network, *train, *dev; /* the last two are digests */
} sm_run_id;

int sm_checkpoint_save(sm_state *s, const sm_run_id *id, const char *path, kn_error *err);
/* 1 loaded, 0 there is no such file, -1 it cannot be used. */
int sm_checkpoint_load(sm_state *s, const sm_run_id *id, const char *path, kn_error *err);

#endif
