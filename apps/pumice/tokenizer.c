/* `pumice tokenizer train`: a vocabulary from a text. */
#include <stdlib.h>
#include <string.h>

#include "folder.h"

static app_common common;
static const char *data, *out;
static uint32_t vocab;
static bool overwrite;

static arg_option table[] = {
    {ARG_U32, "--vocab-size", "N", &vocab, NULL, PM_TOKENIZER_TRAIN_MIN, 1e7,
     "tokens to learn, with the 256 bytes and <|endoftext|> among them", true, false},
    {ARG_TEXT, "--data", "FILE|DIR", &data, NULL, 0, 0, "the text: a file, or a folder whose *.txt files are joined",
     true, false},
    {ARG_TEXT, "--out", "DIR", &out, NULL, 0, 0,
     "where vocab.json, merges.txt, tokenizer.json and tokenizer_config.json go", true, false},
    APP_OPTION_OVERWRITE(overwrite),
    APP_OPTION_VERBOSE(common),
};

arg_command tokenizer_command = {
    "tokenizer",
    "train --vocab-size N --data FILE|DIR --out DIR",
    "Learns a tokenizer from a text: byte-level BPE as GPT-2 has it",
    "The same text gives the same tokenizer; pairs that are equally common are merged in the order of their ids.",
    table,
    sizeof table / sizeof *table,
};

int tokenizer_main(int argc, char **argv)
{
    const bool named = argc > 2 && strcmp(argv[2], "train") == 0;
    const bool help = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    if (!named && !help) {
        const char *word = argc > 2 ? argv[2] : "";
        app_error("tokenizer '%s': the word here is train; see pumice tokenizer --help", word);
        return EXIT_USAGE;
    }
    switch (args_parse(&tokenizer_command, argc - 2 - named, argv + 2 + named)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    pm_tokenizer *tokenizer = NULL;
    char *text = NULL;
    size_t size = 0;
    if (!folder_is_free(out, PM_FILES_TOKENIZER, overwrite)) return EXIT_FAILED;
    pm_status status = pm_corpus_text(&log, data, &text, &size);
    if (status == PM_OK) status = pm_tokenizer_train(&log, data, text, size, vocab, &tokenizer);
    if (status == PM_OK) pm_folder_clear(out, PM_FILES_TOKENIZER);
    if (status == PM_OK) status = pm_tokenizer_save(&log, tokenizer, out);
    if (status == PM_OK) {
        app_say("%s: %u tokens, %u of them merges, from %zu bytes, in %.2f s", out, (unsigned)vocab,
                (unsigned)(vocab - PM_TOKENIZER_TRAIN_MIN), size, app_seconds());
    }
    pm_tokenizer_destroy(&tokenizer);
    free(text);
    return app_exit_code(status);
}
