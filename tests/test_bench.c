/* Benchmarks: all operations can be timed, their numbers are sane, no memory stays behind, bad requests are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include <pumice/bench.h>

#include "bench/timing.h"
#include "gpu/gpu.h"
#include "helper_device.h"

/* Every operation once, small. */
static const struct {
    const char *op, *shape;
} small[] = {
    {"matmul", "16x24x8"},
    {"matmul-dw", "17x3x5"},
    {"matmul-dx", "17x3x5"},
    {"attention", "2x3x9x8"},
    {"attention-bwd", "2x3x9x8"},
    {"attention-gqa", "2x6x2x9x8"},
    {"attention-gqa-bwd", "2x6x2x9x8"},
    {"layernorm", "5x12"},
    {"layernorm-bwd", "5x12"},
    {"rmsnorm", "5x12"},
    {"rmsnorm-bwd", "5x12"},
    {"head-norm", "5x3x1x8"},
    {"head-norm-bwd", "5x3x1x8"},
    {"rope", "5x3x1x8"},
    {"silu-gate", "5x12"},
    {"silu-gate-bwd", "5x12"},
    {"gelu-gate", "5x12"},
    {"gelu-gate-bwd", "5x12"},
    {"gelu", "5x12"},
    {"gelu-bwd", "5x12"},
    {"softmax", "5x12"},
    {"lm-loss", "6x31x8"},
    {"lm-loss-bwd", "6x31x8"},
    {"embed", "6x31x8"},
    {"embed-bwd", "6x31x8"},
    {"add", "5x12"},
    {"dropout", "5x12"},
    {"colsum", "70x12"},
    {"sumsq", "1001"},
    {"adamw", "1001"},
    {"train-step", "2x2x16x8x2x33"},
    {"prefill", "2x2x16x8x1x33"},
    {"decode", "2x2x16x8x1x33"},
};
enum { SMALL = sizeof small / sizeof *small };

static bool positive(double v)
{
    return isfinite(v) && v > 0;
}

static void test_table(void **state)
{
    (void)state;
    const pm_bench_op *op;
    size_t count = 0;
    for (; (op = pm_bench_op_at(count)); count++) {
        for (size_t i = 0; i < count; i++) assert_string_not_equal(op->name, pm_bench_op_at(i)->name);
        assert_true(strlen(op->name) < sizeof((pm_bench_row *)0)->op);
        size_t shapes = 0;
        for (; op->shapes[shapes]; shapes++) {
            const pm_bench_params params = {.op = op->name, .shape = op->shapes[shapes]};
            assert_int_equal(pm_bench_check(NULL, &params), PM_OK);
        }
        assert_true(shapes >= 2 && shapes <= PM_BENCH_SHAPES); /* a usual one and an odd one */
        bool tried = false;
        for (size_t i = 0; i < SMALL; i++) tried |= strcmp(small[i].op, op->name) == 0;
        assert_true(tried);
    }
    assert_int_equal(count, SMALL);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        pm_bench_params params;
        pm_status status;
        const char *says;
    } rows[] = {
        {{.op = "matmull"}, PM_INVALID, "'matmull'; give one of matmul, matmul-dw"},
        {{.op = NULL}, PM_INVALID, "give one of"},
        {{.op = "matmul", .shape = "3x4"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = "3x4x5x6"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = "3x4x"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = "3x-4x5"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = "3x0x5"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = " 3x4x5"}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = ""}, PM_INVALID, "MxNxK"},
        {{.op = "matmul", .shape = "3x4x99999999999999999999"}, PM_INVALID, "MxNxK"},
        {{.op = "prefill", .shape = "2x2x16x8x2x33"}, PM_INVALID, "B is 1"},
        {{.op = "adamw", .dtype = "f16"}, PM_INVALID, "no activations"},
        {{.op = "decode", .dtype = "f16"}, PM_INVALID, "in fp32"},
        {{.op = "gelu", .dtype = "f64"}, PM_INVALID, "'f64'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_lines lines;
        pm_log log = test_lines_log(&lines);
        assert_int_equal(pm_bench_check(&log, &rows[i].params), rows[i].status);
        assert_int_equal(lines.errors, 1);
        assert_non_null(strstr(lines.last, rows[i].says));
    }
}

