/* siam-index: a list of questions -> an index that siam-query searches. */
#include <string.h>

#include "tools/coder.h"
#include "tools/questions.h"
#include "tools/tool.h"

static const char *model_path;

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-train; the index carries it"},
    {0}};

static const tool index_tool = {"siam-index", "-m MODEL -o INDEX [QUESTIONS]",
    "Makes an index of the distinct questions of a list. QUESTIONS (without it stdin) is a CSV whose header has\n"
    "a column `question`, or `question1` and `question2`; anything else is plain text, a question a line.\n"
    "Empty questions are left out.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_DEVICE, options, 0, 1};

enum { BATCH = 4096 };

/* z[n, E] of all questions; returns how many have no known word. */
static size_t encode(float *z, const kn_str *question, size_t n, coder *c, sm_encoder *e)
{
    kn_error err;
    size_t unknown = 0;
    static uint32_t known[BATCH];
    float *x = kn_alloc(BATCH * coder_dim(c), sizeof *x, &err);
    if (!x)
        tool_die(&err);
    for (size_t at = 0; at < n; at += BATCH) {
        size_t rows = n - at < BATCH ? n - at : BATCH;
        coder_embed(c, x, known, question + at, rows);
        for (size_t i = 0; i < rows; i++)
            unknown += known[i] == 0;
        if (sm_encode(e, z + at * sm_encoder_width(e), x, rows, &err))
            tool_die_at(model_path, &err);
        tool_progress("questions", (double)(at + rows), (double)n, "questions");
    }
    tool_progress_end();
    kn_free(x);
    return unknown;
}

static void build(const sm_model *m, const tok_vocab *list)
{
    kn_error err;
    size_t n = tok_vocab_size(list), floats;
    coder *c = coder_open(m, model_path);
    sm_encoder *e = sm_encoder_new(m, tool_backend(), &err);
    kn_str *question = e ? kn_alloc(n, sizeof *question, &err) : NULL;
    if (!question)
        tool_die(&err);
    if (kn_mul(&floats, n, sm_encoder_width(e)))
        tool_dief("%zu questions are more than memory can address", n);
    float *z = kn_alloc(floats, sizeof *z, &err);
    if (!z)
        tool_die(&err);
    for (size_t i = 0; i < n; i++)
        question[i] = tok_vocab_word(list, (uint32_t)i);
    size_t unknown = encode(z, question, n, c, e);
    if (unknown)
        tool_warn("%zu questions have no word that the model knows: it cannot tell them apart", unknown);
    if (sm_index_save(tool_common.out, m, z, question, n, &err))
        tool_die(&err);
    kn_free(z);
    kn_free(question);
    sm_encoder_free(e);
    coder_close(c);
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    char **operand = tool_start(&index_tool, argc, argv, &n);
    const char *path = n ? operand[0] : "-";
    if (!model_path || !tool_common.out || !strcmp(tool_common.out, "-"))
        tool_usage("-m MODEL and -o INDEX are needed: an index cannot go to a pipe");
    sm_model *m = sm_model_open(model_path, &err);
    if (!m)
        tool_die_at(model_path, &err);
    question_list l = question_list_read(path);
    if (tok_vocab_size(l.distinct) == 0)
        tool_dief("%s: no questions", path);
    build(m, l.distinct);
    tool_say("%s: %u questions from %s (%llu read, %llu repeated, %llu empty; %llu rows rejected)", tool_common.out,
             tok_vocab_size(l.distinct), l.form, (unsigned long long)l.read, (unsigned long long)l.repeated,
             (unsigned long long)l.empty, (unsigned long long)l.rejected);
    question_list_free(&l);
    sm_model_free(m);
    return 0;
}
