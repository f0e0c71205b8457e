/* tools/wanted: the words of a CSV of question pairs, and how many of them a store
 * of word vectors knows. */
#ifndef WANTED_H
#define WANTED_H

#include <jansson.h>

#include "embeddings/embeddings.h"

typedef struct wanted_words {
    tok_vocab *words;
    uint64_t *count; /* [words] how often each occurs */
    size_t room;     /* in count */
} wanted_words;

/* What a store knows of them. */
typedef struct wanted_coverage {
    uint64_t tokens, known_tokens;
    uint32_t words, known_words;
} wanted_coverage;

/* By the common options --columns and --skip-bad. Dies on failure, naming path. */
wanted_words wanted_read(const char *path);
wanted_coverage wanted_measure(const wanted_words *w, const emb_store *e);
void wanted_say(const wanted_coverage *c, const char *path); /* one line of talk */
json_t *wanted_json(const wanted_coverage *c);              /* or NULL: memory is out */
void wanted_free(wanted_words *w);

#endif
