/* tools/bench: what siam-bench times. Each op of the contract at the shapes of
 * the text networks, with the work it does counted from the shape. */
#ifndef BENCH_H
#define BENCH_H

#include "siamese/siamese.h"

typedef struct bench_buffers { /* device memory that every op finds its operands in */
    kn_backend *be;
    float *a, *b, *c, *d, *e, *f; /* [rows * width] each */
    float *p[4];                  /* [width * width] each: parameters, gradients, moments */
    float *channel[8];            /* [width] each */
    float *filter[2];             /* [width, 3, 3, width] each */
    uint32_t *index;              /* [rows]: all rows, in a drawn order */
    uint32_t *start, *group;      /* bags of them; [rows], below 16 */
    kn_step *step;
    kn_window conv, halves;       /* of images whose pixels are the rows: 3x3, and pools of 2x2 */
    size_t rows, width;
} bench_buffers;

typedef struct bench_op {
    const char *name;
    void (*run)(const bench_buffers *b);
    double (*flops)(double rows, double width); /* NULL: counted by bytes alone */
    double arrays;  /* [rows, width] arrays that are read or written once */
    double squares; /* [width, width] arrays likewise */
} bench_op;

extern const bench_op bench_ops[]; /* ends with a NULL name */

int bench_open(bench_buffers *b, kn_backend *be, size_t rows, size_t width, kn_error *err) KN_MUST_CHECK;
void bench_close(bench_buffers *b);

/* Seconds of one call: the median of seven rounds, each long enough to time. */
double bench_time(const bench_buffers *b, void (*run)(const bench_buffers *b));

/* ---- bench_steps.c: whole training steps, by the trainers themselves --------------------- */

/* Pairs a second, the best of a few epochs on random vectors of `input` numbers;
 * *flops of a pair. Both die on failure. */
double bench_pairs(kn_backend *be, const char *arch, size_t input, int batch, double *flops);
/* Images a second, likewise, on random pixels; classes outputs behind arch, or
 * arch's own when 0. */
double bench_images(kn_backend *be, const char *arch, sm_shape shape, size_t classes, int batch, double *flops);

#endif
