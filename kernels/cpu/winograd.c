/* Convolution by Winograd's method: of 3x3 weights without a stride, a quarter of
 * the multiplications (winograd.simd.c has the formula and its source). 6x6
 * weights with a stride of 2 are such a convolution too, of four images, each of
 * every second pixel; and so on.
 *
 * Results are cut into tiles of 4x4, each made from 6x6 pixels. In the transform
 * each of the 36 positions of a tile is a product of its own over the channels,
 * [tiles, I] times [I, O], for all tiles at once.
 *
 *  - forward, and the gradient of x (the same with the weights' taps turned
 *    around): tasks are runs of tiles, whose three stages stay in the
 *    second-level cache; a phase after the other.
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

/* Images [H,W,C], each seen as step^2 phases, images of every step-th pixel. */
typedef struct grid {
    size_t H, W, C, step;
} grid;

typedef struct winograd {
    kn_cpu *cpu;
    grid x, y;          /* images and results of the convolution */
    grid from, to;      /* what tiles are made of, and what of them: x and y, or y and x when turned */
    bool turned;        /* a tile's taps go from the last to the first */
    size_t pad;         /* pixels of a phase of `from` */
    size_t N, I, O;     /* images; channels of all phases of from, and of to */
    const float *in, *dy, *w, *bias;
    float *out, *dw;
    kn_act act;
    int acc;
    size_t across, in_image, tiles; /* tiles side by side, of an image, of all */
    size_t run;         /* tiles of a task */
    size_t ldv, ldm;    /* floats between positions: of pixels, of results or their gradients */
    size_t first, chunk; /* of the sums of dw: tiles first .. first + chunk */
    float *u, *panels;  /* weights transformed [36][..][..]; packed for the products */
    float *v, *m;       /* of a chunk: pixels [36][.. ldv][I], gradients [36][.. ldm][O] */
    const float *zeros; /* of one pixel */
    float *rooms;       /* one a thread */
    size_t room;
} winograd;

static size_t phases(const grid *g)
{
    return g->step * g->step;
}

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
    size_t s = win->stride, tiles = kn_ceil_div(win->P, TILE) * kn_ceil_div(win->Q, TILE);
    if (win->KH != TAPS * s || win->KW != TAPS * s || win->dilation != 1 || win->H % s || win->W % s ||
        win->pad % s || win->pad / s >= TAPS)
        return false;
    double I = (double)(s * s * win->C), direct = 9 * (double)(win->P * win->Q) * I * (double)O;
    double ours = (double)(tiles * POSITIONS) * (1.2 * I * (double)O + 12 * (I + (double)O));
    return win->C >= 8 && ours < direct;
}

static winograd of_shape(kn_cpu *cpu, const kn_window *win, size_t N, size_t O, bool turned)
{
    winograd g = {.cpu = cpu, .x = {win->H, win->W, win->C, win->stride}, .y = {win->P, win->Q, O, 1},
                  .turned = turned, .N = N};
    g.from = turned ? g.y : g.x;
    g.to = turned ? g.x : g.y;
    g.pad = turned ? TAPS - 1 - win->pad / win->stride : win->pad / win->stride;
    g.I = phases(&g.from) * g.from.C;
    g.O = phases(&g.to) * g.to.C;
    g.across = kn_ceil_div(g.to.W / g.to.step, TILE);
    g.in_image = kn_ceil_div(g.to.H / g.to.step, TILE) * g.across;
    g.tiles = N * g.in_image;
    return g;
}

/* Memory for u, `more` floats that others share, and `room` for each thread. */
static bool plan(winograd *g, size_t more, size_t room)
{
    size_t threads = (size_t)kn_pool_threads(g->cpu->pool), shared = POSITIONS * g->I * g->O + more;
    size_t spare = kn_ceil_div(g->I > g->O ? g->I : g->O, LINE) * LINE;
    g->room = room + spare;
    g->u = kn_cpu_scratch(g->cpu, shared + spare + threads * g->room);
    if (!g->u)
        return false;
    float *zeros = g->u + shared;
    memset(zeros, 0, spare * sizeof *zeros);
    g->zeros = zeros;
    g->rooms = zeros + spare;
    return true;
}

/* ---- pixels of a tile ------------------------------------------------------------- */

/* Floats from the first of all images to a pixel of a tile's phase, (row, column)
 * of that; SIZE_MAX outside of the image, as -1 and the like are. */
static size_t pixel(const grid *g, size_t image, size_t phase, size_t row, size_t column)
{
    size_t h = row * g->step + phase / g->step, w = column * g->step + phase % g->step;
    return h < g->H && w < g->W ? ((image * g->H + h) * g->W + w) * g->C : SIZE_MAX;
}

