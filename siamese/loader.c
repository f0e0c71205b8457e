/* Batches prepared ahead of training by worker threads: a ring of slots, step s
 * in slot s % slots. A worker takes the next step number and asks the sampler for
 * its rows under the lock, then makes the pixels without it. */
#include "siamese/images.h"

#include <pthread.h>

typedef struct slot {
    sm_image_batch batch;
    float *x;
    uint32_t *item, *group;
    float *label;
    bool ready; /* under the lock */
} slot;

struct sm_loader {
    const sm_pixels *p;
    sm_image_input in;
    sm_sampler *sampler;
    sm_loader_options o;
    size_t slots;
    slot *slot;
    int threads;        /* that were started */
    pthread_t *thread;
    float *scratch;     /* [h,w,c] for each worker */
    pthread_mutex_t lock;
    pthread_cond_t room, ready;
    /* under the lock */
    uint64_t taken;     /* the next step that nobody works on */
    uint64_t held;      /* the step that the caller has or waits for: its slot and later ones are in use */
    bool begun;         /* the caller has been given one */
    int numbers;        /* given to workers */
    bool stop;
};

/* ---- a batch -------------------------------------------------------------------------- */

static void fill_pixels(const sm_loader *l, const slot *s, float *scratch)
{
    const sm_pixels *p = l->p;
    size_t one = p->h * p->w * p->c;
    for (size_t r = 0; r < s->batch.rows; r++) {
        sm_change change = sm_augment_draw(&l->o.augment, &l->in, l->o.seed, s->batch.step, (uint32_t)r);
        sm_change_apply(s->x + r * one, p->px + s->item[r] * one, &l->in, &change, scratch);
    }
}

/* Makes the batch of the next step that nobody works on; its slot is free. Called
 * with the lock, and without it for the long part. */
static void make_next(sm_loader *l, float *scratch)
{
    uint64_t step = l->taken++;
    slot *s = &l->slot[step % l->slots];
    s->batch.step = step;
    s->batch.rows = sm_sampler_step(l->sampler, step, s->item, s->group, s->label);
    pthread_mutex_unlock(&l->lock);
    fill_pixels(l, s, scratch);
    pthread_mutex_lock(&l->lock);
    s->ready = true;
    pthread_cond_signal(&l->ready);
}

static void *worker_main(void *arg)
{
    sm_loader *l = arg;
    size_t one = l->in.h * l->in.w * l->in.c;
    pthread_mutex_lock(&l->lock);
    float *scratch = l->scratch + one * (size_t)l->numbers++;
    while (!l->stop)
        if (l->taken - l->held < l->slots)
            make_next(l, scratch);
        else
            pthread_cond_wait(&l->room, &l->lock);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

const sm_image_batch *sm_loader_next(sm_loader *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->begun) {
        l->slot[l->held++ % l->slots].ready = false;
        pthread_cond_signal(&l->room);
    }
    l->begun = true;
    slot *s = &l->slot[l->held % l->slots];
    while (!s->ready)
        if (l->threads == 0)
            make_next(l, l->scratch);
        else
            pthread_cond_wait(&l->ready, &l->lock);
    pthread_mutex_unlock(&l->lock);
    return &s->batch;
}

/* ---- opening ----------------------------------------------------------------------------- */

static int make_slots(sm_loader *l, kn_error *err)
{
    size_t rows = sm_sampler_rows(l->sampler), one = l->in.h * l->in.w * l->in.c, floats;
    size_t workers = l->o.workers ? (size_t)l->o.workers : 1;
    if (kn_mul(&floats, rows, one))
        return kn_fail(err, "a batch of %zu images of %zu numbers does not fit into memory", rows, one);
    l->slot = kn_alloc(l->slots, sizeof *l->slot, err);
    l->scratch = l->slot ? kn_alloc(workers, one * sizeof *l->scratch, err) : NULL;
    l->thread = l->scratch ? kn_alloc(workers, sizeof *l->thread, err) : NULL;
    if (!l->thread)
        return -1;
    for (size_t i = 0; i < l->slots; i++) {
        slot *s = &l->slot[i];
        if (!(s->x = kn_alloc(floats, sizeof *s->x, err)) || !(s->item = kn_alloc(rows, sizeof *s->item, err)) ||
            !(s->group = kn_alloc(rows, sizeof *s->group, err)) || !(s->label = kn_alloc(rows, sizeof *s->label, err)))
            return -1;
        s->batch = (sm_image_batch){.x = s->x, .item = s->item, .group = s->group, .label = s->label};
    }
    return 0;
}

static int check(const sm_pixels *p, const sm_image_input *in, const sm_sampler *s, const sm_loader_options *o,
                 kn_error *err)
{
    if (p->h != in->h || p->w != in->w || p->c != in->c)
        return kn_fail(err, "pixels of %zu x %zu x %zu for a network that reads %zu x %zu x %zu", p->h, p->w, p->c,
                       in->h, in->w, in->c);
    if (sm_sampler_images(s) > p->n)
        return kn_fail(err, "image %zu of %zu was asked for", sm_sampler_images(s), p->n);
    if (o->workers < 0 || o->workers > SM_MAX_WORKERS)
        return kn_fail(err, "%d threads cannot prepare batches: from 0 to %d can", o->workers, SM_MAX_WORKERS);
    return sm_augment_check(&o->augment, err);
}

sm_loader *sm_loader_new(const sm_pixels *p, const sm_image_input *in, sm_sampler *s, const sm_loader_options *o,
                         kn_error *err)
{
    sm_loader *l = check(p, in, s, o, err) ? NULL : kn_alloc(1, sizeof *l, err);
    if (!l)
        return NULL;
    /* A slot for each worker, one for the caller, one that waits for him. */
    *l = (sm_loader){.p = p, .in = *in, .sampler = s, .o = *o, .taken = o->first_step, .held = o->first_step,
                     .slots = o->workers ? (size_t)o->workers + 2 : 1};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    int rc = make_slots(l, err);
    for (int i = 0; !rc && i < o->workers; i++)
        if ((rc = pthread_create(&l->thread[i], NULL, worker_main, l)))
            kn_fail(err, "thread %d of %d that prepare batches cannot be started", i + 1, o->workers);
        else
            l->threads = i + 1;
    if (!rc)
        return l;
    sm_loader_free(l);
    return NULL;
}

void sm_loader_free(sm_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->threads; i++)
        pthread_join(l->thread[i], NULL);
    for (size_t i = 0; l->slot && i < l->slots; i++) {
        kn_free(l->slot[i].x);
        kn_free(l->slot[i].item);
        kn_free(l->slot[i].group);
        kn_free(l->slot[i].label);
    }
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->room);
    pthread_mutex_destroy(&l->lock);
    kn_free(l->slot);
    kn_free(l->scratch);
    kn_free(l->thread);
    kn_free(l);
}
