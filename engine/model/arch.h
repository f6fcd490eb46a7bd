/* What a family of decoders is: its block, its parameters by role, their names in files, and the keys of its config.json. Everything else asks
 * the description: no other file tells families apart. */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include <stddef.h>

#include <pumice/model.h>

/* What a parameter is for. A model has those that its family names and its configuration wants, in this order: the tables, the blocks, the end.
 * Letters of shapes: see role_table. A product's weight is stored as (in,out), y = x W, or the other way round: arch_info.out_in. */
typedef enum param_role {
    ROLE_TOKENS,    /* (V,C) */
    ROLE_POSITIONS, /* (P,C) */
    /* of a block */
    ROLE_NORM1_GAIN, /* (C) */
    ROLE_NORM1_BIAS,
    ROLE_QKV_WEIGHT, /* (C,Q): q, k and v beside each other */
    ROLE_QKV_BIAS,
    ROLE_Q_NORM, /* (D): of each head */
    ROLE_K_NORM,
    ROLE_PROJ_WEIGHT, /* (A,C) */
    ROLE_PROJ_BIAS,
    ROLE_POST_NORM1_GAIN, /* (C): of what the branch adds */
    ROLE_NORM2_GAIN,
    ROLE_NORM2_BIAS,
    ROLE_FC_WEIGHT, /* (C,F): gate and up beside each other, where the MLP is gated */
    ROLE_FC_BIAS,
    ROLE_OUT_WEIGHT, /* (I,C) */
    ROLE_OUT_BIAS,
    ROLE_POST_NORM2_GAIN,
    /* behind the blocks */
    ROLE_NORM_GAIN, /* (C) */
    ROLE_NORM_BIAS,
    ROLE_HEAD,  /* (V,C), as the token table: an output layer of its own */
    ROLE_SCORE, /* (K,C): a task's head */
    ROLE_COUNT,
    ROLE_BLOCK_FIRST = ROLE_NORM1_GAIN,
    ROLE_BLOCK_END = ROLE_NORM_GAIN
} param_role;

/* A parameter's first values. */
typedef enum role_start {
    START_ZEROS,
    START_GAIN,      /* 1 in effect: zeros where norms are times 1 + w */
    START_MATRIX,    /* N(0, deviation^2), as gpt_deviation() has it */
    START_POSITIONS, /* N(0, position_deviation^2) */
    START_RESIDUAL,  /* as a matrix, divided by the root of twice the layers where the family says so */
} role_start;

/* What a model must have beside the name, for a parameter to be there. */
typedef enum role_need { NEED_NAME, NEED_ATTENTION_BIAS, NEED_MLP_BIAS, NEED_UNTIED, NEED_OUTPUTS } role_need;

/* Letters of shapes: V P C I K and D are pm_gpt_config's; A = H D, Q = A and twice as much for each of kv_heads, F = I or, gated, 2 I. */
typedef struct role_info {
    const char *shape; /* "V,C"; 1: a vector */
    role_start start;
    bool decayed;
    role_need need;
    bool product; /* a product's weight, which out_in turns round */
    bool narrow;  /* may be kept in 16 bits */
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
    const char *prefix; /* of every name but the output layer's and the task head's */
    const char *block;  /* of a block's names, between the prefix and its number */
    const char *name[ROLE_COUNT];
    arch_parts parts[ARCH_PARTS];
} arch_names;

/* A key of config.json that is a field of pm_gpt_config. */
typedef enum key_kind {
    KEY_COUNT, /* uint32_t, from 1 on */
    KEY_INNER, /* the same, null where it is 4 C */
    KEY_FLOAT,
    KEY_FLAG, /* bool */
} key_kind;

typedef struct arch_key {
    const char *name;
    key_kind kind;
    size_t field;  /* offsetof */
    bool required; /* else `otherwise` where it is missing or null */
    float otherwise;
    const char *same; /* written with the same value, and not read; NULL: none */
} arch_key;
enum { ARCH_KEYS = 16 };

typedef enum norm_kind {
    NORM_LAYER,
    NORM_RMS,
    NORM_RMS_ONE, /* times 1 + w */
} norm_kind;

typedef enum mlp_kind {
    MLP_GELU,
    MLP_SILU_GATE, /* silu(gate) * up */
    MLP_GELU_GATE,
} mlp_kind;

/* Which layers may have a window. */
typedef enum windows_kind {
    WINDOWS_NONE,
    WINDOWS_ALL,  /* all or none */
    WINDOWS_SOME, /* as window_first and window_period say */
} windows_kind;

struct cJSON;
struct config_reader; /* config_reader.h */

/* What is not a number of pm_gpt_config. A family has positions by rotation where it names no table of positions, norms of q and k and behind
 * branches where it names those. */
typedef struct arch_info {
    pm_arch id;
    const char *name, *title; /* "gpt2" of --arch, "GPT-2" of prose */
    const char *model_type;   /* config.json's */
    const char *lm_class, *classifier_class;
    norm_kind norm;
    bool norm_before; /* a norm before each branch, and one behind the last block; else one after each sum */
    mlp_kind mlp;
    bool attention_bias, mlp_bias; /* always */
    bool out_in;                   /* products' weights are (out,in) */
    bool scaled_table;             /* the token table times the root of C */
    bool residual_start;           /* START_RESIDUAL differs from START_MATRIX */
    float position_deviation;
    float eps, theta, local_theta; /* what 0 means */
    windows_kind windows;
    uint32_t window, window_period; /* what 0 means, too */
    arch_names hf;
    const char *gguf_family; /* general.architecture of GGUF; NULL: it has none */
    arch_names gguf;
    bool gguf_pairs;                         /* there, rows of q and k are in the order of the pairs that turn */
    arch_key keys[ARCH_KEYS];                /* in the order in which they are written */
    const char *activation_key, *activation; /* as written */
    bool untied;                             /* without the key tie_word_embeddings */
    /* Refuses by name what Pumice does not compute, and reads what is not one number. */
    void (*read)(struct config_reader *r, pm_gpt_config *c);
    void (*write)(struct cJSON *o, const pm_gpt_config *c); /* the same keys; NULL: none */
} arch_info;

extern const arch_info arch_gpt1, arch_gpt2, arch_llama, arch_mistral, arch_qwen2, arch_qwen3, arch_gemma3;
/* "gpt2, gpt1, …": all short names, or all that model_type may be. */
void arch_list(bool model_types, char *out, size_t size);
/* A configuration's; GPT-2's where its id is not known. */
const arch_info *arch_of(const pm_gpt_config *config);
bool arch_known(pm_arch id);
/* The key of config.json that is this field of pm_gpt_config (offsetof), or NULL. */
const arch_key *arch_key_of(const arch_info *a, size_t field);
/* By GGUF's name, and all such names. */
const arch_info *arch_by_gguf(const char *name, size_t size);
void arch_list_gguf(char *out, size_t size);
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

static inline bool arch_gated(const arch_info *a)
{
    return a->mlp != MLP_GELU;
}
static inline bool arch_rotary(const arch_info *a)
{
    return !a->hf.name[ROLE_POSITIONS];
}
/* Whether a layer's queries see a window of tokens only. */
bool arch_windowed(const pm_gpt_config *config, uint32_t layer);

/* All of them in order: begin with ARCH_START; false behind the last. */
typedef struct arch_place {
    int role;
    uint32_t block;
} arch_place;
#define ARCH_START ((arch_place){-1, 0})
bool arch_next(const pm_gpt_config *config, arch_place *at);

#endif
