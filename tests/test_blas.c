/* OpenBLAS runs the kernels that the processor can run: the rule by itself, then
 * a library that chooses badly (tests/fake_openblas.c), then the real one. */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/cpu.h"

static const char *self;

static void the_rule(void **state)
{
    (void)state;
    static const struct {
        kn_processor processor;
        const char *core, *user, *want;
    } rows[] = {
        /* a Xeon newer than the library, whatever old core it falls back to */
        {{KN_LEVEL_AVX512, false}, "Prescott", NULL, "SkylakeX"},
        {{KN_LEVEL_AVX512, false}, "Haswell", NULL, "SkylakeX"},
        {{KN_LEVEL_AVX512, false}, "Core2", "", "SkylakeX"},
        {{KN_LEVEL_AVX2, false}, "Prescott", NULL, "Haswell"},
        {{KN_LEVEL_AVX2, false}, "Sandybridge", NULL, "Haswell"},
        {{KN_LEVEL_AVX2, false}, "no such core", NULL, "Haswell"},
        {{KN_LEVEL_AVX2, true}, "Barcelona", NULL, "Zen"},
        {{KN_LEVEL_AVX2, true}, "Excavator", NULL, "Zen"},
        {{KN_LEVEL_AVX512, true}, "Barcelona", NULL, "SkylakeX"},
        /* good enough: left alone */
        {{KN_LEVEL_AVX512, false}, "SkylakeX", NULL, NULL},
        {{KN_LEVEL_AVX512, false}, "Cooperlake", NULL, NULL},
        {{KN_LEVEL_AVX512, false}, "SAPPHIRERAPIDS", NULL, NULL},
        {{KN_LEVEL_AVX512, true}, "Zen", NULL, NULL},
        {{KN_LEVEL_AVX512, true}, "Haswell", NULL, NULL},
        {{KN_LEVEL_AVX2, true}, "Zen", NULL, NULL},
        {{KN_LEVEL_AVX2, false}, "Haswell", NULL, NULL},
        /* nothing better to ask for */
        {{KN_LEVEL_AVX, false}, "Prescott", NULL, NULL},
        {{KN_LEVEL_SSE, false}, "ARMV8", NULL, NULL},
        /* the user's word */
        {{KN_LEVEL_AVX512, false}, "Prescott", "Prescott", NULL},
        {{KN_LEVEL_AVX2, true}, "Barcelona", "Haswell", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = kn_blas_core(rows[i].processor, rows[i].core, rows[i].user);
        if (!got != !rows[i].want || (got && strcmp(got, rows[i].want)))
            fail_msg("row %zu: %s is chosen over %s, not %s", i, got ? got : "nothing", rows[i].core,
                     rows[i].want ? rows[i].want : "nothing");
    }
}

/* What kn_blas_describe says in a process with this environment. */
static const char *described(const char *environment)
{
    static char line[512];
    char command[1024];
    snprintf(command, sizeof command, "env %s %s describe", environment, self);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    if (!fgets(line, sizeof line, p))
        line[0] = '\0';
    assert_int_equal(pclose(p), 0);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void expect(const char *environment, const char *want)
{
    const char *got = described(environment);
    if (strcmp(got, want))
        fail_msg("%s: it says \"%s\", not \"%s\"", environment, got, want);
}

static void a_library_that_chooses_badly(void **state)
{
    (void)state;
    const char *best = kn_blas_core(kn_this_processor(), "Prescott", NULL);
    const char *build = getenv("SIAM_BUILD");
    char path[256], environment[512], want[256];
    if (!best) {
        print_message("# this processor has nothing to ask for\n");
        skip();
    }
    snprintf(path, sizeof path, "-u OPENBLAS_CORETYPE LD_LIBRARY_PATH=%s/tests/fake", build ? build : "build");
    snprintf(want, sizeof want, "OpenBLAS 9.9.9, %s kernels (chosen by siam: its own choice was Prescott)", best);
    expect(path, want);
    snprintf(environment, sizeof environment, "%s FAKE_OPENBLAS=old", path);
    snprintf(want, sizeof want, "OpenBLAS 9.9.9, Prescott kernels (siam asked for %s, which it does not have)", best);
    expect(environment, want);
    snprintf(environment, sizeof environment, "%s OPENBLAS_CORETYPE=Nehalem", path);
    expect(environment, "OpenBLAS 9.9.9, Nehalem kernels (OPENBLAS_CORETYPE is set)");
}

static void no_library(void **state)
{
    (void)state;
    char environment[256];
    test_write(test_path("libopenblas.so.0"), "no library", 10);
    snprintf(environment, sizeof environment, "LD_LIBRARY_PATH=%s", test_folder());
    expect(environment, "no OpenBLAS (libopenblas.so.0 does not load): siam's own matrix product");
}

static void the_library_of_this_machine(void **state)
{
    (void)state;
    const char *user = getenv("OPENBLAS_CORETYPE");
    setenv("OPENBLAS_NUM_THREADS", "7", 1);
    kn_sgemm sgemm = kn_blas_sgemm();
    print_message("# %s\n", kn_blas_describe());
    assert_string_equal(getenv("OPENBLAS_NUM_THREADS"), "7"); /* children inherit what was there before */
    assert_ptr_equal(getenv("OPENBLAS_CORETYPE"), user);
    if (!sgemm) {
        assert_non_null(strstr(kn_blas_describe(), "own matrix product"));
        skip();
    }
    assert_null(strstr(kn_blas_describe(), "which it does not have"));
    const float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8};
    float c[4];
    sgemm(101, 111, 111, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    assert_true(c[0] == 19 && c[1] == 22 && c[2] == 43 && c[3] == 50);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule),
        cmocka_unit_test(a_library_that_chooses_badly),
        cmocka_unit_test(no_library),
        cmocka_unit_test(the_library_of_this_machine),
    };
    self = argv[0];
    if (argc == 2 && !strcmp(argv[1], "describe")) {
        const char *user = getenv("OPENBLAS_CORETYPE");
        puts(kn_blas_describe());
        /* what was set for the library must be gone again */
        return getenv("OPENBLAS_NUM_THREADS") || (!user && getenv("OPENBLAS_CORETYPE"));
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
