/* Controls: a cancelled call leaves all as it was, a paused one goes on, a share leaves time to others. Jobs do the same on a thread of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "gpu/gpu_internal.h" /* gpu_enter */
#include "helper_device.h"
#include "helper_steps.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/thread.h"

/* ---- controls ------------------------------------------------------------------------------------------------------- */

/* Cancels after a while, on a thread of its own. */
typedef struct canceller {
    pm_control *control;
    double after; /* s */
    double when;  /* by os_seconds() */
} canceller;

static void cancel_later(void *user)
{
    canceller *c = user;
    os_sleep(c->after);
    c->when = os_seconds();
    pm_control_cancel(c->control);
}

/* Each step is cancelled at some moment, and done again: the bits are the undisturbed ones. */
static void test_cancel(void **state)
{
    (void)state;
    enum { SUBMIT_MS = 2, TRIES = 5 };
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    test_steps f = test_steps_make(SUBMIT_MS, PM_PRECISION_F32);
    pm_control *control = NULL;
    int32_t tokens[TOKENS], targets[TOKENS];
    uint32_t cancelled = 0;
    double longest = 0, step_s = 0;
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_device_control(f.device, control);
    for (uint32_t i = 0; i < STEPS; i++) {
        test_steps_batch(tokens, targets, i);
        for (int try = 0; i > 0 && try < TRIES; try++) {
            canceller c = {.control = control, .after = step_s * try / TRIES};
            os_thread *thread = NULL;
            assert_true(os_thread_start(cancel_later, &c, &thread));
            const pm_status status = pm_trainer_step_tokens(f.trainer, tokens, targets, &steps[i]);
            const double ended = os_seconds();
            os_thread_join(&thread);
            pm_control_clear(control);
            if (status == PM_OK) { /* it was past the last moment */
                assert_int_equal(pm_trainer_steps_done(f.trainer), i + 1);
                goto next;
            }
            assert_int_equal(status, PM_CANCELLED);
            assert_int_equal(pm_trainer_steps_done(f.trainer), i);
            cancelled++;
            if (ended - c.when > longest) longest = ended - c.when;
        }
        const double start = os_seconds();
        assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &steps[i]), PM_OK);
        step_s = os_seconds() - start;
    next:;
    }
    print_message("%u steps cancelled, %.1f ms at the longest after the cancel; a step takes %.1f ms\n", cancelled,
                  1e3 * longest, 1e3 * step_s);
    assert_true(cancelled >= STEPS - 1);
    test_steps_expect(r, steps, f.model);
    pm_device_control(f.device, NULL);
    pm_control_destroy(&control);
    test_steps_done(&f);
}

/* Every call that works on the device says so, and does nothing. */
static void test_cancelled(void **state)
{
    (void)state;
    test_lines lines;
    pm_control *control = NULL;
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_device *device = test_device_open(&(pm_device_params){.log = test_lines_log(&lines), .control = control});
    pm_model *model = NULL, *other = NULL;
    pm_trainer *trainer = NULL;
    pm_session *session = NULL;
    pm_doctor_report report;
    int32_t tokens[TOKENS], targets[TOKENS];
    const uint32_t first = 3, second = 4;
    float logits[VOCAB];
    pm_step step;
    assert_int_equal(pm_model_create(device, &test_steps_config, 5, &model), PM_OK);
    assert_string_equal(pm_control_progress(control).what, "load");
    assert_int_equal(pm_control_progress(control).done, pm_control_progress(control).all);
    assert_int_equal(pm_trainer_create(model, &(pm_train_params){.batch = BATCH, .accum = ACCUM}, &trainer), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &first, 1), PM_OK);
    assert_string_equal(pm_control_progress(control).what, "read");
    memcpy(logits, pm_session_logits(session), sizeof logits);
    test_steps_batch(tokens, targets, 0);
    pm_control_pause(control, true); /* a cancel ends a pause, too */
    pm_control_cancel(control);
    lines.errors = 0;
    assert_int_equal(pm_model_create(device, &test_steps_config, 5, &other), PM_CANCELLED);
    assert_null(other);
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_CANCELLED);
    assert_int_equal(pm_trainer_save(trainer, "never", NULL), PM_CANCELLED);
    assert_int_equal(pm_session_feed(session, &second, 1), PM_CANCELLED);
    assert_memory_equal(pm_session_logits(session), logits, sizeof logits);
    pm_device_params params = test_device_params((pm_device_params){.log = test_lines_log(&lines), .control = control});
    assert_int_equal(pm_doctor_run(&params, NULL, NULL, &report), PM_CANCELLED);
    assert_int_equal(lines.errors, 0);
    pm_control_pause(control, false);
    pm_control_clear(control);
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
    assert_int_equal(step.step, 1);
    assert_int_equal(pm_session_feed(session, &second, 1), PM_OK);
    pm_session_destroy(&session);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
    pm_control_destroy(&control);
}

