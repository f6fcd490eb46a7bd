/* GPT-1 (Radford et al., 2018; LayerNorm after each sum) and GPT-2 (Radford et al., 2019; before each branch). Products have biases and weights
 * (in,out), which transformers calls Conv1D. */
#include "model/arch.h"
#include "model/config_reader.h"

#define GPT_BLOCK                                                                                                      \
    [ROLE_NORM1_GAIN] = "ln_1.weight", [ROLE_NORM1_BIAS] = "ln_1.bias", [ROLE_QKV_WEIGHT] = "attn.c_attn.weight",      \
    [ROLE_QKV_BIAS] = "attn.c_attn.bias", [ROLE_PROJ_WEIGHT] = "attn.c_proj.weight",                                   \
    [ROLE_PROJ_BIAS] = "attn.c_proj.bias", [ROLE_NORM2_GAIN] = "ln_2.weight", [ROLE_NORM2_BIAS] = "ln_2.bias",         \
    [ROLE_FC_WEIGHT] = "mlp.c_fc.weight", [ROLE_FC_BIAS] = "mlp.c_fc.bias", [ROLE_OUT_WEIGHT] = "mlp.c_proj.weight",   \
    [ROLE_OUT_BIAS] = "mlp.c_proj.bias", [ROLE_HEAD] = "lm_head.weight", [ROLE_SCORE] = "score.weight"

#define FIELD(name) offsetof(pm_gpt_config, name)
#define GPT_KEYS                                                                                                       \
    {                                                                                                                  \
        {"vocab_size", KEY_COUNT, FIELD(vocab), true, 0, NULL},                                                        \
            {"n_positions", KEY_COUNT, FIELD(ctx), true, 0, "n_ctx"},                                                  \
            {"n_embd", KEY_COUNT, FIELD(embd), true, 0, NULL}, {"n_layer", KEY_COUNT, FIELD(layers), true, 0, NULL},   \
            {"n_head", KEY_COUNT, FIELD(heads), true, 0, NULL}, {"n_inner", KEY_INNER, FIELD(inner), false, 0, NULL},  \
            {"layer_norm_epsilon", KEY_FLOAT, FIELD(eps), false, 1e-5f, NULL},                                         \
            {"embd_pdrop", KEY_FLOAT, FIELD(dropout_embd), false, 0.1f, NULL},                                         \
            {"attn_pdrop", KEY_FLOAT, FIELD(dropout_attn), false, 0.1f, NULL},                                         \
            {"resid_pdrop", KEY_FLOAT, FIELD(dropout_resid), false, 0.1f, NULL},                                       \
    }

/* GELU is computed by its tanh formula. transformers' names for that are gelu_new, gelu_fast and gelu_pytorch_tanh, and in GPT-1 also gelu. */
static bool tanh_gelu(config_reader *r, const char *key, const char **name)
{
    static const char *const names[] = {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"};
    *name = config_text(r, key);
    return !*name || config_one_of(*name, names, sizeof names / sizeof *names);
}

static void read_gpt1(config_reader *r, pm_gpt_config *c)
{
    (void)c;
    const char *name;
    if (!tanh_gelu(r, "afn", &name) && strcmp(name, "gelu") != 0) config_wrong(r, "afn", "must be \"gelu\"");
}

/* In GPT-2 gelu is the exact one, by erf. Variants of attention that transformers' GPT-2 has and Pumice lacks are refused.
 * (reorder_and_upcast_attn changes the order of operations in half precision, not what is computed.) */
static void read_gpt2(config_reader *r, pm_gpt_config *c)
{
    (void)c;
    const char *key = "activation_function", *name;
    if (!tanh_gelu(r, key, &name)) {
        if (strcmp(name, "gelu") != 0)
            config_wrong(r, key, "must be \"gelu_new\"");
        else
            config_warn(r, key,
                        "\"gelu\" is the exact GELU; Pumice computes \"gelu_new\", which is up to 5e-4 off at each "
                        "unit, so results will differ a little from the original's");
    }
    config_expect(r, "scale_attn_weights", true);
    config_expect(r, "scale_attn_by_inverse_layer_idx", false);
    config_expect(r, "add_cross_attention", false);
}

const arch_info arch_gpt1 = {
    .id = PM_ARCH_GPT1,
    .name = "gpt1",
    .title = "GPT-1",
    .model_type = "openai-gpt",
    .lm_class = "OpenAIGPTLMHeadModel",
    .classifier_class = "OpenAIGPTForSequenceClassification",
    .attention_bias = true,
    .mlp_bias = true,
    .position_deviation = 0.02f,
    .eps = 1e-5f,
    .hf = {.prefix = "transformer.",
           .block = "h.",
           .name = {[ROLE_TOKENS] = "tokens_embed.weight", [ROLE_POSITIONS] = "positions_embed.weight", GPT_BLOCK}},
    .keys = GPT_KEYS,
    .activation_key = "afn",
    .activation = "gelu",
    .read = read_gpt1,
};

const arch_info arch_gpt2 = {
    .id = PM_ARCH_GPT2,
    .name = "gpt2",
    .title = "GPT-2",
    .model_type = "gpt2",
    .lm_class = "GPT2LMHeadModel",
    .classifier_class = "GPT2ForSequenceClassification",
    .norm_before = true,
    .residual_start = true,
    .attention_bias = true,
    .mlp_bias = true,
    .position_deviation = 0.01f,
    .eps = 1e-5f,
    .hf = {.prefix = "transformer.",
           .block = "h.",
           .name = {[ROLE_TOKENS] = "wte.weight",
                    [ROLE_POSITIONS] = "wpe.weight",
                    GPT_BLOCK,
                    [ROLE_NORM_GAIN] = "ln_f.weight",
                    [ROLE_NORM_BIAS] = "ln_f.bias"}},
    .gguf_family = "gpt2",
    .gguf = {.prefix = "",
             .block = "blk.",
             .name = {[ROLE_TOKENS] = "token_embd.weight",
                      [ROLE_POSITIONS] = "position_embd.weight",
                      [ROLE_NORM1_GAIN] = "attn_norm.weight",
                      [ROLE_NORM1_BIAS] = "attn_norm.bias",
                      [ROLE_QKV_WEIGHT] = "attn_qkv.weight",
                      [ROLE_QKV_BIAS] = "attn_qkv.bias",
                      [ROLE_PROJ_WEIGHT] = "attn_output.weight",
                      [ROLE_PROJ_BIAS] = "attn_output.bias",
                      [ROLE_NORM2_GAIN] = "ffn_norm.weight",
                      [ROLE_NORM2_BIAS] = "ffn_norm.bias",
                      [ROLE_FC_WEIGHT] = "ffn_up.weight",
                      [ROLE_FC_BIAS] = "ffn_up.bias",
                      [ROLE_OUT_WEIGHT] = "ffn_down.weight",
                      [ROLE_OUT_BIAS] = "ffn_down.bias",
                      [ROLE_NORM_GAIN] = "output_norm.weight",
                      [ROLE_NORM_BIAS] = "output_norm.bias",
                      [ROLE_HEAD] = "output.weight"}},
    .keys = GPT_KEYS,
    .activation_key = "activation_function",
    .activation = "gelu_new",
    .read = read_gpt2,
};