/* at[side side]: where pixels of a tile are, its first one `before` its first
 * result in rows and columns. */
static void look(size_t *at, const winograd *g, const grid *images, size_t side, size_t before, size_t tile,
                 size_t phase)
{
    size_t in_image = tile % g->in_image, row = in_image / g->across * TILE - before;
    size_t column = in_image % g->across * TILE - before;
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            at[i * side + j] = pixel(images, tile / g->in_image, phase, row + i, column + j);
}

/* What tiles are read from, and the transform that makes `width` numbers for each
 * position of them. */
typedef struct source {
    const float *base;
    const grid *images;
    size_t side, before, width, ld;
    void (*map)(float *to, size_t ld, const float *const *px, size_t C);
} source;

static source pixels_of(const winograd *g, size_t width)
{
    return (source){g->in, &g->from, SIDE, g->pad, width, g->ldv, g->cpu->simd->winograd_image};
}

static source gradients_of(const winograd *g)
{
    return (source){g->dy, &g->to, TILE, 0, g->O, g->ldm, g->cpu->simd->winograd_gradient};
}

static void look_at(const float **px, const winograd *g, const source *s, size_t tile, size_t phase)
{
    size_t at[POSITIONS];
    look(at, g, s->images, s->side, s->before, tile, phase);
    for (size_t i = 0; i < s->side * s->side; i++)
        px[i] = at[i] < SIZE_MAX ? s->base + at[i] : g->zeros;
}

/* Rows of an image are too short, and too many at a time, for the hardware to
 * guess the next. */
static void fetch(const float *const *px, size_t pixels, size_t C)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < C; c += LINE)
            __builtin_prefetch(px[i] + c);
}

/* Tiles first .. first + n of a phase to v, one behind the other. */
static void transform(const winograd *g, float *v, source s, size_t first, size_t n, size_t phase)
{
    const float *px[2][POSITIONS];
    look_at(px[0], g, &s, first, phase);
    for (size_t t = 0; t < n; t++) {
        const float **next = px[(t + 1) % 2];
        look_at(next, g, &s, first + kn_min(t + 1, n - 1), phase);
        fetch(next, s.side * s.side, s.images->C);
        s.map(v + t * s.width, s.ld, px[t % 2], s.images->C);
    }
}

/* ---- weights ------------------------------------------------------------------------ */

/* Floats before tap t of a phase in w[O,KH,KW,C]. */
static size_t tap(const grid *x, size_t o, size_t phase, size_t t)
{
    size_t side = TAPS * x->step, row = t / TAPS * x->step + phase / x->step;
    return ((o * side + row) * side + t % TAPS * x->step + phase % x->step) * x->C;
}

static void transform_weights_task(void *arg, size_t o, int worker)
{
    (void)worker;
    const winograd *g = arg;
    size_t C = phases(&g->x) * g->x.C;
    for (size_t phase = 0; phase < phases(&g->x); phase++) {
        const float *at[TAPS * TAPS];
        for (size_t t = 0; t < TAPS * TAPS; t++)
            at[t] = g->w + tap(&g->x, o, phase, g->turned ? TAPS * TAPS - 1 - t : t);
        g->cpu->simd->winograd_weights(g->u + o * C + phase * g->x.C, g->I * g->O, at, g->x.C);
    }
}

/* u is [36][O][I], or [36][I][O] when turned. */
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

/* m[rows,O] (+)= v[rows,C], a phase of the images, times its weights of a position. */
static void multiply(const winograd *g, float *m, const float *v, size_t position, size_t rows, size_t phase)
{
    const kn_simd *simd = g->cpu->simd;
    size_t C = g->from.C;
    const float *panel = g->panels + position * g->I * padded(g->O, simd) + phase * C * simd->panel;
    for (size_t o = 0; o < g->O; o += simd->panel, panel += g->I * simd->panel)
        for (size_t i = 0; i < C; i += PART)
            simd->gemm_panel(m + o, g->O, v + i, C, 0, panel + i * simd->panel, rows, kn_min(simd->panel, g->O - o),
                             kn_min(PART, C - i), phase + i > 0);
}

static void results_tile(const winograd *g, float *spare, const float *m, size_t tile, size_t phase)
{
    size_t at[TILE * TILE];
    float *px[TILE * TILE];
    look(at, g, &g->to, TILE, 0, tile, phase);
    for (size_t i = 0; i < TILE * TILE; i++)
        px[i] = at[i] < SIZE_MAX ? g->out + at[i] : spare;
    g->cpu->simd->winograd_results(px, m, g->ldm, g->bias, g->act, g->to.C, g->acc);
}

