/* Configurations: checked, read from and written to config.json in Hugging Face's form. */
#include <cjson/cJSON.h>
#include <pumice/pumice.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/number.h"
#include "base/sized.h"
#include "data/task.h"
#include "files/file.h"
#include "files/json.h"
#include "files/json_file.h"
#include "model/classifier.h"
#include "model/gpt.h"
#include "model/special.h"
#include "model/task_head.h"

pm_gpt_config gpt_config_filled(const pm_gpt_config *config)
{
    pm_gpt_config c = *config;
    if (c.inner == 0) c.inner = 4 * c.embd;
    if (c.eps == 0 && !c.no_eps) c.eps = 1e-5f;
    return c;
}

static bool probability(float p)
{
    return p >= 0 && p < 1;
}

pm_status gpt_config_check(const pm_log *log, const char *where, const pm_gpt_config *config)
{
    const struct {
        const char *name;
        uint32_t value, most;
    } sizes[] = {{"vocab", config->vocab, 1u << 24}, {"ctx", config->ctx, 1u << 20},
                 {"embd", config->embd, 1u << 16},   {"heads", config->heads, 1u << 10},
                 {"layers", config->layers, 1000},   {"inner", config->inner ? config->inner : 1, 1u << 18}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].value == 0 || sizes[i].value > sizes[i].most)
            return log_fail(log, PM_INVALID, "%s%s: %" PRIu32 " is not within 1 to %" PRIu32, where, sizes[i].name,
                            sizes[i].value, sizes[i].most);
    if (config->arch != PM_ARCH_GPT1 && config->arch != PM_ARCH_GPT2)
        return log_fail(log, PM_INVALID, "%sarch: neither GPT-1 nor GPT-2", where);
    if (config->embd % config->heads)
        return log_fail(log, PM_INVALID, "%sheads: %" PRIu32 " does not divide embd, %" PRIu32, where, config->heads,
                        config->embd);
    uint32_t size = config->embd / config->heads;
    if (size % 4 || size > 128)
        return log_fail(log, PM_INVALID,
                        "%sheads: the head size embd / heads is %" PRIu32 "; it must be a multiple of 4, at most 128",
                        where, size);
    if (config->no_eps && config->eps != 0)
        return log_fail(log, PM_INVALID, "%seps: %g beside no_eps; it must be 0", where, (double)config->eps);
    if (config->task_tokens >= config->vocab)
        return log_fail(log, PM_INVALID, "%stask_tokens: %" PRIu32 " are not fewer than the vocabulary's %" PRIu32,
                        where, config->task_tokens, config->vocab);
    if (!(config->eps >= 0 && config->eps < 1))
        return log_fail(log, PM_INVALID, "%seps: %g is not within 0 to 1", where, (double)config->eps);
    if (!probability(config->dropout_embd) || !probability(config->dropout_attn) || !probability(config->dropout_resid))
        return log_fail(log, PM_INVALID, "%sdropout: a probability is at least 0 and below 1", where);
    return special_check(log, where, config);
}

pm_status gpt_config_read(const pm_log *log, const pm_gpt_config *given, size_t given_size, pm_gpt_config *out)
{
    return sized_read(log, "pm_gpt_config", given, given_size, out, sizeof *out);
}

pm_status pm_gpt_config_check_sized(const pm_log *log, const pm_gpt_config *given, size_t given_size)
{
    pm_gpt_config config;
    const pm_status status = gpt_config_read(log, given, given_size, &config);
    return status == PM_OK ? gpt_config_check(log, "", &config) : status;
}

uint64_t pm_gpt_config_parameters_sized(const pm_gpt_config *given, size_t given_size)
{
    pm_gpt_config c;
    if (gpt_config_read(NULL, given, given_size, &c) != PM_OK) return 0;
    c = gpt_config_filled(&c);
    uint64_t C = c.embd, I = c.inner;
    uint64_t block = 4 * C + (3 * C * C + 3 * C) + (C * C + C) + (C * I + I) + (I * C + C);
    return ((uint64_t)c.vocab + c.ctx) * C + c.layers * block + (c.arch == PM_ARCH_GPT2 ? 2 * C : 0) +
           (c.untied ? c.vocab * C : 0) + c.outputs * C;
}

/* ---- config.json ---- */

void gpt_config_add_float(cJSON *o, const char *key, float v)
{
    char text[32];
    number_print_float(text, sizeof text, v);
    cJSON_AddRawToObject(o, key, text);
}

