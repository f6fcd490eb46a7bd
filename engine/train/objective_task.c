#include "train/objective_task.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "train/schedule.h"

pm_status finetune_params_fill(const pm_log *log, const pm_finetune_params *params, size_t size,
                               pm_finetune_params *out)
{
    pm_finetune_params p;
    pm_status status = sized_read(log, "pm_finetune_params", params, size, &p, sizeof p);
    if (status != PM_OK) return status;
    if (p.batch == 0) p.batch = 32;
    if (p.accum == 0) p.accum = 1;
    if (p.epochs == 0) p.epochs = 3;
    if (p.lr == 0) p.lr = 6.25e-5f;
    if (p.beta1 == 0) p.beta1 = 0.9f;
    if (p.beta2 == 0) p.beta2 = 0.999f;
    if (p.eps == 0) p.eps = 1e-8f;
    if (p.batch > 1u << 16 || p.accum > p.batch)
        return log_fail(log, PM_INVALID, "batch: %u examples in %u micro batches; up to 65536, and one or more in each",
                        p.batch, p.accum);
    if (p.epochs > 1u << 16) return log_fail(log, PM_INVALID, "epochs: more than 65536");
    if (!(p.lambda >= 0 && p.lambda <= 1)) return log_fail(log, PM_INVALID, "lambda: not within 0 to 1");
    if (!(p.warmup >= 0 && p.warmup <= 1)) return log_fail(log, PM_INVALID, "warmup: a share is within 0 to 1");
    if (!(p.dropout_head >= 0 && p.dropout_head < 1))
        return log_fail(log, PM_INVALID, "dropout_head: a probability is below 1");
    status = trainer_settings_check(log, &(trainer_settings)TRAINER_SETTINGS(&p));
    if (status == PM_OK) *out = p;
    return status;
}

/* ---- the objective ---- */

static const pm_finetuner *task_of(const trainer_core *t)
{
    return (const pm_finetuner *)t;
}

/* Rows of a micro batch that each example takes. */
static uint32_t slots(const pm_finetuner *t)
{
    return t->set->most_sequences;
}

/* The padded lengths of the examples. */
static uint32_t length(const trainer_core *t, uint32_t number)
{
    const pm_taskset *set = task_of(t)->set;
    return number < set->example_count ? padded_length(order_length(set, number), t->config->ctx) : 0;
}

static void shape(const trainer_core *core, gpt_shape *out)
{
    const pm_finetuner *t = task_of(core);
    out->mode = GPT_FINETUNE;
    out->batch = t->micro * slots(t);
    out->group = task_group(&t->set->task);
    out->examples = t->micro;
    out->scores = t->set->task.scores;
    out->lambda = t->params.lambda;
    out->dropout_head = t->params.dropout_head;
}

/* A sequence's targets: the next tokens, with weights that add up to 1. Returns the sequence's length. */
static uint32_t fill_targets(const pass *p, uint32_t micro, uint32_t row, const pm_taskset *set, size_t sequence)
{
    const task_sequence *s = &set->sequences[sequence];
    if (!p->box.words[INPUT_TARGETS]) return s->count;
    int32_t *targets = pass_row(p, micro, row, INPUT_TARGETS);
    float *weights = pass_row(p, micro, row, INPUT_WEIGHTS);
    for (uint32_t i = 0; i < p->shape.time; i++) {
        bool real = i + 1 < s->count;
        targets[i] = real ? set->tokens[s->first + i + 1] : -1;
        weights[i] = real ? 1.0f / (float)(s->count - 1) : 0;
    }
    return s->count;
}

/* Empties a row. */
static void fill_nothing(const pass *p, uint32_t micro, uint32_t row)
{
    const size_t bytes = 4 * (size_t)p->shape.time;
    memset(pass_row(p, micro, row, INPUT_TOKENS), 0, bytes);
    if (!p->box.words[INPUT_TARGETS]) return;
    memset(pass_row(p, micro, row, INPUT_TARGETS), 0xFF, bytes); /* -1 */
    memset(pass_row(p, micro, row, INPUT_WEIGHTS), 0, bytes);
}

static void fill_answer(const pm_finetuner *t, const mailbox *box, uint32_t micro, uint32_t slot, const task_example *e)
{
    if (t->set->task.scores) {
        float *to = mailbox_floats(box, micro, INPUT_ANSWERS) + 2 * slot;
        to[0] = e ? e->score : 0;
        to[1] = e ? 1 : 0;
    } else {
        int32_t *to = mailbox_ints(box, micro, INPUT_ANSWERS) + 2 * slot;
        to[0] = e ? e->label : -1;
        to[1] = e && t->set->task.kind == PM_TASK_CHOICE ? (int32_t)e->sequences : (int32_t)t->set->task.outputs;
    }
}

