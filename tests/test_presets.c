/* Devices that are not there: presets of real parts, subgroups of every size, work groups and shared memory of several sizes. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "gpu/caps.h"
#include "helper_device.h"
#include "helper_system.h"
#include "ops/record.h"

static const char *const presets[] = {
#define NAME(id, name, like) name,
    PM_PRESET_LIST(NAME)
#undef NAME
};
enum { PRESETS = sizeof presets / sizeof *presets };

/* ---- presets ---------------------------------------------------------------------------------------------------- */

/* All features, limits of the largest and of the smallest device. */
static pm_caps large(void)
{
    pm_caps caps = {.name = "Card",
                    .vendor_id = VENDOR_NVIDIA,
                    .type = PM_DEVICE_DISCRETE,
                    .api_version = 1u << 22 | 4u << 12,
                    .device_memory = (uint64_t)1 << 40,
                    .device_memory_free = (uint64_t)1 << 39,
                    .max_allocation = (uint64_t)1 << 40,
                    .max_buffer_range = UINT32_MAX,
                    .offset_alignment = 4,
                    .max_storage_buffers = 1 << 20,
                    .max_shared_memory = 256 << 10,
                    .max_workgroup_size = 2048,
                    .max_push_constants = 4096,
                    .subgroup_size = 32,
                    .subgroup_min = 32,
                    .subgroup_max = 32};
#define SET(feature, meaning) caps.feature = true;
    PM_FEATURE_LIST(SET)
#undef SET
    return caps;
}

static pm_caps small(void)
{
    pm_caps caps = large();
#define CLEAR(feature, meaning) caps.feature = false;
    PM_FEATURE_LIST(CLEAR)
#undef CLEAR
    caps.api_version = 1u << 22 | 1u << 12;
    caps.max_allocation = 1 << 20;
    caps.max_buffer_range = 1 << 20;
    caps.offset_alignment = 512;
    caps.max_storage_buffers = 4;
    caps.max_shared_memory = 8 << 10;
    caps.max_workgroup_size = 64;
    caps.max_push_constants = 64;
    gpu_caps_derive(&caps);
    return caps;
}

/* Fails the test where a limit or feature grew, or a fixed value changed. */
static void check_lower(const pm_caps *now, const pm_caps *before)
{
    assert_true(now->max_allocation <= before->max_allocation && now->max_buffer_range <= before->max_buffer_range);
    assert_true(now->offset_alignment >= before->offset_alignment);
    assert_true(now->max_storage_buffers <= before->max_storage_buffers);
    assert_true(now->max_shared_memory <= before->max_shared_memory);
    assert_true(now->max_workgroup_size <= before->max_workgroup_size);
    assert_true(now->max_push_constants <= before->max_push_constants && now->api_version <= before->api_version);
#define NOT_MORE(feature, meaning) assert_true(before->feature || !now->feature);
    PM_FEATURE_LIST(NOT_MORE)
#undef NOT_MORE
    assert_int_equal(now->type, before->type);
    assert_int_equal(now->subgroup_size, before->subgroup_size);
    assert_int_equal(now->device_memory, before->device_memory);
    assert_string_equal(now->name, before->name);
}

static void test_lowers(void **state)
{
    (void)state;
    for (int i = 0; i < PRESETS; i++) {
        const pm_caps most = large(), least = small();
        pm_caps caps = most;
        assert_int_equal(pm_caps_lower(NULL, &caps, "test", presets[i]), PM_OK);
        check_lower(&caps, &most);
        assert_false(caps.serial);
        /* the range that parts of that kind have */
        assert_true(caps.max_shared_memory >= 16 << 10 && caps.max_shared_memory <= 64 << 10);
        assert_true(caps.max_workgroup_size >= 128 && caps.max_workgroup_size <= 1024);
        assert_true(caps.max_push_constants >= 128 && caps.max_buffer_range >= 128 << 20);
        assert_true(caps.max_allocation >= 256 << 20 && caps.offset_alignment <= 256);
        caps = least;
        assert_int_equal(pm_caps_lower(NULL, &caps, "test", presets[i]), PM_OK);
        check_lower(&caps, &least);
        assert_int_equal(caps.max_storage_buffers, 4);
    }
    pm_caps caps = large();
    assert_int_equal(pm_caps_lower(NULL, &caps, "test", "videocore"), PM_OK);
    assert_true(caps.max_storage_buffers == 8 && caps.max_shared_memory == 16 << 10 && caps.max_workgroup_size == 256);
    assert_true(!caps.subgroup && !caps.f16 && !caps.int64 && !caps.coopmat && caps.bda && caps.storage16);
    assert_int_equal(caps.vendor_id, VENDOR_BROADCOM);
}

