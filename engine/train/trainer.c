/* Pre-training. A step was recorded once: the micro batches' forward and backward passes, then the gradient norm and AdamW. The host writes tokens
 * and scalars, submits, waits, and reads the losses. */
#include "train/trainer.h"

#include <stdlib.h>

#include "base/control.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/sized.h"
#include "train/checkpoint.h"
#include "train/precision.h"
#include "train/schedule.h"

pm_status train_params_fill(const pm_log *log, const pm_gpt_config *config, const pm_train_params *params,
                            pm_train_params *out)
{
    pm_train_params p = *params;
    if (p.batch == 0) p.batch = 12;
    if (p.time == 0) p.time = config->ctx;
    if (p.accum == 0) p.accum = 1;
    if (p.steps == 0) p.steps = 2000;
    if (p.lr == 0) p.lr = 1e-3f;
    if (p.beta1 == 0) p.beta1 = 0.9f;
    if (p.beta2 == 0) p.beta2 = 0.999f;
    if (p.eps == 0) p.eps = 1e-8f;
    if (p.time > config->ctx)
        return log_fail(log, PM_INVALID, "time: %u tokens do not fit the model's context of %u", p.time, config->ctx);
    if ((uint64_t)p.batch * p.time > 1u << 24 || (uint64_t)p.batch * p.time * p.accum > 1u << 28)
        return log_fail(log, PM_INVALID, "batch: %u x %u x %u tokens a step are more than Pumice takes", p.batch,
                        p.time, p.accum);
    if (!(p.beta1 >= 0 && p.beta1 < 1) || !(p.beta2 >= 0 && p.beta2 < 1))
        return log_fail(log, PM_INVALID, "beta: a decay rate is at least 0 and below 1");
    if (!(p.dropout < 1)) return log_fail(log, PM_INVALID, "dropout: a probability is below 1");
    if (!(p.lr >= 0) || !(p.min_lr >= 0) || !(p.weight_decay >= 0) || !(p.eps > 0) || !(p.clip >= 0))
        return log_fail(log, PM_INVALID, "lr, min_lr, weight_decay, eps and clip are not negative");
    *out = p;
    return PM_OK;
}

static gpt_shape shape_of(const pm_gpt_config *config, const pm_train_params *p)
{
    bool own = p->dropout < 0; /* the model's */
    return (gpt_shape){.mode = GPT_LOSS,
                       .half = p->precision == PM_PRECISION_F16,
                       .recompute = p->recompute,
                       .batch = p->batch,
                       .time = p->time,
                       .dropout_embd = own ? config->dropout_embd : p->dropout,
                       .dropout_attn = own ? config->dropout_attn : p->dropout,
                       .dropout_resid = own ? config->dropout_resid : p->dropout};
}

static pm_train_plan plan_of(const gpt_layout *layout, const pass *step, const pm_train_params *p)
{
    uint64_t weights = 4 * layout->total_words;
    return (pm_train_plan){.weights = weights,
                           .gradients = weights,
                           .optimizer = 2 * weights,
                           .workspace = step->plan.total_bytes,
                           .nodes = step->graph.node_count,
                           .step_flops = graph_flops(&step->graph) * p->accum};
}

pm_status pm_train_plan_make_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                   size_t config_size, const pm_train_params *params, size_t params_size,
                                   pm_train_plan *out)
{
    pm_gpt_config filled;
    pm_status status = gpt_config_read(log, config, config_size, &filled);
    if (status == PM_OK) status = pm_gpt_config_check(log, &filled);
    if (status != PM_OK) return status;
    filled = gpt_config_filled(&filled);
    pm_train_params p;
    pass step = {0};
    gpt_layout layout = {0};
    status = sized_read(log, "pm_train_params", params, params_size, &p, sizeof p);
    if (status == PM_OK) status = train_params_fill(log, &filled, &p, &p);
    if (status == PM_OK) status = gpt_layout_make(log, &filled, caps->max_allocation, &layout);
    if (status == PM_OK) {
        gpt_shape shape = shape_of(&filled, &p);
        const pass_target to = {log, caps, &filled, NULL, caps->max_allocation};
        status = pass_plan(&step, &to, &shape, true);
    }
    if (status == PM_OK) *out = plan_of(&layout, &step, &p);
    pass_fini(&step);
    gpt_layout_fini(&layout);
    return status;
}

