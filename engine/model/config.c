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

static const arch_key *key_of(const pm_gpt_config *config, size_t field)
{
    return arch_key_of(arch_of(config), field);
}

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
    if (c.query_scalar == 0 && key_of(&c, offsetof(pm_gpt_config, query_scalar))) c.query_scalar = (float)c.head;
    rotary_fill(&c);
    return c;
}

const char *gpt_name(const gpt_origin *origin, const pm_gpt_config *config, size_t field, const char *name)
{
    const char *own = origin->names ? origin->names(config, field) : NULL;
    return own ? own : name;
}

static const char *json_name(const pm_gpt_config *config, size_t field)
{
    const arch_key *key = key_of(config, field);
    return key ? key->name : NULL;
}

typedef struct checker {
    const pm_log *log;
    const char *where;
    const gpt_origin *origin;
    const pm_gpt_config *config;
} checker;

#define NAME(check, name) GPT_NAME((check)->origin, (check)->config, name)

static pm_status check_sizes(const checker *check)
{
    const pm_gpt_config *c = check->config;
    const struct {
        const char *name;
        uint32_t value, most;
    } sizes[] = {{NAME(check, vocab), c->vocab, 1u << 24}, {NAME(check, ctx), c->ctx, 1u << 20},
                 {NAME(check, embd), c->embd, 1u << 16},   {NAME(check, heads), c->heads, 1u << 10},
                 {NAME(check, layers), c->layers, 1000},   {NAME(check, inner), c->inner ? c->inner : 1, 1u << 18}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].value == 0 || sizes[i].value > sizes[i].most)
            return log_fail(check->log, PM_INVALID, "%s%s: %" PRIu32 " is not within 1 to %" PRIu32, check->where,
                            sizes[i].name, sizes[i].value, sizes[i].most);
    return PM_OK;
}

static pm_status check_heads(const checker *check)
{
    const pm_log *log = check->log;
    const char *where = check->where;
    const pm_gpt_config *c = check->config;
    const uint32_t most = arch_rotary(arch_of(c)) ? 256 : 128, size = c->head ? c->head : c->embd / c->heads;
    if (!c->head && c->embd % c->heads)
        return log_fail(log, PM_INVALID, "%s%s: %" PRIu32 " does not divide %s, %" PRIu32, where, NAME(check, heads),
                        c->heads, NAME(check, embd), c->embd);
    if (size == 0 || size % 4 || size > most)
        return log_fail(log, PM_INVALID,
                        "%s%s: the head size is %" PRIu32 "; it must be a multiple of 4, at most %" PRIu32, where,
                        c->head ? NAME(check, head) : NAME(check, heads), size, most);
    if (c->kv_heads && c->heads % c->kv_heads)
        return log_fail(log, PM_INVALID, "%s%s: %" PRIu32 " does not divide %s, %" PRIu32, where, NAME(check, kv_heads),
                        c->kv_heads, NAME(check, heads), c->heads);
    return PM_OK;
}

/* A field that is not 0 must be one that the family has, or config.json could not say it. */
static pm_status check_family(const checker *check)
{
    const pm_gpt_config *c = check->config;
    const arch_info *family = arch_of(c);
    const bool rotary = arch_rotary(family);
    const struct {
        const char *name;
        bool set, has;
    } fields[] = {
        {NAME(check, kv_heads), c->kv_heads && c->kv_heads != c->heads, rotary},
        {NAME(check, head), c->head && c->head * c->heads != c->embd, rotary},
        {NAME(check, window), c->window > 0, family->windows != WINDOWS_NONE},
        {NAME(check, window_first), c->window > 0 && c->window_first > 0, family->windows == WINDOWS_SOME},
        {NAME(check, window_period), c->window > 0 && c->window_period > 0, family->windows == WINDOWS_SOME},
        {NAME(check, query_scalar), c->query_scalar != 0, key_of(c, offsetof(pm_gpt_config, query_scalar)) != NULL},
        {NAME(check, attention_bias), c->attention_bias,
         family->attention_bias || key_of(c, offsetof(pm_gpt_config, attention_bias)) != NULL},
        {NAME(check, mlp_bias), c->mlp_bias, family->mlp_bias || key_of(c, offsetof(pm_gpt_config, mlp_bias)) != NULL},
        {NAME(check, rotary.local_theta), rotary && c->rotary.local_theta != 0, family->local_theta > 0},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].set && !fields[i].has)
            return log_fail(check->log, PM_INVALID, "%s%s: %s has none of its own", check->where, fields[i].name,
                            family->title);
    if (!(c->query_scalar >= 0 && isfinite(c->query_scalar)))
        return log_fail(check->log, PM_INVALID, "%s%s: %g is not a number above 0", check->where,
                        NAME(check, query_scalar), (double)c->query_scalar);
    return rotary ? rotary_check(check->log, check->origin, c) : PM_OK;
}

