/* The ops of networks on rows: what each reads, owns and does, and the table of
 * them all. Each function's formula is with the op contract it calls
 * (kernels/backend.h). */
#include "siamese/op.h"

#include <math.h>

/* ---- what they share -------------------------------------------------------------- */

int sm_no_arguments(const sm_node *d, int args, kn_error *err)
{
    return args ? kn_fail(err, "%s takes nothing behind it", sm_kinds[d->op].word) : 0;
}

/* Ops whose result has the shape of what they read. */
static int define_same(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    (void)arg;
    d->shape = g->node[d->in[0]].shape;
    return sm_no_arguments(d, args, err);
}

/* ---- linear: y = x W^T + b ---------------------------------------------------------- */

static int linear_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    int64_t out;
    if (args < 1 || kn_parse_i64(&out, arg[0], 1, SM_MAX_WIDTH))
        return kn_fail(err, "linear needs its number of outputs, 1 to %d", SM_MAX_WIDTH);
    d->bias = args == 1;
    if (args > 2 || (args == 2 && !kn_str_eq(arg[1], kn_str_c("nobias"))))
        return kn_fail(err, "behind the outputs of linear only 'nobias' may stand");
    d->shape = (sm_shape){1, 1, (size_t)out};
    size_t shape[2] = {d->shape.c, g->node[d->in[0]].width};
    if (sm_graph_part(g, d, "weight", false, 2, shape, err))
        return -1;
    return d->bias ? sm_graph_part(g, d, "bias", false, 1, shape, err) : 0;
}

/* Uniform in +-1/sqrt(inputs), bias too: PyTorch's nn.Linear.reset_parameters. */
static void linear_init(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng)
{
    (void)stats;
    size_t in = g->node[d->in[0]].width, count = d->width * (in + d->bias);
    float bound = 1.0f / sqrtf((float)in);
    for (size_t i = 0; i < count; i++)
        params[d->param + i] = kn_rng_uniform(rng, -bound, bound);
}

static void linear_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    size_t in = sm_node_of(n, d->in[0])->width, out = d->width;
    const float *w = n->params + d->param;
    n->be->gemm(n->be, n->cell[i].y, sm_input_of(n, i, 0)->y, w, 0, 1, p->rows, out, in, 0);
    if (d->bias)
        n->be->bias_forward(n->be, n->cell[i].y, w + out * in, p->rows, out);
}

static void linear_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    sm_cell *x = sm_input_of(n, i, 0);
    size_t in = sm_node_of(n, d->in[0])->width, out = d->width;
    const float *w = n->params + d->param, *dy = n->cell[i].dy;
    float *dw = n->grads + d->param;
    n->be->gemm(n->be, dw, dy, x->y, 1, 0, out, in, p->rows, 0);
    if (d->bias)
        n->be->bias_backward(n->be, dw + out * in, dy, p->rows, out);
    if (x->needed) /* nobody asks for the gradient of the data */
        n->be->gemm(n->be, x->dy, dy, w, 0, 0, p->rows, in, out, sm_acc_of(x));
}

/* ---- batchnorm, once fused with a concat, or with a residual; and an activation -------- */

static int batchnorm_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    d->blocks = 1;
    if (define_same(g, d, arg, args, err) || sm_graph_part(g, d, "weight", false, 1, &d->shape.c, err) ||
        sm_graph_part(g, d, "bias", false, 1, &d->shape.c, err) ||
        sm_graph_part(g, d, "running_mean", true, 1, &d->shape.c, err))
        return -1;
    return sm_graph_part(g, d, "running_var", true, 1, &d->shape.c, err);
}

void sm_batchnorm_init(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng)
{
    (void)g, (void)rng;
    size_t C = d->shape.c;
    for (size_t c = 0; c < C; c++) {
        params[d->param + c] = 1.0f;
        params[d->param + C + c] = 0.0f;
        stats[d->stat + c] = 0.0f;
        stats[d->stat + C + c] = 1.0f;
    }
}

/* Only one that normalises a single block has it. */
static sm_cell *residual_of(sm_net *n, int i)
{
    const sm_node *d = sm_node_of(n, i);
    return d->inputs > d->blocks ? sm_input_of(n, i, d->blocks) : NULL;
}

static void batchnorm_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const sm_cell *out = &n->cell[i];
    size_t rows = p->rows * sm_pixels_of(d), C = d->shape.c, width;
    const sm_cell *added = residual_of(n, i);
    const float *gamma = n->params + d->param, *beta = gamma + C, *res = added ? added->y : NULL;
    float *mean = n->stats + d->stat, *var = mean + C, *y = out->y, *saved = out->saved;
    for (size_t c = 0, k = 0; c < C; c += width, k++) { /* the k-th block, from channel c on */
        const float *x = sm_input_of(n, i, (int)k)->y;
        width = sm_node_of(n, d->in[k])->shape.c;
        if (p->infer)
            n->be->bn_infer(n->be, y + c, C, mean + c, var + c, x, gamma + c, beta + c, res, d->act, rows, width);
        else
            n->be->bn_forward(n->be, y + c, C, saved + c, saved + C + c, mean + c, var + c, x, gamma + c, beta + c, res,
                              SM_BN_MOMENTUM, d->act, rows, width);
    }
}

