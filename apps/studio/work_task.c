/* Teaching a task from labelled examples, and asking for an answer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "files.h"
#include "run_folder.h"

typedef struct job {
    work *w;
    settings how;
    bool resume;
    pm_tokenizer *tokenizer;
    pm_task task;
    pm_gpt_config config;
    pm_taskset *train, *dev;
    float *outputs; /* for dev */
    pm_model *model;
    pm_finetuner *finetuner;
    double started, rate_tokens, rate_seconds;
    uint32_t first; /* steps that were done before */
    work_clock clock;
} job;

/* ---- preparing ---- */

static void take_text(const cJSON *note, const char *name, char *to, size_t size)
{
    const char *text = run_folder_option(note, name);
    if (text) snprintf(to, size, "%s", text);
}

static void take_number(const cJSON *note, const char *name, uint32_t *to)
{
    *to = (uint32_t)run_folder_number(note, name, *to);
}

/* A run that goes on keeps its options; its epochs too, by which the rate falls. */
static pm_status take_options(job *j)
{
    char *note = NULL;
    settings *how = &j->how;
    const char *out = how->task_out;
    if (!run_folder_has_checkpoint(out))
        return work_fail(j->w, PM_INVALID, "%s: no run is in this folder that could go on", *out ? out : "no folder");
    const pm_status status = pm_checkpoint_note(&j->w->log, out, &note);
    if (status != PM_OK) return status;
    cJSON *json = run_folder_read(note);
    free(note);
    const char *command = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "command"));
    const char *task = run_folder_option(json, "--task"), *train = run_folder_option(json, "--train");
    const bool right = !command || strcmp(command, "finetune") == 0;
    for (uint32_t k = 0; task && k < PM_TASK_COUNT; k++)
        if (strcmp(pm_task_name((pm_task_kind)k), task) == 0) how->task = k;
    if (right && train) how->task_dev[0] = how->task_base[0] = 0; /* a run without them goes on without them */
    take_text(json, "--train", how->task_train, sizeof how->task_train);
    take_text(json, "--dev", how->task_dev, sizeof how->task_dev);
    take_text(json, "--model", how->task_base, sizeof how->task_base);
    take_number(json, "--layers", &how->task_layers);
    take_number(json, "--heads", &how->task_heads);
    take_number(json, "--embd", &how->task_embd);
    take_number(json, "--ctx", &how->task_ctx);
    take_number(json, "--batch", &how->task_batch);
    take_number(json, "--seed", &how->seed);
    how->task_lr = (float)run_folder_number(json, "--lr", (double)how->task_lr);
    take_number(json, "--epochs", &how->task_epochs);
    cJSON_Delete(json);
    if (right) return PM_OK;
    return work_fail(j->w, PM_INVALID, "%s: its run trains on a text; go on with it on the page Train", out);
}

static pm_status open_base(job *j)
{
    const settings *how = &j->how;
    const pm_log *log = &j->w->log;
    if (how->task_base[0]) {
        pm_status status = pm_tokenizer_load(log, how->task_base, &j->tokenizer);
        return status == PM_OK ? pm_gpt_config_load(log, how->task_base, &j->config) : status;
    }
    const pm_status status = pm_tokenizer_bytes(log, &j->tokenizer);
    if (status == PM_OK)
        j->config = (pm_gpt_config){.arch = PM_ARCH_GPT1,
                                    .vocab = pm_tokenizer_vocab(j->tokenizer),
                                    .ctx = how->task_ctx,
                                    .embd = how->task_embd,
                                    .heads = how->task_heads,
                                    .layers = how->task_layers,
                                    .dropout_embd = 0.1f,
                                    .dropout_attn = 0.1f,
                                    .dropout_resid = 0.1f};
    return status;
}

