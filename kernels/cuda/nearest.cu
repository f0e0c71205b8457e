/* Search: the k nearest rows. Every distance becomes a 64-bit key that sorts by
 * distance, then by row; tiles of keys are sorted in shared memory; sorted lists
 * are merged two by two, only their first k keys surviving. No key depends on
 * how many queries or rows there are beside it. */
#include "kernels/cuda/gpu.cuh"

/* ---- keys ----------------------------------------------------------------------------- */

/* The bits of a float grow with it once the sign is folded in; NaN comes last. */
static const uint32_t NAN_BITS = 0xffffffffu;

static __device__ uint64_t key_of(float d, size_t row)
{
    uint32_t bits = __float_as_uint(d + 0.0f); /* -0 becomes 0 */
    bits = d != d ? NAN_BITS : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return static_cast<uint64_t>(bits) << 32 | static_cast<uint32_t>(row);
}

static __device__ float key_distance(uint64_t key)
{
    const uint32_t bits = static_cast<uint32_t>(key >> 32);
    return __uint_as_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/* ---- distances of all queries to all rows ----------------------------------------------- */

/* A block of ACROSS x DOWN threads has ROWS rows by QUERIES queries, a thread
 * EACH x EACH of them, and walks along D in slabs of DEEP that all share. */
enum { ACROSS = 16, DOWN = 8, EACH = 4, ROWS = ACROSS * EACH, QUERIES = DOWN * EACH, DEEP = 16 };

template <int LINES>
static __device__ void load_slab(float (&slab)[DEEP][LINES + 1], const float *x, size_t line, size_t lines, size_t at,
                                 size_t D)
{
    for (unsigned i = threadIdx.y * ACROSS + threadIdx.x; i < LINES * DEEP; i += ACROSS * DOWN) {
        const unsigned l = i / DEEP, j = i % DEEP;
        slab[j][l] = line + l < lines && at + j < D ? x[(line + l) * D + at + j] : 0.0f;
    }
}

template <kn_distance KIND>
static __global__ void cross_keys(uint64_t *key, const float *query, const float *base, size_t Q, size_t N, size_t D)
{
    __shared__ float qs[DEEP][QUERIES + 1], bs[DEEP][ROWS + 1]; /* + 1: columns start in different banks */
    const size_t q0 = static_cast<size_t>(blockIdx.y) * QUERIES, r0 = static_cast<size_t>(blockIdx.x) * ROWS;
    float s[EACH][EACH] = {}, qq[EACH] = {}, rr[EACH] = {};
    for (size_t at = 0; at < D; at += DEEP) {
        load_slab<QUERIES>(qs, query, q0, Q, at, D);
        load_slab<ROWS>(bs, base, r0, N, at, D);
        __syncthreads();
        for (int j = 0; j < DEEP; j++) {
            float q[EACH], r[EACH];
            for (int e = 0; e < EACH; e++) {
                q[e] = qs[j][threadIdx.y + DOWN * e];
                r[e] = bs[j][threadIdx.x + ACROSS * e];
                if (KIND == KN_COSINE) {
                    qq[e] += q[e] * q[e];
                    rr[e] += r[e] * r[e];
                }
            }
            for (int e = 0; e < EACH; e++)
                for (int f = 0; f < EACH; f++) {
                    const float diff = q[e] - r[f];
                    s[e][f] += KIND == KN_COSINE ? q[e] * r[f] : KIND == KN_L1 ? fabsf(diff) : diff * diff;
                }
        }
        __syncthreads();
    }
    for (int e = 0; e < EACH; e++)
        for (int f = 0; f < EACH; f++) {
            const size_t q = q0 + threadIdx.y + DOWN * e, r = r0 + threadIdx.x + ACROSS * f;
            const float d = KIND == KN_COSINE ? 1.0f - s[e][f] / fmaxf(sqrtf(qq[e]) * sqrtf(rr[f]), KN_EPS_DIST)
                            : KIND == KN_L1   ? s[e][f]
                                              : sqrtf(s[e][f] + KN_EPS_DIST);
            if (q < Q && r < N)
                key[q * N + r] = key_of(d, r);
        }
}

/* ---- sorting ------------------------------------------------------------------------------ */

enum { SORT = 1024 };

/* Bitonic sort (Batcher 1968) of SORT keys of query blockIdx.y, in place; beyond
 * N there are keys larger than any, which stay at the end and are not kept. */
static __global__ void sort_tiles(uint64_t *key, size_t N, size_t keep)
{
    __shared__ uint64_t tile[SORT];
    const size_t first = static_cast<size_t>(blockIdx.x) * SORT;
    uint64_t *mine = &key[blockIdx.y * N + first];
    for (unsigned i = threadIdx.x; i < SORT; i += blockDim.x)
        tile[i] = first + i < N ? mine[i] : UINT64_MAX;
    for (unsigned run = 2; run <= SORT; run *= 2)
        for (unsigned apart = run / 2; apart > 0; apart /= 2) {
            __syncthreads();
            for (unsigned i = threadIdx.x; i < SORT / 2; i += blockDim.x) {
                const unsigned lo = i / apart * 2 * apart + i % apart, hi = lo + apart;
                const uint64_t a = tile[lo], b = tile[hi];
                if ((a > b) == ((lo & run) == 0)) /* runs rise and fall in turn */
                    tile[lo] = b, tile[hi] = a;
            }
        }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < SORT && i < keep && first + i < N; i += blockDim.x)
        mine[i] = tile[i];
}

