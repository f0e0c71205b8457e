/* What a run needs to go on after an epoch, as a file: a safetensors container
 * with a tensor for every field of sm_state. */
#include "siamese/train.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int sm_state_new(sm_state *s, size_t P, size_t S, kn_error *err)
{
    size_t half, floats;
    *s = (sm_state){.P = P, .S = S};
    if (kn_mul(&floats, P, 4) || kn_mul(&half, S, 2) || kn_add(&floats, floats, half))
        return kn_fail(err, "the network is larger than memory can address");
    s->block = kn_alloc(floats, sizeof *s->block, err);
    if (!s->block)
        return -1;
    s->params = s->block;
    s->m = s->params + P;
    s->v = s->m + P;
    s->best_params = s->v + P;
    s->stats = s->best_params + P;
    s->best_stats = s->stats + S;
    return 0;
}

void sm_state_free(sm_state *s)
{
    kn_free(s->block);
    *s = (sm_state){0};
}

enum { FIELDS = 10 };

typedef struct field {
    const char *name;
    ds_dtype dtype;
    void *data;
    size_t n;
} field;

static void fields_of(field f[FIELDS], sm_state *s)
{
    const field all[FIELDS] = {
        {"epoch", DS_U64, &s->epoch, 1}, {"steps", DS_U64, &s->steps, 1},
        {"best_epoch", DS_U64, &s->best_epoch, 1}, {"best_score", DS_F64, &s->best_score, 1},
        {"params", DS_F32, s->params, s->P}, {"m", DS_F32, s->m, s->P}, {"v", DS_F32, s->v, s->P},
        {"best_params", DS_F32, s->best_params, s->P}, {"stats", DS_F32, s->stats, s->S},
        {"best_stats", DS_F32, s->best_stats, s->S},
    };
    memcpy(f, all, sizeof all);
}

int sm_checkpoint_save(sm_state *s, const sm_run_id *id, const char *path, kn_error *err)
{
    field f[FIELDS];
    ds_tensor t[FIELDS];
    const ds_meta meta[] = {{"format", "siam-checkpoint"}, {"settings", id->settings}, {"network", id->network},
                            {"train", id->train}, {"dev", id->dev}, {"stage", id->stage}};
    fields_of(f, s);
    for (int i = 0; i < FIELDS; i++)
        t[i] = (ds_tensor){.name = f[i].name, .dtype = f[i].dtype, .ndim = 1, .shape = {f[i].n}, .data = f[i].data,
                           .bytes = f[i].n * ds_dtype_size(f[i].dtype)};
    return ds_st_save(path, meta, sizeof meta / sizeof *meta, t, FIELDS, err);
}

static int check_id(const ds_st *st, const sm_run_id *id, kn_error *err)
{
    const struct {
        const char *key, *want;
    } same[] = {{"stage", id->stage}, {"settings", id->settings}, {"network", id->network}, {"train", id->train},
                {"dev", id->dev}};
    const char *format = ds_st_meta(st, "format");
    if (!format || strcmp(format, "siam-checkpoint"))
        return kn_fail(err, "not a checkpoint: its format is '%.40s', not 'siam-checkpoint'",
                       format ? format : "not given");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *have = ds_st_meta(st, same[i].key);
        if (!have || strcmp(have, same[i].want))
            return kn_fail(err, "its run was another one: %s was '%.400s', now it is '%.400s'; repeat the old options, or "
                           "start without --resume", same[i].key, have ? have : "not given", same[i].want);
    }
    return 0;
}

static int read_fields(sm_state *s, const ds_st *st, kn_error *err)
{
    field f[FIELDS];
    fields_of(f, s);
    for (int i = 0; i < FIELDS; i++) {
        const ds_tensor *t = ds_st_need(st, f[i].name, f[i].dtype, 1, &f[i].n, err);
        if (!t)
            return -1;
        if (t->shape[0] != f[i].n) /* to ds_st_need a 0 means any */
            return kn_fail(err, "tensor '%s' has %zu numbers, not %zu", t->name, t->shape[0], f[i].n);
        if (t->bytes)
            memcpy(f[i].data, t->data, t->bytes);
    }
    return 0;
}

int sm_checkpoint_load(sm_state *s, const sm_run_id *id, const char *path, kn_error *err)
{
    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    ds_st *st = ds_st_open(path, err);
    if (!st)
        return -1;
    int rc = check_id(st, id, err) || read_fields(s, st, err) ? kn_fail_prefix(err, "%s", path) : 1;
    ds_st_close(st);
    return rc;
}

static char *copy_of(const char *s, kn_error *err)
{
    size_t n = strlen(s) + 1;
    char *copy = kn_alloc(n, 1, err);
    return copy ? memcpy(copy, s, n) : NULL;
}

int sm_checkpoint_stage(char **network, char **stage, const char *path, kn_error *err)
{
    *network = *stage = NULL;
    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    ds_st *st = ds_st_open(path, err);
    const char *net = st ? ds_st_meta(st, "network") : NULL, *of = st ? ds_st_meta(st, "stage") : NULL;
    int rc = !st ? -1 : !net || !of ? kn_fail(err, "%s: not a checkpoint", path) : 1;
    if (rc > 0 && (!(*network = copy_of(net, err)) || !(*stage = copy_of(of, err)))) {
        kn_free(*network);
        rc = -1;
    }
    ds_st_close(st);
    return rc;
}

int sm_checkpoint_epochs(const char *path, kn_error *err)
{
    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    ds_st *st = ds_st_open(path, err);
    const char *settings = st ? ds_st_meta(st, "settings") : NULL;
    json_t *j = settings ? json_loads(settings, 0, NULL) : NULL;
    json_int_t epochs = json_integer_value(json_object_get(j, "epochs"));
    int rc = !st ? -1 : epochs < 1 || epochs > INT_MAX ? kn_fail(err, "%s: not a checkpoint", path) : (int)epochs;
    json_decref(j);
    ds_st_close(st);
    return rc;
}
