/* siamese/net2net: networks that grow while they learn.
 *
 * T. Chen, I. Goodfellow, J. Shlens, "Net2Net: accelerating learning via
 * knowledge transfer" (ICLR 2016): a trained network is made wider or deeper so
 * that it computes what it did before, and training goes on from there. Each
 * call changes a model in place, its network (text and graph), parameters and
 * statistics, and leaves it untouched on failure. All else stays, as threshold
 * and calibration do, which hold since the outputs do. To go on training: m as
 * sm_train_control.init, m->graph->text as sm_train_options.arch, and dropout 0
 * there, since the text has its own.
 *
 * Ops are counted as in the names of parts, from 1; their numbers shift when
 * the network gets deeper. Start at sm_net2net_grow. */
#ifndef SM_NET2NET_H
#define SM_NET2NET_H

#include "siamese/siamese.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- wider.c --------------------------------------------------------------------------- */

/* Makes op, a linear or conv, `width` channels wide, and with it all ops whose
 * channels are tied to its own: by add, and by what works on each channel alone
 * (batchnorm, activations, pools, dropout). The new channels are clones of
 * channels drawn by seed, each cloned once before one is cloned twice; clones
 * stand beside each other. A clone has the weights, bias, gamma, beta and
 * statistics of its channel. Every linear and conv that reads a channel which
 * now is there k times reads copy r, in place of weight w (paper, eq. 6), by
 *
 *   w_r = w/k (1 + u_r - mean of u),   u_1 .. u_k uniform in [-noise, noise],
 *
 * drawn anew for each w. The noise of copies sums to zero and they carry the
 * same numbers, so the outputs are those of before whatever its size, but for
 * rounding; also in training mode, but for dropout, whose mask differs. What it
 * is for: copies with equal weights on both sides would get equal gradients for
 * ever; uneven weights behind them send unlike gradients into them.
 *
 * A channel that one weight alone reads, as before `linear 1`, would get
 * gradients that differ in length only, which Adam divides out. So its copies
 * are read by w/k, and the weights that make it get the noise, w (1 + u_r - mean
 * of u): their mean stays, and the outputs up to the order of noise^2.
 * noise: 0 to 1.
 *
 * -1 when op is something else, has `width` channels already, or is tied to the
 * output of the network (twins compare all its channels, so clones would change
 * their distance) or to its input. */
int sm_net2net_wider(sm_model *m, int op, size_t width, double noise, uint64_t seed, kn_error *err) KN_MUST_CHECK;

/* Every linear and conv not tied to output or input, `factor` times as wide
 * (more than 1, at most 64), rounded up. -1 when there is none. */
int sm_net2net_wider_all(sm_model *m, double factor, double noise, uint64_t seed, kn_error *err) KN_MUST_CHECK;

/* ---- deeper.c -------------------------------------------------------------------------- */

/* Puts a layer that changes nothing behind the activation that follows op (a
 * linear or conv; batchnorm, add, pools and dropout may stand between). As wide
 * as what it reads, C channels; `linear C` on vectors, on images `conv C 3x3
 * pad 1`:
 *
 *   relu: layer; relu          weights 1 from each channel to itself, else 0, as
 *                              relu(relu(x)) = relu(x)
 *   elu:  layer; elu; add NAME all weights 0, NAME a new name of what it reads:
 *                              y + elu(0) = y. elu(elu(x)) is not elu(x), so an
 *                              identity would not do; and all 0 would not do for
 *                              relu, whose gradient at 0 is 0: it could not learn
 *
 * The bias is 0 and there is no batchnorm: with batch statistics it would change
 * the outputs in training. A name that the activation had goes to the last of
 * the new ops. -1 when no activation follows. */
int sm_net2net_deeper(sm_model *m, int op, kn_error *err) KN_MUST_CHECK;

/* Growth number `step` (from 0) of a network whose training stalls. Even: every
 * linear and conv not tied to output or input gets half as many channels again,
 * rounded up to a multiple of 8. Odd: sm_net2net_deeper after the last op, of
 * those with an activation, of an image size: first of the last size, whose
 * images are the smallest, so that a layer costs least, then of the one before
 * it, and round again. What cannot be done is replaced by the other; -1 when
 * neither can. */
int sm_net2net_grow(sm_model *m, int step, double noise, uint64_t seed, kn_error *err) KN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
