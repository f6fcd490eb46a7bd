/* Published decoders by the facts of their config.json, and config.json from memory. In these texts ' stands for ". */
#ifndef HELPER_DECODER_H
#define HELPER_DECODER_H

#include <pumice/model.h>

/* A published file: the keys that matter, and what must come of them. */
typedef struct decoder_file {
    const char *name, *text;
    uint64_t parameters;
    uint32_t tensors; /* of its weights' file */
    pm_gpt_config want;
} decoder_file;
enum { DECODER_FILES = 22 };
extern const decoder_file decoder_files[DECODER_FILES];

/* Small files of every family, two layers each, to change. */
extern const char decoder_small_llama[], decoder_small_mistral[], decoder_small_qwen2[], decoder_small_qwen3[],
    decoder_small_gemma3[];

/* The text with each ' as "; malloc'd. */
char *decoder_json(const char *text);
/* Reads a config.json. */
pm_status decoder_load(const pm_log *log, const char *text, pm_gpt_config *out);
/* The same with the keys of `changes`, an object, in place of its own. A key whose value is the string 'none' is left out. */
pm_status decoder_load_with(const pm_log *log, const char *text, const char *changes, pm_gpt_config *out);

/* Fails the test unless all fields are the same. */
void decoder_same(const char *what, const pm_gpt_config *a, const pm_gpt_config *b);

#endif
