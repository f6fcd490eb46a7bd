/* What is in a folder before a command writes to it. */
#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "os/file.h"
#include "os/path.h"

/* Tokenizers: Pumice's and Hugging Face's names, then OpenAI's for GPT-1 and GPT-2. Weights: what is read, what other programs read, and OpenAI's
 * release of GPT-1. */
static const struct {
    unsigned kind;
    const char *name;
} files[] = {
    {FOLDER_TOKENIZER, "vocab.json"},
    {FOLDER_TOKENIZER, "merges.txt"},
    {FOLDER_TOKENIZER, "tokenizer.json"},
    {FOLDER_TOKENIZER, "tokenizer_config.json"},
    {FOLDER_TOKENIZER, "special_tokens_map.json"},
    {FOLDER_TOKENIZER, "added_tokens.json"},
    {FOLDER_TOKENIZER, "encoder.json"},
    {FOLDER_TOKENIZER, "encoder_bpe_40000.json"},
    {FOLDER_TOKENIZER, "vocab.bpe"},
    {FOLDER_TOKENIZER, "vocab_40000.bpe"},
    {FOLDER_MODEL, "config.json"},
    {FOLDER_MODEL, "generation_config.json"},
    {FOLDER_WEIGHTS, "model.safetensors"},
    {FOLDER_WEIGHTS, "model.safetensors.index.json"},
    {FOLDER_WEIGHTS, "pytorch_model.bin"},
    {FOLDER_WEIGHTS, "pytorch_model.bin.index.json"},
    {FOLDER_WEIGHTS, "tf_model.h5"},
    {FOLDER_WEIGHTS, "flax_model.msgpack"},
    {FOLDER_WEIGHTS, "params_shapes.json"},
    {FOLDER_RUN, "checkpoint.safetensors"},
    {FOLDER_RUN, "checkpoint.previous.safetensors"},
    {FOLDER_RUN, "metrics.jsonl"},
    {FOLDER_RUN, "loss.png"},
};
enum { FILES = sizeof files / sizeof *files };

bool folder_make(const char *option, const char *dir)
{
    const size_t length = strlen(dir), root = os_path_root(dir);
    char *path = malloc(length + 1);
    if (length == 0 || !path) {
        app_error("%s: %s", option, path ? "give the name of a folder" : "out of host memory");
        free(path);
        return false;
    }
    memcpy(path, dir, length + 1);
    bool good = true;
    for (char *c = path + (root ? root : 1); good; c++) {
        if (*c && !os_is_separator(*c)) continue;
        const char kept = *c;
        *c = 0;
        os_info info;
        good = os_make_folder(path) || (errno == EEXIST && os_stat(path, &info));
        if (good && kept == 0) break;
        *c = kept;
    }
    if (!good) app_error("%s %s: cannot be made: %s", option, dir, strerror(errno));
    free(path);
    return good;
}

bool folder_has(const char *dir, const char *name)
{
    os_info info;
    char *path = app_join(dir, name);
    /* a dangling link counts, too, and so does what cannot be looked at */
    const bool there = path && (os_stat_link(path, &info) || (errno != ENOENT && errno != ENOTDIR));
    free(path);
    return there;
}

bool folder_is_free(const char *option, const char *dir, unsigned kinds, bool overwrite)
{
    if (!*dir) {
        app_error("%s: give the name of a folder", option);
        return false;
    }
    for (size_t i = 0; i < FILES && !overwrite; i++) {
        if (!(files[i].kind & kinds) || !folder_has(dir, files[i].name)) continue;
        app_error("%s %s: %s/%s is there already, and belongs to no run; give another folder, or add --overwrite to "
                  "replace it",
                  option, dir, dir, files[i].name);
        return false;
    }
    return true;
}

bool folder_has_weights(const char *dir)
{
    for (size_t i = 0; i < FILES; i++)
        if (files[i].kind == FOLDER_WEIGHTS && folder_has(dir, files[i].name)) return true;
    return false;
}

bool folder_of_begun_run(const char *dir)
{
    char *path = app_join(dir, "metrics.jsonl");
    uint32_t steps = 0;
    const bool ours = path && metrics_are_of_run(path, &steps);
    free(path);
    /* A run has a model before its first step: steps without a model are left from a run whose model was removed. Before that step, it has no other
     * files than these. */
    if (steps > 0) return ours && folder_has(dir, "model.safetensors");
    if (!ours || folder_has(dir, "generation_config.json") || folder_has(dir, "loss.png")) return false;
    return folder_has(dir, "model.safetensors") || !folder_has_weights(dir);
}

/* Whether a file begins with this text. */
static bool begins_with(const char *dir, const char *name, const char *text)
{
    char head[64] = "", *path = app_join(dir, name);
    const int file = path ? os_open(path, OS_READ) : -1;
    const int64_t got = file >= 0 ? os_read(file, head, sizeof head) : -1;
    const size_t size = got > 0 ? (size_t)got : 0;
    if (file >= 0) os_close(file);
    free(path);
    return size >= strlen(text) && memcmp(head, text, strlen(text)) == 0;
}

bool folder_may_profile(const char *dir)
{
    /* In the order in which they are written. A picture belongs to the profile whose table is beside it. */
    static const struct {
        const char *name, *begins, *with;
    } written[] = {
        {"trace.json", "trace.json", "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"device_clock\":"},
        {"kernels.csv", "kernels.csv", "kind,program,op,layer,direction,shape,kernel,constants,"},
        {"kernels.json", "kernels.csv", "kind,program,op,"},
        {"roofline.png", "kernels.csv", "kind,program,op,"},
    };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        if (!folder_has(dir, written[i].name) || begins_with(dir, written[i].begins, written[i].with)) continue;
        app_error("--profile %s: %s/%s exists and is not a profile's; give another folder", dir, dir, written[i].name);
        return false;
    }
    return true;
}

const char *folder_tokenizer_file(size_t index)
{
    return index < FILES && files[index].kind == FOLDER_TOKENIZER ? files[index].name : NULL;
}

static void clear(const char *dir, const char *name)
{
    char *path = app_join(dir, name);
    if (path) (void)os_remove(path); /* what cannot be removed cannot be replaced either, which is reported */
    free(path);
}

void folder_clear_tokenizer(const char *dir)
{
    const char *name;
    for (size_t i = 0; (name = folder_tokenizer_file(i)) != NULL; i++) clear(dir, name);
}

void folder_clear_for_model(const char *dir)
{
    folder_clear_tokenizer(dir);
    clear(dir, "generation_config.json");
}
