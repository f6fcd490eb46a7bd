/* Models: weights on a device. */
#include "model/gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "model/safetensors.h"
#include "model/task_head.h"

pm_status gpt_model_allocate(pm_device *device, const pm_gpt_config *config, pm_model **out)
{
    const pm_log *log = gpu_log(device);
    pm_status status = pm_gpt_config_check(log, config);
    if (status != PM_OK) return status;
    pm_model *m = calloc(1, sizeof *m);
    if (!m) return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory");
    m->device = device;
    m->config = gpt_config_filled(config);
    m->labels = calloc(m->config.layers, sizeof *m->labels);
    status = m->labels ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "model: no memory");
    for (uint32_t l = 0; status == PM_OK && l < m->config.layers; l++)
        snprintf(m->labels[l], sizeof m->labels[l], "h.%u", (unsigned)l);
    if (status == PM_OK) status = gpt_layout_make(log, &m->config, gpu_max_buffer(device), &m->layout);
    if (status == PM_OK) status = gpt_segments_create(device, &m->layout, "weights", &m->weights);
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    return status;
}

void pm_model_destroy(pm_model **model)
{
    pm_model *m = *model;
    if (!m) return;
    gpt_segments_destroy(&m->layout, &m->weights);
    gpt_layout_fini(&m->layout);
    if (m->task) pm_task_fini(m->task);
    free(m->task);
    free(m->labels);
    free(m);
    *model = NULL;
}

/* ---- initial weights ---- */

/* Element i is word i % 4 of the Philox block with counter (i / 4, parameter, init stream), by pairs through Box and Muller. */
static void fill_normal(float *out, uint64_t count, float deviation, uint64_t seed, uint32_t param)
{
    for (uint64_t i = 0; i < count; i += 4) {
        rng_block b = rng_philox(seed, (uint32_t)(i / 4), param, RNG_STREAM_INIT, 0);
        float four[4];
        rng_normal(b.v[0], b.v[1], four);
        rng_normal(b.v[2], b.v[3], four + 2);
        for (uint64_t k = 0; k < 4 && i + k < count; k++) out[i + k] = deviation * four[k];
    }
}

static void initial_values(const pm_model *m, uint32_t p, uint64_t seed, float *out)
{
    pm_param param = m->layout.params[p];
    uint64_t count = (uint64_t)param.rows * param.cols;
    const char *name = param.name;
    size_t n = strlen(name);
    bool residual = m->config.arch == PM_ARCH_GPT2 && n > 13 && !strcmp(name + n - 13, "c_proj.weight");
    if (param.decayed) {
        fill_normal(out, count, residual ? 0.02f / sqrtf(2.0f * (float)m->config.layers) : 0.02f, seed, p);
        return;
    }
    bool gain = strstr(name, "ln_") && n > 6 && !strcmp(name + n - 6, "weight");
    for (uint64_t i = 0; i < count; i++) out[i] = gain ? 1.0f : 0.0f;
}

float *gpt_largest(const pm_log *log, const gpt_layout *l)
{
    uint64_t words = 1;
    for (uint32_t p = 0; p < l->count; p++) {
        uint64_t w = (uint64_t)l->params[p].rows * l->params[p].cols;
        if (w > words) words = w;
    }
    float *values = malloc(4 * words);
    if (!values) log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for %llu bytes of weights", 4ull * words);
    return values;
}

pm_status pm_model_create(pm_device *device, const pm_gpt_config *config, uint64_t seed, pm_model **out)
{
    pm_model *m = NULL;
    pm_status status = gpt_model_allocate(device, config, &m);
    if (status != PM_OK) return status;
    float *values = gpt_largest(gpu_log(device), &m->layout);
    if (!values) status = PM_NO_HOST_MEMORY;
    for (uint32_t p = 0; status == PM_OK && p < m->layout.count; p++) {
        initial_values(m, p, seed, values);
        status = pm_model_write(m, p, values);
    }
    free(values);
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    return status;
}

/* ---- access ---- */

const pm_gpt_config *pm_model_config(const pm_model *model)
{
    return &model->config;
}
size_t pm_model_param_count(const pm_model *model)
{
    return model->layout.count;
}
pm_param pm_model_param(const pm_model *model, size_t index)
{
    return model->layout.params[index];
}

pm_status pm_model_read(const pm_model *model, size_t index, float *out)
{
    if (index >= model->layout.count)
        return log_fail(gpu_log(model->device), PM_INVALID, "model: there is no parameter %zu", index);
    return gpu_read(gpt_span(&model->layout, model->weights, (uint32_t)index), out);
}

pm_status pm_model_write(pm_model *model, size_t index, const float *values)
{
    if (index >= model->layout.count)
        return log_fail(gpu_log(model->device), PM_INVALID, "model: there is no parameter %zu", index);
    return gpu_write(gpt_span(&model->layout, model->weights, (uint32_t)index), values);
}

/* ---- folders ---- */

static float from_f16(uint16_t h)
{
    int exponent = h >> 10 & 31;
    float fraction = (float)(h & 1023), sign = h & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf(1024.0f + fraction, exponent - 25) : ldexpf(fraction, -24));
}

static float from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

