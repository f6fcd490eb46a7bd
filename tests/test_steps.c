/* Steps in parts: begin, done and end have the bits of one call, alone, two at a time and beside other work. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_steps.h"
#include "os/clock.h"

static bool half_possible(void)
{
    pm_device *device = test_device(NULL);
    const bool possible = pm_device_caps(device)->storage16;
    test_device_done(&device);
    return possible;
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

/* `ahead`: how many steps are begun before the first one ends. */
static void in_parts(uint32_t submit_ms, pm_precision precision, uint32_t ahead)
{
    const test_right *r = test_steps_undisturbed(precision);
    pm_step steps[STEPS];
    test_steps f = test_steps_make(submit_ms, precision);
    assert_true(pm_trainer_done(f.trainer)); /* nothing has begun */
    for (uint32_t ended = 0, begun = 0; ended < STEPS; ended++) {
        for (; begun < STEPS && begun < ended + ahead; begun++) test_steps_begin(&f, begun);
        while (!pm_trainer_done(f.trainer)) os_sleep(1e-4);
        assert_int_equal(pm_trainer_end(f.trainer, &steps[ended]), PM_OK);
        assert_int_equal(pm_trainer_steps_done(f.trainer), ended + 1);
    }
    test_steps_expect(r, steps, f.model);
    test_steps_done(&f);
}

static void test_parts(void **state)
{
    (void)state;
    in_parts(0, PM_PRECISION_F32, 1);
    in_parts(1, PM_PRECISION_F32, 1);
}

static void test_ahead(void **state)
{
    (void)state;
    in_parts(0, PM_PRECISION_F32, 2);
    in_parts(1, PM_PRECISION_F32, 2);
    if (half_possible()) in_parts(0, PM_PRECISION_F16, 2);
}

/* One line each, and nothing changes. */
static void test_misuse(void **state)
{
    (void)state;
    test_lines lines;
    pm_device *device = test_device_open(&(pm_device_params){.log = test_lines_log(&lines)});
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    pm_session *session = NULL;
    pm_step step;
    float loss;
    int32_t tokens[TOKENS], targets[TOKENS];
    const uint32_t token = 1, beyond = VOCAB;
    const pm_train_params params = {.batch = BATCH, .accum = ACCUM, .steps = 50};
    assert_int_equal(pm_model_create(device, &test_steps_config, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    test_steps_batch(tokens, targets, 0);
#define REFUSED(call)                                                                                                  \
    lines.errors = 0;                                                                                                  \
    assert_int_equal(call, PM_INVALID);                                                                                \
    assert_int_equal(lines.errors, 1)
    REFUSED(pm_trainer_end(trainer, &step));
    REFUSED(pm_session_end(session));
    REFUSED(pm_session_begin(session, &beyond, 1));
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    REFUSED(pm_trainer_step_tokens(trainer, tokens, targets, &step));
    REFUSED(pm_trainer_eval(trainer, NULL, 0, 0, 1, &loss));
    REFUSED(pm_trainer_save(trainer, "never", NULL));
    REFUSED(pm_trainer_load(trainer, "never", NULL));
    REFUSED(pm_trainer_read_gradient(trainer, 0, &loss));
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    REFUSED(pm_trainer_begin_tokens(trainer, tokens, targets));
    assert_int_equal(pm_trainer_end(trainer, &step), PM_OK);
    assert_int_equal(pm_trainer_end(trainer, &step), PM_OK);
    assert_int_equal(step.step, 2);
    REFUSED(pm_trainer_end(trainer, &step));
    assert_int_equal(pm_session_begin(session, &token, 1), PM_OK);
    REFUSED(pm_session_begin(session, &token, 1));
    REFUSED(pm_session_feed(session, &token, 1));
    assert_int_equal(pm_session_end(session), PM_OK);
    /* destroyed amid their work */
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    assert_int_equal(pm_session_begin(session, &token, 1), PM_OK);
    pm_session_reset(session);
    assert_null(pm_session_logits(session));
    assert_int_equal(pm_session_begin(session, &token, 1), PM_OK);
    pm_session_destroy(&session);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
}

/* Two sessions of one model read prompts longer than the context while another model trains on the device: all have the bits that each has alone. */
static void test_beside(void **state)
{
    (void)state;
    enum { SESSIONS = 2, PROMPT = CTX + 9 };
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    test_steps f = test_steps_make(1, PM_PRECISION_F32);
    pm_model *model = NULL;
    pm_session *sessions[SESSIONS] = {NULL};
    uint32_t prompts[SESSIONS][PROMPT];
    float alone[SESSIONS][VOCAB];
    assert_int_equal(pm_model_create(f.device, &test_steps_config, 6, &model), PM_OK);
    for (uint32_t s = 0; s < SESSIONS; s++) {
        for (uint32_t i = 0; i < PROMPT; i++) prompts[s][i] = (i * i + s) % VOCAB;
        assert_int_equal(pm_session_create(model, &sessions[s]), PM_OK);
        assert_int_equal(pm_session_feed(sessions[s], prompts[s], PROMPT), PM_OK);
        memcpy(alone[s], pm_session_logits(sessions[s]), sizeof alone[s]);
        pm_session_reset(sessions[s]);
    }
    assert_memory_not_equal(alone[0], alone[1], sizeof alone[0]);
    uint32_t reads = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        test_steps_begin(&f, i);
        for (uint32_t s = 0; s < SESSIONS; s++)
            assert_int_equal(pm_session_begin(sessions[s], prompts[s], PROMPT), PM_OK);
        for (uint32_t left = SESSIONS; left > 0;) {
            assert_int_equal(pm_device_wait(f.device, 0.01), PM_OK);
            left = !pm_session_done(sessions[0]) + !pm_session_done(sessions[1]);
        }
        reads += !pm_trainer_done(f.trainer); /* they had their turns before the step's end */
        for (uint32_t s = 0; s < SESSIONS; s++) {
            assert_int_equal(pm_session_end(sessions[s]), PM_OK);
            assert_memory_equal(pm_session_logits(sessions[s]), alone[s], sizeof alone[s]);
            pm_session_reset(sessions[s]);
        }
        assert_int_equal(pm_trainer_end(f.trainer, &steps[i]), PM_OK);
    }
    print_message("the sessions were first in %u of %d steps\n", reads, STEPS);
    test_steps_expect(r, steps, f.model);
    for (uint32_t s = 0; s < SESSIONS; s++) pm_session_destroy(&sessions[s]);
    pm_model_destroy(&model);
    test_steps_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_ahead),
                                       cmocka_unit_test(test_misuse), cmocka_unit_test(test_beside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
