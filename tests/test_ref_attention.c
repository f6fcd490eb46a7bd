/* The CPU twin of attention where query heads share keys and values, with windows, and with a scale of its own: against plain attention, and central
 * differences. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "helper_twin.h"
#include "push.h"

typedef struct shape {
    uint32_t sequences, time, heads, kv_heads, size, window;
    float scale, dropout;
} shape;

/* Forward on one tensor q | k | v. */
static op_call forward(shape s, op_view qkv)
{
    const uint32_t rows = s.sequences * s.time, queries = s.heads * s.size, keys = s.kv_heads * s.size;
    op_call call = {.op = OP_ATTENTION, .in = {qkv, qkv, qkv, scalars_at(0)}};
    call.attr = (op_attr){.heads = s.heads,
                          .kv_heads = s.kv_heads,
                          .head = s.size,
                          .time = s.time,
                          .window = s.window,
                          .scale = s.scale,
                          .dropout = s.dropout,
                          .off_k = queries,
                          .off_v = queries + keys,
                          .stream = 5};
    call.out[0] = zeros(rows, queries);
    call.out[1] = zeros(rows, s.heads);
    assert_null(op_check(&call));
    return call;
}

static op_view noise_qkv(shape s)
{
    return noise(s.sequences * s.time, (s.heads + 2 * s.kv_heads) * s.size);
}

static op_call backward(const op_call *fwd, op_view dy)
{
    const op_view qkv = fwd->in[0];
    op_call call = {
        .op = OP_ATTENTION_BWD, .attr = fwd->attr, .in = {qkv, fwd->out[0], fwd->out[1], dy, scalars_at(0)}};
    call.out[0] = noise(qkv.rows, qkv.cols);
    assert_null(op_check(&call));
    return call;
}

/* The same values with a head of keys and values for each query head. */
static op_view repeated(shape s, op_view qkv)
{
    const uint32_t size = s.size, group = s.heads / s.kv_heads;
    op_view all = zeros(qkv.rows, 3 * s.heads * size);
    for (uint32_t n = 0; n < qkv.rows; n++) {
        const double *from = values(&qkv) + (size_t)n * qkv.cols;
        double *to = values(&all) + (size_t)n * all.cols;
        memcpy(to, from, s.heads * size * sizeof *to);
        for (uint32_t part = 0; part < 2; part++)
            for (uint32_t h = 0; h < s.heads; h++)
                memcpy(to + ((part + 1) * s.heads + h) * size, from + (s.heads + part * s.kv_heads + h / group) * size,
                       size * sizeof *to);
    }
    return all;
}

/* Heads that share keys compute what heads with equal keys do; the shared ones' gradient is the sum of theirs. */
static void test_shared_heads(void **state)
{
    (void)state;
    const shape s = {2, 5, 6, 2, 8, 0, 0, 0.3f};
    shape apart = s;
    apart.kv_heads = s.heads;
    op_call shared = forward(s, noise_qkv(s)), plain = forward(apart, repeated(s, shared.in[0]));
    ref_run(&shared);
    ref_run(&plain);
    expect(&shared.out[0], values(&plain.out[0]), 1e-13);
    expect(&shared.out[1], values(&plain.out[1]), 1e-13);
    const op_view dy = noise(shared.out[0].rows, shared.out[0].cols);
    op_call d_shared = backward(&shared, dy), d_plain = backward(&plain, dy);
    ref_run(&d_shared);
    ref_run(&d_plain);
    const uint32_t q = s.heads * s.size, kv = s.kv_heads * s.size, rows = dy.rows;
    for (uint32_t n = 0; n < rows; n++) {
        const double *some = values(&d_shared.out[0]) + (size_t)n * (q + 2 * kv);
        const double *all = values(&d_plain.out[0]) + (size_t)n * 3 * q;
        for (uint32_t i = 0; i < q; i++) assert_true(fabs(some[i] - all[i]) < 1e-13);
        for (uint32_t i = 0; i < 2 * kv; i++) {
            const uint32_t part = i / kv, head = i % kv / s.size;
            double sum = 0;
            for (uint32_t h = 3 * head; h < 3 * head + 3; h++) sum += all[(part + 1) * q + h * s.size + i % s.size];
            assert_true(fabs(some[q + i] - sum) < 1e-12);
        }
    }
}

