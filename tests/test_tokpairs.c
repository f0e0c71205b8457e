/* Tests of tokenize/pairs.c: all pairs, in order, the same for every number of
 * threads; the rows around the questions; errors. */
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"
#include "tokenize/tokenize.h"

/* What came out, as text. */
typedef struct result {
    kn_buf text;
    uint64_t pairs, stop_at;
    uint64_t told; /* the last progress */
} result;

static int take(void *arg, const tok_pair *p, kn_error *err)
{
    result *r = arg;
    if (++r->pairs == r->stop_at)
        return kn_fail(err, "enough");
    for (int k = 0; k < 2; k++) {
        const char *at = p->q[k].p;
        for (size_t i = 0; i < p->n[k]; i++, at++) { /* the tokens are the question's text, cut at spaces */
            assert_ptr_equal(p->token[k][i].p, at);
            at += p->token[k][i].n;
            assert_true(i + 1 == p->n[k] ? at == p->q[k].p + p->q[k].n : *at == ' ');
        }
        assert_true(p->n[k] || !p->q[k].n);
    }
    return kn_buf_addf(&r->text, err, "%.*s<%.*s>%.*s<%.*s>%.*s|%d|%zu %zu\n", (int)p->around[0].n, p->around[0].p,
                       (int)p->q[0].n, p->q[0].p, (int)p->around[1].n, p->around[1].p, (int)p->q[1].n, p->q[1].p,
                       (int)p->around[2].n, p->around[2].p, p->label, p->n[0], p->n[1]);
}

static void tell(void *arg, uint64_t rows)
{
    result *r = arg;
    assert_true(rows >= r->told);
    r->told = rows;
}

static int run(result *r, const char *csv, size_t n, const char *columns, int threads, kn_error *err)
{
    const char *path = test_path("pairs.csv");
    const ds_pairs_options how = {.columns = columns};
    test_write(path, csv, n);
    ds_pairs *in = ds_pairs_open(path, &how, err);
    if (!in)
        fail_msg("%s", err->text);
    kn_pool *pool = threads ? kn_pool_new(threads, err) : NULL;
    const tok_pairs_options o = {.profile = "glove", .pair = take, .progress = tell, .arg = r};
    int rc = tok_pairs(in, &o, pool, err);
    kn_pool_free(pool);
    ds_pairs_close(in);
    return rc;
}

static void expect(const char *csv, const char *columns, const char *want)
{
    result r = {0};
    kn_error err;
    if (run(&r, csv, strlen(csv), columns, 2, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.text.n, strlen(want));
    assert_memory_equal(r.text.p ? r.text.p : "", want, r.text.n);
    assert_int_equal(r.told, r.pairs);
    kn_buf_free(&r.text);
}

static void rows_around_the_questions(void **state)
{
    (void)state;
    expect("id,question1,question2,is_duplicate\r\n7,\"A, \"\"b\"\"?\",C!,1\r\n8,,\"\",0",
           NULL, "7,<a , \" b \" ?>,<c !>,1\r\n|1|6 2\n8,<>,<>,0|0|0 0\n");
    expect("question2\tx\tquestion1\nOne\t\"q \"\"q\"\"\"\tTwo too\n", NULL,
           "<two too>\t\"q \"\"q\"\"\"\t<one>\n|-1|2 1\n");
    expect("a,b\nx,y\n", "question1=b,question2=a", "<y>,<x>\n|-1|1 1\n");
    expect("question1,question2\n", NULL, "");
}

/* Rows of many lengths, over several batches. */
static kn_buf many_rows(size_t rows)
{
    kn_buf b = {0};
    assert_int_equal(kn_buf_adds(&b, "n,question1,question2,is_duplicate\n", NULL), 0);
    for (size_t i = 0; i < rows; i++) {
        assert_int_equal(kn_buf_addf(&b, NULL, "%zu,\"Isn't it %zu?", i, i * i % 1009), 0);
        for (size_t k = 0; k < i % 23; k++)
            assert_int_equal(kn_buf_addf(&b, NULL, " word%zu's", k * i), 0);
        assert_int_equal(kn_buf_addf(&b, NULL, "\",%s,%zu\n", i % 5 ? "a u.s caf\u00e9" : "", i % 2), 0);
    }
    return b;
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    kn_buf csv = many_rows(20011);
    result first = {0};
    kn_error err;
    assert_int_equal(run(&first, csv.p, csv.n, NULL, 0, &err), 0);
    assert_int_equal(first.pairs, 20011);
    assert_int_equal(first.told, 20011);
    for (size_t i = 0; i < 4; i++) {
        result r = {0};
        assert_int_equal(run(&r, csv.p, csv.n, NULL, threads[i], &err), 0);
        assert_int_equal(r.text.n, first.text.n);
        assert_memory_equal(r.text.p, first.text.p, first.text.n);
        kn_buf_free(&r.text);
    }
    kn_buf_free(&first.text);
    kn_buf_free(&csv);
}

static void long_fields_pass(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    kn_buf csv = {0};
    result r = {0};
    kn_error err;
    assert_int_equal(kn_buf_adds(&csv, "question1,question2\n", NULL), 0);
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < LONG; i++)
            assert_int_equal(kn_buf_add(&csv, row ? &"a "[i % 2] : "b", 1, NULL), 0);
        assert_int_equal(kn_buf_adds(&csv, ",end\n", NULL), 0);
    }
    assert_int_equal(run(&r, csv.p, csv.n, NULL, 2, &err), 0);
    assert_int_equal(r.pairs, 3);
    assert_true(r.text.n > LONG + 2 * (LONG - 1));
    kn_buf_free(&r.text);
    kn_buf_free(&csv);
}

