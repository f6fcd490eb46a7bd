/* A GPT's parameters (names, shapes, places in a few flat buffers) and its graph. */
#ifndef MODEL_GPT_H
#define MODEL_GPT_H

#include <pumice/model.h>

#include "files/source.h"
#include "graph/graph.h"
#include "model/arch.h"

/* ---- parameters ---- */

enum { GPT_NAME_MAX = 64 };

/* Parameters, in the order of arch.h, lie in a few flat segments of one type each, so that optimiser and norm loop over buffers. Those that weight decay
 * acts on come first. Only a layout of fp32 trains: then gradients and moments have the same one. */
typedef struct gpt_layout {
    uint32_t count;
    pm_param *params;            /* names point into `names` */
    char (*names)[GPT_NAME_MAX]; /* [count] */
    param_role *roles;           /* [count] */
    uint32_t *segment;           /* [count] */
    dtype_id *types;             /* [count] */
    uint64_t *offset;            /* [count] bytes */
    uint32_t segment_count;
    dtype_id *segment_type;    /* [segment_count] */
    uint64_t *segment_bytes;   /* [segment_count] */
    uint64_t *segment_decayed; /* [segment_count] decayed numbers, at the front */
    uint64_t total_bytes;
} gpt_layout;

/* Whether all of it may train. */
bool gpt_layout_trains(const gpt_layout *layout);

/* types: [parameters]; NULL: all fp32. */
pm_status gpt_layout_make(const pm_log *log, const pm_gpt_config *config, const dtype_id *types,
                          uint64_t max_segment_bytes, gpt_layout *out);
void gpt_layout_fini(gpt_layout *layout);

/* One buffer for each segment, filled with zeros; and each parameter's span in them. */
pm_status gpt_segments_create(pm_device *device, const gpt_layout *layout, const char *name, gpu_buffer ***buffers);
void gpt_segments_destroy(const gpt_layout *layout, gpu_buffer ***buffers);
gpu_span gpt_span(const gpt_layout *layout, gpu_buffer *const *buffers, uint32_t param);

/* Columns of a layer's key/value cache: keys, then values. */
static inline uint32_t gpt_cache_columns(const pm_gpt_config *filled)
{
    return 2 * filled->kv_heads * filled->head;
}
/* Bytes of the constants. */
uint64_t gpt_constants_bytes(const pm_gpt_config *filled);

/* Every parameter's span in a set of segments; malloc'd, NULL when memory is out. */
gpu_span *gpt_spans(const gpt_layout *layout, gpu_buffer *const *buffers);

/* Buffers that a model has beside its parameters, by index. */
enum {
    CONSTANT_ROTARY,       /* (P,R): cosines | sines of each position; see rotary_table() */
    CONSTANT_ROTARY_LOCAL, /* the same of layers with a window, where these have a theta of their own */
    CONSTANTS
};

struct pm_model {
    pm_device *device;
    pm_gpt_config config; /* defaults filled in */
    gpt_layout layout;
    gpu_buffer **weights;
    gpu_buffer *constants[CONSTANTS]; /* NULL: the family has none */
    pm_task *task;                    /* what the head answers; NULL without one */
    char (*labels)[16];               /* "h.0" …, of recorded commands */
};

/* A model with its weights allocated and zero. types: as of gpt_layout_make. */
pm_status gpt_model_allocate(pm_device *device, const pm_gpt_config *config, const dtype_id *types, pm_model **out);

/* A caller's configuration (base/sized.h). */
pm_status gpt_config_read(const pm_log *log, const pm_gpt_config *given, size_t given_size, pm_gpt_config *out);
/* What a field, by its offset, is called in the file that a configuration is from; NULL: it has no name there. */
typedef const char *gpt_namer(const pm_gpt_config *config, size_t field);
/* Where a configuration is from, for the lines of its checks: what they begin with, and its names; NULL: those of pm_gpt_config. */
typedef struct gpt_origin {
    const char *where; /* a path and ": ", or nothing */
    gpt_namer *names;
} gpt_origin;
#define GPT_NAME(origin, config, name) gpt_name(origin, config, offsetof(pm_gpt_config, name), #name)
const char *gpt_name(const gpt_origin *origin, const pm_gpt_config *config, size_t field, const char *name);
/* pm_gpt_config_check. */
pm_status gpt_config_check(const pm_log *log, const gpt_origin *origin, const pm_gpt_config *config);

/* Replaces 0 by defaults. */
pm_gpt_config gpt_config_filled(const pm_gpt_config *config);
/* The same for the model that pm_model_for_task makes. */
pm_gpt_config gpt_config_for_task(const pm_gpt_config *config, const pm_task *task);

/* config.json. */
pm_status gpt_config_load_from(const pm_log *log, const file_source *from, pm_gpt_config *out,
                               pm_task *task /* or NULL */);
