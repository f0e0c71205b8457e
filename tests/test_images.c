/* Tests of sets of images: data/images.c, its labels and lists of pairs
 * (data/image_pairs.c), digest and threads. Archives and IDX files:
 * test_image_files.c. */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/image_sets.h"

/* ---- classes ------------------------------------------------------------------------------ */

static const entry zoo[] = {
    {"zoo/cat/b.pgm", DOT("2")}, {"zoo/cat/a.PNM", DOT("1")}, {"zoo/dog/", NULL}, {"zoo/dog/a.pgm", DOT("3")},
    {"zoo/dog/deep/er/x.pgm", DOT("4")}, {"zoo/readme.txt", "no image"}, {"zoo/.hidden.pgm", DOT("x")},
    {"zoo/.git/a.pgm", DOT("x")}, {"__MACOSX/zoo/cat/b.pgm", DOT("x")}, {"zoo/cat/._b.pgm", DOT("x")},
    {"zoo/ant/noending", DOT("x")}, {"zoo/bee/a.jpg.txt", DOT("x")}};

static void assert_zoo(const ds_images *s)
{
    assert_int_equal(ds_images_count(s), 4);
    assert_int_equal(ds_images_classes(s), 3);
    assert_string_equal(ds_images_class_name(s, 0), "cat");
    assert_string_equal(ds_images_class_name(s, 1), "dog");
    assert_string_equal(ds_images_class_name(s, 2), "er");
    assert_item(s, 0, "zoo/cat/a.PNM", "cat", '1');
    assert_item(s, 1, "zoo/cat/b.pgm", "cat", '2');
    assert_item(s, 2, "zoo/dog/a.pgm", "dog", '3');
    assert_item(s, 3, "zoo/dog/deep/er/x.pgm", "er", '4');
    assert_true(isnan(ds_images_score(s, 0)));
    assert_string_equal(ds_images_split(s, 0), "");
    assert_int_equal(ds_images_find(s, kn_str_c("zoo/dog/a.pgm")), 2);
    assert_int_equal(ds_images_find(s, kn_str_c("dog/a.pgm")), 2);
    assert_int_equal(ds_images_find(s, kn_str_c("a.pgm")), -1);
    assert_int_equal(ds_images_find(s, kn_str_c("")), -1);
    assert_int_equal(ds_images_find(s, kn_str_c("zoo/zz")), -1);
}

static void folder_tar_and_gzip_are_one(void **state)
{
    (void)state;
    kn_buf b = {0};
    char digest[3][65];
    tar_entries(&b, zoo, COUNT(zoo));
    test_write(test_path("zoo.tar"), b.p, b.n);
    gzip(test_path("zoo.tgz"), b.p, b.n);
    make_folder("unpacked", zoo, COUNT(zoo));
    const char *source[] = {test_path("zoo.tar"), test_path("zoo.tgz"), test_path("unpacked")};
    for (int i = 0; i < 3; i++) {
        ds_images *s = must_open(source[i], &plain);
        assert_zoo(s);
        assert_int_equal(ds_images_digest(s, digest[i], NULL), 0);
        ds_images_close(s);
    }
    assert_string_equal(digest[0], digest[1]);
    assert_string_equal(digest[0], digest[2]);
    ds_images *s = must_open(test_path("unpacked/"), &plain); /* with its slash */
    assert_zoo(s);
    ds_images_close(s);
    kn_buf_free(&b);
}

static void classes_of_one_name_are_paths(void **state)
{
    (void)state;
    static const entry e[] = {{"b/one/x.pgm", DOT("1")}, {"a/one/x.pgm", DOT("2")}, {"a/two/x.pgm", DOT("3")},
                              {"one/x.pgm", DOT("4")}, {"top.pgm", DOT("5")}};
    ds_images *s = OPEN(e, &plain);
    assert_int_equal(ds_images_classes(s), 4);
    assert_item(s, 0, "a/one/x.pgm", "a/one", '2');
    assert_item(s, 1, "a/two/x.pgm", "two", '3');
    assert_item(s, 2, "b/one/x.pgm", "b/one", '1');
    assert_item(s, 3, "one/x.pgm", "one", '4');
    assert_item(s, 4, "top.pgm", "", '5');
    ds_images_close(s);
}

