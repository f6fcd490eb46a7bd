/* Appends lines, and cuts them back when a run goes on. Lines that find no room on the disk are kept, and written with later ones. */
#include "job/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/log.h"
#include "base/number.h"
#include "files/file.h"
#include "files/json.h"
#include "os/file.h"
#include "os/locale.h"

/* ---- the losses in memory ---- */

static pm_status curve_add(const pm_log *log, metrics_curve *curve, uint32_t step, double value)
{
    if (curve->count == curve->room) {
        const size_t room = curve->room ? 2 * curve->room : 1024;
        pm_run_point *grown = realloc(curve->points, room * sizeof *grown);
        if (!grown) return log_fail(log, PM_NO_HOST_MEMORY, "out of host memory for the loss curve");
        curve->points = grown;
        curve->room = room;
    }
    curve->points[curve->count++] = (pm_run_point){step, (float)value};
    return PM_OK;
}

/* ---- reading ---- */

/* A line's object, to delete; NULL where it is none. */
static cJSON *object_of(const char *line, size_t size)
{
    const pm_log silent = {0};
    const json_place place = {"metrics.jsonl", 0, NULL, NULL};
    cJSON *json = NULL;
    char *copy = copy_part(line, size); /* with a 0 byte behind it */
    if (copy && json_read(&silent, &place, copy, size, &json) != PM_OK) json = NULL;
    free(copy);
    return json;
}

/* Whether a line is of a step up to `keep`; then adds its numbers to the curves. */
static bool take_line(metrics *out, const char *line, size_t size, uint32_t keep, pm_status *status)
{
    bool taken = false;
    cJSON *json = object_of(line, size);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step");
    if (cJSON_IsNumber(step) && step->valuedouble >= 1 && step->valuedouble <= (double)keep) {
        const uint32_t at = (uint32_t)step->valuedouble;
        const cJSON *task = cJSON_GetObjectItemCaseSensitive(json, "task_loss");
        const cJSON *loss = task ? task : cJSON_GetObjectItemCaseSensitive(json, "loss");
        const cJSON *val = cJSON_GetObjectItemCaseSensitive(json, "val_loss");
        taken = true;
        if (cJSON_IsNumber(loss)) *status = curve_add(&out->log, &out->loss, at, loss->valuedouble);
        if (*status == PM_OK && cJSON_IsNumber(val))
            *status = curve_add(&out->log, &out->val_loss, at, val->valuedouble);
    }
    cJSON_Delete(json);
    return taken;
}

