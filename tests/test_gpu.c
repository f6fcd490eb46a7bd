/* The Vulkan layer's plain parts: choosing and lowering adapters, opening, SPIR-V facts, cutting. */
#define _POSIX_C_SOURCE 200809L
#include "base/copy.h"
#include "gpu/caps.h"
#include "gpu/cut.h"
#include "gpu/gpu.h"
#include "gpu/gpu_internal.h"
#include "spirv/spirv.h"
#include "helper_device.h"
#include "helper_system.h"
#include "push.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* ---- adapters ---------------------------------------------------------------------------------------------------- */

static pm_caps fake(const char *name, pm_device_type type)
{
    pm_caps caps = {.type = type, .max_storage_buffers = 8, .max_buffer_range = 1 << 27, .max_allocation = 1 << 30};
    snprintf(caps.name, sizeof caps.name, "%s", name);
    return caps;
}

static void test_choose(void **state)
{
    (void)state;
    const pm_caps all[] = {fake("Soft Pipe", PM_DEVICE_CPU), fake("Virtual One", PM_DEVICE_VIRTUAL),
                           fake("Small Integrated", PM_DEVICE_INTEGRATED), fake("Big Card", PM_DEVICE_DISCRETE),
                           fake("Other Card", PM_DEVICE_DISCRETE)};
    char why[160];
    assert_int_equal(pm_adapter_choose(all, 5, "auto", why), 3);
    assert_int_equal(pm_adapter_choose(all, 5, NULL, why), 3);
    assert_int_equal(pm_adapter_choose(all, 3, "auto", why), 2);
    assert_int_equal(pm_adapter_choose(all, 2, "auto", why), 1);
    assert_null(strstr(why, "software"));
    assert_int_equal(pm_adapter_choose(all, 1, "auto", why), 0);
    assert_non_null(strstr(why, "software driver"));
    assert_int_equal(pm_adapter_choose(all, 5, "4", why), 4);
    assert_int_equal(pm_adapter_choose(all, 5, "5", why), -1);
    assert_non_null(strstr(why, "0 to 4"));
    assert_int_equal(pm_adapter_choose(all, 5, "99999999999999999999999", why), -1);
    assert_int_equal(pm_adapter_choose(all, 5, "other", why), 4);
    assert_int_equal(pm_adapter_choose(all, 5, "SOFT P", why), 0);
    assert_int_equal(pm_adapter_choose(all, 5, "cards", why), -1);
    assert_non_null(strstr(why, "cards"));
    assert_int_equal(pm_adapter_choose(all, 0, "auto", why), -1);
    assert_true(strlen(why) > 0);
}

static void test_lowering(void **state)
{
    (void)state;
    test_lines kept;
    pm_log log = test_lines_log(&kept);
    pm_caps caps = fake("Card", PM_DEVICE_DISCRETE), before;
    caps.bda = caps.timestamps = caps.fused = caps.unified = caps.memory_budget = true;
    caps.device_memory = 100;
    caps.device_memory_free = 60;
    before = caps;

    assert_int_equal(pm_caps_lower(&log, &caps, "test", ""), PM_OK);
    assert_memory_equal(&caps, &before, sizeof caps);
    assert_int_equal(pm_caps_lower(&log, &caps, "test", "timestamps,nonsense,bda"), PM_INVALID);
    assert_memory_equal(&caps, &before, sizeof caps);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'nonsense'"));
    assert_non_null(strstr(kept.last, "timestamps")); /* the line says what would be right */

    assert_int_equal(pm_caps_lower(&log, &caps, "test", "bda,memory_budget"), PM_OK);
    assert_false(caps.bda);
    assert_false(caps.memory_budget);
    assert_int_equal(caps.device_memory_free, 100);
    assert_true(caps.fused); /* 8 bindings are enough */
    assert_true(caps.unified && caps.timestamps);
    char text[64];
    gpu_caps_features(&caps, text, sizeof text);
    assert_string_equal(text, "timestamps unified fused");

    caps = before;
    caps.max_storage_buffers = 4;
    assert_int_equal(pm_caps_lower(&log, &caps, "test", "timestamps"), PM_OK);
    assert_true(caps.fused); /* addresses need no bindings */
    assert_int_equal(pm_caps_lower(&log, &caps, "test", "bda"), PM_OK);
    assert_false(caps.fused);
    assert_int_equal(pm_caps_lower(&log, &caps, "test", "all"), PM_OK);
    gpu_caps_features(&caps, text, sizeof text);
    assert_string_equal(text, "none");

    gpu_caps_limit(&caps, 1 << 20, (uint64_t)1 << 40);
    assert_int_equal(caps.max_buffer_range, 1 << 20);
    assert_int_equal(caps.max_allocation, 1 << 30);
    gpu_caps_limit(&caps, 0, 0);
    assert_int_equal(caps.max_buffer_range, 1 << 20);
}

