/* Runs in a folder: stopped at any moment, also amid an evaluation, or with a lost device, they come to the lines, the weights and the best model of one
 * that nothing disturbed. A folder that is not free stays as it is. */
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
#include "helper_dir.h"
#include "helper_fault.h"
#include "helper_log.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"

enum { CTX = 16, STEPS = 10, EVALS = 4 /* steps between */, SAVES = 3, BATCHES = 2, OPTIONS = 2 };

/* ---- the program's side --------------------------------------------------------------------------------------------- */

typedef struct host {
    pm_tokenizer *bytes;
    pm_corpus *corpus, *other;
    pm_taskset *train, *dev, *other_dev;
    pm_task task;

    bool tunes; /* has a finetuner */
    bool own;   /* a device of its own, which may be lost; else `shared` */
    float lr;
    pm_status fails, saved; /* what make and saved answer */
    int waits;              /* how often the waiting for a lost device is cancelled */
    const char *precision;  /* an option; NULL: as the trainer has it */
    pm_run_option options[OPTIONS];
    pm_device *shared, *device;
    pm_run_parts parts;
    int makes, unmakes, saves, resumes, losses;
} host;

static host h;

static pm_status make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    const pm_gpt_config config = {.vocab = 256, .ctx = CTX, .embd = 16, .heads = 2, .layers = 1};
    const pm_train_params train = {.batch = 4, .steps = STEPS, .lr = h.lr, .clip = 1, .dropout = 0.1f, .seed = 3};
    pm_finetune_params tune = PM_FINETUNE_PARAMS;
    const pm_log log = test_log();
    pm_status status = PM_OK;
    assert_ptr_equal(user, &h);
    h.makes++;
    h.resumes += resume;
    h.losses += lost != NULL;
    if (lost && h.waits > 0) {
        h.waits--;
        return PM_CANCELLED;
    }
    if (lost) {
        const pm_device_params params = test_device_params((pm_device_params){.log = log});
        status = pm_device_open_again(&params, lost, &h.device);
    } else {
        h.device = h.own ? test_device_open(&(pm_device_params){.log = log}) : h.shared;
    }
    if (status == PM_OK) status = h.fails;
    if (status == PM_OK) status = pm_model_create(h.device, &config, 5, &h.parts.model);
    if (status == PM_OK && h.tunes) {
        pm_model *base = h.parts.model;
        tune.batch = 8;
        tune.epochs = 3;
        tune.lr = h.lr;
        h.parts.model = NULL;
        status = pm_model_for_task(base, &h.task, 5, &h.parts.model);
        pm_model_destroy(&base);
        if (status == PM_OK) status = pm_finetuner_create(h.parts.model, h.train, &tune, &h.parts.finetuner);
    } else if (status == PM_OK) {
        status = pm_trainer_create(h.parts.model, &train, &h.parts.trainer);
    }
    if (status == PM_OK && !h.tunes)
        h.options[0].value = h.precision ? h.precision : pm_precision_name(pm_trainer_precision(h.parts.trainer));
    *out = h.parts;
    return status;
}

static void unmake(void *user)
{
    (void)user;
    h.unmakes++;
    pm_trainer_destroy(&h.parts.trainer);
    pm_finetuner_destroy(&h.parts.finetuner);
    pm_model_destroy(&h.parts.model);
    if (h.device && h.own) test_device_done(&h.device);
    h.device = NULL;
}

static pm_status saved(void *user, const pm_run *run)
{
    pm_run_info info;
    size_t count;
    (void)user;
    (void)pm_run_losses(run, &count);
    pm_run_get_info(run, &info);
    assert_true(info.saved == info.done && (count == info.done || count + 1 == info.done)); /* a line may be open */
    h.saves++;
    return h.saved;
}

