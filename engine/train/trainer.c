#include "train/trainer.h"

#include <stdlib.h>

#include "base/log.h"
#include "train/precision.h"

pm_status trainer_settings_check(const pm_log *log, const trainer_settings *s)
{
    if (!(s->beta1 >= 0 && s->beta1 < 1) || !(s->beta2 >= 0 && s->beta2 < 1))
        return log_fail(log, PM_INVALID, "beta: a decay rate is at least 0 and below 1");
    if (!(s->dropout < 1)) return log_fail(log, PM_INVALID, "dropout: a probability is below 1");
    if (!(s->lr >= 0) || !(s->weight_decay >= 0) || !(s->eps > 0) || !(s->clip >= 0))
        return log_fail(log, PM_INVALID, "lr, weight_decay, eps and clip are not negative");
    return PM_OK;
}

/* ---- plans ---- */

static gpt_shape shape_of(const trainer_core *t, uint32_t time)
{
    const pm_gpt_config *c = t->config;
    const trainer_settings *s = &t->settings;
    const bool own = s->dropout < 0; /* the model's */
    gpt_shape shape = {.type = s->precision == PM_PRECISION_F16 ? DTYPE_F16 : DTYPE_F32,
                       .recompute = s->recompute,
                       .time = time,
                       .dropout_embd = own ? c->dropout_embd : s->dropout,
                       .dropout_attn = own ? c->dropout_attn : s->dropout,
                       .dropout_resid = own ? c->dropout_resid : s->dropout};
    t->objective->shape(t, &shape);
    return shape;
}

static pm_status plan_passes(trainer_core *t, const pass_target *to)
{
    pm_status status = PM_OK;
    for (uint32_t i = 0, time; status == PM_OK && (time = t->objective->length(t, i)) > 0; i++) {
        const gpt_shape shape = shape_of(t, time);
        status = pass_set_plan(&t->passes, to, &shape, true);
    }
    return status;
}

/* Nodes and FLOPs are those of the longest pass. */
static pm_train_plan plan_of(const trainer_core *t, const gpt_layout *layout)
{
    const uint64_t weights = layout->total_bytes;
    pm_train_plan plan = {.weights = weights + gpt_constants_bytes(t->config),
                          .gradients = weights,
                          .optimizer = 2 * weights,
                          .workspace = t->passes.room.total_bytes};
    const pass *longest = pass_set_longest(&t->passes);
    if (!longest) return plan;
    plan.nodes = longest->graph.node_count;
    plan.step_flops = graph_flops(&longest->graph) * t->settings.accum;
    return plan;
}

pm_status trainer_plan(trainer_core *t, const pm_log *log, const pm_caps *caps, pm_train_plan *out)
{
    gpt_layout layout = {0};
    pm_status status = gpt_layout_make(log, t->config, NULL, caps->max_allocation, &layout);
    if (status == PM_OK)
        status = plan_passes(t, &(pass_target){log, caps, t->config, NULL, NULL, caps->max_allocation});
    if (status == PM_OK) *out = plan_of(t, &layout);
    pass_set_fini(&t->passes);
    gpt_layout_fini(&layout);
    return status;
}

void trainer_get_plan(const trainer_core *t, pm_train_plan *out)
{
    const pass *longest = pass_set_longest(&t->passes);
    gpu_program_stats stats = {0};
    if (longest && longest->program) pass_stats(longest, &stats);
    *out = plan_of(t, &t->model->layout);
    out->dispatches = stats.dispatches;
}

/* ---- the device's side ---- */

pm_status trainer_init(trainer_core *t)
{
    pm_device *device = t->model->device;
    const pass_target to = pass_target_of(t->model);
    trainer_settings *s = &t->settings;
    if (!gpt_layout_trains(&t->model->layout))
        return log_fail(to.log, PM_INVALID, "%s: the model's weights are in 16 bits; loaded as f32 they train",
                        t->objective->who);
    pm_status status = precision_choose(device, s->precision, &s->precision);
    if (status != PM_OK) return status;
    t->optimizer = (adamw){.beta1 = s->beta1,
                           .beta2 = s->beta2,
                           .eps = s->eps,
                           .weight_decay = s->weight_decay,
                           .clip = s->clip,
                           .scale = loss_scale_begin(s->precision == PM_PRECISION_F16)};
    t->weights = calloc((size_t)MOST_FLIGHTS * s->accum, sizeof *t->weights);
    if (!t->weights) return log_fail(to.log, PM_NO_HOST_MEMORY, "%s: no memory", t->objective->who);
    status = plan_passes(t, &to);
    if (status == PM_OK) status = adamw_init(&t->optimizer, t->model);
    return status == PM_OK ? pass_set_allocate(&t->passes, device) : status;
}

void trainer_fini(trainer_core *t)
{
    pass_set_fini(&t->passes);
    trainer_drop_steps(t);
    adamw_fini(&t->optimizer);
    free(t->weights);
}

pm_status trainer_pass(trainer_core *t, uint32_t length, pass **out)
{
    *out = pass_set_find(&t->passes, length);
    if ((*out)->program) return PM_OK;
    const pass_step step = adamw_step(&t->optimizer, t->settings.accum);
    const pass_use use = {.name = t->objective->program, .owner = t, .workspace = t->passes.workspace};
    return pass_record(*out, t->model, &use, &step);
}

/* ---- checkpoints ---- */

static facts facts_of(const trainer_core *t)
{
    facts f = {0};
    facts_of_model(&f, t->config);
    t->objective->facts(t, &f);
    facts_of_optimizer(&f, &t->optimizer);
    return f;
}

pm_status trainer_save(trainer_core *t, const char *dir, const char *note)
{
    const facts f = facts_of(t);
    const double began = pm_profile_now();
    pm_status status = trainer_alone(t);
    if (status == PM_OK) status = checkpoint_save(&t->optimizer, &f, t->done, dir, note);
    pm_profile_span(gpu_profile(t->model->device), "checkpoint", began);
    return status;
}

pm_status trainer_load(trainer_core *t, const char *dir, char **note)
{
    const facts f = facts_of(t);
    const pm_status status = trainer_alone(t);
    return status == PM_OK ? checkpoint_load(&t->optimizer, &f, dir, &t->done, note) : status;
}

pm_status trainer_read_gradient(const trainer_core *t, size_t param, float *out)
{
    const pm_status status = trainer_alone(t);
    return status == PM_OK ? adamw_read_gradient(&t->optimizer, param, out) : status;
}
