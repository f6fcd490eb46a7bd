#include "files/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/text.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "files/foreign.h"
#include "os/locale.h"

/* "path: what", "path: its header: what", "path:line: what" */
static pm_status fail(const pm_log *log, const json_place *place, pm_status status, const char *what)
{
    if (place->line) return log_fail(log, status, "%s:%zu: %s", place->path, place->line, what);
    return log_fail(log, status, "%s: %s%s%s", place->path, place->part ? place->part : "", place->part ? ": " : "",
                    what);
}

static pm_status bad_syntax(const pm_log *log, const json_place *place, size_t at)
{
    char what[80];
    if (place->line)
        snprintf(what, sizeof what, "is not valid JSON, at column %zu", at + 1);
    else
        snprintf(what, sizeof what, "is not valid JSON, at byte %zu", at);
    return fail(log, place, PM_FORMAT, what);
}

/* ---- escapes: cJSON ends a string at U+0000, and takes \u without four digits for it ---- */

static bool read_unit(const char *text, size_t size, uint32_t *unit)
{
    uint32_t value = 0;
    if (size < 6 || text[0] != '\\' || text[1] != 'u') return false;
    for (int i = 2; i < 6; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit) return false;
        const uint32_t nibble = (uint32_t)(digit - digits);
        value = value << 4 | (nibble < 16 ? nibble : nibble - 6);
    }
    *unit = value;
    return true;
}

static bool is_high(uint32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

static pm_status check_escapes(const pm_log *log, const json_place *place, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint32_t unit = 0, second = 0;
        if (text[i] && text[i] != '\\') continue;
        if (text[i] && (size - i < 2 || text[i + 1] != 'u')) {
            i++; /* the escaped character, maybe a backslash */
            continue;
        }
        if (text[i] && !read_unit(text + i, size - i, &unit)) return bad_syntax(log, place, i);
        char what[160];
        if (unit == 0) {
            if (!text[i] && !place->line) return bad_syntax(log, place, i);
            if (!place->nul) return fail(log, place, PM_FORMAT, "holds U+0000, which is not text");
            snprintf(what, sizeof what, "holds \\u0000; spell this character %s", place->nul);
            return fail(log, place, PM_FORMAT, what);
        }
        const bool pair = is_high(unit) && read_unit(text + i + 6, size - i - 6, &second) && is_low(second);
        if ((is_high(unit) || is_low(unit)) && !pair) {
            snprintf(what, sizeof what,
                     "holds \\u%04x without its other half: a lone surrogate is not a character "
                     "(was the text cut within one?)",
                     (unsigned)unit);
            return fail(log, place, PM_FORMAT, what);
        }
        i += pair ? 11 : 5;
    }
    return PM_OK;
}

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A key that the object has twice, or NULL; `keys` has room for all. */
static const char *twin_by_order(const cJSON *object, const char **keys)
{
    size_t count = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, object) keys[count++] = child->string;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0) return keys[i];
    return NULL;
}

/* The same by a hash table of `room` slots, a power of 2 above twice the number of keys. False where too many keys meet in it, as they may be made
 * to: then nothing is known. */
static bool twin_by_hash(const cJSON *object, const char **slots, size_t room, const char **twin)
{
    size_t steps = 0;
    const cJSON *child;
    memset(slots, 0, room * sizeof *slots);
    cJSON_ArrayForEach(child, object)
    {
        const char *key = child->string;
        size_t at = (size_t)hash_bytes(HASH_INIT, key, strlen(key)) & (room - 1);
        for (; slots[at]; at = (at + 1) & (room - 1)) {
            if (strcmp(slots[at], key) == 0) {
                *twin = key;
                return true;
            }
            if (++steps > 4 * room) return false;
        }
        slots[at] = key;
    }
    return true;
}

/* A key that one of the objects has twice, or NULL. */
static const char *find_twin(const cJSON *item, bool *no_memory)
{
    enum { FEW = 16 };
    const char *found = NULL;
    const cJSON *child;
    size_t count = 0, room = 2 * FEW;
    cJSON_ArrayForEach(child, item) count++;
    if (cJSON_IsObject(item) && count > 1) {
        const char *few[FEW], **keys = few;
        while (room < 2 * count) room *= 2;
        if (count > FEW && !(keys = malloc(room * sizeof *keys))) {
            *no_memory = true;
            return NULL;
        }
        if (count <= FEW || !twin_by_hash(item, keys, room, &found)) found = twin_by_order(item, keys);
        if (keys != few) free(keys);
    }
    cJSON_ArrayForEach(child, item)
    {
        if (!found && !*no_memory && child->child) found = find_twin(child, no_memory);
    }
    return found;
}

static pm_status check_keys(const pm_log *log, const json_place *place, const cJSON *json)
{
    bool no_memory = false;
    char what[200];
    const char *twin = find_twin(json, &no_memory);
    if (no_memory) return fail(log, place, PM_NO_HOST_MEMORY, "out of memory");
    if (!twin) return PM_OK;
    const size_t length = strlen(twin), shown = utf8_valid(twin, length < 100 ? length : 100);
    snprintf(what, sizeof what, "the key \"%.*s%s\" is there twice", (int)shown, twin, twin[shown] ? "…" : "");
    return fail(log, place, PM_FORMAT, what);
}

pm_status json_read(const pm_log *log, const json_place *place, const char *text, size_t size, cJSON **out)
{
    const char *foreign = place->line ? NULL : pm_text_foreign(text, size, false);
    if (foreign) return fail(log, place, PM_FORMAT, foreign);
    pm_status status = check_escapes(log, place, text, size);
    if (status != PM_OK) return status;
    const char *end = text;
    errno = 0; /* cJSON reports bad text and no memory alike */
    cJSON *json = json_parse(text, size + 1, &end, true);
    if (!json && errno == ENOMEM) return fail(log, place, PM_NO_HOST_MEMORY, "out of memory");
    if (!json)
        status = bad_syntax(log, place, (size_t)(end - text));
    else
        status = check_keys(log, place, json);
    if (status == PM_OK)
        *out = json;
    else
        cJSON_Delete(json);
    return status;
}

pm_status pm_json_check(const pm_log *log, const char *name, size_t line, const char *text, size_t size)
{
    cJSON *json = NULL;
    const pm_status status = json_read(log, &(json_place){.path = name, .line = line}, text, size, &json);
    cJSON_Delete(json);
    return status;
}

bool json_flag(const cJSON *object, const char *key, bool *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item || cJSON_IsNull(item)) return true;
    const bool number = cJSON_IsNumber(item) && (item->valuedouble == 0 || item->valuedouble == 1);
    if (!cJSON_IsBool(item) && !number) return false;
    *value = number ? item->valuedouble == 1 : cJSON_IsTrue(item);
    return true;
}

/* ---- locales ---- */

/* cJSON asks the locale for its decimal point, and not every build of it does. */
cJSON *json_parse(const char *text, size_t size, const char **end, bool whole)
{
    os_locale locale;
    os_locale_plain(&locale);
    cJSON *json = cJSON_ParseWithLengthOpts(text, size, end, whole);
    os_locale_restore(&locale);
    return json;
}

char *json_print(const cJSON *json, bool indented)
{
    os_locale locale;
    os_locale_plain(&locale);
    char *text = indented ? cJSON_Print(json) : cJSON_PrintUnformatted(json);
    os_locale_restore(&locale);
    return text;
}
