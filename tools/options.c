/* Options as a table: parsing, ranges, defaults and usage from the same rows. */
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"
#include "tools/tool_private.h"

struct tool_common tool_common = {.seed = 1, .device = "auto"};

static const tool *tool_now;
const char *tool_name = "siam";

enum { MAX_GIVEN = 256 };
static const char *given[MAX_GIVEN];
static int givens;

/* Every tool takes the options of EVERYWHERE, so that a script may give all stages
 * the same ones; its help lists those that change what it does. */
enum { EVERYWHERE = TOOL_THREADS | TOOL_SEED | TOOL_DEVICE };

static const struct {
    int bit; /* 0: every tool has it */
    tool_option option;
} common_rows[] = {
    {TOOL_OUT, {"output", 'o', OPT_TEXT, &tool_common.out, "FILE", 0, 0, "write there, replaced whole or not at all"}},
    {TOOL_PAIRS, {"columns", 0, OPT_TEXT, &tool_common.columns, "MAP", 0, 0, "names of columns: question1=a,question2=b,is_duplicate=c"}},
    {TOOL_PAIRS, {"skip-bad", 0, OPT_FLAG, &tool_common.skip_bad, NULL, 0, 0, "reject malformed rows, count them, go on"}},
    {TOOL_THREADS, {"threads", 't', OPT_INT, &tool_common.threads, "N", 1, 256, "threads; the result does not depend on it"}},
    {TOOL_SEED, {"seed", 0, OPT_INT, &tool_common.seed, "N", 0, 9007199254740992.0, "same seed, same bytes"}},
    {TOOL_DEVICE, {"device", 0, OPT_CHOICE, &tool_common.device, "auto|cpu|cuda", 0, 0, "where to compute (SIAM_TF32=1: faster products on a GPU, 10 bits each)"}},
    {TOOL_JSON, {"json", 0, OPT_FLAG, &tool_common.json, NULL, 0, 0, "report as JSON"}},
    {0, {"quiet", 'q', OPT_FLAG, &tool_common.quiet, NULL, 0, 0, "no talk on stderr but errors and warnings"}},
};
enum { COMMON_ROWS = sizeof common_rows / sizeof *common_rows };

/* ---- usage ---------------------------------------------------------------- */

static void print_default(const tool_option *o)
{
    switch (o->kind) {
    case OPT_INT: printf(" [%lld]", (long long)*(const int64_t *)o->target); break;
    case OPT_REAL: printf(" [%g]", *(const double *)o->target); break;
    case OPT_TEXT:
    case OPT_CHOICE:
        if (*(const char *const *)o->target)
            printf(" [%s]", *(const char *const *)o->target);
        break;
    case OPT_FLAG: break;
    }
}

static void print_option(const tool_option *o)
{
    char left[128];
    if (!*o->name) {
        printf("\n%s\n", o->help);
        return;
    }
    snprintf(left, sizeof left, "  %c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
             o->letter ? ", " : "  ", o->name, o->meta ? " " : "", o->meta ? o->meta : "");
    printf("%-32s%s%s", left, strlen(left) > 31 ? "\n                                " : "", o->help);
    print_default(o);
    putchar('\n');
}

static _Noreturn void print_help(void)
{
    printf("usage: %s %s\n\n%s\n", tool_now->name, tool_now->synopsis, tool_now->purpose);
    if (tool_now->options && tool_now->options->name && *tool_now->options->name)
        printf("\nOptions\n");
    for (const tool_option *o = tool_now->options; o && o->name; o++)
        print_option(o);
    printf("\nCommon options\n");
    for (int i = 0; i < COMMON_ROWS; i++)
        if (!common_rows[i].bit || tool_now->common & common_rows[i].bit)
            print_option(&common_rows[i].option);
    printf("  -h, --help                    this text\n      --version                 version and what runs here\n");
    exit(fflush(stdout) ? 1 : 0);
}

static _Noreturn void print_version(void)
{
    printf("%s %s\n", tool_now->name, SIAM_VERSION);
    printf("BLAS: %s\n", kn_blas_describe());
    exit(fflush(stdout) ? 1 : 0);
}

/* ---- parsing ---------------------------------------------------------------- */

static const tool_option *find_option(kn_str name, char letter)
{
    for (const tool_option *o = tool_now->options; o && o->name; o++)
        if (*o->name && (letter ? o->letter == letter : kn_str_eq(kn_str_c(o->name), name)))
            return o;
    for (int i = 0; i < COMMON_ROWS; i++) {
        const tool_option *o = &common_rows[i].option;
        if ((!common_rows[i].bit || (tool_now->common | EVERYWHERE) & common_rows[i].bit) &&
            (letter ? o->letter == letter : kn_str_eq(kn_str_c(o->name), name)))
            return o;
    }
    return NULL;
}

