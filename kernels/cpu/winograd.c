/* Convolution with 3x3 weights and no stride by Winograd's method: a quarter of
 * the multiplications (winograd.simd.c has the formula and its source).
 *
 * Results are cut into tiles of 4x4, each made from 6x6 pixels. In the transform
 * each of the 36 positions of a tile is a product of its own over the channels,
 * [tiles, I] times [I, O], for all tiles at once.
 *
 *  - forward, and the gradient of x (the same with weights turned half around):
 *    tasks are runs of tiles, whose three stages stay in the second-level cache.
 *  - gradient of w: chunks of tiles; first their transforms, a task some tiles,
 *    then the sums over them, a task a position. Each element has one sum, in
 *    the order of the tiles. */
#include "kernels/cpu/cpu.h"

#include <string.h>

enum {
    TILE = KN_WINOGRAD_TILE,
    SIDE = KN_WINOGRAD_SIDE,
    POSITIONS = SIDE * SIDE,
    TAPS = 3,
    PART = 256,        /* channels of a product at a time: the first-level cache holds so much of a panel */
    NEAR = 1 << 17,    /* floats that a task of tiles works on */
    CHUNK = 1 << 20,   /* floats of a chunk's transforms */
    FEW = 8,           /* tiles of a task of transforms */
    SUMMED = 128,      /* tiles that a sum reads in one go */
    LINE = 16,         /* floats of a cache's line */
};

typedef struct winograd {
    kn_cpu *cpu;
    const kn_window *win;
    size_t N, I, O; /* images, channels read and written */
    const float *x, *dy, *w, *bias;
    float *y, *dw;
    kn_act act;
    int acc;
    bool turned;    /* w is [I,3,3,O], its taps from the last to the first */
    size_t down, across, tiles; /* tiles of an image's side, of all images */
    size_t run;     /* tiles of a task */
    size_t ldv, ldm; /* floats between positions: of pixels, of results or their gradients */
    size_t first, chunk; /* of the sums of dw: tiles first .. first + chunk */
    float *u, *panels;   /* weights transformed [36][rows][C]; packed for the products */
    float *v, *m;        /* of a chunk: pixels [36][.. ldv][I], gradients [36][.. ldm][O] */
    const float *zeros;  /* of one pixel */
    float *rooms;        /* one a thread */
    size_t room;
} winograd;

/* Floats between the positions of so many tiles of C channels: an odd number of
 * lines, so that one pixel's 36 do not meet in the same few sets of a cache. */
static size_t apart(size_t tiles, size_t C)
{
    return (kn_ceil_div(tiles * C, LINE) | 1) * LINE;
}

static size_t padded(size_t O, const kn_simd *simd)
{
    return kn_ceil_div(O, simd->panel) * simd->panel;
}

bool kn_winograd_pays(const kn_window *win, size_t O)
{
    size_t C = win->C, tiles = kn_ceil_div(win->P, TILE) * kn_ceil_div(win->Q, TILE);
    if (win->KH != TAPS || win->KW != TAPS || win->stride != 1 || win->dilation != 1 || win->pad >= TAPS)
        return false;
    double direct = 9.0 * (double)(win->P * win->Q) * (double)C * (double)O;
    double ours = (double)(tiles * POSITIONS) * (1.2 * (double)C * (double)O + 12 * (double)(C + O));
    return C >= 8 && ours < direct;
}

static bool plan(winograd *g, size_t shared, size_t room)
{
    size_t threads = (size_t)kn_pool_threads(g->cpu->pool), spare = kn_ceil_div(g->I > g->O ? g->I : g->O, LINE) * LINE;
    float *all = kn_cpu_scratch(g->cpu, shared + spare + threads * (room + spare));
    if (!all)
        return false;
    memset(all + shared, 0, spare * sizeof *all);
    g->zeros = all + shared;
    g->rooms = all + shared + spare;
    g->room = room + spare;
    g->u = all;
    return true;
}

static winograd cut(winograd g)
{
    g.down = kn_ceil_div(g.win->P, TILE);
    g.across = kn_ceil_div(g.win->Q, TILE);
    g.tiles = g.N * g.down * g.across;
    return g;
}

/* ---- pixels of a tile ------------------------------------------------------------- */

typedef struct place {
    size_t image, row, column; /* of the tile's first result */
} place;

static place place_of(const winograd *g, size_t tile)
{
    size_t in_image = g->down * g->across;
    return (place){tile / in_image, tile % in_image / g->across * TILE, tile % g->across * TILE};
}

