/* tools/rows: question pairs read by the common options (--columns, --skip-bad),
 * with progress, and with what was rejected said on stderr. All of it dies on
 * failure, naming the file. */
#ifndef ROWS_H
#define ROWS_H

#include "data/data.h"

/* path: "-" or NULL is stdin. */
ds_pairs *rows_open(const char *path, bool need_label);
/* The next pair; false at the end. Shows progress; `doing`: "reading". */
bool rows_next(ds_pairs *in, ds_pair *pair, const char *doing);
/* The rate and the time left after so many rows. */
void rows_progress(ds_pairs *in, const char *doing, uint64_t rows);
/* Ends the progress and warns of rejected rows; *read and *rejected (nullable)
 * get their numbers. */
void rows_close(ds_pairs *in, uint64_t *read, uint64_t *rejected);

#endif
