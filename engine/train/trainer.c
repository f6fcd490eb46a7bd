/* Pre-training. One step is one program, recorded once: the micro batches' forward and backward passes, the gradient norm, AdamW. The
 * host writes tokens and scalars, submits, waits, and reads the losses. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
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
        return log_fail(log, PM_INVALID, "batch: %u x %u x %u tokens a step are more than this version takes", p.batch,
                        p.time, p.accum);
    if (!(p.beta1 >= 0 && p.beta1 < 1) || !(p.beta2 >= 0 && p.beta2 < 1))
        return log_fail(log, PM_INVALID, "beta: a decay rate is at least 0 and below 1");
    if (!(p.dropout < 1)) return log_fail(log, PM_INVALID, "dropout: a probability is below 1");
    if (!(p.lr >= 0) || !(p.min_lr >= 0) || !(p.weight_decay >= 0) || !(p.eps > 0) || !(p.clip >= 0))
        return log_fail(log, PM_INVALID, "lr, min_lr, weight_decay, eps and clip are not negative");
    *out = p;
    return PM_OK;
}

pm_status train_graph(graph *g, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                      const pm_train_params *p, char (*labels)[16])
{
    pm_status status = graph_init(g, log, caps);
    if (status != PM_OK) return status;
    bool own = p->dropout < 0; /* the model's */
    gpt_shape shape = {.mode = GPT_LOSS,
                       .batch = p->batch,
                       .time = p->time,
                       .dropout_embd = own ? config->dropout_embd : p->dropout,
                       .dropout_attn = own ? config->dropout_attn : p->dropout,
                       .dropout_resid = own ? config->dropout_resid : p->dropout};
    tensor_id scalars;
    gpt_build(g, config, &shape, labels, &scalars);
    graph_gradient(g, scalars);
    graph_fuse(g);
    return graph_status(g);
}

static pm_train_plan plan_of(const gpt_layout *layout, const graph *g, const graph_plan *plan, const pm_train_params *p)
{
    uint64_t weights = 4 * layout->total_words;
    return (pm_train_plan){.weights = weights,
                           .gradients = weights,
                           .optimizer = 2 * weights,
                           .workspace = plan->total_bytes,
                           .nodes = g->node_count,
                           .step_flops = graph_flops(g) * p->accum};
}

pm_status pm_train_plan_make(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                             const pm_train_params *params, pm_train_plan *out)
{
    pm_status status = pm_gpt_config_check(log, config);
    if (status != PM_OK) return status;
    pm_gpt_config filled = gpt_config_filled(config);
    pm_train_params p;
    graph g = {0};
    graph_plan plan = {0};
    gpt_layout layout = {0};
    status = train_params_fill(log, &filled, params, &p);
    if (status == PM_OK) status = gpt_layout_make(log, &filled, caps->max_allocation, &layout);
    if (status == PM_OK) status = train_graph(&g, log, caps, &filled, &p, NULL);
    if (status == PM_OK) status = graph_plan_make(&g, caps->max_allocation, &plan);
    if (status == PM_OK) *out = plan_of(&layout, &g, &plan, &p);
    graph_fini(&g);
    graph_plan_fini(&plan);
    gpt_layout_fini(&layout);
    return status;
}

/* ---- recording ---- */

static op_view flat(gpu_buffer *buffer, uint64_t words)
{
    return (op_view){.rows = 1, .cols = (uint32_t)words, .span = gpu_span_of(buffer)};
}

/* Partial sums of the gradient norm over all segments. */
static uint32_t norm_parts(const gpt_layout *l, const pm_caps *caps)
{
    uint32_t parts = 0;
    for (uint32_t s = 0; s < l->segment_count; s++) parts += op_sumsq_parts(caps, l->segment_words[s]);
    return parts;
}

