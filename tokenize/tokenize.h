/* tokenize: UTF-8 -> tokens, and the table that numbers them.
 *
 * A tokenizer of profile "glove" cuts text as the text of GloVe 6B was cut:
 * Penn-Treebank-like, lower case. Start at tok_tokens in tokenize.c;
 * normalize.c is what happens to text that is not ASCII before, and pairs.c
 * puts a whole CSV of question pairs through tokenizers in parallel. */
#ifndef TOK_TOKENIZE_H
#define TOK_TOKENIZE_H

#include "data/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tokens: tokenize.c -------------------------------------------------------- */

typedef struct tok_tokenizer tok_tokenizer;

/* profile: "glove". NULL and err for an unknown one. A tokenizer holds scratch:
 * one a thread. */
tok_tokenizer *tok_new(const char *profile, kn_error *err);
const char *tok_profile(const tok_tokenizer *t);
/* The tokens of text: *n slices that live until the next call. Invalid UTF-8
 * bytes never fail: they become U+FFFD, apart. A token is never empty and holds
 * no white space or control character. Idempotent: the tokens of the tokens
 * joined by single spaces are the same. 0 / -1 (memory only). */
int tok_tokens(tok_tokenizer *t, const kn_str **tokens, size_t *n, kn_str text, kn_error *err) KN_MUST_CHECK;
void tok_free(tok_tokenizer *t);

/* ---- a CSV of pairs, tokenised in parallel and in order: pairs.c ------------------- */

typedef struct tok_pair {
    kn_str q[2];            /* the tokens of question1 and question2, joined by one space */
    const kn_str *token[2]; /* the same one by one: slices of q */
    size_t n[2];            /* how many */
    int label;              /* as in ds_pair */
    kn_str around[3];       /* the row as it stood before, between and behind the two questions' fields */
} tok_pair;

typedef struct tok_pairs_options {
    const char *profile;
    /* Takes the pairs in the order of the file, one at a time, though on any of
     * the pool's threads. 0, or -1 and err to stop. */
    int (*pair)(void *arg, const tok_pair *p, kn_error *err);
    /* Called now and then on the caller's thread with the rows done (nullable). */
    void (*progress)(void *arg, uint64_t rows);
    void *arg;
} tok_pairs_options;

/* Puts all of `in` through o->pair. While one batch is tokenised, the next is
 * read and the one before goes to o->pair: memory is three batches, whatever the
 * file's size. An error of the input comes after all pairs before it. pool may be
 * NULL. */
int tok_pairs(ds_pairs *in, const tok_pairs_options *o, kn_pool *pool, kn_error *err) KN_MUST_CHECK;

/* ---- vocabulary: strings <-> numbers 0, 1, 2, ...: vocab.c --------------------------- */

typedef struct tok_vocab tok_vocab;

enum { TOK_MAX_WORDS = 0x7fffffff };
#define TOK_NONE UINT32_MAX

tok_vocab *tok_vocab_new(kn_error *err);
/* The number of s, given now if it is new; TOK_NONE and err when out of memory. */
uint32_t tok_vocab_add(tok_vocab *v, kn_str s, kn_error *err);
/* The same of n strings, ids in id[n]; 0 / -1. Faster: their slots come from
 * memory side by side. */
int tok_vocab_add_all(tok_vocab *v, uint32_t *id, const kn_str *s, size_t n, kn_error *err) KN_MUST_CHECK;
uint32_t tok_vocab_find(const tok_vocab *v, kn_str s); /* or TOK_NONE */
kn_str tok_vocab_word(const tok_vocab *v, uint32_t id); /* valid until the next add */
uint32_t tok_vocab_size(const tok_vocab *v);
void tok_vocab_free(tok_vocab *v);

/* The hash that this table and the word-vector store use (FNV-1a, 64 bits,
 * finalised by murmur3's mixer); part of the store's format. */
uint64_t tok_hash(kn_str s);

/* ---- the questions of a set of pairs: questions.c -------------------------------------- */

/* The text without white space (of ASCII) at its ends. */
kn_str tok_trim(kn_str text);
/* Characters: bytes that do not continue a UTF-8 sequence. */
size_t tok_characters(kn_str text);

/* Questions by their exact text, trimmed: the same text is the same question. */
typedef struct tok_questions {
    tok_vocab *text;
    uint32_t *asked; /* [tok_vocab_size(text)]: how often, in either place of a pair */
    uint32_t *id;    /* [2 pairs]: question1 and question2 of pair i are id[2i], id[2i+1] */
    size_t pairs;
    size_t asked_room, id_room;
} tok_questions;

/* Zero-initialise q but for text, from tok_vocab_new; tok_questions_free when done. */
int tok_questions_add(tok_questions *q, kn_str q1, kn_str q2, kn_error *err) KN_MUST_CHECK;
/* *n = pairs whose two questions, in either order, make up an earlier pair too. */
int tok_questions_repeats(const tok_questions *q, size_t *n, kn_error *err) KN_MUST_CHECK;
void tok_questions_free(tok_questions *q);

/* Lengths of many texts, counted. Zero-initialise; tok_lengths_free when done. */
typedef struct tok_lengths {
    uint64_t *count; /* [0 .. max] */
    size_t room, max;
    uint64_t n, sum;
} tok_lengths;

int tok_lengths_add(tok_lengths *l, size_t length, kn_error *err) KN_MUST_CHECK;
double tok_lengths_mean(const tok_lengths *l); /* 0 of none, as below */
/* The smallest length that at least a share q of all do not exceed (nearest rank). */
size_t tok_lengths_quantile(const tok_lengths *l, double q);
uint64_t tok_lengths_below(const tok_lengths *l, size_t length); /* how many are shorter */
void tok_lengths_free(tok_lengths *l);

#ifdef __cplusplus
}
#endif
#endif