/* What was begun obeys the control of then. A step that begins behind a cancelled one does not take place, either. */
static void test_begun(void **state)
{
    (void)state;
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    test_steps f = test_steps_make(1, PM_PRECISION_F32);
    pm_control *first = NULL, *second = NULL;
    assert_int_equal(pm_control_create(&first), PM_OK);
    assert_int_equal(pm_control_create(&second), PM_OK);
    for (uint32_t i = 0; i < STEPS; i++) {
        pm_device_control(f.device, first);
        pm_control_pause(first, true);
        test_steps_begin(&f, i);
        pm_control_cancel(first);
        assert_int_equal(pm_device_poll(f.device), PM_OK);
        pm_device_control(f.device, second);
        test_steps_begin(&f, i + 1); /* behind it */
        assert_int_equal(pm_trainer_end(f.trainer, &steps[i]), PM_CANCELLED);
        assert_int_equal(pm_trainer_steps_done(f.trainer), i);
        pm_control_clear(first);
        pm_control_pause(first, false);
        test_steps_begin(&f, i);
        pm_control_cancel(first); /* of no concern: it began under the second */
        pm_device_control(f.device, NULL);
        assert_int_equal(pm_trainer_end(f.trainer, &steps[i]), PM_OK);
        pm_control_clear(first);
    }
    test_steps_expect(r, steps, f.model);
    test_steps_done(&f);
    pm_control_destroy(&first);
    pm_control_destroy(&second);
}

/* A feed of single tokens that is cancelled amid them has no logits, as those of the first one are not the session's; a paused one can be reset. */
static void test_feeds(void **state)
{
    (void)state;
    test_steps f = test_steps_make(1, PM_PRECISION_F32);
    pm_session *session = NULL, *other = NULL;
    pm_control *control = NULL;
    const uint32_t tokens[] = {3, 1, 4, 1, 5};
    float logits[VOCAB];
    assert_int_equal(pm_control_create(&control), PM_OK);
    assert_int_equal(pm_session_create(f.model, &session), PM_OK);
    assert_int_equal(pm_session_create(f.model, &other), PM_OK);
    assert_int_equal(pm_session_length(session), 0);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(pm_session_feed(other, &tokens[i], 1), PM_OK);
    memcpy(logits, pm_session_logits(other), sizeof logits);
    assert_int_equal(pm_session_feed(session, tokens, 1), PM_OK);
    pm_device_control(f.device, control);
    assert_int_equal(pm_session_begin(session, tokens + 1, 3), PM_OK);
    pm_device_control(f.device, NULL);
    while (pm_session_length(session) == 1) assert_false(pm_session_done(session)); /* one of the three is read */
    pm_control_cancel(control);
    const pm_status status = pm_session_end(session);
    assert_true(status == PM_CANCELLED || status == PM_OK);
    if (status == PM_CANCELLED) {
        assert_int_equal(pm_session_length(session), 1);
        assert_null(pm_session_logits(session));
        for (uint32_t i = 1; i < 4; i++) assert_int_equal(pm_session_feed(session, &tokens[i], 1), PM_OK);
    }
    assert_int_equal(pm_session_feed(session, &tokens[4], 1), PM_OK);
    assert_memory_equal(pm_session_logits(session), logits, sizeof logits);
    pm_control_clear(control);
    pm_control_pause(control, true);
    pm_device_control(f.device, control);
    assert_int_equal(pm_session_begin(session, tokens, 5), PM_OK);
    pm_device_control(f.device, NULL);
    pm_session_reset(session);
    assert_int_equal(pm_session_length(session), 0);
    pm_session_destroy(&session);
    pm_session_destroy(&other);
    test_steps_done(&f);
    pm_control_destroy(&control);
}

