/* Search of the cpu filling.
 *
 * A task compares GROUP queries with CHUNK rows and keeps the k nearest in a
 * list of its own; then the lists of a query are put together in order of rows.
 * Order is total (distance, then row), so cutting changes nothing. */
#include "kernels/cpu/cpu.h"

#include <math.h>

enum {
    CHUNK = 4096,      /* rows of a task */
    GROUP = 32,        /* queries of a task */
    ROWS = 64,         /* rows compared with all queries of a task while in cache */
    TOGETHER = 4,      /* queries of one distance_table */
    ENTRIES = 1 << 20, /* of all lists at a time, about */
};

typedef struct candidate {
    float d;
    uint32_t row;
} candidate;

typedef struct search {
    const kn_simd *simd;
    float *dist;
    uint32_t *idx;
    const float *query, *base;
    kn_distance kind;
    size_t Q, N, D, k;
    candidate *lists; /* [Q, chunks, kept] */
    uint32_t *taken;  /* [Q, chunks]: of each list, by the merge */
    size_t chunks, kept;
} search;

/* A NaN distance is before nothing, and so never gets into a list. */
static bool before(candidate a, candidate b)
{
    return a.d < b.d || (a.d == b.d && a.row < b.row);
}

static void insert(candidate *list, size_t n, candidate x)
{
    size_t at = n;
    for (; at > 0 && before(x, list[at - 1]); at--)
        if (at < n)
            list[at] = list[at - 1];
    if (at < n)
        list[at] = x;
}

static void chunk_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const search *s = arg;
    size_t chunk = task % s->chunks, q0 = task / s->chunks * GROUP, q_end = kn_min(s->Q, q0 + GROUP);
    size_t end = kn_min(s->N, (chunk + 1) * CHUNK);
    float d[TOGETHER * ROWS];
    for (size_t q = q0; q < q_end; q++)
        for (size_t i = 0; i < s->kept; i++)
            s->lists[(q * s->chunks + chunk) * s->kept + i] = (candidate){INFINITY, UINT32_MAX};
    for (size_t r = chunk * CHUNK; r < end; r += ROWS)
        for (size_t q = q0; q < q_end; q += TOGETHER) {
            size_t rows = kn_min(ROWS, end - r), queries = kn_min(TOGETHER, q_end - q);
            s->simd->distance_table(d, s->query + q * s->D, s->base + r * s->D, s->kind, queries, rows, s->D);
            for (size_t i = 0; i < queries; i++)
                for (size_t j = 0; j < rows; j++)
                    insert(s->lists + ((q + i) * s->chunks + chunk) * s->kept, s->kept,
                           (candidate){d[i * rows + j], (uint32_t)(r + j)});
        }
}

static void merge_task(void *arg, size_t q, int worker)
{
    (void)worker;
    const search *s = arg;
    const candidate *lists = s->lists + q * s->chunks * s->kept;
    uint32_t *taken = s->taken + q * s->chunks;
    for (size_t c = 0; c < s->chunks; c++)
        taken[c] = 0;
    for (size_t i = 0; i < s->k; i++) {
        candidate best = {INFINITY, UINT32_MAX};
        size_t from = s->chunks;
        for (size_t c = 0; c < s->chunks; c++)
            if (taken[c] < s->kept && before(lists[c * s->kept + taken[c]], best))
                best = lists[c * s->kept + taken[c]], from = c;
        if (from < s->chunks)
            taken[from]++;
        s->dist[q * s->k + i] = best.d;
        s->idx[q * s->k + i] = best.row;
    }
}

static void nearest(kn_backend *be, float *dist, uint32_t *idx, const float *query, const float *base,
                    kn_distance kind, size_t Q, size_t N, size_t D, size_t k)
{
    kn_cpu *cpu = kn_cpu_of(be);
    search s = {.simd = cpu->simd, .base = base, .kind = kind, .N = N, .D = D, .k = k,
                .chunks = kn_ceil_div(N, CHUNK), .kept = kn_min(k, CHUNK)};
    if (k == 0)
        return;
    size_t entries = s.chunks * s.kept, slab = kn_min(Q, kn_ceil_div(ENTRIES, entries ? entries : 1));
    size_t list_floats = slab * entries * (sizeof(candidate) / sizeof(float));
    float *room = kn_cpu_scratch(cpu, list_floats + slab * s.chunks);
    for (size_t q = 0; room && q < Q; q += slab) {
        s.Q = kn_min(slab, Q - q);
        s.query = query + q * D;
        s.dist = dist + q * k;
        s.idx = idx + q * k;
        s.lists = (candidate *)(void *)room;
        s.taken = (uint32_t *)(void *)(room + list_floats);
        kn_parallel(cpu->pool, kn_ceil_div(s.Q, GROUP) * s.chunks, chunk_task, &s);
        kn_parallel(cpu->pool, s.Q, merge_task, &s);
    }
}

void kn_cpu_nearest(kn_backend *be)
{
    be->nearest = nearest;
}
