/* Tests of data/stream.c and data/lines.c: what a file is, is told by its
 * content; all members, every chunk size; cut short is an error. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

#include "data/data.h"
#include "tests/support.h"

/* ---- helpers -------------------------------------------------------------------- */

/* Text of n bytes that compresses and holds every byte value. */
static kn_buf some_bytes(size_t n)
{
    kn_buf b = {0};
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        char byte = (char)(x >> 30 ? x >> 28 : x >> 20);
        assert_int_equal(kn_buf_add(&b, &byte, 1, NULL), 0);
    }
    return b;
}

static void gzip_to(kn_buf *out, const char *p, size_t n)
{
    z_stream z = {0};
    char piece[4096];
    int code;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    do {
        z.next_out = (unsigned char *)piece;
        z.avail_out = sizeof piece;
        code = deflate(&z, Z_FINISH);
        assert_int_equal(kn_buf_add(out, piece, sizeof piece - z.avail_out, NULL), 0);
    } while (code == Z_OK);
    assert_int_equal(code, Z_STREAM_END);
    deflateEnd(&z);
}

/* Names and texts in turn, ended by NULL; a name that ends with / is a folder. */
static void zip_file(const char *path, const char *const *member)
{
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    assert_non_null(z);
    for (; *member; member += 2) {
        if (member[0][strlen(member[0]) - 1] == '/') {
            assert_true(zip_dir_add(z, member[0], 0) >= 0);
            continue;
        }
        zip_source_t *text = zip_source_buffer(z, member[1], strlen(member[1]), 0);
        assert_non_null(text);
        assert_true(zip_file_add(z, member[0], text, 0) >= 0);
    }
    assert_int_equal(zip_close(z), 0);
}

/* The whole stream, read in pieces of `piece` bytes: 0, or -1 and err. */
static int read_all(ds_stream *s, size_t piece, kn_buf *out, kn_error *err)
{
    char buf[65536];
    ptrdiff_t n;
    while ((n = ds_read(s, buf, piece, err)) > 0) {
        assert_true((size_t)n <= piece);
        assert_int_equal(kn_buf_add(out, buf, (size_t)n, NULL), 0);
    }
    assert_int_equal(ds_read(s, buf, 0, err), 0);
    return (int)n;
}

static int read_path(const char *path, size_t piece, kn_buf *out, kn_error *err)
{
    ds_stream *s = ds_open(path, err);
    int rc = s ? read_all(s, piece, out, err) : -1;
    ds_close(s);
    return rc;
}

static void assert_reads(const char *path, const char *want, size_t n)
{
    static const size_t pieces[] = {1, 7, 4096, 65536};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        kn_buf got = {0};
        kn_error err = {0};
        if (read_path(path, pieces[i], &got, &err))
            fail_msg("%s: %s", path, err.text);
        assert_int_equal(got.n, n);
        if (n)
            assert_memory_equal(got.p, want, n);
        kn_buf_free(&got);
    }
}

/* Opening or reading fails, and the sentence says this. */
static void assert_fails(const char *path, const char *why)
{
    kn_buf got = {0};
    kn_error err = {0};
    assert_int_equal(read_path(path, 65536, &got, &err), -1);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" does not say \"%s\"", path, err.text, why);
    kn_buf_free(&got);
}

/* ---- plain, gzip ------------------------------------------------------------------- */

static void plain_files(void **state)
{
    (void)state;
    const char *path = test_path("plain");
    kn_buf b = some_bytes(200000);
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 65535, 65536, 65537, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        test_write(path, b.p, sizes[i]);
        assert_reads(path, b.p, sizes[i]);
    }
    kn_buf_free(&b);
    assert_fails("/nonexistent/file", "cannot be opened: No such file");
    assert_fails("/", "cannot be read: Is a directory");
}

static void gzip_files(void **state)
{
    (void)state;
    const char *path = test_path("gz");
    kn_buf b = some_bytes(300000), gz = {0};
    gzip_to(&gz, b.p, b.n);
    test_write(path, gz.p, gz.n);
    assert_reads(path, b.p, b.n);
    gz.n = 0; /* an empty file, then many members, an empty one among them */
    gzip_to(&gz, "", 0);
    test_write(path, gz.p, gz.n);
    assert_reads(path, "", 0);
    for (size_t at = 0; at < b.n; at += 30000)
        gzip_to(&gz, b.p + at, at == 60000 ? 0 : 30000);
    kn_buf want = {0};
    assert_int_equal(kn_buf_add(&want, b.p, 60000, NULL) || kn_buf_add(&want, b.p + 90000, 210000, NULL), 0);
    test_write(path, gz.p, gz.n);
    assert_reads(path, want.p, want.n);
    kn_buf_free(&want);
    kn_buf_free(&b);
    kn_buf_free(&gz);
}

