/* Rotary positions in config.json: transformers 4 has rope_theta, rope_local_base_freq and rope_scaling, transformers 5 has rope_parameters. */
#include "model/arch_decoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A number that is above the limit where it is there. */
static float above(config_reader *r, const char *key, int limit, float otherwise)
{
    char line[64];
    if (!config_has(r, key)) return otherwise;
    const float v = config_number(r, key, otherwise);
    snprintf(line, sizeof line, "is not a number above %d", limit);
    if (!(v > (float)limit && isfinite(v))) config_wrong(r, key, isinf(v) && v > 0 ? "is too large" : line);
    return v;
}

/* The object of this key, or NULL. */
static const cJSON *object_of(config_reader *r, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (!v || cJSON_IsNull(v)) return NULL;
    if (!cJSON_IsObject(v)) config_wrong(r, key, "is not an object");
    return cJSON_IsObject(v) ? v : NULL;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* The name of a scaling, which older files call "type". transformers 5 knows a default; in its form only that may be missing. */
static void read_kind(config_reader *r, bool newer, pm_rotary *out)
{
    static const char *const names[] = {[PM_ROTARY_PLAIN] = "default",
                                        [PM_ROTARY_LINEAR] = "linear",
                                        [PM_ROTARY_LLAMA3] = "llama3",
                                        [PM_ROTARY_YARN] = "yarn"};
    const char *name = config_text(r, "rope_type"), *older = config_text(r, "type"), *key = name ? "rope_type" : "type";
    if (name && older && strcmp(name, older) != 0) config_wrong(r, "type", "is another than rope_type");
    if (!name) name = older;
    if (!name) {
        if (!newer || config_has(r, "factor")) config_wrong(r, "rope_type", "is missing");
        out->scaling = PM_ROTARY_PLAIN;
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
static double by_scale(float m, float factor)
{
    return 0.1 * (double)m * log((double)factor) + 1;
}

static void read_yarn(config_reader *r, pm_rotary *out)
{
    const float fast = config_number(r, "beta_fast", 0), slow = config_number(r, "beta_slow", 0);
    if (fast != 0) out->fast = above(r, "beta_fast", 0, 0); /* 0 is transformers' default */
    if (slow != 0) out->slow = above(r, "beta_slow", 0, 0);
    if (!((out->fast > 0 ? out->fast : 32) > (out->slow > 0 ? out->slow : 1)))
        config_wrong(r, "beta_fast", "is not above beta_slow");
    out->attention = above(r, "attention_factor", 0, 0);
    const float m = config_number(r, "mscale", 0), all = config_number(r, "mscale_all_dim", 0);
    if (m != 0 && all != 0 && (!(m > 0 && isfinite(m)) || !(all > 0 && isfinite(all))))
        config_wrong(r, m > 0 && isfinite(m) ? "mscale_all_dim" : "mscale", "is not a number above 0");
    if (out->attention == 0 && m > 0 && all > 0 && r->status == PM_OK)
        out->attention = (float)(by_scale(m, out->factor) / by_scale(all, out->factor));
    if (!isfinite(out->attention)) config_wrong(r, "mscale", "is too large");
    config_expect(r, "truncate", true);
}

static void read_llama3(config_reader *r, pm_rotary *out)
{
    out->low = above(r, "low_freq_factor", 0, 1);
    out->high = above(r, "high_freq_factor", 0, 4);
    if (!(out->high > out->low)) config_wrong(r, "high_freq_factor", "is not above low_freq_factor");
}

/* A scaling's own keys. `original`: the whole file's original_max_position_embeddings; 0: none. */
static void read_scaling(config_reader *r, bool newer, uint32_t original, pm_rotary *out)
{
    /* other models' positions, which would be left out in silence */
    static const char *const others[] = {"mrope_section", "short_factor", "long_factor", "llama_4_scaling_beta"};
    const float theta = above(r, "rope_theta", 1, out->theta);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) config_expect_null(r, others[i]);
    *out = (pm_rotary){.theta = theta};
    read_kind(r, newer, out);
    if (out->scaling == PM_ROTARY_PLAIN) return;
    out->factor = config_number(r, "factor", 0);
    if (!config_has(r, "factor"))
        config_wrong(r, "factor", "is missing");
    else if (!(out->factor >= 1 && isfinite(out->factor)))
        config_wrong(r, "factor", "is not a number of 1 or more");
    if (out->scaling == PM_ROTARY_LINEAR) return;
    out->original = config_count(r, "original_max_position_embeddings", false);
    if (out->original && original && out->original != original)
        config_wrong(r, "original_max_position_embeddings", "is another than the one outside");
    if (!out->original) out->original = original;
    if (out->scaling == PM_ROTARY_YARN)
        read_yarn(r, out);
    else
        read_llama3(r, out);
}

/* The share of a head's columns that turns, here or as said before. */
static float read_share(config_reader *r, float otherwise)
{
    const float share = above(r, "partial_rotary_factor", 0, otherwise);
    if (share > 1) config_wrong(r, "partial_rotary_factor", "is above 1");
    return share;
}

typedef struct rotary_file {
    uint32_t original;
    float share;
} rotary_file;

/* The scaling in an object of this name, which is in error lines before its keys. */
static void read_object(config_reader *r, const cJSON *object, const char *prefix, rotary_file *file, pm_rotary *out)
{
    config_reader inner = *r;
    inner.object = object;
    inner.prefix = prefix;
    read_scaling(&inner, strncmp(prefix, "rope_parameters", 15) == 0, file->original, out);
    file->share = read_share(&inner, file->share);
    r->status = inner.status;
}

/* Gemma's, one for each kind of layers. */
static void read_both(config_reader *r, const cJSON *all, rotary_file *file, pm_rotary *out, float *local_theta)
{
    config_reader inner = *r;
    inner.object = all;
    inner.prefix = "rope_parameters.";
    const cJSON *full = object_of(&inner, "full_attention"), *local = object_of(&inner, "sliding_attention");
    r->status = inner.status;
    if (!full && !local) config_wrong(r, "rope_parameters", "has neither full_attention nor sliding_attention");
    const float share = file->share;
    if (full) read_object(r, full, "rope_parameters.full_attention.", file, out);
    if (!local) return;
    rotary_file own_file = {file->original, share};
    pm_rotary own = {.theta = *local_theta};
    read_object(r, local, "rope_parameters.sliding_attention.", &own_file, &own);
    if (own.scaling != PM_ROTARY_PLAIN)
        config_wrong(r, "rope_parameters.sliding_attention.rope_type", "must be \"default\"");
    if (own_file.share != file->share)
        config_wrong(r, "rope_parameters.sliding_attention.partial_rotary_factor", "is another than full_attention's");
    *local_theta = own.theta;
}

static bool same_scaling(const pm_rotary *a, const pm_rotary *b)
{
    return a->theta == b->theta && a->scaling == b->scaling && a->factor == b->factor && a->low == b->low &&
           a->high == b->high && a->original == b->original && a->fast == b->fast && a->slow == b->slow &&
           a->attention == b->attention;
}

void decoder_read_rotary(config_reader *r, pm_gpt_config *c)
{
    const arch_info *family = arch_of(c);
    const bool local = family->local_theta > 0;
    const cJSON *scaling = object_of(r, "rope_scaling"), *all = object_of(r, "rope_parameters");
    rotary_file file = {config_count(r, "original_max_position_embeddings", false), read_share(r, 1)};
    pm_rotary found = {.theta = above(r, "rope_theta", 1, local ? family->theta : 1e4f)}; /* transformers' */
    float local_theta = 0;
    if (local)
        local_theta = above(r, "rope_local_base_freq", 1, family->local_theta);
    else
        config_expect_null(r, "rope_local_base_freq");
    if (all && local)
        read_both(r, all, &file, &found, &local_theta);
    else if (all)
        read_object(r, all, "rope_parameters.", &file, &found);
    if (scaling) {
        const pm_rotary other = found;
        read_object(r, scaling, "rope_scaling.", &file, &found);
        if (all && !same_scaling(&other, &found)) config_wrong(r, "rope_scaling", "is another than rope_parameters");
    }
    c->rotary = found;
    c->rotary.local_theta = local_theta;
    const uint32_t size = c->head ? c->head : c->heads ? c->embd / c->heads : 0;
    if (r->status != PM_OK) return;
    c->rotary.columns = (uint32_t)((double)file.share * size + 1e-4); /* a float's 0.7 is a little less than that */
    if (file.share < 1 && (c->rotary.columns % 2 || c->rotary.columns == 0))
        config_wrong(r, "partial_rotary_factor", "does not leave an even number of columns of a head");
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

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
