/* data: files <-> rows.
 *
 * Streams (plain, gzip, zip member, stdin), CSV and TSV, question pairs found
 * by column name, safetensors, npy. It does not know what a row means. Start
 * at ds_pairs_open for text input and at ds_st_open for our binary files. */
#ifndef DS_DATA_H
#define DS_DATA_H

#include "kernels/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- streams: stream.c ---------------------------------------------------- */

/* Bytes from a file, "-" (stdin), a gzip file (all members) or a member of a
 * zip archive (zip64 too), told apart by content. */
typedef struct ds_stream ds_stream;

/* Of an archive the first member, or the one that path names after a colon:
 * "glove.6B.zip:glove.6B.100d.txt". Sentences about streams and rows do not
 * name the file: the caller, who knows what it is for, puts ds_name before. */
ds_stream *ds_open(const char *path, kn_error *err);
/* Reads p[0..n) in pieces of at most `chunk` bytes (0: no limit); p is not
 * copied. For tests and for text already in memory. */
ds_stream *ds_open_memory(const void *p, size_t n, size_t chunk, kn_error *err);
/* Up to n bytes into buf: the count, 0 at the end, -1 on an error (a truncated
 * or corrupt archive is one). */
ptrdiff_t ds_read(ds_stream *s, void *buf, size_t n, kn_error *err);
/* For progress: bytes consumed so far and the total, 0 if unknown; compressed
 * bytes of gzip, plain ones of a zip member. */
void ds_progress(const ds_stream *s, uint64_t *done, uint64_t *total);
const char *ds_name(const ds_stream *s); /* the path, or "<stdin>" */
void ds_close(ds_stream *s);             /* NULL is allowed */

/* A descriptor of a file without a name, in TMPDIR or /tmp, gone when closed; -1. */
int ds_temporary(kn_error *err);

/* Lines of a stream, without their ending (LF or CRLF). */
typedef struct ds_lines ds_lines;
ds_lines *ds_lines_new(ds_stream *s, kn_error *err); /* s stays the caller's */
/* 1 and a slice valid until the next call, 0 at the end, -1 on error. *ended
 * (nullable) tells whether the line had its newline. A line over `max` bytes
 * (16 MiB) is an error. */
int ds_line(ds_lines *l, kn_str *line, bool *ended, kn_error *err);
uint64_t ds_line_number(const ds_lines *l); /* of the last line, from 1 */
void ds_lines_free(ds_lines *l);

/* ---- CSV and TSV: csv.c ---------------------------------------------------- */

/* RFC 4180: quotes, doubled quotes, embedded newlines, CRLF or LF, an optional
 * BOM, empty fields, a last row without a newline; rows of up to 16 MiB. The
 * delimiter is the comma, or the tab when it cuts the header row into at least
 * as many columns. Rows must have as many fields as the header. Bytes are kept
 * as they are: NUL, invalid UTF-8 and a lone CR are text. Streaming: memory is
 * one row.
 *
 * Where RFC 4180 is silent or real files break it:
 * - a quote inside an unquoted field is text (as in Python's csv and libcsv);
 * - text behind a closing quote makes the row malformed (Python's strict=True);
 * - a blank line is no row, unless there is one column: then its field is empty. */
typedef struct ds_csv ds_csv;

typedef struct ds_row {
    size_t n;              /* fields */
    const kn_str *field;   /* unquoted values */
    const kn_str *raw;     /* the same fields as they stood, quotes included */
    kn_str line;           /* the row as it stood, with the newline if it had one, the header's with the BOM */
    uint64_t row, byte;    /* number (header = 1) and byte offset of its start */
} ds_row;                  /* slices are valid until the next call */

ds_csv *ds_csv_new(ds_stream *s, char delimiter, kn_error *err); /* reads the header; s stays the caller's */
const ds_row *ds_csv_header(const ds_csv *c);
char ds_csv_delimiter(const ds_csv *c);
/* 1 a row; 0 the end; -1 the stream failed; -2 this row is malformed: err says
 * row and byte and what is wrong, and the next call goes on behind it. That is
 * behind the whole row when only its number of fields is wrong. When its quotes
 * are (text behind a closing quote, a quote not closed in 16 MiB or at the end)
 * nobody knows where it ends: only its first line is rejected and reading goes
 * on at the second, so that a stray quote cannot swallow good rows. */
int ds_csv_next(ds_csv *c, ds_row *row, kn_error *err);
void ds_csv_free(ds_csv *c);

/* Appends one field to out, quoted only when it must be. (A row of one empty
 * field is a blank line then.) */
int ds_csv_put(kn_buf *out, kn_str field, char delimiter, kn_error *err) KN_MUST_CHECK;

/* ---- question pairs: pairs.c ----------------------------------------------- */

typedef struct ds_pair {
    kn_str q1, q2;
    int label;         /* 0, 1, or -1 when there is none */
    kn_str qid1, qid2; /* empty when there are no such columns */
    ds_row row;
} ds_pair;

typedef struct ds_pairs ds_pairs;

typedef struct ds_pairs_options {
    const char *columns; /* "question1=a,question2=b,is_duplicate=c" or NULL */
    bool need_label;     /* an input without a label column is refused */
    bool skip_bad;       /* malformed rows are counted instead of an error */
} ds_pairs_options;

/* Opens path (ds_open) and finds the columns by header name. */
ds_pairs *ds_pairs_open(const char *path, const ds_pairs_options *o, kn_error *err);
/* 1 a pair, 0 the end, -1 an error that names row and byte. A label must be 0 or
 * 1, else the row is malformed; it may be empty when it is not needed. Slices
 * are valid until the next call. */
