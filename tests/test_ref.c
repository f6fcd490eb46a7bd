/* The CPU twin: backward operations agree with central differences of the forward ones, and forward operations with values worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "helper_twin.h"
#include "push.h"

/* ---- forward, by hand ---------------------------------------------------------------------------------------------- */

static void test_dropout_generator(void **state)
{
    (void)state;
    /* Salmon et al.'s known answers: counter 0, key 0; and all ones. */
    rng_block zero = rng_philox(0, 0, 0, 0, 0), ones = rng_philox(~0ull, ~0u, ~0u, ~0u, ~0u);
    const uint32_t zero_want[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const uint32_t ones_want[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    assert_memory_equal(zero.v, zero_want, 16);
    assert_memory_equal(ones.v, ones_want, 16);

    step_scalars s = {0};
    /* 0x6627e8 / 2^24 = 0.399…: word 0 of the zero block is kept where keep is 0.4, dropped where it is 0.399 */
    assert_true(fabs(ref_dropout_factor(&s, 0, 0, 0, 0.6f) - 1.0 / (double)(1.0f - 0.6f)) < 1e-15);
    assert_true(ref_dropout_factor(&s, 0, 0, 0, 0.601f) == 0.0);
    /* 0xe169c5 / 2^24 = 0.8805…, word 1; 0x9b00db = 0.6055…, word 3 */
    assert_true(ref_dropout_factor(&s, 0, 0, 1, 0.12f) == 0.0);
    assert_true(ref_dropout_factor(&s, 0, 0, 1, 0.11f) > 1.0);
    assert_true(ref_dropout_factor(&s, 0, 0, 3, 0.4f) == 0.0);
    assert_true(ref_dropout_factor(&s, 0, 0, 3, 0.39f) > 1.0);
    s = (step_scalars){.seed_lo = ~0u, .seed_hi = ~0u, .step = ~0u};
    assert_int_equal(rng_uniform(rng_philox(~0ull, 5, 6, 7, ~0u).v[2]) < 0.5f,
                     ref_dropout_factor(&s, 7, 6, 22, 0.5f) > 0);
    double kept = 0;
    for (uint32_t i = 0; i < 10000; i++) kept += ref_dropout_factor(&s, 3, i / 100, i % 100, 0.2f) > 0;
    assert_true(fabs(kept / 10000 - 0.8) < 0.02);
}

static void test_embed_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_EMBED, .attr = {.time = 2}};
    call.in[0] = ints(4, (int32_t[]){2, 0, 1, 2});
    call.in[1] = from_list(3, 2, (double[]){1, 2, 3, 4, 5, 6});
    call.in[2] = from_list(4, 2, (double[]){100, 100, 10, 20, 30, 40, 200, 200});
    call.in[3] = scalars_at(1);
    call.out[0] = zeros(4, 2);
    ref_run(&call);
    expect(&call.out[0], (double[]){15, 26, 31, 42, 13, 24, 35, 46}, 0);

    op_call bwd = {.op = OP_EMBED_BWD_TOKEN};
    bwd.in[0] = from_list(4, 2, (double[]){1, 2, 3, 4, 5, 6, 7, 8});
    bwd.in[1] = call.in[0];
    bwd.out[0] = noise(3, 2);
    ref_run(&bwd);
    expect(&bwd.out[0], (double[]){3, 4, 5, 6, 8, 10}, 0);
    bwd.attr.accumulate = true;
    ref_run(&bwd);
    expect(&bwd.out[0], (double[]){6, 8, 10, 12, 16, 20}, 0);

    bwd = (op_call){.op = OP_EMBED_BWD_POSITION, .attr = {.time = 2}, .in = {bwd.in[0]}, .out = {noise(3, 2)}};
    ref_run(&bwd);
    expect(&bwd.out[0], (double[]){6, 8, 10, 12, 0, 0}, 0);
}

