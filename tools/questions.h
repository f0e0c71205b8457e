/* tools/questions: lists of questions from a CSV or from plain text, and answers
 * as JSON. */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include "tokenize/tokenize.h"

typedef struct question_list {
    tok_vocab *distinct;  /* numbered in order of first sight */
    uint64_t read, repeated, empty, rejected;
    const char *form;     /* what the file was taken for */
} question_list;

/* The distinct questions of path ("-": stdin). Its first line decides: a CSV
 * whose header names a column `question`, or `question1` and `question2`
 * (--columns renames these), gives these columns; with --columns it must be one.
 * Anything else is plain text, a question a line. Empty questions are left out.
 * Dies on failure. */
question_list question_list_read(const char *path);
void question_list_free(question_list *l);

#endif
