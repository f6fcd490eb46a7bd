/* Models in GGUF files, there and back without a device: PyTorch's golden folders in every type, the order of rows, and Llama 3's scaling. */
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
#include "helper_gguf_model.h"
#include "helper_golden.h"
#include "helper_log.h"
#include "model/gguf_model.h"

static const char *const families[] = {"llama", "qwen2", "qwen3", "gemma3", "gpt2"};
enum { FAMILIES = sizeof families / sizeof *families };

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
        snprintf(file, sizeof file, "%s", fresh_path("exact.gguf"));
        snprintf(again, sizeof again, "%s", fresh_path("again.gguf"));
        to_folder(golden_folder(families[i]), plain);
        convert_to_gguf(golden_folder(families[i]), file, PM_GGUF_F32);
        to_folder(file, back);
        same_tensors(families[i], plain, back);
        assert_int_equal(pm_gpt_config_load(&log_here, golden_folder(families[i]), &given), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log_here, file, &read), PM_OK);
        assert_int_equal(pm_gpt_config_load(&log_here, back, &written), PM_OK);
        decoder_same(families[i], &read, &given);
        decoder_same(families[i], &written, &given);
        convert_to_gguf(file, again, PM_GGUF_F32); /* from one file to another: the same bytes */
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
        snprintf(file, sizeof file, "%s", fresh_path("rounded.gguf"));
        snprintf(back, sizeof back, "%s", test_path(test_root, "rounded"));
        convert_to_gguf(golden_folder("llama"), file, rows[i].type);
        to_folder(file, back);
        near_tensors(golden_folder("llama"), back, rows[i].matrices, rows[i].down);
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
    const char *file = fresh_path("pairs.gguf");
    convert_to_gguf(golden_folder("llama"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden_folder("llama"), "model.safetensors", &g);
    for (size_t i = 0; i < 2; i++) {
        float *there = gguf_floats_of(&f, rows[i].theirs, rows[i].heads * D * C);
        const float *here = tensor_of(&g, rows[i].ours);
        for (size_t h = 0; h < rows[i].heads; h++)
            for (size_t p = 0; p < D / 2; p++)
                for (size_t k = 0; k < 2; k++)
                    assert_memory_equal(there + (h * D + 2 * p + k) * C, here + (h * D + p + k * (D / 2)) * C, 4 * C);
        free(there);
    }
    float *v = gguf_floats_of(&f, "blk.1.attn_v.weight", 2 * D * C);
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
    const char *file = fresh_path("others.gguf");
    convert_to_gguf(golden_folder("qwen2"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden_folder("qwen2"), "model.safetensors", &g);
    float *q = gguf_floats_of(&f, "blk.0.attn_q.weight", 48 * 48), *b = gguf_floats_of(&f, "blk.0.attn_k.bias", 24);
    assert_memory_equal(q, tensor_of(&g, "model.layers.0.self_attn.q_proj.weight"), 4 * 48 * 48);
    assert_memory_equal(b, tensor_of(&g, "model.layers.0.self_attn.k_proj.bias"), 4 * 24);
    free(q);
    free(b);
    st_close(&g);
    gguf_close(&f);

    file = fresh_path("others.gguf");
    convert_to_gguf(golden_folder("gemma3"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden_folder("gemma3"), "model.safetensors", &g);
    static const struct {
        const char *ours, *theirs;
        size_t count;
    } gains[] = {{"model.norm.weight", "output_norm.weight", 40},
                 {"model.layers.0.self_attn.q_norm.weight", "blk.0.attn_q_norm.weight", 12},
                 {"model.layers.1.post_attention_layernorm.weight", "blk.1.post_attention_norm.weight", 40},
                 {"model.layers.1.pre_feedforward_layernorm.weight", "blk.1.ffn_norm.weight", 40},
                 {"model.layers.1.post_feedforward_layernorm.weight", "blk.1.post_ffw_norm.weight", 40}};
    for (size_t i = 0; i < sizeof gains / sizeof *gains; i++) {
        float *there = gguf_floats_of(&f, gains[i].theirs, gains[i].count);
        for (size_t k = 0; k < gains[i].count; k++) {
            const float want = tensor_of(&g, gains[i].ours)[k] + 1;
            assert_memory_equal(&there[k], &want, 4);
        }
        free(there);
    }
    st_close(&g);
    gguf_close(&f);

    file = fresh_path("others.gguf");
    convert_to_gguf(golden_folder("gpt2"), file, PM_GGUF_F32);
    assert_int_equal(gguf_open(NULL, file, &f), PM_OK);
    golden_open_tensors(golden_folder("gpt2"), "model.safetensors", &g);
    float *there = gguf_floats_of(&f, "blk.1.ffn_up.weight", 48 * 192);
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
    float *there = gguf_floats_of(&f, "rope_freqs.weight", c->head / 2);
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
        const char *file = fresh_path("scaling.gguf");
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
    const char *file = fresh_path("unsaid.gguf");
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
    test_expect_failure(pm_model_convert_gguf(&log_here, golden_folder("llama"), file, &wrong), PM_INVALID,
                        "pm_gguf_params", "type 9");
    test_expect_failure(pm_model_convert_gguf(&log_here, golden_folder("gpt1"), file, NULL), PM_INVALID,
                        golden_folder("gpt1"), "GGUF has no architecture for GPT-1");
    test_expect_failure(pm_model_convert_gguf(&log_here, golden_folder("task-classify"), file, NULL), PM_INVALID,
                        golden_folder("task-classify"), "GGUF");
    pm_gguf_type type = PM_GGUF_F16;
    assert_true(pm_gguf_type_named("bf16", &type) && type == PM_GGUF_BF16);
    assert_false(pm_gguf_type_named("q4_0", &type));
    assert_string_equal(pm_gguf_type_name(PM_GGUF_Q8_0), "q8_0");
    FILE *there = fopen(file, "rb");
    assert_null(there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),  cmocka_unit_test(test_rounded), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_others), cmocka_unit_test(test_scaling), cmocka_unit_test(test_unsaid),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