static pm_run_params params(const char *dir)
{
    h.options[0].name = "--precision";
    h.options[1] = (pm_run_option){"--data", "caf\xe9"}; /* Latin-1 */
    return (pm_run_params){.log = test_log(),
                           .dir = dir,
                           .kind = h.tunes ? "finetune" : "train",
                           .resume = true,
                           .host = {make, unmake, saved, &h},
                           .tokenizer = h.bytes,
                           .options = h.options,
                           .option_count = OPTIONS,
                           .corpus = h.tunes ? NULL : h.corpus,
                           .train_tokens = h.tunes ? 0 : pm_corpus_size(h.corpus) * 9 / 10,
                           .steps = h.tunes ? 0 : STEPS,
                           .eval_batches = BATCHES,
                           .dev = h.tunes ? h.dev : NULL,
                           .eval_every = EVALS,
                           .save_every = SAVES};
}

static pm_corpus *corpus_of(const char *name, unsigned factor)
{
    char text[2000];
    const pm_log log = test_log();
    pm_corpus *out = NULL;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i * i * factor % 23);
    const char *path = test_path(test_root, name);
    test_write(path, text, sizeof text);
    assert_int_equal(pm_corpus_open_with(&log, path, h.bytes, &(pm_corpus_params){.cache_dir = ""}, &out), PM_OK);
    return out;
}

static pm_taskset *set_of(const char *name, unsigned begin, unsigned end)
{
    static const char *const words[] = {"red", "blue"};
    const pm_log log = test_log();
    const char *path = test_path(test_root, name);
    FILE *file = fopen(path, "w");
    pm_taskset *out = NULL;
    assert_non_null(file);
    /* One in five has the other label, so that the best model on dev is not the last one. */
    for (unsigned i = begin; i < end; i++)
        fprintf(file, "{\"text\": \"%s %u\", \"label\": %u}\n", words[i % 2], i * i, (i + (i % 5 == 0)) % 2);
    fclose(file);
    if (!h.task.labels) assert_int_equal(pm_task_learn(&log, PM_TASK_CLASSIFY, path, NULL, 256, &h.task), PM_OK);
    assert_int_equal(pm_taskset_open(&log, path, &h.task, h.bytes, CTX, true, &out), PM_OK);
    return out;
}

static int open_all(void **state)
{
    const pm_log log = test_log();
    if (test_root_make(state)) return 1;
    if (pm_tokenizer_bytes(&log, &h.bytes) != PM_OK) return 1;
    h.shared = test_device_open(&(pm_device_params){.log = log});
    h.corpus = corpus_of("text", 1);
    h.other = corpus_of("other", 3);
    h.train = set_of("train.jsonl", 0, 32);
    h.dev = set_of("dev.jsonl", 32, 432);
    h.other_dev = set_of("other.jsonl", 432, 464);
    return 0;
}

static int close_all(void **state)
{
    pm_corpus_close(&h.corpus);
    pm_corpus_close(&h.other);
    pm_taskset_close(&h.train);
    pm_taskset_close(&h.dev);
    pm_taskset_close(&h.other_dev);
    pm_task_fini(&h.task);
    pm_tokenizer_destroy(&h.bytes);
    test_device_done(&h.shared);
    return test_root_remove(state);
}

static char dir_now[1000];
static unsigned runs;

/* Each test begins with a host that does nothing special, and a folder of its own. */
static int begin_test(void **state)
{
    (void)state;
    h.tunes = h.own = false;
    h.lr = 1e-2f;
    h.fails = h.saved = PM_OK;
    h.precision = NULL;
    h.makes = h.unmakes = h.saves = h.resumes = h.losses = 0;
    snprintf(dir_now, sizeof dir_now, "%s", test_path(test_root, "run"));
    snprintf(dir_now + strlen(dir_now), 8, "%u", runs++ % 1000);
    test_log_reset();
    return 0;
}

static const char *folder(void)
{
    return dir_now;
}

/* ---- what a run comes to -------------------------------------------------------------------------------------------- */

static pm_run *open_run(const pm_run_params *p)
{
    pm_run *run = NULL;
    assert_int_equal(pm_run_open(p, &run), PM_OK);
    return run;
}

/* Whole runs are made once, in folders that stay. */
static const char *undisturbed(bool tunes)
{
    static char dirs[2][1000];
    char *dir = dirs[tunes];
    if (dir[0]) return dir;
    snprintf(dir, sizeof dirs[0], "%s", test_path(test_root, tunes ? "whole-tuned" : "whole"));
    h.tunes = tunes;
    const pm_run_params p = params(dir);
    pm_run *run = open_run(&p);
    pm_run_result r;
    while (pm_run_more(run)) assert_int_equal(pm_run_step(run, &r), PM_OK);
    pm_run_close(&run);
    return dir;
}

