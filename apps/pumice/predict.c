/* `pumice predict`: a fine-tuned model's answers, a JSON line for each line. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "again.h"
#include "report.h"

static app_common common;
static const char *dir, *task_name, *input, *fields;

static arg_option table[] = {
    {ARG_TEXT, "--model", "DIR", &dir, NULL, 0, 0,
     "the folder of a fine-tuned model, or of a classifier that transformers made (...ForSequenceClassification)", true,
     false},
    {ARG_TEXT, "--input", "FILE", &input, NULL, 0, 0,
     "JSON lines, NAME.tsv or NAME.csv as in training; answers may be absent", true, false},
    {ARG_CHOICE, "--task", "classify|entail|similar|choice", &task_name, NULL, 0, 0,
     "what the model should have been fine-tuned for (default: what it was)", false, false},
    REPORT_OPTION_FIELDS(fields, " (default: as in training)"),
    APP_OPTION_WEIGHTS(common),
    APP_OPTION_DEVICE(common),
    APP_OPTION_SUBMIT(common),
    APP_OPTION_PERIOD(common),
    APP_OPTION_PROFILE(common),
    APP_OPTION_VERBOSE(common),
};

arg_command predict_command = {
    "predict",
    "--model DIR --input FILE [options]",
    "Answers a fine-tuned model's task",
    "One JSON line comes out for each line: label, score or answer, and the probabilities.",
    table,
    sizeof table / sizeof *table,
};

static void print_answer(const pm_task *task, const pm_taskset *set, const float *outputs, size_t i,
                         float *probabilities)
{
    const pm_answer answer = pm_taskset_answer(set, outputs, i, probabilities);
    cJSON *json = cJSON_CreateObject();
    if (task->scores) {
        cJSON_AddNumberToObject(json, "score", (double)answer.score);
    } else if (task->kind == PM_TASK_CHOICE) {
        cJSON_AddNumberToObject(json, "answer", answer.label);
        cJSON *list = cJSON_AddArrayToObject(json, "probabilities");
        for (uint32_t k = 0; k < answer.count; k++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber((double)probabilities[k]));
    } else {
        const char *label = task->labels[answer.label];
        if (task->numbered)
            cJSON_AddRawToObject(json, "label", label);
        else
            cJSON_AddStringToObject(json, "label", label);
        cJSON *map = cJSON_AddObjectToObject(json, "probabilities");
        for (uint32_t k = 0; k < answer.count; k++)
            cJSON_AddNumberToObject(map, task->labels[k], (double)probabilities[k]);
    }
    app_print_json(json);
}

static pm_status predict(void *user, app_model *model, app_profile *profile)
{
    (void)user;
    if (!report_task_agrees(dir, model->model, task_name)) return PM_FORMAT;
    profile_step(profile); /* one step for all of it */
    const pm_log log = app_log(&common);
    const pm_task *task = pm_model_task(model->model);
    pm_taskset *set = NULL;
    float *outputs = NULL, *probabilities = NULL;
    pm_status status =
        report_open_set(&log, input, fields, task, model->tokenizer, pm_model_config(model->model)->ctx, false, &set);
    if (status == PM_OK) {
        outputs = malloc((pm_taskset_all_outputs(set) + 1) * sizeof *outputs);
        probabilities = malloc((pm_taskset_all_outputs(set) + 1) * sizeof *probabilities);
        if (!outputs || !probabilities) {
            app_error("out of host memory for the answers");
            status = PM_NO_HOST_MEMORY;
        }
    }
    if (status == PM_OK) status = pm_model_predict(model->model, set, outputs);
    for (size_t i = 0; status == PM_OK && app_printed_all() && i < pm_taskset_size(set); i++)
        print_answer(task, set, outputs, i, probabilities);
    free(outputs);
    free(probabilities);
    pm_taskset_close(&set);
    return status;
}

int predict_main(int argc, char **argv)
{
    switch (args_parse(&predict_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    if (!app_input("--input", &input)) return EXIT_FAILED;
    return app_with_model(&common, dir, predict, NULL);
}
