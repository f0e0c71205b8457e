/* siam-vectors: word vectors in, a store that opens at once out. */
#include <string.h>

#include "tools/json.h"
#include "tools/tool.h"
#include "tools/wanted.h"

static const char *keep_path, *dtype = "f32", *nearest;
static int64_t limit, neighbours = 10;
static bool info;

static const tool_option options[] = {
    {"keep-words-from", 0, OPT_TEXT, &keep_path, "CSV", 0, 0, "only words of these question pairs; tells the coverage"},
    {"limit", 0, OPT_INT, &limit, "N", 0, 1e15, "only the first N rows, in most files the most frequent words; 0: all"},
    {"dtype", 0, OPT_CHOICE, &dtype, "f32|f16|i8", 0, 0, "numbers in the store: 4, 2 or 1 bytes (i8: scaled row by row)"},
    {"", 0, OPT_FLAG, NULL, NULL, 0, 0, "Looking into a store"},
    {"nearest", 0, OPT_TEXT, &nearest, "WORD", 0, 0, "the words nearest to WORD by cosine"},
    {"neighbours", 'k', OPT_INT, &neighbours, "N", 1, 1e6, "how many of them"},
    {"info", 0, OPT_FLAG, &info, NULL, 0, 0, "words, width and type"},
    {0}};

static const tool vectors = {"siam-vectors", "SOURCE -o STORE | STORE --nearest WORD | STORE --info",
    "Reads word vectors (GloVe text, word2vec text or binary, fastText .vec, .npy with its words a line each in\n"
    ".words or .txt beside it, or a store) and saves them as a store. SOURCE is a file, gzip, zip or - for stdin.",
    TOOL_OUT | TOOL_PAIRS | TOOL_THREADS | TOOL_JSON, options, 1, 1};

static emb_store *open_store(const char *path)
{
    kn_error err;
    emb_store *e = emb_open(path, &err);
    if (!e)
        tool_die_at(path, &err);
    return e;
}

/* ---- import ------------------------------------------------------------------- */

static void show_rows(void *arg, uint64_t rows, uint64_t done, uint64_t total)
{
    (void)arg;
    tool_progress("reading", (double)rows, done ? (double)rows * (double)total / (double)done : 0, "vectors");
}

static void report_import(const emb_import_report *r, const wanted_coverage *c)
{
    tool_say("%s: %llu rows of %zu numbers read = %llu kept + %llu repeated + %llu not wanted + %llu rejected", r->kind,
             (unsigned long long)r->lines, r->dim, (unsigned long long)r->kept, (unsigned long long)r->duplicates,
             (unsigned long long)r->not_wanted, (unsigned long long)r->rejected);
    if (r->rejected)
        tool_warn("the first rejected: %s", r->first_rejection);
    if (c)
        wanted_say(c, keep_path);
    if (!tool_common.json)
        return;
    json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "kind", r->kind, "dim", (json_int_t)r->dim, "rows",
                          (json_int_t)r->lines, "kept", (json_int_t)r->kept, "repeated", (json_int_t)r->duplicates,
                          "not_wanted", (json_int_t)r->not_wanted, "rejected", (json_int_t)r->rejected);
    if (c)
        json_object_set_new(j, "coverage", wanted_json(c));
    json_print(j);
}

static void import(const char *source)
{
    kn_error err;
    emb_import_report r;
    wanted_words keep = {0};
    wanted_coverage c;
    emb_import_options o = {.limit = (uint64_t)limit, .skip_bad = tool_common.skip_bad, .progress = show_rows};
    o.dtype = !strcmp(dtype, "f32") ? DS_F32 : !strcmp(dtype, "f16") ? DS_F16 : DS_I8;
    if (keep_path) {
        keep = wanted_read(keep_path);
        o.keep = keep.words;
    }
    if (emb_import(source, tool_common.out, &o, tool_pool(), &r, &err))
        tool_die(&err);
    tool_progress_end();
    if (keep_path) {
        emb_store *e = open_store(tool_common.out);
        c = wanted_measure(&keep, e);
        emb_close(e);
        wanted_free(&keep);
    }
    tool_common.out = NULL; /* saved by now: the report goes to stdout */
    report_import(&r, keep_path ? &c : NULL);
}

/* ---- looking ---------------------------------------------------------------------- */

static void show_nearest(const emb_store *e, const char *path)
{
    kn_error err;
    uint32_t row = emb_find(e, kn_str_c(nearest)), count = emb_count(e);
    if (row == TOK_NONE)
        tool_dief("%s: \"%s\" is not among its %u words", path, nearest, count);
    uint32_t k = neighbours < (int64_t)count ? (uint32_t)neighbours + 1 : count; /* the word itself is one */
    uint32_t *rows = kn_alloc(k, sizeof *rows, &err);
    float *similarity = rows ? kn_alloc(k, sizeof *similarity, &err) : NULL;
    float *v = similarity ? kn_alloc(emb_dim(e), sizeof *v, &err) : NULL;
    if (!v)
        tool_die(&err);
    emb_row(e, v, row);
    if (emb_nearest(e, rows, similarity, v, k, tool_pool(), &err))
        tool_die(&err);
    uint32_t shown = 0;
    for (uint32_t i = 0; i < k && shown < neighbours; i++) {
        kn_str word = emb_word(e, rows[i]);
        if (rows[i] == row)
            continue;
        shown++;
        if (tool_common.json)
            json_print(json_pack("{s:o, s:f}", "word", json_text(word), "similarity", (double)similarity[i]));
        else
            tool_printf("%.4f\t%.*s\n", (double)similarity[i], (int)word.n, word.p);
    }
    kn_free(rows);
    kn_free(similarity);
    kn_free(v);
}

static void show_info(const emb_store *e)
{
    const char *type = ds_dtype_name(emb_dtype(e));
    if (tool_common.json)
        json_print(json_pack("{s:I, s:I, s:s}", "words", (json_int_t)emb_count(e), "dim", (json_int_t)emb_dim(e),
                             "dtype", type));
    else
        tool_printf("words\t%u\ndim\t%zu\ndtype\t%s\n", emb_count(e), emb_dim(e), type);
}

int main(int argc, char **argv)
{
    int n;
    char **operand = tool_start(&vectors, argc, argv, &n);
    if ((tool_common.out != NULL) + (nearest != NULL) + info != 1)
        tool_usage("one of -o STORE, --nearest WORD and --info is needed");
    if (tool_common.out && !strcmp(tool_common.out, "-"))
        tool_usage("a store is saved as a file: -o must name one");
    if (!tool_common.out && (tool_given("keep-words-from") || tool_given("limit") || tool_given("dtype")))
        tool_usage("--keep-words-from, --limit and --dtype go with -o STORE");
    if (tool_common.out) {
        import(operand[0]);
        return tool_finish();
    }
    emb_store *e = open_store(operand[0]);
    if (nearest)
        show_nearest(e, operand[0]);
    else
        show_info(e);
    emb_close(e);
    return tool_finish();
}
