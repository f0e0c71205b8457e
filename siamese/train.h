/* What the parts of training share. Private to siamese/. */
#ifndef SM_TRAIN_H
#define SM_TRAIN_H

#include "siamese/siamese.h"

/* ---- what is trained on ----------------------------------------------------------------- */

/* What a step is given. */
typedef struct sm_batch {
    size_t items;         /* what the loss is over: pairs, or rows */
    size_t rows;          /* through the network: of pairs, all first ones, then all second ones */
    const uint32_t *row;  /* [rows], of the task's table; or NULL: */
    const float *x;       /* [rows, dim] */
    const void *target;   /* [items]: float labels of pairs or scores, uint32_t groups or classes */
} sm_batch;

/* A set to train on and, perhaps, one to judge by: task_pairs.c over vectors,
 * task_images.c over pixels. Which loss goes with which target: objective.c. */
typedef struct sm_task {
    sm_target target;
    const char *unit;            /* of what an epoch has: "pairs", "images" */
    size_t dim;                  /* numbers of a row */
    size_t train, dev;           /* pairs or images; dev 0: nothing to judge by */
    size_t steps;                /* of an epoch */
    size_t batch;                /* items of a whole batch; the last of an epoch may have fewer */
    const float *table;          /* [table_rows, dim]: what sm_batch.row speaks of; or NULL */
    size_t table_rows;
    const char *digest, *dev_digest;
    const char *settings;        /* JSON of what else decides the result, or NULL */
    const void *recipe;          /* opaque bytes for the model, or NULL */
    size_t recipe_bytes;
    void *arg;
    /* Batch number `step` of the run, from 0; valid until the next call. */
    int (*next)(void *arg, sm_batch *b, uint64_t step, kn_error *err);
    /* By the dev set; e is the network as it is. The loss is o's. */
    int (*judge)(void *arg, sm_judgement *j, sm_encoder *e, const sm_train_options *o, kn_error *err);
    /* Of the model that is kept; NULL: as judge. Sets threshold and calibration. */
    int (*finish)(void *arg, sm_judgement *j, sm_encoder *e, sm_model *m, kn_error *err);
} sm_task;

/* train.c: the one loop. See sm_train. */
sm_model *sm_train_task(const sm_task *task, const sm_train_options *o, const sm_train_control *control,
                        kn_backend *be, kn_error *err);

/* ---- objective.c: what is made small ---------------------------------------------------------- */

/* Does the loss go with the target? */
int sm_objective_check(sm_target target, sm_loss loss, kn_error *err);
/* loss[items] and dz of a batch, by ops of the contract, for all but SM_PAIRS
 * (sm_net_step_pairs does these); loss sums to `items` times the mean, but for
 * SM_GROUPS, where it sums to the mean. */
void sm_objective(kn_backend *be, float *loss, float *dz, const float *z, const void *target, sm_target kind,
                  const sm_train_options *o, size_t items, size_t width);
/* Loss, AUC and metrics of pairs at these distances; as sm_evaluate, at 0.5. */
int sm_judge_pairs(sm_judgement *j, const float *d, const float *label, size_t n, const sm_train_options *o,
                   kn_error *err);

/* ---- step.c: batches through the network, on the device ------------------------------ */

typedef struct sm_stepper sm_stepper;

/* Holds the weights, the optimiser's moments and the task's table on the device;
 * all arguments must outlive it. */
sm_stepper *sm_stepper_new(const sm_graph *g, const sm_train_options *o, const sm_task *task, kn_backend *be,
                           kn_error *err);
void sm_stepper_free(sm_stepper *s);
/* The first n ops with parameters stand still from now on; 0: none. */
void sm_stepper_freeze(sm_stepper *s, int n);
/* Trains on a batch as step number `step` (from 0) at this rate; what it
 * computes stays on the device. */
void sm_stepper_train(sm_stepper *s, const sm_batch *b, uint64_t step, double lr);
/* The sum of all losses since the last call. Waits for the device. */
int sm_stepper_loss(sm_stepper *s, double *loss, kn_error *err);

/* ---- checkpoint.c: what outlives an epoch ------------------------------------------------ */

/* Everything that the rest of a run depends on. Random numbers are functions of
 * seed and counters, so counters are all there is to keep of them. */
typedef struct sm_state {
    uint64_t epoch, steps, best_epoch;              /* done; best_epoch 0: none yet */
    double best_score;
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
    const char *stage;                            /* sm_train_control's, or "" */
} sm_run_id;

int sm_checkpoint_save(sm_state *s, const sm_run_id *id, const char *path, kn_error *err);
/* 1 loaded, 0 there is no such file, -1 it cannot be used. */
int sm_checkpoint_load(sm_state *s, const sm_run_id *id, const char *path, kn_error *err);
/* Of a checkpoint: its network and stage, kn_alloc'd. 1, 0 or -1 as above. */
int sm_checkpoint_stage(char **network, char **stage, const char *path, kn_error *err);
/* The epochs that the run of a checkpoint was to have; 0 there is no such file, -1. */
int sm_checkpoint_epochs(const char *path, kn_error *err);

#endif
