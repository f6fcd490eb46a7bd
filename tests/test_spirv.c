/* SPIR-V from anywhere: the interface of good modules, and modules that are refused, with the error lines. The reader must accept or refuse thousands
 * of damaged modules without reading outside them (the sanitizers watch). Also a kernel from outside, through the library. */
#include <pumice/kernel.h>

#include "base/rng.h"
#include "gpu/gpu.h"
#include "spirv/spirv.h"
#include "helper_device.h"
#include "push.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* ---- a module in words ------------------------------------------------------------------------------------------- */

#define OP(op, length) ((uint32_t)(length) << 16 | (op))
enum { CAPABILITY = 17, MEMORY_MODEL = 14, ENTRY = 15, MODE = 16, DECORATE = 71, MEMBER_DECORATE = 72 };
enum { VOID = 1, FUNCTION_TYPE, FLOAT, ARRAY, BLOCK, POINTER, BUFFER, MAIN, LABEL, BOUND };

/* void main() {} of one invocation, with a buffer of floats at set 0, binding 2, that only reads. */
static const uint32_t small[] = {0x07230203,
                                 0x00010300,
                                 0,
                                 BOUND,
                                 0,
                                 OP(CAPABILITY, 2),
                                 1,
                                 OP(MEMORY_MODEL, 3),
                                 0,
                                 1,
                                 OP(ENTRY, 5),
                                 5,
                                 MAIN,
                                 0x6e69616d,
                                 0,
                                 OP(MODE, 6),
                                 MAIN,
                                 17,
                                 4,
                                 2,
                                 1,
                                 OP(DECORATE, 4),
                                 ARRAY,
                                 6,
                                 4,
                                 OP(DECORATE, 3),
                                 BLOCK,
                                 2,
                                 OP(MEMBER_DECORATE, 5),
                                 BLOCK,
                                 0,
                                 35,
                                 0,
                                 OP(MEMBER_DECORATE, 4),
                                 BLOCK,
                                 0,
                                 24,
                                 OP(DECORATE, 4),
                                 BUFFER,
                                 34,
                                 0,
                                 OP(DECORATE, 4),
                                 BUFFER,
                                 33,
                                 2,
                                 OP(19, 2),
                                 VOID,
                                 OP(33, 3),
                                 FUNCTION_TYPE,
                                 VOID,
                                 OP(22, 3),
                                 FLOAT,
                                 32,
                                 OP(29, 3),
                                 ARRAY,
                                 FLOAT,
                                 OP(30, 3),
                                 BLOCK,
                                 ARRAY,
                                 OP(32, 4),
                                 POINTER,
                                 12,
                                 BLOCK,
                                 OP(59, 4),
                                 POINTER,
                                 BUFFER,
                                 12,
                                 OP(54, 5),
                                 VOID,
                                 MAIN,
                                 0,
                                 FUNCTION_TYPE,
                                 OP(248, 2),
                                 LABEL,
                                 OP(253, 1),
                                 OP(56, 1)};
enum { SMALL = sizeof small / sizeof *small };

static pm_status describe(const uint32_t *words, size_t count, test_lines *lines, pm_kernel_info *info)
{
    const pm_log log = test_lines_log(lines);
    return pm_kernel_describe(&log, "this", words, count, NULL, 0, info);
}

static void test_interface(void **state)
{
    (void)state;
    test_lines lines;
    pm_kernel_info info;
    assert_int_equal(describe(small, SMALL, &lines, &info), PM_OK);
    assert_string_equal(info.entry, "main");
    assert_int_equal(info.local_size[0] * 100 + info.local_size[1] * 10 + info.local_size[2], 421);
    assert_int_equal(info.binding_count, 1);
    assert_int_equal(info.bindings[0].binding, 2);
    assert_true(info.bindings[0].storage_buffer && info.bindings[0].readable && !info.bindings[0].writable);
    assert_int_equal(info.bindings[0].type.scalar, PM_SCALAR_F32);
    assert_int_equal(info.bindings[0].type.elements, 0);
    assert_int_equal(info.push_size, 0);
}

/* Every kernel of Pumice's own: the interface agrees with what the kernels' own reader says. */
static void test_builtin(void **state)
{
    (void)state;
    test_lines lines;
    pm_kernel_info info;
    size_t kernels = 0, count;
    for (; pm_builtin_name(kernels); kernels++)
        for (int bda = 0; bda < 2; bda++) {
            const uint32_t *words = pm_builtin_words(kernels, bda, &count);
            spirv_facts facts;
            if (!gpu_kernel_built((kernel_id)kernels)) continue;
            assert_int_equal(spirv_read(words, count, &facts), PM_OK);
            if (describe(words, count, &lines, &info) != PM_OK)
                fail_msg("%s: %s", pm_builtin_name(kernels), lines.last);
            assert_int_equal(info.push_size, facts.push_size);
            assert_int_equal(info.capability_count, facts.capability_count);
            assert_int_equal(info.local_size_ids[0], 0);
            uint32_t mask = 0;
            for (uint32_t i = 0; i < info.binding_count; i++) mask |= 1u << info.bindings[i].binding;
            assert_int_equal(mask, facts.binding_mask);
        }
    assert_int_equal(kernels, KERNEL_COUNT);
    assert_null(pm_builtin_words(kernels, false, &count));
}

