/* Threads: a pool that hands out numbered tasks.
 *
 * A training step calls it about sixty times in one or two milliseconds, so
 * workers first spin for a while and only then sleep, and the caller works too.
 * Tasks are cut into one lane a thread, in order: a thread begins with its own
 * lane, so that from job to job it meets the same rows, still in its caches, and
 * takes from the others' when that is empty. So who runs a task is left to
 * chance; what a task computes is not. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "kernels/base.h"

enum { MAX_THREADS = 256, SPINS = 20000 };

typedef struct worker {
    kn_pool *pool;
    int number;
    pthread_t thread;
    /* Its lane: job number << 32 | tasks not yet taken, on a cache line of its
     * own. Taking one is a compare-and-swap on it alone. That it succeeded proves
     * that the job is not over, so only then are the pool's plain fields read. */
    _Alignas(64) _Atomic uint64_t ticket;
} worker;

struct kn_pool {
    int threads;
    worker *workers;       /* the caller is worker 0 */
    _Atomic uint32_t left; /* tasks of the job, one at a time, not finished */
    uint32_t tasks;
    kn_task fn;
    void *arg;
    _Atomic uint32_t job; /* number of the newest job, from 1 */
    _Atomic int sleepers;
    _Atomic bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

int kn_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Where lane w of `tasks` tasks begins. */
static uint32_t lane_start(const kn_pool *p, uint32_t tasks, int w)
{
    return (uint32_t)((uint64_t)tasks * (uint64_t)w / (uint64_t)p->threads);
}

/* Takes tasks of job `job` from lane w until none is left to take. */
static void work_lane(kn_pool *p, uint32_t job, int w, int number)
{
    _Atomic uint64_t *ticket = &p->workers[w].ticket;
    uint64_t t = atomic_load_explicit(ticket, memory_order_acquire);
    while (t >> 32 == job && (uint32_t)t > 0) {
        if (!atomic_compare_exchange_weak_explicit(ticket, &t, t - 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        p->fn(p->arg, lane_start(p, p->tasks, w + 1) - (uint32_t)t, number);
        atomic_fetch_sub_explicit(&p->left, 1, memory_order_release);
        t = atomic_load_explicit(ticket, memory_order_acquire);
    }
}

static void work(kn_pool *p, uint32_t job, int number)
{
    for (int i = 0; i < p->threads; i++)
        work_lane(p, job, (number + i) % p->threads, number);
}

/* Returns when a job newer than `seen` is there, or the pool stops. */
static uint32_t wait_for_job(kn_pool *p, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t job = atomic_load_explicit(&p->job, memory_order_acquire);
        if (job != seen || atomic_load_explicit(&p->stop, memory_order_relaxed))
            return job;
        pause_cpu();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->job) == seen && !atomic_load(&p->stop))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return atomic_load(&p->job);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    kn_pool *p = w->pool;
    uint32_t seen = 0;
    while (!atomic_load(&p->stop)) {
        uint32_t job = wait_for_job(p, seen);
        if (job != seen)
            work(p, job, w->number);
        seen = job;
    }
    return NULL;
}

kn_pool *kn_pool_new(int threads, kn_error *err)
{
    if (threads < 1 || threads > MAX_THREADS) {
        kn_fail(err, "%d threads: 1 to %d can be had", threads, MAX_THREADS);
        return NULL;
    }
    kn_pool *p = kn_alloc(1, sizeof *p, err);
    if (!p)
        return NULL;
    p->workers = kn_alloc((size_t)threads, sizeof *p->workers, err);
    if (!p->workers) {
        kn_free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->threads = 1;
    for (int i = 1; i < threads; i++) {
        worker *w = &p->workers[i];
        w->pool = p;
        w->number = i;
        if (pthread_create(&w->thread, NULL, worker_main, w)) {
            kn_fail(err, "thread %d of %d cannot be started: try fewer with --threads", i + 1, threads);
            kn_pool_free(p);
            return NULL;
        }
        p->threads = i + 1;
    }
    return p;
}

void kn_pool_free(kn_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    kn_free(p->workers);
    kn_free(p);
}

int kn_pool_threads(const kn_pool *pool)
{
    return pool ? pool->threads : 1;
}

static void start_job(kn_pool *p, uint32_t tasks, kn_task fn, void *arg)
{
    uint32_t job = atomic_load_explicit(&p->job, memory_order_relaxed) + 1;
    p->tasks = tasks;
    p->fn = fn;
    p->arg = arg;
    atomic_store_explicit(&p->left, tasks, memory_order_relaxed);
    for (int w = 0; w < p->threads; w++) {
        uint32_t lane = lane_start(p, tasks, w + 1) - lane_start(p, tasks, w);
        atomic_store_explicit(&p->workers[w].ticket, (uint64_t)job << 32 | lane, memory_order_release);
    }
    atomic_store(&p->job, job); /* sequentially consistent with the sleepers' count */
    if (atomic_load(&p->sleepers)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, job, 0);
}

void kn_parallel(kn_pool *p, size_t tasks, kn_task fn, void *arg)
{
    if (!p || p->threads == 1 || tasks <= 1 || tasks > UINT32_MAX) {
        for (size_t t = 0; t < tasks; t++)
            fn(arg, t, 0);
        return;
    }
    start_job(p, (uint32_t)tasks, fn, arg);
    for (int i = 0; atomic_load_explicit(&p->left, memory_order_acquire); i++) {
        if (i < SPINS)
            pause_cpu();
        else
            sched_yield(); /* more runnable threads than cores: let the worker have this one */
    }
}
