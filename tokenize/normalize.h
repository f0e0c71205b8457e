/* Inside tokenize: what happens to text before it is cut. */
#ifndef TOK_NORMALIZE_H
#define TOK_NORMALIZE_H

#include "kernels/base.h"

/* Scratch and result of one thread. Zero-initialise. */
typedef struct tok_normalizer {
    char *text; /* n bytes, then at least TOK_AHEAD zeros to look ahead into */
    size_t n, cap;
    int32_t *code; /* the code points on their way */
    size_t codes, code_cap;
} tok_normalizer;

enum { TOK_AHEAD = 8 };

/* Any bytes as normal text: Unicode NFKC (UAX #15) in lower case, without
 * default-ignorable code points, U+FFFD for each invalid byte; quotes and dashes
 * folded to ASCII; controls and all white space are ' '. Each symbol that is not
 * ASCII stands between spaces, so every byte over 0x7f that touches its
 * neighbours is part of a word. Normalising again changes nothing but the
 * number of spaces. */
int tok_normalize(tok_normalizer *z, kn_str text, kn_error *err) KN_MUST_CHECK;
void tok_normalizer_free(tok_normalizer *z);

#endif