static void forward_task(void *arg, size_t task, int worker)
{
    const winograd *g = arg;
    size_t first = task * g->run, n = kn_min(g->run, g->tiles - first);
    float *v = g->rooms + (size_t)worker * g->room, *m = v + POSITIONS * g->ldv, *spare = m + POSITIONS * g->ldm;
    for (size_t phase = 0; phase < phases(&g->from); phase++) {
        transform(g, v, pixels_of(g, g->from.C), first, n, phase);
        for (size_t i = 0; i < POSITIONS; i++)
            multiply(g, m + i * g->ldm, v + i * g->ldv, i, n, phase);
    }
    for (size_t phase = 0; phase < phases(&g->to); phase++)
        for (size_t t = 0; t < n; t++)
            results_tile(g, spare, m + t * g->O + phase * g->to.C, first + t, phase);
}

static void convolve(winograd *g)
{
    const kn_simd *simd = g->cpu->simd;
    size_t near = NEAR / (POSITIONS * (g->from.C + g->O));
    g->run = near < 16 ? 16 : near / 8 * 8;
    g->ldv = apart(g->run, g->from.C);
    g->ldm = apart(g->run, g->O);
    if (!g->tiles || !plan(g, POSITIONS * g->I * padded(g->O, simd), POSITIONS * (g->ldv + g->ldm)))
        return;
    g->panels = g->u + POSITIONS * g->I * g->O;
    kn_parallel(g->cpu->pool, g->y.C, transform_weights_task, g);
    kn_parallel(g->cpu->pool, POSITIONS * kn_ceil_div(g->O, simd->panel), pack_task, g);
    kn_parallel(g->cpu->pool, kn_ceil_div(g->tiles, g->run), forward_task, g);
}

void kn_winograd_forward(kn_cpu *cpu, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O)
{
    winograd g = of_shape(cpu, win, N, O, false);
    g.in = x;
    g.w = w;
    g.bias = bias;
    g.out = y;
    g.act = act;
    convolve(&g);
}

void kn_winograd_backward_x(kn_cpu *cpu, float *dx, const float *dy, const float *w, const kn_window *win, size_t N,
                            size_t O, int acc)
{
    winograd g = of_shape(cpu, win, N, O, true);
    g.in = dy;
    g.w = w;
    g.out = dx;
    g.acc = acc;
    convolve(&g);
}

/* ---- gradient of w -------------------------------------------------------------------- */

static void transform_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const winograd *g = arg;
    size_t first = task * FEW, n = kn_min(FEW, g->chunk - first);
    for (size_t phase = 0; phase < phases(&g->from); phase++)
        transform(g, g->v + first * g->I + phase * g->from.C, pixels_of(g, g->I), g->first + first, n, phase);
    transform(g, g->m + first * g->O, gradients_of(g), g->first + first, n, 0);
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
    for (size_t phase = 0; phase < phases(&g->x); phase++) {
        float *at[TAPS * TAPS];
        for (size_t t = 0; t < TAPS * TAPS; t++)
            at[t] = g->dw + tap(&g->x, o, phase, t);
        g->cpu->simd->winograd_weights_gradient(at, g->u + o * g->I + phase * g->x.C, g->O * g->I, g->x.C);
    }
}

void kn_winograd_backward_w(kn_cpu *cpu, float *dw, const float *dy, const float *x, const kn_window *win, size_t N,
                            size_t O)
{
    winograd g = of_shape(cpu, win, N, O, false);
    size_t near = CHUNK / (POSITIONS * (g.I + O)) / SUMMED * SUMMED;
    size_t most = kn_min(near < SUMMED ? SUMMED : near, g.tiles);
    g.in = x;
    g.dy = dy;
    g.dw = dw;
    g.ldv = apart(most, g.I);
    g.ldm = apart(most, O);
    /* conv_weights reads up to a panel behind the last row of v: m is there */
    if (!plan(&g, POSITIONS * (g.ldv + g.ldm) + KN_GEMM_PANEL, 0))
        return;
    g.v = g.u + POSITIONS * g.I * O;
    g.m = g.v + POSITIONS * g.ldv;
    for (; g.first < g.tiles; g.first += g.chunk) {
        g.chunk = kn_min(most, g.tiles - g.first);
        kn_parallel(cpu->pool, kn_ceil_div(g.chunk, FEW), transform_task, &g);
        kn_parallel(cpu->pool, POSITIONS, sum_task, &g);
    }
    kn_parallel(cpu->pool, O, weights_gradient_task, &g);
}
