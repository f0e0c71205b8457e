/* Convolution: products whose rows are the windows, without a matrix of them.
 *
 * In NHWC a row of a window is KW*C floats side by side, so the kernels of
 * conv.simd.c read (or add to) windows where they are: in the image, or, when
 * there is padding, in a copy of the rows that a task needs with zeros around
 * it, which the second-level cache holds.
 *
 *  - forward: tasks are units of windows by groups of panels of weights. A row
 *    of y has the same bits whatever rows are around it.
 *  - gradient of x: without a stride, a convolution of dy. Else tasks are whole
 *    images; each window adds its row of dy w to the padded image in order (the
 *    transposed product: no multiplication by zeros of a stride).
 *  - gradient of w: units are cut into at most TASKS parts, each with sums of its
 *    own, which are added in order.
 *
 * Where windows of 3x3 (6x6 with a stride of 2, ..) are many, winograd.c has less
 * to multiply.
 *
 * A convolution whose windows do not overlap and fill the image is one product
 * of matrices. */
#include "kernels/cpu/cpu.h"

#include <string.h>

enum {
    ROWS = 128,       /* windows of a unit, about */
    PART = 256,       /* floats of a window, and rows of a panel, at a time: the first-level cache holds these */
    TASKS = 16,       /* wanted, where the shape allows */
    SLICE = 1 << 16,  /* elements of dw of a task */
    LINE = 16,        /* floats that memory is rounded up to */
};

typedef struct conv {
    kn_cpu *cpu;
    const kn_window *win;
    size_t N, O, K;
    const float *x, *dy, *w, *bias;
    float *y, *dx, *dw;
    kn_act act;
    int acc;
    bool copied;            /* windows lie in padded copies, not in the image */
    bool gathered;          /* windows lie side by side */
    size_t row, image;      /* floats between rows, and between images, that windows lie in */
    kn_segment *segment;    /* of a window */
    size_t segments;
    size_t images, height, units; /* a unit: whole images, or this many rows of windows of one */
    size_t groups, cuts, slice;
    float *packed;          /* panels of weights, or partial sums of dw */
    float *rooms;           /* one a thread */
    size_t room, strip;     /* floats of a room, and of the copy in it */
} conv;

/* Windows of a task and where they are. */
typedef struct unit {
    size_t n, images, p, height; /* images n.., window rows p.. */
    size_t M, first;             /* windows, the first of all N P Q */
    float *strip;
    size_t *x_at, *y_at;         /* [M] */
    float *side;                 /* [M, K], gathered */
} unit;

static size_t round_up(size_t n)
{
    return kn_ceil_div(n, LINE) * LINE;
}

static size_t extent(const kn_window *win, size_t taps)
{
    return (taps - 1) * win->dilation + 1;
}

/* ---- windows in memory ---------------------------------------------------------------- */

/* Rows of the image, padding counted, that `height` rows of windows see. */
static size_t rows_seen(const conv *c, size_t height)
{
    return (height - 1) * c->win->stride + extent(c->win, c->win->KH);
}

static size_t columns_seen(const conv *c)
{
    return (c->win->Q - 1) * c->win->stride + extent(c->win, c->win->KW);
}

static size_t pieces_of(size_t n, size_t most)
{
    return n ? kn_ceil_div(n, most) : 1;
}

/* Tap after tap, those that touch put together. With `most`, none is longer. */
static void find_segments(conv *c, size_t most)
{
    const kn_window *win = c->win;
    size_t n = 0, at = 0;
    c->segments = 0;
    for (size_t t = 0; t < win->KH * win->KW; t++) {
        at = t / win->KW * win->dilation * c->row + t % win->KW * win->dilation * win->C;
        if (t > 0 && c->segment[n].at + c->segment[n].n == at)
            c->segment[n].n += win->C;
        else
            c->segment[t ? ++n : 0] = (kn_segment){at, win->C};
    }
    c->segments = n + 1;
    if (!most)
        return;
    size_t pieces = 0;
    for (size_t s = 0; s < c->segments; s++)
        pieces += pieces_of(c->segment[s].n, most);
    size_t end = pieces; /* backwards, so that none is overwritten before it is cut */
    for (size_t s = c->segments; s-- > 0;) {
        kn_segment whole = c->segment[s];
        size_t parts = pieces_of(whole.n, most);
        for (size_t i = parts; i-- > 0;) {
            size_t from = whole.n * i / parts;
            c->segment[--end] = (kn_segment){whole.at + from, whole.n * (i + 1) / parts - from};
        }
    }
    c->segments = pieces;
}

