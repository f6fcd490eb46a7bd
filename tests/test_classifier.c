/* transformers' classifiers. A head whose rows are rows of the token table answers with these tokens' logits behind the text's last token. Also the
 * special tokens of configurations. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_dir.h"
#include "helper_folder.h"
#include "helper_log.h"
#include "helper_model.h"
#include "helper_system.h"

enum { CTX = 12, MOST_LABELS = 3 };

static pm_tokenizer *chars;

static int open_all(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz !.?";
    if (folder_open(state) != 0) return -1;
    return pm_tokenizer_chars(NULL, "letters", letters, sizeof letters - 1, &chars) == PM_OK ? 0 : -1;
}

static int close_all(void **state)
{
    pm_tokenizer_destroy(&chars);
    return folder_close(state);
}

/* The folder's config.json with the keys of `more` in it, and GPT2For… or OpenAIGPTFor… as its class where `class` is given. */
static void edit_config(const char *class, const char *more)
{
    size_t size;
    char *text = test_read(folder_path("config.json"), &size), added[1024];
    cJSON *root = cJSON_Parse(text);
    const char *model_type = cJSON_GetStringValue(cJSON_GetObjectItem(root, "model_type"));
    assert_non_null(model_type);
    int n = snprintf(added, sizeof added, "{%s", more);
    if (class)
        n += snprintf(added + n, sizeof added - (size_t)n, "%s\"architectures\": [\"%s%s\"]", *more ? ", " : "",
                      strcmp(model_type, "gpt2") == 0 ? "GPT2" : "OpenAIGPT", class);
    snprintf(added + n, sizeof added - (size_t)n, "}");
    cJSON *keys = cJSON_Parse(added);
    assert_non_null(keys);
    while (keys->child) {
        cJSON *item = cJSON_DetachItemViaPointer(keys, keys->child);
        cJSON_DeleteItemFromObjectCaseSensitive(root, item->string);
        assert_true(cJSON_AddItemToObject(root, item->string, item));
    }
    char *changed = cJSON_Print(root);
    test_write(folder_path("config.json"), changed, strlen(changed));
    cJSON_free(changed);
    cJSON_Delete(keys);
    cJSON_Delete(root);
    free(text);
}

/* The model with the first `labels` rows of its token table as its head, the way transformers saves one: without an output layer. */
static void write_classifier(pm_arch arch, uint32_t labels, const char *more)
{
    pm_model *model = test_model_make(folder_device, arch, false);
    folder_tensors t;
    folder_write(model, &(folder_form){.dtype = ST_F32});
    folder_collect(model, &(folder_form){.dtype = ST_F32}, &t);
    float *table = test_model_values(model, 0);
    folder_add(&t, "score.weight", ST_F32, labels, 16, table);
    t.all[t.count - 1].name = t.names[t.count - 1];
    if (labels == 1) {
        t.all[t.count - 1].rank = 2;
        t.all[t.count - 1].shape[0] = 1;
        t.all[t.count - 1].shape[1] = 16;
    }
    folder_write_file(&t, NULL, 0);
    folder_free(&t);
    pm_model_destroy(&model);
    char all[512];
    snprintf(all, sizeof all, "\"tie_word_embeddings\": false%s%s", *more ? ", " : "", more);
    edit_config("ForSequenceClassification", all);
}

static pm_model *load(void)
{
    pm_model *model = NULL;
    test_log_reset();
    if (pm_model_load(folder_device, folder_dir, &model) != PM_OK) fail_msg("%s", test_last_error());
    return model;
}

static pm_taskset *open_set(const pm_model *model, const char *lines)
{
    const pm_log log = test_log();
    pm_taskset *set = NULL;
    const char *path = test_path(folder_dir, "lines.jsonl");
    test_write(path, lines, strlen(lines));
    if (pm_taskset_open(&log, path, pm_model_task(model), chars, CTX, true, &set) != PM_OK)
        fail_msg("%s", test_last_error());
    return set;
}