static void test_layernorm_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_LAYERNORM, .attr = {.eps = 0.25f}};
    /* row 0: mean 2, var 2, 1/sqrt(2.25) = 2/3; row 1: mean 5, var 0, 1/sqrt(0.25) = 2 */
    call.in[0] = from_list(2, 4, (double[]){0, 2, 2, 4, 5, 5, 5, 5});
    call.in[1] = from_list(1, 4, (double[]){3, 3, 6, 9});
    call.in[2] = from_list(1, 4, (double[]){1, 2, 3, 4});
    call.out[0] = zeros(2, 4);
    call.out[1] = zeros(2, 2);
    ref_run(&call);
    expect(&call.out[0], (double[]){-3, 2, 3, 16, 1, 2, 3, 4}, 1e-14);
    expect(&call.out[1], (double[]){2, 2.0 / 3, 5, 2}, 1e-14);
}

static void test_matmul_by_hand(void **state)
{
    (void)state;
    const double product[] = {22, 28, 49, 64}; /* (1 2 3; 4 5 6) (1 2; 3 4; 5 6) */
    op_view a = from_list(2, 3, (double[]){1, 2, 3, 4, 5, 6}), a_t = from_list(3, 2, (double[]){1, 4, 2, 5, 3, 6});
    op_view b = from_list(3, 2, (double[]){1, 2, 3, 4, 5, 6}), b_t = from_list(2, 3, (double[]){1, 3, 5, 2, 4, 6});
    for (int t = 0; t < 4; t++) {
        op_call call = {.op = OP_MATMUL, .attr = {.trans_a = t & 1, .trans_b = t >> 1}};
        call.in[MATMUL_A] = t & 1 ? a_t : a;
        call.in[MATMUL_B] = t >> 1 ? b_t : b;
        call.out[0] = noise(2, 2);
        ref_run(&call);
        expect(&call.out[0], product, 0);
        call.attr.accumulate = true;
        call.in[MATMUL_BIAS] = from_list(1, 2, (double[]){1, -1});
        call.in[MATMUL_RESIDUAL] = from_list(2, 2, (double[]){1000, 2000, 3000, 4000});
        call.out[1] = zeros(2, 2);
        ref_run(&call);
        expect(&call.out[0], (double[]){1045, 2055, 3099, 4127}, 0);
        expect(&call.out[1], (double[]){23, 27, 50, 63}, 0);
    }
}

static void test_elementwise_by_hand(void **state)
{
    (void)state;
    op_view x = from_list(1, 5, (double[]){0, 1, -1, 3, -40}), y = zeros(1, 5);
    ref_run(&(op_call){.op = OP_GELU, .in = {x}, .out = {y}});
    /* 0.5 (1 + tanh(0.7978845608 * 1.044715)) = 0.841191990…, and y(-x) = y(x) - x */
    expect(&y, (double[]){0, 0.841191990608, -0.158808009392, 2.996362607918, 0}, 1e-11);
    ref_run(&(op_call){.op = OP_ADD, .in = {x, x}, .out = {y}});
    expect(&y, (double[]){0, 2, -2, 6, -80}, 0);

    op_call drop = {.op = OP_DROPOUT, .attr = {.dropout = 0.5f, .stream = 4}, .in = {noise(9, 7), scalars_at(0)}};
    drop.out[0] = zeros(9, 7);
    ref_run(&drop);
    int kept = 0;
    for (uint32_t i = 0; i < 63; i++) {
        double factor = ref_dropout_factor(drop.in[1].data, 4, ref_mask_row(drop.in[1].data, 9, i / 7), i % 7, 0.5f);
        assert_true(values(&drop.out[0])[i] == factor * values(&drop.in[0])[i]);
        kept += factor > 0;
    }
    assert_in_range(kept, 15, 48);
}

