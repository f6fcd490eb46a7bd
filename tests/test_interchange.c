/* Model folders as Hugging Face's transformers writes them, in all their variants. A loaded model equals the original bit by bit; a folder that
 * cannot be loaded is refused in one line. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/rng.h"
#include "helper_dir.h"
#include "helper_folder.h"
#include "helper_log.h"
#include "helper_model.h"
#include "helper_system.h"

/* ---- what is loaded ---- */

static void test_forms(void **state)
{
    (void)state;
    static const folder_form forms[] = {
        {.dtype = ST_F32},
        {.dtype = ST_F32, .bare = true, .junk = true},
        {.dtype = ST_F16, .bare = true},
        {.dtype = ST_BF16, .junk = true},
        {.dtype = ST_F32, .shards = 3, .bare = true},
        {.dtype = ST_F16, .shards = 2, .junk = true},
        {.dtype = ST_BF16, .shards = 1},
        {.dtype = ST_F64, .shards = 2, .junk = true},
        {.dtype = ST_F32, .head = 1},
        {.dtype = ST_F16, .shards = 4, .head = 1, .junk = true, .bare = true},
    };
    for (int kind = 0; kind < 4; kind++) {
        const bool untied = kind % 2;
        pm_model *original = test_model_make(folder_device, (pm_arch)(kind / 2), untied);
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
            if (untied && forms[i].head) continue;
            folder_write(original, &forms[i]);
            const folder_lines lines = folder_loads_as(original);
            assert_int_equal(lines.warnings, 0);
            assert_int_equal(lines.infos, forms[i].junk); /* how many there are */
        }
        pm_model_destroy(&original);
    }
}

/* A tied model with an output table of its own in the file: the token table counts, and a warning says so. */
static void test_other_head(void **state)
{
    (void)state;
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false);
    folder_write(original, &(folder_form){.dtype = ST_F32, .head = 2});
    folder_loads_as(original);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "lm_head.weight"));
    pm_model_destroy(&original);
}

/* Every kind of fp16 number, with infinity and NaN. */
static void test_half(void **state)
{
    (void)state;
    static const uint16_t halves[16] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x7bff,
                                        0xfbff, 0x3555, 0x7c00, 0xfc00, 0x7e00, 0x2e66, 0x0200, 0xb800};
    static const float floats[16] = {
        0, -0.0f, 0x1p-24f, -1023 * 0x1p-24f, 0x1p-14f, 1,    -2, 65504, -65504, 1365 * 0x1p-12f,
        0, 0,     0,        1638 * 0x1p-14f,  0x1p-15f, -0.5f};
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false), *model = NULL;
    folder_write(original, &(folder_form){.dtype = ST_F16});
    folder_tensors t;
    folder_collect(original, &(folder_form){.dtype = ST_F16}, &t);
    size_t bias = 0;
    while (strcmp(t.names[bias], "transformer.ln_f.bias")) bias++;
    memcpy((void *)t.all[bias].data, halves, sizeof halves);
    folder_write_file(&t, NULL, 0);
    folder_free(&t);
    test_log_reset();
    assert_int_equal(pm_model_load(folder_device, folder_dir, &model), PM_OK);
    assert_int_equal(test_log_count(PM_LOG_WARN), 1);
    assert_non_null(strstr(test_last_warning(), "transformer.ln_f.bias"));
    float *got = test_model_values(model, bias);
    for (int i = 0; i < 16; i++) {
        uint32_t bits, want;
        memcpy(&bits, &got[i], 4);
        memcpy(&want, &floats[i], 4);
        if (i == 10 || i == 11) want = i == 10 ? 0x7f800000 : 0xff800000;
        if (i == 12) want = bits & 0x7f800000 && bits & 0x007fffff ? bits : 0;
        assert_int_equal(bits, want);
    }
    free(got);
    pm_model_destroy(&model);
    pm_model_destroy(&original);
}

/* ---- what is refused ---- */

