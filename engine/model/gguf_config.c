/* A model's metadata in GGUF. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/gguf_model.h"
#include "model/rotary.h"

/* ---- reading --------------------------------------------------------------------------------------------------------- */

typedef struct reader {
    const pm_log *log;
    const gguf_file *file;
    const char *family; /* the architecture, which keys begin with */
    pm_status status;   /* the first failure */
} reader;

enum { KEY_MOST = 128 };

/* Keys of Pumice's own, for what GGUF has none. */
#define SCALING_KEY "pumice.rope_llama3"
#define QUERY_KEY "pumice.query_pre_attn_scalar"

static const char *eps_key(const arch_info *family)
{
    return family->norm == NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
}

static const char *key_of(const reader *r, const char *key, char out[KEY_MOST])
{
    snprintf(out, KEY_MOST, "%s.%s", r->family, key);
    return out;
}

static pm_status refuse(reader *r, const char *key, const char *what)
{
    if (r->status == PM_OK) r->status = log_fail(r->log, PM_FORMAT, "%s: %s %s", r->file->path, key, what);
    return r->status;
}

/* A positive whole number; 0 where it is not there. */
static uint32_t count(reader *r, const char *name, bool required)
{
    char key[KEY_MOST];
    bool found = false;
    uint32_t value = 0;
    if (r->status != PM_OK) return 0;
    r->status = gguf_u32(r->log, r->file, key_of(r, name, key), required ? NULL : &found, &value);
    if (r->status == PM_OK && (required || found) && value == 0) refuse(r, key, "is 0");
    return value;
}

/* A number, or `otherwise` where it is not there; NAN: it must be. */
static float number(reader *r, const char *name, float otherwise)
{
    char key[KEY_MOST];
    bool found = false;
    float value = otherwise;
    if (r->status == PM_OK)
        r->status = gguf_f32(r->log, r->file, key_of(r, name, key), isnan(otherwise) ? NULL : &found, &value);
    if (r->status == PM_OK && !(isfinite(value) && value >= 0)) refuse(r, key, "is not a finite number of 0 or more");
    return value;
}

/* The same, above 1 where it is there. */
static float above_one(reader *r, const char *name, float otherwise)
{
    char key[KEY_MOST];
    const float value = number(r, name, otherwise);
    if (r->status == PM_OK && !(value > 1)) refuse(r, key_of(r, name, key), "is not a number above 1");
    return value;
}

/* Keys that other models have, and that change what is computed. */
static void refuse_others(reader *r)
{
    static const char *const zero[] = {"expert_count", "final_logit_softcapping", "attn_logit_softcapping",
                                       "attention.clamp_kqv"};
    char key[KEY_MOST];
    bool causal = true, found = false;
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++)
        if (number(r, zero[i], 0) != 0) refuse(r, key_of(r, zero[i], key), "is not supported");
    if (r->status == PM_OK) r->status = gguf_bool(r->log, r->file, key_of(r, "attention.causal", key), &found, &causal);
    if (found && !causal) refuse(r, key, "is false: only attention to earlier tokens is supported");
}

/* Llama 3's scaling is in a tensor of divisors alone. The largest is the factor, and the rest follows from the original 8192 positions, low 1 and
 * high 4 of all Llama 3; a key of Pumice's own says other numbers. */
static pm_rotary usual_scaling(const float *divisors, uint32_t count)
{
    pm_rotary r = {.scaling = PM_ROTARY_LLAMA3, .factor = 1, .low = 1, .high = 4, .original = 8192};
    for (uint32_t i = 0; i < count; i++) r.factor = fmaxf(r.factor, divisors[i]);
    return r;
}

static void take_scaling(pm_rotary *to, const pm_rotary *from)
{
    to->scaling = from->scaling;
    to->factor = from->factor;
    to->low = from->low;
    to->high = from->high;
    to->original = from->original;
}

