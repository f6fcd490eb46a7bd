/* The host's or the device's memory runs out, or the device is lost, at each call in turn. Each gives one clear error line, leaves nothing behind,
 * and does not harm a later try. usage: test_scarce [POINTS [TEST]]: how many calls of each kind, spread over all; 0: every one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "files/gguf.h"
#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_fault.h"
#include "helper_log.h"
#include "helper_memory.h"
#include "helper_source.h"

enum { CTX = 16, BATCH = 2, VOCAB = 256, STEPS = 2 };

static const pm_gpt_config config = {
    .arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = CTX, .embd = 16, .heads = 2, .layers = 1};
static const pm_sampling greedy = {0};
static size_t points = 5;

/* ---- what programs do -------------------------------------------------------------------------------------------- */

typedef struct objects {
    pm_device *device;
    pm_tokenizer *tokenizer, *loaded_tokenizer;
    pm_corpus *corpus;
    pm_task task;
    pm_taskset *set;
    pm_model *model, *loaded;
    pm_trainer *trainer;
    pm_finetuner *finetuner;
    pm_session *session;
    char *note;
} objects;

/* The results, bit by bit. */
typedef struct outcome {
    double values[4];
} outcome;

typedef pm_status (*scenario)(const pm_log *log, objects *o, outcome *out);

#define TRY(call)                                                                                                      \
    if ((status = (call)) != PM_OK) return status

/* Short submissions, so that first runs are cut as they go. */
static pm_status open_device(const pm_log *log, uint32_t submit_ms, pm_device **out)
{
    const pm_device_params params = test_device_params(
        (pm_device_params){.log = *log, .submit_ms = submit_ms, .cache_dir = test_path(test_root, "cache")});
    return pm_device_open(&params, out);
}

static pm_status open_corpus(const pm_log *log, objects *o)
{
    const pm_corpus_params params = {.cache_dir = test_path(test_root, "cache")};
    return pm_corpus_open_with(log, test_path(test_root, "text.txt"), o->tokenizer, &params, &o->corpus);
}

/* A text, a model, training, a checkpoint, generation. */
static pm_status train(const pm_log *log, objects *o, outcome *out)
{
    const pm_train_params params = {.batch = BATCH, .steps = STEPS, .lr = 1e-2f, .clip = 1};
    const uint32_t prompt[] = {'a', ' ', 't', 'e', 'x', 't', ' ', 'b'};
    const char *dir = test_path(test_root, "train");
    pm_eval_result result;
    pm_step step;
    uint32_t token;
    float val_loss;
    pm_status status;
    TRY(pm_tokenizer_bytes(log, &o->tokenizer));
    TRY(open_corpus(log, o));
    TRY(open_device(log, 1, &o->device));
    TRY(pm_model_create(o->device, &config, 1, &o->model));
    TRY(pm_trainer_create(o->model, &params, &o->trainer));
    for (int i = 0; i < STEPS; i++) TRY(pm_trainer_step(o->trainer, o->corpus, 0, pm_corpus_size(o->corpus), &step));
    TRY(pm_trainer_eval(o->trainer, o->corpus, 0, pm_corpus_size(o->corpus), 1, &val_loss));
    TRY(pm_trainer_save(o->trainer, dir, "note"));
    TRY(pm_trainer_load(o->trainer, dir, &o->note));
    TRY(pm_model_save(o->model, dir));
    TRY(pm_model_load(o->device, dir, &o->loaded));
    TRY(pm_model_eval(o->loaded, o->corpus, &result));
    TRY(pm_session_create(o->loaded, &o->session));
    TRY(pm_session_feed(o->session, prompt, sizeof prompt / sizeof *prompt));
    TRY(pm_session_sample(o->session, &greedy, &token));
    *out = (outcome){{(double)step.loss, (double)val_loss, result.loss, token}};
    return PM_OK;
}

