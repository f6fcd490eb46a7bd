/* Command-line options from one table: parsing, range checks, defaults and the text of --help. */
#ifndef APPS_ARGS_H
#define APPS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum arg_type {
    ARG_HEAD,   /* no option: a heading of the help text, in `help` */
    ARG_FLAG,   /* target: bool */
    ARG_TEXT,   /* target: const char *, into argv */
    ARG_CHOICE, /* as ARG_TEXT; one of the words of `value` */
    ARG_U32,    /* target: uint32_t, from min to max */
    ARG_U64,    /* target: uint64_t */
    ARG_F32,    /* target: float, from min to max */
    ARG_LIST,   /* target: arg_list; may be given again */
} arg_type;

typedef struct arg_list {
    const char *items[32]; /* into argv */
    size_t count;
} arg_list;

typedef struct arg_option {
    arg_type type;
    const char *name;     /* with its dashes */
    const char *value;    /* what the help calls the value, "FILE|DIR" */
    void *target;         /* a flag becomes false and a text NULL where no default is given */
    const char *fallback; /* the default, parsed as if given; NULL: none */
    double min, max;
    const char *help;
    bool required;
    bool given; /* set by args_parse */
} arg_option;

typedef struct arg_command {
    const char *name;    /* "train" */
    const char *usage;   /* what follows the name in the usage line */
    const char *summary; /* one line, for `pumice help` */
    const char *text;    /* more text for the command's own help; may be NULL */
    arg_option *options;
    size_t count;
} arg_command;

typedef enum arg_result { ARGS_OK, ARGS_HELP, ARGS_BAD } arg_result;

/* Reads argv[0 .. argc), the words behind the subcommand. ARGS_HELP: --help was asked for and is printed on stdout. ARGS_BAD: after one error
 * line. */
arg_result args_parse(arg_command *command, int argc, char **argv);

/* The two halves of args_parse, for a command that takes further values from elsewhere between them. args_read reads the words. args_complete checks
 * that each required option has a value: false after an error line. */
arg_result args_read(arg_command *command, int argc, char **argv);
bool args_complete(const arg_command *command);

/* An option's value, as text that args_set takes; NULL: it has none. */
const char *args_text(const arg_option *option, char number[32]);
/* Sets an option as the command line would, but leaves `given`. Text options keep the pointer. False after an error line. */
bool args_set(arg_option *option, const char *text);

/* Whether the option was on the command line. */
bool args_given(const arg_command *command, const char *name);

void args_help(const arg_command *command);

#endif
