/* Tests of data/pairs.c: columns by name, labels, rejected rows, real pairs. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "tests/support.h"

static ds_pairs *open_text(const char *text, const ds_pairs_options *o, kn_error *err)
{
    const char *path = test_path("pairs.csv");
    test_write(path, text, strlen(text));
    return ds_pairs_open(path, o, err);
}

static void assert_str(kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_c(want)))
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.n, got.p, want);
}

static void columns_are_found_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *map, *want[5]; /* q1, q2, label, qid1, qid2 of the first pair */
        int column[3];
    } t[] = {
        {"question1,question2,is_duplicate\na,b,1\n", NULL, {"a", "b", "1", "", ""}, {0, 1, 2}},
        {"is_duplicate\tx\tquestion2\tqid2\tquestion1\tqid1\n0\t?\tb\t7\ta\t6\n", NULL, {"a", "b", "0", "6", "7"}, {4, 2, 0}},
        {"question1,question2\n,\"b,\"\"c\"\"\"\n", NULL, {"", "b,\"c\"", "-1", "", ""}, {0, 1, -1}},
        {"question1,question2,is_duplicate\na,b,\n", NULL, {"a", "b", "-1", "", ""}, {0, 1, 2}},
        {"left,right,same\na,b,1\n", "question1=left,question2=right,is_duplicate=same", {"a", "b", "1", "", ""}, {0, 1, 2}},
        {"question1,question2,other\na,b,c\n", "question2=other", {"a", "c", "-1", "", ""}, {0, 2, -1}},
        {"question1,question2,n,m\na,b,1,2\n", "qid1=n,qid2=m", {"a", "b", "-1", "1", "2"}, {0, 1, -1}},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        kn_error err;
        ds_pair pair;
        int column[3];
        ds_pairs *p = open_text(t[i].text, &(ds_pairs_options){.columns = t[i].map}, &err);
        if (!p)
            fail_msg("%s", err.text);
        ds_pairs_columns(p, column);
        assert_memory_equal(column, t[i].column, sizeof column);
        assert_int_equal(ds_pairs_next(p, &pair, &err), 1);
        assert_str(pair.q1, t[i].want[0]);
        assert_str(pair.q2, t[i].want[1]);
        assert_int_equal(pair.label, atoi(t[i].want[2]));
        assert_str(pair.qid1, t[i].want[3]);
        assert_str(pair.qid2, t[i].want[4]);
        assert_int_equal(pair.row.row, 2);
        assert_int_equal(ds_pairs_next(p, &pair, &err), 0);
        assert_int_equal(ds_pairs_read(p), 1);
        ds_pairs_close(p);
    }
}

static void refuses_what_it_cannot_use(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ds_pairs_options o;
        const char *why;
    } t[] = {
        {"", {0}, "empty: a header row is needed"},
        {"question1,is_duplicate\n", {0},
         "no column \"question2\" in the header row (it has: question1, is_duplicate); --columns question2=NAME"},
        {"question1,question2\n", {.need_label = true}, "no column \"is_duplicate\""},
        {"question1,question2\n", {.columns = "qid1=who"}, "no column \"who\""},
        {"question1,question2,question1\n", {0}, "two columns are called \"question1\""},
        {"question1,question2\n", {.columns = "question3=a"}, "\"question3=a\" is not NAME=COLUMN"},
        {"question1,question2\n", {.columns = "question1"}, "\"question1\" is not NAME=COLUMN"},
        {"question1,question2\n", {.columns = ""}, "\"\" is not NAME=COLUMN"},
        {"question1,question2\n", {.columns = "question1=question1,"}, "\"\" is not NAME=COLUMN"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        kn_error err = {0};
        ds_pairs *p = open_text(t[i].text, &t[i].o, &err);
        assert_null(p);
        if (!strstr(err.text, t[i].why))
            fail_msg("\"%s\" does not say \"%s\"", err.text, t[i].why);
    }
    kn_error err;
    assert_null(ds_pairs_open("/nonexistent", &(ds_pairs_options){0}, &err));
    assert_non_null(strstr(err.text, "No such file"));
}

