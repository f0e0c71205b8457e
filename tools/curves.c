/* Points of curves as TSV. */
#include "tools/curves.h"

#include <string.h>

#include "tools/tool.h"

static void add_point(kn_buf *out, const char *curve, double threshold, double x, double y, size_t pairs)
{
    kn_error err;
    if (kn_buf_addf(out, &err, "%s\t%.9g\t%.9g\t%.9g\t%zu\n", curve, threshold, x, y, pairs))
        tool_die(&err);
}

static void add_cuts(kn_buf *out, const char *curve, const sm_cut *c, size_t cuts)
{
    double P = (double)c[cuts - 1].tp, N = (double)c[cuts - 1].fp;
    bool roc = !strcmp(curve, "roc");
    if (P == 0 || (roc && N == 0))
        return; /* there is no such curve */
    for (size_t i = !roc; i < cuts; i++) { /* precision of no pair at all is not defined */
        double tp = (double)c[i].tp, fp = (double)c[i].fp;
        add_point(out, curve, c[i].threshold, roc ? fp / N : tp / P, roc ? tp / P : tp / (tp + fp), c[i].tp + c[i].fp);
    }
}

void curves_save(const char *path, const float *d, const double *p, const float *label, size_t n)
{
    kn_error err;
    kn_buf out = {0};
    size_t cuts;
    sm_bin bin[SM_BINS];
    sm_cut *c = sm_cuts(d, label, n, &cuts, &err);
    if (!c || kn_buf_adds(&out, "curve\tthreshold\tx\ty\tpairs\n", &err))
        tool_die(&err);
    add_cuts(&out, "roc", c, cuts);
    add_cuts(&out, "precision-recall", c, cuts);
    if (p && sm_reliability(bin, p, label, n, &err))
        tool_die(&err);
    for (int b = 0; p && b < SM_BINS; b++)
        if (bin[b].n)
            add_point(&out, "reliability", (double)b / SM_BINS, bin[b].sum_p / (double)bin[b].n,
                      (double)bin[b].positives / (double)bin[b].n, bin[b].n);
    kn_save *s = kn_save_open(path, &err);
    if (!s)
        tool_die(&err);
    if (kn_save_write(s, out.p, out.n, &err)) {
        kn_save_abort(s);
        tool_die(&err);
    }
    if (kn_save_commit(s, &err))
        tool_die(&err);
    kn_buf_free(&out);
    kn_free(c);
}
