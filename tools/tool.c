/* What every command does around its work: errors, talk, output, signals. */
#include "tools/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool_private.h"

static kn_save *out_file; /* open while -o FILE is being written */

/* ---- errors ------------------------------------------------------------------ */

static _Noreturn void leave(int code)
{
    tool_progress_end();
    kn_save_cleanup();
    exit(code);
}

/* Sentences quote names out of files: a control character there must not reach
 * the terminal, where it could move the cursor or worse. */
static void print_sentence(const char *kind, const char *fmt, va_list ap)
{
    char text[sizeof(kn_error) + 256];
    vsnprintf(text, sizeof text, fmt, ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = '?';
    tool_progress_end();
    fprintf(stderr, "%s: %s%s\n", tool_name, kind, text);
}

void tool_die(const kn_error *err)
{
    tool_dief("%s", err->text);
}

void tool_die_at(const char *file, const kn_error *err)
{
    tool_dief("%s: %s", strcmp(file, "-") ? file : "<stdin>", err->text);
}

void tool_dief(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_sentence("", fmt, ap);
    va_end(ap);
    leave(1);
}

void tool_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_sentence("", fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try %s --help\n", tool_name);
    leave(2);
}

void tool_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_sentence("warning: ", fmt, ap);
    va_end(ap);
}

void *tool_alloc(size_t count, size_t size)
{
    kn_error err;
    void *p = kn_alloc(count, size, &err);
    if (!p)
        tool_die(&err);
    return p;
}

void tool_say(const char *fmt, ...)
{
    if (tool_common.quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    print_sentence("", fmt, ap);
    va_end(ap);
}

/* ---- signals ------------------------------------------------------------------- */

static volatile sig_atomic_t gentle, stopped;

static void on_signal(int number)
{
    if (gentle && !stopped) {
        stopped = 1; /* the second one ends it */
        return;
    }
    kn_save_cleanup();
    signal(number, SIG_DFL); /* end as a process ended by this signal does */
    raise(number);
}

void tool_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, was;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!sigaction(numbers[i], NULL, &was) && was.sa_handler != SIG_IGN) /* nohup and `&` mean it */
            sigaction(numbers[i], &a, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write: said, exit 1 */
    signal(SIGXFSZ, SIG_IGN);
}

void tool_stop_gently(void)
{
    gentle = 1;
}

bool tool_stopped(void)
{
    return stopped;
}

/* ---- shared resources --------------------------------------------------------------- */

kn_pool *tool_pool(void)
{
    static kn_pool *pool;
    kn_error err;
    if (!pool && !(pool = kn_pool_new((int)tool_common.threads, &err)))
        tool_die(&err);
    return pool;
}

kn_backend *tool_backend(void)
{
    static kn_backend *be;
    kn_error err;
    if (!be && !(be = kn_backend_open(tool_common.device, tool_pool(), &err)))
        tool_die(&err);
    return be;
}

/* ---- output ---------------------------------------------------------------------------- */

static bool to_file(void)
{
    return tool_common.out && strcmp(tool_common.out, "-");
}

void tool_write(const void *p, size_t n)
{
    kn_error err;
    if (to_file()) {
        if (!out_file && !(out_file = kn_save_open(tool_common.out, &err)))
            tool_die(&err);
        if (kn_save_write(out_file, p, n, &err))
            tool_die(&err);
    } else if (n && fwrite(p, 1, n, stdout) != n) {
        tool_dief("<stdout>: cannot be written: %s", strerror(errno));
    }
}

void tool_printf(const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof text) {
        tool_write(text, (size_t)n);
        return;
    }
    char *longer = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!longer)
        tool_dief("out of memory while printing");
    va_start(ap, fmt);
    vsnprintf(longer, (size_t)n + 1, fmt, ap);
    va_end(ap);
    tool_write(longer, (size_t)n);
    free(longer);
}

int tool_finish(void)
{
    kn_error err;
    tool_progress_end();
    if (to_file()) {
        tool_write("", 0); /* an empty result is a file too */
        if (kn_save_commit(out_file, &err))
            tool_die(&err);
        out_file = NULL;
    }
    if (fflush(stdout) || ferror(stdout))
        tool_dief("<stdout>: cannot be written: %s", strerror(errno));
    if (fclose(stdout) && errno != EBADF)
        tool_dief("<stdout>: cannot be closed: %s", strerror(errno));
    return 0;
}