/* at[side side]: pixels of a square whose first one is (row, column) of image[H,W,C];
 * (size_t)-1 and the like are before its edge. */
static void look(const float **at, size_t side, const float *image, size_t row, size_t column, size_t H, size_t W,
                 size_t C, const float *outside)
{
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            at[i * side + j] = row + i < H && column + j < W ? image + ((row + i) * W + column + j) * C : outside;
}

/* Rows of an image are too short, and too many at a time, for the hardware to
 * guess the next. */
static void fetch(const float *const *at, size_t pixels, size_t C)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < C; c += LINE)
            __builtin_prefetch(at[i] + c);
}

static void look_at_image(const winograd *g, const float **at, size_t tile)
{
    const kn_window *win = g->win;
    place p = place_of(g, tile);
    look(at, SIDE, g->x + p.image * win->H * win->W * g->I, p.row - win->pad, p.column - win->pad, win->H, win->W,
         g->I, g->zeros);
}

static void look_at_gradient(const winograd *g, const float **at, size_t tile)
{
    const kn_window *win = g->win;
    place p = place_of(g, tile);
    look(at, TILE, g->dy + p.image * win->P * win->Q * g->O, p.row, p.column, win->P, win->Q, g->O, g->zeros);
}

/* Tiles first .. first + n to v, one behind the other. */
static void image_tiles(const winograd *g, float *v, size_t first, size_t n)
{
    const float *at[2][POSITIONS];
    look_at_image(g, at[0], first);
    for (size_t t = 0; t < n; t++) {
        look_at_image(g, at[(t + 1) % 2], first + kn_min(t + 1, n - 1));
        fetch(at[(t + 1) % 2], POSITIONS, g->I);
        g->cpu->simd->winograd_image(v + t * g->I, g->ldv, at[t % 2], g->I);
    }
}

static void gradient_tiles(const winograd *g, float *m, size_t first, size_t n)
{
    const float *at[2][TILE * TILE];
    look_at_gradient(g, at[0], first);
    for (size_t t = 0; t < n; t++) {
        look_at_gradient(g, at[(t + 1) % 2], first + kn_min(t + 1, n - 1));
        fetch(at[(t + 1) % 2], TILE * TILE, g->O);
        g->cpu->simd->winograd_gradient(m + t * g->O, g->ldm, at[t % 2], g->O);
    }
}

/* ---- weights ------------------------------------------------------------------------ */

static void transform_weights_task(void *arg, size_t row, int worker)
{
    (void)worker;
    const winograd *g = arg;
    size_t rows = g->turned ? g->I : g->O, C = g->turned ? g->O : g->I;
    const float *at[TAPS * TAPS];
    for (size_t t = 0; t < TAPS * TAPS; t++)
        at[t] = g->w + (row * TAPS * TAPS + (g->turned ? TAPS * TAPS - 1 - t : t)) * C;
    g->cpu->simd->winograd_weights(g->u + row * C, rows * C, at, C);
}

static void pack_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const winograd *g = arg;
    const kn_simd *simd = g->cpu->simd;
    size_t panels = kn_ceil_div(g->O, simd->panel), o = task % panels * simd->panel;
    const float *u = g->u + task / panels * g->I * g->O;
    simd->gemm_pack(g->panels + task * simd->panel * g->I, g->turned ? u + o : u + o * g->I, g->turned ? g->O : g->I,
                    !g->turned, kn_min(simd->panel, g->O - o), g->I);
}

/* ---- forward ------------------------------------------------------------------------- */

/* m[rows,O] = v[rows,I] times the weights of a position. */
static void multiply(const winograd *g, float *m, const float *v, size_t position, size_t rows)
{
    const kn_simd *simd = g->cpu->simd;
    const float *panel = g->panels + position * g->I * padded(g->O, simd);
    for (size_t o = 0; o < g->O; o += simd->panel)
        for (size_t i = 0; i < g->I; i += PART) {
            size_t part = kn_min(PART, g->I - i);
            simd->gemm_panel(m + o, g->O, v + i, g->I, 0, panel, rows, kn_min(simd->panel, g->O - o), part, i > 0);
            panel += part * simd->panel;
        }
}

static void results_tile(const winograd *g, float *spare, const float *m, size_t tile)
{
    const kn_window *win = g->win;
    float *at[TILE * TILE];
    place p = place_of(g, tile);
    for (size_t i = 0; i < TILE; i++)
        for (size_t j = 0; j < TILE; j++) {
            size_t row = p.row + i, column = p.column + j;
            bool inside = row < win->P && column < win->Q;
            at[i * TILE + j] = inside ? g->y + ((p.image * win->P + row) * win->Q + column) * g->O : spare;
        }
    g->cpu->simd->winograd_results(at, m, g->ldm, g->bias, g->act, g->O, g->acc);
}

