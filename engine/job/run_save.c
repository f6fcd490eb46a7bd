/* Saving a run: its lines, its checkpoint with the note, its model. */
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "gpu/gpu.h"
#include "job/run.h"
#include "os/clock.h"

static pm_status make_note(const pm_run *run, char **out)
{
    const pm_run_params *p = &run->params;
    note_facts f = {.seconds = run_seconds(run), .best = run->best, .best_step = run->best_step};
    f.has_data = run_data_hash(run, &f.data);
    if (run->kind->text) {
        f.tokens = (double)pm_corpus_size(p->corpus);
        f.train_tokens = (double)p->train_tokens;
    }
    snprintf(f.measure, sizeof f.measure, "%s", run->measure.name);
    if (run->open_step) memcpy(f.open_line, run->line.text, run->line.used + 1);
    return note_write(&p->log, &f, run->kind->text, p->kind, p->options, p->option_count, out);
}

/* Lines come before the checkpoint of their steps. */
static pm_status save_checkpoint(pm_run *run)
{
    char *note = NULL;
    pm_status status = metrics_sync(&run->curves);
    if (status == PM_OK) status = make_note(run, &note);
    if (status == PM_OK) status = trainer_save(run_trainer(run), run->params.dir, note);
    if (status == PM_OK) run->saved = run->done;
    cJSON_free(note);
    return status;
}

/* What the program answers is a failure of the save, but for a lost device. */
static pm_status save_others(pm_run *run)
{
    const pm_run_host *host = &run->params.host;
    const pm_status status = host->saved ? host->saved(host->user, run) : PM_OK;
    return status == PM_OK || status == PM_DEVICE_LOST ? status : PM_IO;
}

/* Nothing here obeys a control: what was reached is saved after a cancel, too. */
static pm_status without_control(pm_run *run, pm_status (*work)(pm_run *run))
{
    pm_device *device = run_device(run);
    pm_control *const control = gpu_control(device);
    pm_device_control(device, NULL);
    const pm_status status = work(run);
    pm_device_control(device, control);
    return status;
}

static pm_status save_rest(pm_run *run)
{
    pm_status status = run->rest_best ? pm_model_save(run->parts.model, run->params.dir) : PM_OK;
    if (status == PM_OK) status = save_others(run);
    run->rest = status != PM_OK;
    return status;
}

pm_status run_save_rest(pm_run *run, bool best)
{
    run->rest = true;
    run->rest_best = best;
    return without_control(run, save_rest);
}

/* The checkpoint goes first: a run that goes on needs only that, so no step is lost whatever fails later. */
pm_status run_save(pm_run *run, bool best)
{
    const double began = os_seconds();
    pm_status status = without_control(run, save_checkpoint);
    if (status == PM_OK) status = run_save_rest(run, best);
    run->save_ended = os_seconds();
    run->save_took = run->save_ended - began;
    return status;
}

/* metrics.jsonl marks the folder as a run's and keeps other runs out. The model comes last: a folder with a model has all of it. The first checkpoint
 * shows now, not after many steps, whether there is room for one; where there are steps, but no checkpoint, that was removed. */
static pm_status save_first(pm_run *run)
{
    const pm_run_params *p = &run->params;
    if (p->overwrite) pm_folder_clear(p->dir, PM_FILES_TOKENIZER | PM_FILES_GENERATION);
    pm_status status = pm_tokenizer_save(&p->log, p->tokenizer, p->dir);
    if (status == PM_OK) status = pm_model_save(run->parts.model, p->dir);
    return status == PM_OK ? save_checkpoint(run) : status;
}

pm_status run_save_first(pm_run *run)
{
    pm_status status = pm_folder_make(run_log(run), run->params.dir);
    if (status == PM_OK) status = metrics_open(run_log(run), run->params.dir, 0, &run->curves);
    return status == PM_OK ? without_control(run, save_first) : status;
}

pm_status pm_run_save(pm_run *run)
{
    if (run->diverged) return log_fail(run_log(run), PM_DIVERGED, "run: it has diverged, and is not saved");
    if (!run->made) return PM_OK; /* its device was lost: there is only what was saved */
    if (run->done > run->saved)
        return run_save(run, run_keeps_last(run) || (!run->open_step && run->best_step == run->done));
    return run->rest ? run_save_rest(run, run->rest_best) : PM_OK;
}
