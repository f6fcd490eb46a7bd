/* The examination of a sound device, and of devices that are made faulty: their kernels are found, switched off and remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/doctor.h"
#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_dir.h"

static kernel_id broken;

static void break_it(pm_device *device)
{
    gpu_kernel_break(device, broken);
}

/* Skips the test where there is no device. */
static pm_device_params params_with(const char *cache_dir, const char *disable)
{
    pm_device *device = test_device(disable);
    test_device_done(&device);
    return test_device_params((pm_device_params){.cache_dir = cache_dir, .disable = disable});
}

static void test_sound(void **state)
{
    (void)state;
    const pm_device_params params = params_with("", NULL);
    pm_doctor_report report;
    assert_int_equal(pm_doctor_run(&params, NULL, NULL, &report), PM_OK);
    printf("%u checks of %u operations, %u kernels, %u copies, losses within %.2g, weights %.2g, %.1f s\n",
           report.checks, report.operations, report.kernels, report.copies, report.loss_error, report.weight_error,
           report.seconds);
    for (uint32_t i = 0; i < report.finding_count; i++) print_error("%s\n", report.findings[i].wrong);
    assert_int_equal(report.finding_count, 0);
    assert_true(report.fit);
    assert_false(report.saved);
    assert_true(report.checks > 150 && report.kernels > 30 && report.copies > 20);
    assert_int_equal(report.steps, 20);
    assert_true(report.loss_error > 0 && report.weight_error > 0); /* fp32 is not double */
}

/* A report is written where there is one. */
static void test_no_report(void **state)
{
    (void)state;
    pm_device_params params = params_with("", NULL);
    params.disable = "nonsense";
    test_lines lines;
    pm_doctor_report report, before;
    memset(&report, 0x5A, sizeof report);
    before = report;
    params.log = test_lines_log(&lines);
    assert_int_equal(pm_doctor_run(&params, NULL, NULL, &report), PM_INVALID);
    assert_memory_equal(&report, &before, sizeof report);
}

/* Examines one operation of a device that gets a kernel wrong. */
static void examine(const pm_device_params *params, op_id op, pm_doctor_report *report)
{
    const doctor_options options = {.opened = break_it, .one = true, .op = op};
    assert_int_equal(doctor_run(params, &options, NULL, NULL, report), PM_OK);
}

static bool all_on(const pm_caps *caps)
{
    bool on = true;
    for (size_t i = 0; i < sizeof caps->kernels_off / sizeof *caps->kernels_off; i++) on = on && !caps->kernels_off[i];
    return on;
}

/* The kernel's row is named, is off in the device that is opened next, and is tried again by the next examination. */
static void check_found(const char *disable, op_id op, kernel_id kernel, const char *off)
{
    char *dir = test_dir_make();
    const pm_device_params params = params_with(dir, disable);
    pm_doctor_report report;
    pm_device *device = NULL;
    broken = kernel;
    examine(&params, op, &report);
    if (report.finding_count != 1) print_error("%s: %u findings\n", off, report.finding_count);
    assert_int_equal(report.finding_count, 1);
    assert_string_equal(report.findings[0].off, off);
    assert_true(report.fit);
    assert_true(report.saved);
    assert_false(all_on(&report.caps));
    assert_int_equal(pm_device_open(&params, &device), PM_OK);
    assert_memory_equal(pm_device_caps(device)->kernels_off, report.caps.kernels_off, sizeof report.caps.kernels_off);
    pm_device_close(&device);
    broken = KERNEL_COUNT;
    examine(&params, op, &report);
    assert_true(report.fit && report.saved && report.finding_count == 0);
    assert_int_equal(pm_device_open(&params, &device), PM_OK);
    assert_true(all_on(pm_device_caps(device)));
    pm_device_close(&device);
    test_dir_remove(dir);
}

/* On a lowered device a kernel may not be tried: earlier findings about it stay. */
static void test_not_tried(void **state)
{
    (void)state;
    char *dir = test_dir_make();
    const pm_device_params params = params_with(dir, "serial"), other = params_with(dir, "all");
    pm_doctor_report report;
    pm_device *device = NULL;
    broken = KERNEL_add_wide;
    examine(&params, OP_ADD, &report);
    assert_string_equal(report.findings[0].off, "kernel add_wide");
    broken = KERNEL_COUNT;
    examine(&other, OP_CLIP, &report);
    assert_true(report.fit && report.saved && report.finding_count == 0);
    assert_int_equal(pm_device_open(&params, &device), PM_OK);
    assert_false(gpu_row_good(pm_device_caps(device), ROW_add_wide));
    pm_device_close(&device);
    test_dir_remove(dir);
}

static bool has_half(void)
{
    pm_device *device = test_device(NULL);
    const bool half = pm_device_caps(device)->storage16;
    test_device_done(&device);
    return half;
}

static void test_kernels(void **state)
{
    (void)state;
    check_found("serial", OP_ADD, KERNEL_add_wide, "kernel add_wide");
    if (has_half()) /* all of its formats */
        check_found("serial", OP_LAYERNORM, KERNEL_layernorm_wide_f16, "kernel layernorm_wide");
    check_found("serial", OP_MATMUL, KERNEL_matmul_block_plain, "kernel matmul_block_plain");
    check_found("serial", OP_ATTENTION, KERNEL_attention_join_wide, "kernel attention_join_wide");
}

/* A faulty kernel without a replacement leaves the device unfit, and nothing is switched off. fp16 can be switched
 * off. */
static void test_no_replacement(void **state)
{
    (void)state;
    const pm_device_params params = params_with("", NULL);
    pm_doctor_report report;
    broken = KERNEL_clip;
    examine(&params, OP_CLIP, &report);
    assert_false(report.fit);
    assert_true(report.finding_count > 0);
    assert_string_equal(report.findings[0].off, "");
    assert_true(all_on(&report.caps));
    if (!has_half()) return;
    broken = KERNEL_dropout_f16;
    const pm_device_params gpu = params_with("", "serial");
    examine(&gpu, OP_DROPOUT, &report);
    assert_true(report.fit);
    assert_string_equal(report.findings[0].off, "feature storage16");
    assert_false(report.caps.storage16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sound), cmocka_unit_test(test_no_report),
                                       cmocka_unit_test(test_kernels), cmocka_unit_test(test_not_tried),
                                       cmocka_unit_test(test_no_replacement)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