/* A kernel with shared memory and specialization constants: given values change the results that depend on them. */
static void test_specialized(void **state)
{
    (void)state;
    test_lines lines;
    const pm_log log = test_lines_log(&lines);
    pm_kernel_info plain, info;
    size_t count;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu, false, &count);
    const pm_kernel_value values[] = {{0, 96}, {1, 7}}, unknown = {17, 1};
    assert_int_equal(pm_kernel_describe(&log, "gelu", words, count, NULL, 0, &plain), PM_OK);
    assert_int_equal(pm_kernel_describe(&log, "gelu", words, count, values, 2, &info), PM_OK);
    assert_int_equal(info.local_size[0], 96);
    assert_int_equal(plain.specs[1].value, 1);
    assert_int_equal(info.specs[1].value, 1); /* the default stays what the module says */
    assert_int_equal(pm_kernel_describe(&log, "gelu", words, count, &unknown, 1, &info), PM_INVALID);
    assert_non_null(strstr(lines.last, "gelu has no specialization constant 17"));
    assert_int_equal(lines.errors, 1);
    assert_int_equal(plain.push_size, 2 * sizeof(uint32_t) + sizeof(rows_push));
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

/* The small module with one word changed: refused, in one line that says why. */
static void refused(size_t at, uint32_t value, const char *why)
{
    uint32_t copy[SMALL];
    test_lines lines;
    pm_kernel_info info;
    memcpy(copy, small, sizeof small);
    assert_true(at < SMALL);
    copy[at] = value;
    assert_int_not_equal(describe(copy, SMALL, &lines, &info), PM_OK);
    assert_int_equal(lines.errors, 1);
    if (!strstr(lines.last, why)) fail_msg("'%s' does not say '%s'", lines.last, why);
}

/* The index behind a pair of words. */
static size_t behind(uint32_t first, uint32_t second)
{
    for (size_t i = 5; i + 2 < SMALL; i++)
        if (small[i] == first && small[i + 1] == second) return i + 2;
    fail_msg("no such words");
    return 0;
}

static void test_refused(void **state)
{
    (void)state;
    refused(0, 0x07230204, "magic");
    refused(1, 0x00020000, "version");
    refused(3, 0, "bound");
    refused(3, 3, "bound");
    refused(6, 4, "Shader");                                    /* Addresses in its place */
    refused(behind(OP(MEMORY_MODEL, 3), 0), 2, "memory model"); /* OpenCL's */
    refused(behind(OP(ENTRY, 5), 5), FLOAT, "no function");
    refused(behind(OP(ENTRY, 5), 5) - 1, 0, "no compute shader"); /* a vertex shader */
    refused(behind(OP(MODE, 6), MAIN), 99, "work group");
    refused(behind(OP(22, 3), FLOAT), 64, "64-bit");
    refused(behind(OP(22, 3), FLOAT), 16, "16-bit");
    refused(behind(OP(22, 3), FLOAT), 7, "width");
    refused(behind(OP(DECORATE, 4), BUFFER) + 4, 77, "without a binding"); /* another decoration than Binding */
    refused(behind(OP(59, 4), POINTER) + 1, 2, "storage class");
    refused(behind(OP(59, 4), POINTER) - 1, FLOAT, "no pointer");
    refused(SMALL - 1, OP(56, 2), "beyond the module's end");
    refused(SMALL - 2, OP(333, 1), "subgroup");
    refused(SMALL - 2, OP(5000, 1), "extension");
    refused(SMALL - 1, OP(253, 1), "cut short");
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void read_both(const uint32_t *words, size_t count)
{
    const pm_log silent = {0};
    spirv_facts facts;
    static pm_kernel_info info;
    /* Exactly as large as the module: a sanitizer sees the first word beyond. */
    uint32_t *exact = malloc((count ? count : 1) * sizeof *exact);
    assert_non_null(exact);
    memcpy(exact, words, count * sizeof *exact);
    (void)spirv_read(exact, count, &facts);
    (void)!pm_kernel_describe(&silent, "damaged", exact, count, NULL, 0, &info);
    free(exact);
}

static void test_truncated(void **state)
{
    (void)state;
    size_t count;
    test_lines lines;
    pm_kernel_info info;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu_bwd, true, &count);
    for (size_t n = 0; n < count; n++) {
        read_both(words, n);
        assert_int_not_equal(describe(words, n, &lines, &info), PM_OK); /* its last function always misses its end */
        assert_int_equal(lines.errors, 1);
    }
}

