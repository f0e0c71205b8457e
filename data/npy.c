/* NumPy's array files, format 1.0 to 3.0 (numpy.lib.format, "Format Version
 * 1.0"): magic, version, length of the header, the header, the numbers. The
 * header is a Python dict of three known keys, ended by a newline. */
#include <string.h>

#include "data/whole.h"

#define MAGIC "\x93NUMPY"

enum { MAGIC_BYTES = 6, ALIGN = 64, MAX_HEADER = 1 << 16 };

/* ---- the header's text ------------------------------------------------------------ */

typedef struct cursor {
    const char *p, *end;
} cursor;

/* Steps over spaces, then over `word` if that is next. */
static bool accept(cursor *c, const char *word)
{
    size_t n = strlen(word);
    while (c->p < c->end && *c->p == ' ')
        c->p++;
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n))
        return false;
    c->p += n;
    return true;
}

static int malformed(kn_error *err)
{
    return kn_fail(err, "its npy header is not as numpy.save writes it");
}

static int parse_dtype(cursor *c, ds_tensor *t, kn_error *err)
{
    if (accept(c, "'<f4'"))
        t->dtype = DS_F32;
    else if (accept(c, "'<f8'"))
        t->dtype = DS_F64;
    else if (accept(c, "'<f2'"))
        t->dtype = DS_F16;
    else
        return kn_fail(err, "its numbers are not of dtype <f4, <f8 or <f2: save it with .astype('<f4')");
    return 0;
}

static int parse_order(cursor *c, kn_error *err)
{
    if (accept(c, "False"))
        return 0;
    return accept(c, "True") ? kn_fail(err, "it is stored by columns: save it with numpy.ascontiguousarray")
                             : malformed(err);
}

/* "(3, 4)", "(3,)" or "()". */
static int parse_shape(cursor *c, ds_tensor *t, kn_error *err)
{
    if (!accept(c, "("))
        return malformed(err);
    for (bool comma = true; !accept(c, ")"); comma = accept(c, ",")) {
        const char *digits = c->p;
        int64_t size;
        while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
            c->p++;
        if (!comma || kn_parse_i64(&size, (kn_str){digits, (size_t)(c->p - digits)}, 0, INT64_MAX))
            return malformed(err);
        if (t->ndim == DS_MAX_DIMS)
            return kn_fail(err, "it has more than %d dimensions", DS_MAX_DIMS);
        t->shape[t->ndim++] = (size_t)size;
    }
    return t->ndim == 1 && c->p[-2] != ',' ? malformed(err) : 0; /* "(3)" is no tuple */
}

/* Each key once, in any order, a comma after the last one allowed. */
static int parse_dict(ds_tensor *t, const char *text, size_t n, kn_error *err)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    cursor c = {text, text + n};
    int seen = 0;
    if (!accept(&c, "{"))
        return malformed(err);
    for (bool comma = true; !accept(&c, "}"); comma = accept(&c, ",")) {
        int key = accept(&c, "'descr'") ? DESCR : accept(&c, "'fortran_order'") ? ORDER : accept(&c, "'shape'") ? SHAPE : 0;
        if (!comma || !key || seen & key || !accept(&c, ":"))
            return malformed(err);
        seen |= key;
        if (key == DESCR ? parse_dtype(&c, t, err) : key == ORDER ? parse_order(&c, err) : parse_shape(&c, t, err))
            return -1;
    }
    if (seen != (DESCR | ORDER | SHAPE) || !accept(&c, "\n") || c.p != c.end)
        return malformed(err);
    return 0;
}

/* ---- bytes ---------------------------------------------------------------------------- */

static int read_header(ds_stream *s, ds_tensor *t, kn_error *err)
{
    char head[MAGIC_BYTES + 2], text[MAX_HEADER];
    unsigned char length[4] = {0};
    if (ds_read_exactly(s, head, sizeof head, err))
        return -1;
    if (memcmp(head, MAGIC, MAGIC_BYTES))
        return kn_fail(err, "not a npy file: it does not begin with \\x93NUMPY");
    if (head[6] < 1 || head[6] > 3 || head[7] != 0)
        return kn_fail(err, "version %d.%d of the npy format: 1.0 to 3.0 can be read", (unsigned char)head[6],
                       (unsigned char)head[7]);
    if (ds_read_exactly(s, length, head[6] == 1 ? 2 : 4, err))
        return -1;
    size_t n = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (n > sizeof text)
        return kn_fail(err, "its npy header would be %zu bytes long, at most %zu can be", n, sizeof text);
    return ds_read_exactly(s, text, n, err) || parse_dict(t, text, n, err) ? -1 : 0;
}

int ds_npy_tensor(ds_tensor *t, ds_stream *s, kn_error *err)
{
    *t = (ds_tensor){.name = ""};
    if (read_header(s, t, err))
        return -1;
    if (t->ndim < 1 || t->ndim > 2)
        return kn_fail(err, "it has %zu dimensions: 1 or 2 can be read", t->ndim);
    t->bytes = ds_dtype_size(t->dtype);
    for (size_t i = 0; i < t->ndim; i++)
        if (kn_mul(&t->bytes, t->bytes, t->shape[i]))
            return kn_fail(err, "its shape is larger than memory can address");
    t->data = ds_read_rest(s, t->bytes, err);
    return t->data ? 0 : -1;
}

/* ---- as floats -------------------------------------------------------------------------- */

/* Takes over t's numbers. */
static float *to_floats(const ds_tensor *t, size_t n, kn_error *err)
{
    if (t->dtype == DS_F32)
        return (float *)t->data;
    float *x = kn_alloc(n, sizeof *x, err);
    for (size_t i = 0; x && i < n; i++)
        x[i] = t->dtype == DS_F64 ? (float)((const double *)t->data)[i] : ds_f16_to_f32(((const uint16_t *)t->data)[i]);
    kn_free((void *)t->data);
    return x;
}

float *ds_npy_read(const char *path, size_t *rows, size_t *cols, kn_error *err)
{
    ds_tensor t;
    ds_stream *s = ds_open(path, err);
    int rc = s ? ds_npy_tensor(&t, s, err) : -1;
    ds_close(s);
    if (rc)
        return NULL;
    *rows = t.shape[0];
    *cols = t.ndim == 2 ? t.shape[1] : 1;
    return to_floats(&t, t.bytes / ds_dtype_size(t.dtype), err);
}

int ds_npy_save(const char *path, const float *x, size_t rows, size_t cols, kn_error *err)
{
    kn_buf text = {0};
    size_t bytes;
    if (kn_mul(&bytes, rows, cols) || kn_mul(&bytes, bytes, sizeof *x))
        return kn_fail(err, "%s: %zu x %zu numbers are more than memory can address", path, rows, cols);
    int rc = kn_buf_addf(&text, err, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, cols);
    while (!rc && (MAGIC_BYTES + 4 + text.n + 1) % ALIGN)
        rc = kn_buf_add(&text, " ", 1, err);
    if (!rc)
        rc = kn_buf_add(&text, "\n", 1, err);
    const char head[MAGIC_BYTES + 4] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)text.n, (char)(text.n >> 8)};
    kn_save *s = rc ? NULL : kn_save_open(path, err);
    if (s && !kn_save_write(s, head, sizeof head, err) && !kn_save_write(s, text.p, text.n, err) &&
        !kn_save_write(s, x, bytes, err)) {
        rc = kn_save_commit(s, err);
    } else {
        kn_save_abort(s);
        rc = -1;
    }
    kn_buf_free(&text);
    return rc;
}