/* A tokenizer with merges, a task, fine-tuning, answers. */
static pm_status finetune(const pm_log *log, objects *o, outcome *out)
{
    static const char text[] = "red blue red green blue blue green red red";
    const pm_finetune_params params = {.batch = BATCH, .epochs = 1, .lr = 1e-2f, .lambda = 0.5f};
    const char *dir = test_path(test_root, "tune"), *examples = test_path(test_root, "examples.jsonl");
    pm_gpt_config small = config;
    pm_finetune_step step;
    float answers[2 * 4];
    pm_status status;
    TRY(pm_tokenizer_train(log, "text", text, sizeof text - 1, VOCAB + 4, &o->tokenizer));
    TRY(pm_tokenizer_save(log, o->tokenizer, dir));
    TRY(pm_tokenizer_load(log, dir, &o->loaded_tokenizer));
    small.vocab = pm_tokenizer_vocab(o->loaded_tokenizer);
    TRY(pm_task_learn(log, PM_TASK_CLASSIFY, examples, NULL, small.vocab, &o->task));
    TRY(pm_taskset_open(log, examples, &o->task, o->loaded_tokenizer, CTX, true, &o->set));
    TRY(open_device(log, 1, &o->device));
    TRY(pm_model_create(o->device, &small, 1, &o->model));
    TRY(pm_model_for_task(o->model, &o->task, 1, &o->loaded));
    TRY(pm_finetuner_create(o->loaded, o->set, &params, &o->finetuner));
    for (int i = 0; i < STEPS; i++) TRY(pm_finetuner_step(o->finetuner, &step));
    TRY(pm_finetuner_save(o->finetuner, dir, NULL));
    TRY(pm_finetuner_load(o->finetuner, dir, &o->note));
    TRY(pm_finetuner_predict(o->finetuner, o->set, answers));
    TRY(pm_model_save(o->loaded, dir));
    pm_model_destroy(&o->model);
    TRY(pm_model_load(o->device, dir, &o->model));
    TRY(pm_model_predict(o->model, o->set, answers));
    *out = (outcome){{(double)step.loss, (double)step.lm_loss, (double)answers[0], (double)answers[7]}};
    return PM_OK;
}

/* A model and a tokenizer through functions, and from memory. */
static archive files;
static pm_status sources(const pm_log *log, objects *o, outcome *out)
{
    const uint32_t token = 'a';
    pm_text_ends ends;
    pm_status status;
    archive_count(&files, 0, PM_OK);
    TRY(pm_tokenizer_load_from(log, archive_source(&files, WAY_READ), &o->tokenizer));
    TRY(pm_tokenizer_load_from(log, archive_source(&files, WAY_MEMORY), &o->loaded_tokenizer));
    TRY(pm_text_ends_load_from(log, archive_source(&files, WAY_READ), o->tokenizer, VOCAB, &ends));
    TRY(open_device(log, 1, &o->device));
    TRY(pm_model_load_from(o->device, archive_source(&files, WAY_READ), &o->model));
    TRY(pm_model_load_from(o->device, archive_source(&files, WAY_VIEW), &o->loaded));
    TRY(pm_session_create(o->model, &o->session));
    TRY(pm_session_feed(o->session, &token, 1));
    *out = (outcome){{(double)pm_session_logits(o->session)[0], (double)pm_session_logits(o->session)[1],
                      ends.end_count, files.opened}};
    return PM_OK;
}

/* A GGUF file, written whole. */
static pm_status write_gguf(const pm_log *log, const char *path)
{
    static const uint64_t dims[] = {32, 3};
    static const gguf_text words[] = {{"one", 3}, {"two", 3}};
    float values[96] = {1, -2};
    gguf_writer *w = NULL;
    pm_status status;
    TRY(gguf_writer_make(log, path, &w));
    gguf_put_text(w, "name", "value");
    gguf_put_strings(w, "words", words, 2);
    gguf_put_tensor(w, "q", GGUF_Q8_0, 2, dims);
    gguf_put_tensor(w, "f", GGUF_F16, 2, dims);
    status = gguf_write_begin(w);
    if (status != PM_OK) {
        gguf_write_abandon(&w);
        return status;
    }
    for (int i = 0; i < 2; i++) gguf_put_floats(w, values, 96);
    return gguf_write_commit(&w);
}

