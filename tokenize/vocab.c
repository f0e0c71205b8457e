/* The table that numbers strings: one block of bytes, their ends, and slots by
 * open addressing. A slot keeps part of the hash beside the number, so that a
 * probe rarely has to look at the bytes. */
#include <string.h>

#include "tokenize/tokenize.h"

typedef struct slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t id;  /* number + 1; 0 is an empty slot */
} slot;

struct tok_vocab {
    kn_buf bytes;
    size_t *end; /* word i is bytes[end[i-1] .. end[i]) */
    size_t ends; /* room in end */
    uint32_t size;
    slot *slots;
    size_t mask; /* slots - 1, a power of two less one */
};

uint64_t tok_hash(kn_str s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: Fowler, Noll, Vo */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu; /* fmix64 of Appleby's MurmurHash3 */
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

tok_vocab *tok_vocab_new(kn_error *err)
{
    tok_vocab *v = kn_alloc(1, sizeof *v, err);
    if (!v)
        return NULL;
    v->mask = 1023;
    v->slots = kn_alloc(v->mask + 1, sizeof *v->slots, err);
    if (!v->slots) {
        tok_vocab_free(v);
        return NULL;
    }
    return v;
}

void tok_vocab_free(tok_vocab *v)
{
    if (!v)
        return;
    kn_buf_free(&v->bytes);
    kn_free(v->end);
    kn_free(v->slots);
    kn_free(v);
}

uint32_t tok_vocab_size(const tok_vocab *v)
{
    return v->size;
}

kn_str tok_vocab_word(const tok_vocab *v, uint32_t id)
{
    size_t start = id ? v->end[id - 1] : 0;
    return (kn_str){v->bytes.p + start, v->end[id] - start};
}

/* The slot that holds s, or the empty one where it belongs. */
static slot *probe(const tok_vocab *v, kn_str s, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t i = hash & v->mask;; i = (i + 1) & v->mask) {
        slot *at = &v->slots[i];
        if (!at->id || (at->tag == tag && kn_str_eq(tok_vocab_word(v, at->id - 1), s)))
            return at;
    }
}

uint32_t tok_vocab_find(const tok_vocab *v, kn_str s)
{
    return probe(v, s, tok_hash(s))->id - 1; /* 0 - 1 is TOK_NONE */
}

/* Twice the slots. */
static int widen(tok_vocab *v, kn_error *err)
{
    size_t mask = 2 * v->mask + 1;
    slot *fresh = kn_alloc(mask + 1, sizeof *fresh, err);
    if (!fresh)
        return -1;
    for (uint32_t id = 0; id < v->size; id++) {
        uint64_t hash = tok_hash(tok_vocab_word(v, id));
        size_t i = hash & mask;
        while (fresh[i].id)
            i = (i + 1) & mask;
        fresh[i] = (slot){(uint32_t)(hash >> 32), id + 1};
    }
    kn_free(v->slots);
    v->slots = fresh;
    v->mask = mask;
    return 0;
}

static uint32_t add(tok_vocab *v, kn_str s, uint64_t hash, kn_error *err)
{
    slot *at = probe(v, s, hash);
    if (at->id)
        return at->id - 1;
    if (v->size >= TOK_MAX_WORDS) {
        kn_fail(err, "more than %d different words", TOK_MAX_WORDS);
        return TOK_NONE;
    }
    if (v->size >= v->mask / 2) { /* at most half full */
        if (widen(v, err))
            return TOK_NONE;
        at = probe(v, s, hash);
    }
    if (kn_grow(&v->end, &v->ends, (size_t)v->size + 1, sizeof *v->end, err) ||
        kn_buf_add(&v->bytes, s.p, s.n, err))
        return TOK_NONE;
    v->end[v->size] = v->bytes.n;
    *at = (slot){(uint32_t)(hash >> 32), ++v->size};
    return v->size - 1;
}

uint32_t tok_vocab_add(tok_vocab *v, kn_str s, kn_error *err)
{
    return add(v, s, tok_hash(s), err);
}

int tok_vocab_add_all(tok_vocab *v, uint32_t *id, const kn_str *s, size_t n, kn_error *err)
{
    enum { BLOCK = 32 };
    uint64_t hash[BLOCK];
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t count = n - start < BLOCK ? n - start : BLOCK;
        for (size_t i = 0; i < count; i++) {
            hash[i] = tok_hash(s[start + i]);
            __builtin_prefetch(&v->slots[hash[i] & v->mask]);
        }
        for (size_t i = 0; i < count; i++)
            if ((id[start + i] = add(v, s[start + i], hash[i], err)) == TOK_NONE)
                return -1;
    }
    return 0;
}
