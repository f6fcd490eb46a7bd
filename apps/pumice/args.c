/* The option table at work. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "args.h"
#include "terminal.h"

enum { HELP_COLUMN = 26, HELP_WIDTH = 110 };

/* Whether `text` is one of the words of "a|b|c". */
static bool is_choice(const char *words, const char *text)
{
    const size_t length = strlen(text);
    while (length > 0) {
        const size_t word = strcspn(words, "|");
        if (word == length && memcmp(words, text, word) == 0) return true;
        if (words[word] == 0) break;
        words += word + 1;
    }
    return false;
}

static bool bad_number(const arg_option *option, const char *text)
{
    const char *kind = option->type == ARG_F32 ? "number" : "whole number";
    if (option->type == ARG_U64) {
        app_error("%s %s: give a whole number from 0 to 18446744073709551615", option->name, text);
    } else {
        app_error("%s %s: give a %s from %.10g to %.10g", option->name, text, kind, option->min, option->max);
    }
    return false;
}

static bool set_integer(const arg_option *option, const char *text)
{
    if (text[0] == 0 || strspn(text, "0123456789") != strlen(text)) return bad_number(option, text);
    errno = 0;
    const unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0) return bad_number(option, text);
    if (option->type == ARG_U64) {
        *(uint64_t *)option->target = value;
        return true;
    }
    if ((double)value < option->min || (double)value > option->max) return bad_number(option, text);
    *(uint32_t *)option->target = (uint32_t)value;
    return true;
}

static bool set_float(const arg_option *option, const char *text)
{
    char *end = NULL;
    /* Only the characters of a decimal number: strtod would also take "nan", "inf" and hexadecimal. */
    if (text[0] == 0 || strspn(text, "0123456789.eE+-") != strlen(text)) return bad_number(option, text);
    const double value = strtod(text, &end);
    if (*end != 0 || !isfinite(value) || value < option->min || value > option->max) return bad_number(option, text);
    *(float *)option->target = (float)value;
    return true;
}

static bool set_text(const arg_option *option, const char *text)
{
    if (!*text && (strstr(option->value, "DIR") || strstr(option->value, "FILE"))) {
        app_error("%s: the path is empty", option->name);
        return false;
    }
    *(const char **)option->target = text;
    return true;
}

static bool set_value(const arg_option *option, const char *text)
{
    switch (option->type) {
    case ARG_CHOICE:
        if (!is_choice(option->value, text)) {
            app_error("%s %s: give one of %s", option->name, text, option->value);
            return false;
        }
        *(const char **)option->target = text;
        return true;
    case ARG_TEXT: return set_text(option, text);
    case ARG_U32:
    case ARG_U64: return set_integer(option, text);
    case ARG_F32: return set_float(option, text);
    case ARG_LIST: {
        arg_list *list = option->target;
        if (list->count == sizeof list->items / sizeof *list->items) {
            app_error("%s %s: at most %zu of them can be given", option->name, text, list->count);
            return false;
        }
        list->items[list->count++] = text;
        return true;
    }
    case ARG_FLAG:
    case ARG_HEAD: break;
    }
    return false;
}

static bool set_defaults(arg_command *command)
{
    for (size_t i = 0; i < command->count; i++) {
        arg_option *option = &command->options[i];
        option->given = false;
        if (option->type == ARG_FLAG) *(bool *)option->target = false;
        if (option->type == ARG_TEXT || option->type == ARG_CHOICE) *(const char **)option->target = NULL;
        if (option->type == ARG_LIST) ((arg_list *)option->target)->count = 0;
        if (option->fallback && !set_value(option, option->fallback)) return false;
    }
    return true;
}

bool args_set(arg_option *option, const char *text)
{
    if (option->type != ARG_FLAG) return set_value(option, text);
    *(bool *)option->target = strcmp(text, "true") == 0;
    return true;
}

const char *args_text(const arg_option *option, char number[32])
{
    switch (option->type) {
    case ARG_FLAG: return *(const bool *)option->target ? "true" : NULL;
    case ARG_TEXT:
    case ARG_CHOICE: return *(const char *const *)option->target;
    case ARG_U32: snprintf(number, 32, "%" PRIu32, *(const uint32_t *)option->target); return number;
    case ARG_U64: snprintf(number, 32, "%" PRIu64, *(const uint64_t *)option->target); return number;
    case ARG_F32: {
        const float value = *(const float *)option->target;
        if (isnan(value)) return NULL;
        /* The fewest digits that give the same number. */
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(number, 32, "%.*g", digits, (double)value);
            if ((float)strtod(number, NULL) == value) break;
        }
        return number;
    }
    case ARG_LIST:
    case ARG_HEAD: break;
    }
    return NULL;
}

