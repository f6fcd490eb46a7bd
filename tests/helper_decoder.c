#include "helper_decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

/* ---- published files ------------------------------------------------------------------------------------------------- */

/* Sizes in one order. */
#define SIZES(vocab, ctx, hidden, inner, layers, heads, kv)                                                            \
    "'vocab_size':" #vocab ",'max_position_embeddings':" #ctx ",'hidden_size':" #hidden ",'intermediate_size':" #inner \
    ",'num_hidden_layers':" #layers ",'num_attention_heads':" #heads ",'num_key_value_heads':" #kv ","
#define WANT(vocab_, ctx_, hidden_, inner_, layers_, heads_, kv_)                                                      \
    .vocab = vocab_, .ctx = ctx_, .embd = hidden_, .inner = inner_, .layers = layers_, .heads = heads_, .kv_heads = kv_
#define SPECIAL(bos_, eos_) .special = {.has_bos = true, .has_eos = true, .bos = bos_, .eos = eos_}
#define SPECIAL_PAD(bos_, eos_, pad_)                                                                                  \
    .special = {.has_bos = true, .has_eos = true, .has_pad = true, .bos = bos_, .eos = eos_, .pad = pad_}
#define ROTARY(theta_, columns_) .rotary = {.theta = theta_, .columns = columns_}
#define LLAMA3(columns_, factor_)                                                                                      \
    .rotary = {.theta = 5e5f,                                                                                          \
               .columns = columns_,                                                                                    \
               .scaling = PM_ROTARY_LLAMA3,                                                                            \
               .factor = factor_,                                                                                      \
               .low = 1,                                                                                               \
               .high = 4,                                                                                              \
               .original = 8192}
#define LLAMA3_KEYS(factor)                                                                                            \
    "'factor':" #factor ",'high_freq_factor':4.0,'low_freq_factor':1.0,'original_max_position_embeddings':8192,"       \
    "'rope_type':'llama3'"

#define LLAMA "{'architectures':['LlamaForCausalLM'],'model_type':'llama','hidden_act':'silu','pretraining_tp':1,"
#define MISTRAL "{'architectures':['MistralForCausalLM'],'model_type':'mistral','hidden_act':'silu','use_cache':true,"
#define QWEN2 "{'architectures':['Qwen2ForCausalLM'],'model_type':'qwen2','hidden_act':'silu','attention_dropout':0.0,"
#define QWEN3 "{'architectures':['Qwen3ForCausalLM'],'model_type':'qwen3','hidden_act':'silu','attention_bias':false,"
#define GEMMA3                                                                                                         \
    "{'architectures':['Gemma3ForCausalLM'],'model_type':'gemma3_text','hidden_activation':'gelu_pytorch_tanh',"       \
    "'attention_bias':false,'attn_logit_softcapping':null,'final_logit_softcapping':null,"                             \
    "'query_pre_attn_scalar':256,'rms_norm_eps':1e-06,'bos_token_id':2,'pad_token_id':0,"

#define SMOLLM2                                                                                                        \
    SIZES(49152, 8192, 576, 1536, 30, 9, 3)                                                                            \
    "'attention_bias':false,'is_llama_config':true,'rms_norm_eps':1e-05,'rope_interleaved':false,'bos_token_id':0,"    \
    "'eos_token_id':0,'tie_word_embeddings':true,'torch_dtype':'bfloat16',"
#define SMOLLM2_WANT                                                                                                   \
    {                                                                                                                  \
        WANT(49152, 8192, 576, 1536, 30, 9, 3), .arch = PM_ARCH_LLAMA, .eps = 1e-5f, .head = 64, SPECIAL(0, 0),        \
                                                ROTARY(1e5f, 64)                                                       \
    }
#define LLAMA32                                                                                                        \
    SIZES(128256, 131072, 2048, 8192, 16, 32, 8)                                                                       \
    "'attention_bias':false,'head_dim':64,'mlp_bias':false,'rms_norm_eps':1e-05,'bos_token_id':128000,"                \
    "'tie_word_embeddings':true,"