static void test_index(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "is not valid JSON"},
        {"[]", "one JSON object"},
        {"{\"weight_map\": {}} x", "is not valid JSON, at byte 19"},
        {"{\"weight_map\": []}", "weight_map"},
        {"{\"weight_map\": {\"a\": \"b\"", "is not valid JSON"},
        {"{\"weight_map\": {}}", "is missing"},
        {"{\"weight_map\": {\"wte.weight\": 3}}", "wte.weight"},
        {"{\"weight_map\": {\"wte.weight\": \"../model/model-00001-of-00001.safetensors\"}}", "../model"},
        {"{\"weight_map\": {\"wte.weight\": \"/etc/x.safetensors\"}}", "/etc"},
        {"{\"weight_map\": {\"wte.weight\": \"..\\\\x.safetensors\"}}", "same folder"},
        {"{\"weight_map\": {\"wte.weight\": \"..\"}}", "same folder"},
        {"{\"weight_map\": {\"wte.weight\": \".safetensors\"}}", "same folder"},
        {"{\"weight_map\": {\"wte.weight\": \"a\\nb.safetensors\"}}", "same folder"},
        {"{\"weight_map\": {\"wte.weight\": \"config.json\"}}", "same folder"},
        {"{\"weight_map\": {\"wte.weight\": \"model-00009-of-00009.safetensors\"}}",
         "model-00009-of-00009.safetensors"},
        {"{\"weight_map\": {\"nobody\": \"model-00001-of-00001.safetensors\"}}", "nobody"},
        {"{\"weight_map\": {\"transformer.wte.weight\": \"model-00001-of-00001.safetensors\", "
         "\"transformer.wte.weight\": \"model-00001-of-00001.safetensors\"}}",
         "twice"},
        {"{\"weight_map\": {\"transformer.wte.weight\": \"model-00001-of-00001.safetensors\"}}",
         "wpe.weight is missing; the tensors there are transformer.wte.weight (1 in all)"},
    };
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false);
    folder_write(original, &(folder_form){.dtype = ST_F32, .shards = 1});
    folder_loads_as(original);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_write(folder_path("model.safetensors.index.json"), bad[i].text, strlen(bad[i].text));
        folder_refused(strstr(bad[i].part, "00009") ? PM_IO : PM_FORMAT, bad[i].part);
    }
    char *many = malloc(200000);
    assert_non_null(many);
    memset(many, '[', 200000);
    test_write(folder_path("model.safetensors.index.json"), many, 200000);
    free(many);
    folder_refused(PM_FORMAT, "is not valid JSON");

    remove(folder_path("model.safetensors.index.json"));
    folder_refused(PM_IO, "no model.safetensors");
    test_write(folder_path("pytorch_model.bin"), "PK", 2);
    folder_refused(PM_FORMAT, "pytorch_model.bin: this format is not read");
    remove(folder_path("pytorch_model.bin"));
    if (test_link("../blobs/none", folder_path("model.safetensors.index.json"))) {
        folder_refused(PM_IO, "model.safetensors.index.json: cannot open");
        assert_true(test_link("../blobs/none", folder_path("model.safetensors")));
        folder_refused(PM_IO, "model.safetensors: cannot open");
        remove(folder_path("model.safetensors"));
        remove(folder_path("model.safetensors.index.json"));
    }
    pm_model_destroy(&original);
}

/* Wrong shapes and types, and the tensors that a tied or untied configuration needs. */
static void test_tensors(void **state)
{
    (void)state;
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT2, false),
             *untied = test_model_make(folder_device, PM_ARCH_GPT2, true);
    static const struct {
        const char *name, *part;
        uint64_t rows, cols;
        st_dtype dtype;
    } bad[] = {
        {"transformer.h.0.attn.c_attn.weight",
         "c_attn.weight should have the shape [16, 48], and has [48, 16]: it is transposed", 48, 16, ST_F32},
        {"transformer.h.1.attn.c_proj.bias", "h.1.attn.c_proj.bias should have the shape [16], and has [4, 4]", 4, 4,
         ST_F32},
        {"transformer.h.1.mlp.c_fc.weight", "c_fc.weight should have the dtype F32, F16, BF16 or F64, and has I32", 16,
         40, ST_I32},
        {"transformer.wte.weight", "wte.weight should have the shape [37, 16]", 74, 8, ST_F32},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        folder_write(original, &(folder_form){.dtype = ST_F32});
        folder_tensors t;
        folder_collect(original, &(folder_form){.dtype = ST_F32}, &t);
        size_t at = 0;
        while (strcmp(t.names[at], bad[i].name)) at++;
        t.all[at].rank = 2;
        t.all[at].shape[0] = bad[i].rows;
        t.all[at].shape[1] = bad[i].cols;
        t.all[at].dtype = bad[i].dtype;
        folder_write_file(&t, NULL, 0);
        folder_free(&t);
        folder_refused(PM_FORMAT, bad[i].part);
    }
    folder_write(untied, &(folder_form){.dtype = ST_F32});
    size_t size;
    char *config = test_read(folder_path("config.json"), &size);
    folder_write(original, &(folder_form){.dtype = ST_F32});
    test_write(folder_path("config.json"), config, size);
    free(config);
    folder_refused(PM_FORMAT, "lm_head.weight is missing");
    pm_model_destroy(&original);
    pm_model_destroy(&untied);
}

