/* Runs in a folder: stopped at any moment, also amid an evaluation, or with a lost device, they come to the lines, the weights and the best model of one
 * that nothing disturbed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_dir.h"
#include "helper_fault.h"
#include "helper_log.h"
#include "helper_run.h"
#include "os/clock.h"
#include "os/thread.h"

static void test_whole(void **state)
{
    (void)state;
    const pm_run_params p = test_run_params(test_run_folder());
    pm_run *run = test_run_open(&p);
    pm_run_info info;
    pm_run_result r;
    size_t losses, val_losses;
    char *text;
    pm_run_get_info(run, &info);
    assert_int_equal(info.first + info.done + info.saved, 0);
    assert_int_equal(info.steps, STEPS);
    assert_true(isnan(info.best));
    assert_string_equal(info.measure.name, "loss");
    for (uint32_t i = 1; i <= STEPS; i++) {
        const bool evaluated = i % EVALS == 0 || i == STEPS;
        assert_true(pm_run_more(run));
        assert_int_equal(pm_run_step(run, &r), PM_OK);
        assert_int_equal(r.step, i);
        assert_int_equal(r.evaluated, evaluated);
        assert_int_equal(r.saved, i % SAVES == 0 || i == STEPS);
        assert_true(!isnan(r.val_loss) == evaluated && isnan(r.task_loss) && isfinite(r.loss));
        assert_true(r.seconds > 0 && r.waited <= r.seconds && !r.again && !r.save_failed);
        pm_run_get_info(run, &info);
        if (r.best && evaluated) assert_true(info.best_step == i && info.best == r.val_loss);
    }
    assert_false(pm_run_more(run));
    test_expect_failure(pm_run_step(run, &r), PM_INVALID, "run", "no step");
    assert_int_equal(pm_run_losses(run, &losses)[2].step, 3);
    assert_true(pm_run_val_losses(run, &val_losses) && losses == STEPS && val_losses == 3);
    const int saves = test_host.saves;
    assert_int_equal(pm_run_save(run), PM_OK); /* all is saved */
    assert_int_equal(test_host.saves, saves);
    pm_run_close(&run);
    assert_null(run);
    pm_run_close(&run);
    assert_true(test_host.makes == 1 && test_host.unmakes == 1 && test_host.resumes == 0);
    text = test_read(test_path(test_run_folder(), "metrics.jsonl"), &losses);
    assert_non_null(strstr(text, "{\"step\": 10, \"loss\": "));
    free(text);
    test_run_expect_undisturbed(test_run_folder(), false);
}

/* Left after each number of steps in turn. */
static void stop_and_go(bool tunes)
{
    test_host.tunes = tunes;
    const char *dir = test_run_folder();
    uint32_t done = 0, steps = 1;
    for (uint32_t leaves = 1; done < steps; leaves++) {
        const pm_run_params p = test_run_params(dir);
        pm_run *run = test_run_open(&p);
        pm_run_info info;
        pm_run_result r;
        pm_run_get_info(run, &info);
        assert_int_equal(info.first, done);
        for (uint32_t i = 0; i < leaves && pm_run_more(run); i++) {
            assert_int_equal(pm_run_step(run, &r), PM_OK);
            assert_int_equal(r.step, ++done);
        }
        assert_int_equal(pm_run_save(run), PM_OK);
        pm_run_get_info(run, &info);
        assert_int_equal(info.saved, done);
        steps = info.steps;
        pm_run_close(&run);
    }
    test_run_expect_undisturbed(dir, tunes);
}

static void test_stop_and_go(void **state)
{
    (void)state;
    stop_and_go(false);
    test_run_begin(state);
    stop_and_go(true);
}

/* Cancels as soon as something evaluates. */
static void cancel_evaluation(void *user)
{
    pm_control *control = user;
    for (;;) {
        const pm_progress now = pm_control_progress(control);
        if (now.what && (strcmp(now.what, "evaluate") == 0 || strcmp(now.what, "predict") == 0)) break;
    }
    pm_control_cancel(control);
}

