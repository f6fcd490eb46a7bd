/* `pumice generate`: a model goes on with a text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "profile.h"

static app_common common;
static const char *dir, *prompt;
static uint32_t wanted;
static pm_sampling sampling;

static arg_option table[] = {
    {ARG_TEXT, "--model", "DIR", &dir, NULL, 0, 0, "the model's folder", true, false},
    {ARG_TEXT, "--prompt", "TEXT", &prompt, "", 0, 0,
     "the text to go on with; none: the model starts as after a line's end, or a blank where it knows no line's end",
     false, false},
    {ARG_U32, "--tokens", "N", &wanted, "200", 1, 1e9, "tokens to add", false, false},
    {ARG_F32, "--temperature", "X", &sampling.temperature, "0.8", 0, 100, "0: always the most likely token", false,
     false},
    {ARG_U32, "--top-k", "N", &sampling.top_k, "40", 0, 1e9, "draw among the N most likely; 0: all", false, false},
    {ARG_F32, "--top-p", "X", &sampling.top_p, "1", 0, 1,
     "draw among the fewest that have X of the probability; 1: all", false, false},
    {ARG_U64, "--seed", "N", &sampling.seed, "1337", 0, 0, "same seed, same device, same text", false, false},
    APP_OPTION_DEVICE(common),
    APP_OPTION_PROFILE(common),
    APP_OPTION_PROFILE_STEPS(common, "the prompt, and tokens to look at after it; 0: all"),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document: prompt, text (what was added), tokens, tokens_per_s"),
};

arg_command generate_command = {
    "generate",
    "--model DIR [--prompt TEXT] [options]",
    "Writes text with a model",
    NULL,
    table,
    sizeof table / sizeof *table,
};

/* What was written so far. */
typedef struct writing {
    char *text; /* only for --json */
    size_t size, room;
    char last;
} writing;

static bool write_piece(writing *out, const char *piece, size_t size)
{
    if (size == 0) return true;
    out->last = piece[size - 1];
    if (!common.json) {
        /* Bytes as they come: a character of several byte tokens is whole once its last one is written. */
        fwrite(piece, 1, size, stdout);
        fflush(stdout);
        return !ferror(stdout); /* main() tells */
    }
    if (out->size + size + 1 > out->room) {
        const size_t room = 2 * (out->size + size + 1);
        char *grown = realloc(out->text, room);
        if (!grown) {
            app_error("out of host memory for the text");
            return false;
        }
        out->text = grown;
        out->room = room;
    }
    memcpy(out->text + out->size, piece, size);
    out->size += size;
    out->text[out->size] = 0;
    return true;
}

static bool print_json(const writing *out, double rate)
{
    char *start = app_json_text(prompt, strlen(prompt)), *added = app_json_text(out->text, out->size), *text = NULL;
    cJSON *json = cJSON_CreateObject();
    if (start && added) {
        cJSON_AddStringToObject(json, "prompt", start);
        cJSON_AddStringToObject(json, "text", added);
        cJSON_AddNumberToObject(json, "tokens", wanted);
        cJSON_AddNumberToObject(json, "tokens_per_s", rate);
        text = cJSON_PrintUnformatted(json);
    }
    if (text) {
        puts(text);
    } else {
        app_error("out of host memory for the text");
    }
    const bool good = text != NULL;
    free(text);
    free(start);
    free(added);
    cJSON_Delete(json);
    return good;
}

/* What stands before a text without a prompt: the token of a line's end, which GPT-1's kind ends with a blank, or of a blank, else token 0. */
static uint32_t first_token(const pm_tokenizer *tokenizer)
{
    static const char *const starts[] = {"\n", "\n ", " "};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (uint32_t id = 0; id < pm_tokenizer_vocab(tokenizer); id++) {
            size_t size = 0;
            const char *piece = pm_tokenizer_piece(tokenizer, id, &size);
            if (piece && size == strlen(starts[i]) && memcmp(piece, starts[i], size) == 0) return id;
        }
    }
    return 0;
}

/* A prompt that ends in the middle of a line, with a token that ends a word and brings the blank behind it: GPT-1's kind. */
static bool blank_is_due(const pm_tokenizer *tokenizer, uint32_t last)
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tokenizer, last, &size), end = prompt[strlen(prompt) - 1];
    return piece && size > 0 && piece[size - 1] == ' ' && !strchr(" \t\r\n", end);
}

static pm_status feed_prompt(const pm_log *log, const pm_tokenizer *tokenizer, pm_session *session, bool *blank)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    pm_status status = PM_OK;
    *blank = false;
    if (prompt[0]) status = pm_tokenizer_encode(log, tokenizer, "--prompt", prompt, strlen(prompt), &tokens, &count);
    if (status == PM_OK && count == 0) { /* no prompt, or nothing but what the tokenizer leaves out */
        const uint32_t token = first_token(tokenizer);
        status = pm_session_feed(session, &token, 1);
    } else if (status == PM_OK) {
        *blank = blank_is_due(tokenizer, tokens[count - 1]);
        status = pm_session_feed(session, tokens, count);
    }
    free(tokens);
    return status;
}

static pm_status go_on(const pm_tokenizer *tokenizer, pm_session *session, app_profile *profile, writing *out)
{
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t token = 0;
        size_t size = 0;
        profile_step(profile);
        pm_status status = pm_session_sample(session, &sampling, &token);
        if (status != PM_OK) return status;
        const char *piece = pm_tokenizer_piece(tokenizer, token, &size);
        if (piece && !write_piece(out, piece, size)) return PM_IO;
        if (i + 1 < wanted) status = pm_session_feed(session, &token, 1);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}

int generate_main(int argc, char **argv)
{
    switch (args_parse(&generate_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    app_model model = {0};
    app_profile profile = {0};
    pm_session *session = NULL;
    writing out = {0};
    bool blank = false;
    int code;
    pm_status status = app_model_open(&common, dir, &model);
    if (status == PM_OK && !profile_prepare(&common)) status = PM_IO;
    if (status == PM_OK) status = profile_open(&profile, &common, model.device, 0);
    if (status == PM_OK) status = pm_session_create(model.model, &session);
    if (profile.most) profile.most++; /* the prompt is a step of its own */
    profile_step(&profile);
    if (status == PM_OK) status = feed_prompt(&log, model.tokenizer, session, &blank);
    if (status == PM_OK) {
        if (!common.json) fputs(prompt, stdout);
        const double begin = app_seconds();
        if (blank && !write_piece(&out, " ", 1)) status = PM_IO;
        if (status == PM_OK) status = go_on(model.tokenizer, session, &profile, &out);
        const double seconds = app_seconds() - begin;
        if (!common.json && out.last != '\n') putchar('\n');
        if (status == PM_OK && common.json && !print_json(&out, seconds > 0 ? wanted / seconds : 0))
            status = PM_NO_HOST_MEMORY;
    }
    code = app_exit_code(status);
    if (code == EXIT_DONE && !profile_close(&profile)) code = EXIT_FAILED;
    free(out.text);
    pm_session_destroy(&session);
    app_model_close(&model);
    return code;
}