#define LLAMA32_WANT                                                                                                   \
    {                                                                                                                  \
        WANT(128256, 131072, 2048, 8192, 16, 32, 8), .arch = PM_ARCH_LLAMA, .eps = 1e-5f, .head = 64,                  \
                                                     SPECIAL(128000, 128001), LLAMA3(64, 32)                           \
    }
#define MISTRAL7 "'bos_token_id':1,'eos_token_id':2,'rms_norm_eps':1e-05,'tie_word_embeddings':false,"
#define QWEN25                                                                                                         \
    SIZES(151936, 32768, 896, 4864, 24, 14, 2)                                                                         \
    "'bos_token_id':151643,'rms_norm_eps':1e-06,'max_window_layers':24,'use_sliding_window':false,"                    \
    "'tie_word_embeddings':true,"
#define QWEN25_WANT(eos, ...)                                                                                          \
    {                                                                                                                  \
        WANT(151936, 32768, 896, 4864, 24, 14, 2), .arch = PM_ARCH_QWEN2, .eps = 1e-6f, .head = 64,                    \
                                                   .attention_bias = true, SPECIAL(151643, eos), __VA_ARGS__           \
    }
#define QWEN3_06B                                                                                                      \
    SIZES(151936, 40960, 1024, 3072, 28, 16, 8)                                                                        \
    "'head_dim':128,'bos_token_id':151643,'eos_token_id':151645,'rms_norm_eps':1e-06,'max_window_layers':28,"          \
    "'sliding_window':null,'use_sliding_window':false,'tie_word_embeddings':true,"
#define QWEN3_WANT                                                                                                     \
    {                                                                                                                  \
        WANT(151936, 40960, 1024, 3072, 28, 16, 8), .arch = PM_ARCH_QWEN3, .eps = 1e-6f, .head = 128,                  \
                                                    SPECIAL(151643, 151645), ROTARY(1e6f, 128)                         \
    }
#define WINDOWS5                                                                                                       \
    "'sliding_attention','sliding_attention','sliding_attention','sliding_attention','sliding_attention',"             \
    "'full_attention'"
#define GEMMA3_270M                                                                                                    \
    SIZES(262144, 32768, 640, 2048, 18, 4, 1)                                                                          \
    "'head_dim':256,'_sliding_window_pattern':6,'eos_token_id':1,'layer_types':[" WINDOWS5 "," WINDOWS5 "," WINDOWS5   \
    "],'sliding_window':512,'use_bidirectional_attention':false,"
#define GEMMA3_WANT(...)                                                                                               \
    {                                                                                                                  \
        __VA_ARGS__, .arch = PM_ARCH_GEMMA3, .eps = 1e-6f, .head = 256, SPECIAL_PAD(2, 1, 0), .window = 512,           \
                     .window_period = 6, .query_scalar = 256, .rotary = {                                              \
                         .theta = 1e6f,                                                                                \
                         .local_theta = 1e4f,                                                                          \
                         .columns = 256                                                                                \
                     }                                                                                                 \
    }
#define NESTED                                                                                                         \
    "'rope_parameters':{'full_attention':{'rope_theta':1000000.0,'rope_type':'default'},"                              \
    "'sliding_attention':{'rope_theta':10000.0,'rope_type':'default'}}"