static const char mixed[] = "question1,question2,is_duplicate\n"
                            "a,b,0\n"
                            "c,d\n"
                            "e,f,yes\n"
                            "g,h,\n"
                            "\"i,j,1\n"
                            "k,l,1\n";

static void an_error_names_row_and_byte(void **state)
{
    (void)state;
    kn_error err;
    ds_pair pair;
    ds_pairs *p = open_text(mixed, &(ds_pairs_options){.need_label = true}, &err);
    assert_non_null(p);
    assert_int_equal(ds_pairs_next(p, &pair, &err), 1);
    assert_int_equal(ds_pairs_next(p, &pair, &err), -1);
    assert_string_equal(err.text, "row 3, byte 39: 2 fields where the header has 3; "
                                  "--skip-bad leaves such rows out and counts them");
    ds_pairs_close(p);
}

static void rows_in_are_rows_out_and_rejected(void **state)
{
    (void)state;
    for (int need = 0; need < 2; need++) {
        kn_error err;
        ds_pair pair;
        uint64_t out = 0;
        int r;
        ds_pairs *p = open_text(mixed, &(ds_pairs_options){.need_label = need, .skip_bad = true}, &err);
        assert_non_null(p);
        assert_string_equal(ds_pairs_last_rejection(p), "");
        while ((r = ds_pairs_next(p, &pair, &err)) == 1)
            out++;
        assert_int_equal(r, 0);
        assert_int_equal(ds_pairs_read(p), 6);
        assert_int_equal(out, need ? 2 : 3);
        assert_int_equal(ds_pairs_rejected(p), need ? 4 : 3);
        assert_string_equal(ds_pairs_last_rejection(p), "row 6, byte 56: a quote is never closed");
        ds_pairs_close(p);
    }
    kn_error err;
    ds_pair pair;
    ds_pairs *p = open_text(mixed, &(ds_pairs_options){.need_label = true, .skip_bad = true}, &err);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ds_pairs_next(p, &pair, &err), 1);
    assert_str(pair.q1, "k");
    ds_pairs_close(p);
}

static void a_label_names_what_it_is(void **state)
{
    (void)state;
    kn_error err;
    ds_pair pair;
    ds_pairs *p = open_text("question1,question2,same\na,b,true\n",
                            &(ds_pairs_options){.columns = "is_duplicate=same"}, &err);
    assert_non_null(p);
    assert_int_equal(ds_pairs_next(p, &pair, &err), -1);
    assert_non_null(strstr(err.text, "row 2, byte 25: the label in column \"same\" is \"true\", not 0 or 1"));
    ds_pairs_close(p);
}

/* The public set holds 404 290 pairs, 37 % of them duplicates; this is its part
 * for development. */
static void real_pairs(void **state)
{
    (void)state;
    const char *path = test_shared("quora/pairs.tsv.gz");
    if (!path)
        skip();
    kn_error err;
    ds_pair pair;
    uint64_t pairs = 0, duplicates = 0;
    ds_pairs *p = ds_pairs_open(path, &(ds_pairs_options){.need_label = true}, &err);
    assert_non_null(p);
    assert_int_equal(ds_csv_delimiter(ds_pairs_csv(p)), '\t');
    int r;
    for (; (r = ds_pairs_next(p, &pair, &err)) == 1; pairs++) {
        duplicates += (uint64_t)pair.label;
        assert_true(pair.qid1.n > 0 && pair.qid2.n > 0);
    }
    assert_int_equal(r, 0);
    assert_int_equal(pairs, 364011);
    assert_true(duplicates > pairs * 36 / 100 && duplicates < pairs * 38 / 100);
    ds_pairs_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(refuses_what_it_cannot_use),
        cmocka_unit_test(an_error_names_row_and_byte),
        cmocka_unit_test(rows_in_are_rows_out_and_rejected),
        cmocka_unit_test(a_label_names_what_it_is),
        cmocka_unit_test(real_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