/* The logits behind these letters. */
static void logits_of(pm_model *model, const char *text, float *out, uint32_t labels)
{
    uint32_t *tokens;
    size_t count;
    pm_session *session;
    assert_int_equal(pm_tokenizer_encode(NULL, chars, "text", text, strlen(text), &tokens, &count), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, tokens, count), PM_OK);
    memcpy(out, pm_session_logits(session), labels * sizeof *out);
    pm_session_destroy(&session);
    free(tokens);
}

static void expect_outputs(pm_model *model, const char *lines, const char *const *read, uint32_t labels)
{
    float outputs[16], right[MOST_LABELS];
    pm_taskset *set = open_set(model, lines);
    assert_true(pm_taskset_all_outputs(set) <= 16);
    assert_int_equal(pm_model_predict(model, set, outputs), PM_OK);
    for (size_t i = 0; i < pm_taskset_size(set); i++) {
        logits_of(model, read[i], right, labels);
        for (uint32_t k = 0; k < labels; k++)
            if (!(fabsf(outputs[i * labels + k] - right[k]) <= 1e-5f))
                fail_msg("%s: %u is %g, not %g", read[i], k, outputs[i * labels + k], right[k]);
    }
    pm_taskset_close(&set);
}

/* Texts are separate sequences, are cut at their end, and the padding token at a text's end is not read. */
static void test_labels(void **state)
{
    (void)state;
    static const char lines[] = "{\"text\": \"a fox\", \"label\": \"no\"}\n{\"text\": \"z!!\", \"label\": 7}\n"
                                "{\"text\": \"!!\", \"label\": \"yes\"}\n"
                                "{\"text\": \"more than twelve letters\", \"label\": \"7\"}\n";
    static const char *const with[] = {"a fox", "z!!", "!!", "more than tw"}, *const without[] = {"a fox", "z", "!",
                                                                                                  "more than tw"};
    for (int arch = 0; arch < 2; arch++) {
        for (int padded = 0; padded < 2; padded++) {
            /* '!' is token 1: characters are in the order of their codes */
            char more[200];
            snprintf(more, sizeof more, "%s\"id2label\": {\"1\": \"yes\", \"0\": \"no\", \"2\": 7}",
                     padded ? "\"pad_token_id\": 1, " : "");
            write_classifier((pm_arch)arch, 3, more);
            pm_model *model = load();
            const pm_task *task = pm_model_task(model);
            assert_non_null(task);
            assert_true(task->plain && !task->scores && task->outputs == 3 && task->vocab == 37);
            assert_string_equal(task->labels[0], "no");
            assert_string_equal(task->labels[1], "yes");
            assert_string_equal(task->labels[2], "7");
            expect_outputs(model, lines, padded ? without : with, 3);
            /* saved and converted it is the same */
            const char *saved = test_path(folder_dir, "saved"), *converted = test_path(folder_dir, "converted");
            const pm_log log = test_log();
            assert_int_equal(pm_model_save(model, saved), PM_OK);
            assert_int_equal(pm_model_convert(&log, folder_dir, 0, converted), PM_OK);
            test_same_file(saved, converted, "config.json");
            test_same_file(saved, converted, "model.safetensors");
            pm_model *again = NULL;
            assert_int_equal(pm_model_load(folder_device, saved, &again), PM_OK);
            expect_outputs(again, lines, padded ? without : with, 3);
            pm_model_destroy(&again);
            pm_model_destroy(&model);
        }
    }
}

