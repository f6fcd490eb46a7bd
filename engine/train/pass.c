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

pm_status pass_record(pass *p, pm_model *model, const char *name, gpu_buffer *const *workspace, const adamw *optimizer,
                      uint32_t micros)
{
    gpu_span *parameters = NULL, *gradients = NULL;
    pm_status status = mailbox_init(&p->box, model->device, &model->config, &p->shape, micros);
    if (status == PM_OK) status = gpu_program_create(model->device, name, &p->program);
    if (status != PM_OK) goto fail;
    parameters = gpt_spans(&model->layout, model->weights);
    if (optimizer) gradients = gpt_spans(&model->layout, optimizer->gradients);
    if (!parameters || (optimizer && !gradients)) {
        gpu_record_fail(p->program,
                        log_fail(gpu_log(model->device), PM_NO_HOST_MEMORY, "%s: no memory to record it", name));
    } else {
        mailbox_record_in(&p->box, p->program);
        for (uint32_t micro = 0; micro < micros; micro++) {
            gpu_span inputs[INPUT_MAILBOX];
            mailbox_bind(&p->box, micro, inputs);
            graph_bindings to = {.inputs = inputs,
                                 .parameters = parameters,
                                 .gradients = gradients,
                                 .workspace = workspace,
                                 .accumulate = micro > 0};
            graph_record(&p->graph, &p->plan, &to, p->program);
        }
        if (optimizer) adamw_record(optimizer, &p->box, p->program);
        mailbox_record_out(&p->box, p->program);
    }
    free(parameters);
    free(gradients);
    status = gpu_program_finish(p->program);
    if (status == PM_OK) return PM_OK;

fail:
    gpu_program_destroy(&p->program);
    mailbox_fini(&p->box);
    return status;
}

pm_status pass_run(const pass *p, pm_device *device)
{
    double begin = pm_profile_now();
    pm_status status = gpu_submit(p->program);
    pm_profile_span(gpu_profile(device), "submit", begin);
    if (status != PM_OK) return status;
    begin = pm_profile_now();
    status = gpu_wait(device);
    pm_profile_span(gpu_profile(device), "wait", begin);
    return status;
}

void pass_fini(pass *p)
{
    gpu_program_destroy(&p->program);
    mailbox_fini(&p->box);
    graph_plan_fini(&p->plan);
    graph_fini(&p->graph);
}
