/* A stream seen through a sliding window, and cut into lines. */
#include <string.h>

#include "data/window.h"

/* ---- the window ------------------------------------------------------------ */

enum { FIRST_WINDOW = 1 << 16 };

int ds_window_open(ds_window *w, ds_stream *s, kn_error *err)
{
    *w = (ds_window){.stream = s};
    return kn_grow(&w->p, &w->cap, FIRST_WINDOW, 1, err);
}

int ds_window_fill(ds_window *w, kn_error *err)
{
    if (w->end == w->cap) {
        /* Moving at most half of the window for every half consumed, and else
         * growing, keeps the cost a byte constant for rows of any length. */
        if (w->start >= w->cap / 2) {
            memmove(w->p, w->p + w->start, w->end - w->start);
            w->end -= w->start;
            w->start = 0;
        } else if (kn_grow(&w->p, &w->cap, 2 * w->cap, 1, err)) {
            return -1;
        }
    }
    ptrdiff_t n = ds_read(w->stream, w->p + w->end, w->cap - w->end, err);
    if (n <= 0)
        return (int)n;
    w->end += (size_t)n;
    return 1;
}

void ds_window_drop(ds_window *w, size_t n)
{
    w->start += n;
    w->offset += n;
    if (w->start == w->end)
        w->start = w->end = 0;
}

/* ---- lines ------------------------------------------------------------------ */

struct ds_lines {
    ds_window w;
    size_t done; /* bytes of the last line, dropped by the next call */
    uint64_t number;
};

ds_lines *ds_lines_new(ds_stream *s, kn_error *err)
{
    ds_lines *l = kn_alloc(1, sizeof *l, err);
    if (l && ds_window_open(&l->w, s, err)) {
        kn_free(l);
        l = NULL;
    }
    return l;
}

int ds_line(ds_lines *l, kn_str *line, bool *ended, kn_error *err)
{
    const char *newline = NULL;
    size_t length = 0; /* bytes of the line seen so far, without a newline */
    ds_window_drop(&l->w, l->done);
    l->done = 0;
    for (int more = 1; !newline && more;) {
        size_t n = l->w.end - l->w.start;
        char *p = l->w.p + l->w.start;
        newline = memchr(p + length, '\n', n - length);
        length = newline ? (size_t)(newline - p) : n;
        if (length > DS_MAX_ROW)
            return kn_fail(err, "line %llu, byte %llu: longer than %d MiB: is this a text file?",
                           (unsigned long long)l->number + 1, (unsigned long long)l->w.offset, DS_MAX_ROW >> 20);
        if (!newline && (more = ds_window_fill(&l->w, err)) < 0)
            return -1;
    }
    if (ended)
        *ended = newline != NULL;
    if (!newline && !length)
        return 0;
    l->done = length + (newline != NULL);
    l->number++;
    *line = (kn_str){l->w.p + l->w.start, length - (newline && length && newline[-1] == '\r')};
    return 1;
}

uint64_t ds_line_number(const ds_lines *l)
{
    return l->number;
}

void ds_lines_free(ds_lines *l)
{
    if (!l)
        return;
    kn_free(l->w.p);
    kn_free(l);
}
