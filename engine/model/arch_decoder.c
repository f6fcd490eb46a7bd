#include "model/arch_decoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const cJSON *object_in(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsObject(v) ? v : NULL;
}

/* A key that may be null or missing, and nothing else. */
static void expect_null(config_reader *r, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (v && !cJSON_IsNull(v)) config_wrong(r, key, "must be null: another value is not supported");
}

void decoder_expect(config_reader *r, const char *key, const char *activation)
{
    const char *name = config_text(r, key);
    char line[80];
    snprintf(line, sizeof line, "must be \"%s\"", activation);
    if (name && strcmp(name, activation) != 0) config_wrong(r, key, line);
    config_expect(r, "rope_interleaved", false);
    config_expect(r, "use_bidirectional_attention", false);
    expect_null(r, "attn_logit_softcapping");
    expect_null(r, "final_logit_softcapping");
    expect_null(r, "quantization_config");
}

/* ---- rotary positions ------------------------------------------------------------------------------------------------ */

static float positive(config_reader *r, const char *key, float otherwise)
{
    const float v = config_number(r, key, otherwise);
    if (!(v >= 0 && isfinite(v))) config_wrong(r, key, "is not a number of 0 or more");
    return v;
}

/* The name of a scaling, which older files call "type". */
static void read_kind(config_reader *r, pm_rotary *out)
{
    static const char *const names[] = {[PM_ROTARY_PLAIN] = "default",
                                        [PM_ROTARY_LINEAR] = "linear",
                                        [PM_ROTARY_LLAMA3] = "llama3",
                                        [PM_ROTARY_YARN] = "yarn"};
    const char *key = config_text(r, "rope_type") ? "rope_type" : "type", *name = config_text(r, key);
    if (!name) {
        config_wrong(r, "rope_type", "is missing");
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            out->scaling = (pm_rotary_scaling)i;
            return;
        }
    config_wrong(r, key, "is none of default, linear, llama3, yarn");
}

/* 0.1 m ln(factor) + 1. */
static float by_scale(float m, float factor)
{
    return (float)(0.1 * (double)m * log((double)factor) + 1);
}

static void read_scaling(config_reader *r, pm_rotary *out)
{
    read_kind(r, out);
    out->theta = positive(r, "rope_theta", out->theta);
    if (out->scaling == PM_ROTARY_PLAIN) return;
    out->factor = positive(r, "factor", 0);
    out->low = positive(r, "low_freq_factor", 0);
    out->high = positive(r, "high_freq_factor", 0);
    out->fast = positive(r, "beta_fast", 0);
    out->slow = positive(r, "beta_slow", 0);
    out->original = config_count(r, "original_max_position_embeddings", false);
    out->attention = positive(r, "attention_factor", 0);
    const float m = positive(r, "mscale", 0), all = positive(r, "mscale_all_dim", 0);
    if (out->attention == 0 && m > 0 && all > 0 && out->factor > 1)
        out->attention = by_scale(m, out->factor) / by_scale(all, out->factor);
    config_expect(r, "truncate", true);
}

/* The scaling in an object of this name, with its lines' prefix. */
static void read_object(config_reader *r, const cJSON *object, const char *prefix, pm_rotary *out)
{
    config_reader inner = *r;
    inner.object = object;
    inner.prefix = prefix;
    read_scaling(&inner, out);
    r->status = inner.status;
}

void decoder_read_rotary(config_reader *r, pm_gpt_config *c)
{
    pm_rotary *out = &c->rotary;
    const cJSON *scaling = object_in(r->object, "rope_scaling"), *all = object_in(r->object, "rope_parameters");
    const cJSON *full = object_in(all, "full_attention"), *local = object_in(all, "sliding_attention");
    const float share = positive(r, "partial_rotary_factor", 1);
    const uint32_t size = c->head ? c->head : c->heads ? c->embd / c->heads : 0;
    out->theta = positive(r, "rope_theta", arch_of(c)->local_theta > 0 ? arch_of(c)->theta : 1e4f); /* transformers' */
    out->local_theta = positive(r, "rope_local_base_freq", 0);
    if (full && !scaling) read_object(r, full, "rope_parameters.full_attention.", out);
    if (all && !full && !scaling) read_object(r, all, "rope_parameters.", out);
    if (scaling) read_object(r, scaling, "rope_scaling.", out);
    if (local) {
        pm_rotary own = {.theta = out->local_theta};
        read_object(r, local, "rope_parameters.sliding_attention.", &own);
        if (own.scaling != PM_ROTARY_PLAIN)
            config_wrong(r, "rope_parameters.sliding_attention.rope_type", "must be \"default\"");
        out->local_theta = own.theta;
    }
    out->columns = (uint32_t)((double)share * size);
    if (out->columns % 2 || out->columns == 0 || out->columns > size)
        config_wrong(r, "partial_rotary_factor", "does not leave an even number of columns of a head");
}

