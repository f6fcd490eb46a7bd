/* Makes values from a counter, and compares models through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "helper_model.h"

enum { VOCAB = 37, TOKENS = 7 };

/* k * 2^e with |k| from 128 to 255 and e from -16 to -11: magnitudes from 2^-9 to 2^-3. */
static float value_of(uint32_t param, uint32_t i, bool gain)
{
    const rng_block b = rng_philox(3, i, param, 0, 0);
    const float magnitude = (float)(128 + b.v[0] % 128) / (float)(1u << (11 + b.v[1] % 6));
    if (gain) return 1.0f + (float)(b.v[0] % 64) / 128.0f;
    return b.v[2] % 2 ? magnitude : -magnitude;
}

pm_model *test_model_make(pm_device *device, pm_arch arch, bool untied)
{
    const pm_gpt_config config = {
        .arch = arch, .vocab = VOCAB, .ctx = 12, .embd = 16, .heads = 2, .layers = 2, .inner = 40, .untied = untied};
    pm_model *model = NULL;
    assert_int_equal(pm_model_create(device, &config, 1, &model), PM_OK);
    for (uint32_t p = 0; p < pm_model_param_count(model); p++) {
        const pm_param param = pm_model_param(model, p);
        const uint32_t n = param.rows * param.cols;
        const bool gain = strstr(param.name, "ln_") && strstr(param.name, ".weight");
        float *values = malloc(n * sizeof *values);
        assert_non_null(values);
        for (uint32_t i = 0; i < n; i++) values[i] = value_of(p, i, gain);
        assert_int_equal(pm_model_write(model, p, values), PM_OK);
        free(values);
    }
    return model;
}

float *test_model_values(const pm_model *model, size_t index)
{
    const pm_param param = pm_model_param(model, index);
    float *values = malloc((size_t)param.rows * param.cols * sizeof *values);
    assert_non_null(values);
    assert_int_equal(pm_model_read(model, index, values), PM_OK);
    return values;
}

static float *logits_of(pm_model *model)
{
    const uint32_t tokens[TOKENS] = {3, 1, 4, 1, 5, 9, 36};
    pm_session *session = NULL;
    float *logits = malloc(VOCAB * sizeof *logits);
    assert_non_null(logits);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, tokens, TOKENS), PM_OK);
    memcpy(logits, pm_session_logits(session), VOCAB * sizeof *logits);
    pm_session_destroy(&session);
    return logits;
}

void test_model_same(pm_model *a, pm_model *b)
{
    const pm_gpt_config *x = pm_model_config(a), *y = pm_model_config(b);
    assert_int_equal(x->arch, y->arch);
    assert_int_equal(x->ctx, y->ctx);
    assert_int_equal(x->heads, y->heads);
    assert_int_equal(x->inner, y->inner);
    assert_int_equal(x->untied, y->untied);
    assert_true(x->eps == y->eps);
    assert_int_equal(pm_model_param_count(a), pm_model_param_count(b));
    for (size_t p = 0; p < pm_model_param_count(a); p++) {
        const pm_param one = pm_model_param(a, p), other = pm_model_param(b, p);
        assert_string_equal(one.name, other.name);
        assert_int_equal(one.rows, other.rows);
        assert_int_equal(one.cols, other.cols);
        float *left = test_model_values(a, p), *right = test_model_values(b, p);
        if (memcmp(left, right, (size_t)one.rows * one.cols * sizeof *left)) fail_msg("%s differs", one.name);
        free(left);
        free(right);
    }
    float *left = logits_of(a), *right = logits_of(b);
    assert_memory_equal(left, right, VOCAB * sizeof *left);
    free(left);
    free(right);
}