/* factor, low, high and original, in this order. */
static void read_own_scaling(reader *r, pm_rotary *out)
{
    gguf_array list;
    bool found;
    if (r->status == PM_OK) r->status = gguf_numbers(r->log, r->file, SCALING_KEY, &found, &list);
    if (r->status != PM_OK || !found) return;
    float v[4] = {0};
    for (size_t i = 0; i < 4 && i < list.count; i++) v[i] = (float)gguf_array_number(&list, i);
    if (list.count != 4 ||
        !(v[0] >= 1 && v[1] > 0 && v[2] > v[1] && v[3] >= 1 && v[3] <= 1u << 24 && isfinite(v[0]) && isfinite(v[2]))) {
        refuse(r, SCALING_KEY, "must have 4 numbers: a factor of 1 or more, low and high, positions");
        return;
    }
    out->factor = v[0];
    out->low = v[1];
    out->high = v[2];
    out->original = (uint32_t)v[3];
}

static void read_divisors(reader *r, pm_gpt_config *c)
{
    const gguf_tensor *t = gguf_find(r->file, "rope_freqs.weight");
    if (!t || r->status != PM_OK) return;
    const uint32_t half = c->rotary.columns / 2;
    if (t->count != half) {
        refuse(r, t->name, "has another length than half of a head");
        return;
    }
    float *there = malloc(2 * sizeof(float) * half + 1);
    if (!there) {
        r->status = log_fail(r->log, PM_NO_HOST_MEMORY, "%s: no memory to read it", r->file->path);
        return;
    }
    r->status = gguf_floats(r->log, r->file, t, 0, half, there);
    float *own = there + half;
    pm_rotary scaling = {0};
    if (r->status == PM_OK) scaling = usual_scaling(there, half);
    read_own_scaling(r, &scaling);
    take_scaling(&c->rotary, &scaling);
    if (r->status == PM_OK) gguf_rope_divisors(c, own);
    for (uint32_t i = 0; i < half && r->status == PM_OK; i++)
        if (!(fabsf(there[i] - own[i]) <= 1e-3f * own[i]))
            refuse(r, t->name, "has other divisors than Llama 3's rule gives");
    free(there);
}

static void read_scaling(reader *r, pm_gpt_config *c)
{
    char key[KEY_MOST];
    gguf_text type = {"", 0};
    bool found = false;
    pm_rotary *out = &c->rotary;
    if (r->status == PM_OK)
        r->status = gguf_string(r->log, r->file, key_of(r, "rope.scaling.type", key), &found, &type);
    if (r->status != PM_OK) return;
    const float old = number(r, "rope.scale_linear", 1); /* of old files */
    const float factor = number(r, "rope.scaling.factor", old);
    if (number(r, "rope.scaling.attn_factor", 1) != 1)
        refuse(r, key_of(r, "rope.scaling.attn_factor", key), "is not 1");
    if (gguf_text_is(type, "linear") ||
        (!found && factor != 1 && factor != 0)) { /* without a type: llama.cpp's default */
        out->scaling = PM_ROTARY_LINEAR;
        out->factor = factor;
    } else if (gguf_text_is(type, "yarn")) {
        out->scaling = PM_ROTARY_YARN;
        out->factor = number(r, "rope.scaling.factor", 1);
        out->original = count(r, "rope.scaling.original_context_length", false);
        out->fast = number(r, "rope.scaling.yarn_beta_fast", 0);
        out->slow = number(r, "rope.scaling.yarn_beta_slow", 0);
        const float more = number(r, "rope.scaling.yarn_attn_factor", 1);
        if (more != 1 && out->factor > 0) out->attention = more * (0.1f * logf(out->factor) + 1);
        if (number(r, "rope.scaling.yarn_ext_factor", 1) != 1)
            refuse(r, key_of(r, "rope.scaling.yarn_ext_factor", key), "is not 1");
    } else if (found && !gguf_text_is(type, "none")) {
        refuse(r, key, "is none of none, linear, yarn");
    }
}

