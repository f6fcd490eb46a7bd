/* The CPU twin of the operations that decoders such as Llama, Qwen and Gemma have. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "helper_golden.h"
#include "helper_twin.h"

static void test_rmsnorm_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_RMSNORM, .attr = {.eps = 0.25f}};
    /* row 0: mean of squares 6, 1/sqrt(6.25) = 0.4; row 1: 2, 1/sqrt(2.25) = 2/3 */
    call.in[RMSNORM_X] = from_list(2, 4, (double[]){0, 2, 2, 4, 2, 0, -2, 0});
    call.in[RMSNORM_GAIN] = from_list(1, 4, (double[]){3, 3, 6, 9});
    call.out[RMSNORM_Y] = zeros(2, 4);
    call.out[RMSNORM_STATS] = zeros(2, 1);
    ref_run(&call);
    expect(&call.out[RMSNORM_Y], (double[]){0, 2.4, 4.8, 14.4, 4, 0, -8, 0}, 1e-14);
    expect(&call.out[RMSNORM_STATS], (double[]){0.4, 2.0 / 3}, 1e-14);
    call.attr.plus = 1;
    ref_run(&call);
    expect(&call.out[RMSNORM_Y], (double[]){0, 3.2, 5.6, 16, 16.0 / 3, 0, -28.0 / 3, 0}, 1e-14);
}

static void rmsnorm_gradient(uint32_t n, uint32_t c_count, float plus)
{
    op_call fwd = {.op = OP_RMSNORM, .attr = {.eps = 1e-2f, .plus = plus}};
    fwd.in[RMSNORM_X] = noise(n, c_count);
    fwd.in[RMSNORM_GAIN] = noise(1, c_count);
    fwd.out[RMSNORM_Y] = zeros(n, c_count);
    fwd.out[RMSNORM_STATS] = zeros(n, 1);
    ref_run(&fwd);
    op_view dy = noise(n, c_count), add = noise(n, c_count), stats = fwd.out[RMSNORM_STATS];
    chain c = {&fwd, 1, {fwd.out[RMSNORM_Y]}, {dy}};
    op_call bwd = {.op = OP_RMSNORM_BWD, .attr = fwd.attr, .in = {dy, fwd.in[0], stats, fwd.in[1]}};
    bwd.out[0] = noise(n, c_count);
    ref_run(&bwd);
    check_gradient("rmsnorm x", &c, &fwd.in[RMSNORM_X], bwd.out[0].data);
    chain both = {&fwd, 1, {fwd.out[RMSNORM_Y], fwd.in[RMSNORM_X]}, {dy, add}};
    bwd.in[RMSNORM_BWD_ADD] = add;
    ref_run(&bwd);
    check_gradient("rmsnorm x + add", &both, &fwd.in[RMSNORM_X], bwd.out[0].data);
    op_call params = {.op = OP_RMSNORM_BWD_PARAMS, .in = {dy, fwd.in[0], stats}, .out = {noise(1, c_count)}};
    ref_run(&params);
    check_gradient("rmsnorm gain", &c, &fwd.in[RMSNORM_GAIN], params.out[0].data);
    check_accumulates(params, 0);
}

static void test_rmsnorm_gradient(void **state)
{
    (void)state;
    rmsnorm_gradient(1, 1, 0);
    rmsnorm_gradient(3, 7, 1);
    rmsnorm_gradient(5, 3, 0);
    rmsnorm_gradient(1, 33, 1);
}

/* ---- heads ---- */

static const op_attr two_on_one = {.heads = 2, .kv_heads = 1, .head = 2, .rotary = 2, .time = 2, .eps = 0.25f};

static void test_head_norm_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_HEAD_NORM, .attr = two_on_one};
    /* heads of q: mean of squares 6, 2; of k: 12; v */
    call.in[HEAD_NORM_QKV] = from_list(1, 8, (double[]){sqrt(8), -2, 2, 0, 0, sqrt(24), 7, -9});
    call.in[HEAD_NORM_Q_GAIN] = from_list(1, 2, (double[]){1, 10});
    call.in[HEAD_NORM_K_GAIN] = from_list(1, 2, (double[]){5, 2});
    call.out[HEAD_NORM_Y] = zeros(1, 8);
    call.out[HEAD_NORM_STATS] = zeros(1, 3);
    ref_run(&call);
    const double q = 0.4 * sqrt(8), k = sqrt(24) / 3.5;
    expect(&call.out[HEAD_NORM_Y], (double[]){q, -8, 4.0 / 3, 0, 0, 2 * k, 7, -9}, 1e-14);
    expect(&call.out[HEAD_NORM_STATS], (double[]){0.4, 2.0 / 3, 1 / 3.5}, 1e-14);
    call.attr.plus = 1;
    ref_run(&call);
    expect(&call.out[HEAD_NORM_Y], (double[]){2 * q, -8.8, 8.0 / 3, 0, 0, 3 * k, 7, -9}, 1e-14);
}

