/* Measures each kernel variant of the products and of the attention of a model, and keeps the faster ones. */
#include <pumice/autotune.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "bench/measure.h"
#include "exec/pass.h"
#include "infer/session.h"
#include "ops/variant.h"

enum { MOST_CHOICES = 256 };

/* A choice, and a call that has it. */
typedef struct subject {
    op_call call;
    op_choice choice, within; /* within: what the choice counts within, if anything */
} subject;

typedef struct subjects {
    subject all[MOST_CHOICES];
    uint32_t count;
} subjects;

/* Adds the call's choices, where there is something to choose from. A call at the same shapes has the same keys. */
static void add(subjects *to, const pm_caps *caps, const op_call *call)
{
    op_choice choices[OP_MOST_CHOICES];
    const uint32_t count = op_choices(caps, call, choices);
    for (uint32_t i = 0; i < count && to->count < MOST_CHOICES; i++) {
        const op_choice *c = &choices[i];
        bool known = (c->possible & (c->possible - 1)) == 0;
        for (uint32_t k = 0; k < to->count; k++) known |= strcmp(to->all[k].choice.key, c->key) == 0;
        if (known) continue;
        subject *s = &to->all[to->count++];
        *s = (subject){.call = *call, .choice = *c};
        if (c->within >= 0) s->within = choices[c->within];
    }
}

/* y (M,N) = op(A) op(B), without an epilogue. */
static void add_product(subjects *to, const pm_caps *caps, op_attr attr, op_view a, op_view b, op_view y)
{
    const op_attr transposes = {.trans_a = attr.trans_a, .trans_b = attr.trans_b};
    const op_call call = {.op = OP_MATMUL, .attr = transposes, .in = {a, b}, .out = {y}};
    add(to, caps, &call);
}

static op_view shape(uint32_t rows, uint32_t cols, dtype_id type)
{
    return (op_view){.rows = rows, .cols = cols, .type = type};
}

/* The loss's products, a tile of the vocabulary at a time: logits, and backward what becomes of h and the table. */
static void add_loss(subjects *to, const pm_caps *caps, op_view h, op_view table, bool backward)
{
    uint32_t tile = op_lm_tile(caps, h.rows, h.cols, table.rows), last = table.rows % tile;
    for (int i = 0; i < (last ? 2 : 1); i++) {
        const uint32_t columns = i ? last : tile;
        const op_view part = shape(columns, h.cols, h.type), logits = shape(h.rows, columns, h.type);
        if (!backward) {
            add_product(to, caps, (op_attr){.trans_b = true}, h, part, logits);
        } else {
            add_product(to, caps, (op_attr){0}, logits, part, h);
            add_product(to, caps, (op_attr){.trans_a = true}, logits, h, shape(columns, h.cols, DTYPE_F32));
        }
    }
}

static pm_status collect(subjects *to, const pass_target *target, const gpt_shape *shape)
{
    pass p;
    const pm_status status = pass_plan(&p, target, shape, shape->mode == GPT_LOSS);
    if (status != PM_OK) return status;
    for (uint32_t i = 0; i < p.graph.node_count; i++) {
        const op_call call = graph_call(&p.graph, &p.graph.nodes[i]);
        if (call.op == OP_MATMUL)
            add_product(to, target->caps, call.attr, call.in[MATMUL_A], call.in[MATMUL_B], call.out[0]);
        else if (call.op == OP_LM_LOSS || call.op == OP_LM_LOSS_BWD)
            add_loss(to, target->caps, call.in[0], call.in[1], call.op == OP_LM_LOSS_BWD);
        else
            add(to, target->caps, &call);
    }
    pass_fini(&p);
    return PM_OK;
}

static pm_status measure(pm_device *device, const subject *s, op_variant variant, bool quick, pm_bench_row *row)
{
    bench_case c = {0};
    case_like(&c, pm_device_caps(device), &s->call);
    pm_status status = gpu_choice_set(device, s->choice.key, variant);
    *row = (pm_bench_row){0};
    if (status == PM_OK) status = measure_case(device, &c, quick, row);
    return status;
}

