#include "settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "files.h"

typedef enum setting_type { TEXT, NUMBER, REAL, FLAG } setting_type;

typedef struct setting {
    const char *name;
    setting_type type;
    size_t offset, size;
    double low, high, fallback;
    const char *text;
} setting;

#define AT(field) offsetof(settings, field), sizeof(((settings *)0)->field)
#define TEXT_ROW(field, fallback)                                                                                      \
    {                                                                                                                  \
#field, TEXT, AT(field), 0, 0, 0, fallback                                                                     \
    }
#define NUMBER_ROW(field, low, high, fallback)                                                                         \
    {                                                                                                                  \
#field, NUMBER, AT(field), low, high, fallback, NULL                                                           \
    }
#define REAL_ROW(field, low, high, fallback)                                                                           \
    {                                                                                                                  \
#field, REAL, AT(field), low, high, fallback, NULL                                                             \
    }

static const setting table[] = {
    TEXT_ROW(device, "auto"),
    {"light", FLAG, AT(light), 0, 1, 0, NULL},
    NUMBER_ROW(scale, 100, 200, 100),
    NUMBER_ROW(width, 480, 16384, 1180),
    NUMBER_ROW(height, 360, 16384, 760),
    NUMBER_ROW(page, 0, 4, 0),
    TEXT_ROW(data, ""),
    TEXT_ROW(out, ""),
    NUMBER_ROW(tokenizer, 0, 1, 0),
    NUMBER_ROW(layers, 1, 1024, 4),
    NUMBER_ROW(heads, 1, 1024, 4),
    NUMBER_ROW(embd, 4, 65536, 128),
    NUMBER_ROW(ctx, 2, 1048576, 64),
    NUMBER_ROW(batch, 1, 65536, 12),
    NUMBER_ROW(steps, 1, 1e9, 2000),
    NUMBER_ROW(warmup, 0, 1e9, 100),
    NUMBER_ROW(eval_every, 1, 1e9, 100),
    REAL_ROW(lr, 1e-9, 10, 1e-3),
    REAL_ROW(dropout, 0, 0.95, 0),
    NUMBER_ROW(seed, 0, 4294967295.0, 1337),
    TEXT_ROW(model, ""),
    TEXT_ROW(prompt, ""),
    REAL_ROW(temperature, 0, 2, 0.8),
    REAL_ROW(top_p, 0, 1, 1),
    NUMBER_ROW(top_k, 0, 1e9, 40),
    NUMBER_ROW(tokens, 1, 100000, 300),
    NUMBER_ROW(task, 0, 3, 0),
    TEXT_ROW(task_train, ""),
    TEXT_ROW(task_dev, ""),
    TEXT_ROW(task_base, ""),
    TEXT_ROW(task_out, ""),
    NUMBER_ROW(task_layers, 1, 1024, 4),
    NUMBER_ROW(task_heads, 1, 1024, 4),
    NUMBER_ROW(task_embd, 4, 65536, 128),
    NUMBER_ROW(task_ctx, 6, 1048576, 128),
    NUMBER_ROW(task_batch, 1, 65536, 32),
    NUMBER_ROW(task_epochs, 1, 65536, 3),
    REAL_ROW(task_lr, 0, 10, 0),
    NUMBER_ROW(profile_steps, 1, 20, 3),
};
enum { SETTINGS = sizeof table / sizeof *table };

static void *field(settings *s, const setting *row)
{
    return (char *)s + row->offset;
}

static bool set_number(settings *s, const setting *row, double value)
{
    if (!(value >= row->low && value <= row->high)) return false;
    if (row->type == REAL) {
        *(float *)field(s, row) = (float)value;
    } else if (row->type == FLAG) {
        *(bool *)field(s, row) = value != 0;
    } else {
        *(uint32_t *)field(s, row) = (uint32_t)value;
    }
    return true;
}

static bool set_text(settings *s, const setting *row, const char *value)
{
    if (strlen(value) >= row->size) return false;
    strcpy(field(s, row), value);
    return true;
}

void settings_default(settings *s)
{
    *s = (settings){0};
    for (size_t i = 0; i < SETTINGS; i++) {
        if (table[i].type == TEXT) {
            (void)set_text(s, &table[i], table[i].text);
        } else {
            (void)set_number(s, &table[i], table[i].fallback);
        }
    }
}

bool settings_set(settings *s, const char *name, const char *value)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        char *end = NULL;
        if (strcmp(table[i].name, name) != 0) continue;
        if (table[i].type == TEXT) return set_text(s, &table[i], value);
        const double number = strtod(value, &end);
        return end != value && *end == 0 && set_number(s, &table[i], number);
    }
    return false;
}

float settings_task_lr(const settings *s)
{
    return s->task_lr > 0 ? s->task_lr : s->task_base[0] ? 6.25e-5f : 1e-3f;
}

/* ---- the file ---- */

/* malloc'd; NULL: there is none. */
static char *file_of(const char *path, bool make)
{
    if (path) return *path ? files_join("", path) : NULL;
    char *folder = files_config_folder();
    if (!folder) return NULL;
    if (make) (void)files_make_folder(folder);
    char *file = files_join(folder, "studio.json");
    free(folder);
    return file;
}

void settings_load(settings *s, const char *path)
{
    char *file = file_of(path, false);
    size_t size = 0;
    char *text = file ? files_read(file, &size) : NULL;
    cJSON *json = text ? cJSON_ParseWithLength(text, size) : NULL;
    for (size_t i = 0; i < SETTINGS && json; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, table[i].name);
        if (table[i].type == TEXT && cJSON_IsString(value)) {
            (void)set_text(s, &table[i], value->valuestring);
        } else if (table[i].type == FLAG && cJSON_IsBool(value)) {
            (void)set_number(s, &table[i], cJSON_IsTrue(value));
        } else if (table[i].type != TEXT && cJSON_IsNumber(value)) {
            (void)set_number(s, &table[i], value->valuedouble);
        }
    }
    cJSON_Delete(json);
    free(text);
    free(file);
}

bool settings_save(const settings *s, const char *path)
{
    char *file = file_of(path, true);
    if (!file) return path && !*path;
    cJSON *json = cJSON_CreateObject();
    settings copy = *s;
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *row = &table[i];
        void *at = field(&copy, row);
        char number[32];
        switch (row->type) {
        case TEXT: cJSON_AddStringToObject(json, row->name, at); break;
        case FLAG: cJSON_AddBoolToObject(json, row->name, *(bool *)at); break;
        case NUMBER: cJSON_AddNumberToObject(json, row->name, *(uint32_t *)at); break;
        case REAL: /* as few digits as tell floats apart */
            snprintf(number, sizeof number, "%.7g", (double)*(float *)at);
            cJSON_AddRawToObject(json, row->name, number);
            break;
        }
    }
    char *text = cJSON_Print(json);
    const bool good = text && files_write(file, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    free(file);
    return good;
}