/* Cut at any byte but between members, it is not whole. */
static void cut_gzip_files(void **state)
{
    (void)state;
    const char *path = test_path("cut.gz");
    kn_buf gz = {0};
    gzip_to(&gz, "question one\n", 13);
    size_t first = gz.n, cuts = 0;
    gzip_to(&gz, "question two\n", 13);
    for (size_t n = 2; n < gz.n; n++, cuts++) {
        test_write(path, gz.p, n);
        if (n == first)
            assert_reads(path, "question one\n", 13);
        else
            assert_fails(path, "cut short");
    }
    assert_true(cuts > 50);
    for (size_t i = 0; i < gz.n; i++) { /* a changed bit is noticed, or is one that means nothing */
        gz.p[i] ^= 0x20;
        test_write(path, gz.p, gz.n);
        kn_buf got = {0};
        kn_error err;
        if (i > 1 && read_path(path, 65536, &got, &err) == 0)
            assert_true(kn_str_eq((kn_str){got.p, got.n}, kn_str_c("question one\nquestion two\n")));
        kn_buf_free(&got);
        gz.p[i] ^= 0x20;
    }
    assert_int_equal(kn_buf_adds(&gz, "more", NULL), 0);
    test_write(path, gz.p, gz.n);
    assert_fails(path, "corrupt: incorrect header check");
    kn_buf_free(&gz);
}

/* ---- zip ------------------------------------------------------------------------------- */

static const char *const members[] = {"folder/", NULL, "folder/a.txt", "first member\n", "b.txt", "second\n", NULL};

static void zip_members(void **state)
{
    (void)state;
    char path[512], name[600];
    snprintf(path, sizeof path, "%s", test_path("a.zip"));
    zip_file(path, members);
    assert_reads(path, members[3], strlen(members[3]));
    snprintf(name, sizeof name, "%s:b.txt", path);
    assert_reads(name, members[5], strlen(members[5]));
    snprintf(name, sizeof name, "%s:c.txt", path);
    assert_fails(name, "has no member c.txt");
    static const char *const only_folder[] = {"folder/", NULL, NULL};
    zip_file(path, only_folder);
    assert_fails(path, "holds no file");
    test_write(path, "question1\n", 10);
    assert_fails(name, "not a zip archive");
}

static void cut_zip_files(void **state)
{
    (void)state;
    char path[512];
    size_t n, cuts = 0;
    snprintf(path, sizeof path, "%s", test_path("b.zip"));
    zip_file(path, members);
    char *bytes = test_read(path, &n);
    for (size_t i = 4; i < n; i++, cuts++) {
        test_write(path, bytes, i);
        assert_fails(path, "zip");
    }
    assert_true(cuts > 100);
    char *text = memmem(bytes, n, "first member", 12); /* so short a member is stored as it is */
    assert_non_null(text);
    text[3] ^= 1;
    test_write(path, bytes, n);
    assert_fails(path, "CRC error");
    free(bytes);
}

/* ---- pipes -------------------------------------------------------------------------------- */

/* Reads the bytes as standard input that gives a byte at a time: a socket of
 * packets keeps them apart however fast they are written. */
