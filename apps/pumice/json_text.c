/* Parses JSON by Pumice's rules; makes UTF-8 of a model's bytes, for JSON; prints a document as a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"

/* How many bytes the UTF-8 character at text takes; 0 where there is none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const unsigned char lowest[5] = {0, 0, 0x80, 0xa0,
                                            0x90}; /* of the second byte after E0 and F0: no overlong forms */
    size_t length = text[0] < 0x80                      ? 1
                    : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                    : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                                                        : 0;
    if (text[0] >= 0xf0 && text[0] < 0xf5) length = 4;
    if (length == 0 || length > left) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    if ((text[0] == 0xe0 || text[0] == 0xf0) && text[1] < lowest[length]) return 0;
    if (text[0] == 0xed && text[1] > 0x9f) return 0; /* surrogates */
    if (text[0] == 0xf4 && text[1] > 0x8f) return 0; /* beyond U+10FFFF */
    return length;
}

char *app_json_text(const char *text, size_t size)
{
    char *clean = malloc(3 * size + 1);
    size_t used = 0;
    for (size_t i = 0; clean && i < size;) {
        const size_t length = text[i] ? utf8_length((const unsigned char *)text + i, size - i) : 0;
        memcpy(clean + used, length ? text + i : "\xef\xbf\xbd", length ? length : 3);
        used += length ? length : 3;
        i += length ? length : 1;
    }
    if (clean) clean[used] = 0;
    return clean;
}

cJSON *app_json(const pm_log *log, const char *name, size_t line, const char *text, size_t size)
{
    char *copy = malloc(size + 1); /* with a 0 byte behind it */
    if (!copy) {
        app_error("%s: out of host memory", name);
        return NULL;
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    cJSON *json = pm_json_check(log, name, line, copy, size) == PM_OK ? cJSON_Parse(copy) : NULL;
    free(copy);
    return json;
}

static bool lost; /* a document was not printed */

void app_print_json(cJSON *json)
{
    char *line = cJSON_PrintUnformatted(json);
    if (line) puts(line);
    if (!line) app_error("out of host memory for a line of JSON");
    lost |= !line;
    fflush(stdout);
    free(line);
    cJSON_Delete(json);
}

bool app_printed_all(void)
{
    return !lost;
}
