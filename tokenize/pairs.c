/* A CSV of question pairs, tokenised in parallel and given on in order.
 *
 * Three batches go round: one is being read, the one before it is being cut into
 * tokens, the one before that is being given on. All of it is one set of tasks
 * for the pool, so unpacking, parsing and the caller's own work share the
 * processors with the tokenizers, and nobody needs a lock or a queue. */
#include <string.h>

#include "tokenize/tokenize.h"

/* A batch ends at ROWS or TEXT; large, since all threads wait for the last at its end. */
enum { SHARE = 256, SHARES = 32, ROWS = SHARE * SHARES, TEXT = 1 << 22 };
enum { READ, GIVE, CUT }; /* tasks; CUT is the first of SHARES */

/* What a row holds, in the order it is kept. */
enum { BEFORE, BETWEEN, BEHIND, Q1, Q2, PIECES };

typedef struct row {
    size_t end[PIECES]; /* in the batch's text; each piece starts where the one before ends */
    int label;
    size_t cut_end[2], tokens[2]; /* where its questions end in the share's text; their tokens */
} row;

typedef struct share {
    char *text; /* tokens joined by spaces, question behind question */
    size_t n, cap;
    uint32_t *length; /* of the tokens */
    size_t tokens, length_cap;
    kn_error err;
    bool failed;
} share;

typedef struct batch {
    kn_buf text;
    row row[ROWS];
    size_t rows;
    share share[SHARES];
} batch;

typedef struct run {
    ds_pairs *in;
    const tok_pairs_options *o;
    batch *batch; /* [3] */
    size_t step;
    int column[3];
    bool ended, read_failed, give_failed;
    kn_error read_err, give_err;
    kn_str *token; /* of the pair being given */
    size_t token_cap;
    tok_tokenizer **tokenizer; /* one a thread */
} run;

/* ---- reading ---------------------------------------------------------------- */

static int keep(batch *b, row *r, int piece, const char *from, const char *to, kn_error *err)
{
    if (kn_buf_add(&b->text, from, (size_t)(to - from), err))
        return -1;
    r->end[piece] = b->text.n;
    return 0;
}

static int keep_pair(batch *b, const ds_pair *p, const int column[3], kn_error *err)
{
    row *r = &b->row[b->rows++];
    bool swapped = column[0] > column[1];
    kn_str left = p->row.raw[column[swapped]], right = p->row.raw[column[!swapped]], line = p->row.line;
    r->label = p->label;
    return keep(b, r, BEFORE, line.p, left.p, err) || keep(b, r, BETWEEN, left.p + left.n, right.p, err) ||
                   keep(b, r, BEHIND, right.p + right.n, line.p + line.n, err) ||
                   keep(b, r, Q1, p->q1.p, p->q1.p + p->q1.n, err) || keep(b, r, Q2, p->q2.p, p->q2.p + p->q2.n, err)
               ? -1
               : 0;
}

static void read_batch(run *u, batch *b)
{
    ds_pair pair;
    b->rows = b->text.n = 0;
    while (!u->ended && b->rows < ROWS && b->text.n < TEXT) {
        int more = ds_pairs_next(u->in, &pair, &u->read_err);
        if (more > 0 && keep_pair(b, &pair, u->column, &u->read_err))
            more = -1;
        u->ended = more <= 0;
        u->read_failed = more < 0;
    }
}

static kn_str piece(const batch *b, size_t i, int which)
{
    size_t start = which ? b->row[i].end[which - 1] : i ? b->row[i - 1].end[PIECES - 1] : 0;
    return (kn_str){b->text.p + start, b->row[i].end[which] - start};
}

/* ---- cutting ---------------------------------------------------------------- */

/* Writes the tokens with a space behind each, runs that stand in their text like
 * that at once. */
static void join(char *out, const kn_str *token, size_t n)
{
    for (size_t i = 0, next; i < n; i = next) {
        const char *start = token[i].p, *end = start + token[i].n;
        for (next = i + 1; next < n && token[next].p == end + 1 && *end == ' '; next++)
            end = token[next].p + token[next].n;
        memcpy(out, start, (size_t)(end - start));
        out += end - start;
        *out++ = ' ';
    }
}

static int cut_question(share *s, tok_tokenizer *t, kn_str question, row *r, int k)
{
    const kn_str *token;
    size_t n, bytes = 0;
    if (tok_tokens(t, &token, &n, question, &s->err))
        return -1;
    for (size_t i = 0; i < n; i++)
        bytes += token[i].n + 1;
    if (kn_grow(&s->text, &s->cap, s->n + bytes + 1, 1, &s->err) ||
        kn_grow(&s->length, &s->length_cap, s->tokens + n, sizeof *s->length, &s->err))
        return -1;
    join(s->text + s->n, token, n);
    for (size_t i = 0; i < n; i++)
        s->length[s->tokens++] = (uint32_t)token[i].n; /* a row has 16 MiB at most */
    s->n += n ? bytes - 1 : 0; /* no space behind the last */
    r->tokens[k] = n;
    r->cut_end[k] = s->n;
    return 0;
}