char *gpt_config_text(const pm_gpt_config *config, const pm_task *task)
{
    bool gpt1 = config->arch == PM_ARCH_GPT1;
    cJSON *o = cJSON_CreateObject(), *architectures = cJSON_AddArrayToObject(o, "architectures");
    const char *with_head = task ? gpt_task_architecture(task, config->arch) : NULL,
               *lm = gpt1 ? "OpenAIGPTLMHeadModel" : "GPT2LMHeadModel";
    cJSON_AddItemToArray(architectures, cJSON_CreateString(with_head ? with_head : lm));
    cJSON_AddStringToObject(o, "model_type", gpt1 ? "openai-gpt" : "gpt2");
    cJSON_AddStringToObject(o, gpt1 ? "afn" : "activation_function", gpt1 ? "gelu" : "gelu_new");
    cJSON_AddNumberToObject(o, "vocab_size", config->vocab);
    cJSON_AddNumberToObject(o, "n_positions", config->ctx);
    cJSON_AddNumberToObject(o, "n_ctx", config->ctx);
    cJSON_AddNumberToObject(o, "n_embd", config->embd);
    cJSON_AddNumberToObject(o, "n_layer", config->layers);
    cJSON_AddNumberToObject(o, "n_head", config->heads);
    if (config->inner == 4 * config->embd)
        cJSON_AddNullToObject(o, "n_inner");
    else
        cJSON_AddNumberToObject(o, "n_inner", config->inner);
    gpt_config_add_float(o, "layer_norm_epsilon", config->eps);
    gpt_config_add_float(o, "embd_pdrop", config->dropout_embd);
    gpt_config_add_float(o, "attn_pdrop", config->dropout_attn);
    gpt_config_add_float(o, "resid_pdrop", config->dropout_resid);
    cJSON_AddBoolToObject(o, "tie_word_embeddings", !config->untied);
    special_write(o, config, task);
    cJSON_AddStringToObject(o, "torch_dtype", "float32");
    cJSON_AddStringToObject(o, "pumice_version", PM_VERSION);
    if (task && task->plain)
        classifier_write(o, task);
    else if (task)
        gpt_task_write(o, task);
    char *text = json_print(o, true), *own = NULL;
    if (text) {
        size_t n = strlen(text);
        own = malloc(n + 2);
        if (own) {
            memcpy(own, text, n);
            memcpy(own + n, "\n", 2);
        }
    }
    cJSON_free(text);
    cJSON_Delete(o);
    return own;
}

pm_status gpt_config_write(const pm_log *log, const char *path, const pm_gpt_config *config, const pm_task *task)
{
    char *text = gpt_config_text(config, task);
    if (!text) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to write it", path);
    pm_status status = file_write(log, path, text, strlen(text));
    free(text);
    return status;
}

typedef struct reader {
    const pm_log *log;
    const char *path;
    const cJSON *object;
    pm_status status;
} reader;

static void wrong(reader *r, const char *key, const char *what)
{
    if (r->status == PM_OK) r->status = log_fail(r->log, PM_FORMAT, "%s: %s %s", r->path, key, what);
}

static uint32_t count(reader *r, const char *key, bool required)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (!v || cJSON_IsNull(v)) {
        if (required) wrong(r, key, "is missing");
        return 0;
    }
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 1 && v->valuedouble <= 1e9) ||
        v->valuedouble != floor(v->valuedouble)) {
        wrong(r, key, "is not a positive whole number");
        return 0;
    }
    return (uint32_t)v->valuedouble;
}

static float number(reader *r, const char *key, float otherwise)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (!v || cJSON_IsNull(v)) return otherwise;
    if (!cJSON_IsNumber(v)) wrong(r, key, "is not a number");
    return (float)v->valuedouble;
}

static bool flag(reader *r, const char *key, bool otherwise)
{
    if (!json_flag(r->object, key, &otherwise)) wrong(r, key, "is not true or false");
    return otherwise;
}

static void read_kind(reader *r, pm_gpt_config *c)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(r->object, "model_type");
    if (cJSON_IsString(type) && !strcmp(type->valuestring, "gpt2"))
        c->arch = PM_ARCH_GPT2;
    else if (cJSON_IsString(type) && !strcmp(type->valuestring, "openai-gpt"))
        c->arch = PM_ARCH_GPT1;
    else
        wrong(r, "model_type", "is neither \"gpt2\" nor \"openai-gpt\"");
}

/* GELU is computed by its tanh formula. transformers' names for that are gelu_new, gelu_fast and gelu_pytorch_tanh, and in GPT-1 also gelu.
 * In GPT-2 gelu is the exact one, by erf. */