static pm_status open_sets(job *j)
{
    const settings *how = &j->how;
    const pm_log *log = &j->w->log;
    if (!how->task_train[0]) return work_fail(j->w, PM_INVALID, "choose a file of examples to learn from");
    pm_status status = open_base(j);
    if (status == PM_OK)
        status = pm_task_learn(log, (pm_task_kind)how->task, how->task_train, NULL,
                               j->config.vocab - j->config.task_tokens, &j->task);
    if (status == PM_OK)
        status = pm_taskset_open(log, how->task_train, &j->task, j->tokenizer, j->config.ctx, true, &j->train);
    if (status == PM_OK && how->task_dev[0])
        status = pm_taskset_open(log, how->task_dev, &j->task, j->tokenizer, j->config.ctx, true, &j->dev);
    if (status == PM_OK && j->dev) {
        j->outputs = malloc((pm_taskset_all_outputs(j->dev) + 1) * sizeof *j->outputs);
        if (!j->outputs) status = work_fail(j->w, PM_NO_HOST_MEMORY, "out of host memory for the answers");
    }
    return status;
}

static pm_status make_finetuner(job *j)
{
    const settings *how = &j->how;
    pm_finetune_params params = PM_FINETUNE_PARAMS;
    params.batch = how->task_batch;
    params.epochs = how->task_epochs;
    params.lr = settings_task_lr(how);
    params.seed = how->seed;
    pm_model *base = NULL;
    pm_status status = how->task_base[0] ? pm_model_load(j->w->device, how->task_base, &base)
                                         : pm_model_create(j->w->device, &j->config, how->seed, &base);
    if (status == PM_OK) status = pm_model_for_task(base, &j->task, how->seed, &j->model);
    pm_model_destroy(&base);
    if (status == PM_OK) status = pm_finetuner_create(j->model, j->train, &params, &j->finetuner);
    return status;
}

/* ---- the folder ---- */

/* `best`: the weights are the best so far on dev, or there is no dev. */
static pm_status save(job *j, bool best)
{
    const settings *how = &j->how;
    run_option options[16] = {
        {"--task", pm_task_name((pm_task_kind)how->task), 0},
        {"--train", how->task_train, 0},
        {"--epochs", NULL, how->task_epochs},
        {"--batch", NULL, how->task_batch},
        {"--lr", NULL, (double)settings_task_lr(how)},
        {"--precision", pm_precision_name(pm_finetuner_precision(j->finetuner)), 0},
        {"--seed", NULL, how->seed},
    };
    size_t count = 7;
    if (how->task_dev[0]) options[count++] = (run_option){"--dev", how->task_dev, 0};
    if (how->task_base[0]) {
        options[count++] = (run_option){"--model", how->task_base, 0};
    } else {
        options[count++] = (run_option){"--layers", NULL, how->task_layers};
        options[count++] = (run_option){"--heads", NULL, how->task_heads};
        options[count++] = (run_option){"--embd", NULL, how->task_embd};
        options[count++] = (run_option){"--ctx", NULL, how->task_ctx};
    }
    const double begin = pm_profile_now();
    work_stage(j->w, "saving");
    char *note = run_folder_note("finetune", options, count, &j->w->state.teach, 0);
    pm_status status = note ? pm_finetuner_save(j->finetuner, how->task_out, note) : PM_NO_HOST_MEMORY;
    cJSON_free(note);
    if (status == PM_OK && best) status = pm_model_save(j->model, how->task_out);
    work_state *s = work_edit(j->w);
    work_clock_note(&j->clock, begin);
    if (status == PM_OK) s->teach.saved = pm_finetuner_steps_done(j->finetuner);
    s->stage[0] = 0;
    work_changed(j->w, true);
    return status;
}

