/* Special tokens are checked, read from and written to config.json. */
#include "model/special.h"

#include <inttypes.h>

#include "base/log.h"
#include "data/task.h"
#include "model/task_head.h"

pm_status special_check(const pm_log *log, const char *where, const pm_gpt_config *config)
{
    const pm_special_tokens *s = &config->special;
    const struct {
        const char *name;
        bool has;
        uint32_t id;
    } all[] = {{"bos", s->has_bos, s->bos}, {"eos", s->has_eos, s->eos}, {"pad", s->has_pad, s->pad}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].has && all[i].id >= config->vocab)
            return log_fail(log, PM_INVALID, "%sspecial.%s: token %" PRIu32 " is outside the vocabulary of %" PRIu32,
                            where, all[i].name, all[i].id, config->vocab);
    return PM_OK;
}

/* ---- config.json ---- */

bool special_id(const cJSON *value, uint32_t vocab, uint32_t *id)
{
    const double number = cJSON_IsNumber(value) ? value->valuedouble : -1.0;
    if (!(number >= 0 && number < vocab) || number != (double)(uint32_t)number) return false;
    *id = (uint32_t)number;
    return true;
}

static bool read_id(const cJSON *root, const char *key, uint32_t vocab, uint32_t *id)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(root, key);
    return special_id(cJSON_IsArray(value) ? value->child : value, vocab, id);
}

void special_read(const cJSON *root, pm_gpt_config *config)
{
    pm_special_tokens *s = &config->special;
    s->has_bos = read_id(root, "bos_token_id", config->vocab, &s->bos);
    s->has_eos = read_id(root, "eos_token_id", config->vocab, &s->eos);
    s->has_pad = read_id(root, "pad_token_id", config->vocab, &s->pad);
}

/* null where there is none: without the key, transformers' GPT-2 takes its released tokenizer's. */
static void write_id(cJSON *root, const char *key, bool has, uint32_t id)
{
    if (has)
        cJSON_AddNumberToObject(root, key, id);
    else
        cJSON_AddNullToObject(root, key);
}

void special_write(cJSON *root, const pm_gpt_config *config, const pm_task *task)
{
    pm_special_tokens s = config->special;
    if (!s.has_pad && task && !task->plain && gpt_task_class(task, arch_of(config))) {
        s.has_pad = s.has_eos || task->kind == PM_TASK_CLASSIFY;
        s.pad = s.has_eos ? s.eos : task_token(task, TASK_DELIMITER);
    }
    write_id(root, "bos_token_id", s.has_bos, s.bos);
    write_id(root, "eos_token_id", s.has_eos, s.eos);
    if (s.has_pad) write_id(root, "pad_token_id", true, s.pad);
}

/* ---- names from elsewhere ---- */

static void name_one(uint32_t vocab, uint32_t named, bool *has, uint32_t *id)
{
    if (*has || named >= vocab) return; /* PM_TOKEN_NONE is above all */
    *has = true;
    *id = named;
}

void special_name(pm_gpt_config *config, uint32_t begin, uint32_t end, uint32_t pad)
{
    pm_special_tokens *s = &config->special;
    name_one(config->vocab, begin, &s->has_bos, &s->bos);
    name_one(config->vocab, end, &s->has_eos, &s->eos);
    name_one(config->vocab, pad, &s->has_pad, &s->pad);
}
