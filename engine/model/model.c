/* Models: weights on a device. load.c has their files. */
#include "model/gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/sized.h"
#include "model/files.h"
#include "model/rotary.h"
#include "model/special.h"

/* ---- constants ---- */

/* Whether there is a table of the rotary positions of layers with a window, apart from the others'. */
static bool has_constant(const pm_gpt_config *c, int which)
{
    return arch_rotary(arch_of(c)) && (which == CONSTANT_ROTARY || rotary_has_local(c));
}

static uint64_t constant_bytes(const pm_gpt_config *c)
{
    return 4ull * c->ctx * c->rotary.columns;
}

uint64_t gpt_constants_bytes(const pm_gpt_config *c)
{
    uint64_t bytes = 0;
    for (int i = 0; i < CONSTANTS; i++) bytes += has_constant(c, i) ? constant_bytes(c) : 0;
    return bytes;
}

static pm_status make_constants(pm_model *m)
{
    const pm_gpt_config *c = &m->config;
    const pm_log *log = gpu_log(m->device);
    pm_status status = PM_OK;
    for (int i = 0; i < CONSTANTS && status == PM_OK; i++) {
        if (!has_constant(c, i)) continue;
        float *table = malloc((size_t)constant_bytes(c));
        if (!table) return log_fail(log, PM_NO_HOST_MEMORY, "model: no memory for its table of positions");
        rotary_table(c, i == CONSTANT_ROTARY_LOCAL, c->ctx, table);
        status = gpu_buffer_create(m->device, GPU_WEIGHTS, constant_bytes(c), "rotary positions", &m->constants[i]);
        if (status == PM_OK) status = gpu_write(gpu_span_of(m->constants[i]), table);
        free(table);
    }
    return status;
}

pm_status gpt_model_allocate(pm_device *device, const pm_gpt_config *config, const dtype_id *types, pm_model **out)
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
    if (status == PM_OK) status = gpt_layout_make(log, &m->config, types, gpu_max_buffer(device), &m->layout);
    if (status == PM_OK) status = gpt_segments_create(device, &m->layout, "weights", &m->weights);
    if (status == PM_OK) status = make_constants(m);
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
    for (int i = 0; i < CONSTANTS; i++) gpu_buffer_destroy(&m->constants[i]);
    gpt_layout_fini(&m->layout);
    if (m->task) pm_task_fini(m->task);
    free(m->task);
    free(m->labels);
    free(m);
    *model = NULL;
}

/* ---- initial weights ---- */

/* Element i is word i % 4 of the Philox block with counter (i / 4, parameter, init stream, which), by pairs through Box and Muller. */
void gpt_normal(float *out, uint64_t first, uint64_t count, float deviation, uint64_t seed, uint32_t param,
                uint32_t which)
{
    for (uint64_t i = 0; i < count; i += 4) {
        rng_block b = rng_philox(seed, (uint32_t)((first + i) / 4), param, RNG_STREAM_INIT, which);
        float four[4];
        rng_normal(b.v[0], b.v[1], four);
        rng_normal(b.v[2], b.v[3], four + 2);
        for (uint64_t k = 0; k < 4 && i + k < count; k++) out[i + k] = deviation * four[k];
    }
}

/* Both papers draw from N(0, 0.02) for 768 channels and more. A normalised row of C numbers times such a matrix has the deviation 0.02 sqrt(C):
 * 0.55 at 768, but 0.23 at 128. There attention would start almost uniform and GELU almost linear. So narrower models get the 0.55 too. */
float gpt_deviation(const pm_gpt_config *config)
{
    return config->embd < 768 ? 0.02f * sqrtf(768.0f / (float)config->embd) : 0.02f;
}

typedef struct beginning {
    const pm_model *model;
    uint64_t seed;
} beginning;

/* Positions keep their deviation at every width: 0.02 in GPT-1's paper, 0.01 in GPT-2's published model.py (github.com/openai/gpt-2). If they were
 * as large as the tokens, attention could hardly tell whether two tokens are the same. Comparing two texts begins with that
 * (docs/measurements/finetune.md). */
static float deviation_of(const pm_gpt_config *config, role_start start)
{
    const arch_info *a = arch_of(config);
    if (start == START_POSITIONS) return a->position_deviation;
    const bool smaller = start == START_RESIDUAL && a->residual_start;
    return smaller ? gpt_deviation(config) / sqrtf(2.0f * (float)config->layers) : gpt_deviation(config);
}

static pm_status initial_values(void *user, uint32_t p, uint64_t first, uint64_t count, float *out)
{
    const beginning *from = user;
    const pm_model *m = from->model;
    const role_start start = role_table[m->layout.roles[p]].start;
    const bool one = start == START_GAIN && arch_of(&m->config)->norm != NORM_RMS_ONE;
    if (start == START_ZEROS || start == START_GAIN)
        for (uint64_t i = 0; i < count; i++) out[i] = one ? 1.0f : 0.0f;
    else
        gpt_normal(out, first, count, deviation_of(&m->config, start), from->seed, p, 0);
    return PM_OK;
}

pm_status pm_model_create_sized(pm_device *device, const pm_gpt_config *given, size_t given_size, uint64_t seed,
                                pm_model **out)
{
    return pm_model_create_as_sized(device, given, given_size, seed, NULL, 0, out);
}

pm_status pm_model_create_as_sized(pm_device *device, const pm_gpt_config *given, size_t given_size, uint64_t seed,
                                   const pm_model_params *given_params, size_t params_size, pm_model **out)
{
    const pm_log *log = gpu_log(device);
    pm_model *m = NULL;
    pm_gpt_config config;
    pm_model_params params;
    dtype_id *types = NULL;
    pm_status status = gpt_config_read(log, given, given_size, &config);
    if (status == PM_OK) status = sized_read(log, "pm_model_params", given_params, params_size, &params, sizeof params);
    if (status == PM_OK) status = pm_gpt_config_check(log, &config);
    if (status != PM_OK) return status;
    config = gpt_config_filled(&config);
    status = gpt_types(log, &config, NULL, params.weights, &types);
    if (status == PM_OK) status = gpt_model_allocate(device, &config, types, &m);
    free(types);
    if (status != PM_OK) return status;
    beginning from = {m, seed};
    status = gpt_model_fill(m, "model", (gpt_source){initial_values, &from});
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

void pm_model_name_tokens(pm_model *model, uint32_t begin, uint32_t end, uint32_t pad)
{
    special_name(&model->config, begin, end, pad);
}
