/* `pumice eval`: a model's mean loss on a text. */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "app.h"

static app_common common;
static const char *dir, *data;

static arg_option table[] = {
    {ARG_TEXT, "--model", "DIR", &dir, NULL, 0, 0, "the model's folder", true, false},
    {ARG_TEXT, "--data", "FILE|DIR", &data, NULL, 0, 0, "the text: a file, or a folder whose *.txt files are joined",
     true, false},
    APP_OPTION_DEVICE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document: loss, perplexity, tokens"),
};

arg_command eval_command = {
    "eval",
    "--model DIR --data FILE|DIR [options]",
    "Tells a model's loss and perplexity on a text",
    "The text is read in consecutive windows of context + 1 tokens that share no target; the loss is the mean "
    "negative\n"
    "log-likelihood of a target, with the natural logarithm.",
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
    char *text = cJSON_PrintUnformatted(json);
    if (text) puts(text);
    free(text);
    cJSON_Delete(json);
}

int eval_main(int argc, char **argv)
{
    switch (args_parse(&eval_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    app_model model = {0};
    pm_corpus *corpus = NULL;
    pm_eval_result result;
    pm_status status = app_model_open(&common, dir, &model);
    if (status == PM_OK) status = pm_corpus_open(&log, data, model.tokenizer, &corpus);
    if (status == PM_OK && pm_corpus_size(corpus) < 2) {
        app_error("--data %s: one token has no next one to predict; give a longer text", data);
        status = PM_FORMAT;
    }
    if (status == PM_OK) status = pm_model_eval(model.model, corpus, &result);
    if (status == PM_OK) print_result(&result);
    pm_corpus_close(&corpus);
    app_model_close(&model);
    return app_exit_code(status);
}
