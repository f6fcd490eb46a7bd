#include "train/objective_lm.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/sized.h"
#include "train/schedule.h"

/* ---- windows ---- */

/* Where windows are drawn: from tokens [first, first + count) of a corpus. `stream` keeps uses of a seed apart. */
typedef struct windows {
    const pm_corpus *corpus;
    size_t first, count;
    uint64_t seed;
    uint32_t stream;
} windows;

/* Whether windows of time + 1 tokens can be drawn. */
static pm_status check(const pm_log *log, const windows *from, uint32_t time)
{
    size_t all = pm_corpus_size(from->corpus);
    if (from->first > all || from->count > all - from->first)
        return log_fail(log, PM_INVALID, "data: tokens %zu to %zu of %zu", from->first, from->first + from->count, all);
    if (from->count <= time)
        return log_fail(log, PM_INVALID, "data: %zu tokens are too few for a context of %u: it needs %u", from->count,
                        time, time + 1);
    return PM_OK;
}

/* Fills a row of a micro batch with window number `window` of draw number `number`. These two and the source alone decide on the tokens. So a resumed run
 * draws the same windows, and so does a batch in any number of micro batches. */
static void draw(const pass *p, uint32_t micro, uint32_t row, const windows *from, uint32_t number, uint32_t window)
{
    const uint32_t time = p->shape.time;
    const rng_block r = rng_philox(from->seed, window, number, from->stream, 0);
    const size_t at = from->first + (size_t)rng_below(r.v[0], r.v[1], from->count - time);
    pm_corpus_read(from->corpus, at, time, pass_row(p, micro, row, INPUT_TOKENS));
    pm_corpus_read(from->corpus, at + 1, time, pass_row(p, micro, row, INPUT_TARGETS));
}

/* What a step is taken on: random windows or, where there are tokens, these. */
typedef struct lm_source {
    windows drawn;
    const int32_t *tokens, *targets; /* (accum B T) */
} lm_source;

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
    if (!(p.min_lr >= 0)) return log_fail(log, PM_INVALID, "min_lr: a learning rate is not negative");
    const pm_status status = trainer_settings_check(log, &(trainer_settings)TRAINER_SETTINGS(&p));
    if (status == PM_OK) *out = p;
    return status;
}

/* ---- the objective ---- */

static const pm_trainer *lm_of(const trainer_core *t)
{
    return (const pm_trainer *)t;
}

static uint32_t length(const trainer_core *t, uint32_t number)
{
    return number == 0 ? lm_of(t)->params.time : 0;
}

static void shape(const trainer_core *t, gpt_shape *out)
{
    out->mode = GPT_LOSS;
    out->batch = lm_of(t)->params.batch;
}

static pm_status choose(trainer_core *t, const void *from, flight *f, uint32_t *longest)
{
    const pm_train_params *p = &lm_of(t)->params;
    const lm_source *source = from;
    *longest = p->time;
    f->outcome.lr = schedule_lr(p, f->outcome.step);
    return source->tokens ? PM_OK : check(gpu_log(t->model->device), &source->drawn, p->time);
}

/* The targets that count are a micro batch's weight. */
static pm_status fill_given(const trainer_core *t, const lm_source *from, flight *f, uint32_t micro)
{
    const uint32_t rows = f->pass->shape.batch * f->pass->shape.time, vocab = t->config->vocab;
    int32_t *to = pass_row(f->pass, micro, 0, INPUT_TOKENS), *to_targets = pass_row(f->pass, micro, 0, INPUT_TARGETS);
    uint32_t counted = 0;
    for (uint32_t i = 0; i < rows; i++) {
        const size_t at = (size_t)micro * rows + i;
        const int32_t token = from->tokens[at], target = from->targets[at];
        if (token < 0 || (uint32_t)token >= vocab || target >= (int32_t)vocab)
            return log_fail(gpu_log(t->model->device), PM_INVALID, "tokens: number %zu is outside the vocabulary of %u",
                            at, vocab);
        to[i] = token;
        to_targets[i] = target;
        counted += target >= 0;
    }
    f->weights[micro] = counted;
    return PM_OK;
}

static pm_status fill(trainer_core *t, const void *from, flight *f, uint32_t micro)
{
    const lm_source *source = from;
    const uint32_t batch = f->pass->shape.batch, tokens = batch * f->pass->shape.time;
    f->outcome.tokens += tokens;
    f->weights[micro] = tokens;
    if (source->tokens) return fill_given(t, source, f, micro);
    for (uint32_t row = 0; row < batch; row++)
        draw(f->pass, micro, row, &source->drawn, f->outcome.step - 1, micro * batch + row);
    return PM_OK;
}

static void collect(const trainer_core *t, flight *f)
{
    double loss = 0;
    for (uint32_t micro = 0; micro < t->settings.accum; micro++)
        loss += (double)mailbox_floats(&f->pass->box, micro, INPUT_RESULT)[0] * f->weights[micro];
    f->outcome.loss = (float)(loss / trainer_weight(t, f));
}

static void facts_of_run(const trainer_core *t, facts *f)
{
    const pm_train_params *p = &lm_of(t)->params;
    fact_number(f, "batch", p->batch, NULL)->kind = FACT_FACTOR;
    fact_number(f, "time", p->time, NULL)->option = "ctx";
    fact_number(f, "accum", p->accum, NULL)->kind = FACT_FACTOR;
    fact_number(f, "seed", p->seed, NULL);
    fact_float(f, "dropout", p->dropout);
    fact_text(f, "precision", pm_precision_name(t->settings.precision), "f32");
    fact_number(f, "steps", p->steps, NULL)->kind = FACT_FREE;
    fact_float(f, "lr", p->lr)->kind = FACT_FREE;
    fact_float(f, "min_lr", p->min_lr)->kind = FACT_FREE;
    fact_number(f, "warmup", p->warmup, NULL)->kind = FACT_FREE;
}

