/* --compare: compares a buffer after the first run with a file, element by element. Whole numbers stay whole, because a double does not hold 64
 * bits. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

/* How far two elements may be, or are, apart: `whole` for whole numbers, `number` for floats. */
typedef struct distance {
    uint64_t whole;
    double number;
} distance;

typedef struct comparison {
    distance worst;
    uint64_t at, beyond; /* its index; how many elements are beyond the tolerance */
    double error, power; /* sums of squares: of the differences, of the file's numbers */
} comparison;

static bool further(pm_scalar scalar, distance a, distance b)
{
    return kernel_is_float(scalar) ? a.number > b.number : a.whole > b.whole;
}

static distance distance_of(pm_scalar scalar, const void *a, const void *b, uint64_t index)
{
    const double x = kernel_number(scalar, a, index), y = kernel_number(scalar, b, index);
    const uint64_t i = kernel_whole(scalar, a, index), j = kernel_whole(scalar, b, index);
    const bool less = kernel_is_signed(scalar) ? (int64_t)i < (int64_t)j : i < j;
    distance off = {less ? j - i : i - j, x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y)};
    if (isnan(off.number)) off.number = INFINITY;
    if (!kernel_is_float(scalar)) off.number = (double)off.whole;
    return off;
}

static comparison compare_data(pm_scalar scalar, const char *after, const char *wanted, uint64_t count,
                               distance tolerance)
{
    comparison c = {0};
    for (uint64_t i = 0; i < count; i++) {
        const distance off = distance_of(scalar, after, wanted, i);
        const double y = kernel_number(scalar, wanted, i);
        if (further(scalar, off, tolerance)) c.beyond++;
        if (further(scalar, off, c.worst)) {
            c.worst = off;
            c.at = i;
        }
        c.error += off.number * off.number;
        c.power += isfinite(y) ? y * y : 0;
    }
    return c;
}

/* FILE[:TOLERANCE]; what follows the last colon counts where it is a number. The path is malloc'd; NULL when short of memory. */
static char *split_tolerance(const char *text, distance *tolerance)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL, *path = malloc(strlen(text) + 1);
    *tolerance = (distance){0, 0};
    if (!path) return NULL;
    strcpy(path, text);
    const double value = colon ? strtod(colon + 1, &end) : 0;
    if (!colon || !colon[1] || *end != 0 || !(value >= 0)) return path;
    tolerance->number = value;
    if (!kernel_parse_whole(PM_SCALAR_U64, colon + 1, &tolerance->whole))
        tolerance->whole = value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
    path[colon - text] = 0;
    return path;
}

static const char *distance_text(pm_scalar scalar, distance off, char text[32])
{
    if (kernel_is_float(scalar))
        snprintf(text, 32, "%.4g", off.number);
    else
        snprintf(text, 32, "%llu", (unsigned long long)off.whole);
    return text;
}

/* All of the file, malloc'd, where it has the buffer's size; else NULL after an error line. */
static char *read_wanted(const char *text, const char *path, const kernel_buffer *b)
{
    size_t size = 0;
    char *wanted = app_read(path, &size);
    const size_t element = pm_scalar_size(b->scalar);
    if (wanted && size == b->size && size % element == 0) return wanted;
    if (!wanted)
        app_error("--compare %s: %s: cannot be read: %s", text, path, strerror(errno));
    else if (size != b->size)
        app_error("--compare %s: %s has %zu bytes, the buffer %llu", text, path, size, (unsigned long long)b->size);
    else
        app_error("--compare %s: %zu bytes are no whole number of elements of type %s", text, size,
                  pm_scalar_name(b->scalar));
    free(wanted);
    return NULL;
}

/* Writes one comparison into `json`; false where the difference is beyond the tolerance or cannot be made. */
static bool compare_one(const char *text, const char *path, distance tolerance, const kernel_buffer *b,
                        const char *after, cJSON *json)
{
    char *wanted = read_wanted(text, path, b), worst[32], most[32];
    if (!wanted) return false;
    const comparison c = compare_data(b->scalar, after, wanted, b->size / pm_scalar_size(b->scalar), tolerance);
    free(wanted);
    const double nmse = c.power > 0 ? c.error / c.power : c.error > 0 ? INFINITY : 0;
    distance_text(b->scalar, c.worst, worst);
    cJSON_AddNumberToObject(json, "binding", b->binding);
    cJSON_AddStringToObject(json, "file", path);
    cJSON_AddItemToObject(json, "max_abs",
                          kernel_is_float(b->scalar) ? cJSON_CreateNumber(c.worst.number) : cJSON_CreateRaw(worst));
    cJSON_AddNumberToObject(json, "nmse", nmse);
    cJSON_AddNumberToObject(json, "beyond", (double)c.beyond);
    if (c.beyond)
        app_error("binding %u differs from %s in %llu elements by more than %s: most, %s, at element %llu (NMSE %.3g)",
                  (unsigned)b->binding, path, (unsigned long long)c.beyond, distance_text(b->scalar, tolerance, most),
                  worst, (unsigned long long)c.at, nmse);
    return c.beyond == 0;
}

bool kernel_compare(const kernel_options *options, const pm_kernel_info *info, const kernel_buffer *buffers,
                    size_t count, char *const *after, cJSON *report)
{
    bool good = true;
    cJSON *list = cJSON_AddArrayToObject(report, "compare");
    for (size_t i = 0; i < options->compare.count && good; i++) {
        const char *text = options->compare.items[i], *rest;
        distance tolerance;
        const kernel_buffer *b = kernel_find_buffer("--compare", text, info, buffers, count, &rest);
        char *path = b ? split_tolerance(rest, &tolerance) : NULL;
        cJSON *item = cJSON_CreateObject();
        good = path && compare_one(text, path, tolerance, b, after[b - buffers], item);
        if (cJSON_HasObjectItem(item, "max_abs"))
            cJSON_AddItemToArray(list, item);
        else
            cJSON_Delete(item);
        free(path);
    }
    return good;
}