static void read_rotary(reader *r, pm_gpt_config *c)
{
    const arch_info *family = arch_of(c);
    if (!arch_rotary(family)) return;
    c->rotary.theta = above_one(r, "rope.freq_base", 1e4f);
    c->rotary.columns = count(r, "rope.dimension_count", false);
    if (!c->rotary.columns) c->rotary.columns = c->head;
    if (family->local_theta > 0) {
        c->rotary.local_theta = above_one(r, "rope.freq_base_swa", family->local_theta);
        c->window = count(r, "attention.sliding_window", true);
        c->window_period = count(r, "attention.sliding_window_pattern", false);
        if (!c->window_period) c->window_period = family->window_period;
    }
    read_scaling(r, c);
    read_divisors(r, c);
}

static void read_special(reader *r, pm_gpt_config *c)
{
    const struct {
        const char *key;
        bool *has;
        uint32_t *id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", &c->special.has_bos, &c->special.bos},
               {"tokenizer.ggml.eos_token_id", &c->special.has_eos, &c->special.eos},
               {"tokenizer.ggml.padding_token_id", &c->special.has_pad, &c->special.pad}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids && r->status == PM_OK; i++) {
        r->status = gguf_u32(r->log, r->file, ids[i].key, ids[i].has, ids[i].id);
        if (*ids[i].has && *ids[i].id >= c->vocab) *ids[i].has = false;
    }
}

/* llama.cpp knows the 27B model of Gemma 3 by its layers; there it is C/H. */
static float usual_scalar(const pm_gpt_config *c)
{
    return c->layers == 62 ? (float)c->embd / (float)c->heads : (float)c->head;
}

static void read_query_scalar(reader *r, pm_gpt_config *c)
{
    bool found;
    if (r->status != PM_OK || arch_of(c)->local_theta <= 0) return;
    c->query_scalar = usual_scalar(c);
    r->status = gguf_f32(r->log, r->file, QUERY_KEY, &found, &c->query_scalar);
    if (r->status == PM_OK && !(c->query_scalar > 0 && isfinite(c->query_scalar)))
        refuse(r, QUERY_KEY, "is not a number above 0");
}

/* A tokenizer may leave tokens of the model unused, but not have more. */
static void check_tokens(reader *r, const pm_gpt_config *c)
{
    gguf_array tokens;
    bool found;
    char line[100];
    if (r->status == PM_OK) r->status = gguf_strings(r->log, r->file, "tokenizer.ggml.tokens", &found, &tokens);
    if (r->status != PM_OK || !found || tokens.count <= c->vocab) return;
    snprintf(line, sizeof line, "has %zu tokens, and token_embd.weight only %u", tokens.count, (unsigned)c->vocab);
    refuse(r, "tokenizer.ggml.tokens", line);
}

/* Whether there is a bias, which this tensor tells. The field is 0 in families whose config.json cannot say it. */
static bool bias(reader *r, const arch_info *family, bool always, size_t field, const char *name)
{
    const bool there = gguf_find(r->file, name) != NULL;
    if (there && !always && !arch_key_of(family, field)) refuse(r, name, "is there; its architecture has no such bias");
    return always || there;
}

/* What tensors tell: the vocabulary, an output layer of its own, biases. */
static void read_shapes(reader *r, pm_gpt_config *c)
{
    const gguf_tensor *table = gguf_find(r->file, "token_embd.weight");
    const arch_info *family = arch_of(c);
    if (!table) {
        refuse(r, "token_embd.weight",
               r->file->tensor_count ? "is missing" : "is missing: the file has no tensors, only a vocabulary");
        return;
    }
    if (table->rank != 2 || table->dims[1] > 1u << 24) {
        refuse(r, "token_embd.weight", "is no matrix of at most 16777216 rows");
        return;
    }
    c->vocab = (uint32_t)table->dims[1];
    const uint32_t said = count(r, "vocab_size", false);
    if (said && said != c->vocab)
        log_line(r->log, PM_LOG_WARN, "%s: %s.vocab_size is %u; the %u rows of token_embd.weight count", r->file->path,
                 r->family, (unsigned)said, (unsigned)c->vocab);
    c->untied = gguf_find(r->file, "output.weight") != NULL;
    c->attention_bias =
        bias(r, family, family->attention_bias, offsetof(pm_gpt_config, attention_bias), "blk.0.attn_q.bias");
    c->mlp_bias = bias(r, family, family->mlp_bias, offsetof(pm_gpt_config, mlp_bias), "blk.0.ffn_gate.bias");
}

