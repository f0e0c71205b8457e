/* Which images, or pairs of vectors, make up a step: a function of seed and step
 * alone. */
#include "siamese/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A shuffle of 0 .. n-1, one after another for ever; the newest is kept. Shuffle
 * number k of lane 0 is that of sm_train's epoch k; a second deck is lane 1. */
typedef struct deck {
    uint32_t n, *order;
    uint64_t seed, next; /* number of the newest + 1; 0: none yet */
    uint32_t lane;
} deck;

static int deck_new(deck *d, size_t n, uint64_t seed, uint32_t lane, kn_error *err)
{
    *d = (deck){.n = (uint32_t)n, .seed = seed, .lane = lane};
    return (d->order = kn_alloc(n, sizeof *d->order, err)) ? 0 : -1;
}

static const uint32_t *deck_shuffle(deck *d, uint64_t number)
{
    if (d->next == number + 1)
        return d->order;
    kn_rng rng = kn_rng_new(d->seed, KN_STREAM_SHUFFLE, d->lane << 31 | (uint32_t)number);
    for (uint32_t i = 0; i < d->n; i++)
        d->order[i] = i;
    kn_rng_shuffle(&rng, d->order, d->n);
    d->next = number + 1;
    return d->order;
}

/* Card number `at` of all that are ever dealt. */
static uint32_t deck_deal(deck *d, uint64_t at)
{
    return deck_shuffle(d, at / d->n)[at % d->n];
}

typedef enum { SHUFFLED, BALANCED, PAIRS, PAIRS_HALF } kind;

struct sm_sampler {
    kind kind;
    uint64_t seed, steps;
    size_t n, batch;       /* rows or pairs: of an epoch, of a step */
    size_t images;         /* rows of the pixels it may speak of */
    deck deck[2];          /* of rows or pairs; PAIRS_HALF: of others, of same pairs; BALANCED: of groups, by turns */
    /* BALANCED: members of group g are member[start[g] .. start[g+1]); all have some */
    size_t groups, each;   /* of a step */
    uint32_t *start, *member, *name; /* name[g]: the group's number outside */
    unsigned char *dealt;  /* scratch of part_from_last */
    size_t newest;         /* which deck was shuffled last */
    /* pairs, borrowed; PAIRS_HALF: pairs with label k are kind_of[k][deck[k].n] */
    const uint32_t *a, *b;
    const float *label;
    uint32_t *kind_of[2];
};

static sm_sampler *sampler_new(kind k, size_t n, size_t batch, uint64_t seed, kn_error *err)
{
    size_t rows;
    if (n < 2 || n > UINT32_MAX || batch == 0 || kn_mul(&rows, batch, 2) || rows > UINT32_MAX) {
        kn_fail(err, "batches of %zu from %zu cannot be trained on", batch, n);
        return NULL;
    }
    sm_sampler *s = kn_alloc(1, sizeof *s, err);
    if (s)
        *s = (sm_sampler){.kind = k, .seed = seed, .n = n, .batch = batch, .images = n};
    return s;
}

void sm_sampler_free(sm_sampler *s)
{
    if (!s)
        return;
    for (int k = 0; k < 2; k++) {
        kn_free(s->deck[k].order);
        kn_free(s->kind_of[k]);
    }
    kn_free(s->start);
    kn_free(s->member);
    kn_free(s->name);
    kn_free(s->dealt);
    kn_free(s);
}

/* s, or NULL and s freed. */
static sm_sampler *unless(int failed, sm_sampler *s)
{
    if (!failed)
        return s;
    sm_sampler_free(s);
    return NULL;
}

size_t sm_sampler_rows(const sm_sampler *s)
{
    return s->kind == PAIRS || s->kind == PAIRS_HALF ? 2 * s->batch : s->batch;
}

size_t sm_sampler_images(const sm_sampler *s)
{
    return s->images;
}

uint64_t sm_sampler_steps(const sm_sampler *s)
{
    size_t left = s->n % s->batch;
    bool lone_waits = s->kind == SHUFFLED || s->kind == PAIRS;
    return s->n / s->batch + (lone_waits ? left > 1 : left > 0);
}

/* ---- rows or pairs in a shuffle --------------------------------------------------------- */

sm_sampler *sm_sampler_shuffled(size_t n, size_t batch, uint64_t seed, kn_error *err)
{
    sm_sampler *s = sampler_new(SHUFFLED, n, batch, seed, err);
    return s ? unless(deck_new(&s->deck[0], n, seed, 0, err), s) : NULL;
}

/* The numbers that step `step` has, and how many. */
static const uint32_t *part_of_epoch(sm_sampler *s, uint64_t step, size_t *count)
{
    uint64_t steps = sm_sampler_steps(s);
    size_t at = (size_t)(step % steps) * s->batch;
    *count = s->n - at < s->batch ? s->n - at : s->batch;
    return deck_shuffle(&s->deck[0], step / steps) + at;
}

