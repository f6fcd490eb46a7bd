/* AdamW over a model's segments. */
#include "train/adamw.h"

#include <math.h>

#include "base/log.h"

static op_view flat(gpu_buffer *buffer, uint64_t words)
{
    return (op_view){.rows = 1, .cols = (uint32_t)words, .span = gpu_span_of(buffer)};
}

/* Of a segment, which is fp32. */
static uint64_t numbers_of(const gpt_layout *l, uint32_t segment)
{
    return l->segment_bytes[segment] / 4;
}

/* Partial sums of the gradient norm over all segments. */
static uint32_t norm_parts(const gpt_layout *l, const pm_caps *caps)
{
    uint32_t parts = 0;
    for (uint32_t s = 0; s < l->segment_count; s++) parts += op_sumsq_parts(caps, numbers_of(l, s));
    return parts;
}

pm_status adamw_init(adamw *a, pm_model *model)
{
    pm_device *device = model->device;
    const gpt_layout *l = &model->layout;
    uint64_t partials = 4ull * norm_parts(l, pm_device_caps(device));
    a->model = model;
    pm_status status = gpt_segments_create(device, l, "gradients", &a->gradients);
    if (status == PM_OK) status = gpt_segments_create(device, l, "first moments", &a->m);
    if (status == PM_OK) status = gpt_segments_create(device, l, "second moments", &a->v);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, partials, "gradient norm", &a->partials);
    if (status != PM_OK) adamw_fini(a);
    return status;
}

void adamw_fini(adamw *a)
{
    if (!a->model) return;
    const gpt_layout *l = &a->model->layout;
    gpu_buffer_destroy(&a->partials);
    gpt_segments_destroy(l, &a->gradients);
    gpt_segments_destroy(l, &a->m);
    gpt_segments_destroy(l, &a->v);
}

static void record(const void *user, const mailbox *box, gpu_program *program)
{
    const adamw *a = user;
    const gpt_layout *l = &a->model->layout;
    const pm_caps *caps = gpu_program_caps(program);
    gpu_program_label(program, "update", PM_DIRECTION_OPTIMIZER);
    uint32_t parts = norm_parts(l, caps), part = 0;
    for (uint32_t s = 0; s < l->segment_count; s++) {
        op_call sumsq = {.op = OP_SUMSQ,
                         .attr.part = part,
                         .in = {flat(a->gradients[s], numbers_of(l, s))},
                         .out = {flat(a->partials, parts)}};
        op_record(program, &sumsq);
        part += op_sumsq_parts(caps, numbers_of(l, s));
    }
    op_view norm = {.rows = 1, .cols = 2, .span = mailbox_norm_span(box)};
    op_view scalars = {.rows = 1, .cols = sizeof(struct step_scalars) / 4, .span = mailbox_span(box, 0, INPUT_SCALARS)};
    op_call clip = {.op = OP_CLIP, .attr.clip = a->clip, .in = {flat(a->partials, parts), scalars}, .out = {norm}};
    op_record(program, &clip);
    for (uint32_t s = 0; s < l->segment_count; s++) {
        uint64_t words = numbers_of(l, s);
        op_call update = {.op = OP_ADAMW,
                          .attr = {.beta1 = a->beta1,
                                   .beta2 = a->beta2,
                                   .eps = a->eps,
                                   .weight_decay = a->weight_decay,
                                   .decayed = l->segment_decayed[s]},
                          .in = {flat(a->gradients[s], words), norm, scalars},
                          .out = {flat(a->model->weights[s], words), flat(a->m[s], words), flat(a->v[s], words)}};
        op_record(program, &update);
    }
}

pass_step adamw_step(const adamw *a, uint32_t micros)
{
    return (pass_step){.micros = micros, .gradients = a->gradients, .update = record, .user = a};
}

struct step_scalars adamw_scalars(const adamw *a, uint32_t step, float share, float lr, uint64_t seed)
{
    uint32_t updates = step - a->scale.skipped; /* the moments' own count */
    return (struct step_scalars){.seed_lo = (uint32_t)seed,
                                 .seed_hi = (uint32_t)(seed >> 32),
                                 .lr = lr,
                                 .grad_scale = share * a->scale.scale,
                                 .unscale = 1.0f / a->scale.scale,
                                 .beta1_fix = (float)(1.0 / (1.0 - pow(a->beta1, updates))),
                                 .beta2_fix = (float)(1.0 / (1.0 - pow(a->beta2, updates)))};
}

pm_status adamw_read_gradient(const adamw *a, size_t param, float *out)
{
    const gpt_layout *l = &a->model->layout;
    if (param >= l->count)
        return log_fail(gpu_log(a->model->device), PM_INVALID, "gradient: there is no parameter %zu", param);
    pm_status status = gpu_read(gpt_span(l, a->gradients, (uint32_t)param), out);
    uint64_t count = (uint64_t)l->params[param].rows * l->params[param].cols;
    for (uint64_t i = 0; status == PM_OK && i < count; i++) out[i] /= a->scale.last;
    return status;
}