/* The step is done, and its evaluation is not: that comes with the next call, also of another process. Its line is written once. */
static bool cancelled_evaluation(bool tunes, bool leave)
{
    test_host.tunes = tunes;
    const char *dir = test_run_folder();
    pm_control *control = NULL;
    os_thread *thread = NULL;
    pm_run_result r;
    pm_run_info info;
    pm_status status = PM_OK;
    bool hit = false;
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_run_params p = test_run_params(dir);
    p.control = control;
    pm_run *run = test_run_open(&p);
    assert_true(os_thread_start(cancel_evaluation, control, &thread));
    while (status == PM_OK && pm_run_more(run)) status = pm_run_step(run, &r);
    os_thread_join(&thread);
    pm_control_clear(control);
    pm_run_get_info(run, &info);
    if (status == PM_CANCELLED) {
        assert_int_equal(pm_run_save(run), PM_OK);
        if (leave) {
            pm_run_close(&run);
            run = test_run_open(&p);
        }
        /* Where the cancel came too late, it met the next step. */
        assert_int_equal(pm_run_step(run, &r), PM_OK);
        hit = r.step == info.done;
        if (hit) assert_true(r.evaluated && isfinite(r.loss) && isfinite(r.value));
    }
    test_run_finish(run, dir, tunes);
    pm_control_destroy(&control);
    print_message("%s: %s at step %u%s\n", tunes ? "finetuner" : "trainer", pm_status_text(status), (unsigned)info.done,
                  hit ? ", before it was evaluated" : "");
    return hit;
}

static void test_cancelled_evaluation(void **state)
{
    int hits = 0;
    for (int i = 0; i < 4; i++) {
        test_run_begin(state);
        hits += cancelled_evaluation(i & 1, i & 2);
    }
    assert_true(hits > 0);
}

/* The model of the folder is the one with the best value, by the measure and the examples of this call. */
static void test_best(void **state)
{
    (void)state;
    const char *dir = test_run_undisturbed(true);
    test_host.tunes = true;
    pm_run_params p = test_run_params(dir);
    pm_run_info info, again;
    pm_run *run = test_run_open(&p);
    pm_run_get_info(run, &info);
    assert_true(info.best > 0.5 && info.best <= 1 && !info.measured_again);
    assert_string_equal(info.measure.name, "accuracy");
    pm_run_close(&run);
    for (int i = 0; i < 3; i++) {
        p.measure = i == 0 ? "loss" : i == 1 ? "f1:1" : "accuracy";
        p.dev = i == 2 ? test_host.other_dev : test_host.dev;
        run = test_run_open(&p);
        pm_run_get_info(run, &again);
        assert_true(again.measured_again && again.best_step == info.best_step && isfinite(again.best));
        assert_string_equal(again.measure.name, p.measure);
        pm_run_close(&run);
    }
    p.measure = "pearson";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "pearson", "accuracy, macro_f1");
}

/* ---- failures ---- */

static void test_diverges(void **state)
{
    (void)state;
    test_host.lr = 1e30f;
    pm_run_params p = test_run_params(test_run_folder());
    pm_run *run = test_run_open(&p);
    pm_run_result r;
    pm_run_info info;
    pm_status status = PM_OK;
    test_log_reset();
    while (status == PM_OK && pm_run_more(run)) status = pm_run_step(run, &r);
    test_expect_failure(status, PM_DIVERGED, "step", "lower learning rate");
    assert_false(pm_run_more(run));
    pm_run_get_info(run, &info);
    assert_true(info.saved < info.done);
    test_expect_failure(pm_run_save(run), PM_DIVERGED, "run", "diverged");
    pm_run_close(&run);
    test_host.lr = 1e-2f;
    run = test_run_open(&p);
    pm_run_get_info(run, &info);
    assert_true(info.first < 3);
    pm_run_close(&run);
}

/* A failed save is told and tried again; at the end it is the run's failure, and its checkpoint is there. */
static void test_failed_save(void **state)
{
    (void)state;
    pm_run_params p = test_run_params(test_run_folder());
    pm_run *run = test_run_open(&p);
    pm_run_result r = {0};
    pm_status status = PM_OK;
    test_host.saved = PM_IO;
    while (status == PM_OK && pm_run_more(run)) {
        status = pm_run_step(run, &r);
        if (status == PM_OK) assert_int_equal(r.save_failed, r.step % SAVES == 0);
    }
    assert_int_equal(status, PM_IO);
    assert_non_null(strstr(test_last_warning(), "not everything could be saved"));
    assert_false(pm_run_more(run));
    assert_int_equal(pm_run_save(run), PM_IO); /* the checkpoint is there, the rest is not */
    test_host.saved = PM_CANCELLED;
    assert_int_equal(pm_run_save(run), PM_IO);
    test_host.saved = PM_OK;
    const int saves = test_host.saves;
    assert_int_equal(pm_run_save(run), PM_OK);
    assert_int_equal(pm_run_save(run), PM_OK);
    assert_int_equal(test_host.saves, saves + 1);
    pm_run_close(&run);
    test_run_finish(test_run_open(&p), test_run_folder(), false);
}

