/* siamese: networks as graphs of ops over a backend, trained as twins.
 *
 * A network is text, one op a line (graph.c), run by net.c through kn_backend;
 * train.c is the one training loop, for text and images alike; eval.c has the
 * metrics, calibrate.c the probability, model.c the file, index.c the search.
 * It knows no words and no CSV: how text becomes a vector is the recipe, bytes
 * that a model carries and does not read. Start at sm_train in train.c. */
#ifndef SM_SIAMESE_H
#define SM_SIAMESE_H

#include "data/data.h"
#include "kernels/backend.h"
#include "kernels/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- graph.c: a network as text --------------------------------------------------- */

/* One op a line (or between ';'), `#` starts a comment:
 *
 *   [input HxWxC]
 *   [NAME:] linear OUT [nobias] | batchnorm | relu | elu | add NAME... |
 *           concat NAME... | dropout P | conv OUT WINDOW [nobias] |
 *           maxpool WINDOW | avgpool WINDOW | globalpool
 *   WINDOW: KHxKW[/STRIDE] [pad P] [dilation D]; stride 1 unless given, that of
 *           a pool its (square) size
 *
 * `input` says that the numbers of an input row are an image, channels last; a
 * linear reads all numbers of an image. batchnorm is over channels.
 * Each op reads the result of the line above (the first line the input, whose
 * name is `input`); add and concat read the named results too: `add r1` is
 * above + r1, `concat r3 r2 r1` is exactly these three. A name may be used
 * after its line. The last line is the vector that twins compare; every other
 * result must be read by somebody. */
typedef enum {
    SM_INPUT, SM_LINEAR, SM_BATCHNORM, SM_RELU, SM_ELU, SM_ADD, SM_CONCAT, SM_DROPOUT, SM_CONV, SM_MAXPOOL,
    SM_AVGPOOL, SM_GLOBALPOOL,
    SM_BN_POOL, /* no line: a batchnorm and a maxpool, fused */
    SM_OPS /* how many; op.h has the table of what each does */
} sm_op;

enum { SM_MAX_NODES = 1024, SM_MAX_INPUTS = 8, SM_MAX_WIDTH = 1 << 16 /* channels */, SM_MAX_NUMBERS = 1 << 24 };

/* A row of a result: an image of c channels, 1 x 1 when it is a vector. */
typedef struct sm_shape {
    size_t h, w, c;
} sm_shape;

typedef struct sm_node {
    sm_op op;
    int in[SM_MAX_INPUTS], inputs; /* nodes read, all before this one */
    int blocks;                    /* of these, a batchnorm normalises the first `blocks` side by side: one, or those
                                    * of a fused concat. One more input is a fused residual, added before act */
    sm_shape shape;                /* of the result ... */
    size_t width;                  /* ... and its numbers, h w c */
    kn_act act;                    /* of SM_RELU and SM_ELU, and of a batchnorm, conv or SM_BN_POOL once fused */
    bool bias;                     /* SM_LINEAR, SM_CONV */
    kn_window window;              /* SM_CONV, SM_MAXPOOL, SM_AVGPOOL, SM_GLOBALPOOL, SM_BN_POOL */
    float p;                       /* SM_DROPOUT */
    size_t param, stat;            /* where its parts start in the two blocks */
    int number;                    /* of the op in the text, from 1: part names, random streams */
    kn_str name;                   /* in the graph's text; empty when it has none */
} sm_node;

/* One named tensor in the block of parameters or in that of statistics, named
 * as PyTorch would: "1.weight" [OUT, IN] and "1.bias" of a linear that is the
 * first op, [OUT, KH, KW, C] of a conv; "2.weight" (gamma), "2.bias" (beta),
 * "2.running_mean" and "2.running_var" of a batchnorm that is the second. */
typedef struct sm_part {
    char name[32];
    bool stat;
    size_t offset, ndim, shape[4];
} sm_part;

