/* Rotary positions: frequencies, the factor and the table against values of PyTorch in double, and against plain formulas in long double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "helper_decoder.h"
#include "helper_dir.h"
#include "helper_golden.h"
#include "helper_log.h"
#include "model/rotary.h"

enum { POSITIONS = 4, CASES = 14 };
static st_file golden;
static cJSON *cases;
static pm_log log_here;

static int begin(void **state)
{
    (void)state;
    size_t size;
    log_here = test_log();
    char *text = test_read(TEST_DATA_DIR "/golden/rope/cases.json", &size);
    cases = cJSON_Parse(text);
    free(text);
    golden_open_tensors(TEST_DATA_DIR "/golden/rope", "values.safetensors", &golden);
    return cases ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    st_close(&golden);
    cJSON_Delete(cases);
    return 0;
}

static const float *values(const char *name, const char *part, uint64_t count)
{
    char full[80];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return golden_tensor(&golden, full, ST_F32, count)->data;
}

/* ---- plain formulas -------------------------------------------------------------------------------------------------- */

static const long double pi = 3.14159265358979323846264338327950288L;

/* By waves: as long as the context or longer ones are slowed down, short ones are not. */
static long double by_waves(const pm_rotary *r, long double f)
{
    const long double wave = 2 * pi / f, longest = r->original / (long double)r->low,
                      shortest = r->original / (long double)r->high;
    if (wave < shortest) return f;
    if (wave > longest) return f / r->factor;
    const long double smooth = (r->original / wave - r->low) / ((long double)r->high - r->low);
    return (1 - smooth) * f / r->factor + smooth * f;
}

/* Peng et al., 2023, section 3.4, by the pairs whose waves fit `fast` and `slow` times into the context. */
static long double by_pairs(const pm_rotary *r, long double f, uint32_t pair)
{
    const long double base = 2 * logl(r->theta);
    long double from = floorl(r->columns * logl(r->original / (r->fast * 2 * pi)) / base),
                to = ceill(r->columns * logl(r->original / (r->slow * 2 * pi)) / base);
    if (from < 0) from = 0;
    if (to > r->columns - 1) to = r->columns - 1;
    long double slowed = (pair - from) / (to > from ? to - from : 0.001L);
    slowed = slowed < 0 ? 0 : slowed > 1 ? 1 : slowed;
    return f / r->factor * slowed + f * (1 - slowed);
}

static long double formula(const pm_gpt_config *c, bool local, uint32_t pair)
{
    const pm_rotary *r = &c->rotary;
    const bool own = local && r->local_theta > 0;
    const long double f = 1 / powl(own ? r->local_theta : r->theta, 2.0L * pair / r->columns);
    if (own || r->scaling == PM_ROTARY_PLAIN) return f;
    if (r->scaling == PM_ROTARY_LINEAR) return f / r->factor;
    return r->scaling == PM_ROTARY_LLAMA3 ? by_waves(r, f) : by_pairs(r, f, pair);
}

static void near(const char *what, uint32_t i, double a, long double b, double relative)
{
    if (!(fabsl(a - b) <= relative * fabsl(b))) fail_msg("%s: %u is %.17g instead of %.17g", what, i, a, (double)b);
}

/* Frequencies and the whole table. */
static void check_formulas(const char *name, const pm_gpt_config *c, bool local)
{
    enum { ROWS = 4001 };
    const uint32_t half = c->rotary.columns / 2;
    const double factor = rotary_factor(c, local);
    float *table = malloc((size_t)ROWS * 2 * half * sizeof *table);
    assert_non_null(table);
    rotary_table(c, local, ROWS, table);
    for (uint32_t i = 0; i < half; i++) {
        const long double f = formula(c, local, i);
        near(name, i, rotary_frequency(c, local, i), f, 1e-12);
        for (uint32_t row = 0; row < ROWS; row += row < 70 ? 1 : 131) {
            const float *at = table + (size_t)row * 2 * half + i;
            if (!(fabsl(at[0] - factor * cosl(row * f)) <= 1e-6L && fabsl(at[half] - factor * sinl(row * f)) <= 1e-6L))
                fail_msg("%s: row %u, pair %u", name, row, i);
        }
    }
    free(table);
}

/* ---- golden values --------------------------------------------------------------------------------------------------- */

/* Rows turned by the table, forward or back. */
static void check_rows(const char *name, const pm_gpt_config *c, bool local, bool back)
{
    const uint32_t half = c->rotary.columns / 2, d = c->head;
    const int32_t *positions = golden_tensor(&golden, "positions", ST_I32, POSITIONS)->data;
    const float *x = values(name, back ? "dy" : "x", POSITIONS * d),
                *y = values(name, back ? "dx" : "y", POSITIONS * d);
    float *table = malloc(((size_t)positions[POSITIONS - 1] + 1) * 2 * half * sizeof *table);
    assert_non_null(table);
    rotary_table(c, local, (uint32_t)positions[POSITIONS - 1] + 1, table);
    for (uint32_t t = 0; t < POSITIONS; t++)
        for (uint32_t i = 0; i < d; i++) {
            const uint32_t pair = i % (half ? half : 1);
            const float *at = table + (size_t)positions[t] * 2 * half + pair, *row = x + (size_t)t * d;
            const double a = (double)row[pair], b = (double)row[half + pair], cosine = (double)at[0],
                         sine = back ? -(double)at[half] : (double)at[half];
            const double want = i < half       ? a * cosine - b * sine
                                : i < 2 * half ? b * cosine + a * sine
                                               : (double)row[i];
            if (!(fabs(want - (double)y[t * d + i]) <= 1e-6))
                fail_msg("%s: row %u, column %u is %.9g instead of %.9g", name, t, i, want, (double)y[t * d + i]);
        }
    free(table);
}

