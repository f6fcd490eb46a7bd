/* Folders of runs. */
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"
#include "progress.h"

/* Whether the folder has the file. */
static bool folder_has(const char *dir, const char *name)
{
    char *path = app_join(dir, name);
    const bool there = path && app_exists(path);
    free(path);
    return there;
}

bool run_decide_resume(const char *out, bool resume, int *code)
{
    const bool checkpoint =
        folder_has(out, "checkpoint.safetensors") || folder_has(out, "checkpoint.previous.safetensors");
    if (resume) {
        if (!checkpoint) app_say("%s has no checkpoint yet: starting from the beginning", out);
        return checkpoint;
    }
    if (checkpoint || folder_has(out, "model.safetensors")) {
        app_error("--out %s: there is a %s in it already; add --resume to go on, or give another folder", out,
                  checkpoint ? "run" : "model");
        *code = EXIT_FAILED;
    }
    return false;
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
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
        if (strcmp(word, "--resume") == 0) resume = true;
        fputs(i ? " " : "  ", stderr);
        if (word[0] && strspn(word, plain) == strlen(word)) {
            fputs(word, stderr);
            continue;
        }
        fputc('\'', stderr);
        for (const char *c = word; *c; c++) {
            if (*c == '\'') {
                fputs("'\\''", stderr);
            } else {
                fputc(*c, stderr);
            }
        }
        fputc('\'', stderr);
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