static void test_attention_by_hand(void **state)
{
    (void)state;
    /* One head of size 4, scale 1/2. Scores of query 1: 0 and ln 3, so its probabilities are 1/4 and 3/4. */
    double ln3 = log(3.0);
    op_call call = {.op = OP_ATTENTION, .attr = {.heads = 1, .time = 2, .off_k = 4, .off_v = 8}};
    call.in[0] = from_list(2, 12, (double[]){5, 5, 5, 5,   /* k */ 0, 1, 0, 0, /* v */ 4, 8, 0, -4, /* row 1: */ 2,
                                             0, 0, 0, ln3, 0,         7, 7, 0, 4,         8, 4});
    call.in[1] = call.in[2] = call.in[0];
    call.in[3] = scalars_at(0);
    call.out[0] = zeros(2, 4);
    call.out[1] = zeros(2, 1);
    ref_run(&call);
    expect(&call.out[0], (double[]){4, 8, 0, -4, 1, 5, 6, 2}, 1e-14);
    expect(&call.out[1], (double[]){2.5, log(4.0)}, 1e-14);

    call.attr.dropout = 0.5f;
    call.attr.stream = 11;
    ref_run(&call);
    const uint32_t second = ref_mask_row(call.in[3].data, 2, 1);
    double f0 = ref_dropout_factor(call.in[3].data, 11, second, 0, 0.5f),
           f1 = ref_dropout_factor(call.in[3].data, 11, second, 1, 0.5f);
    expect(&call.out[1], (double[]){2.5, log(4.0)}, 1e-14);
    assert_true(fabs(values(&call.out[0])[4] - f0) < 1e-14);
    assert_true(fabs(values(&call.out[0])[6] - 6 * f1) < 1e-14);
}

/* Where queries are zero all keys weigh the same, so values 2^s spell out which keys each row of the mask kept. */
static void test_attention_mask(void **state)
{
    (void)state;
    enum { B = 2, T = 3, H = 2, D = 4, C = H * D };
    op_call call = {.op = OP_ATTENTION, .attr = {.heads = H, .time = T, .off_k = C, .off_v = 2 * C}};
    call.attr.dropout = 0.5f;
    call.attr.stream = 2;
    op_view qkv = zeros(B * T, 3 * C);
    for (int n = 0; n < B * T; n++)
        for (int c = 0; c < C; c++) values(&qkv)[n * 3 * C + 2 * C + c] = 1 << n % T;
    call.in[0] = call.in[1] = call.in[2] = qkv;
    call.in[3] = scalars_at(0);
    call.out[0] = zeros(B * T, C);
    call.out[1] = zeros(B * T, H);
    ref_run(&call);
    for (uint32_t n = 0; n < B * T; n++)
        for (uint32_t h = 0; h < H; h++) {
            uint32_t t = n % T, row = ref_mask_row(call.in[3].data, B * H * T, (n / T * H + h) * T + t);
            double want = 0;
            for (uint32_t s = 0; s <= t; s++)
                want += (1 << s) * ref_dropout_factor(call.in[3].data, 2, row, s, 0.5f) / (t + 1.0);
            for (uint32_t d = 0; d < D; d++) assert_true(fabs(values(&call.out[0])[n * C + h * D + d] - want) < 1e-14);
        }
}

/* Decoding one token at a time from a cache longer than needed gives what attention over the whole sequence gives. */
static void test_cache_equals_whole(void **state)
{
    (void)state;
    enum { T = 5, C = 8, H = 2 };
    op_call whole = {.op = OP_ATTENTION, .attr = {.heads = H, .time = T, .off_k = C, .off_v = 2 * C}};
    whole.in[0] = whole.in[1] = whole.in[2] = noise(T, 3 * C);
    whole.in[3] = scalars_at(0);
    whole.out[0] = zeros(T, C);
    whole.out[1] = zeros(T, H);
    ref_run(&whole);
    op_view cache = noise(T + 4, 2 * C), start = copy_of(&cache);
    for (uint32_t t = 0; t < T; t++) {
        op_view row = from_list(1, 3 * C, values(&whole.in[0]) + t * 3 * C);
        ref_run(&(op_call){.op = OP_KV_APPEND, .in = {row, scalars_at(t)}, .out = {cache}});
        op_call step = {.op = OP_ATTENTION, .attr = {.heads = H, .time = 1, .off_v = C}};
        step.in[0] = row;
        step.in[1] = step.in[2] = cache;
        step.in[3] = scalars_at(t);
        step.out[0] = zeros(1, C);
        step.out[1] = zeros(1, H);
        ref_run(&step);
        expect(&step.out[0], values(&whole.out[0]) + t * C, 1e-14);
        expect(&step.out[1], values(&whole.out[1]) + t * H, 1e-14);
    }
    for (uint32_t t = 0; t < T; t++)
        assert_memory_equal(values(&cache) + t * 2 * C, values(&whole.in[0]) + t * 3 * C + C, 2 * C * sizeof(double));
    assert_memory_equal(values(&cache) + T * 2 * C, values(&start) + T * 2 * C, 4 * 2 * C * sizeof(double));
}