/* With a window a query computes what it does alone, with the keys that it sees; a window of 1 gives the values themselves. */
static void test_window(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 3, 7, 50};
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        const shape s = {1, 7, 2, 1, 4, windows[w], 0, 0};
        op_call call = forward(s, noise_qkv(s));
        ref_run(&call);
        const op_view qkv = call.in[0];
        for (uint32_t t = 0; t < s.time; t++) {
            const uint32_t first = t + 1 > s.window ? t + 1 - s.window : 0;
            op_view row = from_list(1, 16, values(&qkv) + (size_t)t * 16);
            op_view keys = from_list(t + 1 - first, 16, values(&qkv) + (size_t)first * 16);
            op_call one = call;
            one.attr.time = 1;
            one.attr.window = 0;
            one.in[0] = row;
            one.in[1] = one.in[2] = keys;
            one.in[3] = scalars_at(t - first);
            one.out[0] = zeros(1, 8);
            one.out[1] = zeros(1, 2);
            ref_run(&one);
            expect(&one.out[0], values(&call.out[0]) + (size_t)t * 8, 1e-14);
            expect(&one.out[1], values(&call.out[1]) + (size_t)t * 2, 1e-14);
            for (uint32_t h = 0; h < 2 && s.window == 1; h++)
                assert_memory_equal(values(&call.out[0]) + (size_t)t * 8 + h * 4, values(&row) + 12,
                                    4 * sizeof(double));
        }
    }
}

/* A scale of 1/4 is the one of heads of 16; twice the scale is that of doubled queries. */
static void test_scale(void **state)
{
    (void)state;
    shape s = {1, 6, 2, 1, 16, 4, 0, 0};
    op_call call = forward(s, noise_qkv(s)), same = call, twice = call;
    same.attr.scale = 0.25f;
    same.out[0] = zeros(6, 32);
    same.out[1] = zeros(6, 2);
    ref_run(&call);
    ref_run(&same);
    expect(&same.out[0], values(&call.out[0]), 1e-14);
    twice.attr.scale = 0.5f;
    ref_run(&twice);
    op_view doubled = copy_of(&call.in[0]);
    for (uint32_t n = 0; n < 6; n++)
        for (uint32_t i = 0; i < 32; i++) values(&doubled)[n * 64 + i] *= 2;
    same.in[0] = same.in[1] = same.in[2] = doubled;
    ref_run(&same);
    expect(&same.out[0], values(&twice.out[0]), 1e-14);
}

/* Decoding a token at a time, with the cache's writing before it or within it. */
static void test_cache(void **state)
{
    (void)state;
    const shape s = {1, 9, 6, 2, 4, 4, 0.7f, 0};
    enum { Q = 24, KV = 16, ROW = Q + KV };
    op_call whole = forward(s, noise_qkv(s));
    ref_run(&whole);
    for (int within = 0; within < 2; within++) {
        op_view cache = noise(11, KV);
        for (uint32_t t = 0; t < s.time; t++) {
            op_call step = {.op = OP_ATTENTION, .attr = whole.attr};
            step.attr.time = 1;
            step.attr.off_k = 0;
            step.attr.off_v = KV / 2;
            step.in[0] = from_list(1, ROW, values(&whole.in[0]) + (size_t)t * ROW);
            step.in[3] = scalars_at(t);
            step.out[0] = zeros(1, Q);
            step.out[1] = zeros(1, s.heads);
            op_call append = {.op = OP_KV_APPEND, .attr = {.heads = 6, .kv_heads = 2}};
            append.in[0] = step.in[0];
            append.in[1] = step.in[3];
            append.out[0] = cache;
            assert_null(op_check(&append));
            if (within)
                step.out[ATTENTION_CACHE] = cache;
            else
                step.in[1] = step.in[2] = cache;
            if (!within) ref_run(&append);
            assert_null(op_check(&step));
            ref_run(&step);
            expect(&step.out[0], values(&whole.out[0]) + (size_t)t * Q, 1e-14);
            assert_memory_equal(values(&cache) + (size_t)t * KV, values(&step.in[0]) + Q, KV * sizeof(double));
        }
    }
}

