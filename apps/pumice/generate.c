/* `pumice generate`: a model goes on with a text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"

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

/* How many bytes the UTF-8 character at text takes; 0 where none stands there. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const unsigned char lowest[5] = {0, 0, 0x80, 0xa0,
                                            0x90}; /* of the second byte after E0 and F0: no overlong forms */
    size_t length = text[0] < 0x80                      ? 1
                    : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                    : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                                                        : 0;
    if (text[0] >= 0xf0 && text[0] < 0xf5) length = 4;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    if ((text[0] == 0xe0 || text[0] == 0xf0) && text[1] < lowest[length]) return 0;
    if (text[0] == 0xed && text[1] > 0x9f) return 0; /* surrogates */
    if (text[0] == 0xf4 && text[1] > 0x8f) return 0; /* beyond U+10FFFF */
    return length;
}

/* JSON is UTF-8, a model's bytes need not be: what is no character becomes U+FFFD, and so does a 0 byte. malloc'd, NULL if short of
 * memory. */
static char *json_text(const char *text, size_t size)
{
    char *clean = malloc(3 * size + 1);
    size_t used = 0;
    for (size_t i = 0; clean && i < size;) {
        const size_t length = text[i] ? utf8_length((const unsigned char *)text + i, size - i) : 0;
        memcpy(clean + used, length ? text + i : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    if (clean) clean[used] = 0;
    return clean;
}

static bool print_json(const writing *out, double rate)
{
    char *start = json_text(prompt, strlen(prompt)), *added = json_text(out->text, out->size), *text = NULL;
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

/* What stands before a text without a prompt: the token of a line's end or of a blank, else token 0. */
static uint32_t first_token(const pm_tokenizer *tokenizer)
{
    static const char starts[] = "\n ";
    for (size_t i = 0; starts[i]; i++) {
        for (uint32_t id = 0; id < pm_tokenizer_vocab(tokenizer); id++) {
            size_t size = 0;
            const char *piece = pm_tokenizer_piece(tokenizer, id, &size);
            if (piece && size == 1 && piece[0] == starts[i]) return id;
        }
    }
    return 0;
}

static pm_status feed_prompt(const pm_log *log, const pm_tokenizer *tokenizer, pm_session *session)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    if (prompt[0] == 0) {
        const uint32_t token = first_token(tokenizer);
        return pm_session_feed(session, &token, 1);
    }
    pm_status status = pm_tokenizer_encode(log, tokenizer, "--prompt", prompt, strlen(prompt), &tokens, &count);
    if (status == PM_OK) status = pm_session_feed(session, tokens, count);
    free(tokens);
    return status;
}

static pm_status go_on(const pm_tokenizer *tokenizer, pm_session *session, writing *out)
{
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t token = 0;
        size_t size = 0;
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
    pm_session *session = NULL;
    writing out = {0};
    int code;
    pm_status status = app_model_open(&common, dir, &model);
    if (status == PM_OK) status = pm_session_create(model.model, &session);
    if (status == PM_OK) status = feed_prompt(&log, model.tokenizer, session);
    if (status == PM_OK) {
        if (!common.json) fputs(prompt, stdout);
        const double begin = app_seconds();
        status = go_on(model.tokenizer, session, &out);
        const double seconds = app_seconds() - begin;
        if (!common.json && out.last != '\n') putchar('\n');
        if (status == PM_OK && common.json && !print_json(&out, seconds > 0 ? wanted / seconds : 0))
            status = PM_NO_HOST_MEMORY;
    }
    code = app_exit_code(status);
    free(out.text);
    pm_session_destroy(&session);
    app_model_close(&model);
    return code;
}
