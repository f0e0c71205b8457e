/* siam-image-attend: an image -> a picture of what a model looks at in it. */
#include <math.h>
#include <string.h>

#include "siamese/image_model.h"
#include "tools/json.h"
#include "tools/tool.h"

static const char *model_path, *class_name;
static double patch = 0.15, stride = 0.05;

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-image-train or siam-image-pretrain"},
    {"patch", 0, OPT_REAL, &patch, "SHARE", 0.001, 1, "side of the square, of the image's smaller side"},
    {"stride", 0, OPT_REAL, &stride, "SHARE", 0.001, 1, "how far it is moved, at most its side"},
    {"class", 0, OPT_TEXT, &class_name, "NAME", 0, 0, "whose probability; without it the most probable class"},
    {0}};

static const tool attend = {"siam-image-attend", "-m MODEL FILE -o MAP.png",
    "Moves a plain square over the image and draws where that changes what the model says: red where covering\n"
    "lowers the score or the probability, blue where it raises it; of a model that compares images red where it\n"
    "moves the image's vector. Zeiler and Fergus, 'Visualizing and understanding convolutional networks', 2014.",
    TOOL_OUT | TOOL_THREADS | TOOL_DEVICE | TOOL_JSON, options, 1, 1};

static ptrdiff_t class_number(const sm_model *m, const sm_image_recipe *r)
{
    if (!class_name)
        return -1;
    if (sm_image_tells(m) != SM_CLASSES)
        tool_dief("%s: --class is for a model that tells classes apart", model_path);
    for (size_t c = 0; c < r->classes; c++)
        if (!strcmp(r->class_name[c], class_name))
            return (ptrdiff_t)c;
    tool_dief("%s: '%s' is none of the %zu classes that it tells apart: siam-inspect shows them", model_path,
              class_name, r->classes);
}

/* A share of the smaller side as pixels of the network: one or more. */
static size_t pixels(double share, const sm_image_input *in)
{
    size_t n = (size_t)lround(share * (double)(in->h < in->w ? in->h : in->w));
    return n ? n : 1;
}

static void report(const char *file, const sm_model *m, const sm_image_recipe *r, const sm_attention *a,
                   const sm_attend_options *o)
{
    float least = a->map[0], most = a->map[0];
    for (size_t i = 1; i < r->input.h * r->input.w; i++) {
        least = fminf(least, a->map[i]);
        most = fmaxf(most, a->map[i]);
    }
    if (least == 0 && most == 0)
        tool_warn("%s: covering it anywhere changes nothing: the map is plain", file);
    sm_target tells = sm_image_tells(m);
    const char *class = tells == SM_CLASSES ? r->class_name[a->class_number] : NULL;
    if (tool_common.json)
        json_print(json_pack("{so so? so? so? sI sI sf sf}", "file", json_text(kn_str_c(file)), "class",
                             class ? json_text(kn_str_c(class)) : NULL, "probability",
                             class ? json_real(a->answer) : NULL, "score",
                             tells == SM_SCORES ? json_real(a->answer) : NULL, "patch", (json_int_t)o->patch, "stride",
                             (json_int_t)o->stride, "drop_min", (double)least, "drop_max", (double)most));
    else if (class)
        tool_say("%s: %s with probability %.4g; covering changes that by %.4g to %.4g", file, class, a->answer,
                 (double)-most, (double)-least);
    else if (tells == SM_SCORES)
        tool_say("%s: score %.4g; covering changes that by %.4g to %.4g", file, a->answer, (double)-most,
                 (double)-least);
    else
        tool_say("%s: covering moves its vector by %.4g to %.4g", file, (double)least, (double)most);
}

static void draw(const char *file, const char *to, const sm_model *m, const sm_image_recipe *r, sm_encoder *e)
{
    kn_error err;
    ds_image im, map;
    sm_pixels p;
    sm_attention a;
    sm_attend_options o = {pixels(patch, &r->input), pixels(stride, &r->input), class_number(m, r)};
    o.stride = o.stride < o.patch ? o.stride : o.patch;
    if (ds_image_read(&im, file, &err))
        tool_die(&err);
    if (sm_pixels_of(&p, &im, r->input.h, r->input.w, r->input.c, &err))
        tool_die_at(file, &err);
    if (sm_attend(&a, e, m, r, &p, &o, &err))
        tool_die_at(model_path, &err);
    if (ds_image_overlay(&map, &im, a.map, p.h, p.w, &err))
        tool_die_at(file, &err);
    if (ds_image_save(to, &map, &err))
        tool_die(&err);
    report(file, m, r, &a, &o);
    kn_free(a.map);
    sm_pixels_free(&p);
    ds_image_free(&map);
    ds_image_free(&im);
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    sm_image_recipe r;
    char **file = tool_start(&attend, argc, argv, &n);
    const char *to = tool_common.out;
    if (!model_path || !to || !strcmp(to, "-"))
        tool_usage("-m MODEL, FILE and -o MAP.png are needed");
    if (stride > patch && tool_given("stride"))
        tool_usage("--stride %g is more than --patch %g: there would be gaps", stride, patch);
    tool_common.out = NULL; /* stdout is for --json */
    sm_model *m = sm_model_open(model_path, &err);
    if (!m || sm_image_recipe_read(&r, m, &err))
        tool_die_at(model_path, &err);
    sm_encoder *e = sm_encoder_new(m, tool_backend(), &err);
    if (!e)
        tool_die(&err);
    draw(*file, to, m, &r, e);
    sm_encoder_free(e);
    sm_image_recipe_free(&r);
    sm_model_free(m);
    return tool_finish();
}