/* Faults that only the operands show: one line, and nothing is left allocated. */
static void test_refusals_of_shapes(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"attention", "1x2x8x6", "multiple of 4"},
        {"attention", "1x100000000x8x100000000", "2^31"},
        {"attention", "16777216x1x1024x4", "2^31"},
        {"attention-gqa", "1x6x4x8x8", "do not divide"},
        {"attention-gqa", "1x1x100000000x8x100000000", "2^31"},
        {"gelu", "100000000x1000", "2^31"},
        {"lm-loss", "268435456x50257x1", "2^31"},
        {"train-step", "2x3x16x8x2x33", "heads"},
    };
    test_lines lines;
    pm_device *device = test_device_open(&(pm_device_params){.log = test_lines_log(&lines)});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const pm_bench_params params = {.op = rows[i][0], .shape = rows[i][1], .quick = true};
        pm_bench_row row;
        lines.errors = 0;
        assert_int_equal(pm_bench_run(device, &params, &row), PM_INVALID);
        assert_int_equal(lines.errors, 1);
        assert_non_null(strstr(lines.last, rows[i][2]));
    }
    test_device_done(&device);
}

static void test_peaks(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    pm_peaks peaks = {-1, -1, -1};
    assert_int_equal(pm_peaks_measure(device, &peaks), PM_OK);
    /* From a slow software driver to more than any chip has. */
    assert_true(peaks.copy_bytes_per_s > 1e7 && peaks.copy_bytes_per_s < 1e14);
    assert_true(peaks.fma_flops_per_s > 1e7 && peaks.fma_flops_per_s < 1e15);
    assert_true(peaks.matrix_flops_per_s == 0);
    test_device_done(&device);
}

static void test_every_op(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    for (size_t i = 0; i < SMALL; i++) {
        const pm_bench_params params = {.op = small[i].op, .shape = small[i].shape, .quick = true};
        uint64_t before, after, peak;
        pm_bench_row row;
        gpu_memory_stats(device, &before, &peak);
        memset(&row, 0xff, sizeof row);
        assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
        assert_string_equal(row.op, small[i].op);
        assert_string_equal(row.shape, small[i].shape);
        assert_string_equal(row.dtype, "f32");
        assert_true(strlen(row.variant) > 0);
        assert_true(positive(row.ms_low) && row.ms_low <= row.ms && row.ms <= row.ms_high && isfinite(row.ms_high));
        assert_true(positive(row.first_ms) && positive(row.flops) && positive(row.bytes));
        assert_true(row.needed_flops > 0 && row.needed_flops <= row.flops);
        assert_true(row.runs >= 3 && row.copies >= 1);
        gpu_memory_stats(device, &after, &peak);
        /* The device may have allocated memory for itself (staging). */
        assert_true(after <= before + (16u << 20));
    }
    test_device_done(&device);
}

/* Each operation with fp16 activations, where it has any, moves half of their bytes. */
static void test_halves(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    const bool storage16 = pm_device_caps(device)->storage16;
    test_lines lines;
    pm_log log = test_lines_log(&lines);
    for (size_t i = 0; i < SMALL; i++) {
        pm_bench_params params = {.op = small[i].op, .shape = small[i].shape, .quick = true, .dtype = "f16"};
        pm_bench_row full, half;
        if (pm_bench_check(&log, &params) != PM_OK) continue;
        assert_int_equal(pm_bench_run(device, &params, &half), storage16 ? PM_OK : PM_UNSUPPORTED);
        if (!storage16) break;
        params.dtype = "f32";
        assert_int_equal(pm_bench_run(device, &params, &full), PM_OK);
        assert_string_equal(half.dtype, "f16");
        if (strcmp(small[i].op, "train-step") == 0) continue; /* it also makes the weights' copies */
        assert_true(half.flops == full.flops && half.bytes < full.bytes && 2 * half.bytes >= full.bytes);
    }
    test_device_done(&device);
}

