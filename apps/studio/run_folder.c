#include "run_folder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "files.h"

bool run_folder_has_checkpoint(const char *out)
{
    return files_has(out, "checkpoint.safetensors") || files_has(out, "checkpoint.previous.safetensors");
}

void run_folder_clear(const char *out)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !run_folder_has_checkpoint(out); i++) {
        char *path = files_join(out, names[i]);
        if (path) (void)files_remove(path);
        free(path);
    }
}

bool run_folder_free(work *w, const char *out)
{
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "config.json",
                                        "vocab.json",        "tokenizer.json",
                                        "metrics.jsonl"};
    if (!*out) {
        (void)work_fail(w, PM_INVALID, "the run needs a folder: type one into \"Run folder\"");
        return false;
    }
    if (run_folder_has_checkpoint(out)) {
        (void)work_fail(w, PM_INVALID, "%s has a run already: go on with it, or give another folder", out);
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!files_has(out, names[i])) continue;
        (void)work_fail(w, PM_INVALID, "%s has %s already, which a new run would replace: give another folder", out,
                        names[i]);
        return false;
    }
    if (files_make_folder(out)) return true;
    (void)work_fail(w, PM_IO, "%s: the folder cannot be made", out);
    return false;
}

/* ---- metrics.jsonl ---- */

static const char *number(char text[32], double value)
{
    if (!isfinite(value)) return "null";
    snprintf(text, 32, "%.7g", value);
    return text;
}

bool run_folder_add(const char *out, const work_run *run, double rate, float val)
{
    char line[512], a[32], b[32], c[32], d[32];
    int used =
        snprintf(line, sizeof line, "{\"step\": %u, \"loss\": %s, \"lr\": %s, \"grad_norm\": %s, \"tokens_per_s\": %s",
                 (unsigned)run->step, number(a, (double)run->loss), number(b, (double)run->lr),
                 number(c, (double)run->grad_norm), number(d, rate));
    if (!isnan(val))
        used += snprintf(line + used, sizeof line - (size_t)used, ", \"val_loss\": %s", number(a, (double)val));
    used += snprintf(line + used, sizeof line - (size_t)used, "}\n");
    char *path = files_join(out, "metrics.jsonl");
    const bool good = path && files_append(path, line, (size_t)used);
    free(path);
    return good;
}

bool run_folder_cut(const char *out, uint32_t keep, curve *loss, curve *val)
{
    size_t size = 0, kept = 0;
    char *path = files_join(out, "metrics.jsonl"), *text = path ? files_read(path, &size) : NULL;
    curve_clear(loss);
    curve_clear(val);
    for (size_t at = 0; text && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end) break; /* a line cut short */
        const size_t length = (size_t)(end - (text + at)) + 1;
        cJSON *json = cJSON_ParseWithLength(text + at, length);
        const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step");
        if (cJSON_IsNumber(step) && step->valuedouble <= keep) {
            const cJSON *l = cJSON_GetObjectItemCaseSensitive(json, "loss");
            const cJSON *v = cJSON_GetObjectItemCaseSensitive(json, "val_loss");
            if (cJSON_IsNumber(l)) curve_add(loss, step->valuedouble, l->valuedouble);
            if (cJSON_IsNumber(v)) curve_add(val, step->valuedouble, v->valuedouble);
            memmove(text + kept, text + at, length);
            kept += length;
        }
        cJSON_Delete(json);
        at += length;
    }
    const bool good = !text || kept == size || files_write(path, text, kept);
    free(text);
    free(path);
    return good;
}

/* ---- the note ---- */

char *run_folder_note(const char *command, const run_option *options, size_t count, const work_run *run,
                      uint64_t data_hash)
{
    char text[40];
    cJSON *json = cJSON_CreateObject();
    if (data_hash) {
        snprintf(text, sizeof text, "%016" PRIx64, data_hash);
        cJSON_AddStringToObject(json, "data_hash", text);
        cJSON_AddNumberToObject(json, "tokens", (double)(run->train_tokens + run->val_tokens));
        cJSON_AddNumberToObject(json, "train_tokens", (double)run->train_tokens);
    }
    cJSON_AddNumberToObject(json, "elapsed_s", run->seconds);
    if (data_hash && !isnan(run->best_val)) {
        cJSON_AddNumberToObject(json, "best_val_loss", (double)run->best_val);
        cJSON_AddNumberToObject(json, "best_step", run->step);
    }
    cJSON_AddStringToObject(json, "command", command);
    cJSON *list = cJSON_AddObjectToObject(json, "options");
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%.9g", options[i].number);
        cJSON_AddStringToObject(list, options[i].name, options[i].text ? options[i].text : text);
    }
    char *printed = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return printed;
}

cJSON *run_folder_read(const char *note)
{
    return note && *note ? cJSON_Parse(note) : NULL;
}

const char *run_folder_option(const cJSON *note, const char *name)
{
    return cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(note, "options"), name));
}

double run_folder_number(const cJSON *note, const char *name, double fallback)
{
    const char *text = run_folder_option(note, name);
    char *end = NULL;
    const double value = text ? strtod(text, &end) : fallback;
    return text && end != text ? value : fallback;
}
