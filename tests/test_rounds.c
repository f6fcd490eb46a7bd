/* A program that opens and closes again and again keeps no memory: neither the host's nor the device's. PUMICE_TEST_ROUNDS: how often, 6 unless set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <pumice/pumice.h>

#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"

enum { BATCH = 2, TIME = 16, MIB = 1 << 20 };

/* Bytes in use on the heap; 0 where the C library does not tell. */
static size_t heap(void)
{
#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

/* Opens, loads, trains a step, generates, closes. */
static void go_round(const char *folder, bool first)
{
    const pm_gpt_config config = {.vocab = 256, .ctx = TIME, .embd = 64, .heads = 4, .layers = 2};
    const pm_train_params params = {.batch = BATCH, .time = TIME, .steps = 1};
    const pm_sampling greedy = {0};
    int32_t tokens[BATCH * TIME] = {0};
    uint32_t token = 1;
    uint64_t now = 0, peak = 0;
    pm_step step;
    pm_device *device = test_device(NULL);
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_session *session = NULL;
    if (first) {
        assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
        assert_int_equal(pm_model_save(model, folder), PM_OK);
        pm_model_destroy(&model);
    }
    assert_int_equal(pm_model_load(device, folder, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, tokens, &step), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
        assert_int_equal(pm_session_sample(session, &greedy, &token), PM_OK);
    }
    pm_session_destroy(&session);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    gpu_memory_stats(device, &now, &peak);
    assert_true(peak > 0 && now <= 16 * MIB); /* what is left is for copies */
    test_device_done(&device);
}

static void test_rounds(void **state)
{
    (void)state;
    const char *asked = getenv("PUMICE_TEST_ROUNDS");
    const long rounds = asked ? strtol(asked, NULL, 10) : 6;
    const char *folder = test_path(test_root, "model");
    char path[1024];
    snprintf(path, sizeof path, "%s", folder);
    size_t begin = 0, end = 0;
    for (long i = 0; i < rounds; i++) {
        go_round(path, i == 0);
        end = heap();
        if (i == 0) begin = end; /* what a driver keeps for good is there now */
    }
    printf("%ld rounds: %zu bytes on the heap after the first, %zu after the last\n", rounds, begin, end);
    assert_true(end <= begin + MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
