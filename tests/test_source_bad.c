/* Files from memory and through a program's functions that are no good: functions that fail at every call, sizes that lie, files that are missing and
 * damaged. Each gives one line and the right status, and leaves nothing open. */
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

typedef pm_status loader(const pm_source *source);

static pm_status load_model(const pm_source *source)
{
    pm_model *model = NULL;
    const pm_status status = pm_model_load_from(folder_device, source, &model);
    assert_true((status == PM_OK) == (model != NULL));
    pm_model_destroy(&model);
    return status;
}

static pm_status load_tokenizer(const pm_source *source)
{
    pm_tokenizer *tok = NULL;
    const pm_status status = pm_tokenizer_load_from(&log_here, source, &tok);
    assert_true((status == PM_OK) == (tok != NULL));
    pm_tokenizer_destroy(&tok);
    return status;
}

static pm_status load_config(const pm_source *source)
{
    pm_gpt_config config = {.ctx = 77};
    const pm_status status = pm_gpt_config_load_from(&log_here, source, &config);
    assert_true((status == PM_OK) == (config.ctx != 77));
    return status;
}

static pm_status load_ends(const pm_source *source)
{
    pm_text_ends ends = {.begin = 77};
    const pm_status status = pm_text_ends_load_from(&log_here, source, NULL, 37, &ends);
    assert_true((status == PM_OK) == (ends.begin != 77));
    return status;
}

/* Each call of the functions fails in turn: with its status, one line, and nothing left open. */
static void fails_at_each(archive *a, loader *load)
{
    static const struct {
        pm_status answer, want;
    } rows[] = {{PM_IO, PM_IO}, {PM_NO_HOST_MEMORY, PM_NO_HOST_MEMORY}, {(pm_status)1000, PM_IO}};
    archive_count(a, 0, PM_OK);
    assert_int_equal(load(&a->by_functions), PM_OK);
    const size_t all = a->calls;
    assert_true(all >= 2);
    for (size_t n = 1; n <= all; n++) {
        test_log_reset();
        archive_count(a, n, rows[n % 3].answer);
        test_expect_failure(load(&a->by_functions), rows[n % 3].want, "archive: ", "the program's function could not");
        assert_int_equal(a->calls, n); /* it goes no further */
        assert_int_equal(a->opened, 0);
    }
    archive_count(a, 0, PM_OK);
    assert_int_equal(load(&a->by_functions), PM_OK);
}

static void test_failing_model(void **state)
{
    (void)state;
    static const folder_form forms[] = {{.dtype = ST_F32}, {.dtype = ST_BF16, .shards = 2, .junk = true, .head = 2}};
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, false), *same = NULL;
    for (size_t i = 0; i < 2; i++) {
        archive a;
        folder_write(model, &forms[i]);
        archive_make(&a, folder_dir);
        fails_at_each(&a, load_model);
        fails_at_each(&a, load_config);
        fails_at_each(&a, load_ends);
        assert_int_equal(pm_model_load_from(folder_device, &a.by_functions, &same), PM_OK);
        test_model_same(model, same); /* neither was harmed */
        pm_model_destroy(&same);
        archive_free(&a);
        test_dir_clear(folder_dir);
    }
    pm_model_destroy(&model);
}

static void test_failing_tokenizer(void **state)
{
    (void)state;
    for (int kind = 0; kind < ARCHIVE_TOKENIZERS; kind++) {
        archive a;
        char *dir = archive_tokenizer(test_root, kind);
        archive_make(&a, dir);
        fails_at_each(&a, load_tokenizer);
        archive_free(&a);
        free(dir);
    }
}

static void test_lies(void **state)
{
    (void)state;
    archive a;
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, false);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    pm_model_destroy(&model);
    archive_make(&a, folder_dir);
    const uint64_t weights = archive_file(&a, "model.safetensors")->size,
                   config = archive_file(&a, "config.json")->size;
    const struct {
        const char *name;
        uint64_t told;
        bool endless;
        pm_status want;
        const char *words;
    } rows[] = {{"model.safetensors", weights + 1, false, PM_IO, "could not read it"},
                {"model.safetensors", weights + 1, true, PM_FORMAT, "is damaged"},
                {"model.safetensors", weights - 1, false, PM_FORMAT, "is damaged"},
                {"model.safetensors", 100, false, PM_FORMAT, "beyond the file's end"},
                {"model.safetensors", 7, false, PM_FORMAT, "too few"},
                {"model.safetensors", 0, false, PM_FORMAT, "too few"},
                {"model.safetensors", (uint64_t)1 << 60, false, PM_IO, "could not read it"},
                {"model.safetensors", UINT64_MAX, false, PM_IO, "too large"},
                {"config.json", config - 3, false, PM_FORMAT, "config.json"},
                {"config.json", config + 1, false, PM_IO, "could not read it"},
                {"config.json", config + 1, true, PM_FORMAT, "config.json"},
                {"config.json", 0, false, PM_FORMAT, "config.json"},
                {"config.json", (uint64_t)1 << 60, false, PM_IO, "could not read it"},
                {"config.json", UINT64_MAX, false, PM_IO, "too large"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_log_reset();
        a.lied = rows[i].name;
        a.told = rows[i].told;
        a.endless = rows[i].endless;
        test_expect_failure(load_model(&a.by_functions), rows[i].want, "archive: ", rows[i].words);
        assert_int_equal(a.opened, 0);
    }
    archive_free(&a);
    test_dir_clear(folder_dir);
}

