/* Tests of siamese/index.c: what is saved comes back, a search finds what looking
 * at every question finds, and hostile files are refused. */
#include <math.h>
#include <stdio.h>

#include "tests/models.h"

enum { D = 3, E = 5, N = 300 };

static float vectors[N][E];
static char words[N][16];
static kn_str text[N];

/* N questions; every tenth vector stands twice, so that there are ties. */
static void make_questions(void)
{
    kn_rng r = kn_rng_new(2, KN_STREAM_SPLIT, 0);
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < E; k++)
            vectors[i][k] = i % 10 == 9 ? vectors[i - 1][k] : kn_rng_uniform(&r, 0, 1);
        snprintf(words[i], sizeof words[i], "question %zu", i);
        text[i] = kn_str_c(words[i]);
    }
    text[1] = (kn_str){"", 0};
    text[2] = (kn_str){"two\nlines\0and a NUL", 19};
    text[3] = (kn_str){"\xff\xfe no UTF-8", 11};
}

/* The path of a saved index of the first n questions. */
static const char *saved(const sm_model *m, size_t n)
{
    const char *path = test_path("index.st");
    kn_error err;
    make_questions();
    assert_int_equal(sm_index_save(path, m, vectors[0], text, n, &err), 0);
    return path;
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    static const size_t count[] = {0, 1, 2, N};
    for (size_t c = 0; c < sizeof count / sizeof *count; c++)
        for (size_t recipe = 0; recipe <= 100; recipe += 25) { /* moves what stands behind the model */
            kn_error err = {""};
            m->recipe_bytes = recipe;
            sm_index *x = sm_index_open(saved(m, count[c]), &err);
            assert_string_equal(err.text, "");
            assert_int_equal(sm_index_count(x), count[c]);
            for (size_t i = 0; i < count[c]; i++)
                assert_true(kn_str_eq(sm_index_text(x, i), text[i]));
            if (count[c])
                assert_memory_equal(sm_index_vectors(x), vectors, count[c] * sizeof *vectors);
            const sm_model *inside = sm_index_model(x);
            kn_buf a = {0}, b = {0};
            assert_int_equal(sm_model_bytes(m, &a, NULL), 0);
            assert_int_equal(sm_model_bytes(inside, &b, NULL), 0);
            assert_int_equal(a.n, b.n);
            assert_memory_equal(a.p, b.p, a.n);
            assert_int_equal((uintptr_t)inside->recipe % 64, 0);
            kn_buf_free(&a);
            kn_buf_free(&b);
            sm_index_close(x);
        }
    sm_model_free(m);
}

static double distance_to(const float *z, size_t i)
{
    double sum = 1e-12;
    for (size_t k = 0; k < E; k++)
        sum += pow((double)z[k] - (double)vectors[i][k], 2);
    return sqrt(sum);
}

/* One query against looking at all: rows in order, by distance and then by row. */
static void check_search(sm_search *s, const float *z, const float *query, size_t k)
{
    float dist[N + 5];
    uint32_t row[N + 5];
    bool seen[N] = {false};
    size_t want = k < N ? k : N;
    assert_int_equal(sm_search_nearest(s, dist, row, query, NULL), (ptrdiff_t)want);
    for (size_t i = 0; i < want; i++) {
        assert_true(row[i] < N && !seen[row[i]]);
        seen[row[i]] = true;
        test_near(dist[i], distance_to(z, row[i]), 1e-5);
        if (i)
            assert_true(dist[i - 1] < dist[i] || (dist[i - 1] == dist[i] && row[i - 1] < row[i]));
    }
    for (size_t i = 0; i < N; i++)
        assert_true(seen[i] || distance_to(z, i) >= (double)dist[want - 1] - 1e-5);
}

static void finds_what_looking_at_all_finds(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    sm_index *x = sm_index_open(saved(m, N), NULL);
    static const size_t ks[] = {1, 10, N, N + 5};
    assert_non_null(x);
    for (int naive = 0; naive < 2; naive++) {
        kn_backend *be = naive ? kn_backend_naive(NULL) : kn_backend_cpu(NULL, NULL);
        sm_encoder *e = sm_encoder_new(m, be, NULL);
        for (size_t c = 0; c < sizeof ks / sizeof *ks; c++) {
            sm_search *s = sm_search_new(x, be, ks[c], NULL);
            kn_rng r = kn_rng_new(8, KN_STREAM_SPLIT, 0);
            assert_non_null(s);
            for (int q = 0; q < 20; q++) {
                float query[D], z[E];
                for (size_t i = 0; i < D; i++)
                    query[i] = kn_rng_uniform(&r, -1, 1);
                assert_int_equal(sm_encode(e, z, query, 1, NULL), 0);
                check_search(s, z, query, ks[c]);
            }
            sm_search_free(s);
        }
        sm_encoder_free(e);
        kn_backend_close(be);
    }
    sm_index_close(x);
    sm_model_free(m);
}

static void an_empty_index_answers_nothing(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    sm_index *x = sm_index_open(saved(m, 0), NULL);
    kn_backend *be = kn_backend_cpu(NULL, NULL);
    sm_search *s = sm_search_new(x, be, 10, NULL);
    float query[D] = {0}, dist[10];
    uint32_t row[10];
    assert_non_null(s);
    assert_int_equal(sm_search_nearest(s, dist, row, query, NULL), 0);
    sm_search_free(s);
    kn_backend_close(be);
    sm_index_close(x);
    sm_model_free(m);
}

