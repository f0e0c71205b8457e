/* libFuzzer: any bytes as an image. Held against: the same decoded again, and what
 * is left of it at another size. */
#include <stdlib.h>
#include <string.h>

#include "data/images.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ds_image im, again, small;
    kn_error err = {""};
    if (ds_image_decode(&im, data, n, &err)) {
        check(!im.px && err.text[0]);
        return 0;
    }
    size_t bytes = im.h * im.w * im.c;
    check(im.h && im.w && im.h * im.w <= DS_MAX_PIXELS && (im.c == 1 || im.c == 3));
    check(!ds_image_decode(&again, data, n, &err) && again.h == im.h && again.w == im.w && again.c == im.c);
    check(!memcmp(again.px, im.px, bytes));
    check(!ds_image_resize(&small, &im, 1 + n % 32, 1 + data[n - 1] % 32, 4 - im.c, &err));
    ds_image_free(&small);
    ds_image_free(&again);
    ds_image_free(&im);
    return 0;
}
