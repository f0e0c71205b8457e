/* Tests of kernels/base: arithmetic, numbers, RNG, pool, atomic saving. */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/rng.h"
#include "tests/support.h"

static void checked_arithmetic(void **state)
{
    (void)state;
    size_t r;
    kn_error err;
    assert_int_equal(kn_mul(&r, SIZE_MAX / 2, 2), 0);
    assert_int_equal(kn_mul(&r, SIZE_MAX / 2, 3), -1);
    assert_int_equal(kn_add(&r, SIZE_MAX, 1), -1);
    assert_null(kn_alloc(SIZE_MAX / 4, 8, &err));
    assert_non_null(strstr(err.text, "more than memory"));
    assert_null(kn_alloc(SIZE_MAX - 3, 1, &err));
    float *p = kn_alloc(3, sizeof *p, &err);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    size_t cap = 3;
    p[2] = 7;
    assert_int_equal(kn_grow(&p, &cap, 100, sizeof *p, &err), 0);
    assert_true(cap >= 100 && p[2] == 7 && p[99] == 0);
    assert_int_equal(kn_grow(&p, &cap, SIZE_MAX / 2, sizeof *p, &err), -1);
    assert_true(p[2] == 7);
    kn_free(p);
}

static void numbers(void **state)
{
    (void)state;
    static const struct { const char *s; int ok; int64_t v; } whole[] = {
        {"0", 1, 0}, {"-5", 1, -5}, {"+7", 1, 7}, {"100", 1, 100}, {"101", 0, 0}, {"", 0, 0}, {"-", 0, 0},
        {"1x", 0, 0}, {" 1", 0, 0}, {"99999999999999999999", 0, 0}, {"0x1", 0, 0}, {"1.0", 0, 0}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        int64_t v = 0;
        assert_int_equal(kn_parse_i64(&v, kn_str_c(whole[i].s), -10, 100) == 0, whole[i].ok);
        assert_int_equal(v, whole[i].v);
    }
    static const struct { const char *s; int ok; double v; } real[] = {
        {"0.5", 1, 0.5}, {"1e-1", 1, 0.1}, {"-1", 1, -1}, {"nan", 0, 0}, {"inf", 0, 0}, {"2.1", 0, 0},
        {"", 0, 0}, {"1,5", 0, 0}, {"0x1p0", 0, 0}, {" 1", 0, 0}, {"1e", 0, 0}};
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        double v = 0;
        assert_int_equal(kn_parse_f64(&v, kn_str_c(real[i].s), -2, 2) == 0, real[i].ok);
        assert_true(v == real[i].v);
    }
}

/* Known answers of Random123's kat_vectors (philox4x32, 10 rounds). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct { uint64_t seed, stream, block; uint32_t out[4]; } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        kn_philox(out, known[i].seed, known[i].stream, known[i].block);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void shuffles_are_permutations_and_fair(void **state)
{
    (void)state;
    uint32_t a[16], count[16] = {0};
    for (uint32_t round = 0; round < 4000; round++) {
        kn_rng r = kn_rng_new(9, KN_STREAM_SHUFFLE, round);
        uint32_t seen = 0;
        for (uint32_t i = 0; i < 16; i++)
            a[i] = i;
        kn_rng_shuffle(&r, a, 16);
        for (uint32_t i = 0; i < 16; i++)
            seen |= 1u << a[i];
        assert_int_equal(seen, 0xffff);
        count[a[0]]++;
    }
    for (int i = 0; i < 16; i++) /* 250 expected, standard deviation 15 */
        assert_in_range(count[i], 170, 330);
}

typedef struct tally {
    int done[5000];
    long sum;
} tally;

static void mark(void *arg, size_t task, int worker)
{
    tally *t = arg;
    t->done[task]++;
    assert_in_range(worker, 0, 7);
}

static void pool_runs_each_task_once(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    for (size_t k = 0; k < 4; k++) {
        kn_error err;
        kn_pool *p = kn_pool_new(threads[k], &err);
        assert_non_null(p);
        assert_int_equal(kn_pool_threads(p), threads[k]);
        for (size_t round = 0; round < 300; round++) {
            static tally t;
            size_t n = round % 7 == 0 ? 5000 : round % 40;
            memset(&t, 0, sizeof t);
            kn_parallel(p, n, mark, &t);
            for (size_t i = 0; i < 5000; i++)
                assert_int_equal(t.done[i], i < n);
        }
        kn_pool_free(p);
    }
    assert_null(kn_pool_new(0, NULL));
}

