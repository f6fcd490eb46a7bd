/* Measures each kernel variant of each product of a model, and keeps the faster ones. */
#include <pumice/autotune.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "bench/measure.h"
#include "infer/session.h"
#include "train/pass.h"

enum { MOST_PRODUCTS = 256 };

typedef struct product {
    bool half, half_y, trans_a, trans_b;
    uint32_t m, n, k;
    char key[GPU_CHOICE_KEY];
} product;

typedef struct products {
    product all[MOST_PRODUCTS];
    uint32_t count;
} products;

/* Long sums are cut when they are recorded, and are not tuned as a whole. */
static void add(products *to, product p)
{
    if (to->count == MOST_PRODUCTS || (p.k > OP_LONGEST_SUM && !p.half_y)) return;
    op_product_key(p.half, p.half_y, p.trans_a, p.trans_b, p.m, p.n, p.k, p.key);
    for (uint32_t i = 0; i < to->count; i++)
        if (strcmp(to->all[i].key, p.key) == 0) return;
    to->all[to->count++] = p;
}

/* The loss's products, a tile of the vocabulary at a time: logits, and backward what becomes of h and the table. */
static void add_loss(products *to, const pm_caps *caps, const tensor *h, const tensor *table, bool backward)
{
    uint32_t tile = op_lm_tile(caps, h->rows, h->cols, table->rows), last = table->rows % tile;
    for (int i = 0; i < (last ? 2 : 1); i++) {
        uint32_t columns = i ? last : tile;
        if (!backward) {
            add(to, (product){
                        .half = h->half, .half_y = h->half, .trans_b = true, .m = h->rows, .n = columns, .k = h->cols});
        } else {
            add(to, (product){.half = h->half, .half_y = h->half, .m = h->rows, .n = h->cols, .k = columns});
            add(to, (product){.half = h->half, .trans_a = true, .m = columns, .n = h->cols, .k = h->rows});
        }
    }
}

static pm_status collect(products *to, const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                         gpt_shape shape)
{
    pass p;
    bool train = shape.mode == GPT_LOSS;
    pm_status status = pass_plan(&p, log, caps, config, &shape, train, NULL, caps->max_allocation);
    if (status != PM_OK) return status;
    for (uint32_t i = 0; i < p.graph.node_count; i++) {
        const node *n = &p.graph.nodes[i];
        const tensor *t = p.graph.tensors, *a = &t[n->in[0]], *b = &t[n->in[1]], *y = &t[n->out[0]];
        if (n->op == OP_MATMUL)
            add(to, (product){.half = a->half,
                              .half_y = y->half,
                              .trans_a = n->attr.trans_a,
                              .trans_b = n->attr.trans_b,
                              .m = y->rows,
                              .n = y->cols,
                              .k = n->attr.trans_a ? a->rows : a->cols});
        else if (n->op == OP_LM_LOSS || n->op == OP_LM_LOSS_BWD)
            add_loss(to, caps, a, b, n->op == OP_LM_LOSS_BWD);
    }
    pass_fini(&p);
    return PM_OK;
}

static pm_status measure(pm_device *device, const product *p, op_variant variant, bool quick, pm_bench_row *row)
{
    bench_case c = {0};
    case_product(&c, p->m, p->n, p->k, p->trans_a, p->trans_b);
    op_call *call = &c.calls[0];
    c.operands[0].half = c.operands[1].half = call->in[MATMUL_A].half = call->in[MATMUL_B].half = p->half;
    c.operands[2].half = call->out[0].half = p->half_y;
    pm_status status = gpu_choice_set(device, p->key, variant);
    *row = (pm_bench_row){0};
    if (status == PM_OK) status = measure_case(device, &c, quick, row);
    return status;
}

/* Measures every variant that can compute this product against the default one. */
static pm_status autotune_one(pm_device *device, const product *p, bool quick, pm_autotune_row *out)
{
    op_call call = {.op = OP_MATMUL, .attr = {.trans_a = p->trans_a, .trans_b = p->trans_b}};
    call.in[MATMUL_A] = (op_view){.rows = p->trans_a ? p->k : p->m, .cols = p->trans_a ? p->m : p->k, .half = p->half};
    call.in[MATMUL_B] = (op_view){.rows = p->trans_b ? p->n : p->k, .cols = p->trans_b ? p->k : p->n, .half = p->half};
    call.out[0] = (op_view){.rows = p->m, .cols = p->n, .half = p->half_y};
    uint32_t variants = op_product_variants(pm_device_caps(device), &call);
    op_variant usual = op_product_usual(pm_device_caps(device), &call), best = usual;
    pm_bench_row first, fastest;
    pm_status status = measure(device, p, VARIANT_USUAL, quick, &first);
    fastest = first;
    *out = (pm_autotune_row){.variants = 1};
    for (int variant = VARIANT_USUAL + 1; variant < OP_VARIANTS && status == PM_OK; variant++) {
        pm_bench_row row;
        if (!(variants >> variant & 1) || variant == (int)usual) continue;
        status = measure(device, p, (op_variant)variant, quick, &row);
        out->variants++;
        if (status == PM_OK && row.ms < fastest.ms) {
            fastest = row;
            best = (op_variant)variant;
        }
    }
    out->stored = status == PM_OK && best != usual && fastest.ms_high < first.ms_low;
    pm_status kept = gpu_choice_set(device, p->key, out->stored ? best : VARIANT_USUAL);
    snprintf(out->product, sizeof out->product, "%s", p->key);
    snprintf(out->usual, sizeof out->usual, "%s", op_variant_name(usual));
    snprintf(out->best, sizeof out->best, "%s", op_variant_name(best));
    out->usual_ms = first.ms;
    out->best_ms = fastest.ms;
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
    products *found = calloc(1, sizeof *found);
    if (!found) return log_fail(log, PM_NO_HOST_MEMORY, "autotune: no memory");
    gpt_shape step = {
        .mode = GPT_LOSS, .batch = params.batch ? params.batch : 12, .time = params.time ? params.time : filled.ctx};
    if (step.time > filled.ctx)
        status = log_fail(log, PM_INVALID, "autotune: %u tokens do not fit the model's context of %u", step.time,
                          filled.ctx);
    uint32_t chunk = session_chunk(caps, filled.ctx);
    const gpt_shape shapes[] = {
        step, {.mode = GPT_PREFILL, .batch = 1, .time = chunk}, {.mode = GPT_LOGITS, .batch = 1, .time = 1}};
    for (int i = 0; i < 3 && status == PM_OK; i++) status = collect(found, log, caps, &filled, shapes[i]);
    step.half = true;
    if (status == PM_OK && caps->coopmat && !caps->serial) status = collect(found, log, caps, &filled, step);
    for (uint32_t i = 0; i < found->count && status == PM_OK; i++) {
        pm_autotune_row one;
        status = autotune_one(device, &found->all[i], params.quick, &one);
        if (status == PM_OK && row) row(user, &one);
    }
    free(found);
    return status == PM_OK ? gpu_choices_save(device) : status;
}

pm_status pm_device_forget_choices(pm_device *device)
{
    return gpu_choices_forget(device);
}