static void test_groups(void **state)
{
    (void)state;
    pm_caps caps = {.max_group_count = {65535, 65535, 65535}};
    const uint64_t counts[] = {0, 1, 63, 65535, 65536, 1000003, 4000000000u};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t g[3];
        gpu_groups(&caps, counts[i], g);
        uint64_t spread = (uint64_t)g[0] * g[1];
        assert_true(g[0] >= 1 && g[0] <= 65535 && g[1] >= 1 && g[1] <= 65535);
        assert_int_equal(g[2], 1);
        assert_true(spread >= counts[i] && spread - counts[i] <= g[1]);
    }
}

static void test_devices(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    size_t count = 0;
    pm_caps list[8];
    memset(list, 0, sizeof list);
    pm_log log = test_device_log();
    assert_int_equal(pm_adapters_list(&log, list, 8, &count), PM_OK);
    assert_true(count >= 1);
    for (size_t i = 0; i < count && i < 8; i++) {
        assert_true(list[i].name[0] && list[i].driver[0]);
        assert_true(list[i].max_buffer_range >= 1 << 27 && list[i].max_push_constants >= 128);
    }
    const pm_caps *caps = pm_device_caps(device);
    assert_true(caps->max_workgroup_size >= 128 && caps->device_memory > 0);
    if (caps->type == PM_DEVICE_CPU && !getenv("PUMICE_DISABLE")) assert_true(caps->serial && caps->unified);
    test_device_done(&device);

    assert_int_equal(pm_device_open(NULL, &device), PM_OK); /* as with zeros */
    pm_device_close(&device);

    test_lines kept;
    pm_device_params params = {.log = test_lines_log(&kept), .cache_dir = "", .disable = "wings"};
    assert_int_equal(pm_device_open(&params, &device), PM_INVALID);
    assert_null(device);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "'wings'"));
    params = (pm_device_params){.log = test_lines_log(&kept), .cache_dir = "", .select = "no such adapter"};
    assert_int_equal(pm_device_open(&params, &device), PM_NO_DEVICE);
    assert_int_equal(kept.errors, 1);
    pm_device_close(&device);
}

/* Where validation is asked for and not available, opening fails. */
static void test_no_layer(void **state)
{
    (void)state;
    const char *path = getenv("VK_LAYER_PATH");
    char *kept_path = path ? copy_text(path) : NULL;
    test_lines kept;
    pm_device_params params = {.log = test_lines_log(&kept), .cache_dir = "", .validate = true};
    pm_device *device = NULL;
    test_set_variable("VK_LAYER_PATH", "/nonexistent");
    pm_status status = pm_device_open(&params, &device);
    pm_device_close(&device);
    test_set_variable("VK_LAYER_PATH", kept_path);
    free(kept_path);
    if (status == PM_NO_DEVICE || status == PM_OK) skip(); /* no loader; or one that finds layers elsewhere too */
    assert_int_equal(status, PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "VK_LAYER_KHRONOS_validation"));
}

