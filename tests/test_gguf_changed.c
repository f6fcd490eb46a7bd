/* Models in GGUF files with one change each: what is refused, and what is read with a warning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helper_dir.h"
#include "helper_gguf_model.h"
#include "helper_golden.h"
#include "helper_log.h"
#include "model/gguf_model.h"

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
        float *values = gguf_floats_of(&f, t->name, (size_t)t->count);
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
    snprintf(file, sizeof file, "%s", fresh_path("right.gguf"));
    snprintf(bad, sizeof bad, "%s", test_path(test_root, "bad.gguf"));
    snprintf(out, sizeof out, "%s", test_path(test_root, "bad-out"));
    convert_to_gguf(golden_folder(family), file, PM_GGUF_F32);
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
    snprintf(file, sizeof file, "%s", fresh_path("right.gguf"));
    snprintf(other, sizeof other, "%s", test_path(test_root, "other.gguf"));
    convert_to_gguf(golden_folder("llama"), file, PM_GGUF_F32);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_changed(file, other, &rows[i]);
        snprintf(out, sizeof out, "%s", fresh_path("warned"));
        test_log_reset();
        assert_int_equal(pm_model_convert(&log_here, other, 0, out), PM_OK);
        assert_int_equal(test_log_count(PM_LOG_WARN), 1);
        assert_non_null(strstr(test_last_warning(), rows[i].words));
    }
    /* a factor without a type is linear, as in llama.cpp */
    const change factor = {.key = "qwen2.rope.scaling.factor", .value = 4, .real = true};
    pm_gpt_config c;
    convert_to_gguf(golden_folder("qwen2"), file, PM_GGUF_F32);
    write_changed(file, other, &factor);
    assert_int_equal(pm_gpt_config_load(&log_here, other, &c), PM_OK);
    assert_true(c.rotary.scaling == PM_ROTARY_LINEAR && c.rotary.factor == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_warned), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
