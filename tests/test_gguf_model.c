/* Models in GGUF files, there and back without a device: PyTorch's golden folders in every type, the order of rows, Llama 3's scaling, and files that
 * are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_decoder.h"
#include "helper_dir.h"
#include "helper_golden.h"
#include "helper_log.h"
#include "model/gguf_model.h"

static const char *const families[] = {"llama", "qwen2", "qwen3", "gemma3", "gpt2"};
enum { FAMILIES = sizeof families / sizeof *families };

static const char *golden(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, TEST_DATA_DIR "/golden/%s", name);
    return path;
}

/* A file of the test's folder, which is not there yet. */
static const char *fresh(const char *name)
{
    const char *path = test_path(test_root, name);
    (void)remove(path);
    return path;
}

static void to_gguf(const char *from, const char *to, pm_gguf_type type)
{
    const pm_log log_here = test_log();
    const pm_gguf_params params = {.type = type};
    test_log_reset();
    if (pm_model_convert_gguf(&log_here, from, to, &params) != PM_OK) fail_msg("%s", test_last_error());
}

static void to_folder(const char *from, const char *to)
{
    const pm_log log_here = test_log();
    test_log_reset();
    if (pm_model_convert(&log_here, from, 0, to) != PM_OK) fail_msg("%s", test_last_error());
}

/* ---- there and back -------------------------------------------------------------------------------------------------- */

static bool is_norm(const char *name)
{
    return strstr(name, "norm") != NULL;
}

/* Gemma's gains are in the file with a 1 added, which rounds them. */
static bool same_gain(float w, float back)
{
    const volatile float more = w + 1;
    const float want = more - 1;
    return want == back;
}

static void same_tensors(const char *family, const char *a, const char *b)
{
    st_file left, right;
    golden_open_tensors(a, "model.safetensors", &left);
    golden_open_tensors(b, "model.safetensors", &right);
    assert_int_equal(left.tensor_count, right.tensor_count);
    for (size_t i = 0; i < left.tensor_count; i++) {
        const st_tensor *x = &left.tensors[i], *y = st_find(&right, x->name);
        if (!y || y->size != x->size) fail_msg("%s: %s", b, x->name);
        const float *v = (const float *)(const void *)x->data, *w = (const float *)(const void *)y->data;
        const bool ones = strcmp(family, "gemma3") == 0 && is_norm(x->name);
        for (size_t k = 0; k < x->size / 4; k++)
            if (ones ? !same_gain(v[k], w[k]) : memcmp(&v[k], &w[k], 4) != 0)
                fail_msg("%s: %s, number %zu is %.9g instead of %.9g", family, x->name, k, (double)w[k], (double)v[k]);
    }
    st_close(&left);
    st_close(&right);
}

static void test_exact(void **state)
{
    (void)state;
    const pm_log log_here = test_log();
    for (size_t i = 0; i < FAMILIES; i++) {
        char plain[512], back[512], file[512], again[512];
        pm_gpt_config given, read, written;
        snprintf(plain, sizeof plain, "%s-plain", test_path(test_root, families[i]));
        snprintf(back, sizeof back, "%s-back", test_path(test_root, families[i]));
        snprintf(file, sizeof file, "%s", fresh("exact.gguf"));
        snprintf(again, sizeof again, "%s", fresh("again.gguf"));
        to_folder(golden(families[i]), plain);
        to_gguf(golden(families[i]), file, PM_GGUF_F32);
        to_folder(file, back);
        same_tensors(families[i], plain, back);
        assert_int_equal(pm_gpt_config_load(&log_here, golden(families[i]), &given), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log_here, file, &read), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log_here, back, &written), PM_OK);
        decoder_same(families[i], &read, &given);
        decoder_same(families[i], &written, &given);
        to_gguf(file, again, PM_GGUF_F32); /* from one file to another: the same bytes */
        size_t size, other;
        char *a = test_read(file, &size), *b = test_read(again, &other);
        if (strcmp(families[i], "gemma3") != 0) assert_true(size == other && memcmp(a, b, size) == 0);
        free(a);
        free(b);
    }
}

