/* `pumice generate`: a model continues a text. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "again.h"
#include "generate.h"

static app_common common;
static const char *dir, *prompt;
static uint32_t wanted;
static bool only_plan, special, ignore_eos;
static pm_sampling sampling;
static uint32_t ctx;
static const char *cache;

static arg_option table[] = {
    {ARG_TEXT, "--model", "DIR|FILE.gguf", &dir, NULL, 0, 0, "the model's folder, or its GGUF file", true, false},
    {ARG_TEXT, "--prompt", "TEXT", &prompt, "", 0, 0,
     "the text to continue; without it the model begins after its bos_token_id or end-of-text token, or, with neither, "
     "as after a line's end or a blank",
     false, false},
    {ARG_FLAG, "--special", NULL, &special, NULL, 0, 0,
     "a special token that --prompt spells, such as <|endoftext|>, is that token; else it is text like any other",
     false, false},
    {ARG_FLAG, "--ignore-eos", NULL, &ignore_eos, NULL, 0, 0,
     "do not stop at a token that ends a text: the model's eos_token_id, or the tokenizer's end-of-text token", false,
     false},
    {ARG_U32, "--tokens", "N", &wanted, "200", 1, 1e9, "tokens to add at most", false, false},
    {ARG_F32, "--temperature", "X", &sampling.temperature, "0.8", 0, 100, "0: always the most likely token", false,
     false},
    {ARG_U32, "--top-k", "N", &sampling.top_k, "40", 0, 1e9, "draw among the N most likely; 0: all", false, false},
    {ARG_F32, "--top-p", "X", &sampling.top_p, "1", 0, 1,
     "draw among the fewest that have X of the probability; 1: all, 0: the most likely token alone", false, false},
    {ARG_U64, "--seed", "N", &sampling.seed, "1337", 0, 0, "same seed, same device, same text", false, false},
    {ARG_U32, "--ctx", "N", &ctx, NULL, 2, 1e9,
     "tokens of the text that the model sees at most; less than it was trained for takes less memory (default: as many "
     "as that)",
     false, false},
    {ARG_CHOICE, "--cache", "f32|f16", &cache, "f32", 0, 0, "the type of keys and values in memory", false, false},
    {ARG_FLAG, "--plan", NULL, &only_plan, NULL, 0, 0, "only print the memory that it would take", false, false},
    APP_OPTION_WEIGHTS(common),
    APP_OPTION_DEVICE(common),
    APP_OPTION_SUBMIT(common),
    APP_OPTION_PERIOD(common),
    APP_OPTION_PROFILE(common),
    APP_OPTION_PROFILE_STEPS(common, "the prompt, and tokens to look at after it; 0: all"),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common,
                    "print one JSON document: prompt, text (what was added), tokens, tokens_per_s, and ended: true "
                    "where the text's end came"),
};

arg_command generate_command = {
    "generate",
    "--model DIR|FILE.gguf [--prompt TEXT] [options]",
    "Writes text with a model",
    "The text ends before --tokens where the model draws a token that ends a text, which is not printed.",
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
        fwrite(piece, 1, size, stdout);
        fflush(stdout);
        return !ferror(stdout); /* main() reports it */
    }
    if (out->room - out->size <= size) { /* with the 0 behind it */
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

static bool print_json(const writing *out, uint32_t count, bool ended, double rate)
{
    char *start = app_json_text(prompt, strlen(prompt)), *added = app_json_text(out->text, out->size), *text = NULL;
    cJSON *json = cJSON_CreateObject();
    if (start && added) {
        cJSON_AddStringToObject(json, "prompt", start);
        cJSON_AddStringToObject(json, "text", added);
        cJSON_AddNumberToObject(json, "tokens", count);
        cJSON_AddNumberToObject(json, "tokens_per_s", rate);
        if (ended) cJSON_AddTrueToObject(json, "ended");
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

/* Whether the prompt ends within a line, and its last token ends a word with the blank behind it, as GPT-1's do. */
static bool blank_is_due(const pm_tokenizer *tokenizer, uint32_t last)
{
    size_t size = 0;
    const char *piece = pm_tokenizer_piece(tokenizer, last, &size), end = prompt[strlen(prompt) - 1];
    return piece && size > 0 && piece[size - 1] == ' ' && !strchr(" \t\r\n", end);
}

/* Whether the prompt has the same tokens without --special. */
static bool spells_none(const pm_tokenizer *tokenizer, const pm_text_ends *ends, const uint32_t *tokens, size_t count)
{
    uint32_t *plain = NULL;
    size_t plain_count = 0;
    const pm_status status = pm_tokenizer_encode_prompt(NULL, tokenizer, "--prompt", prompt, strlen(prompt), false,
                                                        ends->begin, &plain, &plain_count);
    const bool same = status == PM_OK && plain_count == count && memcmp(plain, tokens, count * sizeof *tokens) == 0;
    free(plain);
    return same;
}

static pm_status feed_prompt(const pm_log *log, const pm_tokenizer *tokenizer, const pm_text_ends *ends,
                             pm_session *session, bool *blank)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    pm_status status = pm_tokenizer_encode_prompt(log, tokenizer, "--prompt", prompt, strlen(prompt), special,
                                                  ends->begin, &tokens, &count);
    if (status == PM_OK && special && prompt[0] && spells_none(tokenizer, ends, tokens, count))
        app_warn("--special: --prompt spells no special token of this model");
    *blank = status == PM_OK && prompt[0] && blank_is_due(tokenizer, tokens[count - 1]);
    if (status == PM_OK) status = pm_session_feed(session, tokens, count);
    free(tokens);
    return status;
}

/* The text so far, which outlives a lost device. */
typedef struct generation {
    uint32_t *tokens; /* drawn and written, [room] */
    uint32_t count, room;
    bool begun; /* the prompt is written */
    bool ended; /* by a token that ends a text */
    pm_text_ends ends;
    double begin; /* app_seconds() */
    pm_detokenizer *text;
    writing out;
} generation;

static bool keep_token(generation *g, uint32_t token)
{
    if (g->count == g->room) {
        const uint32_t room = g->room ? 2 * g->room : 256;
        uint32_t *grown = realloc(g->tokens, room * sizeof *grown);
        if (!grown) {
            app_error("out of host memory for the text");
            return false;
        }
        g->tokens = grown;
        g->room = room;
    }
    g->tokens[g->count++] = token;
    return true;
}

static bool ends_text(const generation *g, uint32_t token)
{
    for (uint32_t i = 0; i < g->ends.end_count && !ignore_eos; i++)
        if (token == g->ends.ends[i]) return true;
    return false;
}

/* Feeds each token by itself, also those from before a loss: the same calls give the same bits. */
static pm_status go_on(generation *g, pm_session *session, app_profile *profile)
{
    pm_status status = PM_OK;
    for (uint32_t fed = 0; status == PM_OK; fed++) {
        if (fed == g->count) {
            uint32_t token = 0;
            size_t size = 0;
            profile_step(profile);
            status = pm_session_sample(session, &sampling, &token);
            if (status != PM_OK) return status;
            g->ended = ends_text(g, token);
            if (g->ended) return PM_OK;
            if (!keep_token(g, token)) return PM_NO_HOST_MEMORY;
            const char *text = pm_detokenizer_put(g->text, token, &size);
            if (!write_piece(&g->out, text, size)) return PM_IO;
        }
        if (fed + 1 == wanted) return PM_OK;
        status = pm_session_feed(session, &g->tokens[fed], 1);
    }
    return status;
}

/* The bytes of a last character that is not whole, and the line's end. */
static void end_text(generation *g)
{
    size_t size = 0;
    const char *rest = g->text ? pm_detokenizer_end(g->text, &size) : "";
    (void)write_piece(&g->out, rest, size); /* main() reports a file that cannot be written */
    if (g->begun && !common.json && g->out.last != '\n') putchar('\n');
}

static pm_session_params session_params(void)
{
    return (pm_session_params){.ctx = ctx, .cache_f16 = strcmp(cache, "f16") == 0};
}

static pm_status generate(void *user, app_model *model, app_profile *profile)
{
    generation *g = user;
    const pm_log log = app_log(&common);
    pm_session *session = NULL;
    bool blank = false;
    const pm_session_params params = session_params();
    pm_status status = pm_session_create_as(model->model, &params, &session);
    if (profile->most) profile->most++; /* the prompt is a step of its own */
    profile_step(profile);
    if (status == PM_OK)
        status = pm_text_ends_load(&log, dir, model->tokenizer, pm_model_config(model->model)->vocab, &g->ends);
    if (status == PM_OK) status = feed_prompt(&log, model->tokenizer, &g->ends, session, &blank);
    if (status == PM_OK && !g->text) status = pm_detokenizer_create(&log, model->tokenizer, prompt[0] != 0, &g->text);
    if (status == PM_OK && !g->begun) {
        g->begun = true;
        g->begin = app_seconds();
        if (!common.json) fputs(prompt, stdout);
        if (blank && !write_piece(&g->out, " ", 1)) status = PM_IO;
    }
    if (status == PM_OK) status = go_on(g, session, profile);
    if (status != PM_DEVICE_LOST) end_text(g);
    pm_session_destroy(&session);
    return status;
}

int generate_main(int argc, char **argv)
{
    switch (args_parse(&generate_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    if (sampling.top_p == 0) sampling.top_p = FLT_MIN; /* the library's 0 is its default, which is all */
    const pm_session_params room = session_params();
    const int fits = generate_fits(&common, dir, &room, only_plan);
    if (fits != EXIT_DONE || only_plan) return fits;
    generation g = {0};
    int code = app_with_model(&common, dir, generate, &g);
    const double seconds = app_seconds() - g.begin;
    if (code == EXIT_LOST) end_text(&g);
    if (code == EXIT_DONE && common.json && !print_json(&g.out, g.count, g.ended, seconds > 0 ? g.count / seconds : 0))
        code = EXIT_FAILED;
    pm_detokenizer_destroy(&g.text);
    free(g.out.text);
    free(g.tokens);
    return code;
}
