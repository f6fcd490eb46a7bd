/* Compares a GPT-1, a GPT-2, one with an output table of its own, and a decoder of each further family with PyTorch: logits, loss, every gradient and ten AdamW steps. Files come back
 * as they were. golden/make_golden.py made the values and says how. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_dir.h"
#include "helper_golden.h"
#include "files/safetensors.h"
#include "model/tensors.h"

/* Largest relative distances from PyTorch. */
static const double LOGITS_TOLERANCE = 1e-5, LOSS_TOLERANCE = 1e-5, GRADIENT_TOLERANCE = 1e-4, STEPS_TOLERANCE = 1e-4;

typedef struct golden {
    pm_device *device;
    pm_model *model;
    st_file weights, values;
    uint32_t batch, time, vocab;
} golden;

/* What one run of a test covers. */
typedef struct variant {
    const char *name;    /* a folder of golden/ */
    const char *disable; /* device features to do without */
} variant;

static variant LLAMA = {"llama", NULL}, QWEN2 = {"qwen2", NULL}, QWEN3 = {"qwen3", NULL}, GEMMA3 = {"gemma3", NULL},
               LLAMA_PLAIN = {"llama", "all"}, GEMMA3_PLAIN = {"gemma3", "all"};
static variant GPT1 = {"gpt1", NULL}, GPT2 = {"gpt2", NULL}, UNTIED = {"untied", NULL}, GPT1_PLAIN = {"gpt1", "all"},
               GPT2_PLAIN = {"gpt2", "all"}, UNTIED_PLAIN = {"untied", "all"};

static const float *floats_of(const golden *g, const char *name, uint64_t count)
{
    return golden_tensor(&g->values, name, ST_F32, count)->data;
}

/* Tokens or targets of one of the two batches: batch x time. */
static const int32_t *batch_of(const golden *g, const char *name, uint32_t index)
{
    uint64_t n = (uint64_t)g->batch * g->time;
    return (const int32_t *)golden_tensor(&g->values, name, ST_I32, 2 * n)->data + (index % 2) * n;
}

static golden golden_open(const variant *v)
{
    golden g = {0};
    char dir[512];
    golden_path(dir, TEST_DATA_DIR "/golden", v->name);
    g.device = test_device(v->disable);
    assert_int_equal(pm_model_load(g.device, dir, &g.model), PM_OK);
    golden_open_tensors(dir, "model.safetensors", &g.weights);
    golden_open_tensors(dir, "values.safetensors", &g.values);
    g.batch = (uint32_t)golden_setting(&g.values, "batch");
    g.time = (uint32_t)golden_setting(&g.values, "time");
    g.vocab = pm_model_config(g.model)->vocab;
    return g;
}

static void golden_close(golden *g)
{
    st_close(&g->values);
    st_close(&g->weights);
    pm_model_destroy(&g->model);
    test_device_done(&g->device);
}

static pm_trainer *new_trainer(const golden *g, uint32_t accum)
{
    pm_train_params params = {0};
    params.batch = g->batch;
    params.time = g->time;
    params.accum = accum;
    params.steps = (uint32_t)golden_setting(&g->values, "steps");
    params.lr = params.min_lr = (float)golden_setting(&g->values, "lr");
    params.beta1 = (float)golden_setting(&g->values, "beta1");
    params.beta2 = (float)golden_setting(&g->values, "beta2");
    params.eps = (float)golden_setting(&g->values, "eps");
    params.weight_decay = (float)golden_setting(&g->values, "weight_decay");
    params.clip = (float)golden_setting(&g->values, "clip");
    params.seed = 1;
    pm_trainer *trainer = NULL;
    assert_int_equal(pm_trainer_create(g->model, &params, &trainer), PM_OK);
    return trainer;
}

/* The model's parameters as the tensors of its files. */
static tensor_list tensors_of(const golden *g)
{
    tensor_list list = {0};
    const pm_gpt_config *config = pm_model_config(g->model);
    assert_int_equal(tensors_list(NULL, config, &arch_of(config)->hf, &list), PM_OK);
    return list;
}

