/* Memory for operands, and gradients by central differences. */
#include "helper_twin.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "push.h"

/* ---- operands: memory that lives until the test ends --------------------------------------------------------------- */

static void *pool[256];
static size_t pool_count;
static uint32_t draws;

static void *grab(size_t size)
{
    assert_true(pool_count < sizeof pool / sizeof pool[0]);
    void *memory = calloc(1, size);
    assert_non_null(memory);
    pool[pool_count++] = memory;
    return memory;
}

int twin_setup(void **state)
{
    (void)state;
    draws = 0;
    return 0;
}

int twin_teardown(void **state)
{
    (void)state;
    while (pool_count > 0) free(pool[--pool_count]);
    return 0;
}

double *values(const op_view *view)
{
    return view->data;
}
size_t count_of(const op_view *view)
{
    return (size_t)view->rows * view->cols;
}

op_view zeros(uint32_t rows, uint32_t cols)
{
    return (op_view){.rows = rows, .cols = cols, .data = grab(sizeof(double) * rows * cols)};
}

op_view noise(uint32_t rows, uint32_t cols)
{
    op_view view = zeros(rows, cols);
    for (size_t i = 0; i < count_of(&view); i++)
        values(&view)[i] = 2.0 * (double)rng_uniform(rng_philox(7, draws++, 0, 0, 0).v[0]) - 1.0;
    return view;
}

op_view copy_of(const op_view *from)
{
    op_view view = zeros(from->rows, from->cols);
    memcpy(view.data, from->data, count_of(from) * sizeof(double));
    return view;
}

op_view from_list(uint32_t rows, uint32_t cols, const double *list)
{
    op_view view = zeros(rows, cols);
    memcpy(view.data, list, count_of(&view) * sizeof(double));
    return view;
}

op_view ints(uint32_t rows, const int32_t *list)
{
    op_view view = {.rows = rows, .cols = 1, .data = grab(rows * sizeof(int32_t))};
    memcpy(view.data, list, rows * sizeof(int32_t));
    return view;
}

op_view scalars_at(uint32_t pos)
{
    step_scalars *s = grab(sizeof *s);
    *s = (step_scalars){.seed_lo = 123,
                        .seed_hi = 456,
                        .step = 9,
                        .micro = 2,
                        .pos = pos,
                        .lr = 0.5f,
                        .grad_scale = 0.25f,
                        .unscale = 0.5f};
    s->beta1_fix = 2.0f;
    s->beta2_fix = 4.0f;
    return (op_view){.rows = 1, .cols = sizeof *s / 4, .data = s};
}

/* ---- central differences ------------------------------------------------------------------------------------------- */

double objective(const chain *c)
{
    for (size_t i = 0; i < c->count; i++) ref_run(&c->calls[i]);
    double sum = 0;
    for (int o = 0; o < 2; o++)
        for (size_t i = 0; i < count_of(&c->out[o]); i++) sum += values(&c->out[o])[i] * values(&c->weights[o])[i];
    return sum;
}

void check_gradient(const char *what, const chain *c, const op_view *input, const double *gradient)
{
    const double step = 1e-5;
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count_of(input); i++) largest = fmax(largest, fabs(gradient[i]));
    assert_true(largest > 0);
    for (size_t i = 0; i < count_of(input); i++) {
        double *x = values(input) + i, x0 = *x;
        *x = x0 + step;
        double up = objective(c);
        *x = x0 - step;
        double down = objective(c);
        *x = x0;
        double quotient = (up - down) / (2 * step);
        double error = fabs(quotient - gradient[i]) / fmax(fabs(gradient[i]), 1e-3 * largest);
        if (!(error <= worst)) worst = error;
        if (!(error < 1e-6))
            print_error("%s: element %zu: %.12g, central difference %.12g\n", what, i, gradient[i], quotient);
    }
    objective(c);
    assert_true(worst < 1e-6);
}

void check_accumulates(op_call call, int slot)
{
    op_view plain = copy_of(&call.out[slot]), start = noise(plain.rows, plain.cols);
    call.attr.accumulate = true;
    memcpy(call.out[slot].data, start.data, count_of(&start) * sizeof(double));
    ref_run(&call);
    for (size_t i = 0; i < count_of(&plain); i++)
        assert_true(fabs(values(&call.out[slot])[i] - values(&start)[i] - values(&plain)[i]) < 1e-12);
    memcpy(call.out[slot].data, plain.data, count_of(&plain) * sizeof(double));
}

void expect(const op_view *view, const double *list, double tolerance)
{
    for (size_t i = 0; i < count_of(view); i++) {
        if (!(fabs(values(view)[i] - list[i]) <= tolerance))
            print_error("element %zu: %.15g instead of %.15g\n", i, values(view)[i], list[i]);
        assert_true(fabs(values(view)[i] - list[i]) <= tolerance);
    }
}
