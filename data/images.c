/* A set of images: opened from whatever holds it, put in order, asked. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/image_private.h"
#include "data/images_private.h"
#include "data/whole.h"

enum { ROOM = 1 << 16 };

/* ---- memory ------------------------------------------------------------------------ */

int ds_images_own(ds_images *s, void *p, kn_error *err)
{
    if (kn_grow(&s->block, &s->block_cap, s->blocks + 1, sizeof *s->block, err)) {
        kn_free(p);
        return -1;
    }
    s->block[s->blocks++] = p;
    return 0;
}

/* From the room of the last block; what would fill much of one gets its own. */
void *ds_images_take(ds_images *s, size_t n, kn_error *err)
{
    bool alone = n > ROOM / 8;
    if (alone || n > s->left) {
        void *p = kn_alloc(alone ? n : ROOM, 1, err);
        if (!p || ds_images_own(s, p, err))
            return NULL;
        if (alone)
            return p;
        s->room = p;
        s->left = ROOM;
    }
    s->room += n;
    s->left -= n;
    return s->room - n;
}

char *ds_images_keep(ds_images *s, kn_str text, kn_error *err)
{
    char *p = ds_images_take(s, text.n + 1, err);
    if (p && text.n)
        memcpy(p, text.p, text.n);
    if (p)
        p[text.n] = '\0';
    return p;
}

/* ---- names --------------------------------------------------------------------------- */

