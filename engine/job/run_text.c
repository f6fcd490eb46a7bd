/* Runs with a trainer: pre-training on a text, whose end validates. */
#include "job/run.h"

/* Batches of an evaluation, of PM_EVAL_BATCH windows each. */
enum { EVAL_BATCHES = 20 };

static uint32_t steps(const pm_run *run)
{
    return run->params.steps;
}

static uint32_t every(const pm_run *run)
{
    return run->params.eval_every;
}

static pm_status step(pm_run *run, step_outcome *out)
{
    return lm_step(run->parts.trainer, run->params.corpus, 0, run->params.train_tokens, out);
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

const run_kind run_of_text = {true, steps, every, step, evaluate, NULL};
