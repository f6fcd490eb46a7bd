/* A GGUF file in place of a model's folder. An accepted model gives every number, and is there again once it is written; an accepted tokenizer encodes a
 * text, and can be saved. */
#include <pumice/model.h>

#include "helper_fuzz.h"
#include "helper_fuzz_text.h"
#include "model/files.h"

static pm_status count_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    (void)param, (void)first;
    fuzz_touch(values, sizeof *values * (size_t)count);
    *(uint64_t *)user += count;
    return PM_OK;
}

/* Writing may fail: a tokenizer's keys are copied, and values may be too large for a type, or not finite. */
static void write_again(const char *path, const pm_gpt_config *config)
{
    const char *again = fuzz_file("again.gguf", "", 0);
    const pm_gguf_params params = {.type = PM_GGUF_F32};
    pm_gpt_config read;
    if (!fuzz_done(pm_model_convert_gguf(fuzz_log(), path, again, &params))) return;
    REQUIRE(fuzz_done(pm_gpt_config_load(fuzz_log(), again, &read)));
    REQUIRE(read.arch == config->arch && read.vocab == config->vocab && read.layers == config->layers);
    REQUIRE(read.rotary.columns == config->rotary.columns && read.rotary.scaling == config->rotary.scaling);
}

static void read_model(const char *path)
{
    gpt_files files;
    gpt_layout layout;
    uint64_t numbers = 0;
    if (!fuzz_done(gpt_files_open(fuzz_log(), &(file_source){.dir = path}, &files))) return;
    REQUIRE(fuzz_done(gpt_layout_make(fuzz_log(), &files.config, NULL, UINT64_MAX, &layout)));
    REQUIRE(fuzz_done(gpt_copy(fuzz_log(), &layout, files.source, count_piece, &numbers)));
    REQUIRE(numbers == pm_gpt_config_parameters(&files.config));
    write_again(path, &files.config);
    gpt_layout_fini(&layout);
    gpt_files_close(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "Some  text, 12 of it\n\xE2\x82\xAC and \xFF <s>";
    const char *path = fuzz_file("model.gguf", data, size);
    pm_tokenizer *tok = NULL, *again = NULL;
    pm_text_ends ends;
    if (size < 4 || memcmp(data, "GGUF", 4) != 0) return 0; /* it would be a folder */
    (void)fuzz_done(pm_text_ends_load(fuzz_log(), path, NULL, 37, &ends));
    read_model(path);
    if (!fuzz_done(pm_tokenizer_load(fuzz_log(), path, &tok))) return 0;
    fuzz_encode(tok, text, sizeof text - 1);
    REQUIRE(fuzz_done(pm_tokenizer_save(fuzz_log(), tok, fuzz_dir())));
    if (fuzz_done(pm_tokenizer_load(fuzz_log(), fuzz_dir(), &again)))
        REQUIRE(pm_tokenizer_hash(again) == pm_tokenizer_hash(tok));
    pm_tokenizer_destroy(&tok);
    pm_tokenizer_destroy(&again);
    return 0;
}