static void forward_task(void *arg, size_t task, int worker)
{
    const winograd *g = arg;
    size_t first = task * g->run, n = kn_min(g->run, g->tiles - first);
    float *v = g->rooms + (size_t)worker * g->room, *m = v + POSITIONS * g->ldv, *spare = m + POSITIONS * g->ldm;
    image_tiles(g, v, first, n);
    for (size_t i = 0; i < POSITIONS; i++)
        multiply(g, m + i * g->ldm, v + i * g->ldv, i, n);
    for (size_t t = 0; t < n; t++)
        results_tile(g, spare, m + t * g->O, first + t);
}

void kn_winograd_forward(kn_cpu *cpu, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O, bool turned, int acc)
{
    winograd g = cut((winograd){.cpu = cpu, .win = win, .N = N, .I = win->C, .O = O, .x = x, .w = w, .bias = bias,
                                .y = y, .act = act, .turned = turned, .acc = acc});
    size_t plain = POSITIONS * g.I * O, panels = POSITIONS * g.I * padded(O, cpu->simd);
    size_t near = NEAR / (POSITIONS * (g.I + O));
    g.run = near < 16 ? 16 : near / 8 * 8;
    g.ldv = apart(g.run, g.I);
    g.ldm = apart(g.run, O);
    if (!g.tiles || !plan(&g, plain + panels, POSITIONS * (g.ldv + g.ldm)))
        return;
    g.panels = g.u + plain;
    kn_parallel(cpu->pool, turned ? g.I : O, transform_weights_task, &g);
    kn_parallel(cpu->pool, POSITIONS * kn_ceil_div(O, cpu->simd->panel), pack_task, &g);
    kn_parallel(cpu->pool, kn_ceil_div(g.tiles, g.run), forward_task, &g);
}

/* ---- gradient of w -------------------------------------------------------------------- */

static void transform_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const winograd *g = arg;
    size_t first = task * FEW, n = kn_min(FEW, g->chunk - first);
    image_tiles(g, g->v + first * g->I, g->first + first, n);
    gradient_tiles(g, g->m + first * g->O, g->first + first, n);
}

static void sum_task(void *arg, size_t position, int worker)
{
    (void)worker;
    const winograd *g = arg;
    const float *v = g->v + position * g->ldv, *m = g->m + position * g->ldm;
    size_t at[SUMMED];
    for (size_t t = 0; t < SUMMED; t++)
        at[t] = t * g->I;
    for (size_t t = 0; t < g->chunk; t += SUMMED)
        g->cpu->simd->conv_weights(g->u + position * g->O * g->I, g->I, m + t * g->O, g->O, g->O, v + t * g->I, at,
                                   kn_min(SUMMED, g->chunk - t), g->I, g->first + t > 0);
}

static void weights_gradient_task(void *arg, size_t o, int worker)
{
    (void)worker;
    const winograd *g = arg;
    g->cpu->simd->winograd_weights_gradient(g->dw + o * TAPS * TAPS * g->I, g->u + o * g->I, g->O * g->I, g->I);
}

void kn_winograd_weights(kn_cpu *cpu, float *dw, const float *dy, const float *x, const kn_window *win, size_t N,
                         size_t O)
{
    winograd g = cut((winograd){.cpu = cpu, .win = win, .N = N, .I = win->C, .O = O, .x = x, .dy = dy, .dw = dw});
    size_t plain = POSITIONS * g.I * O, near = CHUNK / (POSITIONS * (g.I + O)) / SUMMED * SUMMED;
    size_t most = kn_min(near < SUMMED ? SUMMED : near, g.tiles);
    /* conv_weights reads up to a panel behind the last row of v; m is there */
    g.ldv = apart(most, g.I);
    g.ldm = apart(most, O);
    if (!g.tiles || !plan(&g, plain + POSITIONS * (g.ldv + g.ldm) + KN_GEMM_PANEL, 0))
        return;
    g.v = g.u + plain;
    g.m = g.v + POSITIONS * g.ldv;
    for (; g.first < g.tiles; g.first += g.chunk) {
        g.chunk = kn_min(most, g.tiles - g.first);
        kn_parallel(cpu->pool, kn_ceil_div(g.chunk, FEW), transform_task, &g);
        kn_parallel(cpu->pool, POSITIONS, sum_task, &g);
    }
    kn_parallel(cpu->pool, O, weights_gradient_task, &g);
}