static void test_counts(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    pm_bench_row row;
    pm_bench_params params = {.op = "matmul", .shape = "16x24x8", .quick = true};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.flops == 2.0 * 16 * 24 * 8 && row.needed_flops == row.flops);
    assert_true(row.bytes == 4.0 * (16 * 8 + 8 * 24 + 16 * 24));
    assert_true(strncmp(row.variant, "matmul", 6) == 0);
    assert_int_equal(row.copies, 64); /* the most that there may be */
    assert_true(row.device_time == pm_device_caps(device)->timestamps);

    params = (pm_bench_params){.op = "attention", .shape = "2x3x9x8", .quick = true};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.flops == 4.0 * 2 * 3 * 8 * 9 * 9 && row.needed_flops == 4.0 * 2 * 3 * 8 * 9 * 10 / 2);
    params.op = "attention-bwd";
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.flops == 10.0 * 2 * 3 * 8 * 9 * 9);

    params = (pm_bench_params){.op = "adamw", .shape = "1001", .quick = true};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.bytes == 28.0 * 1001 + 8); /* gradient read, three arrays read and written; the norm */

    params = (pm_bench_params){.op = "train-step", .shape = "2x2x16x8x3x33", .quick = true};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.tokens == 24 && !row.device_time);
    params = (pm_bench_params){.op = "decode", .shape = "2x2x16x8x1x33", .quick = true};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(row.tokens == 1);
    test_device_done(&device);
}

/* Whole steps of another family, and weights in 16 bits: C = 16, I = 64, products of 2 (4 C^2 + 3 C I) numbers, and a table of 33 C. */
static void test_families(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    const double numbers = 2.0 * (4 * 16 * 16 + 3 * 16 * 64) + 33 * 16, cache = 2.0 * 2 * 16 * 8;
    test_lines lines;
    const pm_log log = test_lines_log(&lines);
    pm_bench_row row;
    pm_bench_params params = {.op = "decode", .shape = "2x2x16x8x1x33", .quick = true, .arch = PM_ARCH_LLAMA};
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_string_equal(row.shape, "llama/f32:2x2x16x8x1x33");
    assert_true(row.bytes == 4 * (numbers + cache) && row.flops == 2 * numbers + 2.0 * 4 * 16 * 8);
    params.weights = PM_WEIGHTS_BF16;
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_string_equal(row.shape, "llama/bf16:2x2x16x8x1x33");
    assert_true(row.bytes == 2 * numbers + 4 * cache);
    params.op = "train-step";
    assert_int_equal(pm_bench_check(&log, &params), PM_INVALID);
    assert_non_null(strstr(lines.last, "train-step: weights train in f32"));
    params = (pm_bench_params){.op = "add", .arch = PM_ARCH_LLAMA};
    assert_int_equal(pm_bench_check(&log, &params), PM_INVALID);
    assert_non_null(strstr(lines.last, "add: an operation has no model"));
    params = (pm_bench_params){.op = "decode", .weights = PM_WEIGHTS_FILE};
    assert_int_equal(pm_bench_check(&log, &params), PM_INVALID);
    assert_non_null(strstr(lines.last, "f32, f16 or bf16"));
    test_device_done(&device);
}

