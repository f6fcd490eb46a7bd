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

/* The same in GGUF. */
#define DECODER_GGUF_NAMES                                                                                             \
    [ROLE_TOKENS] = "token_embd.weight", [ROLE_NORM1_GAIN] = "attn_norm.weight",                                       \
    [ROLE_QKV_WEIGHT] = "attn_qkv.weight", [ROLE_QKV_BIAS] = "attn_qkv.bias", [ROLE_Q_NORM] = "attn_q_norm.weight",    \
    [ROLE_K_NORM] = "attn_k_norm.weight", [ROLE_PROJ_WEIGHT] = "attn_output.weight",                                   \
    [ROLE_PROJ_BIAS] = "attn_output.bias", [ROLE_POST_NORM1_GAIN] = "post_attention_norm.weight",                      \
    [ROLE_NORM2_GAIN] = "ffn_norm.weight", [ROLE_FC_WEIGHT] = "ffn_gate_up.weight",                                    \
    [ROLE_FC_BIAS] = "ffn_gate_up.bias", [ROLE_OUT_WEIGHT] = "ffn_down.weight", [ROLE_OUT_BIAS] = "ffn_down.bias",     \
    [ROLE_POST_NORM2_GAIN] = "post_ffw_norm.weight", [ROLE_NORM_GAIN] = "output_norm.weight",                          \
    [ROLE_HEAD] = "output.weight"
#define DECODER_GGUF                                                                                                   \
    {                                                                                                                  \
        .prefix = "", .block = "blk.", .name = {DECODER_GGUF_NAMES}, .parts = {                                        \
            {ROLE_QKV_WEIGHT, {"attn_q.weight", "attn_k.weight", "attn_v.weight"}},                                    \
            {ROLE_QKV_BIAS, {"attn_q.bias", "attn_k.bias", "attn_v.bias"}},                                            \
            {ROLE_FC_WEIGHT, {"ffn_gate.weight", "ffn_up.weight"}},                                                    \
            {ROLE_FC_BIAS, {"ffn_gate.bias", "ffn_up.bias"}}                                                           \
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

/* Refuses another activation, and keys that change what is computed and that this family has not. */
void decoder_expect(config_reader *r, const pm_gpt_config *c, const char *key, const char *activation);
/* rope_theta, rope_scaling, partial_rotary_factor, rope_local_base_freq, and rope_parameters of transformers 5. */
void decoder_read_rotary(config_reader *r, pm_gpt_config *c);
void decoder_write_rotary(cJSON *o, const pm_gpt_config *c);
/* layer_types, where it is there, over `window`, `window_first` and `window_period` as read so far. */
void decoder_read_layers(config_reader *r, pm_gpt_config *c);
/* Refuses layer_types that say anything else. */
void decoder_expect_layers(config_reader *r, const pm_gpt_config *c);
void decoder_write_layers(cJSON *o, const pm_gpt_config *c);

#endif
