/* Two files of `pumice bench --json`, row by row: rows with the same operation, shape, type and device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "bench.h"

typedef struct row {
    cJSON *json;
    const char *op, *shape, *dtype, *device;
    const char *clock, *driver; /* "" where the file does not say */
    double ms, low, high;
} row;

typedef struct file {
    const char *path;
    row *rows;
    size_t count;
} file;

static void file_close(file *f)
{
    for (size_t i = 0; i < f->count; i++) cJSON_Delete(f->rows[i].json);
    free(f->rows);
}

static const char *text_of(const cJSON *json, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text;
}

/* A time in ms: fails for NaN, zero and anything that is not a number. */
static bool time_of(const cJSON *json, const char *key, double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble > 0)) return false;
    *out = item->valuedouble;
    return true;
}

/* Reads one line's object. Returns NULL, or the key that is missing or wrong. *r owns json in either case. */
static const char *read_row(cJSON *json, row *r)
{
    *r = (row){.json = json};
    if (!(r->op = text_of(json, "op"))) return "op";
    if (!(r->shape = text_of(json, "shape"))) return "shape";
    if (!(r->dtype = text_of(json, "dtype"))) return "dtype";
    if (!(r->device = text_of(json, "device"))) return "device";
    if (!time_of(json, "ms", &r->ms)) return "ms";
    /* Other files may lack these. */
    if (!(r->clock = text_of(json, "clock"))) r->clock = "";
    if (!(r->driver = text_of(json, "driver"))) r->driver = "";
    if (!time_of(json, "ms_low", &r->low)) r->low = r->ms;
    if (!time_of(json, "ms_high", &r->high)) r->high = r->ms;
    return NULL;
}

static bool add_line(const pm_log *log, file *f, const char *line, size_t size, size_t number)
{
    cJSON *json = app_json(log, f->path, number, line, size);
    if (!json) return false; /* app_json() has reported it */
    row *grown = realloc(f->rows, (f->count + 1) * sizeof *grown);
    if (grown) f->rows = grown;
    const char *wrong = grown ? read_row(json, &f->rows[f->count++]) : NULL;
    if (!cJSON_IsObject(json)) {
        app_error("%s:%zu: is not a JSON object; give a file that pumice bench --json wrote", f->path, number);
    } else if (!grown) {
        app_error("%s: out of host memory", f->path);
        cJSON_Delete(json);
    } else if (wrong) {
        app_error("%s:%zu: the row has no good \"%s\"", f->path, number, wrong);
    }
    return grown && !wrong;
}

static bool file_open(file *f, const char *path)
{
    const app_common common = {0};
    const pm_log log = app_log(&common);
    *f = (file){.path = path};
    size_t size = 0, number = 0;
    char *data = app_read(path, &size);
    if (!data) {
        app_error("%s: cannot be read: %s", path, strerror(errno));
        return false;
    }
    bool good = true;
    for (const char *line = data; good && line < data + size;) {
        const char *end = memchr(line, '\n', (size_t)(data + size - line));
        const size_t length = (size_t)((end ? end : data + size) - line);
        number++;
        if (strspn(line, " \t\r") < length) good = add_line(&log, f, line, length, number);
        line += length + 1;
    }
    if (good && f->count == 0) {
        app_error("%s: no rows; give a file that pumice bench --json wrote", path);
        good = false;
    }
    free(data);
    if (!good) file_close(f);
    return good;
}

static const row *find(const file *f, const row *like)
{
    for (size_t i = 0; i < f->count; i++) {
        const row *r = &f->rows[i];
        if (strcmp(r->op, like->op) == 0 && strcmp(r->shape, like->shape) == 0 && strcmp(r->dtype, like->dtype) == 0 &&
            strcmp(r->device, like->device) == 0)
            return r;
    }
    return NULL;
}

/* B compared with A: they differ only where the spreads do not overlap. */
static const char *verdict(const row *a, const row *b)
{
    return b->high < a->low ? "faster" : b->low > a->high ? "slower" : "same";
}

