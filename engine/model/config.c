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
#include "model/config_reader.h"
#include "model/gguf_model.h"
#include "model/rotary.h"
#include "model/special.h"
#include "model/task_head.h"

pm_gpt_config gpt_config_filled(const pm_gpt_config *config)
{
    pm_gpt_config c = *config;
    const arch_info *family = arch_of(config);
    if (c.inner == 0) c.inner = arch_gated(family) ? (8 * c.embd / 3 + 63) / 64 * 64 : 4 * c.embd;
    if (c.eps == 0 && !c.no_eps) c.eps = family->eps;
    if (c.kv_heads == 0) c.kv_heads = c.heads;
    if (c.head == 0) c.head = c.heads ? c.embd / c.heads : 0;
    c.attention_bias |= family->attention_bias;
    c.mlp_bias |= family->mlp_bias;
    if (!arch_rotary(family)) return c;
    if (c.rotary.theta == 0) c.rotary.theta = family->theta;
    if (c.rotary.local_theta == 0) c.rotary.local_theta = family->local_theta;
    if (c.rotary.columns == 0) c.rotary.columns = c.head;
    if (c.window == 0) c.window = family->window;
    if (c.window_period == 0) c.window_period = family->window_period;
    return c;
}

static bool probability(float p)
{
    return p >= 0 && p < 1;
}

/* Heads, their size, and what only rotary families have. */
static pm_status check_heads(const pm_log *log, const char *where, const pm_gpt_config *config)
{
    const bool rotary = arch_rotary(arch_of(config));
    const uint32_t most = rotary ? 256 : 128, size = config->head ? config->head : config->embd / config->heads;
    if (!config->head && config->embd % config->heads)
        return log_fail(log, PM_INVALID, "%sheads: %" PRIu32 " does not divide embd, %" PRIu32, where, config->heads,
                        config->embd);
    if (size == 0 || size % 4 || size > most)
        return log_fail(log, PM_INVALID,
                        "%sheads: the head size%s is %" PRIu32 "; it must be a multiple of 4, at most %" PRIu32, where,
                        config->head ? "" : " embd / heads", size, most);
    if (config->kv_heads && config->heads % config->kv_heads)
        return log_fail(log, PM_INVALID, "%skv_heads: %" PRIu32 " does not divide heads, %" PRIu32, where,
                        config->kv_heads, config->heads);
    if (!rotary && ((config->kv_heads && config->kv_heads != config->heads) ||
                    (config->head && config->head * config->heads != config->embd) || config->window))
        return log_fail(log, PM_INVALID, "%sarch: %s has neither kv_heads, head nor window of its own", where,
                        pm_arch_title(config->arch));
    if (!(config->query_scalar >= 0))
        return log_fail(log, PM_INVALID, "%squery_scalar: %g is below 0", where, (double)config->query_scalar);
    return rotary ? rotary_check(log, where, config) : PM_OK;
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
    if (!arch_known(config->arch)) return log_fail(log, PM_INVALID, "%sarch: there is no such family", where);
    const pm_status heads = check_heads(log, where, config);
    if (heads != PM_OK) return heads;
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
    uint64_t all = 0;
    arch_place at = ARCH_START;
    while (arch_next(&c, &at)) {
        uint32_t rows, cols;
        arch_shape(&c, (param_role)at.role, &rows, &cols);
        all += (uint64_t)rows * cols;
    }
    return all;
}

/* ---- config.json ---- */

void gpt_config_add_float(cJSON *o, const char *key, float v)
{
    char text[32];
    number_print_float(text, sizeof text, v);
    cJSON_AddRawToObject(o, key, text);
}

/* A field that a key is for. */
static uint32_t *count_field(pm_gpt_config *c, const arch_key *key)
{
    return (uint32_t *)((char *)c + key->field);
}
static float *float_field(pm_gpt_config *c, const arch_key *key)
{
    return (float *)((char *)c + key->field);
}

static bool *flag_field(pm_gpt_config *c, const arch_key *key)
{
    return (bool *)((char *)c + key->field);
}

static void write_keys(cJSON *o, const pm_gpt_config *config)
{
    pm_gpt_config c = *config;
    const arch_info *family = arch_of(config);
    for (const arch_key *key = family->keys; key->name; key++) {
        if (key->kind == KEY_FLOAT)
            gpt_config_add_float(o, key->name, *float_field(&c, key));
        else if (key->kind == KEY_FLAG)
            cJSON_AddBoolToObject(o, key->name, *flag_field(&c, key));
        else if (key->kind == KEY_INNER && c.inner == 4 * c.embd)
            cJSON_AddNullToObject(o, key->name);
        else
            cJSON_AddNumberToObject(o, key->name, *count_field(&c, key));
        if (key->same) cJSON_AddNumberToObject(o, key->same, *count_field(&c, key));
    }
}