/* Several at once, features among them, in either order. */
static void test_lists(void **state)
{
    (void)state;
    pm_caps one = large(), two = large();
    assert_int_equal(pm_caps_lower(NULL, &one, "test", "baseline, fused,apple"), PM_OK);
    assert_int_equal(pm_caps_lower(NULL, &two, "test", "apple,fused baseline"), PM_OK);
    assert_memory_equal(&one, &two, sizeof one);
    assert_true(!one.fused && !one.bda && !one.storage16);
    assert_int_equal(one.max_workgroup_size, 128);

    test_lines kept;
    pm_log log = test_lines_log(&kept);
    pm_caps caps = large(), before = caps;
    assert_int_equal(pm_caps_lower(&log, &caps, "test", "adreno,intel"), PM_INVALID);
    assert_memory_equal(&caps, &before, sizeof caps);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'intel'"));
    for (int i = 0; i < PRESETS; i++) assert_non_null(strstr(kept.last, presets[i]));
}

/* A software driver takes the kernels of the part that it imitates. */
static void test_vendors(void **state)
{
    (void)state;
    pm_caps software = large();
    software.type = PM_DEVICE_CPU;
    software.vendor_id = VENDOR_MESA;
    assert_false(many_registers(&software));
    assert_int_equal(pm_caps_lower(NULL, &software, "test", "serial"), PM_OK);
    assert_true(many_registers(&software) && !few_registers(&software));
    for (int i = 0; i < PRESETS; i++) {
        pm_caps caps = software;
        assert_int_equal(pm_caps_lower(NULL, &caps, "test", presets[i]), PM_OK);
        const bool few = !strcmp(presets[i], "mali") || !strcmp(presets[i], "videocore");
        const bool other = few || !strcmp(presets[i], "adreno") || !strcmp(presets[i], "apple");
        assert_int_equal(few_registers(&caps), few);
        assert_int_equal(moderate_registers(&caps), !other);
        assert_int_equal(many_registers(&caps), !strcmp(presets[i], "baseline"));
    }
}

/* Only Xe2's matrix units among Intel's, in subgroups of 16, are taken without a measurement. */
static void test_matrix_units(void **state)
{
    (void)state;
    pm_caps caps = large();
    caps.coopmat = true;
    caps.serial = false;
    for (uint32_t size = 8; size <= 32; size *= 2) {
        caps.coopmat_subgroup = size;
        caps.vendor_id = VENDOR_INTEL;
        assert_int_equal(op_matrix_units(&caps), size >= 16);
        caps.vendor_id = VENDOR_AMD;
        assert_true(op_matrix_units(&caps));
    }
}

/* Mesa 22.3's llvmpipe would cut these loops short: two loops over a tile of the vocabulary. */
static void test_rounds(void **state)
{
    (void)state;
    for (int serial = 0; serial < 2; serial++) {
        pm_caps caps = large();
        caps.serial = serial;
        for (uint32_t rows = 1; rows <= 1024; rows *= 4) {
            const uint32_t tile = op_lm_tile(&caps, rows, 768, 50257);
            assert_true(tile > 0 && (!serial || 2 * tile <= SERIAL_ROUNDS));
        }
        assert_int_equal(op_lm_tile(&caps, 8, 768, 50257) == 50257, !serial);
        assert_int_equal(op_lm_tile(&caps, 8, 128, 32000), 32000);
    }
}