static void add_if(cJSON *o, const char *key, float value)
{
    if (value > 0) gpt_config_add_float(o, key, value);
}

void decoder_write_rotary(cJSON *o, const pm_gpt_config *c)
{
    static const char *const names[] = {NULL, "linear", "llama3", "yarn"};
    const pm_rotary *r = &c->rotary;
    gpt_config_add_float(o, "rope_theta", r->theta);
    if (r->columns != c->head) gpt_config_add_float(o, "partial_rotary_factor", (float)r->columns / (float)c->head);
    if (arch_of(c)->local_theta > 0) gpt_config_add_float(o, "rope_local_base_freq", r->local_theta);
    if (r->scaling == PM_ROTARY_PLAIN) {
        cJSON_AddNullToObject(o, "rope_scaling");
        return;
    }
    cJSON *s = cJSON_AddObjectToObject(o, "rope_scaling");
    cJSON_AddStringToObject(s, "rope_type", names[r->scaling]);
    gpt_config_add_float(s, "factor", r->factor);
    if (r->scaling == PM_ROTARY_LLAMA3) {
        gpt_config_add_float(s, "low_freq_factor", r->low > 0 ? r->low : 1);
        gpt_config_add_float(s, "high_freq_factor", r->high > 0 ? r->high : 4);
    } else if (r->scaling == PM_ROTARY_YARN) {
        add_if(s, "beta_fast", r->fast);
        add_if(s, "beta_slow", r->slow);
        add_if(s, "attention_factor", r->attention);
    }
    if (r->scaling != PM_ROTARY_LINEAR)
        cJSON_AddNumberToObject(s, "original_max_position_embeddings", r->original ? r->original : c->ctx);
}

/* ---- windows --------------------------------------------------------------------------------------------------------- */

/* Finds window_first and window_period by which the list's layers have a window; false: there are none such. */
static bool match_layers(pm_gpt_config *c, const bool *windowed, uint32_t count)
{
    for (uint32_t period = 0; period <= count; period++)
        for (uint32_t first = 0; first <= count; first++) {
            pm_gpt_config one = *c;
            uint32_t same = 0;
            one.window_first = first;
            one.window_period = period;
            while (same < count && arch_windowed(&one, same) == windowed[same]) same++;
            if (same < count) continue;
            c->window_first = first;
            c->window_period = period;
            return true;
        }
    return false;
}

void decoder_read_layers(config_reader *r, pm_gpt_config *c)
{
    enum { MOST = 1000 };
    bool windowed[MOST], any = false;
    uint32_t count = 0;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->object, "layer_types"), *item;
    if (!cJSON_IsArray(list) || r->status != PM_OK) return;
    cJSON_ArrayForEach(item, list)
    {
        const char *kind = cJSON_GetStringValue(item);
        const bool window = kind && strcmp(kind, "sliding_attention") == 0;
        if (!window && (!kind || strcmp(kind, "full_attention") != 0)) {
            config_wrong(r, "layer_types", "has another entry than full_attention and sliding_attention");
            return;
        }
        if (count < MOST) windowed[count] = window;
        any |= window;
        count++;
    }
    if (count != c->layers || count > MOST) {
        config_wrong(r, "layer_types", "has another number of entries than num_hidden_layers");
        return;
    }
    if (!any) {
        c->window = c->window_first = c->window_period = 0;
        return;
    }
    if (c->window == 0)
        config_wrong(r, "sliding_window", "is missing");
    else if (!match_layers(c, windowed, count))
        config_wrong(r, "layer_types",
                     "has windows in an order that is not supported: every layer from one on, or all but each n-th");
}

void decoder_write_layers(cJSON *o, const pm_gpt_config *c)
{
    if (!c->window) return;
    cJSON *list = cJSON_AddArrayToObject(o, "layer_types");
    for (uint32_t i = 0; i < c->layers; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(arch_windowed(c, i) ? "sliding_attention" : "full_attention"));
}
