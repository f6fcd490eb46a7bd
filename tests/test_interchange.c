/* Model folders as Hugging Face's transformers writes them, in all their variants: what is loaded equals the original bit by bit; what cannot
 * be loaded is refused in one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"
#include "helper_model.h"
#include "model/safetensors.h"

enum { MOST = 64 }; /* tensors of a file */

static pm_device *device;
static char *root, dir[300];
static pm_log log_here;

static int open_all(void **state)
{
    (void)state;
    log_here = test_log();
    const pm_device_params params = {.log = log_here};
    device = test_device_open(&params);
    root = test_dir_make();
    snprintf(dir, sizeof dir, "%s/model", root);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    test_dir_remove(root);
    test_device_done(&device);
    return 0;
}

static const char *in_dir(const char *name)
{
    return test_path(dir, name);
}

/* ---- folders by hand ---- */

/* How a folder differs from Pumice's own form. */
typedef struct form {
    bool bare;      /* names without "transformer." */
    st_dtype dtype; /* of the tensors */
    int shards;     /* 0: one file and no index */
    bool junk;      /* buffers and other heads beside the parameters */
    int head;       /* a tied model's lm_head.weight: 0 absent, 1 the token table, 2 another */
} form;

typedef struct tensors {
    st_tensor all[MOST];
    char names[MOST][80];
    size_t count;
} tensors;

static void *narrow(const float *values, size_t n, st_dtype dtype)
{
    if (dtype == ST_F32) {
        float *copy = malloc(n * sizeof *copy);
        assert_non_null(copy);
        memcpy(copy, values, n * sizeof *copy);
        return copy;
    }
    uint16_t *out = malloc(n * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        assert_int_equal(bits & 0xffff, 0);
        /* fp16: the exponent's bias is 15 instead of 127; magnitudes here are normal in both */
        out[i] = dtype == ST_BF16
                     ? (uint16_t)(bits >> 16)
                     : (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) | (bits >> 13 & 1023));
    }
    return out;
}

static void add(tensors *t, const char *name, st_dtype dtype, uint32_t rows, uint32_t cols, void *data)
{
    st_tensor *s = &t->all[t->count];
    assert_true(t->count < MOST);
    snprintf(t->names[t->count++], sizeof t->names[0], "%s", name);
    *s = (st_tensor){.dtype = dtype, .rank = rows > 1 ? 2 : 1, .shape = {rows > 1 ? rows : cols, rows > 1 ? cols : 0}};
    s->data = data;
    s->size = (uint64_t)rows * cols * (dtype == ST_F32 ? 4 : dtype == ST_U8 ? 1 : 2);
}

static void add_junk(tensors *t, bool bare)
{
    static const char *const junk[] = {"h.0.attn.bias", "h.0.attn.masked_bias", "position_ids"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", bare ? "" : "transformer.", junk[i]);
        add(t, name, ST_U8, 12, 12, calloc(12, 12));
    }
    add(t, "score.weight", ST_F32, 2, 16, calloc(32, 4));
    add(t, "multiple_choice_head.summary.bias", ST_U8, 1, 3, calloc(3, 1));
}

static void collect(const pm_model *model, const form *f, tensors *t)
{
    static const char prefix[] = "transformer.";
    t->count = 0;
    for (size_t p = 0; p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        const bool cut = f->bare && !strncmp(param.name, prefix, sizeof prefix - 1);
        float *values = test_model_values(model, p);
        const size_t n = (size_t)param.rows * param.cols;
        add(t, param.name + (cut ? sizeof prefix - 1 : 0), f->dtype, param.rows, param.cols,
            narrow(values, n, f->dtype));
        if (p == 0 && f->head) {
            if (f->head == 2) values[5] = 1.0f;
            add(t, "lm_head.weight", f->dtype, param.rows, param.cols, narrow(values, n, f->dtype));
        }
        free(values);
    }
    if (f->junk) add_junk(t, f->bare);
    for (size_t i = 0; i < t->count; i++) t->all[i].name = t->names[i];
}