/* Copies fill a few caches and no more, and stay within small allocations and bindings. */
static void test_rotation(void **state)
{
    (void)state;
    const pm_device_params small_device = {.disable = "bda", .max_buffer_range = 1 << 20, .max_allocation = 4 << 20};
    pm_device *device = test_device_open(&small_device);
    const pm_bench_params params = {.op = "add", .shape = "1024x512", .quick = true}; /* 3 x 2 MiB a copy */
    uint64_t now, peak;
    pm_bench_row row;
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    gpu_memory_stats(device, &now, &peak);
    const double each = 6.0 * (1 << 20);
    const bool cpu = pm_device_caps(device)->type == PM_DEVICE_CPU;
    const double wanted = (cpu ? 128.0 : 256.0) * (1 << 20);
    assert_true(row.copies >= 2 && row.copies * each < wanted + each);
    if (pm_device_caps(device)->device_memory_free > 4 * wanted) assert_true(row.copies * each >= wanted);
    assert_true((double)peak < wanted + each + (16 << 20));
    test_device_done(&device);
}

static void test_host_time(void **state)
{
    (void)state;
    pm_device *device = test_device("timestamps");
    const pm_bench_params params = {.op = "gelu", .shape = "5x12", .quick = true};
    pm_bench_row row;
    assert_int_equal(pm_bench_run(device, &params, &row), PM_OK);
    assert_true(positive(row.ms) && !row.device_time);
    test_device_done(&device);
}

/* A program's device time covers all its submissions. */
static void test_run_ms(void **state)
{
    (void)state;
    pm_device *device = test_device_open(&(pm_device_params){.submit_ms = 1});
    gpu_buffer *buffer = NULL;
    gpu_program *program = NULL;
    gpu_program_stats stats;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 1 << 20, "fills", &buffer), PM_OK);
    assert_int_equal(gpu_program_create(device, "fills", &program), PM_OK);
    for (uint32_t i = 0; i < 64; i++) gpu_record_fill(program, gpu_span_of(buffer), i);
    assert_int_equal(gpu_program_finish(program), PM_OK);
    gpu_program_get_stats(program, &stats);
    assert_true(stats.run_ms == 0);
    double ms;
    assert_int_equal(timing_run(device, program, &ms), PM_OK);
    gpu_program_get_stats(program, &stats);
    if (pm_device_caps(device)->timestamps)
        assert_true(stats.run_ms == ms && positive(ms));
    else
        assert_true(stats.run_ms == 0 && positive(ms));
    kernel_id none[1];
    assert_int_equal(gpu_program_kernels(program, none, 1), 0);
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    test_device_done(&device);
}

static void test_quartiles(void **state)
{
    (void)state;
    timing t;
    double low, median, high;
    timing_start(&t, true);
    assert_true(timing_more(&t));
    for (int i = 0; i < 5; i++) timing_add(&t, (double[]){5, 1, 4, 2, 3}[i]);
    timing_quartiles(&t, &low, &median, &high);
    assert_true(low == 2 && median == 3 && high == 4);
    timing_start(&t, true);
    for (int i = 0; i < 4; i++) timing_add(&t, (double[]){4, 1, 3, 2}[i]);
    timing_quartiles(&t, &low, &median, &high);
    assert_true(low == 1.75 && median == 2.5 && high == 3.25);
    timing_start(&t, false);
    for (int i = 0; i < TIMING_MOST; i++) {
        if (i < 7) assert_true(timing_more(&t));
        timing_add(&t, 1);
    }
    assert_false(timing_more(&t));
    timing_add(&t, 9); /* no room: left out */
    timing_quartiles(&t, &low, &median, &high);
    assert_true(low == 1 && high == 1 && t.runs == TIMING_MOST);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),     cmocka_unit_test(test_refusals), cmocka_unit_test(test_refusals_of_shapes),
        cmocka_unit_test(test_peaks),     cmocka_unit_test(test_every_op), cmocka_unit_test(test_halves),
        cmocka_unit_test(test_counts),    cmocka_unit_test(test_families), cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_host_time), cmocka_unit_test(test_run_ms),   cmocka_unit_test(test_quartiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