/* The lines without the one number that is measured. */
static char *lines_of(const char *dir)
{
    size_t size = 0, used = 0;
    char *text = test_read(test_path(dir, "metrics.jsonl"), &size);
    for (size_t i = 0; i < size;) {
        if (strncmp(text + i, "\"tokens_per_s\": ", 16) == 0) i += strcspn(text + i, ",}");
        text[used++] = text[i++];
    }
    text[used] = 0;
    return text;
}

static void expect_undisturbed(const char *dir, bool tunes)
{
    const char *whole = undisturbed(tunes);
    char *a = lines_of(whole), *b = lines_of(dir);
    assert_string_equal(a, b);
    free(a);
    free(b);
    test_same_file(whole, dir, "model.safetensors");
}

static void finish(pm_run *run, const char *dir, bool tunes)
{
    pm_run_result r;
    while (pm_run_more(run)) assert_int_equal(pm_run_step(run, &r), PM_OK);
    pm_run_close(&run);
    expect_undisturbed(dir, tunes);
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

static void test_whole(void **state)
{
    (void)state;
    const pm_run_params p = params(folder());
    pm_run *run = open_run(&p);
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
    const int saves = h.saves;
    assert_int_equal(pm_run_save(run), PM_OK); /* all is saved */
    assert_int_equal(h.saves, saves);
    pm_run_close(&run);
    assert_null(run);
    pm_run_close(&run);
    assert_true(h.makes == 1 && h.unmakes == 1 && h.resumes == 0);
    text = test_read(test_path(folder(), "metrics.jsonl"), &losses);
    assert_non_null(strstr(text, "{\"step\": 10, \"loss\": "));
    free(text);
    expect_undisturbed(folder(), false);
}

/* Left after each number of steps in turn. */
static void stop_and_go(bool tunes)
{
    h.tunes = tunes;
    const char *dir = folder();
    uint32_t done = 0, steps = 1;
    for (uint32_t leaves = 1; done < steps; leaves++) {
        const pm_run_params p = params(dir);
        pm_run *run = open_run(&p);
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
    expect_undisturbed(dir, tunes);
}

static void test_stop_and_go(void **state)
{
    (void)state;
    stop_and_go(false);
    begin_test(state);
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
    h.tunes = tunes;
    const char *dir = folder();
    pm_control *control = NULL;
    os_thread *thread = NULL;
    pm_run_result r;
    pm_run_info info;
    pm_status status = PM_OK;
    bool hit = false;
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_run_params p = params(dir);
    p.control = control;
    pm_run *run = open_run(&p);
    assert_true(os_thread_start(cancel_evaluation, control, &thread));
    while (status == PM_OK && pm_run_more(run)) status = pm_run_step(run, &r);
    os_thread_join(&thread);
    pm_control_clear(control);
    pm_run_get_info(run, &info);
    if (status == PM_CANCELLED) {
        assert_int_equal(pm_run_save(run), PM_OK);
        if (leave) {
            pm_run_close(&run);
            run = open_run(&p);
        }
        /* Where the cancel came too late, it met the next step. */
        assert_int_equal(pm_run_step(run, &r), PM_OK);
        hit = r.step == info.done;
        if (hit) assert_true(r.evaluated && isfinite(r.loss) && isfinite(r.value));
    }
    finish(run, dir, tunes);
    pm_control_destroy(&control);
    print_message("%s: %s at step %u%s\n", tunes ? "finetuner" : "trainer", pm_status_text(status), (unsigned)info.done,
                  hit ? ", before it was evaluated" : "");
    return hit;
}

static void test_cancelled_evaluation(void **state)
{
    int hits = 0;
    for (int i = 0; i < 4; i++) {
        begin_test(state);
        hits += cancelled_evaluation(i & 1, i & 2);
    }
    assert_true(hits > 0);
}

/* The model of the folder is the one with the best value, by the measure and the examples of this call. */
static void test_best(void **state)
{
    (void)state;
    const char *dir = undisturbed(true);
    h.tunes = true;
    pm_run_params p = params(dir);
    pm_run_info info, again;
    pm_run *run = open_run(&p);
    pm_run_get_info(run, &info);
    assert_true(info.best > 0.5 && info.best <= 1 && !info.measured_again);
    assert_string_equal(info.measure.name, "accuracy");
    pm_run_close(&run);
    for (int i = 0; i < 3; i++) {
        p.measure = i == 0 ? "loss" : i == 1 ? "f1:1" : "accuracy";
        p.dev = i == 2 ? h.other_dev : h.dev;
        run = open_run(&p);
        pm_run_get_info(run, &again);
        assert_true(again.measured_again && again.best_step == info.best_step && isfinite(again.best));
        assert_string_equal(again.measure.name, p.measure);
        pm_run_close(&run);
    }
    p.measure = "pearson";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "pearson", "accuracy, macro_f1");
}

static void test_note(void **state)
{
    (void)state;
    const char *dir = undisturbed(false);
    const pm_log log = test_log();
    pm_run_note *note = NULL;
    pm_trainer *trainer;
    h.tunes = false;
    assert_int_equal(pm_run_note_load(&log, dir, &note), PM_OK);
    assert_string_equal(pm_run_note_kind(note), "train");
    assert_string_equal(pm_run_note_option(note, "--precision"), "f32"); /* make set it behind pm_run_open */
    assert_string_equal(pm_run_note_option(note, "--data"), "caf\xef\xbf\xbd");
    assert_null(pm_run_note_option(note, "--none"));
    assert_true(pm_run_note_has_options(note));
    pm_run_note_free(&note);
    assert_null(note);
    /* A checkpoint of a program without runs has another note, or none. */
    pm_run_parts parts = {0};
    assert_int_equal(make(&h, false, NULL, &parts), PM_OK);
    trainer = parts.trainer;
    assert_int_equal(pm_trainer_save(trainer, folder(), NULL), PM_OK);
    assert_int_equal(pm_run_note_load(&log, folder(), &note), PM_OK);
    assert_true(!pm_run_note_kind(note) && !pm_run_note_has_options(note));
    pm_run_note_free(&note);
    const char *const others[] = {"of mine", "[1, 2]", "\"a\"", "true"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(pm_trainer_save(trainer, folder(), others[i]), PM_OK);
        test_log_reset();
        test_expect_failure(pm_run_note_load(&log, folder(), &note), PM_FORMAT, "the checkpoint's note", "");
    }
    unmake(&h);
    const pm_run_params p = params(folder());
    pm_run *run = NULL;
    test_expect_failure(pm_run_open(&p, &run), PM_FORMAT, "the checkpoint's note", "");
    assert_null(run);
}

/* Notes of other programs: an open line that is none is left out. */
static void test_open_lines(void **state)
{
    enum { BAD = 6 };
    const char *const lines[BAD + 1] = {"{\\\"step\\\": 0, \\\"loss\\\": 1",
                                        "{\\\"step\\\": 3, \\\"loss\\\": 1\\n",
                                        "nonsense",
                                        "{\\\"step\\\": 2",
                                        "{\\\"step\\\": 3, \\\"loss\\\": %1000s1",
                                        "{\\\"step\\\": 3, \\\"loss\\\": %620s1",
                                        "{\\\"step\\\": 3, \\\"loss\\\": 1"};
    for (int i = 0; i <= BAD; i++) {
        char line[1200], note[1300];
        begin_test(state);
        pm_run_params p = params(folder());
        pm_run *run = open_run(&p);
        pm_run_info info;
        pm_run_result r;
        while (pm_run_get_info(run, &info), info.done < 3) assert_int_equal(pm_run_step(run, &r), PM_OK);
        snprintf(line, sizeof line, lines[i], "");
        snprintf(note, sizeof note, "{\"open_line\": \"%s\", \"train_tokens\": 7}", line);
        assert_int_equal(pm_trainer_save(h.parts.trainer, folder(), note), PM_OK);
        pm_run_close(&run);
        test_log_reset();
        p.eval_every = 7; /* step 3 is not to be evaluated */
        run = open_run(&p);
        assert_non_null(strstr(test_last_warning(), "(7 before)"));
        assert_int_equal(pm_run_step(run, &r), PM_OK);
        assert_int_equal(r.step, i < BAD ? 4 : 3);
        assert_true(!r.evaluated && isnan(r.val_loss) && isnan(r.value));
        pm_run_close(&run);
    }
}

/* ---- folders -------------------------------------------------------------------------------------------------------- */

static void refused(const pm_run_params *p, pm_status want, const char *words)
{
    pm_run *run = NULL;
    test_log_reset();
    test_expect_failure(pm_run_open(p, &run), want, p->dir, words);
    assert_null(run);
    assert_int_equal(h.makes, h.unmakes);
}

static void test_folders(void **state)
{
    (void)state;
    const char *file, *dir = folder();
    pm_run_params p = params(dir);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_NONE); /* it is not there */
    assert_int_equal(pm_folder_make(&p.log, dir), PM_OK);
    test_write(test_path(dir, "README"), "", 0);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_NONE);
    test_write(test_path(dir, "vocab.json"), "{}", 2);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_FILES);
    assert_string_equal(file, "vocab.json");
    refused(&p, PM_INVALID, "vocab.json");
    test_expect_content(test_path(dir, "vocab.json"), "{}");
    test_write(test_path(dir, "tf_model.h5"), "", 0);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_MODEL);
    assert_string_equal(file, "tf_model.h5");
    p.overwrite = true;
    refused(&p, PM_INVALID, "tf_model.h5");
    assert_true(os_remove(test_path(dir, "tf_model.h5")));

    /* killed before its first checkpoint */
    pm_run *run = open_run(&p);
    pm_run *second = NULL;
    const host first = h;
    test_log_reset();
    test_expect_failure(pm_run_open(&p, &second), PM_IO, dir, "another run is writing"); /* also of this process */
    h.device = first.device;
    h.parts = first.parts;
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_SAVED);
    pm_run_close(&run);
    pm_folder_clear(dir, PM_FILES_CHECKPOINT);
    test_expect_content(test_path(dir, "metrics.jsonl"), "");
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_BEGUN);
    assert_null(file);
    p.overwrite = p.resume = false;
    refused(&p, PM_INVALID, "there is a run in it");
    p.resume = true;
    run = open_run(&p);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_SAVED);
    pm_run_close(&run);
    p.resume = false;
    refused(&p, PM_INVALID, "there is a run in it");
    p.resume = true;
    p.kind = "finetune";
    refused(&p, PM_INVALID, "one of train, not of finetune");
    p.kind = "train";
    p.corpus = h.other;
    refused(&p, PM_FORMAT, "another text");
    p.corpus = h.corpus;
    finish(open_run(&p), dir, false);

    /* The checkpoint is gone: of a run with steps, or of one that was drawn. */
    pm_folder_clear(dir, PM_FILES_CHECKPOINT);
    p.overwrite = true;
    for (int drawn = 0; drawn < 2; drawn++) {
        if (drawn) test_write(test_path(dir, "loss.png"), "", 0);
        assert_int_equal(pm_run_look(dir, &file), PM_RUN_STRIPPED);
        refused(&p, PM_INVALID, "checkpoint is gone");
        expect_undisturbed(dir, false);
    }
}