static pm_status none_there(void *user, const char *name, void **file, uint64_t *size)
{
    (void)user, (void)name, (void)file, (void)size;
    return PM_NO_FILE;
}

static pm_status one_byte(void *user, const char *name, void **file, uint64_t *size)
{
    (void)user, (void)name, (void)file;
    *size = 1;
    return PM_OK;
}

static const void *no_view(void *user, void *file)
{
    (void)user, (void)file;
    return NULL;
}

static void test_missing(void **state)
{
    (void)state;
    archive a;
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT2, false);
    folder_write(model, &(folder_form){.dtype = ST_F32, .shards = 2});
    pm_model_destroy(&model);
    archive_make(&a, folder_dir);
    const pm_source *const both[] = {&a.in_memory, &a.by_functions};
    const char *const names[] = {"memory", "archive"};
    static const char *const gone[] = {"model-00002-of-00002.safetensors", "model.safetensors.index.json",
                                       "config.json"};
    static const char *const words[] = {"00002.safetensors: there is no such file",
                                        "there is no model.safetensors and no", "config.json: there is no such file"};
    for (size_t i = 0; i < 3; i++) {
        archive_drop(&a, gone[i]);
        test_log_reset();
        for (size_t k = 0; k < 2; k++) test_expect_failure(load_model(both[k]), PM_IO, names[k], words[i]);
    }
    for (size_t k = 0; k < 2; k++) test_expect_failure(load_tokenizer(both[k]), PM_IO, names[k], "holds no tokenizer");
    archive_free(&a);
    test_dir_clear(folder_dir);

    const pm_memory_file odd[] = {{"config.json", "version https://git-lfs.github.com/spec/v1\n", 43}, {NULL, "", 0}};
    const pm_memory_file bare = {"config.json", NULL, 1}, empty = {"config.json", NULL, 0};
    const pm_source pointer = {.files = odd, .file_count = 1, .name = "mine"},
                    nameless = {.files = odd, .file_count = 2}, no_data = {.files = &bare, .file_count = 1},
                    nothing = {.name = "none"}, no_bytes = {.files = &empty, .file_count = 1},
                    unread = {.open = none_there, .user = NULL},
                    no_list = {.file_count = 3, .open = none_there, .view = no_view};
    test_expect_failure(load_config(&pointer), PM_FORMAT, "mine: config.json: ", "Git LFS pointer");
    test_expect_failure(load_config(&no_bytes), PM_FORMAT, "memory: config.json: ", "");
    test_expect_failure(load_config(&nameless), PM_INVALID, "pm_source: ", "files[1] has no name");
    test_expect_failure(load_config(&no_data), PM_INVALID, "pm_source: ", "files[0] has no data");
    test_expect_failure(load_config(&nothing), PM_INVALID, "pm_source: none", "has no files");
    test_expect_failure(load_config(NULL), PM_INVALID, "pm_source: ", "has no files");
    test_expect_failure(load_config(&unread), PM_INVALID, "pm_source: source", "without read or view");
    test_expect_failure(load_config(&no_list), PM_INVALID, "pm_source: source", "file_count without files");
    const pm_source viewless = {.open = one_byte, .view = no_view};
    test_expect_failure(load_config(&viewless), PM_IO, "source: model.gguf: ", "neither a view of it nor");
}

/* Refused like a folder, with the same words. */
static void test_damage(void **state)
{
    (void)state;
    archive a;
    pm_model *model = test_model_make(folder_device, PM_ARCH_GPT1, false);
    assert_int_equal(pm_model_save(model, folder_dir), PM_OK);
    pm_model_destroy(&model);
    archive_make(&a, folder_dir);
    pm_memory_file *weights = archive_file(&a, "model.safetensors");
    char *bytes = (char *)weights->data;
    for (size_t at = 0; at < weights->size; at += at < 400 ? 23 : weights->size / 11) {
        const char file[] = "model.safetensors: ";
        char line[1000];
        bytes[at] ^= 4;
        test_write(folder_path("model.safetensors"), bytes, weights->size);
        test_log_reset();
        assert_int_equal(pm_model_load(folder_device, folder_dir, &model), PM_FORMAT);
        const char *words = strstr(test_last_error(), file);
        assert_non_null(words);
        snprintf(line, sizeof line, "%s", words);
        for (way w = 0; w < WAYS; w++) {
            test_log_reset();
            test_expect_failure(load_model(archive_source(&a, w)), PM_FORMAT,
                                w == WAY_MEMORY ? "memory: " : "archive: ", line);
        }
        bytes[at] ^= 4;
    }
    archive_free(&a);
    test_dir_clear(folder_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failing_model), cmocka_unit_test(test_failing_tokenizer),
                                       cmocka_unit_test(test_lies), cmocka_unit_test(test_missing),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
