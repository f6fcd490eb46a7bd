/* Whole JSON files. */
#ifndef TEXT_JSON_FILE_H
#define TEXT_JSON_FILE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/log.h"

/* Whether JSON text holds U+0000, at which cJSON would end a string: as a byte or as an escape. */
bool json_holds_nul(const char *text, size_t size);

/* One JSON object, for cJSON_Delete. Fails: PM_IO, PM_FORMAT with the byte of the fault; also where a string holds U+0000: the line
 * says to spell it `nul_spelling`. */
pm_status json_file_read(const pm_log *log, const char *path, const char *nul_spelling, cJSON **out);

/* dir/name. */
pm_status json_file_write(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented);

#endif