pm_status gpt_config_load(const pm_log *log, const char *dir, pm_gpt_config *out, pm_task *task);
pm_status gpt_config_write(const pm_log *log, const char *path, const pm_gpt_config *config, const pm_task *task);
/* The same as text, malloc'd; NULL when memory is out. */
char *gpt_config_text(const pm_gpt_config *config, const pm_task *task);
/* A float as the shortest decimal that gives it back, so that 0.1f is written 0.1. */
struct cJSON;
void gpt_config_add_float(struct cJSON *object, const char *key, float value);

/* A source of parameters in pieces, so that none is in memory whole: numbers [first, first + count) of one, in rising order. */
enum { GPT_PIECE = 1 << 20 }; /* the longest */
typedef struct gpt_source {
    pm_status (*read)(void *user, uint32_t param, uint64_t first, uint64_t count, float *out);
    void *user;
} gpt_source;

/* Reads all parameters, piece by piece in the layout's order, and hands each piece on. */
typedef pm_status gpt_piece_fn(void *user, uint32_t param, uint64_t first, uint64_t count, const float *values);
pm_status gpt_copy(const pm_log *log, const gpt_layout *layout, gpt_source from, gpt_piece_fn *to, void *user);

/* A model's parameters as a source: `user` is the model. */
pm_status gpt_read_piece(void *user, uint32_t param, uint64_t first, uint64_t count, float *out);
/* Writes them all; `name` is what lines call the source. */
pm_status gpt_model_fill(pm_model *model, const char *name, gpt_source from);

/* The standard deviation of new matrices and tables. */
float gpt_deviation(const pm_gpt_config *config);

/* Draws from N(0, deviation^2): elements [first, first + count) of a parameter, first a multiple of 4. `which` keeps uses apart. */
void gpt_normal(float *out, uint64_t first, uint64_t count, float deviation, uint64_t seed, uint32_t param,
                uint32_t which);

/* Writes a model folder: config.json, and model.safetensors in fp32. Each is written whole or not at all. */
pm_status gpt_folder_write(const pm_log *log, const char *dir, const pm_gpt_config *config, const pm_task *task,
                           const gpt_layout *layout, gpt_source from);

/* ---- graph ---- */

/* Inputs of the graphs, by index. Those before INPUT_MAILBOX go through a mailbox (engine/exec). N = batch * time rows; R = batch / group
 * hidden vectors, each the sum of `group` sequences'; X examples. */
enum {
    /* from the host */
    INPUT_SCALARS, /* struct step_scalars */
    INPUT_TOKENS,  /* (N,1) */
    INPUT_TARGETS, /* (N,1) */
    INPUT_WEIGHTS, /* (N,1) of targets */
    INPUT_EXTRACT, /* (R*group,1) rows where <e> stands */
    INPUT_ANSWERS, /* (X,2) labels and classes, or scores and weights */
    /* to the host */
    INPUT_RESULT,      /* (1,4) of LM_LOSS */
    INPUT_TASK_RESULT, /* (1,4) of LABEL_LOSS or SCORE_LOSS */
    INPUT_OUTPUTS,     /* (R,K) */
    INPUT_MAILBOX,
    INPUT_LOGITS = INPUT_MAILBOX, /* (N,V) */
    INPUT_CACHES                  /* one a layer, (room,2GD): G key heads of D columns, then their values */
};

typedef enum gpt_mode {
    GPT_LOSS,     /* tokens, targets -> result */
    GPT_PREFILL,  /* tokens -> caches */
    GPT_LOGITS,   /* tokens -> caches, logits (N,V) */
    GPT_FINETUNE, /* tokens, extract, answers, with lambda > 0 also targets and weights -> results of both losses */
    GPT_ANSWER,   /* tokens, extract -> outputs (R,K) */
} gpt_mode;

typedef struct gpt_shape {
    gpt_mode mode;
    uint32_t batch, time;
    dtype_id type;                                   /* of activations */
    dtype_id cache;                                  /* of keys and values in the caches */
    uint32_t room;                                   /* positions that these have; 0: the model's ctx */
    bool recompute;                                  /* a block's activations, in the backward pass */
    float dropout_embd, dropout_attn, dropout_resid; /* in training; 0 elsewhere */
    /* GPT_FINETUNE and GPT_ANSWER */
    uint32_t group;     /* sequences whose hidden values are added */
    uint32_t examples;  /* X: questions divide R among them, else X = R */
    bool scores;        /* SCORE_LOSS, not LABEL_LOSS */
    float lambda;       /* weight of the language-model loss; 0: not computed */
    float dropout_head; /* of what the head reads */
} gpt_shape;

/* Adds the forward graph. *scalars is its scalars input, which graph_gradient needs. types: [parameters], or NULL: all fp32. labels: [layers], or
 * NULL. */
void gpt_build(graph *g, const pm_gpt_config *config, const gpt_shape *shape, const dtype_id *types, char (*labels)[16],
               tensor_id *scalars);

#endif