static pm_status begin_folder(job *j)
{
    const settings *how = &j->how;
    work_run *run = &j->w->state.teach;
    if (!j->resume) {
        pm_status status = pm_tokenizer_save(&j->w->log, j->tokenizer, how->task_out);
        if (status == PM_OK) status = save(j, true);
        if (status != PM_OK) run_folder_clear(how->task_out);
        return status;
    }
    char *note = NULL;
    const pm_status status = pm_finetuner_load(j->finetuner, how->task_out, &note);
    free(note);
    if (status != PM_OK) return status;
    work_state *s = work_edit(j->w);
    s->teach.step = s->teach.saved = pm_finetuner_steps_done(j->finetuner);
    const bool good = run_folder_cut(how->task_out, s->teach.step, &run->loss_curve, &run->val_curve);
    if (run->loss_curve.count) run->loss = run->loss_curve.y[run->loss_curve.count - 1];
    work_changed(j->w, true);
    return good ? PM_OK : work_fail(j->w, PM_IO, "%s: metrics.jsonl cannot be written", how->task_out);
}

static void show_start(job *j)
{
    work_state *s = work_edit(j->w);
    work_run *run = &s->teach;
    *run = (work_run){.steps = pm_finetuner_steps(j->finetuner),
                      .loss = NAN,
                      .val_loss = NAN,
                      .best_val = NAN,
                      .parameters = pm_gpt_config_parameters(pm_model_config(j->model)),
                      .train_tokens = pm_taskset_size(j->train),
                      .val_tokens = j->dev ? pm_taskset_size(j->dev) : 0};
    curve_clear(&run->loss_curve);
    curve_clear(&run->val_curve);
    snprintf(run->out, sizeof run->out, "%s", j->how.task_out);
    s->dev = (pm_task_metrics){.accuracy = NAN, .loss = NAN, .macro_f1 = NAN, .pearson = NAN};
    s->answer.there = false;
    s->teaching = true;
    s->teach_how = j->how;
    work_changed(j->w, true);
}

/* ---- steps ---- */

/* An epoch's end: how well dev is answered. */
static pm_status measure(job *j, bool *best)
{
    pm_task_metrics dev;
    *best = true;
    if (!j->dev) return PM_OK;
    work_stage(j->w, "measuring");
    const pm_status status = pm_finetuner_predict(j->finetuner, j->dev, j->outputs);
    if (status != PM_OK) return status;
    pm_taskset_measure(j->dev, j->outputs, &dev, NULL);
    const float value = (float)(j->task.scores ? dev.pearson : dev.accuracy);
    work_state *s = work_edit(j->w);
    s->dev = dev;
    s->teach.val_loss = (float)dev.loss;
    curve_add(&s->teach.val_curve, s->teach.step, dev.loss);
    *best = isnan(s->teach.best_val) || value > s->teach.best_val;
    if (*best) s->teach.best_val = value; /* of the measure: more is better */
    s->stage[0] = 0;
    work_changed(j->w, true);
    return PM_OK;
}

static pm_status step_once(job *j, bool first)
{
    pm_finetune_step step = {0};
    const double begin = pm_profile_now();
    const pm_status status = pm_finetuner_step(j->finetuner, &step);
    if (status != PM_OK) return status;
    const double seconds = pm_profile_now() - begin;
    if (!first) {
        j->rate_tokens += step.tokens;
        j->rate_seconds += seconds;
    }
    work_run *run = &work_edit(j->w)->teach;
    run->step = step.step;
    run->loss = step.task_loss;
    run->lr = step.lr;
    run->grad_norm = step.grad_norm;
    run->seconds = pm_profile_now() - j->started;
    if (j->rate_seconds > 0) {
        run->tokens_per_s = j->rate_tokens / j->rate_seconds;
        run->left_s = (run->steps - step.step) * (double)step.tokens / run->tokens_per_s;
    }
    curve_add(&run->loss_curve, step.step, (double)step.task_loss);
    work_changed(j->w, first);
    if (run_folder_add(j->how.task_out, run, seconds > 0 ? step.tokens / seconds : 0, NAN)) return PM_OK;
    return work_fail(j->w, PM_IO, "%s: metrics.jsonl cannot be written; is the disk full?", j->how.task_out);
}