typedef struct sm_graph {
    sm_node *node; /* node[0] is the input, the last one the output */
    int nodes;
    sm_part *part; /* in order of the text, without gap or overlap in either block */
    int parts;
    size_t input_width, output_width;
    size_t params, stats; /* floats in the two blocks */
    char *text;           /* the text it was made from, owned */
} sm_graph;

/* text: a network, for rows of `input` numbers. NULL and an error that names
 * the line. */
sm_graph *sm_graph_parse(const char *text, size_t input, kn_error *err);
void sm_graph_free(sm_graph *g); /* NULL is allowed */

/* ---- arch.c: the networks that have a name ------------------------------------------ */

/* The text, kn_alloc'd, of a built-in network: "seed" (DESIGN: residual, three
 * layers, concat), its ablations ("mlp2", "mlp3", "residual-post", "residual",
 * "residual-dropout"), "wide" (the default for training), "linear"; on images
 * "conv4", "pyramid" and "resnet" (with "-elu" and ":WIDTH"), "lenet", "mnist-net",
 * "tiny-darknet"; or, when the name has a space or newline or is a file, that text itself. dropout in
 * [0,1): where not 0, that much on the input of every linear but the first. */
char *sm_arch_text(const char *name_or_text, double dropout, kn_error *err);

/* ---- net.c: a graph on a backend ---------------------------------------------------- */

typedef struct sm_net sm_net;

/* One block each of parameters, gradients and running statistics on the
 * backend; activations for at most `rows` rows. train false: no gradients,
 * sm_net_infer only. g and be must outlive it. */
sm_net *sm_net_new(const sm_graph *g, kn_backend *be, size_t rows, bool train, kn_error *err);
void sm_net_free(sm_net *n); /* NULL is allowed */
/* Initial values, into host blocks of g->params and g->stats floats: as
 * PyTorch's Linear (uniform +-1/sqrt(IN)) and BatchNorm (gamma 1, beta 0). Every
 * op draws from a stream of its own. */
void sm_graph_init(const sm_graph *g, float *params, float *stats, uint64_t seed);
/* Scales what the network puts out: the gammas of all batchnorms from which
 * a way leads to the output with no further linear or batchnorm on it. */
void sm_graph_scale(const sm_graph *g, float *params, float scale);
/* The first `ops` ops with parameters, in order of the text, stand still from
 * now on: running statistics, no dropout, no gradient. They are the first floats
 * of the block of parameters: returns how many. */
size_t sm_net_freeze(sm_net *n, int ops);
/* Host copies of the blocks: [params] and [stats] floats. get waits for all
 * work before it. */
void sm_net_get(sm_net *n, float *params, float *stats);
void sm_net_set(sm_net *n, const float *params, const float *stats);
float *sm_net_input(sm_net *n);        /* device [rows, input_width], to be filled */
float *sm_net_output(sm_net *n);       /* device [rows, output_width] */
float *sm_net_output_grad(sm_net *n);  /* device, to be filled before backward */
float *sm_net_params(sm_net *n);       /* device blocks */
float *sm_net_grads(sm_net *n);
float *sm_net_stats(sm_net *n);
/* Training mode: batch statistics, dropout drawn with step (device memory).
 * backward follows a forward of the same rows, step and seed, and overwrites
 * all gradients. None of these allocates; all may be recorded. */
void sm_net_forward(sm_net *n, size_t rows, const kn_step *step, uint64_t seed);
void sm_net_backward(sm_net *n, size_t rows, const kn_step *step, uint64_t seed);
/* forward, the backend's pair_loss of the output, backward. Where a batchnorm is
 * last, it and the loss are one op, and output and output_grad are left open. */
void sm_net_step_pairs(sm_net *n, float *loss, float *d, const float *y, kn_distance distance, kn_pair_loss kind,
                       float margin, size_t rows, const kn_step *step, uint64_t seed);
/* Running statistics, no dropout. */
void sm_net_infer(sm_net *n, size_t rows);

/* ---- dataset.c: pairs of rows --------------------------------------------------------- */