static void cut_share(batch *b, size_t number, tok_tokenizer *t)
{
    share *s = &b->share[number];
    s->n = s->tokens = 0;
    for (size_t i = number * SHARE; i < (number + 1) * SHARE && i < b->rows && !s->failed; i++)
        for (int k = 0; k < 2 && !s->failed; k++)
            s->failed = cut_question(s, t, piece(b, i, Q1 + k), &b->row[i], k) != 0;
}

/* ---- giving on ---------------------------------------------------------------- */

/* Gives the pair of row i on. Its tokens' lengths are at *length, its text at
 * *text; both move on. */
static int give_pair(run *u, const batch *b, size_t i, const uint32_t **length, const char **text)
{
    const row *r = &b->row[i];
    size_t n = r->tokens[0] + r->tokens[1];
    if (kn_grow(&u->token, &u->token_cap, n, sizeof *u->token, &u->give_err))
        return -1;
    tok_pair pair = {.n = {r->tokens[0], r->tokens[1]}, .label = r->label};
    for (int k = 0; k < 3; k++)
        pair.around[k] = piece(b, i, BEFORE + k);
    for (int k = 0; k < 2; k++) {
        const char *end = b->share[i / SHARE].text + r->cut_end[k], *p = *text;
        pair.q[k] = (kn_str){p, (size_t)(end - p)};
        kn_str *token = u->token + (k ? r->tokens[0] : 0);
        pair.token[k] = token;
        for (size_t j = 0; j < r->tokens[k]; j++, p += *(*length)++ + 1)
            token[j] = (kn_str){p, **length};
        *text = end;
    }
    return u->o->pair(u->o->arg, &pair, &u->give_err);
}

static void give_batch(run *u, const batch *b)
{
    const uint32_t *length = NULL;
    const char *text = NULL;
    for (size_t i = 0; i < b->rows && !u->give_failed; i++) {
        if (i % SHARE == 0) {
            length = b->share[i / SHARE].length;
            text = b->share[i / SHARE].text;
        }
        u->give_failed = give_pair(u, b, i, &length, &text) != 0;
    }
}

/* The batch that was read `age` steps ago. */
static batch *of_age(const run *u, size_t age)
{
    return &u->batch[(u->step + 3 - age) % 3];
}

static void do_task(void *arg, size_t task, int worker)
{
    run *u = arg;
    if (task == READ)
        read_batch(u, of_age(u, 0));
    else if (task == GIVE)
        give_batch(u, of_age(u, 2));
    else
        cut_share(of_age(u, 1), task - CUT, u->tokenizer[worker]);
}

/* One step; 1 while there is more to do. */
static int do_step(run *u, kn_pool *pool, kn_error *err)
{
    kn_parallel(pool, CUT + SHARES, do_task, u);
    if (u->give_failed)
        return kn_fail(err, "%s", u->give_err.text);
    for (int i = 0; i < SHARES; i++)
        if (of_age(u, 1)->share[i].failed)
            return kn_fail(err, "%s", of_age(u, 1)->share[i].err.text);
    u->step++;
    return !u->ended || of_age(u, 1)->rows || of_age(u, 2)->rows;
}

static int do_all(run *u, kn_pool *pool, kn_error *err)
{
    uint64_t rows = 0;
    int more;
    for (int i = 0; i < kn_pool_threads(pool); i++)
        if (!(u->tokenizer[i] = tok_new(u->o->profile, err)))
            return -1;
    while ((more = do_step(u, pool, err)) > 0) {
        rows += of_age(u, 1)->rows;
        if (u->o->progress)
            u->o->progress(u->o->arg, rows);
    }
    if (!more && u->read_failed)
        return kn_fail(err, "%s", u->read_err.text);
    return more;
}

int tok_pairs(ds_pairs *in, const tok_pairs_options *o, kn_pool *pool, kn_error *err)
{
    run u = {.in = in, .o = o};
    int threads = kn_pool_threads(pool), rc = -1;
    ds_pairs_columns(in, u.column);
    if (u.column[0] == u.column[1])
        return kn_fail(err, "both questions are in one column: --columns must name two");
    u.batch = kn_alloc(3, sizeof *u.batch, err);
    u.tokenizer = u.batch ? kn_alloc((size_t)threads, sizeof *u.tokenizer, err) : NULL;
    if (u.tokenizer)
        rc = do_all(&u, pool, err);
    for (int i = 0; u.tokenizer && i < threads; i++)
        tok_free(u.tokenizer[i]);
    for (int i = 0; u.batch && i < 3; i++) {
        kn_buf_free(&u.batch[i].text);
        for (int k = 0; k < SHARES; k++) {
            kn_free(u.batch[i].share[k].text);
            kn_free(u.batch[i].share[k].length);
        }
    }
    kn_free(u.token);
    kn_free(u.tokenizer);
    kn_free(u.batch);
    return rc;
}
