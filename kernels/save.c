/* Files replaced atomically: temporary file, fsync, rename, fsync of the folder. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/base.h"

enum { BUFFER = 1 << 16 };

struct kn_save {
    char *path, *temp; /* temp NULL: a device or pipe, written in place */
    int fd;
    size_t held; /* bytes waiting in buffer */
    kn_save *next;
    char buffer[BUFFER];
};

/* Open saves, for kn_save_cleanup. Whoever holds the list has signals blocked,
 * so a handler that finds it held runs on another thread and may wait. */
static kn_save *open_saves;
static atomic_flag list_held = ATOMIC_FLAG_INIT;

static void lock_list(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
    while (atomic_flag_test_and_set(&list_held))
        ;
}

static void unlock_list(const sigset_t *old)
{
    atomic_flag_clear(&list_held);
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

static void forget(kn_save *s)
{
    sigset_t old;
    lock_list(&old);
    if (open_saves == s) {
        open_saves = s->next;
    } else {
        for (kn_save *t = open_saves; t; t = t->next)
            if (t->next == s)
                t->next = s->next;
    }
    unlock_list(&old);
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    free(s->temp);
    kn_free(s);
}

/* A link is followed, so that the file it names is replaced and not the link. */
static char *target_of(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

/* The temporary name must be a new one: another's file, or a link laid there, is
 * not written to. Leaves s->fd -1 and errno on failure. */
static void create_temp(kn_save *s, mode_t mode)
{
    struct timespec now;
    sigset_t old;
    clock_gettime(CLOCK_REALTIME, &now);
    if (asprintf(&s->temp, "%s.%ld-%ld.tmp", s->path, (long)getpid(), now.tv_nsec) < 0) {
        s->temp = NULL;
        errno = ENOMEM;
        return;
    }
    lock_list(&old);
    s->fd = open(s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int code = errno;
    if (s->fd >= 0) {
        s->next = open_saves;
        open_saves = s;
    }
    unlock_list(&old);
    errno = code;
}

kn_save *kn_save_open(const char *path, kn_error *err)
{
    kn_save *s = kn_alloc(1, sizeof *s, err);
    if (!s)
        return NULL;
    struct stat st;
    s->fd = -1;
    s->path = target_of(path);
    if (!s->path)
        errno = ENOMEM;
    else if (stat(s->path, &st))
        create_temp(s, 0666);
    else if (S_ISREG(st.st_mode))
        create_temp(s, st.st_mode & 0777); /* as open to others as the file it replaces */
    else
        s->fd = open(s->path, O_WRONLY | O_CLOEXEC); /* never replace /dev/null; a pipe waits here for its reader */
    if (s->fd < 0) {
        kn_fail_errno(err, "%s: cannot be created", path);
        forget(s);
        return NULL;
    }
    return s;
}

static int write_all(kn_save *s, const char *p, size_t n, kn_error *err)
{
    while (n) {
        ssize_t w = write(s->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return kn_fail_errno(err, "%s: cannot be written (the old file, if any, is untouched)", s->path);
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static int drain(kn_save *s, kn_error *err)
{
    size_t n = s->held;
    s->held = 0;
    return write_all(s, s->buffer, n, err);
}

int kn_save_write(kn_save *s, const void *p, size_t n, kn_error *err)
{
    if (n > BUFFER - s->held) {
        if (drain(s, err))
            return -1;
        if (n >= BUFFER)
            return write_all(s, p, n, err);
    }
    if (n)
        memcpy(s->buffer + s->held, p, n);
    s->held += n;
    return 0;
}

static int sync_folder(const char *path, kn_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return kn_fail(err, "%s: out of memory", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return 0; /* a folder that may be written and not read: the rename stands */
    int rc = fsync(fd);
    int code = errno;
    close(fd);
    errno = code;
    return rc && code != EINVAL && code != EROFS ? kn_fail_errno(err, "%s: its folder cannot be synced", path) : 0;
}

int kn_save_commit(kn_save *s, kn_error *err)
{
    int rc = drain(s, err);
    if (!rc && fsync(s->fd) && errno != EINVAL) /* EINVAL: a pipe or device has nothing to sync */
        rc = kn_fail_errno(err, "%s: cannot be synced to disk", s->path);
    int fd = s->fd;
    s->fd = -1;
    if (close(fd) && !rc)
        rc = kn_fail_errno(err, "%s: cannot be closed", s->path);
    if (!rc && s->temp && rename(s->temp, s->path))
        rc = kn_fail_errno(err, "%s: cannot be replaced", s->path);
    if (rc && s->temp)
        unlink(s->temp);
    if (!rc && s->temp)
        rc = sync_folder(s->path, err);
    forget(s);
    return rc;
}

void kn_save_abort(kn_save *s)
{
    if (!s)
        return;
    if (s->temp)
        unlink(s->temp);
    forget(s);
}

void kn_save_cleanup(void)
{
    sigset_t old;
    lock_list(&old);
    for (kn_save *s = open_saves; s; s = s->next)
        unlink(s->temp);
    unlock_list(&old);
}