/* A paused step stays where it is, while another one of the device goes on. */
static void test_pause(void **state)
{
    (void)state;
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    test_steps f = test_steps_make(1, PM_PRECISION_F32);
    pm_session *session = NULL;
    pm_control *control = NULL;
    const uint32_t token = 1;
    assert_int_equal(pm_control_create(&control), PM_OK);
    assert_int_equal(pm_session_create(f.model, &session), PM_OK);
    for (uint32_t i = 0; i < STEPS; i++) {
        pm_device_control(f.device, control);
        test_steps_begin(&f, i);
        pm_device_control(f.device, NULL);
        for (uint32_t k = 0; k < i; k++) assert_int_equal(pm_device_poll(f.device), PM_OK);
        pm_control_pause(control, true);
        assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
        const bool ended = pm_trainer_done(f.trainer);
        for (int k = 0; k < 5; k++) assert_int_equal(pm_device_wait(f.device, 0.002), PM_OK);
        if (i == 0) assert_false(ended || pm_trainer_done(f.trainer));
        pm_control_pause(control, false);
        assert_int_equal(pm_trainer_end(f.trainer, &steps[i]), PM_OK);
    }
    test_steps_expect(r, steps, f.model);
    pm_session_destroy(&session);
    test_steps_done(&f);
    pm_control_destroy(&control);
}

/* With a share of a fifth a step takes several times as long, and has the same bits. */
static void test_share(void **state)
{
    (void)state;
    enum { SUBMIT_MS = 2, PERIOD_MS = 10 };
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    double seconds[2] = {0, 0};
    for (int share = 0; share < 2; share++) {
        test_steps f = {.device = test_device_open(&(pm_device_params){.submit_ms = SUBMIT_MS,
                                                                       .period_ms = share ? PERIOD_MS : 0,
                                                                       .priority = PM_DEVICE_PRIORITY_LOW})};
        const pm_train_params params = {.batch = BATCH, .accum = ACCUM, .steps = 50, .dropout = 0.1f};
        assert_int_equal(pm_model_create(f.device, &test_steps_config, 5, &f.model), PM_OK);
        assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
        for (uint32_t i = 0; i < STEPS; i++) {
            int32_t tokens[TOKENS], targets[TOKENS];
            test_steps_batch(tokens, targets, i);
            const double start = os_seconds();
            assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &steps[i]), PM_OK);
            if (i >= STEPS / 2) seconds[share] += os_seconds() - start;
        }
        test_steps_expect(r, steps, f.model);
        test_steps_done(&f);
    }
    print_message("%.1f ms a step, %.1f ms with a share of %d in %d\n", 1e3 * seconds[0] / (STEPS / 2),
                  1e3 * seconds[1] / (STEPS / 2), SUBMIT_MS, PERIOD_MS);
    assert_true(seconds[1] > 2 * seconds[0]);
}

#ifndef NDEBUG
typedef struct other_thread {
    pm_device *device;
    os_atomic stop;
    unsigned refused;
} other_thread;

