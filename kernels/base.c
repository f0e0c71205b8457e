/* Errors, checked arithmetic, allocation, buffers, numbers, time. */
#include "kernels/base.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* ---- errors ------------------------------------------------------------ */

int kn_fail(kn_error *err, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return -1;
}

int kn_fail_errno(kn_error *err, const char *fmt, ...)
{
    int code = errno; /* before anything below changes it */
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        size_t n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(code));
    }
    return -1;
}

int kn_fail_prefix(kn_error *err, const char *fmt, ...)
{
    if (err) {
        kn_error old = *err;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        size_t n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, ": %s", old.text);
    }
    return -1;
}

/* ---- memory ------------------------------------------------------------ */

int kn_mul(size_t *out, size_t a, size_t b)
{
    return __builtin_mul_overflow(a, b, out) ? -1 : 0;
}

int kn_add(size_t *out, size_t a, size_t b)
{
    return __builtin_add_overflow(a, b, out) ? -1 : 0;
}

#define HUGE_PAGE ((size_t)2 << 20)

void *kn_alloc(size_t count, size_t size, kn_error *err)
{
    size_t bytes, padded;
    void *p = NULL;
    if (kn_mul(&bytes, count, size) || kn_add(&padded, bytes ? bytes : 1, 63)) {
        kn_fail(err, "%zu elements of %zu bytes are more than memory can address", count, size);
        return NULL;
    }
    padded &= ~(size_t)63;
    bool large = padded >= 2 * HUGE_PAGE;
    if (posix_memalign(&p, large ? HUGE_PAGE : 64, padded)) {
        kn_fail(err, "out of memory: %zu bytes were asked for", bytes);
        return NULL;
    }
    if (large)
        madvise(p, padded, MADV_HUGEPAGE); /* a hint, that training heeds: it sweeps through megabytes each step */
    memset(p, 0, padded);
    return p;
}

void kn_free(void *p)
{
    free(p);
}

int kn_grow(void *p, size_t *cap, size_t need, size_t size, kn_error *err)
{
    if (need <= *cap)
        return 0;
    size_t more = *cap + *cap / 2;
    if (more < need)
        more = need;
    if (more < 16)
        more = 16;
    void *old, *fresh = kn_alloc(more, size, err);
    if (!fresh)
        return -1;
    memcpy(&old, p, sizeof old); /* p is the address of a pointer of any type */
    if (old)
        memcpy(fresh, old, *cap * size);
    memcpy(p, &fresh, sizeof fresh);
    kn_free(old);
    *cap = more;
    return 0;
}

kn_str kn_str_c(const char *s)
{
    return (kn_str){s, strlen(s)};
}

bool kn_str_eq(kn_str a, kn_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int kn_str_cmp(kn_str a, kn_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

int kn_buf_add(kn_buf *b, const void *p, size_t n, kn_error *err)
{
    size_t need;
    if (kn_add(&need, b->n, n))
        return kn_fail(err, "a buffer of %zu + %zu bytes is more than memory can address", b->n, n);
    if (need > b->cap) {
        /* Unlike kn_grow: no zeroing of bytes that are about to be written. */
        size_t cap = need + need / 2 + 64;
        char *fresh = cap > need ? realloc(b->p, cap) : NULL;
        if (!fresh)
            return kn_fail(err, "out of memory: %zu bytes were asked for", need);
        b->p = fresh;
        b->cap = cap;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n = need;
    return 0;
}

int kn_buf_adds(kn_buf *b, const char *s, kn_error *err)
{
    return kn_buf_add(b, s, strlen(s), err);
}

int kn_buf_addf(kn_buf *b, kn_error *err, const char *fmt, ...)
{
    char small[256], *text = small;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        return kn_fail(err, "cannot format text");
    if ((size_t)n >= sizeof small) {
        text = malloc((size_t)n + 1);
        if (!text)
            return kn_fail(err, "out of memory: %d bytes were asked for", n);
        va_start(ap, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    int rc = kn_buf_add(b, text, (size_t)n, err);
    if (text != small)
        free(text);
    return rc;
}

void kn_buf_free(kn_buf *b)
{
    free(b->p);
    *b = (kn_buf){0};
}

/* ---- numbers from text -------------------------------------------------- */

int kn_parse_i64(int64_t *out, kn_str s, int64_t lo, int64_t hi)
{
    uint64_t v = 0;
    size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');
    bool negative = i && s.p[0] == '-';
    if (i == s.n)
        return -1;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return -1;
    }
    if (v > (uint64_t)INT64_MAX) /* INT64_MIN itself is never asked for */
        return -1;
    int64_t r = negative ? -(int64_t)v : (int64_t)v;
    if (r < lo || r > hi)
        return -1;
    *out = r;
    return 0;
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int kn_parse_f64(double *out, kn_str s, double lo, double hi)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char text[64], *end;
    if (s.n == 0 || s.n >= sizeof text)
        return -1;
    for (size_t i = 0; i < s.n; i++) /* decimal only: strtod would take " 1", "0x1" and "inf" */
        if (!memchr("0123456789+-.eE", s.p[i], 15))
            return -1;
    pthread_once(&once, make_c_locale);
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = c_locale ? strtod_l(text, &end, c_locale) : strtod(text, &end);
    if (end != text + s.n || !(v >= lo && v <= hi) || !isfinite(v))
        return -1;
    *out = v;
    return 0;
}

/* ---- time --------------------------------------------------------------- */

double kn_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

long kn_peak_rss_kib(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : u.ru_maxrss;
}
