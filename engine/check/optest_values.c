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
    switch (call->op) {
    case OP_KV_APPEND:
    case OP_SUMSQ:
    case OP_ADAMW: return true;
    case OP_MATMUL: return call->attr.accumulate && slot == 0;
    case OP_ATTENTION: return slot == ATTENTION_CACHE;
    case OP_LM_LOSS_BWD: return call->attr.accumulate && slot == 1;
    default: return call->attr.accumulate;
    }
}

static void set_float(operand *o, uint64_t i, float value)
{
    if (o->half) {
        uint16_t half = half_from_float(value);
        value = half_to_float(half);
        memcpy((uint16_t *)o->image + i, &half, 2);
    } else {
        memcpy(&o->image[i], &value, 4);
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

static void fill_integers(bench *b, int slot)
{
    op_call *c = &b->call;
    operand *o = optest_find(b, &c->in[slot]);
    switch (c->op) {
    case OP_GATHER: fill_index(b, o, c->in[0].rows); return;
    case OP_GATHER_BWD: fill_index(b, o, c->out[0].rows); return;
    case OP_LABEL_LOSS:
    case OP_LABEL_LOSS_BWD: fill_labels(b, o, c->in[0].rows * c->in[0].cols / c->in[1].rows); return;
    default: break;
    }
    bool target = c->op == OP_LM_LOSS || c->op == OP_LM_LOSS_BWD;
    uint32_t vocab = c->op == OP_EMBED_BWD_TOKEN ? c->out[0].rows : c->in[1].rows;
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

/* Weights of examples: some 0, which is how a row that is only padding looks. */
static void fill_weights(bench *b)
{
    op_call *c = &b->call;
    operand *o = optest_find(b, &c->in[1]);
    for (uint32_t i = 0; i < o->count / 2; i++) {
        rng_block block = rng_philox(b->row->seed, i, 0, 4, 0);
        bool ignored =
            b->row->ignored == OPTEST_ALL || (b->row->ignored == OPTEST_SOME && i > 0 && block.v[0] % 4 == 0);
        set_float(o, 2 * i + 1, ignored ? 0 : 0.5f + rng_uniform(block.v[1]));
    }
}

static void fill_scalars(bench *b, int slot)
{
    operand *o = optest_find(b, &b->call.in[slot]);
    if (!o) return;
    step_scalars s = {
        .seed_lo = 0x9d2c5680u + b->row->seed, .seed_hi = 77, .step = 5, .micro = 3, .pos = b->row->pos, .lr = 0.25f};
    s.beta1_fix = 1.5f;
    s.beta2_fix = 3.0f;
    s.grad_scale = 0.125f;
    s.unscale = 0.5f;
    memcpy(o->twin, &s, sizeof s);
    memcpy(o->image, &s, sizeof s);
}

/* Runs the forward twin for what a backward operation takes from it. */
static void chain_forward(bench *b)
{
    op_call *c = &b->call, f = {0};
    f.attr = c->attr;
    if (c->op == OP_LAYERNORM_BWD || c->op == OP_LAYERNORM_BWD_PARAMS) {
        double *zero = calloc(c->in[1].cols, sizeof *zero),
               *y = malloc((size_t)c->in[1].rows * c->in[1].cols * sizeof *y);
        f.op = OP_LAYERNORM;
        f.in[0] = c->in[1];
        f.in[1] = f.in[2] = (op_view){.rows = 1, .cols = c->in[1].cols, .data = zero};
        f.out[0] = (op_view){.rows = c->in[1].rows, .cols = c->in[1].cols, .data = y};
        f.out[1] = c->in[2];
        if (zero && y) ref_run(&f); /* else the comparison fails */
        round_twin(optest_find(b, &c->in[2]));
        free(zero);
        free(y);
    } else if (c->op == OP_ATTENTION_BWD) {
        f.op = OP_ATTENTION;
        f.in[0] = f.in[1] = f.in[2] = c->in[0];
        f.in[3] = c->in[4];
        f.out[0] = c->in[1];
        f.out[1] = c->in[2];
        ref_run(&f);
        round_twin(optest_find(b, &c->in[1]));
        round_twin(optest_find(b, &c->in[2]));
    } else if (c->op == OP_LM_LOSS_BWD) {
        f.op = OP_LM_LOSS;
        for (int i = 0; i < 3; i++) f.in[i] = c->in[i];
        f.in[LM_WEIGHTS] = c->in[LM_BWD_WEIGHTS];
        f.out[0] = c->in[3];
        f.out[1] = c->in[4];
        ref_run(&f);
        round_twin(optest_find(b, &c->in[3]));
        round_twin(optest_find(b, &c->in[4]));
    } else if (c->op == OP_LABEL_LOSS_BWD || c->op == OP_SCORE_LOSS_BWD) {
        f.op = c->op == OP_LABEL_LOSS_BWD ? OP_LABEL_LOSS : OP_SCORE_LOSS;
        f.in[0] = c->in[0];
        f.in[1] = c->in[1];
        f.out[0] = c->in[2];
        ref_run(&f);
        round_twin(optest_find(b, &c->in[2]));
    }
}

/* The range of an input's values: middle - spread … middle + spread. */
static void input_range(const op_call *c, int slot, float *middle, float *spread)
{
    *middle = 0;
    *spread = 1;
    switch (c->op) {
    case OP_LAYERNORM:
    case OP_LAYERNORM_BWD:
    case OP_LAYERNORM_BWD_PARAMS: /* x has a mean well away from 0, since means are compared alone */
        if (slot != (c->op == OP_LAYERNORM ? 0 : 1)) break;
        *middle = 0.5f;
        *spread = 1.5f;
        break;
    case OP_MATMUL: *spread = slot == MATMUL_GELU_PRE ? 3 : 1; break;
    case OP_GELU: *spread = 5; break;
    case OP_GELU_BWD: *spread = slot == 1 ? 5 : 1; break;
    case OP_ATTENTION: *spread = 2; break; /* scores of a standard deviation near 1.3 */
    case OP_ATTENTION_BWD: *spread = slot == 0 ? 2 : 1; break;
    case OP_LM_LOSS:
    case OP_LM_LOSS_BWD:
        *spread = slot == 1 ? 6 / sqrtf((float)c->in[0].cols) : 1; /* logits: near 2 */
        if (slot != (c->op == OP_LM_LOSS ? LM_WEIGHTS : LM_BWD_WEIGHTS)) break;
        *middle = 0.6f;
        *spread = 0.4f;
        break;
    case OP_LABEL_LOSS:
    case OP_LABEL_LOSS_BWD: *spread = 3; break;
    case OP_CLIP: *middle = 1; break;
    case OP_ADAMW: /* the clip factor */
        if (slot != 1) break;
        *middle = 0.6f;
        *spread = 0.2f;
        break;
    default: break;
    }
}

void optest_fill(bench *b)
{
    op_call *c = &b->call;
    int integers = optest_integer_slot(c->op), scalars = optest_scalars_slot(c->op);
    for (int i = 0; i < OP_MAX_IN; i++) {
        float middle, spread;
        bool scratch = c->op == OP_LM_LOSS_BWD && i == 5,
             alias = c->op == OP_ATTENTION && i > 0 && optest_find(b, &c->in[i - 1]) == optest_find(b, &c->in[i]);
        if (i == integers || i == scalars || scratch || alias) continue;
        input_range(c, i, &middle, &spread);
        randomize(b, &c->in[i], middle, spread);
    }
    for (int i = 0; i < OP_MAX_OUT; i++) {
        if (i == optest_scratch_slot(c->op) || !starts_known(c, i)) continue;
        bool second_moment = c->op == OP_ADAMW && i == 2; /* never negative */
        randomize(b, &c->out[i], second_moment ? 0.5f : 0, second_moment ? 0.4f : 1);
    }
    if (integers >= 0) fill_integers(b, integers);
    if (c->op == OP_SCORE_LOSS || c->op == OP_SCORE_LOSS_BWD) fill_weights(b);
    if (scalars >= 0) fill_scalars(b, scalars);
    chain_forward(b);
}