static void poll_again_and_again(void *user)
{
    other_thread *o = user;
    while (!os_atomic_load(&o->stop) && o->refused == 0) {
        o->refused += pm_device_poll(o->device) == PM_INVALID;
        os_sleep(1e-4);
    }
}
#endif

/* A debug build says that two threads use a device at once. */
static void test_two_threads(void **state)
{
    (void)state;
#ifdef NDEBUG
    skip();
#else
    test_lines lines;
    test_steps f = {.device = test_device_open(&(pm_device_params){.log = test_lines_log(&lines)})};
    const pm_train_params params = {.batch = BATCH, .accum = ACCUM, .steps = 50};
    assert_int_equal(pm_model_create(f.device, &test_steps_config, 5, &f.model), PM_OK);
    assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
    other_thread other = {.device = f.device};
    os_thread *thread = NULL;
    pm_step step;
    int32_t tokens[TOKENS], targets[TOKENS];
    test_steps_batch(tokens, targets, 0);
    assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &step), PM_OK); /* it compiles */
    os_atomic_store(&other.stop, 0);
    assert_int_equal(gpu_enter(f.device), true); /* this thread is in a call */
    assert_true(os_thread_start(poll_again_and_again, &other, &thread));
    while (lines.errors == 0) os_sleep(1e-3);
    os_atomic_store(&other.stop, 1);
    os_thread_join(&thread);
    gpu_leave(f.device);
    assert_true(other.refused > 0);
    assert_non_null(strstr(lines.last, "two threads use"));
    assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &step), PM_OK);
    test_steps_done(&f);
#endif
}

/* ---- jobs ------------------------------------------------------------------------------------------------------------ */

typedef struct training {
    test_steps f;
    pm_step steps[STEPS];
    uint32_t ended;
    bool begun;
    pm_status outcome;
    int ends;
} training;

/* A step in parts. */
static pm_status train_piece(pm_control *control, void *user)
{
    training *t = user;
    pm_status status;
    if (!t->begun) {
        int32_t tokens[TOKENS], targets[TOKENS];
        test_steps_batch(tokens, targets, t->ended);
        status = pm_trainer_begin_tokens(t->f.trainer, tokens, targets);
        t->begun = status == PM_OK;
        return status == PM_OK ? PM_AGAIN : status;
    }
    if (!pm_trainer_done(t->f.trainer)) return PM_WAITING;
    t->begun = false;
    status = pm_trainer_end(t->f.trainer, &t->steps[t->ended]);
    if (status != PM_OK) return status;
    pm_control_report(control, "train", ++t->ended, STEPS);
    return t->ended < STEPS ? PM_AGAIN : PM_OK;
}

static void trained(void *user, pm_status outcome)
{
    training *t = user;
    t->outcome = outcome;
    t->ends++;
}

/* A whole call. */
static pm_status read_piece(pm_control *control, void *user)
{
    const uint32_t tokens[] = {1, 2, 3};
    (void)control;
    return pm_session_feed(user, tokens, 3);
}

static pm_status count_piece(pm_control *control, void *user)
{
    int *left = user;
    (void)control;
    return --*left > 0 ? PM_AGAIN : PM_OK;
}

/* A thread that waits for a job while another one ends the worker. */
static void wait_for_job(void *user)
{
    (void)pm_job_wait(user);
}

static pm_status endless_piece(pm_control *control, void *user)
{
    (void)user;
    return pm_control_cancelled(control) ? PM_CANCELLED : PM_AGAIN;
}

