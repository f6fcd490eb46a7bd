/* The roles of parameters, and the families by their names. */
#include "model/arch.h"

#include <string.h>

const role_info role_table[ROLE_COUNT] = {
    [ROLE_TOKENS] = {"V,C", START_MATRIX, true},        [ROLE_POSITIONS] = {"P,C", START_POSITIONS, true},
    [ROLE_NORM1_GAIN] = {"1,C", START_ONES, false},     [ROLE_NORM1_BIAS] = {"1,C", START_ZEROS, false},
    [ROLE_QKV_WEIGHT] = {"C,Q", START_MATRIX, true},    [ROLE_QKV_BIAS] = {"1,Q", START_ZEROS, false},
    [ROLE_PROJ_WEIGHT] = {"C,C", START_RESIDUAL, true}, [ROLE_PROJ_BIAS] = {"1,C", START_ZEROS, false},
    [ROLE_NORM2_GAIN] = {"1,C", START_ONES, false},     [ROLE_NORM2_BIAS] = {"1,C", START_ZEROS, false},
    [ROLE_FC_WEIGHT] = {"C,I", START_MATRIX, true},     [ROLE_FC_BIAS] = {"1,I", START_ZEROS, false},
    [ROLE_OUT_WEIGHT] = {"I,C", START_RESIDUAL, true},  [ROLE_OUT_BIAS] = {"1,C", START_ZEROS, false},
    [ROLE_NORM_GAIN] = {"1,C", START_ONES, false},      [ROLE_NORM_BIAS] = {"1,C", START_ZEROS, false},
    [ROLE_HEAD] = {"V,C", START_MATRIX, true},          [ROLE_SCORE] = {"K,C", START_MATRIX, true},
};

static const arch_info *const families[] = {&arch_gpt2, &arch_gpt1};
enum { FAMILIES = sizeof families / sizeof *families };

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

static uint32_t size_of(const pm_gpt_config *c, char letter)
{
    switch (letter) {
    case 'V': return c->vocab;
    case 'P': return c->ctx;
    case 'C': return c->embd;
    case 'Q': return 3 * c->embd;
    case 'I': return c->inner;
    case 'K': return c->outputs;
    default: return 1;
    }
}

void arch_shape(const pm_gpt_config *c, param_role r, uint32_t *rows, uint32_t *cols)
{
    const char *shape = role_table[r].shape;
    *rows = size_of(c, shape[0]);
    *cols = size_of(c, shape[2]);
}

uint32_t arch_part(const pm_gpt_config *c, param_role r, uint32_t part)
{
    (void)part;
    (void)r;
    return c->embd; /* q, k and v */
}

bool arch_has(const pm_gpt_config *c, param_role r)
{
    if (r == ROLE_HEAD) return c->untied;
    if (r == ROLE_SCORE) return c->outputs > 0;
    return arch_of(c)->hf.name[r] != NULL;
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
