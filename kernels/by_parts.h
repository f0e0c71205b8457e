/* Ops that are others one after the other, for fillings that do not fuse them.
 * Private to kernels/. */
#ifndef KN_BY_PARTS_H
#define KN_BY_PARTS_H

#include "kernels/backend.h"

static inline void kn_bn_pair_loss_by_parts(kn_backend *be, float *loss, float *d, float *dgamma, float *dbeta,
                                            float *running_mean, float *running_var, float *z, float *dz, float *saved,
                                            const kn_block *block, size_t blocks, const float *gamma,
                                            const float *beta, const float *y, kn_distance kind,
                                            kn_pair_loss loss_kind, float margin, float momentum, size_t B, size_t D)
{
    float *mean = saved, *rstd = saved + D;
    size_t N = 2 * B;
    for (size_t k = 0, c = 0; k < blocks; c += block[k++].C)
        be->bn_forward(be, z + c, D, mean + c, rstd + c, running_mean + c, running_var + c, block[k].x, gamma + c,
                       beta + c, NULL, momentum, KN_ACT_NONE, N, block[k].C);
    be->pair_loss(be, loss, d, dz, z, y, kind, loss_kind, margin, B, D);
    for (size_t k = 0, c = 0; k < blocks; c += block[k++].C)
        be->bn_backward(be, block[k].dx, NULL, dgamma + c, dbeta + c, dz + c, block[k].x, z + c, D, mean + c, rstd + c,
                        gamma + c, KN_ACT_NONE, N, block[k].C, block[k].acc, 0);
}

#endif
