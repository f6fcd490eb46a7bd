/* A session reads a prompt in chunks of two sizes and token by token: the logits are the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pumice/pumice.h>

#include "helper_device.h"
#include "infer/session.h"

enum { CTX = 300, VOCAB = 33 };

/* Reads pieces that fill the context: long ones, so that a GPU's chunks are used, and short ends, where no chunk has
 * room. */
static void read_all(pm_session *session, const uint32_t *tokens, const uint32_t *pieces, float *logits)
{
    uint32_t at = 0;
    pm_session_reset(session);
    for (; *pieces; at += *pieces++) assert_int_equal(pm_session_feed(session, tokens + at, *pieces), PM_OK);
    assert_int_equal(at, CTX - 1);
    for (uint32_t i = 0; i < VOCAB; i++) logits[i] = pm_session_logits(session)[i];
}

static void refuse_samplings(pm_session *session)
{
    const pm_sampling bad[] = {{.temperature = 1, .top_p = -0.5f},  {.temperature = 1, .top_p = 1.5f},
                               {.temperature = 1, .top_p = NAN},    {.temperature = -1},
                               {.temperature = NAN, .top_p = 0.5f}, {.temperature = INFINITY}};
    uint32_t token = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pm_session_sample(session, &bad[i], &token), PM_INVALID);
    assert_int_equal(token, 77);
    assert_int_equal(pm_session_sample(session, &(pm_sampling){0}, &token), PM_OK);
    assert_true(token < VOCAB);
}

static void check(const char *disable)
{
    static const uint32_t whole[] = {CTX - 1, 0}, odd[] = {7, 100, 41, 130, 21, 0}, ends[] = {250, 40, 5, 4, 0};
    const uint32_t *const ways[] = {whole, odd, ends};
    pm_device *device = test_device(disable);
    const uint32_t chunk = session_chunk(pm_device_caps(device), CTX);
    assert_int_equal(chunk, pm_device_caps(device)->serial ? 32 : 64);
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = CTX, .embd = 32, .layers = 2, .heads = 2};
    pm_model *model = NULL;
    pm_session *session = NULL;
    uint32_t tokens[CTX], ones[CTX];
    float single[VOCAB], other[VOCAB];
    for (uint32_t i = 0; i < CTX; i++) tokens[i] = i * i % VOCAB, ones[i] = i < CTX - 1;
    assert_int_equal(pm_model_create(device, &config, 3, &model), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    read_all(session, tokens, ones, single);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        read_all(session, tokens, ways[w], other);
        for (uint32_t i = 0; i < VOCAB; i++)
            if (!(fabsf(other[i] - single[i]) <= 1e-4f))
                fail_msg("way %zu: logit %u is %g, not %g", w, i, other[i], single[i]);
    }
    refuse_samplings(session);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
}

static void test_chunks(void **state)
{
    (void)state;
    check(NULL);
}

static void test_chunks_of_gpus(void **state)
{
    (void)state;
    check("serial");
}

/* A full context of one token keeps none: each token stands alone. */
static void test_one_token(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = 1, .embd = 32, .layers = 1, .heads = 2};
    const uint32_t tokens[] = {3, 1, 4, 1, 5};
    float alone[VOCAB];
    pm_model *model = NULL;
    pm_session *session = NULL;
    assert_int_equal(pm_model_create(device, &config, 3, &model), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &tokens[4], 1), PM_OK);
    memcpy(alone, pm_session_logits(session), sizeof alone);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(pm_session_feed(session, tokens, 5), PM_OK);
        assert_int_equal(pm_session_length(session), 1);
        assert_memory_equal(pm_session_logits(session), alone, sizeof alone);
    }
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
}

/* Of more tokens than a context holds only the last ones are read: the same bits as of these alone, in the stretches that a full context makes. A
 * million take no longer. */
static void test_long(void **state)
{
    (void)state;
    enum { LONG = 1000000, SMALL = 10, KEEP = SMALL / 2 };
    static const size_t counts[] = {11, 12, 15, 16, 17, 20, 21, 25, 26, 99, 100, 101, LONG};
    pm_device *device = test_device(NULL);
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = SMALL, .embd = 32, .layers = 1, .heads = 2};
    uint32_t *tokens = malloc(LONG * sizeof *tokens);
    pm_model *model = NULL;
    pm_session *session = NULL;
    float whole[VOCAB];
    assert_non_null(tokens);
    for (uint32_t i = 0; i < LONG; i++) tokens[i] = i * i % VOCAB;
    assert_int_equal(pm_model_create(device, &config, 3, &model), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        const size_t count = counts[c], times = (count - SMALL + KEEP - 1) / KEEP, slid = SMALL + (times - 1) * KEEP;
        pm_session_reset(session);
        assert_int_equal(pm_session_feed(session, tokens, count), PM_OK);
        assert_int_equal(pm_session_length(session), KEEP + count - slid);
        memcpy(whole, pm_session_logits(session), sizeof whole);
        pm_session_reset(session);
        assert_int_equal(pm_session_feed(session, tokens + slid - KEEP, KEEP), PM_OK);
        assert_int_equal(pm_session_feed(session, tokens + slid, count - slid), PM_OK);
        assert_memory_equal(pm_session_logits(session), whole, sizeof whole);
    }
    free(tokens);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
}

static void test_not_finite(void **state)
{
    (void)state;
    pm_device *device = test_device(NULL);
    const pm_gpt_config config = {.vocab = VOCAB, .ctx = 8, .embd = 32, .layers = 1, .heads = 2};
    pm_model *model = NULL;
    pm_session *session = NULL;
    uint32_t token = 3;
    static float table[VOCAB * 32];
    table[5] = NAN;
    assert_int_equal(pm_model_create(device, &config, 3, &model), PM_OK);
    assert_int_equal(pm_model_write(model, 0, table), PM_OK);
    assert_int_equal(pm_session_create(model, &session), PM_OK);
    assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
    assert_int_equal(pm_session_sample(session, &(pm_sampling){0}, &token), PM_DIVERGED);
    assert_int_equal(token, 3);
    pm_session_destroy(&session);
    pm_model_destroy(&model);
    test_device_done(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chunks), cmocka_unit_test(test_chunks_of_gpus),
                                       cmocka_unit_test(test_one_token), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_not_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
