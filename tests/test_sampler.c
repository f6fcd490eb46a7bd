/* Drawing tokens: greedy, temperature, top-k, top-p, their distributions, and logits that are not numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"
#include "infer/sampler.h"

enum { MAX_VOCAB = 1024, DRAWS = 20000 };

static pm_sampling sampling_of(float temperature, uint32_t top_k, float top_p)
{
    pm_sampling how = {0};
    how.temperature = temperature;
    how.top_k = top_k;
    how.top_p = top_p;
    how.seed = 7;
    return how;
}

/* One draw with a scratch of exactly vocab entries, from the heap, so that a sanitizer sees an access outside. */
static uint32_t draw(const float *logits, uint32_t vocab, const pm_sampling *how, uint64_t counter)
{
    sampler_entry *scratch = calloc(vocab ? vocab : 1, sizeof *scratch);
    assert_non_null(scratch);
    uint32_t token = sampler_draw(logits, vocab, how, counter, scratch);
    free(scratch);
    return token;
}

static void count_draws(const float *logits, uint32_t vocab, const pm_sampling *how, uint32_t *counts)
{
    for (uint32_t i = 0; i < vocab; i++) counts[i] = 0;
    for (uint64_t c = 0; c < DRAWS; c++) {
        uint32_t token = draw(logits, vocab, how, c);
        assert_true(token < vocab);
        counts[token]++;
    }
}

/* The tokens with p[i] == 0 never come; of the others the statistic stays below the chi-square law's 0.9999 quantile
 * (by Wilson and Hilferty's approximation). */
static void assert_distribution(const uint32_t *counts, const double *p, uint32_t vocab)
{
    double statistic = 0, freedom = -1;
    for (uint32_t i = 0; i < vocab; i++) {
        double want = p[i] * DRAWS;
        if (p[i] == 0) {
            if (counts[i]) fail_msg("token %u cannot come, but came %u times", i, counts[i]);
            continue;
        }
        statistic += (counts[i] - want) * (counts[i] - want) / want;
        freedom++;
    }
    if (freedom < 1) return;
    double cube = 1 - 2 / (9 * freedom) + 3.719 * sqrt(2 / (9 * freedom)), limit = freedom * cube * cube * cube;
    if (!(statistic < limit)) fail_msg("chi-square %.2f, at most %.2f for %.0f degrees", statistic, limit, freedom);
}

/* What the probabilities should be, the slow way: pick the best one again and again. */
static void probabilities(const float *logits, uint32_t vocab, const pm_sampling *how, double *p)
{
    bool taken[MAX_VOCAB] = {false};
    uint32_t order[MAX_VOCAB], kept = how->top_k && how->top_k < vocab ? how->top_k : vocab;
    double w[MAX_VOCAB], all = 0, sum = 0;
    for (uint32_t k = 0; k < kept; k++) {
        uint32_t best = vocab;
        for (uint32_t i = 0; i < vocab; i++)
            if (!taken[i] && (best == vocab || logits[i] > logits[best])) best = i;
        taken[best] = true;
        order[k] = best;
        w[k] = exp((double)(logits[best] - logits[order[0]]) / how->temperature);
        all += w[k];
    }
    if (how->top_p > 0 && how->top_p < 1) {
        uint32_t n = 0;
        for (; n == 0 || sum < how->top_p * all; n++) sum += w[n];
        kept = n;
        all = sum;
    }
    for (uint32_t i = 0; i < vocab; i++) p[i] = 0;
    for (uint32_t k = 0; k < kept; k++) p[order[k]] = w[k] / all;
}