static arg_option *find_option(const arg_command *command, const char *name, size_t length)
{
    for (size_t i = 0; i < command->count; i++) {
        arg_option *option = &command->options[i];
        if (option->type != ARG_HEAD && strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}

/* Parses one word and, where it takes one, its value. Returns how many words were used; 0: bad. */
static int parse_word(arg_command *command, int left, char **words)
{
    const char *word = words[0];
    if (word[0] != '-' || word[1] == 0) {
        app_error("unexpected argument '%s': see pumice %s --help", word, command->name);
        return 0;
    }
    const size_t length = strcspn(word, "=");
    arg_option *option = find_option(command, word, length);
    if (!option) {
        app_error("unknown option %.*s: see pumice %s --help", (int)length, word, command->name);
        return 0;
    }
    option->given = true;
    if (option->type == ARG_FLAG) {
        if (word[length] == '=') {
            app_error("%s takes no value", option->name);
            return 0;
        }
        *(bool *)option->target = true;
        return 1;
    }
    if (word[length] == '=') return set_value(option, word + length + 1) ? 1 : 0;
    /* "--data --out x" forgot a value; a value that does start with two dashes can be given as --prompt=--x. */
    if (left < 2 || strncmp(words[1], "--", 2) == 0) {
        app_error("%s needs a value: %s %s", option->name, option->name, option->value);
        return 0;
    }
    return set_value(option, words[1]) ? 2 : 0;
}

arg_result args_read(arg_command *command, int argc, char **argv)
{
    if (!set_defaults(command)) return ARGS_BAD;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args_help(command);
            return ARGS_HELP;
        }
    }
    for (int i = 0; i < argc;) {
        const int used = parse_word(command, argc - i, argv + i);
        if (used == 0) return ARGS_BAD;
        i += used;
    }
    return ARGS_OK;
}

bool args_complete(const arg_command *command)
{
    char number[32];
    for (size_t i = 0; i < command->count; i++) {
        const arg_option *option = &command->options[i];
        const bool text = option->type == ARG_TEXT || option->type == ARG_CHOICE; /* a number has a value anyway */
        if (option->required && !option->given && !(text && args_text(option, number))) {
            app_error("%s needs %s %s: see pumice %s --help", command->name, option->name, option->value,
                      command->name);
            return false;
        }
    }
    return true;
}

arg_result args_parse(arg_command *command, int argc, char **argv)
{
    const arg_result result = args_read(command, argc, argv);
    if (result != ARGS_OK) return result;
    return args_complete(command) ? ARGS_OK : ARGS_BAD;
}

bool args_given(const arg_command *command, const char *name)
{
    const arg_option *option = find_option(command, name, strlen(name));
    return option && option->given;
}

/* Prints a text with its lines broken at blanks, so that none passes `most` columns. Continued lines are indented 2 more. */
static void print_text(const char *text, int most)
{
    while (*text) {
        char line[512];
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        printf("%.*s", (int)indent, line);
        app_print_wrapped(line + (indent < length ? indent : length), (int)indent, (int)indent + 2, most);
        text += length;
        text += *text == '\n';
    }
}

void args_help(const arg_command *command)
{
    /* On a narrow terminal an option's text is below it. */
    const int columns = terminal_columns(TERMINAL_STDOUT),
              narrow = terminal_is(TERMINAL_STDOUT) && columns < HELP_WIDTH;
    const int most = narrow ? columns - 1 : HELP_WIDTH, wide = terminal_is(TERMINAL_STDOUT) ? columns - 1 : INT_MAX;
    const int indent = narrow && columns < 70 ? 6 : HELP_COLUMN;
    char head[256];
    snprintf(head, sizeof head, "usage: pumice %s %s\n\n%s.\n", command->name, command->usage, command->summary);
    print_text(head, wide);
    if (command->text) print_text(command->text, wide);
    putchar('\n');
    for (size_t i = 0; i < command->count; i++) {
        const arg_option *option = &command->options[i];
        if (option->type == ARG_HEAD) {
            printf("%s:\n", option->help);
            continue;
        }
        char left[80], right[512];
        const int width = snprintf(left, sizeof left, "  %s%s%s", option->name, option->value ? " " : "",
                                   option->value ? option->value : "");
        if (width + 2 > indent) {
            printf("%s\n%*s", left, indent, "");
        } else {
            printf("%-*s", indent, left);
        }
        const char *fallback = option->fallback && option->fallback[0] ? option->fallback : NULL;
        snprintf(right, sizeof right, "%s%s%s%s", option->help, fallback ? " (default " : "", fallback ? fallback : "",
                 fallback ? ")" : "");
        app_print_wrapped(right, indent, indent, most);
    }
}
