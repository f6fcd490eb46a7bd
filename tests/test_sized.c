/* Structs of programs that were built with older and newer headers: shorter ones, and longer ones whose ends are zeros or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"

enum { MORE = 8 }; /* bytes that a newer version added */

/* A newer program's struct: the known one, and what follows. */
typedef union newer {
    unsigned char bytes[512];
    uint64_t aligned;
    pm_device_params device;
    pm_gpt_config config;
    pm_train_params train;
    pm_finetune_params finetune;
    pm_corpus_params corpus;
    pm_bench_params bench;
    pm_autotune_params autotune;
    pm_sampling sampling;
    pm_model_params model;
    pm_session_params session;
} newer;

/* A copy of a struct with MORE bytes behind it, the last of which is `end`. */
static newer extend(const void *known, size_t size, unsigned char end)
{
    newer made = {.bytes = {0}};
    assert_true(size + MORE <= sizeof made.bytes);
    memcpy(made.bytes, known, size);
    made.bytes[size + MORE - 1] = end;
    return made;
}
#define NEWER(known, end) extend(&(known), sizeof(known), end)
#define SIZE(type) (sizeof(type) + MORE)

static const pm_gpt_config config = {.vocab = 256, .ctx = 16, .embd = 16, .heads = 2, .layers = 1};

static void refused(pm_status got, const char *type)
{
    test_expect_failure(got, PM_INVALID, type, "the program sets a field that Pumice " PM_VERSION " does not have");
}

static void test_older(void **state)
{
    (void)state;
    const pm_log log = test_log();
    const size_t size = offsetof(pm_gpt_config, outputs); /* a version without heads of tasks */
    pm_gpt_config old = config;
    memset((char *)&old + size, 0x5A, sizeof old - size); /* not the old program's memory */
    assert_int_equal(pm_gpt_config_check_sized(&log, &old, size), PM_OK);
    assert_int_equal(pm_gpt_config_parameters_sized(&old, size), pm_gpt_config_parameters(&config));
}

/* A folder's configuration, read by programs of several versions. */
static void test_written(void **state)
{
    (void)state;
    const pm_log log = test_log();
    pm_gpt_config whole;
    newer later;
    const char *text =
        "{\"model_type\": \"gpt2\", \"vocab_size\": 256, \"n_ctx\": 16, \"n_positions\": 16, \"n_embd\": 16, "
        "\"n_head\": 2, \"n_layer\": 1, \"eos_token_id\": 9}";
    test_write(test_path(test_root, "config.json"), text, strlen(text));
    assert_int_equal(pm_gpt_config_load(&log, test_root, &whole), PM_OK);
    assert_true(whole.special.has_eos);

    memset(later.bytes, 0x5A, sizeof later.bytes);
    assert_int_equal(pm_gpt_config_load_sized(&log, test_root, &later.config, SIZE(pm_gpt_config)), PM_OK);
    assert_memory_equal(later.bytes, &whole, sizeof whole);
    for (size_t i = 0; i < MORE; i++) assert_int_equal(later.bytes[sizeof whole + i], 0);
    assert_int_equal(later.bytes[SIZE(pm_gpt_config)], 0x5A);

    /* An older program would not know of the token: it is told, and keeps what it had. */
    memset(later.bytes, 0x5A, sizeof later.bytes);
    test_log_reset();
    test_expect_failure(pm_gpt_config_load_sized(&log, test_root, &later.config, offsetof(pm_gpt_config, special)),
                        PM_UNSUPPORTED, "pm_gpt_config", "no room for a field that is set here");
    for (size_t i = 0; i < sizeof later.bytes; i++) assert_int_equal(later.bytes[i], 0x5A);
}

/* What needs no device. */
static void test_newer(void **state)
{
    (void)state;
    const pm_log log = test_log();
    const pm_device_params device = {.log = log};
    const pm_train_params train = {.batch = 2};
    const pm_bench_params bench = {.op = "copy"};
    const pm_corpus_params corpus = {.documents = PM_DOCUMENTS_OFF};
    const newer zero = NEWER(config, 0), bad = NEWER(config, 1);
    const newer bad_device = NEWER(device, 1), bad_train = NEWER(train, 1), bad_bench = NEWER(bench, 1),
                bad_corpus = NEWER(corpus, 1);
    const pm_caps caps = {.max_allocation = 1u << 30};
    pm_device *opened = NULL;
    pm_corpus *read = NULL;
    pm_train_plan plan;
    pm_session_plan session;
    static pm_doctor_report report;
    test_log_reset();
    assert_int_equal(pm_gpt_config_check_sized(&log, &zero.config, SIZE(pm_gpt_config)), PM_OK);
    assert_true(pm_gpt_config_parameters_sized(&zero.config, SIZE(pm_gpt_config)) > 0);
    assert_int_equal(pm_gpt_config_parameters_sized(&bad.config, SIZE(pm_gpt_config)), 0);
    assert_int_equal(test_log_count(PM_LOG_ERROR), 0);
    refused(pm_gpt_config_check_sized(&log, &bad.config, SIZE(pm_gpt_config)), "pm_gpt_config");
    refused(pm_train_plan_make_sized(&log, &caps, &bad.config, SIZE(pm_gpt_config), &train, sizeof train, &plan),
            "pm_gpt_config");
    refused(
        pm_train_plan_make_sized(&log, &caps, &config, sizeof config, &bad_train.train, SIZE(pm_train_params), &plan),
        "pm_train_params");
    refused(pm_finetune_plan_make_sized(&log, &caps, &bad.config, SIZE(pm_gpt_config), NULL, NULL, 0, &plan),
            "pm_gpt_config");
    refused(pm_session_plan_make_sized(&log, &caps, &bad.config, SIZE(pm_gpt_config), &session), "pm_gpt_config");
    static const pm_model_params model = {0};
    static const pm_session_params room = {0};
    const newer bad_model = NEWER(model, 1), bad_session = NEWER(room, 1);
    refused(pm_session_plan_make_as_sized(&log, &caps, &config, sizeof config, &bad_model.model, SIZE(pm_model_params),
                                          NULL, 0, &session),
            "pm_model_params");
    refused(pm_session_plan_make_as_sized(&log, &caps, &config, sizeof config, NULL, 0, &bad_session.session,
                                          SIZE(pm_session_params), &session),
            "pm_session_params");
    refused(pm_bench_check_sized(&log, &bad_bench.bench, SIZE(pm_bench_params)), "pm_bench_params");
    refused(pm_corpus_open_with_sized(&log, "none", NULL, &bad_corpus.corpus, SIZE(pm_corpus_params), &read),
            "pm_corpus_params");
    refused(pm_device_open_sized(&bad_device.device, SIZE(pm_device_params), &opened), "pm_device_params");
    refused(pm_doctor_run_sized(&bad_device.device, SIZE(pm_device_params), NULL, NULL, &report), "pm_device_params");
    assert_null(opened);
    assert_null(read);
}

