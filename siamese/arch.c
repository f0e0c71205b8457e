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

/* Four blocks that halve an image each; `*K` is K times the width asked for. */
#define BLOCK(k, act) "conv *" k " 3x3 pad 1 nobias; batchnorm; " act "; maxpool 2x2\n"
#define BLOCKS(act) BLOCK("1", act) BLOCK("1", act) BLOCK("1", act) BLOCK("1", act)
#define PYRAMID(act) BLOCK("1", act) BLOCK("2", act) BLOCK("3", act) BLOCK("4", act)

/* The pyramid, with one more convolution in its two middle blocks and a connection
 * around it: K. He et al., "Deep residual learning for image recognition" (2016). */
#define RESIDUAL_BLOCK(k, name, act)                                    \
    "    conv *" k " 3x3 pad 1 nobias; batchnorm; maxpool 2x2\n"        \
    name ": " act "\n"                                                  \
    "    conv *" k " 3x3 pad 1 nobias; batchnorm; add " name "; " act "\n"
#define RESNET(act) BLOCK("1", act) RESIDUAL_BLOCK("2", "r1", act) RESIDUAL_BLOCK("3", "r2", act) BLOCK("4", act)

static const struct {
    const char *name, *text;
    double dropout; /* when the caller asks for none */
    size_t width;   /* of a text with `*`, when the caller asks for none; 0: it has no `*` */
} networks[] = {
    {"seed", RESIDUAL
             "    concat r3 r2 r1\n"
             "    batchnorm\n", 0, 0},
    {"residual", RESIDUAL, 0, 0},
    {"residual-dropout", RESIDUAL, 0.2, 0},
    {"residual-post", /* batchnorm after the activation, where the bias counts */
     "    linear 128; relu\n"
     "r1: batchnorm\n"
     "    linear 128; relu; batchnorm\n"
     "r2: add r1\n"
     "    linear 128; relu; batchnorm\n"
     "    add r2\n", 0, 0},
    {"mlp3", "linear 128; relu; linear 128; relu; linear 128; relu\n", 0, 0},
    {"mlp2", "linear 128; relu; linear 128; relu\n", 0, 0},
    {"linear", "linear 128\n", 0, 0},
    {"wide", /* its vectors are narrow: an index keeps one for each question */
     "    linear 512 nobias; batchnorm\n"
     "r1: relu\n"
     "    linear 512 nobias; batchnorm; add r1\n"
     "r2: relu\n"
     "    linear 512 nobias; batchnorm; add r2\n"
     "    relu\n"
     "    linear 256 nobias; batchnorm\n", 0, 0},
    {"conv4", BLOCKS("relu"), 0, 64},
    {"conv4-elu", BLOCKS("elu"), 0, 64},
    {"pyramid", PYRAMID("relu"), 0, 32},
    {"pyramid-elu", PYRAMID("elu"), 0, 32},
    {"resnet", RESNET("relu"), 0, 32},
    {"resnet-elu", RESNET("elu"), 0, 32},
    {"lenet", /* LeCun et al. 1998, with max pools and ReLU */
     "conv 20 5x5; relu; maxpool 2x2\n"
     "conv 50 5x5; relu; maxpool 2x2\n"
     "linear 500; relu\n", 0, 0},
    {"mnist-net",
     "conv 64 8x8/2 pad 3; relu\n"
     "conv 128 6x6/2; relu\n"
     "conv 128 5x5; relu\n", 0, 0},
    {"tiny-darknet", /* J. Redmon's Tiny Darknet, with ELU and without batchnorm */
     "conv 16 3x3 pad 1; elu; maxpool 2x2\n"
     "conv 32 3x3 pad 1; elu; maxpool 2x2\n"
     "conv 16 1x1; elu; conv 128 3x3 pad 1; elu; conv 16 1x1; elu; conv 128 3x3 pad 1; elu; maxpool 2x2\n"
     "conv 32 1x1; elu; conv 256 3x3 pad 1; elu; conv 32 1x1; elu; conv 256 3x3 pad 1; elu; maxpool 2x2\n"
     "conv 64 1x1; elu; conv 512 3x3 pad 1; elu; conv 64 1x1; elu; conv 512 3x3 pad 1; elu\n"
     "conv 128 1x1; elu; conv 1000 1x1; globalpool\n", 0, 0},
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

/* The text with each `*K` made K times the width. */
static int with_width(kn_buf *out, const char *text, size_t width, kn_error *err)
{
    const char *star;
    for (; (star = strchr(text, '*')); text = star + 2)
        if (kn_buf_add(out, text, (size_t)(star - text), err) ||
            kn_buf_addf(out, err, "%zu", (size_t)(star[1] - '0') * width))
            return -1;
    return kn_buf_adds(out, text, err);
}

/* NAME or, where its network has a width, NAME:WIDTH. */
static size_t find_network(size_t *width, const char *name)
{
    size_t i = 0, known = sizeof networks / sizeof *networks, n = strcspn(name, ":");
    int64_t w;
    while (i < known && (strlen(networks[i].name) != n || strncmp(name, networks[i].name, n)))
        i++;
    if (i == known || !name[n])
        *width = i < known ? networks[i].width : 0;
    else if (networks[i].width && !kn_parse_i64(&w, kn_str_c(name + n + 1), 1, SM_MAX_WIDTH / 4))
        *width = (size_t)w;
    else
        return known;
    return i;
}

char *sm_arch_text(const char *name, double dropout, kn_error *err)
{
    kn_buf source = {0}, dropped = {0};
    char *text = NULL;
    int rc = -1;
    size_t width, i = find_network(&width, name), known = sizeof networks / sizeof *networks;
    if (i < known)
        rc = with_width(&source, networks[i].text, width, err);
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