/* Every tensor's gradient after a step on batch 0 from the start. */
static void check_gradients(const golden *g, const pm_trainer *trainer)
{
    tensor_list list = tensors_of(g);
    float *all = NULL;
    for (uint32_t i = 0; i < list.count; i++) {
        const tensor_row *row = &list.rows[i];
        const size_t n = (size_t)row->rows * row->cols;
        char name[256];
        if (row->at == 0) {
            const pm_param p = pm_model_param(g->model, row->param);
            free(all);
            all = golden_floats((size_t)p.rows * p.cols);
            assert_int_equal(pm_trainer_read_gradient(trainer, row->param, all), PM_OK);
        }
        snprintf(name, sizeof name, "grad.%s", row->name);
        golden_near(name, all + row->at, floats_of(g, name, n), n, GRADIENT_TOLERANCE);
        if (row->role == ROLE_POSITIONS) /* that no token had */
            for (size_t k = (size_t)g->time * row->cols; k < n; k++) assert_true(all[k] == 0.0f);
    }
    free(all);
    tensors_free(&list);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

static void test_weights(void **state)
{
    golden g = golden_open(*state);
    tensor_list list = tensors_of(&g);
    uint64_t total = 0;
    float *all = NULL;
    assert_int_equal(list.count, g.weights.tensor_count);
    for (uint32_t i = 0; i < list.count; i++) {
        const tensor_row *row = &list.rows[i];
        const pm_param p = pm_model_param(g.model, row->param);
        const st_tensor *t = st_find(&g.weights, row->name);
        if (!t) fail_msg("transformers has no parameter %s", row->name);
        assert_int_equal(row->rows, t->rank == 2 ? t->shape[0] : 1);
        assert_int_equal(row->cols, t->shape[t->rank - 1]);
        assert_int_equal(!!p.decayed, t->rank == 2);
        if (row->at == 0) {
            free(all);
            all = golden_floats((size_t)p.rows * p.cols);
            assert_int_equal(pm_model_read(g.model, row->param, all), PM_OK);
        }
        assert_memory_equal(all + row->at, t->data, t->size);
        total += t->size / 4;
    }
    assert_int_equal(pm_gpt_config_parameters(pm_model_config(g.model)), total);
    free(all);
    tensors_free(&list);
    golden_close(&g);
}

static void test_logits(void **state)
{
    golden g = golden_open(*state);
    uint64_t n = (uint64_t)g.batch * g.time * g.vocab;
    const int32_t *tokens = batch_of(&g, "tokens", 0);
    float *got = golden_floats(n);
    pm_session *session = NULL;
    assert_int_equal(pm_session_create(g.model, &session), PM_OK);
    assert_null(pm_session_logits(session));
    for (uint32_t row = 0; row < g.batch * g.time; row++) {
        if (row % g.time == 0) pm_session_reset(session);
        uint32_t token = (uint32_t)tokens[row];
        assert_int_equal(pm_session_feed(session, &token, 1), PM_OK);
        memcpy(got + (size_t)row * g.vocab, pm_session_logits(session), g.vocab * sizeof *got);
    }
    golden_near("logits", got, floats_of(&g, "logits", n), n, LOGITS_TOLERANCE);
    golden_near("logits (fp32)", got, floats_of(&g, "fp32.logits", n), n, LOGITS_TOLERANCE);

    /* Reads the last sequence again, in one piece: its last logits are the last golden ones. */
    uint32_t *all = calloc(g.time, sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < g.time; i++) all[i] = (uint32_t)tokens[(g.batch - 1) * g.time + i];
    pm_session_reset(session);
    assert_int_equal(pm_session_feed(session, all, g.time), PM_OK);
    golden_near("logits of a whole sequence", pm_session_logits(session), floats_of(&g, "logits", n) + n - g.vocab,
                g.vocab, LOGITS_TOLERANCE);
    free(all);
    free(got);
    pm_session_destroy(&session);
    golden_close(&g);
}

static void test_steps(void **state)
{
    golden g = golden_open(*state);
    uint32_t steps = (uint32_t)golden_setting(&g.values, "steps");
    const float *losses = floats_of(&g, "losses", steps), *single = floats_of(&g, "fp32.losses", steps);
    const float *norms = floats_of(&g, "grad_norms", steps);
    pm_trainer *trainer = new_trainer(&g, 1);
    for (uint32_t i = 0; i < steps; i++) {
        pm_step step = {0};
        assert_int_equal(pm_trainer_step_tokens(trainer, batch_of(&g, "tokens", i), batch_of(&g, "targets", i), &step),
                         PM_OK);
        char what[64];
        snprintf(what, sizeof what, "loss of step %u", i + 1);
        assert_int_equal(step.step, i + 1);
        assert_true(step.lr == (float)golden_setting(&g.values, "lr"));
        golden_near(what, &step.loss, &losses[i], 1, STEPS_TOLERANCE);
        golden_near(what, &step.loss, &single[i], 1, STEPS_TOLERANCE);
        snprintf(what, sizeof what, "gradient norm of step %u", i + 1);
        golden_near(what, &step.grad_norm, &norms[i], 1, GRADIENT_TOLERANCE);
        if (i > 0) continue;
        golden_near("loss", &step.loss, floats_of(&g, "loss", 1), 1, LOSS_TOLERANCE);
        golden_near("loss (fp32)", &step.loss, floats_of(&g, "fp32.loss", 1), 1, LOSS_TOLERANCE);
        check_gradients(&g, trainer);
    }
    assert_int_equal(pm_trainer_steps_done(trainer), steps);
    pm_trainer_destroy(&trainer);
    golden_close(&g);
}

/* Two equal micro batches are one batch. */
static void test_accumulation(void **state)
{
    golden g = golden_open(*state);
    size_t n = (size_t)g.batch * g.time;
    int32_t *tokens = calloc(4 * n, sizeof *tokens); /* two micro batches of tokens, then their targets */
    assert_non_null(tokens);
    int32_t *targets = tokens + 2 * n;
    for (size_t i = 0; i < 2; i++) {
        memcpy(tokens + i * n, batch_of(&g, "tokens", 0), n * sizeof *tokens);
        memcpy(targets + i * n, batch_of(&g, "targets", 0), n * sizeof *tokens);
    }
    pm_trainer *trainer = new_trainer(&g, 2);
    pm_step step = {0};
    assert_int_equal(pm_trainer_step_tokens(trainer, tokens, targets, &step), PM_OK);
    golden_near("loss", &step.loss, floats_of(&g, "loss", 1), 1, LOSS_TOLERANCE);
    check_gradients(&g, trainer);
    free(tokens);
    pm_trainer_destroy(&trainer);
    golden_close(&g);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The saved file holds the tensors of transformers' own: names, shapes, values, and the format mark it insists on. */
static void check_saved_weights(const golden *g, const char *dir)
{
    st_file saved = {0};
    golden_open_tensors(dir, "model.safetensors", &saved);
    assert_int_equal(saved.tensor_count, g->weights.tensor_count);
    for (size_t i = 0; i < g->weights.tensor_count; i++) {
        const st_tensor *want = &g->weights.tensors[i], *got = st_find(&saved, want->name);
        if (!got) fail_msg("%s was not saved", want->name);
        assert_int_equal(got->dtype, ST_F32);
        assert_int_equal(got->rank, want->rank);
        assert_memory_equal(got->shape, want->shape, want->rank * sizeof want->shape[0]);
        assert_int_equal(got->size, want->size);
        assert_memory_equal(got->data, want->data, want->size);
    }
    const char *format = st_meta_find(&saved, "format");
    assert_non_null(format);
    assert_string_equal(format, "pt");
    st_close(&saved);
}

/* The saved config.json has each key of the golden one, with its value. */
static void check_saved_config(const char *golden_dir, const char *dir)
{
    static const char *const KEYS[] = {"vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon",
                                       "embd_pdrop", "attn_pdrop", "resid_pdrop", "model_type", "tie_word_embeddings",
                                       /* of decoders */
                                       "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                                       "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
                                       "rope_theta", "rope_local_base_freq", "query_pre_attn_scalar", "hidden_act",
                                       "hidden_activation"};
    size_t size = 0;
    char *want_text = test_read(test_path(golden_dir, "config.json"), &size),
         *got_text = test_read(test_path(dir, "config.json"), &size);
    cJSON *want = cJSON_Parse(want_text), *got = cJSON_Parse(got_text);
    assert_non_null(want);
    assert_non_null(got);
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        const cJSON *a = cJSON_GetObjectItemCaseSensitive(got, KEYS[i]),
                    *b = cJSON_GetObjectItemCaseSensitive(want, KEYS[i]);
        if (!b) continue;
        if (!a) fail_msg("config.json lacks %s", KEYS[i]);
        assert_int_equal(a->type & 0xff, b->type & 0xff);
        if (cJSON_IsString(b))
            assert_string_equal(a->valuestring, b->valuestring);
        else if (fabs(a->valuedouble - b->valuedouble) > 1e-6 * fabs(b->valuedouble))
            fail_msg("config.json: %s is %g, not %g", KEYS[i], a->valuedouble, b->valuedouble);
    }
    static const char *const ACTIVATIONS[] = {"afn", "activation_function", "hidden_act", "hidden_activation"};
    for (size_t i = 0; i < sizeof ACTIVATIONS / sizeof *ACTIVATIONS; i++)
        assert_true(cJSON_Compare(cJSON_GetObjectItemCaseSensitive(got, ACTIVATIONS[i]),
                                  cJSON_GetObjectItemCaseSensitive(want, ACTIVATIONS[i]), 1) ||
                    (!cJSON_HasObjectItem(got, ACTIVATIONS[i]) && !cJSON_HasObjectItem(want, ACTIVATIONS[i])));
    assert_true(cJSON_Compare(cJSON_GetObjectItemCaseSensitive(got, "architectures"),
                              cJSON_GetObjectItemCaseSensitive(want, "architectures"), 1));
    cJSON_Delete(want);
    cJSON_Delete(got);
    free(want_text);
    free(got_text);
}

static void test_save(void **state)
{
    const variant *v = *state;
    golden g = golden_open(v);
    char *root = test_dir_make(), first[512], second[512], golden_dir[512];
    golden_path(first, root, "first");
    golden_path(second, root, "second");
    golden_path(golden_dir, TEST_DATA_DIR "/golden", v->name);

    assert_int_equal(pm_model_save(g.model, first), PM_OK);
    check_saved_weights(&g, first);
    check_saved_config(golden_dir, first);

    pm_model *again = NULL;
    assert_int_equal(pm_model_load(g.device, first, &again), PM_OK);
    assert_int_equal(pm_model_save(again, second), PM_OK);
    test_same_file(first, second, "model.safetensors");
    test_same_file(first, second, "config.json");
    pm_model_destroy(&again);

    assert_int_equal(test_dir_count(first, ""), 2); /* no other file was left */
    assert_int_equal(test_dir_count(second, ""), 2);
    test_dir_remove(root);
    golden_close(&g);
}

#define CASE(test, v) ((struct CMUnitTest){#test " " #v, test, NULL, NULL, &(v)})

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_weights, GPT1),       CASE(test_weights, GPT2),        CASE(test_logits, GPT1),
        CASE(test_logits, GPT2),        CASE(test_logits, GPT1_PLAIN),   CASE(test_logits, GPT2_PLAIN),
        CASE(test_steps, GPT1),         CASE(test_steps, GPT2),          CASE(test_steps, GPT1_PLAIN),
        CASE(test_steps, GPT2_PLAIN),   CASE(test_accumulation, GPT1),   CASE(test_accumulation, GPT2),
        CASE(test_save, GPT1),          CASE(test_save, GPT2),           CASE(test_weights, UNTIED),
        CASE(test_logits, UNTIED),      CASE(test_logits, UNTIED_PLAIN), CASE(test_steps, UNTIED),
        CASE(test_steps, UNTIED_PLAIN), CASE(test_accumulation, UNTIED), CASE(test_save, UNTIED),
        CASE(test_weights, LLAMA),      CASE(test_logits, LLAMA),        CASE(test_logits, LLAMA_PLAIN),
        CASE(test_steps, LLAMA),        CASE(test_steps, LLAMA_PLAIN),   CASE(test_accumulation, LLAMA),
        CASE(test_save, LLAMA),         CASE(test_weights, QWEN2),       CASE(test_logits, QWEN2),
        CASE(test_steps, QWEN2),        CASE(test_save, QWEN2),          CASE(test_weights, QWEN3),
        CASE(test_logits, QWEN3),       CASE(test_steps, QWEN3),         CASE(test_save, QWEN3),
        CASE(test_weights, GEMMA3),     CASE(test_logits, GEMMA3),       CASE(test_logits, GEMMA3_PLAIN),
        CASE(test_steps, GEMMA3),       CASE(test_steps, GEMMA3_PLAIN),  CASE(test_save, GEMMA3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
