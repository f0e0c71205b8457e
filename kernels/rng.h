/* Random numbers: Philox4x32-10, a counter-based generator.
 *
 * Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011, section 3.3 and table 2 (constants).
 *
 * Element i of a stream is a pure function of (seed, stream, i): a CPU thread
 * and a GPU thread that know these three draw the same number, in any order.
 * Plain C in a header so that kernels/cuda compiles the very same function. */
#ifndef KN_RNG_H
#define KN_RNG_H

#include <stdint.h>

#ifdef __CUDACC__
#define KN_HD __host__ __device__
#else
#define KN_HD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Table 2 of the paper: multipliers, and what is added to the key each round. */
#define KN_PHILOX_M0 0xD2511F53u
#define KN_PHILOX_M1 0xCD9E8D57u
#define KN_PHILOX_W0 0x9E3779B9u
#define KN_PHILOX_W1 0xBB67AE85u
#define KN_PHILOX_ROUNDS 10

/* out: 4 words for block `block` of stream `stream` under `seed`. */
KN_HD static inline void kn_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < KN_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)KN_PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t)KN_PHILOX_M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0, c1 = (uint32_t)p1;
        c2 = n2, c3 = (uint32_t)p0;
        k0 += KN_PHILOX_W0, k1 += KN_PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* Uniform in [0,1) with 24 bits, exact in fp32. */
KN_HD static inline float kn_u01(uint32_t x)
{
    return (float)(x >> 8) * 0x1p-24f;
}

/* A sequential reader of one stream, for shuffles and initial weights. */
typedef struct kn_rng {
    uint64_t seed, stream, next; /* next: index of the next 32-bit word */
    uint32_t block[4];
} kn_rng;

/* Streams that the toolkit uses; a new purpose gets a new number, so that no
 * two purposes ever share their numbers. The low 32 bits count within it
 * (epoch, layer, ...). */
enum { KN_STREAM_INIT = 1, KN_STREAM_SHUFFLE, KN_STREAM_DROPOUT, KN_STREAM_SPLIT, KN_STREAM_HOLDOUT,
       KN_STREAM_AUGMENT, KN_STREAM_SAMPLE, KN_STREAM_GROW, KN_STREAM_FOLDS, KN_STREAM_ONE_SHOT };

kn_rng kn_rng_new(uint64_t seed, uint32_t purpose, uint32_t index);
uint32_t kn_rng_u32(kn_rng *r);
uint32_t kn_rng_below(kn_rng *r, uint32_t n); /* unbiased (rejection), n > 0 */
float kn_rng_uniform(kn_rng *r, float lo, float hi);
/* Fisher-Yates (Durstenfeld 1964) of the n numbers in a. */
void kn_rng_shuffle(kn_rng *r, uint32_t *a, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