static void head_norm_gradient(uint32_t n, uint32_t heads, uint32_t kv_heads, uint32_t size, float plus)
{
    const uint32_t w = (heads + 2 * kv_heads) * size;
    op_call fwd = {.op = OP_HEAD_NORM};
    fwd.attr = (op_attr){.heads = heads, .kv_heads = kv_heads, .head = size, .eps = 1e-2f, .plus = plus};
    op_view qkv = fwd.in[0] = noise(n, w), dy = noise(n, w);
    op_view q_gain = fwd.in[1] = noise(1, size), k_gain = fwd.in[2] = noise(1, size);
    fwd.out[0] = zeros(n, w);
    op_view stats = fwd.out[1] = zeros(n, heads + kv_heads);
    assert_null(op_check(&fwd));
    ref_run(&fwd);
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    op_call bwd = {.op = OP_HEAD_NORM_BWD, .attr = fwd.attr, .in = {dy, qkv, stats, q_gain, k_gain}};
    bwd.out[0] = noise(n, w);
    assert_null(op_check(&bwd));
    ref_run(&bwd);
    check_gradient("head norm", &c, &fwd.in[0], bwd.out[0].data);
    op_call params = {.op = OP_HEAD_NORM_BWD_PARAMS, .attr = fwd.attr, .in = {dy, qkv, stats}};
    params.out[0] = noise(1, size);
    params.out[1] = noise(1, size);
    assert_null(op_check(&params));
    ref_run(&params);
    check_gradient("head norm q_gain", &c, &fwd.in[1], params.out[0].data);
    check_gradient("head norm k_gain", &c, &fwd.in[2], params.out[1].data);
    check_accumulates(params, 0);
    ref_run(&params);
    check_accumulates(params, 1);
}

static void test_head_norm_gradient(void **state)
{
    (void)state;
    head_norm_gradient(1, 1, 1, 3, 0);
    head_norm_gradient(3, 3, 1, 8, 1);
    head_norm_gradient(2, 2, 2, 5, 0);
}

static void test_rope_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_ROPE, .attr = two_on_one};
    const double c = 0.6, s = 0.8; /* of positions 2 and 4; a quarter turn at 3 */
    call.in[ROPE_TABLE] = from_list(5, 2, (double[]){9, 9, 9, 9, c, s, 0, 1, 9, 9});
    call.in[ROPE_QKV] = from_list(2, 8, (double[]){1, 0, 0, 1, 5, 5, 3, 4, /* row 1: */ 1, 2, 3, 4, 5, 6, 7, 8});
    call.in[ROPE_SCALARS] = scalars_at(2);
    call.out[ROPE_Y] = zeros(2, 8);
    ref_run(&call);
    expect(&call.out[ROPE_Y], (double[]){c, s, -s, c, -1, 7, 3, 4, -2, 1, -4, 3, -6, 5, 7, 8}, 1e-14);
    op_call back = {.op = OP_ROPE, .attr = two_on_one, .in = {call.out[0], call.in[1], call.in[2]}};
    back.attr.inverse = true;
    back.out[0] = zeros(2, 8);
    ref_run(&back);
    expect(&back.out[0], values(&call.in[ROPE_QKV]), 1e-14);

    call.attr.head = call.attr.rotary = 4; /* one head of each; the columns behind the first two are copied */
    call.attr.heads = 0;
    call.attr.kv_heads = 1;
    call.in[ROPE_TABLE].rows = 2;
    assert_string_equal(op_check(&call), "table is not (P,r)");
    call.attr.rotary = 2;
    assert_null(op_check(&call));
    ref_run(&call);
    expect(&call.out[ROPE_Y], (double[]){c, s, 0, 1, 5, 5, 3, 4, -2, 1, 3, 4, 5, 6, 7, 8}, 1e-14);
    call.attr.rotary = 6;
    call.in[ROPE_TABLE].cols = 6;
    assert_non_null(strstr(op_check(&call), "no pairs"));
}