static const char *key_name(const pm_gpt_config *config, size_t field)
{
    static const struct {
        size_t field;
        const char *key;
    } keys[] = {
        {offsetof(pm_gpt_config, vocab), "vocab_size"},
        {offsetof(pm_gpt_config, ctx), "context_length"},
        {offsetof(pm_gpt_config, embd), "embedding_length"},
        {offsetof(pm_gpt_config, layers), "block_count"},
        {offsetof(pm_gpt_config, inner), "feed_forward_length"},
        {offsetof(pm_gpt_config, heads), "attention.head_count"},
        {offsetof(pm_gpt_config, kv_heads), "attention.head_count_kv"},
        {offsetof(pm_gpt_config, head), "attention.key_length"},
        {offsetof(pm_gpt_config, window), "attention.sliding_window"},
        {offsetof(pm_gpt_config, window_period), "attention.sliding_window_pattern"},
        {offsetof(pm_gpt_config, rotary.columns), "rope.dimension_count"},
        {offsetof(pm_gpt_config, rotary.theta), "rope.freq_base"},
        {offsetof(pm_gpt_config, rotary.local_theta), "rope.freq_base_swa"},
        {offsetof(pm_gpt_config, rotary.factor), "rope.scaling.factor"},
        {offsetof(pm_gpt_config, rotary.fast), "rope.scaling.yarn_beta_fast"},
    };
    if (field == offsetof(pm_gpt_config, eps)) return eps_key(arch_of(config));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].field == field) return keys[i].key;
    return NULL;
}