/* It is written, and another one read by functions. */
static pm_status formats(const pm_log *log, objects *o, outcome *out)
{
    file_source from;
    file_ref ref;
    gguf_file file;
    gguf_array words = {0};
    float values[2] = {0};
    pm_status status;
    (void)o;
    archive_count(&files, 0, PM_OK);
    TRY(write_gguf(log, test_path(test_root, "again.gguf")));
    TRY(file_source_given(log, archive_source(&files, WAY_READ), sizeof(pm_source), &from));
    TRY(file_ref_make(log, &from, "a.gguf", &ref));
    status = gguf_open_ref(log, &ref, NULL, &file);
    file_ref_free(&ref);
    if (status != PM_OK) return status;
    status = gguf_strings(log, &file, "words", NULL, &words);
    if (status == PM_OK) status = gguf_floats(log, &file, gguf_find(&file, "q"), 0, 2, values);
    *out = (outcome){{(double)words.count, (double)values[0], (double)values[1], files.opened}};
    gguf_close(&file);
    return status;
}

/* A folder becomes a GGUF file, which is read as a tokenizer and as a model. */
static pm_status gguf_models(const pm_log *log, objects *o, outcome *out)
{
    const char *dir = test_path(test_root, "of-gguf"), *path = test_path(test_root, "model.gguf");
    const pm_gguf_params params = {.type = PM_GGUF_F32};
    pm_text_ends ends;
    pm_gpt_config read;
    size_t size;
    pm_status status;
    (void)remove(path);
    TRY(pm_model_convert_gguf(log, dir, path, &params));
    TRY(pm_tokenizer_load(log, path, &o->tokenizer));
    TRY(pm_text_ends_load(log, path, o->tokenizer, VOCAB, &ends));
    TRY(pm_gpt_config_load(log, path, &read));
    TRY(pm_model_convert(log, path, 0, test_path(test_root, "from-gguf")));
    (void)pm_tokenizer_piece(o->tokenizer, 5, &size);
    *out = (outcome){{read.vocab, read.rotary.original, pm_tokenizer_vocab(o->tokenizer), (double)size}};
    return PM_OK;
}

static void destroy(objects *o)
{
    pm_session_destroy(&o->session);
    pm_trainer_destroy(&o->trainer);
    pm_finetuner_destroy(&o->finetuner);
    pm_model_destroy(&o->loaded);
    pm_model_destroy(&o->model);
    pm_device_close(&o->device);
    pm_corpus_close(&o->corpus);
    pm_taskset_close(&o->set);
    pm_task_fini(&o->task);
    pm_tokenizer_destroy(&o->loaded_tokenizer);
    pm_tokenizer_destroy(&o->tokenizer);
    free(o->note);
}

/* ---- calls that fail --------------------------------------------------------------------------------------------- */

typedef struct attempt {
    pm_status status;
    outcome out;
    test_lines lines;
    test_fault_report report; /* the layer's */
    size_t calls, leaked;     /* of the host's memory; blocks that are left */
} attempt;

/* Runs under the layer's words; the host's n-th allocation fails (0: none). */
static void run(scenario what, size_t n, const char *words, attempt *a)
{
    objects o = {0};
    *a = (attempt){0};
    test_fault("%s", words);
    const pm_log log = test_lines_log(&a->lines);
    test_memory_begin(n);
    a->status = what(&log, &o, &a->out);
    const bool opened = o.device != NULL;
    destroy(&o);
    a->calls = test_memory_end(&a->leaked);
    a->report = test_fault_done();
    if (opened && !a->report.seen) fail_msg("the layer was not there");
}

/* Stores an autotuned choice, whose file is read with each device. */
static void tune(void)
{
    const pm_log log = test_device_log();
    pm_device *device = NULL;
    assert_int_equal(open_device(&log, 1, &device), PM_OK);
    assert_int_equal(gpu_choice_set(device, "test", 1), PM_OK);
    assert_int_equal(gpu_choices_save(device), PM_OK);
    pm_device_close(&device);
}

/* Runs undisturbed, once to fill the caches, and once to count. */
static void count_calls(scenario what, attempt *out)
{
    size_t devices;
    test_fault_end();
    if (pm_adapters_list(NULL, NULL, 0, &devices) != PM_OK || devices == 0) skip();
    tune();
    for (int i = 0; i < 2; i++) {
        run(what, 0, "", out);
        if (out->status != PM_OK || out->leaked || out->report.objects)
            fail_msg("%zu blocks, %ld objects are left; %s", out->leaked, out->report.objects, out->lines.last);
    }
}

/* Fails `points` of `count` calls: by `format`, the layer's word, or, where that is NULL, host allocations. Each run gives `wanted` with one line, or
 * has the same outcome without that memory, with no line. */