static void test_loss_by_hand(void **state)
{
    (void)state;
    /* h picks a column of the table: logits of row 0 are 0, 0, ln 2; of row 1 ln 5, ln 4, ln 1 */
    op_call call = {.op = OP_LM_LOSS};
    call.in[0] = from_list(3, 2, (double[]){1, 0, 0, 1, 3, 3});
    call.in[1] = from_list(3, 2, (double[]){0, log(5.0), 0, log(4.0), log(2.0), 0});
    call.in[2] = ints(3, (int32_t[]){2, 1, -1});
    call.out[0] = zeros(3, 4);
    call.out[1] = zeros(1, 4);
    ref_run(&call);
    double total = log(4.0 / 2) + log(10.0 / 4);
    expect(&call.out[1], (double[]){total / 2, total, 2, 0}, 1e-14);
    op_view first_two = {.rows = 2, .cols = 4, .data = call.out[0].data};
    expect(&first_two, (double[]){log(4.0), log(2.0), log(2.0), 2, log(10.0), log(4.0), log(5.0), 2}, 1e-14);

    call.in[2] = ints(3, (int32_t[]){-1, -1, -1});
    ref_run(&call);
    expect(&call.out[1], (double[]){0, 0, 0, 0}, 0);
}

static void test_optimizer_by_hand(void **state)
{
    (void)state;
    op_call sum = {.op = OP_SUMSQ, .attr = {.part = SUMSQ_PARTS}, .in = {from_list(2, 1, (double[]){3, 4})}};
    sum.out[0] = noise(1, 2 * SUMSQ_PARTS);
    op_view start = copy_of(&sum.out[0]);
    ref_run(&sum);
    double total = 0;
    for (int i = 0; i < SUMSQ_PARTS; i++) total += values(&sum.out[0])[SUMSQ_PARTS + i];
    assert_true(total == 25);
    assert_memory_equal(sum.out[0].data, start.data, SUMSQ_PARTS * sizeof(double));

    op_view parts = from_list(1, 3, (double[]){9, 7, 9}), norm = zeros(1, 2);
    const float clips[] = {2.5f, 10, 0};
    op_call clip = {.op = OP_CLIP, .in = {parts, scalars_at(0)}, .out = {norm}};
    for (int i = 0; i < 3; i++) { /* the buffers hold twice the gradient */
        clip.attr.clip = clips[i] / 2;
        ref_run(&clip);
        expect(&norm, (double[]){2.5, i == 0 ? 0.5 * 1.25 / (2.5 + 1e-6) : 0.5}, 0);
    }
    values(&parts)[1] = (double)INFINITY;
    ref_run(&clip);
    assert_true(values(&norm)[1] == 0);

    /* clip factor 1/2: g = 2 and -4. m = 0.5 m + 0.5 g; v = 0.75 v + 0.25 g^2; m fixed by 2, v by 4; lr 0.5 */
    op_call adam = {.op = OP_ADAMW};
    adam.attr = (op_attr){.beta1 = 0.5f, .beta2 = 0.75f, .eps = 0.5f, .weight_decay = 0.5f, .decayed = 1};
    adam.in[0] = from_list(1, 2, (double[]){4, -8});
    adam.in[1] = from_list(1, 2, (double[]){8, 0.5});
    adam.in[2] = scalars_at(0);
    adam.out[0] = from_list(1, 2, (double[]){8, 8});
    adam.out[1] = from_list(1, 2, (double[]){1, 0});
    adam.out[2] = from_list(1, 2, (double[]){1, 0});
    ref_run(&adam);
    expect(&adam.out[1], (double[]){1.5, -2}, 0);
    expect(&adam.out[2], (double[]){1.75, 4}, 0);
    expect(&adam.out[0], (double[]){6 - 0.5 * 3 / (sqrt(7.0) + 0.5), 8 + 0.5 * 4 / 4.5}, 1e-14);
    op_view before[3];
    for (int i = 0; i < 3; i++) before[i] = copy_of(&adam.out[i]);
    values(&adam.in[1])[1] = 0; /* skipped */
    ref_run(&adam);
    for (int i = 0; i < 3; i++) assert_memory_equal(adam.out[i].data, before[i].data, 2 * sizeof(double));
}