static void check(const float *logits, uint32_t vocab, pm_sampling how)
{
    double p[MAX_VOCAB];
    uint32_t counts[MAX_VOCAB];
    probabilities(logits, vocab, &how, p);
    count_draws(logits, vocab, &how, counts);
    assert_distribution(counts, p, vocab);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static const float SOME[8] = {0.5f, -1.0f, 2.0f, 1.5f, 0.0f, 2.0f, -0.5f, 1.0f};

static void test_greedy(void **state)
{
    (void)state;
    pm_sampling how = {0};
    assert_int_equal(sampler_draw(SOME, 8, &how, 0, NULL), 2); /* of the two largest the first */
    how.top_k = 3;
    how.top_p = 0.5f;
    assert_int_equal(sampler_draw(SOME, 8, &how, 99, NULL), 2);
    how.temperature = -1.0f;
    assert_int_equal(sampler_draw(SOME, 8, &how, 0, NULL), 2);
    how.temperature = NAN;
    assert_int_equal(sampler_draw(SOME, 8, &how, 0, NULL), 2);
    static const float FLAT[3] = {-4, -4, -4};
    assert_int_equal(sampler_draw(FLAT, 3, &how, 0, NULL), 0);
}

static void test_one_left(void **state)
{
    (void)state;
    const pm_sampling one = sampling_of(5.0f, 1, 0), narrow = sampling_of(5.0f, 0, 1e-9f),
                      both = sampling_of(5.0f, 4, 1e-9f);
    const pm_sampling least = sampling_of(5.0f, 0, FLT_MIN);
    const pm_sampling cold = sampling_of(1e-30f, 0, 0);
    static const float APART[4] = {1, 3, 2, 0};
    for (uint64_t c = 0; c < 200; c++) {
        assert_int_equal(draw(SOME, 8, &one, c), 2);
        assert_int_equal(draw(SOME, 8, &narrow, c), 2);
        assert_int_equal(draw(SOME, 8, &least, c), 2);
        assert_int_equal(draw(SOME, 8, &both, c), 2);
        assert_int_equal(draw(APART, 4, &cold, c), 1);
        assert_int_equal(draw(APART, 1, &narrow, c), 0);
    }
}

static void test_same_again(void **state)
{
    (void)state;
    pm_sampling how = sampling_of(1.0f, 0, 0);
    uint32_t first[64], other_seed = 0, other_counter = 0;
    for (uint64_t c = 0; c < 64; c++) first[c] = draw(SOME, 8, &how, c);
    for (uint64_t c = 0; c < 64; c++) {
        assert_int_equal(draw(SOME, 8, &how, c), first[c]);
        other_counter += draw(SOME, 8, &how, c + (1ull << 32)) != first[c]; /* the upper half of the counter matters */
    }
    how.seed += 1ull << 32; /* as does that of the seed */
    for (uint64_t c = 0; c < 64; c++) other_seed += draw(SOME, 8, &how, c) != first[c];
    assert_in_range(other_seed, 20, 64);
    assert_in_range(other_counter, 20, 64);
}

static void test_distribution(void **state)
{
    (void)state;
    static const float TEMPERATURES[] = {0.5f, 1.0f, 3.0f};
    for (int i = 0; i < 3; i++) {
        check(SOME, 8, sampling_of(TEMPERATURES[i], 0, 0));
        check(SOME, 8, sampling_of(TEMPERATURES[i], 0, 1.0f));
        check(SOME, 8, sampling_of(TEMPERATURES[i], 100, 0));
        check(SOME, 8, sampling_of(TEMPERATURES[i], 3, 0));
        check(SOME, 8, sampling_of(TEMPERATURES[i], 0, 0.7f));
        check(SOME, 8, sampling_of(TEMPERATURES[i], 5, 0.8f));
    }
    float shifted[8];
    for (int i = 0; i < 8; i++) shifted[i] = SOME[i] + 1000.0f; /* exp of it overflows */
    check(shifted, 8, sampling_of(1.0f, 0, 0));
    check(shifted, 8, sampling_of(1.0f, 6, 0.9f));
}

/* Another seed for each draw is as random as another counter. */
static void test_seeds(void **state)
{
    (void)state;
    pm_sampling how = sampling_of(1.0f, 0, 0);
    double p[8];
    uint32_t counts[8] = {0};
    probabilities(SOME, 8, &how, p);
    for (how.seed = 0; how.seed < DRAWS; how.seed++) counts[draw(SOME, 8, &how, 3)]++;
    assert_distribution(counts, p, 8);
}

/* A larger vocabulary with many ties: the kept set is right. At an infinite temperature all kept tokens have the same
 * probability. */
static void test_kept_sets(void **state)
{
    (void)state;
    enum { VOCAB = 257 };
    float logits[VOCAB];
    for (uint32_t i = 0; i < VOCAB; i++) logits[i] = (float)(rng_philox(5, i, 0, 0, 0).v[0] % 40) - 20.0f;
    static const uint32_t KEPT[] = {2, 17, 64, 255, 256};
    for (size_t i = 0; i < sizeof KEPT / sizeof *KEPT; i++) {
        check(logits, VOCAB, sampling_of(INFINITY, KEPT[i], 0));
        check(logits, VOCAB, sampling_of(INFINITY, 0, ((float)KEPT[i] - 0.5f) / VOCAB));
    }
    check(logits, VOCAB, sampling_of(INFINITY, 100, 0.5f)); /* the best 50 */
    check(logits, VOCAB, sampling_of(INFINITY, 0, 0));
}

static void test_nucleus_edge(void **state)
{
    (void)state;
    static const float EQUAL[4] = {0, 0, 0, 0};
    pm_sampling how = sampling_of(1.0f, 0, 0.5f); /* two of four reach one half exactly */
    uint32_t counts[4];
    count_draws(EQUAL, 4, &how, counts);
    const double half[4] = {0.5, 0.5, 0, 0};
    assert_distribution(counts, half, 4);
    how.top_p = 0.51f;
    count_draws(EQUAL, 4, &how, counts);
    const double third[4] = {1.0 / 3, 1.0 / 3, 1.0 / 3, 0};
    assert_distribution(counts, third, 4);
}

static void test_no_numbers(void **state)
{
    (void)state;
    static const float NANS[3] = {NAN, NAN, NAN}, ONE[3] = {NAN, -3.0f, NAN}, LOW[3] = {-INFINITY, NAN, -INFINITY};
    static const float MIXED[6] = {NAN, 1.0f, -INFINITY, INFINITY, 5.0f, INFINITY};
    static const float HOLES[6] = {NAN, 0.0f, -INFINITY, 1.0f, NAN, 0.5f};
    const pm_sampling hows[] = {
        sampling_of(0, 0, 0),    sampling_of(1, 0, 0),           sampling_of(1, 2, 0),
        sampling_of(1, 0, 0.9f), sampling_of(1, 5, 0.9f),        sampling_of(1e-45f, 0, 0),
        sampling_of(1, 0, NAN),  sampling_of(INFINITY, 0, 0.9f), sampling_of(1, UINT32_MAX, -1.0f)};
    for (size_t h = 0; h < sizeof hows / sizeof *hows; h++)
        for (uint64_t c = 0; c < 100; c++) {
            assert_int_equal(draw(NANS, 3, &hows[h], c), 0);
            assert_int_equal(draw(NANS, 0, &hows[h], c), 0);
            assert_int_equal(draw(ONE, 3, &hows[h], c), 1);
            assert_true(draw(LOW, 3, &hows[h], c) != 1);
            uint32_t token = draw(MIXED, 6, &hows[h], c);
            assert_true(token == 3 || token == 5);
            token = draw(HOLES, 6, &hows[h], c);
            assert_true(token == 1 || token == 3 || token == 5);
        }
    pm_sampling how = sampling_of(1.0f, 0, 0);
    uint32_t counts[6];
    count_draws(MIXED, 6, &how, counts);
    const double half[6] = {0, 0, 0, 0.5, 0, 0.5};
    assert_distribution(counts, half, 6);
    how.temperature = INFINITY; /* -infinity / infinity is not a number either */
    const double third[6] = {0, 1.0 / 3, 0, 1.0 / 3, 0, 1.0 / 3};
    count_draws(HOLES, 6, &how, counts);
    assert_distribution(counts, third, 6);
    how.top_p = 0.999f;
    count_draws(HOLES, 6, &how, counts);
    assert_distribution(counts, third, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),       cmocka_unit_test(test_one_left),   cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_distribution), cmocka_unit_test(test_seeds),      cmocka_unit_test(test_kept_sets),
        cmocka_unit_test(test_nucleus_edge), cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
