/* libFuzzer: any bytes as a safetensors file, and, so that mutations meet the
 * header's rules rather than its length, as a header (behind a first byte that
 * says how many bytes of data follow it). Held against: the rules that a caller
 * relies on, and what ds_st_bytes and another reading make of the file. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* At a multiple of 64 with nothing behind it, as a mapped file would be. */
static char *exact_copy(const void *p, size_t n)
{
    void *copy;
    check(!posix_memalign(&copy, 64, n ? n : 1));
    if (n)
        memcpy(copy, p, n);
    return copy;
}

/* Tensors fill the data from first to last byte, in order, and can be read. */
static void check_tensors(const ds_st *s, const char *end)
{
    const char *at = NULL;
    for (size_t i = 0; i < ds_st_count(s); i++) {
        const ds_tensor *t = ds_st_at(s, i);
        size_t bytes = ds_dtype_size(t->dtype);
        check(!at || (const char *)t->data == at);
        at = (const char *)t->data + t->bytes;
        for (size_t d = 0; d < t->ndim; d++)
            check(!kn_mul(&bytes, bytes, t->shape[d]));
        check(bytes == t->bytes && ds_st_find(s, t->name) == t);
        const ds_tensor *needed = ds_st_need(s, t->name, t->dtype, t->ndim, t->shape, NULL);
        check(needed == ((uintptr_t)t->data % ds_dtype_size(t->dtype) ? NULL : t));
    }
    check(!at || at == end);
}

static void check_same(const ds_st *a, const ds_st *b)
{
    const char *key[2], *value[2];
    check(ds_st_count(a) == ds_st_count(b) && ds_st_meta_count(a) == ds_st_meta_count(b));
    for (size_t i = 0; i < ds_st_count(a); i++) {
        const ds_tensor *t = ds_st_at(a, i), *u = ds_st_at(b, i);
        check(!strcmp(t->name, u->name) && t->dtype == u->dtype && t->ndim == u->ndim && t->bytes == u->bytes);
        check(!memcmp(t->shape, u->shape, t->ndim * sizeof *t->shape) && !memcmp(t->data, u->data, t->bytes));
    }
    for (size_t i = 0; i < ds_st_meta_count(a); i++) {
        ds_st_meta_at(a, i, &key[0], &value[0]);
        ds_st_meta_at(b, i, &key[1], &value[1]);
        check(!strcmp(key[0], key[1]) && !strcmp(value[0], value[1]) && ds_st_meta(a, key[0]) == value[0]);
    }
}

static void check_round_trip(const ds_st *s)
{
    kn_buf out = {0};
    ds_meta meta[64];
    ds_tensor tensor[64];
    size_t metas = ds_st_meta_count(s), tensors = ds_st_count(s);
    if (metas > 64 || tensors > 64)
        return;
    for (size_t i = 0; i < metas; i++)
        ds_st_meta_at(s, i, &meta[i].key, &meta[i].value);
    for (size_t i = 0; i < tensors; i++)
        tensor[i] = *ds_st_at(s, i);
    check(!ds_st_bytes(&out, meta, metas, tensor, tensors, NULL));
    char *copy = exact_copy(out.p, out.n);
    ds_st *again = ds_st_open_memory(copy, out.n, NULL);
    check(again != NULL);
    check_tensors(again, copy + out.n);
    check_same(s, again);
    ds_st_close(again);
    free(copy);
    kn_buf_free(&out);
}

static void check_file(const void *p, size_t n)
{
    kn_error err = {""};
    char *copy = exact_copy(p, n);
    ds_st *s = ds_st_open_memory(copy, n, &err);
    check(!s == (err.text[0] != '\0'));
    if (s) {
        check_tensors(s, copy + n);
        check_round_trip(s);
    }
    ds_st_close(s);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char zeros[256];
    kn_buf file = {0};
    uint64_t header = n ? n - 1 : 0;
    check_file(data, n);
    if (n) {
        check(!kn_buf_add(&file, &header, sizeof header, NULL) && !kn_buf_add(&file, data + 1, header, NULL) &&
              !kn_buf_add(&file, zeros, data[0], NULL));
        check_file(file.p, file.n);
    }
    kn_buf_free(&file);
    return 0;
}