const decoder_file decoder_files[DECODER_FILES] = {
    {"SmolLM2-135M", LLAMA SMOLLM2 "'rope_scaling':null,'rope_theta':100000}", 134515008, 272, SMOLLM2_WANT},
    {"SmolLM2-135M, saved by 4.48",
     LLAMA SMOLLM2 "'head_dim':64,'mlp_bias':false,'_name_or_path':'x','rope_scaling':null,'rope_theta':100000}",
     134515008, 272, SMOLLM2_WANT},
    {"SmolLM2-135M, saved by 5", LLAMA SMOLLM2 "'rope_parameters':{'rope_theta':100000,'rope_type':'default'}}",
     134515008, 272, SMOLLM2_WANT},
    {"Llama-3.2-1B",
     LLAMA LLAMA32 "'eos_token_id':128001,'rope_scaling':{" LLAMA3_KEYS(32.0) "},'rope_theta':500000.0}", 1235814400,
     146, LLAMA32_WANT},
    {"Llama-3.2-1B-Instruct",
     LLAMA LLAMA32
     "'eos_token_id':[128001,128008,128009],'rope_scaling':{" LLAMA3_KEYS(32.0) "},'rope_theta':500000.0}",
     1235814400, 146, LLAMA32_WANT},
    {"Llama-3.2-1B, saved by 5",
     LLAMA LLAMA32
     "'eos_token_id':128001,'dtype':'bfloat16','rope_parameters':{" LLAMA3_KEYS(32.0) ",'rope_theta':500000.0}}",
     1235814400, 146, LLAMA32_WANT},
    {"Llama-3.1-8B",
     LLAMA SIZES(128256, 131072, 4096, 14336, 32, 32, 8) "'rms_norm_eps':1e-05,'bos_token_id':128000,'eos_token_id':"
                                                         "128001,'tie_word_embeddings':false,'rope_theta':500000.0,"
                                                         "'rope_scaling':{" LLAMA3_KEYS(8.0) "}}",
     8030261248,
     291,
     {WANT(128256, 131072, 4096, 14336, 32, 32, 8), .arch = PM_ARCH_LLAMA, .eps = 1e-5f, .head = 128, .untied = true,
      SPECIAL(128000, 128001), LLAMA3(128, 8)}},
    {"TinyLlama-1.1B, its oldest form",
     LLAMA SIZES(32000, 2048, 2048, 5632, 22, 32, 4) "'rms_norm_eps':1e-05,'bos_token_id':1,'eos_token_id':2,"
                                                     "'rope_scaling':null,'tie_word_embeddings':false}",
     1100048384,
     201,
     {WANT(32000, 2048, 2048, 5632, 22, 32, 4), .arch = PM_ARCH_LLAMA, .eps = 1e-5f, .head = 64, .untied = true,
      SPECIAL(1, 2), ROTARY(1e4f, 64)}},
    {"Mistral-7B-v0.1",
     MISTRAL MISTRAL7 SIZES(32000, 32768, 4096, 14336, 32, 32, 8) "'rope_theta':10000.0,'sliding_window':4096}",
     7241732096,
     291,
     {WANT(32000, 32768, 4096, 14336, 32, 32, 8), .arch = PM_ARCH_MISTRAL, .eps = 1e-5f, .head = 128, .untied = true,
      SPECIAL(1, 2), ROTARY(1e4f, 128), .window = 4096}},
    {"Mistral-7B, no key for its window",
     MISTRAL MISTRAL7 SIZES(32000, 32768, 4096, 14336, 32, 32, 8) "'rope_theta':10000.0}",
     7241732096,
     291,
     {WANT(32000, 32768, 4096, 14336, 32, 32, 8), .arch = PM_ARCH_MISTRAL, .eps = 1e-5f, .head = 128, .untied = true,
      SPECIAL(1, 2), ROTARY(1e4f, 128), .window = 4096}},
    {"Mistral-7B-v0.2",
     MISTRAL MISTRAL7 SIZES(32000, 32768, 4096, 14336, 32, 32, 8) "'rope_theta':1000000.0,'sliding_window':null}",
     7241732096,
     291,
     {WANT(32000, 32768, 4096, 14336, 32, 32, 8), .arch = PM_ARCH_MISTRAL, .eps = 1e-5f, .head = 128, .untied = true,
      SPECIAL(1, 2), ROTARY(1e6f, 128)}},
    {"Mistral-Nemo-12B",
     MISTRAL MISTRAL7 SIZES(131072, 128000, 5120, 14336, 40, 32, 8) "'head_dim':128,'rope_theta':1000000.0,"
                                                                    "'sliding_window':null}",
     12247782400,
     363,
     {WANT(131072, 128000, 5120, 14336, 40, 32, 8), .arch = PM_ARCH_MISTRAL, .eps = 1e-5f, .head = 128, .untied = true,
      SPECIAL(1, 2), ROTARY(1e6f, 128)}},
    {"Qwen2.5-0.5B",
     QWEN2 QWEN25 "'eos_token_id':151643,'rope_theta':1000000.0,'sliding_window':32768,'use_mrope':false}", 494032768,
     290, QWEN25_WANT(151643, ROTARY(1e6f, 64))},
    {"Qwen2.5-0.5B, saved by 4.48",
     QWEN2 QWEN25 "'eos_token_id':151645,'rope_theta':1000000.0,'rope_scaling':null,'sliding_window':null}", 494032768,
     290, QWEN25_WANT(151645, ROTARY(1e6f, 64))},
    {"Qwen2.5-0.5B, saved by 5",
     QWEN2 QWEN25 "'eos_token_id':[151645,151643],'rope_parameters':{'rope_theta':1000000.0},'sliding_window':null,"
                  "'dtype':'bfloat16'}",
     494032768, 290, QWEN25_WANT(151645, ROTARY(1e6f, 64))},
    {"Qwen2.5-0.5B, yarn",
     QWEN2 QWEN25 "'eos_token_id':151645,'rope_theta':1000000.0,'sliding_window':32768,'rope_scaling':{'factor':4.0,"
                  "'original_max_position_embeddings':32768,'type':'yarn'}}",
     494032768, 290,
     QWEN25_WANT(151645, .rotary = {.theta = 1e6f,
                                    .columns = 64,
                                    .scaling = PM_ROTARY_YARN,
                                    .factor = 4,
                                    .original = 32768,
                                    .fast = 32,
                                    .slow = 1})},
    {"Qwen3-0.6B", QWEN3 QWEN3_06B "'rope_scaling':null,'rope_theta':1000000}", 596049920, 310, QWEN3_WANT},
    {"Qwen3-0.6B, saved by 5", QWEN3 QWEN3_06B "'rope_parameters':{'rope_theta':1000000,'rope_type':'default'}}",
     596049920, 310, QWEN3_WANT},
    {"gemma-3-270m", GEMMA3 GEMMA3_270M "'rope_local_base_freq':10000.0,'rope_scaling':null,'rope_theta':1000000.0}",
     268098176, 236, GEMMA3_WANT(WANT(262144, 32768, 640, 2048, 18, 4, 1))},
    {"gemma-3-270m, saved by 5", GEMMA3 GEMMA3_270M NESTED "}", 268098176, 236,
     GEMMA3_WANT(WANT(262144, 32768, 640, 2048, 18, 4, 1))},
    {"gemma-3-1b",
     GEMMA3 SIZES(262144, 32768, 1152, 6912, 26, 4, 1) "'head_dim':256,'cache_implementation':'hybrid','eos_token_id':"
                                                       "[1,106],'rope_local_base_freq':10000,'rope_scaling':null,"
                                                       "'rope_theta':1000000,'sliding_window':512,"
                                                       "'sliding_window_pattern':6}",
     999885952, 340, GEMMA3_WANT(WANT(262144, 32768, 1152, 6912, 26, 4, 1))},
    {"gemma-3-1b, thetas outside of rope_parameters",
     GEMMA3 SIZES(262144, 32768, 1152, 6912, 26, 4, 1) "'eos_token_id':1,'rope_local_base_freq':10000,'rope_theta':"
                                                       "1000000,'sliding_window':512,'rope_parameters':{"
                                                       "'full_attention':{'factor':8.0,'rope_type':'linear'},"
                                                       "'sliding_attention':{'rope_type':'default'}}}",
     999885952,
     340,
     {WANT(262144, 32768, 1152, 6912, 26, 4, 1), .arch = PM_ARCH_GEMMA3, .eps = 1e-6f, .head = 256,
      SPECIAL_PAD(2, 1, 0), .window = 512, .window_period = 6, .query_scalar = 256,
      .rotary = {.theta = 1e6f, .local_theta = 1e4f, .columns = 256, .scaling = PM_ROTARY_LINEAR, .factor = 8}}},
};

