/* Steps. Each was recorded once: the micro batches' forward and backward passes, then the gradient norm and AdamW. The host writes a batch and
 * scalars, submits, waits, and reads the losses. Two steps may be between their begin and their end: it fills one while the device works on the other. */
#include <math.h>

#include "base/log.h"
#include "train/trainer.h"

/* PM_INVALID where `most` or more have begun. */
static pm_status room(const trainer_core *t, uint32_t most)
{
    if (t->begun < most) return PM_OK;
    return log_fail(gpu_log(t->model->device), PM_INVALID, "%s: %s still to end; see pumice/train.h", t->objective->who,
                    t->begun > 1 ? "two steps have" : "a step has");
}

pm_status trainer_alone(const trainer_core *t)
{
    return room(t, 1);
}

/* Of the steps that have begun, the oldest is number 0. */
static flight *flight_of(trainer_core *t, uint32_t number)
{
    return &t->flights[(t->oldest + number) % MOST_FLIGHTS];
}

/* What a host waits for. */
static void signal_unsubmitted(const trainer_core *t, const flight *f)
{
    if (!f->submitted && f->failed == PM_OK) gpu_signal(t->model->device, f->sync.signals);
}

void trainer_drop_steps(trainer_core *t)
{
    for (uint32_t i = 0; i < t->begun; i++) signal_unsubmitted(t, flight_of(t, i));
    t->begun = 0;
}

double trainer_weight(const trainer_core *t, const flight *f)
{
    double all = 0;
    for (uint32_t micro = 0; micro < t->settings.accum; micro++) all += f->weights[micro];
    return all > 0 ? all : 1;
}

/* Writes the scalars of a step whose batch is filled in, and submits it. A micro batch's weight is its share of the step's, so that loss and
 * gradient are those of one large batch. */
static pm_status launch(trainer_core *t, flight *f)
{
    const double all = trainer_weight(t, f);
    const uint32_t step = f->outcome.step;
    f->pass->box.side = f->side;
    for (uint32_t micro = 0; micro < t->settings.accum; micro++) {
        struct step_scalars *s = mailbox_scalars(&f->pass->box, micro);
        *s = adamw_scalars(&t->optimizer, step, (float)(f->weights[micro] / all), f->outcome.lr, t->settings.seed);
        s->step = step - 1;
        s->micro = micro;
    }
    f->failed = pass_submit(f->pass, f->side, &f->sync);
    f->submitted = f->failed == PM_OK;
    return f->failed;
}

static pm_status fill(trainer_core *t, const void *from, flight *f)
{
    uint32_t length = 0;
    pm_status status = t->objective->choose(t, from, f, &length);
    if (status == PM_OK) status = trainer_pass(t, length, &f->pass);
    if (status == PM_OK) f->pass->box.side = f->side;
    for (uint32_t micro = 0; micro < t->settings.accum && status == PM_OK; micro++)
        status = t->objective->fill(t, from, f, micro);
    return status;
}

/* Whether the newest has failed, as far as is seen: then one behind it does so, too. */
static bool newest_failed(trainer_core *t)
{
    if (t->begun == 0) return false;
    const flight *f = flight_of(t, t->begun - 1);
    return f->submitted ? pass_failed(f->pass, f->side) : f->failed != PM_OK;
}

/* fp16's loss scale makes a step wait for the outcome of the one before. */
static pm_status begin(trainer_core *t, const void *from)
{
    pm_device *device = t->model->device;
    pm_status status = room(t, MOST_FLIGHTS);
    if (status != PM_OK) return status;
    if (t->begun == 0) t->oldest = 0; /* one at a time takes one side alone */
    flight *f = flight_of(t, t->begun);
    const uint32_t side = (uint32_t)(f - t->flights);
    *f = (flight){.side = side,
                  .outcome = {.step = t->done + t->begun + 1, .task_loss = NAN, .lm_loss = NAN},
                  .weights = t->weights + (size_t)side * t->settings.accum,
                  .started = pm_profile_now()};
    status = fill(t, from, f);
    if (status != PM_OK) return status;
    pm_profile_span(gpu_profile(device), "batch", f->started);
    const bool failed = newest_failed(t), waits = t->settings.precision == PM_PRECISION_F16 && t->begun > 0;
    f->sync = gpu_take_sync(device);
    if (failed) {
        f->failed = PM_CANCELLED;
        gpu_signal(device, f->sync.signals);
    } else if (!waits) {
        status = launch(t, f);
    }
    if (status == PM_OK) t->begun++;
    return status;
}

/* A host that waits for a step which could not begin must not wait for ever. */
static pm_status begun(const trainer_core *t, pm_status status)
{
    if (status != PM_OK) gpu_drop_sync(t->model->device);
    return status;
}

pm_status trainer_begin(trainer_core *t, const void *from)
{
    return begun(t, begin(t, from));
}

bool trainer_done(trainer_core *t)
{
    const flight *oldest = flight_of(t, 0);
    if (t->begun == 0 || gpu_poll(t->model->device) != PM_OK) return true; /* trainer_end says why */
    return !oldest->submitted || pass_done(oldest->pass, oldest->side);
}

/* Waits for the oldest, and takes it out. The host's side of its mailbox is then the one to read. After a failure no step is left. */
static pm_status take(trainer_core *t, flight *out)
{
    if (t->begun == 0)
        return log_fail(gpu_log(t->model->device), PM_INVALID, "%s: no step has begun", t->objective->who);
    *out = *flight_of(t, 0);
    const pm_status status = out->submitted ? pass_wait(out->pass, out->side) : out->failed;
    out->pass->box.side = out->side;
    t->oldest = (t->oldest + 1) % MOST_FLIGHTS;
    t->begun--;
    if (status == PM_OK) return PM_OK;
    const flight *later = t->begun ? flight_of(t, 0) : NULL;
    if (later && later->submitted) pass_forget(later->pass, later->side);
    trainer_drop_steps(t);
    return status;
}

pm_status trainer_end(trainer_core *t, step_outcome *out)
{
    flight f;
    const pm_status status = take(t, &f);
    if (status != PM_OK) return status;
    t->objective->collect(t, &f);
    *out = f.outcome;
    out->grad_norm = mailbox_norm(&f.pass->box)[0];
    out->skipped = loss_scale_after(&t->optimizer.scale, out->grad_norm);
    out->loss_scale = t->optimizer.scale.last;
    t->done++;
    pm_profile_span(gpu_profile(t->model->device), "step", f.started);
    flight *next = flight_of(t, 0);
    if (t->begun && !next->submitted && next->failed == PM_OK)
        (void)launch(t, next); /* its end tells what came of it */
    return PM_OK;
}

pm_status trainer_step(trainer_core *t, const void *from, step_outcome *out)
{
    pm_status status = begun(t, trainer_alone(t));
    if (status == PM_OK) status = trainer_begin(t, from);
    return status == PM_OK ? trainer_end(t, out) : status;
}
