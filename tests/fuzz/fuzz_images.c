/* libFuzzer: any bytes as a tar archive or an IDX file. The first byte is the size
 * of the chunks they arrive in. Held against: the same bytes in one piece, the
 * order of names, and what can be asked of a set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/images_private.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static ds_images *open_set(const void *p, size_t n, size_t chunk, bool skip_bad)
{
    const ds_images_options o = {.skip_bad = skip_bad};
    kn_error err = {""};
    ds_stream *in = ds_open_memory(p, n, chunk, &err);
    check(in != NULL);
    ds_images *s = ds_images_open_stream(in, "set", &o, &err);
    check(s || err.text[0]);
    ds_close(in);
    return s;
}

static void check_item(const ds_images *s, size_t i)
{
    const char *name = ds_images_name(s, i);
    ptrdiff_t class = ds_images_class(s, i);
    ds_image im;
    kn_error err;
    check(*name && *name != '/' && strncmp(name, "../", 3) && !strstr(name, "/../"));
    check(ds_images_find(s, kn_str_c(name)) == (ptrdiff_t)i);
    check(class >= -1 && class < (ptrdiff_t)ds_images_classes(s));
    check(class < 0 || *ds_images_class_name(s, (size_t)class));
    check(ds_images_split(s, i) && (isnan(ds_images_score(s, i)) || isfinite(ds_images_score(s, i))));
    if (!ds_images_read(s, i, &im, &err))
        ds_image_free(&im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char digest[2][65];
    if (n == 0)
        return 0;
    ds_images *s = open_set(data + 1, n - 1, 0, false), *pieces = open_set(data + 1, n - 1, data[0], false);
    check(!s == !pieces);
    if (s) {
        check(ds_images_count(s) > 0 && !ds_images_digest(s, digest[0], NULL));
        check(!ds_images_digest(pieces, digest[1], NULL) && !strcmp(digest[0], digest[1]));
        for (size_t i = 0; i < ds_images_count(s); i++)
            check_item(s, i);
    }
    ds_images_close(s);
    ds_images_close(pieces);
    ds_images_close(open_set(data + 1, n - 1, 0, true));
    return 0;
}