/* A trainer made by a program of some version: the loss of its first step. */
static float first_loss(pm_model *model, const pm_train_params *params, size_t size)
{
    int32_t tokens[32], targets[32];
    for (int i = 0; i < 32; i++) tokens[i] = i * i % 256, targets[i] = (i + 1) * (i + 1) % 256;
    pm_trainer *trainer = NULL;
    pm_step step;
    assert_int_equal(pm_trainer_create_sized(model, params, size, &trainer), PM_OK);
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
    pm_trainer_destroy(&trainer);
    return step.loss;
}

static void train_in_versions(pm_device *device, const pm_train_params *params, size_t size)
{
    pm_model *model = NULL;
    const newer later = NEWER(config, 0);
    assert_int_equal(pm_model_create_sized(device, &later.config, SIZE(pm_gpt_config), 1, &model), PM_OK);
    const float loss = first_loss(model, params, size);
    pm_model_destroy(&model);
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_true(first_loss(model, &(pm_train_params){.batch = 2}, sizeof *params) == loss);
    pm_model_destroy(&model);
}

static void test_on_device(void **state)
{
    (void)state;
    pm_device *device = test_device_open(&(pm_device_params){.log = test_log()});
    pm_train_params old = {.batch = 2};
    const size_t size = offsetof(pm_train_params, precision);
    memset((char *)&old + size, 0x5A, sizeof old - size); /* not the old program's memory */
    const pm_train_params train = {.batch = 2};
    const newer zero = NEWER(train, 0), bad_config = NEWER(config, 1), bad = NEWER(train, 1);
    train_in_versions(device, &old, size);
    train_in_versions(device, &zero.train, SIZE(pm_train_params));

    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_finetuner *finetuner = NULL;
    pm_session *session = NULL;
    pm_bench_row row;
    uint32_t token = 1;
    test_log_reset();
    refused(pm_model_create_sized(device, &bad_config.config, SIZE(pm_gpt_config), 1, &model), "pm_gpt_config");
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    refused(pm_trainer_create_sized(model, &bad.train, SIZE(pm_train_params), &trainer), "pm_train_params");
    const pm_finetune_params finetune = {.epochs = 1};
    const newer bad_finetune = NEWER(finetune, 1);
    refused(pm_finetuner_create_sized(model, NULL, &bad_finetune.finetune, SIZE(pm_finetune_params), &finetuner),
            "pm_finetune_params");
    const pm_autotune_params autotune = {.quick = true};
    const newer bad_autotune = NEWER(autotune, 1);
    refused(pm_device_autotune_sized(device, &config, sizeof config, &bad_autotune.autotune, SIZE(pm_autotune_params),
                                     NULL, NULL),
            "pm_autotune_params");
    refused(pm_device_autotune_sized(device, &bad_config.config, SIZE(pm_gpt_config), &autotune, sizeof autotune, NULL,
                                     NULL),
            "pm_gpt_config");
    const pm_bench_params bench = {.op = "copy"};
    const newer bad_bench = NEWER(bench, 1);
    refused(pm_bench_run_sized(device, &bad_bench.bench, SIZE(pm_bench_params), &row), "pm_bench_params");
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
    const pm_sampling greedy = {0};
    const newer later = NEWER(greedy, 0), bad_sampling = NEWER(greedy, 1);
    refused(pm_session_sample_sized(session, &bad_sampling.sampling, SIZE(pm_sampling), &token), "pm_sampling");
    uint32_t same;
    assert_int_equal(pm_session_sample_sized(session, &later.sampling, SIZE(pm_sampling), &token), PM_OK);
    assert_int_equal(pm_session_sample(session, NULL, &same), PM_OK);
    assert_int_equal(token, same);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_older), cmocka_unit_test(test_written),
                                       cmocka_unit_test(test_newer), cmocka_unit_test(test_on_device)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
