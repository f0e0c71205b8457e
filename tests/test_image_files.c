/* Tests of sets of images in archives, hostile ones too, and in IDX files:
 * data/images_tar.c, data/images_idx.c. */
#include "tests/image_sets.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_lead_out),
        cmocka_unit_test(only_files_of_an_archive_count),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(every_cut_of_an_archive_is_an_error),
        cmocka_unit_test(names_of_pax_headers),
        cmocka_unit_test(idx_with_its_labels),
        cmocka_unit_test(a_folder_of_idx_files),
        cmocka_unit_test(items_of_idx_are_in_order),
        cmocka_unit_test(headers_of_idx_that_lie),
    };
    return cmocka_run_group_tests_name("image files", tests, NULL, NULL);
}
