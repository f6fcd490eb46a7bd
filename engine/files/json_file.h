/* Whole JSON files. */
#ifndef FILES_JSON_FILE_H
#define FILES_JSON_FILE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "files/source.h"

/* One JSON object, to free with cJSON_Delete, by the rules of json_read. `found` as in file_ref_read. Fails: PM_IO, PM_FORMAT. Where a string holds U+0000,
 * the line says to spell it `nul_spelling`. */
pm_status json_file_read(const pm_log *log, const file_ref *ref, const char *nul_spelling, bool *found, cJSON **out);
/* The same of a text that was read, with a 0 byte behind it. */
pm_status json_file_parse(const pm_log *log, const char *path, const char *nul_spelling, const char *text, size_t size,
                          cJSON **out);

/* Writes dir/name. */
pm_status json_file_write(const pm_log *log, const char *dir, const char *name, const cJSON *json, bool indented);

#endif
