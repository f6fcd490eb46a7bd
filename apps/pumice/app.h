/* What the subcommands share: messages, exit codes, signals, files. */
#ifndef APPS_APP_H
#define APPS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pumice/pumice.h>

#include "args.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };
/* A part of a command returns this when the device is lost, and may be done again (again.h). main() turns it into
 * EXIT_FAILED. */
enum { EXIT_LOST = -1 };

/* Options of every subcommand that opens a device. */
typedef struct app_common {
    const char *device;
    uint32_t submit_ms; /* 0: the library's default */
    uint32_t period_ms; /* 0: all the time */
    bool json, verbose;
    const char *weights;    /* how a model's are kept: by --weights; NULL: f32 */
    const char *profile;    /* a folder; NULL: none */
    uint32_t profile_steps; /* 0: all */
} app_common;

/* Rows of an option table for app_common. */
#define APP_OPTION_DEVICE(common)                                                                                      \
    {                                                                                                                  \
        ARG_TEXT, "--device", "auto|INDEX|NAME", &(common).device, "auto", 0, 0,                                       \
            "the Vulkan device: a number or part of a name of those that `pumice devices` lists", false, false         \
    }
#define APP_OPTION_SUBMIT(common)                                                                                      \
    {                                                                                                                  \
        ARG_U32, "--submit-ms", "N", &(common).submit_ms, "100", 1, 10000,                                             \
            "the longest submission to the device, by measured time (ms): shorter where a watchdog fires", false,      \
            false                                                                                                      \
    }
#define APP_OPTION_PERIOD(common)                                                                                      \
    {                                                                                                                  \
        ARG_U32, "--period-ms", "N", &(common).period_ms, "0", 0, 100000,                                              \
            "take --submit-ms of every N ms, and leave the rest to other programs; 0: take all", false, false          \
    }
#define APP_OPTION_WEIGHTS(common)                                                                                     \
    {                                                                                                                  \
        ARG_CHOICE, "--weights", "file|f32|f16|bf16", &(common).weights, "file", 0, 0,                                 \
            "the type of matrices and tables in memory; file: as the model's files have them, f16 for quantized ones", \
            false, false                                                                                               \
    }
#define APP_OPTION_VERBOSE(common)                                                                                     \
    {                                                                                                                  \
        ARG_FLAG, "--verbose", NULL, &(common).verbose, NULL, 0, 0, "print on stderr what the library does", false,    \
            false                                                                                                      \
    }
#define APP_OPTION_PROFILE(common)                                                                                     \
    {                                                                                                                  \
        ARG_TEXT, "--profile", "DIR", &(common).profile, NULL, 0, 0,                                                   \
            "measure the time of each command on the device: trace.json, kernels.csv, kernels.json and "               \
            "roofline.png in DIR, a table on stderr",                                                                  \
            false, false                                                                                               \
    }
/* `unit`: what the subcommand's steps are. */
#define APP_OPTION_PROFILE_STEPS(common, unit)                                                                         \
    {                                                                                                                  \
        ARG_U32, "--profile-steps", "N", &(common).profile_steps, "20", 0, 1e9, "with --profile: " unit, false, false  \
    }
#define APP_OPTION_JSON(common, text)                                                                                  \
    {                                                                                                                  \
        ARG_FLAG, "--json", NULL, &(common).json, NULL, 0, 0, text, false, false                                       \
    }
#define APP_HEAD(text)                                                                                                 \
    {                                                                                                                  \
        ARG_HEAD, NULL, NULL, NULL, NULL, 0, 0, text, false, false                                                     \
    }

/* The values of --arch, the usual one first. */
#define APP_ARCHS(first) first "|llama|mistral|qwen2|qwen3|gemma3"

/* One line "pumice: …" on stderr. */
void app_error(const char *format, ...) PM_PRINTF(1, 2);
/* One line on stderr, as it is. */
void app_say(const char *format, ...) PM_PRINTF(1, 2);
/* The same, behind "pumice: warning: ". */
void app_warn(const char *format, ...) PM_PRINTF(1, 2);
/* The library's log: errors and warnings, with --verbose information too. */
pm_log app_log(const app_common *common);
/* Its errors alone, behind the option that they are about. */
pm_log app_log_of(const char *option);
/* The exit code of a failure that the library has already reported. */
int app_exit_code(pm_status status);

