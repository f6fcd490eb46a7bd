/* Settings with which a run fits into a device's free memory. */
#include <pumice/run.h>

#include "base/log.h"
#include "base/sized.h"
#include "model/gpt.h"
#include "train/objective_lm.h"
#include "train/objective_task.h"

/* A context below this is not tried. */
enum { LEAST_TIME = 16 };

typedef struct search {
    const pm_log *log;
    const pm_caps *caps;
    const void *config; /* the caller's, of config_size */
    size_t config_size;
    const pm_taskset *set; /* NULL: pre-training */
    union {
        pm_train_params train;
        pm_finetune_params tune;
    } params;
    /* of them: what costs memory */
    bool *recompute;
    uint32_t *batch, *accum; /* of fine-tuning `batch` is a step's examples, which micro batches share out */
    uint32_t *time;          /* NULL: examples have their lengths */
} search;

/* Does the step in less memory: by recomputation, then by micro batches of half the size, down to single sequences. Then by half the context, which is
 * another step. False when there is nothing left. */
static bool smaller(search *s)
{
    if (!*s->recompute) {
        *s->recompute = true;
    } else if (!s->time && *s->batch > *s->accum) {
        *s->accum *= 2;
        if (*s->accum > *s->batch) *s->accum = *s->batch;
    } else if (s->time && *s->batch > 1) {
        const uint32_t factor = *s->batch % 2 == 0 ? 2 : *s->batch;
        *s->batch /= factor;
        *s->accum *= factor;
    } else if (s->time && *s->time >= 2 * LEAST_TIME) {
        *s->time /= 2;
    } else {
        return false;
    }
    return true;
}

static pm_status plan(const search *s, const pm_log *log, pm_train_plan *out)
{
    return s->set ? pm_finetune_plan_make_sized(log, s->caps, s->config, s->config_size, s->set, &s->params.tune,
                                                sizeof s->params.tune, out)
                  : pm_train_plan_make_sized(log, s->caps, s->config, s->config_size, &s->params.train,
                                             sizeof s->params.train, out);
}

/* Whether it fits; a tensor that is larger than any allocation does not. Other failures are told. */
static pm_status fits(const search *s, pm_train_plan *out, bool *good)
{
    const pm_log silent = {0};
    pm_status status = plan(s, &silent, out);
    *good = false;
    if (status == PM_NO_DEVICE_MEMORY) return PM_OK;
    if (status != PM_OK) return plan(s, s->log, out);
    *good = out->weights + out->gradients + out->optimizer + out->workspace <= s->caps->device_memory_free;
    return PM_OK;
}

static pm_status find(search *s, pm_train_plan *out)
{
    bool good;
    do {
        const pm_status status = fits(s, out, &good);
        if (status != PM_OK || good) return status;
    } while (smaller(s));
    return log_fail(s->log, PM_NO_DEVICE_MEMORY,
                    "%s: no smaller batch fits into its %.0f MiB of free memory: the model is too large for it",
                    s->caps->name, (double)s->caps->device_memory_free / (1024 * 1024));
}

pm_status pm_train_fit_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config, size_t config_size,
                             pm_train_params *params, size_t params_size, pm_train_plan *out)
{
    search s = {.log = log, .caps = caps, .config = config, .config_size = config_size};
    pm_train_params *p = &s.params.train;
    s.recompute = &p->recompute;
    s.batch = &p->batch;
    s.accum = &p->accum;
    s.time = &p->time;
    pm_gpt_config known;
    pm_status status = gpt_config_read(log, config, config_size, &known);
    if (status == PM_OK) status = sized_read(log, "pm_train_params", params, params_size, p, sizeof *p);
    if (status == PM_OK) status = train_params_fill(log, &known, p, p);
    if (status == PM_OK) status = find(&s, out);
    return status == PM_OK ? sized_write(log, "pm_train_params", p, sizeof *p, params, params_size) : status;
}

pm_status pm_finetune_fit_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config, size_t config_size,
                                const pm_taskset *set, pm_finetune_params *params, size_t params_size,
                                pm_train_plan *out)
{
    search s = {.log = log, .caps = caps, .config = config, .config_size = config_size, .set = set};
    pm_finetune_params *p = &s.params.tune;
    s.recompute = &p->recompute;
    s.batch = &p->batch;
    s.accum = &p->accum;
    pm_status status = finetune_params_fill(log, params, params_size, p);
    if (status == PM_OK) status = find(&s, out);
    return status == PM_OK ? sized_write(log, "pm_finetune_params", p, sizeof *p, params, params_size) : status;
}