static void the_last_of_one_name_counts(void **state)
{
    (void)state;
    static const entry e[] = {{"./a/x.pgm", DOT("1")}, {"a//x.pgm", DOT("2")}, {"a/./x.pgm", DOT("3")}};
    ds_images *s = OPEN(e, &plain);
    assert_int_equal(ds_images_count(s), 1);
    assert_item(s, 0, "a/x.pgm", "a", '3');
    ds_images_close(s);
}

static void no_images_is_an_error(void **state)
{
    (void)state;
    static const entry e[] = {{"a/", NULL}, {"a/x.txt", "x"}};
    FAIL(e, &plain, "no image in it");
    make_folder("empty", e, COUNT(e));
    must_fail(test_path("empty"), &plain, "no image in it");
    must_fail(test_path("nowhere"), &plain, "cannot be opened");
    test_write(test_path("text.tar"), "text", 4);
    must_fail(test_path("text.tar"), &plain, "neither a folder");
    test_write(test_path("none.tar"), "", 0);
    must_fail(test_path("none.tar"), &plain, "neither a folder");
}

static void links_of_a_folder(void **state)
{
    (void)state;
    static const entry e[] = {{"a/x.pgm", DOT("1")}};
    make_folder("linked", e, COUNT(e));
    assert_int_equal(symlink("..", test_path("linked/a/up")), 0); /* a circle */
    assert_int_equal(symlink("x.pgm", test_path("linked/a/y.pgm")), 0);
    ds_images *s = must_open(test_path("linked"), &plain);
    assert_int_equal(ds_images_count(s), 2);
    assert_item(s, 1, "a/y.pgm", "a", '1');
    ds_images_close(s);
    assert_int_equal(symlink("nothing", test_path("linked/a/z.pgm")), 0);
    must_fail(test_path("linked"), &plain, "a link to nothing");
}

/* ---- labels --------------------------------------------------------------------------------- */

static void labels_inside_give_scores_and_splits(void **state)
{
    (void)state;
    static const entry e[] = {
        {"set/labels.csv", "file,score,split\nimages/a.pgm,3.5,train\nc.pgm,-1e3,test\n./images/b.pgm,0,\n"
                           "set/images/d.pgm,1,x\n"},
        {"set/images/a.pgm", DOT("1")}, {"set/images/b.pgm", DOT("2")}, {"set/images/sub/c.pgm", DOT("3")},
        {"set/images/d.pgm", DOT("4")}, {"set/images/unnamed.pgm", DOT("5")}};
    kn_buf b = {0};
    char digest[2][65];
    tar_entries(&b, e, COUNT(e));
    test_write(test_path("scores.tar"), b.p, b.n);
    kn_buf_free(&b);
    make_folder("scores", e, COUNT(e));
    const char *source[] = {test_path("scores.tar"), test_path("scores")};
    for (int i = 0; i < 2; i++) {
        ds_images *s = must_open(source[i], &plain);
        assert_int_equal(ds_images_count(s), 4);
        assert_int_equal(ds_images_classes(s), 0);
        assert_item(s, 0, "set/images/a.pgm", "", '1');
        test_near(ds_images_score(s, 0), 3.5, 0);
        test_near(ds_images_score(s, 3), -1000, 0);
        assert_string_equal(ds_images_split(s, 0), "train");
        assert_string_equal(ds_images_split(s, 1), "");
        assert_string_equal(ds_images_split(s, 3), "test");
        assert_int_equal(ds_images_digest(s, digest[i], NULL), 0);
        ds_images_close(s);
    }
    assert_string_equal(digest[0], digest[1]);
}

static void labels_beside_give_classes(void **state)
{
    (void)state;
    static const entry e[] = {{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"y/b.pgm", DOT("3")}};
    const char csv[] = "split,label,file,more\n,\"a,/b\",a.pgm,1\ndev,\"a,/b\",y/b.pgm,2\n,Z,x/b.pgm,3\n";
    const ds_images_options o = {.labels = test_path("beside.csv")};
    test_write(o.labels, csv, sizeof csv - 1);
    ds_images *s = OPEN(e, &o);
    assert_int_equal(ds_images_count(s), 3);
    assert_int_equal(ds_images_classes(s), 2);
    assert_item(s, 0, "x/a.pgm", "a,/b", '1');
    assert_item(s, 1, "x/b.pgm", "Z", '2');
    assert_item(s, 2, "y/b.pgm", "a,/b", '3');
    assert_string_equal(ds_images_split(s, 2), "dev");
    assert_int_equal(ds_images_find(s, kn_str_c("y/b.pgm")), 2);
    ds_images_close(s);
}