/* Units of about ROWS windows; bands: an image may be cut. */
static void cut_units(conv *c, bool bands)
{
    size_t P = c->win->P, Q = c->win->Q, rows = bands ? kn_min(P, kn_ceil_div(ROWS, Q)) : P;
    size_t per_image = kn_ceil_div(P, rows);
    c->height = kn_ceil_div(P, per_image);
    c->images = per_image > 1 ? 1 : kn_min(c->N, kn_ceil_div(ROWS, P * Q));
    c->units = per_image > 1 ? c->N * kn_ceil_div(P, c->height) : kn_ceil_div(c->N, c->images);
}

/* Where windows lie, how they are cut, and memory for all; packed: floats. */
static bool plan(conv *c, bool bands, size_t most, size_t packed)
{
    const kn_window *win = c->win;
    size_t width = c->copied ? columns_seen(c) : win->W;
    cut_units(c, bands);
    c->row = width * win->C;
    c->image = c->copied ? round_up(rows_seen(c, c->height) * c->row) : win->H * c->row;
    size_t M = c->images * c->height * win->Q, taps = win->KH * win->KW + (most ? c->K / most : 0);
    size_t side = c->gathered ? M * round_up(c->K) + KN_GEMM_PANEL : 0;
    size_t list = round_up(taps * (sizeof *c->segment / sizeof(float)));
    c->strip = c->copied ? round_up(c->images * c->image + KN_GEMM_PANEL) : 0;
    c->room = round_up(c->strip + side + 2 * M * (sizeof(size_t) / sizeof(float)));
    float *all = kn_cpu_scratch(c->cpu, round_up(packed) + list + (size_t)kn_pool_threads(c->cpu->pool) * c->room);
    if (!all)
        return false;
    c->packed = all;
    c->segment = (kn_segment *)(void *)(all + round_up(packed));
    c->rooms = all + round_up(packed) + list;
    find_segments(c, most);
    return true;
}

static unit unit_of(const conv *c, size_t number, int worker)
{
    const kn_window *win = c->win;
    size_t bands = kn_ceil_div(win->P, c->height);
    unit u = {.strip = c->rooms + (size_t)worker * c->room, .images = 1};
    if (bands > 1) {
        u.n = number / bands;
        u.p = number % bands * c->height;
        u.height = kn_min(c->height, win->P - u.p);
    } else {
        u.n = number * c->images;
        u.images = kn_min(c->images, c->N - u.n);
        u.height = win->P;
    }
    u.M = u.images * u.height * win->Q;
    u.first = (u.n * win->P + u.p) * win->Q;
    u.side = u.strip + c->strip;
    u.x_at = (size_t *)(void *)(u.side + (c->gathered ? u.M * round_up(c->K) + KN_GEMM_PANEL : 0));
    u.y_at = u.x_at + u.M;
    for (size_t m = 0, i = 0; i < u.images; i++)
        for (size_t p = 0; p < u.height; p++)
            for (size_t q = 0; q < win->Q; q++, m++)
                u.x_at[m] = i * c->image + p * win->stride * c->row + q * win->stride * win->C;
    return u;
}

/* The image rows of a unit with zeros around them. */
static void fill_strip(const conv *c, const unit *u)
{
    const kn_window *win = c->win;
    size_t width = columns_seen(c), lead = kn_min(win->pad, width), body = kn_min(win->W, width - lead);
    for (size_t i = 0; i < u->images; i++)
        for (size_t r = 0; r < rows_seen(c, u->height); r++) {
            float *to = u->strip + i * c->image + r * c->row;
            size_t h = u->p * win->stride + r;
            if (h < win->pad || h - win->pad >= win->H) {
                memset(to, 0, c->row * sizeof *to);
                continue;
            }
            memset(to, 0, lead * win->C * sizeof *to);
            memcpy(to + lead * win->C, c->x + (((u->n + i) * win->H + h - win->pad) * win->W) * win->C,
                   body * win->C * sizeof *to);
            memset(to + (lead + body) * win->C, 0, (width - lead - body) * win->C * sizeof *to);
        }
}

/* What the x_at of a unit count from. */
static const float *read_windows(const conv *c, const unit *u)
{
    if (!c->copied)
        return c->x + (u->n * c->win->H + u->p * c->win->stride) * c->row;
    fill_strip(c, u);
    return u->strip;
}

