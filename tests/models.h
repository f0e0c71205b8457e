/* What the tests of models, indexes and predictions share: small models made by
 * hand, and their files with something changed. */
#ifndef TESTS_MODELS_H
#define TESTS_MODELS_H

#include <stdlib.h>
#include <string.h>

#include "siamese/siamese.h"
#include "tests/support.h"

static const char small_network[] = "linear 5\nbatchnorm\nrelu";
/* No width a multiple of a vector register. */
__attribute__((unused)) static const char wide_network[] =
    "linear 65; batchnorm; r1: relu; linear 65; batchnorm; add r1; r2: relu; concat r2 r1; linear 33";

/* A model as training leaves it, with random weights and `recipe` bytes that
 * are no recipe. */
static inline sm_model *test_model(const char *network, size_t input, uint64_t seed)
{
    static const char recipe[100] = "a recipe is opaque bytes";
    sm_model *m = kn_alloc(1, sizeof *m, NULL);
    assert_non_null(m);
    *m = (sm_model){.margin = 1, .threshold = 0.4, .alpha = 2, .beta = 5, .calibrated = true, .seed = seed};
    m->graph = sm_graph_parse(network, input, NULL);
    assert_non_null(m->graph);
    m->params = kn_alloc(m->graph->params, sizeof *m->params, NULL);
    m->stats = kn_alloc(m->graph->stats, sizeof *m->stats, NULL);
    m->settings = kn_alloc(64, 1, NULL);
    assert_true(m->params && m->stats && m->settings);
    strcpy(m->settings, "{\"arch\":\"\\u00e9 \\\"quoted\\\"\",\"epochs\":3}");
    strcpy(m->digest, "00112233445566778899aabbccddeeff");
    sm_graph_init(m->graph, m->params, m->stats, seed);
    kn_rng r = kn_rng_new(seed, KN_STREAM_SPLIT, 0);
    for (size_t i = 0; i < m->graph->stats; i++)
        m->stats[i] = kn_rng_uniform(&r, 0.1f, 2);
    m->recipe = recipe;
    m->recipe_bytes = sizeof recipe;
    return m;
}

/* n bytes at a multiple of 64 with nothing behind them, so that a sanitizer sees
 * a read past the end. free() it. */
static inline char *test_exact_copy(const char *p, size_t n)
{
    void *copy;
    assert_int_equal(posix_memalign(&copy, 64, n ? n : 1), 0);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

/* A container's bytes with the setting `key` changed (value NULL: left out) and
 * the tensor of t's name replaced by t; both nullable. kn_buf_free it. */
static inline kn_buf test_rebuilt(const kn_buf *bytes, const char *key, const char *value, const ds_tensor *t)
{
    char *copy = test_exact_copy(bytes->p, bytes->n);
    ds_st *st = ds_st_open_memory(copy, bytes->n, NULL);
    ds_meta meta[32];
    ds_tensor tensor[64];
    size_t metas = 0, tensors = ds_st_count(st);
    kn_buf out = {0};
    assert_true(st && tensors <= 64 && ds_st_meta_count(st) <= 32);
    for (size_t i = 0; i < ds_st_meta_count(st); i++) {
        ds_st_meta_at(st, i, &meta[metas].key, &meta[metas].value);
        if (key && !strcmp(meta[metas].key, key))
            meta[metas].value = value;
        metas += meta[metas].value != NULL;
    }
    for (size_t i = 0; i < tensors; i++) {
        tensor[i] = *ds_st_at(st, i);
        if (t && !strcmp(tensor[i].name, t->name))
            tensor[i] = *t;
    }
    assert_int_equal(ds_st_bytes(&out, meta, metas, tensor, tensors, NULL), 0);
    ds_st_close(st);
    free(copy);
    return out;
}

#endif