pm_status gguf_model_config(const pm_log *log, const gguf_file *file, pm_gpt_config *out)
{
    gguf_text name;
    char known[160], where[1000];
    pm_status status = gguf_string(log, file, "general.architecture", NULL, &name);
    if (status != PM_OK) return status;
    const arch_info *family = arch_by_gguf(name.data, name.size);
    arch_list_gguf(known, sizeof known);
    bool parted = false;
    uint32_t parts = 0;
    status = gguf_u32(log, file, "split.count", &parted, &parts);
    if (status != PM_OK) return status;
    if (parts > 1)
        return log_fail(
            log, PM_FORMAT,
            "%s: is one of %u parts of a model; llama.cpp's llama-gguf-split --merge makes one file of them",
            file->path, (unsigned)parts);
    if (!family) return log_fail(log, PM_FORMAT, "%s: general.architecture is none of %s", file->path, known);
    reader r = {.log = log, .file = file, .family = family->gguf_family};
    pm_gpt_config c = {.arch = family->id};
    c.ctx = count(&r, "context_length", true);
    c.embd = count(&r, "embedding_length", true);
    c.layers = count(&r, "block_count", true);
    c.inner = count(&r, "feed_forward_length", true);
    c.heads = count(&r, "attention.head_count", true);
    c.kv_heads = count(&r, "attention.head_count_kv", false);
    c.head = count(&r, "attention.key_length", false);
    if (!c.kv_heads) c.kv_heads = c.heads;
    const bool own_head = c.head != 0;
    if (!own_head && c.heads) c.head = c.embd / c.heads;
    c.eps = number(&r, eps_key(family), NAN);
    c.no_eps = c.eps == 0;
    refuse_others(&r);
    if (r.status == PM_OK) read_shapes(&r, &c);
    if (r.status == PM_OK) read_rotary(&r, &c);
    if (r.status == PM_OK) read_special(&r, &c);
    read_query_scalar(&r, &c);
    check_tokens(&r, &c);
    if (r.status != PM_OK) return r.status;
    if (!own_head) c.head = 0; /* as the check wants it: the heads share the channels evenly */
    snprintf(where, sizeof where, "%s: %s.", file->path, r.family);
    status = gpt_config_check(log, &(gpt_origin){where, key_name}, &c);
    if (status != PM_OK) return status == PM_INVALID ? PM_FORMAT : status;
    c = gpt_config_filled(&c);
    const uint32_t values = count(&r, "attention.value_length", false);
    if (values && values != c.head)
        refuse(&r, key_of(&r, "attention.value_length", where), "is another than the keys' length");
    if (r.status == PM_OK) *out = c;
    return r.status;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static float rope_divisor(const pm_gpt_config *config, uint32_t pair)
{
    pm_gpt_config plain = *config;
    plain.rotary.scaling = PM_ROTARY_PLAIN;
    return (float)(rotary_frequency(&plain, false, pair) / rotary_frequency(config, false, pair));
}

void gguf_rope_divisors(const pm_gpt_config *config, float *out)
{
    for (uint32_t i = 0; i < config->rotary.columns / 2; i++) out[i] = rope_divisor(config, i);
}

static void put_count(gguf_writer *w, const arch_info *family, const char *name, uint32_t value)
{
    char key[KEY_MOST];
    snprintf(key, sizeof key, "%s.%s", family->gguf_family, name);
    gguf_put_u32(w, key, value);
}

static void put_number(gguf_writer *w, const arch_info *family, const char *name, float value)
{
    char key[KEY_MOST];
    snprintf(key, sizeof key, "%s.%s", family->gguf_family, name);
    gguf_put_f32(w, key, value);
}

/* Llama 3's scaling is a tensor (gguf_model_put), which does not always tell its numbers. */
static void put_own_scaling(gguf_writer *w, const pm_gpt_config *c)
{
    const pm_rotary *r = &c->rotary;
    const uint32_t half = r->columns / 2;
    float most = 1;
    for (uint32_t i = 0; i < half; i++) most = fmaxf(most, rope_divisor(c, i));
    const pm_rotary usual = usual_scaling(&most, 1);
    const float own[4] = {r->factor, r->low, r->high, (float)r->original};
    if (usual.factor != r->factor || usual.low != r->low || usual.high != r->high || usual.original != r->original)
        gguf_put_f32s(w, SCALING_KEY, own, 4);
}

static void put_rotary(gguf_writer *w, const arch_info *family, const pm_gpt_config *c)
{
    char key[KEY_MOST];
    const pm_rotary *r = &c->rotary;
    put_number(w, family, "rope.freq_base", r->theta);
    put_count(w, family, "rope.dimension_count", r->columns);
    if (family->local_theta > 0) {
        put_number(w, family, "rope.freq_base_swa", r->local_theta);
        put_count(w, family, "attention.sliding_window", c->window);
        put_count(w, family, "attention.sliding_window_pattern", c->window_period);
    }
    if (r->scaling == PM_ROTARY_LLAMA3) put_own_scaling(w, c);
    if (r->scaling != PM_ROTARY_LINEAR && r->scaling != PM_ROTARY_YARN) return;
    snprintf(key, sizeof key, "%s.rope.scaling.type", family->gguf_family);
    gguf_put_text(w, key, r->scaling == PM_ROTARY_LINEAR ? "linear" : "yarn");
    put_number(w, family, "rope.scaling.factor", r->factor);
    if (r->scaling != PM_ROTARY_YARN) return;
    put_count(w, family, "rope.scaling.original_context_length", r->original ? r->original : c->ctx);
    if (r->fast > 0) put_number(w, family, "rope.scaling.yarn_beta_fast", r->fast);
    if (r->slow > 0) put_number(w, family, "rope.scaling.yarn_beta_slow", r->slow);
    if (r->attention > 0)
        put_number(w, family, "rope.scaling.yarn_attn_factor", r->attention / (0.1f * logf(r->factor) + 1));
}

/* llama.h's llama_ftype. */
static uint32_t file_type(gguf_dtype dtype)
{
    switch (dtype) {
    case GGUF_F16: return 1;
    case GGUF_Q4_0: return 2;
    case GGUF_Q8_0: return 7;
    case GGUF_BF16: return 32;
    default: return 0;
    }
}

static void put_config(gguf_writer *w, const pm_gpt_config *c, gguf_dtype dtype)
{
    const arch_info *family = arch_of(c);
    gguf_put_text(w, "general.architecture", family->gguf_family);
    gguf_put_text(w, "general.type", "model");
    gguf_put_u32(w, "general.file_type", file_type(dtype));
    if (gguf_dtype_block(dtype) > 1) gguf_put_u32(w, "general.quantization_version", 2);
    put_count(w, family, "block_count", c->layers);
    put_count(w, family, "context_length", c->ctx);
    put_count(w, family, "embedding_length", c->embd);
    put_count(w, family, "feed_forward_length", c->inner);
    put_count(w, family, "attention.head_count", c->heads);
    put_number(w, family, eps_key(family), c->eps);
    put_count(w, family, "vocab_size", c->vocab);
    if (!arch_rotary(family)) return;
    put_count(w, family, "attention.head_count_kv", c->kv_heads);
    put_count(w, family, "attention.key_length", c->head);
    put_count(w, family, "attention.value_length", c->head);
    if (family->local_theta > 0 && c->query_scalar != usual_scalar(c)) gguf_put_f32(w, QUERY_KEY, c->query_scalar);
    put_rotary(w, family, c);
}

/* A matrix takes the type where its rows have whole blocks. Tables of positions stay fp32, as llama.cpp wants them. */
static gguf_dtype type_of(const tensor_row *row, param_role role, gguf_dtype dtype, uint32_t columns)
{
    if (row->vector || role == ROLE_POSITIONS) return GGUF_F32;
    return columns % gguf_dtype_block(dtype) == 0 ? dtype : GGUF_F16;
}

static pm_status refuse_model(const pm_log *log, const char *from, const pm_gpt_config *c)
{
    const arch_info *family = arch_of(c);
    if (!family->gguf_family)
        return log_fail(log, PM_INVALID, "%s: GGUF has no architecture for %s", from, pm_arch_title(c->arch));
    if (c->outputs)
        return log_fail(log, PM_INVALID,
                        "%s: GGUF has no place for a task's head; take the model that it was made from", from);
    if (c->rotary.scaling == PM_ROTARY_LLAMA3 && !family->gguf_pairs)
        return log_fail(log, PM_INVALID, "%s: GGUF has Llama 3's scaling of positions for Llama only, not for %s", from,
                        pm_arch_title(c->arch));
    if (family->local_theta > 0 && c->window_first)
        return log_fail(log, PM_INVALID, "%s: GGUF has no key for windows that begin behind layer %u", from,
                        c->window_first);
    if (family->local_theta > 0 && c->query_scalar != usual_scalar(c))
        log_line(
            log, PM_LOG_WARN,
            "%s: GGUF has no key for query_pre_attn_scalar %g; Pumice reads one of its own, other programs take %g",
            from, (double)c->query_scalar, (double)usual_scalar(c));
    if (c->window && c->window < c->ctx && family->local_theta <= 0)
        log_line(log, PM_LOG_WARN, "%s: GGUF has no key for a window of %u tokens, which is left out", from, c->window);
    return PM_OK;
}

pm_status gguf_model_put(const pm_log *log, const char *from, gguf_writer *w, const pm_gpt_config *c, gguf_dtype dtype)
{
    const arch_info *family = arch_of(c);
    tensor_list list = {0};
    pm_status status = refuse_model(log, from, c);
    if (status == PM_OK) status = tensors_list(log, c, &family->gguf, &list);
    if (status != PM_OK) return status;
    put_config(w, c, dtype);
    if (c->rotary.scaling == PM_ROTARY_LLAMA3)
        gguf_put_tensor(w, "rope_freqs.weight", GGUF_F32, 1, &(uint64_t){c->rotary.columns / 2});
    for (uint32_t i = 0; i < list.count; i++) {
        const tensor_row *row = &list.rows[i];
        const gguf_form form = gguf_form_of(c, row, row->role);
        const uint64_t dims[2] = {form.turned ? row->rows : row->cols, form.turned ? row->cols : row->rows};
        gguf_put_tensor(w, row->name, type_of(row, row->role, dtype, (uint32_t)dims[0]), row->vector ? 1 : 2, dims);
    }
    tensors_free(&list);
    return PM_OK;
}
