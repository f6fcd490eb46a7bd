/* config.json of Llama, Mistral, Qwen and Gemma: published files, what may be said in several ways, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "helper_decoder.h"
#include "helper_log.h"
#include "model/tensors.h"

static pm_log log_here;

static int begin(void **state)
{
    (void)state;
    log_here = test_log();
    return 0;
}

/* Written and read back, a configuration is the same, and so is the text. */
static void again(const char *what, const pm_gpt_config *config)
{
    pm_gpt_config back;
    char *text = gpt_config_text(config, NULL);
    assert_non_null(text);
    if (pm_gpt_config_check(&log_here, config) != PM_OK || decoder_load(&log_here, text, &back) != PM_OK)
        fail_msg("%s: %s", what, test_last_error());
    decoder_same(what, &back, config);
    char *second = gpt_config_text(&back, NULL);
    assert_string_equal(text, second);
    free(text);
    free(second);
}

/* ---- published files ------------------------------------------------------------------------------------------------- */

static void test_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < DECODER_FILES; i++) {
        const decoder_file *f = &decoder_files[i];
        pm_gpt_config c;
        tensor_list list;
        test_log_reset();
        if (decoder_load(&log_here, f->text, &c) != PM_OK) fail_msg("%s: %s", f->name, test_last_error());
        assert_int_equal(test_log_count(PM_LOG_WARN), 0);
        decoder_same(f->name, &c, &f->want);
        if (pm_gpt_config_parameters(&c) != f->parameters)
            fail_msg("%s: %llu parameters", f->name, (unsigned long long)pm_gpt_config_parameters(&c));
        again(f->name, &c);
        assert_int_equal(tensors_list(&log_here, &c, &arch_of(&c)->hf, &list), PM_OK);
        uint64_t numbers = 0;
        for (uint32_t t = 0; t < list.count; t++) numbers += (uint64_t)list.rows[t].rows * list.rows[t].cols;
        if (list.count != f->tensors || numbers != f->parameters) fail_msg("%s: %u tensors", f->name, list.count);
        tensors_free(&list);
    }
}

/* A list of ends: the first is the configuration's, all are a text's. */
static void test_ends(void **state)
{
    (void)state;
    char *text = NULL;
    for (size_t i = 0; i < DECODER_FILES && !text; i++)
        if (strcmp(decoder_files[i].name, "Llama-3.2-1B-Instruct") == 0) text = decoder_json(decoder_files[i].text);
    assert_non_null(text);
    const pm_memory_file file = {"config.json", text, strlen(text)};
    pm_text_ends ends;
    assert_int_equal(
        pm_text_ends_load_from(&log_here, &(pm_source){.files = &file, .file_count = 1}, NULL, 128256, &ends), PM_OK);
    assert_int_equal(ends.begin, 128000);
    assert_int_equal(ends.end_count, 3);
    assert_int_equal(ends.ends[2], 128009);
    free(text);
}

/* ---- the same in other words ----------------------------------------------------------------------------------------- */

#define NEMO "'num_hidden_layers':6,'layer_types':"
#define W "'sliding_attention'"
#define A "'full_attention'"

