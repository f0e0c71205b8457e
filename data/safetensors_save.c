/* Writing safetensors files: header, padding, tensors in the caller's order. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

enum { ALIGN = 64 };

/* What the reader would refuse is refused before it is written. */
static int check_tensor(const ds_tensor *t, kn_error *err)
{
    size_t bytes = ds_dtype_size(t->dtype);
    if (t->ndim > DS_MAX_DIMS)
        return kn_fail(err, "tensor %s: %zu dimensions, at most %d can be written", t->name, t->ndim, DS_MAX_DIMS);
    for (size_t i = 0; i < t->ndim; i++)
        if (kn_mul(&bytes, bytes, t->shape[i]))
            return kn_fail(err, "tensor %s: its shape is larger than memory can address", t->name);
    if (bytes != t->bytes)
        return kn_fail(err, "tensor %s: its shape makes %zu bytes, %zu were given", t->name, bytes, t->bytes);
    return 0;
}

/* Takes over `value`; refuses a name that is there already. */
static int put(json_t *object, const char *name, json_t *value, kn_error *err)
{
    if (json_object_get(object, name)) {
        json_decref(value);
        return kn_fail(err, "%s would be written twice", name);
    }
    if (!value || json_object_set_new(object, name, value)) /* NULL is out of memory, or not UTF-8 */
        return kn_fail(err, "%s cannot be written as JSON: is it UTF-8?", name);
    return 0;
}

static int put_tensor(json_t *header, const ds_tensor *t, size_t *at, kn_error *err)
{
    size_t end;
    if (check_tensor(t, err))
        return -1;
    if (kn_add(&end, *at, t->bytes) || end > INT64_MAX)
        return kn_fail(err, "tensor %s: the file would be larger than can be addressed", t->name);
    json_t *shape = json_array();
    for (size_t i = 0; i < t->ndim; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape[i])); /* a failure shows in its size */
    if (json_array_size(shape) != t->ndim) {
        json_decref(shape);
        return kn_fail(err, "out of memory");
    }
    json_t *info = json_pack("{s:s, s:o, s:[I,I]}", "dtype", ds_dtype_name(t->dtype), "shape", shape, "data_offsets",
                             (json_int_t)*at, (json_int_t)end);
    *at = end;
    return put(header, t->name, info, err);
}

static int fill_header(json_t *header, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors,
                       kn_error *err)
{
    if (metas) {
        json_t *strings = json_object();
        if (put(header, "__metadata__", strings, err))
            return -1;
        for (size_t i = 0; i < metas; i++)
            if (put(strings, meta[i].key, json_string(meta[i].value), err))
                return -1;
    }
    size_t at = 0;
    for (size_t i = 0; i < tensors; i++) {
        if (!strcmp(t[i].name, "__metadata__"))
            return kn_fail(err, "no tensor can be called __metadata__");
        if (put_tensor(header, &t[i], &at, err))
            return -1;
    }
    return 0;
}

/* Appends the length, the JSON text and the spaces up to the data's alignment. */
static int put_header(kn_buf *out, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors, kn_error *err)
{
    char spaces[ALIGN];
    json_t *header = json_object();
    if (!header)
        return kn_fail(err, "out of memory");
    memset(spaces, ' ', sizeof spaces);
    char *text = NULL;
    int rc = fill_header(header, meta, metas, t, tensors, err);
    if (!rc && !(text = json_dumps(header, JSON_COMPACT)))
        rc = kn_fail(err, "out of memory");
    if (!rc) {
        size_t n = strlen(text), pad = (ALIGN - (sizeof(uint64_t) + n) % ALIGN) % ALIGN;
        uint64_t length = n + pad;
        rc = kn_buf_add(out, &length, sizeof length, err) || kn_buf_add(out, text, n, err) ||
             kn_buf_add(out, spaces, pad, err) ? -1 : 0;
    }
    free(text);
    json_decref(header);
    return rc;
}

int ds_st_bytes(kn_buf *out, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors, kn_error *err)
{
    int rc = put_header(out, meta, metas, t, tensors, err);
    for (size_t i = 0; !rc && i < tensors; i++)
        rc = kn_buf_add(out, t[i].data, t[i].bytes, err);
    return rc;
}

int ds_st_save(const char *path, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors, kn_error *err)
{
    kn_buf head = {0};
    kn_save *s = NULL;
    int rc = put_header(&head, meta, metas, t, tensors, err);
    if (rc) {
        kn_fail_prefix(err, "%s", path);
    } else if (!(s = kn_save_open(path, err))) {
        rc = -1;
    } else {
        rc = kn_save_write(s, head.p, head.n, err);
        for (size_t i = 0; !rc && i < tensors; i++)
            rc = kn_save_write(s, t[i].data, t[i].bytes, err);
        if (!rc)
            rc = kn_save_commit(s, err);
        else
            kn_save_abort(s);
    }
    kn_buf_free(&head);
    return rc;
}