static void test_folder_names(void **state)
{
    (void)state;
    const unsigned all = 63;
    size_t count = 0;
    const char *dir = folder();
    const pm_log log = test_log();
    assert_int_equal(pm_folder_make(&log, dir), PM_OK);
    for (const char *name; (name = pm_folder_name(all, count)) != NULL; count++) {
        assert_null(pm_folder_find(dir, all));
        test_write(test_path(dir, name), "", 0);
        assert_ptr_equal(pm_folder_find(dir, all), name);
        assert_true(pm_folder_has(dir, name));
        for (unsigned kind = 1; kind < all; kind *= 2)
            if (pm_folder_find(dir, kind) != name) pm_folder_clear(dir, kind);
        assert_true(pm_folder_has(dir, name));
        pm_folder_clear(dir, all);
        assert_false(pm_folder_has(dir, name));
    }
    assert_int_equal(count, 23);
    test_expect_failure(pm_folder_make(&log, ""), PM_IO, "", "empty");
}

/* ---- failures ------------------------------------------------------------------------------------------------------- */

static void test_parameters(void **state)
{
    (void)state;
    pm_run *run = NULL;
    pm_run_params p = params("");
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "dir");
    p = params(folder());
    p.host.make = NULL;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "make");
    p = params(folder());
    p.steps = 0;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "steps");
    p = params(folder());
    p.train_tokens = pm_corpus_size(h.corpus);
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "train_tokens");
    p.corpus = NULL;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "corpus");
    p = params(folder());
    p.kind = "\xff";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "UTF-8");
    p = params(folder());
    h.fails = PM_NO_DEVICE_MEMORY;
    assert_int_equal(pm_run_open(&p, &run), PM_NO_DEVICE_MEMORY);
    assert_true(h.makes == 4 && h.unmakes == 4);
    os_info info;
    assert_false(os_stat(folder(), &info)); /* nothing was made there */
    h.fails = PM_OK;
    h.options[1].name = "--precision";
    p.options = h.options;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "--precision is there twice");
    begin_test(state);
    h.tunes = true;
    p = params(folder());
    p.dev = NULL;
    p.measure = "spearman";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "spearman", "accuracy");
}