/* SwiftShader cannot run GPUs' kernels with addresses, however they are chosen. */
static void test_quirk(void **state)
{
    (void)state;
    const char *const ways[] = {"serial", "rdna3"};
    for (int i = 0; i < 2; i++) {
        pm_caps caps = large();
        caps.type = PM_DEVICE_CPU;
        caps.vendor_id = VENDOR_GOOGLE;
        assert_int_equal(pm_caps_lower(NULL, &caps, "test", NULL), PM_OK);
        assert_true(caps.bda);
        assert_int_equal(pm_caps_lower(NULL, &caps, "test", ways[i]), PM_OK);
        assert_false(caps.bda);
    }
}

/* ---- programs of devices that are not there ---------------------------------------------------------------------- */

/* A device whose programs are recorded and checked against its limits, but not compiled; its capabilities may be overwritten. */
static pm_device *mask_open(const char *disable, pm_caps **caps)
{
    pm_device *device = test_device_open(&(pm_device_params){.disable = disable, .compile_only = true});
    *caps = (pm_caps *)pm_device_caps(device);
    return device;
}

static pm_status record_training(pm_model *model, pm_precision precision)
{
    const pm_train_params params = {
        .batch = 2, .steps = 1, .clip = 1, .dropout = 0.1f, .accum = 2, .precision = precision};
    static const int32_t tokens[2 * 2 * 128];
    pm_trainer *trainer = NULL;
    pm_step step;
    pm_status status = pm_trainer_create(model, &params, &trainer);
    if (status == PM_OK) status = pm_trainer_step_tokens(trainer, tokens, tokens, &step);
    pm_trainer_destroy(&trainer);
    return status;
}

/* Records training in both precisions, a prompt and a token of a small GPT-2, which uses all families of kernels. Rows of its logits are wide enough
 * for work groups of 256. */
static pm_status record_gpt2(pm_device *device)
{
    const pm_gpt_config config = {
        .arch = PM_ARCH_GPT2, .vocab = 4096, .ctx = 128, .embd = 128, .heads = 2, .layers = 1};
    const uint32_t prompt[40] = {0};
    pm_model *model = NULL;
    pm_session *session = NULL;
    pm_status status = pm_model_create(device, &config, 1, &model);
    if (status == PM_OK) status = record_training(model, PM_PRECISION_F32);
    if (status == PM_OK && pm_device_caps(device)->storage16) status = record_training(model, PM_PRECISION_F16);
    if (status == PM_OK) status = pm_session_create(model, &session);
    if (status == PM_OK) status = pm_session_feed(session, prompt, 40);
    if (status == PM_OK) status = pm_session_feed(session, prompt, 1);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    return status;
}

/* The kernels that were taken: how many are for matrix units, and how many for lanes of a software driver. The former have work groups of whole
 * subgroups, the latter of one. No group is larger than the device allows (gpu_pipeline_get checks shared memory). */
typedef struct taken {
    uint32_t all, units, lanes;
} taken;

static taken taken_by(const pm_device *device)
{
    enum { MOST = 256 };
    static pm_kernel_used used[MOST];
    const pm_caps *caps = pm_device_caps(device);
    taken t = {.all = (uint32_t)pm_device_kernels(device, used, MOST)};
    assert_true(t.all > 0 && t.all <= MOST);
    for (uint32_t i = 0; i < t.all; i++) {
        const char *name = pm_builtin_name(used[i].index);
        const uint32_t group = used[i].spec[SPEC_GROUP_SIZE];
        assert_true(group >= 1 && group <= caps->max_workgroup_size);
        if (strstr(name, "_coop")) {
            assert_int_equal(group % caps->coopmat_subgroup, 0);
            t.units++;
        } else if (strstr(name, "_lanes")) {
            assert_int_equal(group, caps->subgroup_size);
            t.lanes++;
        }
    }
    return t;
}

