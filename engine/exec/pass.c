/* Passes: plan, record, run. */
#include "exec/pass.h"

#include <stdlib.h>

#include "base/log.h"

pm_status pass_plan(pass *p, const pass_target *to, const gpt_shape *shape, bool gradient)
{
    *p = (pass){.shape = *shape};
    tensor_id scalars;
    pm_status status = graph_init(&p->graph, to->log, to->caps);
    if (status == PM_OK) {
        gpt_build(&p->graph, to->config, shape, to->types, to->labels, &scalars);
        if (gradient) graph_gradient(&p->graph, scalars);
        graph_fuse(&p->graph);
        status = graph_status(&p->graph);
    }
    if (status == PM_OK) status = graph_plan_make(&p->graph, to->max_block, &p->plan);
    if (status != PM_OK) pass_fini(p);
    return status;
}

/* ---- recording ---- */

static pm_status program_of(const pass *p, const pass_use *use, bool whole, gpu_program **out)
{
    const pm_status status = gpu_program_create(p->device, use->name, out);
    if (status == PM_OK) gpu_program_own(*out, use->owner, whole);
    return status;
}

/* Records the graph for each micro batch. `gradients`: by segment, or NULL. */
static pm_status record_graph(pass *p, pm_model *model, const pass_use *use, gpu_buffer *const *gradients)
{
    gpu_span *weights = gpt_spans(&model->layout, model->weights);
    gpu_span *sums = gradients ? gpt_spans(&model->layout, gradients) : NULL;
    pm_status status = PM_OK;
    if (!weights || (gradients && !sums))
        status = log_fail(gpu_log(p->device), PM_NO_HOST_MEMORY, "%s: no memory to record it", use->name);
    for (uint32_t micro = 0; micro < (use->inputs ? 1 : p->box.micros) && status == PM_OK; micro++) {
        gpu_span parts[INPUT_MAILBOX], constants[CONSTANTS] = {{0}};
        for (int i = 0; i < CONSTANTS; i++)
            if (model->constants[i]) constants[i] = gpu_span_of(model->constants[i]);
        if (!use->inputs) mailbox_bind(&p->box, micro, parts);
        const graph_bindings to = {.inputs = use->inputs ? use->inputs : parts,
                                   .parameters = weights,
                                   .gradients = sums,
                                   .constants = constants,
                                   .workspace = use->workspace ? use->workspace : p->workspace,
                                   .accumulate = micro > 0};
        graph_record(&p->graph, &p->plan, &to, p->program);
    }
    free(weights);
    free(sums);
    return status;
}

static pm_status record_forward(pass *p, pm_model *model, const pass_use *use)
{
    if (!use->inputs) mailbox_record_in(&p->box, 0, p->program);
    const pm_status status = record_graph(p, model, use, NULL);
    if (status == PM_OK && !use->inputs) {
        mailbox_record_out(&p->box, 0, p->program);
        *mailbox_scalars(&p->box, 0) = (struct step_scalars){0};
    } else if (status == PM_OK && use->from.buffer) {
        gpu_program_label(p->program, "results", PM_DIRECTION_NONE);
        gpu_record_copy(p->program, use->to, use->from);
    }
    return status;
}

/* What differs between the sides. */
static pm_status record_side(pass *p, const pass_use *use, const pass_step *step, uint32_t side)
{
    gpu_program **batch = &p->batch[side], **update = &p->update[side];
    pm_status status = program_of(p, use, false, batch);
    if (status == PM_OK) {
        mailbox_record_in(&p->box, side, *batch);
        status = gpu_program_finish(*batch);
    }
    if (status == PM_OK) status = program_of(p, use, true, update);
    if (status == PM_OK) {
        step->update(step->user, &p->box, *update);
        mailbox_record_out(&p->box, side, *update);
        status = gpu_program_finish(*update);
    }
    return status;
}

