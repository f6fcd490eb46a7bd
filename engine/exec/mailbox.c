#include "exec/mailbox.h"

static bool comes_back(int input)
{
    return input >= INPUT_RESULT;
}

/* Words of each input of one micro batch. */
static void count_words(mailbox *b, const pm_gpt_config *config, const gpt_shape *s)
{
    uint32_t rows = s->batch * s->time;
    bool task = s->mode == GPT_FINETUNE || s->mode == GPT_ANSWER;
    bool language = s->mode == GPT_LOSS || (s->mode == GPT_FINETUNE && s->lambda > 0);
    b->words[INPUT_SCALARS] = sizeof(struct step_scalars) / 4;
    b->words[INPUT_TOKENS] = rows;
    if (language) {
        b->words[INPUT_TARGETS] = rows;
        b->words[INPUT_RESULT] = 4;
        if (task) b->words[INPUT_WEIGHTS] = rows;
    }
    if (task) b->words[INPUT_EXTRACT] = s->batch;
    if (s->mode == GPT_FINETUNE) {
        b->words[INPUT_ANSWERS] = 2 * s->examples;
        b->words[INPUT_TASK_RESULT] = 4;
    }
    if (s->mode == GPT_ANSWER) b->words[INPUT_OUTPUTS] = s->batch / s->group * config->outputs;
}

/* Bytes from one micro batch's part to the next. Parts are aligned to 16 bytes, so that kernels can access them widely. */
static uint64_t stride(const mailbox *b, int input)
{
    return (4ull * b->words[input] + 15) / 16 * 16;
}

pm_status mailbox_init(mailbox *box, pm_device *device, const pm_gpt_config *config, const gpt_shape *shape,
                       uint32_t micros, uint32_t sides)
{
    mailbox b = {.micros = micros, .sides = sides};
    uint64_t in = 0, out = 0;
    count_words(&b, config, shape);
    for (int i = 0; i < INPUT_MAILBOX; i++) {
        uint64_t *size = comes_back(i) ? &out : &in;
        b.at[i] = *size;
        *size += stride(&b, i) * micros;
    }
    b.norm_at = out;
    out += 8;
    pm_status status = gpu_buffer_create(device, GPU_WORKSPACE, in, "batch", &b.inputs);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, out, "results", &b.results);
    for (uint32_t i = 0; i < sides && status == PM_OK; i++) {
        status = gpu_buffer_create(device, GPU_SHARED, in, "batch, from the host", &b.to_device[i]);
        if (status == PM_OK)
            status = gpu_buffer_create(device, GPU_SHARED, out, "results, for the host", &b.from_device[i]);
    }
    if (status == PM_OK)
        *box = b;
    else
        mailbox_fini(&b);
    return status;
}

void mailbox_fini(mailbox *b)
{
    for (uint32_t i = 0; i < b->sides; i++) {
        gpu_buffer_destroy(&b->to_device[i]);
        gpu_buffer_destroy(&b->from_device[i]);
    }
    gpu_buffer_destroy(&b->inputs);
    gpu_buffer_destroy(&b->results);
}

static uint64_t offset(const mailbox *b, uint32_t micro, int input)
{
    return b->at[input] + stride(b, input) * micro;
}

static void *host(gpu_buffer *buffer, uint64_t at)
{
    return (char *)gpu_map(gpu_span_of(buffer)) + at;
}

void *mailbox_host(const mailbox *b, uint32_t micro, int input)
{
    return host(comes_back(input) ? b->from_device[b->side] : b->to_device[b->side], offset(b, micro, input));
}
const float *mailbox_norm(const mailbox *b)
{
    return host(b->from_device[b->side], b->norm_at);
}

static gpu_span part(gpu_buffer *buffer, uint64_t at, uint64_t size)
{
    gpu_span span = gpu_span_of(buffer);
    return (gpu_span){span.buffer, span.offset + at, size};
}

gpu_span mailbox_span(const mailbox *b, uint32_t micro, int input)
{
    return part(comes_back(input) ? b->results : b->inputs, offset(b, micro, input), 4ull * b->words[input]);
}
gpu_span mailbox_norm_span(const mailbox *b)
{
    return part(b->results, b->norm_at, 8);
}

void mailbox_bind(const mailbox *b, uint32_t micro, gpu_span inputs[INPUT_MAILBOX])
{
    for (int i = 0; i < INPUT_MAILBOX; i++) inputs[i] = mailbox_span(b, micro, i);
}

void mailbox_record_in(const mailbox *b, uint32_t side, gpu_program *program)
{
    gpu_program_label(program, "batch", PM_DIRECTION_NONE);
    gpu_record_copy(program, gpu_span_of(b->inputs), gpu_span_of(b->to_device[side]));
}

void mailbox_record_out(const mailbox *b, uint32_t side, gpu_program *program)
{
    gpu_program_label(program, "results", PM_DIRECTION_NONE);
    gpu_record_copy(program, gpu_span_of(b->from_device[side]), gpu_span_of(b->results));
}
