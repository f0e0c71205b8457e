/* The ops of networks on images: convolution and pools, with a batchnorm or without. Formulas: backend.h. */
#include "siamese/op.h"

#include <math.h>
#include <string.h>

/* KHxKW[/STRIDE] [pad P] [dilation D], then the shape of the result but for its
 * channels. Returns how many words were read, or -1. */
static int read_window(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    const sm_shape *in = &g->node[d->in[0]].shape;
    const char *word = sm_kinds[d->op].word;
    enum { MOST = 1 << 12 };
    const char *slash = args > 0 ? memchr(arg[0].p, '/', arg[0].n) : NULL;
    kn_str size = args > 0 ? (kn_str){arg[0].p, slash ? (size_t)(slash - arg[0].p) : arg[0].n} : (kn_str){0};
    size_t k[2], stride = 1;
    int64_t v;
    int used = 1;
    if (args < 1 || sm_parse_sizes(k, 2, size, MOST))
        return kn_fail(err, "%s needs the size of its window, as 3x3 or 3x3/2", word);
    if (!slash && d->op != SM_CONV) {
        if (k[0] != k[1])
            return kn_fail(err, "%s needs a stride where its window is no square, as 2x3/2", word);
        stride = k[0];
    } else if (slash) {
        if (kn_parse_i64(&v, (kn_str){slash + 1, arg[0].n - size.n - 1}, 1, MOST))
            return kn_fail(err, "the stride of %s is a number from 1 to %d, as 3x3/2", word, MOST);
        stride = (size_t)v;
    }
    d->window = (kn_window){.H = in->h, .W = in->w, .C = in->c, .KH = k[0], .KW = k[1], .stride = stride,
                            .dilation = 1};
    for (; used + 1 < args; used += 2) {
        bool pad = kn_str_eq(arg[used], kn_str_c("pad"));
        if (!pad && !kn_str_eq(arg[used], kn_str_c("dilation")))
            break;
        if (kn_parse_i64(&v, arg[used + 1], pad ? 0 : 1, MOST))
            return kn_fail(err, "%s of %s is a whole number from %d to %d", pad ? "pad" : "dilation", word, !pad, MOST);
        *(pad ? &d->window.pad : &d->window.dilation) = (size_t)v;
    }
    return used;
}

static int set_shape(sm_node *d, size_t channels, kn_error *err)
{
    kn_window *w = &d->window;
    size_t high = w->dilation * (w->KH - 1) + 1, wide = w->dilation * (w->KW - 1) + 1;
    if (w->H + 2 * w->pad < high || w->W + 2 * w->pad < wide)
        return kn_fail(err, "a window of %zux%zu does not fit an image of %zux%zu", high, wide, w->H, w->W);
    if (d->op != SM_CONV && (w->pad >= high || w->pad >= wide))
        return kn_fail(err, "pad %zu would leave windows of %s with nothing in them", w->pad, sm_kinds[d->op].word);
    w->P = (w->H + 2 * w->pad - high) / w->stride + 1;
    w->Q = (w->W + 2 * w->pad - wide) / w->stride + 1;
    d->shape = (sm_shape){w->P, w->Q, channels};
    return 0;
}

/* ---- conv: y = act(conv(x, W) + b) ------------------------------------------------------ */

int sm_conv_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    int64_t out;
    if (args < 1 || kn_parse_i64(&out, arg[0], 1, SM_MAX_WIDTH))
        return kn_fail(err, "conv needs its number of channels, 1 to %d, then its window", SM_MAX_WIDTH);
    int used = read_window(g, d, arg + 1, args - 1, err);
    if (used < 0)
        return -1;
    used++;
    d->bias = used == args;
    if (used + 1 < args || (used < args && !kn_str_eq(arg[used], kn_str_c("nobias"))))
        return kn_fail(err, "behind the window of conv only 'pad P', 'dilation D' and 'nobias' may stand, in this "
                       "order");
    if (set_shape(d, (size_t)out, err))
        return -1;
    size_t shape[4] = {d->shape.c, d->window.KH, d->window.KW, d->window.C};
    if (sm_graph_part(g, d, "weight", false, 4, shape, err))
        return -1;
    return d->bias ? sm_graph_part(g, d, "bias", false, 1, shape, err) : 0;
}

static size_t weights_of(const sm_node *d)
{
    return d->shape.c * d->window.KH * d->window.KW * d->window.C;
}

/* Uniform in +-sqrt(6/inputs of a window), which keeps the variance through
 * layers with ReLU (He et al. 2015, eq. 10, as a uniform); bias 0. */
