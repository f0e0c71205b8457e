/* siam-inspect: what is in a file of ours. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/json.h"
#include "tools/tensor.h"
#include "tools/tool.h"

enum { MAX_DEPTH = 8 };

static const tool inspect = {"siam-inspect", "FILE",
    "Shows what is in a vector store, features, a model, an index or any other safetensors file, or in an array of\n"
    "NumPy (.npy): its settings; each tensor's dtype, shape and bytes; the least, greatest and mean of its finite\n"
    "numbers, how many are NaN and infinite, and the first ones. A file or JSON inside a tensor follows indented.",
    TOOL_OUT | TOOL_JSON, NULL, 1, 1};

/* The safetensors file that a tensor of bytes holds, or NULL. */
static ds_st *open_inner(const ds_tensor *t, int depth)
{
    return t->dtype == DS_U8 && t->ndim == 1 && depth < MAX_DEPTH ? ds_st_open_memory(t->data, t->bytes, NULL) : NULL;
}

/* The JSON object that it holds, or NULL. */
static json_t *open_json(const ds_tensor *t)
{
    json_t *j = t->dtype == DS_U8 && t->ndim == 1 ? json_loadb(t->data, t->bytes, 0, NULL) : NULL;
    if (json_is_object(j))
        return j;
    json_decref(j);
    return NULL;
}

/* Settings as those of a file are printed. */
static void print_json(json_t *j, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach(j, key, value) {
        const size_t form = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);
        char *text = json_is_string(value) ? NULL : json_dumps(value, form);
        if (!text && !json_is_string(value))
            tool_dief("out of memory while showing JSON");
        tool_printf("%*s%s", 2 * depth, "", tensor_text(key));
        tool_printf(" = %s\n", tensor_text(text ? text : json_string_value(value)));
        free(text);
    }
}

static void print_tensor(const ds_tensor *t, int depth, size_t width);

static void print_st(const ds_st *s, int depth)
{
    const char *key, *value;
    size_t width = tensor_name_width(s);
    for (size_t i = 0; i < ds_st_meta_count(s); i++) {
        ds_st_meta_at(s, i, &key, &value);
        tool_printf("%*s%s", 2 * depth, "", tensor_text(key));
        tool_printf(" = %s\n", tensor_text(value));
    }
    if (ds_st_count(s))
        tensor_print_titles(2 * depth, width);
    for (size_t i = 0; i < ds_st_count(s); i++)
        print_tensor(ds_st_at(s, i), depth, width);
}

static void print_tensor(const ds_tensor *t, int depth, size_t width)
{
    ds_st *inner = open_inner(t, depth);
    json_t *j = inner ? NULL : open_json(t);
    tensor_print(t, inner ? "a file" : j ? "JSON" : NULL, 2 * depth, width);
    if (inner)
        print_st(inner, depth + 1);
    print_json(j, depth + 1);
    ds_st_close(inner);
    json_decref(j);
}

static json_t *st_json(const ds_st *s, int depth)
{
    const char *key, *value;
    json_t *metadata = json_object(), *tensors = json_array();
    for (size_t i = 0; i < ds_st_meta_count(s); i++) {
        ds_st_meta_at(s, i, &key, &value);
        json_object_set_new(metadata, key, json_string(value));
    }
    for (size_t i = 0; i < ds_st_count(s); i++) {
        ds_st *inner = open_inner(ds_st_at(s, i), depth);
        json_t *text = inner ? NULL : open_json(ds_st_at(s, i)), *j = tensor_json(ds_st_at(s, i), inner || text);
        if (inner || text)
            json_object_set_new(j, "holds", inner ? st_json(inner, depth + 1) : text);
        json_array_append_new(tensors, j);
        ds_st_close(inner);
    }
    return json_pack("{ss so so}", "format", "safetensors", "metadata", metadata, "tensors", tensors);
}

static void show_st(const char *path, const char *name)
{
    kn_error err;
    ds_st *s = ds_st_open(path, &err);
    if (!s)
        tool_die_at(name, &err);
    if (tool_common.json)
        json_print(st_json(s, 0));
    else
        print_st(s, 0);
    ds_st_close(s);
}

static void show_npy(const char *path, const char *name)
{
    kn_error err;
    ds_tensor t;
    ds_stream *s = ds_open(path, &err);
    if (!s || ds_npy_tensor(&t, s, &err))
        tool_die_at(name, &err);
    t.name = "array";
    if (tool_common.json) {
        json_print(json_pack("{ss s[o]}", "format", "npy", "tensors", tensor_json(&t, false)));
    } else {
        tensor_print_titles(0, strlen("tensor"));
        tensor_print(&t, NULL, 0, strlen("tensor"));
    }
    kn_free((void *)t.data);
    ds_close(s);
}

/* A name under which what comes from standard input can be opened and mapped. */
static const char *keep_stdin(void)
{
    static char name[32], chunk[1 << 16];
    kn_error err;
    ptrdiff_t n = 0;
    int fd = ds_temporary(&err);
    ds_stream *s = fd < 0 ? NULL : ds_open("-", &err);
    while (s && (n = ds_read(s, chunk, sizeof chunk, &err)) > 0)
        for (ptrdiff_t at = 0, w; at < n; at += w)
            if ((w = write(fd, chunk + at, (size_t)(n - at))) < 0)
                tool_dief("<stdin>: cannot be kept in a temporary file: %s", strerror(errno));
    if (!s || n < 0)
        tool_die_at("-", &err);
    ds_close(s);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    return name;
}

int main(int argc, char **argv)
{
    kn_error err;
    char magic[6];
    size_t got = 0;
    ptrdiff_t n;
    int operands;
    const char *name = *tool_start(&inspect, argc, argv, &operands), *path = strcmp(name, "-") ? name : keep_stdin();
    ds_stream *s = ds_open(path, &err);
    while ((n = s ? ds_read(s, magic + got, sizeof magic - got, &err) : -1) > 0)
        got += (size_t)n;
    if (n < 0)
        tool_die_at(name, &err);
    ds_close(s);
    if (got == sizeof magic && !memcmp(magic, "\x93NUMPY", got))
        show_npy(path, name);
    else
        show_st(path, name);
    return tool_finish();
}
