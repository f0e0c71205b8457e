/* Images as bytes of one size, decoded once by all threads, and as the floats a
 * network reads. */
#include "siamese/images.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

typedef struct reader {
    sm_pixels *p;
    const ds_images *set;
    const sm_pixels_options *o;
    size_t n;
    unsigned char *broken; /* [n] */
    _Atomic size_t done;
    double told;           /* worker 0's: when progress was last called */
    pthread_mutex_t lock;  /* of the next two, when images must not be bad */
    _Atomic size_t first;  /* the first bad one; n: none yet */
    kn_error err;          /* its error: the same one whoever comes first */
} reader;

static int resized(unsigned char *px, const ds_image *im, size_t h, size_t w, size_t c, kn_error *err)
{
    ds_image fit;
    if (ds_image_resize(&fit, im, h, w, c, err))
        return -1;
    memcpy(px, fit.px, h * w * c);
    ds_image_free(&fit);
    return 0;
}

static void note_bad(reader *r, size_t i, const kn_error *err)
{
    r->broken[i] = 1;
    pthread_mutex_lock(&r->lock);
    if (i < r->first) {
        r->first = i;
        r->err = *err;
    }
    pthread_mutex_unlock(&r->lock);
}

static void read_one(void *arg, size_t i, int worker)
{
    reader *r = arg;
    sm_pixels *p = r->p;
    ds_image im;
    kn_error err;
    if (i > r->first && !r->o->skip_bad)
        return;
    if (ds_images_read(r->set, p->item[i], &im, &err)) {
        note_bad(r, i, &err);
    } else {
        if (resized(p->px + i * p->h * p->w * p->c, &im, p->h, p->w, p->c, &err)) {
            kn_fail_prefix(&err, "%s", ds_images_name(r->set, p->item[i]));
            note_bad(r, i, &err);
        }
        ds_image_free(&im);
    }
    size_t done = atomic_fetch_add(&r->done, 1) + 1;
    if (worker == 0 && r->o->progress && kn_seconds() - r->told > 0.1) {
        r->told = kn_seconds();
        r->o->progress(r->o->arg, done, r->n);
    }
}

/* Room for n images; all sizes come from outside. */
static int make_room(sm_pixels *p, size_t n, size_t h, size_t w, size_t c, kn_error *err)
{
    size_t one, bytes, memory = (size_t)sysconf(_SC_PHYS_PAGES), page = (size_t)sysconf(_SC_PAGESIZE);
    *p = (sm_pixels){.n = n, .h = h, .w = w, .c = c};
    if (h == 0 || w == 0 || (c != 1 && c != 3) || kn_mul(&one, h, w) || one > DS_MAX_PIXELS)
        return kn_fail(err, "images of %zu x %zu pixels with %zu channels cannot be used", h, w, c);
    if (kn_mul(&bytes, n, one * c) || bytes / page >= memory)
        return kn_fail(err, "%zu images of %zu x %zu x %zu do not fit into memory: use smaller or fewer ones", n, h, w,
                       c);
    return (p->px = kn_alloc(bytes, 1, err)) ? 0 : -1;
}

/* Closes the gaps that bad images left. */
static void keep_good(reader *r)
{
    sm_pixels *p = r->p;
    size_t one = p->h * p->w * p->c, kept = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!r->broken[i]) {
            if (kept != i)
                memcpy(p->px + kept * one, p->px + i * one, one);
            p->item[kept++] = p->item[i];
        }
    p->n = kept;
    p->bad = r->n - kept;
}

static int read_all(reader *r, const uint32_t *item, kn_pool *pool, kn_error *err)
{
    sm_pixels *p = r->p;
    if (r->n == 0 || r->n > UINT32_MAX)
        return kn_fail(err, "%zu images cannot be used", r->n);
    if (make_room(p, r->n, r->o->h, r->o->w, r->o->c, err) || !(p->item = kn_alloc(r->n, sizeof *p->item, err)) ||
        !(r->broken = kn_alloc(r->n, 1, err)))
        return -1;
    for (size_t i = 0; i < r->n; i++)
        p->item[i] = item ? item[i] : (uint32_t)i;
    kn_parallel(pool, r->n, read_one, r);
    if (r->first < r->n && !r->o->skip_bad) {
        if (err)
            *err = r->err;
        return -1;
    }
    keep_good(r);
    if (p->n)
        return 0;
    if (err)
        *err = r->err;
    return kn_fail_prefix(err, "none of %zu images can be read, the first for this", r->n);
}

int sm_pixels_read(sm_pixels *p, const ds_images *set, const uint32_t *item, size_t n, const sm_pixels_options *o,
                   kn_pool *pool, kn_error *err)
{
    reader r = {.p = p, .set = set, .o = o, .n = item ? n : ds_images_count(set), .told = kn_seconds(),
                .lock = PTHREAD_MUTEX_INITIALIZER};
    *p = (sm_pixels){0};
    r.first = r.n;
    int rc = read_all(&r, item, pool, err);
    kn_free(r.broken);
    pthread_mutex_destroy(&r.lock);
    if (rc)
        sm_pixels_free(p);
    return rc;
}

int sm_pixels_of(sm_pixels *p, const ds_image *im, size_t h, size_t w, size_t c, kn_error *err)
{
    if (!make_room(p, 1, h, w, c, err) && !resized(p->px, im, h, w, c, err))
        return 0;
    sm_pixels_free(p);
    return -1;
}

void sm_pixels_free(sm_pixels *p)
{
    kn_free(p->px);
    kn_free(p->item);
    *p = (sm_pixels){0};
}

/* ---- as floats ---------------------------------------------------------------------- */

sm_image_input sm_pixels_measure(const sm_pixels *p)
{
    sm_image_input in = {.h = p->h, .w = p->w, .c = p->c};
    uint64_t count[3][256] = {0};
    size_t pixels = p->n * p->h * p->w;
    for (size_t i = 0; i < pixels; i++)
        for (size_t k = 0; k < p->c; k++)
            count[k][p->px[i * p->c + k]]++;
    for (size_t k = 0; k < p->c; k++) {
        double mean = 0, var = 0;
        for (int v = 0; v < 256; v++)
            mean += v * (double)count[k][v];
        mean /= (double)pixels;
        for (int v = 0; v < 256; v++)
            var += (v - mean) * (v - mean) * (double)count[k][v];
        in.mean[k] = (float)(mean / 255);
        in.std[k] = var > 0 ? (float)(sqrt(var / (double)pixels) / 255) : 1;
    }
    return in;
}

void sm_pixels_rows(float *x, const sm_pixels *p, const sm_image_input *in, size_t first, size_t n,
                    const sm_change *change, float *scratch)
{
    size_t one = p->h * p->w * p->c;
    for (size_t i = 0; i < n; i++)
        sm_change_apply(x + i * one, p->px + (first + i) * one, in, change, scratch);
}