/* A rate that is far too high: the checkpoint stays the last good one. */
static void test_diverges(void **state)
{
    (void)state;
    h.lr = 1e30f;
    pm_run_params p = params(folder());
    pm_run *run = open_run(&p);
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
    h.lr = 1e-2f;
    run = open_run(&p);
    pm_run_get_info(run, &info);
    assert_true(info.first < 3);
    pm_run_close(&run);
}

/* A failed save is told and tried again; at the end it is the run's failure, and its checkpoint is there. */
static void test_failed_save(void **state)
{
    (void)state;
    pm_run_params p = params(folder());
    pm_run *run = open_run(&p);
    pm_run_result r = {0};
    pm_status status = PM_OK;
    h.saved = PM_IO;
    while (status == PM_OK && pm_run_more(run)) {
        status = pm_run_step(run, &r);
        if (status == PM_OK) assert_int_equal(r.save_failed, r.step % SAVES == 0);
    }
    assert_int_equal(status, PM_IO);
    assert_non_null(strstr(test_last_warning(), "not everything could be saved"));
    assert_false(pm_run_more(run));
    assert_int_equal(pm_run_save(run), PM_IO); /* the checkpoint is there, the rest is not */
    h.saved = PM_CANCELLED;
    assert_int_equal(pm_run_save(run), PM_IO);
    h.saved = PM_OK;
    const int saves = h.saves;
    assert_int_equal(pm_run_save(run), PM_OK);
    assert_int_equal(pm_run_save(run), PM_OK);
    assert_int_equal(h.saves, saves + 1);
    pm_run_close(&run);
    finish(open_run(&p), folder(), false);
}