/* Every window is a row of a matrix [N P Q, K]. */
static bool is_product(const kn_window *win)
{
    bool all = win->KH == win->H && win->KW == win->W && win->dilation == 1;
    return win->pad == 0 && ((win->KH == 1 && win->KW == 1 && win->stride == 1) || (all && win->P * win->Q == 1));
}

/* ---- forward ------------------------------------------------------------------------ */

static void pack_forward_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const conv *c = arg;
    const kn_simd *simd = c->cpu->simd;
    size_t o = task * simd->panel;
    simd->gemm_pack(c->packed + o * c->K, c->w + o * c->K, c->K, 1, kn_min(simd->panel, c->O - o), c->K);
}

/* Rows are windows times one packed panel, part after part. */
static void times_panel(const conv *c, kn_conv_rows t)
{
    const float *bias = t.bias;
    kn_act act = t.act;
    for (size_t s = 0; s < c->segments; s += t.segments) {
        size_t k = 0;
        t.segment = c->segment + s;
        t.acc = c->acc || s > 0;
        for (t.segments = 0; s + t.segments < c->segments && k + t.segment[t.segments].n <= PART; t.segments++)
            k += t.segment[t.segments].n;
        t.bias = s ? NULL : bias;
        t.act = s + t.segments == c->segments ? act : KN_ACT_NONE;
        c->cpu->simd->conv_rows(&t);
        t.panel += k * c->cpu->simd->panel;
    }
}

static void forward_task(void *arg, size_t task, int worker)
{
    const conv *c = arg;
    size_t panel = c->cpu->simd->panel, panels = kn_ceil_div(c->O, panel), group = task % c->groups;
    unit u = unit_of(c, task / c->groups, worker);
    for (size_t m = 0; m < u.M; m++)
        u.y_at[m] = m * c->O;
    kn_conv_rows t = {.x = read_windows(c, &u), .x_at = u.x_at, .y_at = u.y_at, .M = u.M, .act = c->act};
    for (size_t j = panels * group / c->groups; j < panels * (group + 1) / c->groups; j++) {
        size_t o = j * panel;
        t.y = c->y + u.first * c->O + o;
        t.panel = c->packed + o * c->K;
        t.bias = c->bias ? c->bias + o : NULL;
        t.n = kn_min(panel, c->O - o);
        t.cold = !c->copied && j == panels * group / c->groups;
        times_panel(c, t);
    }
}

/* `pack` packs one panel of weights. */
static void correlate(conv *c, kn_task pack)
{
    size_t panel = c->cpu->simd->panel, panels = kn_ceil_div(c->O, panel);
    c->copied = c->win->pad > 0;
    c->K = c->win->KH * c->win->KW * c->win->C;
    if (c->N == 0 || c->O == 0 || !plan(c, true, PART, panels * panel * c->K))
        return;
    c->groups = c->units >= TASKS ? 1 : kn_min(panels, kn_ceil_div(TASKS, c->units));
    kn_parallel(c->cpu->pool, panels, pack, c);
    kn_parallel(c->cpu->pool, c->units * c->groups, forward_task, c);
}

static void conv_forward(kn_backend *be, float *y, const float *x, const float *w, const float *bias, kn_act act,
                         const kn_window *win, size_t N, size_t O)
{
    if (kn_winograd_pays(win, O)) {
        kn_winograd_forward(kn_cpu_of(be), y, x, w, bias, act, win, N, O);
        return;
    }
    conv c = {.cpu = kn_cpu_of(be), .win = win, .N = N, .O = O, .x = x, .w = w, .bias = bias, .y = y, .act = act};
    correlate(&c, pack_forward_task);
}

/* ---- gradient of x ------------------------------------------------------------------- */

/* Here c is the way back: its windows lie in dy, its outputs are channels of x. */
static void pack_flipped_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const conv *c = arg;
    const kn_simd *simd = c->cpu->simd;
    size_t k = task * simd->panel, O = c->win->C;
    float *to = c->packed + k * c->K;
    for (size_t t = c->win->KH * c->win->KW; t-- > 0; to += simd->panel * O)
        simd->gemm_pack(to, c->w + t * c->O + k, c->K / O * c->O, 0, kn_min(simd->panel, c->O - k), O);
}

/* Without a stride the gradient is a convolution too, of dy with the weights
 * turned half around: nothing is added up in memory. */