/* ---- SPIR-V ------------------------------------------------------------------------------------------------------ */

/* The size of a kernel's struct in push.h, by the beginning of the kernel's name. */
static size_t push_size_of(const char *kernel)
{
    static const struct {
        const char *start;
        size_t size;
    } structs[] = {{"matmul", sizeof(matmul_push)},
                   {"attention", sizeof(attention_push)},
                   {"embed", sizeof(embed_push)},
                   {"loss", sizeof(loss_push)},
                   {"sumsq", sizeof(reduce_push)},
                   {"clip", sizeof(reduce_push)},
                   {"adamw", sizeof(adamw_push)},
                   {"matvec", sizeof(matmul_push)},
                   {"gather", sizeof(task_push)},
                   {"scatter", sizeof(task_push)},
                   {"label_loss", sizeof(task_push)},
                   {"score_loss", sizeof(task_push)},
                   {"meter", sizeof(meter_push)},
                   {"colsum_finish", sizeof(finish_push)},
                   {"kv_append", sizeof(append_push)},
                   {"colsum_rms", sizeof(rms_push)},
                   {"rmsnorm", sizeof(rms_push)},
                   {"head_norm", sizeof(rms_push)},
                   {"rope", sizeof(rope_push)},
                   {"gate", sizeof(gate_push)},
                   {"", sizeof(rows_push)}};
    size_t i = 0;
    while (strncmp(kernel, structs[i].start, strlen(structs[i].start)) != 0) i++;
    return structs[i].size;
}

static void test_spirv_facts(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < KERNEL_COUNT; kernel++)
        for (int bda = 0; bda < 2; bda++) {
            size_t count;
            const uint32_t *words = gpu_kernel_words((kernel_id)kernel, bda, &count);
            if (!gpu_kernel_built((kernel_id)kernel)) continue;
            spirv_facts facts;
            assert_int_equal(spirv_read(words, count, &facts), PM_OK);
            bool addresses = false;
            for (uint32_t i = 0; i < facts.capability_count; i++) addresses |= facts.capabilities[i] == 5347;
            assert_int_equal(addresses, bda);
            assert_int_equal(facts.binding_mask != 0, !bda);
            assert_true(facts.spec_mask & 1); /* local_size_x */
            assert_true(facts.push_args <= GPU_MAX_ARGS && facts.push_param <= GPU_MAX_PUSH);
            assert_int_equal(facts.push_param, push_size_of(gpu_kernel_name((kernel_id)kernel)));
            assert_int_equal(facts.addresses, bda ? facts.push_args : 0);
            assert_int_equal(facts.push_size, (bda ? 8 : 4) * facts.push_args + facts.push_param);
            assert_true(facts.push_size <= 128);
            assert_int_equal(facts.binding_mask >> facts.push_args, 0);
        }
    size_t count;
    spirv_facts facts;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu, false, &count);
    assert_int_equal(spirv_read(words, count, &facts), PM_OK);
    assert_int_equal(facts.version, 0x00010300);
    assert_int_equal(facts.binding_mask, 3);
    assert_int_equal(facts.push_param, sizeof(rows_push));
    words = gpu_kernel_words(KERNEL_gelu_bwd, true, &count);
    assert_int_equal(spirv_read(words, count, &facts), PM_OK);
    assert_int_equal(facts.addresses, 3);
    assert_int_equal(facts.push_param, sizeof(rows_push));
}

/* The reader accepts or refuses a module that is cut short or changed anywhere. A sanitizer watches that it stays
 * within the words. */