static int compare_named(const void *a, const void *b)
{
    const ds_named *x = a, *y = b;
    int order = kn_str_cmp(x->name, y->name);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

void ds_named_sort(ds_named *v, size_t n)
{
    qsort(v, n, sizeof *v, compare_named);
}

size_t ds_named_find(const ds_named *v, size_t n, kn_str name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (kn_str_cmp(v[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The item of exactly this name. */
static ptrdiff_t find_whole(const ds_images *s, kn_str name)
{
    size_t at = ds_named_find(s->by_name, s->count, name);
    return at < s->count && kn_str_eq(s->by_name[at].name, name) ? (ptrdiff_t)s->by_name[at].item : -1;
}

ptrdiff_t ds_images_find(const ds_images *s, kn_str name)
{
    char longer[4096];
    ptrdiff_t i = find_whole(s, name);
    if (i >= 0 || !s->top.n || name.n > sizeof longer - s->top.n)
        return i;
    memcpy(longer, s->top.p, s->top.n);
    memcpy(longer + s->top.n, name.p, name.n);
    return find_whole(s, (kn_str){longer, s->top.n + name.n});
}

static size_t folder_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

static bool ends_like_an_image(const char *name)
{
    static const char *const ending[] = {".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".pnm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ending / sizeof *ending; i++)
        if (!strcasecmp(dot, ending[i]))
            return true;
    return false;
}

/* ---- items ------------------------------------------------------------------------------ */

ds_item *ds_images_add(ds_images *s, const char *name, kn_error *err)
{
    if (s->count == UINT32_MAX) {
        kn_fail(err, "more than %u images", UINT32_MAX);
        return NULL;
    }
    if (kn_grow(&s->item, &s->cap, s->count + 1, sizeof *s->item, err))
        return NULL;
    ds_item *item = &s->item[s->count++];
    *item = (ds_item){.name = name, .split = "", .class = -1, .score = NAN};
    return item;
}

static size_t depth(const char *name)
{
    size_t n = 0;
    for (; *name; name++)
        n += *name == '/';
    return n;
}

int ds_images_place(ds_images *s, const char *name, ds_item **to, kn_error *err)
{
    const char *base = strrchr(name, '/');
    *to = NULL;
    if (ends_like_an_image(name))
        return (*to = ds_images_add(s, name, err)) ? 0 : -1;
    if (strcmp(base ? base + 1 : name, "labels.csv"))
        return 0;
    if (s->labels.name && strcmp(s->labels.name, name)) { /* the one nearest to the top counts */
        if (depth(name) > depth(s->labels.name))
            return 0;
        if (depth(name) == depth(s->labels.name))
            return kn_fail(err, "both %s and %s are there: name one with --labels", s->labels.name, name);
    }
    s->labels = (ds_item){.name = name};
    *to = &s->labels;
    return 0;
}

int ds_images_reject(ds_images *s, const ds_images_options *o, const kn_error *why, kn_error *err)
{
    s->last = *why;
    s->rejected++;
    return o->skip_bad ? 0 : kn_fail(err, "%s; --skip-bad leaves such out and counts them", s->last.text);
}

/* v[count]: the names of all items, sorted. */
static void list_names(ds_named *v, const ds_images *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        v[i] = (ds_named){kn_str_c(s->item[i].name), i};
    ds_named_sort(v, s->count);
}

/* By name, bytewise; of one name twice the last counts, as in unpacking. */
static int sort_items(ds_images *s, kn_error *err)
{
    ds_named *order = kn_alloc(s->count, sizeof *order, err);
    ds_item *sorted = order ? kn_alloc(s->count, sizeof *sorted, err) : NULL;
    size_t n = 0;
    if (sorted) {
        list_names(order, s);
        for (size_t i = 0; i < s->count; i++)
            if (i + 1 == s->count || !kn_str_eq(order[i].name, order[i + 1].name))
                sorted[n++] = s->item[order[i].item];
        kn_free(s->item);
        s->item = sorted;
        s->cap = s->count;
        s->count = n;
    }
    kn_free(order);
    return sorted ? 0 : -1;
}

static void find_top(ds_images *s)
{
    const char *slash = strchr(s->item[0].name, '/');
    size_t n = slash ? (size_t)(slash - s->item[0].name) + 1 : 0;
    for (size_t i = 1; n && i < s->count; i++)
        if (strncmp(s->item[i].name, s->item[0].name, n))
            n = 0;
    s->top = (kn_str){s->item[0].name, n};
}

static int index_names(ds_images *s, kn_error *err)
{
    kn_free(s->by_name);
    if (!(s->by_name = kn_alloc(s->count, sizeof *s->by_name, err)))
        return -1;
    list_names(s->by_name, s);
    return 0;
}

/* ---- classes ----------------------------------------------------------------------------- */

static kn_str last_folder(kn_str path)
{
    const char *slash = memrchr(path.p, '/', path.n);
    return slash ? (kn_str){slash + 1, path.n - (size_t)(slash + 1 - path.p)} : path;
}

/* The last folder of each class's path, where no other class has the same. */
static int shorten(ds_images *s, kn_error *err)
{
    ds_named *tail = kn_alloc(s->classes, sizeof *tail, err);
    if (!tail)
        return -1;
    for (uint32_t c = 0; c < s->classes; c++)
        tail[c] = (ds_named){last_folder(kn_str_c(s->class_name[c])), c};
    ds_named_sort(tail, s->classes);
    for (size_t i = 0; i < s->classes; i++)
        if ((!i || !kn_str_eq(tail[i].name, tail[i - 1].name)) &&
            (i + 1 == s->classes || !kn_str_eq(tail[i].name, tail[i + 1].name)))
            s->class_name[tail[i].item] = tail[i].name.p;
    kn_free(tail);
    return 0;
}

/* Items whose groups are equal are a class. */
static int make_classes(ds_images *s, kn_error *err)
{
    ds_named *member = kn_alloc(s->count, sizeof *member, err);
    size_t n = 0, room = 0;
    int rc = member ? 0 : -1;
    for (uint32_t i = 0; !rc && i < s->count; i++)
        if (s->item[i].group.n)
            member[n++] = (ds_named){s->item[i].group, i};
    if (!rc)
        ds_named_sort(member, n);
    for (size_t i = 0; !rc && i < n; i++) {
        if (!i || !kn_str_eq(member[i].name, member[i - 1].name)) {
            rc = kn_grow(&s->class_name, &room, s->classes + 1, sizeof *s->class_name, err) ||
                 !(s->class_name[s->classes++] = ds_images_keep(s, member[i].name, err)) ? -1 : 0;
        }
        s->item[member[i].item].class = (ptrdiff_t)s->classes - 1;
    }
    kn_free(member);
    return rc || (s->folders && shorten(s, err)) ? -1 : 0;
}

/* ---- opening ------------------------------------------------------------------------------- */

static ds_images *new_set(const char *source, kn_error *err)
{
    ds_images *s = kn_alloc(1, sizeof *s, err);
    if (s && !(s->source = ds_images_keep(s, kn_str_c(source), err))) {
        ds_images_close(s);
        return NULL;
    }
    return s;
}

static int read_stream(ds_images *s, ds_stream *in, kn_error *err)
{
    unsigned char head[DS_HEAD];
    size_t n = 0;
    ptrdiff_t r = 1;
    for (; n < DS_HEAD && r > 0; n += (size_t)r)
        if ((r = ds_read(in, head + n, DS_HEAD - n, err)) < 0)
            return -1;
    if (ds_is_idx(head, n))
        return ds_images_read_idx(s, in, head, s->source, "", "", err);
    s->folders = true;
    return ds_images_read_tar(s, in, head, n, err);
}

/* Decodes every image once, and leaves out what cannot be. */
static int drop_bad(ds_images *s, const ds_images_options *o, kn_error *err)
{
    size_t n = 0;
    kn_error why;
    for (size_t i = 0; i < s->count; i++) {
        ds_image im;
        if (!ds_images_read(s, i, &im, &why))
            s->item[n++] = s->item[i];
        else if (ds_images_reject(s, o, &why, err))
            return -1;
        ds_image_free(&im);
    }
    s->count = n;
    return 0;
}

/* All that is done with the items, whoever read them. */
static int finish(ds_images *s, const ds_images_options *o, kn_error *err)
{
    if (!s->count)
        return kn_fail(err, "there is no image in it (.jpg, .jpeg, .png, .pgm, .ppm, .pnm, or IDX files)");
    if (s->folders && sort_items(s, err))
        return -1;
    for (size_t i = 0; s->folders && i < s->count; i++)
        s->item[i].group = (kn_str){s->item[i].name, folder_length(s->item[i].name)};
    find_top(s);
    if (index_names(s, err) || ((o->labels || s->labels.name) && ds_images_read_labels(s, o, err)) ||
        (o->skip_bad && drop_bad(s, o, err)) || index_names(s, err) || make_classes(s, err))
        return -1;
    return s->count ? 0 : kn_fail(err, "none of its images is left%s%s", s->rejected ? ": " : "", s->last.text);
}

/* s, whose items were read (rc 0) or not, as it is given away. */
static ds_images *opened(ds_images *s, int rc, const ds_images_options *o, kn_error *err)
{
    if (!rc && !finish(s, o, err))
        return s;
    ds_images_close(s);
    return NULL;
}

ds_images *ds_images_open_stream(ds_stream *in, const char *source, const ds_images_options *o, kn_error *err)
{
    ds_images *s = new_set(source, err);
    return opened(s, s ? read_stream(s, in, err) : -1, o, err);
}

static ds_images *open_folder(const char *source, const ds_images_options *o, kn_error *err)
{
    ds_images *s = new_set(source, err);
    int rc = s ? ds_images_read_idx_folder(s, err) : -1;
    if (!rc && !s->count) {
        s->folders = true;
        rc = ds_images_read_folder(s, err);
    }
    return opened(s, rc, o, err);
}

ds_images *ds_images_open(const char *source, const ds_images_options *o, kn_error *err)
{
    struct stat st;
    ds_images *s = NULL;
    if (!stat(source, &st) && S_ISDIR(st.st_mode)) {
        s = open_folder(source, o, err);
    } else {
        ds_stream *in = ds_open(source, err);
        if (in)
            s = ds_images_open_stream(in, ds_name(in), o, err);
        ds_close(in);
    }
    if (!s)
        kn_fail_prefix(err, "%s", source);
    return s;
}

ds_images *ds_images_open_files(char *const *path, size_t n, const ds_images_options *o, kn_error *err)
{
    const ds_images_options how = {.skip_bad = o->skip_bad};
    ds_images *s = new_set("", err);
    int rc = s ? 0 : -1;
    for (size_t i = 0; !rc && i < n; i++) {
        const char *name = ds_images_keep(s, kn_str_c(path[i]), err);
        rc = name && ds_images_add(s, name, err) ? 0 : -1;
    }
    return opened(s, rc, &how, err);
}

void ds_images_close(ds_images *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->blocks; i++)
        kn_free(s->block[i]);
    kn_free(s->block);
    kn_free(s->item);
    kn_free(s->class_name);
    kn_free(s->by_name);
    kn_free(s);
}

/* ---- asking ----------------------------------------------------------------------------------- */

size_t ds_images_count(const ds_images *s)
{
    return s->count;
}

const char *ds_images_name(const ds_images *s, size_t i)
{
    return s->item[i].name;
}

ptrdiff_t ds_images_class(const ds_images *s, size_t i)
{
    return s->item[i].class;
}

double ds_images_score(const ds_images *s, size_t i)
{
    return s->item[i].score;
}

const char *ds_images_split(const ds_images *s, size_t i)
{
    return s->item[i].split;
}

size_t ds_images_classes(const ds_images *s)
{
    return s->classes;
}

const char *ds_images_class_name(const ds_images *s, size_t c)
{
    return s->class_name[c];
}

uint64_t ds_images_rejected(const ds_images *s)
{
    return s->rejected;
}

const char *ds_images_last_rejection(const ds_images *s)
{
    return s->last.text;
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* "FOLDER/NAME", of files that were named one by one NAME; kn_buf_free. */
static int file_path(kn_buf *path, const ds_images *s, const ds_item *item, kn_error *err)
{
    *path = (kn_buf){0};
    return kn_buf_addf(path, err, "%s%s%s", s->source, *s->source ? "/" : "", item->name) || kn_buf_add(path, "", 1, err) ? -1 : 0;
}

int ds_images_read(const ds_images *s, size_t i, ds_image *out, kn_error *err)
{
    const ds_item *item = &s->item[i];
    kn_buf path;
    int rc;
    *out = (ds_image){0};
    if (!item->bytes) {
        rc = file_path(&path, s, item, err) ? -1 : ds_image_read(out, path.p, err);
        kn_buf_free(&path);
        return rc;
    }
    if (!item->h)
        rc = ds_image_decode(out, item->bytes, item->n, err);
    else if (!(rc = ds_image_new(out, item->h, item->w, item->c, err)))
        memcpy(out->px, item->bytes, item->n);
    return rc ? kn_fail_prefix(err, "%s: %s", s->source, item->name) : 0;
}

/* The bytes of a file of the folder, as they are. */
static int read_file(kn_buf *bytes, const ds_images *s, const ds_item *item, kn_error *err)
{
    kn_buf path;
    if (file_path(&path, s, item, err))
        return -1;
    ds_stream *in = ds_open(path.p, err);
    int rc = in && !ds_read_whole(bytes, in, DS_MAX_IMAGE_BYTES, err) ? 0 : kn_fail_prefix(err, "%s", path.p);
    ds_close(in);
    kn_buf_free(&path);
    return rc;
}

/* Every part ends with its NUL, so that no two sets are one row of bytes.
 * Folder and archive of the same files give the same. */
static void digest_item(kn_digest *d, const ds_images *s, const ds_item *item, const void *p, size_t n)
{
    const char *class = item->class < 0 ? "" : s->class_name[item->class];
    char score[32] = "", sizes[96];
    if (!isnan(item->score))
        snprintf(score, sizeof score, "%.17g", item->score);
    snprintf(sizes, sizeof sizes, "%zu %zu %zu %zu", item->h, item->w, item->c, n);
    const char *const part[] = {item->name, class, item->split, score, sizes};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        kn_digest_add(d, part[i], strlen(part[i]) + 1);
    kn_digest_add(d, p, n);
}

int ds_images_digest(const ds_images *s, char hex[65], kn_error *err)
{
    kn_digest *d = kn_digest_new(err);
    kn_buf bytes = {0};
    int rc = d ? 0 : -1;
    for (size_t i = 0; !rc && i < s->count; i++) {
        const ds_item *item = &s->item[i];
        bytes.n = 0;
        if (item->bytes)
            digest_item(d, s, item, item->bytes, item->n);
        else if (!(rc = read_file(&bytes, s, item, err)))
            digest_item(d, s, item, bytes.p, bytes.n);
    }
    if (d)
        kn_digest_end(d, rc ? NULL : hex);
    kn_buf_free(&bytes);
    return rc;
}
