/* Twenty steps of a small GPT, with dropout, clipping and weight decay. The twin runs the same graph, unfused, node by node. */
#include "check/train_check.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "model/gpt.h"
#include "push.h"
#include "ref/ref.h"
#include "train/schedule.h"
#include "train/objective_lm.h"

enum { STEPS = 20, BATCH = 4, TIME = 24, ROWS = BATCH * TIME, VOCAB = 61 };
/* Rounding to fp32 moves the losses by some 1e-7 and the weights' error by some 1e-9 (llvmpipe): AdamW divides small gradients by their own size.
 * A wrong sum, mask or update is off by 1e-3 and more. */
#define LOSS_BOUND 1e-5
#define WEIGHT_BOUND 1e-7

static const pm_gpt_config config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = TIME, .embd = 32, .heads = 2, .layers = 2};
static const pm_train_params params = {.batch = BATCH,
                                       .time = TIME,
                                       .steps = STEPS,
                                       .lr = 1e-3f,
                                       .warmup = 4,
                                       .weight_decay = 0.1f,
                                       .clip = 1,
                                       .dropout = 0.1f,
                                       .seed = 5};

typedef struct twin {
    graph graph;
    double **values;                         /* [tensors] of internal ones */
    double **weights, **gradients, **m, **v; /* [parameters] */
    double result[4], norm[2], parts[SUMSQ_PARTS];
    int32_t tokens[ROWS], targets[ROWS];
    step_scalars scalars;
} twin;

static double **rows_of_doubles(size_t count)
{
    return calloc(count, sizeof(double *));
}

static void free_rows(double **rows, size_t count)
{
    for (size_t i = 0; rows && i < count; i++) free(rows[i]);
    free(rows);
}

static void twin_fini(twin *t, const gpt_layout *l)
{
    free_rows(t->values, t->graph.tensor_count);
    free_rows(t->weights, l->count);
    free_rows(t->gradients, l->count);
    free_rows(t->m, l->count);
    free_rows(t->v, l->count);
    graph_fini(&t->graph);
}

/* The graph and memory for it; the model's weights. */
static pm_status twin_init(twin *t, const pm_model *model)
{
    const pm_log *log = gpu_log(model->device);
    const gpt_layout *l = &model->layout;
    const gpt_shape shape = {.batch = BATCH,
                             .time = TIME,
                             .dropout_embd = params.dropout,
                             .dropout_attn = params.dropout,
                             .dropout_resid = params.dropout};
    tensor_id scalars;
    pm_status status = graph_init(&t->graph, log, pm_device_caps(model->device));
    if (status == PM_OK) {
        gpt_build(&t->graph, &model->config, &shape, NULL, NULL, &scalars);
        graph_gradient(&t->graph, scalars);
        status = graph_status(&t->graph);
    }
    if (status != PM_OK) return status;
    bool room = (t->values = rows_of_doubles(t->graph.tensor_count)) && (t->weights = rows_of_doubles(l->count)) &&
                (t->gradients = rows_of_doubles(l->count)) && (t->m = rows_of_doubles(l->count)) &&
                (t->v = rows_of_doubles(l->count));
    for (uint32_t i = 0; room && i < t->graph.tensor_count; i++) {
        const tensor *e = &t->graph.tensors[i];
        if (i > 0 && e->kind == TENSOR_INTERNAL)
            room = (t->values[i] = calloc((size_t)e->rows * e->cols, sizeof(double))) != NULL;
    }
    for (uint32_t p = 0; room && p < l->count && status == PM_OK; p++) {
        const size_t count = (size_t)l->params[p].rows * l->params[p].cols;
        float *values = malloc(count * sizeof *values);
        t->weights[p] = malloc(count * sizeof(double));
        room = values && t->weights[p] && (t->gradients[p] = calloc(count, sizeof(double))) &&
               (t->m[p] = calloc(count, sizeof(double))) && (t->v[p] = calloc(count, sizeof(double)));
        if (room) status = pm_model_read(model, p, values);
        for (size_t i = 0; room && i < count; i++) t->weights[p][i] = (double)values[i];
        free(values);
    }
    return room ? status : log_fail(log, PM_NO_HOST_MEMORY, "doctor: no memory for the training run's twin");
}

static void *data_of(twin *t, tensor_id id)
{
    const tensor *e = &t->graph.tensors[id];
    switch (e->kind) {
    case TENSOR_INTERNAL: return t->values[id];
    case TENSOR_PARAMETER: return t->weights[e->index];
    case TENSOR_GRADIENT: return t->gradients[e->index];
    case TENSOR_CONSTANT: return NULL; /* its GPT-2 has none */
    case TENSOR_INPUT: break;
    }
    switch (e->index) {
    case INPUT_SCALARS: return &t->scalars;
    case INPUT_TOKENS: return t->tokens;
    case INPUT_TARGETS: return t->targets;
    default: return t->result;
    }
}

