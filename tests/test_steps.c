/* Steps in parts: begin, done and end have the bits of one call, alone, two at a time and beside other work. A cancelled call leaves all as it was, a
 * paused one goes on. Jobs do the same on a thread of their own. */
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

#include "gpu/gpu_internal.h" /* gpu_enter */
#include "helper_device.h"
#include "os/atomic.h"
#include "os/clock.h"
#include "os/thread.h"

enum { CTX = 32, VOCAB = 61, BATCH = 4, ACCUM = 2, STEPS = 5, TOKENS = BATCH * CTX * ACCUM };

static const pm_gpt_config config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = CTX, .embd = 48, .heads = 4, .layers = 2};

typedef struct fixture {
    pm_device *device;
    pm_model *model;
    pm_trainer *trainer;
} fixture;

static void fill(int32_t tokens[TOKENS], int32_t targets[TOKENS], uint32_t step)
{
    for (uint32_t i = 0; i < TOKENS; i++) {
        tokens[i] = (int32_t)((i * 7 + step * 13) % VOCAB);
        targets[i] = i % 5 == step % 5 ? -1 : (int32_t)((i * 7 + step * 13 + 7) % VOCAB);
    }
}

/* `submit_ms`: short submissions, so that there are many; 0: the usual ones. */
static fixture make(uint32_t submit_ms, pm_precision precision)
{
    fixture f = {.device = test_device_open(&(pm_device_params){.submit_ms = submit_ms})};
    const pm_train_params params = {
        .batch = BATCH, .accum = ACCUM, .steps = 50, .dropout = 0.1f, .precision = precision};
    assert_int_equal(pm_model_create(f.device, &config, 5, &f.model), PM_OK);
    assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
    return f;
}

static void done(fixture *f)
{
    pm_trainer_destroy(&f->trainer);
    pm_model_destroy(&f->model);
    test_device_done(&f->device);
}

static bool half_possible(void)
{
    pm_device *device = test_device(NULL);
    const bool possible = pm_device_caps(device)->storage16;
    test_device_done(&device);
    return possible;
}

/* All weights one behind the other; the caller frees them. */
static float *weights_of(const pm_model *model, size_t *count)
{
    float *all = malloc(sizeof *all * pm_gpt_config_parameters(pm_model_config(model)));
    assert_non_null(all);
    *count = 0;
    for (size_t p = 0; p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        assert_int_equal(pm_model_read(model, p, all + *count), PM_OK);
        *count += (size_t)param.rows * param.cols;
    }
    return all;
}

/* What STEPS undisturbed calls give, with submissions of any length. */
typedef struct right {
    pm_step steps[STEPS];
    float *weights;
    size_t count;
} right;

static const right *undisturbed(pm_precision precision)
{
    static right kept[2];
    right *r = &kept[precision];
    if (r->weights) return r;
    fixture f = make(0, precision);
    int32_t tokens[TOKENS], targets[TOKENS];
    for (uint32_t i = 0; i < STEPS; i++) {
        fill(tokens, targets, i);
        assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &r->steps[i]), PM_OK);
    }
    r->weights = weights_of(f.model, &r->count);
    done(&f);
    return r;
}

static void expect(const right *r, const pm_step steps[STEPS], const pm_model *model)
{
    for (uint32_t i = 0; i < STEPS; i++) {
        assert_int_equal(steps[i].step, i + 1);
        assert_memory_equal(&steps[i].loss, &r->steps[i].loss, sizeof(float));
        assert_memory_equal(&steps[i].grad_norm, &r->steps[i].grad_norm, sizeof(float));
        assert_memory_equal(&steps[i].lr, &r->steps[i].lr, sizeof(float));
        assert_memory_equal(&steps[i].loss_scale, &r->steps[i].loss_scale, sizeof(float));
    }
    size_t count;
    float *weights = weights_of(model, &count);
    assert_int_equal(count, r->count);
    assert_memory_equal(weights, r->weights, count * sizeof *weights);
    free(weights);
}

