/* Gemma 3 (Gemma Team, 2025), its text models: norms times 1 + w, before and behind each branch; norms of each head of q and k; GELU gates; a
 * table times the root of C; windows in all but each sixth layer, with a theta of their own. */
#include <math.h>

#include "model/arch_decoder.h"

static void read_gemma3(config_reader *r, pm_gpt_config *c)
{
    decoder_expect(r, c, "hidden_activation", "gelu_pytorch_tanh");
    decoder_read_rotary(r, c);
    if (!(c->query_scalar > 0 && isfinite(c->query_scalar)))
        config_wrong(r, "query_pre_attn_scalar", "is not a number above 0");
    c->window = config_count(r, "sliding_window", false);
    if (!c->window) c->window = 4096; /* transformers' default */
    c->window_period = config_count(r, "sliding_window_pattern", false);
    if (!c->window_period) c->window_period = config_count(r, "_sliding_window_pattern", false);
    if (!c->window_period) c->window_period = arch_gemma3.window_period;
    decoder_read_layers(r, c);
}

static void write_gemma3(cJSON *o, const pm_gpt_config *c)
{
    decoder_write_rotary(o, c);
    cJSON_AddNumberToObject(o, "sliding_window", c->window);
    if (c->window_first == 0) cJSON_AddNumberToObject(o, "sliding_window_pattern", c->window_period);
    decoder_write_layers(o, c);
}

const arch_info arch_gemma3 = {
    .id = PM_ARCH_GEMMA3,
    .name = "gemma3",
    .title = "Gemma 3",
    .model_type = "gemma3_text",
    .lm_class = "Gemma3ForCausalLM",
    .classifier_class = "Gemma3TextForSequenceClassification",
    .norm = NORM_RMS_ONE,
    .norm_before = true,
    .mlp = MLP_GELU_GATE,
    .out_in = true,
    .scaled_table = true,
    .residual_start = true,
    .eps = 1e-6f,
    .theta = 1e6f,
    .local_theta = 1e4f,
    .windows = WINDOWS_SOME,
    .window = 512,
    .window_period = 6,
    .hf =
        {.prefix = "model.",
         .block = "layers.",
         .name = {DECODER_NAMES, [ROLE_PROJ_BIAS] = "self_attn.o_proj.bias", [ROLE_Q_NORM] = "self_attn.q_norm.weight",
                  [ROLE_K_NORM] = "self_attn.k_norm.weight", [ROLE_POST_NORM1_GAIN] = "post_attention_layernorm.weight",
                  [ROLE_NORM2_GAIN] = "pre_feedforward_layernorm.weight",
                  [ROLE_POST_NORM2_GAIN] = "post_feedforward_layernorm.weight"},
         .parts = {DECODER_PARTS}},
    .gguf_family = "gemma3",
    .gguf = DECODER_GGUF,
    .keys = {DECODER_KEYS(256, 1e-6f),
             {"attention_bias", KEY_FLAG, FIELD(attention_bias), false, 0, NULL},
             {"query_pre_attn_scalar", KEY_FLOAT, FIELD(query_scalar), false, 256, NULL}},
    .activation_key = "hidden_activation",
    .activation = "gelu_pytorch_tanh",
    .read = read_gemma3,
    .write = write_gemma3,
};
