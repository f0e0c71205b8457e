/* Texts from outside as JSON. */
#include "tools/json.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "tools/tool.h"

json_t *json_text(kn_str s)
{
    kn_error err;
    kn_buf clean = {0};
    for (size_t i = 0; i < s.n;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.n - i), &point);
        if (kn_buf_add(&clean, n > 0 ? s.p + i : "\xef\xbf\xbd", n > 0 ? (size_t)n : 3, &err))
            tool_die(&err);
        i += n > 0 ? (size_t)n : 1;
    }
    json_t *j = json_stringn(clean.n ? clean.p : "", clean.n);
    kn_buf_free(&clean);
    if (!j)
        tool_dief("out of memory while making JSON");
    return j;
}

void json_print(json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (!text)
        tool_dief("out of memory while making JSON");
    tool_printf("%s\n", text);
    free(text);
    json_decref(j);
}
