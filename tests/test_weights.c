/* Weights of 16 bits compute what the same numbers compute in fp32; they are what the files have, and do not train. A session's context and its cache in
 * fp16. Memory is what the plan says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "base/dtype.h"
#include "gpu/gpu.h"
#include "helper_device.h"
#include "helper_dir.h"
#include "helper_log.h"

enum { CTX = 48, VOCAB = 257, TOKENS = 40 };

static const pm_gpt_config configs[] = {
    {.arch = PM_ARCH_QWEN3, .vocab = VOCAB, .ctx = CTX, .embd = 64, .layers = 2, .heads = 4, .kv_heads = 2, .head = 20},
    {.arch = PM_ARCH_GPT2, .vocab = VOCAB, .ctx = CTX, .embd = 36, .layers = 2, .heads = 3},
    {.arch = PM_ARCH_GEMMA3,
     .vocab = VOCAB,
     .ctx = CTX,
     .embd = 64,
     .layers = 3,
     .heads = 4,
     .kv_heads = 1,
     .window = 16},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

static pm_device *device;

static pm_model *made(const pm_gpt_config *config)
{
    pm_model *model = NULL;
    assert_int_equal(pm_model_create(device, config, 5, &model), PM_OK);
    return model;
}

static const char *saved(pm_model *model, const char *name)
{
    const char *dir = test_path(test_root, name);
    assert_int_equal(pm_model_save(model, dir), PM_OK);
    return dir;
}

static pm_model *loaded(const char *path, pm_weights weights)
{
    pm_model *model = NULL;
    const pm_status status = pm_model_load_as(device, path, &(pm_model_params){.weights = weights}, &model);
    if (status != PM_OK) fail_msg("%s", test_last_error());
    return model;
}

static float *values_of(const pm_model *model, size_t index, uint64_t *count)
{
    const pm_param p = pm_model_param(model, index);
    *count = (uint64_t)p.rows * p.cols;
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(pm_model_read(model, index, values), PM_OK);
    return values;
}

static dtype_id dtype_of(pm_weights type)
{
    return type == PM_WEIGHTS_F16 ? DTYPE_F16 : type == PM_WEIGHTS_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

/* Rounds a model of fp32 to the types of another one, whose numbers must be these. */
static void round_as(pm_model *plain, const pm_model *narrow)
{
    for (size_t p = 0; p < pm_model_param_count(plain); p++) {
        uint64_t count, same;
        float *values = values_of(plain, p, &count), *others = values_of(narrow, p, &same);
        const dtype_id type = dtype_of(pm_model_param_type(narrow, p));
        uint16_t *bits = calloc(count + 2, 2 * sizeof *bits);
        assert_non_null(bits);
        assert_true(dtype_pack(type, values, count, bits));
        dtype_unpack(type, bits, count, values);
        assert_memory_equal(values, others, count * sizeof *values);
        assert_int_equal(pm_model_write(plain, p, values), PM_OK);
        free(bits);
        free(values);
        free(others);
    }
}

static void make_text(uint32_t tokens[TOKENS])
{
    for (uint32_t i = 0; i < TOKENS; i++) tokens[i] = (7 * i * i + 3 * i + 1) % VOCAB;
}

static void read_text(pm_session *session, float logits[VOCAB])
{
    uint32_t tokens[TOKENS];
    make_text(tokens);
    assert_int_equal(pm_session_feed(session, tokens, TOKENS - 3), PM_OK); /* in chunks, */
    for (uint32_t i = TOKENS - 3; i < TOKENS; i++) assert_int_equal(pm_session_feed(session, tokens + i, 1), PM_OK);
    memcpy(logits, pm_session_logits(session), VOCAB * sizeof *logits);
}

static void logits_of(pm_model *model, const pm_session_params *params, float logits[VOCAB])
{
    pm_session *session = NULL;
    assert_int_equal(pm_session_create_as(model, params, &session), PM_OK);
    read_text(session, logits);
    pm_session_destroy(&session);
}

/* The largest difference, as a share of the largest logit. */
static double difference(const float *a, const float *b)
{
    double most = 0, size = 0;
    for (int i = 0; i < VOCAB; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        size = fmax(size, fabs((double)b[i]));
    }
    return most / size;
}

static pm_corpus *corpus_of(void)
{
    static const char text[] = "a text to measure a loss on, of some more bytes than one window of the context has";
    const char *path = test_path(test_root, "text.txt");
    pm_tokenizer *bytes = NULL;
    pm_corpus *corpus = NULL;
    const pm_log log = test_log();
    test_write(path, text, sizeof text - 1);
    assert_int_equal(pm_tokenizer_bytes(&log, &bytes), PM_OK);
    assert_int_equal(pm_corpus_open(&log, path, bytes, &corpus), PM_OK);
    pm_tokenizer_destroy(&bytes);
    return corpus;
}