static void print_pair(const row *a, const row *b, bool json)
{
    if (!json) {
        printf("%-14s %-22s %-5s %10.4g %10.4g %8.3f  %s\n", a->op, a->shape, a->dtype, a->ms, b->ms, a->ms / b->ms,
               verdict(a, b));
        return;
    }
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "op", a->op);
    cJSON_AddStringToObject(line, "shape", a->shape);
    cJSON_AddStringToObject(line, "dtype", a->dtype);
    cJSON_AddStringToObject(line, "device", a->device);
    cJSON_AddNumberToObject(line, "ms_a", a->ms);
    cJSON_AddNumberToObject(line, "ms_b", b->ms);
    cJSON_AddNumberToObject(line, "speedup", a->ms / b->ms);
    cJSON_AddStringToObject(line, "verdict", verdict(a, b));
    cJSON_AddStringToObject(line, "clock_a", a->clock);
    cJSON_AddStringToObject(line, "clock_b", b->clock);
    app_print_json(line);
}

/* Whether two texts differ; a missing one differs from none. */
static bool differ(const char *a, const char *b)
{
    return *a && *b && strcmp(a, b) != 0;
}

/* Pairs that were not measured alike. */
typedef struct unlike {
    size_t clocks, drivers;
    const row *a, *b; /* of the last pair of each kind */
    const row *driver_a, *driver_b;
} unlike;

static void note_unlike(const row *a, const row *b, unlike *seen)
{
    if (differ(a->clock, b->clock)) {
        seen->clocks++;
        seen->a = a;
        seen->b = b;
    }
    if (differ(a->driver, b->driver)) {
        seen->drivers++;
        seen->driver_a = a;
        seen->driver_b = b;
    }
}

static void say_unlike(const unlike *seen, size_t pairs)
{
    if (seen->clocks)
        app_warn("%zu of %zu pairs were timed by different clocks, A by the %s's and B by the %s's: the "
                 "host's clock also counts the wait for the driver",
                 seen->clocks, pairs, seen->a->clock, seen->b->clock);
    if (seen->drivers)
        app_warn("%zu of %zu pairs were measured with different drivers: A with %s, B with %s", seen->drivers, pairs,
                 seen->driver_a->driver, seen->driver_b->driver);
}

/* Reports that there is no pair, and whether the devices are the reason. */
static void say_no_pair(const file *a, const file *b)
{
    bool same = false;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++) same |= strcmp(a->rows[i].device, b->rows[j].device) == 0;
    if (same)
        app_error("%s and %s have no row in common: same op, shape, dtype and device", a->path, b->path);
    else
        app_error("%s and %s have no row in common: A was measured on %s, B on %s", a->path, b->path, a->rows[0].device,
                  b->rows[0].device);
}

bool bench_compare(const char *path_a, const char *path_b, bool json)
{
    file a, b;
    if (!file_open(&a, path_a)) return false;
    if (!file_open(&b, path_b)) {
        file_close(&a);
        return false;
    }
    size_t pairs = 0;
    unlike seen = {0};
    for (size_t i = 0; i < a.count; i++) {
        const row *other = find(&b, &a.rows[i]);
        if (!other) continue;
        if (pairs == 0 && !json)
            printf("%-14s %-22s %-5s %10s %10s %8s  %s\n", "op", "shape", "dtype", "ms A", "ms B", "A / B",
                   "B against A");
        print_pair(&a.rows[i], other, json);
        note_unlike(&a.rows[i], other, &seen);
        pairs++;
    }
    if (pairs == 0) {
        say_no_pair(&a, &b);
    } else if (pairs < a.count || pairs < b.count) {
        app_say("%zu of %zu rows of A and of %zu of B compared: the others have no counterpart", pairs, a.count,
                b.count);
    }
    say_unlike(&seen, pairs);
    file_close(&a);
    file_close(&b);
    return pairs > 0;
}
