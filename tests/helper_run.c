/* A program with runs: what it makes, its folders, and the run that nothing disturbs. */
#include "helper_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"

test_run_host test_host;

pm_status test_run_make(void *user, bool resume, const pm_caps *lost, pm_run_parts *out)
{
    const pm_gpt_config config = {.vocab = 256, .ctx = CTX, .embd = 16, .heads = 2, .layers = 1};
    const pm_train_params train = {
        .batch = 4, .steps = STEPS, .lr = test_host.lr, .clip = 1, .dropout = 0.1f, .seed = 3};
    pm_finetune_params tune = PM_FINETUNE_PARAMS;
    const pm_log log = test_log();
    pm_status status = PM_OK;
    assert_ptr_equal(user, &test_host);
    test_host.makes++;
    test_host.resumes += resume;
    test_host.losses += lost != NULL;
    if (lost && test_host.waits > 0) {
        test_host.waits--;
        return PM_CANCELLED;
    }
    if (lost) {
        const pm_device_params params = test_device_params((pm_device_params){.log = log});
        status = pm_device_open_again(&params, lost, &test_host.device);
    } else {
        test_host.device = test_host.own ? test_device_open(&(pm_device_params){.log = log}) : test_host.shared;
    }
    if (status == PM_OK) status = test_host.fails;
    if (status == PM_OK) status = pm_model_create(test_host.device, &config, 5, &test_host.parts.model);
    if (status == PM_OK && test_host.tunes) {
        pm_model *base = test_host.parts.model;
        tune.batch = 8;
        tune.epochs = 3;
        tune.lr = test_host.lr;
        test_host.parts.model = NULL;
        status = pm_model_for_task(base, &test_host.task, 5, &test_host.parts.model);
        pm_model_destroy(&base);
        if (status == PM_OK)
            status = pm_finetuner_create(test_host.parts.model, test_host.train, &tune, &test_host.parts.finetuner);
    } else if (status == PM_OK) {
        status = pm_trainer_create(test_host.parts.model, &train, &test_host.parts.trainer);
    }
    if (status == PM_OK && !test_host.tunes)
        test_host.options[0].value = test_host.precision
                                         ? test_host.precision
                                         : pm_precision_name(pm_trainer_precision(test_host.parts.trainer));
    *out = test_host.parts;
    return status;
}

void test_run_unmake(void *user)
{
    (void)user;
    test_host.unmakes++;
    pm_trainer_destroy(&test_host.parts.trainer);
    pm_finetuner_destroy(&test_host.parts.finetuner);
    pm_model_destroy(&test_host.parts.model);
    if (test_host.device && test_host.own) test_device_done(&test_host.device);
    test_host.device = NULL;
}

static pm_status saved(void *user, const pm_run *run)
{
    pm_run_info info;
    size_t count;
    (void)user;
    (void)pm_run_losses(run, &count);
    pm_run_get_info(run, &info);
    assert_true(info.saved == info.done && (count == info.done || count + 1 == info.done)); /* a line may be open */
    test_host.saves++;
    return test_host.saved;
}

pm_run_params test_run_params(const char *dir)
{
    test_host.options[0].name = "--precision";
    test_host.options[1] = (pm_run_option){"--data", "caf\xe9"}; /* Latin-1 */
    return (pm_run_params){.log = test_log(),
                           .dir = dir,
                           .kind = test_host.tunes ? "finetune" : "train",
                           .resume = true,
                           .host = {test_run_make, test_run_unmake, saved, &test_host},
                           .tokenizer = test_host.bytes,
                           .options = test_host.options,
                           .option_count = OPTIONS,
                           .corpus = test_host.tunes ? NULL : test_host.corpus,
                           .train_tokens = test_host.tunes ? 0 : pm_corpus_size(test_host.corpus) * 9 / 10,
                           .steps = test_host.tunes ? 0 : STEPS,
                           .eval_batches = BATCHES,
                           .dev = test_host.tunes ? test_host.dev : NULL,
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
    assert_int_equal(pm_corpus_open_with(&log, path, test_host.bytes, &(pm_corpus_params){.cache_dir = ""}, &out),
                     PM_OK);
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
    if (!test_host.task.labels)
        assert_int_equal(pm_task_learn(&log, PM_TASK_CLASSIFY, path, NULL, 256, &test_host.task), PM_OK);
    assert_int_equal(pm_taskset_open(&log, path, &test_host.task, test_host.bytes, CTX, true, &out), PM_OK);
    return out;
}

int test_run_open_all(void **state)
{
    const pm_log log = test_log();
    if (test_root_make(state)) return 1;
    if (pm_tokenizer_bytes(&log, &test_host.bytes) != PM_OK) return 1;
    test_host.shared = test_device_open(&(pm_device_params){.log = log});
    test_host.corpus = corpus_of("text", 1);
    test_host.other = corpus_of("other", 3);
    test_host.train = set_of("train.jsonl", 0, 32);
    test_host.dev = set_of("dev.jsonl", 32, 432);
    test_host.other_dev = set_of("other.jsonl", 432, 464);
    return 0;
}

int test_run_close_all(void **state)
{
    pm_corpus_close(&test_host.corpus);
    pm_corpus_close(&test_host.other);
    pm_taskset_close(&test_host.train);
    pm_taskset_close(&test_host.dev);
    pm_taskset_close(&test_host.other_dev);
    pm_task_fini(&test_host.task);
    pm_tokenizer_destroy(&test_host.bytes);
    test_device_done(&test_host.shared);
    return test_root_remove(state);
}

static char dir_now[1000];
static unsigned runs;

/* Each test begins with a host that does nothing special, and a folder of its own. */
int test_run_begin(void **state)
{
    (void)state;
    test_host.tunes = test_host.own = false;
    test_host.lr = 1e-2f;
    test_host.fails = test_host.saved = PM_OK;
    test_host.precision = NULL;
    test_host.makes = test_host.unmakes = test_host.saves = test_host.resumes = test_host.losses = 0;
    snprintf(dir_now, sizeof dir_now, "%s", test_path(test_root, "run"));
    snprintf(dir_now + strlen(dir_now), 8, "%u", runs++ % 1000);
    test_log_reset();
    return 0;
}

const char *test_run_folder(void)
{
    return dir_now;
}

/* ---- what a run comes to -------------------------------------------------------------------------------------------- */

pm_run *test_run_open(const pm_run_params *p)
{
    pm_run *run = NULL;
    assert_int_equal(pm_run_open(p, &run), PM_OK);
    return run;
}

/* Whole runs are made once, in folders that stay. */
const char *test_run_undisturbed(bool tunes)
{
    static char dirs[2][1000];
    char *dir = dirs[tunes];
    if (dir[0]) return dir;
    snprintf(dir, sizeof dirs[0], "%s", test_path(test_root, tunes ? "whole-tuned" : "whole"));
    test_host.tunes = tunes;
    const pm_run_params p = test_run_params(dir);
    pm_run *run = test_run_open(&p);
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

void test_run_expect_undisturbed(const char *dir, bool tunes)
{
    const char *whole = test_run_undisturbed(tunes);
    char *a = lines_of(whole), *b = lines_of(dir);
    assert_string_equal(a, b);
    free(a);
    free(b);
    test_same_file(whole, dir, "model.safetensors");
}

void test_run_finish(pm_run *run, const char *dir, bool tunes)
{
    pm_run_result r;
    while (pm_run_more(run)) assert_int_equal(pm_run_step(run, &r), PM_OK);
    pm_run_close(&run);
    test_run_expect_undisturbed(dir, tunes);
}