/* NULL, or the name of a dropout that is no probability. */
static const char *wrong_dropout(const checker *check)
{
    const pm_gpt_config *c = check->config;
    const struct {
        const char *name;
        float value;
    } all[] = {{NAME(check, dropout_embd), c->dropout_embd},
               {NAME(check, dropout_attn), c->dropout_attn},
               {NAME(check, dropout_resid), c->dropout_resid}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!(all[i].value >= 0 && all[i].value < 1)) return check->origin->names ? all[i].name : "dropout";
    return NULL;
}

static pm_status check_all(const checker *check)
{
    const pm_log *log = check->log;
    const char *where = check->where, *dropout;
    const pm_gpt_config *c = check->config;
    pm_status status = check_sizes(check);
    if (status != PM_OK) return status;
    if (!arch_known(c->arch)) return log_fail(log, PM_INVALID, "%sarch: there is no such family", where);
    status = check_heads(check);
    if (status == PM_OK) status = check_family(check);
    if (status != PM_OK) return status;
    if (c->no_eps && c->eps != 0)
        return log_fail(log, PM_INVALID, "%seps: %g beside no_eps; it must be 0", where, (double)c->eps);
    if (c->task_tokens >= c->vocab)
        return log_fail(log, PM_INVALID, "%stask_tokens: %" PRIu32 " are not fewer than the vocabulary's %" PRIu32,
                        where, c->task_tokens, c->vocab);
    if (!(c->eps >= 0 && c->eps < 1))
        return log_fail(log, PM_INVALID, "%s%s: %g is not at least 0 and below 1", where, NAME(check, eps),
                        (double)c->eps);
    if ((dropout = wrong_dropout(check)) != NULL)
        return log_fail(log, PM_INVALID, "%s%s: a probability is at least 0 and below 1", where, dropout);
    return special_check(log, where, c);
}

pm_status gpt_config_check(const pm_log *log, const gpt_origin *origin, const pm_gpt_config *config)
{
    return check_all(&(checker){.log = log, .where = origin->where, .origin = origin, .config = config});
}

pm_status gpt_config_read(const pm_log *log, const pm_gpt_config *given, size_t given_size, pm_gpt_config *out)
{
    return sized_read(log, "pm_gpt_config", given, given_size, out, sizeof *out);
}

pm_status pm_gpt_config_check_sized(const pm_log *log, const pm_gpt_config *given, size_t given_size)
{
    pm_gpt_config config;
    const pm_status status = gpt_config_read(log, given, given_size, &config);
    return status == PM_OK ? gpt_config_check(log, &(gpt_origin){.where = ""}, &config) : status;
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

bool config_has(const config_reader *r, const char *key)
{
    return value_of(r, key) != NULL;
}

/* A whole number of the key, which is there; else 0 after the line. */
static uint32_t whole(config_reader *r, const char *key, double least, const char *what)
{
    const cJSON *v = value_of(r, key);
    if (cJSON_IsNumber(v) && v->valuedouble >= least && v->valuedouble <= 1e9 &&
        v->valuedouble == floor(v->valuedouble))
        return (uint32_t)v->valuedouble;
    config_wrong(r, key, cJSON_IsNumber(v) && v->valuedouble > 1e9 ? "is too large" : what);
    return 0;
}

uint32_t config_count(config_reader *r, const char *key, bool required)
{
    if (config_has(r, key)) return whole(r, key, 1, "is not a positive whole number");
    if (required) config_wrong(r, key, "is missing");
    return 0;
}

uint32_t config_index(config_reader *r, const char *key, uint32_t otherwise)
{
    return config_has(r, key) ? whole(r, key, 0, "is not a whole number of 0 or more") : otherwise;
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

void config_expect_null(config_reader *r, const char *key)
{
    if (config_has(r, key)) config_wrong(r, key, "must be null: another value is not supported");
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
    if (r.status == PM_OK) r.status = special_read(log, path, root, &c);
    read_task(&r, &c, &own);
    cJSON_Delete(root);
    if (r.status == PM_OK) {
        char where[1000];
        snprintf(where, sizeof where, "%s: ", path);
        r.status = gpt_config_check(log, &(gpt_origin){where, json_name}, &c);
    }
    if (r.status == PM_OK) *out = gpt_config_filled(&c);
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
    bool gguf;
    pm_status status = gguf_is_source(log, from, &gguf);
    if (status == PM_OK && gguf) return load_gguf(log, from, out, task);
    if (status == PM_OK) status = file_source_check(log, from);
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
