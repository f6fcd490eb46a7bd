/* Runs with a finetuner: a task learnt from examples, and the model that is best on dev. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "data/task.h"
#include "job/run.h"

static uint32_t steps(const pm_run *run)
{
    return run->parts.finetuner->steps;
}

static uint32_t every(const pm_run *run)
{
    return run->params.eval_every ? run->params.eval_every : pm_finetuner_epoch_steps(run->parts.finetuner);
}

static pm_status step(pm_run *run, step_outcome *out)
{
    return pm_finetuner_step(run->parts.finetuner, out);
}

/* ---- dev ---- */

pm_status run_open_dev(pm_run *run)
{
    const pm_taskset *dev = run->params.dev;
    if (!dev) { /* the name is checked alone */
        pm_measure measure;
        return pm_task_measure(run_log(run), pm_model_task(run->parts.model), run->params.measure, &measure);
    }
    const uint32_t K = dev->task.outputs;
    run->outputs = malloc((pm_taskset_all_outputs(dev) + 1) * sizeof *run->outputs);
    run->confusion = calloc((size_t)K * K, sizeof *run->confusion);
    if (!run->outputs || !run->confusion)
        return log_fail(run_log(run), PM_NO_HOST_MEMORY, "out of host memory for the answers to dev");
    return pm_task_measure(run_log(run), &dev->task, run->params.measure, &run->measure);
}

/* From run->outputs. */
static double measure(pm_run *run, pm_task_metrics *out)
{
    const pm_taskset *dev = run->params.dev;
    pm_taskset_measure(dev, run->outputs, out, run->confusion);
    return pm_measure_value(&run->measure, &dev->task, out, run->confusion);
}

/* Without dev each model is the best until the next. */
static pm_status evaluate(pm_run *run, pm_run_result *out)
{
    if (!run->params.dev) return PM_OK;
    const pm_status status = pm_finetuner_predict(run->parts.finetuner, run->params.dev, run->outputs);
    if (status != PM_OK) return status;
    out->evaluated = true;
    out->value = measure(run, &out->dev);
    out->val_loss = out->dev.loss;
    return PM_OK;
}

static void describe(const pm_run *run, const pm_run_result *result, metrics_line *line)
{
    pm_measure all[PM_MEASURES_MOST];
    const pm_task *task = &run->params.dev->task;
    const size_t count = pm_task_measures(task, all);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].name, "loss") != 0)
            metrics_line_number(line, all[i].name, pm_measure_value(&all[i], task, &result->dev, run->confusion));
    if (run->measure.label >= 0) metrics_line_number(line, "f1", result->value);
}

pm_status run_measure_best(pm_run *run)
{
    pm_model *model = NULL;
    pm_task_metrics dev;
    pm_status status = pm_model_load(run_device(run), run->params.dir, &model);
    if (status == PM_OK) status = pm_model_predict(model, run->params.dev, run->outputs);
    pm_model_destroy(&model);
    if (status != PM_OK) return status;
    run->best = measure(run, &dev);
    run->measured_again = true;
    return PM_OK;
}

const run_kind run_of_examples = {false, steps, every, step, evaluate, describe};