static double loss_of(pm_model *model, pm_corpus *corpus)
{
    pm_eval_result result;
    assert_int_equal(pm_model_eval(model, corpus, &result), PM_OK);
    return result.loss;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void test_numbers(void **state)
{
    static const pm_weights types[] = {PM_WEIGHTS_F16, PM_WEIGHTS_BF16};
    (void)state;
    pm_corpus *corpus = corpus_of();
    for (int c = 0; c < CONFIGS; c++)
        for (int t = 0; t < 2; t++) {
            pm_model *plain = made(&configs[c]), *narrow = loaded(saved(plain, "plain"), types[t]);
            float a[VOCAB], b[VOCAB];
            size_t count = 0;
            for (size_t p = 0; p < pm_model_param_count(narrow); p++) {
                const bool is = pm_model_param_type(narrow, p) == types[t];
                assert_true(is || pm_model_param_type(narrow, p) == PM_WEIGHTS_F32);
                assert_true(!is || pm_model_param(narrow, p).rows > 1);
                count += is;
            }
            assert_true(count == 1 + 4u * configs[c].layers); /* the table; qkv, proj, fc, out */
            round_as(plain, narrow);
            logits_of(plain, NULL, a);
            logits_of(narrow, NULL, b);
            assert_true(difference(b, a) <= 1e-5);
            const double want = loss_of(plain, corpus), got = loss_of(narrow, corpus);
            if (!(fabs(got - want) <= 1e-6 * want)) fail_msg("config %d: loss %.9g, not %.9g", c, got, want);
            pm_model_destroy(&plain);
            pm_model_destroy(&narrow);
        }
    pm_corpus_close(&corpus);
}

/* Each type of file; a folder of fp32 stays so. Saved again, nothing changes. */
static void test_files(void **state)
{
    static const struct {
        pm_gguf_type file;
        pm_weights memory;
    } cases[] = {{PM_GGUF_F32, PM_WEIGHTS_F32},
                 {PM_GGUF_F16, PM_WEIGHTS_F16},
                 {PM_GGUF_BF16, PM_WEIGHTS_BF16},
                 {PM_GGUF_Q8_0, PM_WEIGHTS_F16}};
    (void)state;
    const pm_log log = test_log();
    pm_model *plain = made(&configs[0]);
    pm_tokenizer *bytes = NULL;
    const char *dir = saved(plain, "folder");
    assert_int_equal(pm_tokenizer_bytes(&log, &bytes), PM_OK);
    assert_int_equal(pm_tokenizer_save(&log, bytes, dir), PM_OK);
    pm_tokenizer_destroy(&bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%zu.gguf", i);
        const char *path = test_path(test_root, name);
        assert_int_equal(pm_model_convert_gguf(&log, dir, path, &(pm_gguf_params){cases[i].file}), PM_OK);
        pm_model *m = loaded(path, PM_WEIGHTS_FILE), *full = loaded(path, PM_WEIGHTS_F32);
        assert_int_equal(pm_model_param_type(m, 0), cases[i].memory);
        assert_int_equal(pm_model_param_type(m, 1), PM_WEIGHTS_F32); /* a norm's gain */
        round_as(full, m);
        const char *again = saved(m, "again"), *other = saved(full, "other");
        test_same_file(again, other, "model.safetensors");
        pm_model_destroy(&m);
        pm_model_destroy(&full);
    }
    pm_model *m = loaded(dir, PM_WEIGHTS_FILE);
    for (size_t p = 0; p < pm_model_param_count(m); p++) assert_int_equal(pm_model_param_type(m, p), PM_WEIGHTS_F32);
    pm_model_destroy(&m);
    pm_model_destroy(&plain);
}

static void test_session(void **state)
{
    (void)state;
    float full[VOCAB], other[VOCAB];
    uint32_t tokens[TOKENS];
    make_text(tokens);
    for (int c = 0; c < CONFIGS; c++) {
        pm_model *model = made(&configs[c]);
        logits_of(model, NULL, full);
        logits_of(model, &(pm_session_params){.ctx = TOKENS}, other);
        assert_true(difference(other, full) <= 1e-5);
        if (pm_device_caps(device)->storage16) {
            logits_of(model, &(pm_session_params){.cache_f16 = true}, other);
            const double d = difference(other, full);
            assert_true(d <= 2e-3 && d > 0);
        }
        pm_session *small = NULL, *fresh = NULL; /* the newer half of the text, and what follows */
        assert_int_equal(pm_session_create_as(model, &(pm_session_params){.ctx = 16}, &small), PM_OK);
        assert_int_equal(pm_session_create_as(model, &(pm_session_params){.ctx = 2 * CTX}, &fresh), PM_OK);
        assert_int_equal(pm_session_ctx(small), 16);
        assert_int_equal(pm_session_ctx(fresh), CTX);
        assert_int_equal(pm_session_feed(small, tokens, 20), PM_OK);
        assert_int_equal(pm_session_feed(fresh, tokens + 8, 12), PM_OK);
        assert_int_equal(pm_session_length(small), 12);
        assert_true(difference(pm_session_logits(small), pm_session_logits(fresh)) <= 1e-5);
        pm_session_destroy(&small);
        pm_session_destroy(&fresh);
        pm_model_destroy(&model);
    }
}

/* Buffers lie in blocks of up to 64 MiB, of two lifetimes: so much more may be taken (tools/real-sizes.sh has models beside which that is little). */
#define BLOCKS (2.0 * 64 * 1024 * 1024)

static void test_plan(void **state)
{
    static const pm_weights types[] = {PM_WEIGHTS_F32, PM_WEIGHTS_BF16};
    const pm_gpt_config config = {
        .arch = PM_ARCH_LLAMA, .vocab = 4000, .ctx = 2048, .embd = 256, .layers = 4, .heads = 8, .kv_heads = 4};
    (void)state;
    const pm_log log = test_log();
    pm_model *plain = made(&config);
    const char *dir = saved(plain, "big");
    pm_model_destroy(&plain);
    uint64_t weights[2] = {0};
    for (int t = 0; t < 2; t++) {
        const pm_model_params how = {types[t]};
        const pm_session_params params = {.ctx = t ? 256 : 0, .cache_f16 = t && pm_device_caps(device)->storage16};
        pm_session_plan plan;
        pm_session *session = NULL;
        uint64_t empty, now, peak;
        uint32_t tokens[40] = {0};
        gpu_memory_stats(device, &empty, &peak);
        assert_int_equal(pm_session_plan_load(&log, pm_device_caps(device), dir, &how, &params, &plan), PM_OK);
        pm_model *model = loaded(dir, types[t]);
        assert_int_equal(pm_session_create_as(model, &params, &session), PM_OK);
        assert_int_equal(pm_session_feed(session, tokens, 40), PM_OK);
        gpu_memory_stats(device, &now, &peak);
        const double planned = (double)(plan.weights + plan.cache + plan.workspace), held = (double)(now - empty);
        if (!(held >= planned && held <= planned + BLOCKS))
            fail_msg("%g bytes were planned, and %g taken", planned, held);
        weights[t] = plan.weights;
        pm_session_destroy(&session);
        pm_model_destroy(&model);
    }
    assert_true(weights[1] < 0.6 * (double)weights[0]);
}

static void test_refusals(void **state)
{
    (void)state;
    pm_model *plain = made(&configs[0]), *narrow = loaded(saved(plain, "refused"), PM_WEIGHTS_BF16), *none = NULL;
    pm_trainer *trainer = NULL;
    const pm_train_params train = {.batch = 1, .steps = 1};
    test_log_reset();
    test_expect_failure(pm_trainer_create(narrow, &train, &trainer), PM_INVALID, "train",
                        "the model's weights are in 16 bits; loaded as f32 they train");
    test_expect_failure(
        pm_model_load_as(device, test_path(test_root, "refused"), &(pm_model_params){(pm_weights)9}, &none), PM_INVALID,
        "model", "weights are unknown; f32, f16 or bf16 would be right");
    uint64_t count;
    float *values = values_of(plain, 0, &count);
    values[count - 1] = -70000.0f;
    assert_int_equal(pm_model_write(plain, 0, values), PM_OK);
    (void)saved(plain, "large");
    test_expect_failure(
        pm_model_load_as(device, test_path(test_root, "large"), &(pm_model_params){PM_WEIGHTS_F16}, &none),
        PM_UNSUPPORTED, test_path(test_root, "large"), "model.embed_tokens.weight has numbers that f16 does not hold");
    assert_null(none);
    pm_model *wide = loaded(test_path(test_root, "large"), PM_WEIGHTS_BF16);
    pm_model_destroy(&wide);
    free(values);
    pm_model_destroy(&plain);
    pm_model_destroy(&narrow);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i <= PM_WEIGHTS_FILE; i++) {
        pm_weights found = (pm_weights)-1;
        assert_true(pm_weights_named(pm_weights_name((pm_weights)i), &found));
        assert_int_equal(found, i);
    }
    pm_weights same = PM_WEIGHTS_F16;
    assert_false(pm_weights_named("f8", &same));
    assert_int_equal(same, PM_WEIGHTS_F16);
    assert_string_equal(pm_weights_name((pm_weights)-1), "unknown");
}

static int open_all(void **state)
{
    const pm_log log = test_log();
    const pm_device_params params = {.log = log};
    device = test_device_open(&params);
    return test_root_make(state);
}

static int close_all(void **state)
{
    test_device_done(&device);
    return test_root_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),  cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_session),  cmocka_unit_test(test_plan),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