/* A table may have a factor, so that the gradient is not the inverse. */
static void test_rope_gradient(void **state)
{
    (void)state;
    op_call fwd = {.op = OP_ROPE};
    fwd.attr = (op_attr){.heads = 3, .kv_heads = 2, .head = 8, .rotary = 6, .time = 3};
    op_view qkv = fwd.in[0] = noise(6, 56), dy = noise(6, 56);
    fwd.in[1] = noise(5, 6);
    fwd.in[2] = scalars_at(2);
    fwd.out[0] = zeros(6, 56);
    assert_null(op_check(&fwd));
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    op_call bwd = {.op = OP_ROPE, .attr = fwd.attr, .in = {dy, fwd.in[1], fwd.in[2]}, .out = {noise(6, 56)}};
    bwd.attr.inverse = true;
    ref_run(&bwd);
    check_gradient("rope", &c, &qkv, bwd.out[0].data);
}

/* ---- golden rotary positions: make_decoder_golden.py says what is in the files ---- */

static const float *golden_values(const st_file *file, const char *name, const char *what, uint32_t *count)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", name, what);
    const st_tensor *t = st_find(file, full);
    if (!t) fail_msg("no tensor %s", full);
    assert_int_equal(t->dtype, ST_F32);
    *count = (uint32_t)(t->size / 4);
    return t->data;
}

/* The farthest of the rows at their positions from what they should be. A row is a head of q and one of k; v is the row as it was. */
static double golden_distance(const st_file *file, const char *name, bool inverse)
{
    uint32_t half, one, count;
    const float *freq = golden_values(file, name, "freq", &half), *factor = golden_values(file, name, "factor", &one);
    const float *x = golden_values(file, name, inverse ? "dy" : "x", &count);
    const float *want = golden_values(file, name, inverse ? "dx" : "y", &count);
    const int32_t *positions = golden_tensor(file, "positions", ST_I32, 4)->data;
    const uint32_t head = count / 4;
    double off = 0, size = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t at = (uint32_t)positions[i];
        op_call call = {.op = OP_ROPE};
        call.attr =
            (op_attr){.heads = 1, .kv_heads = 1, .head = head, .rotary = 2 * half, .time = 1, .inverse = inverse};
        call.in[ROPE_QKV] = zeros(1, 3 * head);
        call.in[ROPE_TABLE] = zeros(at + 1, 2 * half);
        call.in[ROPE_SCALARS] = scalars_at(at);
        call.out[ROPE_Y] = zeros(1, 3 * head);
        for (uint32_t k = 0; k < 3 * head; k++) values(&call.in[ROPE_QKV])[k] = (double)x[i * head + k % head];
        for (uint32_t k = 0; k < half; k++) {
            double *row = values(&call.in[ROPE_TABLE]) + at * 2 * half + k;
            row[0] = cos(at * (double)freq[k]) * (double)factor[0];
            row[half] = sin(at * (double)freq[k]) * (double)factor[0];
        }
        assert_null(op_check(&call));
        ref_run(&call);
        for (uint32_t k = 0; k < 3 * head; k++) {
            const double expected = (double)(k < 2 * head ? want : x)[i * head + k % head];
            const double distance = values(&call.out[ROPE_Y])[k] - expected;
            off += distance * distance;
            size += expected * expected;
        }
    }
    return sqrt(off / size);
}

static void test_rope_golden(void **state)
{
    (void)state;
    st_file file;
    char *text = NULL;
    golden_open_tensors(TEST_DATA_DIR "/golden/rope", "values.safetensors", &file);
    FILE *list = fopen(TEST_DATA_DIR "/golden/rope/cases.json", "rb");
    assert_non_null(list);
    text = test_malloc(1 << 16);
    text[fread(text, 1, (1 << 16) - 1, list)] = 0;
    fclose(list);
    cJSON *cases = cJSON_Parse(text);
    test_free(text);
    const cJSON *each;
    int count = 0;
    cJSON_ArrayForEach(each, cases)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(each, "name"));
        for (int inverse = 0; inverse < 2; inverse++) {
            /* the frequencies are fp32's, so that angles are up to 2e-4 off */
            const double distance = golden_distance(&file, name, inverse);
            if (!(distance < 1e-4)) fail_msg("%s: %.3g off", name, distance);
            twin_teardown(NULL);
        }
        count++;
    }
    assert_int_equal(count, 14);
    cJSON_Delete(cases);
    st_close(&file);
}