void sm_conv_init(const sm_graph *g, const sm_node *d, float *params, float *stats, kn_rng *rng)
{
    (void)g, (void)stats;
    size_t weights = weights_of(d);
    float bound = sqrtf(6.0f / (float)(weights / d->shape.c));
    for (size_t i = 0; i < weights; i++)
        params[d->param + i] = kn_rng_uniform(rng, -bound, bound);
    for (size_t i = 0; d->bias && i < d->shape.c; i++)
        params[d->param + weights + i] = 0;
}

void sm_conv_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const float *w = n->params + d->param, *bias = d->bias ? w + weights_of(d) : NULL;
    n->be->conv_forward(n->be, n->cell[i].y, sm_input_of(n, i, 0)->y, w, bias, d->act, &d->window, p->rows, d->shape.c);
}

void sm_conv_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    kn_backend *be = n->be;
    sm_cell *x = sm_input_of(n, i, 0);
    size_t O = d->shape.c, pixels = p->rows * sm_pixels_of(d);
    const float *w = n->params + d->param;
    float *dy = n->cell[i].dy, *dw = n->grads + d->param;
    if (d->act != KN_ACT_NONE)
        be->act_backward(be, dy, dy, n->cell[i].y, d->act, pixels * O, 0);
    be->conv_backward_w(be, dw, dy, x->y, &d->window, p->rows, O);
    if (d->bias)
        be->bias_backward(be, dw + weights_of(d), dy, pixels, O);
    if (x->needed)
        be->conv_backward_x(be, x->dy, dy, w, &d->window, p->rows, O, sm_acc_of(x));
}

/* ---- pools ------------------------------------------------------------------------------- */

int sm_pool_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    int used = read_window(g, d, arg, args, err);
    if (used < 0)
        return -1;
    if (used < args)
        return kn_fail(err, "behind the window of %s only 'pad P' and 'dilation D' may stand", sm_kinds[d->op].word);
    return set_shape(d, d->window.C, err);
}

/* The mean of the whole image. */
int sm_globalpool_define(sm_graph *g, sm_node *d, const kn_str *arg, int args, kn_error *err)
{
    (void)arg;
    const sm_shape *in = &g->node[d->in[0]].shape;
    d->window = (kn_window){.H = in->h, .W = in->w, .C = in->c, .KH = in->h, .KW = in->w, .stride = 1, .dilation = 1};
    return sm_no_arguments(d, args, err) || set_shape(d, in->c, err) ? -1 : 0;
}

void sm_maxpool_forward(sm_net *n, int i, const sm_pass *p)
{
    n->be->maxpool_forward(n->be, n->cell[i].y, sm_input_of(n, i, 0)->y, &sm_node_of(n, i)->window, p->rows);
}

void sm_maxpool_backward(sm_net *n, int i, const sm_pass *p)
{
    sm_cell *x = sm_input_of(n, i, 0);
    n->be->maxpool_backward(n->be, x->dy, n->cell[i].dy, x->y, n->cell[i].y, &sm_node_of(n, i)->window, p->rows,
                            sm_acc_of(x));
}

void sm_avgpool_forward(sm_net *n, int i, const sm_pass *p)
{
    n->be->avgpool_forward(n->be, n->cell[i].y, sm_input_of(n, i, 0)->y, &sm_node_of(n, i)->window, p->rows);
}

void sm_avgpool_backward(sm_net *n, int i, const sm_pass *p)
{
    sm_cell *x = sm_input_of(n, i, 0);
    n->be->avgpool_backward(n->be, x->dy, n->cell[i].dy, &sm_node_of(n, i)->window, p->rows, sm_acc_of(x));
}

/* ---- batchnorm and maxpool, fused; and an activation -------------------------------------- */

void sm_bn_pool_forward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const sm_cell *out = &n->cell[i];
    size_t C = d->shape.c;
    const float *x = sm_input_of(n, i, 0)->y, *gamma = n->params + d->param, *beta = gamma + C;
    float *mean = n->stats + d->stat, *var = mean + C, *saved = out->saved;
    if (p->infer)
        n->be->bn_pool_infer(n->be, out->y, mean, var, x, gamma, beta, d->act, &d->window, p->rows);
    else
        n->be->bn_pool_forward(n->be, out->y, saved, saved + C, mean, var, x, gamma, beta, SM_BN_MOMENTUM, d->act,
                               &d->window, p->rows);
}

void sm_bn_pool_backward(sm_net *n, int i, const sm_pass *p)
{
    const sm_node *d = sm_node_of(n, i);
    const sm_cell *out = &n->cell[i];
    sm_cell *x = sm_input_of(n, i, 0);
    size_t C = d->shape.c;
    const float *gamma = n->params + d->param, *mean = out->saved, *rstd = mean + C;
    float *dgamma = n->grads + d->param, *dbeta = dgamma + C;
    n->be->bn_pool_backward(n->be, x->dy, dgamma, dbeta, out->dy, x->y, out->y, mean, rstd, gamma, d->act, &d->window,
                            p->rows, sm_acc_of(x));
}
