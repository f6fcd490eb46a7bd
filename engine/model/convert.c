/* Converts any readable form of a model to Pumice's own, piece by piece and without a device. */
#include "base/log.h"
#include "model/files.h"
#include "model/openai.h"
#include "model/special.h"

static pm_status convert_release(const pm_log *log, const char *from, uint32_t heads, const char *to)
{
    openai_release release;
    pm_gpt_config config;
    gpt_layout layout = {0};
    pm_status status = openai_open(log, from, heads, &config, &release);
    if (status != PM_OK) return status;
    status = gpt_layout_make(log, &config, NULL, UINT64_MAX, &layout);
    if (status == PM_OK) status = gpt_folder_write(log, to, &config, NULL, &layout, openai_source(&release));
    gpt_layout_fini(&layout);
    openai_close(&release);
    return status;
}

/* A configuration that names no special tokens gets those of the folder's tokenizer, where one can be read. A null stays: a tokenizer may have tokens
 * that the model was never trained on. */
static void name_tokens(const char *dir, pm_gpt_config *config)
{
    pm_tokenizer *tok = NULL;
    pm_text_ends ends = {.no_begin = true, .no_end = true};
    if (config->special.has_bos || config->special.has_eos) return;
    if (pm_text_ends_load(NULL, dir, NULL, config->vocab, &ends) == PM_OK && !(ends.no_begin && ends.no_end) &&
        pm_tokenizer_load(NULL, dir, &tok) == PM_OK)
        special_name(config, ends.no_begin ? PM_TOKEN_NONE : pm_tokenizer_begin(tok),
                     ends.no_end ? PM_TOKEN_NONE : pm_tokenizer_end(tok), PM_TOKEN_NONE);
    pm_tokenizer_destroy(&tok);
}

static pm_status convert_files(const pm_log *log, const char *from, const char *to)
{
    gpt_files files;
    gpt_layout layout = {0};
    pm_status status = gpt_files_open(log, &(file_source){.dir = from}, &files);
    if (status != PM_OK) return status;
    const pm_gpt_config *config = &files.config;
    status = gpt_layout_make(log, config, NULL, UINT64_MAX, &layout);
    if (status == PM_OK) {
        name_tokens(from, &files.config);
        status = gpt_folder_write(log, to, config, config->outputs ? &files.task : NULL, &layout, files.source);
    }
    gpt_layout_fini(&layout);
    gpt_files_close(&files);
    return status;
}

pm_status pm_model_convert(const pm_log *log, const char *from, uint32_t heads, const char *to)
{
    if (openai_is_release(from)) return convert_release(log, from, heads, to);
    if (heads)
        return log_fail(log, PM_INVALID,
                        "%s: heads can be given for a release with params_shapes.json only; config.json "
                        "tells them here",
                        from);
    return convert_files(log, from, to);
}
