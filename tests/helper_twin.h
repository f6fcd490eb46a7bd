/* Operands and central differences for tests of the CPU twin: memory that lives until the test ends, values from a fixed sequence. */
#ifndef HELPER_TWIN_H
#define HELPER_TWIN_H

#include "ref/ref.h"

/* cmocka's setup and teardown of each test. */
int twin_setup(void **state);
int twin_teardown(void **state);

double *values(const op_view *view);
size_t count_of(const op_view *view); /* elements */

op_view zeros(uint32_t rows, uint32_t cols);
op_view noise(uint32_t rows, uint32_t cols); /* uniform in [-1, 1) */
op_view copy_of(const op_view *from);
op_view from_list(uint32_t rows, uint32_t cols, const double *list);
op_view ints(uint32_t rows, const int32_t *list);
op_view scalars_at(uint32_t pos); /* step scalars; grad_scale is 0.25 */

/* Calls run in order; the objective is the sum of `weights` times `out`, over any number of outputs. */
typedef struct chain {
    const op_call *calls;
    size_t count;
    op_view out[2], weights[2]; /* the second is optional */
} chain;

double objective(const chain *c);

/* `gradient` is what a backward operation claims for each element of `input`. Elements far smaller than the largest one are held to 1e-9 of that one,
 * because the difference quotient is no more exact. */
void check_gradient(const char *what, const chain *c, const op_view *input, const double *gradient);

/* Repeats the backward call, accumulating into known values. */
void check_accumulates(op_call call, int slot);

void expect(const op_view *view, const double *list, double tolerance);

#endif
