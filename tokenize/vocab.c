/* The table that numbers strings. A large one lives outside the processor's
 * caches, so what counts is how many places a look-up has to fetch: its slot, that
 * keeps part of the hash, and behind it one record with number, length and bytes. */
#include <string.h>

#include "tokenize/tokenize.h"

typedef struct slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t at;  /* record / UNIT + 1; 0 is an empty slot */
} slot;

enum { UNIT = 8 }; /* records start at multiples of it */

typedef struct record {
    uint32_t id, n; /* n bytes follow */
} record;

struct tok_vocab {
    kn_buf records;
    uint32_t *at; /* of each number's record, as in slot */
    size_t at_cap;
    uint32_t size;
    slot *slots;
    size_t mask; /* slots - 1, a power of two less one */
};

static inline uint64_t hash_of(kn_str s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: Fowler, Noll, Vo */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu; /* fmix64 of Appleby's MurmurHash3 */
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

uint64_t tok_hash(kn_str s)
{
    return hash_of(s);
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
    kn_buf_free(&v->records);
    kn_free(v->at);
    kn_free(v->slots);
    kn_free(v);
}

uint32_t tok_vocab_size(const tok_vocab *v)
{
    return v->size;
}

/* at: as slots have it, not 0. */
static inline const record *record_at(const tok_vocab *v, uint32_t at)
{
    return (const record *)(const void *)(v->records.p + (size_t)(at - 1) * UNIT);
}

static inline kn_str text_of(const record *r)
{
    return (kn_str){(const char *)(r + 1), r->n};
}

kn_str tok_vocab_word(const tok_vocab *v, uint32_t id)
{
    return text_of(record_at(v, v->at[id]));
}

/* ---- looking up ---------------------------------------------------------------- */

/* The slot that holds s, or the empty one where it belongs. */
static inline slot *probe(const tok_vocab *v, kn_str s, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t i = hash & v->mask;; i = (i + 1) & v->mask) {
        slot *found = &v->slots[i];
        if (!found->at || (found->tag == tag && kn_str_eq(text_of(record_at(v, found->at)), s)))
            return found;
    }
}

uint32_t tok_vocab_find(const tok_vocab *v, kn_str s)
{
    const slot *found = probe(v, s, hash_of(s));
    return found->at ? record_at(v, found->at)->id : TOK_NONE;
}

/* ---- adding -------------------------------------------------------------------- */

/* Twice the slots. */
static int widen(tok_vocab *v, kn_error *err)
{
    size_t mask = 2 * v->mask + 1;
    slot *fresh = kn_alloc(mask + 1, sizeof *fresh, err);
    if (!fresh)
        return -1;
    for (uint32_t id = 0; id < v->size; id++) {
        uint64_t hash = hash_of(tok_vocab_word(v, id));
        size_t i = hash & mask;
        while (fresh[i].at)
            i = (i + 1) & mask;
        fresh[i] = (slot){(uint32_t)(hash >> 32), v->at[id]};
    }
    kn_free(v->slots);
    v->slots = fresh;
    v->mask = mask;
    return 0;
}

/* Appends the record of a new string; *at says where. */
static int add_record(tok_vocab *v, kn_str s, uint32_t *at, kn_error *err)
{
    static const char zeros[UNIT];
    const record r = {v->size, (uint32_t)s.n};
    size_t place = v->records.n / UNIT + 1;
    if (v->size >= TOK_MAX_WORDS || place > UINT32_MAX || s.n > UINT32_MAX)
        return kn_fail(err, "more different words than a vocabulary can hold");
    if (kn_grow(&v->at, &v->at_cap, (size_t)v->size + 1, sizeof *v->at, err) ||
        kn_buf_add(&v->records, &r, sizeof r, err) || kn_buf_add(&v->records, s.p, s.n, err) ||
        kn_buf_add(&v->records, zeros, (UNIT - s.n % UNIT) % UNIT, err))
        return -1;
    *at = v->at[v->size++] = (uint32_t)place;
    return 0;
}

static uint32_t add(tok_vocab *v, kn_str s, uint64_t hash, kn_error *err)
{
    slot *found = probe(v, s, hash);
    if (found->at)
        return record_at(v, found->at)->id;
    if (v->size >= v->mask / 2) { /* at most half full */
        if (widen(v, err))
            return TOK_NONE;
        found = probe(v, s, hash);
    }
    uint32_t at;
    if (add_record(v, s, &at, err))
        return TOK_NONE;
    *found = (slot){(uint32_t)(hash >> 32), at};
    return v->size - 1;
}

uint32_t tok_vocab_add(tok_vocab *v, kn_str s, kn_error *err)
{
    return add(v, s, hash_of(s), err);
}

int tok_vocab_add_all(tok_vocab *v, uint32_t *id, const kn_str *s, size_t n, kn_error *err)
{
    enum { BLOCK = 32 };
    uint64_t hash[BLOCK];
    for (size_t start = 0; start < n; start += BLOCK) {
        size_t count = n - start < BLOCK ? n - start : BLOCK;
        for (size_t i = 0; i < count; i++) {
            hash[i] = hash_of(s[start + i]);
            __builtin_prefetch(&v->slots[hash[i] & v->mask]);
        }
        for (size_t i = 0; i < count; i++) {
            uint32_t at = v->slots[hash[i] & v->mask].at;
            if (at)
                __builtin_prefetch(record_at(v, at));
        }
        for (size_t i = 0; i < count; i++)
            if ((id[start + i] = add(v, s[start + i], hash[i], err)) == TOK_NONE)
                return -1;
    }
    return 0;
}