/* ---- small files ----------------------------------------------------------------------------------------------------- */

const char decoder_small_llama[] = LLAMA SIZES(61, 56, 48, 32, 2, 6, 2) "'head_dim':8,'rope_theta':100.0}";
const char decoder_small_mistral[] =
    MISTRAL SIZES(61, 56, 48, 32, 2, 6, 2) "'head_dim':8,'rope_theta':100.0,'sliding_window':7}";
const char decoder_small_qwen2[] = QWEN2 SIZES(61, 56, 48, 36, 2, 4, 2) "'rope_theta':100.0}";
const char decoder_small_qwen3[] = QWEN3 SIZES(61, 56, 40, 36, 2, 4, 2) "'head_dim':16,'rope_theta':100.0}";
const char decoder_small_gemma3[] =
    GEMMA3 SIZES(61, 56, 40, 44, 2, 4, 1) "'head_dim':12,'sliding_window':5,'sliding_window_pattern':2}";

/* ---- reading --------------------------------------------------------------------------------------------------------- */

char *decoder_json(const char *text)
{
    const size_t n = strlen(text);
    char *out = malloc(n + 1);
    assert_non_null(out);
    for (size_t i = 0; i <= n; i++) out[i] = text[i] == '\'' ? '"' : text[i];
    return out;
}

