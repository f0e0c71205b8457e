/* tools/runlog: what a training run tells: talk and progress on stderr, a JSON
 * line an epoch in a file, a report at the end. What all trainers share. */
#ifndef RUNLOG_H
#define RUNLOG_H

#include "siamese/siamese.h"

/* The hooks of a run. log (nullable): the file of JSON lines, begun anew or,
 * when the run resumes, continued. Gives the run its end too: SIGINT and SIGTERM
 * stop it between two steps. Checkpoint, resume and init are the caller's to
 * set. Dies when log cannot be written. */
sm_train_control runlog_open(const char *log, bool resume);
/* The report of the finished run: on stdout as JSON with --json. */
void runlog_close(void);

#endif
