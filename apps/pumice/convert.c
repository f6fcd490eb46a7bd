/* `pumice convert`: a model from elsewhere becomes a folder of Pumice's own form, or a GGUF file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "folder.h"
#include "os/file.h"

static app_common common;
static const char *from, *out, *to, *type;
static uint32_t heads;
static bool overwrite;

static arg_option table[] = {
    {ARG_TEXT, "--from", "DIR|FILE.gguf", &from, NULL, 0, 0,
     "a model as Hugging Face's transformers writes it (safetensors, in one file or several; fp32, fp16, bf16 or "
     "fp64), a GGUF file, or OpenAI's release of GPT-1 (params_shapes.json, params_0.npy ...)",
     true, false},
    {ARG_TEXT, "--out", "DIR|FILE.gguf", &out, NULL, 0, 0, "the folder or the GGUF file to make", true, false},
    {ARG_CHOICE, "--to", "hf|gguf", &to, NULL, 0, 0,
     "a folder as transformers has it, or a file for llama.cpp (default: gguf where the name of --out ends in .gguf)",
     false, false},
    {ARG_CHOICE, "--type", "f32|f16|bf16|q8_0", &type, NULL, 0, 0,
     "how a GGUF file stores matrices (default f16); vectors are always f32", false, false},
    {ARG_U32, "--heads", "N", &heads, NULL, 1, 1024,
     "attention heads, which OpenAI's release does not tell: 12 unless given", false, false},
    APP_OPTION_OVERWRITE(overwrite),
    APP_OPTION_VERBOSE(common),
};

arg_command convert_command = {
    "convert",
    "--from DIR|FILE.gguf --out DIR|FILE.gguf [options]",
    "Rewrites a model: as a folder in Pumice's form, one file in fp32, or as a GGUF file",
    "No device is needed. From folder to folder the tokenizer's files and generation_config.json are copied as they "
    "are; a GGUF file has the tokenizer in it, and is never replaced.",
    table,
    sizeof table / sizeof *table,
};

static bool same_file(const char *a, const char *b)
{
    os_info x, y;
    return os_stat(a, &x) && os_stat(b, &y) && x.device == y.device && x.number == y.number;
}

static bool is_gguf(const char *path)
{
    char head[4] = "";
    const int file = os_open(path, OS_READ);
    const int64_t got = file >= 0 ? os_read(file, head, sizeof head) : -1;
    if (file >= 0) os_close(file);
    return got == sizeof head && memcmp(head, "GGUF", sizeof head) == 0;
}

/* Whether --out may be written to. */
static bool out_is_free(void)
{
    if (same_file(from, out)) {
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

/* ---- from a folder ---- */

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

static void say_no_tokenizer(void)
{
    app_say("%s has no tokenizer; %s needs one before the model can read text", from, out);
}

static bool copy_files(void)
{
    int copied = 0;
    const char *name;
    for (size_t i = 0; (name = pm_folder_name(PM_FILES_TOKENIZER, i)) != NULL; i++) {
        const int result = copy_file(name);
        if (result < 0) return false;
        copied += result;
    }
    if (copied == 0) say_no_tokenizer();
    return copy_file("generation_config.json") >= 0;
}

/* ---- from a GGUF file ---- */

/* NULL where the file has none. */
static pm_status load_tokenizer(const pm_log *log, pm_tokenizer **tokenizer)
{
    *tokenizer = NULL;
    if (pm_tokenizer_load(NULL, from, tokenizer) == PM_IO) {
        say_no_tokenizer();
        return PM_OK;
    }
    return *tokenizer ? PM_OK : pm_tokenizer_load(log, from, tokenizer); /* for the line */
}

/* generation_config.json: config.json has room for one token that ends a text. */
static bool write_generation(const pm_text_ends *ends)
{
    cJSON *json = cJSON_CreateObject(),
          *list = ends->end_count > 1 ? cJSON_AddArrayToObject(json, "eos_token_id") : NULL;
    for (uint32_t i = 0; i < ends->end_count && list; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(ends->ends[i]));
    if (ends->end_count == 1) cJSON_AddNumberToObject(json, "eos_token_id", ends->ends[0]);
    if (ends->begin != PM_TOKEN_NONE) cJSON_AddNumberToObject(json, "bos_token_id", ends->begin);
    char *path = app_join(out, "generation_config.json"), *text = cJSON_Print(json);
    if (!text) app_error("out of host memory for generation_config.json");
    const bool fine = path && text && app_replace(path, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    free(path);
    return fine;
}

static bool write_files(const pm_log *log, const pm_tokenizer *tokenizer, uint32_t vocab)
{
    pm_text_ends ends;
    if (tokenizer && pm_tokenizer_save(log, tokenizer, out) != PM_OK) return false;
    if (pm_text_ends_load(log, from, NULL, vocab, &ends) != PM_OK) return false;
    return (ends.begin == PM_TOKEN_NONE && ends.end_count == 0) || write_generation(&ends);
}

/* ---- both ways ---- */

static void say_model(const pm_gpt_config *c, const char *stored)
{
    app_say("%s: %s, %u layers, %u heads, %u channels, context %u, %u tokens in the vocabulary; %.2f M parameters, %s",
            out, pm_arch_name(c->arch), (unsigned)c->layers, (unsigned)c->heads, (unsigned)c->embd, (unsigned)c->ctx,
            (unsigned)c->vocab, 1e-6 * (double)pm_gpt_config_parameters(c), stored);
}

static int to_folder(const pm_log *log)
{
    pm_gpt_config config;
    pm_tokenizer *tokenizer = NULL;
    const bool gguf = is_gguf(from);
    if (!out_is_free()) return EXIT_FAILED;
    pm_status status = gguf ? load_tokenizer(log, &tokenizer) : PM_OK;
    if (status != PM_OK) return app_exit_code(status);
    status = pm_model_convert(log, from, heads, out);
    if (status != PM_OK) take_back();
    if (status == PM_OK) status = pm_gpt_config_load(log, out, &config);
    if (status == PM_OK && overwrite) pm_folder_clear(out, PM_FILES_TOKENIZER | PM_FILES_GENERATION);
    bool fine = status == PM_OK;
    if (fine) fine = gguf ? write_files(log, tokenizer, config.vocab) : copy_files();
    pm_tokenizer_destroy(&tokenizer);
    if (fine) say_model(&config, "in f32");
    return status == PM_OK ? (fine ? EXIT_DONE : EXIT_FAILED) : app_exit_code(status);
}

static int to_gguf(const pm_log *log)
{
    pm_gguf_params params = {PM_GGUF_F16};
    pm_gpt_config config;
    os_info info;
    if (type) (void)pm_gguf_type_named(type, &params.type); /* one of the option's choices */
    if (os_stat_link(out, &info)) {
        app_error("--out %s: is there already; give another name", out);
        return EXIT_FAILED;
    }
    pm_status status = pm_model_convert_gguf(log, from, out, &params);
    if (status == PM_OK) status = pm_gpt_config_load(log, out, &config);
    if (status == PM_OK) {
        char stored[40];
        snprintf(stored, sizeof stored, "matrices in %s", type ? type : "f16");
        say_model(&config, stored);
    }
    return app_exit_code(status);
}

/* Whether --out is to be a GGUF file. */
static bool wants_gguf(void)
{
    const size_t size = strlen(out);
    return to ? strcmp(to, "gguf") == 0 : size > 5 && strcmp(out + size - 5, ".gguf") == 0;
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
    const bool gguf = wants_gguf();
    if (!gguf && type) {
        app_error("--type %s: a folder has fp32; give --to gguf, or leave it out", type);
        return EXIT_USAGE;
    }
    if (gguf && heads) {
        app_error("--heads %u: it is for OpenAI's release of GPT-1, for which GGUF has no architecture",
                  (unsigned)heads);
        return EXIT_USAGE;
    }
    if (gguf && overwrite) {
        app_error("--overwrite: a GGUF file is never replaced; give --out another name");
        return EXIT_USAGE;
    }
    return gguf ? to_gguf(&log) : to_folder(&log);
}
