#include "model/arch_decoder.h"

#include <stdio.h>
#include <string.h>

/* Whether a key of config.json is one of the family's own. */
static bool has_key(const arch_info *family, const char *name)
{
    for (const arch_key *key = family->keys; key->name; key++)
        if (strcmp(key->name, name) == 0) return true;
    return false;
}

/* Keys of one family that ask for something in another. */
static void expect_own(config_reader *r, const arch_info *family)
{
    if (!family->attention_bias && !has_key(family, "attention_bias")) config_expect(r, "attention_bias", false);
    if (!has_key(family, "mlp_bias")) config_expect(r, "mlp_bias", false);
    if (!has_key(family, "query_pre_attn_scalar")) config_expect_null(r, "query_pre_attn_scalar");
    if (family->windows == WINDOWS_NONE) config_expect_null(r, "sliding_window");
    if (!family->window_period) {
        config_expect_null(r, "sliding_window_pattern");
        config_expect_null(r, "_sliding_window_pattern");
    }
}

void decoder_expect(config_reader *r, const pm_gpt_config *c, const char *key, const char *activation)
{
    static const char *const wrong[] = {"rope_interleaved", "use_bidirectional_attention", "use_mrope",
                                        "add_cross_attention", "is_encoder_decoder"};
    static const char *const unknown[] = {
        "attn_logit_softcapping", "final_logit_softcapping",     "quantization_config", "compression_config",
        "quantization" /* MLX */, "dual_chunk_attention_config", "attention_chunk_size"};
    const char *name = config_text(r, key);
    char line[80];
    snprintf(line, sizeof line, "must be \"%s\"", activation);
    if (name && strcmp(name, activation) != 0) config_wrong(r, key, line);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) config_expect(r, wrong[i], false);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) config_expect_null(r, unknown[i]);
    config_expect(r, "is_causal", true);
    expect_own(r, arch_of(c));
    if (config_has(r, "auto_map"))
        config_warn(r, "auto_map",
                    "names code of its own, which is not read: the model is taken for what model_type says");
}

/* ---- windows --------------------------------------------------------------------------------------------------------- */

enum { LAYERS_MOST = 1000 }; /* as pm_gpt_config_check has it */

typedef struct layer_list {
    uint32_t count, first; /* first: of those with a window; count where there is none */
    bool windowed[LAYERS_MOST];
} layer_list;

/* Whether layers have windows as the configuration says. */
static bool as_said(const pm_gpt_config *c, const layer_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (arch_windowed(c, i) != list->windowed[i]) return false;
    return true;
}

/* The list of layer_types; false where there is none, or a wrong one after its line. */
static bool read_list(config_reader *r, const pm_gpt_config *c, layer_list *out)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->object, "layer_types"), *item;
    uint32_t count = 0;
    if (!config_has(r, "layer_types")) return false;
    if (!cJSON_IsArray(list)) config_wrong(r, "layer_types", "is not a list");
    if (r->status != PM_OK || c->layers > LAYERS_MOST) return false; /* that many are refused */
    *out = (layer_list){.count = c->layers, .first = c->layers};
    cJSON_ArrayForEach(item, list)
    {
        const char *kind = cJSON_GetStringValue(item);
        const bool window = kind && strcmp(kind, "sliding_attention") == 0;
        if (!window && (!kind || strcmp(kind, "full_attention") != 0)) {
            config_wrong(r, "layer_types", "has another entry than full_attention and sliding_attention");
            return false;
        }
        if (count < c->layers) out->windowed[count] = window;
        if (window && out->first == c->layers) out->first = count;
        count++;
    }
    if (count != c->layers) config_wrong(r, "layer_types", "has another number of entries than num_hidden_layers");
    return r->status == PM_OK;
}

/* Finds window_first and window_period by which the list's layers have a window; false: there are none such. The least period counts, then the
 * least first. 0 is a period where it is not the family's word for another. */
static bool match_layers(pm_gpt_config *c, const layer_list *list)
{
    pm_gpt_config one = *c;
    for (uint32_t period = arch_of(c)->window_period ? 1 : 0; period <= list->count + 1; period++) {
        one.window_period = period;
        one.window_first = list->first;
        /* layers that the period leaves out may be before the first one or behind it */
        while (period && one.window_first && one.window_first % period == 0) one.window_first--;
        if (!as_said(&one, list)) continue;
        *c = one;
        return true;
    }
    return false;
}

void decoder_read_layers(config_reader *r, pm_gpt_config *c)
{
    layer_list list;
    const bool always = arch_of(c)->window > 0;
    if (!read_list(r, c, &list)) return;
    if (list.first < list.count && c->window == 0)
        config_wrong(r, "layer_types", "has a sliding_attention, but no sliding_window counts");
    else if (list.first == list.count && !always)
        c->window = 0;
    else if (!as_said(c, &list) && !match_layers(c, &list))
        config_wrong(r, "layer_types",
                     "has windows in an order that is not supported: every layer from one on, or all but each n-th");
}

void decoder_expect_layers(config_reader *r, const pm_gpt_config *c)
{
    layer_list list;
    if (read_list(r, c, &list) && !as_said(c, &list))
        config_wrong(r, "layer_types", "has other windows than sliding_window tells");
}

void decoder_write_layers(cJSON *o, const pm_gpt_config *c)
{
    if (!c->window) return;
    cJSON *list = cJSON_AddArrayToObject(o, "layer_types");
    for (uint32_t i = 0; i < c->layers; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(arch_windowed(c, i) ? "sliding_attention" : "full_attention"));
}
