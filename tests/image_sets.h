/* What the tests of sets of images share: archives and folders written here, and
 * opening them. */
#ifndef TESTS_IMAGE_SETS_H
#define TESTS_IMAGE_SETS_H

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data/images_private.h"
#include "tests/support.h"

static const ds_images_options plain = {0};

/* A PGM of one pixel. */
#define DOT(v) "P5 1 1 255\n" v

/* An IDX file of three images, 1x2, and its labels. */
static const char idx_images[] = "\0\0\x08\x03\0\0\0\3\0\0\0\1\0\0\0\2" "abcdef";
static const char idx_labels[] = "\0\0\x08\x01\0\0\0\3" "\7\0\7";

/* ---- archives and folders, written here ------------------------------------------------ */

typedef struct entry {
    const char *name, *text; /* "" and NULL: a folder */
} entry;

/* One entry of a tar archive (POSIX.1-1988 ustar). */
static inline void tar_entry(kn_buf *b, const char *name, char type, const char *link, const void *data, size_t n)
{
    char head[512] = {0};
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644u);
    snprintf(head + 108, 8, "%07o", 0u);
    snprintf(head + 116, 8, "%07o", 0u);
    snprintf(head + 124, 12, "%011o", (unsigned)n);
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

static inline void tar_end(kn_buf *b)
{
    static const char zeros[1024];
    assert_int_equal(kn_buf_add(b, zeros, sizeof zeros, NULL), 0);
}

static inline void tar_entries(kn_buf *b, const entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tar_entry(b, e[i].name, e[i].text ? '0' : '5', "", e[i].text, e[i].text ? strlen(e[i].text) : 0);
    tar_end(b);
}

static inline void gzip(const char *path, const void *p, size_t n)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, p, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

/* The entries as files below test_path(folder). */
static inline void make_folder(const char *folder, const entry *e, size_t n)
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

static inline ds_images *must_open(const char *source, const ds_images_options *o)
{
    kn_error err;
    ds_images *s = ds_images_open(source, o, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

/* Opening fails and the error says why. */
static inline void must_fail(const char *source, const ds_images_options *o, const char *why)
{
    kn_error err = {""};
    assert_null(ds_images_open(source, o, &err));
    if (!strstr(err.text, why))
        fail_msg("\"%s\" is not in: %s", why, err.text);
    assert_int_equal(strncmp(err.text, source, strlen(source)), 0);
}

static inline ds_images *open_bytes(const kn_buf *b, const ds_images_options *o, kn_error *err)
{
    ds_stream *in = ds_open_memory(b->p, b->n, 0, NULL);
    assert_non_null(in);
    ds_images *s = ds_images_open_stream(in, "bytes", o, err);
    ds_close(in);
    return s;
}

/* The text of a tar archive of entries is a set that opens or fails so. */
static inline ds_images *open_entries(const entry *e, size_t n, const ds_images_options *o)
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

static inline void fail_entries(const entry *e, size_t n, const ds_images_options *o, const char *why)
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

static inline unsigned char pixel(const ds_images *s, size_t i)
{
    ds_image im;
    kn_error err;
    if (ds_images_read(s, i, &im, &err))
        fail_msg("%s", err.text);
    unsigned char v = im.px[0];
    ds_image_free(&im);
    return v;
}

static inline void assert_item(const ds_images *s, size_t i, const char *name, const char *class, char v)
{
    assert_true(i < ds_images_count(s));
    assert_string_equal(ds_images_name(s, i), name);
    ptrdiff_t c = ds_images_class(s, i);
    assert_string_equal(c < 0 ? "" : ds_images_class_name(s, (size_t)c), class);
    assert_int_equal(pixel(s, i), (unsigned char)v);
}

#endif