/* A label is a class's name. Only where no name is a whole number, it may be the class's index. */
static void test_label_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *names, *label;
        int class; /* -1: refused */
    } rows[] = {
        {"\"0\": \"1\", \"1\": \"2\", \"2\": \"3\"", "1", 0},
        {"\"0\": \"1\", \"1\": \"2\", \"2\": \"3\"", "3", 2},
        {"\"0\": \"1\", \"1\": \"2\", \"2\": \"3\"", "0", -1},
        {"\"0\": 2, \"1\": 1, \"2\": 0", "2", 0},
        {"\"0\": \"no\", \"1\": \"yes\", \"2\": 7", "7", 2},
        {"\"0\": \"no\", \"1\": \"yes\", \"2\": 7", "2", -1},
        {"\"0\": \"no\", \"1\": \"yes\", \"2\": \"odd\"", "2", 2},
        {"\"0\": \"no\", \"1\": \"yes\", \"2\": \"odd\"", "3", -1},
        {"\"0\": \"no\", \"1\": \"yes\", \"2\": \"odd\"", "-1", -1},
    };
    const pm_log log = test_log();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char more[200], line[100];
        snprintf(more, sizeof more, "\"id2label\": {%s}", rows[i].names);
        write_classifier(PM_ARCH_GPT2, 3, more);
        pm_model *model = load();
        for (int columns = 0; columns < 2; columns++) {
            const char *path = test_path(folder_dir, columns ? "one.tsv" : "one.jsonl");
            const int n =
                snprintf(line, sizeof line, columns ? "text\tlabel\na\t%s\n" : "{\"text\": \"a\", \"label\": %s}\n",
                         rows[i].label);
            test_write(path, line, (size_t)n);
            pm_taskset *set = NULL;
            pm_task_metrics m;
            test_log_reset();
            const pm_status status = pm_taskset_open(&log, path, pm_model_task(model), chars, CTX, true, &set);
            assert_int_equal(status, rows[i].class < 0 ? PM_FORMAT : PM_OK);
            if (rows[i].class < 0) {
                assert_non_null(strstr(test_last_error(), "is not in id2label ("));
                continue;
            }
            float outputs[3] = {0};
            outputs[rows[i].class] = 1;
            pm_taskset_measure(set, outputs, &m, NULL);
            assert_true(m.accuracy == 1);
            pm_taskset_close(&set);
        }
        pm_model_destroy(&model);
    }
}

static void test_one_score(void **state)
{
    (void)state;
    static const char lines[] = "{\"text\": \"a fox\", \"score\": 0.5}\n{\"text\": \"z!!\", \"score\": -3}\n";
    static const char *const read[] = {"a fox", "z!!"};
    static const char *const ways[] = {"\"problem_type\": \"regression\", \"num_labels\": 1",
                                       "\"id2label\": {\"0\": \"LABEL_0\"}"};
    for (int i = 0; i < 2; i++) {
        write_classifier(PM_ARCH_GPT2, 1, ways[i]);
        pm_model *model = load();
        float outputs[2], right[1];
        assert_true(pm_model_task(model)->scores);
        expect_outputs(model, lines, read, 1);
        pm_taskset *set = open_set(model, lines);
        assert_int_equal(pm_model_predict(model, set, outputs), PM_OK);
        logits_of(model, read[1], right, 1);
        assert_true(fabsf(pm_taskset_answer(set, outputs, 1, NULL).score - right[0]) <= 1e-5f);
        pm_taskset_close(&set);
        /* files may call the score by another name; there is no label */
        const pm_log log = test_log();
        const char *path = test_path(folder_dir, "named.tsv");
        test_write(path, "text\trating\na\t0.5\nb\t2\n", strlen("text\trating\na\t0.5\nb\t2\n"));
        pm_task named = *pm_model_task(model);
        named.fields = (char[]){"score=rating"};
        if (pm_taskset_open(&log, path, &named, chars, CTX, true, &set) != PM_OK) fail_msg("%s", test_last_error());
        pm_task_metrics m;
        pm_taskset_measure(set, (float[]){0.5f, 2}, &m, NULL);
        assert_true(fabs(m.loss) < 1e-9 && m.pearson > 0.999);
        pm_taskset_close(&set);
        named.fields = (char[]){"label=rating"};
        assert_int_equal(pm_taskset_open(&log, path, &named, chars, CTX, true, &set), PM_INVALID);
        assert_non_null(
            strstr(test_last_error(), "the task has no such field; give KEY=NAME,… for one or more of text, score"));
        pm_model_destroy(&model);
    }
}

