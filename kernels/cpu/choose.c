/* Which compiled copy of the simd files runs: told by cpuid when a backend opens. */
#include "kernels/cpu/cpu.h"

extern const kn_simd kn_simd_base;
#if defined(__x86_64__)
extern const kn_simd kn_simd_avx2, kn_simd_avx512;
#endif

const kn_simd *kn_simd_choose(void)
{
#if defined(__x86_64__)
    kn_level level = kn_this_processor().level;
    if (level == KN_LEVEL_AVX512)
        return &kn_simd_avx512;
    if (level == KN_LEVEL_AVX2)
        return &kn_simd_avx2;
#endif
    return &kn_simd_base;
}
