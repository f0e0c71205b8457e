/* Reading safetensors files (huggingface/safetensors, README, "Format").
 *
 * Everything in the header is checked once, here, so that whoever holds a
 * ds_tensor may trust its pointer, shape and size. The JSON text is jansson's
 * to parse: it refuses duplicate keys, NUL in strings, invalid UTF-8, integers
 * past 64 bits and deep nesting by itself. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they stand in the file: little-endian");

enum { MAX_HEADER = 100000000 }; /* the reference implementation's bound */

struct ds_st {
    void *map; /* NULL for one in memory */
    size_t map_bytes;
    json_t *header; /* owns every name, key and value */
    ds_tensor *tensor;
    size_t tensors;
    ds_meta *meta;
    size_t metas;
};

/* ---- types -------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [DS_F32] = {"F32", 4},   [DS_F16] = {"F16", 2}, [DS_I8] = {"I8", 1},   [DS_U8] = {"U8", 1},   [DS_U32] = {"U32", 4},
    [DS_I32] = {"I32", 4},   [DS_U64] = {"U64", 8}, [DS_I64] = {"I64", 8}, [DS_F64] = {"F64", 8}, [DS_BF16] = {"BF16", 2},
    [DS_U16] = {"U16", 2},   [DS_I16] = {"I16", 2}, [DS_BOOL] = {"BOOL", 1},
};
enum { TYPES = sizeof types / sizeof *types };

size_t ds_dtype_size(ds_dtype t)
{
    return types[t].size;
}

const char *ds_dtype_name(ds_dtype t)
{
    return types[t].name;
}

/* ---- one tensor ------------------------------------------------------------------ */

static int parse_dtype(ds_tensor *t, const json_t *value, kn_error *err)
{
    const char *name = json_string_value(value);
    for (int i = 0; name && i < TYPES; i++) {
        if (!strcmp(name, types[i].name)) {
            t->dtype = (ds_dtype)i;
            return 0;
        }
    }
    return name ? kn_fail(err, "tensor %s: its dtype %s is not known here", t->name, name)
                : kn_fail(err, "tensor %s has no dtype", t->name);
}

/* A whole number that is not negative. */
static int parse_size(size_t *out, const json_t *value)
{
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < 0 || (uintmax_t)v > SIZE_MAX)
        return -1;
    *out = (size_t)v;
    return 0;
}

/* dtype size x shape, or an error when that overflows. */
static int parse_shape(ds_tensor *t, const json_t *value, kn_error *err)
{
    if (!json_is_array(value))
        return kn_fail(err, "tensor %s has no shape", t->name);
    t->ndim = json_array_size(value);
    if (t->ndim > DS_MAX_DIMS)
        return kn_fail(err, "tensor %s: %zu dimensions, %d can be read", t->name, t->ndim, DS_MAX_DIMS);
    t->bytes = ds_dtype_size(t->dtype);
    for (size_t i = 0; i < t->ndim; i++) {
        if (parse_size(&t->shape[i], json_array_get(value, i)))
            return kn_fail(err, "tensor %s: dimension %zu of its shape is no size", t->name, i);
        if (kn_mul(&t->bytes, t->bytes, t->shape[i]))
            return kn_fail(err, "tensor %s: its shape is larger than memory can address", t->name);
    }
    return 0;
}

static int parse_tensor(ds_tensor *t, const char *name, const json_t *info, const char *data, size_t size, kn_error *err)
{
    t->name = name;
    if (!json_is_object(info))
        return kn_fail(err, "tensor %s has no description", name);
    if (parse_dtype(t, json_object_get(info, "dtype"), err) || parse_shape(t, json_object_get(info, "shape"), err))
        return -1;
    const json_t *offsets = json_object_get(info, "data_offsets");
    size_t begin, end;
    if (json_array_size(offsets) != 2 || parse_size(&begin, json_array_get(offsets, 0)) ||
        parse_size(&end, json_array_get(offsets, 1)))
        return kn_fail(err, "tensor %s has no two data_offsets", name);
    if (begin > end || end > size)
        return kn_fail(err, "tensor %s lies at bytes %zu to %zu of %zu: the file was cut short or is damaged", name,
                       begin, end, size);
    if (end - begin != t->bytes)
        return kn_fail(err, "tensor %s: its dtype and shape make %zu bytes, its place holds %zu", name, t->bytes,
                       end - begin);
    t->data = data + begin;
    return 0;
}