#define LABELS(numbered, labels)                                                                                       \
    "\"pumice_task\": {\"kind\": \"classify\", \"text_vocab\": 9, \"numbered\": " numbered ", \"labels\": [" labels "]}"

/* An object's text without the keys that `put` has, where that is good JSON. */
static char *without_keys(const char *object, const char *put)
{
    char text[300];
    snprintf(text, sizeof text, "{%s}", put);
    cJSON *all = cJSON_Parse(object), *more = cJSON_Parse(text), *item;
    assert_non_null(all);
    cJSON_ArrayForEach(item, more) cJSON_DeleteItemFromObjectCaseSensitive(all, item->string);
    char *left = cJSON_PrintUnformatted(all);
    assert_non_null(left);
    cJSON_Delete(all);
    cJSON_Delete(more);
    return left;
}

/* Contents of config.json: `put` replaces the entries with the same keys in a good one. */
static void test_config(void **state)
{
    (void)state;
    static const struct {
        pm_arch arch;
        const char *put, *part; /* NULL: loaded */
        unsigned warnings;
    } rows[] = {
        {PM_ARCH_GPT2, "\"activation_function\": \"gelu_pytorch_tanh\"", NULL, 0},
        {PM_ARCH_GPT2, "\"activation_function\": \"gelu_fast\"", NULL, 0},
        {PM_ARCH_GPT2, "\"activation_function\": \"gelu\"", NULL, 1},
        {PM_ARCH_GPT2, "\"activation_function\": \"relu\"", "activation_function must be", 0},
        {PM_ARCH_GPT2, "\"activation_function\": 3", "activation_function must be", 0},
        {PM_ARCH_GPT1, "\"afn\": \"gelu\"", NULL, 0},
        {PM_ARCH_GPT1, "\"afn\": \"swish\"", "afn must be", 0},
        {PM_ARCH_GPT2, "\"scale_attn_weights\": true, \"scale_attn_by_inverse_layer_idx\": false", NULL, 0},
        {PM_ARCH_GPT2, "\"scale_attn_weights\": false", "scale_attn_weights must be true", 0},
        {PM_ARCH_GPT2, "\"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx must be false", 0},
        {PM_ARCH_GPT2, "\"add_cross_attention\": true", "add_cross_attention must be false", 0},
        {PM_ARCH_GPT2, "\"scale_attn_by_inverse_layer_idx\": 1", "scale_attn_by_inverse_layer_idx must be false", 0},
        {PM_ARCH_GPT2, "\"scale_attn_by_inverse_layer_idx\": \"true\"", "_layer_idx is not true or false", 0},
        {PM_ARCH_GPT2, "\"add_cross_attention\": 1", "add_cross_attention must be false", 0},
        {PM_ARCH_GPT2, "\"add_cross_attention\": 0, \"scale_attn_weights\": 1", NULL, 0},
        {PM_ARCH_GPT2, "\"add_cross_attention\": null, \"scale_attn_weights\": null", NULL, 0},
        {PM_ARCH_GPT2, "\"scale_attn_weights\": 0", "scale_attn_weights must be true", 0},
        {PM_ARCH_GPT2, "\"scale_attn_weights\": 2", "scale_attn_weights is not true or false", 0},
        {PM_ARCH_GPT2, "\"tie_word_embeddings\": 1", NULL, 0},
        {PM_ARCH_GPT2, "\"tie_word_embeddings\": null", NULL, 0},
        {PM_ARCH_GPT2, "\"tie_word_embeddings\": 0", "lm_head.weight is missing", 0},
        {PM_ARCH_GPT2, "\"tie_word_embeddings\": \"false\"", "tie_word_embeddings is not true or false", 0},
        {PM_ARCH_GPT2, LABELS("\"true\"", "\"0\", \"1\""), "\"numbered\" is not true or false", 0},
        {PM_ARCH_GPT2, "\"reorder_and_upcast_attn\": true, \"n_ctx\": null, \"use_cache\": true", NULL, 0},
        {PM_ARCH_GPT1, "\"task_specific_params\": {\"x\": [1]}, \"summary_type\": \"cls_index\"", NULL, 0},
        {PM_ARCH_GPT2, "\"n_head\": 3", "n_head: 3 does not divide n_embd, 16", 0},
        {PM_ARCH_GPT2, "\"n_layer\": 0", "n_layer", 0},
        {PM_ARCH_GPT2, "\"model_type\": \"gpt_neo\"", "model_type", 0},
        {PM_ARCH_GPT2, "\"x\": 1} {\"x\": 1", "is not valid JSON, at byte 9", 0},
        {PM_ARCH_GPT2, "\"x\": \"\\u0000\"", "holds \\u0000", 0},
        {PM_ARCH_GPT2, "\"x\": {\"a\": [{\"b\": 1, \"c\": 2, \"\\u0062\": 3}]}", "the key \"b\" is there twice", 0},
        {PM_ARCH_GPT2, "\"n_layer\": 1, \"n_layer\": 2", "the key \"n_layer\" is there twice", 0},
        {PM_ARCH_GPT2, "\"x\": \"\\udc00\"", "\\udc00 without its other half", 0},
        {PM_ARCH_GPT2, "\"x\": \"\\u00g0\"", "is not valid JSON, at byte 7", 0},
        {PM_ARCH_GPT2, "\"x\": \"\\ud83d\\ude00\"", NULL, 0},
        {PM_ARCH_GPT2, LABELS("true", "\"0\", \"1}, \\\"x\\\": {\""), "each of \"labels\" must be a whole number", 0},
        {PM_ARCH_GPT2, LABELS("false", "\"a\", \"\\u001b[2J\""), "each of \"labels\" must be without control", 0},
        {PM_ARCH_GPT2, LABELS("false", "\"a\", 1"), "each of \"labels\" must be a string", 0},
        {PM_ARCH_GPT2, "\"n_layer\": 1000", "transformer.h.2.ln_1.weight is missing", 0},
        {PM_ARCH_GPT2, "\"vocab_size\": 16000000", "should have the shape [16000000, 16]", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pm_model *original = test_model_make(folder_device, rows[i].arch, false);
        folder_write(original, &(folder_form){.dtype = ST_F32});
        size_t size;
        char *text = test_read(folder_path("config.json"), &size), *changed = malloc(size + 200),
             *left = without_keys(text, rows[i].put);
        assert_non_null(changed);
        const int n = snprintf(changed, size + 200, "{%s, %s", rows[i].put, left + 1);
        test_write(folder_path("config.json"), changed, (size_t)n);
        if (rows[i].part)
            folder_refused(PM_FORMAT, rows[i].part);
        else
            folder_loads_as(original);
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].warnings);
        free(text);
        free(left);
        free(changed);
        pm_model_destroy(&original);
    }
}