static void test_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *file, *changes, *same; /* what else says the same; NULL: nothing */
        unsigned warnings;
    } rows[] = {
        {decoder_small_llama, "{'num_key_value_heads':null}", "{'num_key_value_heads':6}", 0},
        {decoder_small_llama, "{'head_dim':null,'mlp_bias':null,'rope_scaling':null}", "{'head_dim':8}", 0},
        {decoder_small_llama, "{'hidden_act':'none','rms_norm_eps':1e-6}", "{}", 0},
        {decoder_small_llama, "{'tie_word_embeddings':false}", "{}", 0},
        {decoder_small_llama, "{'rope_theta':'none','rope_parameters':{'rope_theta':100}}", "{}", 0},
        {decoder_small_llama, "{'rope_theta':5,'rope_scaling':{'type':'default','rope_theta':100}}", "{}", 0},
        {decoder_small_llama, "{'rope_scaling':{'rope_type':'linear','type':'linear','factor':2,'beta_fast':9}}",
         "{'rope_parameters':{'rope_type':'linear','factor':2.0,'rope_theta':100}}", 0},
        {decoder_small_llama,
         "{'rope_scaling':{'type':'linear','factor':2},'rope_parameters':{'rope_type':'linear','factor':2}}",
         "{'rope_scaling':{'type':'linear','factor':2}}", 0},
        {decoder_small_llama, "{'rope_scaling':{'type':'llama3','factor':8}}",
         "{'rope_scaling':{'type':'llama3','factor':8,'low_freq_factor':1,'high_freq_factor':4,"
         "'original_max_position_embeddings':56}}",
         0},
        {decoder_small_llama, "{'original_max_position_embeddings':32,'rope_scaling':{'type':'yarn','factor':8}}",
         "{'rope_scaling':{'type':'yarn','factor':8,'original_max_position_embeddings':32,'beta_fast':32,'beta_slow':1,"
         "'truncate':true,'mscale':1}}",
         0},
        {decoder_small_llama, "{'rope_scaling':{'type':'yarn','factor':8,'mscale':0.707,'mscale_all_dim':0.707}}",
         "{'rope_scaling':{'type':'yarn','factor':8,'attention_factor':1}}", 0},
        {decoder_small_llama, "{'partial_rotary_factor':0.5}", "{'rope_parameters':{'partial_rotary_factor':0.5}}", 0},
        {decoder_small_llama,
         "{'partial_rotary_factor':1,'rope_scaling':{'type':'default','partial_rotary_factor':0.5}}",
         "{'partial_rotary_factor':0.5}", 0},
        {decoder_small_llama, "{'head_dim':20,'partial_rotary_factor':0.7}", NULL, 0},
        {decoder_small_llama, "{'attention_bias':true,'mlp_bias':true,'attention_dropout':0.1}", NULL, 0},
        {decoder_small_llama, "{'sliding_window':null,'layer_types':[" A "," A "],'is_causal':true}", "{}", 0},
        {decoder_small_llama, "{'auto_map':{'AutoModel':'modeling_x.X'}}", "{}", 1},
        {decoder_small_mistral, "{'layer_types':[" W "," W "]}", "{}", 0},
        {decoder_small_mistral, "{'sliding_window':'none'}", "{'sliding_window':4096}", 0},
        {decoder_small_mistral, "{'sliding_window':null,'layer_types':[" A "," A "]}", "{'sliding_window':null}", 0},
        {decoder_small_qwen2, "{'attention_bias':true,'sliding_window':9,'max_window_layers':1}", "{}", 0},
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':9,'max_window_layers':0}",
         "{'use_sliding_window':true,'sliding_window':9,'layer_types':[" W "," W "]}", 0},
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':9,'max_window_layers':1}",
         "{'use_sliding_window':true,'sliding_window':9,'layer_types':[" A "," W "]}", 0},
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':9}", "{}", 0}, /* from the 28th on */
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':9,'layer_types':[" A "," A "]}", "{}", 0},
        {decoder_small_qwen3,
         "{" NEMO "[" A "," A "," W "," A "," W "," A "],'use_sliding_window':true,'sliding_window':9}", NULL, 0},
        {decoder_small_qwen3, "{'attention_bias':true}", NULL, 0},
        {decoder_small_gemma3, "{'hidden_activation':'none','query_pre_attn_scalar':'none','tie_word_embeddings':true}",
         "{}", 0},
        {decoder_small_gemma3, "{'sliding_window_pattern':'none','_sliding_window_pattern':2}", "{}", 0},
        {decoder_small_gemma3, "{'sliding_window_pattern':'none','layer_types':[" W "," A "]}", "{}", 0},
        {decoder_small_gemma3, "{'sliding_window_pattern':3,'layer_types':[" A "," A "]}",
         "{'sliding_window_pattern':1}", 0},
        {decoder_small_gemma3, "{" NEMO "[" W "," W "," W "," W "," W "," W "]}",
         "{'num_hidden_layers':6,'sliding_window_pattern':7}", 0},
        {decoder_small_gemma3, "{'sliding_window':'none'}", "{'sliding_window':4096}", 0},
        {decoder_small_gemma3, "{'rope_scaling':{'rope_type':'linear','factor':8}}",
         "{'rope_parameters':{'full_attention':{'rope_type':'linear','factor':8}}}", 0},
        {decoder_small_gemma3, "{'rope_parameters':{'sliding_attention':{'rope_theta':50}}}",
         "{'rope_local_base_freq':50}", 0},
        {decoder_small_gemma3, "{'tie_word_embeddings':false,'query_pre_attn_scalar':9}", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pm_gpt_config one, other;
        test_log_reset();
        if (decoder_load_with(&log_here, rows[i].file, rows[i].changes, &one) != PM_OK)
            fail_msg("%s: %s", rows[i].changes, test_last_error());
        assert_int_equal(test_log_count(PM_LOG_WARN), rows[i].warnings);
        again(rows[i].changes, &one);
        if (!rows[i].same) continue;
        if (decoder_load_with(&log_here, rows[i].file, rows[i].same, &other) != PM_OK)
            fail_msg("%s: %s", rows[i].same, test_last_error());
        decoder_same(rows[i].changes, &one, &other);
    }
}

