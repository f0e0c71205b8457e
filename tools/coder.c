/* The words' side of a model. */
#include "tools/coder.h"

#include "siamese/image_model.h"
#include "tools/tool.h"

struct coder {
    const char *path;
    idf_recipe *recipe;
    tok_tokenizer **tokenizer; /* one a thread */
};

idf_recipe *coder_recipe(const sm_model *m, const char *path)
{
    kn_error err;
    sm_image_recipe images;
    if (!sm_image_recipe_read(&images, m, &err))
        tool_dief("%s: this model reads images, not questions: siam-eval --images and siam-image-score use it", path);
    if (!m->recipe)
        tool_dief("%s: this model reads vectors, not questions: it was trained on features without a recipe", path);
    idf_recipe *r = idf_recipe_open(m->recipe, m->recipe_bytes, &err);
    if (!r)
        tool_die_at(path, &err);
    if (idf_recipe_dim(r) != m->graph->input_width)
        tool_dief("%s: the recipe makes %zu numbers of a question, the network reads %zu: the file is damaged", path,
                  idf_recipe_dim(r), m->graph->input_width);
    return r;
}

coder *coder_open(const sm_model *m, const char *path)
{
    kn_error err;
    int threads = kn_pool_threads(tool_pool());
    coder *c = kn_alloc(1, sizeof *c, &err);
    if (!c || !(c->tokenizer = kn_alloc((size_t)threads, sizeof *c->tokenizer, &err)))
        tool_die(&err);
    c->path = path;
    c->recipe = coder_recipe(m, path);
    for (int i = 0; i < threads; i++)
        if (!(c->tokenizer[i] = tok_new(idf_recipe_profile(c->recipe), &err)))
            tool_die_at(path, &err);
    return c;
}

size_t coder_dim(const coder *c)
{
    return idf_recipe_dim(c->recipe);
}

enum { SHARE = 64 }; /* questions a task */

typedef struct job {
    coder *c;
    float *x;
    uint32_t *known;
    const kn_str *question;
    size_t n;
    kn_error *err; /* [tasks]; empty where all went well */
} job;

static void embed_share(void *arg, size_t task, int worker)
{
    job *j = arg;
    size_t end = (task + 1) * SHARE < j->n ? (task + 1) * SHARE : j->n;
    for (size_t i = task * SHARE; i < end; i++) {
        size_t known;
        if (idf_recipe_embed(j->c->recipe, j->c->tokenizer[worker], j->x + i * coder_dim(j->c), j->question[i],
                             &known, &j->err[task]))
            return;
        if (j->known)
            j->known[i] = (uint32_t)known;
    }
}

void coder_embed(coder *c, float *x, uint32_t *known, const kn_str *question, size_t n)
{
    kn_error err;
    size_t tasks = (n + SHARE - 1) / SHARE;
    job j = {c, x, known, question, n, kn_alloc(tasks, sizeof *j.err, &err)};
    if (!j.err)
        tool_die(&err);
    kn_parallel(tool_pool(), tasks, embed_share, &j);
    for (size_t t = 0; t < tasks; t++)
        if (j.err[t].text[0])
            tool_die(&j.err[t]);
    kn_free(j.err);
}

void coder_close(coder *c)
{
    for (int i = 0; i < kn_pool_threads(tool_pool()); i++)
        tok_free(c->tokenizer[i]);
    kn_free(c->tokenizer);
    idf_recipe_free(c->recipe);
    kn_free(c);
}
