/* `pumice tokenize`: a text's tokens, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"

static app_common common;
static const char *dir;
static bool decode, lines, special;

static arg_option table[] = {
    {ARG_TEXT, "--tokenizer", "DIR|FILE.gguf", &dir, NULL, 0, 0,
     "a folder with a tokenizer, such as a model's, or a GGUF file", true, false},
    {ARG_FLAG, "--decode", NULL, &decode, NULL, 0, 0,
     "read ids and write their text: numbers with white space between, or what --json prints, or JSON arrays", false,
     false},
    {ARG_FLAG, "--special", NULL, &special, NULL, 0, 0,
     "text that spells a special token, such as <|endoftext|>, is that token; else it is text like any other", false,
     false},
    {ARG_FLAG, "--lines", NULL, &lines, NULL, 0, 0, "each line of the input is one text, and gets one line", false,
     false},
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document: ids, pieces (the text of each), and with --decode text"),
};

arg_command tokenize_command = {
    "tokenize",
    "--tokenizer DIR|FILE.gguf [--special] [--decode] [--lines] [--json] < FILE",
    "Tells the tokens of a text",
    "All of standard input is one text; its tokens' ids come out on one line.",
    table,
    sizeof table / sizeof *table,
};

/* All of stdin with a 0 byte behind it; NULL after an error line. */
static char *read_input(size_t *size)
{
    char *data = NULL;
    size_t used = 0, room = 0, got = 1;
    while (got > 0) {
        if (room - used < 65536) {
            room = 2 * room + 131072;
            char *grown = realloc(data, room);
            if (!grown) {
                app_error("stdin: out of host memory");
                free(data);
                return NULL;
            }
            data = grown;
        }
        got = fread(data + used, 1, room - used - 1, stdin);
        used += got;
    }
    if (ferror(stdin)) {
        app_error("stdin: cannot be read: %s", strerror(errno));
        free(data);
        return NULL;
    }
    data[used] = 0;
    *size = used;
    return data;
}

/* Ids below `vocab` with white space between, malloc'd; NULL after an error line. `start`: where the text begins in the input. */
static uint32_t *parse_ids(const char *text, size_t size, size_t start, uint32_t vocab, size_t *count)
{
    uint32_t *ids = malloc((size / 2 + 1) * sizeof *ids);
    *count = 0;
    if (!ids) {
        app_error("stdin: out of host memory");
        return NULL;
    }
    for (size_t at = 0; at < size;) {
        if (text[at] && strchr(" \t\r\n", text[at])) {
            at++;
            continue;
        }
        size_t digits = 0;
        unsigned long long id = 0;
        for (; at + digits < size && digits < 12 && text[at + digits] >= '0' && text[at + digits] <= '9'; digits++) {
            id = 10 * id + (unsigned)(text[at + digits] - '0');
        }
        const char after = at + digits < size ? text[at + digits] : ' ';
        if (digits == 0 || !after || !strchr(" \t\r\n", after) || id >= vocab) {
            app_error("stdin: no token id at byte %zu; give numbers from 0 to %u with blanks between", start + at,
                      (unsigned)vocab - 1);
            free(ids);
            return NULL;
        }
        ids[(*count)++] = (uint32_t)id;
        at += digits;
    }
    return ids;
}

/* Appends the ids of one JSON document, an array or an object with "ids". False after an error line. */
static bool add_json_ids(const cJSON *json, size_t at, uint32_t vocab, uint32_t *ids, size_t *count)
{
    const cJSON *list = cJSON_IsArray(json) ? json : cJSON_GetObjectItemCaseSensitive(json, "ids"), *item;
    if (!cJSON_IsArray(list)) {
        app_error(
            "stdin: the JSON at byte %zu has no list \"ids\"; give what tokenize --json prints, or an array of ids",
            at);
        return false;
    }
    size_t number = 0;
    cJSON_ArrayForEach(item, list)
    {
        const double id = cJSON_IsNumber(item) ? item->valuedouble : -1;
        number++;
        if (!(id >= 0 && id < vocab) || id != (double)(uint32_t)id) {
            app_error("stdin: id %zu of the JSON at byte %zu must be a number from 0 to %u", number, at,
                      (unsigned)vocab - 1);
            return false;
        }
        ids[(*count)++] = (uint32_t)id;
    }
    return true;
}

/* The same for JSON documents, one after the other. */
static uint32_t *parse_json_ids(const pm_log *log, const char *text, size_t size, size_t start, uint32_t vocab,
                                size_t *count)
{
    uint32_t *ids = malloc((size / 2 + 1) * sizeof *ids); /* each takes a digit, and a comma or bracket */
    *count = 0;
    if (!ids) app_error("stdin: out of host memory");
    for (size_t at = 0; ids && at < size;) {
        if (text[at] && strchr(" \t\r\n", text[at])) {
            at++;
            continue;
        }
        const char *end = text + at;
        cJSON *json = cJSON_ParseWithLengthOpts(text + at, size - at, &end, 0);
        const bool whole = json != NULL;
        cJSON_Delete(json);
        if (!whole) app_error("stdin: not valid JSON at byte %zu", start + (size_t)(end - text));
        json = whole ? app_json(log, "stdin", 0, text + at, (size_t)(end - text) - at) : NULL; /* by Pumice's rules */
        const bool fine = json && add_json_ids(json, start + at, vocab, ids, count);
        cJSON_Delete(json);
        at = (size_t)(end - text);
        if (!fine) {
            free(ids);
            return NULL;
        }
    }
    return ids;
}