/* Gradient norm over all segments, then AdamW on each. */
static void record_update(pm_trainer *t)
{
    const gpt_layout *l = &t->model->layout;
    const pm_caps *caps = gpu_program_caps(t->program);
    gpu_program_label(t->program, "update");
    uint32_t parts = norm_parts(l, caps), part = 0;
    for (uint32_t s = 0; s < l->segment_count; s++) {
        op_call sumsq = {.op = OP_SUMSQ,
                         .attr.part = part,
                         .in = {flat(t->gradients[s], l->segment_words[s])},
                         .out = {flat(t->partials, parts)}};
        op_record(t->program, &sumsq);
        part += op_sumsq_parts(caps, l->segment_words[s]);
    }
    op_view norm = {.rows = 1, .cols = 2, .span = mailbox_norm_span(&t->box)};
    op_view scalars = {.rows = 1, .cols = 8, .span = mailbox_scalars_span(&t->box, 0)};
    op_call clip = {.op = OP_CLIP, .attr.clip = t->params.clip, .in = {flat(t->partials, parts)}, .out = {norm}};
    op_record(t->program, &clip);
    for (uint32_t s = 0; s < l->segment_count; s++) {
        uint64_t words = l->segment_words[s];
        op_call adamw = {.op = OP_ADAMW,
                         .attr = {.beta1 = t->params.beta1,
                                  .beta2 = t->params.beta2,
                                  .eps = t->params.eps,
                                  .weight_decay = t->params.weight_decay,
                                  .decayed = l->segment_decayed[s]},
                         .in = {flat(t->gradients[s], words), norm, scalars},
                         .out = {flat(t->model->weights[s], words), flat(t->m[s], words), flat(t->v[s], words)}};
        op_record(t->program, &adamw);
    }
}

static pm_status record_step(pm_trainer *t)
{
    pm_status status = gpu_program_create(t->model->device, "train step", &t->program);
    if (status != PM_OK) return status;
    gpu_span *parameters = gpt_spans(&t->model->layout, t->model->weights),
             *gradients = gpt_spans(&t->model->layout, t->gradients);
    if (!parameters || !gradients) {
        gpu_record_fail(t->program, PM_NO_HOST_MEMORY);
    } else {
        mailbox_record_in(&t->box, t->program);
        for (uint32_t micro = 0; micro < t->params.accum; micro++) {
            gpu_span inputs[INPUT_LOGITS];
            mailbox_bind(&t->box, micro, inputs);
            graph_bindings to = {.inputs = inputs,
                                 .parameters = parameters,
                                 .gradients = gradients,
                                 .workspace = t->workspace,
                                 .accumulate = micro > 0};
            graph_record(&t->graph, &t->plan, &to, t->program);
        }
        record_update(t);
        mailbox_record_out(&t->box, t->program);
    }
    free(parameters);
    free(gradients);
    return gpu_program_finish(t->program);
}

static pm_status allocate(pm_trainer *t)
{
    pm_device *device = t->model->device;
    const gpt_layout *l = &t->model->layout;
    uint32_t parts = norm_parts(l, pm_device_caps(device));
    pm_status status = gpt_segments_create(device, l, "gradients", &t->gradients);
    if (status == PM_OK) status = gpt_segments_create(device, l, "first moments", &t->m);
    if (status == PM_OK) status = gpt_segments_create(device, l, "second moments", &t->v);
    if (status == PM_OK) status = graph_workspace_create(device, &t->plan, &t->workspace);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, 4ull * parts, "gradient norm", &t->partials);
    if (status == PM_OK) status = mailbox_init(&t->box, device, t->params.accum, t->params.batch * t->params.time);
    return status;
}

pm_status pm_trainer_create(pm_model *model, const pm_train_params *params, pm_trainer **out)
{
    const pm_log *log = gpu_log(model->device);
    const pm_caps *caps = pm_device_caps(model->device);
    pm_train_params filled;
    pm_status status = train_params_fill(log, &model->config, params, &filled);
    if (status != PM_OK) return status;
    pm_trainer *t = calloc(1, sizeof *t);
    if (!t) return log_fail(log, PM_NO_HOST_MEMORY, "trainer: no memory");
    t->model = model;
    t->params = filled;
    status = train_graph(&t->graph, log, caps, &model->config, &filled, model->labels);
    if (status == PM_OK) status = graph_plan_make(&t->graph, gpu_max_buffer(model->device), &t->plan);
    if (status == PM_OK) status = allocate(t);
    if (status == PM_OK) status = record_step(t);
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
    gpu_program_destroy(&t->program);
    if (t->evaluator) evaluator_fini(t->evaluator);
    free(t->evaluator);
    mailbox_fini(&t->box);
    gpu_buffer_destroy(&t->partials);
    graph_workspace_destroy(&t->plan, &t->workspace);
    gpt_segments_destroy(&t->model->layout, &t->gradients);
    gpt_segments_destroy(&t->model->layout, &t->m);
    gpt_segments_destroy(&t->model->layout, &t->v);
    graph_plan_fini(&t->plan);
    graph_fini(&t->graph);
    free(t);
    *trainer = NULL;
}

/* ---- steps ---- */

