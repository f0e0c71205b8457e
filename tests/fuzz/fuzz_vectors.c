/* libFuzzer: any bytes as a source of word vectors, and as a store. The first
 * byte is the size of the chunks that the rest arrives in, the second picks
 * options. Held against: the same bytes in one piece, the sums of the report, and
 * what a look-up of each word finds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embeddings/import.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static int read_vectors(emb_build *b, const emb_import_options *o, emb_import_report *report, const uint8_t *p, size_t n,
                        size_t chunk, kn_error *err)
{
    ds_stream *s = ds_open_memory(p, n, chunk, err);
    check(s && !emb_build_open(b, o, report, err));
    err->text[0] = '\0';
    int rc = emb_read(b, s, NULL, NULL, err);
    ds_close(s);
    check(!rc == !err->text[0]);
    return rc;
}

static void check_source(const uint8_t *p, size_t n, size_t chunk, uint8_t how)
{
    static const ds_dtype types[] = {DS_F32, DS_F16, DS_I8};
    const emb_import_options o = {.dtype = types[how % 3], .skip_bad = how & 4, .limit = how >> 4};
    emb_build b[2];
    emb_import_report r[2];
    kn_error err[2];
    int rc = read_vectors(&b[0], &o, &r[0], p, n, 0, &err[0]);
    check(read_vectors(&b[1], &o, &r[1], p, n, chunk, &err[1]) == rc);
    check(!strcmp(err[0].text, err[1].text) && r[0].lines == r[1].lines && r[0].rejected == r[1].rejected);
    if (!rc) {
        check(r[0].kept && r[0].kept == tok_vocab_size(b[0].words) && r[0].kept == tok_vocab_size(b[1].words));
        check(r[0].lines == r[0].kept + r[0].duplicates + r[0].rejected + r[0].not_wanted);
        check(!o.limit || r[0].lines <= o.limit);
        check(b[0].rows.n == r[0].kept * r[0].dim * ds_dtype_size(o.dtype));
        check(b[0].rows.n == b[1].rows.n && !memcmp(b[0].rows.p, b[1].rows.p, b[0].rows.n));
        for (size_t i = 0; o.dtype == DS_F32 && i < b[0].rows.n / sizeof(float); i++) {
            float x;
            memcpy(&x, b[0].rows.p + i * sizeof x, sizeof x);
            check(isfinite(x));
        }
    }
    emb_build_close(&b[0]);
    emb_build_close(&b[1]);
}

static void check_store(const uint8_t *p, size_t n)
{
    void *copy; /* at a multiple of 64 with nothing behind it, as a mapped file would be */
    kn_error err;
    check(!posix_memalign(&copy, 64, n ? n : 1));
    memcpy(copy, p, n);
    ds_st *st = ds_st_open_memory(copy, n, &err);
    emb_store *e = st ? emb_from_st(st, &err) : NULL;
    float *x = e ? kn_alloc(emb_dim(e), sizeof *x, &err) : NULL;
    for (uint32_t i = 0; x && i < emb_count(e); i++) {
        kn_str word = emb_word(e, i);
        uint32_t at = emb_find(e, word); /* a wrong slot may hide it, but not lead elsewhere */
        check(at == TOK_NONE || kn_str_eq(emb_word(e, at), word));
        emb_row(e, x, i);
    }
    uint32_t row;
    float similarity;
    if (x)
        check(!emb_nearest(e, &row, &similarity, x, 1, NULL, &err) && row < emb_count(e));
    kn_free(x);
    emb_close(e);
    ds_st_close(st);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    check_source(data + 2, n - 2, data[0], data[1]);
    check_store(data + 2, n - 2);
    return 0;
}