/* ---- windows --------------------------------------------------------------------------------------------------------- */

/* A file with so many layers, of which those whose bit is set have a window. */
static pm_status load_windows(const char *file, uint32_t layers, const bool *windowed, pm_gpt_config *out)
{
    char *changes = malloc(200 + 24 * (size_t)layers);
    assert_non_null(changes);
    int n = sprintf(changes, "{'num_hidden_layers':%u,'sliding_window':3,'layer_types':[", layers);
    if (file != decoder_small_gemma3)
        n = sprintf(changes, "{'num_hidden_layers':%u,'use_sliding_window':true,'sliding_window':3,'layer_types':[",
                    layers);
    for (uint32_t i = 0; i < layers; i++) n += sprintf(changes + n, "%s%s", i ? "," : "", windowed[i] ? W : A);
    sprintf(changes + n, "]}");
    test_log_reset();
    const pm_status status = decoder_load_with(&log_here, file, changes, out);
    free(changes);
    return status;
}

/* Every order of windows in up to nine layers: read as it is, or refused because no first layer and no period make it. */
static void test_orders(void **state)
{
    (void)state;
    static const char *const files[] = {decoder_small_qwen3, decoder_small_gemma3};
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t bits = 0; bits < 1u << 9; bits++) {
            bool windowed[9], regular = false;
            for (uint32_t i = 0; i < 9; i++) windowed[i] = bits >> i & 1;
            for (uint32_t first = 0; first <= 9 && !regular; first++)
                for (uint32_t period = 0; period <= 10 && !regular; period++) {
                    regular = true;
                    for (uint32_t i = 0; i < 9; i++)
                        regular &= windowed[i] == (i >= first && !(period && (i + 1) % period == 0));
                }
            pm_gpt_config c;
            const pm_status status = load_windows(files[kind], 9, windowed, &c);
            if ((status == PM_OK) != regular) fail_msg("%x: %s", bits, test_last_error());
            if (status != PM_OK) {
                assert_non_null(strstr(test_last_error(), "config.json: layer_types has windows in an order"));
                continue;
            }
            for (uint32_t i = 0; i < 9; i++) assert_int_equal(arch_windowed(&c, i), windowed[i]);
            again("windows", &c);
        }
}