static void saving_replaces_whole_or_not_at_all(void **state)
{
    (void)state;
    kn_error err;
    const char *path = test_path("saved");
    size_t n;
    test_write(path, "old", 3);
    kn_save *s = kn_save_open(path, &err);
    assert_non_null(s);
    char *big = calloc(1, 200000);
    assert_int_equal(kn_save_write(s, "new", 3, &err), 0);
    assert_int_equal(kn_save_write(s, big, 200000, &err), 0);
    char *now = test_read(path, &n);
    assert_int_equal(n, 3); /* not there before commit */
    free(now);
    assert_int_equal(kn_save_commit(s, &err), 0);
    now = test_read(path, &n);
    assert_int_equal(n, 200003);
    assert_memory_equal(now, "new", 3);
    free(now);
    s = kn_save_open(path, &err);
    assert_int_equal(kn_save_write(s, "x", 1, &err), 0);
    kn_save_abort(s);
    now = test_read(path, &n);
    assert_int_equal(n, 200003);
    free(now);
    free(big);
    assert_null(kn_save_open("/nonexistent/folder/file", &err));
    assert_non_null(strstr(err.text, "cannot be created"));
}

/* Replacing /dev/null by a file would be a disaster; a pipe stands for it here. */
static void a_pipe_is_written_and_not_replaced(void **state)
{
    (void)state;
    kn_error err;
    const char *path = test_path("pipe");
    struct stat st;
    char got[4] = "";
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    kn_save *s = kn_save_open(path, &err);
    assert_non_null(s);
    assert_int_equal(kn_save_write(s, "abc", 3, &err), 0);
    assert_int_equal(kn_save_commit(s, &err), 0);
    assert_int_equal(read(fd, got, 3), 3);
    assert_string_equal(got, "abc");
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    s = kn_save_open(path, &err);
    kn_save_abort(s);
    assert_int_equal(stat(path, &st), 0);
    close(fd);
}

/* What only its owner could read stays so, and the rights to read stay too. */
static void a_save_keeps_the_permissions(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0644, 0640, 0400};
    const char *path = test_path("private");
    mode_t old = umask(022);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct stat st;
        test_write(path, "old", 3);
        assert_int_equal(chmod(path, modes[i]), 0);
        kn_save *s = kn_save_open(path, NULL);
        assert_non_null(s);
        assert_int_equal(kn_save_commit(s, NULL), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, modes[i]);
        assert_int_equal(unlink(path), 0);
    }
    umask(old);
}

static void *clean_up(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        kn_save_cleanup();
    return NULL;
}

/* A signal is handled by whichever thread the system picks. */
static void cleanup_may_run_on_any_thread(void **state)
{
    (void)state;
    atomic_bool stop = false;
    pthread_t other;
    const char *path[2] = {test_path("busy"), test_path("too")};
    assert_int_equal(pthread_create(&other, NULL, clean_up, &stop), 0);
    for (int i = 0; i < 500; i++) {
        kn_save *s[2] = {kn_save_open(path[0], NULL), kn_save_open(path[1], NULL)};
        assert_true(s[0] && s[1]);
        kn_save_abort(s[i % 2]);
        kn_save_abort(s[!(i % 2)]);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(other, NULL), 0);
}

/* A full disk, by the limit on a file's size: the old file must stay. */
static void a_failed_save_keeps_the_old_file(void **state)
{
    (void)state;
    const char *path = test_path("limited");
    test_write(path, "old", 3);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {1000, 1000};
        char block[4096] = {0};
        kn_error err;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        kn_save *s = kn_save_open(path, &err);
        int rc = s ? 0 : 9;
        for (int i = 0; i < 100 && !rc; i++)
            rc = kn_save_write(s, block, sizeof block, &err);
        if (rc == -1)
            kn_save_abort(s);
        _exit(rc == -1 && strstr(err.text, "cannot be written") ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    size_t n;
    char *now = test_read(path, &n);
    assert_string_equal(now, "old");
    free(now);
}

static void digest_of_abc(void **state)
{
    (void)state;
    char hex[65];
    kn_digest *d = kn_digest_new(NULL);
    kn_digest_add(d, "abc", 3); /* FIPS 180-4's example */
    kn_digest_end(d, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(numbers),
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(shuffles_are_permutations_and_fair),
        cmocka_unit_test(pool_runs_each_task_once),
        cmocka_unit_test(saving_replaces_whole_or_not_at_all),
        cmocka_unit_test(a_pipe_is_written_and_not_replaced),
        cmocka_unit_test(a_save_keeps_the_permissions),
        cmocka_unit_test(cleanup_may_run_on_any_thread),
        cmocka_unit_test(a_failed_save_keeps_the_old_file),
        cmocka_unit_test(digest_of_abc),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