static void write_scalars(pm_trainer *t)
{
    uint32_t step = t->done + 1;
    const pm_train_params *p = &t->params;
    for (uint32_t micro = 0; micro < p->accum; micro++)
        *mailbox_scalars(&t->box, micro) = (struct step_scalars){
            .seed_lo = (uint32_t)p->seed,
            .seed_hi = (uint32_t)(p->seed >> 32),
            .micro_step = t->done * p->accum + micro,
            .lr = schedule_lr(p, step),
            .beta1_fix = (float)(1.0 / (1.0 - pow(p->beta1, step))),
            .beta2_fix = (float)(1.0 / (1.0 - pow(p->beta2, step))),
            .grad_scale = 1.0f / (float)p->accum,
        };
}

/* Run the step that stands in the mailbox. */
static pm_status run(pm_trainer *t, pm_step *out)
{
    write_scalars(t);
    pm_status status = gpu_submit(t->program);
    if (status == PM_OK) status = gpu_wait(t->model->device);
    if (status != PM_OK) return status;
    double loss = 0;
    for (uint32_t micro = 0; micro < t->params.accum; micro++) loss += mailbox_result(&t->box, micro)[0];
    t->done++;
    *out = (pm_step){.step = t->done,
                     .loss = (float)(loss / t->params.accum),
                     .grad_norm = mailbox_norm(&t->box)[0],
                     .lr = mailbox_scalars(&t->box, 0)->lr,
                     .tokens = t->box.rows * t->params.accum};
    return PM_OK;
}

pm_status pm_trainer_step(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, pm_step *out)
{
    pm_status status = batch_check(gpu_log(t->model->device), corpus, first, count, t->params.time);
    if (status != PM_OK) return status;
    for (uint32_t micro = 0; micro < t->params.accum; micro++)
        batch_draw(&t->box, micro, corpus, first, count, t->params.time, t->params.seed,
                   t->done * t->params.accum + micro, RNG_STREAM_BATCH);
    return run(t, out);
}

pm_status pm_trainer_step_tokens(pm_trainer *t, const int32_t *tokens, const int32_t *targets, pm_step *out)
{
    const pm_log *log = gpu_log(t->model->device);
    uint32_t rows = t->box.rows;
    for (uint32_t micro = 0; micro < t->params.accum; micro++) {
        int32_t *to = mailbox_tokens(&t->box, micro), *to_targets = mailbox_targets(&t->box, micro);
        for (uint32_t i = 0; i < rows; i++) {
            size_t at = (size_t)micro * rows + i;
            if (tokens[at] < 0 || (uint32_t)tokens[at] >= t->model->config.vocab ||
                targets[at] >= (int32_t)t->model->config.vocab)
                return log_fail(log, PM_INVALID, "tokens: number %zu is outside the vocabulary of %u", at,
                                t->model->config.vocab);
            to[i] = tokens[at];
            to_targets[i] = targets[at];
        }
    }
    return run(t, out);
}

pm_status pm_trainer_eval(pm_trainer *t, const pm_corpus *corpus, size_t first, size_t count, uint32_t batches,
                          float *loss)
{
    const pm_log *log = gpu_log(t->model->device);
    pm_status status = batch_check(log, corpus, first, count, t->params.time);
    if (status != PM_OK) return status;
    if (batches == 0) return log_fail(log, PM_INVALID, "batches: at least one is needed");
    if (!t->evaluator) {
        evaluator *e = calloc(1, sizeof *e);
        status = e ? evaluator_init(e, t->model, t->params.batch, t->params.time)
                   : log_fail(log, PM_NO_HOST_MEMORY, "trainer: no memory");
        if (status != PM_OK) {
            free(e);
            return status;
        }
        t->evaluator = e;
    }
    double total = 0, targets = 0;
    for (uint32_t i = 0; i < batches; i++) {
        double sum, n;
        batch_draw(&t->evaluator->box, 0, corpus, first, count, t->params.time, t->params.seed, i, RNG_STREAM_EVAL);
        status = evaluator_run(t->evaluator, &sum, &n);
        if (status != PM_OK) return status;
        total += sum;
        targets += n;
    }
    *loss = (float)(total / targets);
    return PM_OK;
}

uint32_t pm_trainer_steps_done(const pm_trainer *trainer)
{
    return trainer->done;
}

void pm_trainer_get_plan(const pm_trainer *t, pm_train_plan *out)
{
    gpu_program_stats stats;
    gpu_program_get_stats(t->program, &stats);
    *out = plan_of(&t->model->layout, &t->graph, &t->plan, &t->params);
    out->dispatches = stats.dispatches;
}

pm_status pm_trainer_read_gradient(const pm_trainer *t, size_t param, float *out)
{
    if (param >= t->model->layout.count)
        return log_fail(gpu_log(t->model->device), PM_INVALID, "trainer: there is no parameter %zu", param);
    return gpu_read(gpt_span(&t->model->layout, t->gradients, (uint32_t)param), out);
}
