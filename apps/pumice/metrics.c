/* Appends lines, and cuts them back on resume. Lines that find no room on the disk are kept, and written with later
 * ones. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "metrics.h"
#include "os/file.h"

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

/* Whether a line is of a step up to `keep`; then adds its numbers to the curves. */
static bool take_line(metrics *out, const char *line, size_t size, uint32_t keep, bool *good)
{
    bool taken = false;
    cJSON *json = app_json(NULL, out->path, 0, line, size);
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

bool metrics_are_of_run(const char *path, uint32_t *steps)
{
    static const char *const keys[] = {"step", "loss", "lr", "grad_norm", "tokens_per_s"};
    static const char begin[] = "{\"step\": ";
    size_t size = 0;
    char *text = app_read(path, &size);
    bool ours = text != NULL;
    *steps = 0;
    for (size_t at = 0; at < size && ours;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end) { /* cut short */
            const size_t rest = size - at, same = rest < sizeof begin - 1 ? rest : sizeof begin - 1;
            ours = memcmp(text + at, begin, same) == 0;
            break;
        }
        const size_t length = (size_t)(end - (text + at));
        cJSON *json = app_json(NULL, path, 0, text + at, length);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            ours = ours && cJSON_GetObjectItemCaseSensitive(json, keys[i]);
        cJSON_Delete(json);
        at += length + 1;
        ++*steps;
    }
    free(text);
    return ours;
}

/* Reads the file's lines and keeps those up to step `keep`. */
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

/* Opens the file for appending, and locks it against other runs where the file system can lock (some network ones
 * cannot). */
static bool open_file(metrics *out)
{
    out->file = os_open(out->path, OS_APPEND);
    out->opened = out->file >= 0;
    if (!out->opened) {
        app_error("%s: cannot be written: %s", out->path, strerror(errno));
        return false;
    }
    if (os_try_lock(out->file) != OS_LOCK_TAKEN) return true;
    app_error("%s: another run is writing to this folder", out->path);
    return false;
}

bool metrics_open(metrics *out, const char *dir, uint32_t keep)
{
    *out = (metrics){0};
    out->path = app_join(dir, "metrics.jsonl");
    if (!out->path || !open_file(out)) goto fail;
    /* Cutting replaces the file, which Windows may refuse while it is open; and on POSIX reading and closing it drops the lock. */
    os_close(out->file);
    out->opened = false;
    if (!cut_back(out, keep) || !open_file(out)) goto fail;
    return true;
fail:
    metrics_close(out);
    return false;
}

/* Writes the pending lines. Lines that find no room stay, and errno says why. */
static bool write_pending(metrics *out)
{
    const size_t done = os_write(out->file, out->pending, out->pending_size);
    out->pending_size -= done;
    if (out->pending_size) memmove(out->pending, out->pending + done, out->pending_size);
    return out->pending_size == 0;
}

static bool add_pending(metrics *out, const char *text, size_t size)
{
    if (size > out->pending_room - out->pending_size) {
        const size_t room = 2 * (out->pending_size + size);
        char *grown = realloc(out->pending, room);
        if (!grown) {
            app_error("out of host memory for lines of %s", out->path);
            return false;
        }
        out->pending = grown;
        out->pending_room = room;
    }
    memcpy(out->pending + out->pending_size, text, size);
    out->pending_size += size;
    return true;
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
    if (!add_pending(out, text, strlen(text))) return false;
    (void)write_pending(out); /* metrics_sync reports it if it keeps failing */
    if (echo) {
        fputs(text, stdout);
        fflush(stdout);
    }
    if (!curve_add(&out->loss, line->step, line->loss)) return false;
    return isnan(line->val_loss) || curve_add(&out->val_loss, line->step, line->val_loss);
}

bool metrics_sync(metrics *out)
{
    if (write_pending(out) && os_sync(out->file)) return true;
    app_error("%s: cannot be written: %s", out->path, strerror(errno));
    return false;
}

void metrics_close(metrics *out)
{
    if (out->opened) os_close(out->file);
    free(out->path);
    free(out->pending);
    free(out->loss.points);
    free(out->val_loss.points);
    *out = (metrics){0};
}
