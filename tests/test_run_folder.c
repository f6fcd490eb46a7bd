/* Where runs begin and go on: a folder that is not free stays as it is, parameters and notes that are wrong are refused with a line. */
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
#include "helper_log.h"
#include "helper_run.h"
#include "os/file.h"

static void test_note(void **state)
{
    (void)state;
    const char *dir = test_run_undisturbed(false);
    const pm_log log = test_log();
    pm_run_note *note = NULL;
    pm_trainer *trainer;
    test_host.tunes = false;
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
    assert_int_equal(test_run_make(&test_host, false, NULL, &parts), PM_OK);
    trainer = parts.trainer;
    assert_int_equal(pm_trainer_save(trainer, test_run_folder(), NULL), PM_OK);
    assert_int_equal(pm_run_note_load(&log, test_run_folder(), &note), PM_OK);
    assert_true(!pm_run_note_kind(note) && !pm_run_note_has_options(note));
    pm_run_note_free(&note);
    const char *const others[] = {"of mine", "[1, 2]", "\"a\"", "true"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(pm_trainer_save(trainer, test_run_folder(), others[i]), PM_OK);
        test_log_reset();
        test_expect_failure(pm_run_note_load(&log, test_run_folder(), &note), PM_FORMAT, "the checkpoint's note", "");
    }
    test_run_unmake(&test_host);
    const pm_run_params p = test_run_params(test_run_folder());
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
        test_run_begin(state);
        pm_run_params p = test_run_params(test_run_folder());
        pm_run *run = test_run_open(&p);
        pm_run_info info;
        pm_run_result r;
        while (pm_run_get_info(run, &info), info.done < 3) assert_int_equal(pm_run_step(run, &r), PM_OK);
        snprintf(line, sizeof line, lines[i], "");
        snprintf(note, sizeof note, "{\"open_line\": \"%s\", \"train_tokens\": 7}", line);
        assert_int_equal(pm_trainer_save(test_host.parts.trainer, test_run_folder(), note), PM_OK);
        pm_run_close(&run);
        test_log_reset();
        p.eval_every = 7; /* step 3 is not to be evaluated */
        run = test_run_open(&p);
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
    assert_int_equal(test_host.makes, test_host.unmakes);
}

static void test_folders(void **state)
{
    (void)state;
    const char *file, *dir = test_run_folder();
    pm_run_params p = test_run_params(dir);
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
    pm_run *run = test_run_open(&p);
    pm_run *second = NULL;
    const test_run_host first = test_host;
    test_log_reset();
    test_expect_failure(pm_run_open(&p, &second), PM_IO, dir, "another run is writing"); /* also of this process */
    test_host.device = first.device;
    test_host.parts = first.parts;
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_SAVED);
    pm_run_close(&run);
    pm_folder_clear(dir, PM_FILES_CHECKPOINT);
    test_expect_content(test_path(dir, "metrics.jsonl"), "");
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_BEGUN);
    assert_null(file);
    p.overwrite = p.resume = false;
    refused(&p, PM_INVALID, "there is a run in it");
    p.resume = true;
    run = test_run_open(&p);
    assert_int_equal(pm_run_look(dir, &file), PM_RUN_SAVED);
    pm_run_close(&run);
    p.resume = false;
    refused(&p, PM_INVALID, "there is a run in it");
    p.resume = true;
    p.kind = "finetune";
    refused(&p, PM_INVALID, "one of train, not of finetune");
    p.kind = "train";
    p.corpus = test_host.other;
    refused(&p, PM_FORMAT, "another text");
    p.corpus = test_host.corpus;
    test_run_finish(test_run_open(&p), dir, false);

    /* The checkpoint is gone: of a run with steps, or of one that was drawn. */
    pm_folder_clear(dir, PM_FILES_CHECKPOINT);
    p.overwrite = true;
    for (int drawn = 0; drawn < 2; drawn++) {
        if (drawn) test_write(test_path(dir, "loss.png"), "", 0);
        assert_int_equal(pm_run_look(dir, &file), PM_RUN_STRIPPED);
        refused(&p, PM_INVALID, "checkpoint is gone");
        test_run_expect_undisturbed(dir, false);
    }
}

static void test_folder_names(void **state)
{
    (void)state;
    const unsigned all = 63;
    size_t count = 0;
    const char *dir = test_run_folder();
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
    assert_int_equal(count, 25);
    test_expect_failure(pm_folder_make(&log, ""), PM_IO, "", "empty");
}

static void test_parameters(void **state)
{
    (void)state;
    pm_run *run = NULL;
    pm_run_params p = test_run_params("");
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "dir");
    p = test_run_params(test_run_folder());
    p.host.make = NULL;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "make");
    p = test_run_params(test_run_folder());
    p.steps = 0;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "steps");
    p = test_run_params(test_run_folder());
    p.train_tokens = pm_corpus_size(test_host.corpus);
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "train_tokens");
    p.corpus = NULL;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "corpus");
    p = test_run_params(test_run_folder());
    p.kind = "\xff";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "UTF-8");
    p = test_run_params(test_run_folder());
    test_host.fails = PM_NO_DEVICE_MEMORY;
    assert_int_equal(pm_run_open(&p, &run), PM_NO_DEVICE_MEMORY);
    assert_true(test_host.makes == 4 && test_host.unmakes == 4);
    os_info info;
    assert_false(os_stat(test_run_folder(), &info)); /* nothing was made there */
    test_host.fails = PM_OK;
    test_host.options[1].name = "--precision";
    p.options = test_host.options;
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "run", "--precision is there twice");
    test_run_begin(state);
    test_host.tunes = true;
    p = test_run_params(test_run_folder());
    p.dev = NULL;
    p.measure = "spearman";
    test_expect_failure(pm_run_open(&p, &run), PM_INVALID, "spearman", "accuracy");
}

/* A rate that is far too high: the checkpoint stays the last good one. */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_note, test_run_begin),
        cmocka_unit_test_setup(test_open_lines, test_run_begin),
        cmocka_unit_test_setup(test_folders, test_run_begin),
        cmocka_unit_test_setup(test_folder_names, test_run_begin),
        cmocka_unit_test_setup(test_parameters, test_run_begin),
    };
    return cmocka_run_group_tests(tests, test_run_open_all, test_run_close_all);
}
