/* Special tokens in config.json: bos_token_id, eos_token_id, pad_token_id. */
#ifndef MODEL_SPECIAL_H
#define MODEL_SPECIAL_H

#include <cjson/cJSON.h>

#include "model/gpt.h"

/* PM_INVALID where one is outside the vocabulary. `where`: of gpt_origin. */
pm_status special_check(const pm_log *log, const char *where, const pm_gpt_config *config);
/* The ids below `vocab` of a key that holds an id, a list of them, or null: all of them into *count, at most `room` into `ids`. transformers writes
 * the ids of GPT-2's released tokenizer into configurations of smaller vocabularies, and -1 for none; these name no token. Fails: PM_FORMAT where
 * the value is of another type. */
pm_status special_ids(const pm_log *log, const char *path, const cJSON *root, const char *key, uint32_t vocab,
                      uint32_t *ids, uint32_t room, uint32_t *count);
/* Reads those of config.json; of a list, the first. Fails as special_ids. */
pm_status special_read(const pm_log *log, const char *path, const cJSON *root, pm_gpt_config *config);
/* Writes them. A classifier of Pumice's own gets a padding token, so that transformers takes batches of texts. No text may hold it, because older
 * versions read up to its first place: it is the end-of-text token, or else the delimiter, which stands between entailment's texts only. So those
 * get none without an end-of-text token. */
void special_write(cJSON *root, const pm_gpt_config *config, const pm_task *task);

/* See pm_model_name_tokens. */
void special_name(pm_gpt_config *config, uint32_t begin, uint32_t end, uint32_t pad);

#endif