static void begin(fixture *f, uint32_t step)
{
    int32_t tokens[TOKENS], targets[TOKENS];
    fill(tokens, targets, step);
    assert_int_equal(pm_trainer_begin_tokens(f->trainer, tokens, targets), PM_OK);
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

/* `ahead`: how many steps are begun before the first one ends. */
static void in_parts(uint32_t submit_ms, pm_precision precision, uint32_t ahead)
{
    const right *r = undisturbed(precision);
    pm_step steps[STEPS];
    fixture f = make(submit_ms, precision);
    assert_true(pm_trainer_done(f.trainer)); /* nothing has begun */
    for (uint32_t ended = 0, begun = 0; ended < STEPS; ended++) {
        for (; begun < STEPS && begun < ended + ahead; begun++) begin(&f, begun);
        while (!pm_trainer_done(f.trainer)) os_sleep(1e-4);
        assert_int_equal(pm_trainer_end(f.trainer, &steps[ended]), PM_OK);
        assert_int_equal(pm_trainer_steps_done(f.trainer), ended + 1);
    }
    expect(r, steps, f.model);
    done(&f);
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
    assert_int_equal(pm_model_create(device, &config, 5, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    fill(tokens, targets, 0);
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
    const right *r = undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    fixture f = make(1, PM_PRECISION_F32);
    pm_model *model = NULL;
    pm_session *sessions[SESSIONS] = {NULL};
    uint32_t prompts[SESSIONS][PROMPT];
    float alone[SESSIONS][VOCAB];
    assert_int_equal(pm_model_create(f.device, &config, 6, &model), PM_OK);
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
        begin(&f, i);
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
    expect(r, steps, f.model);
    for (uint32_t s = 0; s < SESSIONS; s++) pm_session_destroy(&sessions[s]);
    pm_model_destroy(&model);
    done(&f);
}

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
    const right *r = undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    fixture f = make(SUBMIT_MS, PM_PRECISION_F32);
    pm_control *control = NULL;
    int32_t tokens[TOKENS], targets[TOKENS];
    uint32_t cancelled = 0;
    double longest = 0, step_s = 0;
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_device_control(f.device, control);
    for (uint32_t i = 0; i < STEPS; i++) {
        fill(tokens, targets, i);
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
    assert_true(cancelled > STEPS);
    expect(r, steps, f.model);
    pm_device_control(f.device, NULL);
    pm_control_destroy(&control);
    done(&f);
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
    assert_int_equal(pm_model_create(device, &config, 5, &model), PM_OK);
    assert_string_equal(pm_control_progress(control).what, "load");
    assert_int_equal(pm_control_progress(control).done, pm_control_progress(control).all);
    assert_int_equal(pm_trainer_create(model, &(pm_train_params){.batch = BATCH, .accum = ACCUM}, &trainer), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &first, 1), PM_OK);
    assert_string_equal(pm_control_progress(control).what, "read");
    memcpy(logits, pm_session_logits(session), sizeof logits);
    fill(tokens, targets, 0);
    pm_control_pause(control, true); /* a cancel ends a pause, too */
    pm_control_cancel(control);
    lines.errors = 0;
    assert_int_equal(pm_model_create(device, &config, 5, &other), PM_CANCELLED);
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

/* A paused step stays where it is, while another one of the device goes on. */
static void test_pause(void **state)
{
    (void)state;
    const right *r = undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    fixture f = make(1, PM_PRECISION_F32);
    pm_session *session = NULL;
    pm_control *control = NULL;
    const uint32_t token = 1;
    assert_int_equal(pm_control_create(&control), PM_OK);
    assert_int_equal(pm_session_create(f.model, &session), PM_OK);
    for (uint32_t i = 0; i < STEPS; i++) {
        pm_device_control(f.device, control);
        begin(&f, i);
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
    expect(r, steps, f.model);
    pm_session_destroy(&session);
    done(&f);
    pm_control_destroy(&control);
}

/* With a share of a fifth a step takes several times as long, and has the same bits. */
static void test_share(void **state)
{
    (void)state;
    enum { SUBMIT_MS = 2, PERIOD_MS = 10 };
    const right *r = undisturbed(PM_PRECISION_F32);
    pm_step steps[STEPS];
    double seconds[2] = {0, 0};
    for (int share = 0; share < 2; share++) {
        fixture f = {.device = test_device_open(&(pm_device_params){.submit_ms = SUBMIT_MS,
                                                                    .period_ms = share ? PERIOD_MS : 0,
                                                                    .priority = PM_DEVICE_PRIORITY_LOW})};
        const pm_train_params params = {.batch = BATCH, .accum = ACCUM, .steps = 50, .dropout = 0.1f};
        assert_int_equal(pm_model_create(f.device, &config, 5, &f.model), PM_OK);
        assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
        for (uint32_t i = 0; i < STEPS; i++) {
            int32_t tokens[TOKENS], targets[TOKENS];
            fill(tokens, targets, i);
            const double start = os_seconds();
            assert_int_equal(pm_trainer_step_tokens(f.trainer, tokens, targets, &steps[i]), PM_OK);
            if (i >= STEPS / 2) seconds[share] += os_seconds() - start;
        }
        expect(r, steps, f.model);
        done(&f);
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
    fixture f = {.device = test_device_open(&(pm_device_params){.log = test_lines_log(&lines)})};
    const pm_train_params params = {.batch = BATCH, .accum = ACCUM, .steps = 50};
    assert_int_equal(pm_model_create(f.device, &config, 5, &f.model), PM_OK);
    assert_int_equal(pm_trainer_create(f.model, &params, &f.trainer), PM_OK);
    other_thread other = {.device = f.device};
    os_thread *thread = NULL;
    pm_step step;
    int32_t tokens[TOKENS], targets[TOKENS];
    fill(tokens, targets, 0);
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
    done(&f);
#endif
}

/* ---- jobs ------------------------------------------------------------------------------------------------------------ */

typedef struct training {
    fixture f;
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
        fill(tokens, targets, t->ended);
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

static pm_status endless_piece(pm_control *control, void *user)
{
    (void)user;
    return pm_control_cancelled(control) ? PM_CANCELLED : PM_AGAIN;
}

static void test_jobs(void **state)
{
    (void)state;
    const right *r = undisturbed(PM_PRECISION_F32);
    training t = {.f = make(1, PM_PRECISION_F32)};
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
    expect(r, t.steps, t.f.model);
    pm_session_destroy(&session);
    done(&t.f);
}

/* Jobs that are cancelled, released amid their work, or left to the worker's end. */
static void test_jobs_end(void **state)
{
    (void)state;
    training t = {.f = make(1, PM_PRECISION_F32)};
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
    pm_worker_destroy(&worker);
    assert_true(pm_job_ended(other, &outcome));
    assert_int_equal(outcome, PM_CANCELLED);
    pm_job_release(&other);
    pm_job_release(&train);
    /* the trainer is as it was, and goes on */
    t.begun = false;
    pm_step step;
    int32_t tokens[TOKENS], targets[TOKENS];
    const uint32_t before = pm_trainer_steps_done(t.f.trainer);
    fill(tokens, targets, before);
    assert_int_equal(pm_trainer_step_tokens(t.f.trainer, tokens, targets, &step), PM_OK);
    assert_int_equal(step.step, before + 1);
    done(&t.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_ahead),   cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_beside), cmocka_unit_test(test_cancel),  cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_pause),  cmocka_unit_test(test_share),   cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_jobs),   cmocka_unit_test(test_jobs_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