/* ---- files that must be refused ------------------------------------------------------ */

static sm_index *open_bytes(const char *p, size_t n, kn_error *err)
{
    const char *path = test_path("odd.st");
    test_write(path, p, n);
    return sm_index_open(path, err);
}

static void truncated_anywhere(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    size_t n;
    char *bytes = test_read(saved(m, 4), &n);
    assert_true(n > 1000);
    for (size_t i = 0; i < n; i++)
        assert_null(open_bytes(bytes, i, NULL));
    free(bytes);
    sm_model_free(m);
}

static void changed_anywhere(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    kn_backend *be = kn_backend_naive(NULL);
    size_t n, refused = 0, answered = 0;
    char *bytes = test_read(saved(m, 4), &n);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)~bytes[i];
        sm_index *x = open_bytes(bytes, n, NULL);
        bytes[i] = (char)~bytes[i];
        refused += x == NULL;
        sm_search *s = x ? sm_search_new(x, be, 4, NULL) : NULL;
        float query[D] = {1, 2, 3}, dist[4];
        uint32_t row[4];
        ptrdiff_t k = s ? sm_search_nearest(s, dist, row, query, NULL) : -1;
        answered += k == 4;
        for (ptrdiff_t r = 0; r < k; r++)
            assert_true(row[r] < sm_index_count(x) && sm_index_text(x, row[r]).n <= n);
        sm_search_free(s);
        sm_index_close(x);
    }
    assert_true(refused > 100 && answered > 100);
    free(bytes);
    kn_backend_close(be);
    sm_model_free(m);
}

static void parts_that_cannot_be(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    kn_buf bytes = {0};
    bytes.p = test_read(saved(m, 3), &bytes.n);
    static const uint64_t backwards[] = {0, 10, 4, 29}, late[] = {1, 2, 10, 29}, beyond[] = {0, 1, 2, 30},
                          early[] = {0, 1, 2, 28};
    static const float nan[5][E] = {{0}, {0, NAN}}; /* its start serves as zeros too */
    static const char zeros[8192];
    kn_buf model = {0};
    assert_int_equal(sm_model_bytes(m, &model, NULL), 0);
    size_t length = model.n;
    assert_true(length <= sizeof zeros);
    kn_buf_free(&model);
    const struct { const char *key, *value, *says; ds_tensor t; } bad[] = {
        {"format", "siam-model", "not an index", {.name = ""}},
        {"version", "9", "version '9'", {.name = ""}},
        {NULL, NULL, "ends before", {"offsets", DS_U64, 1, {4}, backwards, 32}},
        {NULL, NULL, "do not fill", {"offsets", DS_U64, 1, {4}, late, 32}},
        {NULL, NULL, "do not fill", {"offsets", DS_U64, 1, {4}, beyond, 32}},
        {NULL, NULL, "do not fill", {"offsets", DS_U64, 1, {4}, early, 32}},
        {NULL, NULL, "no offsets", {"offsets", DS_U64, 1, {0}, late, 0}},
        {NULL, NULL, "the model in the index", {"model", DS_U8, 1, {length}, zeros, length}},
        {NULL, NULL, "2 vectors for 3", {"z", DS_F32, 2, {2, E}, nan, 2 * sizeof *nan}},
        {NULL, NULL, "z", {"z", DS_F32, 2, {E, 3}, nan, 3 * sizeof *nan}},
        {NULL, NULL, "not aligned", {"pad", DS_U8, 1, {1}, zeros, 1}}};
    kn_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kn_buf odd = test_rebuilt(&bytes, bad[i].key, bad[i].value, &bad[i].t);
        strcpy(err.text, "opened");
        sm_index *x = open_bytes(odd.p, odd.n, &err);
        if (x || !strstr(err.text, bad[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text, bad[i].says);
        kn_buf_free(&odd);
    }
    const ds_tensor z = {"z", DS_F32, 2, {3, E}, nan, 3 * sizeof *nan};
    kn_buf odd = test_rebuilt(&bytes, NULL, NULL, &z);
    kn_backend *be = kn_backend_naive(NULL);
    sm_index *x = open_bytes(odd.p, odd.n, &err);
    assert_non_null(x);
    assert_null(sm_search_new(x, be, 1, &err));
    assert_non_null(strstr(err.text, "vector of question 2"));
    sm_index_close(x);
    kn_backend_close(be);
    kn_buf_free(&odd);
    kn_buf_free(&bytes);
    sm_model_free(m);
}

static void a_failed_save_says_where(void **state)
{
    (void)state;
    sm_model *m = test_model(small_network, D, 1);
    kn_error err = {""};
    assert_int_equal(sm_index_save(test_path("no/such/folder/x"), m, vectors[0], text, 1, &err), -1);
    assert_non_null(strstr(err.text, "no/such/folder"));
    sm_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(finds_what_looking_at_all_finds),
        cmocka_unit_test(an_empty_index_answers_nothing),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(changed_anywhere),
        cmocka_unit_test(parts_that_cannot_be),
        cmocka_unit_test(a_failed_save_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
