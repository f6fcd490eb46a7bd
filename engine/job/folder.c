/* Files' names and what they belong to. */
#include <pumice/folder.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "os/file.h"

/* Tokenizers: Pumice's and Hugging Face's names, then OpenAI's for GPT-1 and GPT-2. Weights: what is read, what other programs read, and OpenAI's
 * release of GPT-1. */
static const struct {
    unsigned kind;
    const char *name;
} files[] = {
    {PM_FILES_TOKENIZER, "vocab.json"},
    {PM_FILES_TOKENIZER, "merges.txt"},
    {PM_FILES_TOKENIZER, "tokenizer.json"},
    {PM_FILES_TOKENIZER, "tokenizer.model"},
    {PM_FILES_TOKENIZER, "tokenizer_config.json"},
    {PM_FILES_TOKENIZER, "special_tokens_map.json"},
    {PM_FILES_TOKENIZER, "added_tokens.json"},
    {PM_FILES_TOKENIZER, "chat_template.jinja"},
    {PM_FILES_TOKENIZER, "encoder.json"},
    {PM_FILES_TOKENIZER, "encoder_bpe_40000.json"},
    {PM_FILES_TOKENIZER, "vocab.bpe"},
    {PM_FILES_TOKENIZER, "vocab_40000.bpe"},
    {PM_FILES_MODEL, "config.json"},
    {PM_FILES_GENERATION, "generation_config.json"},
    {PM_FILES_WEIGHTS, "model.safetensors"},
    {PM_FILES_WEIGHTS, "model.safetensors.index.json"},
    {PM_FILES_WEIGHTS, "pytorch_model.bin"},
    {PM_FILES_WEIGHTS, "pytorch_model.bin.index.json"},
    {PM_FILES_WEIGHTS, "tf_model.h5"},
    {PM_FILES_WEIGHTS, "flax_model.msgpack"},
    {PM_FILES_WEIGHTS, "params_shapes.json"},
    {PM_FILES_CHECKPOINT, "checkpoint.safetensors"},
    {PM_FILES_CHECKPOINT, "checkpoint.previous.safetensors"},
    {PM_FILES_RUN, "metrics.jsonl"},
    {PM_FILES_RUN, "loss.png"},
};

const char *pm_folder_name(unsigned kinds, size_t index)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if ((files[i].kind & kinds) && index-- == 0) return files[i].name;
    return NULL;
}

bool pm_folder_has(const char *dir, const char *name)
{
    os_info info;
    char *path = file_join(dir, name);
    const bool there = path && (os_stat_link(path, &info) || (errno != ENOENT && errno != ENOTDIR));
    free(path);
    return there;
}

const char *pm_folder_find(const char *dir, unsigned kinds)
{
    const char *name;
    for (size_t i = 0; (name = pm_folder_name(kinds, i)) != NULL; i++)
        if (pm_folder_has(dir, name)) return name;
    return NULL;
}

void pm_folder_clear(const char *dir, unsigned kinds)
{
    const char *name;
    for (size_t i = 0; (name = pm_folder_name(kinds, i)) != NULL; i++) {
        char *path = file_join(dir, name);
        if (path) (void)os_remove(path); /* what cannot be removed cannot be replaced either, which is reported */
        free(path);
    }
}

pm_status pm_folder_make(const pm_log *log, const char *dir)
{
    return file_make_dir(log, dir);
}
