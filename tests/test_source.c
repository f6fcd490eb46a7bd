/* Models and tokenizers from memory and through a program's functions: the same as from a folder. test_source_bad.c has what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_dir.h"
#include "helper_folder.h"
#include "helper_log.h"
#include "helper_model.h"
#include "helper_source.h"
#include "helper_text.h"

static pm_log log_here;

static int open_all(void **state)
{
    log_here = test_log();
    return folder_open(state) || test_root_make(state);
}

static int close_all(void **state)
{
    return test_root_remove(state) || folder_close(state);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* A folder's model, by all ways, with the same lines as from the folder. */
static void loads_by_all(pm_model *original)
{
    archive a;
    const folder_lines lines = folder_loads_as(original);
    archive_make(&a, folder_dir);
    for (way w = 0; w < WAYS; w++) {
        pm_model *model = NULL;
        pm_gpt_config config;
        test_log_reset();
        archive_count(&a, 0, PM_OK);
        assert_int_equal(pm_gpt_config_load_from(&log_here, archive_source(&a, w), &config), PM_OK);
        if (pm_model_load_from(folder_device, archive_source(&a, w), &model) != PM_OK)
            fail_msg("%s", test_last_error());
        assert_int_equal(test_log_count(PM_LOG_WARN), lines.warnings);
        assert_int_equal(test_log_count(PM_LOG_INFO), lines.infos);
        assert_int_equal(a.opened, 0);
        assert_true(w == WAY_READ ? a.copied > 0 && a.largest <= 8 << 20 : a.copied == 0);
        assert_int_equal(config.vocab, pm_model_config(model)->vocab);
        assert_int_equal(config.untied, pm_model_config(model)->untied);
        test_model_same(original, model);
        pm_model_destroy(&model);
    }
    archive_free(&a);
}

static void test_models(void **state)
{
    (void)state;
    static const folder_form forms[] = {{.dtype = ST_F32},
                                        {.dtype = ST_F64, .bare = true, .head = 1},
                                        {.dtype = ST_BF16, .junk = true, .head = 2},
                                        {.dtype = ST_F16, .shards = 3, .junk = true},
                                        {.dtype = ST_F32, .shards = 2, .bare = true, .head = 2}};
    for (int arch = 0; arch < 2; arch++)
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            pm_model *model = test_model_make(folder_device, (pm_arch)arch, false);
            folder_write(model, &forms[i]);
            loads_by_all(model);
            pm_model_destroy(&model);
            test_dir_clear(folder_dir);
        }
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, true);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    loads_by_all(model);
    pm_model_destroy(&model);
    test_dir_clear(folder_dir);
}

/* Tables of several pieces. */
static void test_large(void **state)
{
    (void)state;
    const pm_gpt_config config = {.vocab = 70000, .ctx = 8, .embd = 32, .heads = 1, .layers = 1};
    archive a;
    pm_model *model = NULL, *loaded = NULL;
    assert_int_equal(pm_model_create(folder_device, &config, 1, &model), PM_OK);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    archive_make(&a, folder_dir);
    pm_memory_file *weights = archive_file(&a, "model.safetensors");
    char *aligned = (char *)weights->data, *odd = malloc(weights->size + 1);
    assert_non_null(odd);
    memcpy(odd + 1, aligned, weights->size);
    weights->data = odd + 1; /* memory need not be aligned */
    for (way w = 0; w < WAYS; w++) {
        archive_count(&a, 0, PM_OK);
        assert_int_equal(pm_model_load_from(folder_device, archive_source(&a, w), &loaded), PM_OK);
        assert_true(a.largest <= 8 << 20 && (w != WAY_READ || a.copied > archive_file(&a, "model.safetensors")->size));
        float *left = test_model_values(model, 0), *right = test_model_values(loaded, 0);
        assert_memory_equal(left, right, 70000 * 32 * sizeof *left);
        free(left);
        free(right);
        pm_model_destroy(&loaded);
    }
    pm_model_destroy(&model);
    weights->data = aligned;
    free(odd);
    archive_free(&a);
    test_dir_clear(folder_dir);
}