/* A thousand layers, whose order fails as late as it can, take no time. */
static void test_many_layers(void **state)
{
    (void)state;
    static bool windowed[1000];
    pm_gpt_config c;
    const clock_t begin_time = clock();
    for (uint32_t i = 0; i < 1000; i++) windowed[i] = i >= 500;
    assert_int_equal(load_windows(decoder_small_qwen3, 1000, windowed, &c), PM_OK);
    assert_int_equal(c.window_first, 500);
    for (uint32_t i = 0; i < 1000; i++) windowed[i] = i == 997;
    assert_int_equal(load_windows(decoder_small_qwen3, 1000, windowed, &c), PM_FORMAT);
    assert_int_equal(load_windows(decoder_small_gemma3, 1000, windowed, &c), PM_FORMAT);
    for (uint32_t i = 0; i < 1000; i++) windowed[i] = (i + 1) % 499 != 0;
    assert_int_equal(load_windows(decoder_small_gemma3, 1000, windowed, &c), PM_OK);
    assert_int_equal(c.window_period, 499);
    assert_true((double)(clock() - begin_time) / CLOCKS_PER_SEC < 1);
}

/* ---- refused --------------------------------------------------------------------------------------------------------- */

typedef struct refusal {
    const char *file, *changes, *line; /* the line's begin, behind the path */
} refusal;

static void all_refused(const refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pm_gpt_config out = {.vocab = 77};
        char begins[160];
        test_log_reset();
        const pm_status status = decoder_load_with(&log_here, rows[i].file, rows[i].changes, &out);
        snprintf(begins, sizeof begins, "config.json: %s", rows[i].line);
        if (status != PM_FORMAT || !strstr(test_last_error(), begins))
            fail_msg("%s: status %d, no '%s' in: %s", rows[i].changes, status, begins, test_last_error());
        assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
        assert_int_equal(out.vocab, 77);
    }
}

static void test_refused_sizes(void **state)
{
    (void)state;
    static const char *const sizes[] = {"vocab_size",          "hidden_size",
                                        "intermediate_size",   "num_hidden_layers",
                                        "num_attention_heads", "max_position_embeddings",
                                        "num_key_value_heads", "head_dim"};
    static const char *const values[] = {"0", "-1", "1e30", "'64'", "2.5", "true", "[]", "900000000"};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            char changes[80];
            snprintf(changes, sizeof changes, "{'%s':%s}", sizes[k], values[v]);
            all_refused(&(refusal){decoder_small_llama, changes, sizes[k]}, 1);
        }
    for (size_t k = 0; k < 6; k++) {
        char changes[80], line[80];
        snprintf(changes, sizeof changes, "{'%s':null}", sizes[k]);
        snprintf(line, sizeof line, "%s is missing", sizes[k]);
        all_refused(&(refusal){decoder_small_gemma3, changes, line}, 1);
    }
    static const refusal rows[] = {
        {decoder_small_llama, "{'num_key_value_heads':4}",
         "num_key_value_heads: 4 does not divide num_attention_heads, 6"},
        {decoder_small_llama, "{'num_key_value_heads':12}", "num_key_value_heads: 12 does not divide"},
        {decoder_small_llama, "{'head_dim':6}", "head_dim: the head size is 6"},
        {decoder_small_llama, "{'head_dim':7}", "head_dim: the head size is 7"},
        {decoder_small_llama, "{'hidden_size':2147483647}", "hidden_size is too large"},
        {decoder_small_llama, "{'head_dim':260}", "head_dim: the head size is 260"},
        {decoder_small_llama, "{'head_dim':null,'hidden_size':50}",
         "num_attention_heads: 6 does not divide hidden_size, 50"},
        {decoder_small_llama, "{'head_dim':null,'hidden_size':36}", "num_attention_heads: the head size"},
        {decoder_small_llama, "{'rms_norm_eps':-1}", "rms_norm_eps: -1 is not at least 0"},
        {decoder_small_llama, "{'rms_norm_eps':1}", "rms_norm_eps: 1 is not at least 0 and below 1"},
        {decoder_small_llama, "{'rms_norm_eps':'1e-6'}", "rms_norm_eps is not a number"},
        {decoder_small_llama, "{'attention_dropout':1}", "attention_dropout: a probability"},
        {decoder_small_llama, "{'num_hidden_layers':1001,'layer_types':[]}", "num_hidden_layers: 1001 is not within"},
        {decoder_small_gemma3, "{'query_pre_attn_scalar':0}", "query_pre_attn_scalar is not a number above 0"},
        {decoder_small_gemma3, "{'query_pre_attn_scalar':-9}", "query_pre_attn_scalar is not a number above 0"},
        {decoder_small_gemma3, "{'query_pre_attn_scalar':'256'}", "query_pre_attn_scalar is not a number"},
        {decoder_small_gemma3, "{'query_pre_attn_scalar':1e39}", "query_pre_attn_scalar is not a number"},
    };
    all_refused(rows, sizeof rows / sizeof *rows);
}