/* ---- the header -------------------------------------------------------------------- */

/* By place in the file; of tensors at one place the empty ones come first. */
static int compare_places(const void *a, const void *b)
{
    const ds_tensor *x = a, *y = b;
    uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;
    if (p != q)
        return p < q ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Tensors in file order must follow each other from the first to the last byte. */
static int check_places(ds_st *s, const char *data, size_t size, kn_error *err)
{
    qsort(s->tensor, s->tensors, sizeof *s->tensor, compare_places);
    size_t at = 0;
    for (size_t i = 0; i < s->tensors; i++) {
        const ds_tensor *t = &s->tensor[i];
        size_t begin = (size_t)((const char *)t->data - data);
        if (begin != at)
            return kn_fail(err, "tensor %s begins at byte %zu of the data where %zu was expected: %s", t->name, begin,
                           at, begin < at ? "tensors overlap" : "there is a hole");
        at += t->bytes;
    }
    return at == size ? 0 : kn_fail(err, "%zu bytes follow the last tensor", size - at);
}

static int parse_meta(ds_st *s, json_t *meta, kn_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(meta))
        return kn_fail(err, "__metadata__ is not a JSON object");
    if (!(s->meta = kn_alloc(json_object_size(meta), sizeof *s->meta, err)))
        return -1;
    json_object_foreach(meta, key, value) {
        if (!json_is_string(value))
            return kn_fail(err, "__metadata__ %s is not a string", key);
        s->meta[s->metas++] = (ds_meta){key, json_string_value(value)};
    }
    return 0;
}

static int parse_header(ds_st *s, const char *text, size_t n, const char *data, size_t size, kn_error *err)
{
    const char *key;
    json_t *value;
    json_error_t why;
    s->header = n && *text == '{' ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (!s->header)
        return n && *text == '{' ? kn_fail(err, "byte %d: its header is not JSON: %s", why.position + 8, why.text)
                                 : kn_fail(err, "not a safetensors file: no JSON object follows the first 8 bytes");
    if (!(s->tensor = kn_alloc(json_object_size(s->header), sizeof *s->tensor, err)))
        return -1;
    json_object_foreach(s->header, key, value) {
        if (!strcmp(key, "__metadata__")) {
            if (parse_meta(s, value, err))
                return -1;
        } else if (parse_tensor(&s->tensor[s->tensors++], key, value, data, size, err)) {
            return -1;
        }
    }
    return check_places(s, data, size, err);
}

/* ---- opening ------------------------------------------------------------------------- */

static int parse_file(ds_st *s, const char *p, size_t n, kn_error *err)
{
    uint64_t header;
    if (n < sizeof header)
        return kn_fail(err, "not a safetensors file: %zu bytes are too few", n);
    memcpy(&header, p, sizeof header);
    p += sizeof header;
    n -= sizeof header;
    if (header > MAX_HEADER)
        return kn_fail(err, "not a safetensors file: its first 8 bytes would make a header of %llu bytes, at most %d can be",
                       (unsigned long long)header, MAX_HEADER);
    if (header > n)
        return kn_fail(err, "its header of %llu bytes goes past the end of the file: it was cut short",
                       (unsigned long long)header);
    return parse_header(s, p, (size_t)header, p + header, n - (size_t)header, err);
}

ds_st *ds_st_open_memory(const void *p, size_t n, kn_error *err)
{
    ds_st *s = kn_alloc(1, sizeof *s, err);
    if (s && parse_file(s, p, n, err)) {
        ds_st_close(s);
        s = NULL;
    }
    return s;
}

