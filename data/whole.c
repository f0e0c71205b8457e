/* Files that are read as a whole, into memory that grows with what arrives. */
#include "data/whole.h"

enum { FIRST_READ = 1 << 20, PIECE = 1 << 16 };

int ds_read_exactly(ds_stream *s, void *p, size_t n, kn_error *err)
{
    uint64_t done, total;
    for (size_t at = 0; at < n;) {
        ptrdiff_t r = ds_read(s, (char *)p + at, n - at, err);
        ds_progress(s, &done, &total);
        if (r <= 0)
            return r < 0 ? -1 : kn_fail(err, "it ends at byte %llu: it was cut short", (unsigned long long)done);
        at += (size_t)r;
    }
    return 0;
}

void *ds_read_rest(ds_stream *s, size_t n, kn_error *err)
{
    char *p = NULL, more;
    size_t cap = 0, at = 0;
    do {
        size_t want = n - at <= at + FIRST_READ ? n : 2 * at + FIRST_READ;
        if (kn_grow(&p, &cap, want ? want : 1, 1, err) || ds_read_exactly(s, p + at, want - at, err)) {
            kn_free(p);
            return NULL;
        }
        at = want;
    } while (at < n);
    ptrdiff_t r = ds_read(s, &more, 1, err);
    if (!r)
        return p;
    if (r > 0)
        kn_fail(err, "more bytes follow the %zu that its header tells of", n);
    kn_free(p);
    return NULL;
}

int ds_read_whole(kn_buf *b, ds_stream *s, size_t most, kn_error *err)
{
    char piece[PIECE];
    ptrdiff_t r;
    while ((r = ds_read(s, piece, sizeof piece, err)) > 0) {
        if ((size_t)r > most - b->n)
            return kn_fail(err, "larger than %zu MiB", most >> 20);
        if (kn_buf_add(b, piece, (size_t)r, err))
            return -1;
    }
    return (int)r;
}