/* N labelled pairs: pair i compares row q1[i] with row q2[i] of x. */
typedef struct sm_pairs {
    size_t pairs, rows, dim;
    const float *x;            /* [rows, dim] */
    const uint32_t *q1, *q2;   /* [pairs] */
    const float *label;        /* [pairs] */
    const char *digest;        /* of the data, for the model file */
    const void *recipe;        /* opaque bytes, or NULL */
    size_t recipe_bytes;
    void *owner;               /* what sm_pairs_close frees; NULL when borrowed */
} sm_pairs;

/* A features.st file (tensors q1, q2, label, recipe), mapped. */
int sm_pairs_open(sm_pairs *p, const char *path, kn_error *err) KN_MUST_CHECK;
void sm_pairs_close(sm_pairs *p);
/* Cuts a seeded share of pairs off as a dev part; both borrow from p. */
int sm_pairs_hold_out(sm_pairs *train, sm_pairs *dev, const sm_pairs *p, double share, uint64_t seed,
                      kn_error *err) KN_MUST_CHECK;

/* ---- eval.c: metrics ----------------------------------------------------------------------------- */

typedef struct sm_metrics sm_metrics;

/* A pair is predicted a duplicate when d < threshold. TP, FP, FN, TN count
 * duplicates and others predicted so or not; P = TP + FN, N = FP + TN, n = P + N.
 * A value whose denominator is 0 is NaN. Ties are one step: pairs of equal
 * distance are on the same side of any threshold. */
struct sm_metrics {
    size_t n, positives;     /* pairs, P */
    double threshold;        /* the one given */
    double accuracy;         /* (TP + TN) / n */
    double precision;        /* TP / (TP + FP) */
    double recall;           /* TP / P */
    double f1;               /* 2 TP / (2 TP + FP + FN) */
    double auc;              /* P(d+ < d-) + P(d+ = d-)/2 over pairs of classes: the area under the ROC
                              * polygon (Hanley, McNeil 1982; Fawcett 2006); scikit-learn's roc_auc_score of -d */
    double average_precision; /* sum over thresholds (R_k - R_k-1) precision_k, no interpolation:
                              * scikit-learn's average_precision_score of -d */
    double log_loss;         /* -mean(y ln p + (1-y) ln(1-p)), p kept in [DBL_EPSILON, 1-DBL_EPSILON] as
                              * scikit-learn's log_loss keeps it */
    double brier;            /* mean (p - y)^2 (Brier 1950) */
    double ece;              /* sum over SM_BINS bins of (count/n) |mean y - mean p|: expected calibration
                              * error (Naeini, Cooper, Hauskrecht 2015) of the duplicate class; bin i holds
                              * i <= p SM_BINS < i+1, the last also p = 1 */
    double accuracy_best, threshold_best; /* best accuracy over all thresholds and the middle one of those
                              * that reach it, half-way between two distances: chosen on this data */
    double seed_metric;      /* precision at d < 0.5, which the seed of this project called accuracy */
};

/* What a network is trained on: pairs of rows with a label each; rows of groups,
 * all pairs of a batch; rows of classes; rows with scores. */
typedef enum { SM_PAIRS, SM_GROUPS, SM_CLASSES, SM_SCORES } sm_target;

/* What a network is judged by on data that it does not learn from. */
typedef struct sm_judgement {
    size_t n;          /* pairs or images; 0: there was nothing to judge by */
    sm_target kind;
    double loss;       /* the mean of what training makes small */
    double score;      /* the higher the better: AUC of pairs, accuracy of classes, correlation of scores */
    sm_metrics pairs;  /* of pairs and groups */
    double accuracy;   /* of classes: share of images whose largest output is their class's */
    double pearson, mae, rmse; /* of scores: correlation; mean absolute, root mean squared error */
} sm_judgement;

/* Pearson's correlation, mean absolute and root mean squared error of n scores.
 * pearson is NaN where either side is constant. */
void sm_judge_scores(sm_judgement *j, const float *have, const float *want, size_t n);

/* d and label of n pairs; label 0 or 1; p nullable: then log_loss, brier and ece
 * are NaN. O(n log n). -1 for a distance that is not finite, another label, or a
 * p outside [0,1]. */
