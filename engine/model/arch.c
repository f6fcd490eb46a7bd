/* The roles of parameters, and the families by their names. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

const role_info role_table[ROLE_COUNT] = {
    [ROLE_TOKENS] = {"V,C", START_MATRIX, true, NEED_NAME, false, true},
    [ROLE_POSITIONS] = {"P,C", START_POSITIONS, true, NEED_NAME, false, false},
    [ROLE_NORM1_GAIN] = {"1,C", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_NORM1_BIAS] = {"1,C", START_ZEROS, false, NEED_NAME, false, false},
    [ROLE_QKV_WEIGHT] = {"C,Q", START_MATRIX, true, NEED_NAME, true, true},
    [ROLE_QKV_BIAS] = {"1,Q", START_ZEROS, false, NEED_ATTENTION_BIAS, false, false},
    [ROLE_Q_NORM] = {"1,D", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_K_NORM] = {"1,D", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_PROJ_WEIGHT] = {"A,C", START_RESIDUAL, true, NEED_NAME, true, true},
    [ROLE_PROJ_BIAS] = {"1,C", START_ZEROS, false, NEED_ATTENTION_BIAS, false, false},
    [ROLE_POST_NORM1_GAIN] = {"1,C", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_NORM2_GAIN] = {"1,C", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_NORM2_BIAS] = {"1,C", START_ZEROS, false, NEED_NAME, false, false},
    [ROLE_FC_WEIGHT] = {"C,F", START_MATRIX, true, NEED_NAME, true, true},
    [ROLE_FC_BIAS] = {"1,F", START_ZEROS, false, NEED_MLP_BIAS, false, false},
    [ROLE_OUT_WEIGHT] = {"I,C", START_RESIDUAL, true, NEED_NAME, true, true},
    [ROLE_OUT_BIAS] = {"1,C", START_ZEROS, false, NEED_MLP_BIAS, false, false},
    [ROLE_POST_NORM2_GAIN] = {"1,C", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_NORM_GAIN] = {"1,C", START_GAIN, false, NEED_NAME, false, false},
    [ROLE_NORM_BIAS] = {"1,C", START_ZEROS, false, NEED_NAME, false, false},
    [ROLE_HEAD] = {"V,C", START_MATRIX, true, NEED_UNTIED, false, true},
    [ROLE_SCORE] = {"K,C", START_MATRIX, true, NEED_OUTPUTS, false, false},
};

static const arch_info *const families[] = {&arch_gpt2,  &arch_gpt1,  &arch_llama, &arch_mistral,
                                            &arch_qwen2, &arch_qwen3, &arch_gemma3};
enum { FAMILIES = sizeof families / sizeof *families };

void arch_list(bool model_types, char *out, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < FAMILIES && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                 model_types ? families[i]->model_type : families[i]->name);
}

const arch_info *arch_by_gguf(const char *name, size_t size)
{
    for (int i = 0; i < FAMILIES; i++) {
        const char *own = families[i]->gguf_family;
        if (own && strlen(own) == size && memcmp(own, name, size) == 0) return families[i];
    }
    return NULL;
}

const arch_key *arch_key_of(const arch_info *a, size_t field)
{
    for (const arch_key *key = a->keys; key->name; key++)
        if (key->field == field) return key;
    return NULL;
}

void arch_list_gguf(char *out, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < FAMILIES && used < size; i++) {
        const char *own = families[i]->gguf_family;
        if (own && arch_by_gguf(own, strlen(own)) == families[i])
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", own);
    }
}

bool arch_known(pm_arch id)
{
    for (int i = 0; i < FAMILIES; i++)
        if (families[i]->id == id) return true;
    return false;
}

const arch_info *arch_of(const pm_gpt_config *config)
{
    for (int i = 1; i < FAMILIES; i++)
        if (families[i]->id == config->arch) return families[i];
    return families[0];
}

const arch_info *arch_by_model_type(const char *model_type)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i]->model_type, model_type) == 0) return families[i];
    return NULL;
}

const arch_info *arch_by_class(const char *name)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i]->classifier_class, name) == 0) return families[i];
    return NULL;
}

/* ---- public names ---- */

const char *pm_arch_name(pm_arch id)
{
    for (int i = 0; i < FAMILIES; i++)
        if (families[i]->id == id) return families[i]->name;
    return "unknown";
}

