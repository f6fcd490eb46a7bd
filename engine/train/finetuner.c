/* Fine-tuning. As in pre-training a step is one program, here one for each padded length; they share workspace, gradients and moments. */
#include <pumice/finetune.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "train/checkpoint.h"
#include "train/flights.h"
#include "train/order.h"
#include "train/precision.h"
#include "train/predict.h"
#include "train/schedule.h"

struct pm_finetuner {
    pm_model *model;
    const pm_taskset *set;
    pm_finetune_params params; /* defaults filled in */
    uint32_t done, steps;      /* of the whole run */
    uint32_t micro;            /* examples a micro batch */
    adamw optimizer;
    order order;
    uint32_t epoch; /* the order's; UINT32_MAX: none yet */
    pass_set passes;
    flights flights;
    pm_finetune_step begun[MOST_FLIGHTS]; /* what is known of each at its begin */
    predictor predictor;                  /* of the last set asked for */
};

pm_status finetune_params_fill(const pm_log *log, const pm_finetune_params *params, size_t size,
                               pm_finetune_params *out)
{
    pm_finetune_params p;
    const pm_status status = sized_read(log, "pm_finetune_params", params, size, &p, sizeof p);
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
    if (!(p.beta1 >= 0 && p.beta1 < 1) || !(p.beta2 >= 0 && p.beta2 < 1))
        return log_fail(log, PM_INVALID, "beta: a decay rate is at least 0 and below 1");
    if (!(p.dropout < 1) || !(p.dropout_head >= 0 && p.dropout_head < 1))
        return log_fail(log, PM_INVALID, "dropout: a probability is below 1");
    if (!(p.lr >= 0) || !(p.weight_decay >= 0) || !(p.eps > 0) || !(p.clip >= 0))
        return log_fail(log, PM_INVALID, "lr, weight_decay, eps and clip are not negative");
    *out = p;
    return PM_OK;
}

/* Rows of a micro batch that each example takes. */
static uint32_t slots(const pm_finetuner *t)
{
    return t->set->most_sequences;
}

static gpt_shape shape_of(const pm_finetuner *t, uint32_t time)
{
    const pm_gpt_config *c = &t->model->config;
    const pm_finetune_params *p = &t->params;
    bool own = p->dropout < 0; /* the model's */
    return (gpt_shape){.mode = GPT_FINETUNE,
                       .half = p->precision == PM_PRECISION_F16,
                       .recompute = p->recompute,
                       .batch = t->micro * slots(t),
                       .time = time,
                       .group = task_group(&t->set->task),
                       .examples = t->micro,
                       .scores = t->set->task.scores,
                       .lambda = p->lambda,
                       .dropout_head = p->dropout_head,
                       .dropout_embd = own ? c->dropout_embd : p->dropout,
                       .dropout_attn = own ? c->dropout_attn : p->dropout,
                       .dropout_resid = own ? c->dropout_resid : p->dropout};
}

/* A plan for each padded length that an example has; their programs are recorded when first needed. */
static pm_status plan_passes(pm_finetuner *t, const pass_target *to)
{
    pm_status status = PM_OK;
    for (uint32_t i = 0; i < t->set->example_count && status == PM_OK; i++) {
        const gpt_shape shape = shape_of(t, padded_length(order_length(t->set, i), to->config->ctx));
        status = pass_set_plan(&t->passes, to, &shape, true);
    }
    return status;
}