pm_status gpt_tensor_floats(const pm_log *log, const char *path, const st_tensor *t, pm_param param, float *out)
{
    uint64_t count = (uint64_t)param.rows * param.cols;
    bool vector = param.rows == 1 && t->rank == 1 && t->shape[0] == param.cols;
    bool matrix = t->rank == 2 && t->shape[0] == param.rows && t->shape[1] == param.cols;
    if (!vector && !matrix) {
        if (param.rows == 1)
            return log_fail(log, PM_FORMAT, "%s: %s should have the shape [%u]", path, t->name, param.cols);
        return log_fail(log, PM_FORMAT, "%s: %s should have the shape [%u, %u]", path, t->name, param.rows, param.cols);
    }
    if (t->dtype == ST_F32) {
        memcpy(out, t->data, 4 * count);
        return PM_OK;
    }
    if (t->dtype != ST_F16 && t->dtype != ST_BF16)
        return log_fail(log, PM_FORMAT, "%s: %s should have the dtype F32, F16 or BF16", path, t->name);
    for (uint64_t i = 0; i < count; i++) {
        uint16_t h;
        memcpy(&h, (const char *)t->data + 2 * i, 2);
        out[i] = t->dtype == ST_F16 ? from_f16(h) : from_bf16(h);
    }
    return PM_OK;
}

/* By its full name, or without "transformer.", as some files have it. */
static const st_tensor *find_parameter(const st_file *file, const char *name)
{
    static const char prefix[] = "transformer.";
    const size_t n = sizeof prefix - 1;
    const st_tensor *t = st_find(file, name);
    return t || strncmp(name, prefix, n) ? t : st_find(file, name + n);
}

static pm_status load_weights(pm_model *m, const char *path)
{
    const pm_log *log = gpu_log(m->device);
    st_file file;
    pm_status status = st_open(log, path, &file);
    if (status != PM_OK) return status;
    float *values = gpt_largest(log, &m->layout);
    if (!values) status = PM_NO_HOST_MEMORY;
    for (uint32_t p = 0; status == PM_OK && p < m->layout.count; p++) {
        pm_param param = m->layout.params[p];
        const st_tensor *t = find_parameter(&file, param.name);
        status = t ? gpt_tensor_floats(log, path, t, param, values)
                   : log_fail(log, PM_FORMAT, "%s: %s is missing", path, param.name);
        if (status == PM_OK) status = pm_model_write(m, p, values);
    }
    free(values);
    st_close(&file);
    return status;
}

pm_status pm_model_load(pm_device *device, const char *dir, pm_model **out)
{
    const pm_log *log = gpu_log(device);
    pm_model *m = NULL;
    pm_gpt_config config;
    pm_task task = {0};
    char *weights_path = file_join(dir, "model.safetensors");
    pm_status status = weights_path ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to read it", dir);
    if (status == PM_OK) status = gpt_config_load(log, dir, &config, &task);
    if (status == PM_OK) status = gpt_model_allocate(device, &config, &m);
    if (status == PM_OK && config.outputs) status = gpt_model_set_task(m, &task);
    if (status == PM_OK) status = load_weights(m, weights_path);
    if (status == PM_OK)
        *out = m;
    else
        pm_model_destroy(&m);
    pm_task_fini(&task);
    free(weights_path);
    return status;
}

static pm_status save_weights(const pm_model *m, const char *path)
{
    const pm_log *log = gpu_log(m->device);
    const gpt_layout *l = &m->layout;
    uint64_t words = 0;
    for (uint32_t p = 0; p < l->count; p++) words += (uint64_t)l->params[p].rows * l->params[p].cols;
    float *values = malloc(4 * words);
    st_tensor *tensors = calloc(l->count, sizeof *tensors);
    pm_status status = values && tensors ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", path);
    uint64_t at = 0;
    for (uint32_t p = 0; status == PM_OK && p < l->count; p++) {
        pm_param param = l->params[p];
        uint64_t count = (uint64_t)param.rows * param.cols;
        status = pm_model_read(m, p, values + at);
        tensors[p] = (st_tensor){.name = l->names[p],
                                 .dtype = ST_F32,
                                 .rank = param.rows == 1 && !param.decayed ? 1 : 2,
                                 .shape = {param.rows, param.cols},
                                 .data = values + at,
                                 .size = 4 * count};
        if (tensors[p].rank == 1) tensors[p].shape[0] = param.cols;
        at += count;
    }
    st_meta meta = {"format", "pt"};
    if (status == PM_OK) status = st_write(log, path, tensors, l->count, &meta, 1);
    free(values);
    free(tensors);
    return status;
}

pm_status pm_model_save(const pm_model *model, const char *dir)
{
    const pm_log *log = gpu_log(model->device);
    char *config_path = file_join(dir, "config.json"), *weights_path = file_join(dir, "model.safetensors");
    pm_status status =
        config_path && weights_path ? PM_OK : log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", dir);
    if (status == PM_OK) status = file_make_dir(log, dir);
    if (status == PM_OK) status = save_weights(model, weights_path);
    if (status == PM_OK) status = gpt_config_write(log, config_path, &model->config, model->task);
    free(config_path);
    free(weights_path);
    return status;
}