/* Heads that Pumice does not take, and damaged ones. */
static void test_other_heads(void **state)
{
    (void)state;
    static const char *const left[] = {
        "\"problem_type\": \"multi_label_classification\", \"num_labels\": 3",
        "\"problem_type\": \"regression\", \"num_labels\": 3",
    };
    for (int i = 0; i < 2; i++) {
        write_classifier(PM_ARCH_GPT2, 3, left[i]);
        edit_config(NULL, "\"tie_word_embeddings\": true"); /* the file has no output layer */
        pm_model *model = load();
        assert_null(pm_model_task(model));
        assert_int_equal(test_log_count(PM_LOG_WARN), 2);
        assert_non_null(strstr(test_last_warning(), "score.weight"));
        pm_model_destroy(&model);
    }
    static const struct {
        const char *more, *part;
    } bad[] = {
        {"\"id2label\": {\"0\": \"a\", \"2\": \"b\", \"3\": \"c\"}", "the label of \"1\" must be there"},
        {"\"id2label\": {\"0\": \"a\", \"1\": \"\", \"2\": \"c\"}", "the label of \"1\" must have"},
        {"\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"a\"}", "id2label has 'a' twice"},
        {"\"id2label\": {}", "must have 1 to"},
        {"\"num_labels\": 0.5", "must have 1 to"},
        {"\"num_labels\": 2", "score.weight should have the shape [2, 16], and has [3, 16]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_classifier(PM_ARCH_GPT1, 3, bad[i].more);
        folder_refused(PM_FORMAT, bad[i].part);
    }
}

/* After further fine-tuning it has special tokens and a head like any other. */
static void test_finetuned(void **state)
{
    (void)state;
    const pm_log log = test_log();
    write_classifier(PM_ARCH_GPT2, 3, "\"num_labels\": 3, \"eos_token_id\": 5");
    pm_model *model = load(), *tuned = NULL;
    const char *path = test_path(folder_dir, "train.jsonl");
    static const char lines[] = "{\"text\": \"a fox\", \"label\": \"x\"}\n{\"text\": \"z!!\", \"label\": \"y\"}\n";
    test_write(path, lines, sizeof lines - 1);
    pm_task task;
    const pm_gpt_config *c = pm_model_config(model);
    assert_int_equal(c->task_tokens, 0);
    assert_int_equal(pm_task_learn(&log, PM_TASK_CLASSIFY, path, NULL, c->vocab - c->task_tokens, &task), PM_OK);
    assert_int_equal(pm_model_for_task(model, &task, 1, &tuned), PM_OK);
    c = pm_model_config(tuned);
    assert_true(c->vocab == 40 && c->task_tokens == 3 && c->special.has_eos && c->special.eos == 5);
    assert_false(pm_model_task(tuned)->plain);
    pm_model_destroy(&model);
    assert_int_equal(pm_model_save(tuned, folder_dir), PM_OK);
    model = load();
    c = pm_model_config(model);
    assert_true(c->task_tokens == 3 && c->special.has_pad && c->special.pad == 5); /* for transformers' batches */
    pm_task_fini(&task);
    pm_model_destroy(&model);
    pm_model_destroy(&tuned);
}

/* It takes examples as transformers frames them, and none with special tokens: those are outside its token table. */
static void test_framed(void **state)
{
    (void)state;
    static const char lines[] = "{\"text\": \"a fox\", \"label\": \"no\"}\n{\"text\": \"z!!\", \"label\": \"yes\"}\n";
    const pm_log log = test_log();
    const pm_finetune_params params = PM_FINETUNE_PARAMS;
    write_classifier(PM_ARCH_GPT2, 3, "\"id2label\": {\"0\": \"no\", \"1\": \"yes\", \"2\": \"perhaps\"}");
    pm_model *model = load();
    pm_taskset *own = open_set(model, lines), *framed = NULL;
    pm_task task = *pm_model_task(model);
    task.plain = false;
    assert_int_equal(pm_taskset_open(&log, test_path(folder_dir, "lines.jsonl"), &task, chars, CTX, true, &framed),
                     PM_OK);
    pm_finetuner *finetuner = NULL;
    float outputs[6];
    assert_int_equal(pm_finetuner_create(model, own, &params, &finetuner), PM_OK);
    test_log_reset();
    test_expect_failure(pm_finetuner_predict(finetuner, framed, outputs), PM_INVALID, "predict: ", "another task");
    pm_finetuner_destroy(&finetuner);
    test_expect_failure(pm_finetuner_create(model, framed, &params, &finetuner), PM_INVALID,
                        "finetuner: ", "another task");
    assert_null(finetuner);
    pm_taskset_close(&framed);
    pm_taskset_close(&own);
    pm_model_destroy(&model);
}

/* ---- configurations ---- */

static pm_gpt_config config_with(const char *more)
{
    const pm_log log = test_log();
    pm_gpt_config c;
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, false);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    edit_config(NULL, more);
    if (pm_gpt_config_load(&log, folder_dir, &c) != PM_OK) fail_msg("%s", test_last_error());
    pm_model_destroy(&model);
    return c;
}

