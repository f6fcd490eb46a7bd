/* Pumice on a host's device: the same bits as on its own, with what was switched on alone, under the host's lock, and nothing of the host's touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/features.h" /* volk, which must come before <pumice/vulkan.h> */

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_import.h"

enum { STEPS = 20, BATCH = 2, TIME = 16, VOCAB = 24 };

typedef struct outcome {
    float losses[STEPS];
    float weight_norm;
} outcome;

static outcome train(pm_device *device)
{
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = TIME, .embd = 32, .heads = 2, .layers = 2};
    const pm_train_params params = {
        .batch = BATCH, .time = TIME, .steps = STEPS, .clip = 1, .lr = 1e-2f, .dropout = 0.1f};
    outcome out = {{0}, 0};
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    int32_t tokens[BATCH * TIME], targets[BATCH * TIME];
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    for (int i = 0; i < STEPS; i++) {
        pm_step step;
        for (int k = 0; k < BATCH * TIME; k++) {
            tokens[k] = (k * 7 + i) % VOCAB;
            targets[k] = (k * 7 + i + 7) % VOCAB;
        }
        assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
        out.losses[i] = step.loss;
        out.weight_norm = step.grad_norm;
    }
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    return out;
}

static test_host *host_of(test_host_kind kind)
{
    test_host *host = test_host_make(kind);
    if (!host) skip();
    return host;
}

static pm_device_params plain(void)
{
    pm_device_params params = test_device_params((pm_device_params){.cache_dir = ""});
    params.validate = false; /* the host's instance has the layer */
    return params;
}

static outcome train_own(const char *disable)
{
    pm_device *own = test_device(disable);
    const outcome out = train(own);
    test_device_done(&own);
    return out;
}

static void test_full(void **state)
{
    (void)state;
    const pm_device_params params = plain();
    pm_device *own = test_device(NULL), *device = NULL;
    test_host *host = host_of(TEST_HOST_FULL);
    assert_int_equal(pm_device_import(&params, test_host_device(host), &device), PM_OK);
    const pm_caps *a = pm_device_caps(own), *b = pm_device_caps(device);
    assert_string_equal(a->name, b->name);
#define SAME(name, meaning) assert_int_equal(a->name, b->name);
    PM_FEATURE_LIST(SAME)
#undef SAME
    const outcome here = train(device), there = train(own);
    assert_memory_equal(&here, &there, sizeof here);
    assert_true(test_host_locks(host) >= STEPS);
    test_device_done(&device);
    test_device_done(&own);
    test_host_done(&host);
}

/* What was not switched on counts as absent, whatever the physical device has. */
static void test_bare(void **state)
{
    (void)state;
    const pm_device_params params = plain();
    pm_device *device = NULL;
    test_host *host = host_of(TEST_HOST_BARE);
    assert_int_equal(pm_device_import(&params, test_host_device(host), &device), PM_OK);
    const pm_caps *caps = pm_device_caps(device);
    assert_false(caps->bda || caps->int64 || caps->storage16 || caps->f16 || caps->coopmat);
    const outcome here = train(device), there = train_own("bda,int64,storage16,f16,coopmat");
    assert_memory_equal(&here, &there, sizeof here);
    test_device_done(&device);
    test_host_done(&host);
}

/* A thread of the host's uses the same queue all the time, under its lock. */
static void test_busy(void **state)
{
    (void)state;
    const pm_device_params params = plain();
    pm_device *device = NULL;
    test_host *host = host_of(TEST_HOST_BUSY);
    assert_int_equal(pm_device_import(&params, test_host_device(host), &device), PM_OK);
    const outcome here = train(device);
    test_device_done(&device);
    test_host_done(&host);
    const outcome there = train_own(NULL);
    assert_memory_equal(&here, &there, sizeof here);
}

static void test_refused(void **state)
{
    (void)state;
    test_host *host = host_of(TEST_HOST_FULL);
    const pm_vulkan_device good = *test_host_device(host);
    VkPhysicalDeviceFeatures2 claims = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    memset(&claims.features, 1, sizeof claims.features); /* no device has all */
    struct {
        pm_vulkan_device host;
        pm_status status;
        const char *words;
    } rows[] = {{good, PM_INVALID, "without its instance"},   {good, PM_INVALID, "without its physical device"},
                {good, PM_INVALID, "without its VkDevice"},   {good, PM_INVALID, "without its queue"},
                {good, PM_INVALID, "one of lock and unlock"}, {good, PM_INVALID, "queue family 99 of"},
                {good, PM_INVALID, "claims a feature that"},  {good, PM_UNSUPPORTED, "for Vulkan 1.0"}};
    rows[0].host.instance = NULL;
    rows[1].host.physical = NULL;
    rows[2].host.device = NULL;
    rows[3].host.queue = NULL;
    rows[4].host.unlock = NULL;
    rows[5].host.queue_family = 99;
    rows[6].host.features = &claims;
    rows[7].host.api_version = VK_API_VERSION_1_0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_lines kept;
        pm_device *device = NULL;
        pm_device_params params = plain();
        params.log = test_lines_log(&kept);
        assert_int_equal(pm_device_import(&params, &rows[i].host, &device), rows[i].status);
        assert_null(device);
        assert_int_equal(kept.errors, 1);
        if (!strstr(kept.last, rows[i].words)) print_error("%s\n", kept.last);
        assert_non_null(strstr(kept.last, rows[i].words));
    }
    test_host_done(&host);
}

/* A host's chain: bytes behind the last feature of a struct mean nothing, an extension that was not enabled switches nothing on, and the collective
 * structs count. */
static void test_chains(void **state)
{
    (void)state;
    static const char *const extensions[] = {"VK_KHR_pipeline_executable_properties"};
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR single;
    VkPhysicalDeviceVulkan12Features all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                            .pNext = &single,
                                            .bufferDeviceAddress = VK_TRUE};
    const VkPhysicalDeviceFeatures2 head = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &all};
    gpu_feature_set on, found;
    memset(&found, 0, sizeof found);
    memset(&single, 0xff, sizeof single);
    single.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
    single.pNext = NULL;
    single.pipelineExecutableInfo = VK_TRUE;
    gpu_features_of_host(&head, VK_API_VERSION_1_2, NULL, 0, &on);
    assert_int_equal(on.executable.pipelineExecutableInfo, VK_FALSE);
    assert_int_equal(on.address.bufferDeviceAddress, VK_TRUE);
    gpu_features_of_host(&head, VK_API_VERSION_1_2, extensions, 1, &on);
    assert_int_equal(on.executable.pipelineExecutableInfo, VK_TRUE);
    found.executable.pipelineExecutableInfo = found.narrow.shaderInt8 = VK_TRUE;
    assert_false(gpu_features_mask(&found, &on)); /* it has no addresses */
    assert_int_equal(found.narrow.shaderInt8, VK_TRUE);
    found.address.bufferDeviceAddress = VK_TRUE;
    assert_true(gpu_features_mask(&found, &on));
    assert_int_equal(found.narrow.shaderInt8, VK_FALSE);
    assert_int_equal(found.executable.pipelineExecutableInfo, VK_TRUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full), cmocka_unit_test(test_bare),
                                       cmocka_unit_test(test_busy), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_chains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