static void test_gradients(void **state)
{
    (void)state;
    static const shape shapes[] = {
        {1, 5, 2, 2, 8, 0, 0, 0},   {2, 6, 4, 2, 8, 5, 0, 0},      {1, 7, 6, 2, 12, 5, 0.5f, 0.3f},
        {1, 7, 4, 1, 20, 1, 0, 0},  {2, 5, 8, 1, 8, 3, 0, 0},      {1, 4, 3, 1, 64, 9, 0, 0.2f},
        {1, 3, 2, 1, 80, 2, 0, 0},  {1, 3, 2, 2, 128, 2, 0.2f, 0}, {1, 3, 2, 1, 160, 0, 0, 0},
        {1, 3, 2, 1, 256, 2, 0, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        op_call fwd = forward(shapes[i], noise_qkv(shapes[i]));
        const op_view dy = noise(fwd.out[0].rows, fwd.out[0].cols);
        chain c = {&fwd, 1, {fwd.out[0]}, {dy}};
        objective(&c);
        op_call bwd = backward(&fwd, dy);
        ref_run(&bwd);
        check_gradient("attention", &c, &fwd.in[0], bwd.out[0].data);
        twin_teardown(NULL);
    }
}

/* What is refused. */
static void test_checks(void **state)
{
    (void)state;
    const shape s = {1, 4, 6, 2, 8, 0, 0, 0};
    const op_call right = forward(s, noise_qkv(s));
    op_call call = right;
    call.attr.kv_heads = 4;
    assert_string_equal(op_check(&call), "the heads of q do not divide among those of k and v");
    call.attr.kv_heads = 12;
    assert_string_equal(op_check(&call), "the heads of q do not divide among those of k and v");
    call = right;
    call.attr.head = 12;
    assert_string_equal(op_check(&call), "y is not (N,H D)");
    call = right;
    call.attr.off_v++;
    assert_string_equal(op_check(&call), "a head lies outside its row");
    call.attr.heads = call.attr.kv_heads = 1;
    call.out[0].cols = call.in[0].cols = 260;
    call.attr.head = 0;
    call.out[1].cols = 1;
    assert_string_equal(op_check(&call), "the head size is not a multiple of 4 up to 256");
    op_call append = {.op = OP_KV_APPEND, .attr = {.heads = 6, .kv_heads = 2}};
    append.in[0] = right.in[0];
    append.in[1] = right.in[3];
    append.out[0] = zeros(4, 32);
    assert_null(op_check(&append));
    append.attr.kv_heads = 3;
    assert_string_equal(op_check(&append), "qkv and the cache are not (N,(H+2K)D) and (P,2KD)");
}

/* Causal pairs, of these the ones within the window. */
static void test_flops(void **state)
{
    (void)state;
    static const uint32_t windows[] = {0, 1, 3, 6, 100}, pairs[] = {21, 6, 15, 21, 21};
    for (int i = 0; i < 5; i++) {
        const shape s = {2, 6, 4, 2, 8, windows[i], 0, 0};
        op_call call = forward(s, noise_qkv(s));
        assert_true(op_flops(&call) == 4.0 * 32 * 2 * pairs[i]);
        const op_call bwd = backward(&call, noise(12, 32));
        assert_true(op_flops(&bwd) == 10.0 * 32 * 2 * pairs[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, twin_setup, twin_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shared_heads), TEST(test_window), TEST(test_scale), TEST(test_cache),
        TEST(test_gradients),    TEST(test_checks), TEST(test_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
