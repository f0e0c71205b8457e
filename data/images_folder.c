/* Images of a folder: names only, files are read when asked for. Links are
 * followed, but not in circles. */
#include <errno.h>
#include <fts.h>
#include <string.h>

#include "data/images_private.h"

/* The path below the source. */
static const char *below(const ds_images *s, const FTSENT *e)
{
    const char *name = e->fts_path + strlen(s->source);
    while (*name == '/')
        name++;
    return name;
}

static int add_file(ds_images *s, const char *name, kn_error *err)
{
    ds_item *to;
    name = ds_images_keep(s, kn_str_c(name), err);
    return name ? ds_images_place(s, name, &to, err) : -1;
}

static int visit(ds_images *s, FTS *walk, FTSENT *e, kn_error *err)
{
    bool hidden = e->fts_level > 0 && (e->fts_name[0] == '.' || !strcmp(e->fts_name, "__MACOSX"));
    switch (e->fts_info) {
    case FTS_D:
        if (hidden)
            fts_set(walk, e, FTS_SKIP);
        return 0;
    case FTS_F:
        return hidden ? 0 : add_file(s, below(s, e), err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = e->fts_errno;
        return kn_fail_errno(err, "%s cannot be read", below(s, e));
    case FTS_SLNONE:
        return hidden ? 0 : kn_fail(err, "%s is a link to nothing", below(s, e));
    default:
        return 0;
    }
}

int ds_images_read_folder(ds_images *s, kn_error *err)
{
    char *const roots[] = {(char *)s->source, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    FTSENT *e;
    int rc = 0;
    if (!walk)
        return kn_fail_errno(err, "cannot be opened");
    while (!rc && (errno = 0, e = fts_read(walk)))
        rc = visit(s, walk, e, err);
    if (!rc && errno)
        rc = kn_fail_errno(err, "cannot be read");
    fts_close(walk);
    return rc;
}
