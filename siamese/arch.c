/* The networks that have a name. To add one: its text here. */
#include "siamese/op.h"

#include <string.h>

/* A linear right before a batchnorm has no bias: the batch mean would cancel it. */
#define RESIDUAL                            \
    "    linear 128 nobias; batchnorm\n"    \
    "r1: relu\n"                            \
    "    linear 128 nobias; batchnorm; add r1\n" \
    "r2: relu\n"                            \
    "    linear 128 nobias; batchnorm; add r2\n" \
    "r3: relu\n"

static const struct {
    const char *name, *text;
    double dropout; /* when the caller asks for none */
} networks[] = {
    {"seed", RESIDUAL
             "    concat r3 r2 r1\n"
             "    batchnorm\n", 0},
    {"residual", RESIDUAL, 0},
    {"residual-dropout", RESIDUAL, 0.2},
    {"residual-post", /* batchnorm after the activation, where the bias counts */
     "    linear 128; relu\n"
     "r1: batchnorm\n"
     "    linear 128; relu; batchnorm\n"
     "r2: add r1\n"
     "    linear 128; relu; batchnorm\n"
     "    add r2\n", 0},
    {"mlp3", "linear 128; relu; linear 128; relu; linear 128; relu\n", 0},
    {"mlp2", "linear 128; relu; linear 128; relu\n", 0},
    {"linear", "linear 128\n", 0},
    {"wide",
     "    linear 512 nobias; batchnorm\n"
     "r1: relu\n"
     "    linear 512 nobias; batchnorm; add r1\n"
     "r2: relu\n"
     "    linear 512 nobias; batchnorm; add r2\n"
     "r3: relu\n"
     "    concat r3 r2 r1\n"
     "    batchnorm\n", 0},
};

enum { MAX_TEXT = 1 << 20 };

static int read_file(kn_buf *out, const char *path, kn_error *err)
{
    char chunk[4096];
    ptrdiff_t got;
    int rc = 0;
    ds_stream *s = ds_open(path, err);
    if (!s)
        return kn_fail_prefix(err, "'%s' is no built-in network and, as a file", path);
    while (!rc && (got = ds_read(s, chunk, sizeof chunk, err)) != 0) {
        rc = got < 0 ? -1 : kn_buf_add(out, chunk, (size_t)got, err);
        if (!rc && (out->n > MAX_TEXT || memchr(chunk, '\0', (size_t)got)))
            rc = kn_fail(err, "%s: this is no text of a network", path);
    }
    ds_close(s);
    return rc;
}

/* The text again, one statement a line, `dropout P` before every linear but the
 * first: linear reads what is above it, so that is its input. */
static int with_dropout(kn_buf *out, const char *text, double p, kn_error *err)
{
    sm_text t = sm_text_new(text);
    kn_str word[SM_MAX_WORDS];
    int words;
    bool first = true;
    while ((words = sm_text_next(&t, word)) >= 0) {
        int kept = words < SM_MAX_WORDS ? words : SM_MAX_WORDS; /* so many words are an error to the parser */
        int op = kept > 1 && sm_is_label(word[0]);
        bool linear = kept > 0 && kn_str_eq(word[op], kn_str_c("linear"));
        if (linear && !first && kn_buf_addf(out, err, "dropout %.9g\n", p))
            return -1;
        first = first && !linear;
        for (int i = 0; i < kept; i++)
            if (kn_buf_addf(out, err, "%.*s%s", (int)word[i].n, word[i].p, i + 1 < kept ? " " : "\n"))
                return -1;
    }
    return 0;
}

char *sm_arch_text(const char *name, double dropout, kn_error *err)
{
    kn_buf source = {0}, dropped = {0};
    char *text = NULL;
    int rc = -1;
    size_t i = 0, known = sizeof networks / sizeof *networks;
    while (i < known && strcmp(name, networks[i].name))
        i++;
    if (i < known)
        rc = kn_buf_adds(&source, networks[i].text, err);
    else if (strpbrk(name, " ;\n"))
        rc = kn_buf_adds(&source, name, err);
    else
        rc = read_file(&source, name, err);
    if (i < known && dropout == 0)
        dropout = networks[i].dropout;
    if (!rc)
        rc = kn_buf_add(&source, "", 1, err);
    if (!rc && dropout > 0)
        rc = with_dropout(&dropped, source.p, dropout, err) || kn_buf_add(&dropped, "", 1, err) ? -1 : 0;
    const kn_buf *result = dropout > 0 ? &dropped : &source;
    if (!rc && (text = kn_alloc(result->n, 1, err)))
        memcpy(text, result->p, result->n);
    kn_buf_free(&source);
    kn_buf_free(&dropped);
    return text;
}