static void sweep(scenario what, const attempt *right, size_t count, const char *format, pm_status wanted)
{
    const size_t most = points && points < count ? points : count;
    size_t errors = 0, bad = 0;
    for (size_t i = 0; i < most; i++) {
        const size_t n = most == count || most == 1 ? i + 1 : 1 + i * (count - 1) / (most - 1);
        char words[80] = "";
        attempt a;
        if (format) snprintf(words, sizeof words, format, n);
        run(what, format ? 0 : n, words, &a);
        const bool failed = a.status != PM_OK, same = memcmp(&a.out, &right->out, sizeof a.out) == 0;
        errors += failed;
        if ((failed ? a.status == wanted : same) && a.lines.errors == failed && !a.leaked && !a.report.objects &&
            a.report.lost == (a.status == PM_DEVICE_LOST))
            continue;
        bad++;
        print_error(
            "call %zu of %zu, %s: status %d, %d error lines%s, %u losses, %zu blocks and %ld objects left\n%s\n", n,
            count, format ? words : "the host's", (int)a.status, a.lines.errors,
            failed || same ? "" : ", another outcome", a.report.lost, a.leaked, a.report.objects, a.lines.all);
    }
    print_message("%zu of %zu calls: %zu errors, the others done without\n", most, count, errors);
    assert_int_equal(bad, 0);
    assert_true(errors > 0);
}

static void host(scenario what)
{
    attempt right;
    count_calls(what, &right);
    sweep(what, &right, right.calls, NULL, PM_NO_HOST_MEMORY);
}

/* The device has no memory, and the driver has none on the host. */
static void driver(scenario what)
{
    attempt right;
    count_calls(what, &right);
    sweep(what, &right, right.report.fallible, "deny=%zu", PM_NO_DEVICE_MEMORY);
    sweep(what, &right, right.report.fallible, "deny_host=%zu", PM_NO_HOST_MEMORY);
}

static void lost(scenario what)
{
    attempt right;
    count_calls(what, &right);
    sweep(what, &right, right.report.queue, "lose=%zu", PM_DEVICE_LOST);
}

#define TEST(kind, what)                                                                                               \
    static void test_##kind##_##what(void **state)                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        kind(what);                                                                                                    \
    }
TEST(host, train)
TEST(host, finetune)
TEST(driver, train)
TEST(driver, finetune)
TEST(lost, train)
TEST(lost, finetune)

static void test_host_sources(void **state)
{
    (void)state;
    const char *dir = test_path(test_root, "sources");
    const pm_log log = test_device_log();
    objects o = {0};
    test_fault_end();
    o.device = test_device_open(&(pm_device_params){.log = log, .cache_dir = ""});
    assert_int_equal(pm_tokenizer_bytes(&log, &o.tokenizer), PM_OK);
    assert_int_equal(pm_tokenizer_save(&log, o.tokenizer, dir), PM_OK);
    assert_int_equal(pm_model_create(o.device, &config, 1, &o.model), PM_OK);
    assert_int_equal(pm_model_save(o.model, dir), PM_OK);
    destroy(&o);
    archive_make(&files, dir);
    host(sources);
    archive_free(&files);
}

static void test_host_gguf_models(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors"};
    static const char tokenizer[] =
        "{\"added_tokens\":[],\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" "
        "\"},\"content\":\"\xE2\x96\x81\"},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5},"
        "\"merges\":[\"a b\",\"b c\",\"ab c\",\"a bc\"]}}";
    const char *dir = test_path(test_root, "of-gguf");
    assert_int_equal(pm_folder_make(NULL, dir), PM_OK);
    for (size_t i = 0; i < 2; i++) {
        size_t size;
        char *data = test_read(test_path(TEST_DATA_DIR "/golden/llama", names[i]), &size);
        test_write(test_path(dir, names[i]), data, size);
        free(data);
    }
    test_write(test_path(dir, "tokenizer.json"), tokenizer, sizeof tokenizer - 1);
    host(gguf_models);
}

static void test_host_formats(void **state)
{
    (void)state;
    const char *dir = test_path(test_root, "formats");
    const pm_log log = test_device_log();
    assert_int_equal(file_make_dir(&log, dir), PM_OK);
    assert_int_equal(write_gguf(&log, test_path(dir, "a.gguf")), PM_OK);
    archive_make(&files, dir);
    host(formats);
    archive_free(&files);
}