static const objective pretraining = {"trainer", "train step", length, shape, choose, fill, collect, facts_of_run};

/* ---- trainers ---- */

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
    status = sized_read(log, "pm_train_params", params, params_size, &p, sizeof p);
    if (status == PM_OK) status = train_params_fill(log, &filled, &p, &p);
    if (status != PM_OK) return status;
    pm_trainer t = {.params = p,
                    .core = {.objective = &pretraining, .settings = TRAINER_SETTINGS(&p), .config = &filled}};
    return trainer_plan(&t.core, log, caps, out);
}

pm_status pm_trainer_create_sized(pm_model *model, const pm_train_params *params, size_t params_size, pm_trainer **out)
{
    const pm_log *log = gpu_log(model->device);
    pm_train_params p;
    pm_status status = sized_read(log, "pm_train_params", params, params_size, &p, sizeof p);
    if (status == PM_OK) status = train_params_fill(log, &model->config, &p, &p);
    if (status != PM_OK) return status;
    pm_trainer *t = calloc(1, sizeof *t);
    if (!t) return log_fail(log, PM_NO_HOST_MEMORY, "trainer: no memory");
    *t = (pm_trainer){
        .params = p,
        .core = {
            .objective = &pretraining, .settings = TRAINER_SETTINGS(&p), .config = &model->config, .model = model}};
    pass *only;
    status = trainer_init(&t->core);
    if (status == PM_OK) status = trainer_pass(&t->core, p.time, &only);
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
    trainer_fini(&t->core);
    free(t);
    *trainer = NULL;
}

/* ---- steps ---- */

static lm_source source_of(const pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count)
{
    return (lm_source){.drawn = {corpus, first, count, t->params.seed, RNG_STREAM_BATCH}};
}

static pm_status told(pm_status status, const step_outcome *o, pm_step *out)
{
    if (status == PM_OK)
        *out = (pm_step){.step = o->step,
                         .loss = o->loss,
                         .grad_norm = o->grad_norm,
                         .lr = o->lr,
                         .tokens = o->tokens,
                         .skipped = o->skipped,
                         .loss_scale = o->loss_scale};
    return status;
}

pm_status pm_trainer_begin(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count)
{
    const lm_source from = source_of(t, corpus, first, count);
    return trainer_begin(&t->core, &from);
}

pm_status pm_trainer_begin_tokens(pm_trainer *t, const int32_t *tokens, const int32_t *targets)
{
    return trainer_begin(&t->core, &(lm_source){.tokens = tokens, .targets = targets});
}

bool pm_trainer_done(pm_trainer *t)
{
    return trainer_done(&t->core);
}

pm_status pm_trainer_end(pm_trainer *t, pm_step *out)
{
    step_outcome o;
    return told(trainer_end(&t->core, &o), &o, out);
}

pm_status lm_step(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, step_outcome *out)
{
    const lm_source from = source_of(t, corpus, first, count);
    return trainer_step(&t->core, &from, out);
}

pm_status pm_trainer_step(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, pm_step *out)
{
    step_outcome o;
    return told(lm_step(t, corpus, first, count, &o), &o, out);
}

pm_status pm_trainer_step_tokens(pm_trainer *t, const int32_t *tokens, const int32_t *targets, pm_step *out)
{
    step_outcome o;
    return told(trainer_step(&t->core, &(lm_source){.tokens = tokens, .targets = targets}, &o), &o, out);
}

static size_t draw_for_eval(const void *from, const pass *p, uint32_t row, uint64_t window)
{
    draw(p, 0, row, from, (uint32_t)(window / PM_EVAL_BATCH), (uint32_t)(window % PM_EVAL_BATCH));
    return p->shape.time;
}

pm_status pm_trainer_eval(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, uint32_t batches,
                          float *loss)
{
    pm_model *model = t->core.model;
    const pm_log *log = gpu_log(model->device);
    const pm_train_params *p = &t->params;
    const windows from = {corpus, first, count, p->seed, RNG_STREAM_EVAL};
    double sum, targets;
    pm_status status = trainer_alone(&t->core);
    if (status == PM_OK) status = check(log, &from, p->time);
    if (status != PM_OK) return status;
    if (batches == 0) return log_fail(log, PM_INVALID, "batches: at least one is needed");
    if (!t->evaluator.program) status = evaluator_init(&t->evaluator, model, p->batch, p->time, t);
    const double began = pm_profile_now();
    if (status == PM_OK)
        status = evaluator_run(&t->evaluator, (uint64_t)batches * PM_EVAL_BATCH, draw_for_eval, &from, &sum, &targets);
    if (status != PM_OK) return status;
    *loss = (float)(sum / targets);
    pm_profile_span(gpu_profile(model->device), "eval", began);
    return PM_OK;
}

/* ---- what it has done ---- */

uint32_t pm_trainer_steps_done(const pm_trainer *t)
{
    return t->core.done;
}
pm_precision pm_trainer_precision(const pm_trainer *t)
{
    return t->core.settings.precision;
}
void pm_trainer_get_plan(const pm_trainer *t, pm_train_plan *out)
{
    trainer_get_plan(&t->core, out);
}
pm_status pm_trainer_read_gradient(const pm_trainer *t, size_t param, float *out)
{
    return trainer_read_gradient(&t->core, param, out);
}
pm_status pm_trainer_save(pm_trainer *t, const char *dir, const char *note)
{
    return trainer_save(&t->core, dir, note);
}
pm_status pm_trainer_load(pm_trainer *t, const char *dir, char **note)
{
    return trainer_load(&t->core, dir, note);
}
