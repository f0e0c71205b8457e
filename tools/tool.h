/* tools/tool: what every command shares: options as a table, errors, talk on
 * stderr, output that is checked and atomic, signals.
 *
 * A tool is: a table of options, tool_start, library calls, tool_finish. Parse,
 * usage, ranges and defaults all come from the rows of the one table. */
#ifndef TOOL_H
#define TOOL_H

#include "kernels/backend.h"

typedef enum {
    OPT_FLAG,   /* bool *      --name                                    */
    OPT_INT,    /* int64_t *   --name N       whole number in [lo, hi]   */
    OPT_REAL,   /* double *    --name X       number in [lo, hi]         */
    OPT_TEXT,   /* const char **  --name TEXT                            */
    OPT_CHOICE  /* const char **  --name WORD, one of help's `a|b|c` list in choices */
} tool_kind;

typedef struct tool_option {
    const char *name;    /* long name without dashes; "" with a title in help starts a group */
    char letter;         /* short name or 0 */
    tool_kind kind;
    void *target;        /* holds the default before parsing; shown in the usage */
    const char *meta;    /* "FILE", "N", ... ; for OPT_CHOICE the list "a|b|c" */
    double lo, hi;       /* for numbers */
    const char *help;
} tool_option;

/* Which of the common options a tool has (the rest are errors in it). */
enum { TOOL_OUT = 1, TOOL_THREADS = 2, TOOL_SEED = 4, TOOL_DEVICE = 8, TOOL_JSON = 16, TOOL_PAIRS = 32 /* --columns --skip-bad */ };

typedef struct tool {
    const char *name;          /* "siam-train" */
    const char *synopsis;      /* after the name in the usage line */
    const char *purpose;       /* one or two sentences */
    int common;                /* TOOL_... */
    const tool_option *options; /* ends with a row whose name is NULL */
    int min_operands, max_operands; /* max -1: any number */
} tool;

/* Values of the common options. */
extern struct tool_common {
    const char *out;           /* -o; NULL is stdout */
    int64_t threads, seed;
    const char *device;
    bool quiet, json, skip_bad;
    const char *columns;
} tool_common;

/* Parses (long and short, --name=value, -- ends), handles --help and --version
 * (stdout, exit 0), wrong usage (exit 2), installs the signal handlers. Returns
 * the operands, *n of them. Options may stand after operands. */
char **tool_start(const tool *t, int argc, char **argv, int *n);
bool tool_given(const char *option); /* was --option on the command line? */

/* Prints "NAME: sentence" and exits: 1 (the work failed) or 2 (wrong usage). */
_Noreturn void tool_die(const kn_error *err);
_Noreturn void tool_dief(const char *fmt, ...) KN_PRINTF(1, 2);
_Noreturn void tool_usage(const char *fmt, ...) KN_PRINTF(1, 2);
/* "NAME: file: sentence", exit 1. */
_Noreturn void tool_die_at(const char *file, const kn_error *err);

/* kn_alloc that dies when memory is out. */
void *tool_alloc(size_t count, size_t size) KN_MUST_CHECK;

/* Talk: one line on stderr unless --quiet. */
void tool_say(const char *fmt, ...) KN_PRINTF(1, 2);
void tool_warn(const char *fmt, ...) KN_PRINTF(1, 2); /* also when quiet */

/* Progress of a loop: on a terminal a bar with rate and ETA, redrawn ten times a
 * second; elsewhere a line every five seconds. total 0: unknown. */
void tool_progress(const char *what, double done, double total, const char *unit);
void tool_progress_end(void);

/* Shared resources by the common options; they die on failure. */
kn_pool *tool_pool(void);
kn_backend *tool_backend(void);

/* Output: stdout, or the -o file, saved atomically. Every write is checked; a
 * closed pipe or a full disk is exit 1 with a message. `data` of tool_write is
 * buffered. tool_finish flushes, commits, and returns the exit code 0. */
void tool_write(const void *p, size_t n);
void tool_printf(const char *fmt, ...) KN_PRINTF(1, 2);
int tool_finish(void);
/* Set by SIGINT and SIGTERM when a tool asked to stop by itself (a trainer
 * with a checkpoint); otherwise a signal removes temporary files and ends. */
void tool_stop_gently(void);
bool tool_stopped(void);

#endif
