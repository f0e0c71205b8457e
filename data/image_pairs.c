/* A list of pairs of images. */
#include <string.h>

#include "data/images.h"

/* The next word of a line, cut at spaces and tabs; empty at its end. */
static kn_str word(kn_str *line)
{
    size_t i = 0, begin;
    while (i < line->n && (line->p[i] == ' ' || line->p[i] == '\t'))
        i++;
    for (begin = i; i < line->n && line->p[i] != ' ' && line->p[i] != '\t';)
        i++;
    kn_str w = {line->p + begin, i - begin};
    *line = (kn_str){line->p + i, line->n - i};
    return w;
}

static int find(const ds_images *s, kn_str name, uint32_t *item, kn_error *err)
{
    ptrdiff_t i = ds_images_find(s, name);
    if (i < 0)
        return kn_fail(err, "\"%.*s\" is no image of the source", (int)(name.n < 200 ? name.n : 200), name.p);
    *item = (uint32_t)i;
    return 0;
}

/* Sizes of the arrays of a ds_image_pairs. */
typedef struct caps {
    size_t a, b, label;
} caps;

static int add(ds_image_pairs *p, caps *cap, const ds_images *s, kn_str line, kn_error *err)
{
    kn_str a = word(&line), b = word(&line), label = word(&line);
    if (!a.n || *a.p == '#')
        return 0;
    if (word(&line).n || label.n != 1 || (*label.p != '0' && *label.p != '1'))
        return kn_fail(err, "not \"FILE FILE 0\" or \"FILE FILE 1\"");
    if (kn_grow(&p->a, &cap->a, p->n + 1, sizeof *p->a, err) || kn_grow(&p->b, &cap->b, p->n + 1, sizeof *p->b, err) ||
        kn_grow(&p->label, &cap->label, p->n + 1, sizeof *p->label, err) || find(s, a, &p->a[p->n], err) ||
        find(s, b, &p->b[p->n], err))
        return -1;
    p->label[p->n++] = *label.p == '1';
    return 0;
}

static int read_pairs(ds_image_pairs *p, ds_lines *l, const ds_images *s, kn_error *err)
{
    caps cap = {0};
    kn_str line;
    int r;
    while ((r = ds_line(l, &line, NULL, err)) > 0)
        if (add(p, &cap, s, line, err))
            return kn_fail_prefix(err, "line %llu", (unsigned long long)ds_line_number(l));
    return r || p->n ? r : kn_fail(err, "there is no pair in it");
}

int ds_image_pairs_read(ds_image_pairs *p, const char *path, const ds_images *s, kn_error *err)
{
    *p = (ds_image_pairs){0};
    ds_stream *in = ds_open(path, err);
    ds_lines *l = in ? ds_lines_new(in, err) : NULL;
    int rc = l ? read_pairs(p, l, s, err) : -1;
    ds_lines_free(l);
    ds_close(in);
    if (!rc)
        return 0;
    ds_image_pairs_free(p);
    return kn_fail_prefix(err, "%s", path);
}

void ds_image_pairs_free(ds_image_pairs *p)
{
    kn_free(p->a);
    kn_free(p->b);
    kn_free(p->label);
    *p = (ds_image_pairs){0};
}