static void test_spirv_damaged(void **state)
{
    (void)state;
    size_t count;
    const uint32_t *words = gpu_kernel_words(KERNEL_gelu_bwd, true, &count);
    uint32_t *copy = malloc(count * sizeof *copy);
    assert_non_null(copy);
    spirv_facts facts;
    for (size_t n = 0; n < count; n++) {
        uint32_t *exact = malloc((n ? n : 1) * sizeof *exact);
        assert_non_null(exact);
        memcpy(exact, words, n * sizeof *exact);
        (void)spirv_read(exact, n, &facts);
        free(exact);
    }
    for (size_t at = 0; at < count; at++) {
        static const uint32_t values[] = {0, 1, UINT32_MAX, 0x00010000, 0xffff0000};
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            memcpy(copy, words, count * sizeof *copy);
            copy[at] = values[v];
            (void)spirv_read(copy, count, &facts);
        }
    }
    memcpy(copy, words, count * sizeof *copy);
    copy[0] ^= 1;
    assert_int_equal(spirv_read(copy, count, &facts), PM_SHADER);
    free(copy);
}

/* ---- cutting ----------------------------------------------------------------------------------------------------- */

static void test_cut(void **state)
{
    (void)state;
    gpu_work work[] = {{3, {5, 1, 1}, false},  {25, {7, 100, 1}, false}, {4, {1, 1, 1}, false},
                       {35, {1, 1, 1}, false}, {20, {3, 1, 50}, false},  {1, {9, 1, 1}, false}};
    const gpu_work whole = {50, {100, 100, 1}, true};
    gpu_cut cut;
    assert_int_equal(gpu_cut_make(&whole, 1, 10, &cut), PM_OK);
    assert_int_equal(cut.part_count, 1);
    gpu_cut_free(&cut);
    assert_int_equal(gpu_cut_make(work, 6, 10, &cut), PM_OK);
    uint64_t done[6] = {0};
    double ms = 0;
    for (uint32_t i = 0; i < cut.part_count; i++) {
        const gpu_part *p = &cut.parts[i];
        done[p->command] += (uint64_t)p->count[0] * p->count[1] * p->count[2];
        ms += p->ms;
        if (p->command == 1) assert_true(p->count[0] == 7 && p->base[0] == 0); /* x is whole where y has groups */
        if (p->command == 4) assert_true(p->count[0] == 3 && p->count[2] <= 25);
        if (i > 0 && cut.parts[i - 1].command == p->command && p->command == 1)
            assert_int_equal(p->base[1], cut.parts[i - 1].base[1] + cut.parts[i - 1].count[1]);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(done[i], (uint64_t)work[i].groups[0] * work[i].groups[1] * work[i].groups[2]);
    assert_true(fabs(ms - 88) < 1e-9);
    uint32_t next = 0;
    for (uint32_t s = 0; s < cut.submission_count; s++) {
        assert_int_equal(cut.submissions[s].first, next);
        assert_true(cut.submissions[s].count >= 1);
        if (cut.submissions[s].count > 1) assert_true(cut.submissions[s].ms <= 10 + 1e-9);
        next += cut.submissions[s].count;
    }
    assert_int_equal(next, cut.part_count);

    /* the whole takes twice the time, and so do the commands */
    double measured[64];
    assert_true(cut.submission_count <= 64);
    for (uint32_t s = 0; s < cut.submission_count; s++) measured[s] = 2 * cut.submissions[s].ms;
    gpu_cut_learn(work, &cut, measured);
    const double wanted[] = {6, 50, 8, 70, 40, 2};
    for (int i = 0; i < 6; i++) assert_true(fabs(work[i].ms - wanted[i]) < 1e-9);
    gpu_cut_free(&cut);

    assert_int_equal(gpu_cut_make(work, 6, 1000, &cut), PM_OK);
    assert_int_equal(cut.submission_count, 1);
    assert_int_equal(cut.part_count, 6);
    gpu_cut_free(&cut);
    assert_int_equal(gpu_cut_make(work, 0, 10, &cut), PM_OK);
    assert_int_equal(cut.submission_count, 0);
    gpu_cut_free(&cut);
    assert_true(gpu_cut_guess(PM_DEVICE_CPU, 1e9, 0) > gpu_cut_guess(PM_DEVICE_DISCRETE, 1e9, 0));
    assert_true(isfinite(gpu_cut_guess(PM_DEVICE_CPU, INFINITY, 0)));
}

/* Submission by submission, all commands are run once, in order. Each submission fits, or has the least that can run by
 * itself. */
static void test_cut_next(void **state)
{
    (void)state;
    const gpu_work work[] = {{3, {5, 1, 1}, false},  {25, {7, 100, 1}, false}, {50, {9, 9, 1}, true},
                             {30, {2, 1, 1}, false}, {1, {1, 1, 1}, false},    {1, {1, 1, 1}, false},
                             {1, {1, 1, 1}, false}};
    enum { COUNT = sizeof work / sizeof work[0], MOST = 2 };
    gpu_place place = {0};
    uint32_t row = 0, command = 0, submissions = 0;
    while (place.command < COUNT) {
        gpu_cut cut;
        assert_int_equal(gpu_cut_next(work, COUNT, 10, MOST, &place, &cut), PM_OK);
        assert_int_equal(cut.submission_count, 1);
        assert_int_equal(cut.submissions[0].count, cut.part_count);
        assert_true(cut.part_count >= 1 && cut.part_count <= MOST);
        double ms = 0;
        for (uint32_t i = 0; i < cut.part_count; i++) {
            const gpu_part *p = &cut.parts[i];
            const int axis = work[command].groups[1] > 1 ? 1 : 0;
            assert_int_equal(p->command, command);
            assert_int_equal(p->base[axis], row);
            row += p->count[axis];
            if (row == work[command].groups[axis]) {
                row = 0;
                command++;
            }
            ms += p->ms;
        }
        assert_true(fabs(ms - cut.submissions[0].ms) < 1e-9);
        const gpu_part *first = &cut.parts[0];
        const bool least = work[first->command].whole || first->count[0] == 1; /* a command, or a row of 15 ms */
        assert_true(ms <= 10 + 1e-9 || (cut.part_count == 1 && least));
        submissions++;
        gpu_cut_free(&cut);
    }
    assert_int_equal(command, COUNT);
    assert_int_equal(submissions, 1 + 2 + 1 + 2 + 2); /* 3 + 7, 10, 8, 50, 15, 15, 1 + 1, 1 */
}

/* The validation layer's messages go to the host's log; after the device is closed they do not, even where its work never ended. */
static void test_silence(void **state)
{
    (void)state;
    static gpu_instance *instance; /* it stays until the process ends */
    test_lines kept;
    const pm_device_params params = {.log = test_lines_log(&kept), .cache_dir = "", .validate = true};
    const VkDebugUtilsMessengerCallbackDataEXT data = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CALLBACK_DATA_EXT, .pMessage = "a message"};
    pm_device *device = NULL;
    if (pm_device_open(&params, &device) != PM_OK) skip(); /* no device, or no layer */
    instance = &device->instance;
    PFN_vkSubmitDebugUtilsMessageEXT speak =
        (PFN_vkSubmitDebugUtilsMessageEXT)vkGetInstanceProcAddr(instance->handle, "vkSubmitDebugUtilsMessageEXT");
    assert_non_null(speak);
    for (int closed = 0; closed < 2; closed++) {
        test_lines_log(&kept);
        speak(instance->handle, VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
              VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT, &data);
        assert_int_equal(kept.errors, !closed);
        if (closed) break;
        assert_int_equal(gpu_abandon(device), PM_DEVICE_LOST);
        pm_device_close(&device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),      cmocka_unit_test(test_lowering),      cmocka_unit_test(test_groups),
        cmocka_unit_test(test_spirv_facts), cmocka_unit_test(test_spirv_damaged), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_devices),     cmocka_unit_test(test_no_layer),      cmocka_unit_test(test_cut_next),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
