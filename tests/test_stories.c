/* A trained Llama of 260 thousand parameters, where it is there: its greedy text, from a folder and from the GGUF file that Pumice makes of it; its loss
 * as computed in double; and its loss after some steps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_text.h"

enum { TOKENS = 200 };

/* tools/decoder_reference.py: the mean loss of these tokens behind the token that begins a text. */
static const double REFERENCE = 0.473417661;

static char model_dir[512];

static bool find_model(void)
{
    const char *config;
    if (!test_shared_file("llama/stories260K/config.json", &config)) return false;
    snprintf(model_dir, sizeof model_dir, "%.*s", (int)(strrchr(config, '/') - config), config);
    return true;
}

/* The text that the model's author expects, without its last line's end. */
static char *expected(size_t *size)
{
    char *text = test_read(test_path(model_dir, "expected.txt"), size);
    while (*size > 0 && text[*size - 1] == '\n') --*size;
    text[*size] = 0;
    return text;
}

static uint32_t likeliest(const float *logits, uint32_t vocab)
{
    uint32_t best = 0;
    for (uint32_t v = 1; v < vocab; v++)
        if (logits[v] > logits[best]) best = v;
    return best;
}

/* Compares the greedy text of the model at `path`, a folder or a file. */
static void check_text(pm_device *device, const char *path)
{
    pm_model *model = NULL;
    pm_tokenizer *tok = NULL;
    pm_session *session = NULL;
    pm_detokenizer *back = NULL;
    size_t size, n, used = 0;
    char *want = expected(&size), got[8192];
    assert_int_equal(pm_model_load(device, path, &model), PM_OK);
    assert_int_equal(pm_tokenizer_load(NULL, path, &tok), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_detokenizer_create(NULL, tok, false, &back), PM_OK);
    uint32_t token = pm_tokenizer_begin(tok);
    assert_int_equal(token, 1);
    for (int i = 0; i < TOKENS; i++) {
        assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
        token = likeliest(pm_session_logits(session), pm_model_config(model)->vocab);
        const char *text = pm_detokenizer_put(back, token, &n);
        assert_true(used + n < sizeof got);
        memcpy(got + used, text, n);
        used += n;
    }
    got[used] = 0;
    assert_string_equal(got, want);
    free(want);
    pm_detokenizer_destroy(&back);
    pm_session_destroy(&session);
    pm_tokenizer_destroy(&tok);
    pm_model_destroy(&model);
}

static void test_greedy_text(void **state)
{
    (void)state;
    if (!find_model()) skip();
    pm_device *device = test_device(NULL);
    const char *file = test_path(test_root, "stories.gguf");
    const pm_gguf_params params = {.type = PM_GGUF_F32};
    check_text(device, model_dir);
    assert_int_equal(pm_model_convert_gguf(NULL, model_dir, file, &params), PM_OK);
    check_text(device, file);
    test_device_done(&device);
}

/* -log of the softmax at a token, in double. */
static double loss_of(const float *logits, uint32_t vocab, uint32_t token)
{
    double sum = 0;
    for (uint32_t v = 0; v < vocab; v++) sum += exp((double)logits[v] - (double)logits[token]);
    return log(sum);
}

static void test_loss(void **state)
{
    (void)state;
    if (!find_model()) skip();
    pm_device *device = test_device(NULL);
    pm_model *model = NULL;
    pm_tokenizer *tok = NULL;
    pm_session *session = NULL;
    uint32_t *tokens;
    size_t size, count;
    char *text = expected(&size);
    double total = 0;
    assert_int_equal(pm_model_load(device, model_dir, &model), PM_OK);
    assert_int_equal(pm_tokenizer_load(NULL, model_dir, &tok), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_tokenizer_encode(NULL, tok, "expected.txt", text, size, &tokens, &count), PM_OK);
    assert_int_equal(count, TOKENS);
    uint32_t before = pm_tokenizer_begin(tok);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pm_session_feed(session, &before, 1), PM_OK);
        total += loss_of(pm_session_logits(session), pm_model_config(model)->vocab, tokens[i]);
        before = tokens[i];
    }
    assert_true(fabs(total / (double)count - REFERENCE) < 1e-5);

    /* trained further on these tokens, the loss falls */
    enum { TIME = 64 };
    int32_t in[TIME], out[TIME];
    for (int i = 0; i < TIME; i++) in[i] = (int32_t)tokens[i], out[i] = (int32_t)tokens[i + 1];
    const pm_train_params params = {.batch = 1, .time = TIME, .steps = 10, .lr = 1e-3f, .min_lr = 1e-3f, .clip = 1};
    pm_trainer *trainer = NULL;
    pm_step first = {0}, last = {0};
    assert_int_equal(pm_trainer_create(model, &params, &trainer), PM_OK);
    assert_int_equal(pm_trainer_step_tokens(trainer, in, out, &first), PM_OK);
    for (int i = 1; i < 10; i++) assert_int_equal(pm_trainer_step_tokens(trainer, in, out, &last), PM_OK);
    assert_true(last.loss < 0.6f * first.loss);
    pm_trainer_destroy(&trainer);
    free(tokens);
    free(text);
    pm_session_destroy(&session);
    pm_tokenizer_destroy(&tok);
    pm_model_destroy(&model);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_greedy_text), cmocka_unit_test(test_loss)};
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