/* convert takes a tokenizer's tokens only where the files do not speak of them. */
static void expect_converted(const pm_tokenizer *tok)
{
    static const struct {
        const char *put;
        bool bos, eos;
    } rows[] = {
        {"\"bos_token_id\": -1, \"eos_token_id\": 50256", true,
         true}, /* outside the vocabulary: as if it were not there */
        {"\"bos_token_id\": null, \"eos_token_id\": null", false, false},
        {"\"bos_token_id\": -1, \"eos_token_id\": null", true, false},
    };
    const pm_log log = test_log();
    pm_text_ends ends;
    assert_int_equal(pm_tokenizer_save(&log, tok, folder_dir), PM_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char to[1024];
        pm_gpt_config c;
        edit_config(NULL, rows[i].put);
        assert_int_equal(pm_text_ends_load(&log, folder_dir, tok, 300, &ends), PM_OK);
        assert_int_equal(ends.begin, rows[i].bos ? 256 : PM_TOKEN_NONE);
        assert_int_equal(ends.end_count, rows[i].eos);
        snprintf(to, sizeof to, "%s/converted", folder_dir);
        assert_int_equal(pm_model_convert(&log, folder_dir, 0, to), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log, to, &c), PM_OK);
        assert_true(c.special.has_bos == rows[i].bos && c.special.has_eos == rows[i].eos);
    }
}

static void test_special_tokens(void **state)
{
    (void)state;
    pm_gpt_config c = config_with("\"bos_token_id\": 36, \"eos_token_id\": [0, 5], \"pad_token_id\": 3");
    assert_true(c.special.has_bos && c.special.has_eos && c.special.has_pad);
    assert_true(c.special.bos == 36 && c.special.eos == 0 && c.special.pad == 3);
    c = config_with("\"bos_token_id\": 50256, \"eos_token_id\": null, \"pad_token_id\": -1");
    assert_false(c.special.has_bos || c.special.has_eos || c.special.has_pad);
    c = config_with("\"Pumice_Task\": {}"); /* another key */
    assert_int_equal(c.task_tokens, 0);

    /* what is written */
    pm_tokenizer *tok = NULL;
    static const char text[] = "a text";
    size_t size;
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, false);
    pm_model_name_tokens(model, pm_tokenizer_begin(chars), pm_tokenizer_end(chars), PM_TOKEN_NONE);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    char *json = test_read(folder_path("config.json"), &size);
    assert_non_null(strstr(json, "\"bos_token_id\":\tnull"));
    assert_non_null(strstr(json, "\"eos_token_id\":\tnull"));
    assert_null(strstr(json, "pad_token_id"));
    assert_non_null(strstr(json, "\"pumice_version\":\t\"" PM_VERSION "\""));
    free(json);
    pm_model_destroy(&model);
    assert_int_equal(pm_tokenizer_train(NULL, "text", text, sizeof text - 1, 257, &tok), PM_OK);
    const pm_gpt_config large = {.vocab = 300, .ctx = 4, .embd = 4, .heads = 1, .layers = 1};
    assert_int_equal(pm_model_create(folder_device, &large, 1, &model), PM_OK);
    pm_model_name_tokens(model, pm_tokenizer_begin(tok), PM_TOKEN_NONE, PM_TOKEN_NONE);
    pm_model_name_tokens(model, 7, pm_tokenizer_end(tok), 300); /* a begin it has; a pad it has not */
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    pm_model_destroy(&model);
    model = load();
    assert_true(pm_model_config(model)->special.has_eos && pm_model_config(model)->special.eos == 256);
    assert_true(pm_model_config(model)->special.has_bos && pm_model_config(model)->special.bos == 256);
    assert_false(pm_model_config(model)->special.has_pad);
    pm_model_destroy(&model);
    expect_converted(tok);
    pm_tokenizer_destroy(&tok);

    pm_gpt_config outside = large;
    outside.special = (pm_special_tokens){.has_pad = true, .pad = 300};
    test_log_reset();
    const pm_log log = test_log();
    assert_int_equal(pm_gpt_config_check(&log, &outside), PM_INVALID);
    assert_non_null(strstr(test_last_error(), "special.pad: token 300"));
}

