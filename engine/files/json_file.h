/* Whole JSON files. */
#ifndef FILES_JSON_FILE_H
#define FILES_JSON_FILE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/log.h"

/* One JSON object, to free with cJSON_Delete, by the rules of json_read. Fails: PM_IO, PM_FORMAT. Where a string holds U+0000, the line
 * says to spell it `nul_spelling`. */
pm_status json_file_read(const pm_log *log, const char *path, const char *nul_spelling, cJSON **out);

/* Writes dir/name. */
pm_status json_file_write(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented);

#endif