/* Numbers of the same pairs and of the others, each with a deck. */
static int part_kinds(sm_sampler *s, kn_error *err)
{
    size_t same = 0;
    for (size_t i = 0; i < s->n; i++)
        same += s->label[i] > 0;
    if (same == 0 || same == s->n)
        return kn_fail(err, "%zu pairs, of which %zu are the same: batches of both halves need both", s->n, same);
    for (uint32_t k = 0; k < 2; k++) {
        size_t n = k ? same : s->n - same, at = 0;
        if (deck_new(&s->deck[k], n, s->seed, k, err) || !(s->kind_of[k] = kn_alloc(n, sizeof **s->kind_of, err)))
            return -1;
        for (uint32_t i = 0; i < s->n; i++)
            if ((s->label[i] > 0) == (k == 1))
                s->kind_of[k][at++] = i;
    }
    return 0;
}

sm_sampler *sm_sampler_pairs(const uint32_t *a, const uint32_t *b, const float *label, size_t n, size_t batch,
                             bool half, uint64_t seed, kn_error *err)
{
    sm_sampler *s = sampler_new(half ? PAIRS_HALF : PAIRS, n, batch, seed, err);
    if (!s)
        return NULL;
    s->a = a, s->b = b, s->label = label, s->images = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t most = a[i] > b[i] ? a[i] : b[i];
        s->images = most < s->images ? s->images : (size_t)most + 1;
    }
    if (half && batch % 2)
        return unless(kn_fail(err, "a batch of %zu pairs has no two equal halves", batch), s);
    return unless(half ? part_kinds(s, err) : deck_new(&s->deck[0], n, seed, 0, err), s);
}

static size_t put_pairs(const sm_sampler *s, const uint32_t *pair, size_t count, uint32_t *item, float *label)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t p = pair[i];
        label[i] = s->label[p];
        item[i] = s->a[p];
        item[count + i] = s->b[p];
    }
    return 2 * count;
}

static size_t put_halves(sm_sampler *s, uint64_t step, uint32_t *item, float *label)
{
    size_t half = s->batch / 2, at = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < half; i++, at++) {
            uint32_t p = s->kind_of[k][deck_deal(&s->deck[k], step * half + i)];
            label[at] = s->label[p];
            item[at] = s->a[p];
            item[s->batch + at] = s->b[p];
        }
    return 2 * s->batch;
}

/* ---- groups in balance -------------------------------------------------------------------- */

typedef struct keyed {
    double key;
    uint32_t row;
} keyed;

static int by_key(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->row > y->row) - (x->row < y->row);
}

/* Members of each group, found by sorting: the numbers of groups may have gaps. */
static int part_groups(sm_sampler *s, const uint32_t *group, kn_error *err)
{
    size_t n = s->n, groups = 0;
    keyed *k = kn_alloc(n, sizeof *k, err);
    if (k && (s->member = kn_alloc(n, sizeof *s->member, err)) && (s->name = kn_alloc(n, sizeof *s->name, err)) &&
        (s->start = kn_alloc(n + 1, sizeof *s->start, err)) && (s->dealt = kn_alloc(n, 1, err))) {
        for (uint32_t i = 0; i < n; i++)
            k[i] = (keyed){group[i], i};
        qsort(k, n, sizeof *k, by_key);
        for (size_t i = 0; i < n; i++) {
            s->member[i] = k[i].row;
            if (i == 0 || k[i].key > k[i - 1].key) {
                s->name[groups] = group[k[i].row];
                s->start[groups++] = (uint32_t)i;
            }
        }
        s->start[groups] = (uint32_t)n;
    }
    kn_free(k);
    if (!s->dealt)
        return -1;
    if (groups < s->groups)
        return kn_fail(err, "batches of %zu groups cannot be drawn from %zu groups", s->groups, groups);
    return deck_new(&s->deck[0], groups, s->seed, 0, err) || deck_new(&s->deck[1], groups, s->seed, 0, err) ? -1 : 0;
}

sm_sampler *sm_sampler_balanced(const uint32_t *group, size_t n, size_t groups, size_t each, uint64_t seed,
                                kn_error *err)
{
    size_t batch;
    if (kn_mul(&batch, groups, each))
        batch = SIZE_MAX; /* which sampler_new refuses */
    sm_sampler *s = sampler_new(BALANCED, n, batch, seed, err);
    if (!s)
        return NULL;
    s->groups = groups;
    s->each = each;
    return unless(part_groups(s, group, err), s);
}

/* The batch that begins in one deck and ends in the next must not meet a group
 * twice: those of its first t groups that lie among its last ones change places
 * with later ones of the new deck. */
