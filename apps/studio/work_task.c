/* Teaching a task from labelled examples, and asking for an answer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "files.h"
#include "work_run.h"

typedef struct teaching {
    run_job job; /* first */
    pm_task task;
    pm_gpt_config config;
    pm_taskset *train, *dev;
} teaching;

/* ---- preparing ---- */

/* A run that goes on keeps its options; its epochs too, by which the rate falls. */
static pm_status take_options(teaching *t)
{
    settings *how = &t->job.how;
    pm_run_note *note = NULL;
    const pm_status status =
        run_job_note(&t->job, "finetune", "its run trains on a text; go on with it on the page Train", &note);
    if (status != PM_OK) return status;
    const char *task = pm_run_note_option(note, "--task");
    pm_task_kind kind;
    if (task && pm_task_named(task, &kind)) how->task = kind;
    if (pm_run_note_option(note, "--train"))
        how->task_dev[0] = how->task_base[0] = 0; /* without them it goes on without them */
    run_job_take_text(note, "--train", how->task_train, sizeof how->task_train);
    run_job_take_text(note, "--dev", how->task_dev, sizeof how->task_dev);
    run_job_take_text(note, "--model", how->task_base, sizeof how->task_base);
    run_job_take_number(note, "--layers", &how->task_layers);
    run_job_take_number(note, "--heads", &how->task_heads);
    run_job_take_number(note, "--embd", &how->task_embd);
    run_job_take_number(note, "--ctx", &how->task_ctx);
    run_job_take_number(note, "--batch", &how->task_batch);
    run_job_take_number(note, "--seed", &how->seed);
    run_job_take_float(note, "--lr", &how->task_lr);
    run_job_take_number(note, "--epochs", &how->task_epochs);
    pm_run_note_free(&note);
    return PM_OK;
}