static void bad_rows_of_labels(void **state)
{
    (void)state;
    static const entry e[] = {{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"y/b.pgm", DOT("3")}};
    static const struct { const char *csv, *why; } bad[] = {
        {"file,score\nno.pgm,1\n", "row 2, byte 11: \"no.pgm\" is no image of the source"},
        {"file,score\nb.pgm,1\n", "\"b.pgm\" is the end of several"},
        {"file,score\n/a.pgm,1\n", "no image"}, {"file,score\n.pgm,1\n", "no image"},
        {"file,score\n,1\n", "no image"}, {"file,score\n/,1\n", "no image"},
        {"file,score\nx/a.pgm,1\na.pgm,2\n", "row 3, byte 21: \"a.pgm\" has a row already"},
        {"file,score\na.pgm,\n", "\"\" is no score"}, {"file,score\na.pgm,nan\n", "is no score"},
        {"file,score\na.pgm,1x\n", "is no score"}, {"file,label\na.pgm,\n", "is no label"},
        {"file,score\na.pgm\n", "1 field where the header has 2"}};
    const ds_images_options o = {.labels = test_path("bad.csv")}, skip = {.labels = o.labels, .skip_bad = true};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char text[256];
        test_write(o.labels, bad[i].csv, strlen(bad[i].csv));
        FAIL(e, &o, bad[i].why);
        FAIL(e, &o, "bad.csv: ");
        FAIL(e, &o, "--skip-bad");
        snprintf(text, sizeof text, "%sy/b.pgm,7\n", bad[i].csv);
        test_write(o.labels, text, strlen(text));
        ds_images *s = OPEN(e, &skip);
        assert_int_equal(ds_images_rejected(s), 1);
        assert_non_null(strstr(ds_images_last_rejection(s), bad[i].why));
        assert_int_equal(ds_images_count(s), strstr(bad[i].why, "already") ? 2 : 1);
        ds_images_close(s);
    }
}

static void bad_tables_of_labels(void **state)
{
    (void)state;
    static const entry e[] = {{"x/a.pgm", DOT("1")}};
    static const struct { const char *csv, *why; } bad[] = {
        {"", "empty"}, {"name,score\na.pgm,1\n", "must have the column"},
        {"file,what\na.pgm,1\n", "must have the column"},
        {"file,score,score\na.pgm,1,1\n", "two columns are called \"score\""}, {"file,score\n", "none of its images"}};
    const ds_images_options o = {.labels = test_path("table.csv")}, skip = {.labels = o.labels, .skip_bad = true};
    for (size_t i = 0; i < COUNT(bad); i++) {
        test_write(o.labels, bad[i].csv, strlen(bad[i].csv));
        FAIL(e, &o, bad[i].why);
        FAIL(e, &skip, bad[i].why);
    }
    const ds_images_options nowhere = {.labels = "/nonexistent.csv"};
    FAIL(e, &nowhere, "/nonexistent.csv: cannot be opened");
    static const entry two[] = {{"a/labels.csv", "x"}, {"b/labels.csv", "x"}, {"a/x.pgm", DOT("1")}};
    FAIL(two, &plain, "both a/labels.csv and b/labels.csv");
    static const entry near[] = {{"a/b/labels.csv", "x"}, {"labels.csv", "file,score\na/x.pgm,1\n"},
                                 {"a/c/labels.csv", "x"}, {"a/x.pgm", DOT("1")}};
    ds_images_close(OPEN(near, &plain));
    static const entry own[] = {{"b/labels.csv", "file,score\nx.pgm,1\n"}, {"a/x.pgm", DOT("1")},
                                {"b/x.pgm", DOT("2")}};
    ds_images *s = OPEN(own, &plain); /* the CSV's own folder comes first */
    assert_item(s, 0, "b/x.pgm", "", '2');
    ds_images_close(s);
}