static void batchnorm_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const sm_cell *out = &n->cell[i];
    sm_cell *res = residual_of(n, i);
    size_t rows = p->rows * sm_pixels_of(d), C = d->shape.c, width;
    const float *gamma = n->params + d->param, *mean = out->saved, *rstd = mean + C;
    float *dgamma = n->grads + d->param, *dbeta = dgamma + C;
    int acc_res = res ? sm_acc_of(res) : 0;
    for (size_t c = 0, k = 0; c < C; c += width, k++) {
        sm_cell *x = sm_input_of(n, i, (int)k);
        width = sm_node_of(n, d->in[k])->shape.c;
        n->be->bn_backward(n->be, x->dy, res ? res->dy : NULL, dgamma + c, dbeta + c, out->dy + c, x->y, out->y + c, C,
                           mean + c, rstd + c, gamma + c, d->act, rows, width, sm_acc_of(x), acc_res);
    }
}

void sm_batchnorm_pairs(sm_net *n, int i, const sm_pass *p, float *loss, float *d, const float *y,
                        kn_distance distance, kn_pair_loss kind, float margin)
{
    const sm_node *node = sm_node_of(n, i);
    sm_cell *out = &n->cell[i];
    kn_block block[SM_MAX_INPUTS];
    size_t C = node->shape.c;
    const float *gamma = n->params + node->param;
    float *mean = n->stats + node->stat, *dgamma = n->grads + node->param;
    for (int k = 0; k < node->blocks; k++) {
        sm_cell *x = sm_input_of(n, i, k);
        block[k] = (kn_block){.x = x->y, .dx = x->dy, .C = sm_node_of(n, node->in[k])->shape.c, .acc = sm_acc_of(x)};
    }
    n->be->bn_pair_loss(n->be, loss, d, dgamma, dgamma + C, mean, mean + C, out->y, out->dy, out->saved, block,
                        (size_t)node->blocks, gamma, gamma + C, y, distance, kind, margin, SM_BN_MOMENTUM,
                        p->rows / 2, C);
}

/* ---- relu, elu -------------------------------------------------------------------------- */

static void act_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    n->be->act_forward(n->be, n->cell[i].y, sm_input_of(n, i, 0)->y, d->act, p->rows * d->width);
}

static void act_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    sm_cell *x = sm_input_of(n, i, 0);
    n->be->act_backward(n->be, x->dy, n->cell[i].dy, n->cell[i].y, d->act, p->rows * d->width, sm_acc_of(x));
}

/* ---- add ---------------------------------------------------------------------------------- */

static int add_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    const sm_shape *a = &g->node[d->in[0]].shape;
    for (int k = 1; k < d->inputs; k++) {
        const sm_shape *b = &g->node[d->in[k]].shape;
        if (a->h != b->h || a->w != b->w || a->c != b->c)
            return kn_fail(err, "add needs results of one shape, not %zux%zux%zu and %zux%zux%zu", a->h, a->w, a->c,
                           b->h, b->w, b->c);
    }
    return define_same(g, d, arg, args, err);
}

static void add_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    float *y = n->cell[i].y;
    n->be->add(n->be, y, sm_input_of(n, i, 0)->y, sm_input_of(n, i, 1)->y, p->rows * d->width);
    for (int k = 2; k < d->inputs; k++)
        n->be->add(n->be, y, y, sm_input_of(n, i, k)->y, p->rows * d->width);
}

static void add_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    for (int k = 0; k < d->inputs; k++) {
        sm_cell *x = sm_input_of(n, i, k);
        n->be->copy2d(n->be, x->dy, d->width, n->cell[i].dy, d->width, p->rows, d->width, sm_acc_of(x));
    }
}

/* ---- concat ------------------------------------------------------------------------------- */

static int concat_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    (void)arg;
    d->shape = g->node[d->in[0]].shape;
    for (int k = 1; k < d->inputs; k++) { /* SM_MAX_INPUTS x SM_MAX_WIDTH fits easily */
        const sm_shape *b = &g->node[d->in[k]].shape;
        if (d->shape.h != b->h || d->shape.w != b->w)
            return kn_fail(err, "concat needs images of one size, not %zux%zu and %zux%zu", d->shape.h, d->shape.w,
                           b->h, b->w);
        d->shape.c += b->c;
    }
    return sm_no_arguments(d, args, err);
}