static void test_jobs(void **state)
{
    (void)state;
    const test_right *r = test_steps_undisturbed(PM_PRECISION_F32);
    training t = {.f = test_steps_make(1, PM_PRECISION_F32)};
    pm_session *session = NULL;
    pm_worker *worker = NULL;
    pm_job *train = NULL, *read = NULL, *count = NULL;
    int left = 100;
    pm_status outcome;
    assert_int_equal(pm_session_create(t.f.model, &session), PM_OK);
    assert_int_equal(pm_worker_create(NULL, &worker), PM_OK);
    assert_int_equal(pm_job_start(worker, &(pm_job_params){.device = t.f.device}, &train), PM_INVALID);
    const pm_job_params training_job = {.device = t.f.device, .work = train_piece, .ended = trained, .user = &t};
    assert_int_equal(pm_job_start(worker, &training_job, &train), PM_OK);
    assert_int_equal(
        pm_job_start(worker, &(pm_job_params){.device = t.f.device, .work = read_piece, .user = session}, &read),
        PM_OK);
    assert_int_equal(pm_job_start(worker, &(pm_job_params){.work = count_piece, .user = &left}, &count), PM_OK);
    assert_int_equal(pm_job_wait(read), PM_OK);
    assert_int_equal(pm_job_wait(count), PM_OK);
    assert_int_equal(left, 0);
    pm_control_pause(pm_job_control(train), true);
    os_sleep(0.02);
    pm_control_pause(pm_job_control(train), false);
    assert_int_equal(pm_job_wait(train), PM_OK);
    assert_true(pm_job_ended(train, &outcome));
    assert_int_equal(outcome, PM_OK);
    assert_int_equal(t.ends, 1);
    assert_int_equal(pm_control_progress(pm_job_control(train)).done, STEPS);
    pm_job_release(&train);
    pm_job_release(&read);
    pm_job_release(&count);
    pm_worker_destroy(&worker);
    test_steps_expect(r, t.steps, t.f.model);
    pm_session_destroy(&session);
    test_steps_done(&t.f);
}

/* Jobs that are cancelled, released amid their work, or left to the worker's end. */
static void test_jobs_end(void **state)
{
    (void)state;
    training t = {.f = test_steps_make(1, PM_PRECISION_F32)};
    pm_worker *worker = NULL;
    pm_job *train = NULL, *endless = NULL, *other = NULL;
    pm_status outcome = PM_OK;
    assert_int_equal(pm_worker_create(NULL, &worker), PM_OK);
    const pm_job_params training_job = {.device = t.f.device, .work = train_piece, .ended = trained, .user = &t};
    assert_int_equal(pm_job_start(worker, &training_job, &train), PM_OK);
    assert_int_equal(pm_job_start(worker, &(pm_job_params){.work = endless_piece}, &endless), PM_OK);
    assert_int_equal(pm_job_start(worker, &(pm_job_params){.work = endless_piece}, &other), PM_OK);
    assert_false(pm_job_ended(endless, &outcome));
    pm_control_cancel(pm_job_control(train));
    assert_int_equal(pm_job_wait(train), PM_CANCELLED);
    assert_int_equal(t.outcome, PM_CANCELLED);
    pm_job_release(&endless);
    os_thread *waiter = NULL;
    assert_true(os_thread_start(wait_for_job, other, &waiter));
    os_sleep(0.005);
    pm_worker_destroy(&worker);
    os_thread_join(&waiter);
    assert_true(pm_job_ended(other, &outcome));
    assert_int_equal(outcome, PM_CANCELLED);
    pm_job_release(&other);
    pm_job_release(&train);
    /* the trainer is as it was, and goes on */
    t.begun = false;
    pm_step step;
    int32_t tokens[TOKENS], targets[TOKENS];
    const uint32_t before = pm_trainer_steps_done(t.f.trainer);
    test_steps_batch(tokens, targets, before);
    assert_int_equal(pm_trainer_step_tokens(t.f.trainer, tokens, targets, &step), PM_OK);
    assert_int_equal(step.step, before + 1);
    test_steps_done(&t.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_cancelled), cmocka_unit_test(test_begun),
        cmocka_unit_test(test_feeds),       cmocka_unit_test(test_pause),     cmocka_unit_test(test_share),
        cmocka_unit_test(test_two_threads), cmocka_unit_test(test_jobs),      cmocka_unit_test(test_jobs_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
