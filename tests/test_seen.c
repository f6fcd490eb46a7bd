/* Which rows of test_ops run on a driver that compiles slowly: each two flags of a kernel are seen in all their combinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/optest_seen.h"

static bool is_new(optest_seen *seen, kernel_id kernel, bool bda, uint32_t first, uint32_t second)
{
    const uint32_t spec[] = {first, second};
    return optest_seen_new(seen, &(gpu_pipeline_key){.kernel = kernel, .bda = bda, .spec = spec, .spec_count = 2});
}

static kernel_id kernel_of(kernel_types types)
{
    return gpu_kernel_of(ROW_matmul_tile, types);
}

static void test_types_and_access(void **state)
{
    (void)state;
    optest_seen seen = {.compiled = OPTEST_COMPILE_FLAGS};
    assert_true(is_new(&seen, kernel_of(TYPES_F32), true, 0, 0));
    assert_false(is_new(&seen, kernel_of(TYPES_F32), true, 0, 0));
    assert_true(is_new(&seen, kernel_of(TYPES_F16), true, 0, 0));
    assert_true(is_new(&seen, kernel_of(TYPES_F32), false, 0, 0)); /* bindings */
    assert_false(is_new(&seen, kernel_of(TYPES_F16), false, 0, 0));
    assert_true(is_new(&seen, gpu_kernel_of(ROW_matmul_block, TYPES_F32), true, 0, 0)); /* another row */
    optest_seen_free(&seen);
}

/* Of the eight combinations of three flags, those that show no new pair are left out: four show all pairs. */
static void test_pairs(void **state)
{
    (void)state;
    static const struct {
        uint32_t first, second;
        bool shows;
    } cases[] = {{0, 0, true},  {0, 0, false}, {3, 0, true},  {1, 1, true}, {2, 1, true},
                 {0, 1, false}, {1, 0, false}, {2, 0, false}, {3, 1, false}};
    optest_seen seen = {.compiled = OPTEST_COMPILE_FLAGS};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(is_new(&seen, kernel_of(TYPES_F32), true, cases[i].first, cases[i].second), cases[i].shows);
    assert_true(is_new(&seen, kernel_of(TYPES_F32), true, 4, 0));  /* a bit that was never set */
    assert_true(is_new(&seen, kernel_of(TYPES_F32), true, 0, 6));  /* of the other constant, two */
    assert_false(is_new(&seen, kernel_of(TYPES_F32), true, 4, 6)); /* a size with a size is no pair */
    optest_seen_free(&seen);
}

/* Without flags each kernel counts once, however it is bound. */
static void test_kernels(void **state)
{
    (void)state;
    optest_seen seen = {.compiled = OPTEST_COMPILE_KERNELS};
    assert_true(is_new(&seen, kernel_of(TYPES_F32), true, 0, 0));
    assert_false(is_new(&seen, kernel_of(TYPES_F32), true, 3, 1));
    assert_true(is_new(&seen, kernel_of(TYPES_F16), true, 3, 1));
    assert_true(is_new(&seen, kernel_of(TYPES_F32), false, 3, 1));
    assert_false(is_new(&seen, kernel_of(TYPES_F16), false, 1, 1));
    optest_seen_free(&seen);
}

/* Thousands of marks find their places again. */
static void test_many(void **state)
{
    (void)state;
    optest_seen seen = {.compiled = OPTEST_COMPILE_FLAGS};
    for (int again = 0; again < 2; again++)
        for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
            for (uint32_t size = 0; size < 256; size += 5) {
                const bool shows = is_new(&seen, (kernel_id)kernel, false, size, size);
                if (again) assert_false(shows);
            }
    assert_true(seen.count > 4096 && 2 * seen.count <= seen.capacity);
    optest_seen_free(&seen);
    assert_true(seen.compiled == OPTEST_COMPILE_FLAGS && !seen.marks && !seen.capacity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types_and_access), cmocka_unit_test(test_pairs),
                                       cmocka_unit_test(test_kernels), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
