/* CSV and TSV: RFC 4180, streaming.
 *
 * One state machine walks over the bytes once and notes where fields begin and
 * end, as offsets from the row's first byte: more bytes may arrive, and move
 * the window, at any point. Slices are made when the row is whole. Inside a
 * field it leaps: by memchr to the next quote, or eight bytes at a time to the
 * next delimiter or newline. */
#include <string.h>

#include "data/window.h"

enum { MAX_COLUMNS = 1 << 16 };

#define BOM "\xef\xbb\xbf" /* of UTF-8 */

typedef enum {
    AT_FIELD,    /* before a field's first byte */
    PLAIN,       /* inside an unquoted field */
    QUOTED,      /* inside quotes */
    AFTER_QUOTE, /* behind a quote that closes the field, or is doubled */
    AFTER_CR     /* behind a CR that follows a closed field: an LF must come */
} state;

typedef struct {
    size_t begin, end;    /* with its quotes */
    bool quoted, doubled; /* in quotes; with doubled quotes inside */
} span;

struct ds_csv {
    ds_window w;
    char delimiter;
    uint64_t row; /* number of the last row */
    ds_row header;
    kn_str *header_slices; /* what header.field and header.raw point to */
    kn_buf header_bytes;   /* and what those do */
    size_t done;       /* bytes of the last row, dropped by the next call */
    bool rejected;     /* the last row's first line is yet to be passed over */
    /* the row under way */
    state state;
    size_t at;         /* bytes walked over */
    span now;
    size_t fields, room; /* fields seen; how many of them `spans` may hold */
    span *spans;
    size_t span_cap;
    /* the slices of the last whole row */
    kn_str *field, *raw;
    size_t field_cap, raw_cap;
    char *text; /* fields whose doubled quotes were made single */
    size_t text_cap;
};

/* ---- leaps --------------------------------------------------------------------- */

/* Nonzero when a byte of v is zero (A. Mycroft 1987). */
static uint64_t has_zero(uint64_t v)
{
    return (v - 0x0101010101010101u) & ~v & 0x8080808080808080u;
}