/* Each subgroup's size, with the work groups and shared memory that devices allow. */
static void test_subgroup_sizes(void **state)
{
    (void)state;
    static const uint32_t groups[] = {128, 256, 1024}, shared[] = {16 << 10, 32 << 10, 64 << 10};
    uint32_t units = 0, lanes = 0;
    bool addresses = false;
    for (uint32_t size = 4; size <= 128; size *= 2)
        for (int i = 0; i < 9; i++) {
            for (int serial = 0; serial < 2; serial++) {
                pm_caps *caps;
                pm_device *device = mask_open(serial ? NULL : "serial", &caps);
                caps->serial = serial;
                caps->subgroup = caps->storage16 = caps->f16 = caps->fused = true;
                caps->subgroup_size = caps->subgroup_min = caps->subgroup_max = caps->coopmat_subgroup = size;
                caps->coopmat = gpu_kernel_built(KERNEL_matmul_coop);
                if (i % 2) caps->vendor_id = VENDOR_INTEL;
                caps->coopmat_m = caps->coopmat_n = caps->coopmat_k = size < 16 ? 8 : 16;
                caps->max_workgroup_size = groups[i % 3];
                caps->max_shared_memory = shared[i / 3];
                assert_int_equal(record_gpt2(device), PM_OK);
                const taken t = taken_by(device);
                if (!serial) assert_int_equal(t.lanes, 0);
                if (serial) assert_true(t.units == 0 && (t.lanes > 0) == (caps->bda && (size == 4 || size == 8)));
                units += t.units;
                lanes += t.lanes;
                addresses |= caps->bda && serial;
                pm_device_close(&device);
            }
        }
    assert_int_equal(lanes > 0, addresses);
    assert_true(units > 0 || !gpu_kernel_built(KERNEL_matmul_coop));
}

/* Every preset, as every part: whatever the preset leaves, all of a GPT has kernels. */
static void test_parts(void **state)
{
    (void)state;
    for (int i = 0; i < PRESETS; i++) {
        pm_caps *caps;
        pm_device *device = mask_open(presets[i], &caps);
        assert_int_equal(record_gpt2(device), PM_OK);
        assert_int_equal(taken_by(device).lanes, 0);
        pm_device_close(&device);
    }
}

/* A kernel with more shared memory or a larger group than a preset leaves is refused, and never reaches the driver. */
static void test_refused(void **state)
{
    (void)state;
    test_lines kept;
    pm_device_params params = {.log = test_lines_log(&kept), .disable = "videocore", .compile_only = true};
    pm_device *device = test_device_open(&params);
    gpu_program *program = NULL;
    const uint32_t spec[] = {[SPEC_GROUP_SIZE] = MATMUL_BLOCK_THREADS, [SPEC_MATMUL_EPILOGUE] = 0};
    const struct matmul_push push = {.m = 1, .n = 1, .k = 1};
    gpu_buffer *buffer = NULL;
    assert_int_equal(gpu_buffer_create(device, GPU_WORKSPACE, 1 << 16, "product", &buffer), PM_OK);
    const gpu_span span = gpu_span_of(buffer);
    const gpu_arg args[] = {{span, GPU_READ}, {span, GPU_READ}, {span, GPU_WRITE}, {{NULL, 0, 0}, GPU_READ}};
    assert_int_equal(gpu_program_create(device, "product", &program), PM_OK);
    gpu_record(program, &(gpu_dispatch){.kernel = KERNEL_matmul_block_plain,
                                        .spec = spec,
                                        .spec_count = sizeof spec / sizeof *spec,
                                        .args = args,
                                        .arg_count = 4,
                                        .push = &push,
                                        .push_size = sizeof push,
                                        .groups = {1, 1, 1}});
    assert_int_equal(gpu_program_finish(program), PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "matmul_block_plain has 16896 bytes of shared memory"));
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    pm_device_close(&device);
}

int main(void)
{
    /* The tests set what a device has. They give a driver modules that it may not know, and run nothing. */
    test_set_variable("PUMICE_DISABLE", NULL);
    test_set_variable("PUMICE_VALIDATE", NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lowers),         cmocka_unit_test(test_lists),  cmocka_unit_test(test_vendors),
        cmocka_unit_test(test_matrix_units),   cmocka_unit_test(test_rounds), cmocka_unit_test(test_quirk),
        cmocka_unit_test(test_subgroup_sizes), cmocka_unit_test(test_parts),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
