/* Models and tokenizers from memory and through a program's functions: the same as from a folder, with functions that fail at every call, sizes that lie,
 * files that are missing and damaged. And what a device keeps, kept by a program. */
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

/* The three ways to the same files. */
typedef enum way { WAY_MEMORY, WAY_READ, WAY_VIEW, WAYS } way;

static const pm_source *source_of(archive *a, way w)
{
    a->with_view = w == WAY_VIEW;
    return w == WAY_MEMORY ? &a->in_memory : &a->by_functions;
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
        assert_int_equal(pm_gpt_config_load_from(&log_here, source_of(&a, w), &config), PM_OK);
        if (pm_model_load_from(folder_device, source_of(&a, w), &model) != PM_OK) fail_msg("%s", test_last_error());
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
    for (way w = 0; w < WAYS; w++) {
        archive_count(&a, 0, PM_OK);
        assert_int_equal(pm_model_load_from(folder_device, source_of(&a, w), &loaded), PM_OK);
        assert_true(a.largest <= 8 << 20 && (w != WAY_READ || a.copied > archive_file(&a, "model.safetensors")->size));
        float *left = test_model_values(model, 0), *right = test_model_values(loaded, 0);
        assert_memory_equal(left, right, 70000 * 32 * sizeof *left);
        free(left);
        free(right);
        pm_model_destroy(&loaded);
    }
    pm_model_destroy(&model);
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
        assert_int_equal(pm_model_load_from(folder_device, source_of(&a, w), &loaded), PM_OK);
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

static const char sample[] = "the cat sat on the mat; the cats sat on the mats";

static void put(const char *dir, const char *name, const char *text)
{
    test_write(test_path(dir, name), text, strlen(text));
}

/* Saves a tokenizer as the folder `name`. Returns the folder, and frees the tokenizer. */
static const char *saved(const char *name, pm_tokenizer *tok)
{
    const char *dir = test_path(test_root, name);
    assert_int_equal(pm_tokenizer_save(&log_here, tok, dir), PM_OK);
    pm_tokenizer_destroy(&tok);
    return dir;
}

static pm_tokenizer *learnt(void)
{
    pm_tokenizer *tok = NULL;
    assert_int_equal(pm_tokenizer_train(&log_here, "sample", sample, strlen(sample), 264, &tok), PM_OK);
    return tok;
}

/* Folders of all kinds that are read. */
enum { TOKENIZERS = 6 };
static const char *make_tokenizer(int kind)
{
    pm_tokenizer *tok = NULL;
    size_t size;
    const char *dir;
    if (kind == 0) {
        assert_int_equal(pm_tokenizer_bytes(&log_here, &tok), PM_OK);
        return saved("bytes", tok);
    }
    if (kind == 1) {
        assert_int_equal(pm_tokenizer_chars(&log_here, "sample", sample, strlen(sample), &tok), PM_OK);
        return saved("chars", tok);
    }
    if (kind == 2) return saved("gpt2", learnt());
    if (kind == 3) { /* OpenAI's names */
        dir = saved("openai", learnt());
        assert_int_equal(rename(test_path(dir, "vocab.json"), test_path(dir, "encoder.json")), 0);
        assert_int_equal(rename(test_path(dir, "merges.txt"), test_path(dir, "vocab.bpe")), 0);
        assert_int_equal(remove(test_path(dir, "tokenizer_config.json")), 0);
        return dir;
    }
    if (kind == 4) { /* tokenizer.json alone */
        dir = saved("whole", learnt());
        char *vocab = test_read(test_path(dir, "vocab.json"), &size), *text = malloc(size + 1000);
        char *merges = test_read(test_path(dir, "merges.txt"), &size), *first = strchr(merges, '\n') + 1;
        assert_non_null(text);
        first[strcspn(first, "\n")] = 0;
        sprintf(text,
                "{\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":[\"%s\"]},\"pre_tokenizer\":"
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"added_tokens\":"
                "[{\"id\":270,\"content\":\"<pad>\",\"special\":true}]}",
                vocab, first);
        put(dir, "tokenizer.json", text);
        free(merges);
        free(vocab);
        free(text);
        remove(test_path(dir, "vocab.json"));
        remove(test_path(dir, "merges.txt"));
        put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\",\"eos_token\":\"<pad>\"}");
        return dir;
    }
    dir = test_path(test_root, "gpt1");
    assert_int_equal(file_make_dir(&log_here, dir), PM_OK);
    put(dir, "vocab.json", "{\"<unk>\":0,\"t\":1,\"t</w>\":2,\"a\":3,\"a</w>\":4,\"at</w>\":5}");
    put(dir, "merges.txt", "#version: 0.2\na t</w>\n");
    put(dir, "tokenizer_config.json", "{\"tokenizer_class\":\"OpenAIGPTTokenizer\"}");
    put(dir, "special_tokens_map.json", "{\"unk_token\":\"<unk>\"}");
    return dir;
}

static void same_ids(const pm_tokenizer *a, const pm_tokenizer *b)
{
    uint32_t *left = NULL, *right = NULL;
    size_t left_count = 0, right_count = 0;
    test_expect_same(a, b);
    assert_int_equal(pm_tokenizer_begin(a), pm_tokenizer_begin(b));
    assert_int_equal(pm_tokenizer_end(a), pm_tokenizer_end(b));
    assert_int_equal(pm_tokenizer_encode(NULL, a, "sample", sample, strlen(sample), &left, &left_count), PM_OK);
    assert_int_equal(pm_tokenizer_encode(NULL, b, "sample", sample, strlen(sample), &right, &right_count), PM_OK);
    assert_int_equal(left_count, right_count);
    assert_memory_equal(left, right, left_count * sizeof *left);
    free(left);
    free(right);
}

static void test_tokenizers(void **state)
{
    (void)state;
    for (int kind = 0; kind < TOKENIZERS; kind++) {
        char dir[1024];
        archive a;
        pm_tokenizer *from_folder = NULL, *tok = NULL;
        snprintf(dir, sizeof dir, "%s", make_tokenizer(kind));
        if (pm_tokenizer_load(&log_here, dir, &from_folder) != PM_OK) fail_msg("%s", test_last_error());
        archive_make(&a, dir);
        for (way w = 0; w < WAYS; w++) {
            assert_int_equal(pm_tokenizer_load_from(&log_here, source_of(&a, w), &tok), PM_OK);
            same_ids(from_folder, tok);
            pm_tokenizer_destroy(&tok);
        }
        pm_tokenizer_destroy(&from_folder);
        archive_free(&a);
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

/* ---- what fails -------------------------------------------------------------------------------------------------- */

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
    for (int kind = 0; kind < TOKENIZERS; kind++) {
        char dir[1024];
        archive a;
        snprintf(dir, sizeof dir, "%s", make_tokenizer(kind));
        archive_make(&a, dir);
        fails_at_each(&a, load_tokenizer);
        archive_free(&a);
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
    test_expect_failure(load_config(&viewless), PM_IO, "source: config.json: ", "neither a view of it nor");
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
            test_expect_failure(load_model(source_of(&a, w)), PM_FORMAT,
                                w == WAY_MEMORY ? "memory: " : "archive: ", line);
        }
        bytes[at] ^= 4;
    }
    archive_free(&a);
    test_dir_clear(folder_dir);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models),
                                       cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_task_model),
                                       cmocka_unit_test(test_tokenizers),
                                       cmocka_unit_test(test_text_ends),
                                       cmocka_unit_test(test_failing_model),
                                       cmocka_unit_test(test_failing_tokenizer),
                                       cmocka_unit_test(test_lies),
                                       cmocka_unit_test(test_missing),
                                       cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_versions)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
