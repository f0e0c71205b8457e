/* kernels/base: the ground floor every room stands on.
 *
 * Errors, checked allocation, byte buffers, number parsing, threads, a
 * counter-based random generator and atomic file replacement. It knows no
 * files' formats, words or networks. Start reading here, then backend.h.
 *
 * Error idiom of the whole library: a function returns 0 / -1, or a pointer /
 * NULL, and on failure fills the caller's kn_error with a sentence that says
 * what is wrong and what to do. The library never prints and never exits. */
#ifndef KN_BASE_H
#define KN_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIAM_VERSION "0.1.0"

#if defined(__GNUC__)
#define KN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define KN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define KN_PRINTF(f, a)
#define KN_MUST_CHECK
#endif

/* ---- errors ------------------------------------------------------------ */

typedef struct kn_error {
    char text[1024];
} kn_error;

/* Writes the sentence into err (err may be NULL) and returns -1, so that a
 * caller can write `return kn_fail(err, ...)`. */
int kn_fail(kn_error *err, const char *fmt, ...) KN_PRINTF(2, 3);

/* The same, followed by ": " and strerror(errno). */
int kn_fail_errno(kn_error *err, const char *fmt, ...) KN_PRINTF(2, 3);

/* Puts "PREFIX: " before a sentence that is already there; returns -1. */
int kn_fail_prefix(kn_error *err, const char *fmt, ...) KN_PRINTF(2, 3);

/* ---- memory ------------------------------------------------------------ */

/* 0 and *out = a*b (a+b), or -1 when it does not fit size_t. */
int kn_mul(size_t *out, size_t a, size_t b) KN_MUST_CHECK;
int kn_add(size_t *out, size_t a, size_t b) KN_MUST_CHECK;

/* count*size bytes, zeroed, 64-byte aligned, to be given to kn_free. NULL and
 * err when the product overflows or memory is out. count 0 gives a valid
 * pointer. */
void *kn_alloc(size_t count, size_t size, kn_error *err) KN_MUST_CHECK;
void kn_free(void *p);

/* Makes *p (an array from kn_alloc, or NULL with *cap 0) hold at least `need`
 * elements of `size` bytes, growing by half as much again; new elements are
 * zeroed. *p and *cap stay as they were on failure. `p` is the address of the
 * array pointer. */
int kn_grow(void *p, size_t *cap, size_t need, size_t size, kn_error *err) KN_MUST_CHECK;

/* A slice of bytes that somebody else owns; may hold NUL, is not terminated. */
typedef struct kn_str {
    const char *p;
    size_t n;
} kn_str;

kn_str kn_str_c(const char *s); /* of a C string */
bool kn_str_eq(kn_str a, kn_str b);
int kn_str_cmp(kn_str a, kn_str b); /* bytewise order, shorter first */

/* A growing byte buffer. Zero-initialise; kn_buf_free when done. */
typedef struct kn_buf {
    char *p;
    size_t n, cap;
} kn_buf;

int kn_buf_add(kn_buf *b, const void *p, size_t n, kn_error *err) KN_MUST_CHECK;
int kn_buf_adds(kn_buf *b, const char *s, kn_error *err) KN_MUST_CHECK;
int kn_buf_addf(kn_buf *b, kn_error *err, const char *fmt, ...) KN_PRINTF(3, 4) KN_MUST_CHECK;
void kn_buf_free(kn_buf *b);

/* ---- numbers from text -------------------------------------------------- */

/* The whole of s must be one number inside [lo, hi]; NaN and infinities are
 * refused; independent of the locale. 0 or -1. */
int kn_parse_i64(int64_t *out, kn_str s, int64_t lo, int64_t hi) KN_MUST_CHECK;
int kn_parse_f64(double *out, kn_str s, double lo, double hi) KN_MUST_CHECK;

/* ---- threads ------------------------------------------------------------ */

/* A pool of `threads` workers, the caller being one of them. Work is cut into
 * tasks by the *shape of the data alone*, never by the number of threads, so
 * results cannot depend on it. */
typedef struct kn_pool kn_pool;
typedef void (*kn_task)(void *arg, size_t task, int worker);

int kn_cores(void); /* processors this process may run on */
kn_pool *kn_pool_new(int threads, kn_error *err);
void kn_pool_free(kn_pool *pool);
int kn_pool_threads(const kn_pool *pool);

/* Runs fn(arg, t, worker) for t = 0 .. tasks-1 and returns when all are done.
 * `worker` is below kn_pool_threads: an index for per-thread scratch. Not
 * re-entrant: one caller at a time, and tasks must not call it on the same
 * pool. pool may be NULL: then everything runs here, in order. */
void kn_parallel(kn_pool *pool, size_t tasks, kn_task fn, void *arg);

/* ---- random numbers: see rng.h ------------------------------------------ */

/* ---- files replaced atomically ------------------------------------------ */

/* Written as a temporary file beside `path`, then fsync + rename: whatever
 * kills the process, `path` holds the old content or the new, whole. */
typedef struct kn_save kn_save;

kn_save *kn_save_open(const char *path, kn_error *err);
int kn_save_write(kn_save *s, const void *p, size_t n, kn_error *err) KN_MUST_CHECK;
/* Both free s. commit: flush, fsync, rename, fsync of the folder; on failure
 * the temporary file is gone and the old file stays. */
int kn_save_commit(kn_save *s, kn_error *err) KN_MUST_CHECK;
void kn_save_abort(kn_save *s);

/* Removes the temporary files of unfinished saves; async-signal-safe, for a
 * tool's SIGINT/SIGTERM handler. */
void kn_save_cleanup(void);

/* ---- digests ------------------------------------------------------------ */

/* SHA-256 (FIPS 180-4) by libmd. hex receives 64 digits and a NUL. */
typedef struct kn_digest kn_digest;
kn_digest *kn_digest_new(kn_error *err);
void kn_digest_add(kn_digest *d, const void *p, size_t n);
void kn_digest_end(kn_digest *d, char hex[65]); /* frees d; hex may be NULL */

/* ---- time --------------------------------------------------------------- */

double kn_seconds(void);  /* monotonic clock */
long kn_peak_rss_kib(void);

#ifdef __cplusplus
}
#endif
#endif
