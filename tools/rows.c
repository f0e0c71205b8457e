/* Question pairs by the common options. */
#include "tools/rows.h"

#include "tools/tool.h"

ds_pairs *rows_open(const char *path, bool need_label)
{
    kn_error err;
    const ds_pairs_options how = {
        .columns = tool_common.columns, .need_label = need_label, .skip_bad = tool_common.skip_bad};
    ds_pairs *in = ds_pairs_open(path ? path : "-", &how, &err);
    if (!in)
        tool_die_at(path ? path : "-", &err);
    return in;
}

void rows_progress(ds_pairs *in, const char *doing, uint64_t rows)
{
    uint64_t done, total;
    ds_progress(ds_pairs_stream(in), &done, &total);
    tool_progress(doing, (double)rows, done ? (double)rows * (double)total / (double)done : 0, "pairs");
}

bool rows_next(ds_pairs *in, ds_pair *pair, const char *doing)
{
    kn_error err;
    int more = ds_pairs_next(in, pair, &err);
    if (more < 0)
        tool_die_at(ds_name(ds_pairs_stream(in)), &err);
    if (ds_pairs_read(in) % 4096 == 0) /* asking the clock costs as much as a few rows */
        rows_progress(in, doing, ds_pairs_read(in));
    return more;
}

void rows_close(ds_pairs *in, uint64_t *read, uint64_t *rejected)
{
    tool_progress_end();
    if (ds_pairs_rejected(in))
        tool_warn("%s: %llu rows rejected, the last one: %s", ds_name(ds_pairs_stream(in)),
                  (unsigned long long)ds_pairs_rejected(in), ds_pairs_last_rejection(in));
    if (read)
        *read = ds_pairs_read(in);
    if (rejected)
        *rejected = ds_pairs_rejected(in);
    ds_pairs_close(in);
}
