/* Devices that bind fewer storage buffers than kernels have operands: operands share bindings, and nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_model.h"

enum { BATCH = 2, TIME = 12, STEPS = 3, TOKENS = 2 * BATCH * TIME }; /* two micro batches a step */

/* Opens a device and lets it bind only so many buffers. `disable` names features to do without: addresses and fused
 * products, as on such a device. */
static pm_device *open_with(uint32_t buffers, const char *disable, pm_log log)
{
    pm_device *device = test_device_open(&(pm_device_params){.log = log, .disable = disable});
    ((pm_caps *)pm_device_caps(device))->max_storage_buffers = buffers;
    return device;
}

static pm_status train(pm_model *model, pm_precision precision, float losses[STEPS])
{
    const pm_train_params params = {.batch = BATCH,
                                    .accum = 2,
                                    .steps = STEPS,
                                    .lr = 1e-2f,
                                    .clip = 1,
                                    .seed = 3,
                                    .dropout = 0.1f,
                                    .weight_decay = 0.1f,
                                    .precision = precision};
    int32_t tokens[TOKENS];
    pm_trainer *trainer = NULL;
    pm_step step = {0};
    for (int32_t i = 0; i < TOKENS; i++) tokens[i] = i * i % 37;
    pm_status status = pm_trainer_create(model, &params, &trainer);
    for (int i = 0; i < STEPS && status == PM_OK; i++) {
        status = pm_trainer_step_tokens(trainer, tokens, tokens, &step);
        losses[i] = step.loss;
    }
    pm_trainer_destroy(&trainer);
    return status;
}

/* A prompt, then token by token. */
static void write_some(pm_model *model, uint32_t out[8])
{
    const pm_sampling greedy = {0};
    const uint32_t prompt[] = {3, 1, 4, 1, 5};
    pm_session *session = NULL;
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, prompt, 5), PM_OK);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pm_session_sample(session, &greedy, &out[i]), PM_OK);
        assert_int_equal(pm_session_feed(session, &out[i], 1), PM_OK);
    }
    pm_session_destroy(&session);
}

/* Four buffers, which Vulkan promises, give the same bits as sixteen. */
static void compare(const char *disable, pm_precision precision)
{
    float losses[2][STEPS];
    uint32_t written[2][8];
    pm_device *devices[2];
    pm_model *models[2] = {NULL, NULL};
    for (int few = 0; few < 2; few++) {
        devices[few] = open_with(few ? 4 : 16, disable, (pm_log){0});
        if (precision == PM_PRECISION_F16 && !pm_device_caps(devices[few])->storage16) {
            test_device_done(&devices[few]);
            skip();
        }
        models[few] = test_model_make(devices[few], PM_ARCH_GPT2, false);
        assert_int_equal(train(models[few], precision, losses[few]), PM_OK);
        write_some(models[few], written[few]);
    }
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    assert_memory_equal(written[0], written[1], sizeof written[0]);
    test_model_same(models[0], models[1]);
    for (int few = 0; few < 2; few++) {
        pm_model_destroy(&models[few]);
        test_device_done(&devices[few]);
    }
}

static void test_software(void **state)
{
    (void)state;
    compare("bda,fused", PM_PRECISION_F32);
}

static void test_gpu_kernels(void **state)
{
    (void)state;
    compare("serial,bda,fused", PM_PRECISION_F32);
}

static void test_halves(void **state)
{
    (void)state;
    compare("serial,bda,fused", PM_PRECISION_F16);
}

/* Weights and activations do not fit one binding. */
static void test_too_few(void **state)
{
    (void)state;
    test_lines kept;
    float losses[STEPS];
    pm_device *device = open_with(1, "bda,fused", test_lines_log(&kept));
    pm_model *model = test_model_make(device, PM_ARCH_GPT2, false);
    assert_int_equal(train(model, PM_PRECISION_F32, losses), PM_UNSUPPORTED);
    assert_int_equal(kept.errors, 1);
    assert_non_null(strstr(kept.last, "binds 1 storage buffers a stage"));
    pm_model_destroy(&model);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_software),
        cmocka_unit_test(test_gpu_kernels),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
