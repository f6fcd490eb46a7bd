/* A run's steps: what is due behind each, and what they say. */
#include <math.h>

#include "base/log.h"
#include "gpu/gpu.h"
#include "job/run.h"
#include "os/clock.h"

/* ---- steps ---- */

bool pm_run_more(const pm_run *run)
{
    return !run->failed && (run->lost || run->open_step || run->done < run->steps);
}

static bool in_fp16(const pm_run *run)
{
    return run_trainer(run)->settings.precision == PM_PRECISION_F16;
}

/* An evaluation. */
static bool due(const pm_run *run, uint32_t step)
{
    return step >= run->steps || (run->every && step % run->every == 0);
}

/* Not a number: that comes of a learning rate that is too high, or of values that fp16 cannot hold. */
static pm_status check_step(pm_run *run)
{
    const pm_run_result *r = &run->result;
    const bool half = in_fp16(run);
    if (isfinite(r->loss) && !r->skipped) return PM_OK;
    if (half && r->skipped && r->loss_scale > 1) return PM_OK;
    run->diverged = true;
    if (half && r->skipped)
        return log_fail(
            run_log(run), PM_DIVERGED,
            "step %u: the model's values overflow fp16; train it in fp32 from the start (the last checkpoint "
            "is of step %u)",
            (unsigned)r->step, (unsigned)run->saved);
    return log_fail(
        run_log(run), PM_DIVERGED,
        "step %u: the loss or its gradient is not a number any more; begin again with a lower learning rate "
        "(the last checkpoint is of step %u)",
        (unsigned)r->step, (unsigned)run->saved);
}

static void describe(const pm_run *run, const pm_run_result *r, metrics_line *line)
{
    if (!run->kind->text) metrics_line_number(line, "task_loss", (double)r->task_loss);
    if (!isnan(r->lm_loss)) metrics_line_number(line, "lm_loss", (double)r->lm_loss);
    if (in_fp16(run)) metrics_line_number(line, "loss_scale", (double)r->loss_scale);
    if (r->skipped) metrics_line_number(line, "skipped", 1);
}

static pm_status take_step(pm_run *run)
{
    pm_device *device = run_device(run);
    const double began = os_seconds(), waited = pm_device_wait_seconds(device);
    step_outcome o;
    pm_status status = run->kind->step(run, &o);
    if (status != PM_OK) return status;
    pm_run_result *r = &run->result;
    *r = (pm_run_result){.step = o.step,
                         .loss = o.loss,
                         .task_loss = o.task_loss,
                         .lm_loss = o.lm_loss,
                         .lr = o.lr,
                         .grad_norm = o.grad_norm,
                         .loss_scale = o.loss_scale,
                         .skipped = o.skipped,
                         .tokens = o.tokens,
                         .seconds = os_seconds() - began,
                         .waited = pm_device_wait_seconds(device) - waited,
                         .val_loss = NAN,
                         .value = NAN};
    run->done = r->step;
    status = check_step(run);
    if (status != PM_OK) return status;
    metrics_line_begin(&run->line, r->step, (double)r->loss, (double)r->lr, (double)r->grad_norm,
                       r->seconds > 0 ? r->tokens / r->seconds : 0);
    describe(run, r, &run->line);
    run->open_step = true;
    return PM_OK;
}

/* Evaluates where that is due, and writes the step's line. */
static pm_status close_step(pm_run *run)
{
    pm_run_result *r = &run->result;
    if (due(run, r->step)) {
        const pm_status status = run->kind->evaluate(run, r);
        if (status != PM_OK) return status;
        r->best = !r->evaluated || pm_measure_better(&run->measure, r->value, run->best);
    }
    if (r->evaluated) {
        metrics_line_number(&run->line, "val_loss", r->val_loss);
        if (run->kind->describe) run->kind->describe(run, r, &run->line);
        run->undefined |= isnan(r->value);
        if (r->best && !isnan(r->value)) {
            run->best = r->value;
            run->best_step = r->step;
        }
    }
    run->open_step = false;
    const float loss = isnan(r->task_loss) ? r->loss : r->task_loss;
    return metrics_add(&run->curves, &run->line, r->step, (double)loss, r->val_loss);
}

/* A save where one is due. Without its best model on the disk a run ends: going on would lose it, and a run that goes on reaches it again. */
static pm_status save_step(pm_run *run)
{
    pm_run_result *r = &run->result;
    const pm_run_params *p = &run->params;
    const bool last = r->step >= run->steps, now = due(run, r->step);
    const bool slow =
        p->save_seconds > 0 && os_seconds() - run->save_ended > fmax(p->save_seconds, 20 * run->save_took);
    if (!last && !slow && !(p->save_every && r->step % p->save_every == 0) && (run->kind->text || !now)) return PM_OK;
    const bool best = run_keeps_last(run) || (now && r->best);
    const pm_status status = run_save(run, best);
    r->saved = run->saved == r->step;
    if (status != PM_IO || last || (best && !run_keeps_last(run))) return status;
    r->save_failed = true;
    log_line(run_log(run), PM_LOG_WARN,
             "step %u: not everything could be saved; training goes on, and the next save tries again (the last "
             "checkpoint is of step %u)",
             (unsigned)r->step, (unsigned)run->saved);
    return PM_OK;
}

/* Steps and evaluations obey the program's control; saving does not. */
static pm_status step_once(pm_run *run)
{
    pm_device *device = run_device(run);
    pm_control *const control = gpu_control(device);
    if (run->params.control) pm_device_control(device, run->params.control);
    pm_status status = run->open_step ? PM_OK : take_step(run);
    if (status == PM_OK) status = close_step(run);
    pm_device_control(device, control);
    return status == PM_OK ? save_step(run) : status;
}

pm_status pm_run_step(pm_run *run, pm_run_result *out)
{
    if (!pm_run_more(run)) return log_fail(run_log(run), PM_INVALID, "run: there is no step to do");
    const uint32_t step = run->open_step ? run->done : run->done + 1;
    pm_status status = run->lost ? PM_DEVICE_LOST : step_once(run);
    while (status == PM_DEVICE_LOST) {
        status = run_recover(run);
        if (status != PM_OK) break;
        const bool there = !run->open_step && (run->done >= step || run->done >= run->steps);
        run->result.saved |= there; /* it was lost behind this step's checkpoint */
        if (there) break;
        status = step_once(run);
    }
    run->failed = status != PM_OK && status != PM_CANCELLED;
    if (status != PM_OK) return status;
    run->result.line = run->line.text;
    run->result.again = run->result.step <= run->told;
    if (!run->result.again) run->told = run->result.step;
    *out = run->result;
    return PM_OK;
}

/* ---- what it says ---- */

void pm_run_get_info(const pm_run *run, pm_run_info *out)
{
    *out = (pm_run_info){.first = run->first,
                         .done = run->done,
                         .steps = run->steps,
                         .saved = run->saved,
                         .losses = run->losses,
                         .best = run->best,
                         .best_step = run->best_step,
                         .undefined = run->undefined,
                         .measured_again = run->measured_again,
                         .measure = run->measure,
                         .seconds = run_seconds(run)};
}

const pm_run_point *pm_run_losses(const pm_run *run, size_t *count)
{
    *count = run->curves.loss.count;
    return run->curves.loss.points;
}

const pm_run_point *pm_run_val_losses(const pm_run *run, size_t *count)
{
    *count = run->curves.val_loss.count;
    return run->curves.val_loss.points;
}
