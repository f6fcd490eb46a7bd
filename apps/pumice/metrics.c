/* Appending, and cutting back on resume. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "metrics.h"

static bool curve_add(metrics_curve *curve, uint32_t step, double value)
{
    if (curve->count == curve->room) {
        const size_t room = curve->room ? 2 * curve->room : 1024;
        metrics_point *grown = realloc(curve->points, room * sizeof *grown);
        if (!grown) {
            app_error("out of host memory for the loss curve");
            return false;
        }
        curve->points = grown;
        curve->room = room;
    }
    curve->points[curve->count++] = (metrics_point){step, (float)value};
    return true;
}

/* Whether a line is of a step up to `keep`; then its numbers are in the curves. */
static bool take_line(metrics *out, const char *line, size_t size, uint32_t keep, bool *good)
{
    bool taken = false;
    cJSON *json = cJSON_ParseWithLength(line, size);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step");
    if (cJSON_IsNumber(step) && step->valuedouble >= 1 && step->valuedouble <= (double)keep) {
        const uint32_t at = (uint32_t)step->valuedouble;
        const cJSON *loss = cJSON_GetObjectItemCaseSensitive(json, "loss");
        const cJSON *val = cJSON_GetObjectItemCaseSensitive(json, "val_loss");
        taken = true;
        if (cJSON_IsNumber(loss)) *good = *good && curve_add(&out->loss, at, loss->valuedouble);
        if (cJSON_IsNumber(val)) *good = *good && curve_add(&out->val_loss, at, val->valuedouble);
    }
    cJSON_Delete(json);
    return taken;
}

/* Reads the lines that are there and leaves those up to step `keep`. */
static bool cut_back(metrics *out, uint32_t keep)
{
    size_t size = 0, kept = 0;
    bool good = true;
    if (!app_exists(out->path)) return true;
    char *text = app_read(out->path, &size);
    if (!text) {
        app_error("%s: cannot be read: %s", out->path, strerror(errno));
        return false;
    }
    for (size_t at = 0; at < size && good;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end) break; /* a line cut short */
        const size_t length = (size_t)(end - (text + at)) + 1;
        if (take_line(out, text + at, length - 1, keep, &good)) {
            memmove(text + kept, text + at, length);
            kept += length;
        }
        at += length;
    }
    if (good && kept < size) good = app_replace(out->path, text, kept);
    free(text);
    return good;
}

bool metrics_open(metrics *out, const char *dir, uint32_t keep)
{
    *out = (metrics){0};
    out->path = app_join(dir, "metrics.jsonl");
    if (!out->path || !cut_back(out, keep)) goto fail;
    out->file = fopen(out->path, "a");
    if (!out->file) {
        app_error("%s: cannot be written: %s", out->path, strerror(errno));
        goto fail;
    }
    return true;
fail:
    metrics_close(out);
    return false;
}

/* JSON has no NaN and no infinity. */
static const char *number(char text[32], double value)
{
    if (!isfinite(value)) return "null";
    snprintf(text, 32, "%.7g", value);
    return text;
}

bool metrics_add(metrics *out, const metrics_line *line, bool echo)
{
    char text[1024], a[32], b[32], c[32], d[32];
    int used =
        snprintf(text, sizeof text, "{\"step\": %u, \"loss\": %s, \"lr\": %s, \"grad_norm\": %s, \"tokens_per_s\": %s",
                 (unsigned)line->step, number(a, line->loss), number(b, line->lr), number(c, line->grad_norm),
                 number(d, line->tokens_per_s));
    if (!isnan(line->val_loss))
        used += snprintf(text + used, sizeof text - (size_t)used, ", \"val_loss\": %s", number(a, line->val_loss));
    for (int i = 0; i < METRICS_MORE && line->more[i].name; i++)
        if (!isnan(line->more[i].value))
            used += snprintf(text + used, sizeof text - (size_t)used, ", \"%s\": %s", line->more[i].name,
                             number(a, line->more[i].value));
    snprintf(text + used, sizeof text - (size_t)used, "}\n");
    if (fputs(text, out->file) < 0 || fflush(out->file) != 0) {
        app_error("%s: cannot be written: %s", out->path, strerror(errno));
        return false;
    }
    if (echo) {
        fputs(text, stdout);
        fflush(stdout);
    }
    if (!curve_add(&out->loss, line->step, line->loss)) return false;
    return isnan(line->val_loss) || curve_add(&out->val_loss, line->step, line->val_loss);
}

bool metrics_sync(metrics *out)
{
    if (fflush(out->file) == 0 && fsync(fileno(out->file)) == 0) return true;
    app_error("%s: cannot be written: %s", out->path, strerror(errno));
    return false;
}

void metrics_close(metrics *out)
{
    if (out->file) fclose(out->file);
    free(out->path);
    free(out->loss.points);
    free(out->val_loss.points);
    *out = (metrics){0};
}
