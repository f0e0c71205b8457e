/* Tests of sets of images: data/images.c and its readers, data/image_pairs.c. */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/images_private.h"
#include "tests/support.h"

static const ds_images_options plain = {0};

/* A PGM of one pixel. */
#define DOT(v) "P5 1 1 255\n" v

/* ---- archives and folders, written here ------------------------------------------------ */

typedef struct entry {
    const char *name, *text; /* "" and NULL: a folder */
} entry;

/* One entry of a tar archive (POSIX.1-1988 ustar). */
static void tar_entry(kn_buf *b, const char *name, char type, const char *link, const void *data, size_t n)
{
    char head[512] = {0};
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644u);
    snprintf(head + 108, 8, "%07o", 0u);
    snprintf(head + 116, 8, "%07o", 0u);
    snprintf(head + 124, 12, "%011lo", (unsigned long)n);
    snprintf(head + 136, 12, "%011o", 0u);
    memset(head + 148, ' ', 8);
    head[156] = type;
    snprintf(head + 157, 100, "%s", link);
    memcpy(head + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof head; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    static const char zeros[512];
    assert_false(kn_buf_add(b, head, sizeof head, NULL) || (n && kn_buf_add(b, data, n, NULL)) ||
                 (n % 512 && kn_buf_add(b, zeros, 512 - n % 512, NULL)));
}

static void tar_end(kn_buf *b)
{
    static const char zeros[1024];
    assert_int_equal(kn_buf_add(b, zeros, sizeof zeros, NULL), 0);
}

static void tar_entries(kn_buf *b, const entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tar_entry(b, e[i].name, e[i].text ? '0' : '5', "", e[i].text, e[i].text ? strlen(e[i].text) : 0);
    tar_end(b);
}

static void gzip(const char *path, const void *p, size_t n)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, p, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

/* The entries as files below test_path(folder). */
static void make_folder(const char *folder, const entry *e, size_t n)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", test_path(folder));
    mkdir(path, 0777);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", test_path(folder), e[i].name);
        for (char *slash = path + strlen(test_path(folder)) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
            *slash = '\0';
            mkdir(path, 0777);
        }
        if (e[i].text)
            test_write(path, e[i].text, strlen(e[i].text));
    }
}