static uint32_t draw(uint64_t seed, uint32_t index)
{
    return rng_philox(seed, index, 0, 0, 0).v[0];
}

/* Words overwritten by small numbers, by words from elsewhere in the module, or by bits turned. */
static void test_mutated(void **state)
{
    (void)state;
    enum { ROUNDS = 4000, MOST = 6 };
    const uint64_t seed = 2026;
    uint32_t index = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t count;
        const bool own = draw(seed, index++) % 4 == 0;
        const uint32_t *words = own ? small : pm_builtin_words(draw(seed, index++) % KERNEL_COUNT, round % 2, &count);
        if (own) count = SMALL;
        uint32_t *copy = malloc(count * sizeof *copy);
        assert_non_null(copy);
        memcpy(copy, words, count * sizeof *copy);
        const uint32_t changes = 1 + draw(seed, index++) % MOST;
        for (uint32_t i = 0; i < changes; i++) {
            const size_t at = draw(seed, index++) % (i % 2         ? count
                                                     : count < 600 ? count
                                                                   : 600); /* more often near the beginning */
            const uint32_t how = draw(seed, index++) % 4, value = draw(seed, index++);
            copy[at] = how == 0   ? value % 64
                       : how == 1 ? copy[value % count]
                       : how == 2 ? copy[at] ^ 1u << value % 32
                                  : value;
        }
        read_both(copy, count);
        free(copy);
    }
}

/* Random words behind a good header. */
static void test_random(void **state)
{
    (void)state;
    enum { ROUNDS = 2000, WORDS = 64 };
    const uint64_t seed = 77;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t words[WORDS] = {0x07230203, 0x00010300, 0, 40, 0};
        for (uint32_t i = 5; i < WORDS; i++) {
            const uint32_t value = draw(seed, round * WORDS + i);
            words[i] = value % 3 ? value % 48 : OP(value >> 8 & 127, 1 + (value >> 16 & 7));
        }
        read_both(words, WORDS);
    }
}

/* ---- on a device ------------------------------------------------------------------------------------------------- */

