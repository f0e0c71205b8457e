/* The questions of a set of pairs: who is the same, how often each is asked, how
 * long they are. */
#include <stdlib.h>
#include <string.h>

#include "tokenize/tokenize.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

kn_str tok_trim(kn_str text)
{
    while (text.n && is_space(text.p[text.n - 1]))
        text.n--;
    while (text.n && is_space(*text.p))
        text.p++, text.n--;
    return text;
}

size_t tok_characters(kn_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

/* ---- identity ------------------------------------------------------------------------ */

int tok_questions_add(tok_questions *q, kn_str q1, kn_str q2, kn_error *err)
{
    if (kn_grow(&q->id, &q->id_room, 2 * (q->pairs + 1), sizeof *q->id, err))
        return -1;
    for (int k = 0; k < 2; k++) {
        uint32_t id = tok_vocab_add(q->text, tok_trim(k ? q2 : q1), err);
        if (id == TOK_NONE || kn_grow(&q->asked, &q->asked_room, (size_t)id + 1, sizeof *q->asked, err))
            return -1;
        q->asked[id]++;
        q->id[2 * q->pairs + (size_t)k] = id;
    }
    q->pairs++;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

int tok_questions_repeats(const tok_questions *q, size_t *n, kn_error *err)
{
    uint64_t *key = kn_alloc(q->pairs, sizeof *key, err);
    if (!key)
        return -1;
    for (size_t i = 0; i < q->pairs; i++) {
        uint64_t a = q->id[2 * i], b = q->id[2 * i + 1];
        key[i] = a < b ? a << 32 | b : b << 32 | a;
    }
    qsort(key, q->pairs, sizeof *key, by_value);
    *n = 0;
    for (size_t i = 1; i < q->pairs; i++)
        *n += key[i] == key[i - 1];
    kn_free(key);
    return 0;
}

void tok_questions_free(tok_questions *q)
{
    tok_vocab_free(q->text);
    kn_free(q->asked);
    kn_free(q->id);
    *q = (tok_questions){0};
}

/* ---- lengths ------------------------------------------------------------------------- */

int tok_lengths_add(tok_lengths *l, size_t length, kn_error *err)
{
    if (kn_grow(&l->count, &l->room, length + 1, sizeof *l->count, err))
        return -1;
    l->count[length]++;
    l->max = length > l->max ? length : l->max;
    l->n++;
    l->sum += length;
    return 0;
}

double tok_lengths_mean(const tok_lengths *l)
{
    return l->n ? (double)l->sum / (double)l->n : 0;
}

size_t tok_lengths_quantile(const tok_lengths *l, double q)
{
    uint64_t seen = 0;
    size_t length = 0;
    while (length < l->max && (double)(seen += l->count[length]) < q * (double)l->n)
        length++;
    return length;
}

uint64_t tok_lengths_below(const tok_lengths *l, size_t length)
{
    uint64_t n = 0;
    for (size_t i = 0; l->n && i < length && i <= l->max; i++)
        n += l->count[i];
    return n;
}

void tok_lengths_free(tok_lengths *l)
{
    kn_free(l->count);
    *l = (tok_lengths){0};
}