static void concat_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    float *y = n->cell[i].y;
    for (int k = 0; k < d->inputs; k++) {
        size_t c = sm_node_of(n, d->in[k])->shape.c;
        n->be->copy2d(n->be, y, d->shape.c, sm_input_of(n, i, k)->y, c, p->rows * sm_pixels_of(d), c, 0);
        y += c;
    }
}

static void concat_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const float *dy = n->cell[i].dy;
    for (int k = 0; k < d->inputs; k++) {
        sm_cell *x = sm_input_of(n, i, k);
        size_t c = sm_node_of(n, d->in[k])->shape.c;
        n->be->copy2d(n->be, x->dy, c, dy, d->shape.c, p->rows * sm_pixels_of(d), c, sm_acc_of(x));
        dy += c;
    }
}

/* ---- dropout ------------------------------------------------------------------------------ */

static int dropout_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    double p;
    if (args != 1 || kn_parse_f64(&p, arg[0], 0, 0.99))
        return kn_fail(err, "dropout needs one number, the share to drop, 0 to 0.99");
    d->p = (float)p;
    return define_same(g, d, arg, 0, err);
}

/* The same mask on the way there and back: it depends on seed, op and step only. */
static void drop(sm_net *n, int i, float *y, const float *x, const sm_pass *p, int acc)
{
    const sm_node *d = sm_node_of(n, i);
    uint64_t stream = (uint64_t)KN_STREAM_DROPOUT << 32 | (uint32_t)d->number;
    n->be->dropout(n->be, y, x, d->p, p->seed, stream, p->step, p->rows * d->width, acc);
}

static void dropout_forward(sm_net *n, int i, const sm_pass *p)
{
    const float *x = sm_input_of(n, i, 0)->y;
    if (p->infer)
        n->be->copy(n->be, n->cell[i].y, x, p->rows * sm_node_of(n, i)->width * sizeof *x);
    else
        drop(n, i, n->cell[i].y, x, p, 0);
}

static void dropout_backward(sm_net *n, int i, const sm_pass *p)
{
    sm_cell *x = sm_input_of(n, i, 0);
    drop(n, i, x->dy, n->cell[i].dy, p, sm_acc_of(x));
}

/* ---- the table ---------------------------------------------------------------------------- */

const sm_kind sm_kinds[SM_OPS] = {
    [SM_INPUT] = {.word = "input"}, /* node 0 only; never a line */
    [SM_LINEAR] = {.word = "linear", .reads_above = true, .define = linear_define, .init = linear_init,
                   .forward = linear_forward, .backward = linear_backward},
    [SM_BATCHNORM] = {.word = "batchnorm", .reads_above = true, .in_place = true, .saved = 2 /* mean, 1/sigma */,
                      .define = batchnorm_define, .init = sm_batchnorm_init,
                      .forward = batchnorm_forward, .backward = batchnorm_backward},
    [SM_RELU] = {.word = "relu", .reads_above = true, .in_place = true, .act = KN_ACT_RELU, .define = define_same,
                 .forward = act_forward, .backward = act_backward},
    [SM_ELU] = {.word = "elu", .reads_above = true, .in_place = true, .act = KN_ACT_ELU, .define = define_same,
                .forward = act_forward, .backward = act_backward},
    [SM_ADD] = {.word = "add", .reads_above = true, .reads_names = true, .define = add_define,
                .forward = add_forward, .backward = add_backward},
    [SM_CONCAT] = {.word = "concat", .reads_names = true, .define = concat_define,
                   .forward = concat_forward, .backward = concat_backward},
    [SM_DROPOUT] = {.word = "dropout", .reads_above = true, .in_place = true, .define = dropout_define,
                    .forward = dropout_forward, .backward = dropout_backward},
    [SM_CONV] = {.word = "conv", .reads_above = true, .define = sm_conv_define, .init = sm_conv_init,
                 .forward = sm_conv_forward, .backward = sm_conv_backward},
    [SM_MAXPOOL] = {.word = "maxpool", .reads_above = true, .define = sm_pool_define,
                    .forward = sm_maxpool_forward, .backward = sm_maxpool_backward},
    [SM_AVGPOOL] = {.word = "avgpool", .reads_above = true, .define = sm_pool_define,
                    .forward = sm_avgpool_forward, .backward = sm_avgpool_backward},
    [SM_GLOBALPOOL] = {.word = "globalpool", .reads_above = true, .define = sm_globalpool_define,
                       .forward = sm_avgpool_forward, .backward = sm_avgpool_backward},
    [SM_BN_POOL] = {.saved = 2 /* as batchnorm */, .init = sm_batchnorm_init,
                    .forward = sm_bn_pool_forward, .backward = sm_bn_pool_backward},
};