#define SCALING(text) "{'rope_scaling':{" text "}}"
#define YARN(text) "{'rope_scaling':{'type':'yarn','factor':4," text "}}"
#define LLAMA3(text) "{'rope_scaling':{'rope_type':'llama3','factor':8," text "}}"

static void test_refused_rotary(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {decoder_small_llama, "{'rope_theta':'NaN'}", "rope_theta is not a number"},
        {decoder_small_llama, "{'rope_theta':-1e4}", "rope_theta is not a number above 1"},
        {decoder_small_llama, "{'rope_theta':0}", "rope_theta is not a number above 1"},
        {decoder_small_llama, "{'rope_theta':1}", "rope_theta is not a number above 1"},
        {decoder_small_llama, "{'rope_theta':1e39}", "rope_theta is too large"},
        {decoder_small_gemma3, "{'rope_local_base_freq':-1}", "rope_local_base_freq is not a number above 1"},
        {decoder_small_llama, "{'rope_local_base_freq':10000}", "rope_local_base_freq must be null"},
        {decoder_small_llama, "{'rope_interleaved':true}", "rope_interleaved must be false"},
        {decoder_small_llama, "{'partial_rotary_factor':0.625}", "partial_rotary_factor does not leave an even"},
        {decoder_small_llama, "{'partial_rotary_factor':0.1}", "partial_rotary_factor does not leave an even"},
        {decoder_small_llama, "{'partial_rotary_factor':0}", "partial_rotary_factor is not a number above 0"},
        {decoder_small_llama, "{'partial_rotary_factor':1.5}", "partial_rotary_factor is above 1"},
        {decoder_small_llama, "{'partial_rotary_factor':1e30}", "partial_rotary_factor is above 1"},
        {decoder_small_llama, SCALING("'type':'default','partial_rotary_factor':2"),
         "rope_scaling.partial_rotary_factor"},
        {decoder_small_llama, "{'rope_scaling':'linear'}", "rope_scaling is not an object"},
        {decoder_small_llama, "{'rope_scaling':2}", "rope_scaling is not an object"},
        {decoder_small_llama, "{'rope_parameters':[]}", "rope_parameters is not an object"},
        {decoder_small_llama, SCALING(""), "rope_scaling.rope_type is missing"},
        {decoder_small_llama, SCALING("'factor':2"), "rope_scaling.rope_type is missing"},
        {decoder_small_llama, "{'rope_parameters':{'factor':2}}", "rope_parameters.rope_type is missing"},
        {decoder_small_llama, SCALING("'type':'dynamic','factor':2"), "rope_scaling.type is none of"},
        {decoder_small_llama, SCALING("'rope_type':'longrope','factor':2"), "rope_scaling.rope_type is none of"},
        {decoder_small_llama, SCALING("'rope_type':'proportional'"), "rope_scaling.rope_type is none of"},
        {decoder_small_llama, SCALING("'rope_type':3"), "rope_scaling.rope_type is none of"},
        {decoder_small_llama, SCALING("'rope_type':'default','type':'mrope'"), "rope_scaling.type is another"},
        {decoder_small_qwen2, SCALING("'type':'default','mrope_section':[2,2,2]"),
         "rope_scaling.mrope_section must be null"},
        {decoder_small_mistral, YARN("'llama_4_scaling_beta':0.1"), "rope_scaling.llama_4_scaling_beta must be null"},
        {decoder_small_llama, SCALING("'type':'linear'"), "rope_scaling.factor is missing"},
        {decoder_small_llama, SCALING("'type':'linear','factor':null"), "rope_scaling.factor is missing"},
        {decoder_small_llama, SCALING("'type':'linear','factor':0"), "rope_scaling.factor is not a number of 1"},
        {decoder_small_llama, SCALING("'type':'linear','factor':0.5"), "rope_scaling.factor is not a number of 1"},
        {decoder_small_llama, SCALING("'type':'linear','factor':'2'"), "rope_scaling.factor is not a number"},
        {decoder_small_llama, SCALING("'type':'linear','factor':1e39"), "rope_scaling.factor is not a number of 1"},
        {decoder_small_llama, SCALING("'type':'linear','factor':2,'rope_theta':-1"), "rope_scaling.rope_theta is not"},
        {decoder_small_llama, LLAMA3("'low_freq_factor':4"), "rope_scaling.high_freq_factor is not above"},
        {decoder_small_llama, LLAMA3("'low_freq_factor':0"), "rope_scaling.low_freq_factor is not a number above 0"},
        {decoder_small_llama, LLAMA3("'high_freq_factor':'4'"), "rope_scaling.high_freq_factor is not a number"},
        {decoder_small_llama, LLAMA3("'original_max_position_embeddings':0"), "rope_scaling.original_max_position_emb"},
        {decoder_small_llama, YARN("'truncate':false"), "rope_scaling.truncate must be true"},
        {decoder_small_llama, YARN("'beta_fast':1"), "rope_scaling.beta_fast is not above beta_slow"},
        {decoder_small_llama, YARN("'beta_slow':-1"), "rope_scaling.beta_slow is not a number above 0"},
        {decoder_small_llama, YARN("'attention_factor':0"), "rope_scaling.attention_factor is not a number above 0"},
        {decoder_small_llama, YARN("'mscale':-1,'mscale_all_dim':1"), "rope_scaling.mscale is not a number above 0"},
        {decoder_small_llama, YARN("'mscale':1,'mscale_all_dim':-1"), "rope_scaling.mscale_all_dim is not a number"},
        {decoder_small_llama, YARN("'mscale':3e38,'mscale_all_dim':'1'"),
         "rope_scaling.mscale_all_dim is not a number"},
        {decoder_small_llama,
         "{'original_max_position_embeddings':30,'rope_scaling':{'type':'yarn','factor':2,"
         "'original_max_position_embeddings':31}}",
         "rope_scaling.original_max_position_embeddings is another"},
        {decoder_small_llama, "{'rope_parameters':{'rope_type':'default'},'rope_scaling':{'type':'linear','factor':2}}",
         "rope_scaling is another than rope_parameters"},
        {decoder_small_llama, "{'rope_parameters':{'full_attention':{'rope_type':'linear','factor':2},'factor':2}}",
         "rope_parameters.rope_type is missing"},
        {decoder_small_gemma3, "{'rope_parameters':{'rope_type':'default'}}", "rope_parameters has neither full_att"},
        {decoder_small_gemma3, "{'rope_parameters':{'full_attention':3}}", "rope_parameters.full_attention is not an"},
        {decoder_small_gemma3, "{'rope_parameters':{'full_attention':{'rope_type':'dynamic','factor':2}}}",
         "rope_parameters.full_attention.rope_type is none of"},
        {decoder_small_gemma3, "{'rope_parameters':{'sliding_attention':{'rope_type':'linear','factor':8}}}",
         "rope_parameters.sliding_attention.rope_type must be"},
        {decoder_small_gemma3, "{'rope_parameters':{'sliding_attention':{'partial_rotary_factor':0.5}}}",
         "rope_parameters.sliding_attention.partial_rotary_factor is another"},
    };
    all_refused(rows, sizeof rows / sizeof *rows);
}

