/* Passes: plan, record, run. */
#include "train/pass.h"

#include <stdlib.h>

#include "base/log.h"

pm_status pass_plan(pass *p, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                    const gpt_shape *shape, bool gradient, char (*labels)[16], uint64_t max_block)
{
    *p = (pass){.shape = *shape};
    tensor_id scalars;
    pm_status status = graph_init(&p->graph, log, caps);
    if (status == PM_OK) {
        gpt_build(&p->graph, config, shape, labels, &scalars);
        if (gradient) graph_gradient(&p->graph, scalars);
        graph_fuse(&p->graph);
        status = graph_status(&p->graph);
    }
    if (status == PM_OK) status = graph_plan_make(&p->graph, max_block, &p->plan);
    if (status != PM_OK) pass_fini(p);
    return status;
}

/* Records the graph for each micro batch. `gradients`: by segment, or NULL. */
static pm_status record_micros(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace,
                               gpu_buffer *const *gradients)
{
    gpu_span *weights = gpt_spans(&model->layout, model->weights);
    gpu_span *sums = gradients ? gpt_spans(&model->layout, gradients) : NULL;
    pm_status status = PM_OK;
    if (!weights || (gradients && !sums))
        status = log_fail(gpu_log(model->device), PM_NO_HOST_MEMORY, "%s: no memory to record it", name);
    for (uint32_t micro = 0; micro < p->box.micros && status == PM_OK; micro++) {
        gpu_span inputs[INPUT_MAILBOX];
        mailbox_bind(&p->box, micro, inputs);
        const graph_bindings to = {.inputs = inputs,
                                   .parameters = weights,
                                   .gradients = sums,
                                   .workspace = workspace,
                                   .accumulate = micro > 0};
        graph_record(&p->graph, &p->plan, &to, p->program);
    }
    free(weights);
    free(sums);
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
}

static pm_status program_of(pm_device *device, const char *name, const void *owner, bool whole, gpu_program **out)
{
    const pm_status status = gpu_program_create(device, name, out);
    if (status == PM_OK) gpu_program_own(*out, owner, whole);
    return status;
}

pm_status pass_record_forward(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace,
                              const void *owner)
{
    pm_status status = mailbox_init(&p->box, model->device, &model->config, &p->shape, 1, 1);
    if (status == PM_OK) status = program_of(model->device, name, owner, false, &p->program);
    if (status == PM_OK) {
        mailbox_record_in(&p->box, 0, p->program);
        status = record_micros(p, model, name, workspace, NULL);
    }
    if (status == PM_OK) {
        mailbox_record_out(&p->box, 0, p->program);
        status = gpu_program_finish(p->program);
    }
    if (status != PM_OK) pass_unrecord(p);
    return status;
}

/* What differs between the sides. */
static pm_status record_side(pass *p, pm_device *device, const char *name, const adamw *optimizer, uint32_t side,
                             const void *owner)
{
    gpu_program **batch = &p->batch[side], **update = &p->update[side];
    pm_status status = program_of(device, name, owner, false, batch);
    if (status == PM_OK) {
        mailbox_record_in(&p->box, side, *batch);
        status = gpu_program_finish(*batch);
    }
    if (status == PM_OK) status = program_of(device, name, owner, true, update);
    if (status == PM_OK) {
        adamw_record(optimizer, &p->box, *update);
        mailbox_record_out(&p->box, side, *update);
        status = gpu_program_finish(*update);
    }
    return status;
}

pm_status pass_record_step(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace,
                           const adamw *optimizer, uint32_t micros, const void *owner)
{
    pm_device *device = model->device;
    pm_status status = mailbox_init(&p->box, device, &model->config, &p->shape, micros, MAILBOX_SIDES);
    if (status == PM_OK) status = program_of(device, name, owner, false, &p->program);
    if (status == PM_OK) status = record_micros(p, model, name, workspace, optimizer->gradients);
    if (status == PM_OK) status = gpu_program_finish(p->program);
    for (uint32_t side = 0; side < MAILBOX_SIDES && status == PM_OK; side++)
        status = record_side(p, device, name, optimizer, side, owner);
    if (status != PM_OK) pass_unrecord(p);
    return status;
}

bool pass_recorded(const pass *p)
{
    return p->program != NULL;
}

pm_status pass_run(const pass *p, pm_device *device)
{
    double begin = pm_profile_now();
    pm_status status = gpu_submit(p->program);
    pm_profile_span(gpu_profile(device), "submit", begin);
    if (status != PM_OK) return status;
    begin = pm_profile_now();
    status = gpu_wait_for(p->program);
    pm_profile_span(gpu_profile(device), "wait", begin);
    return status;
}

void pass_forget(const pass *p, uint32_t side)
{
    gpu_forget(p->update[side]);
    gpu_forget(p->batch[side]);
    gpu_forget(p->program);
}

pm_status pass_submit(const pass *p, uint32_t side, const gpu_sync *sync, pm_device *device)
{
    pm_status status = gpu_submit_sync(p->batch[side], &(gpu_sync){.control = sync->control, .after = sync->after});
    if (status == PM_OK) status = gpu_submit_sync(p->program, &(gpu_sync){.control = sync->control});
    if (status == PM_OK)
        status = gpu_submit_sync(p->update[side], &(gpu_sync){.control = sync->control, .signals = sync->signals});
    else
        gpu_signal(device, sync->signals);
    if (status != PM_OK) pass_forget(p, side);
    return status;
}

bool pass_done(const pass *p, uint32_t side)
{
    return gpu_done(p->update[side]);
}

bool pass_failed(const pass *p, uint32_t side)
{
    return gpu_failed(p->update[side]);
}

/* The update is the last, and fails where one before it did. */
pm_status pass_wait(const pass *p, uint32_t side)
{
    const pm_status status = gpu_wait_for(p->update[side]);
    if (status != PM_OK) pass_forget(p, side);
    return status;
}

void pass_stats(const pass *p, gpu_program_stats *out)
{
    const gpu_program *others[] = {p->batch[0], p->update[0]};
    gpu_program_get_stats(p->program, out);
    for (int i = 0; i < 2; i++) {
        gpu_program_stats s;
        if (!others[i]) continue;
        gpu_program_get_stats(others[i], &s);
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

void pass_fini(pass *p)
{
    pass_unrecord(p);
    graph_plan_fini(&p->plan);
    graph_fini(&p->graph);
}
