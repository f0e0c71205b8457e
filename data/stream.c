/* Bytes from wherever they are: a file, stdin, gzip, a zip member, memory.
 *
 * What a file is is told by its first bytes, so they are read into `in` and
 * given out again before anything else. gzip: RFC 1952 by zlib, all members.
 * zip: libzip, which must be able to seek: an archive from a pipe is copied to
 * a temporary file first. */
#define ZLIB_CONST /* input is const */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

#include "data/data.h"

enum { IN = 1 << 16, MAGIC = 4 };

struct ds_stream {
    ptrdiff_t (*read)(ds_stream *s, void *buf, size_t n, kn_error *err);
    char *name;
    int fd;                  /* -1: none, or libzip's */
    const unsigned char *at; /* bytes read and not yet used */
    size_t left;
    uint64_t done, total;    /* for progress */
    z_stream z;
    bool inflating, between; /* z is open; between two gzip members */
    zip_t *zip;
    zip_file_t *member;
    size_t chunk;            /* of a stream in memory */
    unsigned char in[IN];
};

/* ---- the descriptor ------------------------------------------------------------ */

static ptrdiff_t read_fd(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    ssize_t r;
    do
        r = read(s->fd, buf, n);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return kn_fail_errno(err, "cannot be read");
    s->done += (uint64_t)r;
    return r;
}

/* Makes s->left > 0 unless the end is reached: 1, 0 or -1. */
static int refill(ds_stream *s, kn_error *err)
{
    if (s->left)
        return 1;
    ptrdiff_t r = read_fd(s, s->in, IN, err);
    if (r <= 0)
        return (int)r;
    s->at = s->in;
    s->left = (size_t)r;
    return 1;
}

static ptrdiff_t take(ds_stream *s, void *buf, size_t n)
{
    n = n < s->left ? n : s->left;
    memcpy(buf, s->at, n);
    s->at += n;
    s->left -= n;
    return (ptrdiff_t)n;
}

static ptrdiff_t read_plain(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    return s->left ? take(s, buf, n) : read_fd(s, buf, n, err);
}

/* ---- memory ----------------------------------------------------------------------- */

static ptrdiff_t read_memory(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    (void)err;
    if (!s->left)
        return 0;
    ptrdiff_t r = take(s, buf, s->chunk && s->chunk < n ? s->chunk : n);
    s->done += (uint64_t)r;
    return r;
}

/* ---- gzip --------------------------------------------------------------------------- */

static ptrdiff_t read_gzip(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    s->z.next_out = buf;
    s->z.avail_out = n < 1u << 30 ? (uInt)n : 1u << 30;
    uInt asked = s->z.avail_out;
    for (;;) {
        if (s->between) {
            int more = refill(s, err);
            if (more <= 0)
                return more;
            inflateReset(&s->z);
            s->between = false;
        }
        s->z.next_in = s->at;
        s->z.avail_in = (uInt)s->left;
        int code = inflate(&s->z, Z_NO_FLUSH);
        s->at = s->z.next_in;
        s->left = s->z.avail_in;
        if (code == Z_STREAM_END)
            s->between = true;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return kn_fail(err, "compressed byte %llu: the gzip data are corrupt: %s",
                           (unsigned long long)(s->done - s->left), s->z.msg ? s->z.msg : zError(code));
        if (s->z.avail_out < asked)
            return asked - s->z.avail_out;
        if (s->between)
            continue;
        int more = refill(s, err);
        if (more <= 0)
            return more < 0 ? -1 : kn_fail(err, "the gzip data are cut short: the file is not whole");
    }
}

static int open_gzip(ds_stream *s, kn_error *err)
{
    if (inflateInit2(&s->z, 15 + 16) != Z_OK) /* 32 KiB window, gzip wrapper only */
        return kn_fail(err, "zlib cannot start: out of memory");
    s->inflating = true;
    s->read = read_gzip;
    return 0;
}

/* ---- zip ------------------------------------------------------------------------------ */

static ptrdiff_t read_zip(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    zip_int64_t r = zip_fread(s->member, buf, n);
    if (r < 0)
        return kn_fail(err, "the zip member cannot be read: %s", zip_file_strerror(s->member));
    s->done += (uint64_t)r;
    return (ptrdiff_t)r;
}

int ds_temporary(kn_error *err)
{
    const char *folder = getenv("TMPDIR");
    kn_buf path = {0};
    if (!folder || !*folder)
        folder = "/tmp";
    if (kn_buf_addf(&path, err, "%s/siam-XXXXXX", folder) || kn_buf_add(&path, "", 1, err)) {
        kn_buf_free(&path);
        return -1;
    }
    int fd = mkostemp(path.p, O_CLOEXEC);
    if (fd < 0)
        kn_fail_errno(err, "no temporary file can be made in %s (set TMPDIR)", folder);
    else
        unlink(path.p);
    kn_buf_free(&path);
    return fd;
}

