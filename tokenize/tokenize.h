/* tokenize: UTF-8 -> tokens, and the table that numbers them.
 *
 * A tokenizer of profile "glove" cuts text as the text of GloVe 6B was cut:
 * Penn-Treebank-like, lower case. Start at tok_tokens in tokenize.c. */
#ifndef TOK_TOKENIZE_H
#define TOK_TOKENIZE_H

#include "kernels/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tokens ----------------------------------------------------------------- */

typedef struct tok_tokenizer tok_tokenizer;

/* profile: "glove". NULL and err for an unknown one. A tokenizer holds scratch:
 * one a thread. */
tok_tokenizer *tok_new(const char *profile, kn_error *err);
const char *tok_profile(const tok_tokenizer *t);
/* The tokens of text: *n slices that live until the next call. Invalid UTF-8
 * bytes never fail: they become U+FFFD, apart. Idempotent: the tokens of the
 * tokens joined by single spaces are the same. 0 / -1 (memory only). */
int tok_tokens(tok_tokenizer *t, const kn_str **tokens, size_t *n, kn_str text, kn_error *err) KN_MUST_CHECK;
void tok_free(tok_tokenizer *t);

/* ---- vocabulary: strings <-> numbers 0, 1, 2, ... ----------------------------- */

typedef struct tok_vocab tok_vocab;

enum { TOK_MAX_WORDS = 0x7fffffff };
#define TOK_NONE UINT32_MAX

tok_vocab *tok_vocab_new(kn_error *err);
/* The number of s, given now if it is new; TOK_NONE and err when out of memory. */
uint32_t tok_vocab_add(tok_vocab *v, kn_str s, kn_error *err);
uint32_t tok_vocab_find(const tok_vocab *v, kn_str s); /* or TOK_NONE */
kn_str tok_vocab_word(const tok_vocab *v, uint32_t id);
uint32_t tok_vocab_size(const tok_vocab *v);
void tok_vocab_free(tok_vocab *v);

/* The hash that this table and the word-vector store use (FNV-1a, 64 bits,
 * finalised by murmur3's mixer); part of the store's format. */
uint64_t tok_hash(kn_str s);

#ifdef __cplusplus
}
#endif
#endif