/* A prompt whose first feed may fail. Then the session has what it had before, or nothing, and reads the same in a second try. */
static pm_status talk(const pm_log *log, objects *o, outcome *out)
{
    const uint32_t first = 'a', prompt[] = {' ', 't', 'e', 'x', 't', ' ', 'b', 'y'};
    pm_gpt_config longer = config;
    float before[VOCAB];
    pm_status status;
    longer.ctx = 64;
    TRY(open_device(log, 1, &o->device));
    TRY(pm_model_create(o->device, &longer, 1, &o->model));
    TRY(pm_session_create(o->model, &o->session));
    TRY(pm_session_feed(o->session, &first, 1));
    memcpy(before, pm_session_logits(o->session), sizeof before);
    status = pm_session_feed(o->session, prompt, sizeof prompt / sizeof *prompt);
    if (status != PM_OK) {
        const float *left = pm_session_logits(o->session);
        if (left && memcmp(left, before, sizeof before) != 0) return PM_OK; /* another outcome */
        if (!left) TRY(pm_session_feed(o->session, &first, 1));
        TRY(pm_session_feed(o->session, prompt, sizeof prompt / sizeof *prompt));
    }
    const float *logits = pm_session_logits(o->session);
    *out = (outcome){{(double)logits[0], (double)logits[1], (double)logits[2], (double)logits[3]}};
    return PM_OK;
}

static void test_feed_again(void **state)
{
    (void)state;
    static const char *const formats[] = {"deny=%zu", "deny_host=%zu", NULL};
    attempt right, a;
    count_calls(talk, &right);
    for (int f = 0; f < 3; f++) {
        const size_t count = formats[f] ? right.report.fallible : right.calls;
        unsigned again = 0;
        for (size_t n = count; n > 0; n--) { /* from the last call on: those before the feed make the talk fail */
            char words[80] = "";
            if (formats[f]) snprintf(words, sizeof words, formats[f], n);
            run(talk, formats[f] ? 0 : n, words, &a);
            if (a.status != PM_OK) break;
            again += a.lines.errors;
            if (memcmp(&a.out, &right.out, sizeof a.out) != 0 || a.lines.errors > 1 || a.leaked || a.report.objects)
                fail_msg("call %zu of %zu: %d errors, %zu blocks and %ld objects left\n%s", n, count, a.lines.errors,
                         a.leaked, a.report.objects, a.lines.all);
        }
        print_message("%u feeds done again\n", again);
        assert_true(again > 0);
    }
}

enum { LATE_STEPS = 40 };

/* Begins a session, and a trainer that has done its steps. Each is one submission, however slow the machine is. */
static pm_status begin(const pm_log *log, objects *o, outcome *out)
{
    const pm_train_params params = {.batch = BATCH, .steps = STEPS};
    const uint32_t token = 'a';
    pm_step step;
    pm_status status;
    (void)out;
    TRY(pm_tokenizer_bytes(log, &o->tokenizer));
    TRY(open_corpus(log, o));
    TRY(open_device(log, 10000, &o->device));
    TRY(pm_model_create(o->device, &config, 1, &o->model));
    TRY(pm_trainer_create(o->model, &params, &o->trainer));
    TRY(pm_trainer_save(o->trainer, test_path(test_root, "begin"), NULL));
    TRY(pm_model_save(o->model, test_path(test_root, "begin")));
    TRY(pm_session_create(o->model, &o->session));
    TRY(pm_session_feed(o->session, &token, 1));
    for (int i = 0; i < LATE_STEPS; i++)
        TRY(pm_trainer_step(o->trainer, o->corpus, 0, pm_corpus_size(o->corpus), &step));
    return PM_OK;
}