static void *map_file(int fd, size_t *n, kn_error *err)
{
    struct stat st;
    if (fstat(fd, &st)) {
        kn_fail_errno(err, "cannot be examined");
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
        kn_fail(err, S_ISREG(st.st_mode) ? "is empty" : "is not a regular file: a binary file is mapped, not streamed");
        return NULL;
    }
    *n = (size_t)st.st_size;
    void *map = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        kn_fail_errno(err, "cannot be mapped into memory");
        return NULL;
    }
    return map;
}

ds_st *ds_st_open(const char *path, kn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        kn_fail_errno(err, "cannot be opened");
        return NULL;
    }
    size_t n = 0;
    void *map = map_file(fd, &n, err);
    close(fd);
    if (!map)
        return NULL;
    ds_st *s = ds_st_open_memory(map, n, err);
    if (!s) {
        munmap(map, n);
        return NULL;
    }
    s->map = map;
    s->map_bytes = n;
    return s;
}

void ds_st_close(ds_st *s)
{
    if (!s)
        return;
    if (s->map)
        munmap(s->map, s->map_bytes);
    json_decref(s->header);
    kn_free(s->tensor);
    kn_free(s->meta);
    kn_free(s);
}

/* ---- what is in it ---------------------------------------------------------------------- */

size_t ds_st_count(const ds_st *s)
{
    return s->tensors;
}

const ds_tensor *ds_st_at(const ds_st *s, size_t i)
{
    return &s->tensor[i];
}

const ds_tensor *ds_st_find(const ds_st *s, const char *name)
{
    for (size_t i = 0; i < s->tensors; i++)
        if (!strcmp(s->tensor[i].name, name))
            return &s->tensor[i];
    return NULL;
}

/* "F32 [3,100]"; a size of 0 is one that may be anything. */
static void describe(char *out, size_t n, ds_dtype dtype, size_t ndim, const size_t *shape, bool any)
{
    size_t at = (size_t)snprintf(out, n, "%s [", ds_dtype_name(dtype));
    for (size_t i = 0; i < ndim && at < n; i++) {
        if (any && (!shape || !shape[i]))
            at += (size_t)snprintf(out + at, n - at, "%sany", i ? "," : "");
        else
            at += (size_t)snprintf(out + at, n - at, "%s%zu", i ? "," : "", shape[i]);
    }
    if (at < n)
        snprintf(out + at, n - at, "]");
}

const ds_tensor *ds_st_need(const ds_st *s, const char *name, ds_dtype dtype, size_t ndim, const size_t *shape,
                            kn_error *err)
{
    const ds_tensor *t = ds_st_find(s, name);
    char needed[256], found[256];
    if (!t) {
        kn_fail(err, "tensor %s is missing", name);
        return NULL;
    }
    bool fits = t->dtype == dtype && t->ndim == ndim;
    for (size_t i = 0; fits && shape && i < ndim; i++)
        fits = !shape[i] || shape[i] == t->shape[i];
    if (!fits) {
        describe(needed, sizeof needed, dtype, ndim, shape, true);
        describe(found, sizeof found, t->dtype, t->ndim, t->shape, false);
        kn_fail(err, "tensor %s is %s where %s is needed", name, found, needed);
        return NULL;
    }
    if ((uintptr_t)t->data % ds_dtype_size(dtype)) {
        kn_fail(err, "tensor %s is not aligned to its elements, so it cannot be used from the file", name);
        return NULL;
    }
    return t;
}

const char *ds_st_meta(const ds_st *s, const char *key)
{
    for (size_t i = 0; i < s->metas; i++)
        if (!strcmp(s->meta[i].key, key))
            return s->meta[i].value;
    return NULL;
}

size_t ds_st_meta_count(const ds_st *s)
{
    return s->metas;
}

void ds_st_meta_at(const ds_st *s, size_t i, const char **key, const char **value)
{
    *key = s->meta[i].key;
    *value = s->meta[i].value;
}
