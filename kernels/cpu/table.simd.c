/* The table of one instruction set. */
#include "kernels/cpu/simd.h"

#if defined(__AVX512F__)
#define NAME "AVX-512"
#elif defined(__AVX2__)
#define NAME "AVX2"
#elif defined(__SSE2__)
#define NAME "SSE2"
#else
#define NAME "plain C"
#endif

#define ENTRY(type, name, args) .name = KN_SIMD(name),

const kn_simd KN_SIMD(simd) = {NAME, 2 * KN_LANES, KN_SIMD_FUNCTIONS(ENTRY)};