/* The examples of a step; 0 is the first. */
static const uint32_t *examples_of_step(pm_finetuner *t, uint32_t step, uint32_t *count)
{
    order *o = &t->order;
    uint32_t epoch = step / o->batch_count;
    if (epoch != t->epoch) order_epoch(o, t->set, t->params.seed, epoch);
    t->epoch = epoch;
    uint32_t first = o->batches[step % o->batch_count] * o->batch;
    *count = o->count - first < o->batch ? o->count - first : o->batch;
    return o->examples + first;
}

static pm_status choose(trainer_core *core, const void *from, flight *f, uint32_t *longest)
{
    pm_finetuner *t = (pm_finetuner *)core;
    step_outcome *o = &f->outcome;
    (void)from;
    if (o->step > t->steps)
        return log_fail(gpu_log(core->model->device), PM_INVALID, "finetuner: all %u steps are done%s",
                        (unsigned)t->steps, core->begun ? " or begun" : "");
    t->examples = examples_of_step(t, o->step - 1, &o->examples);
    o->lr = schedule_linear(t->params.lr, t->params.warmup, o->step, t->steps);
    *longest = 1;
    for (uint32_t i = 0; i < o->examples; i++) {
        const uint32_t tokens = order_length(t->set, t->examples[i]);
        if (tokens > *longest) *longest = tokens;
    }
    return PM_OK;
}

/* A micro batch has the next examples, as far as there are any, and else empty rows. Their number is its weight. */
static pm_status fill(trainer_core *core, const void *from, flight *f, uint32_t micro)
{
    const pm_finetuner *t = task_of(core);
    const mailbox *box = &f->pass->box;
    const uint32_t first = micro * t->micro;
    int32_t *extract = mailbox_ints(box, micro, INPUT_EXTRACT);
    (void)from;
    f->weights[micro] = 0;
    for (uint32_t slot = 0; slot < t->micro; slot++) {
        const task_example *e =
            first + slot < f->outcome.examples ? &t->set->examples[t->examples[first + slot]] : NULL;
        fill_answer(t, box, micro, slot, e);
        f->weights[micro] += e ? 1 : 0;
        for (uint32_t q = 0; q < slots(t); q++) {
            const uint32_t row = slot * slots(t) + q;
            if (e && q < e->sequences) {
                extract[row] = predict_fill(f->pass, micro, row, t->set, e->first + q);
                f->outcome.tokens += fill_targets(f->pass, micro, row, t->set, e->first + q);
            } else {
                extract[row] = -1;
                fill_nothing(f->pass, micro, row);
            }
        }
    }
    return PM_OK;
}

static void collect(const trainer_core *t, flight *f)
{
    const double all = trainer_weight(t, f), lambda = (double)task_of(t)->params.lambda;
    const mailbox *box = &f->pass->box;
    double task = 0, language = 0;
    for (uint32_t m = 0; m < t->settings.accum; m++) {
        const float share = (float)(f->weights[m] / all);
        task += (double)mailbox_floats(box, m, INPUT_TASK_RESULT)[0] * (double)share;
        if (lambda > 0) language += (double)mailbox_floats(box, m, INPUT_RESULT)[0] * (double)share;
    }
    f->outcome.task_loss = (float)task;
    if (lambda > 0) f->outcome.lm_loss = (float)language;
    f->outcome.loss = (float)(task + lambda * language);
}

static void facts_of_run(const trainer_core *core, facts *f)
{
    const pm_finetuner *t = task_of(core);
    const pm_finetune_params *p = &t->params;
    fact_text(f, "task", pm_task_name(t->set->task.kind), NULL);
    fact_number(f, "examples", t->set->example_count, NULL);
    fact_number(f, "data", taskset_hash(t->set), NULL)->other = "other training examples";
    fact_number(f, "batch", p->batch, NULL);
    fact_number(f, "accum", p->accum, NULL)->kind = FACT_FREE; /* it only divides the batch */
    fact_number(f, "steps", t->steps, NULL);
    fact_number(f, "seed", p->seed, NULL);
    fact_float(f, "lambda", p->lambda);
    fact_float(f, "dropout", p->dropout);
    fact_float(f, "dropout_head", p->dropout_head)->option = "head-dropout";
    fact_text(f, "precision", pm_precision_name(core->settings.precision), "f32");
    fact_float(f, "lr", p->lr)->kind = FACT_FREE;
    fact_float(f, "warmup", p->warmup)->kind = FACT_FREE;
}

static const objective finetuning = {"finetuner", "fine-tuning step", length, shape, choose, fill,
                                     collect,     facts_of_run};

/* ---- finetuners ---- */

static uint32_t micro_of(const pm_finetune_params *p)
{
    return (p->batch + p->accum - 1) / p->accum;
}