/* ---- backward, by central differences ------------------------------------------------------------------------------ */

static void test_embed_gradient(void **state)
{
    (void)state;
    op_call fwd = {.op = OP_EMBED, .attr = {.time = 3}};
    fwd.in[0] = ints(6, (int32_t[]){1, 4, 1, 0, 1, 2});
    fwd.in[1] = noise(5, 3);
    fwd.in[2] = noise(4, 3);
    fwd.in[3] = scalars_at(0);
    fwd.out[0] = zeros(6, 3);
    op_view dy = noise(6, 3);
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    op_call token = {.op = OP_EMBED_BWD_TOKEN, .in = {dy, fwd.in[0]}, .out = {noise(5, 3)}};
    ref_run(&token);
    check_gradient("token table", &c, &fwd.in[1], token.out[0].data);
    check_accumulates(token, 0);
    op_call position = {.op = OP_EMBED_BWD_POSITION, .attr = {.time = 3}, .in = {dy}, .out = {noise(4, 3)}};
    ref_run(&position);
    check_gradient("position table", &c, &fwd.in[2], position.out[0].data);
    check_accumulates(position, 0);
}

static void layernorm_gradient(uint32_t n, uint32_t c_count)
{
    op_call fwd = {.op = OP_LAYERNORM, .attr = {.eps = 1e-2f}};
    fwd.in[0] = noise(n, c_count);
    fwd.in[1] = noise(1, c_count);
    fwd.in[2] = noise(1, c_count);
    fwd.out[0] = zeros(n, c_count);
    fwd.out[1] = zeros(n, 2);
    ref_run(&fwd);
    op_view dy = noise(n, c_count), add = noise(n, c_count);
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    op_call bwd = {.op = OP_LAYERNORM_BWD, .in = {dy, fwd.in[0], fwd.out[1], fwd.in[1]}, .out = {noise(n, c_count)}};
    if (c_count > 1) { /* one channel has no gradient */
        ref_run(&bwd);
        check_gradient("layernorm x", &c, &fwd.in[0], bwd.out[0].data);
    }
    /* with the branch around it: objective + sum of add * x */
    chain both = {&fwd, 1, {fwd.out[0], fwd.in[0]}, {dy, add}};
    bwd.in[4] = add;
    ref_run(&bwd);
    check_gradient("layernorm x + add", &both, &fwd.in[0], bwd.out[0].data);
    op_call params = {.op = OP_LAYERNORM_BWD_PARAMS, .in = {dy, fwd.in[0], fwd.out[1]}};
    params.out[0] = noise(1, c_count);
    params.out[1] = noise(1, c_count);
    ref_run(&params);
    if (c_count > 1) check_gradient("layernorm gain", &c, &fwd.in[1], params.out[0].data);
    check_gradient("layernorm bias", &c, &fwd.in[2], params.out[1].data);
    check_accumulates(params, 0);
    ref_run(&params);
    check_accumulates(params, 1);
}

