/* IDX files of images and of labels (Y. LeCun, "The MNIST database", "File
 * formats"): magic 0, 0, type 8 (bytes), number of dimensions; the dimensions,
 * 32 bits each, the high byte first; the bytes, the last dimension fastest. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/images_private.h"
#include "data/whole.h"

enum { MAX_DIMS = 4 };

bool ds_is_idx(const unsigned char *head, size_t n)
{
    return n == DS_HEAD && !memcmp(head, "\0\0\x08", 3) && (head[3] == 3 || head[3] == 4);
}

/* The dims sizes behind the magic, and how many bytes an entry of the first has. */
static int read_shape(ds_stream *in, size_t dims, size_t shape[MAX_DIMS], size_t *entry, kn_error *err)
{
    unsigned char b[4];
    size_t all;
    *entry = 1;
    for (size_t i = 0; i < dims; i++) {
        if (ds_read_exactly(in, b, sizeof b, err))
            return -1;
        shape[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (i && kn_mul(entry, *entry, shape[i]))
            return kn_fail(err, "its header tells of more bytes than memory can hold");
    }
    return kn_mul(&all, *entry, shape[0]) ? kn_fail(err, "its header tells of more bytes than memory can hold") : 0;
}

/* ---- labels ------------------------------------------------------------------------ */

/* path with "images" made "labels" and the digit of the "idx3" behind it 1; NULL
 * and no error when it has no such name. kn_buf_free. */
static int labels_path(kn_buf *out, const char *path, kn_error *err)
{
    const char *base = strrchr(path, '/'), *images = strstr(base ? base : path, "images");
    const char *idx = images ? strstr(images, "idx") : NULL;
    *out = (kn_buf){0};
    if (!idx || !idx[3])
        return 0;
    if (kn_buf_add(out, path, strlen(path) + 1, err))
        return -1;
    memcpy(out->p + (images - path), "labels", 6);
    out->p[idx + 3 - path] = '1';
    return 0;
}

/* Gives the n items from `first` on the labels of the stream. */
static int read_labels(ds_images *s, ds_stream *in, size_t first, kn_error *err)
{
    unsigned char magic[DS_HEAD];
    const char *name[256] = {0};
    size_t shape[MAX_DIMS], entry, n = s->count - first;
    if (ds_read_exactly(in, magic, sizeof magic, err))
        return -1;
    if (memcmp(magic, "\0\0\x08\x01", 4))
        return kn_fail(err, "not an IDX file of labels: its magic is not 0x00000801");
    if (read_shape(in, 1, shape, &entry, err))
        return -1;
    if (shape[0] != n)
        return kn_fail(err, "%zu labels for %zu images", shape[0], n);
    unsigned char *label = ds_read_rest(in, n, err);
    if (!label)
        return -1;
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        char digits[8];
        snprintf(digits, sizeof digits, "%u", label[i]);
        if (!name[label[i]] && !(name[label[i]] = ds_images_keep(s, kn_str_c(digits), err)))
            rc = -1;
        else
            s->item[first + i].group = kn_str_c(name[label[i]]);
    }
    kn_free(label);
    return rc;
}

/* The labels beside an images file, if they are there. */
static int find_labels(ds_images *s, const char *path, size_t first, kn_error *err)
{
    kn_buf beside;
    int rc = labels_path(&beside, path, err);
    if (!rc && beside.n && !access(beside.p, F_OK)) {
        ds_stream *in = ds_open(beside.p, err);
        rc = !in || read_labels(s, in, first, err) ? kn_fail_prefix(err, "%s", beside.p) : 0;
        ds_close(in);
    }
    kn_buf_free(&beside);
    return rc;
}

/* ---- images ------------------------------------------------------------------------- */