static void test_task_model(void **state)
{
    (void)state;
    char *labels[] = {"no", "yes"};
    const pm_task task = {.kind = PM_TASK_CLASSIFY, .outputs = 2, .labels = labels, .spread = 1, .vocab = 37};
    archive a;
    pm_model *base = test_model_make(folder_device, PM_ARCH_GPT1, false), *model = NULL, *loaded = NULL;
    assert_int_equal(pm_model_for_task(base, &task, 1, &model), PM_OK);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    archive_make(&a, folder_dir);
    for (way w = 0; w < WAYS; w++) {
        assert_int_equal(pm_model_load_from(folder_device, archive_source(&a, w), &loaded), PM_OK);
        assert_non_null(pm_model_task(loaded));
        assert_int_equal(pm_model_task(loaded)->outputs, 2);
        assert_string_equal(pm_model_task(loaded)->labels[1], "yes");
        const size_t last = pm_model_param_count(model) - 1;
        float *left = test_model_values(model, last), *right = test_model_values(loaded, last);
        assert_memory_equal(left, right, 2 * 16 * sizeof *left);
        free(left);
        free(right);
        pm_model_destroy(&loaded);
    }
    pm_model_destroy(&model);
    pm_model_destroy(&base);
    archive_free(&a);
    test_dir_clear(folder_dir);
}

/* ---- tokenizers -------------------------------------------------------------------------------------------------- */

static void same_ids(const pm_tokenizer *a, const pm_tokenizer *b)
{
    uint32_t *left = NULL, *right = NULL;
    size_t left_count = 0, right_count = 0;
    test_expect_same(a, b);
    assert_int_equal(pm_tokenizer_begin(a), pm_tokenizer_begin(b));
    assert_int_equal(pm_tokenizer_end(a), pm_tokenizer_end(b));
    assert_int_equal(
        pm_tokenizer_encode(NULL, a, "archive_text", archive_text, strlen(archive_text), &left, &left_count), PM_OK);
    assert_int_equal(
        pm_tokenizer_encode(NULL, b, "archive_text", archive_text, strlen(archive_text), &right, &right_count), PM_OK);
    assert_int_equal(left_count, right_count);
    assert_memory_equal(left, right, left_count * sizeof *left);
    free(left);
    free(right);
}

static void test_tokenizers(void **state)
{
    (void)state;
    for (int kind = 0; kind < ARCHIVE_TOKENIZERS; kind++) {
        archive a;
        pm_tokenizer *from_folder = NULL, *tok = NULL;
        char *dir = archive_tokenizer(test_root, kind);
        if (pm_tokenizer_load(&log_here, dir, &from_folder) != PM_OK) fail_msg("%s", test_last_error());
        archive_make(&a, dir);
        for (way w = 0; w < WAYS; w++) {
            assert_int_equal(pm_tokenizer_load_from(&log_here, archive_source(&a, w), &tok), PM_OK);
            same_ids(from_folder, tok);
            pm_tokenizer_destroy(&tok);
        }
        pm_tokenizer_destroy(&from_folder);
        archive_free(&a);
        free(dir);
    }
}

static void test_text_ends(void **state)
{
    (void)state;
    const pm_memory_file files[] = {{"config.json", "{\"bos_token_id\": 3, \"eos_token_id\": 4}", 38},
                                    {"generation_config.json", "{\"eos_token_id\": [5, 6]}", 24}};
    const pm_source both = {.files = files, .file_count = 2}, one = {.files = files, .file_count = 1};
    pm_text_ends ends;
    assert_int_equal(pm_text_ends_load_from(&log_here, &both, NULL, 10, &ends), PM_OK);
    assert_true(ends.begin == 3 && ends.end_count == 2 && ends.ends[0] == 5 && ends.ends[1] == 6);
    assert_int_equal(pm_text_ends_load_from(&log_here, &one, NULL, 10, &ends), PM_OK);
    assert_true(ends.begin == 3 && ends.end_count == 1 && ends.ends[0] == 4);
}

/* Programs built with other versions' headers. */
static void test_versions(void **state)
{
    (void)state;
    const pm_memory_file file = {"config.json", "{}", 2};
    struct {
        pm_source source;
        uint64_t later;
    } newer = {.source = {.files = &file, .file_count = 1}};
    pm_gpt_config config;
    test_log_reset();
    test_expect_failure(pm_gpt_config_load_from_sized(&log_here, &newer.source, sizeof newer, &config, sizeof config),
                        PM_FORMAT, "memory: config.json", "model_type");
    newer.later = 1;
    test_expect_failure(pm_gpt_config_load_from_sized(&log_here, &newer.source, sizeof newer, &config, sizeof config),
                        PM_INVALID, "pm_source", "later Pumice");
    memset(&newer.source.open, 0x5A, sizeof newer - offsetof(pm_source, open)); /* not the old program's memory */
    test_expect_failure(
        pm_gpt_config_load_from_sized(&log_here, &newer.source, offsetof(pm_source, open), &config, sizeof config),
        PM_FORMAT, "memory: config.json", "model_type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models),     cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_task_model), cmocka_unit_test(test_tokenizers),
                                       cmocka_unit_test(test_text_ends),  cmocka_unit_test(test_versions)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