/* Saves by the clock, but spends no more than a twentieth of the time on it. */
static void test_save_seconds(void **state)
{
    (void)state;
    pm_run_params p = params(folder());
    p.save_every = 0;
    p.save_seconds = 1e-6;
    pm_run *run = open_run(&p);
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
    expect_undisturbed(folder(), false);
}

#ifndef _WIN32 /* helper_fault.h is for Linux */
/* A device that is lost is opened again, and the run goes on from its checkpoint. How many calls a run makes depends on times: whether call `at` came. */
static bool lose(bool tunes, unsigned long at, uint32_t most)
{
    h.tunes = tunes;
    h.own = true;
    pm_run_params p = params(folder());
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
    assert_true(h.makes == h.unmakes && !more);
    if (report.lost && most == 1) {
        assert_int_equal(status, PM_DEVICE_LOST);
    } else {
        assert_int_equal(status, PM_OK);
        assert_true(told == info.steps && info.losses == report.lost && h.losses >= (int)report.lost);
        if (report.lost) assert_non_null(strstr(test_last_warning(), "was lost, for the first time"));
        expect_undisturbed(folder(), tunes);
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
        begin_test(state);
        h.tunes = tunes;
        (void)undisturbed(tunes);
        h.own = true;
        const pm_run_params p = params(folder());
        test_fault("%s", "");
        pm_run *run = open_run(&p);
        pm_run_result r;
        while (pm_run_more(run)) assert_int_equal(pm_run_step(run, &r), PM_OK);
        pm_run_close(&run);
        test_fault_end();
        const unsigned long calls = test_fault_done().queue;
        for (unsigned long i = 0; i < POINTS; i++) {
            begin_test(state);
            h.waits = i == 1 ? 2 : 0;
            lost += lose(tunes, 1 + i * (calls * 3 / 4) / (POINTS - 1), 0);
        }
        begin_test(state);
        lost += lose(tunes, calls / 2, 1);
    }
    assert_true(lost >= POINTS);
}
#endif

