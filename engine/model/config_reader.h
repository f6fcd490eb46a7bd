/* Reading config.json: the first wrong key sticks, with one line. */
#ifndef MODEL_CONFIG_READER_H
#define MODEL_CONFIG_READER_H

#include <string.h>

#include <cjson/cJSON.h>

#include "model/gpt.h"

typedef struct config_reader {
    const pm_log *log;
    const char *path;
    const cJSON *object;
    const char *prefix; /* of keys in lines, such as "rope_scaling."; NULL: none */
    pm_status status;
} config_reader;

/* "PATH: KEY WHAT" as an error, or as a warning. */
void config_wrong(config_reader *r, const char *key, const char *what);
void config_warn(const config_reader *r, const char *key, const char *what);

/* Whether the key is there, and is not null. */
bool config_has(const config_reader *r, const char *key);
/* A value; the default where the key is missing or null. Counts begin at 1, an index at 0. */
uint32_t config_count(config_reader *r, const char *key, bool required);
uint32_t config_index(config_reader *r, const char *key, uint32_t otherwise);
float config_number(config_reader *r, const char *key, float otherwise);
bool config_flag(config_reader *r, const char *key, bool otherwise);
/* A string; NULL where the key is missing or null, "" where it is no string. */
const char *config_text(const config_reader *r, const char *key);
bool config_one_of(const char *text, const char *const *names, size_t count);
/* Refuses another value of a flag that is `right` by default. */
void config_expect(config_reader *r, const char *key, bool right);
/* Refuses any value but null. */
void config_expect_null(config_reader *r, const char *key);

#endif
