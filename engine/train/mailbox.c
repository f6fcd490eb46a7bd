#include "train/mailbox.h"

/* Bytes: scalars of all micro batches, then tokens, then targets. Results: four floats a micro batch, then the norm's. */
static uint64_t tokens_at(const mailbox *b, uint32_t micro)
{
    return sizeof(struct step_scalars) * (uint64_t)b->micros + 4ull * micro * b->rows;
}
static uint64_t targets_at(const mailbox *b, uint32_t micro)
{
    return tokens_at(b, b->micros + micro);
}
static uint64_t input_bytes(const mailbox *b)
{
    return tokens_at(b, 2 * b->micros);
}
static uint64_t result_bytes(const mailbox *b)
{
    return 16ull * (b->micros + 1);
}

static gpu_span part(gpu_buffer *buffer, uint64_t offset, uint64_t size)
{
    gpu_span span = gpu_span_of(buffer);
    return (gpu_span){span.buffer, span.offset + offset, size};
}

pm_status mailbox_init(mailbox *box, pm_device *device, uint32_t micros, uint32_t rows)
{
    mailbox b = {.micros = micros, .rows = rows};
    pm_status status = gpu_buffer_create(device, GPU_SHARED, input_bytes(&b), "batch, from the host", &b.to_device);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, input_bytes(&b), "batch", &b.inputs);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, result_bytes(&b), "results", &b.results);
    if (status == PM_OK)
        status = gpu_buffer_create(device, GPU_SHARED, result_bytes(&b), "results, for the host", &b.from_device);
    if (status == PM_OK)
        *box = b;
    else
        mailbox_fini(&b);
    return status;
}

void mailbox_fini(mailbox *b)
{
    gpu_buffer_destroy(&b->to_device);
    gpu_buffer_destroy(&b->inputs);
    gpu_buffer_destroy(&b->results);
    gpu_buffer_destroy(&b->from_device);
}

static void *host(gpu_buffer *buffer, uint64_t offset)
{
    return (char *)gpu_map(gpu_span_of(buffer)) + offset;
}

struct step_scalars *mailbox_scalars(const mailbox *b, uint32_t micro)
{
    return (struct step_scalars *)host(b->to_device, 0) + micro;
}
int32_t *mailbox_tokens(const mailbox *b, uint32_t micro)
{
    return host(b->to_device, tokens_at(b, micro));
}
int32_t *mailbox_targets(const mailbox *b, uint32_t micro)
{
    return host(b->to_device, targets_at(b, micro));
}
const float *mailbox_result(const mailbox *b, uint32_t micro)
{
    return host(b->from_device, 16ull * micro);
}
const float *mailbox_norm(const mailbox *b)
{
    return host(b->from_device, 16ull * b->micros);
}

gpu_span mailbox_scalars_span(const mailbox *b, uint32_t micro)
{
    return part(b->inputs, sizeof(struct step_scalars) * (uint64_t)micro, sizeof(struct step_scalars));
}
gpu_span mailbox_norm_span(const mailbox *b)
{
    return part(b->results, 16ull * b->micros, 8);
}

void mailbox_bind(const mailbox *b, uint32_t micro, gpu_span inputs[INPUT_LOGITS])
{
    inputs[INPUT_SCALARS] = mailbox_scalars_span(b, micro);
    inputs[INPUT_TOKENS] = part(b->inputs, tokens_at(b, micro), 4ull * b->rows);
    inputs[INPUT_TARGETS] = part(b->inputs, targets_at(b, micro), 4ull * b->rows);
    inputs[INPUT_RESULT] = part(b->results, 16ull * micro, 16);
}

void mailbox_record_in(const mailbox *b, gpu_program *program)
{
    gpu_record_copy(program, gpu_span_of(b->inputs), gpu_span_of(b->to_device));
}

void mailbox_record_out(const mailbox *b, gpu_program *program)
{
    gpu_record_copy(program, gpu_span_of(b->from_device), gpu_span_of(b->results));
}
