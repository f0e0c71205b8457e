/* Losses: which goes with what a network is trained on, and its ops. */
#include "siamese/train.h"

/* Huber's loss turns from square to straight here, in standard deviations of the
 * scores. */
#define HUBER_DELTA 1.0f

/* Of the loss of a batch, what pairs of one group have. They are few, 1 in 86 of 64
 * groups of 4. By their number, faces are hardly told apart (AUC 0.76 after 14
 * epochs; with a share of 0.13 0.84, of 0.33 0.84): too little pulls. With 0.5
 * characters are told apart worse (0.973 after 10 epochs, with 0.15 and less
 * 0.993): the others' share is spread over all, and those near the margin teach. */
#define SAME_SHARE 0.125f

int sm_objective_check(sm_target target, sm_loss loss, kn_error *err)
{
    static const char *const what[] = {"pairs", "groups", "classes", "scores"};
    bool fits = target == SM_CLASSES  ? loss == SM_SOFTMAX
                : target == SM_SCORES ? loss == SM_HUBER || loss == SM_MSE
                                      : loss == SM_CONTRASTIVE || loss == SM_HINGE;
    return fits ? 0 : kn_fail(err, "the loss %s is not for %s", sm_loss_words[loss], what[target]);
}

void sm_objective(kn_backend *be, float *loss, float *dz, const float *z, const void *target, sm_target kind,
                  const sm_train_options *o, size_t items, size_t width)
{
    switch (kind) {
    case SM_PAIRS: break; /* sm_net_step_pairs */
    case SM_GROUPS:
        be->batch_loss(be, loss, dz, z, target, o->distance, (kn_pair_loss)o->loss, (float)o->margin, SAME_SHARE, items,
                       width);
        break;
    case SM_CLASSES:
        be->softmax_loss(be, loss, dz, NULL, z, target, items, width);
        break;
    case SM_SCORES:
        be->value_loss(be, loss, dz, z, target, o->loss == SM_MSE ? KN_SQUARED : KN_HUBER, HUBER_DELTA, items);
        break;
    }
}

static double pair_loss(const sm_train_options *o, double d, bool same)
{
    double gap = d < o->margin ? o->margin - d : 0;
    if (o->loss == SM_CONTRASTIVE)
        return same ? d * d : gap * gap;
    return same ? d : gap;
}

int sm_judge_pairs(sm_judgement *j, const float *d, const float *label, size_t n, const sm_train_options *o,
                   kn_error *err)
{
    if (sm_evaluate(&j->pairs, d, NULL, label, n, 0.5, err))
        return -1;
    j->n = n;
    j->kind = SM_PAIRS;
    j->score = j->pairs.auc;
    for (size_t i = 0; i < n; i++)
        j->loss += pair_loss(o, (double)d[i], label[i] > 0) / (double)n;
    return 0;
}
