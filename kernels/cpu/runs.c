/* The windows of a pool, cut into runs that have the same pixels. */
#include "kernels/cpu/cpu.h"

/* Which taps of window row p are inside an image of height H; of columns alike. */
static kn_range inside(const kn_window *win, size_t p, size_t taps, size_t H)
{
    size_t h = p * win->stride, end = H + win->pad;
    return (kn_range){h < win->pad ? kn_ceil_div(win->pad - h, win->dilation) : 0,
                      h < end ? kn_min(taps, kn_ceil_div(end - h, win->dilation)) : 0};
}

static size_t list_taps(const kn_window *win, size_t p, size_t q, kn_range rows, kn_range columns, size_t *at)
{
    size_t n = 0;
    for (size_t i = rows.from; i < rows.to; i++)
        for (size_t j = columns.from; j < columns.to; j++)
            at[n++] = ((p * win->stride + i * win->dilation - win->pad) * win->W + q * win->stride +
                       j * win->dilation - win->pad) * win->C;
    return n;
}

void kn_each_run(const kn_window *win, size_t image, kn_range windows, size_t *at, kn_run_task fn, void *arg)
{
    kn_run r = {.pixel = image * win->H * win->W * win->C, .at = at};
    for (size_t p = windows.from; p < windows.to; p++) {
        kn_range rows = inside(win, p, win->KH, win->H);
        for (size_t q = 0; q < win->Q; q += r.n) {
            kn_range columns = inside(win, q, win->KW, win->W), next = columns;
            for (r.n = 1; q + r.n < win->Q; r.n++) {
                next = inside(win, q + r.n, win->KW, win->W);
                if (next.from != columns.from || next.to != columns.to)
                    break;
            }
            r.window = ((image * win->P + p) * win->Q + q) * win->C;
            r.taps = list_taps(win, p, q, rows, columns, at);
            fn(arg, &r);
        }
    }
}

bool kn_windows_adjoin(const kn_window *win)
{
    return win->pad == 0 && win->dilation == 1 && (win->P == 1 || win->KH == win->stride) &&
           (win->Q == 1 || win->KW == win->stride);
}
