/* Losses without gradients. */
#include <math.h>
#include <stdlib.h>

#include "base/control.h"
#include "base/log.h"
#include "train/trainer.h"

pm_status evaluator_init(pass *p, pm_model *model, uint32_t batch, uint32_t time, const void *owner)
{
    const pass_target to = pass_target_of(model);
    pm_status status = pass_plan(p, &to, &(gpt_shape){.mode = GPT_LOSS, .batch = batch, .time = time}, false);
    if (status == PM_OK) status = pass_record_forward(p, model, &(pass_use){.name = "evaluate", .owner = owner});
    if (status == PM_OK)
        *mailbox_scalars(&p->box, 0) = (struct step_scalars){0};
    else
        pass_fini(p);
    return status;
}

pm_status evaluator_run(const pass *p, double *sum, double *count)
{
    const pm_status status = pass_run(p);
    if (status != PM_OK) return status;
    const float *result = mailbox_floats(&p->box, 0, INPUT_RESULT);
    *sum = (double)result[1];
    *count = (double)result[2];
    return PM_OK;
}

/* One sequence of consecutive targets: tokens [at, at + n] of the corpus. The rest of the row is padding, and is ignored. */
static void window(const pass *p, uint32_t row, const pm_corpus *corpus, size_t at, size_t n)
{
    uint32_t time = p->shape.time;
    int32_t *tokens = mailbox_ints(&p->box, 0, INPUT_TOKENS) + (size_t)row * time,
            *targets = mailbox_ints(&p->box, 0, INPUT_TARGETS) + (size_t)row * time;
    if (n > 0) {
        pm_corpus_read(corpus, at, n, tokens);
        pm_corpus_read(corpus, at + 1, n, targets);
    }
    for (size_t i = n; i < time; i++) {
        tokens[i] = 0;
        targets[i] = -1;
    }
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
    pm_status status = evaluator_init(&p, model, batch, time, &p);
    if (status != PM_OK) return status;
    double total = 0, counted = 0;
    for (size_t at = 0; at < targets && status == PM_OK;) {
        for (uint32_t row = 0; row < batch; row++) {
            size_t n = targets - at < time ? targets - at : time;
            window(&p, row, corpus, at, n);
            at += n;
        }
        double sum = 0, n = 0;
        control_report(gpu_control(model->device), "evaluate", at < targets ? at : targets, targets);
        status = evaluator_run(&p, &sum, &n);
        total += sum;
        counted += n;
    }
    pass_fini(&p);
    if (status == PM_OK) *out = (pm_eval_result){total / counted, exp(total / counted), (uint64_t)counted};
    return status;
}