/* generation_config.json counts before config.json, each key by itself, and a null counts, too. */
static void test_text_ends(void **state)
{
    (void)state;
    static const struct {
        const char *generation, *config;
        uint32_t begin, end_count, end;
        bool no_begin, no_end;
    } rows[] = {
        {"{\"eos_token_id\": null}", "\"bos_token_id\": 4, \"eos_token_id\": 5", 4, 0, 0, false, true},
        {"{\"bos_token_id\": null, \"eos_token_id\": [7, 8]}", "\"bos_token_id\": 4, \"eos_token_id\": 5",
         PM_TOKEN_NONE, 2, 7, true, false},
        {"{}", "\"bos_token_id\": 4, \"eos_token_id\": 5", 4, 1, 5, false, false},
        {"{\"eos_token_id\": 3}", "\"bos_token_id\": null, \"eos_token_id\": null", PM_TOKEN_NONE, 1, 3, true, false},
        {"{\"eos_token_id\": 50256}", "\"bos_token_id\": 4, \"eos_token_id\": 5", 4, 1, 5, false, false},
        {"{\"eos_token_id\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}", "\"bos_token_id\": 4", 4, PM_ENDS_MOST, 0,
         false, false},
    };
    const pm_log log = test_log();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pm_text_ends ends;
        (void)config_with(rows[i].config);
        test_write(folder_path("generation_config.json"), rows[i].generation, strlen(rows[i].generation));
        test_log_reset();
        assert_int_equal(pm_text_ends_load(&log, folder_dir, NULL, 37, &ends), PM_OK);
        assert_int_equal(ends.begin, rows[i].begin);
        assert_int_equal(ends.end_count, rows[i].end_count);
        if (ends.end_count) assert_int_equal(ends.ends[0], rows[i].end);
        assert_true(ends.no_begin == rows[i].no_begin && ends.no_end == rows[i].no_end);
        assert_int_equal(test_log_count(PM_LOG_WARN), ends.end_count == PM_ENDS_MOST);
    }
    static const char *const wrong[] = {"{\"bos_token_id\": \"<s>\"}", "{\"eos_token_id\": 2.5}",
                                        "{\"eos_token_id\": [1, \"</s>\"]}", "{\"eos_token_id\": {\"a\": 1}}"};
    pm_text_ends ends;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        test_write(folder_path("generation_config.json"), wrong[i], strlen(wrong[i]));
        test_expect_failure(pm_text_ends_load(&log, folder_dir, NULL, 37, &ends), PM_FORMAT,
                            folder_path("generation_config.json"), "is neither a token's number nor a list of them");
    }
    remove(folder_path("generation_config.json"));
    edit_config(NULL, "\"pad_token_id\": true");
    pm_gpt_config c;
    test_expect_failure(pm_gpt_config_load(&log, folder_dir, &c), PM_FORMAT, folder_path("config.json"),
                        "pad_token_id is neither");
    if (!test_link("nowhere", folder_path("generation_config.json"))) skip();
    test_log_reset();
    assert_int_equal(pm_text_ends_load(&log, folder_dir, NULL, 37, &ends), PM_IO);
    assert_non_null(strstr(test_last_error(), "generation_config.json: cannot open"));
    remove(folder_path("generation_config.json"));
}