int sm_evaluate(sm_metrics *m, const float *d, const double *p, const float *label, size_t n, double threshold,
                kn_error *err) KN_MUST_CHECK;

/* Every way to cut the pairs in two: with d < threshold there are tp duplicates
 * and fp others. From no pair to all, distances rising; *cuts = distinct
 * distances + 1 of them, kn_alloc'd. The points of a ROC curve (fp/N, tp/P) and
 * of a precision-recall curve (tp/P, tp/(tp+fp)). Errors as sm_evaluate's. */
typedef struct sm_cut {
    double threshold;
    size_t tp, fp;
} sm_cut;
sm_cut *sm_cuts(const float *d, const float *label, size_t n, size_t *cuts, kn_error *err);

/* The bins of ece: a reliability diagram is positives/n over sum_p/n. */
enum { SM_BINS = 15 };
typedef struct sm_bin {
    size_t n, positives;
    double sum_p;
} sm_bin;
int sm_reliability(sm_bin bin[SM_BINS], const double *p, const float *label, size_t n, kn_error *err) KN_MUST_CHECK;

/* ---- train.c ---------------------------------------------------------------------------- */

/* What is made small: of pairs (kn_pair_loss, the same numbers), of classes, of
 * scores. A model keeps it, since it tells what the network's output is: a
 * vector to compare, a number for each class, a score. */
typedef enum { SM_CONTRASTIVE, SM_HINGE, SM_SOFTMAX, SM_HUBER, SM_MSE } sm_loss;

typedef enum { SM_ADAM, SM_SGD } sm_optimizer;
typedef enum { SM_CONSTANT, SM_STEP, SM_COSINE } sm_schedule;
/* Their words in options and settings, in order of the numbers, then NULL. */
extern const char *const sm_optimizer_words[], *const sm_schedule_words[];

typedef struct sm_train_options {
    const char *arch;         /* as sm_arch_text takes it */
    kn_distance distance;
    sm_loss loss;
    double margin;            /* of pairs */
    sm_optimizer optimizer;
    double lr;
    double beta1, beta2, epsilon; /* SM_ADAM */
    double momentum;          /* SM_SGD */
    bool nesterov;
    double decay;             /* L2, added to the gradient */
    sm_schedule schedule;     /* see sm_rate */
    double schedule_factor;
    int schedule_epochs;
    double warmup;            /* share of all steps with a rising rate */
    double dropout;           /* on the input of every linear but the first; 0: none */
    int batch, epochs;        /* batch: pairs, or images where a row has a target of its own */
    int patience;             /* epochs without a better dev score; 0: run all */
    int freeze, freeze_epochs; /* the first `freeze` ops with parameters stand still for that many epochs */
    double hold_out;          /* share of the data used as dev when none is given; 0: no dev */
    uint64_t seed;
} sm_train_options;

sm_train_options sm_train_defaults(void);
/* Do the options make sense together? */
int sm_train_check(const sm_train_options *o, kn_error *err) KN_MUST_CHECK;
/* All that decides the result, as JSON; kn_alloc'd. task (nullable): what the
 * data add to it, JSON too. */
char *sm_train_settings(const sm_train_options *o, const char *task, kn_error *err);
/* schedule.c: the learning rate of step `step` (from 0) when an epoch has
 * `steps` steps. Constant; SM_STEP: times schedule_factor every schedule_epochs;
 * SM_COSINE: lr (1 + cos(pi t/T))/2, t = step, T = all steps (Loshchilov,
 * Hutter 2017, eq. 5 without restarts, eta_min 0). Over the first `warmup`
 * share of all T steps times (step+1)/(warmup T). */
double sm_rate(const sm_train_options *o, uint64_t step, uint64_t steps);

typedef struct sm_epoch {
    int epoch, epochs;        /* from 1 */
    double loss, lr;          /* mean training loss; rate at its end */
    sm_judgement dev;
    double seconds, rate;     /* of training, dev not counted; pairs or images a second */
    bool best;
} sm_epoch;

