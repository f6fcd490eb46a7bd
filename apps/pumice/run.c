/* Folders of runs. */
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "folder.h"
#include "plot.h"
#include "process.h"
#include "progress.h"

bool run_decide_resume(const char *out, bool resume, bool overwrite, int *code)
{
    const bool checkpoint =
        folder_has(out, "checkpoint.safetensors") || folder_has(out, "checkpoint.previous.safetensors");
    if (checkpoint && resume) return true;
    if (resume && folder_has(out, "loss.png") && folder_has(out, "model.safetensors")) {
        app_error("--out %s: its checkpoint is gone, and beginning again would replace its model; give another folder",
                  out);
        *code = EXIT_FAILED;
        return false;
    }
    const bool begun = folder_of_begun_run(out), model = folder_has_weights(out);
    if (checkpoint || (model && begun && !resume)) {
        app_error("--out %s: there is a run in it already; add --resume to go on, or give another folder", out);
        *code = EXIT_FAILED;
    } else if (model && !begun) {
        app_error("--out %s: there is a model in it already; give another folder", out);
        *code = EXIT_FAILED;
    } else if (!begun && !folder_is_free("--out", out, FOLDER_MODEL | FOLDER_TOKENIZER | FOLDER_RUN, overwrite)) {
        *code = EXIT_FAILED;
    } else if (resume) {
        app_say("%s holds no run yet: a new one begins", out);
    }
    return false;
}

int run_start(metrics *curves, const pm_log *log, const char *out, bool overwrite, const pm_tokenizer *tokenizer,
              const pm_model *model)
{
    if (!folder_make("--out", out) || !metrics_open(curves, out, 0)) return EXIT_FAILED;
    if (overwrite) folder_clear_for_model(out);
    pm_status status = pm_tokenizer_save(log, tokenizer, out);
    if (status == PM_OK) status = pm_model_save(model, out); /* last: a folder with a model has all of it */
    return app_exit_code(status);
}

/* ---- options ---- */

/* Whether an option is in the list, which ends with NULL. */
static bool listed(const char *const *list, const arg_option *option)
{
    while (*list && strcmp(*list, option->name) != 0) list++;
    return *list != NULL;
}

/* Whether an option is of the run, not of one call of the command or of the machine. */
static bool is_kept(const arg_option *option)
{
    static const char *const others[] = {"--out",           "--resume",    "--overwrite", "--plan",
                                         "--device",        "--submit-ms", "--period-ms", "--profile",
                                         "--profile-steps", "--verbose",   "--json",      NULL};
    return option->type != ARG_HEAD && option->type != ARG_LIST && !listed(others, option);
}

char *run_note(cJSON *note, const arg_command *command)
{
    cJSON *options =
        cJSON_AddStringToObject(note, "command", command->name) ? cJSON_AddObjectToObject(note, "options") : NULL;
    for (size_t i = 0; i < command->count && options; i++) {
        char number[32];
        const arg_option *option = &command->options[i];
        const char *value = is_kept(option) ? args_text(option, number) : NULL;
        if (value && app_input_is_copy(value)) continue; /* a pipe cannot be read again */
        char *text = value ? app_json_text(value, strlen(value)) : NULL;
        if (value && !cJSON_AddStringToObject(options, option->name, text ? text : "")) options = NULL;
        free(text);
    }
    char *text = options ? cJSON_PrintUnformatted(note) : NULL;
    cJSON_Delete(note);
    if (!text) app_error("out of host memory for the checkpoint's note");
    return text;
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

int run_take_options(arg_command *command, const pm_log *log, const char *out, cJSON **kept)
{
    char *note = NULL, told[400] = "";
    const pm_status status = pm_checkpoint_note(log, out, &note);
    if (status != PM_OK) return app_exit_code(status);
    *kept = run_read_note(log, note);
    free(note);
    const char *made_by = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*kept, "command"));
    if (made_by && strcmp(made_by, command->name) != 0) {
        app_error("--out %s: the run in it is one of pumice %s, not of pumice %s", out, made_by, command->name);
        return EXIT_FAILED;
    }
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(*kept, "options");
    if (!options && !take_old(command)) return EXIT_FAILED;
    for (size_t i = 0; i < command->count && options; i++) {
        arg_option *option = &command->options[i];
        if (!is_kept(option)) continue;
        const char *was = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(options, option->name));
        if (!option->given && was && !args_set(option, was)) return EXIT_FAILED;
        if (option->given && !take_given(command, option, was, out, told, sizeof told)) return EXIT_USAGE;
    }
    if (told[0]) app_say("%s: the run goes on with %s", out, told);
    return EXIT_DONE;
}

