/* tools/json: what reports with texts from outside need beside jansson. */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <jansson.h>

#include "kernels/base.h"

/* A JSON string of any bytes: those that are no UTF-8 become U+FFFD. Dies when
 * memory is out. */
json_t *json_text(kn_str s);
/* Writes j (given away) as one line to the tool's output. Dies when j is NULL:
 * memory was out. */
void json_print(json_t *j);

#endif