/* What transformers pads batches with: a token that stands in no text. */
static void test_padding_token(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}\n",
                                        "{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": \"x\"}\n"
                                        "{\"premise\": \"b\", \"hypothesis\": \"a\", \"label\": \"y\"}\n"};
    static const struct {
        pm_task_kind kind;
        bool has_eos, has_pad;
        uint32_t pad;
    } rows[] = {{PM_TASK_CLASSIFY, true, true, 5},
                {PM_TASK_CLASSIFY, false, true, 37 + 1},
                {PM_TASK_ENTAIL, true, true, 5},
                {PM_TASK_ENTAIL, false, false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = lines[rows[i].kind == PM_TASK_ENTAIL], *path = test_path(folder_dir, "train.jsonl");
        const pm_gpt_config config = {.vocab = 37,
                                      .ctx = CTX,
                                      .embd = 4,
                                      .heads = 1,
                                      .layers = 1,
                                      .special = {.has_eos = rows[i].has_eos, .eos = rows[i].has_eos ? 5 : 0}};
        pm_task task;
        pm_model *base = NULL, *model = NULL;
        pm_gpt_config c;
        test_write(path, text, strlen(text));
        assert_int_equal(pm_task_learn(NULL, rows[i].kind, path, NULL, config.vocab, &task), PM_OK);
        assert_int_equal(pm_model_create(folder_device, &config, 1, &base), PM_OK);
        assert_int_equal(pm_model_for_task(base, &task, 1, &model), PM_OK);
        assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
        assert_int_equal(pm_gpt_config_load(NULL, folder_dir, &c), PM_OK);
        assert_int_equal(c.special.has_pad, rows[i].has_pad);
        if (c.special.has_pad) assert_int_equal(c.special.pad, rows[i].pad);
        pm_task_fini(&task);
        pm_model_destroy(&model);
        pm_model_destroy(&base);
    }
}

/* A 0 in a file is 0. A key that is absent or null gives the default. */
static void test_zeros(void **state)
{
    (void)state;
    pm_gpt_config c =
        config_with("\"layer_norm_epsilon\": 0, \"embd_pdrop\": 0, \"attn_pdrop\": 0.0, \"resid_pdrop\": null");
    assert_true(c.no_eps && c.eps == 0);
    assert_true(c.dropout_embd == 0 && c.dropout_attn == 0 && c.dropout_resid == 0.1f);
    c = config_with("\"layer_norm_epsilon\": null, \"n_inner\": null");
    assert_true(!c.no_eps && c.eps == 1e-5f && c.inner == 64);
    c = config_with("\"layer_norm_epsilon\": 1e-60");
    assert_true(c.no_eps && c.eps == 0);

    /* and so it stays */
    (void)config_with("\"layer_norm_epsilon\": 0");
    pm_model *model = load();
    assert_true(pm_model_config(model)->no_eps && pm_model_config(model)->eps == 0);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    pm_model_destroy(&model);
    model = load();
    assert_true(pm_model_config(model)->no_eps && pm_model_config(model)->eps == 0);
    pm_model_destroy(&model);
    pm_gpt_config both = c;
    both.eps = 1e-5f;
    assert_int_equal(pm_gpt_config_check(NULL, &both), PM_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),         cmocka_unit_test(test_label_numbers),
        cmocka_unit_test(test_one_score),      cmocka_unit_test(test_other_heads),
        cmocka_unit_test(test_finetuned),      cmocka_unit_test(test_framed),
        cmocka_unit_test(test_special_tokens), cmocka_unit_test(test_text_ends),
        cmocka_unit_test(test_padding_token),  cmocka_unit_test(test_zeros),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