int ds_images_read_idx(ds_images *s, ds_stream *in, const unsigned char head[DS_HEAD], const char *path,
                       const char *prefix, const char *split, kn_error *err)
{
    size_t shape[MAX_DIMS] = {0, 0, 0, 1}, entry, first = s->count;
    char name[512];
    if (read_shape(in, head[3], shape, &entry, err))
        return -1;
    if (shape[3] != 1 && shape[3] != 3)
        return kn_fail(err, "IDX images of %zu channels: 1 (grey) or 3 (RGB) can be read", shape[3]);
    if (!entry || entry / shape[3] > DS_MAX_PIXELS)
        return kn_fail(err, "IDX images of %zu x %zu pixels: 1 to %d million can be read", shape[2], shape[1],
                       DS_MAX_PIXELS / 1000000);
    unsigned char *px = ds_read_rest(in, shape[0] * entry, err);
    if (!px || ds_images_own(s, px, err))
        return -1;
    for (size_t i = 0; i < shape[0]; i++) {
        snprintf(name, sizeof name, "%s%zu", prefix, i);
        const char *kept = ds_images_keep(s, kn_str_c(name), err);
        ds_item *item = kept ? ds_images_add(s, kept, err) : NULL;
        if (!item)
            return -1;
        item->split = split;
        item->bytes = px + i * entry;
        item->n = entry;
        item->h = shape[1];
        item->w = shape[2];
        item->c = shape[3];
    }
    return find_labels(s, path, first, err);
}

/* ---- a folder of them ---------------------------------------------------------------- */

static int is_images_name(const struct dirent *e)
{
    const char *images = strstr(e->d_name, "images");
    return e->d_name[0] != '.' && images && (strstr(images, "idx3") || strstr(images, "idx4"));
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* "train-images-idx3-ubyte.gz": the prefix is "train/". */
static int read_file(ds_images *s, const char *file, kn_error *err)
{
    unsigned char head[DS_HEAD];
    kn_buf path = {0}, prefix = {0};
    size_t n = (size_t)(strstr(file, "images") - file);
    const char *split = strstr(file, "train") ? "train" : "";
    ds_stream *in = NULL;
    if (strstr(file, "t10k") || strstr(file, "test"))
        split = "test";
    while (n && strchr("-_.", file[n - 1]))
        n--;
    int rc = kn_buf_addf(&path, err, "%s/%s", s->source, file) || kn_buf_add(&path, "", 1, err) ||
                     kn_buf_addf(&prefix, err, "%.*s%s", (int)n, file, n ? "/" : "") ||
                     kn_buf_add(&prefix, "", 1, err) ? -1 : 0;
    if (!rc && (!(in = ds_open(path.p, err)) || ds_read_exactly(in, head, sizeof head, err)))
        rc = kn_fail_prefix(err, "%s", file);
    else if (!rc && !ds_is_idx(head, sizeof head))
        rc = kn_fail(err, "%s: not an IDX file of images: its magic is neither 0x00000803 nor 0x00000804", file);
    else if (!rc && ds_images_read_idx(s, in, head, path.p, prefix.p, split, err))
        rc = kn_fail_prefix(err, "%s", file);
    ds_close(in);
    kn_buf_free(&path);
    kn_buf_free(&prefix);
    return rc;
}

int ds_images_read_idx_folder(ds_images *s, kn_error *err)
{
    struct dirent **file;
    int n = scandir(s->source, &file, is_images_name, bytewise), rc = 0;
    if (n < 0)
        return kn_fail_errno(err, "cannot be opened");
    for (int i = 0; i < n; i++) {
        /* X.gz behind X is the same again */
        size_t before = i ? strlen(file[i - 1]->d_name) : 0;
        bool again = before && !strncmp(file[i]->d_name, file[i - 1]->d_name, before) &&
                     !strcmp(file[i]->d_name + before, ".gz");
        if (!rc && !again)
            rc = read_file(s, file[i]->d_name, err);
    }
    for (int i = 0; i < n; i++)
        free(file[i]);
    free(file);
    return rc;
}
