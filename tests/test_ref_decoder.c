/* The CPU twin of the operations that decoders such as Llama, Qwen and Gemma have. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

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
        TEST(test_rmsnorm_by_hand), TEST(test_rmsnorm_gradient),   TEST(test_gates_by_hand),
        TEST(test_gates_gradient),  TEST(test_normalised_product), TEST(test_embed_without_positions),
    };
    return cmocka_run_group_tests_name("ref of decoders", tests, NULL, NULL);
}