/* Changes bytes of config.json and of the index at random: the folder is loaded, or refused in one line; never a
 * crash. */
static void test_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors.index.json"};
    pm_model *original = test_model_make(folder_device, PM_ARCH_GPT1, false);
    folder_write(original, &(folder_form){.dtype = ST_F16, .shards = 2});
    for (uint32_t i = 0; i < 400; i++) {
        const rng_block b = rng_philox(23, i, 0, 0, 0);
        size_t size;
        const char *path = folder_path(names[i % 2]);
        char *good = test_read(path, &size), *broken = malloc(size);
        assert_non_null(broken);
        memcpy(broken, good, size);
        broken[b.v[0] % size] = i % 3 ? (char)(b.v[1] & 127) : (char)b.v[1];
        test_write(path, broken, i % 5 ? size : b.v[2] % size);
        pm_model *model = NULL;
        test_log_reset();
        const pm_status status = pm_model_load(folder_device, folder_dir, &model);
        assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
        pm_model_destroy(&model);
        test_write(path, good, size);
        free(good);
        free(broken);
    }
    folder_loads_as(original);
    pm_model_destroy(&original);
}

/* The parameters of the released sizes: GPT-1, and GPT-2's smallest and largest, which share the token table. Also those that an own output table
 * adds. */
static void test_counts(void **state)
{
    (void)state;
    pm_gpt_config c = {.arch = PM_ARCH_GPT1, .vocab = 40478, .ctx = 512, .embd = 768, .heads = 12, .layers = 12};
    assert_int_equal(pm_gpt_config_parameters(&c), 116534784);
    c = (pm_gpt_config){.arch = PM_ARCH_GPT2, .vocab = 50257, .ctx = 1024, .embd = 768, .heads = 12, .layers = 12};
    assert_int_equal(pm_gpt_config_parameters(&c), 124439808);
    c.untied = true;
    assert_int_equal(pm_gpt_config_parameters(&c), 124439808 + 50257 * 768);
    c = (pm_gpt_config){.arch = PM_ARCH_GPT2, .vocab = 50257, .ctx = 1024, .embd = 1600, .heads = 25, .layers = 48};
    assert_int_equal(pm_gpt_config_parameters(&c), 1557611200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_other_head), cmocka_unit_test(test_half),
        cmocka_unit_test(test_index),  cmocka_unit_test(test_tensors),    cmocka_unit_test(test_config),
        cmocka_unit_test(test_counts), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, folder_open, folder_close);
}
