/* Losses without gradients. */
#include <math.h>
#include <string.h>

#include "base/control.h"
#include "base/log.h"
#include "train/objective_lm.h"

pm_status evaluator_init(pass *p, pm_model *model, uint32_t batch, uint32_t time, const void *owner)
{
    const pass_target to = pass_target_of(model);
    pm_status status = pass_plan(p, &to, &(gpt_shape){.mode = GPT_LOSS, .batch = batch, .time = time}, false);
    if (status == PM_OK) status = pass_record(p, model, &(pass_use){.name = "evaluate", .owner = owner}, NULL);
    if (status != PM_OK) pass_fini(p);
    return status;
}

/* Tokens and targets from place n of a row on: they do not count. */
static void clear(const pass *p, uint32_t row, size_t n)
{
    const size_t bytes = (p->shape.time - n) * sizeof(int32_t);
    memset((int32_t *)pass_row(p, 0, row, INPUT_TOKENS) + n, 0, bytes);
    memset((int32_t *)pass_row(p, 0, row, INPUT_TARGETS) + n, 0xFF, bytes); /* -1 */
}

pm_status evaluator_run(const pass *p, uint64_t windows, evaluator_fill *fill, const void *user, double *sum,
                        double *count)
{
    *sum = *count = 0;
    for (uint64_t window = 0; window < windows;) {
        for (uint32_t row = 0; row < p->shape.batch; row++, window++)
            clear(p, row, window < windows ? fill(user, p, row, window) : 0);
        control_report(gpu_control(p->device), "evaluate", window < windows ? window : windows, windows);
        const pm_status status = pass_run(p);
        if (status != PM_OK) return status;
        const float *result = mailbox_floats(&p->box, 0, INPUT_RESULT);
        *sum += (double)result[1];
        *count += (double)result[2];
    }
    return PM_OK;
}

/* Consecutive targets of a corpus. */
static size_t next_window(const void *corpus, const pass *p, uint32_t row, uint64_t window)
{
    const size_t at = (size_t)window * p->shape.time, left = pm_corpus_size(corpus) - 1 - at;
    const size_t n = left < p->shape.time ? left : p->shape.time;
    pm_corpus_read(corpus, at, n, pass_row(p, 0, row, INPUT_TOKENS));
    pm_corpus_read(corpus, at + 1, n, pass_row(p, 0, row, INPUT_TARGETS));
    return n;
}

pm_status pm_model_eval(pm_model *model, const pm_corpus *corpus, pm_eval_result *out)
{
    size_t size = pm_corpus_size(corpus);
    if (size < 2) return log_fail(gpu_log(model->device), PM_INVALID, "data: %zu tokens hold no target", size);
    /* About 1,024 tokens a run, and no more rows than there are windows. */
    size_t targets = size - 1;
    uint32_t time = targets < model->config.ctx ? (uint32_t)targets : model->config.ctx;
    uint32_t batch = time < 1024 ? 1024 / time : 1;
    size_t windows = (targets + time - 1) / time;
    if (batch > windows) batch = (uint32_t)windows;
    pass p;
    double total, counted;
    pm_status status = evaluator_init(&p, model, batch, time, &p);
    if (status != PM_OK) return status;
    status = evaluator_run(&p, windows, next_window, corpus, &total, &counted);
    pass_fini(&p);
    if (status == PM_OK) *out = (pm_eval_result){total / counted, exp(total / counted), (uint64_t)counted};
    return status;
}
