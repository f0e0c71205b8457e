/* A SOURCE of images on the command line. */
#include "tools/image_source.h"

#include <math.h>
#include <string.h>

struct image_source_options image_source_options;

ds_images *image_source_open(void)
{
    kn_error err;
    const struct image_source_options *o = &image_source_options;
    if (!o->images)
        tool_usage("--images SOURCE is needed");
    ds_images *set = ds_images_open(o->images, &(ds_images_options){.labels = o->labels, .skip_bad = o->skip_bad}, &err);
    if (!set)
        tool_die_at(o->images, &err);
    if (ds_images_rejected(set))
        tool_warn("%s: %zu images or rows of labels are left out, the last: %s", o->images, ds_images_rejected(set),
                  ds_images_last_rejection(set));
    if (ds_images_count(set) == 0)
        tool_dief("%s: no images in it", o->images);
    return set;
}

uint32_t *image_source_items(const ds_images *set, const char *split, size_t *n)
{
    uint32_t *item = tool_alloc(ds_images_count(set), sizeof *item);
    *n = 0;
    for (uint32_t i = 0; i < ds_images_count(set); i++)
        if (!split || !strcmp(ds_images_split(set, i), split))
            item[(*n)++] = i;
    return item;
}

/* "2/5", "1-2/5" -> parts first .. last - 1 of N */
static int64_t read_fold(int64_t *first, int64_t *last)
{
    const char *s = image_source_options.fold, *slash = strchr(s, '/'), *dash = strchr(s, '-');
    int64_t parts;
    if (!slash || kn_parse_i64(&parts, kn_str_c(slash + 1), 2, 1000))
        goto bad;
    dash = dash && dash < slash ? dash : slash;
    if (kn_parse_i64(first, (kn_str){s, (size_t)(dash - s)}, 1, parts))
        goto bad;
    *last = *first;
    if (dash < slash && kn_parse_i64(last, (kn_str){dash + 1, (size_t)(slash - dash - 1)}, *first, parts))
        goto bad;
    if (*last - --*first == parts)
        goto bad;
    return parts;
bad:
    tool_usage("--fold is K/N or K-L/N, some of N parts, 2 to 1000 (1/5, 1-2/5), not '%s'", s);
}

uint32_t *image_source_fold(const ds_images *set, bool inside, size_t *n)
{
    kn_error err;
    int64_t first, last, parts = read_fold(&first, &last);
    size_t count = ds_images_count(set);
    uint32_t *item = tool_alloc(count, sizeof *item);
    uint32_t *part = sm_folds_cut(count, (size_t)parts, 1, (uint64_t)tool_common.seed, &err);
    if (!part)
        tool_die_at(image_source_options.images, &err);
    *n = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((part[i] >= first && part[i] < last) == inside)
            item[(*n)++] = i;
    kn_free(part);
    tool_say("--fold %s: %zu of %zu images", image_source_options.fold, *n, count);
    return item;
}

uint32_t *image_source_train(const ds_images *set, size_t *n)
{
    if (image_source_options.fold)
        return image_source_fold(set, false, n);
    uint32_t *item = image_source_items(set, "train", n);
    if (*n == 0) {
        kn_free(item);
        item = image_source_items(set, "", n);
    }
    if (*n == 0)
        tool_dief("%s: no images to train on: all are of splits other than 'train'", image_source_options.images);
    return item;
}

static void show(void *arg, size_t done, size_t total)
{
    (void)arg;
    tool_progress("reading", (double)done, (double)total, "images");
}

static void digest(image_part *p, const ds_images *set)
{
    kn_error err;
    char whole[65];
    kn_digest *d;
    if (ds_images_digest(set, whole, &err) || !(d = kn_digest_new(&err)))
        tool_die_at(image_source_options.images, &err);
    kn_digest_add(d, whole, sizeof whole);
    kn_digest_add(d, p->pixels.item, p->pixels.n * sizeof *p->pixels.item);
    kn_digest_end(d, p->digest);
}

void image_part_read(image_part *p, const ds_images *set, const uint32_t *item, size_t n, const sm_image_input *in)
{
    kn_error err;
    bool grouped = true, scored = true;
    const sm_pixels_options how = {.h = in->h, .w = in->w, .c = in->c, .skip_bad = image_source_options.skip_bad,
                                   .progress = show};
    if (sm_pixels_read(&p->pixels, set, item, n, &how, tool_pool(), &err))
        tool_die_at(image_source_options.images, &err);
    tool_progress_end();
    if (p->pixels.bad)
        tool_warn("%s: %zu images cannot be decoded and are left out", image_source_options.images, p->pixels.bad);
    n = p->pixels.n;
    p->group = tool_alloc(n, sizeof *p->group);
    p->score = tool_alloc(n, sizeof *p->score);
    for (size_t i = 0; i < n; i++) {
        ptrdiff_t class = ds_images_class(set, p->pixels.item[i]);
        grouped = grouped && class >= 0;
        p->group[i] = (uint32_t)class;
        p->score[i] = ds_images_score(set, p->pixels.item[i]);
        scored = scored && !isnan(p->score[i]);
    }
    if (!grouped)
        kn_free(p->group), p->group = NULL;
    if (!scored)
        kn_free(p->score), p->score = NULL;
    digest(p, set);
}

void image_part_free(image_part *p)
{
    sm_pixels_free(&p->pixels);
    kn_free(p->group);
    kn_free(p->score);
    *p = (image_part){0};
}

static size_t side(kn_str s)
{
    int64_t v;
    if (kn_parse_i64(&v, s, 1, 4096))
        tool_usage("--size is HxW or one number, 1 to 4096, not '%s'", s.p);
    return (size_t)v;
}

sm_image_input image_source_size(const ds_images *set, const char *size)
{
    kn_error err;
    ds_image first;
    if (ds_images_read(set, 0, &first, &err))
        tool_die_at(image_source_options.images, &err);
    sm_image_input in = {.h = first.h, .w = first.w, .c = first.c};
    ds_image_free(&first);
    if (size) {
        const char *x = strchr(size, 'x');
        in.h = side(x ? (kn_str){size, (size_t)(x - size)} : kn_str_c(size));
        in.w = x ? side(kn_str_c(x + 1)) : in.h;
        return in;
    }
    size_t most = in.c == 1 ? 32 : 64, longer = in.h > in.w ? in.h : in.w;
    if (longer > most) {
        in.h = (in.h * most + longer / 2) / longer;
        in.w = (in.w * most + longer / 2) / longer;
        in.h += in.h == 0;
        in.w += in.w == 0;
    }
    return in;
}
