/* JSON text: one set of rules for all that is read. */
#ifndef FILES_JSON_H
#define FILES_JSON_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/log.h"

/* What error lines call the text. */
typedef struct json_place {
    const char *path;
    size_t line;      /* of a file of JSON lines, from 1; 0: the text is the whole file */
    const char *part; /* "its header"; NULL: all of it */
    const char *nul;  /* how a file of this kind spells U+0000; NULL: it has no such character */
} json_place;

/* One JSON value, to free with cJSON_Delete. White space may stand around it. text[size] must be a 0 byte. Fails: PM_FORMAT, also where a
 * string holds U+0000 or half of a surrogate pair, where an object has a key twice, and for UTF-16. PM_NO_HOST_MEMORY. */
pm_status json_read(const pm_log *log, const json_place *place, const char *text, size_t size, cJSON **out);

/* An object's boolean: true, false, or the numbers 1 and 0, which count as these. *value stays where the key is absent or null. False: the key has
 * anything else. */
bool json_flag(const cJSON *object, const char *key, bool *value);

/* cJSON_ParseWithLengthOpts, and cJSON_Print or cJSON_PrintUnformatted, whose text cJSON_free frees, in the locale "C", whatever the host's is. With
 * `whole` the text ends with a 0 byte within `size`, and only white space follows the value. */
cJSON *json_parse(const char *text, size_t size, const char **end, bool whole);
char *json_print(const cJSON *json, bool indented);

#endif
