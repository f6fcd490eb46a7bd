/* The op harness: values of operands, random by row and place; what a backward operation reads comes from the forward twin. */
#include "check/optest_bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/rng.h"
#include "push.h"
#include "ref/ref.h"

/* Whether an output is changed rather than written, so that it must start with known values. */
static bool starts_known(const op_call *call, int slot)
{
    const uint32_t flags = op_table[call->op].out[slot].flags;
    return flags & SLOT_IN_PLACE || (flags & SLOT_ADDS && call->attr.accumulate);
}

static void set_float(operand *o, uint64_t i, float value)
{
    if (o->type == DTYPE_F32) {
        memcpy(&o->image[i], &value, 4);
    } else {
        const bool half = o->type == DTYPE_F16;
        const uint16_t bits = half ? half_from_float(value) : bf16_from_float(value);
        value = half ? half_to_float(bits) : bf16_to_float(bits);
        memcpy((uint16_t *)o->image + i, &bits, 2);
    }
    ((double *)o->twin)[i] = value;
}

/* Appleby's MurmurHash3 finalizer: enough for test values, and quick for tables of 147 MiB. */
static uint32_t mix(uint32_t h)
{
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

/* Uniform in middle - spread … middle + spread. */
static void randomize(bench *b, const op_view *view, float middle, float spread)
{
    operand *o = view->rows ? optest_find(b, view) : NULL;
    if (!o) return;
    uint32_t key = mix(b->row->seed * 64 + ++b->draws);
    for (uint64_t i = 0; i < o->count; i++)
        set_float(o, i, middle + spread * (2 * rng_uniform(mix(key + (uint32_t)i)) - 1));
}

/* What the twin computed becomes an input, rounded as the device would see it. */
static void round_twin(operand *o)
{
    for (uint64_t i = 0; i < o->count; i++) set_float(o, i, (float)((double *)o->twin)[i]);
}

static void set_integer(operand *o, uint32_t i, int32_t value)
{
    ((int32_t *)o->twin)[i] = value;
    memcpy(&o->image[i], &value, 4);
}

/* Rows picked in an order of their own, none twice, some not there. */
static void fill_index(bench *b, operand *o, uint32_t rows)
{
    uint32_t count = (uint32_t)o->count, gap = rows / count;
    for (uint32_t i = 0; i < count; i++) {
        rng_block block = rng_philox(b->row->seed, i, 0, 2, 0);
        uint32_t at = (i * 7919u + 3u) % count; /* 7919 is prime and larger than any count here that it could divide */
        int32_t value = (int32_t)(at * gap + rng_below(block.v[0], block.v[1], gap));
        set_integer(o, i, i > 0 && block.v[2] % 5 == 0 ? -1 : value);
    }
}

/* Each example's class, and how many there are. */
static void fill_labels(bench *b, operand *o, uint32_t most)
{
    uint32_t count = (uint32_t)o->count / 2;
    for (uint32_t i = 0; i < count; i++) {
        rng_block block = rng_philox(b->row->seed, i, 0, 3, 0);
        uint32_t classes = i == 0 ? most : 1 + rng_below(block.v[0], block.v[1], most);
        int32_t label = i == 0 ? (int32_t)most - 1 : (int32_t)rng_below(block.v[2], block.v[3], classes);
        bool ignored =
            b->row->ignored == OPTEST_ALL || (b->row->ignored == OPTEST_SOME && i > 0 && block.v[1] % 4 == 0);
        set_integer(o, 2 * i, ignored ? -1 : label);
        set_integer(o, 2 * i + 1, (int32_t)classes);
    }
}

/* Entries of a table of `vocab` rows; `target`: some are ignored. */
static void fill_tokens(bench *b, operand *o, uint32_t vocab, bool target)
{
    for (uint32_t i = 0; i < o->count; i++) {
        rng_block block = rng_philox(b->row->seed, i, 0, 1, 0);
        int32_t value = (int32_t)rng_below(block.v[0], block.v[1], vocab);
        if (i == 0) value = (int32_t)vocab - 1; /* the table's last row is always used */
        if (i == 1) value = 0;
        bool some = block.v[2] % 5 == 0 && i > 1;
        if (target && (b->row->ignored == OPTEST_ALL || (b->row->ignored == OPTEST_SOME && some)))
            value = i % 2 ? -1 : -100;
        set_integer(o, i, value);
    }
}

static void fill_integers(bench *b, slot_type type, operand *o)
{
    const op_call *c = &b->call;
    if (type == SLOT_INDEX)
        fill_index(b, o, op_letter(c, 'N'));
    else if (type == SLOT_LABELS)
        fill_labels(b, o, op_letter(c, 'A') * op_letter(c, 'B') / op_letter(c, 'R'));
    else
        fill_tokens(b, o, op_letter(c, 'V'), type == SLOT_TARGETS);
}

/* Weights of examples: some 0, which is how a row that is only padding looks. */
static void fill_weights(bench *b, operand *o)
{
    for (uint32_t i = 0; i < o->count / 2; i++) {
        rng_block block = rng_philox(b->row->seed, i, 0, 4, 0);
        bool ignored =
            b->row->ignored == OPTEST_ALL || (b->row->ignored == OPTEST_SOME && i > 0 && block.v[0] % 4 == 0);
        set_float(o, 2 * i + 1, ignored ? 0 : 0.5f + rng_uniform(block.v[1]));
    }
}

static void fill_scalars(bench *b, operand *o)
{
    step_scalars s = {
        .seed_lo = 0x9d2c5680u + b->row->seed, .seed_hi = 77, .step = 5, .micro = 3, .pos = b->row->pos, .lr = 0.25f};
    s.beta1_fix = 1.5f;
    s.beta2_fix = 3.0f;
    s.grad_scale = 0.125f;
    s.unscale = 0.5f;
    memcpy(o->twin, &s, sizeof s);
    memcpy(o->image, &s, sizeof s);
}

/* Runs the forward twin for what a gradient takes from it. Its inputs are the gradient's of the same names, or zeros. */
static void chain_forward(bench *b)
{
    op_call *c = &b->call, f = {.op = op_forward(c->op), .attr = c->attr};
    void *made[OP_SLOTS] = {NULL};
    bool taken = false, memory = true;
    if (f.op == OP_COUNT) return;
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        const op_slot *s = op_slot_at(f.op, slot);
        const int same = s->type == SLOT_NONE ? -1 : op_slot_named(c->op, s->name);
        if (same < 0 || s->type == SLOT_SCRATCH) continue;
        *op_view_at(&f, slot) = c->in[same];
        taken |= slot >= OP_MAX_IN;
    }
    if (!taken) return;
    if (f.op == OP_ATTENTION) f.in[ATTENTION_K] = f.in[ATTENTION_V] = f.in[ATTENTION_QKV];
    op_complete(&f);
    for (int slot = 0; slot < OP_SLOTS; slot++) {
        op_view *v = op_view_at(&f, slot);
        if (v->rows && !v->data && !(v->data = made[slot] = calloc((size_t)v->rows * v->cols, sizeof(double))))
            memory = false;
    }
    if (memory) ref_run(&f); /* else the comparison fails */
    for (int i = 0; i < OP_MAX_OUT; i++) {
        const op_slot *s = &op_table[f.op].out[i];
        const int same = s->type == SLOT_NONE || s->type == SLOT_SCRATCH ? -1 : op_slot_named(c->op, s->name);
        if (same >= 0 && c->in[same].rows) round_twin(optest_find(b, &c->in[same]));
    }
    for (int slot = 0; slot < OP_SLOTS; slot++) free(made[slot]);
}