static pm_status open_base(teaching *t)
{
    run_job *j = &t->job;
    const settings *how = &j->how;
    const pm_log *log = &j->w->log;
    if (how->task_base[0]) {
        pm_status status = pm_tokenizer_load(log, how->task_base, &j->tokenizer);
        return status == PM_OK ? pm_gpt_config_load(log, how->task_base, &t->config) : status;
    }
    const pm_status status = pm_tokenizer_bytes(log, &j->tokenizer);
    if (status == PM_OK)
        t->config = (pm_gpt_config){.arch = PM_ARCH_GPT1,
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

static pm_status open_sets(teaching *t)
{
    run_job *j = &t->job;
    const settings *how = &j->how;
    const pm_log *log = &j->w->log;
    if (!how->task_train[0]) return work_fail(j->w, PM_INVALID, "choose a file of examples to learn from");
    pm_status status = open_base(t);
    if (status == PM_OK)
        status = pm_task_learn(log, (pm_task_kind)how->task, how->task_train, NULL,
                               t->config.vocab - t->config.task_tokens, &t->task);
    if (status == PM_OK)
        status = pm_taskset_open(log, how->task_train, &t->task, j->tokenizer, t->config.ctx, true, &t->train);
    if (status == PM_OK && how->task_dev[0])
        status = pm_taskset_open(log, how->task_dev, &t->task, j->tokenizer, t->config.ctx, true, &t->dev);
    return status;
}

/* In the names of `pumice finetune`, which goes on with such a run. */
static void keep_options(teaching *t)
{
    run_job *j = &t->job;
    const settings *how = &j->how;
    run_job_keep_text(j, "--task", pm_task_name((pm_task_kind)how->task));
    run_job_keep_text(j, "--train", how->task_train);
    run_job_keep_text(j, "--dev", how->task_dev);
    run_job_keep_text(j, "--model", how->task_base);
    run_job_keep_number(j, "--epochs", how->task_epochs);
    run_job_keep_number(j, "--batch", how->task_batch);
    run_job_keep_number(j, "--lr", (double)settings_task_lr(how));
    run_job_keep_text(j, "--precision", pm_precision_name(pm_finetuner_precision(j->parts.finetuner)));
    run_job_keep_number(j, "--seed", how->seed);
    if (how->task_base[0]) return;
    run_job_keep_number(j, "--layers", how->task_layers);
    run_job_keep_number(j, "--heads", how->task_heads);
    run_job_keep_number(j, "--embd", how->task_embd);
    run_job_keep_number(j, "--ctx", how->task_ctx);
}

static pm_status make_finetuner(run_job *j)
{
    teaching *t = (teaching *)j;
    const settings *how = &j->how;
    pm_finetune_params params = PM_FINETUNE_PARAMS;
    params.batch = how->task_batch;
    params.epochs = how->task_epochs;
    params.lr = settings_task_lr(how);
    params.seed = how->seed;
    pm_model *base = NULL;
    pm_train_plan plan;
    pm_status status = pm_finetune_fit(&j->w->log, pm_device_caps(j->w->device), &t->config, t->train, &params, &plan);
    if (status != PM_OK) return status;
    status = how->task_base[0] ? pm_model_load(j->w->device, how->task_base, &base)
                               : pm_model_create(j->w->device, &t->config, how->seed, &base);
    if (status == PM_OK) status = pm_model_for_task(base, &t->task, how->seed, &j->parts.model);
    pm_model_destroy(&base);
    if (status == PM_OK) status = pm_finetuner_create(j->parts.model, t->train, &params, &j->parts.finetuner);
    if (status == PM_OK) keep_options(t);
    return status;
}

/* ---- the job ---- */

static void show_data(teaching *t)
{
    run_job *j = &t->job;
    work_state *s = work_edit(j->w);
    j->shown = &s->teach;
    work_clear_run(j->shown, j->how.task_out);
    j->shown->train_tokens = pm_taskset_size(t->train);
    j->shown->val_tokens = t->dev ? pm_taskset_size(t->dev) : 0;
    s->dev = (pm_task_metrics){.accuracy = NAN, .loss = NAN, .macro_f1 = NAN, .pearson = NAN};
    s->answer.there = false;
    s->teaching = true;
    s->teach_how = j->how;
    work_changed(j->w, true);
}

static void show_dev(run_job *j, const pm_run_result *r, work_run *shown)
{
    (void)shown;
    if (r->evaluated) j->w->state.dev = r->dev;
}

/* Of a run that has no steps left, what it comes to is shown. */
static pm_status measure(teaching *t)
{
    run_job *j = &t->job;
    pm_task_metrics dev;
    float *outputs = malloc((pm_taskset_all_outputs(t->dev) + 1) * sizeof *outputs);
    if (!outputs) return work_fail(j->w, PM_NO_HOST_MEMORY, "out of host memory for the answers");
    work_stage(j->w, "measuring");
    const pm_status status = pm_finetuner_predict(j->parts.finetuner, t->dev, outputs);
    if (status == PM_OK) {
        pm_taskset_measure(t->dev, outputs, &dev, NULL);
        work_edit(j->w)->dev = dev;
        work_changed(j->w, true);
    }
    free(outputs);
    return status;
}

static pm_status prepare(teaching *t)
{
    run_job *j = &t->job;
    work_stage(j->w, "reading the examples");
    pm_status status = j->resume ? take_options(t) : PM_OK;
    if (status == PM_OK) status = open_sets(t);
    if (status != PM_OK) return status;
    j->params.dev = t->dev;
    show_data(t);
    status = run_job_begin(j);
    if (status != PM_AGAIN || !t->dev || pm_run_more(j->run)) return status;
    status = measure(t);
    return status == PM_OK ? PM_AGAIN : status;
}

pm_status work_teach(work_task *task, pm_control *control)
{
    teaching *t = task->data;
    if (t) return run_job_step(&t->job, control);
    t = task->data = calloc(1, sizeof *t);
    if (!t) return work_fail(task->w, PM_NO_HOST_MEMORY, "out of host memory");
    t->job = (run_job){.w = task->w,
                       .how = task->request.how,
                       .resume = task->request.resume,
                       .make = make_finetuner,
                       .stepped = show_dev,
                       .advice = ""};
    t->job.out = t->job.how.task_out;
    return prepare(t);
}

void work_teach_end(work_task *task, pm_status status)
{
    teaching *t = task->data;
    if (!t) return;
    work_edit(t->job.w)->teaching = false;
    work_changed(t->job.w, false);
    run_job_end(&t->job, status);
    pm_taskset_close(&t->train);
    pm_taskset_close(&t->dev);
    pm_task_fini(&t->task);
    free(t);
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