static void test_layernorm_gradient(void **state)
{
    (void)state;
    layernorm_gradient(1, 1);
    layernorm_gradient(3, 7);
    layernorm_gradient(5, 3);
    layernorm_gradient(1, 33);
}

/* y = dropout(gelu(op(A) op(B) + bias)) + residual, and the products, sums and slopes that make its gradient. */
static void matmul_gradient(bool trans_a, bool trans_b, bool gelu, float dropout)
{
    enum { M = 5, N = 3, K = 7 };
    op_view dy = noise(M, N), scalars = scalars_at(0), pre = zeros(M, N), none = {0};
    op_call fwd = {.op = OP_MATMUL, .attr = {.trans_a = trans_a, .trans_b = trans_b, .gelu = gelu, .dropout = dropout}};
    fwd.attr.stream = 3;
    fwd.in[MATMUL_A] = trans_a ? noise(K, M) : noise(M, K);
    fwd.in[MATMUL_B] = trans_b ? noise(N, K) : noise(K, N);
    fwd.in[MATMUL_BIAS] = noise(1, N);
    fwd.in[MATMUL_RESIDUAL] = noise(M, N);
    fwd.in[MATMUL_SCALARS] = dropout > 0 ? scalars : none;
    fwd.out[0] = zeros(M, N);
    fwd.out[1] = pre;
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    objective(&c);

    op_view d = copy_of(&dy), dpre = zeros(M, N);
    if (dropout > 0) ref_run(&(op_call){.op = OP_DROPOUT, .attr = fwd.attr, .in = {dy, scalars}, .out = {d}});
    memcpy(dpre.data, d.data, count_of(&d) * sizeof(double));
    if (gelu) ref_run(&(op_call){.op = OP_GELU_BWD, .in = {d, pre}, .out = {dpre}});

    op_call da = {.op = OP_MATMUL, .attr = {.trans_b = !trans_b}, .in = {dpre, fwd.in[MATMUL_B]}, .out = {noise(M, K)}};
    if (trans_a) { /* the gradient of A as stored: B d^T */
        da.attr = (op_attr){.trans_a = trans_b, .trans_b = true};
        da.in[MATMUL_A] = fwd.in[MATMUL_B];
        da.in[MATMUL_B] = dpre;
        da.out[0] = noise(K, M);
    }
    ref_run(&da);
    check_gradient("matmul A", &c, &fwd.in[MATMUL_A], da.out[0].data);
    check_accumulates(da, 0);
    op_call db = {.op = OP_MATMUL, .attr = {.trans_a = !trans_a}, .in = {fwd.in[MATMUL_A], dpre}, .out = {noise(K, N)}};
    if (trans_b) { /* d^T A */
        db.attr = (op_attr){.trans_a = true, .trans_b = trans_a};
        db.in[MATMUL_A] = dpre;
        db.in[MATMUL_B] = fwd.in[MATMUL_A];
        db.out[0] = noise(N, K);
    }
    ref_run(&db);
    check_gradient("matmul B", &c, &fwd.in[MATMUL_B], db.out[0].data);
    op_call dbias = {.op = OP_COLSUM, .in = {dpre}, .out = {noise(1, N)}};
    ref_run(&dbias);
    check_gradient("matmul bias", &c, &fwd.in[MATMUL_BIAS], dbias.out[0].data);
    check_accumulates(dbias, 0);
    check_gradient("matmul residual", &c, &fwd.in[MATMUL_RESIDUAL], dy.data);
}

static void test_matmul_gradient(void **state)
{
    (void)state;
    for (int t = 0; t < 4; t++)
        for (int e = 0; e < 4; e++) {
            matmul_gradient(t & 1, t >> 1, e & 1, e >> 1 ? 0.4f : 0.0f);
            twin_teardown(NULL);
        }
}