/* After a loss every call that needs the device reports it in one line. */
static void test_all_lost(void **state)
{
    (void)state;
    const pm_train_params params = {.batch = BATCH, .steps = STEPS};
    const uint32_t token = 'a';
    static float values[VOCAB * 16];
    attempt right;
    objects o = {0};
    outcome out;
    pm_step step;
    pm_eval_result result;
    test_lines lines;
    count_calls(begin, &right);
    test_fault("lose=%lu", right.report.queue - LATE_STEPS / 2); /* amid the steps: the session exists */
    const pm_log log = test_lines_log(&lines);
    pm_status status = begin(&log, &o, &out);
    assert_int_equal(status, PM_DEVICE_LOST);
    assert_int_equal(lines.errors, 1);
    assert_non_null(o.session); /* the loss came after it was made */
    const char *dir = test_path(test_root, "begin"), *other = test_path(test_root, "other");
    const size_t count = pm_corpus_size(o.corpus);
#define LOST(call)                                                                                                     \
    lines.errors = 0;                                                                                                  \
    assert_int_equal(call, PM_DEVICE_LOST);                                                                            \
    assert_int_equal(lines.errors, 1)
    LOST(pm_trainer_step(o.trainer, o.corpus, 0, count, &step));
    LOST(pm_trainer_eval(o.trainer, o.corpus, 0, count, 1, values));
    LOST(pm_trainer_read_gradient(o.trainer, 0, values));
    LOST(pm_trainer_load(o.trainer, dir, NULL));
    LOST(pm_trainer_save(o.trainer, other, NULL));
    LOST(pm_model_save(o.model, other));
    LOST(pm_model_read(o.model, 0, values));
    LOST(pm_model_write(o.model, 0, values));
    LOST(pm_model_eval(o.model, o.corpus, &result));
    LOST(pm_model_create(o.device, &config, 1, &o.loaded));
    LOST(pm_model_load(o.device, dir, &o.loaded));
    pm_trainer *trainer = NULL;
    LOST(pm_trainer_create(o.model, &params, &trainer));
    LOST(pm_session_feed(o.session, &token, 1));
    pm_session *session = NULL;
    LOST(pm_session_create(o.model, &session));
#undef LOST
    assert_int_equal(test_dir_count(other, ".safetensors"), 0); /* no half-written weights */
    destroy(&o);
    assert_int_equal(test_fault_done().objects, 0);
}

/* A driver whose names are not UTF-8: what is valid in them goes into files. */
static void test_names(void **state)
{
    (void)state;
    char driver[130];
    test_fault("names=1");
    pm_device *device = test_device_open(&(pm_device_params){.log = test_log(), .cache_dir = ""});
    memset(driver, 'd', 119);
    strcpy(driver + 119, " 1.0");
    assert_string_equal(pm_device_caps(device)->name, "Karte ");
    assert_string_equal(pm_device_caps(device)->driver, driver);
    pm_model *model = NULL;
    pm_trainer *trainer = NULL;
    const pm_train_params params = {.batch = BATCH, .steps = STEPS};
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    const char *dir = test_path(test_root, "names");
    test_log_reset();
    test_expect_failure(pm_trainer_save(trainer, dir, "\xff"), PM_INVALID, dir, "note is not UTF-8");
    assert_int_equal(pm_trainer_save(trainer, dir, "\xc3\xa4"), PM_OK);
    assert_int_equal(pm_trainer_load(trainer, dir, NULL), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 0);
    pm_trainer_destroy(&trainer);
    pm_model_destroy(&model);
    test_device_done(&device);
    test_fault_end();
}

static int prepare(void **state)
{
    const char text[] = "A text that is long enough for a window or two of sixteen tokens each.\n";
    const char examples[] = "{\"text\": \"red\", \"label\": \"r\"}\n{\"text\": \"blue red\", \"label\": \"b\"}\n"
                            "{\"text\": \"blue\", \"label\": \"b\"}\n{\"text\": \"red red\", \"label\": \"r\"}\n";
    if (test_root_make(state) != 0) return -1;
    test_write(test_path(test_root, "text.txt"), text, sizeof text - 1);
    test_write(test_path(test_root, "examples.jsonl"), examples, sizeof examples - 1);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_host_train),   cmocka_unit_test(test_host_finetune),
                                       cmocka_unit_test(test_driver_train), cmocka_unit_test(test_driver_finetune),
                                       cmocka_unit_test(test_lost_train),   cmocka_unit_test(test_lost_finetune),
                                       cmocka_unit_test(test_feed_again),   cmocka_unit_test(test_all_lost),
                                       cmocka_unit_test(test_names),        cmocka_unit_test(test_host_sources),
                                       cmocka_unit_test(test_host_formats), cmocka_unit_test(test_host_gguf_models)};
    if (argc > 1) points = strtoul(argv[1], NULL, 10);
    if (argc > 2) cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, prepare, test_root_remove);
}