/* What a run is about, told when it starts. */
typedef struct sm_run {
    const sm_graph *graph;
    const char *unit;         /* of the two below: "pairs" or "images" */
    size_t train, dev;
    int epochs, done;         /* in all; before this start */
} sm_run;

typedef struct sm_model sm_model;

/* How a run is driven, apart from what decides its result; all may be 0. */
typedef struct sm_train_control {
    const char *checkpoint;   /* saved after every epoch; the caller removes it when the model is safe */
    bool resume;              /* start from the checkpoint when the file exists */
    const char *stage;        /* what came before this run, where it is one of several: kept in the checkpoint */
    const sm_model *init;     /* start from these weights: its network, or the first ops of ours */
    double seconds;           /* not 0: as many epochs as fit, by the time of a few steps, instead of the options' */
    void (*start)(void *arg, const sm_run *run);
    void (*epoch)(void *arg, const sm_epoch *e);
    void (*progress)(void *arg, int epoch, size_t done, size_t total); /* pairs, a few times a second */
    bool (*stop)(void *arg);  /* asked between steps: true ends the run; the checkpoint has the whole epochs */
    void (*finish)(void *arg, int best_epoch, const sm_judgement *dev); /* of the model that is returned */
    void *arg;
} sm_train_control;

/* Trains, keeps the weights of the best dev AUC (with no dev part: the last),
 * calibrates on dev. dev NULL: a share is held out of train. An epoch is a
 * seeded shuffle cut into batches of o->batch pairs; the last batch is what is
 * left, and when that is one single pair it waits for another epoch's shuffle,
 * since batch statistics of two rows would say next to nothing. A run that was
 * stopped or killed and resumed ends bit-equal to one that was not. The model's
 * recipe is borrowed from train. NULL and err on failure and when stopped. */
sm_model *sm_train(const sm_pairs *train, const sm_pairs *dev, const sm_train_options *o,
                   const sm_train_control *control, kn_backend *be, kn_error *err);

/* ---- model.c: the self-contained file ------------------------------------------------------ */

struct sm_model {
    sm_graph *graph;
    float *params, *stats;      /* host blocks, owned */
    kn_distance distance;
    sm_loss loss;
    double margin;
    double threshold;           /* duplicate when d < threshold */
    double alpha, beta;         /* p = 1/(1+exp(-(alpha - beta d))) */
    bool calibrated;
    uint64_t seed;
    char digest[65];
    char *settings;             /* JSON of the training options, owned */
    const void *recipe;         /* opaque bytes inside st, or borrowed */
    size_t recipe_bytes;
    ds_st *st;                  /* the mapped file, NULL when just trained */
};

/* The words for a kn_distance and an sm_loss in files, options and reports,
 * in the order of the enum; NULL ends. */
extern const char *const sm_distance_words[], *const sm_loss_words[];

/* Opens by mmap. Refuses whatever a network could not run on: another format or
 * version, tensors that do not fit the network text, numbers that are not
 * finite. The recipe is not looked at. */
sm_model *sm_model_open(const char *path, kn_error *err);
/* The same on bytes in memory (64-byte aligned); they must outlive the model. */
sm_model *sm_model_open_memory(const void *p, size_t n, kn_error *err);
/* The same model gives the same bytes; _bytes appends to out. */
int sm_model_save(const sm_model *m, const char *path, kn_error *err) KN_MUST_CHECK;
int sm_model_bytes(const sm_model *m, kn_buf *out, kn_error *err) KN_MUST_CHECK;
void sm_model_free(sm_model *m); /* NULL is allowed */

/* ---- encode.c: vectors through a model -------------------------------------------------------- */

/* A network in inference on a backend. It always runs blocks of as many rows
 * (SM_BLOCK, or fewer of a network on images, to bound memory), the last one
 * padded: a matrix product may sum in another order when its shape changes, and a
 * row's result must not depend on how many rows stand beside it. */
enum { SM_BLOCK = 256 };

