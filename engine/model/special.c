/* Special tokens are checked, read from and written to config.json. */
#include "model/special.h"

#include <inttypes.h>
#include <math.h>

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

pm_status special_ids(const pm_log *log, const char *path, const cJSON *root, const char *key, uint32_t vocab,
                      uint32_t *ids, uint32_t room, uint32_t *count)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(root, key);
    const cJSON *one = cJSON_IsArray(value) ? value->child : cJSON_IsNull(value) ? NULL : value;
    *count = 0;
    for (; one; one = cJSON_IsArray(value) ? one->next : NULL) {
        const double id = one->valuedouble;
        if (!cJSON_IsNumber(one) || id != floor(id))
            return log_fail(log, PM_FORMAT, "%s: %s is neither a token's number nor a list of them", path, key);
        if (!(id >= 0 && id < vocab)) continue;
        if (*count < room) ids[*count] = (uint32_t)id;
        (*count)++;
    }
    return PM_OK;
}

pm_status special_read(const pm_log *log, const char *path, const cJSON *root, pm_gpt_config *config)
{
    pm_special_tokens *s = &config->special;
    const struct {
        const char *key;
        bool *has;
        uint32_t *id;
    } all[] = {{"bos_token_id", &s->has_bos, &s->bos},
               {"eos_token_id", &s->has_eos, &s->eos},
               {"pad_token_id", &s->has_pad, &s->pad}};
    pm_status status = PM_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && status == PM_OK; i++) {
        uint32_t count;
        status = special_ids(log, path, root, all[i].key, config->vocab, all[i].id, 1, &count);
        *all[i].has = status == PM_OK && count > 0;
    }
    return status;
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
