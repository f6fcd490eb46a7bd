/* Qwen 2 and 2.5 (Yang et al., 2024): a Llama whose q, k and v have biases. */
#include "model/arch_qwen.h"

void qwen_read(config_reader *r, pm_gpt_config *c)
{
    decoder_expect(r, c, "hidden_act", "silu");
    decoder_read_rotary(r, c);
    if (config_flag(r, "use_sliding_window", false)) {
        c->window = config_count(r, "sliding_window", true);
        c->window_first = config_index(r, "max_window_layers", 28); /* transformers' default */
    }
    decoder_read_layers(r, c);
    if (c->window_first >= c->layers) c->window = 0;
    if (!c->window) c->window_first = c->window_period = 0;
}

void qwen_write(cJSON *o, const pm_gpt_config *c)
{
    decoder_write_rotary(o, c);
    cJSON_AddBoolToObject(o, "use_sliding_window", c->window > 0);
    if (!c->window) {
        cJSON_AddNullToObject(o, "sliding_window");
        return;
    }
    cJSON_AddNumberToObject(o, "sliding_window", c->window);
    cJSON_AddNumberToObject(o, "max_window_layers", c->window_first);
    decoder_write_layers(o, c);
}

const arch_info arch_qwen2 = {
    .id = PM_ARCH_QWEN2,
    .name = "qwen2",
    .title = "Qwen 2",
    .model_type = "qwen2",
    .lm_class = "Qwen2ForCausalLM",
    .classifier_class = "Qwen2ForSequenceClassification",
    .norm = NORM_RMS,
    .norm_before = true,
    .mlp = MLP_SILU_GATE,
    .attention_bias = true,
    .out_in = true,
    .residual_start = true,
    .eps = 1e-6f,
    .theta = 1e6f,
    .windows = WINDOWS_SOME,
    .hf = {.prefix = "model.",
           .block = "layers.",
           .name = {DECODER_NAMES, [ROLE_NORM2_GAIN] = "post_attention_layernorm.weight"},
           .parts = {DECODER_PARTS}},
    .gguf_family = "qwen2",
    .gguf = DECODER_GGUF,
    .keys = {DECODER_KEYS(0, 1e-6f)},
    .activation_key = "hidden_act",
    .activation = "silu",
    .untied = true,
    .read = qwen_read,
    .write = qwen_write,
};
