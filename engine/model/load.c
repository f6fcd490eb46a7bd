/* Loading models from their files, and saving them. */
#include "base/control.h"
#include "base/log.h"
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

static gpu_span span_of_piece(const pm_model *m, uint32_t param, uint64_t first, uint64_t count)
{
    gpu_span span = gpt_span(&m->layout, m->weights, param);
    return (gpu_span){span.buffer, span.offset + 4 * first, 4 * count};
}

typedef struct filling {
    pm_model *model;
    uint64_t done, all; /* numbers */
} filling;

static pm_status write_piece(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values)
{
    filling *f = user;
    control_report(gpu_control(f->model->device), "load", f->done, f->all);
    f->done += count;
    return gpu_write(span_of_piece(f->model, param, first, count), values);
}

pm_status gpt_model_fill(pm_model *m, gpt_source from)
{
    filling f = {.model = m};
    for (uint32_t p = 0; p < m->layout.count; p++)
        f.all += (uint64_t)m->layout.params[p].rows * m->layout.params[p].cols;
    const pm_status status = gpt_copy(gpu_log(m->device), &m->layout, from, write_piece, &f);
    if (status == PM_OK) control_report(gpu_control(m->device), "load", f.all, f.all);
    return status;
}

pm_status gpt_read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    return gpu_read(span_of_piece(user, param, first, count), out);
}

/* ---- loading and saving ---- */

static pm_status load(pm_device *device, const file_source *source, pm_model **out)
{
    pm_model *m = NULL;
    gpt_files files;
    /* Files first: the sizes in a configuration take no device memory before the weights confirm them. */
    pm_status status = gpt_files_open(gpu_log(device), source, &files);
    if (status != PM_OK) return status;
    status = gpt_model_allocate(device, &files.config, &m);
    if (status == PM_OK && files.config.outputs) status = gpt_model_set_task(m, &files.task);
    if (status == PM_OK) status = gpt_model_fill(m, files.source);
    gpt_files_close(&files);
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    return status;
}

pm_status pm_model_load(pm_device *device, const char *dir, pm_model **out)
{
    return load(device, &(file_source){.dir = dir}, out);
}

pm_status pm_model_load_from_sized(pm_device *device, const pm_source *source, size_t source_size, pm_model **out)
{
    file_source from;
    const pm_status status = file_source_given(gpu_log(device), source, source_size, &from);
    return status == PM_OK ? load(device, &from, out) : status;
}

pm_status pm_model_save(const pm_model *model, const char *dir)
{
    return gpt_folder_write(gpu_log(model->device), dir, &model->config, model->task, &model->layout,
                            (gpt_source){gpt_read_piece, (void *)model});
}