/* The range of an input's values: middle - spread … middle + spread. By default it is -1 … 1. */
static const struct range {
    op_id op;
    int slot;
    float middle, spread;
} ranges[] = {
    {OP_LAYERNORM, LAYERNORM_X, 0.5f, 1.5f}, /* x has a mean well away from 0, since means are compared alone */
    {OP_LAYERNORM_BWD, LAYERNORM_BWD_X, 0.5f, 1.5f},
    {OP_LAYERNORM_BWD_PARAMS, LAYERNORM_BWD_PARAMS_X, 0.5f, 1.5f},
    {OP_MATMUL, MATMUL_GELU_PRE, 0, 3},
    {OP_GELU, GELU_X, 0, 5},
    {OP_GELU_BWD, GELU_BWD_X, 0, 5},
    {OP_SILU_GATE, SILU_GATE_X, 0, 8},
    {OP_SILU_GATE_BWD, SILU_GATE_BWD_X, 0, 8},
    {OP_GELU_GATE, GELU_GATE_X, 0, 5},
    {OP_GELU_GATE_BWD, GELU_GATE_BWD_X, 0, 5},
    {OP_ATTENTION, ATTENTION_QKV, 0, 2}, /* scores of a standard deviation near 1.3 */
    {OP_ATTENTION, ATTENTION_K, 0, 2},
    {OP_ATTENTION, ATTENTION_V, 0, 2},
    {OP_ATTENTION_BWD, ATTENTION_BWD_QKV, 0, 2},
    {OP_LM_LOSS, LM_LOSS_WEIGHTS, 0.6f, 0.4f},
    {OP_LM_LOSS_BWD, LM_LOSS_BWD_WEIGHTS, 0.6f, 0.4f},
    {OP_LABEL_LOSS, LABEL_LOSS_LOGITS, 0, 3},
    {OP_LABEL_LOSS_BWD, LABEL_LOSS_BWD_LOGITS, 0, 3},
    {OP_CLIP, CLIP_SUMS, 1, 1},
    {OP_ADAMW, ADAMW_NORM, 0.6f, 0.2f}, /* the clip factor */
};