/* The first a or b in [p, end), or end. */
static const char *find_either(const char *p, const char *end, char a, char b)
{
    uint64_t as = 0x0101010101010101u * (unsigned char)a, bs = 0x0101010101010101u * (unsigned char)b, v;
    for (; end - p >= 8; p += 8) {
        memcpy(&v, p, 8);
        if (has_zero(v ^ as) | has_zero(v ^ bs))
            break;
    }
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

/* ---- one row ----------------------------------------------------------------------- */

static int malformed(const ds_csv *c, kn_error *err, const char *what)
{
    kn_fail(err, "row %llu, byte %llu: %s", (unsigned long long)c->row, (unsigned long long)c->w.offset, what);
    return -2;
}

static int too_long(const ds_csv *c, kn_error *err)
{
    return malformed(c, err, c->state == QUOTED ? "over 16 MiB long: a quote that is never closed?"
                                                : "over 16 MiB long");
}

static int end_field(ds_csv *c, kn_error *err)
{
    c->now.end = c->at;
    if (c->fields++ < c->room) {
        if (kn_grow(&c->spans, &c->span_cap, c->fields, sizeof *c->spans, err))
            return -1;
        c->spans[c->fields - 1] = c->now;
    }
    return 0;
}

static void begin_field(ds_csv *c)
{
    c->state = AT_FIELD;
    c->now = (span){.begin = c->at};
}

/* At the end of a field: 0 when another follows, 1 when the row is whole. */
static int end_at(ds_csv *c, char byte, kn_error *err)
{
    if (end_field(c, err))
        return -1;
    c->at++;
    if (byte == '\n')
        return 1;
    begin_field(c);
    return 0;
}

/* Walks over the bytes at hand: 1 the row is whole, 0 more bytes are needed,
 * -1 out of memory, -2 malformed. */
static int walk(ds_csv *c, kn_error *err)
{
    const char *p = c->w.p + c->w.start, *q;
    size_t n = c->w.end - c->w.start;
    int r = 0;
    while (!r && c->at < n) {
        char byte = p[c->at];
        switch (c->state) {
        case AT_FIELD:
            c->now.quoted = byte == '"';
            c->state = c->now.quoted ? QUOTED : PLAIN;
            c->at += c->now.quoted;
            break;
        case PLAIN:
            c->at = (size_t)(find_either(p + c->at, p + n, c->delimiter, '\n') - p);
            if (c->at < n)
                r = end_at(c, p[c->at], err);
            break;
        case QUOTED:
            q = memchr(p + c->at, '"', n - c->at);
            c->at = q ? (size_t)(q - p) + 1 : n;
            c->state = q ? AFTER_QUOTE : QUOTED;
            break;
        case AFTER_QUOTE:
            if (byte == '"') {
                c->now.doubled = true;
                c->state = QUOTED;
                c->at++;
            } else if (byte == '\r') {
                c->state = AFTER_CR;
                c->at++;
            } else if (byte == c->delimiter || byte == '\n') {
                r = end_at(c, byte, err);
            } else {
                r = malformed(c, err, "text behind a closing quote (a quote inside a quoted field must be doubled)");
            }
            break;
        case AFTER_CR:
            r = byte == '\n' ? end_at(c, byte, err) : malformed(c, err, "a carriage return behind a closing quote");
            break;
        }
    }
    return r;
}

/* The bytes have ended: the last row may lack its newline. */
static int walk_end(ds_csv *c, kn_error *err)
{
    if (!c->at)
        return 0;
    if (c->state == QUOTED)
        return malformed(c, err, "a quote is never closed");
    return end_field(c, err) ? -1 : 1;
}

/* Finds the end of the row that starts the window. 1, 0 the stream has ended,
 * -1 it failed, -2 the row is malformed. */
static int scan(ds_csv *c, size_t room, kn_error *err)
{
    c->at = c->fields = 0;
    c->room = room;
    begin_field(c);
    for (;;) {
        int r = walk(c, err);
        if (c->at > DS_MAX_ROW && r != -1)
            return too_long(c, err);
        if (r)
            return r;
        int more = ds_window_fill(&c->w, err);
        if (more < 0)
            return -1;
        if (!more)
            return walk_end(c, err);
    }
}

/* ---- slices ---------------------------------------------------------------------------- */

/* Appends the inside of a quoted field to c->text, doubled quotes made single. */
static kn_str unquote(ds_csv *c, size_t *used, const char *p, size_t n)
{
    char *to = c->text + *used, *begin = to;
    for (const char *end = p + n; p < end;) {
        const char *q = memchr(p, '"', (size_t)(end - p));
        size_t run = (size_t)((q ? q + 1 : end) - p);
        memcpy(to, p, run);
        to += run;
        p += run + (q != NULL);
    }
    *used = (size_t)(to - c->text);
    return (kn_str){begin, (size_t)(to - begin)};
}

/* The row that scan has found, as slices into the window and c->text. */
static int slice(ds_csv *c, ds_row *row, kn_error *err)
{
    const char *p = c->w.p + c->w.start;
    size_t n = c->fields, used = 0;
    if (kn_grow(&c->field, &c->field_cap, n, sizeof *c->field, err) ||
        kn_grow(&c->raw, &c->raw_cap, n, sizeof *c->raw, err) || kn_grow(&c->text, &c->text_cap, c->at, 1, err))
        return -1;
    span *last = &c->spans[n - 1];
    if (last->end > last->begin && p[last->end - 1] == '\r') /* of the CRLF that ends the row */
        last->end--;
    for (size_t i = 0; i < n; i++) {
        span s = c->spans[i];
        c->raw[i] = c->field[i] = (kn_str){p + s.begin, s.end - s.begin};
        if (s.quoted)
            c->field[i] = (kn_str){p + s.begin + 1, s.end - s.begin - 2};
        if (s.doubled)
            c->field[i] = unquote(c, &used, c->field[i].p, c->field[i].n);
    }
    *row = (ds_row){.n = n, .field = c->field, .raw = c->raw, .line = {p, c->at}, .row = c->row, .byte = c->w.offset};
    return 0;
}

/* ---- the header ------------------------------------------------------------------------- */

static int skip_bom(ds_csv *c, kn_error *err)
{
    int more = 1;
    while (more > 0 && c->w.end - c->w.start < 3)
        more = ds_window_fill(&c->w, err);
    const char *p = c->w.p + c->w.start;
    size_t n = c->w.end - c->w.start;
    if (more < 0)
        return -1;
    if (n >= 2 && (!memcmp(p, "\xff\xfe", 2) || !memcmp(p, "\xfe\xff", 2)))
        return kn_fail(err, "this is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)");
    if (n >= 3 && !memcmp(p, BOM, 3))
        ds_window_drop(&c->w, 3);
    return 0;
}

/* Columns that the first row has with this delimiter; 0 when it makes no row. */
static size_t columns_with(ds_csv *c, char delimiter, kn_error *err)
{
    c->delimiter = delimiter;
    return scan(c, 0, err) == 1 ? c->fields : 0;
}

/* A copy of the header row that stays: c->header. */
static int keep_header(ds_csv *c, const ds_row *row, kn_error *err)
{
    kn_str *copy = c->header_slices = kn_alloc(2 * row->n, sizeof *copy, err);
    if (!copy)
        return -1;
    for (size_t i = 0; i < row->n; i++)
        if (kn_buf_add(&c->header_bytes, row->field[i].p, row->field[i].n, err) ||
            kn_buf_add(&c->header_bytes, row->raw[i].p, row->raw[i].n, err))
            return -1;
    size_t bom = (size_t)row->byte; /* where the row starts: 0 or 3 */
    if (kn_buf_add(&c->header_bytes, BOM, bom, err) || kn_buf_add(&c->header_bytes, row->line.p, row->line.n, err))
        return -1;
    const char *p = c->header_bytes.p; /* moves no more */
    for (size_t i = 0; i < row->n; i++) {
        copy[i] = (kn_str){p, row->field[i].n};
        p += row->field[i].n;
        copy[row->n + i] = (kn_str){p, row->raw[i].n};
        p += row->raw[i].n;
    }
    c->header = (ds_row){.n = row->n, .field = copy, .raw = copy + row->n, .line = {p, bom + row->line.n}, .row = 1};
    return 0;
}

static int read_header(ds_csv *c, char delimiter, kn_error *err)
{
    ds_row row;
    if (skip_bom(c, err))
        return -1;
    c->row = 1;
    if (!delimiter) {
        kn_error ignored; /* what is wrong with the row is said below */
        size_t commas = columns_with(c, ',', &ignored), tabs = columns_with(c, '\t', &ignored);
        delimiter = tabs > 1 && tabs >= commas ? '\t' : ',';
    }
    c->delimiter = delimiter;
    int r = scan(c, MAX_COLUMNS, err);
    if (r == 0)
        return kn_fail(err, "empty: a header row is needed");
    if (r < 0)
        return -1;
    if (c->fields > MAX_COLUMNS)
        return kn_fail(err, "%zu columns: not a table of questions", c->fields);
    if (slice(c, &row, err) || keep_header(c, &row, err))
        return -1;
    c->done = c->at;
    return 0;
}

/* ---- the public part ------------------------------------------------------------------------ */

ds_csv *ds_csv_new(ds_stream *s, char delimiter, kn_error *err)
{
    ds_csv *c = kn_alloc(1, sizeof *c, err);
    if (!c)
        return NULL;
    if (ds_window_open(&c->w, s, err) || read_header(c, delimiter, err)) {
        ds_csv_free(c);
        return NULL;
    }
    return c;
}

const ds_row *ds_csv_header(const ds_csv *c)
{
    return &c->header;
}

char ds_csv_delimiter(const ds_csv *c)
{
    return c->delimiter;
}

/* Drops the line that a rejected row starts with. */
static int pass_line(ds_csv *c, kn_error *err)
{
    while (c->rejected) {
        const char *p = c->w.p + c->w.start;
        size_t n = c->w.end - c->w.start;
        const char *newline = memchr(p, '\n', n);
        ds_window_drop(&c->w, newline ? (size_t)(newline - p) + 1 : n);
        int more = newline ? 0 : ds_window_fill(&c->w, err);
        if (more < 0)
            return -1;
        c->rejected = more;
    }
    return 0;
}

int ds_csv_next(ds_csv *c, ds_row *row, kn_error *err)
{
    for (;;) {
        ds_window_drop(&c->w, c->done);
        c->done = 0;
        if (pass_line(c, err))
            return -1;
        c->row++;
        int r = scan(c, c->header.n, err);
        c->rejected = r == -2;
        if (r != 1)
            return r;
        c->done = c->at;
        if (c->fields != c->header.n) {
            const char *p = c->w.p + c->w.start;
            if (p[0] == '\n' || (p[0] == '\r' && (c->at == 1 || p[1] == '\n'))) {
                c->row--; /* a blank line is no row */
                continue;
            }
            kn_fail(err, "row %llu, byte %llu: %zu field%s where the header has %zu", (unsigned long long)c->row,
                    (unsigned long long)c->w.offset, c->fields, c->fields == 1 ? "" : "s", c->header.n);
            return -2;
        }
        return slice(c, row, err) ? -1 : 1;
    }
}

void ds_csv_free(ds_csv *c)
{
    if (!c)
        return;
    kn_free(c->w.p);
    kn_free(c->header_slices);
    kn_buf_free(&c->header_bytes);
    kn_free(c->spans);
    kn_free(c->field);
    kn_free(c->raw);
    kn_free(c->text);
    kn_free(c);
}

int ds_csv_put(kn_buf *out, kn_str field, char delimiter, kn_error *err)
{
    if (!field.n) /* its p may be NULL */
        return 0;
    const char *p = field.p, *end = p + field.n, *q;
    if (!memchr(p, '"', field.n) && !memchr(p, '\r', field.n) && find_either(p, end, delimiter, '\n') == end)
        return kn_buf_add(out, p, field.n, err);
    if (kn_buf_add(out, "\"", 1, err))
        return -1;
    for (; p < end; p = q) {
        q = memchr(p, '"', (size_t)(end - p));
        q = q ? q + 1 : end;
        if (kn_buf_add(out, p, (size_t)(q - p), err) || (q[-1] == '"' && kn_buf_add(out, "\"", 1, err)))
            return -1;
    }
    return kn_buf_add(out, "\"", 1, err);
}