/* A descriptor at the archive's first byte that can seek. */
static int seekable(ds_stream *s, kn_error *err)
{
    struct stat st;
    if (!fstat(s->fd, &st) && S_ISREG(st.st_mode) && lseek(s->fd, 0, SEEK_CUR) == (off_t)s->left &&
        !lseek(s->fd, 0, SEEK_SET)) {
        int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
        return fd < 0 ? kn_fail_errno(err, "cannot be opened again") : fd;
    }
    int fd = ds_temporary(err), more = 1;
    while (fd >= 0 && (more = refill(s, err)) > 0) {
        ssize_t w = write(fd, s->at, s->left);
        if (w < 0 && errno != EINTR) {
            more = kn_fail_errno(err, "the archive cannot be copied to a temporary file");
            break;
        }
        s->at += w > 0 ? w : 0;
        s->left -= w > 0 ? (size_t)w : 0;
    }
    if (more < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The first member that is not a folder, or the one of that name. */
static int find_member(ds_stream *s, const char *name, zip_stat_t *st, kn_error *err)
{
    zip_int64_t count = zip_get_num_entries(s->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        if (zip_stat_index(s->zip, (zip_uint64_t)i, 0, st))
            return kn_fail(err, "the zip archive cannot be read: %s", zip_strerror(s->zip));
        size_t n = strlen(st->name);
        if (name ? !strcmp(st->name, name) : n && st->name[n - 1] != '/')
            return 0;
    }
    return name ? kn_fail(err, "the zip archive has no member %s", name) : kn_fail(err, "the zip archive holds no file");
}

static int open_zip(ds_stream *s, const char *member, kn_error *err)
{
    zip_stat_t st;
    int code, fd = seekable(s, err);
    if (fd < 0)
        return -1;
    s->zip = zip_fdopen(fd, 0, &code);
    if (!s->zip) {
        zip_error_t why;
        zip_error_init_with_code(&why, code);
        kn_fail(err, "the zip archive cannot be opened: %s (is the file whole?)", zip_error_strerror(&why));
        zip_error_fini(&why);
        close(fd);
        return -1;
    }
    if (find_member(s, member, &st, err))
        return -1;
    if (!(s->member = zip_fopen_index(s->zip, st.index, 0)))
        return kn_fail(err, "the zip member %s cannot be opened: %s", st.name, zip_strerror(s->zip));
    s->read = read_zip;
    s->done = 0;
    s->total = st.valid & ZIP_STAT_SIZE ? st.size : 0; /* what is read is counted uncompressed */
    return 0;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static ds_stream *new_stream(const char *name, kn_error *err)
{
    ds_stream *s = kn_alloc(1, sizeof *s, err);
    if (!s)
        return NULL;
    s->fd = -1;
    if (!(s->name = strdup(name))) {
        kn_fail(err, "out of memory");
        kn_free(s);
        return NULL;
    }
    return s;
}

/* Reads the first bytes and lets the one that knows them take over. */
static int recognise(ds_stream *s, const char *member, kn_error *err)
{
    struct stat st;
    if (!fstat(s->fd, &st) && S_ISREG(st.st_mode))
        s->total = (uint64_t)st.st_size;
    s->at = s->in;
    while (s->left < MAGIC) { /* a pipe may give a byte at a time */
        ptrdiff_t r = read_fd(s, s->in + s->left, IN - s->left, err);
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        s->left += (size_t)r;
    }
    if (s->left >= MAGIC && (!memcmp(s->in, "PK\3\4", 4) || !memcmp(s->in, "PK\5\6", 4)))
        return open_zip(s, member, err);
    if (member)
        return kn_fail(err, "not a zip archive, so it has no member %s", member);
    if (s->left >= 2 && !memcmp(s->in, "\x1f\x8b", 2))
        return open_gzip(s, err);
    s->read = read_plain;
    return 0;
}

ds_stream *ds_open(const char *path, kn_error *err)
{
    bool standard = !strcmp(path, "-");
    const char *member = NULL;
    ds_stream *s = new_stream(standard ? "<stdin>" : path, err);
    if (!s)
        return NULL;
    s->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *colon = strrchr(s->name, ':');
    if (s->fd < 0 && errno == ENOENT && colon) { /* ARCHIVE:MEMBER */
        *colon = '\0';
        s->fd = open(s->name, O_RDONLY | O_CLOEXEC);
        *colon = ':';
        member = colon + 1;
    }
    int rc = s->fd < 0 ? kn_fail_errno(err, "cannot be opened") : recognise(s, member, err);
    if (!rc)
        return s;
    ds_close(s);
    return NULL;
}

ds_stream *ds_open_memory(const void *p, size_t n, size_t chunk, kn_error *err)
{
    ds_stream *s = new_stream("<memory>", err);
    if (!s)
        return NULL;
    s->read = read_memory;
    s->at = p;
    s->left = n;
    s->total = n;
    s->chunk = chunk;
    return s;
}

ptrdiff_t ds_read(ds_stream *s, void *buf, size_t n, kn_error *err)
{
    return n ? s->read(s, buf, n, err) : 0;
}

void ds_progress(const ds_stream *s, uint64_t *done, uint64_t *total)
{
    *done = s->done;
    *total = s->total;
}

const char *ds_name(const ds_stream *s)
{
    return s->name;
}

void ds_close(ds_stream *s)
{
    if (!s)
        return;
    if (s->member)
        zip_fclose(s->member);
    if (s->zip)
        zip_discard(s->zip);
    if (s->inflating)
        inflateEnd(&s->z);
    if (s->fd > STDIN_FILENO)
        close(s->fd);
    free(s->name);
    kn_free(s);
}
