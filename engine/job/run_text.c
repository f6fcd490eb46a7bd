/* Runs with a trainer: pre-training on a text, whose end validates. */
#include <math.h>

#include "base/log.h"
#include "job/run.h"

/* Batches of an evaluation, of PM_EVAL_BATCH windows each. */
enum { EVAL_BATCHES = 20 };

static uint32_t done(const pm_run *run)
{
    return pm_trainer_steps_done(run->parts.trainer);
}

static uint32_t steps(const pm_run *run)
{
    return run->params.steps;
}

static pm_precision precision(const pm_run *run)
{
    return pm_trainer_precision(run->parts.trainer);
}

static bool due(const pm_run *run, uint32_t step)
{
    return step >= run->params.steps || (run->params.eval_every && step % run->params.eval_every == 0);
}

static pm_status save(pm_run *run, const char *note)
{
    return pm_trainer_save(run->parts.trainer, run->params.dir, note);
}

static pm_status load(pm_run *run, char **note)
{
    return pm_trainer_load(run->parts.trainer, run->params.dir, note);
}

static pm_status step(pm_run *run, pm_run_result *out)
{
    pm_step s;
    const pm_status status = pm_trainer_step(run->parts.trainer, run->params.corpus, 0, run->params.train_tokens, &s);
    if (status != PM_OK) return status;
    *out = (pm_run_result){.step = s.step,
                           .loss = s.loss,
                           .task_loss = NAN,
                           .lm_loss = NAN,
                           .lr = s.lr,
                           .grad_norm = s.grad_norm,
                           .loss_scale = s.loss_scale,
                           .skipped = s.skipped,
                           .tokens = s.tokens};
    return PM_OK;
}

static void describe(const pm_run *run, const pm_run_result *result, metrics_line *line)
{
    if (precision(run) == PM_PRECISION_F16) metrics_line_number(line, "loss_scale", (double)result->loss_scale);
    if (result->skipped) metrics_line_number(line, "skipped", 1);
}

static pm_status evaluate(pm_run *run, pm_run_result *out)
{
    const pm_run_params *p = &run->params;
    float loss;
    const pm_status status =
        pm_trainer_eval(run->parts.trainer, p->corpus, p->train_tokens, pm_corpus_size(p->corpus) - p->train_tokens,
                        p->eval_batches ? p->eval_batches : EVAL_BATCHES, &loss);
    if (status != PM_OK) return status;
    out->evaluated = true;
    out->val_loss = out->value = (double)loss;
    return PM_OK;
}

static void describe_evaluation(const pm_run *run, const pm_run_result *result, metrics_line *line)
{
    (void)run;
    metrics_line_number(line, "val_loss", result->val_loss);
}

const run_kind run_of_text = {true, done,     steps,    precision,          due, save, load,
                              step, describe, evaluate, describe_evaluation};