/* The text of ids, malloc'd; NULL after an error line. */
static char *join(const pm_log *log, const pm_tokenizer *tokenizer, const uint32_t *ids, size_t count, size_t *size)
{
    pm_detokenizer *all = NULL;
    size_t at = 0, length = 0;
    *size = 0;
    if (pm_detokenizer_create(log, tokenizer, false, &all) != PM_OK) return NULL;
    for (size_t i = 0; i < count; i++, *size += length) pm_tokenizer_piece(tokenizer, ids[i], &length);
    char *text = malloc(*size + 1);
    if (!text) app_error("out of host memory for the text");
    for (size_t i = 0; text && i <= count; i++, at += length) {
        const char *more = i < count ? pm_detokenizer_put(all, ids[i], &length) : pm_detokenizer_end(all, &length);
        memcpy(text + at, more, length);
    }
    *size = at;
    pm_detokenizer_destroy(&all);
    return text;
}

static bool add_text(cJSON *to, const char *name, const char *bytes, size_t size)
{
    char *text = bytes ? app_json_text(bytes, size) : NULL;
    cJSON *item = text ? cJSON_CreateString(text) : NULL;
    free(text);
    if (item && (name ? cJSON_AddItemToObject(to, name, item) : cJSON_AddItemToArray(to, item))) return true;
    cJSON_Delete(item);
    return false;
}

static bool print_json(const pm_log *log, const pm_tokenizer *tokenizer, const uint32_t *ids, size_t count)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *numbers = cJSON_AddArrayToObject(json, "ids"), *pieces = cJSON_AddArrayToObject(json, "pieces");
    bool fine = numbers && pieces;
    for (size_t i = 0; i < count && fine; i++) {
        size_t size = 0;
        const char *piece = pm_tokenizer_piece(tokenizer, ids[i], &size);
        cJSON *id = cJSON_CreateNumber(ids[i]);
        fine = id && cJSON_AddItemToArray(numbers, id) && add_text(pieces, NULL, piece, size);
    }
    if (fine && decode) {
        size_t size = 0;
        char *text = join(log, tokenizer, ids, count, &size);
        fine = add_text(json, "text", text, size);
        free(text);
    }
    char *printed = fine ? cJSON_PrintUnformatted(json) : NULL;
    if (printed)
        puts(printed);
    else
        app_error("out of host memory for the tokens");
    free(printed);
    cJSON_Delete(json);
    return printed != NULL;
}

static bool print(const pm_log *log, const pm_tokenizer *tokenizer, const uint32_t *ids, size_t count)
{
    if (common.json) return print_json(log, tokenizer, ids, count);
    size_t size = 0;
    char *text = decode ? join(log, tokenizer, ids, count, &size) : NULL;
    if (decode && !text) return false;
    fwrite(text ? text : "", 1, size, stdout);
    free(text);
    for (size_t i = 0; i < count && !decode; i++) printf(i ? " %u" : "%u", (unsigned)ids[i]);
    if (!decode || lines) putchar('\n');
    return true;
}

/* Encodes or decodes one text of the input, from byte `start` on, and prints it. */
static bool tell(const pm_log *log, const pm_tokenizer *tokenizer, const char *input, size_t start, size_t size)
{
    uint32_t *ids = NULL;
    size_t count = 0;
    bool fine;
    if (decode) {
        const char first = input[start + strspn(input + start, " \t\r\n")];
        const uint32_t vocab = pm_tokenizer_vocab(tokenizer);
        ids = first == '{' || first == '[' ? parse_json_ids(log, input + start, size, start, vocab, &count)
                                           : parse_ids(input + start, size, start, vocab, &count);
        fine = ids != NULL;
    } else {
        fine = (special ? pm_tokenizer_encode_special : pm_tokenizer_encode)(log, tokenizer, "stdin", input + start,
                                                                             size, &ids, &count) == PM_OK;
    }
    fine = fine && print(log, tokenizer, ids, count);
    free(ids);
    return fine;
}

/* Any bytes have tokens, so what is no text of UTF-8 gets a warning only. */
static void warn_foreign(const char *input, size_t size)
{
    const char *foreign = pm_text_foreign(input, size, true);
    if (foreign) app_warn("stdin: %s, or its bytes are read as they are", foreign);
}

int tokenize_main(int argc, char **argv)
{
    switch (args_parse(&tokenize_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    pm_tokenizer *tokenizer = NULL;
    size_t size = 0;
    pm_status status = pm_tokenizer_load(&log, dir, &tokenizer);
    if (status != PM_OK) return app_exit_code(status);
    char *input = read_input(&size);
    bool fine = input != NULL;
    if (fine && !decode) warn_foreign(input, size);
    for (size_t at = 0; fine && lines && at < size;) {
        const char *end = memchr(input + at, '\n', size - at);
        const size_t length = end ? (size_t)(end - input) - at : size - at;
        fine = tell(&log, tokenizer, input, at, length);
        at += length + 1;
    }
    if (fine && !lines) fine = tell(&log, tokenizer, input, 0, size);
    free(input);
    pm_tokenizer_destroy(&tokenizer);
    return fine ? EXIT_DONE : EXIT_FAILED;
}