bool metrics_are_of_run(const char *path, uint32_t *steps)
{
    static const char *const keys[] = {"step", "loss", "lr", "grad_norm", "tokens_per_s"};
    static const char begin[] = "{\"step\": ";
    const pm_log silent = {0};
    size_t size = 0;
    char *text = NULL;
    bool ours = file_read(&silent, path, &text, &size) == PM_OK;
    *steps = 0;
    for (size_t at = 0; ours && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end) { /* cut short */
            const size_t rest = size - at, same = rest < sizeof begin - 1 ? rest : sizeof begin - 1;
            ours = memcmp(text + at, begin, same) == 0;
            break;
        }
        const size_t length = (size_t)(end - (text + at));
        cJSON *json = object_of(text + at, length);
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
static pm_status cut_back(metrics *out, uint32_t keep)
{
    size_t size = 0, kept = 0;
    char *text = NULL;
    if (!file_named(out->path)) return PM_OK;
    pm_status status = file_read(&out->log, out->path, &text, &size);
    for (size_t at = 0; status == PM_OK && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (!end) break; /* a line cut short */
        const size_t length = (size_t)(end - (text + at)) + 1;
        if (take_line(out, text + at, length - 1, keep, &status)) {
            memmove(text + kept, text + at, length);
            kept += length;
        }
        at += length;
    }
    if (status == PM_OK && kept < size) status = file_write(&out->log, out->path, text, kept);
    free(text);
    return status;
}

/* Opens the file for appending, and locks it against other runs where the file system can lock (some network ones cannot). */
static pm_status open_file(metrics *out)
{
    out->file = os_open(out->path, OS_APPEND);
    out->opened = out->file >= 0;
    if (!out->opened) return log_fail(&out->log, PM_IO, "%s: cannot be written: %s", out->path, os_error(errno).text);
    if (os_try_lock(out->file) != OS_LOCK_TAKEN) return PM_OK;
    return log_fail(&out->log, PM_IO, "%s: another run is writing to this folder", out->path);
}

pm_status metrics_open(const pm_log *log, const char *dir, uint32_t keep, metrics *out)
{
    *out = (metrics){.log = *log, .path = file_join(dir, "metrics.jsonl")};
    pm_status status = out->path ? open_file(out) : log_fail(log, PM_NO_HOST_MEMORY, "%s: out of host memory", dir);
    /* Cutting replaces the file, which Windows may refuse while it is open; and on POSIX reading and closing it drops the lock. */
    if (status == PM_OK) {
        os_close(out->file);
        out->opened = false;
        status = cut_back(out, keep);
    }
    if (status == PM_OK) status = open_file(out);
    if (status != PM_OK) metrics_close(out);
    return status;
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

/* ---- writing ---- */

/* JSON has no NaN and no infinity. */
static const char *number(char text[32], double value)
{
    if (!isfinite(value)) return "null";
    (void)number_print(text, 32, "%.7g", value);
    return text;
}

bool metrics_line_open(metrics_line *line, const char *text)
{
    const size_t size = strlen(text);
    if (size > METRICS_OPEN || strpbrk(text, "\n\r")) return false;
    memcpy(line->text, text, size + 1);
    line->used = size;
    return true;
}

void metrics_line_begin(metrics_line *line, uint32_t step, double loss, double lr, double grad_norm,
                        double tokens_per_s)
{
    line->used = (size_t)snprintf(line->text, sizeof line->text, "{\"step\": %u", (unsigned)step);
    metrics_line_number(line, "loss", loss);
    metrics_line_number(line, "lr", lr);
    metrics_line_number(line, "grad_norm", grad_norm);
    metrics_line_number(line, "tokens_per_s", tokens_per_s);
}

void metrics_line_number(metrics_line *line, const char *name, double value)
{
    char text[32];
    const size_t room = sizeof line->text - 3; /* for the line's end */
    const int wrote = snprintf(line->text + line->used, room - line->used, ", \"%s\": %s", name, number(text, value));
    if (wrote > 0 && (size_t)wrote < room - line->used) line->used += (size_t)wrote;
    line->text[line->used] = 0;
}

/* Writes the pending lines. Lines that find no room stay, and errno says why. */
static bool write_pending(metrics *out)
{
    const size_t done = os_write(out->file, out->pending, out->pending_size);
    out->pending_size -= done;
    if (out->pending_size) memmove(out->pending, out->pending + done, out->pending_size);
    return out->pending_size == 0;
}

static pm_status add_pending(metrics *out, const char *text, size_t size)
{
    if (size > out->pending_room - out->pending_size) {
        const size_t room = 2 * (out->pending_size + size);
        char *grown = realloc(out->pending, room);
        if (!grown) return log_fail(&out->log, PM_NO_HOST_MEMORY, "out of host memory for lines of %s", out->path);
        out->pending = grown;
        out->pending_room = room;
    }
    memcpy(out->pending + out->pending_size, text, size);
    out->pending_size += size;
    return PM_OK;
}

pm_status metrics_add(metrics *out, metrics_line *line, uint32_t step, double loss, double val_loss)
{
    memcpy(line->text + line->used, "}\n", 3);
    pm_status status = add_pending(out, line->text, line->used + 2);
    if (status != PM_OK) return status;
    (void)write_pending(out); /* metrics_sync reports it if it keeps failing */
    status = curve_add(&out->log, &out->loss, step, loss);
    return status == PM_OK && !isnan(val_loss) ? curve_add(&out->log, &out->val_loss, step, val_loss) : status;
}

pm_status metrics_sync(metrics *out)
{
    if (write_pending(out) && os_sync(out->file)) return PM_OK;
    return log_fail(&out->log, PM_IO, "%s: cannot be written: %s", out->path, os_error(errno).text);
}