const char *pm_arch_title(pm_arch id)
{
    for (int i = 0; i < FAMILIES; i++)
        if (families[i]->id == id) return families[i]->title;
    return "unknown";
}

bool pm_arch_named(const char *name, pm_arch *out)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i]->name, name) == 0) {
            *out = families[i]->id;
            return true;
        }
    return false;
}

/* ---- parameters ---- */

/* Columns of q, k and v together. */
static uint32_t qkv_size(const pm_gpt_config *c)
{
    return (c->heads + 2 * c->kv_heads) * c->head;
}

static uint32_t size_of(const pm_gpt_config *c, char letter)
{
    switch (letter) {
    case 'V': return c->vocab;
    case 'P': return c->ctx;
    case 'C': return c->embd;
    case 'Q': return qkv_size(c);
    case 'A': return c->heads * c->head;
    case 'D': return c->head;
    case 'I': return c->inner;
    case 'F': return arch_gated(arch_of(c)) ? 2 * c->inner : c->inner;
    case 'K': return c->outputs;
    default: return 1;
    }
}

void arch_shape(const pm_gpt_config *c, param_role r, uint32_t *rows, uint32_t *cols)
{
    const char *shape = role_table[r].shape;
    const bool turned = role_table[r].product && arch_of(c)->out_in;
    *rows = size_of(c, shape[turned ? 2 : 0]);
    *cols = size_of(c, shape[turned ? 0 : 2]);
}

uint32_t arch_part(const pm_gpt_config *c, param_role r, uint32_t part)
{
    const bool qkv = r == ROLE_QKV_WEIGHT || r == ROLE_QKV_BIAS;
    return !qkv ? c->inner : (part == 0 ? c->heads : c->kv_heads) * c->head;
}

bool arch_has(const pm_gpt_config *c, param_role r)
{
    const bool named = arch_of(c)->hf.name[r] != NULL;
    switch (role_table[r].need) {
    case NEED_NAME: return named;
    case NEED_ATTENTION_BIAS: return named && c->attention_bias;
    case NEED_MLP_BIAS: return named && c->mlp_bias;
    case NEED_UNTIED: return c->untied;
    case NEED_OUTPUTS: return c->outputs > 0;
    }
    return false;
}

bool arch_windowed(const pm_gpt_config *c, uint32_t layer)
{
    return c->window > 0 && layer >= c->window_first && !(c->window_period && (layer + 1) % c->window_period == 0);
}

/* How many of the roles from `first` up to `end` the model has. */
static uint32_t roles_between(const pm_gpt_config *c, int first, int end)
{
    uint32_t n = 0;
    for (int r = first; r < end; r++) n += arch_has(c, (param_role)r);
    return n;
}

uint32_t arch_param_count(const pm_gpt_config *c)
{
    return roles_between(c, 0, ROLE_BLOCK_FIRST) + c->layers * roles_between(c, ROLE_BLOCK_FIRST, ROLE_BLOCK_END) +
           roles_between(c, ROLE_BLOCK_END, ROLE_COUNT);
}

uint32_t arch_param(const pm_gpt_config *c, param_role r, uint32_t block)
{
    if (r < ROLE_BLOCK_FIRST) return roles_between(c, 0, (int)r);
    const uint32_t tables = roles_between(c, 0, ROLE_BLOCK_FIRST),
                   each = roles_between(c, ROLE_BLOCK_FIRST, ROLE_BLOCK_END);
    if (r < ROLE_BLOCK_END) return tables + block * each + roles_between(c, ROLE_BLOCK_FIRST, (int)r);
    return tables + c->layers * each + roles_between(c, ROLE_BLOCK_END, (int)r);
}

bool arch_next(const pm_gpt_config *c, arch_place *at)
{
    for (;;) {
        const bool in_block = at->role >= ROLE_BLOCK_FIRST && at->role < ROLE_BLOCK_END;
        at->role++;
        if (in_block && at->role == ROLE_BLOCK_END && at->block + 1 < c->layers) {
            at->role = ROLE_BLOCK_FIRST;
            at->block++;
        }
        if (at->role >= ROLE_COUNT) return false;
        if (arch_has(c, (param_role)at->role)) return true;
    }
}
