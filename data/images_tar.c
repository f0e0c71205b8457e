/* Images of a tar archive (ustar, pax, GNU) by libarchive; ds_stream unpacks
 * gzip. Nothing is written to disk, yet names that lead out of the archive are
 * refused: they are no accident. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "data/image_private.h"
#include "data/images_private.h"

enum { PIECE = 1 << 16 };

typedef struct reader {
    ds_images *set;
    ds_stream *in;
    struct archive *a;
    const unsigned char *head; /* given out first */
    size_t head_n;
    uint64_t delivered; /* bytes of the archive seen so far */
    kn_buf data;        /* of the entry under way */
    kn_error stream;    /* why the stream ended early */
    unsigned char piece[PIECE];
} reader;

static la_ssize_t deliver(struct archive *a, void *arg, const void **p)
{
    reader *r = arg;
    ptrdiff_t n = (ptrdiff_t)r->head_n;
    *p = r->head;
    if (!n) {
        *p = r->piece;
        n = ds_read(r->in, r->piece, sizeof r->piece, &r->stream);
    }
    r->head_n = 0;
    if (n < 0)
        archive_set_error(a, -1, "%s", r->stream.text);
    else
        r->delivered += (uint64_t)n;
    return n;
}

static int failed(const reader *r, kn_error *err)
{
    const char *why = archive_error_string(r->a);
    return kn_fail(err, "the tar archive cannot be read: %s", why ? why : "it is damaged");
}

/* The name without "." and empty parts, in memory of the set; NULL in *clean
 * when it, or a folder of it, is hidden, or it is the top itself. */
static int clean_name(reader *r, const char *name, const char **clean, kn_error *err)
{
    bool hidden = false;
    char *out = ds_images_keep(r->set, kn_str_c(name), err), *end = out;
    *clean = NULL;
    if (!out)
        return -1;
    if (*name == '/')
        return kn_fail(err, "the entry %s has an absolute name: this is refused", name);
    for (const char *part = name; *part;) {
        size_t n = strcspn(part, "/");
        if (n == 2 && !memcmp(part, "..", 2))
            return kn_fail(err, "the entry %s leads out of the archive: this is refused", name);
        if (n && !(n == 1 && *part == '.')) {
            hidden = hidden || *part == '.' || (n == 8 && !memcmp(part, "__MACOSX", 8));
            if (end > out)
                *end++ = '/';
            memmove(end, part, n);
            end += n;
        }
        part += n + (part[n] == '/');
    }
    *end = '\0';
    if (!hidden && end > out)
        *clean = out;
    return 0;
}

/* All data of the entry, into memory that grows with what arrives. */
static int read_data(reader *r, struct archive_entry *e, kn_error *err)
{
    char piece[PIECE];
    la_ssize_t n;
    r->data.n = 0;
    if (archive_entry_size(e) > DS_MAX_IMAGE_BYTES)
        return kn_fail(err, "larger than %d MiB", DS_MAX_IMAGE_BYTES >> 20);
    while ((n = archive_read_data(r->a, piece, sizeof piece)) > 0)
        if (kn_buf_add(&r->data, piece, (size_t)n, err))
            return -1;
    return n < 0 ? failed(r, err) : 0;
}

static int read_entry(reader *r, struct archive_entry *e, kn_error *err)
{
    const char *name = archive_entry_pathname(e), *clean;
    unsigned char *bytes;
    ds_item *to;
    if (!name)
        return kn_fail(err, "the tar archive has an entry without a name");
    if (clean_name(r, name, &clean, err))
        return -1;
    if (!clean || archive_entry_filetype(e) != AE_IFREG)
        return 0;
    if (ds_images_place(r->set, clean, &to, err))
        return -1;
    if (!to)
        return 0;
    if (read_data(r, e, err))
        return kn_fail_prefix(err, "%s", clean);
    if (!(bytes = ds_images_take(r->set, r->data.n, err)))
        return -1;
    if (r->data.n)
        memcpy(bytes, r->data.p, r->data.n);
    to->bytes = bytes;
    to->n = r->data.n;
    return 0;
}

static int read_entries(reader *r, kn_error *err)
{
    struct archive_entry *e;
    int code;
    if (archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
        archive_read_open(r->a, r, NULL, deliver, NULL) != ARCHIVE_OK)
        return kn_fail(err, "neither a folder, a tar or tar.gz archive nor an IDX file (%s)",
                       archive_error_string(r->a));
    while ((code = archive_read_next_header(r->a, &e)) == ARCHIVE_OK || code == ARCHIVE_WARN)
        if (read_entry(r, e, err))
            return -1;
    if (code != ARCHIVE_EOF)
        return failed(r, err);
    /* libarchive takes the end of the bytes for the end of the archive, which is
     * a block of zeros. */
    if ((uint64_t)archive_read_header_position(r->a) >= r->delivered)
        return kn_fail(err, "the tar archive is cut short: its end is missing");
    ptrdiff_t n;
    while ((n = ds_read(r->in, r->piece, sizeof r->piece, err)) > 0)
        ; /* up to the checksum of gzip */
    return (int)n;
}

int ds_images_read_tar(ds_images *s, ds_stream *in, const unsigned char *head, size_t n, kn_error *err)
{
    reader *r = kn_alloc(1, sizeof *r, err);
    int rc = -1;
    if (!r)
        return -1;
    r->set = s;
    r->in = in;
    r->head = head;
    r->head_n = n;
    if ((r->a = archive_read_new()))
        rc = read_entries(r, err);
    else
        kn_fail(err, "libarchive cannot start: out of memory");
    archive_read_free(r->a);
    kn_buf_free(&r->data);
    kn_free(r);
    return rc;
}
