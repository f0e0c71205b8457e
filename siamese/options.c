/* The options of training: defaults, what may not be, and as text. */
#include "siamese/siamese.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *const sm_optimizer_words[] = {"adam", "sgd", NULL};
const char *const sm_schedule_words[] = {"constant", "step", "cosine", NULL};

sm_train_options sm_train_defaults(void)
{
    return (sm_train_options){
        .arch = "wide",
        .distance = KN_EUCLIDEAN,
        .loss = SM_CONTRASTIVE,
        .margin = 1,
        .optimizer = SM_ADAM,
        .lr = 2e-3,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
        .momentum = 0.9,
        .schedule = SM_COSINE,
        .schedule_factor = 0.1,
        .schedule_epochs = 5,
        .batch = 256,
        .epochs = 16,
        .hold_out = 0.05,
        .seed = 1,
    };
}

int sm_train_check(const sm_train_options *o, kn_error *err)
{
    if (o->batch < 2)
        return kn_fail(err, "a batch needs at least 2 pairs: batch normalisation looks at the rows beside");
    if (o->epochs < 1 || o->schedule_epochs < 1 || o->patience < 0)
        return kn_fail(err, "epochs are counted from 1");
    if (o->freeze < 0 || o->freeze_epochs < 0)
        return kn_fail(err, "the ops and epochs of freezing are counted from 0");
    if (!(o->lr > 0) || !(o->margin > 0) || !(o->decay >= 0) || !(o->schedule_factor > 0) || !(o->epsilon > 0))
        return kn_fail(err, "rate, margin, schedule factor and epsilon must be over 0, decay not under");
    if (!(o->dropout >= 0 && o->dropout < 1) || !(o->momentum >= 0 && o->momentum < 1) ||
        !(o->beta1 >= 0 && o->beta1 < 1) || !(o->beta2 >= 0 && o->beta2 < 1) || !(o->hold_out >= 0 && o->hold_out < 1) ||
        !(o->warmup >= 0 && o->warmup < 1))
        return kn_fail(err, "dropout, momentum, betas, held-out share and warm-up are shares: 0 up to 1");
    if (o->nesterov && (o->optimizer != SM_SGD || o->momentum == 0))
        return kn_fail(err, "Nesterov's step is one of SGD with a momentum");
    return 0;
}

char *sm_train_settings(const sm_train_options *o, const char *task, kn_error *err)
{
    json_t *j = json_pack("{ss ss ss sf ss sf sf sf sf sf sb sf ss sf si sf sf si si si sf si si sI so*}",
                          "arch", o->arch, "distance", sm_distance_words[o->distance], "loss", sm_loss_words[o->loss],
                          "margin", o->margin, "optimizer", sm_optimizer_words[o->optimizer], "lr", o->lr,
                          "beta1", o->beta1, "beta2", o->beta2, "epsilon", o->epsilon, "momentum", o->momentum,
                          "nesterov", (int)o->nesterov, "decay", o->decay,
                          "schedule", sm_schedule_words[o->schedule], "schedule_factor", o->schedule_factor,
                          "schedule_epochs", o->schedule_epochs, "warmup", o->warmup, "dropout", o->dropout,
                          "batch", o->batch, "epochs", o->epochs, "patience", o->patience, "hold_out", o->hold_out,
                          "freeze", o->freeze, "freeze_epochs", o->freeze_epochs,
                          "seed", (json_int_t)o->seed, "task", task ? json_loads(task, 0, NULL) : NULL);
    char *dumped = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    char *text = dumped ? kn_alloc(strlen(dumped) + 1, 1, err) : NULL;
    if (!dumped)
        kn_fail(err, "out of memory, or '%.40s' is not UTF-8", o->arch);
    else if (text)
        memcpy(text, dumped, strlen(dumped));
    free(dumped);
    json_decref(j);
    return text;
}
