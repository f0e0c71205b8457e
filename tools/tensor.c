/* Numbers of any dtype as doubles, a block at a time, and what is said of them. */
#include "tools/tensor.h"

#include <math.h>
#include <string.h>

#include "tools/tool.h"

/* ---- numbers -------------------------------------------------------------------- */

enum { BLOCK = 1024 };

/* Tensors inside a tensor stand at any byte, so a block is copied before it is read. */
#define CONVERT(type, value)                     \
    do {                                         \
        type x[BLOCK];                           \
        memcpy(x, p, n * sizeof *x);             \
        for (size_t i = 0; i < n; i++)           \
            out[i] = (double)(value);            \
    } while (0)

/* bfloat16 is the upper half of a float. */
static float from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* out[n] of the n <= BLOCK elements at p. */
static void to_doubles(double *out, const char *p, ds_dtype dtype, size_t n)
{
    switch (dtype) {
    case DS_F32: CONVERT(float, x[i]); break;
    case DS_F64: CONVERT(double, x[i]); break;
    case DS_F16: CONVERT(uint16_t, ds_f16_to_f32(x[i])); break;
    case DS_BF16: CONVERT(uint16_t, from_bf16(x[i])); break;
    case DS_I8: CONVERT(int8_t, x[i]); break;
    case DS_I16: CONVERT(int16_t, x[i]); break;
    case DS_I32: CONVERT(int32_t, x[i]); break;
    case DS_I64: CONVERT(int64_t, x[i]); break;
    case DS_BOOL:
    case DS_U8: CONVERT(uint8_t, x[i]); break;
    case DS_U16: CONVERT(uint16_t, x[i]); break;
    case DS_U32: CONVERT(uint32_t, x[i]); break;
    case DS_U64: CONVERT(uint64_t, x[i]); break;
    }
}

tensor_summary tensor_summarise(const ds_tensor *t)
{
    tensor_summary s = {.min = INFINITY, .max = -INFINITY};
    size_t size = ds_dtype_size(t->dtype), count = t->bytes / size;
    double x[BLOCK], sum = 0;
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        to_doubles(x, (const char *)t->data + at * size, t->dtype, n);
        for (size_t i = 0; i < n; i++) {
            if (s.firsts < TENSOR_FIRST)
                s.first[s.firsts++] = x[i];
            if (!isfinite(x[i])) {
                *(isnan(x[i]) ? &s.nan : &s.inf) += 1;
                continue;
            }
            s.min = fmin(s.min, x[i]);
            s.max = fmax(s.max, x[i]);
            sum += x[i];
        }
    }
    size_t finite = count - s.nan - s.inf;
    s.mean = finite ? sum / (double)finite : NAN;
    if (!finite)
        s.min = s.max = NAN;
    return s;
}

/* ---- text ------------------------------------------------------------------------ */

const char *tensor_text(const char *text)
{
    enum { MOST = 72 };
    static char line[MOST + 64];
    size_t n = strlen(text), shown = n < MOST ? n : MOST;
    while (shown < n && shown && ((unsigned char)text[shown] & 0xc0) == 0x80) /* inside a character of UTF-8 */
        shown--;
    for (size_t i = 0; i < shown; i++)
        line[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i];
    line[shown] = '\0';
    if (shown < n)
        snprintf(line + shown, sizeof line - shown, "... (%zu bytes)", n);
    return line;
}

size_t tensor_name_width(const ds_st *s)
{
    size_t width = strlen("tensor");
    for (size_t i = 0; i < ds_st_count(s); i++) {
        size_t n = strlen(ds_st_at(s, i)->name);
        width = n > width ? n : width;
    }
    return width < 40 ? width : 40;
}

void tensor_print_titles(int indent, size_t width)
{
    tool_printf("%*s%-*s dtype %-12s %10s %11s %11s %11s %5s %5s  first\n", indent, "", (int)width, "tensor", "shape",
                "bytes", "min", "max", "mean", "nan", "inf");
}

void tensor_print(const ds_tensor *t, const char *holds, int indent, size_t width)
{
    char shape[32 * DS_MAX_DIMS];
    size_t at = (size_t)snprintf(shape, sizeof shape, "[");
    for (size_t i = 0; i < t->ndim; i++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, i ? ",%zu" : "%zu", t->shape[i]);
    tool_printf("%*s%-*s %-5s %s]%*s %10zu", indent, "", (int)width, tensor_text(t->name), ds_dtype_name(t->dtype), shape,
                at < 11 ? (int)(11 - at) : 0, "", t->bytes);
    if (holds) {
        tool_printf("  holds %s:\n", holds);
        return;
    }
    tensor_summary s = tensor_summarise(t);
    tool_printf(" %11.5g %11.5g %11.5g %5zu %5zu ", s.min, s.max, s.mean, s.nan, s.inf);
    for (size_t i = 0; i < s.firsts; i++)
        tool_printf(" %.5g", s.first[i]);
    tool_printf("\n");
}

/* ---- JSON ---------------------------------------------------------------------------- */

/* null when it is not finite; without a fraction when its type has none. */
static json_t *number(double x, ds_dtype dtype)
{
    bool real = dtype == DS_F32 || dtype == DS_F64 || dtype == DS_F16 || dtype == DS_BF16;
    return !isfinite(x) ? json_null() : real || fabs(x) > 0x1p53 ? json_real(x) : json_integer((json_int_t)x);
}

json_t *tensor_json(const ds_tensor *t, bool holds)
{
    json_t *shape = json_array(), *first = json_array();
    for (size_t i = 0; i < t->ndim; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape[i]));
    json_t *j = json_pack("{ss ss so sI}", "name", t->name, "dtype", ds_dtype_name(t->dtype), "shape", shape, "bytes",
                          (json_int_t)t->bytes);
    if (holds) {
        json_decref(first);
        return j;
    }
    tensor_summary s = tensor_summarise(t);
    for (size_t i = 0; i < s.firsts; i++)
        json_array_append_new(first, number(s.first[i], t->dtype));
    json_t *numbers = json_pack("{so so so sI sI so}", "min", number(s.min, t->dtype), "max", number(s.max, t->dtype),
                                "mean", number(s.mean, DS_F64), "nan", (json_int_t)s.nan, "inf", (json_int_t)s.inf,
                                "first", first);
    if (json_object_update(j, numbers)) { /* one of the two is NULL */
        json_decref(j);
        j = NULL;
    }
    json_decref(numbers);
    return j;
}