/* The backward epilogue: the gradient of x in y = gelu(x) W, taken by one product. */
static void test_gelu_gradient(void **state)
{
    (void)state;
    op_view x = noise(5, 7), w = noise(7, 3), hidden = zeros(5, 7), y = zeros(5, 3), dy = noise(5, 3),
            one = zeros(5, 7);
    for (size_t i = 0; i < count_of(&x); i++) values(&x)[i] *= 3;
    for (size_t i = 0; i < count_of(&one); i++) values(&one)[i] = 1;
    op_call calls[2] = {{.op = OP_GELU, .in = {x}, .out = {hidden}}, {.op = OP_MATMUL, .in = {hidden, w}, .out = {y}}};
    chain c = {calls, 2, {y}, {dy}};
    op_call bwd = {.op = OP_MATMUL, .attr = {.trans_b = true}, .in = {dy, w}, .out = {noise(5, 7)}};
    bwd.in[MATMUL_GELU_PRE] = x;
    ref_run(&bwd);
    check_gradient("gelu within a product", &c, &x, bwd.out[0].data);
    chain alone = {calls, 1, {hidden}, {one}};
    op_call slope = {.op = OP_GELU_BWD, .in = {one, x}, .out = {noise(5, 7)}};
    ref_run(&slope);
    check_gradient("gelu", &alone, &x, slope.out[0].data);
}

static void attention_gradient(uint32_t sequences, uint32_t time, uint32_t heads, uint32_t size, float dropout)
{
    uint32_t n = sequences * time, c_count = heads * size;
    op_call fwd = {.op = OP_ATTENTION, .attr = {.heads = heads, .time = time, .dropout = dropout, .stream = 5}};
    /* k | q | v: another order than usual, to see that the offsets are obeyed */
    fwd.attr.off_q = c_count;
    fwd.attr.off_v = 2 * c_count;
    op_view qkv = noise(n, 3 * c_count), dy = noise(n, c_count), scalars = scalars_at(0);
    fwd.in[0] = fwd.in[1] = fwd.in[2] = qkv;
    fwd.in[3] = scalars;
    fwd.out[0] = zeros(n, c_count);
    fwd.out[1] = zeros(n, heads);
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    objective(&c);
    op_call bwd = {.op = OP_ATTENTION_BWD, .attr = fwd.attr, .in = {qkv, fwd.out[0], fwd.out[1], dy, scalars}};
    bwd.out[0] = noise(n, 3 * c_count);
    ref_run(&bwd);
    check_gradient("attention", &c, &qkv, bwd.out[0].data);
}

static void test_attention_gradient(void **state)
{
    (void)state;
    attention_gradient(1, 1, 1, 4, 0);
    attention_gradient(2, 3, 2, 4, 0);
    attention_gradient(1, 9, 1, 20, 0);
    attention_gradient(2, 7, 3, 4, 0.3f);
    attention_gradient(3, 5, 1, 16, 0.1f);
}

static void loss_gradient(uint32_t n, uint32_t c_count, uint32_t v_count, const int32_t *targets)
{
    op_call fwd = {.op = OP_LM_LOSS, .in = {noise(n, c_count), noise(v_count, c_count), ints(n, targets)}};
    fwd.out[0] = zeros(n, 4);
    fwd.out[1] = zeros(1, 4);
    op_view scalars = scalars_at(0), scale = from_list(1, 4, (double[]){0.25, 0, 0, 0}), none = {0};
    chain c = {&fwd, 1, {fwd.out[1]}, {scale}};
    objective(&c);
    op_call bwd = {.op = OP_LM_LOSS_BWD, .attr.scale = 1};
    bwd.in[0] = fwd.in[0];
    bwd.in[1] = fwd.in[1];
    bwd.in[2] = fwd.in[2];
    bwd.in[3] = copy_of(&fwd.out[0]);
    bwd.in[4] = copy_of(&fwd.out[1]);
    bwd.in[5] = none;
    bwd.in[6] = scalars;
    bwd.out[0] = noise(n, c_count);
    bwd.out[1] = noise(v_count, c_count);
    ref_run(&bwd);
    check_gradient("loss h", &c, &fwd.in[0], bwd.out[0].data);
    check_gradient("loss table", &c, &fwd.in[1], bwd.out[1].data);
    check_accumulates(bwd, 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; targets[i] < 0 && j < c_count; j++) assert_true(values(&bwd.out[0])[i * c_count + j] == 0);
}

