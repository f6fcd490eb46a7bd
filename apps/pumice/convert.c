/* `pumice convert`: a model from elsewhere becomes a folder of Pumice's own form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "os/file.h"

static app_common common;
static const char *from, *out;
static uint32_t heads;
static bool overwrite;

static arg_option table[] = {
    {ARG_TEXT, "--from", "DIR", &from, NULL, 0, 0,
     "a model as Hugging Face's transformers writes it (openai-gpt or gpt2; safetensors, in one file or several; fp32, "
     "fp16, bf16 or fp64), or "
     "OpenAI's release of GPT-1 (params_shapes.json, params_0.npy ...)",
     true, false},
    {ARG_TEXT, "--out", "DIR", &out, NULL, 0, 0, "the folder to make", true, false},
    {ARG_U32, "--heads", "N", &heads, NULL, 1, 1024,
     "attention heads, which OpenAI's release does not tell: 12 unless given", false, false},
    APP_OPTION_OVERWRITE(overwrite),
    APP_OPTION_VERBOSE(common),
};

arg_command convert_command = {
    "convert",
    "--from DIR --out DIR [options]",
    "Rewrites a model in Pumice's form: one file, fp32",
    "No device is needed. The tokenizer's files and generation_config.json are copied as they are.",
    table,
    sizeof table / sizeof *table,
};

static bool same_folder(const char *a, const char *b)
{
    os_info x, y;
    return os_stat(a, &x) && os_stat(b, &y) && x.device == y.device && x.number == y.number;
}

/* Whether --out may be written to. */
static bool out_is_free(void)
{
    if (same_folder(from, out)) {
        app_error("--out %s: is the folder to read; give another one", out);
        return false;
    }
    if (pm_folder_find(out, PM_FILES_WEIGHTS)) {
        app_error("--out %s: there is a model in it already; give another folder", out);
        return false;
    }
    return folder_is_free(out, PM_FILES_MODEL | PM_FILES_GENERATION | PM_FILES_TOKENIZER, overwrite);
}

/* Removes what a failed conversion has written: the configuration, because the weights come after it. */
static void take_back(void)
{
    char *path = app_join(out, "config.json");
    if (path && !overwrite && !pm_folder_has(out, "model.safetensors")) (void)os_remove(path);
    free(path);
}

/* 1: copied, 0: not there, -1: failed, with an error line. */
static int copy_file(const char *name)
{
    int result = -1;
    size_t size = 0;
    char *source = app_join(from, name), *target = app_join(out, name), *data = NULL;
    if (source && target) {
        if (!pm_folder_has(from, name)) {
            result = 0;
        } else if (!(data = app_read(source, &size))) {
            app_error("%s: cannot be read", source);
        } else {
            result = app_replace(target, data, size) ? 1 : -1;
        }
    }
    free(data);
    free(source);
    free(target);
    return result;
}

static bool copy_tokenizer(void)
{
    int copied = 0;
    const char *name;
    for (size_t i = 0; (name = pm_folder_name(PM_FILES_TOKENIZER, i)) != NULL; i++) {
        const int result = copy_file(name);
        if (result < 0) return false;
        copied += result;
    }
    if (copied == 0) app_say("%s has no tokenizer; %s needs one before the model can read text", from, out);
    return true;
}

int convert_main(int argc, char **argv)
{
    heads = 0;
    switch (args_parse(&convert_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    pm_gpt_config config;
    if (!out_is_free()) return EXIT_FAILED;
    pm_status status = pm_model_convert(&log, from, heads, out);
    if (status != PM_OK) take_back();
    if (status == PM_OK) status = pm_gpt_config_load(&log, out, &config);
    if (status != PM_OK) return app_exit_code(status);
    if (overwrite) pm_folder_clear(out, PM_FILES_TOKENIZER | PM_FILES_GENERATION);
    if (!copy_tokenizer() || copy_file("generation_config.json") < 0) return EXIT_FAILED;
    app_say("%s: %s, %u layers, %u heads, %u channels, context %u, %u tokens in the vocabulary; %.2f M parameters", out,
            pm_arch_name(config.arch), (unsigned)config.layers, (unsigned)config.heads, (unsigned)config.embd,
            (unsigned)config.ctx, (unsigned)config.vocab, 1e-6 * (double)pm_gpt_config_parameters(&config));
    return EXIT_DONE;
}
