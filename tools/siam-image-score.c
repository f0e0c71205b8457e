/* siam-image-score: images -> what a model says of each. Memory is one chunk of
 * images, however many there are. */
#include <stdlib.h>
#include <string.h>

#include "tools/image_source.h"
#include "tools/tool.h"

static const char *model_path, *like;
static double threshold = 0.4;
static bool all;

static const tool_option options[] = {
    {"model", 'm', OPT_TEXT, &model_path, "MODEL", 0, 0, "made by siam-image-train"},
    {"images", 0, OPT_TEXT, &image_source_options.images, "SOURCE", 0, 0,
     "a folder, a tar(.gz) or an IDX(.gz) file, instead of FILEs"},
    {"skip-bad", 0, OPT_FLAG, &image_source_options.skip_bad, NULL, 0, 0,
     "leave out images that cannot be decoded, count them, go on"},
    {"all", 0, OPT_FLAG, &all, NULL, 0, 0, "a column for every class: its probability"},
    {"any-like", 0, OPT_TEXT, &like, "CLASS", 0, 0,
     "decide profiles of several images: LIKE when the probability of CLASS is over the threshold in any, else NOPE"},
    {"threshold", 0, OPT_REAL, &threshold, "P", 0, 1, "of --any-like"},
    {0}};

static const tool score = {"siam-image-score", "-m MODEL (--images SOURCE | FILE...)",
    "Prints a CSV with a line an image: file,score of a model of scores; file,class,probability, of the most\n"
    "probable class, of a model of classes; file,v1,v2,... of a model that compares: its vectors. With --any-like a line a profile: profile,images,probability,decision,\n"
    "with the greatest probability of its images; each folder of a SOURCE is a profile, and so are all FILEs.",
    TOOL_OUT | TOOL_THREADS | TOOL_DEVICE, options, 0, -1};

/* Images of a folder that came one behind the other. */
typedef struct profile {
    kn_str folder;
    size_t images;
    float most;
} profile;

typedef struct scorer {
    const sm_model *m;
    sm_image_recipe recipe;
    ds_images *set;
    sm_encoder *e;
    size_t chunk;       /* images at a time */
    size_t like;        /* number of the class */
    profile *profiles;
    size_t count, room;
} scorer;

/* ---- lines ----------------------------------------------------------------------- */

static void put(const char *field)
{
    kn_error err;
    kn_buf text = {0};
    if (ds_csv_put(&text, kn_str_c(field), ',', &err))
        tool_die(&err);
    tool_write(text.p, text.n);
    kn_buf_free(&text);
}

static void print_header(const scorer *s)
{
    if (like)
        tool_printf("profile,images,probability,decision");
    else if (sm_image_tells(s->m) == SM_SCORES)
        tool_printf("file,score");
    else if (sm_image_tells(s->m) == SM_PAIRS)
        tool_printf("file");
    else
        tool_printf(all ? "file" : "file,class,probability");
    for (size_t c = 0; all && c < s->recipe.classes; c++) {
        tool_printf(",");
        put(s->recipe.class_name[c]);
    }
    for (size_t k = 0; sm_image_tells(s->m) == SM_PAIRS && k < sm_encoder_width(s->e); k++)
        tool_printf(",v%zu", k + 1);
    tool_printf("\n");
}

static void print_image(const scorer *s, const char *name, const float *z)
{
    size_t C = s->recipe.classes;
    put(name);
    if (sm_image_tells(s->m) == SM_SCORES) {
        tool_printf(",%.9g", sm_image_score(&s->recipe, z[0]));
    } else if (sm_image_tells(s->m) == SM_PAIRS) {
        for (size_t k = 0; k < sm_encoder_width(s->e); k++)
            tool_printf(",%.9g", (double)z[k]);
    } else if (!all) {
        size_t best = sm_most_probable(z, C);
        tool_printf(",");
        put(s->recipe.class_name[best]);
        tool_printf(",%.6g", (double)z[best]);
    }
    for (size_t c = 0; all && c < C; c++)
        tool_printf(",%.6g", (double)z[c]);
    tool_printf("\n");
}

/* ---- profiles ------------------------------------------------------------------------ */

static kn_str folder_of(const char *name)
{
    const char *slash = image_source_options.images ? strrchr(name, '/') : NULL;
    return slash ? (kn_str){name, (size_t)(slash - name)} : kn_str_c(".");
}

static void add_to_profile(scorer *s, const char *name, float p)
{
    kn_error err;
    kn_str folder = folder_of(name);
    if (!s->count || !kn_str_eq(s->profiles[s->count - 1].folder, folder)) {
        if (kn_grow(&s->profiles, &s->room, s->count + 1, sizeof *s->profiles, &err))
            tool_die(&err);
        s->profiles[s->count++] = (profile){.folder = folder};
    }
    profile *last = &s->profiles[s->count - 1];
    last->images++;
    last->most = p > last->most ? p : last->most;
}

static int by_folder(const void *a, const void *b)
{
    return kn_str_cmp(((const profile *)a)->folder, ((const profile *)b)->folder);
}