/* The largest difference that a type's rounding makes to a number, where the largest of its tensor is `most`. */
static double rounding(gguf_dtype dtype, double value, double most)
{
    if (dtype == GGUF_F16) return fabs(value) / 2048 + 1e-7;
    if (dtype == GGUF_BF16) return fabs(value) / 256;
    if (dtype == GGUF_Q8_0) return most * (0.5 / 127 + 1.0 / 2048);
    return 0;
}

/* Compares Llama's folder with one that was made from a file, each tensor by its type there. */
static void near_tensors(const char *a, const char *b, gguf_dtype matrices, gguf_dtype down)
{
    st_file left, right;
    golden_open_tensors(a, "model.safetensors", &left);
    golden_open_tensors(b, "model.safetensors", &right);
    for (size_t i = 0; i < left.tensor_count; i++) {
        const st_tensor *x = &left.tensors[i], *y = st_find(&right, x->name);
        const gguf_dtype type = x->rank == 1 ? GGUF_F32 : strstr(x->name, "down_proj") ? down : matrices;
        const float *v = (const float *)(const void *)x->data, *w = (const float *)(const void *)y->data;
        double most = 0, off = 0;
        for (size_t k = 0; k < x->size / 4; k++) most = fmax(most, fabs((double)v[k]));
        for (size_t k = 0; k < x->size / 4; k++) {
            const double d = fabs((double)v[k] - (double)w[k]);
            if (d > rounding(type, (double)v[k], most)) fail_msg("%s: number %zu is off by %g", x->name, k, d);
            off = fmax(off, d);
        }
        assert_true((off > 0) == (type != GGUF_F32));
    }
    st_close(&left);
    st_close(&right);
}

static void test_rounded(void **state)
{
    (void)state;
    static const struct {
        pm_gguf_type type;
        gguf_dtype matrices, down; /* 48 columns are no whole blocks of 32; ffn_down has 32 */
        uint32_t file_type;
    } rows[] = {{PM_GGUF_F16, GGUF_F16, GGUF_F16, 1},
                {PM_GGUF_BF16, GGUF_BF16, GGUF_BF16, 32},
                {PM_GGUF_Q8_0, GGUF_F16, GGUF_Q8_0, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char file[512], back[512];
        gguf_file f;
        uint32_t file_type;
        snprintf(file, sizeof file, "%s", fresh("rounded.gguf"));
        snprintf(back, sizeof back, "%s", test_path(test_root, "rounded"));
        to_gguf(golden("llama"), file, rows[i].type);
        to_folder(file, back);
        near_tensors(golden("llama"), back, rows[i].matrices, rows[i].down);
        assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
        assert_int_equal(gguf_u32(NULL, &f, "general.file_type", NULL, &file_type), PM_OK);
        assert_int_equal(file_type, rows[i].file_type);
        assert_int_equal(gguf_find(&f, "blk.1.attn_q.weight")->dtype, rows[i].matrices);
        assert_int_equal(gguf_find(&f, "blk.1.ffn_down.weight")->dtype, rows[i].down);
        assert_int_equal(gguf_find(&f, "output_norm.weight")->dtype, GGUF_F32);
        gguf_close(&f);
    }
}

/* ---- what differs ---------------------------------------------------------------------------------------------------- */

/* The floats of a tensor; the caller frees. */
static float *floats_of(const gguf_file *file, const char *name, size_t count)
{
    const gguf_tensor *t = gguf_find(file, name);
    float *out = golden_floats(count);
    assert_non_null(t);
    assert_int_equal(t->count, count);
    assert_int_equal(gguf_floats(NULL, file, t, 0, count, out), PM_OK);
    return out;
}

static const float *tensor_of(const st_file *file, const char *name)
{
    const st_tensor *t = st_find(file, name);
    assert_non_null(t);
    return (const float *)(const void *)t->data;
}

/* Row 2 i + k of a head in Llama's file is row i + k D/2 of Hugging Face's. */
static void test_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *theirs;
        size_t heads;
    } rows[] = {{"model.layers.1.self_attn.q_proj.weight", "blk.1.attn_q.weight", 6},
                {"model.layers.1.self_attn.k_proj.weight", "blk.1.attn_k.weight", 2}};
    enum { D = 8, C = 48 };
    gguf_file f;
    st_file g;
    const char *file = fresh("pairs.gguf");
    to_gguf(golden("llama"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden("llama"), "model.safetensors", &g);
    for (size_t i = 0; i < 2; i++) {
        float *there = floats_of(&f, rows[i].theirs, rows[i].heads * D * C);
        const float *here = tensor_of(&g, rows[i].ours);
        for (size_t h = 0; h < rows[i].heads; h++)
            for (size_t p = 0; p < D / 2; p++)
                for (size_t k = 0; k < 2; k++)
                    assert_memory_equal(there + (h * D + 2 * p + k) * C, here + (h * D + p + k * (D / 2)) * C, 4 * C);
        free(there);
    }
    float *v = floats_of(&f, "blk.1.attn_v.weight", 2 * D * C);
    assert_memory_equal(v, tensor_of(&g, "model.layers.1.self_attn.v_proj.weight"), 4 * 2 * D * C);
    free(v);
    st_close(&g);
    gguf_close(&f);
}