static void assert_piped(const char *bytes, size_t n, const char *want, size_t want_n)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        close(ends[0]);
        for (size_t i = 0; i < n; i++)
            if (write(ends[1], bytes + i, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    int keep = dup(STDIN_FILENO);
    assert_true(keep >= 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    kn_buf got = {0};
    kn_error err = {0};
    ds_stream *s = ds_open("-", &err);
    if (!s || read_all(s, 4096, &got, &err))
        fail_msg("%s", err.text);
    assert_string_equal(ds_name(s), "<stdin>");
    ds_close(s);
    assert_int_equal(dup2(keep, STDIN_FILENO), STDIN_FILENO);
    close(keep);
    int status;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    assert_int_equal(got.n, want_n);
    assert_memory_equal(got.p, want, want_n);
    kn_buf_free(&got);
}

static void pipes(void **state)
{
    (void)state;
    kn_buf b = some_bytes(9000), gz = {0};
    assert_piped(b.p, b.n, b.p, b.n);
    assert_piped("PK\3", 3, "PK\3", 3);
    gzip_to(&gz, b.p, b.n);
    assert_piped(gz.p, gz.n, b.p, b.n);
    const char *path = test_path("c.zip");
    size_t n;
    zip_file(path, members);
    char *bytes = test_read(path, &n);
    assert_piped(bytes, n, members[3], strlen(members[3]));
    free(bytes);
    kn_buf_free(&b);
    kn_buf_free(&gz);
}

static void progress_reaches_the_total(void **state)
{
    (void)state;
    kn_buf b = some_bytes(100000), gz = {0};
    gzip_to(&gz, b.p, b.n);
    char paths[3][512];
    snprintf(paths[0], sizeof *paths, "%s", test_path("p.txt"));
    snprintf(paths[1], sizeof *paths, "%s", test_path("p.gz"));
    snprintf(paths[2], sizeof *paths, "%s", test_path("p.zip"));
    test_write(paths[0], b.p, b.n);
    test_write(paths[1], gz.p, gz.n);
    zip_file(paths[2], members);
    const uint64_t totals[3] = {b.n, gz.n, strlen(members[3])};
    for (int i = 0; i < 3; i++) {
        kn_error err;
        kn_buf got = {0};
        uint64_t done, total;
        ds_stream *s = ds_open(paths[i], &err);
        assert_non_null(s);
        assert_int_equal(read_all(s, 65536, &got, &err), 0);
        ds_progress(s, &done, &total);
        assert_int_equal(total, totals[i]);
        assert_int_equal(done, total);
        ds_close(s);
        kn_buf_free(&got);
    }
    kn_buf_free(&b);
    kn_buf_free(&gz);
}

static void temporary_file(void **state)
{
    (void)state;
    kn_error err;
    int fd = ds_temporary(&err);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(lseek(fd, 0, SEEK_END), 1);
    close(fd);
    setenv("TMPDIR", "/nonexistent", 1);
    assert_int_equal(ds_temporary(&err), -1);
    assert_non_null(strstr(err.text, "set TMPDIR"));
    unsetenv("TMPDIR");
}

/* ---- lines ------------------------------------------------------------------------------------ */

static void lines_at_every_chunk(void **state)
{
    (void)state;
    static const char input[] = "one\ntwo\r\n\n\r\nfi\0ve\rsix\r";
    static const kn_str want[] = {{"one", 3}, {"two", 3}, {"", 0}, {"", 0}, {"fi\0ve\rsix\r", 10}};
    for (size_t chunk = 0; chunk < sizeof input; chunk++) {
        kn_error err;
        kn_str line;
        bool ended;
        ds_stream *s = ds_open_memory(input, sizeof input - 1, chunk, &err);
        ds_lines *l = ds_lines_new(s, &err);
        assert_non_null(l);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(ds_line(l, &line, &ended, &err), 1);
            assert_true(kn_str_eq(line, want[i]));
            assert_int_equal(ended, i < 4);
            assert_int_equal(ds_line_number(l), i + 1);
        }
        assert_int_equal(ds_line(l, &line, NULL, &err), 0);
        assert_int_equal(ds_line(l, &line, NULL, &err), 0);
        ds_lines_free(l);
        ds_close(s);
    }
}

/* Lines far longer than the window, moved and grown: each is what was written. */
static void long_lines(void **state)
{
    (void)state;
    kn_buf b = {0};
    for (size_t i = 0; i < 60; i++) {
        for (size_t k = 0; k < i * i * 37; k++)
            assert_int_equal(kn_buf_add(&b, &"abcdefg"[(i + k) % 7], 1, NULL), 0);
        assert_int_equal(kn_buf_add(&b, "\n", 1, NULL), 0);
    }
    static const size_t chunks[] = {0, 13, 4096, 65536};
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
        kn_error err;
        kn_str line;
        ds_stream *s = ds_open_memory(b.p, b.n, chunks[c], &err);
        ds_lines *l = ds_lines_new(s, &err);
        const char *p = b.p;
        assert_non_null(l);
        for (size_t i = 0; i < 60; i++) {
            assert_int_equal(ds_line(l, &line, NULL, &err), 1);
            assert_true(kn_str_eq(line, (kn_str){p, i * i * 37}));
            p += i * i * 37 + 1;
        }
        assert_int_equal(ds_line(l, &line, NULL, &err), 0);
        ds_lines_free(l);
        ds_close(s);
    }
    kn_buf_free(&b);
}

static void endless_line_is_refused(void **state)
{
    (void)state;
    const size_t most = 16 << 20;
    char *x = malloc(most + 2);
    kn_error err;
    kn_str line;
    assert_non_null(x);
    memset(x, 'x', most + 2);
    for (int over = 0; over < 2; over++) {
        x[most + (size_t)over] = '\n';
        ds_stream *s = ds_open_memory(x, most + 2, 0, &err);
        ds_lines *l = ds_lines_new(s, &err);
        assert_non_null(l);
        assert_int_equal(ds_line(l, &line, NULL, &err), over ? -1 : 1);
        if (over)
            assert_non_null(strstr(err.text, "line 1, byte 0: longer than 16 MiB"));
        ds_lines_free(l);
        ds_close(s);
        x[most] = 'x';
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_files),
        cmocka_unit_test(gzip_files),
        cmocka_unit_test(cut_gzip_files),
        cmocka_unit_test(zip_members),
        cmocka_unit_test(cut_zip_files),
        cmocka_unit_test(pipes),
        cmocka_unit_test(progress_reaches_the_total),
        cmocka_unit_test(temporary_file),
        cmocka_unit_test(lines_at_every_chunk),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(endless_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
