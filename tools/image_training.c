/* From images and options to a trained model: see image_training.h. */
#include "tools/image_training.h"

#include <math.h>
#include <string.h>

struct image_training_options image_training_options;

void image_training_defaults(image_run *run)
{
    *run = (image_run){0};
    training.arch = NULL; /* told by the images */
    training_words.epochs = 30;
    image_training_options.flip = "auto";
    image_training_options.noise = 0.5;
    image_training_options.augment = (sm_augment){.rotate = 10, .zoom = 0.2, .shift = 0.08, .colour = 0.2};
}

/* With --init the size, and all that makes pixels numbers, is that model's. */
void image_run_open(image_run *run)
{
    kn_error err;
    const sm_model *init = training_init();
    run->set = image_source_open();
    if (init) {
        if (image_training_options.size || training.arch)
            tool_usage("--init brings its own --size and --net");
        sm_image_recipe old;
        if (sm_image_recipe_read(&old, init, &err))
            tool_die_at(training_words.init, &err);
        run->recipe.input = old.input;
        sm_image_recipe_free(&old);
    } else {
        run->recipe.input = image_source_size(run->set, image_training_options.size);
    }
    bool colour = run->recipe.input.c == 3;
    const char *flip = image_training_options.flip;
    run->recipe.mirror = !strcmp(flip, "yes") || (!strcmp(flip, "auto") && colour);
    run->recipe.score_std = 1;
    run->io.augment = image_training_options.augment;
    run->io.augment.flip = run->recipe.mirror;
    run->io.workers = 1; /* a batch takes it less time than a step takes all threads */
    if (!training.arch)
        training.arch = colour ? "resnet-elu" : "conv4";
}

/* Those items that have the mark, decoded, with their groups. */
static void read_marked(image_part *p, image_run *run, const uint32_t *item, const uint32_t *group, const uint8_t *mark,
                        uint8_t which, size_t n)
{
    size_t k = 0, count = ds_images_count(run->set);
    uint32_t *some = tool_alloc(n, sizeof *some), *group_of = tool_alloc(count, sizeof *group_of);
    for (size_t i = 0; i < n; i++)
        if (mark[i] == which) {
            some[k++] = item[i];
            group_of[item[i]] = group ? group[i] : (uint32_t)ds_images_class(run->set, item[i]);
        }
    if (k == 0 && which == 1)
        tool_dief("%s: no images are left to train on", image_source_options.images);
    if (k)
        image_part_read(p, run->set, some, k, &run->recipe.input);
    if (group && !p->group)
        p->group = tool_alloc(p->pixels.n, sizeof *p->group);
    for (size_t i = 0; p->group && i < p->pixels.n; i++)
        p->group[i] = group_of[p->pixels.item[i]];
    kn_free(some);
    kn_free(group_of);
}

void image_run_parts(image_run *run, const uint32_t *item, const uint32_t *group, const uint8_t *mark, size_t n)
{
    read_marked(&run->train, run, item, group, mark, 1, n);
    read_marked(&run->dev, run, item, group, mark, 2, n);
}

/* The pairs that have the mark. */
static void cut_pairs(ds_image_pairs *out, const ds_image_pairs *all, const uint8_t *mark, uint8_t which)
{
    out->a = tool_alloc(all->n, sizeof *out->a);
    out->b = tool_alloc(all->n, sizeof *out->b);
    out->label = tool_alloc(all->n, sizeof *out->label);
    out->n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (mark[i] == which) {
            out->a[out->n] = all->a[i];
            out->b[out->n] = all->b[i];
            out->label[out->n++] = all->label[i];
        }
}

/* Reads the images that a list speaks of; its numbers become rows of pixels. */
static void read_paired(image_run *run, ds_image_pairs *all)
{
    size_t count = ds_images_count(run->set), n = 0;
    uint32_t *row = tool_alloc(count, sizeof *row), *item = tool_alloc(count, sizeof *item);
    for (size_t i = 0; i < all->n; i++)
        row[all->a[i]] = row[all->b[i]] = 1;
    for (uint32_t i = 0; i < count; i++)
        if (row[i])
            item[n++] = i;
    image_part_read(&run->train, run->set, item, n, &run->recipe.input);
    if (run->train.pixels.n < n)
        tool_dief("%s: a list of pairs needs all of its images", image_source_options.images);
    for (uint32_t i = 0; i < n; i++)
        row[item[i]] = i;
    for (size_t i = 0; i < all->n; i++) {
        all->a[i] = row[all->a[i]];
        all->b[i] = row[all->b[i]];
    }
    kn_free(row);
    kn_free(item);
}

void image_run_pairs(image_run *run, const char *path)
{
    kn_error err;
    ds_image_pairs all;
    if (ds_image_pairs_read(&all, path, run->set, &err))
        tool_die_at(path, &err);
    uint8_t *mark = tool_alloc(all.n, 1);
    if (sm_image_part_items(mark, all.n, training.hold_out, training.seed, &err))
        tool_die(&err);
    read_paired(run, &all);
    cut_pairs(&run->train_pairs, &all, mark, 1);
    cut_pairs(&run->pairs, &all, mark, 2);
    run->io.target = SM_PAIRS;
    ds_image_pairs_free(&all);
    kn_free(mark);
}

static sm_image_set set_of(const image_part *p, const ds_image_pairs *pairs)
{
    return (sm_image_set){.pixels = &p->pixels, .group = p->group, .score = p->score, .a = pairs->a, .b = pairs->b,
                          .label = pairs->label, .pairs = pairs->n, .digest = p->digest};
}

void image_run_train(image_run *run, size_t outputs)
{
    kn_error err;
    kn_buf recipe = {0};
    const sm_model *init = training_init();
    bool paired = run->io.target == SM_PAIRS;
    if (!init)
        run->recipe.input = sm_pixels_measure(&run->train.pixels);
    char *arch = sm_image_arch(&run->recipe.input, training.arch, init, outputs, image_training_options.dropout, &err);
    if (!arch || sm_image_recipe_bytes(&recipe, &run->recipe, &err))
        tool_die(&err);
    training.arch = arch;
    const sm_image_set train = set_of(&run->train, &run->train_pairs);
    const sm_image_set dev = set_of(paired ? &run->train : &run->dev, &run->pairs);
    bool judged = paired || run->io.target == SM_GROUPS ? run->pairs.n > 0 : run->dev.pixels.n > 0;
    sm_train_control c = training_control();
    c.seconds = 60 * image_training_options.minutes;
    const sm_image_set *judge = judged ? &dev : NULL;
    sm_model *m = image_training_options.grow
                      ? sm_train_growing(&train, judge, &run->recipe, &recipe, &run->io, &training,
                                         image_training_options.noise, &c, tool_backend(), &err)
                      : sm_train_images(&train, judge, &run->recipe, &recipe, &run->io, &training, &c, tool_backend(),
                                        &err);
    training_end(m, &err);
    image_part_free(&run->train);
    image_part_free(&run->dev);
    ds_image_pairs_free(&run->train_pairs);
    if (paired)
        ds_image_pairs_free(&run->pairs);
    else
        kn_free(run->pairs.a); /* one block: sm_image_pairs */
    ds_images_close(run->set);
    sm_image_recipe_free(&run->recipe);
    kn_buf_free(&recipe);
    kn_free(arch);
}
