#include "tests/support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/siam-test-XXXXXX");
        if (!mkdtemp(folder)) {
            perror(folder);
            exit(1);
        }
        atexit(remove_folder);
    }
    return folder;
}

const char *test_path(const char *name)
{
    static char ring[8][512];
    static int next;
    char *p = ring[next++ % 8];
    snprintf(p, sizeof ring[0], "%s/%s", test_folder(), name);
    return p;
}

char *test_read(const char *path, size_t *n)
{
    kn_buf b = {0};
    char chunk[65536];
    size_t got;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0)
        if (kn_buf_add(&b, chunk, got, NULL))
            exit(1);
    fclose(f);
    if (kn_buf_add(&b, "", 1, NULL))
        exit(1);
    *n = b.n - 1;
    return b.p;
}

void test_write(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f)) {
        perror(path);
        exit(1);
    }
}

const char *test_shared(const char *name)
{
    static char path[1024];
    const char *root = getenv("SIAM_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", name);
    if (access(path, R_OK) == 0)
        return path;
    printf("# skipped: %s is not here\n", path);
    return NULL;
}

void test_near_at(double a, double b, double tol, const char *file, int line)
{
    if (!(fabs(a - b) <= tol)) {
        print_error("%.9g and %.9g differ by more than %.3g\n", a, b, tol);
        _fail(file, line);
    }
}