static void bad_images_are_counted(void **state)
{
    (void)state;
    static const entry e[] = {{"a/1.pgm", "P5 1 1 255\n"}, {"a/2.pgm", DOT("2")}, {"b/3.pgm", ""}, {"b/4.png", "text"}};
    const ds_images_options skip = {.skip_bad = true};
    ds_image im;
    kn_error err;
    ds_images *s = OPEN(e, &plain);
    assert_int_equal(ds_images_count(s), 4);
    assert_int_equal(ds_images_read(s, 0, &im, &err), -1);
    assert_string_equal(err.text, "bytes: a/1.pgm: damaged PGM or PPM: it was cut short");
    ds_images_close(s);
    s = OPEN(e, &skip);
    assert_int_equal(ds_images_count(s), 1);
    assert_int_equal(ds_images_classes(s), 1);
    assert_int_equal(ds_images_rejected(s), 3);
    assert_non_null(strstr(ds_images_last_rejection(s), "b/4.png: no JPEG"));
    assert_item(s, 0, "a/2.pgm", "a", '2');
    ds_images_close(s);
    static const entry none[] = {{"a/1.pgm", ""}};
    FAIL(none, &skip, "none of its images is left");
}

static void files_named_one_by_one(void **state)
{
    (void)state;
    static const entry e[] = {{"b", DOT("2")}, {"a.pgm", DOT("1")}, {"labels.csv", "file,score\na.pgm,1\n"},
                              {"bad", ""}};
    char path[4][1024], *file[4];
    kn_error err;
    make_folder("named", e, COUNT(e));
    for (size_t i = 0; i < 4; i++)
        snprintf(file[i] = path[i], sizeof path[i], "%s/%s", test_path("named"), i == 3 ? "b" : e[i == 2 ? 3 : i].name);
    ds_images *s = ds_images_open_files(file, 4, &plain, &err);
    assert_non_null(s);
    assert_int_equal(ds_images_count(s), 4);
    assert_item(s, 0, path[0], "", '2');
    assert_item(s, 1, path[1], "", '1');
    assert_item(s, 3, path[0], "", '2');
    assert_true(isnan(ds_images_score(s, 1)));
    ds_image im;
    assert_int_equal(ds_images_read(s, 2, &im, &err), -1);
    assert_int_equal(strncmp(err.text, path[2], strlen(path[2])), 0);
    ds_images_close(s);
    s = ds_images_open_files(file, 4, &(ds_images_options){.skip_bad = true, .labels = "nowhere.csv"}, &err);
    assert_non_null(s);
    assert_int_equal(ds_images_count(s), 3);
    assert_int_equal(ds_images_rejected(s), 1);
    ds_images_close(s);
    assert_null(ds_images_open_files(file, 0, &plain, &err));
    assert_non_null(strstr(err.text, "there is no image"));
}

/* ---- pairs ---------------------------------------------------------------------------------------- */

static void lists_of_pairs(void **state)
{
    (void)state;
    static const struct { const char *text, *why; } bad[] = {
        {"cat/a.PNM cat/b.pgm 2\n", "line 1: not \"FILE FILE 0\""}, {"\ncat/a.PNM cat/b.pgm\n", "line 2: not"},
        {"cat/a.PNM cat/b.pgm 1 1\n", "line 1: not"}, {"cat/a.PNM\n", "line 1: not"}, {"", "no pair"},
        {"# x\n", "no pair"},
        {"cat/a.PNM cat/c.pgm 0\n", "line 1: \"cat/c.pgm\" is no image"}};
    const char good[] = "# same\ncat/a.PNM cat/b.pgm 1\r\n\n \t\nzoo/dog/a.pgm\t cat/a.PNM\t0";
    ds_images *s = OPEN(zoo, &plain);
    ds_image_pairs p;
    kn_error err;
    test_write(test_path("pairs.txt"), good, sizeof good - 1);
    assert_int_equal(ds_image_pairs_read(&p, test_path("pairs.txt"), s, &err), 0);
    assert_int_equal(p.n, 2);
    assert_true(p.a[0] == 0 && p.b[0] == 1 && p.a[1] == 2 && p.b[1] == 0);
    test_near(p.label[0], 1, 0);
    test_near(p.label[1], 0, 0);
    ds_image_pairs_free(&p);
    for (size_t i = 0; i < COUNT(bad); i++) {
        test_write(test_path("pairs.txt"), bad[i].text, strlen(bad[i].text));
        assert_int_equal(ds_image_pairs_read(&p, test_path("pairs.txt"), s, &err), -1);
        if (!strstr(err.text, bad[i].why) || !strstr(err.text, "pairs.txt: "))
            fail_msg("%s: %s", bad[i].why, err.text);
        assert_null(p.a);
    }
    ds_images_close(s);
}