pm_status pm_finetune_plan_make_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                      size_t config_size, const pm_taskset *set, const pm_finetune_params *params,
                                      size_t params_size, pm_train_plan *out)
{
    pm_gpt_config known;
    pm_status status = gpt_config_read(log, config, config_size, &known);
    if (status == PM_OK) status = pm_gpt_config_check(log, &known);
    if (status != PM_OK) return status;
    pm_model model = {.config = gpt_config_for_task(&known, &set->task)};
    pm_finetuner t = {.model = &model, .set = set};
    gpt_layout layout = {0};
    status = finetune_params_fill(log, params, params_size, &t.params);
    if (status == PM_OK && set->longest > model.config.ctx)
        status = log_fail(log, PM_INVALID, "finetuner: a sequence of %u tokens does not fit the model's context of %u",
                          set->longest, model.config.ctx);
    if (status == PM_OK) t.micro = (t.params.batch + t.params.accum - 1) / t.params.accum;
    if (status == PM_OK) status = gpt_layout_make(log, &model.config, caps->max_allocation, &layout);
    if (status == PM_OK) status = plan_passes(&t, &(pass_target){log, caps, &model.config, NULL, caps->max_allocation});
    if (status == PM_OK) {
        const uint64_t weights = 4 * layout.total_words;
        *out = (pm_train_plan){
            .weights = weights, .gradients = weights, .optimizer = 2 * weights, .workspace = t.passes.room.total_bytes};
        const pass *longest = pass_set_find(&t.passes, set->longest);
        if (longest) out->nodes = longest->graph.node_count;
        if (longest) out->step_flops = graph_flops(&longest->graph) * t.params.accum;
    }
    pass_set_fini(&t.passes);
    gpt_layout_fini(&layout);
    return status;
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
    bool half = false;
    if (status == PM_OK) status = precision_choose(model->device, p.precision, &half);
    if (status != PM_OK) return status;
    p.precision = half ? PM_PRECISION_F16 : PM_PRECISION_F32;
    pm_finetuner *t = calloc(1, sizeof *t);
    if (!t) return log_fail(log, PM_NO_HOST_MEMORY, "finetuner: no memory");
    t->model = model;
    t->set = set;
    t->params = p;
    t->epoch = UINT32_MAX;
    t->micro = (p.batch + p.accum - 1) / p.accum;
    t->optimizer = (adamw){.beta1 = p.beta1,
                           .beta2 = p.beta2,
                           .eps = p.eps,
                           .weight_decay = p.weight_decay,
                           .clip = p.clip,
                           .scale = loss_scale_begin(half)};
    status = order_init(&t->order, log, set, p.batch);
    if (status == PM_OK && (uint64_t)t->order.batch_count * p.epochs > UINT32_MAX / 2)
        status = log_fail(log, PM_INVALID, "epochs: too many steps");
    t->steps = t->order.batch_count * p.epochs;
    const pass_target to = pass_target_of(model);
    if (status == PM_OK) status = plan_passes(t, &to);
    if (status == PM_OK) status = adamw_init(&t->optimizer, model);
    if (status == PM_OK) status = pass_set_allocate(&t->passes, model->device);
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
    pass_set_fini(&t->passes);
    flights_fini(&t->flights, t->model->device);
    adamw_fini(&t->optimizer);
    order_fini(&t->order);
    free(t);
    *finetuner = NULL;
}

/* ---- steps ---- */

/* A sequence's targets: the next tokens, with weights that add up to 1. Returns the sequence's length. */
static uint32_t fill_targets(const mailbox *box, uint32_t micro, uint32_t row, uint32_t time, const pm_taskset *set,
                             size_t sequence)
{
    const task_sequence *s = &set->sequences[sequence];
    if (!box->words[INPUT_TARGETS]) return s->count;
    int32_t *targets = mailbox_ints(box, micro, INPUT_TARGETS) + (size_t)row * time;
    float *weights = mailbox_floats(box, micro, INPUT_WEIGHTS) + (size_t)row * time;
    for (uint32_t i = 0; i < time; i++) {
        bool real = i + 1 < s->count;
        targets[i] = real ? set->tokens[s->first + i + 1] : -1;
        weights[i] = real ? 1.0f / (float)(s->count - 1) : 0;
    }
    return s->count;
}

