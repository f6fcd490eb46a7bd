/* What is known of a run before it begins: its folder and its options. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"

bool run_decide_resume(const char *out, bool resume, bool overwrite, int *code)
{
    const char *file;
    const pm_run_state state = pm_run_look(out, &file);
    const unsigned all = PM_FILES_MODEL | PM_FILES_GENERATION | PM_FILES_TOKENIZER | PM_FILES_RUN;
    bool good = true;
    if (state == PM_RUN_SAVED && resume) return true;
    if (state == PM_RUN_STRIPPED && resume) {
        app_error("--out %s: its checkpoint is gone, and beginning again would replace its model; give another folder",
                  out);
        good = false;
    } else if (state == PM_RUN_SAVED || state == PM_RUN_STRIPPED || (state == PM_RUN_BEGUN && !resume)) {
        app_error("--out %s: there is a run in it already; add --resume to go on, or give another folder", out);
        good = false;
    } else if (state == PM_RUN_MODEL) {
        app_error("--out %s: there is a model in it already; give another folder", out);
        good = false;
    } else if (state == PM_RUN_FILES || !*out) {
        good = folder_is_free(out, all, overwrite);
    }
    if (!good) *code = EXIT_FAILED;
    if (good && resume) app_say("%s holds no run yet: a new one begins", out);
    return false;
}

/* ---- options ---- */

/* Whether an option is in the list, which ends with NULL. */
static bool listed(const char *const *list, const arg_option *option)
{
    while (*list && strcmp(*list, option->name) != 0) list++;
    return *list != NULL;
}

/* Whether an option is of the run, not of one call of the command or of the machine. */
bool run_keeps_option(const arg_option *option)
{
    static const char *const others[] = {"--out",           "--resume",    "--overwrite", "--plan",
                                         "--device",        "--submit-ms", "--period-ms", "--profile",
                                         "--profile-steps", "--verbose",   "--json",      NULL};
    return option->type != ARG_HEAD && option->type != ARG_LIST && !listed(others, option);
}

/* An option that a resumed run was given. Adds it to `told` where the run takes another value than it had. False after an error line. */
static bool take_given(const arg_command *command, arg_option *option, const char *was, const char *out, char *told,
                       size_t room)
{
    /* Options that neither the trainer nor the run's files know, and those that only count at a run's start. */
    static const char *const own[] = {"--dev",       "--measure", "--eval-every", "--eval-batches", "--save-every",
                                      "--recompute", NULL};
    static const char *const first[] = {"--init", "--model", "--tokenizer", "--documents", "--special", NULL};
    char number[32];
    const char *now = args_text(option, number);
    if (now && was && strcmp(now, "auto") == 0) return args_set(option, was); /* what it was then */
    const char *had = was ? was : option->fallback;
    if (!now || (had && strcmp(now, had) == 0)) return true;
    const bool flag = option->type == ARG_FLAG;
    const char *blank = flag ? "" : " ", *value = flag ? "" : now;
    const size_t used = strlen(told);
    if (listed(own, option))
        snprintf(told + used, room - used, "%s%s%s%s (was %s)", used ? ", " : "", option->name, blank, value,
                 was ? was : "not given");
    if (!listed(first, option)) return true;
    app_error("%s%s%s: the run in %s began %s %s; leave it out, or begin another run: see pumice %s --help",
              option->name, blank, value, out, had ? "with" : "without", had ? had : "it", command->name);
    return false;
}

/* Before runs noted their options, a folder's documents had no ends. */
static bool take_old(arg_command *command)
{
    for (size_t i = 0; i < command->count; i++) {
        arg_option *option = &command->options[i];
        if (option->type == ARG_CHOICE && strcmp(option->name, "--documents") == 0 && !option->given)
            return args_set(option, "off");
    }
    return true;
}

int run_take_options(arg_command *command, const pm_log *log, const char *out, pm_run_note **kept)
{
    char told[400] = "";
    const pm_status status = pm_run_note_load(log, out, kept);
    if (status != PM_OK) return app_exit_code(status);
    const char *made_by = pm_run_note_kind(*kept);
    if (made_by && strcmp(made_by, command->name) != 0) {
        app_error("--out %s: the run in it is one of pumice %s, not of pumice %s", out, made_by, command->name);
        return EXIT_FAILED;
    }
    const bool options = pm_run_note_has_options(*kept);
    if (!options && !take_old(command)) return EXIT_FAILED;
    for (size_t i = 0; i < command->count && options; i++) {
        arg_option *option = &command->options[i];
        if (!run_keeps_option(option)) continue;
        const char *was = pm_run_note_option(*kept, option->name);
        if (!option->given && was && !args_set(option, was)) return EXIT_FAILED;
        if (option->given && !take_given(command, option, was, out, told, sizeof told)) return EXIT_USAGE;
    }
    if (told[0]) app_say("%s: the run goes on with %s", out, told);
    return EXIT_DONE;
}

void run_say_model(const pm_device *device, pm_precision precision, const pm_gpt_config *c)
{
    app_say("%s, %s, %s: %u layers, %u heads, %u channels, context %u, %u tokens in the vocabulary; %.2f M parameters",
            pm_device_caps(device)->name, pm_precision_name(precision), pm_arch_name(c->arch), (unsigned)c->layers,
            (unsigned)c->heads, (unsigned)c->embd, (unsigned)c->ctx, (unsigned)c->vocab,
            1e-6 * (double)pm_gpt_config_parameters(c));
}

pm_precision run_precision(const char *text)
{
    pm_precision precision = PM_PRECISION_F32;
    while (strcmp(pm_precision_name(precision), text) != 0 && precision < PM_PRECISION_AUTO) precision++;
    return precision;
}