/* Tensor i goes to shard i % shards, so that the order of the index is not that of the files. */
static void write_shards(const tensors *t, int shards)
{
    char index[8192] = "{\"metadata\": {\"total_size\": 12345}, \"weight_map\": {";
    for (int s = 0; s < shards; s++) {
        st_tensor own[MOST];
        size_t count = 0;
        char name[64];
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", s + 1, shards);
        for (size_t i = (size_t)s; i < t->count; i += (size_t)shards) {
            const size_t at = strlen(index);
            own[count++] = t->all[i];
            snprintf(index + at, sizeof index - at, "%s\"%s\": \"%s\"", s + i > 0 ? ", " : "", t->names[i], name);
        }
        assert_int_equal(st_write(&log_here, in_dir(name), own, count, NULL, 0), PM_OK);
    }
    strcat(index, "}}\n");
    test_write(in_dir("model.safetensors.index.json"), index, strlen(index));
}

/* The folder `dir`, in that form. */
static void write_form(const pm_model *model, const form *f)
{
    remove(in_dir("model.safetensors.index.json"));
    assert_int_equal(pm_model_save(model, dir), PM_OK); /* for config.json */
    remove(in_dir("model.safetensors"));
    tensors t;
    collect(model, f, &t);
    if (f->shards)
        write_shards(&t, f->shards);
    else
        assert_int_equal(st_write(&log_here, in_dir("model.safetensors"), t.all, t.count, NULL, 0), PM_OK);
    for (size_t i = 0; i < t.count; i++) free((void *)t.all[i].data);
}

static void loads_as(pm_model *original)
{
    pm_model *model = NULL;
    test_log_reset();
    const pm_status status = pm_model_load(device, dir, &model);
    if (status != PM_OK) fail_msg("%s", test_last_error());
    test_model_same(original, model);
    pm_model_destroy(&model);
}

/* One line that has `part` in it, and names the folder. */
static void refused(pm_status want, const char *part)
{
    pm_model *model = NULL;
    test_log_reset();
    const pm_status status = pm_model_load(device, dir, &model);
    if (status != want || !strstr(test_last_error(), part) || !strstr(test_last_error(), dir))
        fail_msg("%d instead of %d; no '%s' in: %s", status, want, part, test_last_error());
    assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    assert_null(model);
}

/* ---- what is loaded ---- */

static void test_forms(void **state)
{
    (void)state;
    static const form forms[] = {
        {.dtype = ST_F32},
        {.dtype = ST_F32, .bare = true, .junk = true},
        {.dtype = ST_F16, .bare = true},
        {.dtype = ST_BF16, .junk = true},
        {.dtype = ST_F32, .shards = 3, .bare = true},
        {.dtype = ST_F16, .shards = 2, .junk = true},
        {.dtype = ST_BF16, .shards = 1},
        {.dtype = ST_F32, .head = 1},
        {.dtype = ST_F16, .shards = 4, .head = 1, .junk = true, .bare = true},
    };
    for (int kind = 0; kind < 4; kind++) {
        const bool untied = kind % 2;
        pm_model *original = test_model_make(device, (pm_arch)(kind / 2), untied);
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
            if (untied && forms[i].head) continue;
            write_form(original, &forms[i]);
            loads_as(original);
            assert_int_equal(test_log_count(PM_LOG_WARN), 0);
            assert_int_equal(test_log_count(PM_LOG_INFO), forms[i].junk); /* how many were not used */
        }
        pm_model_destroy(&original);
    }
}

