/* tools/tensor: a tensor of any dtype in a line, or as JSON: what it is, and what
 * its numbers are like. */
#ifndef TOOL_TENSOR_H
#define TOOL_TENSOR_H

#include <jansson.h>

#include "data/data.h"

enum { TENSOR_FIRST = 5 };

/* 64-bit whole numbers past 2^53 are rounded. */
typedef struct tensor_summary {
    double min, max, mean; /* of the finite numbers; NaN when there are none */
    size_t nan, inf;
    size_t firsts;         /* how many there are of the first TENSOR_FIRST */
    double first[TENSOR_FIRST];
} tensor_summary;

tensor_summary tensor_summarise(const ds_tensor *t); /* t->data may stand at any byte */

/* The columns' titles, then a line a tensor, all with one indent and one width of
 * names, such as the longest of a file needs. The line of a tensor that holds
 * something ("a file", else NULL) says so instead of showing bytes as numbers. */
size_t tensor_name_width(const ds_st *s);
void tensor_print_titles(int indent, size_t width);
void tensor_print(const ds_tensor *t, const char *holds, int indent, size_t width);
/* NULL when memory is out. */
json_t *tensor_json(const ds_tensor *t, bool holds);

/* A text from a file on one line of the terminal, in a static buffer: control
 * characters are spaces, and of more than 72 bytes the first characters. */
const char *tensor_text(const char *text);

#endif
