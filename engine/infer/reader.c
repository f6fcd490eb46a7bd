#include "infer/reader.h"

#include <stdlib.h>

#include "base/log.h"

pm_status reader_plan(reader *r, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                      char (*labels)[16], gpt_mode mode, uint32_t time, uint64_t max_block)
{
    const gpt_shape shape = {.mode = mode, .batch = 1, .time = time};
    tensor_id scalars;
    r->time = time;
    pm_status status = graph_init(&r->graph, log, caps);
    if (status != PM_OK) return status;
    gpt_build(&r->graph, config, &shape, labels, &scalars);
    graph_fuse(&r->graph);
    return graph_plan_make(&r->graph, max_block, &r->plan);
}

void reader_fini(reader *r)
{
    gpu_program_destroy(&r->program);
    graph_workspace_destroy(&r->plan, &r->workspace);
    graph_plan_fini(&r->plan);
    graph_fini(&r->graph);
    *r = (reader){.time = r->time};
}

static pm_status record(reader *r, pm_model *m, const reader_memory *memory, gpt_mode mode)
{
    gpu_span *inputs = calloc(INPUT_CACHES + m->config.layers, sizeof *inputs);
    gpu_span *parameters = gpt_spans(&m->layout, m->weights);
    if (!inputs || !parameters) {
        gpu_record_fail(r->program, log_fail(gpu_log(m->device), PM_NO_HOST_MEMORY, "session: no memory"));
    } else {
        inputs[INPUT_SCALARS] = memory->scalars;
        inputs[INPUT_TOKENS] = memory->tokens;
        inputs[INPUT_LOGITS] = memory->logits;
        for (uint32_t l = 0; l < m->config.layers; l++) inputs[INPUT_CACHES + l] = gpu_span_of(memory->caches[l]);
        const graph_bindings to = {.inputs = inputs, .parameters = parameters, .workspace = r->workspace};
        graph_record(&r->graph, &r->plan, &to, r->program);
        gpu_program_label(r->program, "results", PM_DIRECTION_NONE);
        if (mode == GPT_LOGITS) gpu_record_copy(r->program, memory->logits_out, memory->logits);
    }
    free(inputs);
    free(parameters);
    return gpu_program_finish(r->program);
}

pm_status reader_init(reader *r, pm_model *m, const reader_memory *memory, gpt_mode mode, uint32_t time,
                      const void *owner)
{
    pm_device *device = m->device;
    pm_status status = reader_plan(r, gpu_log(device), pm_device_caps(device), &m->config, m->labels, mode, time,
                                   gpu_max_buffer(device));
    if (status == PM_OK) status = graph_workspace_create(device, &r->plan, &r->workspace);
    if (status == PM_OK) status = gpu_program_create(device, mode == GPT_PREFILL ? "read" : "decode", &r->program);
    if (status == PM_OK) gpu_program_own(r->program, owner, false);
    if (status == PM_OK) status = record(r, m, memory, mode);
    if (status != PM_OK) reader_fini(r);
    return status;
}