/* Saves by the clock, but spends no more than a twentieth of the time on it. */
static void test_save_seconds(void **state)
{
    (void)state;
    pm_run_params p = test_run_params(test_run_folder());
    p.save_every = 0;
    p.save_seconds = 1e-6;
    pm_run *run = test_run_open(&p);
    pm_run_result r;
    int saves = 0;
    double most = 0; /* what a save took, and a little more */
    while (pm_run_more(run)) {
        const double before = os_seconds();
        assert_int_equal(pm_run_step(run, &r), PM_OK);
        saves += r.saved;
        if (r.saved) most = os_seconds() - before - r.seconds;
        if (r.step == 2) os_sleep(21 * most);
        if (r.step == 3) assert_true(r.saved);
    }
    assert_true(saves < STEPS / 2 && r.saved);
    pm_run_close(&run);
    test_run_expect_undisturbed(test_run_folder(), false);
}

#ifndef _WIN32 /* helper_fault.h is for Linux */
/* A device that is lost is opened again, and the run goes on from its checkpoint. How many calls a run makes depends on times: whether call `at` came. */
static bool lose(bool tunes, unsigned long at, uint32_t most)
{
    test_host.tunes = tunes;
    test_host.own = true;
    pm_run_params p = test_run_params(test_run_folder());
    p.losses_most = most;
    test_fault("lose=%lu", at);
    pm_run *run = NULL;
    pm_run_result r = {0};
    pm_run_info info = {0};
    uint32_t told = 0, again = 0;
    pm_status status = pm_run_open(&p, &run);
    while (status == PM_OK && pm_run_more(run)) {
        status = pm_run_step(run, &r);
        if (status == PM_CANCELLED) { /* the waiting for the device, which comes with the next call */
            status = PM_OK;
            assert_int_equal(pm_run_save(run), PM_OK);
            continue;
        }
        if (status != PM_OK) break;
        again += r.again;
        if (!r.again) assert_int_equal(r.step, ++told);
    }
    if (run) pm_run_get_info(run, &info);
    const bool more = run && pm_run_more(run);
    if (status == PM_DEVICE_LOST && run) {
        size_t lines;
        assert_true(info.done == info.saved && pm_run_save(run) == PM_OK);
        assert_true(pm_run_losses(run, &lines) && lines + 1 >= told); /* what was reached can still be shown */
    }
    pm_run_close(&run);
    test_fault_end();
    const test_fault_report report = test_fault_done();
    assert_true(report.seen && report.lost <= 1 && report.objects == 0);
    assert_true(test_host.makes == test_host.unmakes && !more);
    if (report.lost && most == 1) {
        assert_int_equal(status, PM_DEVICE_LOST);
    } else {
        assert_int_equal(status, PM_OK);
        assert_true(told == info.steps && info.losses == report.lost && test_host.losses >= (int)report.lost);
        if (report.lost) assert_non_null(strstr(test_last_warning(), "was lost, for the first time"));
        test_run_expect_undisturbed(test_run_folder(), tunes);
    }
    print_message("%s, %s at call %lu of %lu: %u steps again\n", tunes ? "finetuner" : "trainer",
                  report.lost ? "lost" : "not lost", at, report.queue, (unsigned)again);
    return report.lost;
}

static void test_lost(void **state)
{
    enum { POINTS = 3 };
    int lost = 0;
    for (int tunes = 0; tunes < 2; tunes++) {
        test_run_begin(state);
        test_host.tunes = tunes;
        (void)test_run_undisturbed(tunes);
        test_host.own = true;
        const pm_run_params p = test_run_params(test_run_folder());
        test_fault("%s", "");
        pm_run *run = test_run_open(&p);
        pm_run_result r;
        while (pm_run_more(run)) assert_int_equal(pm_run_step(run, &r), PM_OK);
        pm_run_close(&run);
        test_fault_end();
        const unsigned long calls = test_fault_done().queue;
        for (unsigned long i = 0; i < POINTS; i++) {
            test_run_begin(state);
            test_host.waits = i == 1 ? 2 : 0;
            lost += lose(tunes, 1 + i * (calls * 3 / 4) / (POINTS - 1), 0);
        }
        test_run_begin(state);
        lost += lose(tunes, calls / 2, 1);
    }
    assert_true(lost >= POINTS);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_whole, test_run_begin),
        cmocka_unit_test_setup(test_stop_and_go, test_run_begin),
        cmocka_unit_test_setup(test_cancelled_evaluation, test_run_begin),
        cmocka_unit_test_setup(test_best, test_run_begin),
        cmocka_unit_test_setup(test_diverges, test_run_begin),
        cmocka_unit_test_setup(test_failed_save, test_run_begin),
        cmocka_unit_test_setup(test_save_seconds, test_run_begin),
#ifndef _WIN32
        cmocka_unit_test_setup(test_lost, test_run_begin),
#endif
    };
    return cmocka_run_group_tests(tests, test_run_open_all, test_run_close_all);
}
