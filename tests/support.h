/* What tests share: temporary folders, whole files, the real data when present. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

/* cmocka.h wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/base.h"

/* A fresh folder that is removed with all in it when the program ends. */
const char *test_folder(void);
/* "FOLDER/NAME" in a static ring of 8 buffers. */
const char *test_path(const char *name);
/* The whole file, NUL behind it; dies when it cannot be read. free() it. */
char *test_read(const char *path, size_t *n);
void test_write(const char *path, const void *p, size_t n);
/* The path of a file of the shared real data (SIAM_SHARED, else ../shared), or
 * NULL after printing that the test is skipped because it is absent. */
const char *test_shared(const char *name);
/* Fails, naming both, unless |a - b| <= tol; NaN fails. */
#define test_near(a, b, tol) test_near_at((double)(a), (double)(b), (double)(tol), __FILE__, __LINE__)
void test_near_at(double a, double b, double tol, const char *file, int line);

#endif