/* An error comes after all that was good before it, however far reading is ahead. */
static void errors_in_their_place(void **state)
{
    (void)state;
    static const size_t some[] = {0, 1, 255, 256, 8191, 8192, 8193, 16384, 20000}; /* 8192 rows are a batch */
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        for (int threads = 1; threads < 4; threads += 2) {
            size_t good = some[i];
            kn_buf csv = many_rows(good);
            result r = {0};
            kn_error err;
            assert_int_equal(kn_buf_adds(&csv, "bad row\n1,a,b,1\n", NULL), 0);
            assert_int_equal(run(&r, csv.p, csv.n, NULL, threads, &err), -1);
            char want[32];
            snprintf(want, sizeof want, "row %zu, byte", good + 2);
            assert_non_null(strstr(err.text, want));
            assert_int_equal(r.pairs, good);
            kn_buf_free(&r.text);
            kn_buf_free(&csv);
        }
}

static void the_taker_can_stop(void **state)
{
    (void)state;
    kn_buf csv = many_rows(20000);
    for (int threads = 1; threads < 4; threads++) {
        result r = {.stop_at = 12000};
        kn_error err;
        assert_int_equal(run(&r, csv.p, csv.n, NULL, threads, &err), -1);
        assert_string_equal(err.text, "enough");
        assert_int_equal(r.pairs, 12000);
        kn_buf_free(&r.text);
    }
    kn_buf_free(&csv);
}

static void what_cannot_be(void **state)
{
    (void)state;
    kn_error err;
    result r = {0};
    assert_int_equal(run(&r, "a,b\nx,y\n", 8, "question1=a,question2=a", 1, &err), -1);
    assert_non_null(strstr(err.text, "one column"));
    const tok_pairs_options o = {.profile = "latin", .pair = take, .arg = &r};
    test_write(test_path("p.csv"), "question1,question2\na,b\n", 24);
    ds_pairs *in = ds_pairs_open(test_path("p.csv"), &(ds_pairs_options){0}, &err);
    assert_int_equal(tok_pairs(in, &o, NULL, &err), -1);
    assert_non_null(strstr(err.text, "latin"));
    ds_pairs_close(in);
    assert_int_equal(r.pairs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_around_the_questions),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(long_fields_pass),
        cmocka_unit_test(errors_in_their_place),
        cmocka_unit_test(the_taker_can_stop),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