static pm_status prepare(job *j)
{
    work *w = j->w;
    work_stage(w, "reading the examples");
    pm_status status = j->resume ? take_options(j) : PM_OK;
    if (status == PM_OK) status = open_sets(j);
    if (status == PM_OK && !j->resume && !run_folder_free(w, j->how.task_out)) status = PM_INVALID;
    if (status == PM_OK) {
        work_drop_model(w);
        work_stage(w, "making the model");
        status = make_finetuner(j);
    }
    if (status == PM_OK) show_start(j);
    if (status == PM_OK) status = begin_folder(j);
    if (status != PM_OK) return status;
    j->started = j->clock.saved = pm_profile_now();
    j->first = pm_finetuner_steps_done(j->finetuner);
    work_stage(w, "building the kernels");
    bool best;
    if (j->first >= pm_finetuner_steps(j->finetuner)) status = measure(j, &best); /* nothing is left but its figures */
    return status == PM_OK ? PM_AGAIN : status;
}

pm_status work_teach(work_task *task, pm_control *control)
{
    job *j = task->data;
    bool best = false;
    if (!j) {
        j = task->data = calloc(1, sizeof *j);
        if (!j) return work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
        *j = (job){.w = task->w, .how = task->request.how, .resume = task->request.resume};
        return prepare(j);
    }
    const uint32_t before = pm_finetuner_steps_done(j->finetuner), all = pm_finetuner_steps(j->finetuner);
    const uint32_t epoch = pm_finetuner_epoch_steps(j->finetuner);
    if (before >= all) return PM_OK;
    if (pm_control_cancelled(control)) return PM_CANCELLED;
    if (work_held(j->w, control)) return PM_AGAIN;
    pm_status status = step_once(j, before == j->first);
    if (before == j->first) work_stage(j->w, "");
    const bool ended = before + 1 == all || (epoch && (before + 1) % epoch == 0);
    if (status == PM_OK && ended) status = measure(j, &best);
    if (status == PM_OK && ended) status = save(j, best);
    if (status == PM_OK && !ended && work_clock_due(&j->clock)) status = save(j, !j->dev);
    return status == PM_OK && before + 1 < all ? PM_AGAIN : status;
}

static void keep(job *j, pm_status status)
{
    const uint32_t done = pm_finetuner_steps_done(j->finetuner);
    if (status == PM_DEVICE_LOST) {
        (void)work_fail(j->w, status, "the device was lost; the checkpoint of step %u is in %s: go on from there",
                        (unsigned)j->w->state.teach.saved, j->how.task_out);
        return;
    }
    if (done > j->w->state.teach.saved && save(j, !j->dev) != PM_OK) return;
    if (status != PM_OK && status != PM_CANCELLED) return;
    work_state *s = work_edit(j->w);
    s->teach.done = done >= pm_finetuner_steps(j->finetuner);
    snprintf(s->said, sizeof s->said,
             j->first >= pm_finetuner_steps(j->finetuner) ? "All %u steps are done in %.300s"
             : s->teach.done                              ? "Done: %u steps, saved in %.300s"
                                                          : "Stopped at step %u, saved in %.300s",
             (unsigned)done, j->how.task_out);
    work_changed(j->w, true);
}

void work_teach_end(work_task *task, pm_status status)
{
    job *j = task->data;
    if (!j) return;
    work_edit(j->w)->teaching = false;
    work_changed(j->w, false);
    if (j->started > 0) keep(j, status);
    pm_finetuner_destroy(&j->finetuner);
    pm_model_destroy(&j->model);
    pm_taskset_close(&j->train);
    pm_taskset_close(&j->dev);
    pm_task_fini(&j->task);
    pm_tokenizer_destroy(&j->tokenizer);
    free(j->outputs);
    free(j);
}

/* ---- trying ---- */