/* A tied model with an output table of its own in the file: the token table counts, and a warning tells. */
static void test_other_head(void **state)
{
    (void)state;
    pm_model *original = test_model_make(device, PM_ARCH_GPT2, false);
    write_form(original, &(form){.dtype = ST_F32, .head = 2});
    loads_as(original);
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
    pm_model *original = test_model_make(device, PM_ARCH_GPT2, false), *model = NULL;
    write_form(original, &(form){.dtype = ST_F16});
    tensors t;
    collect(original, &(form){.dtype = ST_F16}, &t);
    size_t bias = 0;
    while (strcmp(t.names[bias], "transformer.ln_f.bias")) bias++;
    memcpy((void *)t.all[bias].data, halves, sizeof halves);
    assert_int_equal(st_write(&log_here, in_dir("model.safetensors"), t.all, t.count, NULL, 0), PM_OK);
    for (size_t i = 0; i < t.count; i++) free((void *)t.all[i].data);
    test_log_reset();
    assert_int_equal(pm_model_load(device, dir, &model), PM_OK);
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
         "wpe.weight is missing"},
    };
    pm_model *original = test_model_make(device, PM_ARCH_GPT2, false);
    write_form(original, &(form){.dtype = ST_F32, .shards = 1});
    loads_as(original);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_write(in_dir("model.safetensors.index.json"), bad[i].text, strlen(bad[i].text));
        refused(strstr(bad[i].part, "00009") ? PM_IO : PM_FORMAT, bad[i].part);
    }
    char *many = malloc(200000);
    assert_non_null(many);
    memset(many, '[', 200000);
    test_write(in_dir("model.safetensors.index.json"), many, 200000);
    free(many);
    refused(PM_FORMAT, "is not valid JSON");

    remove(in_dir("model.safetensors.index.json"));
    refused(PM_IO, "no model.safetensors");
    test_write(in_dir("pytorch_model.bin"), "PK", 2);
    refused(PM_FORMAT, "pytorch_model.bin: this format is not read");
    remove(in_dir("pytorch_model.bin"));
    pm_model_destroy(&original);
}

/* Wrong shapes and types, and what a tied or untied configuration asks for. */
static void test_tensors(void **state)
{
    (void)state;
    pm_model *original = test_model_make(device, PM_ARCH_GPT2, false),
             *untied = test_model_make(device, PM_ARCH_GPT2, true);
    static const struct {
        const char *name, *part;
        uint64_t rows, cols;
        st_dtype dtype;
    } bad[] = {
        {"transformer.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight should have the shape [16, 48]", 48, 16, ST_F32},
        {"transformer.h.1.attn.c_proj.bias", "h.1.attn.c_proj.bias should have the shape [16]", 4, 4, ST_F32},
        {"transformer.h.1.mlp.c_fc.weight", "h.1.mlp.c_fc.weight should have the dtype", 16, 40, ST_I32},
        {"transformer.wte.weight", "wte.weight should have the shape [37, 16]", 74, 8, ST_F32},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_form(original, &(form){.dtype = ST_F32});
        tensors t;
        collect(original, &(form){.dtype = ST_F32}, &t);
        size_t at = 0;
        while (strcmp(t.names[at], bad[i].name)) at++;
        t.all[at].rank = 2;
        t.all[at].shape[0] = bad[i].rows;
        t.all[at].shape[1] = bad[i].cols;
        t.all[at].dtype = bad[i].dtype;
        assert_int_equal(st_write(&log_here, in_dir("model.safetensors"), t.all, t.count, NULL, 0), PM_OK);
        for (size_t k = 0; k < t.count; k++) free((void *)t.all[k].data);
        refused(PM_FORMAT, bad[i].part);
    }
    write_form(untied, &(form){.dtype = ST_F32});
    size_t size;
    char *config = test_read(in_dir("config.json"), &size);
    write_form(original, &(form){.dtype = ST_F32});
    test_write(in_dir("config.json"), config, size);
    free(config);
    refused(PM_FORMAT, "lm_head.weight is missing");
    pm_model_destroy(&original);
    pm_model_destroy(&untied);
}