/* Of Qwen nothing changes its place; Gemma's gains have a 1; GPT-2's products are turned round. */
static void test_others(void **state)
{
    (void)state;
    gguf_file f;
    st_file g;
    const char *file = fresh("others.gguf");
    to_gguf(golden("qwen2"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden("qwen2"), "model.safetensors", &g);
    float *q = floats_of(&f, "blk.0.attn_q.weight", 48 * 48), *b = floats_of(&f, "blk.0.attn_k.bias", 24);
    assert_memory_equal(q, tensor_of(&g, "model.layers.0.self_attn.q_proj.weight"), 4 * 48 * 48);
    assert_memory_equal(b, tensor_of(&g, "model.layers.0.self_attn.k_proj.bias"), 4 * 24);
    free(q);
    free(b);
    st_close(&g);
    gguf_close(&f);

    file = fresh("others.gguf");
    to_gguf(golden("gemma3"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden("gemma3"), "model.safetensors", &g);
    static const struct {
        const char *ours, *theirs;
        size_t count;
    } gains[] = {{"model.norm.weight", "output_norm.weight", 40},
                 {"model.layers.0.self_attn.q_norm.weight", "blk.0.attn_q_norm.weight", 12},
                 {"model.layers.1.post_attention_layernorm.weight", "blk.1.post_attention_norm.weight", 40},
                 {"model.layers.1.pre_feedforward_layernorm.weight", "blk.1.ffn_norm.weight", 40},
                 {"model.layers.1.post_feedforward_layernorm.weight", "blk.1.post_ffw_norm.weight", 40}};
    for (size_t i = 0; i < sizeof gains / sizeof *gains; i++) {
        float *there = floats_of(&f, gains[i].theirs, gains[i].count);
        for (size_t k = 0; k < gains[i].count; k++) {
            const float want = tensor_of(&g, gains[i].ours)[k] + 1;
            assert_memory_equal(&there[k], &want, 4);
        }
        free(there);
    }
    st_close(&g);
    gguf_close(&f);

    file = fresh("others.gguf");
    to_gguf(golden("gpt2"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden("gpt2"), "model.safetensors", &g);
    float *there = floats_of(&f, "blk.1.ffn_up.weight", 48 * 192);
    const float *here = tensor_of(&g, "transformer.h.1.mlp.c_fc.weight");
    for (size_t in = 0; in < 48; in++)
        for (size_t out = 0; out < 192; out++) assert_memory_equal(&there[out * 48 + in], &here[in * 192 + out], 4);
    free(there);
    st_close(&g);
    gguf_close(&f);
}

/* ---- Llama 3's scaling ----------------------------------------------------------------------------------------------- */

static pm_status read_zeros(void *user, uint32_t param, uint64_t first, uint64_t count, float *out)
{
    (void)user;
    (void)param;
    (void)first;
    memset(out, 0, (size_t)count * sizeof *out);
    return PM_OK;
}

/* A file of this configuration whose weights are zeros. */
static void write_zeros(const char *path, const pm_gpt_config *config)
{
    const pm_log log_here = test_log();
    gguf_writer *w;
    assert_int_equal(gguf_writer_make(&log_here, path, &w), PM_OK);
    assert_int_equal(gguf_model_put(&log_here, "some/model", w, config, GGUF_F16), PM_OK);
    assert_int_equal(gguf_write_begin(w), PM_OK);
    assert_int_equal(gguf_model_write(&log_here, w, config, (gpt_source){read_zeros, NULL}), PM_OK);
    assert_int_equal(gguf_write_commit(&w), PM_OK);
}

static pm_gpt_config llama3(uint32_t head, float factor, uint32_t original, float low, float high)
{
    const pm_gpt_config config = {.arch = PM_ARCH_LLAMA,
                                  .vocab = 61,
                                  .ctx = 1024,
                                  .embd = 2 * head,
                                  .heads = 2,
                                  .layers = 1,
                                  .rotary = {.theta = 5e5f,
                                             .scaling = PM_ROTARY_LLAMA3,
                                             .factor = factor,
                                             .low = low,
                                             .high = high,
                                             .original = original}};
    return gpt_config_filled(&config);
}

static void expect_divisors(const char *path, const pm_gpt_config *c)
{
    gguf_file f;
    const double pi = 3.14159265358979323846;
    const pm_rotary *r = &c->rotary;
    assert_int_equal(gguf_open(NULL, path, &f), PM_OK);
    float *there = floats_of(&f, "rope_freqs.weight", c->head / 2);
    for (uint32_t i = 0; i < c->head / 2; i++) {
        const double wave = 2 * pi * pow((double)r->theta, 2.0 * i / c->head);
        double s = ((double)r->original / wave - (double)r->low) / ((double)r->high - (double)r->low), want;
        s = s < 0 ? 0 : s > 1 ? 1 : s;
        want = 1 / (s + (1 - s) / (double)r->factor);
        if (!(fabs((double)there[i] - want) <= 1e-6 * want))
            fail_msg("pair %u: %.9g instead of %.9g", (unsigned)i, (double)there[i], want);
    }
    free(there);
    gguf_close(&f);
}

static void test_scaling(void **state)
{
    (void)state;
    const pm_log log_here = test_log();
    const pm_gpt_config rows[] = {llama3(64, 32, 8192, 1, 4), llama3(128, 8, 8192, 1, 4), llama3(64, 32, 8192, 2, 16),
                                  llama3(16, 8, 2048, 1, 4), llama3(8, 8, 1u << 20, 1, 4)};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *file = fresh("scaling.gguf");
        pm_gpt_config read;
        gguf_file f;
        write_zeros(file, &rows[i]);
        expect_divisors(file, &rows[i]);
        assert_int_equal(pm_gpt_config_load(&log_here, file, &read), PM_OK);
        decoder_same("llama3", &read, &rows[i]);
        assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
        /* what all of Llama 3 have needs no key of Pumice's own, and llama.cpp would take this one for its linear scaling */
        assert_true((gguf_find_meta(&f, "pumice.rope_llama3") == NULL) == (i < 2));
        assert_null(gguf_find_meta(&f, "llama.rope.scaling.factor"));
        gguf_close(&f);
    }
}

/* What GGUF cannot say. */
static void test_unsaid(void **state)
{
    (void)state;
    pm_log log_here = test_log();
    gguf_writer *w;
    pm_gpt_config task = llama3(16, 8, 8192, 1, 4), qwen = task,
                  windows = {.arch = PM_ARCH_GEMMA3,
                             .vocab = 61,
                             .ctx = 64,
                             .embd = 32,
                             .heads = 2,
                             .layers = 3,
                             .window = 8,
                             .window_first = 1};
    const char *file = fresh("unsaid.gguf");
    task.outputs = 2;
    qwen.arch = PM_ARCH_QWEN2;
    windows = gpt_config_filled(&windows);
    assert_int_equal(gguf_writer_make(&log_here, file, &w), PM_OK);
    test_log_reset();
    test_expect_failure(gguf_model_put(&log_here, "some/model", w, &task, GGUF_F16), PM_INVALID, "some/model: GGUF",
                        "task's head");
    test_expect_failure(gguf_model_put(&log_here, "some/model", w, &qwen, GGUF_F16), PM_INVALID, "some/model: GGUF",
                        "not for Qwen 2");
    test_expect_failure(gguf_model_put(&log_here, "some/model", w, &windows, GGUF_F16), PM_INVALID, "some/model: GGUF",
                        "windows");
    gguf_write_abandon(&w);
    const pm_gguf_params wrong = {.type = (pm_gguf_type)9};
    test_expect_failure(pm_model_convert_gguf(&log_here, golden("llama"), file, &wrong), PM_INVALID, "pm_gguf_params",
                        "type 9");
    test_expect_failure(pm_model_convert_gguf(&log_here, golden("gpt1"), file, NULL), PM_INVALID, golden("gpt1"),
                        "GGUF has no architecture for GPT-1");
    test_expect_failure(pm_model_convert_gguf(&log_here, golden("task-classify"), file, NULL), PM_INVALID,
                        golden("task-classify"), "GGUF");
    pm_gguf_type type = PM_GGUF_F16;
    assert_true(pm_gguf_type_named("bf16", &type) && type == PM_GGUF_BF16);
    assert_false(pm_gguf_type_named("q4_0", &type));
    assert_string_equal(pm_gguf_type_name(PM_GGUF_Q8_0), "q8_0");
    FILE *there = fopen(file, "rb");
    assert_null(there);
}

/* ---- files that are refused ------------------------------------------------------------------------------------------ */

/* A change to a file: keys and tensors of these names are left out; then a key is added, and a tensor. */
typedef struct change {
    const char *without;
    const char *text_key, *text; /* a string */
    const char *key;             /* a number */
    double value;
    bool real, flag;    /* its type is F32, or BOOL; else U32 */
    const char *tensor; /* of zeros */
    uint64_t dims[2];
    const char *scaled; /* a tensor whose last number is `factor` times as much */
    float factor;
    uint32_t tokens;   /* so many in tokenizer.ggml.tokens */
    uint32_t numbers;  /* so many in pumice.rope_llama3 */
    const char *words; /* of the error line */
} change;

static bool is_name(const char *name, const char *other)
{
    return other && strcmp(name, other) == 0;
}

static void put_keys(gguf_writer *w, const gguf_file *f, const change *c)
{
    static const float numbers[4] = {8, 1, 4, 32};
    for (size_t i = 0; i < f->meta_count; i++) {
        const char *key = f->meta[i].key;
        if (is_name(key, c->without) || is_name(key, c->key) || is_name(key, c->text_key)) continue;
        if (c->numbers && is_name(key, "pumice.rope_llama3")) continue;
        gguf_put_meta(w, &f->meta[i]);
    }
    if (c->text_key) gguf_put_text(w, c->text_key, c->text);
    if (c->key && c->real) gguf_put_f32(w, c->key, (float)c->value);
    if (c->key && c->flag) gguf_put_bool(w, c->key, c->value != 0);
    if (c->key && !c->real && !c->flag) gguf_put_u32(w, c->key, (uint32_t)c->value);
    if (c->numbers) gguf_put_f32s(w, "pumice.rope_llama3", numbers, c->numbers);
    gguf_text tokens[64];
    for (uint32_t i = 0; i < c->tokens; i++) tokens[i] = (gguf_text){"a", 1};
    if (c->tokens) gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, c->tokens);
}

static void write_changed(const char *from, const char *to, const change *c)
{
    const pm_log log_here = test_log();
    gguf_file f;
    gguf_writer *w;
    assert_int_equal(gguf_open(&log_here, from, &f), PM_OK);
    assert_int_equal(gguf_writer_make(&log_here, to, &w), PM_OK);
    put_keys(w, &f, c);
    for (size_t i = 0; i < f.tensor_count; i++) {
        const gguf_tensor *t = &f.tensors[i];
        if (!is_name(t->name, c->without)) gguf_put_tensor(w, t->name, t->dtype, t->rank, t->dims);
    }
    if (c->tensor) gguf_put_tensor(w, c->tensor, GGUF_F32, 2, c->dims);
    assert_int_equal(gguf_write_begin(w), PM_OK);
    for (size_t i = 0; i < f.tensor_count; i++) {
        const gguf_tensor *t = &f.tensors[i];
        if (is_name(t->name, c->without)) continue;
        float *values = floats_of(&f, t->name, (size_t)t->count);
        if (is_name(t->name, c->scaled)) values[t->count - 1] *= c->factor;
        gguf_put_floats(w, values, (size_t)t->count);
        free(values);
    }
    if (c->tensor) {
        float *zeros = golden_floats((size_t)(c->dims[0] * c->dims[1]));
        gguf_put_floats(w, zeros, (size_t)(c->dims[0] * c->dims[1]));
        free(zeros);
    }
    assert_int_equal(gguf_write_commit(&w), PM_OK);
    gguf_close(&f);
}

static void expect_refused(const char *family, const change *rows, size_t count)
{
    const pm_log log_here = test_log();
    char file[512], bad[512], out[512];
    snprintf(file, sizeof file, "%s", fresh("right.gguf"));
    snprintf(bad, sizeof bad, "%s", test_path(test_root, "bad.gguf"));
    snprintf(out, sizeof out, "%s", test_path(test_root, "bad-out"));
    to_gguf(golden(family), file, PM_GGUF_F32);
    for (size_t i = 0; i < count; i++) {
        write_changed(file, bad, &rows[i]);
        test_log_reset();
        test_expect_failure(pm_model_convert(&log_here, bad, 0, out), PM_FORMAT, bad, rows[i].words);
        assert_int_equal(test_dir_count(test_root, "bad-out"), 0);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const change llama[] = {
        {.text_key = "general.architecture", .text = "mamba", .words = "general.architecture is none of gpt2, llama"},
        {.without = "general.architecture", .words = "general.architecture"},
        {.without = "llama.block_count", .words = "llama.block_count"},
        {.without = "llama.attention.head_count", .words = "llama.attention.head_count"},
        {.without = "llama.attention.layer_norm_rms_epsilon",
         .words = "'llama.attention.layer_norm_rms_epsilon': is missing"},
        {.key = "llama.context_length", .value = 0, .words = "llama.context_length is 0"},
        {.text_key = "llama.embedding_length", .text = "48", .words = "llama.embedding_length"},
        {.key = "llama.expert_count", .value = 8, .words = "llama.expert_count is not supported"},
        {.key = "llama.final_logit_softcapping", .value = 30, .real = true, .words = "softcapping is not supported"},
        {.key = "llama.attn_logit_softcapping", .value = 50, .real = true, .words = "softcapping is not supported"},
        {.key = "llama.attention.head_count_kv",
         .value = 4,
         .words = "llama.attention.head_count_kv: 4 does not divide attention.head_count, 6"},
        {.key = "llama.attention.key_length", .value = 6, .words = "llama.attention.key_length: the head size is 6"},
        {.without = "llama.attention.key_length",
         .key = "llama.attention.head_count",
         .value = 7,
         .words = "llama.attention.head_count: 7 does not divide embedding_length, 48"},
        {.key = "llama.rope.freq_base",
         .value = 0,
         .real = true,
         .words = "llama.rope.freq_base is not a number above 1"},
        {.key = "llama.attention.layer_norm_rms_epsilon",
         .value = 2,
         .real = true,
         .words = "llama.attention.layer_norm_rms_epsilon: 2 is not at least 0"},
        {.key = "llama.rope.dimension_count", .value = 6, .words = "rope_freqs.weight has another length"},
        {.key = "llama.attention.value_length",
         .value = 16,
         .words = "llama.attention.value_length is another than the keys' length"},
        {.key = "llama.rope.scaling.attn_factor",
         .value = 2,
         .real = true,
         .words = "llama.rope.scaling.attn_factor is not 1"},
        {.key = "llama.attention.causal", .flag = true, .words = "llama.attention.causal is false"},
        {.key = "split.count", .value = 2, .words = "is one of 2 parts of a model"},
        {.text_key = "llama.rope.scaling.type", .text = "longrope", .words = "is none of none, linear, yarn"},
        {.without = "blk.1.ffn_up.weight", .words = "blk.1.ffn_up.weight is missing"},
        {.without = "token_embd.weight", .words = "token_embd.weight is missing"},
        {.without = "blk.0.attn_k.weight",
         .tensor = "blk.0.attn_k.weight",
         .dims = {48, 15},
         .words = "blk.0.attn_k.weight should have the shape [48, 16], and has [48, 15]"},
        {.without = "blk.0.ffn_down.weight",
         .tensor = "blk.0.ffn_down.weight",
         .dims = {48, 32},
         .words = "blk.0.ffn_down.weight should have the shape [32, 48]"},
        {.scaled = "rope_freqs.weight", .factor = 3, .words = "rope_freqs.weight has other divisors"},
        {.without = "pumice.rope_llama3", .words = "rope_freqs.weight has other divisors"},
        {.numbers = 3, .words = "pumice.rope_llama3 must have 4 numbers"},
        {.tokens = 62, .words = "tokenizer.ggml.tokens has 62 tokens, and token_embd.weight only 61"},
    };
    static const change gemma3[] = {
        {.without = "gemma3.attention.sliding_window", .words = "gemma3.attention.sliding_window"},
        {.key = "pumice.query_pre_attn_scalar", .value = 0, .real = true, .words = "is not a number above 0"},
        {.without = "blk.0.post_ffw_norm.weight", .words = "blk.0.post_ffw_norm.weight is missing"},
        {.tensor = "blk.0.ffn_gate.bias", .dims = {32, 1}, .words = "blk.0.ffn_gate.bias is there"},
    };
    expect_refused("llama", llama, sizeof llama / sizeof *llama);
    expect_refused("gemma3", gemma3, sizeof gemma3 / sizeof *gemma3);
}

/* What is read with a warning. */
static void test_warned(void **state)
{
    (void)state;
    static const change rows[] = {
        {.scaled = "blk.1.ffn_down.weight",
         .factor = INFINITY,
         .words = "blk.1.ffn_down.weight has values that are not finite"},
        {.key = "llama.vocab_size",
         .value = 60,
         .words = "llama.vocab_size is 60; the 61 rows of token_embd.weight count"},
    };
    const pm_log log_here = test_log();
    char file[512], other[512], out[512];
    snprintf(file, sizeof file, "%s", fresh("right.gguf"));
    snprintf(other, sizeof other, "%s", test_path(test_root, "other.gguf"));
    to_gguf(golden("llama"), file, PM_GGUF_F32);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_changed(file, other, &rows[i]);
        snprintf(out, sizeof out, "%s", fresh("warned"));
        test_log_reset();
        assert_int_equal(pm_model_convert(&log_here, other, 0, out), PM_OK);
        assert_int_equal(test_log_count(PM_LOG_WARN), 1);
        assert_non_null(strstr(test_last_warning(), rows[i].words));
    }
    /* a factor without a type is linear, as in llama.cpp */
    const change factor = {.key = "qwen2.rope.scaling.factor", .value = 4, .real = true};
    pm_gpt_config c;
    to_gguf(golden("qwen2"), file, PM_GGUF_F32);
    write_changed(file, other, &factor);
    assert_int_equal(pm_gpt_config_load(&log_here, other, &c), PM_OK);
    assert_true(c.rotary.scaling == PM_ROTARY_LINEAR && c.rotary.factor == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),  cmocka_unit_test(test_rounded), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_others), cmocka_unit_test(test_scaling), cmocka_unit_test(test_unsaid),
        cmocka_unit_test(test_warned), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
