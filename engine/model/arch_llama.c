/* Llama 2 and 3 (Touvron et al., 2023; Grattafiori et al., 2024), and what is built like it: TinyLlama, SmolLM2; Mistral (Jiang et al., 2023), which
 * may have a window in every layer. */
#include "model/arch_decoder.h"

#define LLAMA_NAMES                                                                                                    \
    DECODER_NAMES, [ROLE_PROJ_BIAS] = "self_attn.o_proj.bias", [ROLE_NORM2_GAIN] = "post_attention_layernorm.weight",  \
                   [ROLE_FC_BIAS] = "mlp.gate_up_proj.bias", [ROLE_OUT_BIAS] = "mlp.down_proj.bias"

/* What both are. */
#define LLAMA_FIELDS                                                                                                   \
    .norm = NORM_RMS, .norm_before = true, .mlp = MLP_SILU_GATE, .out_in = true, .residual_start = true, .eps = 1e-5f, \
    .theta = 1e4f, .hf = {.prefix = "model.", .block = "layers.", .name = {LLAMA_NAMES}, .parts = {DECODER_PARTS}},    \
    .gguf_family = "llama", .gguf = DECODER_GGUF, .gguf_pairs = true, .activation_key = "hidden_act",                  \
    .activation = "silu", .untied = true

static void read_llama(config_reader *r, pm_gpt_config *c)
{
    decoder_expect(r, c, "hidden_act", "silu");
    decoder_read_rotary(r, c);
    decoder_expect_layers(r, c);
}

/* Of Mistral, transformers takes 4096 for a key that is not there, and no window for null. */
static void read_mistral(config_reader *r, pm_gpt_config *c)
{
    const bool there = cJSON_GetObjectItemCaseSensitive(r->object, "sliding_window") != NULL;
    c->window = there ? config_count(r, "sliding_window", false) : 4096;
    read_llama(r, c);
}

static void write_mistral(cJSON *o, const pm_gpt_config *c)
{
    decoder_write_rotary(o, c);
    if (c->window)
        cJSON_AddNumberToObject(o, "sliding_window", c->window);
    else
        cJSON_AddNullToObject(o, "sliding_window");
}

const arch_info arch_llama = {
    .id = PM_ARCH_LLAMA,
    .name = "llama",
    .title = "Llama",
    .model_type = "llama",
    .lm_class = "LlamaForCausalLM",
    .classifier_class = "LlamaForSequenceClassification",
    LLAMA_FIELDS,
    .keys = {DECODER_KEYS(0, 1e-6f),
             {"attention_bias", KEY_FLAG, FIELD(attention_bias), false, 0, NULL},
             {"mlp_bias", KEY_FLAG, FIELD(mlp_bias), false, 0, NULL}},
    .read = read_llama,
    .write = decoder_write_rotary,
};

const arch_info arch_mistral = {
    .id = PM_ARCH_MISTRAL,
    .name = "mistral",
    .title = "Mistral",
    .model_type = "mistral",
    .lm_class = "MistralForCausalLM",
    .classifier_class = "MistralForSequenceClassification",
    LLAMA_FIELDS,
    .windows = WINDOWS_ALL,
    .keys = {DECODER_KEYS(0, 1e-6f)},
    .read = read_mistral,
    .write = write_mistral,
};