/* ---- gates, tables ---- */

static void test_gates_by_hand(void **state)
{
    (void)state;
    op_view x = from_list(2, 4, (double[]){0, log(3.0), 5, 2, 1, -log(3.0), -2, 4}), y = zeros(2, 2);
    ref_run(&(op_call){.op = OP_SILU_GATE, .in = {x}, .out = {y}});
    expect(&y, (double[]){0, 1.5 * log(3.0), -2 / (1 + exp(-1)), -log(3.0)}, 1e-14);
    x = from_list(1, 6, (double[]){0, 1, -1, 7, 2, 3}), y = zeros(1, 3);
    ref_run(&(op_call){.op = OP_GELU_GATE, .in = {x}, .out = {y}});
    expect(&y, (double[]){0, 2 * 0.841191990608, 3 * -0.158808009392}, 1e-11);
}

static void test_gates_gradient(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        op_view x = noise(3, 14), dy = noise(3, 7);
        for (size_t i = 0; i < count_of(&x); i++) values(&x)[i] *= 3;
        op_call fwd = {.op = k ? OP_GELU_GATE : OP_SILU_GATE, .in = {x}, .out = {zeros(3, 7)}};
        op_call bwd = {.op = k ? OP_GELU_GATE_BWD : OP_SILU_GATE_BWD, .in = {dy, x}, .out = {noise(3, 14)}};
        assert_null(op_check(&fwd));
        assert_null(op_check(&bwd));
        chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
        ref_run(&bwd);
        check_gradient(k ? "gelu gate" : "silu gate", &c, &x, bwd.out[0].data);
    }
}

/* A product of normalised rows is the norm, then the product. */
static void test_normalised_product(void **state)
{
    (void)state;
    op_view x = noise(2, 8), gain = noise(1, 8), w = noise(8, 4), normal = zeros(2, 8), y = zeros(2, 4);
    op_call norm = {.op = OP_RMSNORM, .attr = {.eps = 0.1f, .plus = 1}, .in = {x, gain}, .out = {normal, zeros(2, 1)}};
    ref_run(&norm);
    ref_run(&(op_call){.op = OP_MATMUL, .in = {normal, w}, .out = {y}});
    op_call both = {.op = OP_MATMUL, .attr = norm.attr, .in = {x, w, [MATMUL_GAIN] = gain}, .out = {zeros(2, 4)}};
    assert_null(op_check(&both));
    ref_run(&both);
    expect(&both.out[0], values(&y), 1e-14);
    both.in[MATMUL_SHIFT] = gain;
    both.in[MATMUL_GAIN].rows = 0;
    assert_string_equal(op_check(&both), "shift needs gain");
}

static void test_embed_without_positions(void **state)
{
    (void)state;
    op_call fwd = {.op = OP_EMBED, .attr = {.time = 2, .scale = 4}};
    op_view table = fwd.in[EMBED_TABLE] = from_list(3, 2, (double[]){1, 2, 3, 4, 5, 6}), dy = noise(4, 2);
    fwd.in[EMBED_TOKENS] = ints(4, (int32_t[]){2, 0, 1, 2});
    fwd.in[EMBED_SCALARS] = scalars_at(1);
    fwd.out[0] = zeros(4, 2);
    assert_null(op_check(&fwd));
    ref_run(&fwd);
    expect(&fwd.out[0], (double[]){20, 24, 4, 8, 12, 16, 20, 24}, 0);
    chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
    op_call bwd = {.op = OP_EMBED_BWD_TOKEN, .attr = fwd.attr, .in = {dy, fwd.in[0]}, .out = {noise(3, 2)}};
    ref_run(&bwd);
    check_gradient("table with a factor", &c, &table, bwd.out[0].data);
    check_accumulates(bwd, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, twin_setup, twin_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rmsnorm_by_hand),
        TEST(test_rmsnorm_gradient),
        TEST(test_head_norm_by_hand),
        TEST(test_head_norm_gradient),
        TEST(test_rope_by_hand),
        TEST(test_rope_gradient),
        TEST(test_rope_golden),
        TEST(test_gates_by_hand),
        TEST(test_gates_gradient),
        TEST(test_normalised_product),
        TEST(test_embed_without_positions),
    };
    return cmocka_run_group_tests_name("ref of decoders", tests, NULL, NULL);
}
