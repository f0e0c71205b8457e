/* The words nearest to a vector, by exact cosine over the whole store. */
#include <math.h>
#include <stdlib.h>

#include "embeddings/embeddings.h"
#include "kernels/backend.h"

enum { ROWS = 1024 }; /* a task */

typedef struct score {
    double similarity;
    uint32_t row;
} score;

typedef struct search {
    const emb_store *e;
    const float *v;
    double norm; /* |v| */
    score *score; /* [count] */
    float *row;   /* [threads, dim] */
} search;

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void score_rows(void *arg, size_t task, int worker)
{
    search *s = arg;
    size_t dim = emb_dim(s->e);
    float *x = s->row + (size_t)worker * dim;
    for (size_t i = task * ROWS; i < (task + 1) * ROWS && i < emb_count(s->e); i++) {
        emb_row(s->e, x, (uint32_t)i);
        double similarity = dot(x, s->v, dim) / fmax(sqrt(dot(x, x, dim)) * s->norm, (double)KN_EPS_DIST);
        s->score[i] = (score){similarity >= -2 ? similarity : -2, (uint32_t)i}; /* NaN is last */
    }
}

static int compare_scores(const void *a, const void *b)
{
    const score *x = a, *y = b;
    if (x->similarity != y->similarity)
        return x->similarity > y->similarity ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

int emb_nearest(const emb_store *e, uint32_t *rows, float *similarity, const float *v, uint32_t k, kn_pool *pool,
                kn_error *err)
{
    size_t n = emb_count(e), dim = emb_dim(e);
    if (k > n)
        return kn_fail(err, "the %u nearest of %zu words cannot be found", k, n);
    int rc = -1;
    search s = {.e = e, .v = v, .norm = sqrt(dot(v, v, dim))};
    s.score = kn_alloc(n, sizeof *s.score, err);
    s.row = s.score ? kn_alloc((size_t)kn_pool_threads(pool) * dim, sizeof *s.row, err) : NULL;
    if (s.row) {
        kn_parallel(pool, (n + ROWS - 1) / ROWS, score_rows, &s);
        qsort(s.score, n, sizeof *s.score, compare_scores);
        for (uint32_t i = 0; i < k; i++) {
            rows[i] = s.score[i].row;
            similarity[i] = (float)s.score[i].similarity;
        }
        rc = 0;
    }
    kn_free(s.score);
    kn_free(s.row);
    return rc;
}
