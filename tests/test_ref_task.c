/* The CPU twin of fine-tuning's operations: gathering, weighted losses, losses of labels and scores. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "helper_twin.h"

/* (rows, 2) integers. */
static op_view int_pairs(uint32_t rows, const int32_t *list)
{
    op_view view = ints(2 * rows, list);
    view.rows = rows;
    view.cols = 2;
    return view;
}

static void test_gather_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_GATHER, .attr.group = 2};
    call.in[0] = from_list(4, 2, (double[]){1, 2, 3, 4, 5, 6, 7, 8});
    call.in[1] = ints(6, (int32_t[]){3, 0, 1, -1, -1, -1});
    call.out[0] = noise(3, 2);
    ref_run(&call);
    expect(&call.out[0], (double[]){8, 10, 3, 4, 0, 0}, 0);
}

static void test_gather_gradient(void **state)
{
    (void)state;
    op_call fwd = {.op = OP_GATHER, .attr.group = 2};
    fwd.in[0] = noise(7, 3);
    fwd.in[1] = ints(6, (int32_t[]){6, 2, -1, 0, 3, 4});
    fwd.out[0] = zeros(3, 3);
    op_view dy = noise(3, 3), add = noise(7, 3);
    chain alone = {&fwd, 1, {fwd.out[0]}, {dy}}, both = {&fwd, 1, {fwd.out[0], fwd.in[0]}, {dy, add}};
    op_call bwd = {.op = OP_GATHER_BWD, .attr.group = 2, .in = {dy, fwd.in[1]}, .out = {noise(7, 3)}};
    ref_run(&bwd);
    check_gradient("gather x", &alone, &fwd.in[0], bwd.out[0].data);
    bwd.in[2] = add;
    ref_run(&bwd);
    check_gradient("gather x + add", &both, &fwd.in[0], bwd.out[0].data);
}

static void test_label_loss_by_hand(void **state)
{
    (void)state;
    op_call call = {.op = OP_LABEL_LOSS};
    call.in[0] = from_list(6, 1, (double[]){0, log(3.0), log(4.0), 9, log(2.0), 0}); /* 3 examples of 2, in a column */
    call.in[1] = int_pairs(3, (int32_t[]){1, 2, 0, 1, -1, 2});
    call.out[0] = zeros(1, 4);
    ref_run(&call);
    double total = log(4.0 / 3) + 0; /* the second example has one class: it is certain of it */
    expect(&call.out[0], (double[]){total / 2, total, 2, 2}, 1e-14);
    call.in[1] = int_pairs(3, (int32_t[]){0, 2, -1, 2, 0, 2});
    ref_run(&call);
    total = log(4.0) + log(3.0 / 2);
    expect(&call.out[0], (double[]){total / 2, total, 2, 1}, 1e-14);
    call.in[1] = int_pairs(3, (int32_t[]){-1, 2, -1, 2, -1, 2});
    ref_run(&call);
    expect(&call.out[0], (double[]){0, 0, 0, 0}, 0);
}

/* The gradient that a loss's backward twin claims for its values: grad_scale 0.25, scale 0.5. */
static void loss_gradient(const char *what, op_id forward, op_id backward, op_view values_in, op_view right)
{
    op_call fwd = {.op = forward, .in = {values_in, right}, .out = {zeros(1, 4)}};
    chain c = {&fwd, 1, {fwd.out[0]}, {from_list(1, 4, (double[]){0.125, 0, 0, 0})}};
    objective(&c);
    op_call bwd = {.op = backward, .attr.scale = 0.5f};
    bwd.in[0] = values_in;
    bwd.in[1] = right;
    bwd.in[2] = copy_of(&fwd.out[0]);
    bwd.in[3] = scalars_at(0);
    bwd.out[0] = noise(values_in.rows, values_in.cols);
    ref_run(&bwd);
    check_gradient(what, &c, &fwd.in[0], bwd.out[0].data);
}

static void test_label_gradient(void **state)
{
    (void)state;
    loss_gradient("labels", OP_LABEL_LOSS, OP_LABEL_LOSS_BWD, noise(4, 3),
                  int_pairs(4, (int32_t[]){2, 3, 0, 3, -1, 3, 1, 2}));
    loss_gradient("choices", OP_LABEL_LOSS, OP_LABEL_LOSS_BWD, noise(10, 1), int_pairs(2, (int32_t[]){4, 5, 0, 2}));
}

static void test_score_loss(void **state)
{
    (void)state;
    op_call call = {.op = OP_SCORE_LOSS, .out = {zeros(1, 4)}};
    call.in[0] = from_list(3, 1, (double[]){1, 2, 3});
    call.in[1] = from_list(3, 2, (double[]){3, 1, 2.5, 2, 99, 0});
    ref_run(&call);
    expect(&call.out[0], (double[]){4.5 / 3, 4.5, 3, 0}, 1e-15);
    loss_gradient("scores", OP_SCORE_LOSS, OP_SCORE_LOSS_BWD, noise(3, 1), call.in[1]);
}

/* Each target counts as its weight says. */
static void test_weighted_loss(void **state)
{
    (void)state;
    op_call fwd = {.op = OP_LM_LOSS};
    fwd.in[0] = noise(4, 3);
    fwd.in[1] = noise(5, 3);
    fwd.in[2] = ints(4, (int32_t[]){4, -1, 0, 2});
    fwd.out[0] = zeros(4, 4);
    fwd.out[1] = zeros(1, 4);
    double alone[4];
    for (int i = 0; i < 4; i++) {
        op_call one = fwd;
        one.in[0] = (op_view){.rows = 1, .cols = 3, .data = values(&fwd.in[0]) + 3 * i};
        one.in[2] = (op_view){.rows = 1, .cols = 1, .data = (int32_t *)fwd.in[2].data + i};
        ref_run(&one);
        alone[i] = values(&fwd.out[1])[1];
    }
    const double w[4] = {0.5, 7, 0.25, 0};
    fwd.in[LM_LOSS_WEIGHTS] = from_list(4, 1, w);
    chain c = {&fwd, 1, {fwd.out[1]}, {from_list(1, 4, (double[]){0.125, 0, 0, 0})}};
    objective(&c);
    double sum = w[0] * alone[0] + w[2] * alone[2];
    expect(&fwd.out[1], (double[]){sum / 0.75, sum, 0.75, 0}, 1e-14);
    op_call bwd = {.op = OP_LM_LOSS_BWD, .attr.scale = 0.5f};
    for (int i = 0; i < 3; i++) bwd.in[i] = fwd.in[i];
    bwd.in[3] = copy_of(&fwd.out[0]);
    bwd.in[4] = copy_of(&fwd.out[1]);
    bwd.in[6] = scalars_at(0);
    bwd.in[LM_LOSS_BWD_WEIGHTS] = fwd.in[LM_LOSS_WEIGHTS];
    bwd.out[0] = noise(4, 3);
    bwd.out[1] = noise(5, 3);
    ref_run(&bwd);
    check_gradient("weighted h", &c, &fwd.in[0], bwd.out[0].data);
    check_gradient("weighted table", &c, &fwd.in[1], bwd.out[1].data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, twin_setup, twin_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gather_by_hand), TEST(test_gather_gradient), TEST(test_label_loss_by_hand),
        TEST(test_label_gradient), TEST(test_score_loss),      TEST(test_weighted_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