/* Empties a row. */
static void fill_nothing(const mailbox *box, uint32_t micro, uint32_t row, uint32_t time)
{
    memset(mailbox_ints(box, micro, INPUT_TOKENS) + (size_t)row * time, 0, 4ull * time);
    if (!box->words[INPUT_TARGETS]) return;
    memset(mailbox_ints(box, micro, INPUT_TARGETS) + (size_t)row * time, 0xFF, 4ull * time); /* -1 */
    memset(mailbox_floats(box, micro, INPUT_WEIGHTS) + (size_t)row * time, 0, 4ull * time);
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

/* Fills a micro batch with `count` examples and empties its other rows. Returns the number of tokens. */
static uint32_t fill_micro(const pm_finetuner *t, const pass *p, uint32_t micro, const uint32_t *examples,
                           uint32_t count)
{
    const mailbox *box = &p->box;
    uint32_t tokens = 0, time = p->shape.time;
    int32_t *extract = mailbox_ints(box, micro, INPUT_EXTRACT);
    for (uint32_t slot = 0; slot < t->micro; slot++) {
        const task_example *e = slot < count ? &t->set->examples[examples[slot]] : NULL;
        fill_answer(t, box, micro, slot, e);
        for (uint32_t q = 0; q < slots(t); q++) {
            uint32_t row = slot * slots(t) + q;
            if (e && q < e->sequences) {
                extract[row] = predict_fill(box, micro, row, time, t->set, e->first + q);
                tokens += fill_targets(box, micro, row, time, t->set, e->first + q);
            } else {
                extract[row] = -1;
                fill_nothing(box, micro, row, time);
            }
        }
    }
    return tokens;
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

static void collect(const pm_finetuner *t, const pass *p, pm_finetune_step *out)
{
    double task = 0, language = 0;
    for (uint32_t m = 0; m < t->params.accum; m++) {
        float share = mailbox_scalars(&p->box, m)->grad_scale * mailbox_scalars(&p->box, m)->unscale;
        task += (double)mailbox_floats(&p->box, m, INPUT_TASK_RESULT)[0] * (double)share;
        if (t->params.lambda > 0) language += (double)mailbox_floats(&p->box, m, INPUT_RESULT)[0] * (double)share;
    }
    out->task_loss = (float)task;
    out->lm_loss = t->params.lambda > 0 ? (float)language : NAN;
    out->loss = (float)(task + (double)t->params.lambda * language);
    out->grad_norm = mailbox_norm(&p->box)[0];
    out->loss_scale = t->optimizer.scale.scale;
}

/* The first of a micro batch's examples, and how many it has. */
static uint32_t share_of(const pm_finetuner *t, uint32_t micro, uint32_t count, uint32_t *first)
{
    *first = micro * t->micro < count ? micro * t->micro : count;
    return count - *first < t->micro ? count - *first : t->micro;
}

/* Writes the scalars of a flight whose examples are filled in, and submits it. */
static pm_status launch(pm_finetuner *t, flight *f)
{
    const pm_finetune_step *step = &t->begun[f->side];
    f->pass->box.side = f->side;
    for (uint32_t m = 0; m < t->params.accum; m++) {
        uint32_t first;
        const uint32_t n = share_of(t, m, step->examples, &first);
        struct step_scalars *s = mailbox_scalars(&f->pass->box, m);
        *s = adamw_scalars(&t->optimizer, f->step, (float)n / (float)step->examples, step->lr, t->params.seed);
        s->step = f->step - 1;
        s->micro = m;
    }
    return flight_submit(f);
}

/* The pass for these examples, recorded. */
static pm_status pass_for(pm_finetuner *t, const uint32_t *examples, uint32_t count, pass **out)
{
    uint32_t longest = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = order_length(t->set, examples[i]);
        if (length > longest) longest = length;
    }
    *out = pass_set_find(&t->passes, longest);
    if ((*out)->program) return PM_OK;
    const pass_step step = adamw_step(&t->optimizer, t->params.accum);
    const pass_use use = {.name = "fine-tuning step", .owner = t, .workspace = t->passes.workspace};
    return pass_record_step(*out, t->model, &use, &step);
}

static pm_status begin(pm_finetuner *t)
{
    const pm_log *log = gpu_log(t->model->device);
    pm_status status = flights_room(&t->flights, log, "finetuner", MOST_FLIGHTS);
    if (status != PM_OK) return status;
    const uint32_t before = t->done + t->flights.count;
    if (before >= t->steps)
        return log_fail(log, PM_INVALID, "finetuner: all %u steps are done%s", (unsigned)t->steps,
                        t->flights.count ? " or begun" : "");
    flight *f = flights_next(&t->flights);
    f->step = before + 1;
    f->started = pm_profile_now();
    uint32_t count;
    const uint32_t *examples = examples_of_step(t, before, &count);
    status = pass_for(t, examples, count, &f->pass);
    if (status != PM_OK) return status;
    f->pass->box.side = f->side;
    pm_finetune_step *step = &t->begun[f->side];
    *step = (pm_finetune_step){
        .step = f->step, .examples = count, .lr = schedule_linear(t->params.lr, t->params.warmup, f->step, t->steps)};
    for (uint32_t m = 0; m < t->params.accum; m++) {
        uint32_t first;
        const uint32_t n = share_of(t, m, count, &first);
        step->tokens += fill_micro(t, f->pass, m, examples + first, n);
    }
    if (!flights_add(&t->flights, f, t->model->device, t->params.precision == PM_PRECISION_F16)) return PM_OK;
    status = launch(t, f);
    if (status != PM_OK) flights_take_back(&t->flights);
    return status;
}

/* A host that waits for a step which could not begin must not wait for ever. */
static pm_status begun(pm_finetuner *t, pm_status status)
{
    if (status != PM_OK) gpu_drop_sync(t->model->device);
    return status;
}

pm_status pm_finetuner_begin(pm_finetuner *t)
{
    return begun(t, begin(t));
}

bool pm_finetuner_done(pm_finetuner *t)
{
    return flights_done(&t->flights, t->model->device);
}

pm_status pm_finetuner_end(pm_finetuner *t, pm_finetune_step *out)
{
    flight f;
    pm_status status = flights_end(&t->flights, t->model->device, "finetuner", &f);
    if (status != PM_OK) return status;
    pm_finetune_step step = t->begun[f.side];
    collect(t, f.pass, &step);
    t->done++;
    step.skipped = loss_scale_after(&t->optimizer.scale, step.grad_norm);
    *out = step;
    pm_profile_span(gpu_profile(t->model->device), "step", f.started);
    flight *next = flights_oldest(&t->flights);
    if (next && !next->submitted && next->failed == PM_OK) (void)launch(t, next); /* its end tells what came of it */
    return PM_OK;
}

/* In one call: no other step may be between its begin and its end. */
static pm_status alone(const pm_finetuner *t)
{
    return flights_room(&t->flights, gpu_log(t->model->device), "finetuner", 1);
}

pm_status pm_finetuner_step(pm_finetuner *t, pm_finetune_step *out)
{
    pm_status status = begun(t, alone(t));
    if (status == PM_OK) status = pm_finetuner_begin(t);
    return status == PM_OK ? pm_finetuner_end(t, out) : status;
}

uint32_t pm_finetuner_steps(const pm_finetuner *finetuner)
{
    return finetuner->steps;
}
uint32_t pm_finetuner_steps_done(const pm_finetuner *finetuner)
{
    return finetuner->done;
}
pm_precision pm_finetuner_precision(const pm_finetuner *finetuner)
{
    return finetuner->params.precision;
}
uint32_t pm_finetuner_epoch_steps(const pm_finetuner *finetuner)
{
    return finetuner->order.batch_count;
}

pm_status pm_finetuner_predict(pm_finetuner *t, const pm_taskset *set, float *outputs)
{
    pm_status status = alone(t);
    if (status != PM_OK) return status;
    if (t->predictor.set != set) {
        predictor_fini(&t->predictor);
        status = predictor_init(&t->predictor, t->model, set, t);
        if (status != PM_OK) return status;
    }
    double begin = pm_profile_now();
    status = predictor_run(&t->predictor, outputs);
    pm_profile_span(gpu_profile(t->model->device), "eval", begin);
    return status;
}

pm_status pm_finetuner_read_gradient(const pm_finetuner *t, size_t param, float *out)
{
    const pm_status status = alone(t);
    return status == PM_OK ? adamw_read_gradient(&t->optimizer, param, out) : status;
}

/* ---- checkpoints ---- */

static facts facts_of(const pm_finetuner *t)
{
    const pm_finetune_params *p = &t->params;
    facts f = {0};
    facts_of_model(&f, &t->model->config);
    fact_text(&f, "task", pm_task_name(t->set->task.kind), NULL);
    fact_number(&f, "examples", t->set->example_count, NULL);
    fact_number(&f, "data", taskset_hash(t->set), NULL)->other = "other training examples";
    fact_number(&f, "batch", p->batch, NULL);
    fact_number(&f, "accum", p->accum, NULL)->kind = FACT_FREE; /* it only divides the batch */
    fact_number(&f, "steps", t->steps, NULL);
    fact_number(&f, "seed", p->seed, NULL);
    fact_float(&f, "lambda", p->lambda);
    fact_float(&f, "dropout", p->dropout);
    fact_float(&f, "dropout_head", p->dropout_head)->option = "head-dropout";
    fact_text(&f, "precision", pm_precision_name(p->precision), "f32");
    fact_float(&f, "lr", p->lr)->kind = FACT_FREE;
    fact_float(&f, "warmup", p->warmup)->kind = FACT_FREE;
    facts_of_optimizer(&f, &t->optimizer);
    return f;
}

pm_status pm_finetuner_save(pm_finetuner *t, const char *dir, const char *note)
{
    facts f = facts_of(t);
    double begin = pm_profile_now();
    pm_status status = alone(t);
    if (status == PM_OK) status = checkpoint_save(&t->optimizer, &f, t->done, dir, note);
    pm_profile_span(gpu_profile(t->model->device), "checkpoint", begin);
    return status;
}

pm_status pm_finetuner_load(pm_finetuner *t, const char *dir, char **note)
{
    facts f = facts_of(t);
    const pm_status status = alone(t);
    if (status != PM_OK) return status;
    return checkpoint_load(&t->optimizer, &f, dir, &t->done, note);
}
