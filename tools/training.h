/* tools/training: the options that all trainers share, and how a run ends. */
#ifndef TRAINING_H
#define TRAINING_H

#include "siamese/siamese.h"
#include "tools/tool.h"

/* What training_read fills from the rows below; a tool sets its own defaults
 * between training_defaults and tool_start. */
extern sm_train_options training;

/* Where the words and whole numbers of the rows go first. */
extern struct training_words {
    const char *distance, *loss, *optimizer, *schedule, *init, *log;
    int64_t schedule_epochs, batch, epochs, patience;
    bool resume;
} training_words;

#define TRAINING_ROWS(unit)                                                                                            \
    {"init", 0, OPT_TEXT, &training_words.init, "MODEL", 0, 0, "start from its weights, and its network"},             \
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Optimiser"},                                                                  \
    {"optimizer", 0, OPT_CHOICE, &training_words.optimizer, "adam|sgd", 0, 0, "how weights move"},                     \
    {"lr", 0, OPT_REAL, &training.lr, "X", 1e-12, 1e3, "learning rate"},                                               \
    {"schedule", 0, OPT_CHOICE, &training_words.schedule, "constant|step|cosine", 0, 0, "how the rate falls"},         \
    {"step-epochs", 0, OPT_INT, &training_words.schedule_epochs, "N", 1, 1e6, "epochs to each fall of --schedule step"}, \
    {"step-factor", 0, OPT_REAL, &training.schedule_factor, "F", 1e-6, 1, "by which the rate is then multiplied"},     \
    {"warmup", 0, OPT_REAL, &training.warmup, "SHARE", 0, 0.99, "share of all steps with a rising rate"},              \
    {"momentum", 0, OPT_REAL, &training.momentum, "M", 0, 0.9999, "of sgd"},                                           \
    {"nesterov", 0, OPT_FLAG, &training.nesterov, NULL, 0, 0, "of sgd"},                                               \
    {"decay", 0, OPT_REAL, &training.decay, "X", 0, 10, "L2 penalty"},                                                 \
    {"batch", 0, OPT_INT, &training_words.batch, "N", 2, 1 << 20, unit " a step"},                                     \
    {"epochs", 0, OPT_INT, &training_words.epochs, "N", 1, 1e6, "times through the " unit},                            \
    {"patience", 0, OPT_INT, &training_words.patience, "N", 0, 1e6, "stop after N epochs that are not better on dev; 0: never"}, \
    {"resume", 0, OPT_FLAG, &training_words.resume, NULL, 0, 0, "go on from MODEL.checkpoint, which a stopped run leaves"}, \
    {"log", 0, OPT_TEXT, &training_words.log, "FILE", 0, 0, "a JSON line an epoch"}

/* sm_train_defaults, before tool_start, so that the usage shows them. */
void training_defaults(void);
/* After tool_start: words to enums, and what may not be is wrong usage. Takes
 * -o MODEL, which no pipe can be, from tool_common. */
void training_read(void);
const char *training_model_path(void);
/* The model of --init, or NULL. */
sm_model *training_init(void);
/* The hooks of runlog, with checkpoint, resume and init. */
sm_train_control training_control(void);
/* Saves the model, removes the checkpoint, reports, frees. NULL dies with err. */
void training_end(sm_model *m, const kn_error *err);

#endif
