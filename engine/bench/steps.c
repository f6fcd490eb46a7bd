/* Whole steps, timed as the host sees them: from the call to the answer. */
#include <stdlib.h>
#include <string.h>

#include <pumice/infer.h>
#include <pumice/train.h>

#include "os/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "bench/measure.h"
#include "bench/timing.h"
#include "model/gpt.h"
#include "train/objective_lm.h"

/* A model with random weights, tokens for it, and what runs it. */
typedef struct step_bench {
    pm_device *device;
    pm_gpt_config config;
    uint32_t time, batch;
    dtype_id type;
    pm_weights weights;
    pm_model *model;
    pm_trainer *trainer;
    pm_session *session;
    int32_t *tokens; /* (2, B T): inputs, targets */
} step_bench;

static pm_status open_model(step_bench *s)
{
    const size_t count = 2 * (size_t)s->batch * s->time;
    s->tokens = malloc(count * sizeof *s->tokens);
    if (!s->tokens) return log_fail(gpu_log(s->device), PM_NO_HOST_MEMORY, "bench: no memory for %zu tokens", count);
    for (size_t i = 0; i < count; i++)
        s->tokens[i] = (int32_t)(rng_philox(1, (uint32_t)i, 0, 0, 0).v[0] % s->config.vocab);
    return pm_model_create_as(s->device, &s->config, 1, &(pm_model_params){s->weights}, &s->model);
}

static void close_model(step_bench *s)
{
    pm_session_destroy(&s->session);
    pm_trainer_destroy(&s->trainer);
    pm_model_destroy(&s->model);
    free(s->tokens);
}

static pm_status train_once(step_bench *s)
{
    pm_step step;
    return pm_trainer_step_tokens(s->trainer, s->tokens, s->tokens + (size_t)s->batch * s->time, &step);
}

static pm_status read_once(step_bench *s)
{
    pm_session_reset(s->session);
    return pm_session_feed(s->session, (const uint32_t *)s->tokens, s->time);
}

static pm_status decode_once(step_bench *s)
{
    return pm_session_feed(s->session, (const uint32_t *)s->tokens, 1);
}

/* Trainer or session, and the first run. */
static pm_status first_run(step_bench *s, pm_status (*once)(step_bench *), double *first_ms)
{
    const pm_train_params params = {.batch = s->batch,
                                    .time = s->time,
                                    .steps = 1000,
                                    .lr = 1e-4f,
                                    .clip = 1,
                                    .precision = s->type == DTYPE_F16 ? PM_PRECISION_F16 : PM_PRECISION_F32};
    const double start = os_seconds();
    pm_status status = once == train_once ? pm_trainer_create(s->model, &params, &s->trainer)
                                          : pm_session_create(s->model, &s->session);
    if (status == PM_OK) status = once(s);
    *first_ms = 1e3 * (os_seconds() - start);
    return status;
}

/* Of a block. */
static double product_weights(const pm_gpt_config *config)
{
    double count = 0;
    for (int r = 0; r < ROLE_COUNT; r++) {
        uint32_t rows, cols;
        if (!role_table[r].product || !arch_has(config, (param_role)r)) continue;
        arch_shape(config, (param_role)r, &rows, &cols);
        count += (double)rows * cols;
    }
    return count;
}

/* What the recorded training step says of itself; of the readers, products with every weight and attention to all tokens so far, and as
 * bytes the weights once and the cache. */
static void count_work(const step_bench *s, pm_status (*once)(step_bench *), pm_bench_row *row)
{
    if (once == train_once) {
        pm_train_plan plan;
        gpu_program_stats stats;
        pm_trainer_get_plan(s->trainer, &plan);
        pass_stats(pass_set_longest(&s->trainer->core.passes), &stats);
        row->flops = plan.step_flops;
        row->bytes = stats.bytes;
        row->tokens = (double)s->batch * s->time;
    } else {
        const pm_gpt_config *c = &s->config;
        const double layers = c->layers, channels = (double)c->heads * c->head, t = s->time;
        const double table = (double)c->embd * c->vocab, block = product_weights(c);
        const double bytes = s->weights == PM_WEIGHTS_F32 ? 4 : 2;
        const bool many = once == read_once;
        const double pairs = many ? 0.5 * t * (t + 1) : t;
        row->tokens = many ? t : 1;
        row->flops = row->tokens * layers * 2 * block + layers * 4 * channels * pairs + 2 * table;
        row->bytes = bytes * (layers * block + table) + layers * 4 * gpt_cache_columns(c) * t;
    }
    row->needed_flops = row->flops;
}

static pm_gpt_config config_of(const uint32_t *d, pm_arch arch)
{
    return (pm_gpt_config){.arch = arch, .layers = d[0], .heads = d[1], .embd = d[2], .ctx = d[3], .vocab = d[5]};
}

pm_status check_step(const pm_log *log, const uint32_t *d, pm_arch arch)
{
    const pm_gpt_config config = config_of(d, arch);
    return pm_gpt_config_check(log, &config);
}

pm_status measure_step(pm_device *device, const char *name, const uint32_t *d, dtype_id type,
                       const pm_bench_params *params, pm_bench_row *row)
{
    const pm_gpt_config config = config_of(d, params->arch);
    const bool quick = params->quick;
    step_bench s = {
        .device = device, .config = config, .type = type, .weights = params->weights, .time = d[3], .batch = d[4]};
    pm_status (*once)(step_bench *) = train_once;
    if (strcmp(name, "prefill") == 0) once = read_once;
    if (strcmp(name, "decode") == 0) once = decode_once;
    /* Room for every run's token, so that the context never slides. */
    if (once == decode_once) s.config.ctx += TIMING_MOST + 8;
    pm_status status = pm_gpt_config_check(gpu_log(device), &s.config);
    if (status != PM_OK) return status;
    s.config = gpt_config_filled(&s.config);
    timing t;
    status = open_model(&s);
    if (status == PM_OK) status = first_run(&s, once, &row->first_ms);
    if (status == PM_OK && once == decode_once) status = read_once(&s);
    for (int i = 0; i < 3 && status == PM_OK; i++) status = once(&s);
    timing_start(&t, quick);
    while (status == PM_OK && timing_more(&t)) {
        const double start = os_seconds();
        status = once(&s);
        timing_add(&t, 1e3 * (os_seconds() - start));
    }
    if (status == PM_OK) {
        timing_quartiles(&t, &row->ms_low, &row->ms, &row->ms_high);
        strcpy(row->variant, "whole step");
        count_work(&s, once, row);
        row->runs = t.runs;
        row->copies = 1;
    }
    close_model(&s);
    return status;
}