pm_status pass_record(pass *p, pm_model *model, const pass_use *use, const pass_step *step)
{
    const uint32_t micros = step ? step->micros : 1, sides = step ? MAILBOX_SIDES : 1;
    pm_status status = PM_OK;
    p->device = model->device;
    if (!use->inputs) status = mailbox_init(&p->box, p->device, &model->config, &p->shape, micros, sides);
    if (status == PM_OK && !use->workspace) status = graph_workspace_create(p->device, &p->plan, &p->workspace);
    if (status == PM_OK) status = program_of(p, use, false, &p->program);
    if (status == PM_OK) status = step ? record_graph(p, model, use, step->gradients) : record_forward(p, model, use);
    if (status == PM_OK) status = gpu_program_finish(p->program);
    for (uint32_t side = 0; step && side < sides && status == PM_OK; side++) status = record_side(p, use, step, side);
    if (status != PM_OK) pass_unrecord(p);
    return status;
}

void pass_unrecord(pass *p)
{
    for (int i = 0; i < MAILBOX_SIDES; i++) {
        gpu_program_destroy(&p->batch[i]);
        gpu_program_destroy(&p->update[i]);
    }
    gpu_program_destroy(&p->program);
    mailbox_fini(&p->box);
    p->box = (mailbox){0};
    graph_workspace_destroy(&p->plan, &p->workspace);
}

void pass_fini(pass *p)
{
    pass_unrecord(p);
    graph_plan_fini(&p->plan);
    graph_fini(&p->graph);
    *p = (pass){.shape = p->shape};
}

/* ---- running ---- */

enum { MOST_PROGRAMS = 3 };

/* The programs of a run, in their order; how many. */
static uint32_t programs_of(const pass *p, uint32_t side, gpu_program *out[MOST_PROGRAMS])
{
    uint32_t n = 0;
    if (p->batch[side]) out[n++] = p->batch[side];
    out[n++] = p->program;
    if (p->update[side]) out[n++] = p->update[side];
    return n;
}

/* It fails where one before it did. */
static gpu_program *last_of(const pass *p, uint32_t side)
{
    return p->update[side] ? p->update[side] : p->program;
}

pm_status pass_submit(const pass *p, uint32_t side, const gpu_sync *sync)
{
    gpu_program *all[MOST_PROGRAMS];
    const uint32_t count = programs_of(p, side, all);
    const double begin = pm_profile_now();
    pm_status status = PM_OK;
    for (uint32_t i = 0; i < count && status == PM_OK; i++) {
        const bool last = i + 1 == count;
        const gpu_sync one = {.control = sync->control,
                              .after = i ? (gpu_moment){0} : sync->after,
                              .signals = last ? sync->signals : (gpu_moment){0}};
        status = gpu_submit_sync(all[i], &one);
        if (status != PM_OK && !last) gpu_signal(p->device, sync->signals);
    }
    if (status != PM_OK) pass_forget(p, side);
    pm_profile_span(gpu_profile(p->device), "submit", begin);
    return status;
}

bool pass_done(const pass *p, uint32_t side)
{
    return gpu_done(last_of(p, side));
}

bool pass_failed(const pass *p, uint32_t side)
{
    return gpu_failed(last_of(p, side));
}

pm_status pass_wait(const pass *p, uint32_t side)
{
    const double begin = pm_profile_now();
    const pm_status status = gpu_wait_for(last_of(p, side));
    if (status != PM_OK) pass_forget(p, side);
    pm_profile_span(gpu_profile(p->device), "wait", begin);
    return status;
}

pm_status pass_run(const pass *p)
{
    const pm_status status = pass_submit(p, 0, &(gpu_sync){.control = gpu_control(p->device)});
    return status == PM_OK ? pass_wait(p, 0) : status;
}

void pass_forget(const pass *p, uint32_t side)
{
    gpu_program *all[MOST_PROGRAMS];
    for (uint32_t i = programs_of(p, side, all); i-- > 0;) gpu_forget(all[i]);
}

void pass_stats(const pass *p, gpu_program_stats *out)
{
    gpu_program *all[MOST_PROGRAMS];
    const uint32_t count = programs_of(p, 0, all);
    *out = (gpu_program_stats){0};
    for (uint32_t i = 0; i < count; i++) {
        gpu_program_stats s;
        gpu_program_get_stats(all[i], &s);
        out->dispatches += s.dispatches;
        out->barriers += s.barriers;
        out->submissions += s.submissions;
        out->pipelines += s.pipelines;
        out->flops += s.flops;
        out->bytes += s.bytes;
        out->run_ms += s.run_ms;
        if (s.longest_ms > out->longest_ms) out->longest_ms = s.longest_ms;
    }
}