static void test_loss_gradient(void **state)
{
    (void)state;
    loss_gradient(1, 3, 5, (int32_t[]){2});
    loss_gradient(4, 7, 9, (int32_t[]){0, -1, 8, 8});
    loss_gradient(3, 1, 33, (int32_t[]){32, 0, -100});
}

static void test_loss_without_targets(void **state)
{
    (void)state;
    op_call bwd = {.op = OP_LM_LOSS_BWD, .attr.scale = 1};
    bwd.in[0] = noise(2, 3);
    bwd.in[1] = noise(5, 3);
    bwd.in[2] = ints(2, (int32_t[]){-1, -1});
    bwd.in[3] = noise(2, 4);
    bwd.in[4] = zeros(1, 4);
    bwd.in[6] = scalars_at(0);
    bwd.out[0] = noise(2, 3);
    bwd.out[1] = noise(5, 3);
    ref_run(&bwd);
    for (int i = 0; i < 6; i++) assert_true(values(&bwd.out[0])[i] == 0);
    for (int i = 0; i < 15; i++) assert_true(values(&bwd.out[1])[i] == 0);
}

/* One table that embeds the tokens and makes the logits: the gradients of both uses are added in one place. */
static void test_tied_table(void **state)
{
    (void)state;
    enum { N = 4, C = 5, V = 6 };
    op_view table = noise(V, C), tokens = ints(N, (int32_t[]){3, 0, 3, 5}), targets = ints(N, (int32_t[]){0, 3, -1, 2});
    op_view h = zeros(N, C), scalars = scalars_at(0), none = {0};
    op_call calls[2] = {{.op = OP_EMBED, .attr = {.time = N}, .in = {tokens, table, noise(N, C), scalars}, .out = {h}},
                        {.op = OP_LM_LOSS, .in = {h, table, targets}, .out = {zeros(N, 4), zeros(1, 4)}}};
    chain c = {calls, 2, {calls[1].out[1]}, {from_list(1, 4, (double[]){0.25, 0, 0, 0})}};
    objective(&c);
    op_call loss = {.op = OP_LM_LOSS_BWD, .attr.scale = 1};
    loss.in[0] = h;
    loss.in[1] = table;
    loss.in[2] = targets;
    loss.in[3] = calls[1].out[0];
    loss.in[4] = calls[1].out[1];
    loss.in[5] = none;
    loss.in[6] = scalars;
    loss.out[0] = noise(N, C);
    loss.out[1] = noise(V, C);
    ref_run(&loss);
    op_call token = {.op = OP_EMBED_BWD_TOKEN, .attr = {.accumulate = true}};
    token.in[0] = loss.out[0];
    token.in[1] = tokens;
    token.out[0] = loss.out[1];
    ref_run(&token);
    check_gradient("tied table", &c, &table, token.out[0].data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, twin_setup, twin_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dropout_generator), TEST(test_embed_by_hand),        TEST(test_layernorm_by_hand),
        TEST(test_matmul_by_hand),    TEST(test_elementwise_by_hand),  TEST(test_attention_by_hand),
        TEST(test_attention_mask),    TEST(test_cache_equals_whole),   TEST(test_loss_by_hand),
        TEST(test_optimizer_by_hand), TEST(test_embed_gradient),       TEST(test_layernorm_gradient),
        TEST(test_matmul_gradient),   TEST(test_gelu_gradient),        TEST(test_attention_gradient),
        TEST(test_loss_gradient),     TEST(test_loss_without_targets), TEST(test_tied_table),
    };
    return cmocka_run_group_tests_name("ref", tests, NULL, NULL);
}
