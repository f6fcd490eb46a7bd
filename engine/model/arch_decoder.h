/* What the descriptions of families with rotary positions share: names, keys of config.json, positions and windows in it. */
#ifndef MODEL_ARCH_DECODER_H
#define MODEL_ARCH_DECODER_H

#include "model/arch.h"
#include "model/config_reader.h"

#define FIELD(name) offsetof(pm_gpt_config, name)

/* Names of what all have. */
#define DECODER_NAMES                                                                                                  \
    [ROLE_TOKENS] = "embed_tokens.weight", [ROLE_NORM1_GAIN] = "input_layernorm.weight",                               \
    [ROLE_QKV_WEIGHT] = "self_attn.qkv_proj.weight", [ROLE_QKV_BIAS] = "self_attn.qkv_proj.bias",                      \
    [ROLE_PROJ_WEIGHT] = "self_attn.o_proj.weight", [ROLE_FC_WEIGHT] = "mlp.gate_up_proj.weight",                      \
    [ROLE_OUT_WEIGHT] = "mlp.down_proj.weight", [ROLE_NORM_GAIN] = "norm.weight", [ROLE_HEAD] = "lm_head.weight",      \
    [ROLE_SCORE] = "score.weight"
#define DECODER_PARTS                                                                                                  \
    {ROLE_QKV_WEIGHT, {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}},              \
        {ROLE_QKV_BIAS, {"self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"}},                  \
        {ROLE_FC_WEIGHT, {"mlp.gate_proj.weight", "mlp.up_proj.weight"}},                                              \
    {                                                                                                                  \
        ROLE_FC_BIAS,                                                                                                  \
        {                                                                                                              \
            "mlp.gate_proj.bias", "mlp.up_proj.bias"                                                                   \
        }                                                                                                              \
    }

/* Keys that all have. `head`: what head_dim is without the key; 0: C/H. */
#define DECODER_KEYS(head_, eps_)                                                                                      \
    {"vocab_size", KEY_COUNT, FIELD(vocab), true, 0, NULL}, {"hidden_size", KEY_COUNT, FIELD(embd), true, 0, NULL},    \
        {"intermediate_size", KEY_COUNT, FIELD(inner), true, 0, NULL},                                                 \
        {"num_hidden_layers", KEY_COUNT, FIELD(layers), true, 0, NULL},                                                \
        {"num_attention_heads", KEY_COUNT, FIELD(heads), true, 0, NULL},                                               \
        {"num_key_value_heads", KEY_COUNT, FIELD(kv_heads), false, 0, NULL},                                           \
        {"head_dim", KEY_COUNT, FIELD(head), false, head_, NULL},                                                      \
        {"max_position_embeddings", KEY_COUNT, FIELD(ctx), true, 0, NULL},                                             \
        {"rms_norm_eps", KEY_FLOAT, FIELD(eps), false, eps_, NULL},                                                    \
    {                                                                                                                  \
        "attention_dropout", KEY_FLOAT, FIELD(dropout_attn), false, 0, NULL                                            \
    }

/* Refuses another activation, and keys that change what is computed and that no family here has. */
void decoder_expect(config_reader *r, const char *key, const char *activation);
/* rope_theta, rope_scaling, partial_rotary_factor, rope_local_base_freq, and rope_parameters of transformers 5. */
void decoder_read_rotary(config_reader *r, pm_gpt_config *c);
void decoder_write_rotary(cJSON *o, const pm_gpt_config *c);
/* layer_types, where it is there, over `window`, `window_first` and `window_period` as read so far. */
void decoder_read_layers(config_reader *r, pm_gpt_config *c);
void decoder_write_layers(cJSON *o, const pm_gpt_config *c);

#endif