/* How many of the n rising keys are below `than`. */
static __device__ size_t count_below(const uint64_t *key, size_t n, uint64_t than)
{
    size_t lo = 0;
    while (lo < n) {
        const size_t mid = lo + (n - lo) / 2;
        if (key[mid] < than)
            lo = mid + 1;
        else
            n = mid;
    }
    return lo;
}

/* Sorted lists start every `apart` keys and have `keep` keys at most. Each key
 * of two neighbours finds its place in their union by itself: its own rank plus
 * its rank in the other list. Keys are all different, since rows are. */
static __global__ void merge_lists(uint64_t *out, const uint64_t *in, size_t Q, size_t N, size_t apart, size_t keep,
                                   size_t k)
{
    const size_t lists = (N + apart - 1) / apart;
    for (gpu_cell at(lists * keep); at.row < Q; at.next()) {
        const size_t list = at.col / keep, i = at.col % keep;
        const size_t mine = list * apart, other = (list ^ 1) * apart;
        if (mine + i >= N)
            continue;
        const uint64_t *keys = &in[at.row * N], me = keys[mine + i];
        const size_t others = other >= N ? 0 : N - other < keep ? N - other : keep;
        const size_t rank = i + count_below(&keys[other], others, me);
        if (rank < k)
            out[at.row * N + list / 2 * 2 * apart + rank] = me;
    }
}

static __global__ void read_keys(float *dist, uint32_t *idx, const uint64_t *key, size_t Q, size_t N, size_t k)
{
    for (gpu_cell at(k); at.row < Q; at.next()) {
        const uint64_t it = at.col < N ? key[at.row * N + at.col] : UINT64_MAX;
        const bool is = it >> 32 != NAN_BITS;
        dist[at.row * k + at.col] = is ? key_distance(it) : INFINITY;
        idx[at.row * k + at.col] = is ? static_cast<uint32_t>(it) : UINT32_MAX;
    }
}

/* ---- the op --------------------------------------------------------------------------------- */

static void cross(gpu *g, uint64_t *key, const float *query, const float *base, kn_distance kind, size_t Q, size_t N,
                  size_t D)
{
    const dim3 grid(static_cast<unsigned>((N + ROWS - 1) / ROWS), static_cast<unsigned>((Q + QUERIES - 1) / QUERIES));
    const dim3 block(ACROSS, DOWN);
    if (kind == KN_EUCLIDEAN)
        GPU_LAUNCH(g, cross_keys<KN_EUCLIDEAN>, grid, block, key, query, base, Q, N, D);
    else if (kind == KN_L1)
        GPU_LAUNCH(g, cross_keys<KN_L1>, grid, block, key, query, base, Q, N, D);
    else
        GPU_LAUNCH(g, cross_keys<KN_COSINE>, grid, block, key, query, base, Q, N, D);
}

/* Of the queries that fit into scratch together. */
static void nearest_of(gpu *g, float *dist, uint32_t *idx, const float *query, const float *base, kn_distance kind,
                       size_t Q, size_t N, size_t D, size_t k)
{
    uint64_t *key = static_cast<uint64_t *>(gpu_scratch(g, 2 * Q * N * sizeof *key)), *spare = key + Q * N;
    if (!key)
        return;
    if (N) {
        const dim3 tiles(static_cast<unsigned>((N + SORT - 1) / SORT), static_cast<unsigned>(Q));
        cross(g, key, query, base, kind, Q, N, D);
        GPU_LAUNCH(g, sort_tiles, tiles, GPU_THREADS, key, N, k);
    }
    for (size_t apart = SORT; apart < N; apart *= 2) {
        const size_t keep = k < apart ? k : apart, lists = (N + apart - 1) / apart;
        GPU_LAUNCH(g, merge_lists, gpu_blocks(Q * lists * keep), GPU_THREADS, spare, key, Q, N, apart, keep, k);
        uint64_t *const merged = spare;
        spare = key;
        key = merged;
    }
    GPU_LAUNCH(g, read_keys, gpu_blocks(Q * k), GPU_THREADS, dist, idx, key, Q, N, k);
}

static void nearest(kn_backend *be, float *dist, uint32_t *idx, const float *query, const float *base, kn_distance kind,
                    size_t Q, size_t N, size_t D, size_t k)
{
    const size_t room = (static_cast<size_t>(256) << 20) / (2 * sizeof(uint64_t)); /* keys, of 256 MiB */
    size_t group = N ? room / N : room;
    group = group < 1 ? 1 : group < 4096 ? group : 4096;
    for (size_t q = 0; q < Q && k; q += group) {
        const size_t n = Q - q < group ? Q - q : group;
        nearest_of(gpu_of(be), &dist[q * k], &idx[q * k], &query[q * D], base, kind, n, N, D, k);
    }
}

void gpu_fill_nearest(kn_backend *be)
{
    be->nearest = nearest;
}