pm_status pm_finetune_plan_make_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                      size_t config_size, const pm_taskset *set, const pm_finetune_params *params,
                                      size_t params_size, pm_train_plan *out)
{
    pm_gpt_config known;
    pm_finetune_params p;
    pm_status status = gpt_config_read(log, config, config_size, &known);
    if (status == PM_OK) status = pm_gpt_config_check(log, &known);
    if (status == PM_OK) status = finetune_params_fill(log, params, params_size, &p);
    if (status != PM_OK) return status;
    known = gpt_config_for_task(&known, &set->task);
    if (set->longest > known.ctx)
        return log_fail(log, PM_INVALID, "finetuner: a sequence of %u tokens does not fit the model's context of %u",
                        set->longest, known.ctx);
    pm_finetuner t = {.set = set,
                      .params = p,
                      .micro = micro_of(&p),
                      .core = {.objective = &finetuning, .settings = TRAINER_SETTINGS(&p), .config = &known}};
    return trainer_plan(&t.core, log, caps, out);
}

static pm_status check(const pm_model *model, const pm_taskset *set)
{
    const pm_log *log = gpu_log(model->device);
    pm_status status = predict_check(model, set, "finetuner");
    if (status != PM_OK) return status;
    if (!set->labelled) return log_fail(log, PM_INVALID, "finetuner: the examples were opened without their answers");
    if (set->example_count > UINT32_MAX / 2) return log_fail(log, PM_INVALID, "finetuner: too many examples");
    return PM_OK;
}

pm_status pm_finetuner_create_sized(pm_model *model, const pm_taskset *set, const pm_finetune_params *params,
                                    size_t params_size, pm_finetuner **out)
{
    const pm_log *log = gpu_log(model->device);
    pm_finetune_params p;
    pm_status status = finetune_params_fill(log, params, params_size, &p);
    if (status == PM_OK) status = check(model, set);
    if (status != PM_OK) return status;
    pm_finetuner *t = calloc(1, sizeof *t);
    if (!t) return log_fail(log, PM_NO_HOST_MEMORY, "finetuner: no memory");
    *t = (pm_finetuner){
        .set = set,
        .params = p,
        .micro = micro_of(&p),
        .epoch = UINT32_MAX,
        .core = {.objective = &finetuning, .settings = TRAINER_SETTINGS(&p), .config = &model->config, .model = model}};
    status = order_init(&t->order, log, set, p.batch);
    if (status == PM_OK && (uint64_t)t->order.batch_count * p.epochs > UINT32_MAX / 2)
        status = log_fail(log, PM_INVALID, "epochs: too many steps");
    t->steps = t->order.batch_count * p.epochs;
    if (status == PM_OK) status = trainer_init(&t->core);
    if (status == PM_OK)
        *out = t;
    else
        pm_finetuner_destroy(&t);
    return status;
}

void pm_finetuner_destroy(pm_finetuner **finetuner)
{
    pm_finetuner *t = *finetuner;
    if (!t) return;
    predictor_fini(&t->predictor);
    trainer_fini(&t->core);
    order_fini(&t->order);
    free(t);
    *finetuner = NULL;
}

/* ---- steps ---- */

pm_status pm_finetuner_begin(pm_finetuner *t)
{
    return trainer_begin(&t->core, NULL);
}

bool pm_finetuner_done(pm_finetuner *t)
{
    return trainer_done(&t->core);
}

pm_status pm_finetuner_end(pm_finetuner *t, pm_finetune_step *out)
{
    return trainer_end(&t->core, out);
}

pm_status pm_finetuner_step(pm_finetuner *t, pm_finetune_step *out)
{
    return trainer_step(&t->core, NULL, out);
}

pm_status pm_finetuner_predict(pm_finetuner *t, const pm_taskset *set, float *outputs)
{
    pm_status status = trainer_alone(&t->core);
    if (status != PM_OK) return status;
    if (t->predictor.set != set) {
        predictor_fini(&t->predictor);
        status = predictor_init(&t->predictor, t->core.model, set, t);
        if (status != PM_OK) return status;
    }
    double begin = pm_profile_now();
    status = predictor_run(&t->predictor, outputs);
    pm_profile_span(gpu_profile(t->core.model->device), "eval", begin);
    return status;
}

/* ---- what it has done ---- */

uint32_t pm_finetuner_steps(const pm_finetuner *t)
{
    return t->steps;
}
uint32_t pm_finetuner_steps_done(const pm_finetuner *t)
{
    return t->core.done;
}
pm_precision pm_finetuner_precision(const pm_finetuner *t)
{
    return t->core.settings.precision;
}
uint32_t pm_finetuner_epoch_steps(const pm_finetuner *t)
{
    return t->order.batch_count;
}
pm_status pm_finetuner_read_gradient(const pm_finetuner *t, size_t param, float *out)
{
    return trainer_read_gradient(&t->core, param, out);
}
pm_status pm_finetuner_save(pm_finetuner *t, const char *dir, const char *note)
{
    return trainer_save(&t->core, dir, note);
}
pm_status pm_finetuner_load(pm_finetuner *t, const char *dir, char **note)
{
    return trainer_load(&t->core, dir, note);
}
