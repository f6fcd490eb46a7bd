/* Loading models from their files, and saving them. */
#include <stdlib.h>

#include "base/control.h"
#include "base/log.h"
#include "base/sized.h"
#include "model/files.h"
#include "model/task_head.h"

/* ---- files ---- */

pm_status gpt_files_open(const pm_log *log, const file_source *from, gpt_files *out)
{
    *out = (gpt_files){0};
    bool gguf;
    pm_status status = gguf_is_source(log, from, &gguf);
    if (status != PM_OK) return status;
    if (gguf) {
        status = gguf_open_source(log, from, &out->gguf);
        if (status != PM_OK) return status;
        out->is_gguf = true;
        status = gguf_model_config(log, &out->gguf, &out->config);
        if (status == PM_OK) status = gguf_weights_open(log, &out->gguf, &out->config, &out->gguf_weights);
        out->source = gguf_weights_source(&out->gguf_weights);
    } else {
        status = gpt_config_load_from(log, from, &out->config, &out->task);
        if (status == PM_OK) status = weights_open_from(log, from, &out->config, &out->weights);
        out->source = weights_source(&out->weights);
    }
    if (status != PM_OK) gpt_files_close(out);
    return status;
}

void gpt_files_close(gpt_files *files)
{
    gguf_weights_close(&files->gguf_weights);
    if (files->is_gguf) gguf_close(&files->gguf);
    weights_close(&files->weights);
    pm_task_fini(&files->task);
}

/* ---- filling ---- */

/* `first` is the first number of a word. */
static gpu_span span_of_piece(const pm_model *m, uint32_t param, uint64_t first, uint64_t count)
{
    const dtype_id type = m->layout.types[param];
    const gpu_span span = gpt_span(&m->layout, m->weights, param);
    return (gpu_span){span.buffer, span.offset + dtype_bytes(type, first), 4 * dtype_words(type, count)};
}

/* Numbers of a parameter, in its type; `from` is what the line begins with. `room`: for GPT_PIECE of them in 16 bits. */
static pm_status write_numbers(pm_model *m, const char *from, uint32_t param, uint64_t first, uint64_t count,
                               const float *values, void *room)
{
    const dtype_id type = m->layout.types[param];
    const gpu_span span = span_of_piece(m, param, first, count);
    if (type == DTYPE_F32) return gpu_write(span, values);
    if (!dtype_pack(type, values, count, room))
        return log_fail(gpu_log(m->device), PM_UNSUPPORTED, "%s: %s has numbers that %s does not hold; f32 does", from,
                        m->layout.params[param].name, dtype_name(type));
    return gpu_write(span, room);
}

static pm_status read_numbers(const pm_model *m, uint32_t param, uint64_t first, uint64_t count, float *out, void *room)
{
    const dtype_id type = m->layout.types[param];
    const gpu_span span = span_of_piece(m, param, first, count);
    if (type == DTYPE_F32) return gpu_read(span, out);
    const pm_status status = gpu_read(span, room);
    if (status == PM_OK) dtype_unpack(type, room, count, out);
    return status;
}

/* Words for a piece in 16 bits. */
static pm_status make_room(const pm_model *m, uint32_t **out)
{
    *out = gpt_layout_trains(&m->layout) ? NULL : malloc(2 * GPT_PIECE);
    if (*out || gpt_layout_trains(&m->layout)) return PM_OK;
    return log_fail(gpu_log(m->device), PM_NO_HOST_MEMORY, "model: no memory to convert its numbers");
}

typedef struct filling {
    pm_model *model;
    const char *from;
    uint32_t *room;
    uint64_t done, all; /* numbers */
} filling;

static pm_status write_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    filling *f = user;
    control_report(gpu_control(f->model->device), "load", f->done, f->all);
    f->done += count;
    return write_numbers(f->model, f->from, param, first, count, values, f->room);
}

pm_status gpt_model_fill(pm_model *m, const char *name, gpt_source from)
{
    filling f = {.model = m, .from = name};
    for (uint32_t p = 0; p < m->layout.count; p++)
        f.all += (uint64_t)m->layout.params[p].rows * m->layout.params[p].cols;
    pm_status status = make_room(m, &f.room);
    if (status == PM_OK) status = gpt_copy(gpu_log(m->device), &m->layout, from, write_piece, &f);
    free(f.room);
    if (status == PM_OK) control_report(gpu_control(m->device), "load", f.all, f.all);
    return status;
}