/* Measures the usual variant and every other one that can compute it. */
static pm_status measure_all(pm_device *device, const subject *s, bool quick, pm_autotune_row *out, op_variant *best)
{
    const op_choice *choice = &s->choice;
    pm_bench_row first, fastest;
    pm_status status = measure(device, s, VARIANT_USUAL, quick, &first);
    fastest = first;
    out->variants = 1;
    *best = choice->usual;
    for (int variant = VARIANT_USUAL + 1; variant < OP_VARIANTS && status == PM_OK; variant++) {
        pm_bench_row row;
        if (!(choice->possible >> variant & 1) || variant == (int)choice->usual) continue;
        status = measure(device, s, (op_variant)variant, quick, &row);
        out->variants++;
        if (status == PM_OK && row.ms < fastest.ms) {
            fastest = row;
            *best = (op_variant)variant;
        }
    }
    out->stored = status == PM_OK && *best != choice->usual && fastest.ms_high < first.ms_low;
    out->usual_ms = first.ms;
    out->best_ms = fastest.ms;
    return status;
}

/* One choice. What it counts within is chosen for the time being; that one's own turn comes later. */
static pm_status autotune_one(pm_device *device, const subject *s, bool quick, pm_autotune_row *out)
{
    const op_choice *choice = &s->choice;
    const bool inner = choice->within >= 0;
    op_variant best;
    *out = (pm_autotune_row){0};
    pm_status status = inner ? gpu_choice_set(device, s->within.key, choice->by) : PM_OK;
    if (status != PM_OK) return status;
    status = measure_all(device, s, quick, out, &best);
    pm_status kept = gpu_choice_set(device, choice->key, out->stored ? best : VARIANT_USUAL);
    if (kept == PM_OK && inner) kept = gpu_choice_set(device, s->within.key, VARIANT_USUAL);
    snprintf(out->product, sizeof out->product, "%s", choice->key);
    snprintf(out->usual, sizeof out->usual, "%s", op_variant_name(choice->usual));
    snprintf(out->best, sizeof out->best, "%s", op_variant_name(best));
    return status == PM_OK ? kept : status;
}

pm_status pm_device_autotune_sized(pm_device *device, const pm_gpt_config *config, size_t config_size,
                                   const pm_autotune_params *given, size_t given_size, pm_autotune_fn *row, void *user)
{
    const pm_log *log = gpu_log(device);
    const pm_caps *caps = pm_device_caps(device);
    pm_gpt_config filled;
    pm_autotune_params params;
    pm_status status = gpt_config_read(log, config, config_size, &filled);
    if (status == PM_OK) status = sized_read(log, "pm_autotune_params", given, given_size, &params, sizeof params);
    if (status == PM_OK) status = pm_gpt_config_check(log, &filled);
    if (status != PM_OK) return status;
    status = gpu_choices_save(device); /* whether there is a place for it, before anything is measured */
    if (status != PM_OK) return status;
    filled = gpt_config_filled(&filled);
    subjects *found = calloc(1, sizeof *found);
    if (!found) return log_fail(log, PM_NO_HOST_MEMORY, "autotune: no memory");
    gpt_shape step = {
        .mode = GPT_LOSS, .batch = params.batch ? params.batch : 12, .time = params.time ? params.time : filled.ctx};
    if (step.time > filled.ctx)
        status = log_fail(log, PM_INVALID, "autotune: %u tokens do not fit the model's context of %u", step.time,
                          filled.ctx);
    const pass_target target = {log, caps, &filled, NULL, NULL, caps->max_allocation};
    gpt_shape shapes[SESSION_SHAPES];
    session_shapes(caps, filled.ctx, DTYPE_F32, shapes);
    if (status == PM_OK) status = collect(found, &target, &step);
    if (status == PM_OK) status = collect(found, &target, &shapes[SESSION_CHUNK]);
    if (status == PM_OK) status = collect(found, &target, &shapes[SESSION_SINGLE]);
    step.type = DTYPE_F16;
    if (status == PM_OK && caps->coopmat && !caps->serial) status = collect(found, &target, &step);
    for (uint32_t i = 0; i < found->count && status == PM_OK; i++) {
        pm_autotune_row one;
        status = autotune_one(device, &found->all[i], params.quick, &one);
        if (status == PM_OK && one.stored) status = gpu_choices_save(device); /* whoever ends it here keeps these */
        if (status == PM_OK && row) row(user, &one);
    }
    free(found);
    return status == PM_OK ? gpu_choices_save(device) : status;
}

pm_status pm_device_forget_choices(pm_device *device)
{
    return gpu_choices_forget(device);
}
