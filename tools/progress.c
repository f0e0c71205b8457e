/* Progress on stderr: a bar on a terminal, else a line every five seconds. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"
#include "tools/tool_private.h"

static struct {
    char what[64];
    double start, shown;
    double base; /* done at the start: a resumed run, or a bar that a message broke off */
    bool drawn; /* a bar stands on the current line */
} now;

static void format_left(char *out, size_t n, double seconds)
{
    if (!(seconds >= 0 && seconds < 1e6)) /* eleven days: nothing is known yet */
        *out = '\0';
    else if (seconds >= 3600)
        snprintf(out, n, "%dh%02dm left", (int)seconds / 3600, (int)seconds / 60 % 60);
    else if (seconds >= 60)
        snprintf(out, n, "%dm%02ds left", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(out, n, "%.0fs left", seconds);
}

static void draw_bar(double done, double total, double rate, const char *unit, const char *left)
{
    enum { WIDTH = 24 };
    const char *no_colour = getenv("NO_COLOR");
    bool colour = !no_colour || !*no_colour; /* no-color.org */
    int full = total > 0 ? (int)(WIDTH * done / total) : 0;
    fprintf(stderr, "\r\033[K%s ", now.what);
    if (total > 0) {
        fputs(colour ? "\033[36m" : "", stderr);
        for (int i = 0; i < WIDTH; i++)
            fputs(i < full ? "#" : ".", stderr);
        fprintf(stderr, "%s %3.0f%% ", colour ? "\033[0m" : "", 100 * done / total);
    }
    fprintf(stderr, "%.0f %s, %.0f/s %s", done, unit, rate, left);
    fflush(stderr);
    now.drawn = true;
}

void tool_progress(const char *what, double done, double total, const char *unit)
{
    static int tty = -1;
    if (tool_common.quiet)
        return;
    if (tty < 0)
        tty = isatty(STDERR_FILENO);
    double t = kn_seconds();
    if (strncmp(now.what, what, sizeof now.what - 1)) {
        tool_progress_end();
        snprintf(now.what, sizeof now.what, "%s", what);
        now.start = now.shown = t;
        now.base = done;
    }
    if (t - now.shown < (tty ? 0.1 : 5.0))
        return;
    now.shown = t;
    char left[32] = "";
    double rate = t > now.start ? (done - now.base) / (t - now.start) : 0;
    if (total > 0 && rate > 0)
        format_left(left, sizeof left, (total - done) / rate);
    if (tty)
        draw_bar(done, total, rate, unit, left);
    else
        fprintf(stderr, "%s: %s: %.0f %s, %.0f/s %s\n", tool_name, now.what, done, unit, rate, left);
}

void tool_progress_end(void)
{
    if (now.drawn)
        fputs("\r\033[K", stderr);
    now.drawn = false;
    now.what[0] = '\0';
}