static void part_from_last(sm_sampler *s, uint64_t number, uint32_t *order)
{
    size_t G = s->deck[0].n, t = number * G % s->groups, head = s->groups - t, later = head;
    const uint32_t *tail = s->deck[(number + 1) % 2].order + G - t;
    for (size_t i = 0; i < t; i++)
        s->dealt[tail[i]] = 1;
    for (size_t i = 0; t && i < head; i++)
        if (s->dealt[order[i]]) {
            while (s->dealt[order[later]])
                later++;
            uint32_t swap = order[i];
            order[i] = order[later];
            order[later] = swap;
        }
    for (size_t i = 0; i < t; i++)
        s->dealt[tail[i]] = 0;
}

static size_t common_divisor(size_t a, size_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* The deck of this number. It depends on the one before it, and that on the one
 * before, back to the last that begins with a new batch. */
static const uint32_t *groups_deck(sm_sampler *s, uint64_t number)
{
    deck *d = &s->deck[number % 2];
    uint64_t first = number - number % (s->groups / common_divisor(d->n, s->groups));
    uint64_t newest = s->deck[s->newest].next;
    if (d->next == number + 1)
        return d->order;
    for (uint64_t k = newest > first && newest <= number ? newest : first; k <= number; k++) {
        s->newest = k % 2;
        deck_shuffle(&s->deck[k % 2], k);
        part_from_last(s, k, s->deck[k % 2].order);
    }
    return d->order;
}

/* `each` of a group's m members: all of them as often as they go, then different
 * ones by R. Floyd's method (J. Bentley, "A sample of brilliance", CACM 30(9),
 * 1987), which draws each subset alike. */
static void draw_members(uint32_t *out, size_t each, const uint32_t *member, uint32_t m, kn_rng *rng)
{
    for (; each >= m; each -= m, out += m)
        memcpy(out, member, m * sizeof *out);
    for (uint32_t j = m - (uint32_t)each, k = 0; j < m; j++, k++) {
        uint32_t pick = member[kn_rng_below(rng, j + 1)];
        for (uint32_t i = 0; i < k; i++)
            if (out[i] == pick)
                pick = member[j];
        out[k] = pick;
    }
}

enum { STEP_WORDS = 20 }; /* a step has 2^20 words of a stream */

static size_t put_groups(sm_sampler *s, uint64_t step, uint32_t *item, uint32_t *group)
{
    uint64_t at = step * s->groups;
    for (size_t i = 0; i < s->groups; i++, at++) {
        uint32_t g = groups_deck(s, at / s->deck[0].n)[at % s->deck[0].n];
        kn_rng rng = kn_rng_new(s->seed, KN_STREAM_SAMPLE, (uint32_t)i);
        rng.next = step << STEP_WORDS;
        draw_members(item + i * s->each, s->each, s->member + s->start[g], s->start[g + 1] - s->start[g], &rng);
        for (size_t k = 0; k < s->each; k++)
            group[i * s->each + k] = s->name[g];
    }
    return s->batch;
}

int sm_score_bins(uint32_t *bin, size_t *used, const double *score, size_t n, size_t bins, kn_error *err)
{
    if (n == 0 || n > UINT32_MAX || bins == 0)
        return kn_fail(err, "%zu scores cannot be cut into %zu bins", n, bins);
    keyed *k = kn_alloc(n, sizeof *k, err);
    if (!k)
        return -1;
    for (size_t i = 0; i < n; i++) {
        k[i] = (keyed){score[i], (uint32_t)i};
        if (!isfinite(score[i])) {
            kn_free(k);
            return kn_fail(err, "the score of image %zu is %g: it must be finite", i + 1, score[i]);
        }
    }
    qsort(k, n, sizeof *k, by_key);
    size_t last = 0, count = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && k[end].key == k[i].key; end++)
            ;
        size_t quantile = (size_t)((double)(i + end) / 2 / (double)n * (double)bins); /* of its equals' middle */
        count += i == 0 || quantile > last;
        last = quantile;
        for (size_t e = i; e < end; e++)
            bin[k[e].row] = (uint32_t)(count - 1);
    }
    kn_free(k);
    *used = count;
    return 0;
}

/* ---- a step ---------------------------------------------------------------------------------- */

size_t sm_sampler_step(sm_sampler *s, uint64_t step, uint32_t *item, uint32_t *group, float *label)
{
    size_t count;
    const uint32_t *part;
    switch (s->kind) {
    case BALANCED: return put_groups(s, step, item, group);
    case PAIRS_HALF: return put_halves(s, step, item, label);
    case PAIRS:
        part = part_of_epoch(s, step, &count);
        return put_pairs(s, part, count, item, label);
    default:
        part = part_of_epoch(s, step, &count);
        memcpy(item, part, count * sizeof *item);
        return count;
    }
}