pm_status gpt_read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    const pm_model *m = user;
    uint32_t *room;
    pm_status status = make_room(m, &room);
    if (status == PM_OK) status = read_numbers(m, param, first, count, out, room);
    free(room);
    return status;
}

/* ---- single parameters ---- */

/* All of one: out, or in. */
static pm_status in_pieces(const pm_model *m, size_t index, float *out, const float *in)
{
    if (index >= m->layout.count)
        return log_fail(gpu_log(m->device), PM_INVALID, "model: there is no parameter %zu", index);
    const uint64_t count = (uint64_t)m->layout.params[index].rows * m->layout.params[index].cols;
    uint32_t *room;
    pm_status status = make_room(m, &room);
    for (uint64_t at = 0, n; at < count && status == PM_OK; at += n) {
        n = count - at < GPT_PIECE ? count - at : GPT_PIECE;
        status = in ? write_numbers((pm_model *)m, "model", (uint32_t)index, at, n, in + at, room)
                    : read_numbers(m, (uint32_t)index, at, n, out + at, room);
    }
    free(room);
    return status;
}

pm_status pm_model_read(const pm_model *model, size_t index, float *out)
{
    return in_pieces(model, index, out, NULL);
}

pm_status pm_model_write(pm_model *model, size_t index, const float *values)
{
    return in_pieces(model, index, NULL, values);
}

pm_weights pm_model_param_type(const pm_model *model, size_t index)
{
    static const pm_weights types[DTYPES] = {
        [DTYPE_F32] = PM_WEIGHTS_F32, [DTYPE_F16] = PM_WEIGHTS_F16, [DTYPE_BF16] = PM_WEIGHTS_BF16};
    return types[model->layout.types[index]];
}

/* ---- loading and saving ---- */

static pm_status load(pm_device *device, const file_source *source, const pm_model_params *given, size_t given_size,
                      pm_model **out)
{
    const pm_log *log = gpu_log(device);
    pm_model *m = NULL;
    pm_model_params params;
    gpt_files files;
    dtype_id *types = NULL;
    pm_status status = sized_read(log, "pm_model_params", given, given_size, &params, sizeof params);
    /* Files first: the sizes in a configuration take no device memory before the weights confirm them. */
    if (status == PM_OK) status = gpt_files_open(log, source, &files);
    if (status != PM_OK) return status;
    status = gpt_types(log, &files.config, &files, params.weights, &types);
    if (status == PM_OK) status = gpt_model_allocate(device, &files.config, types, &m);
    free(types);
    if (status == PM_OK && files.config.outputs) status = gpt_model_set_task(m, &files.task);
    if (status == PM_OK) status = gpt_model_fill(m, file_source_name(source), files.source);
    gpt_files_close(&files);
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    return status;
}

pm_status pm_model_load(pm_device *device, const char *dir, pm_model **out)
{
    return pm_model_load_as(device, dir, NULL, out);
}

pm_status pm_model_load_as_sized(pm_device *device, const char *dir, const pm_model_params *params, size_t params_size,
                                 pm_model **out)
{
    return load(device, &(file_source){.dir = dir}, params, params_size, out);
}

pm_status pm_model_load_from_sized(pm_device *device, const pm_source *source, size_t source_size, pm_model **out)
{
    return pm_model_load_from_as_sized(device, source, source_size, NULL, 0, out);
}

pm_status pm_model_load_from_as_sized(pm_device *device, const pm_source *source, size_t source_size,
                                      const pm_model_params *params, size_t params_size, pm_model **out)
{
    file_source from;
    const pm_status status = file_source_given(gpu_log(device), source, source_size, &from);
    return status == PM_OK ? load(device, &from, params, params_size, out) : status;
}

pm_status pm_model_save(const pm_model *model, const char *dir)
{
    return gpt_folder_write(gpu_log(model->device), dir, &model->config, model->task, &model->layout,
                            (gpt_source){gpt_read_piece, (void *)model});
}