static void test_refused_others(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {decoder_small_llama, "{'model_type':'phi3'}", "model_type is none of gpt2, openai-gpt, llama"},
        {decoder_small_gemma3, "{'model_type':'gemma3','text_config':{}}", "model_type is none of"},
        {decoder_small_llama, "{'model_type':'none'}", "model_type is none of"},
        {decoder_small_llama, "{'model_type':3}", "model_type is none of"},
        {decoder_small_llama, "{'hidden_act':'gelu'}", "hidden_act must be \"silu\""},
        {decoder_small_qwen2, "{'hidden_act':'gelu_pytorch_tanh'}", "hidden_act must be"},
        {decoder_small_gemma3, "{'hidden_activation':'gelu'}", "hidden_activation must be \"gelu_pytorch_tanh\""},
        {decoder_small_llama, "{'quantization_config':{'bits':4}}", "quantization_config must be null"},
        {decoder_small_llama, "{'compression_config':{}}", "compression_config must be null"},
        {decoder_small_llama, "{'quantization':{'bits':4}}", "quantization must be null"},
        {decoder_small_gemma3, "{'attn_logit_softcapping':50.0}", "attn_logit_softcapping must be null"},
        {decoder_small_gemma3, "{'final_logit_softcapping':30.0}", "final_logit_softcapping must be null"},
        {decoder_small_gemma3, "{'use_bidirectional_attention':true}", "use_bidirectional_attention must be false"},
        {decoder_small_qwen2, "{'is_causal':false}", "is_causal must be true"},
        {decoder_small_qwen2, "{'use_mrope':true}", "use_mrope must be false"},
        {decoder_small_qwen2, "{'dual_chunk_attention_config':{'chunk_size':4}}",
         "dual_chunk_attention_config must be"},
        {decoder_small_llama, "{'attention_chunk_size':8192}", "attention_chunk_size must be null"},
        {decoder_small_llama, "{'add_cross_attention':true}", "add_cross_attention must be false"},
        {decoder_small_llama, "{'is_encoder_decoder':true}", "is_encoder_decoder must be false"},
        {decoder_small_llama, "{'query_pre_attn_scalar':9}", "query_pre_attn_scalar must be null"},
        {decoder_small_mistral, "{'attention_bias':true}", "attention_bias must be false"},
        {decoder_small_mistral, "{'mlp_bias':true}", "mlp_bias must be false"},
        {decoder_small_qwen3, "{'mlp_bias':true}", "mlp_bias must be false"},
        {decoder_small_gemma3, "{'mlp_bias':true}", "mlp_bias must be false"},
        {decoder_small_llama, "{'mlp_bias':'yes'}", "mlp_bias is not true or false"},
        {decoder_small_llama, "{'tie_word_embeddings':'yes'}", "tie_word_embeddings is not true or false"},
        {decoder_small_llama, "{'sliding_window':7}", "sliding_window must be null"},
        {decoder_small_qwen2, "{'sliding_window_pattern':6}", "sliding_window_pattern must be null"},
        {decoder_small_mistral, "{'_sliding_window_pattern':6}", "_sliding_window_pattern must be null"},
        {decoder_small_llama, "{'layer_types':[" W "," A "]}", "layer_types has other windows"},
        {decoder_small_mistral, "{'layer_types':[" W "," A "]}", "layer_types has other windows"},
        {decoder_small_mistral, "{'layer_types':[" A "," A "]}", "layer_types has other windows"},
        {decoder_small_mistral, "{'sliding_window':0}", "sliding_window is not a positive whole number"},
        {decoder_small_gemma3, "{'layer_types':[" W ",'chunked_attention']}", "layer_types has another entry"},
        {decoder_small_gemma3, "{'layer_types':[" W ",3]}", "layer_types has another entry"},
        {decoder_small_gemma3, "{'layer_types':[" W "]}", "layer_types has another number of entries"},
        {decoder_small_gemma3, "{'layer_types':[]}", "layer_types has another number of entries"},
        {decoder_small_gemma3, "{'layer_types':" W "}", "layer_types is not a list"},
        {decoder_small_gemma3, "{'layer_types':{}}", "layer_types is not a list"},
        {decoder_small_gemma3, "{" NEMO "[" W "," A "," A "," W "," W "," A "]}",
         "layer_types has windows in an order"},
        {decoder_small_gemma3, "{'sliding_window_pattern':0}", "sliding_window_pattern is not a positive"},
        {decoder_small_gemma3, "{'sliding_window':'512'}", "sliding_window is not a positive whole number"},
        {decoder_small_qwen2, "{'layer_types':[" A "," W "]}", "layer_types has a sliding_attention, but no"},
        {decoder_small_qwen2, "{'use_sliding_window':true}", "sliding_window is missing"},
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':null}", "sliding_window is missing"},
        {decoder_small_qwen2, "{'use_sliding_window':true,'sliding_window':9,'max_window_layers':-1}",
         "max_window_layers is not"},
        {decoder_small_qwen3, "{'use_sliding_window':'yes'}", "use_sliding_window is not true or false"},
    };
    all_refused(rows, sizeof rows / sizeof *rows);
}