static ds_images *must_open(const char *source, const ds_images_options *o)
{
    kn_error err;
    ds_images *s = ds_images_open(source, o, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

/* Opening fails and the error says why. */
static void must_fail(const char *source, const ds_images_options *o, const char *why)
{
    kn_error err = {""};
    assert_null(ds_images_open(source, o, &err));
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
    assert_int_equal(strncmp(err.text, source, strlen(source)), 0);
}

static ds_images *open_bytes(const kn_buf *b, const ds_images_options *o, kn_error *err)
{
    ds_stream *in = ds_open_memory(b->p, b->n, 0, NULL);
    assert_non_null(in);
    ds_images *s = ds_images_open_stream(in, "bytes", o, err);
    ds_close(in);
    return s;
}

/* The text of a tar archive of entries is a set that opens or fails so. */
static ds_images *open_entries(const entry *e, size_t n, const ds_images_options *o)
{
    kn_buf b = {0};
    kn_error err;
    tar_entries(&b, e, n);
    ds_images *s = open_bytes(&b, o, &err);
    if (!s)
        fail_msg("%s", err.text);
    kn_buf_free(&b);
    return s;
}

static void fail_entries(const entry *e, size_t n, const ds_images_options *o, const char *why)
{
    kn_buf b = {0};
    kn_error err = {""};
    tar_entries(&b, e, n);
    assert_null(open_bytes(&b, o, &err));
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
    kn_buf_free(&b);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define OPEN(e, o) open_entries(e, COUNT(e), o)
#define FAIL(e, o, why) fail_entries(e, COUNT(e), o, why)

static unsigned char pixel(const ds_images *s, size_t i)
{
    ds_image im;
    kn_error err;
    if (ds_images_read(s, i, &im, &err))
        fail_msg("%s", err.text);
    unsigned char v = im.px[0];
    ds_image_free(&im);
    return v;
}

static void assert_item(const ds_images *s, size_t i, const char *name, const char *class, char v)
{
    assert_true(i < ds_images_count(s));
    assert_string_equal(ds_images_name(s, i), name);
    ptrdiff_t c = ds_images_class(s, i);
    assert_string_equal(c < 0 ? "" : ds_images_class_name(s, (size_t)c), class);
    assert_int_equal(pixel(s, i), (unsigned char)v);
}

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

/* ---- hostile archives ------------------------------------------------------------------------ */

static void names_that_lead_out(void **state)
{
    (void)state;
    static const char *const name[] = {"../x.pgm", "a/../x.pgm", "a/..", "/x.pgm", "/", "..", "a/../../.hidden"};
    for (size_t i = 0; i < COUNT(name); i++) {
        const entry e[] = {{"a/x.pgm", DOT("1")}, {name[i], "x"}};
        FAIL(e, &plain, "refused");
    }
    static const entry fine[] = {{"a/..x/y..pgm", DOT("1")}, {"a/x.../y.pgm", DOT("2")}};
    ds_images *s = OPEN(fine, &plain);
    assert_int_equal(ds_images_count(s), 1); /* the first is hidden */
    ds_images_close(s);
}

static void only_files_of_an_archive_count(void **state)
{
    (void)state;
    kn_buf b = {0};
    tar_entry(&b, "a/x.pgm", '0', "", DOT("1"), 12);
    tar_entry(&b, "a/hard.pgm", '1', "a/x.pgm", NULL, 0);
    tar_entry(&b, "a/soft.pgm", '2', "/etc/passwd", NULL, 0);
    tar_entry(&b, "a/character.pgm", '3', "", NULL, 0);
    tar_entry(&b, "a/block.pgm", '4', "", NULL, 0);
    tar_entry(&b, "a/folder.pgm", '5', "", NULL, 0);
    tar_entry(&b, "a/fifo.pgm", '6', "", NULL, 0);
    tar_end(&b);
    ds_images *s = open_bytes(&b, &plain, NULL);
    assert_non_null(s);
    assert_int_equal(ds_images_count(s), 1);
    ds_images_close(s);
    kn_buf_free(&b);
}

/* A size of 8 GiB less one (octal), of 2^62 (base 256), and less data than told. */
static void sizes_that_lie(void **state)
{
    (void)state;
    static const struct { const char *size; const char *why; } lie[] = {
        {"77777777777", "larger than 1024 MiB"}, {"\x80\0\0\0\x40\0\0\0\0\0\0\0", "larger than 1024 MiB"},
        {"07777777777", "truncated"}, {"00000100000", "truncated"}};
    for (size_t i = 0; i < COUNT(lie); i++) {
        kn_buf b = {0};
        kn_error err = {""};
        unsigned sum = 0;
        char digits[8];
        tar_entry(&b, "a/x.pgm", '0', "", DOT("1"), 12);
        memcpy(b.p + 124, lie[i].size, 11);
        memset(b.p + 148, ' ', 8);
        for (size_t k = 0; k < 512; k++)
            sum += (unsigned char)b.p[k];
        snprintf(digits, sizeof digits, "%06o", sum);
        memcpy(b.p + 148, digits, 7);
        tar_end(&b);
        assert_null(open_bytes(&b, &plain, &err));
        if (!strcasestr(err.text, lie[i].why))
            fail_msg("%s: %s", lie[i].why, err.text);
        kn_buf_free(&b);
    }
}

static void every_cut_of_an_archive_is_an_error(void **state)
{
    (void)state;
    kn_buf b = {0};
    static const entry e[] = {{"a/x.pgm", DOT("1")}, {"a/y.pgm", DOT("2")}};
    tar_entries(&b, e, 2);
    const size_t whole = b.n, end = whole - 1024; /* where the blocks of zeros begin; one is enough */
    for (b.n = 0; b.n < whole; b.n++) {
        kn_error err = {""};
        ds_images *s = open_bytes(&b, &plain, &err);
        assert_int_equal(s != NULL, b.n >= end + 512);
        assert_int_equal(err.text[0] != '\0', b.n < end + 512);
        ds_images_close(s);
    }
    gzip(test_path("cut.tgz"), b.p, whole);
    kn_buf_free(&b);
    size_t n;
    char *packed = test_read(test_path("cut.tgz"), &n);
    for (size_t k = 0; k < n; k++) {
        test_write(test_path("shorter.tgz"), packed, k);
        kn_error err = {""};
        ds_images *s = ds_images_open(test_path("shorter.tgz"), &plain, &err);
        if (s)
            fail_msg("%zu bytes of %zu are read", k, n);
        assert_true(err.text[0]);
    }
    free(packed);
}

static void names_of_pax_headers(void **state)
{
    (void)state;
    kn_buf b = {0};
    static const char path[] = "23 path=w\xc3\xb6rter/\xc3\xa4.pgm\n", invalid[] = "17 path=z\xff/\xfe.pgm\n";
    assert_true(sizeof path - 1 == 23 && sizeof invalid - 1 == 17);
    tar_entry(&b, "PaxHeaders/x", 'x', "", path, sizeof path - 1);
    tar_entry(&b, "other.pgm", '0', "", DOT("1"), 12);
    tar_entry(&b, "PaxHeaders/y", 'x', "", invalid, sizeof invalid - 1);
    tar_entry(&b, "more.pgm", '0', "", DOT("2"), 12);
    tar_end(&b);
    kn_error err;
    ds_images *s = open_bytes(&b, &plain, &err);
    if (!s)
        fail_msg("%s", err.text);
    assert_item(s, 0, "w\xc3\xb6rter/\xc3\xa4.pgm", "w\xc3\xb6rter", '1');
    assert_item(s, 1, "z\xff/\xfe.pgm", "z\xff", '2');
    ds_images_close(s);
    kn_buf_free(&b);
}

/* ---- IDX ------------------------------------------------------------------------------------------ */

static const char idx_images[] = "\0\0\x08\x03\0\0\0\3\0\0\0\1\0\0\0\2" "abcdef";
static const char idx_labels[] = "\0\0\x08\x01\0\0\0\3" "\7\0\7";

static void idx_with_its_labels(void **state)
{
    (void)state;
    const char *images = test_path("t10k-images-idx3-ubyte.gz"), *labels = test_path("t10k-labels-idx1-ubyte.gz");
    ds_image im;
    gzip(images, idx_images, sizeof idx_images - 1);
    ds_images *s = must_open(images, &plain);
    assert_int_equal(ds_images_class(s, 0), -1);
    ds_images_close(s);
    gzip(labels, idx_labels, sizeof idx_labels - 1);
    s = must_open(images, &plain);
    assert_int_equal(ds_images_count(s), 3);
    assert_int_equal(ds_images_classes(s), 2);
    assert_item(s, 0, "0", "7", 'a');
    assert_item(s, 1, "1", "0", 'c');
    assert_item(s, 2, "2", "7", 'e');
    assert_string_equal(ds_images_split(s, 0), "");
    assert_int_equal(ds_images_find(s, kn_str_c("2")), 2);
    assert_int_equal(ds_images_read(s, 2, &im, NULL), 0);
    assert_true(im.h == 1 && im.w == 2 && im.c == 1 && im.px[1] == 'f');
    ds_image_free(&im);
    ds_images_close(s);
    gzip(labels, "\0\0\x08\x01\0\0\0\2\1\1", 10);
    must_fail(images, &plain, "2 labels for 3 images");
    must_fail(images, &plain, "t10k-labels-idx1-ubyte.gz");
    gzip(labels, idx_images, sizeof idx_images - 1);
    must_fail(images, &plain, "magic is not 0x00000801");
}

static void a_folder_of_idx_files(void **state)
{
    (void)state;
    assert_int_equal(mkdir(test_path("idx"), 0777), 0);
    test_write(test_path("idx/train-images-idx3-ubyte"), idx_images, sizeof idx_images - 1);
    test_write(test_path("idx/train-labels-idx1-ubyte"), idx_labels, sizeof idx_labels - 1);
    gzip(test_path("idx/train-images-idx3-ubyte.gz"), idx_images, sizeof idx_images - 1); /* unpacked already */
    test_write(test_path("idx/t10k-images-idx3-ubyte"), "\0\0\x08\x04\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\3xyz", 23);
    test_write(test_path("idx/else.pgm"), DOT("1"), 12);
    ds_images *s = must_open(test_path("idx"), &plain);
    assert_int_equal(ds_images_count(s), 4);
    assert_item(s, 0, "t10k/0", "", 'x');
    assert_item(s, 1, "train/0", "7", 'a');
    assert_string_equal(ds_images_split(s, 0), "test");
    assert_string_equal(ds_images_split(s, 3), "train");
    ds_images_close(s);
    test_write(test_path("idx/t10k-images-idx3-ubyte"), "text", 4);
    must_fail(test_path("idx"), &plain, "t10k-images-idx3-ubyte: not an IDX file of images");
}

/* IDX items are in order of their number, not of its digits. */
static void items_of_idx_are_in_order(void **state)
{
    (void)state;
    enum { N = 23 };
    char bytes[16 + N] = "\0\0\x08\x03\0\0\0\x17\0\0\0\1\0\0\0\1";
    const kn_buf b = {bytes, sizeof bytes, sizeof bytes};
    for (int i = 0; i < N; i++)
        bytes[16 + i] = (char)i;
    ds_images *s = open_bytes(&b, &plain, NULL);
    assert_non_null(s);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(pixel(s, i), i);
        assert_int_equal(ds_images_find(s, kn_str_c(ds_images_name(s, i))), (int)i);
    }
    ds_images_close(s);
}

static void headers_of_idx_that_lie(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *why; } bad[] = {
        {"\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1", 16, "cut short"},
        {"\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1xy", 18, "more bytes follow"},
        {"\0\0\x08\x03\0\0\0\1\0\0\0\0\0\0\0\1", 16, "1 x 0 pixels"},
        {"\0\0\x08\x03\0\0\0\0\0\0\0\1\0\0\0\1", 16, "no image"},
        {"\0\0\x08\x03\xff\xff\xff\xff\0\0\0\1\0\0\0\1x", 17, "cut short"},
        {"\0\0\x08\x03\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff", 16, "pixels: 1 to 67 million"},
        {"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, "more bytes than memory"},
        {"\0\0\x08\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, "more bytes than memory"},
        {"\0\0\x08\x04\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\2xy", 22, "2 channels"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        const kn_buf b = {(char *)bad[i].bytes, bad[i].n, bad[i].n};
        kn_error err = {""};
        assert_null(open_bytes(&b, &plain, &err));
        if (!strstr(err.text, bad[i].why))
            fail_msg("%s: %s", bad[i].why, err.text);
    }
    for (size_t n = 0; n < sizeof idx_images - 1; n++) {
        const kn_buf b = {(char *)idx_images, n, n};
        assert_null(open_bytes(&b, &plain, NULL));
    }
    test_write(test_path("x-images-idx3"), idx_images, sizeof idx_images - 1);
    for (size_t n = 0; n < sizeof idx_labels - 1; n++) {
        test_write(test_path("x-labels-idx1"), idx_labels, n);
        must_fail(test_path("x-images-idx3"), &plain, "x-labels-idx1: it ends at byte");
    }
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
        cmocka_unit_test(names_that_lead_out),
        cmocka_unit_test(only_files_of_an_archive_count),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(every_cut_of_an_archive_is_an_error),
        cmocka_unit_test(names_of_pax_headers),
        cmocka_unit_test(idx_with_its_labels),
        cmocka_unit_test(a_folder_of_idx_files),
        cmocka_unit_test(items_of_idx_are_in_order),
        cmocka_unit_test(headers_of_idx_that_lie),
        cmocka_unit_test(lists_of_pairs),
        cmocka_unit_test(the_digest_sees_every_part),
        cmocka_unit_test(threads_read_at_once),
        cmocka_unit_test(real_sets_open),
        cmocka_unit_test(fashion_mnist_opens),
    };
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