cJSON *run_read_note(const pm_log *log, const char *note)
{
    return note && *note ? app_json(log, "the checkpoint's note", 0, note, strlen(note)) : NULL;
}

void run_say_model(const pm_device *device, pm_precision precision, const pm_gpt_config *c)
{
    app_say("%s, %s, %s: %u layers, %u heads, %u channels, context %u, %u tokens in the vocabulary; %.2f M parameters",
            pm_device_caps(device)->name, pm_precision_name(precision), c->arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2",
            (unsigned)c->layers, (unsigned)c->heads, (unsigned)c->embd, (unsigned)c->ctx, (unsigned)c->vocab,
            1e-6 * (double)pm_gpt_config_parameters(c));
}

bool run_draw_plot(const char *out, const pm_gpt_config *config, uint32_t time, const metrics *curves)
{
    char title[160];
    char *path = app_join(out, "loss.png");
    if (!path) return false;
    snprintf(title, sizeof title, "%s: %u layers, %u heads, %u channels, context %u, %.2f M parameters",
             config->arch == PM_ARCH_GPT1 ? "gpt1" : "gpt2", (unsigned)config->layers, (unsigned)config->heads,
             (unsigned)config->embd, (unsigned)time, 1e-6 * (double)pm_gpt_config_parameters(config));
    const bool good = plot_draw(path, title, curves);
    free(path);
    return good;
}

int run_save_failed(pm_status status, bool again, uint32_t step, uint32_t saved)
{
    if (status != PM_IO || !again) return app_exit_code(status);
    app_say("step %u: not everything could be saved; training goes on, and the next save tries again (the last "
            "checkpoint is of step %u)",
            (unsigned)step, (unsigned)saved);
    return EXIT_DONE;
}

void run_say_command(int argc, char **argv)
{
    bool resume = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--resume") == 0) resume = true;
        fputs(i ? " " : "  ", stderr);
        process_print_word(stderr, word);
    }
    fputs(resume ? "\n" : " --resume\n", stderr);
}

void run_say_lost(const app_losses *losses, const char *out, uint32_t saved, int argc, char **argv)
{
    char what[64] = "no checkpoint was written yet";
    if (saved) snprintf(what, sizeof what, "the checkpoint of step %u is saved", (unsigned)saved);
    app_error("--out %s: the device was lost %u times in this run; %s. A smaller --batch (with --accum in its "
              "place), " LOSSES_ADVICE "; to go on:",
              out, (unsigned)losses->count, what);
    run_say_command(argc, argv);
}

pm_precision run_precision(const char *text)
{
    pm_precision precision = PM_PRECISION_F32;
    while (strcmp(pm_precision_name(precision), text) != 0 && precision < PM_PRECISION_AUTO) precision++;
    return precision;
}

bool run_step_check(const run_step *s)
{
    const bool half = s->precision == PM_PRECISION_F16;
    if (half && s->skipped && s->loss_scale > 1) {
        progress_clear();
        app_say("step %u: gradients overflow fp16 at a loss scale of %g; skipped", (unsigned)s->step,
                (double)s->loss_scale);
        return true;
    }
    if (half && s->skipped) {
        app_error("--precision f16: the model's values overflow fp16 at step %u; go on with --precision f32 from the "
                  "start (the last checkpoint is of step %u)",
                  (unsigned)s->step, (unsigned)s->saved);
        return false;
    }
    if (isfinite(s->loss) && !s->skipped) return true;
    app_error(
        "--lr %g: the loss or its gradient is not a number any more at step %u; start again with a smaller --lr (the "
        "last checkpoint is of step %u)",
        (double)s->lr, (unsigned)s->step, (unsigned)s->saved);
    return false;
}
