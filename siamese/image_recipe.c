/* What a model of images knows of them, as JSON in the place of a text model's
 * recipe. */
#include "siamese/image_model.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *numbers(const float *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_real((double)x[i]));
    return a;
}

int sm_image_recipe_bytes(kn_buf *out, const sm_image_recipe *r, kn_error *err)
{
    const sm_image_input *in = &r->input;
    json_t *names = json_array();
    for (size_t i = 0; i < r->classes; i++)
        json_array_append_new(names, json_string(r->class_name[i]));
    json_t *j = json_pack("{ss sI sI sI so so sf sb so sf sf}", "kind", "images", "height", (json_int_t)in->h, "width",
                          (json_int_t)in->w, "channels", (json_int_t)in->c, "mean", numbers(in->mean, in->c), "std",
                          numbers(in->std, in->c), "zoom", r->zoom, "mirror", (int)r->mirror, "classes", names, "score_mean",
                          r->score_mean, "score_std", r->score_std);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    int rc = text && json_array_size(json_object_get(j, "classes")) == r->classes
                 ? kn_buf_adds(out, text, err)
                 : kn_fail(err, "out of memory, or the name of a class is not UTF-8");
    free(text);
    json_decref(j);
    return rc;
}

static int read_numbers(float *out, const json_t *a, size_t n, float lo, kn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        float v = (float)json_number_value(json_array_get(a, i));
        if (!json_is_number(json_array_get(a, i)) || !isfinite(v) || !(v > lo))
            return kn_fail(err, "the model's recipe has no mean and deviation for each channel: the file is damaged");
        out[i] = v;
    }
    return 0;
}

static int read_size(size_t *out, const json_t *j, const char *key, kn_error *err)
{
    json_int_t v = json_integer_value(json_object_get(j, key));
    *out = (size_t)v;
    return v >= 1 && v <= SM_MAX_WIDTH
               ? 0 : kn_fail(err, "the model's recipe has no %s of images: the file is damaged", key);
}

int sm_image_recipe_classes(sm_image_recipe *r, const char *const *name, size_t classes, kn_error *err)
{
    r->class_name = kn_alloc(classes, sizeof *r->class_name, err);
    for (; r->class_name && r->classes < classes; r->classes++) {
        size_t n = strlen(name[r->classes]) + 1;
        if (!(r->class_name[r->classes] = kn_alloc(n, 1, err)))
            return -1;
        memcpy(r->class_name[r->classes], name[r->classes], n);
    }
    return r->class_name ? 0 : -1;
}

static int read_classes(sm_image_recipe *r, const json_t *a, kn_error *err)
{
    size_t n = json_array_size(a);
    const char **name = kn_alloc(n, sizeof *name, err);
    int rc = name ? 0 : -1;
    for (size_t i = 0; !rc && i < n; i++)
        if (!(name[i] = json_string_value(json_array_get(a, i))))
            rc = kn_fail(err, "the model's recipe has a class without a name: the file is damaged");
    if (!rc)
        rc = sm_image_recipe_classes(r, name, n, err);
    kn_free(name);
    return rc;
}

sm_target sm_image_tells(const sm_model *m)
{
    return m->loss == SM_SOFTMAX ? SM_CLASSES : m->loss == SM_HUBER || m->loss == SM_MSE ? SM_SCORES : SM_PAIRS;
}

/* What the output means must fit the network. */
static int check(const sm_image_recipe *r, const sm_model *m, kn_error *err)
{
    const sm_shape *in = &m->graph->node[0].shape;
    if (in->h != r->input.h || in->w != r->input.w || in->c != r->input.c)
        return kn_fail(err, "the model's network reads images of another size than its recipe makes: the file is "
                       "damaged");
    if (r->input.c != 1 && r->input.c != 3)
        return kn_fail(err, "the model reads images of %zu channels: 1 or 3 can be made", r->input.c);
    if (sm_image_tells(m) == SM_CLASSES && r->classes != m->graph->output_width)
        return kn_fail(err, "the model names %zu classes and tells %zu apart: the file is damaged", r->classes,
                       m->graph->output_width);
    if (sm_image_tells(m) == SM_SCORES && m->graph->output_width != 1)
        return kn_fail(err, "the model gives %zu scores for an image: the file is damaged", m->graph->output_width);
    if (!(r->zoom >= 0 && r->zoom <= 10))
        return kn_fail(err, "the model's recipe looks at images at impossible sizes: the file is damaged");
    if (!isfinite(r->score_mean) || !isfinite(r->score_std))
        return kn_fail(err, "the model's recipe has no scale of scores: the file is damaged");
    return 0;
}

int sm_image_recipe_read(sm_image_recipe *r, const sm_model *m, kn_error *err)
{
    *r = (sm_image_recipe){0};
    json_t *j = m->recipe ? json_loadb(m->recipe, m->recipe_bytes, 0, NULL) : NULL;
    const char *kind = json_string_value(json_object_get(j, "kind"));
    int rc = kind && !strcmp(kind, "images") ? 0 : kn_fail(err, "not a model of images");
    if (!rc) {
        r->zoom = json_number_value(json_object_get(j, "zoom"));
        r->mirror = json_is_true(json_object_get(j, "mirror"));
        r->score_mean = json_number_value(json_object_get(j, "score_mean"));
        r->score_std = json_number_value(json_object_get(j, "score_std"));
        rc = read_size(&r->input.h, j, "height", err) || read_size(&r->input.w, j, "width", err) ||
                     read_size(&r->input.c, j, "channels", err)
                 ? -1 : 0;
    }
    if (!rc && r->input.c <= 3)
        rc = read_numbers(r->input.mean, json_object_get(j, "mean"), r->input.c, -1, err) ||
                     read_numbers(r->input.std, json_object_get(j, "std"), r->input.c, 0, err)
                 ? -1 : 0;
    if (!rc)
        rc = read_classes(r, json_object_get(j, "classes"), err) || check(r, m, err) ? -1 : 0;
    json_decref(j);
    if (rc)
        sm_image_recipe_free(r);
    return rc;
}

void sm_image_recipe_free(sm_image_recipe *r)
{
    for (size_t i = 0; i < r->classes; i++)
        kn_free(r->class_name[i]);
    kn_free(r->class_name);
    *r = (sm_image_recipe){0};
}

char *sm_image_arch(const sm_image_input *in, const char *arch, const sm_model *init, size_t outputs, double dropout,
                    kn_error *err)
{
    kn_buf text = {0};
    char *body = NULL, *whole = NULL;
    bool done = init && sm_image_tells(init) != SM_PAIRS;
    int rc = init ? kn_buf_adds(&text, init->graph->text, err)
                  : kn_buf_addf(&text, err, "input %zux%zux%zu\n", in->h, in->w, in->c);
    if (!rc && !init)
        rc = (body = sm_arch_text(arch, 0, err)) ? kn_buf_adds(&text, body, err) : -1;
    if (!rc && outputs && !done && dropout > 0)
        rc = kn_buf_addf(&text, err, "\ndropout %.9g", dropout);
    if (!rc && outputs && !done)
        rc = kn_buf_addf(&text, err, "\nlinear %zu\n", outputs);
    if (!rc && !kn_buf_add(&text, "", 1, err) && (whole = kn_alloc(text.n, 1, err)))
        memcpy(whole, text.p, text.n);
    kn_free(body);
    kn_buf_free(&text);
    return whole;
}