static void test_golden(void **state)
{
    (void)state;
    assert_int_equal(cJSON_GetArraySize(cases), CASES);
    cJSON *item;
    cJSON_ArrayForEach(item, cases)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
        const bool local =
                       strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(item, "layer_type")), "sliding_attention") == 0,
                   plain_ramp = strcmp(name, "yarn-options") == 0;
        cJSON *config = cJSON_GetObjectItem(item, "config");
        pm_gpt_config c;
        if (plain_ramp) { /* its ramp begins and ends between two pairs, which is refused */
            char *text = cJSON_PrintUnformatted(config);
            test_log_reset();
            assert_int_equal(decoder_load(&log_here, text, &c), PM_FORMAT);
            assert_non_null(strstr(test_last_error(), "rope_scaling.truncate must be true"));
            cJSON_free(text);
            cJSON_DeleteItemFromObject(cJSON_GetObjectItem(config, "rope_scaling"), "truncate");
        }
        char *text = cJSON_PrintUnformatted(config);
        if (decoder_load(&log_here, text, &c) != PM_OK) fail_msg("%s: %s", name, test_last_error());
        cJSON_free(text);
        const uint32_t half = c.rotary.columns / 2;
        const float *frequencies = values(name, "freq", half);
        near(name, 0, rotary_factor(&c, local), values(name, "factor", 1)[0], 0x1p-23);
        check_formulas(name, &c, local);
        if (plain_ramp) { /* the first and the last are outside of either ramp */
            near(name, 0, rotary_frequency(&c, local, 0), frequencies[0], 0x1p-23);
            near(name, half - 1, rotary_frequency(&c, local, half - 1), frequencies[half - 1], 0x1p-23);
            continue;
        }
        for (uint32_t i = 0; i < half; i++) near(name, i, rotary_frequency(&c, local, i), frequencies[i], 0x1p-24);
        check_rows(name, &c, local, false);
        check_rows(name, &c, local, true);
    }
}

/* ---- others ---------------------------------------------------------------------------------------------------------- */

/* Layers with a window turn by Gemma's local theta, whatever scales the others; in other families as those. */
static void test_local(void **state)
{
    (void)state;
    static const char *const scalings[] = {"{}", "{'rope_scaling':{'type':'linear','factor':8}}",
                                           "{'rope_scaling':{'type':'llama3','factor':8}}",
                                           "{'rope_scaling':{'type':'yarn','factor':8,'attention_factor':3}}"};
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
        pm_gpt_config gemma, mistral;
        assert_int_equal(decoder_load_with(&log_here, decoder_small_gemma3, scalings[i], &gemma), PM_OK);
        assert_int_equal(decoder_load_with(&log_here, decoder_small_mistral, scalings[i], &mistral), PM_OK);
        assert_true(rotary_factor(&gemma, true) == 1);
        assert_true(rotary_factor(&mistral, true) == rotary_factor(&mistral, false));
        for (uint32_t pair = 0; pair < gemma.head / 2; pair++) {
            near("local", pair, rotary_frequency(&gemma, true, pair), powl(1e4L, -2.0L * pair / gemma.head), 1e-12);
            if (pair < mistral.head / 2)
                assert_true(rotary_frequency(&mistral, true, pair) == rotary_frequency(&mistral, false, pair));
        }
        check_formulas("gemma", &gemma, false);
        check_formulas("gemma's windows", &gemma, true);
        check_formulas("mistral", &mistral, true);
    }
}

/* Numbers at their bounds give numbers: a ramp of no width, one outside of the head, a context shorter than a wave, the largest theta. */
static void test_bounds(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "{'rope_scaling':{'type':'yarn','factor':1}}",
        "{'rope_scaling':{'type':'yarn','factor':1e30,'beta_fast':2,'beta_slow':1.99999}}",
        "{'rope_scaling':{'type':'yarn','factor':4,'original_max_position_embeddings':1}}",
        "{'rope_scaling':{'type':'yarn','factor':4,'original_max_position_embeddings':1000000000}}",
        "{'rope_theta':3e38,'rope_scaling':{'type':'yarn','factor':4}}",
        "{'rope_theta':1.0000002,'rope_scaling':{'type':'yarn','factor':4}}",
        "{'rope_theta':1.0000002,'rope_scaling':{'type':'llama3','factor':1e38,'low_freq_factor':1e-30}}",
        "{'rope_scaling':{'type':'llama3','factor':4,'high_freq_factor':3e38,'original_max_position_embeddings':1}}",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        pm_gpt_config c;
        float table[3 * 8];
        if (decoder_load_with(&log_here, decoder_small_llama, changes[i], &c) != PM_OK)
            fail_msg("%s: %s", changes[i], test_last_error());
        assert_int_equal(c.rotary.columns, 8);
        rotary_table(&c, false, 3, table);
        const float factor = (float)rotary_factor(&c, false);
        for (size_t k = 0; k < sizeof table / sizeof *table; k++)
            if (!(fabsf(table[k]) <= factor)) fail_msg("%s: %g", changes[i], (double)table[k]);
        for (uint32_t pair = 0; pair < 4; pair++) {
            const double f = rotary_frequency(&c, false, pair);
            if (!(f > 0 && f <= 1)) fail_msg("%s: %g", changes[i], f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