static void input_range(const op_call *c, int slot, float *middle, float *spread)
{
    *middle = 0;
    *spread = 1;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].op == c->op && ranges[i].slot == slot) {
            *middle = ranges[i].middle;
            *spread = ranges[i].spread;
        }
    if ((c->op == OP_LM_LOSS && slot == LM_LOSS_TABLE) || (c->op == OP_LM_LOSS_BWD && slot == LM_LOSS_BWD_TABLE))
        *spread = 6 / sqrtf((float)c->in[LM_LOSS_H].cols); /* logits near 2 */
}

/* An input's random values. */
static void fill_floats(bench *b, int slot)
{
    float middle, spread;
    input_range(&b->call, slot, &middle, &spread);
    randomize(b, &b->call.in[slot], middle, spread);
}

static bool is_alias(bench *b, int slot)
{
    const op_call *c = &b->call;
    return c->op == OP_ATTENTION && slot > 0 && optest_find(b, &c->in[slot - 1]) == optest_find(b, &c->in[slot]);
}

void optest_fill(bench *b)
{
    op_call *c = &b->call;
    for (int i = 0; i < OP_MAX_IN; i++) {
        const slot_type type = op_table[c->op].in[i].type;
        if (!optest_is_integer(type) && type != SLOT_SCALARS && type != SLOT_SCRATCH && !is_alias(b, i))
            fill_floats(b, i);
    }
    for (int i = 0; i < OP_MAX_OUT; i++) {
        if (op_table[c->op].out[i].type == SLOT_SCRATCH || !starts_known(c, i)) continue;
        bool second_moment = c->op == OP_ADAMW && i == ADAMW_V; /* never negative */
        randomize(b, &c->out[i], second_moment ? 0.5f : 0, second_moment ? 0.4f : 1);
    }
    for (int i = 0; i < OP_MAX_IN; i++) {
        const slot_type type = op_table[c->op].in[i].type;
        operand *o = c->in[i].rows ? optest_find(b, &c->in[i]) : NULL;
        if (!o) continue;
        if (optest_is_integer(type)) fill_integers(b, type, o);
        if (type == SLOT_SCORES) fill_weights(b, o);
        if (type == SLOT_SCALARS) fill_scalars(b, o);
    }
    chain_forward(b);
}