/* ---- digest, threads --------------------------------------------------------------------------------- */

static void the_digest_sees_every_part(void **state)
{
    (void)state;
    static const struct { entry e[3]; } set[] = {
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"labels.csv", "file,score,split\na.pgm,1,\nb.pgm,2,t\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("3")}, {"labels.csv", "file,score,split\na.pgm,1,\nb.pgm,2,t\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/c.pgm", DOT("2")}, {"labels.csv", "file,score,split\na.pgm,1,\nc.pgm,2,t\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"labels.csv", "file,score,split\na.pgm,1,\nb.pgm,3,t\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"labels.csv", "file,score,split\na.pgm,1,\nb.pgm,2,u\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"labels.csv", "file,label,split\na.pgm,1,\nb.pgm,2,t\n"}}},
        {{{"x/a.pgm", DOT("1")}, {"x/b.pgm", DOT("2")}, {"labels.csv", "file,label,split\na.pgm,1,\nb.pgm,1,t\n"}}}};
    char digest[COUNT(set)][65];
    for (size_t i = 0; i < COUNT(set); i++) {
        ds_images *s = OPEN(set[i].e, &plain);
        assert_int_equal(ds_images_digest(s, digest[i], NULL), 0);
        assert_int_equal(strlen(digest[i]), 64);
        ds_images_close(s);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(digest[i], digest[k]);
    }
    make_folder("gone", zoo, COUNT(zoo));
    ds_images *s = must_open(test_path("gone"), &plain);
    kn_error err;
    assert_int_equal(unlink(test_path("gone/zoo/dog/a.pgm")), 0);
    assert_int_equal(ds_images_digest(s, digest[0], &err), -1);
    assert_non_null(strstr(err.text, "gone/zoo/dog/a.pgm: cannot be opened"));
    ds_images_close(s);
}

enum { READERS = 4, ROUNDS = 50 };

static void *read_all(void *arg)
{
    const ds_images *s = arg;
    size_t sum = 0;
    for (size_t r = 0; r < ROUNDS; r++)
        for (size_t i = 0; i < ds_images_count(s); i++) {
            ds_image im;
            kn_error err;
            if (!ds_images_read(s, i, &im, &err))
                sum += im.px[0];
            ds_image_free(&im);
        }
    return (void *)sum;
}

/* Of an archive, a folder and IDX; with images of every format. */
static void threads_read_at_once(void **state)
{
    (void)state;
    static const char *const encoded[] = {"jpeg 4:2:0", "jpeg progressive", "png rgba", "png interlaced", "ppm plain"};
    ds_st *oracle = ds_st_open("tests/ref/images.st", NULL);
    kn_buf b = {0};
    assert_non_null(oracle);
    assert_true(mkdir(test_path("formats"), 0777) == 0);
    for (size_t i = 0; i < COUNT(encoded); i++) {
        const ds_tensor *t = ds_st_find(oracle, encoded[i]);
        char name[64];
        assert_non_null(t);
        snprintf(name, sizeof name, "formats/%zu.png", i);
        tar_entry(&b, name, '0', "", t->data, t->bytes);
        test_write(test_path(name), t->data, t->bytes);
    }
    tar_end(&b);
    const kn_buf idx = {(char *)idx_images, sizeof idx_images - 1, 0};
    ds_images *set[] = {open_bytes(&b, &plain, NULL), must_open(test_path("formats"), &plain),
                        open_bytes(&idx, &plain, NULL)};
    for (size_t k = 0; k < COUNT(set); k++) {
        pthread_t thread[READERS];
        void *alone = read_all(set[k]), *sum;
        for (int i = 0; i < READERS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, read_all, set[k]), 0);
        for (int i = 0; i < READERS; i++) {
            assert_int_equal(pthread_join(thread[i], &sum), 0);
            assert_ptr_equal(sum, alone);
        }
        assert_non_null(alone);
        ds_images_close(set[k]);
    }
    ds_st_close(oracle);
    kn_buf_free(&b);
}