pm_status pm_trainer_create_sized(pm_model *model, const pm_train_params *params, size_t params_size, pm_trainer **out)
{
    pm_device *device = model->device;
    const pm_log *log = gpu_log(device);
    pm_train_params p;
    pm_status status = sized_read(log, "pm_train_params", params, params_size, &p, sizeof p);
    if (status == PM_OK) status = train_params_fill(log, &model->config, &p, &p);
    bool half = false;
    if (status == PM_OK) status = precision_choose(device, p.precision, &half);
    if (status != PM_OK) return status;
    p.precision = half ? PM_PRECISION_F16 : PM_PRECISION_F32;
    pm_trainer *t = calloc(1, sizeof *t);
    if (!t) return log_fail(log, PM_NO_HOST_MEMORY, "trainer: no memory");
    gpt_shape shape = shape_of(&model->config, &p);
    t->model = model;
    t->params = p;
    t->optimizer = (adamw){.beta1 = p.beta1,
                           .beta2 = p.beta2,
                           .eps = p.eps,
                           .weight_decay = p.weight_decay,
                           .clip = p.clip,
                           .scale = loss_scale_begin(half)};
    const pass_target to = pass_target_of(model);
    status = pass_plan(&t->pass, &to, &shape, true);
    if (status == PM_OK) status = adamw_init(&t->optimizer, model);
    const pass_step step = adamw_step(&t->optimizer, p.accum);
    const pass_use use = {.name = "train step", .owner = t};
    if (status == PM_OK) status = pass_record_step(&t->pass, model, &use, &step);
    for (int i = 0; i < MOST_FLIGHTS && status == PM_OK; i++) {
        t->counts[i] = calloc(p.accum, sizeof *t->counts[i]);
        if (!t->counts[i]) status = log_fail(log, PM_NO_HOST_MEMORY, "trainer: no memory");
    }
    if (status == PM_OK)
        *out = t;
    else
        pm_trainer_destroy(&t);
    return status;
}

void pm_trainer_destroy(pm_trainer **trainer)
{
    pm_trainer *t = *trainer;
    if (!t) return;
    pass_fini(&t->evaluator);
    pass_fini(&t->pass);
    flights_fini(&t->flights, t->model->device);
    adamw_fini(&t->optimizer);
    for (int i = 0; i < MOST_FLIGHTS; i++) free(t->counts[i]);
    free(t);
    *trainer = NULL;
}

/* ---- steps ---- */

/* Writes the scalars of a flight whose batch is filled in, and submits it. A micro batch's weight is its share of the step's targets, so that loss and
 * gradient are those of one large batch. */
static pm_status launch(pm_trainer *t, flight *f)
{
    const pm_train_params *p = &t->params;
    mailbox *box = &t->pass.box;
    double all = 0;
    box->side = f->side;
    for (uint32_t micro = 0; micro < p->accum; micro++) all += t->counts[f->side][micro];
    for (uint32_t micro = 0; micro < p->accum; micro++) {
        struct step_scalars *s = mailbox_scalars(box, micro);
        const float share = (float)(t->counts[f->side][micro] / (all > 0 ? all : 1));
        *s = adamw_scalars(&t->optimizer, f->step, share, schedule_lr(p, f->step), p->seed);
        s->step = f->step - 1;
        s->micro = micro;
    }
    return flight_submit(f);
}

/* The next flight, with its side of the mailbox to be filled. */
static pm_status next_flight(pm_trainer *t, flight **out)
{
    const pm_status status = flights_room(&t->flights, gpu_log(t->model->device), "trainer", MOST_FLIGHTS);
    if (status != PM_OK) return status;
    flight *f = flights_next(&t->flights);
    f->pass = &t->pass;
    f->step = t->done + t->flights.count + 1;
    f->started = pm_profile_now();
    t->pass.box.side = f->side;
    *out = f;
    return PM_OK;
}

static pm_status begin(pm_trainer *t, flight *f)
{
    if (!flights_add(&t->flights, f, t->model->device, t->params.precision == PM_PRECISION_F16)) return PM_OK;
    const pm_status status = launch(t, f);
    if (status != PM_OK) flights_take_back(&t->flights);
    return status;
}

