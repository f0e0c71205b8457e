/* What an op of a network is: one row of the table in ops.c. Private to
 * siamese/. To add an op: its name in sm_op, its functions and its row in
 * ops.c (its functions there, or in a file of their own), a line in siamese.h's grammar
 * and in tests/test_net.c. Nothing else knows the kinds apart, but fuse.c,
 * which knows batchnorm, add, maxpool and the activations, and the files of growth.h,
 * which know which ops mix channels. */
#ifndef SM_OP_H
#define SM_OP_H

#include "siamese/siamese.h"

/* A node's results on the backend: what flows through it for `rows` rows. */
typedef struct sm_cell {
    float *y;     /* [rows, width] */
    float *dy;    /* gradient of y, when training */
    float *saved; /* kind->saved x channels floats that forward leaves for backward */
    bool needed;  /* parameters that move stand above it: its gradient matters */
    bool still;   /* frozen: as in inference, its parameters do not move */
    bool written; /* during backward: a reader has written dy, the others add */
} sm_cell;

struct sm_net {
    const sm_graph *graph;
    kn_backend *be;
    size_t rows;
    float *block; /* everything below, in one allocation */
    float *params, *grads, *stats;
    sm_cell *cell; /* one a node, on the host */
};

/* One run through a network. */
typedef struct sm_pass {
    size_t rows;
    bool infer;          /* running statistics, no dropout; step and seed unused */
    const kn_step *step; /* device */
    uint64_t seed;
} sm_pass;

typedef struct sm_kind {
    const char *word;  /* in the text; NULL: only fuse.c makes it */
    bool reads_above;  /* its first input is the result of the line above */
    bool in_place;     /* backward may write the gradient of its first input, as wide, over its own */
    bool reads_names;  /* the words after it are the names of its further inputs; else arguments for define */
    kn_act act;
    size_t saved;      /* see sm_cell */
    /* Inputs are known: reads the arguments, sets the width, reserves parts. The
     * error does not name the line: the caller does. */
    int (*define)(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err);
    void (*init)(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng); /* or NULL: no parts */
    /* i is the node. backward reads cell[i].dy and passes it to the inputs, each
     * by the rule of sm_acc. */
    void (*forward)(sm_net *n, int i, const sm_pass *p);
    void (*backward)(sm_net *n, int i, const sm_pass *p);
} sm_kind;

extern const sm_kind sm_kinds[SM_OPS];

/* ops_image.c: the functions of the ops on images, for the table */
int sm_conv_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err);
int sm_pool_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err);
int sm_globalpool_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err);
void sm_conv_init(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng);
void sm_conv_forward(sm_net *n, int i, const sm_pass *p);
void sm_conv_backward(sm_net *n, int i, const sm_pass *p);
void sm_maxpool_forward(sm_net *n, int i, const sm_pass *p);
void sm_maxpool_backward(sm_net *n, int i, const sm_pass *p);
void sm_bn_pool_forward(sm_net *n, int i, const sm_pass *p);
void sm_bn_pool_backward(sm_net *n, int i, const sm_pass *p);
void sm_avgpool_forward(sm_net *n, int i, const sm_pass *p);
void sm_avgpool_backward(sm_net *n, int i, const sm_pass *p);

/* ---- what the functions of ops share: ops.c --------------------------------------- */

/* Share of the newest batch in the running statistics; PyTorch's default. */
#define SM_BN_MOMENTUM 0.1f

static inline const sm_node *sm_node_of(const sm_net *n, int i)
{
    return &n->graph->node[i];
}

static inline sm_cell *sm_input_of(sm_net *n, int i, int k)
{
    return &n->cell[sm_node_of(n, i)->in[k]];
}

/* Rows of channels: a pixel is a row, so that what works on rows works on images. */
static inline size_t sm_pixels_of(const sm_node *d)
{
    return d->shape.h * d->shape.w;
}

/* The acc flag for adding to a cell's gradient: its first writer overwrites. */
static inline int sm_acc_of(sm_cell *c)
{
    int acc = c->written;
    c->written = true;
    return acc;
}

/* A batchnorm at the output, there and back in one with the loss of pairs (the
 * backend's bn_pair_loss). */
void sm_batchnorm_pairs(sm_net *n, int i, const sm_pass *p, float *loss, float *d, const float *y,
                        kn_distance distance, kn_pair_loss kind, float margin);

/* Of a batchnorm, fused with a pool or not. */
void sm_batchnorm_init(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng);

/* "linear takes nothing behind it" */
int sm_no_arguments(const sm_node *d, int args, kn_error *err);

/* Reading the text of a network, statement by statement. */
enum { SM_MAX_WORDS = SM_MAX_INPUTS + 3 };
typedef struct sm_text {
    const char *at; /* what is left */
    int line;       /* of the newest statement */
    int next_line;
} sm_text;
sm_text sm_text_new(const char *text);
/* The next statement, which may be empty: its words, split at spaces and behind
 * a ':'. Returns their number (also when that is more than are kept), or -1 at
 * the end of the text. */
int sm_text_next(sm_text *t, kn_str word[SM_MAX_WORDS]);
bool sm_is_label(kn_str word); /* "NAME:" */
/* "28x28x1": `count` numbers of 1 to `most`, or -1. */
int sm_parse_sizes(size_t *n, int count, kn_str word, size_t most);

/* As sm_graph_parse, before sm_graph_fuse: node i is op number i. */
sm_graph *sm_graph_read(const char *text, size_t input, kn_error *err);

/* Reserves shape[0] x ... x shape[ndim-1] floats of a block for node d. */
int sm_graph_part(sm_graph *g, sm_node *d, const char *name, bool stat, size_t ndim, const size_t *shape,
                  kn_error *err);

/* fuse.c: makes one node of a batchnorm and the add or maxpool, and activation, behind it. */
void sm_graph_fuse(sm_graph *g);

#endif
