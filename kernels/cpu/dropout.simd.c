/* Dropout: kn_philox (kernels/rng.h) of V blocks at a time, side by side. */
#include "kernels/cpu/simd.h"
#include "kernels/rng.h"

#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef uint32_t wvec __attribute__((vector_size(4 * KN_LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * KN_LANES)));
typedef uint64_t dvec __attribute__((vector_size(4 * KN_LANES)));

/* The products of the low halves of a and b: one instruction that compilers do
 * not find by themselves. */
KN_INLINE dvec multiply_low(dvec a, dvec b)
{
#if defined(__AVX512F__)
    return (dvec)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && KN_LANES == 8
    return (dvec)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__) && KN_LANES == 4
    return (dvec)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & UINT32_MAX) * (b & UINT32_MAX);
#endif
}

/* The low and high words of m times each word of c. */
KN_INLINE wvec product(wvec *high, wvec c, uint32_t m)
{
    const dvec by = (dvec){0} + m;
    dvec even = multiply_low((dvec)c, by), odd = multiply_low((dvec)c >> 32, by);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error the two halves of a word are looked for in little-endian order
#endif
    *high = (wvec)(even >> 32 | (odd & ~(uint64_t)UINT32_MAX));
    return (wvec)((even & UINT32_MAX) | odd << 32);
}

enum { SETS = 2, DRAWN = SETS * KN_LANES }; /* registers of blocks drawn together: a round waits for its products */

/* Words of DRAWN blocks as numbers in [0,1): word w of block b is u[w][b]. */
KN_INLINE void draw(float u[4][DRAWN], uint64_t seed, uint64_t stream, uint64_t block)
{
    wvec c[SETS][4];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32), start[2][DRAWN];
    for (size_t i = 0; i < DRAWN; i++) {
        start[0][i] = (uint32_t)(block + i);
        start[1][i] = (uint32_t)((block + i) >> 32);
    }
    for (int s = 0; s < SETS; s++) {
        memcpy(&c[s][0], start[0] + s * V, sizeof(wvec));
        memcpy(&c[s][1], start[1] + s * V, sizeof(wvec));
        c[s][2] = (wvec){0} + (uint32_t)stream;
        c[s][3] = (wvec){0} + (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < KN_PHILOX_ROUNDS; round++, k0 += KN_PHILOX_W0, k1 += KN_PHILOX_W1)
        KN_UNROLL
        for (int s = 0; s < SETS; s++) {
            wvec high0, low0 = product(&high0, c[s][0], KN_PHILOX_M0);
            wvec high1, low1 = product(&high1, c[s][2], KN_PHILOX_M1);
            c[s][0] = high1 ^ c[s][1] ^ k0;
            c[s][1] = low1;
            c[s][2] = high0 ^ c[s][3] ^ k1;
            c[s][3] = low0;
        }
    for (int s = 0; s < SETS; s++)
        for (int w = 0; w < 4; w++) /* kn_u01 */
            store(u[w] + s * V, __builtin_convertvector((ivec)(c[s][w] >> 8), vec) * 0x1p-24f);
}

void KN_SIMD(dropout)(float *y, const float *x, float p, uint64_t seed, uint64_t stream, uint64_t block, size_t n,
                      int acc)
{
    float scale = 1 / (1 - p), drawn[4][DRAWN], u[4 * DRAWN];
    for (size_t i = 0; i < n; i += 4 * DRAWN, block += DRAWN) {
        draw(drawn, seed, stream, block);
        for (size_t j = 0; j < DRAWN; j++)
            for (size_t w = 0; w < 4; w++)
                u[4 * j + w] = drawn[w][j];
        size_t m = n - i < 4 * DRAWN ? n - i : 4 * DRAWN;
#pragma omp simd
        for (size_t j = 0; j < m; j++) {
            float scaled = x[i + j] * scale, kept = u[j] >= p ? scaled : 0;
            y[i + j] = acc ? y[i + j] + kept : kept;
        }
    }
}