static pm_status begin_drawn(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count)
{
    const uint32_t batch = t->params.batch;
    const batch_source from = {corpus, first, count, t->params.seed, RNG_STREAM_BATCH};
    flight *f;
    pm_status status = batch_check(gpu_log(t->model->device), &from, t->params.time);
    if (status == PM_OK) status = next_flight(t, &f);
    if (status != PM_OK) return status;
    for (uint32_t micro = 0; micro < t->params.accum; micro++) {
        t->counts[f->side][micro] = (double)batch * t->params.time;
        for (uint32_t row = 0; row < batch; row++)
            batch_draw(&t->pass, micro, row, &from, f->step - 1, micro * batch + row);
    }
    return begin(t, f);
}

static pm_status begin_given(pm_trainer *t, const int32_t *tokens, const int32_t *targets)
{
    const pm_log *log = gpu_log(t->model->device);
    const uint32_t rows = t->params.batch * t->params.time, vocab = t->model->config.vocab;
    flight *f;
    pm_status status = next_flight(t, &f);
    if (status != PM_OK) return status;
    for (uint32_t micro = 0; micro < t->params.accum; micro++) {
        int32_t *to = mailbox_ints(&t->pass.box, micro, INPUT_TOKENS),
                *to_targets = mailbox_ints(&t->pass.box, micro, INPUT_TARGETS);
        uint32_t counted = 0;
        for (uint32_t i = 0; i < rows; i++) {
            size_t at = (size_t)micro * rows + i;
            if (tokens[at] < 0 || (uint32_t)tokens[at] >= vocab || targets[at] >= (int32_t)vocab)
                return log_fail(log, PM_INVALID, "tokens: number %zu is outside the vocabulary of %u", at, vocab);
            to[i] = tokens[at];
            to_targets[i] = targets[at];
            counted += targets[at] >= 0;
        }
        t->counts[f->side][micro] = counted;
    }
    return begin(t, f);
}

/* A host that waits for a step which could not begin must not wait for ever. */
static pm_status begun(pm_trainer *t, pm_status status)
{
    if (status != PM_OK) gpu_drop_sync(t->model->device);
    return status;
}

pm_status pm_trainer_begin(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count)
{
    return begun(t, begin_drawn(t, corpus, first, count));
}

pm_status pm_trainer_begin_tokens(pm_trainer *t, const int32_t *tokens, const int32_t *targets)
{
    return begun(t, begin_given(t, tokens, targets));
}

bool pm_trainer_done(pm_trainer *t)
{
    return flights_done(&t->flights, t->model->device);
}

pm_status pm_trainer_end(pm_trainer *t, pm_step *out)
{
    pm_device *device = t->model->device;
    const pm_train_params *p = &t->params;
    const mailbox *box = &t->pass.box;
    flight f;
    pm_status status = flights_end(&t->flights, device, "trainer", &f);
    if (status != PM_OK) return status;
    double all = 0, loss = 0;
    for (uint32_t micro = 0; micro < p->accum; micro++) {
        all += t->counts[f.side][micro];
        loss += (double)mailbox_floats(box, micro, INPUT_RESULT)[0] * t->counts[f.side][micro];
    }
    t->done++;
    const float norm = mailbox_norm(box)[0];
    const bool skipped = loss_scale_after(&t->optimizer.scale, norm);
    const float scale = t->optimizer.scale.last;
    *out = (pm_step){.step = t->done,
                     .loss = (float)(loss / (all > 0 ? all : 1)),
                     .grad_norm = norm,
                     .lr = schedule_lr(p, f.step),
                     .tokens = p->batch * p->time * p->accum,
                     .skipped = skipped,
                     .loss_scale = scale};
    pm_profile_span(gpu_profile(device), "step", f.started);
    flight *next = flights_oldest(&t->flights);
    if (next && !next->submitted && next->failed == PM_OK) (void)launch(t, next); /* its end tells what came of it */
    return PM_OK;
}

/* In one call: no other step may be between its begin and its end. */
static pm_status alone(const pm_trainer *t)
{
    return flights_room(&t->flights, gpu_log(t->model->device), "trainer", 1);
}

pm_status pm_trainer_step(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, pm_step *out)
{
    pm_status status = begun(t, alone(t));
    if (status == PM_OK) status = pm_trainer_begin(t, corpus, first, count);
    return status == PM_OK ? pm_trainer_end(t, out) : status;
}