/* The example as a file with one line, as the library reads it. */
static bool write_example(const char *path, pm_task_kind kind, const work_request *request)
{
    static const char *const fields[PM_TASK_COUNT][2] = {
        {"text", NULL}, {"premise", "hypothesis"}, {"text_a", "text_b"}, {"passage", "question"}};
    cJSON *json = cJSON_CreateObject();
    for (int i = 0; i < 2; i++)
        if (fields[kind][i]) cJSON_AddStringToObject(json, fields[kind][i], request->input[i]);
    if (kind == PM_TASK_CHOICE) { /* a line an option */
        cJSON *choices = cJSON_AddArrayToObject(json, "choices");
        for (const char *at = request->input[2]; *at;) {
            const size_t length = strcspn(at, "\n");
            char line[SETTINGS_PROMPT];
            snprintf(line, sizeof line, "%.*s", (int)length, at);
            if (length) cJSON_AddItemToArray(choices, cJSON_CreateString(line));
            at += length + (at[length] == '\n');
        }
    }
    char *text = cJSON_PrintUnformatted(json);
    const bool good = text && files_write(path, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    return good;
}

static void show_answer(work *w, const pm_task *task, const pm_taskset *set, const float *outputs)
{
    float *probabilities = malloc((pm_taskset_all_outputs(set) + 1) * sizeof *probabilities);
    if (!probabilities) return;
    const pm_answer answer = pm_taskset_answer(set, outputs, 0, probabilities);
    work_answer *out = &work_edit(w)->answer;
    *out = (work_answer){.there = true, .label = answer.label, .score = answer.score};
    for (uint32_t k = 0; k < answer.count && k < WORK_LABELS; k++) {
        if (task->labels)
            snprintf(out->labels[k], sizeof out->labels[k], "%.60s", task->labels[k]);
        else
            snprintf(out->labels[k], sizeof out->labels[k], "option %u", (unsigned)k + 1);
        out->probabilities[k] = probabilities[k];
        out->count = k + 1;
    }
    work_changed(w, true);
    free(probabilities);
}

pm_status work_try(work_task *asked, pm_control *control)
{
    work *w = asked->w;
    const work_request *request = &asked->request;
    (void)control;
    const char *dir = request->how.task_out;
    pm_taskset *set = NULL;
    pm_task task = {0};
    float *outputs = NULL;
    work_stage(w, "opening the model");
    if (!files_has(dir, "config.json"))
        return work_fail(w, PM_IO, "%s: no model is in this folder: teach it a task first",
                         *dir ? dir : "the run folder");
    work_drop_model(w);
    pm_status status = pm_tokenizer_load(&w->log, dir, &w->tokenizer);
    if (status == PM_OK) status = pm_model_load(w->device, dir, &w->model);
    if (status == PM_OK && !pm_model_task(w->model))
        status = work_fail(w, PM_FORMAT, "%s: this model was taught no task", dir);
    if (status == PM_OK) status = pm_task_copy(&w->log, pm_model_task(w->model), &task);
    char *path = files_join(dir, "try.jsonl");
    if (status == PM_OK && task.kind != (pm_task_kind)request->how.task)
        status = work_fail(w, PM_FORMAT, "%s: this model was taught to %s", dir, pm_task_name(task.kind));
    if (status == PM_OK && (!path || !write_example(path, task.kind, request)))
        status = work_fail(w, PM_IO, "%s: the example cannot be written there", dir);
    if (status == PM_OK) {
        free(task.fields); /* the example has the fields' own names */
        task.fields = NULL;
        status = pm_taskset_open(&w->log, path, &task, w->tokenizer, pm_model_config(w->model)->ctx, false, &set);
    }
    if (status == PM_OK) outputs = malloc((pm_taskset_all_outputs(set) + 1) * sizeof *outputs);
    if (status == PM_OK && outputs) status = pm_model_predict(w->model, set, outputs);
    if (status == PM_OK && outputs) show_answer(w, &task, set, outputs);
    if (path) (void)files_remove(path);
    free(path);
    free(outputs);
    pm_taskset_close(&set);
    pm_task_fini(&task);
    work_drop_model(w);
    return status;
}
