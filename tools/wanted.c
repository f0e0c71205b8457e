/* The words of a CSV of question pairs, counted. */
#include "tools/wanted.h"

#include "tools/tool.h"

static int count_pair(void *arg, const tok_pair *p, kn_error *err)
{
    wanted_words *w = arg;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < p->n[k]; i++) {
            uint32_t id = tok_vocab_add(w->words, p->token[k][i], err);
            if (id == TOK_NONE || kn_grow(&w->count, &w->room, (size_t)id + 1, sizeof *w->count, err))
                return -1;
            w->count[id]++;
        }
    return 0;
}

wanted_words wanted_read(const char *path)
{
    kn_error err;
    wanted_words w = {.words = tok_vocab_new(&err)};
    const ds_pairs_options how = {.columns = tool_common.columns, .skip_bad = tool_common.skip_bad};
    const tok_pairs_options o = {.profile = "glove", .pair = count_pair, .arg = &w};
    ds_pairs *in = w.words ? ds_pairs_open(path, &how, &err) : NULL;
    if (!in || tok_pairs(in, &o, tool_pool(), &err))
        tool_die_at(path, &err);
    if (ds_pairs_rejected(in))
        tool_warn("%s: %llu rows rejected, the last because %s", path, (unsigned long long)ds_pairs_rejected(in),
                  ds_pairs_last_rejection(in));
    ds_pairs_close(in);
    return w;
}

wanted_coverage wanted_measure(const wanted_words *w, const emb_store *e)
{
    wanted_coverage c = {.words = tok_vocab_size(w->words)};
    for (uint32_t id = 0; id < c.words; id++) {
        bool known = emb_find(e, tok_vocab_word(w->words, id)) != TOK_NONE;
        c.tokens += w->count[id];
        c.known_tokens += known ? w->count[id] : 0;
        c.known_words += known;
    }
    return c;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

void wanted_say(const wanted_coverage *c, const char *path)
{
    tool_say("coverage of %s: %.2f %% of %llu tokens, %.2f %% of %u different words", path,
             percent(c->known_tokens, c->tokens), (unsigned long long)c->tokens, percent(c->known_words, c->words),
             c->words);
}

json_t *wanted_json(const wanted_coverage *c)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "tokens", (json_int_t)c->tokens, "known_tokens",
                     (json_int_t)c->known_tokens, "words", (json_int_t)c->words, "known_words",
                     (json_int_t)c->known_words);
}

void wanted_free(wanted_words *w)
{
    tok_vocab_free(w->words);
    kn_free(w->count);
}