typedef struct sm_encoder sm_encoder;
sm_encoder *sm_encoder_new(const sm_model *m, kn_backend *be, kn_error *err); /* m must outlive it */
/* z[N,E] of x[N,D], both on the host. */
int sm_encode(sm_encoder *e, float *z, const float *x, size_t N, kn_error *err) KN_MUST_CHECK;
/* d[pairs] of a whole set, in constant memory. p->label may be NULL. */
int sm_distances(sm_encoder *e, float *d, const sm_pairs *p, kn_error *err) KN_MUST_CHECK;
/* d[n] between the vectors a[i] and b[i] of z, which sm_encode gave. */
int sm_vector_distances(sm_encoder *e, float *d, const float *z, const uint32_t *a, const uint32_t *b, size_t n,
                        kn_error *err) KN_MUST_CHECK;
size_t sm_encoder_width(const sm_encoder *e); /* E */
void sm_encoder_free(sm_encoder *e);          /* NULL is allowed */

/* ---- calibrate.c: distance -> probability ------------------------------------------------------ */

/* alpha and beta >= 0 of p = sigma(alpha - beta d), sigma(x) = 1/(1+exp(-x)), by
 * maximum likelihood: J. Platt, "Probabilistic outputs for support vector
 * machines" (1999), whose targets are (P+1)/(P+2) for the P duplicates and
 * 1/(N+2) for the N others, so that separable data stay finite; minimised as in
 * H.-T. Lin, C.-J. Lin, R. Weng, "A note on Platt's probabilistic outputs"
 * (Machine Learning 68, 2007), algorithm 1: Newton steps with backtracking.
 * Where distance speaks against the label the best beta >= 0 is 0. -1 when n is
 * 0, a class is missing, or all distances are equal: then nothing says what
 * beta is. */
int sm_calibrate(double *alpha, double *beta, const float *d, const float *label, size_t n, kn_error *err) KN_MUST_CHECK;

/* Sets threshold, alpha and beta of a model from the distances of a dev part:
 * the threshold of the best accuracy (sm_evaluate's threshold_best), and
 * sm_calibrate. 0 when done; 1 when the data cannot say (sm_calibrate's
 * reasons): the model is then uncalibrated with threshold 0.5, and why
 * (nullable) says so; -1 and why when memory is out or a number is not finite. */
int sm_model_calibrate(sm_model *m, const float *d, const float *label, size_t n, kn_error *why) KN_MUST_CHECK;

/* The probability that a pair at this distance is a duplicate; NaN while the
 * model is not calibrated. */
double sm_model_probability(const sm_model *m, double distance);

/* ---- index.c: exact search --------------------------------------------------------------------- */

/* A file of questions and their vectors that carries its model: tensors model
 * [bytes] U8 (a model file), offsets [N+1] U64, z [N,E] F32, text [bytes] U8;
 * question i is text[offsets[i] .. offsets[i+1]). */
typedef struct sm_index sm_index;
int sm_index_save(const char *path, const sm_model *m, const float *z, const kn_str *text, size_t n,
                  kn_error *err) KN_MUST_CHECK;
sm_index *sm_index_open(const char *path, kn_error *err); /* by mmap; checks all that a search relies on */
size_t sm_index_count(const sm_index *x);
kn_str sm_index_text(const sm_index *x, size_t i);
const float *sm_index_vectors(const sm_index *x); /* [count, E] */
const sm_model *sm_index_model(const sm_index *x);
void sm_index_close(sm_index *x); /* NULL is allowed */

/* The search itself: the vectors of an index on a backend. */
typedef struct sm_search sm_search;
/* k: the most answers a search gives; 1 or more. x and be must outlive it. */
sm_search *sm_search_new(const sm_index *x, kn_backend *be, size_t k, kn_error *err);
/* The questions nearest to an input vector[D] of the index's model, nearest
 * first, equal ones in order of the index: distances and rows. Returns how many,
 * the smaller of k and the count of the index; -1 on error. */
ptrdiff_t sm_search_nearest(sm_search *s, float *dist, uint32_t *row, const float *vector, kn_error *err);
void sm_search_free(sm_search *s); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
