/* What the trainers share: options, checkpoint, the end of a run. */
#include "tools/training.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/runlog.h"

sm_train_options training;
struct training_words training_words;

static struct {
    const char *model_path;
    kn_buf checkpoint;
    sm_model *init;
} run;

void training_defaults(void)
{
    training = sm_train_defaults();
    training_words = (struct training_words){
        .distance = sm_distance_words[training.distance], .loss = sm_loss_words[training.loss],
        .optimizer = sm_optimizer_words[training.optimizer], .schedule = sm_schedule_words[training.schedule],
        .schedule_epochs = training.schedule_epochs, .batch = training.batch, .epochs = training.epochs,
        .patience = training.patience};
}

static int place(const char *const *words, const char *word)
{
    int i = 0;
    while (strcmp(words[i], word))
        i++;
    return i;
}

/* Before minutes of training: can MODEL be written? */
static void try_to_write(const char *path)
{
    kn_error err;
    kn_save *s = kn_save_open(path, &err);
    if (!s)
        tool_die(&err);
    kn_save_abort(s);
}

void training_read(void)
{
    const struct training_words *w = &training_words;
    kn_error err;
    training.distance = (kn_distance)place(sm_distance_words, w->distance);
    if (strcmp(w->loss, "auto")) /* else the tool tells it by its data */
        training.loss = (sm_loss)place(sm_loss_words, w->loss);
    training.optimizer = (sm_optimizer)place(sm_optimizer_words, w->optimizer);
    training.schedule = (sm_schedule)place(sm_schedule_words, w->schedule);
    training.schedule_epochs = (int)w->schedule_epochs;
    training.batch = (int)w->batch;
    training.epochs = (int)w->epochs;
    training.patience = (int)w->patience;
    training.seed = (uint64_t)tool_common.seed;
    if (!tool_common.out || !strcmp(tool_common.out, "-"))
        tool_usage("-o MODEL is needed: a model cannot go to a pipe");
    if (sm_train_check(&training, &err))
        tool_usage("%s", err.text);
    run.model_path = tool_common.out;
    tool_common.out = NULL; /* stdout is for --json */
    try_to_write(run.model_path);
    if (w->init && !(run.init = sm_model_open(w->init, &err)))
        tool_die_at(w->init, &err);
}

const char *training_model_path(void)
{
    return run.model_path;
}

sm_model *training_init(void)
{
    return run.init;
}

sm_train_control training_control(void)
{
    kn_error err;
    sm_train_control c = runlog_open(training_words.log, training_words.resume);
    if (kn_buf_addf(&run.checkpoint, &err, "%s.checkpoint%c", run.model_path, '\0'))
        tool_die(&err);
    c.checkpoint = run.checkpoint.p;
    c.resume = training_words.resume;
    c.init = run.init;
    return c;
}

void training_end(sm_model *m, const kn_error *err)
{
    kn_error failed;
    if (!m)
        tool_die(err);
    if (sm_model_save(m, run.model_path, &failed))
        tool_die(&failed);
    if (unlink(run.checkpoint.p) && errno != ENOENT)
        tool_warn("%s: cannot be removed", run.checkpoint.p);
    runlog_close();
    sm_model_free(m);
    sm_model_free(run.init);
    kn_buf_free(&run.checkpoint);
}