#define LABELS(numbered, labels)                                                                                       \
    "\"pumice_task\": {\"kind\": \"classify\", \"text_vocab\": 9, \"numbered\": " numbered ", \"labels\": [" labels "]}"

/* What config.json may say: `put` is added to a good one, in front, where it takes precedence. */
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
        {PM_ARCH_GPT2, "\"reorder_and_upcast_attn\": true, \"n_ctx\": null, \"use_cache\": true", NULL, 0},
        {PM_ARCH_GPT1, "\"task_specific_params\": {\"x\": [1]}, \"summary_type\": \"cls_index\"", NULL, 0},
        {PM_ARCH_GPT2, "\"n_head\": 3", "heads: 3 does not divide", 0},
        {PM_ARCH_GPT2, "\"n_layer\": 0", "n_layer", 0},
        {PM_ARCH_GPT2, "\"model_type\": \"gpt_neo\"", "model_type", 0},
        {PM_ARCH_GPT2, "\"x\": 1} {\"x\": 1", "is not valid JSON, at byte 9", 0},
        {PM_ARCH_GPT2, "\"x\": \"\\u0000\"", "holds \\u0000", 0},
        {PM_ARCH_GPT2, LABELS("true", "\"0\", \"1}, \\\"x\\\": {\""), "each of \"labels\" must be a whole number", 0},
        {PM_ARCH_GPT2, LABELS("false", "\"a\", \"\\u001b[2J\""), "each of \"labels\" must be without control", 0},
        {PM_ARCH_GPT2, LABELS("false", "\"a\", 1"), "each of \"labels\" must be a string", 0},
        {PM_ARCH_GPT2, "\"n_layer\": 1000", "transformer.h.2.ln_1.weight is missing", 0},
        {PM_ARCH_GPT2, "\"vocab_size\": 16000000", "should have the shape [16000000, 16]", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pm_model *original = test_model_make(device, rows[i].arch, false);
        write_form(original, &(form){.dtype = ST_F32});
        size_t size;
        char *text = test_read(in_dir("config.json"), &size), *changed = malloc(size + 200);
        assert_non_null(changed);
        const int n = snprintf(changed, size + 200, "{%s, %s", rows[i].put, text + 1);
        test_write(in_dir("config.json"), changed, (size_t)n);
        if (rows[i].part)
            refused(PM_FORMAT, rows[i].part);
        else
            loads_as(original);
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].warnings);
        free(text);
        free(changed);
        pm_model_destroy(&original);
    }
}

/* Bytes of config.json and of the index changed at random: loaded, or refused in one line; never a crash. */
static void test_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors.index.json"};
    pm_model *original = test_model_make(device, PM_ARCH_GPT1, false);
    write_form(original, &(form){.dtype = ST_F16, .shards = 2});
    for (uint32_t i = 0; i < 400; i++) {
        const rng_block b = rng_philox(23, i, 0, 0, 0);
        size_t size;
        const char *path = in_dir(names[i % 2]);
        char *good = test_read(path, &size), *broken = malloc(size);
        assert_non_null(broken);
        memcpy(broken, good, size);
        broken[b.v[0] % size] = i % 3 ? (char)(b.v[1] & 127) : (char)b.v[1];
        test_write(path, broken, i % 5 ? size : b.v[2] % size);
        pm_model *model = NULL;
        test_log_reset();
        const pm_status status = pm_model_load(device, dir, &model);
        assert_int_equal(test_log_count(PM_LOG_ERROR), status == PM_OK ? 0 : 1);
        pm_model_destroy(&model);
        test_write(path, good, size);
        free(good);
        free(broken);
    }
    loads_as(original);
    pm_model_destroy(&original);
}

/* The released sizes: GPT-1, and GPT-2's smallest and largest, which share the token table, and what an own output table adds. */
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
    return cmocka_run_group_tests(tests, open_all, close_all);
}
