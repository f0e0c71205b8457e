/* siam-query: has this been asked before? */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tools/coder.h"
#include "tools/json.h"
#include "tools/tool.h"

static const char *path;
static int64_t most = 10;
static double at_least;

static const tool_option options[] = {
    {"most", 'k', OPT_INT, &most, "N", 1, 1000000, "answers to a question"},
    {"min-probability", 0, OPT_REAL, &at_least, "P", 0, 1, "leave out what is less likely a duplicate"},
    {0}};

static const tool query = {"siam-query", "INDEX [QUESTION ...]",
    "Prints the questions of an index nearest to each QUESTION: a line `distance TAB probability TAB question`,\n"
    "nearest first. Without QUESTION it reads one a line from stdin and answers each at once. To several\n"
    "questions each answer starts with a line `# QUESTION` and ends with an empty line. --json: one line of\n"
    "JSON a question.",
    TOOL_OUT | TOOL_THREADS | TOOL_DEVICE | TOOL_JSON, options, 1, -1};

typedef struct session {
    sm_index *index;
    coder *coder;
    sm_search *search;
    float *x, *dist;
    uint32_t *row;
    bool several;
} session;

/* Line breaks and tabs inside a question would break the line it stands on. */
static void print_text(kn_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool control = (unsigned char)s.p[i] < ' ';
        tool_write(control ? " " : s.p + i, 1);
    }
    tool_write("\n", 1);
}

static void print_lines(const session *s, kn_str question, size_t answers)
{
    if (s->several) {
        tool_write("# ", 2);
        print_text(question);
    }
    for (size_t i = 0; i < answers; i++) {
        double p = sm_model_probability(sm_index_model(s->index), (double)s->dist[i]);
        tool_printf("%.6f\t", (double)s->dist[i]);
        tool_printf(isnan(p) ? "\t" : "%.4f\t", p);
        print_text(sm_index_text(s->index, s->row[i]));
    }
    if (s->several)
        tool_write("\n", 1);
}

static void print_json(const session *s, kn_str question, uint32_t known, size_t answers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < answers; i++) {
        double p = sm_model_probability(sm_index_model(s->index), (double)s->dist[i]);
        json_array_append_new(list, json_pack("{sf so so}", "distance", (double)s->dist[i], "probability",
                                              isnan(p) ? json_null() : json_real(p), "question",
                                              json_text(sm_index_text(s->index, s->row[i]))));
    }
    json_print(json_pack("{so si so}", "query", json_text(question), "known_words", (int)known, "results", list));
}

static void answer(session *s, kn_str question)
{
    kn_error err;
    uint32_t known;
    coder_embed(s->coder, s->x, &known, &question, 1);
    if (!known)
        tool_warn("no word of \"%.*s\" is known to the model: what follows are questions of the same kind",
                  (int)(question.n < 80 ? question.n : 80), question.p);
    ptrdiff_t n = sm_search_nearest(s->search, s->dist, s->row, s->x, &err);
    if (n < 0)
        tool_die_at(path, &err);
    size_t answers = 0; /* probability falls with distance: what is too far is the end of the list */
    while (answers < (size_t)n && !(sm_model_probability(sm_index_model(s->index), (double)s->dist[answers]) < at_least))
        answers++;
    if (tool_common.json)
        print_json(s, question, known, answers);
    else
        print_lines(s, question, answers);
    if (fflush(stdout)) /* whoever asks over a pipe waits for this answer */
        tool_dief("<stdout>: cannot be written: %s", strerror(errno));
}

static void answer_stdin(session *s)
{
    kn_error err;
    kn_str line;
    int got;
    ds_stream *in = ds_open("-", &err);
    ds_lines *lines = in ? ds_lines_new(in, &err) : NULL;
    if (!lines)
        tool_die_at("-", &err);
    while ((got = ds_line(lines, &line, NULL, &err)) > 0)
        answer(s, line);
    if (got < 0)
        tool_die_at("-", &err);
    ds_lines_free(lines);
    ds_close(in);
}

static void open_session(session *s)
{
    kn_error err;
    s->index = sm_index_open(path, &err);
    if (!s->index)
        tool_die_at(path, &err);
    if (tool_given("min-probability") && !sm_index_model(s->index)->calibrated)
        tool_dief("%s: its model is not calibrated: there are no probabilities for --min-probability", path);
    s->coder = coder_open(sm_index_model(s->index), path);
    if (!(s->search = sm_search_new(s->index, tool_backend(), (size_t)most, &err)))
        tool_die_at(path, &err);
    s->x = kn_alloc(coder_dim(s->coder), sizeof *s->x, &err);
    s->dist = kn_alloc((size_t)most, sizeof *s->dist, &err);
    s->row = kn_alloc((size_t)most, sizeof *s->row, &err);
    if (!s->x || !s->dist || !s->row)
        tool_die(&err);
}

int main(int argc, char **argv)
{
    int n;
    char **operand = tool_start(&query, argc, argv, &n);
    session s = {.several = n != 2};
    path = operand[0];
    open_session(&s);
    for (int i = 1; i < n; i++)
        answer(&s, kn_str_c(operand[i]));
    if (n == 1)
        answer_stdin(&s);
    kn_free(s.x);
    kn_free(s.dist);
    kn_free(s.row);
    sm_search_free(s.search);
    coder_close(s.coder);
    sm_index_close(s.index);
    return tool_finish();
}