/* One of Pumice's kernels as if it came from outside: offsets in its push constants are ours to give. */
static void test_run(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    pm_device *device = test_device("bda");
    pm_kernel *kernel = NULL;
    size_t words;
    const uint32_t *module = gpu_kernel_words(KERNEL_gelu, false, &words);
    const pm_kernel_value spec = {0, 32};
    assert_int_equal(pm_kernel_create(device, "gelu", module, words, &spec, 1, &kernel), PM_OK);
    struct {
        uint32_t base[2];
        rows_push p;
    } push = {.p = {.rows = 1, .cols = COUNT}};
    static float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++) x[i] = 0.01f * (float)(i - COUNT / 2);
    const uint32_t groups[3] = {(COUNT + 127) / 128, 1, 1};
    double ms = -1;
    assert_int_equal(pm_kernel_run(kernel, &ms), PM_INVALID); /* not prepared */
    assert_int_equal(pm_kernel_buffer(kernel, 0, sizeof x), PM_OK);
    assert_int_equal(pm_kernel_buffer(kernel, 0, sizeof x), PM_INVALID);                 /* twice */
    assert_int_equal(pm_kernel_buffer(kernel, 5, 4), PM_INVALID);                        /* no such binding */
    assert_int_equal(pm_kernel_prepare(kernel, groups, &push, sizeof push), PM_INVALID); /* binding 1 has none */
    assert_int_equal(pm_kernel_buffer(kernel, 1, sizeof y), PM_OK);
    assert_int_equal(pm_kernel_write(kernel, 0, x, sizeof x), PM_OK);
    assert_int_equal(pm_kernel_write(kernel, 0, x, sizeof x + 4), PM_INVALID);
    assert_int_equal(pm_kernel_prepare(kernel, groups, &push, sizeof push - 4), PM_INVALID);
    assert_int_equal(pm_kernel_prepare(kernel, (const uint32_t[3]){0, 1, 1}, &push, sizeof push), PM_INVALID);
    assert_int_equal(pm_kernel_prepare(kernel, groups, &push, sizeof push), PM_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(pm_kernel_run(kernel, &ms), PM_OK);
    assert_true(ms >= 0);
    assert_int_equal(pm_kernel_read(kernel, 1, y, sizeof y), PM_OK);
    for (int i = 0; i < COUNT; i++) {
        const double v = x[i], want = 0.5 * v * (1 + tanh(sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
        assert_true(fabs(y[i] - want) < 1e-5);
    }
    pm_kernel_destroy(&kernel);
    test_device_done(&device);
}

/* A kernel is refused that needs more than the device reports: a larger work group, or a capability that is not
 * enabled. */
static void test_limits(void **state)
{
    (void)state;
    test_lines lines;
    const pm_device_params params = {.log = test_lines_log(&lines), .disable = "bda"};
    pm_device *device = test_device_open(&params);
    pm_kernel *kernel = NULL;
    size_t words;
    const uint32_t *module = gpu_kernel_words(KERNEL_gelu, false, &words);
    const pm_kernel_value huge = {0, 1u << 20};
    assert_int_equal(pm_kernel_create(device, "gelu", module, words, &huge, 1, &kernel), PM_UNSUPPORTED);
    assert_non_null(strstr(lines.last, "work groups of 1048576 x 1 x 1"));
    module = gpu_kernel_words(KERNEL_gelu, true, &words);
    assert_int_equal(pm_kernel_create(device, "gelu", module, words, NULL, 0, &kernel), PM_UNSUPPORTED);
    assert_non_null(strstr(lines.last, "PhysicalStorageBufferAddresses"));
    uint32_t copy[SMALL + 2];
    memcpy(copy, small, 5 * sizeof *copy);
    copy[5] = OP(CAPABILITY, 2);
    copy[6] = 10; /* Float64 */
    memcpy(copy + 7, small + 5, (SMALL - 5) * sizeof *copy);
    assert_int_equal(pm_kernel_create(device, "double", copy, SMALL + 2, NULL, 0, &kernel), PM_UNSUPPORTED);
    assert_non_null(strstr(lines.last, "Float64"));
    assert_null(kernel);
    test_device_done(&device);
}

/* The small module with words put in before the index `at`. */
static size_t insert(const uint32_t *words, size_t count, size_t at, const uint32_t *more, size_t more_count,
                     uint32_t *out)
{
    memcpy(out, words, at * sizeof *out);
    memcpy(out + at, more, more_count * sizeof *out);
    memcpy(out + at + more_count, words + at, (count - at) * sizeof *out);
    return count + more_count;
}

/* Two modules that need features that Pumice's own kernels do not: 64-bit floats, and LocalSizeId. A device that has them enables them where it was
 * opened for kernels from outside. */
static void test_features(void **state)
{
    (void)state;
    enum { INT = BOUND, FOUR, TWO, ONE, MORE };
    static const uint32_t float64[] = {OP(CAPABILITY, 2), 10};
    static const uint32_t constants[] = {OP(21, 4), INT, 32,  0, OP(43, 4), INT, FOUR, 4,
                                         OP(43, 4), INT, TWO, 2, OP(43, 4), INT, ONE,  1};
    static const uint32_t sizes[] = {OP(331, 6), MAIN, 38, FOUR, TWO, ONE};
    uint32_t doubles[SMALL + 2], by_id[SMALL + 16];
    insert(small, SMALL, 5, float64, 2, doubles);
    insert(small, SMALL, behind(OP(22, 3), FLOAT) + 1, constants, 16, by_id);
    memcpy(by_id + behind(OP(MODE, 6), MAIN) - 2, sizes, sizeof sizes);
    by_id[3] = MORE;
    for (int outside = 0; outside < 2; outside++) {
        test_lines lines;
        const pm_device_params params = {
            .log = test_lines_log(&lines), .user_kernels = outside, .robust = outside, .timeout_ms = 20000};
        pm_device *device = test_device_open(&params);
        pm_kernel *kernel = NULL;
        pm_kernel_info info;
        assert_int_equal(describe(by_id, SMALL + 16, &lines, &info), PM_OK);
        assert_true(info.local_size_by_id && info.local_size[0] == 4 && info.local_size[1] == 2);
        assert_int_equal(describe(small, SMALL, &lines, &info), PM_OK);
        assert_false(info.local_size_by_id);
        static const char *const needs[] = {"double needs Float64 (Vulkan's shaderFloat64), which ",
                                            "by_id needs LocalSizeId (Vulkan's maintenance4), which "};
        for (int i = 0; i < 2; i++) {
            const pm_status status = pm_kernel_create(device, i ? "by_id" : "double", i ? by_id : doubles,
                                                      SMALL + (i ? 16 : 2), NULL, 0, &kernel);
            if (status != PM_OK && !strstr(lines.last, needs[i])) fail_msg("%s", lines.last);
            if (outside && status != PM_OK) assert_non_null(strstr(lines.last, "does not have"));
            if (!outside) assert_int_equal(status, PM_UNSUPPORTED);
            pm_kernel_destroy(&kernel);
        }
        test_device_done(&device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interface), cmocka_unit_test(test_builtin),   cmocka_unit_test(test_specialized),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_truncated), cmocka_unit_test(test_mutated),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_run),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