static bool turns_around(kn_window *back, const kn_window *win, size_t O)
{
    size_t reach = (win->KH - 1) * win->dilation;
    *back = (kn_window){.H = win->P, .W = win->Q, .C = O, .KH = win->KH, .KW = win->KW, .stride = 1,
                        .pad = reach - win->pad, .dilation = win->dilation, .P = win->H, .Q = win->W};
    return win->stride == 1 && win->KH == win->KW && win->pad <= reach && O > 0;
}

/* Panels of w[O,K] that no segment's end goes through: [O, panel] each. */
static void pack_backward_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const conv *c = arg;
    const kn_simd *simd = c->cpu->simd;
    float *to = c->packed;
    size_t k = 0;
    for (size_t s = 0; s < task; s++) {
        to += kn_ceil_div(c->segment[s].n, simd->panel) * simd->panel * c->O;
        k += c->segment[s].n;
    }
    for (size_t j = 0; j < c->segment[task].n; j += simd->panel, to += simd->panel * c->O)
        simd->gemm_pack(to, c->w + k + j, c->K, 0, kn_min(simd->panel, c->segment[task].n - j), c->O);
}

/* Each window of a unit adds dy w, for windows m .. m + M of it. */
static void add_windows(const conv *c, const unit *u, float *to, size_t m, size_t M)
{
    const kn_simd *simd = c->cpu->simd;
    size_t parts = kn_ceil_div(c->O, PART);
    kn_conv_rows t = {.x = c->dy + u->first * c->O, .x_at = u->y_at + m, .y_at = u->x_at + m, .panel = c->packed,
                      .segments = 1, .M = M, .acc = 1};
    for (size_t s = 0; s < c->segments; s++)
        for (size_t j = 0; j < c->segment[s].n; j += simd->panel) {
            t.y = to + c->segment[s].at + j;
            t.n = kn_min(simd->panel, c->segment[s].n - j);
            for (size_t i = 0; i < parts; i++) {
                kn_segment part = {c->O * i / parts, c->O * (i + 1) / parts - c->O * i / parts};
                t.segment = &part;
                simd->conv_rows(&t);
                t.panel += part.n * simd->panel;
            }
        }
}

/* dx (+)= the inside of a unit's padded images. */
static void empty_strip(const conv *c, const unit *u)
{
    const kn_window *win = c->win;
    size_t width = columns_seen(c), lead = kn_min(win->pad, width), body = kn_min(win->W, width - lead);
    for (size_t i = 0; i < u->images; i++)
        for (size_t h = 0; h < win->H; h++) {
            float *to = c->dx + ((u->n + i) * win->H + h) * win->W * win->C;
            const float *from = u->strip + i * c->image + (h + win->pad) * c->row + lead * win->C;
            size_t n = h + win->pad < rows_seen(c, win->P) ? body * win->C : 0;
            c->cpu->simd->copy_rows(to, n, from, n, 1, n, c->acc);
            if (!c->acc)
                memset(to + n, 0, (win->W * win->C - n) * sizeof *to);
        }
}

static void backward_x_task(void *arg, size_t task, int worker)
{
    const conv *c = arg;
    unit u = unit_of(c, task, worker);
    float *to = c->copied ? u.strip : c->dx + u.n * c->image;
    for (size_t m = 0; m < u.M; m++)
        u.y_at[m] = m * c->O;
    if (c->copied || !c->acc)
        memset(to, 0, u.images * c->image * sizeof *to);
    for (size_t m = 0; m < u.M; m += ROWS)
        add_windows(c, &u, to, m, kn_min(ROWS, u.M - m));
    if (c->copied)
        empty_strip(c, &u);
}

static void conv_backward_x(kn_backend *be, float *dx, const float *dy, const float *w, const kn_window *win,
                            size_t N, size_t O, int acc)
{
    conv c = {.cpu = kn_cpu_of(be), .win = win, .N = N, .O = O, .K = win->KH * win->KW * win->C, .dy = dy, .w = w,
              .dx = dx, .acc = acc, .copied = win->pad > 0};
    if (is_product(win)) {
        be->gemm(be, dx, dy, w, 0, 0, N * win->P * win->Q, c.K, O, acc);
        return;
    }
    if (kn_winograd_pays(win, O)) {
        kn_winograd_backward_x(c.cpu, dx, dy, w, win, N, O, acc);
        return;
    }
    kn_window back;
    if (turns_around(&back, win, O)) {
        correlate(&(conv){.cpu = c.cpu, .win = &back, .N = N, .O = win->C, .x = dy, .w = w, .y = dx, .acc = acc},
                  pack_flipped_task);
        return;
    }
    size_t wide = win->KH * win->KW * kn_ceil_div(win->C, c.cpu->simd->panel) * c.cpu->simd->panel;
    if (N == 0 || win->C == 0 || !plan(&c, false, 0, wide * O))
        return;
    kn_parallel(c.cpu->pool, c.segments, pack_backward_task, &c);
    kn_parallel(c.cpu->pool, c.units, backward_x_task, &c);
}

