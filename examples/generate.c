/* Continues a text with a model, a folder or a GGUF file: generate MODEL PROMPT [TOKENS]. Characters appear whole, and the text ends where the model
 * draws a token that ends one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/pumice.h>

static void print_line(void *user, pm_log_level level, const char *line)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == PM_LOG_ERROR ? "error: " : "", line);
}

static bool ends_text(const pm_text_ends *ends, uint32_t token)
{
    for (uint32_t i = 0; i < ends->end_count; i++)
        if (ends->ends[i] == token) return true;
    return false;
}

static pm_status feed_prompt(const pm_log *log, pm_session *session, const pm_tokenizer *tokenizer,
                             const pm_text_ends *ends, const char *prompt)
{
    uint32_t *tokens = NULL;
    size_t count = 0;
    pm_status status = pm_tokenizer_encode_prompt(log, tokenizer, "the prompt", prompt, strlen(prompt), false,
                                                  ends->begin, &tokens, &count);
    if (status == PM_OK) status = pm_session_feed(session, tokens, count);
    free(tokens);
    return status;
}

static pm_status write_text(pm_session *session, const pm_text_ends *ends, pm_detokenizer *text, unsigned long count)
{
    const pm_sampling sampling = {.temperature = 0.8f, .top_k = 40};
    pm_status status = PM_OK;
    size_t size = 0;
    for (unsigned long i = 0; i < count && status == PM_OK; i++) {
        uint32_t token = 0;
        status = pm_session_sample(session, &sampling, &token);
        if (status != PM_OK || ends_text(ends, token)) break;
        const char *part = pm_detokenizer_put(text, token, &size);
        fwrite(part, 1, size, stdout);
        fflush(stdout);
        status = pm_session_feed(session, &token, 1);
    }
    const char *rest = pm_detokenizer_end(text, &size); /* a character that is not whole */
    fwrite(rest, 1, size, stdout);
    putchar('\n');
    return status;
}

static pm_status generate(const char *path, const char *prompt, unsigned long count)
{
    const pm_log log = {print_line, NULL, PM_LOG_WARN};
    const pm_device_params device_params = {.log = log};
    const pm_model_params weights = {.weights = PM_WEIGHTS_FILE}; /* 16 bits where the files have them so */
    pm_device *device = NULL;
    pm_tokenizer *tokenizer = NULL;
    pm_model *model = NULL;
    pm_session *session = NULL;
    pm_detokenizer *text = NULL;
    pm_text_ends ends;
    pm_status status = pm_device_open(&device_params, &device);
    if (status == PM_OK) status = pm_tokenizer_load(&log, path, &tokenizer);
    if (status == PM_OK) status = pm_model_load_as(device, path, &weights, &model);
    if (status == PM_OK) status = pm_text_ends_load(&log, path, tokenizer, pm_model_config(model)->vocab, &ends);
    if (status == PM_OK) status = pm_session_create(model, &session);
    if (status == PM_OK) status = pm_detokenizer_create(&log, tokenizer, prompt[0] != 0, &text);
    if (status == PM_OK) status = feed_prompt(&log, session, tokenizer, &ends, prompt);
    if (status == PM_OK) {
        fputs(prompt, stdout);
        status = write_text(session, &ends, text, count);
    }
    pm_detokenizer_destroy(&text);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    pm_tokenizer_destroy(&tokenizer);
    pm_device_close(&device);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: generate MODEL PROMPT [TOKENS]\n");
        return 2;
    }
    return generate(argv[1], argv[2], argc == 4 ? strtoul(argv[3], NULL, 10) : 100) == PM_OK ? 0 : 1;
}