static bool is_choice(const char *list, const char *value)
{
    for (const char *p = list; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (kn_str_eq((kn_str){p, strcspn(p, "|")}, kn_str_c(value)))
            return true;
    return false;
}

static void set_value(const tool_option *o, const char *value)
{
    switch (o->kind) {
    case OPT_FLAG: *(bool *)o->target = true; break;
    case OPT_INT:
        if (kn_parse_i64(o->target, kn_str_c(value), (int64_t)o->lo, (int64_t)o->hi))
            tool_usage("--%s takes a whole number from %.0f to %.0f, not \"%s\"", o->name, o->lo, o->hi, value);
        break;
    case OPT_REAL:
        if (kn_parse_f64(o->target, kn_str_c(value), o->lo, o->hi))
            tool_usage("--%s takes a number from %g to %g, not \"%s\"", o->name, o->lo, o->hi, value);
        break;
    case OPT_CHOICE:
        if (!is_choice(o->meta, value))
            tool_usage("--%s takes one of %s, not \"%s\"", o->name, o->meta, value);
        *(const char **)o->target = value;
        break;
    case OPT_TEXT: *(const char **)o->target = value; break;
    }
    if (givens < MAX_GIVEN)
        given[givens++] = o->name;
}

/* --name, --name=value, --name value. Returns how many further words it took. */
static int parse_long(const char *word, const char *next)
{
    const char *eq = strchr(word, '=');
    kn_str name = {word, eq ? (size_t)(eq - word) : strlen(word)};
    if (kn_str_eq(name, kn_str_c("help")) && !eq)
        print_help();
    if (kn_str_eq(name, kn_str_c("version")) && !eq)
        print_version();
    const tool_option *o = find_option(name, 0);
    if (!o)
        tool_usage("unknown option --%.*s", (int)name.n, name.p);
    if (o->kind == OPT_FLAG) {
        if (eq)
            tool_usage("--%s takes no value", o->name);
        set_value(o, NULL);
        return 0;
    }
    if (!eq && !next)
        tool_usage("--%s needs a value (%s)", o->name, o->meta);
    set_value(o, eq ? eq + 1 : next);
    return !eq;
}

/* -q, -k 10, -k10, and flags joined: -qh. */
static int parse_short(const char *letters, const char *next)
{
    for (; *letters; letters++) {
        if (*letters == 'h')
            print_help();
        const tool_option *o = find_option((kn_str){0}, *letters);
        if (!o)
            tool_usage("unknown option -%c", *letters);
        if (o->kind == OPT_FLAG) {
            set_value(o, NULL);
            continue;
        }
        if (!letters[1] && !next)
            tool_usage("-%c needs a value (%s)", *letters, o->meta);
        set_value(o, letters[1] ? letters + 1 : next);
        return !letters[1];
    }
    return 0;
}

bool tool_given(const char *option)
{
    for (int i = 0; i < givens; i++)
        if (!strcmp(given[i], option))
            return true;
    return false;
}

/* --columns NAME=COLUMN,...: what is misspelt here is wrong usage, whatever the
 * file holds. */
static void check_columns(const char *map)
{
    static const char *const names = "question|question1|question2|is_duplicate|qid1|qid2";
    for (; map; map = strchr(map, ',') ? strchr(map, ',') + 1 : NULL) {
        size_t n = strcspn(map, "=,");
        char name[32];
        snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : 0, map);
        if (map[n] != '=' || !is_choice(names, name))
            tool_usage("--columns takes NAME=COLUMN,... with NAME one of %s, not \"%s\"", names, map);
    }
}

char **tool_start(const tool *t, int argc, char **argv, int *n)
{
    bool only_operands = false;
    int kept = 0;
    tool_now = t;
    tool_name = t->name;
    tool_common.threads = kn_cores();
    tool_catch_signals();
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (only_operands || argv[i][0] != '-' || !argv[i][1])
            argv[kept++] = argv[i]; /* argv[0] is free: the name is in the table */
        else if (!strcmp(argv[i], "--"))
            only_operands = true;
        else if (argv[i][1] == '-')
            i += parse_long(argv[i] + 2, next);
        else
            i += parse_short(argv[i] + 1, next);
    }
    check_columns(tool_common.columns);
    if (kept < t->min_operands || (t->max_operands >= 0 && kept > t->max_operands))
        tool_usage(kept < t->min_operands ? "a file is missing: %s %s" : "too many operands: %s %s", t->name, t->synopsis);
    *n = kept;
    return argv;
}
