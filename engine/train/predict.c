/* Prediction: rows sorted by length, several of like length in one pass. */
#include "train/predict.h"

#include <pumice/finetune.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"
#include "base/log.h"

enum { PASS_TOKENS = 2048 }; /* about so many in one pass */

static int by_length(const void *a, const void *b)
{
    const predict_row *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->output < y->output ? -1 : x->output > y->output;
}

static pm_status list_rows(predictor *p)
{
    const pm_taskset *s = p->set;
    uint32_t group = task_group(&s->task), K = s->task.outputs;
    p->rows = malloc((s->sequence_count / group + 1) * sizeof *p->rows);
    if (!p->rows) return log_fail(gpu_log(p->model->device), PM_NO_HOST_MEMORY, "predict: no memory");
    for (size_t i = 0; i < s->example_count; i++) {
        const task_example *e = &s->examples[i];
        for (uint32_t q = 0; q < e->sequences; q += group) {
            predict_row r = {.sequence = e->first + q, .output = s->outputs[i] + q / group * K};
            for (uint32_t j = 0; j < group; j++) {
                uint32_t n = s->sequences[r.sequence + j].count;
                if (n > r.length) r.length = n;
            }
            p->rows[p->row_count++] = r;
        }
    }
    qsort(p->rows, p->row_count, sizeof *p->rows, by_length);
    return PM_OK;
}

/* A pass for each padded length, of about PASS_TOKENS. */
static pm_status plan_passes(predictor *p)
{
    const pass_target to = pass_target_of(p->model);
    const uint32_t group = task_group(&p->set->task);
    pm_status status = PM_OK;
    for (size_t i = 0; i < p->row_count && status == PM_OK; i++) {
        const uint32_t time = padded_length(p->rows[i].length, to.config->ctx);
        uint32_t rows = PASS_TOKENS / (time * group);
        if (rows < 1) rows = 1;
        if (rows > p->row_count) rows = (uint32_t)p->row_count;
        const gpt_shape shape = {
            .mode = GPT_ANSWER, .batch = rows * group, .time = time, .group = group, .examples = rows};
        status = pass_set_plan(&p->passes, &to, &shape, false);
    }
    return status;
}

pm_status predict_check(const pm_model *model, const pm_taskset *set, const char *who)
{
    const pm_log *log = gpu_log(model->device);
    const pm_task *a = model->task, *b = &set->task;
    if (!a) return log_fail(log, PM_INVALID, "%s: the model has no task's head: see pm_model_for_task", who);
    if (a->kind != b->kind || a->outputs != b->outputs || a->vocab != b->vocab || a->scores != b->scores ||
        a->plain != b->plain)
        return log_fail(log, PM_INVALID, "%s: the examples belong to another task than the model's", who);
    if (set->longest > model->config.ctx)
        return log_fail(log, PM_INVALID, "%s: a sequence of %u tokens does not fit the model's context of %u", who,
                        set->longest, model->config.ctx);
    return PM_OK;
}

pm_status predictor_init(predictor *p, pm_model *model, const pm_taskset *set, const void *owner)
{
    pm_status status = predict_check(model, set, "predict");
    if (status != PM_OK) return status;
    *p = (predictor){.model = model, .set = set};
    status = list_rows(p);
    if (status == PM_OK) status = plan_passes(p);
    if (status == PM_OK) status = pass_set_allocate(&p->passes, model->device);
    const pass_use use = {.name = "predict", .owner = owner, .workspace = p->passes.workspace};
    for (uint32_t i = 0; i < p->passes.count && status == PM_OK; i++)
        status = pass_record(&p->passes.all[i], model, &use, NULL);
    if (status != PM_OK) predictor_fini(p);
    return status;
}

void predictor_fini(predictor *p)
{
    pass_set_fini(&p->passes);
    free(p->rows);
    *p = (predictor){0};
}

int32_t predict_fill(const pass *p, uint32_t micro, uint32_t row, const pm_taskset *set, size_t sequence)
{
    const task_sequence *s = &set->sequences[sequence];
    const uint32_t time = p->shape.time;
    int32_t *tokens = pass_row(p, micro, row, INPUT_TOKENS);
    memcpy(tokens, set->tokens + s->first, s->count * sizeof *tokens);
    memset(tokens + s->count, 0, (time - s->count) * sizeof *tokens);
    return (int32_t)(row * time + s->count - 1);
}

pm_status predictor_run(predictor *p, float *outputs)
{
    uint32_t group = task_group(&p->set->task), K = p->set->task.outputs;
    for (size_t first = 0; first < p->row_count;) {
        const pass *at = pass_set_find(&p->passes, p->rows[first].length);
        const mailbox *box = &at->box;
        uint32_t count = 0, room = at->shape.batch / group;
        while (count < room && first + count < p->row_count && p->rows[first + count].length <= at->shape.time) count++;
        int32_t *extract = mailbox_ints(box, 0, INPUT_EXTRACT);
        for (uint32_t q = 0; q < room * group; q++)
            extract[q] = q < count * group
                             ? predict_fill(at, 0, q, p->set, p->rows[first + q / group].sequence + q % group)
                             : -1;
        pm_status status = pass_run(at);
        if (status != PM_OK) return status;
        for (uint32_t r = 0; r < count; r++)
            memcpy(outputs + p->rows[first + r].output, mailbox_floats(box, 0, INPUT_OUTPUTS) + (size_t)r * K,
                   K * sizeof *outputs);
        first += count;
        control_report(gpu_control(p->model->device), "predict", first, p->row_count);
    }
    return PM_OK;
}

pm_status pm_model_predict(pm_model *model, const pm_taskset *set, float *outputs)
{
    predictor p = {0};
    pm_status status = predictor_init(&p, model, set, &p);
    if (status == PM_OK) status = predictor_run(&p, outputs);
    predictor_fini(&p);
    return status;
}
