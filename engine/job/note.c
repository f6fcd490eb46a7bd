/* The note as JSON. */
#include "job/note.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "files/json.h"

struct pm_run_note {
    cJSON *json; /* NULL: the checkpoint has none */
};

/* ---- writing ---- */

/* A text as UTF-8, which JSON needs: other bytes become U+FFFD. malloc'd; NULL without memory. */
static char *as_utf8(const char *text)
{
    const size_t size = strlen(text);
    char *clean = malloc(3 * size + 1);
    size_t used = 0;
    for (size_t i = 0; clean && i < size;) {
        uint32_t code;
        const size_t length = utf8_decode(text + i, size - i, &code);
        memcpy(clean + used, length ? text + i : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    if (clean) clean[used] = 0;
    return clean;
}

static bool add_text(cJSON *json, const char *key, const char *text)
{
    char *clean = as_utf8(text);
    const bool good = clean && cJSON_AddStringToObject(json, key, clean);
    free(clean);
    return good;
}

static bool add_facts(cJSON *json, const note_facts *f, bool text)
{
    char hash[32];
    snprintf(hash, sizeof hash, "%016" PRIx64, f->data);
    bool good = !f->has_data || cJSON_AddStringToObject(json, text ? "data_hash" : "dev_hash", hash);
    if (text) {
        good = good && cJSON_AddNumberToObject(json, "tokens", f->tokens) &&
               cJSON_AddNumberToObject(json, "train_tokens", f->train_tokens);
    }
    good = good && cJSON_AddNumberToObject(json, "elapsed_s", f->seconds);
    if (!isnan(f->best)) {
        good = good && cJSON_AddNumberToObject(json, text ? "best_val_loss" : "best", f->best) &&
               cJSON_AddNumberToObject(json, "best_step", f->best_step);
        if (!text) good = good && add_text(json, "measure", f->measure);
    }
    return good && (!f->open_line[0] || cJSON_AddStringToObject(json, "open_line", f->open_line));
}

static pm_status add_options(const pm_log *log, cJSON *list, const pm_run_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!options[i].value) continue;
        if (cJSON_GetObjectItemCaseSensitive(list, options[i].name))
            return log_fail(log, PM_INVALID, "run: the option %s is there twice", options[i].name);
        if (!add_text(list, options[i].name, options[i].value)) return PM_NO_HOST_MEMORY;
    }
    return PM_OK;
}

pm_status note_write(const pm_log *log, const note_facts *facts, bool text, const char *kind,
                     const pm_run_option *options, size_t option_count, char **out)
{
    cJSON *json = cJSON_CreateObject();
    const bool good = json && add_facts(json, facts, text) && (!kind || cJSON_AddStringToObject(json, "command", kind));
    cJSON *list = good ? cJSON_AddObjectToObject(json, "options") : NULL;
    pm_status status = list ? add_options(log, list, options, option_count) : PM_NO_HOST_MEMORY;
    *out = status == PM_OK ? json_print(json, false) : NULL;
    cJSON_Delete(json);
    if (status == PM_INVALID || *out) return status;
    return log_fail(log, PM_NO_HOST_MEMORY, "out of host memory for the checkpoint's note");
}

/* ---- reading ---- */

pm_status note_read(const pm_log *log, const char *text, pm_run_note **out)
{
    const json_place place = {"the checkpoint's note", 0, NULL, NULL};
    pm_run_note *note = calloc(1, sizeof *note);
    if (!note) return log_fail(log, PM_NO_HOST_MEMORY, "out of host memory for the checkpoint's note");
    pm_status status = text && *text ? json_read(log, &place, text, strlen(text), &note->json) : PM_OK;
    if (status == PM_OK && note->json && !cJSON_IsObject(note->json))
        status = log_fail(log, PM_FORMAT, "%s: is not an object of JSON", place.path);
    if (status == PM_OK)
        *out = note;
    else
        pm_run_note_free(&note);
    return status;
}

static const cJSON *key(const pm_run_note *note, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(note->json, name);
}

static double number(const pm_run_note *note, const char *name)
{
    const cJSON *item = key(note, name);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static void copy_key(const pm_run_note *note, const char *name, char *to, size_t size)
{
    const char *value = cJSON_GetStringValue(key(note, name));
    snprintf(to, size, "%s", value ? value : "");
}

note_facts note_get(const pm_run_note *note, bool text)
{
    note_facts f = {0};
    const char *hash = cJSON_GetStringValue(key(note, text ? "data_hash" : "dev_hash"));
    f.has_data = hash != NULL;
    f.data = hash ? strtoull(hash, NULL, 16) : 0;
    f.tokens = number(note, "tokens");
    f.train_tokens = number(note, "train_tokens");
    const double seconds = number(note, "elapsed_s"), step = number(note, "best_step");
    f.seconds = isnan(seconds) ? 0 : seconds;
    f.best = number(note, text ? "best_val_loss" : "best");
    if (!(step >= 0 && step <= UINT32_MAX)) f.best = NAN;
    f.best_step = isnan(f.best) ? 0 : (uint32_t)step;
    copy_key(note, "measure", f.measure, sizeof f.measure);
    copy_key(note, "open_line", f.open_line, sizeof f.open_line);
    return f;
}

/* ---- for programs ---- */

pm_status pm_run_note_load(const pm_log *log, const char *dir, pm_run_note **out)
{
    char *read = NULL;
    pm_status status = pm_checkpoint_note(log, dir, &read);
    if (status == PM_OK) status = note_read(log, read, out);
    free(read);
    return status;
}

void pm_run_note_free(pm_run_note **note)
{
    if (*note) cJSON_Delete((*note)->json);
    free(*note);
    *note = NULL;
}

const char *pm_run_note_kind(const pm_run_note *note)
{
    return cJSON_GetStringValue(key(note, "command"));
}

bool pm_run_note_has_options(const pm_run_note *note)
{
    return key(note, "options") != NULL;
}

const char *pm_run_note_option(const pm_run_note *note, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(key(note, "options"), name));
}