/* JSON that is JSON already. */
static pm_status load_json(const pm_log *log, const char *json, pm_gpt_config *out)
{
    const pm_memory_file file = {"config.json", json, strlen(json)};
    return pm_gpt_config_load_from(log, &(pm_source){.files = &file, .file_count = 1}, out);
}

pm_status decoder_load(const pm_log *log, const char *text, pm_gpt_config *out)
{
    char *json = decoder_json(text);
    const pm_status status = load_json(log, json, out);
    free(json);
    return status;
}

pm_status decoder_load_with(const pm_log *log, const char *text, const char *changes, pm_gpt_config *out)
{
    char *json = decoder_json(text), *change = decoder_json(changes);
    cJSON *root = cJSON_Parse(json), *change_root = cJSON_Parse(change);
    if (!root || !change_root) fail_msg("not JSON: %s or %s", text, changes);
    for (cJSON *item; (item = change_root->child) != NULL;) {
        cJSON_DetachItemViaPointer(change_root, item);
        cJSON_DeleteItemFromObjectCaseSensitive(root, item->string);
        if (cJSON_IsString(item) && strcmp(item->valuestring, "none") == 0)
            cJSON_Delete(item);
        else
            cJSON_AddItemToObject(root, item->string, item);
    }
    char *changed = cJSON_PrintUnformatted(root);
    const pm_status status = load_json(log, changed, out);
    cJSON_free(changed);
    cJSON_Delete(root);
    cJSON_Delete(change_root);
    free(json);
    free(change);
    return status;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------- */

void decoder_same(const char *what, const pm_gpt_config *a, const pm_gpt_config *b)
{
#define SAME(field)                                                                                                    \
    if (a->field != b->field)                                                                                          \
    fail_msg("%s: %s is %.9g instead of %.9g", what, #field, (double)a->field, (double)b->field)
    SAME(arch);
    SAME(vocab);
    SAME(ctx);
    SAME(embd);
    SAME(heads);
    SAME(layers);
    SAME(inner);
    SAME(eps);
    SAME(no_eps);
    SAME(dropout_embd);
    SAME(dropout_attn);
    SAME(dropout_resid);
    SAME(outputs);
    SAME(untied);
    SAME(task_tokens);
    SAME(special.has_bos);
    SAME(special.has_eos);
    SAME(special.has_pad);
    SAME(special.bos);
    SAME(special.eos);
    SAME(special.pad);
    SAME(kv_heads);
    SAME(head);
    SAME(rotary.theta);
    SAME(rotary.local_theta);
    SAME(rotary.columns);
    SAME(rotary.scaling);
    SAME(rotary.factor);
    SAME(rotary.low);
    SAME(rotary.high);
    SAME(rotary.original);
    SAME(rotary.fast);
    SAME(rotary.slow);
    SAME(rotary.attention);
    SAME(window);
    SAME(window_first);
    SAME(window_period);
    SAME(query_scalar);
    SAME(attention_bias);
    SAME(mlp_bias);
#undef SAME
}