int ds_pairs_next(ds_pairs *p, ds_pair *pair, kn_error *err);
ds_csv *ds_pairs_csv(ds_pairs *p);             /* for header and delimiter */
ds_stream *ds_pairs_stream(ds_pairs *p);       /* for name and progress */
void ds_pairs_columns(const ds_pairs *p, int column[3]); /* q1, q2, label or -1 */
uint64_t ds_pairs_read(const ds_pairs *p);     /* data rows seen, good and bad */
uint64_t ds_pairs_rejected(const ds_pairs *p);
/* The sentence of the newest rejected row, for a warning. */
const char *ds_pairs_last_rejection(const ds_pairs *p);
void ds_pairs_close(ds_pairs *p);

/* ---- rows in groups: split.c ------------------------------------------------ */

/* The connected components of a graph with `nodes` nodes whose edge i joins
 * edge[2i] and edge[2i+1]: component[nodes] gets numbers 0, 1, 2, ... in the
 * order of each one's first node. *components is how many there are. */
int ds_components(uint32_t *component, uint32_t *components, const uint32_t *edge, size_t edges, uint32_t nodes,
                  kn_error *err) KN_MUST_CHECK;

typedef enum { DS_TRAIN, DS_DEV, DS_TEST } ds_part;

/* A seeded split of n rows; rows of one group stay together. group NULL: every
 * row is its own, and the parts are exact; else the groups are taken in random
 * order, each that still fits, and the largest stays in train whatever the share
 * is. Test gets n - round(train * n) rows; with `dev` as many again are then
 * taken from train, so test is the same with and without. part[n] receives a
 * ds_part each. */
int ds_split(uint8_t *part, const uint32_t *group, size_t n, double train, bool dev, uint64_t seed,
             kn_error *err) KN_MUST_CHECK;

/* ---- safetensors: safetensors.c, safetensors_save.c ---------------------------------------------- */

/* The one container of all binary files. Format: 8-byte little-endian length of
 * a JSON header, the header, tensor data (huggingface/safetensors, README
 * "Format"). Reading follows its rules: bounded header, every offset inside the
 * file, no hole, no overlap, no duplicate key, dtype x shape = length. */
typedef enum {
    DS_F32, DS_F16, DS_I8, DS_U8, DS_U32, DS_I32, DS_U64, DS_I64, DS_F64, DS_BF16, DS_U16, DS_I16, DS_BOOL
} ds_dtype;

size_t ds_dtype_size(ds_dtype t);
const char *ds_dtype_name(ds_dtype t); /* "F32", ... */

enum { DS_MAX_DIMS = 8 };

typedef struct ds_tensor {
    const char *name;
    ds_dtype dtype;
    size_t ndim, shape[DS_MAX_DIMS];
    const void *data;
    size_t bytes;
} ds_tensor;

typedef struct ds_st ds_st;

/* By mmap, read only. Errors do not name the file, those of ds_st_save do. */
ds_st *ds_st_open(const char *path, kn_error *err);
/* The same on bytes in memory (64-byte aligned); they must outlive the ds_st. */
ds_st *ds_st_open_memory(const void *p, size_t n, kn_error *err);
size_t ds_st_count(const ds_st *s);
const ds_tensor *ds_st_at(const ds_st *s, size_t i);           /* in file order */
const ds_tensor *ds_st_find(const ds_st *s, const char *name); /* or NULL */
/* The tensor with this dtype and ndim and, where shape[i] is not 0, this
 * shape; NULL and an error that names what the file has instead. */
const ds_tensor *ds_st_need(const ds_st *s, const char *name, ds_dtype dtype, size_t ndim, const size_t *shape,
                            kn_error *err);
const char *ds_st_meta(const ds_st *s, const char *key); /* from __metadata__, or NULL */
size_t ds_st_meta_count(const ds_st *s);
void ds_st_meta_at(const ds_st *s, size_t i, const char **key, const char **value);
void ds_st_close(ds_st *s); /* NULL is allowed */

typedef struct ds_meta {
    const char *key, *value;
} ds_meta;

/* Writes a whole file: metadata (string to string), tensors in the order given,
 * header padded so that data start 64-byte aligned; the same input gives the
 * same bytes. Tensors whose byte count is not a multiple of 64 make the next
 * one unaligned, so callers put wide types first; readers of ours check
 * alignment. _save replaces path atomically; _bytes appends to out. */
int ds_st_save(const char *path, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors,
               kn_error *err) KN_MUST_CHECK;
int ds_st_bytes(kn_buf *out, const ds_meta *meta, size_t metas, const ds_tensor *t, size_t tensors,
                kn_error *err) KN_MUST_CHECK;

/* ---- npy: npy.c -------------------------------------------------------------- */

/* NumPy's format 1.0-3.0, '<f4' (and '<f8', '<f2' when reading), C order, one
 * or two dimensions; one of n numbers is n rows of one. Returns kn_alloc'd
 * rows*cols floats, or NULL. path as ds_open takes it: "a.npz:x.npy" is a
 * member of numpy.savez. */
float *ds_npy_read(const char *path, size_t *rows, size_t *cols, kn_error *err);
/* The whole stream as it stands: t's dtype, shape, and numbers, to be given to
 * kn_free; its name is "". */
int ds_npy_tensor(ds_tensor *t, ds_stream *s, kn_error *err) KN_MUST_CHECK;
int ds_npy_save(const char *path, const float *x, size_t rows, size_t cols, kn_error *err) KN_MUST_CHECK;

/* ---- half precision: half.c --------------------------------------------------- */

float ds_f16_to_f32(uint16_t h);
uint16_t ds_f32_to_f16(float f); /* round to nearest even; overflow gives infinity */

#ifdef __cplusplus
}
#endif
#endif