static void read_activation(reader *r, const pm_gpt_config *c)
{
    static const char *const tanh_form[] = {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"};
    const char *key = c->arch == PM_ARCH_GPT1 ? "afn" : "activation_function";
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(r->object, key);
    if (!f || cJSON_IsNull(f)) return;
    const char *name = cJSON_IsString(f) ? f->valuestring : "";
    for (size_t i = 0; i < sizeof tanh_form / sizeof tanh_form[0]; i++)
        if (!strcmp(name, tanh_form[i])) return;
    if (strcmp(name, "gelu") != 0)
        wrong(r, key, c->arch == PM_ARCH_GPT1 ? "must be \"gelu\"" : "must be \"gelu_new\"");
    else if (c->arch != PM_ARCH_GPT1 && r->status == PM_OK)
        log_line(
            r->log, PM_LOG_WARN,
            "%s: %s \"gelu\" is the exact GELU; Pumice computes \"gelu_new\", which is up to 5e-4 off at each unit, so "
            "results will differ a little from the original's",
            r->path, key);
}

/* Refuses variants of attention that transformers' GPT-2 has and Pumice lacks. (reorder_and_upcast_attn changes the order of operations in
 * half precision, not what is computed.) */
static void read_variants(reader *r, const pm_gpt_config *c)
{
    if (c->arch != PM_ARCH_GPT2) return;
    const struct {
        const char *key;
        bool refused;
    } flags[] = {
        {"scale_attn_weights", false}, {"scale_attn_by_inverse_layer_idx", true}, {"add_cross_attention", true}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flag(r, flags[i].key, !flags[i].refused) == flags[i].refused)
            wrong(r, flags[i].key,
                  flags[i].refused ? "must be false: true is not supported" : "must be true: false is not supported");
    }
}

/* The head's task, where there is one: Pumice's own, or a transformers classifier's. */
static void read_task(reader *r, pm_gpt_config *c, pm_task *task)
{
    if (r->status != PM_OK) return;
    if (!cJSON_GetObjectItemCaseSensitive(r->object, "pumice_task")) {
        r->status = classifier_read(r->log, r->path, r->object, c, task);
        c->outputs = task->outputs;
        if (task->plain) c->untied = false; /* it has no output layer */
        return;
    }
    r->status = gpt_task_read(r->log, r->path, r->object, task);
    if (r->status != PM_OK) return;
    c->outputs = task->outputs;
    c->task_tokens = PM_TASK_SPECIALS;
    if (c->vocab != task->vocab + PM_TASK_SPECIALS) wrong(r, "vocab_size", "is not the task's text_vocab + 3");
}

static pm_status read_file(const pm_log *log, const file_ref *ref, pm_gpt_config *out, pm_task *task)
{
    cJSON *root;
    const char *path = ref->path;
    pm_status status = json_file_read(log, ref, "another way", NULL, &root);
    if (status != PM_OK) return status;
    reader r = {.log = log, .path = path, .object = root};
    pm_gpt_config c = {0};
    pm_task own = {0};
    read_kind(&r, &c);
    read_activation(&r, &c);
    read_variants(&r, &c);
    c.vocab = count(&r, "vocab_size", true);
    c.ctx = count(&r, "n_positions", true);
    c.embd = count(&r, "n_embd", true);
    c.layers = count(&r, "n_layer", true);
    c.heads = count(&r, "n_head", true);
    c.inner = count(&r, "n_inner", false);
    c.eps = number(&r, "layer_norm_epsilon", 1e-5f);
    c.no_eps = c.eps == 0;
    c.dropout_embd = number(&r, "embd_pdrop", 0.1f);
    c.dropout_attn = number(&r, "attn_pdrop", 0.1f);
    c.dropout_resid = number(&r, "resid_pdrop", 0.1f);
    c.untied = !flag(&r, "tie_word_embeddings", true);
    special_read(root, &c);
    read_task(&r, &c, &own);
    cJSON_Delete(root);
    c = gpt_config_filled(&c);
    if (r.status == PM_OK) {
        char where[1000];
        snprintf(where, sizeof where, "%s: ", path);
        r.status = gpt_config_check(log, where, &c);
    }
    if (r.status == PM_OK) *out = c;
    if (r.status == PM_OK && task)
        *task = own;
    else
        pm_task_fini(&own);
    return r.status == PM_INVALID ? PM_FORMAT : r.status;
}

pm_status gpt_config_load_from(const pm_log *log, const file_source *from, pm_gpt_config *out, pm_task *task)
{
    file_ref ref;
    pm_status status = file_source_check(log, from);
    if (status == PM_OK) status = file_ref_make(log, from, "config.json", &ref);
    if (status != PM_OK) return status;
    status = read_file(log, &ref, out, task);
    file_ref_free(&ref);
    return status;
}

pm_status gpt_config_load(const pm_log *log, const char *dir, pm_gpt_config *out, pm_task *task)
{
    return gpt_config_load_from(log, &(file_source){.dir = dir}, out, task);
}

static pm_status load(const pm_log *log, const file_source *from, pm_gpt_config *out, size_t out_size)
{
    pm_gpt_config config;
    const pm_status status = gpt_config_load_from(log, from, &config, NULL);
    return status == PM_OK ? sized_write(log, "pm_gpt_config", &config, sizeof config, out, out_size) : status;
}

pm_status pm_gpt_config_load_sized(const pm_log *log, const char *dir, pm_gpt_config *out, size_t out_size)
{
    return load(log, &(file_source){.dir = dir}, out, out_size);
}

pm_status pm_gpt_config_load_from_sized(const pm_log *log, const pm_source *source, size_t source_size,
                                        pm_gpt_config *out, size_t out_size)
{
    file_source from;
    const pm_status status = file_source_given(log, source, source_size, &from);
    return status == PM_OK ? load(log, &from, out, out_size) : status;
}
