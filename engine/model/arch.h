/* What a family of decoders is: its block, its parameters by role, their names in files, and the keys of its config.json. Everything else asks
 * the description: no other file tells families apart. */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include <stddef.h>

#include <pumice/model.h>

/* What a parameter is for. A model has those that its family names, in this order: the tables, the blocks, the end. Letters of shapes are
 * those of pm_gpt_config. A product's weight is stored as (in,out): y = x W. */
typedef enum param_role {
    ROLE_TOKENS,    /* (V,C) */
    ROLE_POSITIONS, /* (P,C) */
    /* of a block */
    ROLE_NORM1_GAIN, /* (C) */
    ROLE_NORM1_BIAS,
    ROLE_QKV_WEIGHT, /* (C,3C) */
    ROLE_QKV_BIAS,
    ROLE_PROJ_WEIGHT, /* (C,C) */
    ROLE_PROJ_BIAS,
    ROLE_NORM2_GAIN, /* (C) */
    ROLE_NORM2_BIAS,
    ROLE_FC_WEIGHT, /* (C,I) */
    ROLE_FC_BIAS,
    ROLE_OUT_WEIGHT, /* (I,C) */
    ROLE_OUT_BIAS,
    /* behind the blocks */
    ROLE_NORM_GAIN, /* (C) */
    ROLE_NORM_BIAS,
    ROLE_HEAD,  /* (V,C), as the token table: an output layer of its own, where config.untied says so */
    ROLE_SCORE, /* (K,C): a task's head, where config.outputs says so */
    ROLE_COUNT,
    ROLE_BLOCK_FIRST = ROLE_NORM1_GAIN,
    ROLE_BLOCK_END = ROLE_NORM_GAIN
} param_role;

/* A parameter's first values. */
typedef enum role_start {
    START_ZEROS,
    START_ONES,
    START_MATRIX,    /* N(0, deviation^2), as gpt_deviation() has it */
    START_POSITIONS, /* N(0, position_deviation^2) */
    START_RESIDUAL,  /* as a matrix, divided by the root of twice the layers where the family says so */
} role_start;

typedef struct role_info {
    const char *shape; /* "V,C": sizes by the letters of pm_gpt_config; 1: a vector */
    role_start start;
    bool decayed;
} role_info;
extern const role_info role_table[ROLE_COUNT];

/* The tensors that a parameter is made of, one behind the other. */
enum { ARCH_PARTS = 4, ARCH_PART_NAMES = 3 };
typedef struct arch_parts {
    param_role role;
    const char *name[ARCH_PART_NAMES];
} arch_parts;

/* The name of each role's tensor in a file format; NULL: the family has no such parameter. Where it is several tensors, the name is
 * Pumice's alone, and `parts` has theirs. */
typedef struct arch_names {
    const char *prefix; /* of every name but those of `end` */
    const char *block;  /* of a block's names, between the prefix and its number */
    const char *name[ROLE_COUNT];
    arch_parts parts[ARCH_PARTS];
} arch_names;

/* A key of config.json that is a field of pm_gpt_config. */
typedef enum key_kind {
    KEY_COUNT, /* uint32_t, from 1 on */
    KEY_INNER, /* the same, null where it is 4 C */
    KEY_FLOAT,
} key_kind;

typedef struct arch_key {
    const char *name;
    key_kind kind;
    size_t field;     /* offsetof */
    bool required;    /* else `otherwise` where it is missing or null */
    float otherwise;  /* of KEY_FLOAT; a missing count is 0 */
    const char *same; /* written with the same value, and not read; NULL: none */
} arch_key;
enum { ARCH_KEYS = 12 };

struct config_reader; /* config_reader.h */

typedef struct arch_info {
    pm_arch id;
    const char *name, *title; /* "gpt2" of --arch, "GPT-2" of prose */
    const char *model_type;   /* config.json's */
    const char *lm_class, *classifier_class;
    bool norm_before;    /* LayerNorm before each branch, and one behind the last block; else after each sum */
    bool residual_start; /* START_RESIDUAL differs from START_MATRIX */
    float position_deviation;
    arch_names hf;
    arch_key keys[ARCH_KEYS];                /* in the order in which they are written */
    const char *activation_key, *activation; /* as written */
    void (*check)(struct config_reader *r);  /* refuses by name what Pumice does not compute */
} arch_info;

extern const arch_info arch_gpt1, arch_gpt2;
/* A configuration's; GPT-2's where its id is not known. */
const arch_info *arch_of(const pm_gpt_config *config);
bool arch_known(pm_arch id);
/* By the names that config.json has; NULL: none. */
const arch_info *arch_by_model_type(const char *model_type);
const arch_info *arch_by_class(const char *classifier_class);

/* ---- a configuration's parameters; what 0 means must be filled in ---- */

bool arch_has(const pm_gpt_config *config, param_role r);
void arch_shape(const pm_gpt_config *config, param_role r, uint32_t *rows, uint32_t *cols);
/* Rows of a parameter's part number `part`, or a vector's columns. */
uint32_t arch_part(const pm_gpt_config *config, param_role r, uint32_t part);
uint32_t arch_param_count(const pm_gpt_config *config);
/* The index of one that there is. `block` counts for a block's only. */
uint32_t arch_param(const pm_gpt_config *config, param_role r, uint32_t block);

/* All of them in order: begin with ARCH_START; false behind the last. */
typedef struct arch_place {
    int role;
    uint32_t block;
} arch_place;
#define ARCH_START ((arch_place){-1, 0})
bool arch_next(const pm_gpt_config *config, arch_place *at);

#endif