/* Images of a folder inside may stand between those of a folder. */
static void print_profiles(scorer *s)
{
    qsort(s->profiles, s->count, sizeof *s->profiles, by_folder);
    for (size_t i = 0; i < s->count; i++) {
        profile p = s->profiles[i];
        kn_error err;
        kn_buf name = {0};
        for (; i + 1 < s->count && kn_str_eq(p.folder, s->profiles[i + 1].folder); i++) {
            p.images += s->profiles[i + 1].images;
            p.most = s->profiles[i + 1].most > p.most ? s->profiles[i + 1].most : p.most;
        }
        if (ds_csv_put(&name, p.folder, ',', &err))
            tool_die(&err);
        tool_printf("%.*s,%zu,%.6g,%s\n", (int)name.n, name.p, p.images, (double)p.most,
                    (double)p.most > threshold ? "LIKE" : "NOPE");
        kn_buf_free(&name);
    }
}

/* ---- the way of an image ---------------------------------------------------------------- */

static void score_chunk(scorer *s, size_t first, size_t n, uint32_t *item, float *z)
{
    kn_error err;
    sm_pixels p;
    const sm_image_input *in = &s->recipe.input;
    const sm_pixels_options how = {.h = in->h, .w = in->w, .c = in->c};
    for (size_t i = 0; i < n; i++)
        item[i] = (uint32_t)(first + i);
    if (sm_pixels_read(&p, s->set, item, n, &how, tool_pool(), &err))
        tool_die(&err);
    if (sm_image_outputs(s->e, z, &p, &s->recipe, &err))
        tool_die_at(model_path, &err);
    if (sm_image_tells(s->m) == SM_CLASSES)
        sm_softmax(z, n, s->recipe.classes);
    if (first == 0) /* an error before it leaves no half of a CSV */
        print_header(s);
    for (size_t i = 0; i < n; i++) {
        const float *row = z + i * sm_encoder_width(s->e);
        if (like)
            add_to_profile(s, ds_images_name(s->set, first + i), row[s->like]);
        else
            print_image(s, ds_images_name(s->set, first + i), row);
    }
    sm_pixels_free(&p);
}

static void score_all(scorer *s)
{
    size_t count = ds_images_count(s->set);
    uint32_t *item = tool_alloc(s->chunk, sizeof *item);
    float *z = tool_alloc(s->chunk, sm_encoder_width(s->e) * sizeof *z);
    for (size_t at = 0; at < count; at += s->chunk) {
        size_t n = count - at < s->chunk ? count - at : s->chunk;
        score_chunk(s, at, n, item, z);
        tool_progress("scoring", (double)(at + n), (double)count, "images");
    }
    if (like)
        print_profiles(s);
    tool_progress_end();
    kn_free(item);
    kn_free(z);
}

static void open_model(scorer *s, sm_model *m)
{
    kn_error err;
    s->m = m;
    if (sm_image_recipe_read(&s->recipe, m, &err))
        tool_die_at(model_path, &err);
    if (sm_image_tells(m) != SM_CLASSES && (all || like))
        tool_dief("%s: this model %s: %s is for one that tells classes", model_path,
                  sm_image_tells(m) == SM_SCORES ? "tells scores" : "compares images", all ? "--all" : "--any-like");
    while (like && s->like < s->recipe.classes && strcmp(s->recipe.class_name[s->like], like))
        s->like++;
    if (like && s->like == s->recipe.classes)
        tool_dief("%s: '%s' is none of the %zu classes that it tells apart: siam-inspect shows them", model_path, like,
                  s->recipe.classes);
    if (!(s->e = sm_encoder_new(m, tool_backend(), &err)))
        tool_die(&err);
    size_t bytes = s->recipe.input.h * s->recipe.input.w * s->recipe.input.c;
    s->chunk = bytes < (1 << 26) / 256 ? 256 : 1 + (1 << 26) / bytes;
}

int main(int argc, char **argv)
{
    kn_error err;
    int n;
    scorer s = {0};
    char **file = tool_start(&score, argc, argv, &n);
    if (!model_path || !image_source_options.images == !n)
        tool_usage("-m MODEL and either --images SOURCE or FILEs are needed");
    if (all && like)
        tool_usage("--all has a line an image, --any-like a line a profile: ask for one of them");
    if (tool_given("threshold") && !like)
        tool_usage("--threshold goes with --any-like");
    sm_model *m = sm_model_open(model_path, &err);
    if (!m)
        tool_die_at(model_path, &err);
    open_model(&s, m);
    const ds_images_options how = {.skip_bad = image_source_options.skip_bad};
    s.set = n ? ds_images_open_files(file, (size_t)n, &how, &err) : image_source_open();
    if (!s.set)
        tool_die(&err);
    score_all(&s);
    if (ds_images_rejected(s.set))
        tool_warn("%llu images were left out, the last one: %s", (unsigned long long)ds_images_rejected(s.set),
                  ds_images_last_rejection(s.set));
    kn_free(s.profiles);
    ds_images_close(s.set);
    sm_encoder_free(s.e);
    sm_image_recipe_free(&s.recipe);
    sm_model_free(m);
    return tool_finish();
}
