/* Qwen 3 (Yang et al., 2025): no biases, and a norm of each head of q and k before rotation. */
#include "model/arch_qwen.h"

const arch_info arch_qwen3 = {
    .id = PM_ARCH_QWEN3,
    .name = "qwen3",
    .title = "Qwen 3",
    .model_type = "qwen3",
    .lm_class = "Qwen3ForCausalLM",
    .classifier_class = "Qwen3ForSequenceClassification",
    .norm = NORM_RMS,
    .norm_before = true,
    .mlp = MLP_SILU_GATE,
    .out_in = true,
    .residual_start = true,
    .eps = 1e-6f,
    .theta = 1e6f,
    .windows = WINDOWS_SOME,
    .hf =
        {.prefix = "model.",
         .block = "layers.",
         .name = {DECODER_NAMES, [ROLE_PROJ_BIAS] = "self_attn.o_proj.bias", [ROLE_Q_NORM] = "self_attn.q_norm.weight",
                  [ROLE_K_NORM] = "self_attn.k_norm.weight", [ROLE_NORM2_GAIN] = "post_attention_layernorm.weight"},
         .parts = {DECODER_PARTS}},
    .gguf_family = "qwen3",
    .gguf = DECODER_GGUF,
    .keys = {DECODER_KEYS(128, 1e-6f), {"attention_bias", KEY_FLAG, FIELD(attention_bias), false, 0, NULL}},
    .activation_key = "hidden_act",
    .activation = "silu",
    .untied = true,
    .read = qwen_read,
    .write = qwen_write,
};
