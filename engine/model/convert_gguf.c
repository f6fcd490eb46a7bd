/* Writes a model of a folder, or of another GGUF file, as a GGUF file, piece by piece and without a device. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "model/files.h"
#include "model/openai.h"
#include "text/tokenizer_gguf.h"

static const struct {
    const char *name;
    gguf_dtype dtype;
} types[] = {[PM_GGUF_F16] = {"f16", GGUF_F16},
             [PM_GGUF_F32] = {"f32", GGUF_F32},
             [PM_GGUF_BF16] = {"bf16", GGUF_BF16},
             [PM_GGUF_Q8_0] = {"q8_0", GGUF_Q8_0}};
enum { TYPES = sizeof types / sizeof *types };

const char *pm_gguf_type_name(pm_gguf_type type)
{
    return (unsigned)type < TYPES ? types[type].name : "unknown";
}

bool pm_gguf_type_named(const char *name, pm_gguf_type *out)
{
    for (unsigned i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = (pm_gguf_type)i;
            return true;
        }
    return false;
}

/* ---- keys of the tokenizer ---- */

/* GGUF has places for three tokens that end a text. The tokenizer's own goes first, where it is among them. */
static tok_gguf_model model_of(const pm_log *log, const char *dir, const pm_gpt_config *c, const pm_tokenizer *tok,
                               const pm_text_ends *ends)
{
    tok_gguf_model m = {c->vocab, ends->begin, TOK_NONE,
                        TOK_NONE, TOK_NONE,    c->special.has_pad ? c->special.pad : TOK_NONE};
    uint32_t *const places[] = {&m.end, &m.turn, &m.more};
    uint32_t list[PM_ENDS_MOST], count = 0;
    for (int own = 1; own >= 0; own--)
        for (uint32_t i = 0; i < ends->end_count; i++)
            if ((tok && pm_tokenizer_end(tok) == ends->ends[i]) == own) list[count++] = ends->ends[i];
    for (uint32_t i = 0; i < count && i < sizeof places / sizeof *places; i++) *places[i] = list[i];
    if (count > sizeof places / sizeof *places)
        log_line(log, PM_LOG_WARN, "%s: of %u tokens that end a text GGUF keeps three", dir, (unsigned)count);
    return m;
}

/* The folder's tokenizer; NULL where it has no file of one. */
static pm_status load_tokenizer(const pm_log *log, const char *dir, pm_tokenizer **out)
{
    *out = NULL;
    if (pm_tokenizer_load(NULL, dir, out) == PM_IO && !tok_is_there(&(file_source){.dir = dir})) return PM_OK;
    return *out ? PM_OK : pm_tokenizer_load(log, dir, out); /* for the line */
}

static pm_status put_folder(const pm_log *log, const char *dir, const pm_gpt_config *config, gguf_writer *w)
{
    pm_tokenizer *tok;
    pm_text_ends ends;
    pm_status status = load_tokenizer(log, dir, &tok);
    if (status == PM_OK) status = pm_text_ends_load(log, dir, tok, config->vocab, &ends);
    if (status == PM_OK) {
        const tok_gguf_model model = model_of(log, dir, config, tok, &ends);
        if (tok)
            status = tok_gguf_put(log, dir, tok, &model, w);
        else
            tok_gguf_put_none(&model, w);
    }
    if (status == PM_OK && !tok)
        log_line(log, PM_LOG_WARN, "%s: has no tokenizer; other programs can run the GGUF file on tokens, not on text",
                 dir);
    pm_tokenizer_destroy(&tok);
    return status;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The keys of another file that are not of the weights: its tokenizer's, and what it says of itself. */
static void put_keys(const gguf_file *file, gguf_writer *w)
{
    static const char *const own[] = {"general.architecture", "general.type", "general.file_type",
                                      "general.quantization_version"};
    for (size_t i = 0; i < file->meta_count; i++) {
        const gguf_meta *meta = &file->meta[i];
        bool copied = begins(meta->key, "general.") || begins(meta->key, "tokenizer.");
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) copied = copied && strcmp(meta->key, own[k]) != 0;
        if (copied) gguf_put_meta(w, meta);
    }
}

/* ---- the file ---- */

static pm_status write_file(const pm_log *log, const char *from, const char *to, gguf_dtype dtype)
{
    gpt_files files;
    gguf_writer *w = NULL;
    pm_status status = gpt_files_open(log, &(file_source){.dir = from}, &files);
    if (status != PM_OK) return status;
    status = gguf_writer_make(log, to, &w);
    if (status == PM_OK) status = gguf_model_put(log, from, w, &files.config, dtype);
    if (status == PM_OK && files.is_gguf) put_keys(&files.gguf, w);
    if (status == PM_OK && !files.is_gguf) status = put_folder(log, from, &files.config, w);
    if (status == PM_OK) status = gguf_write_begin(w);
    if (status == PM_OK) status = gguf_model_write(log, w, &files.config, files.source);
    if (status == PM_OK)
        status = gguf_write_commit(&w);
    else
        gguf_write_abandon(&w);
    gpt_files_close(&files);
    return status;
}

pm_status pm_model_convert_gguf_sized(const pm_log *log, const char *from, const char *to, const pm_gguf_params *given,
                                      size_t given_size)
{
    pm_gguf_params params = {0};
    const pm_status status = sized_read(log, "pm_gguf_params", given, given_size, &params, sizeof params);
    if (status != PM_OK) return status;
    if ((unsigned)params.type >= TYPES)
        return log_fail(log, PM_INVALID, "pm_gguf_params: type %d is none of F16, F32, BF16 and Q8_0",
                        (int)params.type);
    if (openai_is_release(from)) return log_fail(log, PM_INVALID, "%s: GGUF has no architecture for GPT-1", from);
    return write_file(log, from, to, types[params.type].dtype);
}