char *gpt_config_text(const pm_gpt_config *config, const pm_task *task)
{
    const arch_info *family = arch_of(config);
    cJSON *o = cJSON_CreateObject(), *architectures = cJSON_AddArrayToObject(o, "architectures");
    const char *with_head = task ? gpt_task_class(task, family) : NULL;
    cJSON_AddItemToArray(architectures, cJSON_CreateString(with_head ? with_head : family->lm_class));
    cJSON_AddStringToObject(o, "model_type", family->model_type);
    cJSON_AddStringToObject(o, family->activation_key, family->activation);
    write_keys(o, config);
    if (family->write) family->write(o, config);
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

void config_wrong(config_reader *r, const char *key, const char *what)
{
    if (r->status == PM_OK)
        r->status = log_fail(r->log, PM_FORMAT, "%s: %s%s %s", r->path, r->prefix ? r->prefix : "", key, what);
}

void config_warn(const config_reader *r, const char *key, const char *what)
{
    if (r->status == PM_OK)
        log_line(r->log, PM_LOG_WARN, "%s: %s%s %s", r->path, r->prefix ? r->prefix : "", key, what);
}

/* NULL where it is missing or null. */
static const cJSON *value_of(const config_reader *r, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->object, key);
    return v && !cJSON_IsNull(v) ? v : NULL;
}

uint32_t config_count(config_reader *r, const char *key, bool required)
{
    const cJSON *v = value_of(r, key);
    if (!v) {
        if (required) config_wrong(r, key, "is missing");
        return 0;
    }
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 1 && v->valuedouble <= 1e9) ||
        v->valuedouble != floor(v->valuedouble)) {
        config_wrong(r, key, "is not a positive whole number");
        return 0;
    }
    return (uint32_t)v->valuedouble;
}

float config_number(config_reader *r, const char *key, float otherwise)
{
    const cJSON *v = value_of(r, key);
    if (!v) return otherwise;
    if (!cJSON_IsNumber(v)) config_wrong(r, key, "is not a number");
    return (float)v->valuedouble;
}

bool config_flag(config_reader *r, const char *key, bool otherwise)
{
    if (!json_flag(r->object, key, &otherwise)) config_wrong(r, key, "is not true or false");
    return otherwise;
}

void config_expect(config_reader *r, const char *key, bool right)
{
    if (config_flag(r, key, right) == right) return;
    config_wrong(r, key, right ? "must be true: false is not supported" : "must be false: true is not supported");
}

const char *config_text(const config_reader *r, const char *key)
{
    const cJSON *v = value_of(r, key);
    return !v ? NULL : cJSON_IsString(v) ? v->valuestring : "";
}

bool config_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) return true;
    return false;
}

static void read_kind(config_reader *r, pm_gpt_config *c)
{
    const char *type = config_text(r, "model_type");
    const arch_info *family = type ? arch_by_model_type(type) : NULL;
    char known[160], line[200];
    if (family) {
        c->arch = family->id;
        return;
    }
    arch_list(true, known, sizeof known);
    snprintf(line, sizeof line, "is none of %s", known);
    config_wrong(r, "model_type", line);
}

static void read_keys(config_reader *r, pm_gpt_config *c)
{
    const arch_info *family = arch_of(c);
    for (const arch_key *key = family->keys; key->name; key++) {
        if (key->kind == KEY_FLOAT)
            *float_field(c, key) = config_number(r, key->name, key->otherwise);
        else if (key->kind == KEY_FLAG)
            *flag_field(c, key) = config_flag(r, key->name, key->otherwise != 0);
        else if (!(*count_field(c, key) = config_count(r, key->name, key->required)))
            *count_field(c, key) = (uint32_t)key->otherwise;
    }
    c->no_eps = c->eps == 0;
    c->untied = !config_flag(r, "tie_word_embeddings", !family->untied);
}

/* The head's task, where there is one: Pumice's own, or a transformers classifier's. */
static void read_task(config_reader *r, pm_gpt_config *c, pm_task *task)
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
    if (c->vocab != task->vocab + PM_TASK_SPECIALS) config_wrong(r, "vocab_size", "is not the task's text_vocab + 3");
}

static pm_status read_file(const pm_log *log, const file_ref *ref, pm_gpt_config *out, pm_task *task)
{
    cJSON *root;
    const char *path = ref->path;
    pm_status status = json_file_read(log, ref, "another way", NULL, &root);
    if (status != PM_OK) return status;
    config_reader r = {.log = log, .path = path, .object = root};
    pm_gpt_config c = {0};
    pm_task own = {0};
    read_kind(&r, &c);
    read_keys(&r, &c);
    arch_of(&c)->read(&r, &c);
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

static pm_status load_gguf(const pm_log *log, const file_source *from, pm_gpt_config *out, pm_task *task)
{
    gguf_file file;
    pm_status status = gguf_open_source(log, from, &file);
    if (status != PM_OK) return status;
    status = gguf_model_config(log, &file, out);
    gguf_close(&file);
    if (status == PM_OK && task) *task = (pm_task){0};
    return status;
}

pm_status gpt_config_load_from(const pm_log *log, const file_source *from, pm_gpt_config *out, pm_task *task)
{
    file_ref ref;
    if (gguf_is_source(from)) return load_gguf(log, from, out, task);
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