pm_status pm_trainer_step_tokens(pm_trainer *t, const int32_t *tokens, const int32_t *targets, pm_step *out)
{
    pm_status status = begun(t, alone(t));
    if (status == PM_OK) status = pm_trainer_begin_tokens(t, tokens, targets);
    return status == PM_OK ? pm_trainer_end(t, out) : status;
}

pm_status pm_trainer_eval(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, uint32_t batches,
                          float *loss)
{
    const pm_log *log = gpu_log(t->model->device);
    const batch_source from = {corpus, first, count, t->params.seed, RNG_STREAM_EVAL};
    pm_status status = alone(t);
    if (status == PM_OK) status = batch_check(log, &from, t->params.time);
    if (status != PM_OK) return status;
    if (batches == 0) return log_fail(log, PM_INVALID, "batches: at least one is needed");
    if (!t->evaluator.program) status = evaluator_init(&t->evaluator, t->model, t->params.batch, t->params.time, t);
    if (status != PM_OK) return status;
    double total = 0, targets = 0, begin = pm_profile_now();
    const uint64_t windows = (uint64_t)batches * PM_EVAL_BATCH;
    for (uint64_t window = 0; window < windows;) {
        double sum, n;
        for (uint32_t row = 0; row < t->params.batch; row++, window++) {
            if (window < windows)
                batch_draw(&t->evaluator, 0, row, &from, (uint32_t)(window / PM_EVAL_BATCH),
                           (uint32_t)(window % PM_EVAL_BATCH));
            else
                batch_clear(&t->evaluator, 0, row);
        }
        control_report(gpu_control(t->model->device), "evaluate", window < windows ? window : windows, windows);
        status = evaluator_run(&t->evaluator, &sum, &n);
        if (status != PM_OK) return status;
        total += sum;
        targets += n;
    }
    *loss = (float)(total / targets);
    pm_profile_span(gpu_profile(t->model->device), "eval", begin);
    return PM_OK;
}

uint32_t pm_trainer_steps_done(const pm_trainer *trainer)
{
    return trainer->done;
}
pm_precision pm_trainer_precision(const pm_trainer *trainer)
{
    return trainer->params.precision;
}

void pm_trainer_get_plan(const pm_trainer *t, pm_train_plan *out)
{
    gpu_program_stats stats;
    pass_stats(&t->pass, &stats);
    *out = plan_of(&t->model->layout, &t->pass, &t->params);
    out->dispatches = stats.dispatches;
}

pm_status pm_trainer_read_gradient(const pm_trainer *t, size_t param, float *out)
{
    const pm_status status = alone(t);
    return status == PM_OK ? adamw_read_gradient(&t->optimizer, param, out) : status;
}

/* ---- checkpoints ---- */

static facts facts_of(const pm_trainer *t)
{
    const pm_train_params *p = &t->params;
    facts f = {0};
    facts_of_model(&f, &t->model->config);
    fact_number(&f, "batch", p->batch, NULL)->kind = FACT_FACTOR;
    fact_number(&f, "time", p->time, NULL)->option = "ctx";
    fact_number(&f, "accum", p->accum, NULL)->kind = FACT_FACTOR;
    fact_number(&f, "seed", p->seed, NULL);
    fact_float(&f, "dropout", p->dropout);
    fact_text(&f, "precision", pm_precision_name(p->precision), "f32");
    fact_number(&f, "steps", p->steps, NULL)->kind = FACT_FREE;
    fact_float(&f, "lr", p->lr)->kind = FACT_FREE;
    fact_float(&f, "min_lr", p->min_lr)->kind = FACT_FREE;
    fact_number(&f, "warmup", p->warmup, NULL)->kind = FACT_FREE;
    facts_of_optimizer(&f, &t->optimizer);
    return f;
}

pm_status pm_trainer_save(pm_trainer *t, const char *dir, const char *note)
{
    facts f = facts_of(t);
    double begin = pm_profile_now();
    pm_status status = alone(t);
    if (status == PM_OK) status = checkpoint_save(&t->optimizer, &f, t->done, dir, note);
    pm_profile_span(gpu_profile(t->model->device), "checkpoint", begin);
    return status;
}

pm_status pm_trainer_load(pm_trainer *t, const char *dir, char **note)
{
    facts f = facts_of(t);
    const pm_status status = alone(t);
    if (status != PM_OK) return status;
    return checkpoint_load(&t->optimizer, &f, dir, &t->done, note);
}