static uint64_t bytes_of(const pm_train_plan *p)
{
    return p->weights + p->gradients + p->optimizer + p->workspace;
}

/* With less and less memory: recomputation, then more micro batches with the same sequences a step, then half the context. */
static void test_fit(void **state)
{
    (void)state;
    const pm_gpt_config config = {.vocab = 256, .ctx = 64, .embd = 64, .heads = 4, .layers = 4};
    pm_caps caps = *pm_device_caps(h.shared);
    pm_train_plan whole, plan;
    pm_train_params p = {0}, before;
    pm_finetune_params tune = PM_FINETUNE_PARAMS;
    const pm_log log = test_log();
    int changes = 0;
    caps.device_memory_free = UINT64_MAX;
    assert_int_equal(pm_train_fit(&log, &caps, &config, &p, &whole), PM_OK);
    assert_true(p.batch == 12 && p.accum == 1 && p.time == 64 && !p.recompute && p.steps == 2000);
    for (before = p;; before = p) {
        caps.device_memory_free = bytes_of(changes ? &plan : &whole) - 1;
        const pm_status status = pm_train_fit(&log, &caps, &config, &p, &plan);
        if (status != PM_OK) {
            assert_int_equal(status, PM_NO_DEVICE_MEMORY);
            break;
        }
        changes++;
        assert_true(bytes_of(&plan) <= caps.device_memory_free && p.recompute);
        assert_int_equal(p.batch * p.accum, 12);
        assert_true(p.batch <= before.batch && p.time <= before.time);
        assert_true(p.time == 64 || p.batch == 1);
    }
    assert_memory_equal(&p, &before, sizeof p);
    assert_true(p.batch == 1 && p.time < 64 && changes > 3);
    test_log_reset();
    test_expect_failure(pm_train_fit(&log, &caps, &config, &p, &plan), PM_NO_DEVICE_MEMORY, caps.name, "too large");
    p.lr = -1;
    test_expect_failure(pm_train_fit(&log, &caps, &config, &p, &plan), PM_INVALID, "lr", "");

    caps.device_memory_free = UINT64_MAX;
    assert_int_equal(pm_finetune_fit(&log, &caps, &config, h.train, &tune, &whole), PM_OK);
    assert_true(tune.batch == 32 && tune.accum == 1 && !tune.recompute);
    caps.device_memory_free = bytes_of(&whole) * 3 / 4;
    assert_int_equal(pm_finetune_fit(&log, &caps, &config, h.train, &tune, &plan), PM_OK);
    assert_true(tune.batch == 32 && tune.recompute && bytes_of(&plan) <= caps.device_memory_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_whole, begin_test),
        cmocka_unit_test_setup(test_stop_and_go, begin_test),
        cmocka_unit_test_setup(test_cancelled_evaluation, begin_test),
        cmocka_unit_test_setup(test_best, begin_test),
        cmocka_unit_test_setup(test_note, begin_test),
        cmocka_unit_test_setup(test_open_lines, begin_test),
        cmocka_unit_test_setup(test_folders, begin_test),
        cmocka_unit_test_setup(test_folder_names, begin_test),
        cmocka_unit_test_setup(test_parameters, begin_test),
        cmocka_unit_test_setup(test_diverges, begin_test),
        cmocka_unit_test_setup(test_failed_save, begin_test),
        cmocka_unit_test_setup(test_save_seconds, begin_test),
        cmocka_unit_test_setup(test_fit, begin_test),
#ifndef _WIN32
        cmocka_unit_test_setup(test_lost, begin_test),
#endif
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
