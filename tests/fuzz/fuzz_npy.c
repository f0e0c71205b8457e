/* libFuzzer: any bytes as an npy file, and as its header alone. The first byte is
 * the size of the chunks they arrive in. Held against: the same in one piece. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static int parse(ds_tensor *t, const void *p, size_t n, size_t chunk, kn_error *err)
{
    ds_stream *s = ds_open_memory(p, n, chunk, err);
    check(s != NULL);
    int rc = ds_npy_tensor(t, s, err);
    ds_close(s);
    return rc;
}

static void check_file(const void *p, size_t n, size_t chunk)
{
    ds_tensor t, u;
    kn_error err[2];
    int rc = parse(&t, p, n, 0, &err[0]);
    check(parse(&u, p, n, chunk, &err[1]) == rc);
    if (rc) {
        check(!strcmp(err[0].text, err[1].text));
        return;
    }
    check(t.dtype == u.dtype && t.ndim == u.ndim && t.bytes == u.bytes && t.bytes < n);
    check(!memcmp(t.shape, u.shape, t.ndim * sizeof *t.shape) && !memcmp(t.data, u.data, t.bytes));
    kn_free((void *)t.data);
    kn_free((void *)u.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    kn_buf file = {0};
    if (n == 0)
        return 0;
    const char head[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(n - 1), (char)((n - 1) >> 8)};
    check_file(data + 1, n - 1, data[0]);
    check(!kn_buf_add(&file, head, sizeof head, NULL) && !kn_buf_add(&file, data + 1, n - 1, NULL) &&
          !kn_buf_add(&file, "\0\0\200\77", 4, NULL));
    check_file(file.p, file.n, data[0]);
    kn_buf_free(&file);
    return 0;
}