/* Seconds since the program started. */
double app_seconds(void);
/* Prints a line on stdout, broken at blanks where it would pass `most` columns. It begins at `column`, further lines at `indent`. */
void app_print_wrapped(const char *text, int column, int indent, int most);
/* "1:02:03", "4:12", "9 s" */
const char *app_duration(double seconds, char text[32]);

/* From now on SIGPIPE, a reader gone, only sets a flag. SIGINT, SIGTERM and SIGHUP do the same while there is work to save, else they end the program
 * at once. A second SIGINT or SIGTERM always ends it at once. A signal that was ignored at the start stays ignored. */
void app_catch_interrupts(void);
bool app_interrupted(void);
/* What they cancel; NULL before app_catch_interrupts. A step looks at it, saving does not. */
pm_control *app_control(void);
/* Whether there is work to save; at first there is none. */
void app_has_work(bool to_save);

/* dir/name in malloc'd memory; NULL, after an error line, when short of memory. */
char *app_join(const char *dir, const char *name);
bool app_exists(const char *path);
/* A text as UTF-8, which JSON needs: other bytes become U+FFFD, and so does a 0 byte. malloc'd; NULL when short of memory. */
char *app_json_text(const char *text, size_t size);
struct cJSON;
/* Parses JSON text by Pumice's rules. NULL where the text breaks them, after a line to `log`, which may be NULL. The line begins as pm_json_check
 * says. */
struct cJSON *app_json(const pm_log *log, const char *name, size_t line, const char *text, size_t size);
/* Prints a document as one line on stdout, flushes it and frees the document. Short of memory for the line, it prints an error line instead, and the
 * program ends with EXIT_FAILED. */
void app_print_json(struct cJSON *json);
bool app_printed_all(void);
/* All of a file with a 0 byte behind it, malloc'd. NULL where it cannot be read: *size stays, and errno says why. */
char *app_read(const char *path, size_t *size);
/* Replaces a path that can be read only once, such as a pipe, by that of a copy in the folder for temporary files. False after an error line, which
 * names the option. Blocks until the pipe's end. Call it before app_catch_interrupts, so that a signal ends the program. */
bool app_input(const char *option, const char **path);
/* Whether a path is that of such a copy. */
bool app_input_is_copy(const char *path);
/* The text with the names that the user gave in place of such copies' paths, cut to the size. */
void app_input_names(const char *text, char *out, size_t size);
/* Writes a whole file or nothing: a temporary file, synced and renamed. False after an error line. */
bool app_replace(const char *path, const void *data, size_t size);

/* A device's parameters from the options and the environment: PUMICE_DISABLE, PUMICE_VALIDATE, PUMICE_CACHE_DIR. */
pm_device_params app_device_params(const app_common *common);
/* The value of PUMICE_CACHE_DIR, or NULL. */
const char *app_cache_dir(void);
/* pm_device_open, with PUMICE_DISABLE checked before, and app_say_drivers where there is no device. */
pm_status app_open(const pm_device_params *params, pm_device **out);
/* Says which drivers the environment lets the loader look for. */
void app_say_drivers(void);
/* Lists the adapters, malloc'd, with room for at least one; false after an error line. */
bool app_adapters(const pm_log *log, pm_caps **list, size_t *count);
/* Lowers caps by what PUMICE_DISABLE names; false after an error line about an unknown name. */
bool app_lower_caps(pm_caps *caps);

int devices_main(int argc, char **argv);
int train_main(int argc, char **argv);
int finetune_main(int argc, char **argv);
int eval_main(int argc, char **argv);
int predict_main(int argc, char **argv);
int generate_main(int argc, char **argv);
int convert_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int tokenize_main(int argc, char **argv);
int tokenizer_main(int argc, char **argv);
int kernel_main(int argc, char **argv);
int autotune_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
extern arg_command devices_command, train_command, finetune_command, eval_command, predict_command, generate_command,
    convert_command, tokenize_command, tokenizer_command, bench_command, kernel_command, autotune_command,
    doctor_command;

#endif
