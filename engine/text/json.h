/* JSON text: one set of rules for whatever is read. */
#ifndef TEXT_JSON_H
#define TEXT_JSON_H

#include <cjson/cJSON.h>

#include "base/log.h"

/* What error lines call the text. */
typedef struct json_place {
    const char *path;
    size_t line;      /* of a file of JSON lines, from 1; 0: the text is the whole file */
    const char *part; /* "its header"; NULL: all of it */
    const char *nul;  /* how a file of this kind spells U+0000; NULL: it has no such character */
} json_place;

/* One JSON value, for cJSON_Delete; white space may stand around it. A 0 byte follows the text, at text[size]. Fails: PM_FORMAT, also where a string holds U+0000 or half of a
 * surrogate pair, where an object has a key twice, and for UTF-16. PM_NO_HOST_MEMORY. */
pm_status json_read(const pm_log *log, const json_place *place, const char *text, size_t size, cJSON **out);

#endif