/* ---- gradient of w -------------------------------------------------------------------- */

static void weights_of_unit(const conv *c, size_t number, float *dw, size_t o, size_t O, int acc, int worker)
{
    const kn_simd *simd = c->cpu->simd;
    unit u = unit_of(c, number, worker);
    const float *x = read_windows(c, &u), *dy = c->dy + u.first * c->O + o;
    size_t k = 0;
    for (size_t m = 0; m < u.M; m++) /* in order, before they are read in columns */
        for (size_t i = 0; i < O; i += LINE)
            __builtin_prefetch(dy + m * c->O + i);
    if (c->gathered) {
        size_t ld = round_up(c->K);
        simd->conv_gather(u.side, ld, x, u.x_at, u.M, c->segment, c->segments);
        for (size_t m = 0; m < u.M; m++)
            u.x_at[m] = m * ld;
        simd->conv_weights(dw, c->K, dy, c->O, O, u.side, u.x_at, u.M, c->K, acc);
        return;
    }
    for (size_t s = 0; s < c->segments; k += c->segment[s++].n)
        simd->conv_weights(dw + k, c->K, dy, c->O, O, x + c->segment[s].at, u.x_at, u.M, c->segment[s].n, acc);
}

static void backward_w_task(void *arg, size_t task, int worker)
{
    const conv *c = arg;
    size_t slices = kn_ceil_div(c->O, c->slice), cut = task / slices, o = task % slices * c->slice;
    size_t first = c->units * cut / c->cuts, end = c->units * (cut + 1) / c->cuts;
    float *dw = (cut ? c->packed + (cut - 1) * c->O * c->K : c->dw) + o * c->K;
    for (size_t i = first; i < end; i++)
        weights_of_unit(c, i, dw, o, kn_min(c->slice, c->O - o), i > first, worker);
}

static void add_cuts_task(void *arg, size_t task, int worker)
{
    (void)worker;
    const conv *c = arg;
    size_t i = task * KN_BLOCK, all = c->O * c->K, n = kn_min(KN_BLOCK, all - i);
    for (size_t cut = 1; cut < c->cuts; cut++)
        c->cpu->simd->add(c->dw + i, c->dw + i, c->packed + (cut - 1) * all + i, n);
}

static void conv_backward_w(kn_backend *be, float *dw, const float *dy, const float *x, const kn_window *win,
                            size_t N, size_t O)
{
    size_t lanes = kn_cpu_of(be)->simd->panel / 2, K = win->KH * win->KW * win->C;
    conv c = {.cpu = kn_cpu_of(be), .win = win, .N = N, .O = O, .K = K, .dy = dy, .x = x, .dw = dw};
    if (is_product(win)) {
        be->gemm(be, dw, dy, x, 1, 0, O, K, N * win->P * win->Q, 0);
        return;
    }
    if (O == 0 || K == 0)
        return;
    if (N == 0) {
        memset(dw, 0, O * K * sizeof *dw);
        return;
    }
    if (kn_winograd_pays(win, O)) {
        kn_winograd_backward_w(c.cpu, dw, dy, x, win, N, O);
        return;
    }
    c.gathered = win->KW * win->C < c.cpu->simd->panel;
    c.copied = win->pad > 0 || c.gathered || win->C % lanes; /* so that reading past an end is reading a copy's */
    cut_units(&c, true);
    c.slice = kn_min(O, kn_ceil_div(kn_ceil_div(SLICE, K), LINE) * LINE);
    c.cuts = kn_min(c.units, kn_ceil_div(TASKS, kn_ceil_div(O, c.slice)));
    if (!plan(&c, true, 0, (c.cuts - 1) * O * K))
        return;
    kn_parallel(c.cpu->pool, c.cuts * kn_ceil_div(O, c.slice), backward_w_task, &c);
    if (c.cuts > 1)
        kn_parallel(c.cpu->pool, kn_ceil_div(O * K, KN_BLOCK), add_cuts_task, &c);
}

void kn_cpu_conv(kn_backend *be)
{
    be->conv_forward = conv_forward;
    be->conv_backward_x = conv_backward_x;
    be->conv_backward_w = conv_backward_w;
}