static op_view view_of(twin *t, tensor_id id)
{
    const tensor *e = &t->graph.tensors[id];
    return id ? (op_view){.rows = e->rows, .cols = e->cols, .data = data_of(t, id)} : (op_view){0};
}

static op_view flat(double *data, uint64_t count)
{
    return (op_view){.rows = 1, .cols = (uint32_t)count, .data = data};
}

static void twin_update(twin *t, const gpt_layout *l, const adamw *a)
{
    op_view scalars = {.rows = 1, .cols = sizeof t->scalars / 4, .data = &t->scalars}, norm = flat(t->norm, 2);
    double squares = 0;
    for (uint32_t p = 0; p < l->count; p++) {
        const uint64_t count = (uint64_t)l->params[p].rows * l->params[p].cols;
        ref_run(&(op_call){.op = OP_SUMSQ, .in = {flat(t->gradients[p], count)}, .out = {flat(t->parts, SUMSQ_PARTS)}});
        squares += t->parts[0];
    }
    t->parts[0] = squares;
    ref_run(&(op_call){.op = OP_CLIP, .attr.clip = a->clip, .in = {flat(t->parts, 1), scalars}, .out = {norm}});
    for (uint32_t p = 0; p < l->count; p++) {
        const uint64_t count = (uint64_t)l->params[p].rows * l->params[p].cols;
        ref_run(&(op_call){.op = OP_ADAMW,
                           .attr = {.beta1 = a->beta1,
                                    .beta2 = a->beta2,
                                    .eps = a->eps,
                                    .weight_decay = a->weight_decay,
                                    .decayed = l->params[p].decayed ? count : 0},
                           .in = {flat(t->gradients[p], count), norm, scalars},
                           .out = {flat(t->weights[p], count), flat(t->m[p], count), flat(t->v[p], count)}});
    }
}

/* One step; the loss. */
static double twin_step(twin *t, const pm_trainer *trainer, uint32_t step)
{
    t->scalars = adamw_scalars(&trainer->core.optimizer, step, 1, schedule_lr(&trainer->params, step), params.seed);
    t->scalars.step = step - 1;
    for (uint32_t i = 0; i < t->graph.node_count; i++) {
        const node *n = &t->graph.nodes[i];
        op_call call = {.op = n->op, .attr = n->attr};
        for (int k = 0; k < OP_MAX_IN; k++) call.in[k] = view_of(t, n->in[k]);
        for (int k = 0; k < OP_MAX_OUT; k++) call.out[k] = view_of(t, n->out[k]);
        ref_run(&call);
    }
    twin_update(t, &trainer->core.model->layout, &trainer->core.optimizer);
    return t->result[0];
}

/* Something to learn: each token is a function of the one before it, most of the time. */
static void draw(twin *t, uint32_t step)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        const rng_block block = rng_philox(9, step * ROWS + i, 0, 0, 0);
        t->tokens[i] = (int32_t)(block.v[0] % VOCAB);
        t->targets[i] = block.v[1] % 8 ? (5 * t->tokens[i] + 3) % VOCAB : -1;
    }
}

static pm_status compare_weights(const twin *t, const pm_model *model, double *error)
{
    double different = 0, all = 0;
    for (uint32_t p = 0; p < model->layout.count; p++) {
        const size_t count = (size_t)model->layout.params[p].rows * model->layout.params[p].cols;
        float *values = malloc(count * sizeof *values);
        if (!values) return log_fail(gpu_log(model->device), PM_NO_HOST_MEMORY, "doctor: no memory for weights");
        const pm_status status = pm_model_read(model, p, values);
        for (size_t i = 0; status == PM_OK && i < count; i++) {
            different += ((double)values[i] - t->weights[p][i]) * ((double)values[i] - t->weights[p][i]);
            all += t->weights[p][i] * t->weights[p][i];
        }
        free(values);
        if (status != PM_OK) return status;
    }
    *error = different / all;
    return PM_OK;
}

pm_status train_check(pm_device *device, pm_doctor_report *report, bool *right)
{
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    twin t = {0};
    pm_status status = pm_model_create(device, &config, 3, &model);
    if (status == PM_OK) status = pm_trainer_create(model, &params, &trainer);
    if (status == PM_OK) status = twin_init(&t, model);
    report->steps = 0;
    report->loss_error = report->weight_error = 0;
    for (uint32_t step = 1; step <= STEPS && status == PM_OK; step++) {
        pm_step got;
        draw(&t, step);
        status = pm_trainer_step_tokens(trainer, t.tokens, t.targets, &got);
        if (status != PM_OK) break;
        const double want = twin_step(&t, trainer, step), error = fabs((double)got.loss - want) / want;
        if (!(error <= report->loss_error)) report->loss_error = error;
        report->steps = step;
    }
    if (status == PM_OK) status = compare_weights(&t, model, &report->weight_error);
    *right = report->loss_error <= LOSS_BOUND && report->weight_error <= WEIGHT_BOUND;
    if (model) twin_fini(&t, &model->layout);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    return status;
}