/* ---- configurations that a program makes ----------------------------------------------------------------------------- */

/* A field that a family's config.json could not say is refused, not lost. */
static void test_fields(void **state)
{
    (void)state;
    const pm_gpt_config llama = {.arch = PM_ARCH_LLAMA, .vocab = 9, .ctx = 8, .embd = 16, .heads = 2, .layers = 2};
    pm_gpt_config all[12];
    const char *const names[] = {"window: ",        "query_scalar: ",   "rotary.local_theta: ", "window_first: ",
                                 "window_period: ", "attention_bias: ", "mlp_bias: ",           "rotary.theta: ",
                                 "rotary.factor: ", "rotary.columns: ", "rotary.local_theta",   "query_scalar: "};
    for (size_t i = 0; i < 12; i++) all[i] = llama;
    all[0].window = 4;
    all[1].query_scalar = 8;
    all[2].rotary.local_theta = 1e4f;
    for (size_t i = 3; i < 7; i++) all[i].arch = PM_ARCH_MISTRAL;
    all[3].window = all[4].window = 4;
    all[3].window_first = 1;
    all[4].window_period = 2;
    all[5].attention_bias = true;
    all[6].mlp_bias = true;
    all[7].rotary.theta = 1;
    all[8].rotary.scaling = PM_ROTARY_LINEAR;
    all[9].rotary.columns = 10;
    for (size_t i = 10; i < 12; i++) all[i].arch = PM_ARCH_GEMMA3;
    all[10].rotary.local_theta = 0.5f;
    all[11].query_scalar = -1;
    for (size_t i = 0; i < 12; i++) {
        test_log_reset();
        assert_int_equal(pm_gpt_config_check(&log_here, &all[i]), PM_INVALID);
        if (strstr(test_last_error(), names[i]) != test_last_error()) fail_msg("%zu: %s", i, test_last_error());
        assert_int_equal(test_log_count(PM_LOG_ERROR), 1);
    }
}

/* What 0 means is filled in, and then written and read back as it is. */
static void test_filled(void **state)
{
    (void)state;
    for (int arch = PM_ARCH_LLAMA; arch <= PM_ARCH_GEMMA3; arch++)
        for (int scaling = PM_ROTARY_PLAIN; scaling <= PM_ROTARY_YARN; scaling++) {
            pm_gpt_config c = {.arch = (pm_arch)arch, .vocab = 9, .ctx = 64, .embd = 16, .heads = 2, .layers = 7};
            c.rotary.scaling = (pm_rotary_scaling)scaling;
            c.rotary.factor = 4;
            c.rotary.columns = 4;
            if (arch >= PM_ARCH_MISTRAL) c.window = 5;
            if (arch >= PM_ARCH_QWEN2) c.window_period = 3;
            assert_int_equal(pm_gpt_config_check(&log_here, &c), PM_OK);
            c = gpt_config_filled(&c);
            again(pm_arch_name(c.arch), &c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),      cmocka_unit_test(test_ends),
        cmocka_unit_test(test_accepted),       cmocka_unit_test(test_orders),
        cmocka_unit_test(test_many_layers),    cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_refused_rotary), cmocka_unit_test(test_refused_others),
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_filled),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