/* ---- real sets ------------------------------------------------------------------------------------------ */

typedef struct real {
    const char *source, *pairs;
    size_t items, classes, h, w, c;
    const char *first, *first_class;
} real;

static void check_real(const char *source, const real *r)
{
    ds_image im;
    ds_images *s = must_open(source, &plain);
    assert_int_equal(ds_images_count(s), r->items);
    assert_int_equal(ds_images_classes(s), r->classes);
    assert_string_equal(ds_images_name(s, 0), r->first);
    if (r->classes)
        assert_string_equal(ds_images_class_name(s, (size_t)ds_images_class(s, 0)), r->first_class);
    else
        assert_true(ds_images_score(s, 0) >= 1 && ds_images_score(s, 0) <= 5 && *ds_images_split(s, 0));
    for (size_t i = 0; i < r->items; i += 97) {
        assert_int_equal(ds_images_read(s, i, &im, NULL), 0);
        assert_true(im.h == r->h && im.w == r->w && im.c == r->c);
        ds_image_free(&im);
    }
    const char *pairs = r->pairs ? test_shared(r->pairs) : NULL;
    if (pairs) {
        ds_image_pairs p;
        assert_int_equal(ds_image_pairs_read(&p, pairs, s, NULL), 0);
        assert_int_equal(p.n, 2200);
        ds_image_pairs_free(&p);
    }
    ds_images_close(s);
}

static void real_sets_open(void **state)
{
    (void)state;
    static const real shared[] = {
        {"images/mnist", NULL, 70000, 10, 28, 28, 1, "t10k/0", "7"},
        {"images/omniglot_background.tar.gz", NULL, 19280, 964, 105, 105, 1,
         "images_background/Alphabet_of_the_Magi/character01/0709_01.png",
         "images_background/Alphabet_of_the_Magi/character01"},
        {"images/lfw90.tar.gz", "images/lfw90-pairs-train.txt", 13233, 5749, 90, 90, 3,
         "lfw90/AJ_Cook/AJ_Cook_0001.jpg", "AJ_Cook"},
        {"images/scut128.tar", NULL, 4400, 0, 128, 128, 3, "scut128/images/AF1.jpg", ""}};
    for (size_t i = 0; i < COUNT(shared); i++) {
        const char *path = test_shared(shared[i].source);
        if (path)
            check_real(path, &shared[i]);
    }
}

static void fashion_mnist_opens(void **state)
{
    (void)state;
    static const real fashion = {"/usr/share/datasets/fashion-mnist", NULL, 70000, 10, 28, 28, 1, "t10k/0", "9"};
    if (access(fashion.source, R_OK)) {
        printf("# skipped: %s is not here (the package dataset-fashion-mnist)\n", fashion.source);
        skip();
    }
    check_real(fashion.source, &fashion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_tar_and_gzip_are_one),
        cmocka_unit_test(classes_of_one_name_are_paths),
        cmocka_unit_test(the_last_of_one_name_counts),
        cmocka_unit_test(no_images_is_an_error),
        cmocka_unit_test(links_of_a_folder),
        cmocka_unit_test(labels_inside_give_scores_and_splits),
        cmocka_unit_test(labels_beside_give_classes),
        cmocka_unit_test(bad_rows_of_labels),
        cmocka_unit_test(bad_tables_of_labels),
        cmocka_unit_test(bad_images_are_counted),
        cmocka_unit_test(files_named_one_by_one),
        cmocka_unit_test(lists_of_pairs),
        cmocka_unit_test(the_digest_sees_every_part),
        cmocka_unit_test(threads_read_at_once),
        cmocka_unit_test(real_sets_open),
        cmocka_unit_test(fashion_mnist_opens),
    };
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
