/* `pumice eval`: a model's mean loss on a text, or its measures on a task. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "again.h"
#include "documents.h"
#include "report.h"

static app_common common;
static const char *dir, *data, *task_name, *test, *documents, *fields;
static bool special;

static arg_option table[] = {
    {ARG_TEXT, "--model", "DIR|FILE.gguf", &dir, NULL, 0, 0, "the model's folder, or its GGUF file", true, false},
    {ARG_TEXT, "--data", "FILE|DIR", &data, NULL, 0, 0, "a text to predict: a file, or a folder with *.txt files",
     false, false},
    APP_OPTION_DOCUMENTS(documents),
    APP_OPTION_SPECIAL(special),
    {ARG_TEXT, "--test", "FILE", &test, NULL, 0, 0,
     "a fine-tuned model's examples with their answers: JSON lines, or NAME.tsv or NAME.csv", false, false},
    {ARG_CHOICE, "--task", "classify|entail|similar|choice", &task_name, NULL, 0, 0,
     "with --test: what the model should have been fine-tuned for (default: what it was)", false, false},
    REPORT_OPTION_FIELDS(fields, " (default: as in training)"),
    APP_OPTION_WEIGHTS(common),
    APP_OPTION_DEVICE(common),
    APP_OPTION_SUBMIT(common),
    APP_OPTION_PERIOD(common),
    APP_OPTION_PROFILE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document: loss, perplexity, tokens; or the task's measures by name"),
};

arg_command eval_command = {
    "eval",
    "--model DIR|FILE.gguf (--data FILE|DIR | --test FILE) [options]",
    "Tells how good a model is on a text or a task",
    "A text is read in consecutive windows of context + 1 tokens that share no target; the loss is the mean negative\n"
    "log-likelihood of a target, with the natural logarithm. A task has accuracy, macro-averaged F1 and Matthews'\n"
    "correlation, with precision, recall and F1 of each class; or Pearson's and Spearman's correlations.",
    table,
    sizeof table / sizeof *table,
};

static void print_result(const pm_eval_result *result)
{
    if (!common.json) {
        printf("loss       %.6f nats per token\nperplexity %.4f\ntokens     %llu\n", result->loss, result->perplexity,
               (unsigned long long)result->tokens);
        return;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "loss", result->loss);
    cJSON_AddNumberToObject(json, "perplexity", result->perplexity);
    cJSON_AddNumberToObject(json, "tokens", (double)result->tokens);
    app_print_json(json);
}

static pm_status eval_text(const app_model *model, const pm_log *log)
{
    pm_corpus *corpus = NULL;
    pm_eval_result result;
    const pm_corpus_params how = documents_params(documents, special);
    pm_status status = pm_corpus_open_with(log, data, model->tokenizer, &how, &corpus);
    if (status == PM_OK && pm_corpus_size(corpus) < 2) {
        app_error("--data %s: one token has no next one to predict; give a longer text", data);
        status = PM_FORMAT;
    }
    if (status == PM_OK) status = pm_model_eval(model->model, corpus, &result);
    if (status == PM_OK) print_result(&result);
    if (status == PM_OK && !isfinite(result.loss)) {
        app_error("%s: the loss is no number: the model's weights are not, or overflow on this text", dir);
        status = PM_DIVERGED;
    }
    pm_corpus_close(&corpus);
    return status;
}

static pm_status eval_task(const app_model *model, const pm_log *log)
{
    if (!report_task_agrees(dir, model->model, task_name)) return PM_FORMAT;
    const pm_task *task = pm_model_task(model->model);
    pm_taskset *set = NULL;
    pm_status status =
        report_open_set(log, test, fields, task, model->tokenizer, pm_model_config(model->model)->ctx, true, &set);
    if (status != PM_OK) return status;
    float *outputs = malloc((pm_taskset_all_outputs(set) + 1) * sizeof *outputs);
    uint32_t *confusion = calloc((size_t)task->outputs * task->outputs, sizeof *confusion);
    if (outputs && confusion) {
        pm_task_metrics measures;
        status = pm_model_predict(model->model, set, outputs);
        if (status == PM_OK) {
            pm_taskset_measure(set, outputs, &measures, confusion);
            report_print(test, task, &measures, confusion, common.json);
        }
    } else {
        app_error("out of host memory for the answers");
        status = PM_NO_HOST_MEMORY;
    }
    free(outputs);
    free(confusion);
    pm_taskset_close(&set);
    return status;
}

static pm_status eval(void *user, app_model *model, app_profile *profile)
{
    (void)user;
    const pm_log log = app_log(&common);
    profile_step(profile); /* one step for all of it */
    return test ? eval_task(model, &log) : eval_text(model, &log);
}

int eval_main(int argc, char **argv)
{
    switch (args_parse(&eval_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    if (!data == !test) {
        app_error("eval needs --data FILE|DIR or --test FILE, one of the two: see pumice eval --help");
        return EXIT_USAGE;
    }
    if (task_name && !test) {
        app_error("--task %s: only a task's examples are of a task; give --test FILE", task_name);
        return EXIT_USAGE;
    }
    for (int i = 0; test && i < 2; i++) {
        static const char *const texts[] = {"--documents", "--special"};
        if (!args_given(&eval_command, texts[i])) continue;
        app_error("%s: only a text has documents and special tokens; give --data FILE|DIR", texts[i]);
        return EXIT_USAGE;
    }
    if (fields && !test) {
        app_error("--fields %s: only a task's examples have fields; give --test FILE", fields);
        return EXIT_USAGE;
    }
    if (!app_input("--data", &data) || !app_input("--test", &test)) return EXIT_FAILED;
    return app_with_model(&common, dir, eval, NULL);
}
