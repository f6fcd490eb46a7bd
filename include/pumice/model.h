/* Models: configuration, weights on a device, folders in Hugging Face's form. */
#ifndef PUMICE_MODEL_H
#define PUMICE_MODEL_H

#include <stdbool.h>

#include <pumice/device.h>
#include <pumice/source.h>
#include <pumice/task.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pm_arch {
    PM_ARCH_GPT2, /* LayerNorm before each branch, and after the last block */
    PM_ARCH_GPT1, /* LayerNorm after each residual sum; none at the end */
    /* Decoders with RMS norms, rotary positions and gated MLPs, whose products have no biases unless said. */
    PM_ARCH_LLAMA,   /* Llama 2 and 3, TinyLlama, SmolLM2 */
    PM_ARCH_MISTRAL, /* the same, with a window in every layer where `window` says so */
    PM_ARCH_QWEN2,   /* Qwen 2 and 2.5: biases of q, k and v */
    PM_ARCH_QWEN3,   /* a norm of each head of q and k before rotation */
    PM_ARCH_GEMMA3, /* that, too; norms times 1 + w, before and behind each branch; GELU; a scaled table; windows in most layers */
} pm_arch;

/* A family's short name, "gpt2", as --arch has it, and the one for prose, "GPT-2"; "unknown" for no family. And the family of a short
 * name: false where there is none. */
PM_API const char *pm_arch_name(pm_arch arch);
PM_API const char *pm_arch_title(pm_arch arch);
PM_API bool pm_arch_named(const char *name, pm_arch *out);

/* Tokens that a model's readers know by their meaning: what a text begins with and ends in, and what fills up shorter ones of a batch. */
typedef struct pm_special_tokens {
    bool has_bos, has_eos, has_pad;
    uint32_t bos, eos, pad;
} pm_special_tokens;

/* Rotary positions: column pairs (i, i + R/2) of a head turn by position * theta^(-2i/R), i < R/2. */
typedef enum pm_rotary_scaling {
    PM_ROTARY_PLAIN,
    PM_ROTARY_LINEAR, /* angles divided by `factor` */
    PM_ROTARY_LLAMA3, /* slow pairs divided by `factor`, quick ones not: Llama 3.1's rule */
    PM_ROTARY_YARN,   /* Peng et al., 2023 */
} pm_rotary_scaling;

typedef struct pm_rotary {
    float theta;       /* above 1; 0: 10000, Qwen's and Gemma's 1000000 */
    float local_theta; /* Gemma: of layers with a window, without scaling; 0: 10000. The others have none */
    uint32_t columns;  /* R, even: columns of a head that turn; 0: all */
    pm_rotary_scaling scaling;
    float factor;
    float low,
        high; /* llama3: how often a pair turns in `original` positions where scaling ends and begins; 0: 1 and 4 */
    uint32_t original; /* llama3, yarn: positions before scaling; 0: ctx */
    float fast, slow;  /* yarn: the same for its ramp; 0: 32 and 1 */
    float attention;   /* yarn: factor of cosines and sines; 0: 0.1 ln(factor) + 1 */
} pm_rotary;

typedef struct pm_gpt_config {
    pm_arch arch;
    uint32_t vocab;  /* V: tokens */
    uint32_t ctx;    /* P: positions, the longest sequence */
    uint32_t embd;   /* C: channels */
    uint32_t heads;  /* H */
    uint32_t layers; /* L */
    uint32_t inner;  /* I: channels between an MLP's products; 0: 4*C, of gated ones 8/3*C up to a multiple of 64 */
    float eps;       /* of norms; 0: 1e-5, Qwen's and Gemma's 1e-6, unless no_eps */
    bool no_eps;     /* eps is 0, as a config.json may say */
    float dropout_embd, dropout_attn, dropout_resid; /* what training drops unless told otherwise */
    uint32_t outputs;                                /* K: outputs of a task's head; 0: no head */
    bool untied;                                     /* the output layer has a table of its own, not the tokens' */
    uint32_t task_tokens;      /* the last so many of vocab were added for a task: <s>, $ and <e> */
    pm_special_tokens special; /* config.json's bos_token_id, eos_token_id and pad_token_id */
    /* of families with rotary positions; 0 for others */
    uint32_t kv_heads; /* heads of keys and values, which divide heads; 0: heads */
    uint32_t head;     /* D: head size, a multiple of 4 up to 256; 0: C/H. Heads need not add up to C */
    pm_rotary rotary;
    uint32_t window;        /* tokens that a query sees in layers with a window, its own among them; 0: all see all */
    uint32_t window_first;  /* layers before this one have none */
    uint32_t window_period; /* p: nor has layer i, counted from 0, where (i + 1) % p is 0; 0: all others have one */
    /* Gemma's 0 means a window of 512 and a period of 6. */
    float query_scalar;  /* Gemma: scores are times its -1/2th power; 0: D, as in the others */
    bool attention_bias; /* q, k, v and the product behind have biases; always of GPT, of Qwen 2's q, k and v */
    bool mlp_bias;       /* an MLP's products have; always of GPT */
} pm_gpt_config;

/* Checks a configuration: PM_INVALID with one line that names the field and what would be right. */
PM_API PM_NODISCARD pm_status pm_gpt_config_check_sized(const pm_log *log, const pm_gpt_config *config,
                                                        size_t config_size);
PM_NODISCARD static inline pm_status pm_gpt_config_check(const pm_log *log, const pm_gpt_config *config)
{
    return pm_gpt_config_check_sized(log, config, sizeof *config);
}

/* Reads a folder's config.json: sizes that pm_gpt_config_check accepts, what 0 means filled in. Ids of special tokens outside the
 * vocabulary are left out. Fails: PM_IO, PM_FORMAT. */
PM_API PM_NODISCARD pm_status pm_gpt_config_load_sized(const pm_log *log, const char *dir, pm_gpt_config *out,
                                                       size_t out_size);
PM_NODISCARD static inline pm_status pm_gpt_config_load(const pm_log *log, const char *dir, pm_gpt_config *out)
{
    return pm_gpt_config_load_sized(log, dir, out, sizeof *out);
}

/* The same file from elsewhere. Fails also as pm_tokenizer_load_from. */
PM_API PM_NODISCARD pm_status pm_gpt_config_load_from_sized(const pm_log *log, const pm_source *source,
                                                            size_t source_size, pm_gpt_config *out, size_t out_size);
PM_NODISCARD static inline pm_status pm_gpt_config_load_from(const pm_log *log, const pm_source *source,
                                                             pm_gpt_config *out)
{
    return pm_gpt_config_load_from_sized(log, source, sizeof *source, out, sizeof *out);
}

/* How many numbers a model has; a table that the output layer shares counts once. */
PM_API uint64_t pm_gpt_config_parameters_sized(const pm_gpt_config *config, size_t config_size);
static inline uint64_t pm_gpt_config_parameters(const pm_gpt_config *config)
{
    return pm_gpt_config_parameters_sized(config, sizeof *config);
}

/* The tokens that begin and end a text, by a folder's generation_config.json, else its config.json, else the tokenizer (NULL: none):
 * bos_token_id and eos_token_id, each by itself. A null counts. Ids from `vocab` on are left out, and so, with a warning, are ends behind the first
 * PM_ENDS_MOST. Fails: PM_IO, PM_FORMAT. */
enum { PM_ENDS_MOST = 16 };
typedef struct pm_text_ends {
    uint32_t begin;     /* PM_TOKEN_NONE: none is named */
    uint32_t end_count; /* of ends; 0: none is named */
    uint32_t ends[PM_ENDS_MOST];
    bool no_begin, no_end; /* they say null: the model has none, whatever its tokenizer has */
} pm_text_ends;
PM_API PM_NODISCARD pm_status pm_text_ends_load(const pm_log *log, const char *dir, const pm_tokenizer *tok,
                                                uint32_t vocab, pm_text_ends *out);
/* The same files from elsewhere. Fails also as pm_tokenizer_load_from. */
PM_API PM_NODISCARD pm_status pm_text_ends_load_from_sized(const pm_log *log, const pm_source *source,
                                                           size_t source_size, const pm_tokenizer *tok, uint32_t vocab,
                                                           pm_text_ends *out);
PM_NODISCARD static inline pm_status pm_text_ends_load_from(const pm_log *log, const pm_source *source,
                                                            const pm_tokenizer *tok, uint32_t vocab, pm_text_ends *out)
{
    return pm_text_ends_load_from_sized(log, source, sizeof *source, tok, vocab, out);
}

/* A model's weights on a device. Threads: as the device. Lives: no longer than the device. */
typedef struct pm_model pm_model;

/* How a model's matrices and tables of tokens are kept in memory. Everything else is fp32, and so is arithmetic. A model trains in fp32 only. */
typedef enum pm_weights {
    PM_WEIGHTS_F32,
    PM_WEIGHTS_F16, /* numbers up to 65504 */
    PM_WEIGHTS_BF16,
    PM_WEIGHTS_FILE, /* as its files have each: fp32, fp16 or bf16; fp16 in place of fewer bits; fp32 where the parts of one differ */
} pm_weights;
/* "f32", "f16", "bf16", "file"; and the one of such a name: false where there is none. */
PM_API const char *pm_weights_name(pm_weights kind);
PM_API bool pm_weights_named(const char *name, pm_weights *out);

typedef struct pm_model_params {
    pm_weights weights;
} pm_model_params;

/* New weights: N(0, 0.02) as in the papers, below their 768 channels N(0, 0.02 sqrt(768/C)); residual projections of GPT-2 divided by
 * sqrt(2 L) as its paper says; positions N(0, 0.02) for GPT-1, N(0, 0.01) for GPT-2; gains 1, biases 0.
 * The same seed gives the same weights on every device. */
PM_API PM_NODISCARD pm_status pm_model_create_sized(pm_device *device, const pm_gpt_config *config, size_t config_size,
                                                    uint64_t seed, pm_model **out);
PM_NODISCARD static inline pm_status pm_model_create(pm_device *device, const pm_gpt_config *config, uint64_t seed,
                                                     pm_model **out)
{
    return pm_model_create_sized(device, config, sizeof *config, seed, out);
}
/* As pm_model_create, with weights of another type, but not PM_WEIGHTS_FILE. params: NULL for zeros. */
PM_API PM_NODISCARD pm_status pm_model_create_as_sized(pm_device *device, const pm_gpt_config *config,
                                                       size_t config_size, uint64_t seed, const pm_model_params *params,
                                                       size_t params_size, pm_model **out);
PM_NODISCARD static inline pm_status pm_model_create_as(pm_device *device, const pm_gpt_config *config, uint64_t seed,
                                                        const pm_model_params *params, pm_model **out)
{
    return pm_model_create_as_sized(device, config, sizeof *config, seed, params, sizeof *params, out);
}

/* Reads a folder that Pumice or Hugging Face's transformers wrote for a model_type of a family (pm_arch): config.json, and model.safetensors or
 * the shards that model.safetensors.index.json names, in fp32, fp16, bf16 or fp64. Names may have what torch.compile ("_orig_mod."),
 * DataParallel ("module.") and the like put into them. With tie_word_embeddings, whose default is the family's, lm_head.weight is the token table
 * whatever the file has under that name, and may stand in the file for it. A warning names tensors that the configuration leaves out.
 * A folder of GPT2ForSequenceClassification or OpenAIGPTForSequenceClassification has a task (pm_task, plain).
 * A GGUF file may stand in place of the folder, here and in pm_gpt_config_load and pm_text_ends_load: of gpt2, llama, qwen2, qwen3 and gemma3, with
 * tensors of F32, F16, BF16, Q8_0, Q4_0, Q4_K and Q6_K.
 * Fails: PM_IO, PM_FORMAT (one line that names file and tensor), PM_NO_*_MEMORY. */
PM_API PM_NODISCARD pm_status pm_model_load(pm_device *device, const char *dir, pm_model **out);
/* As pm_model_load, with weights of another type. params: NULL for zeros. Fails also: PM_UNSUPPORTED where the type does not hold a number, with a line that
 * names the parameter. */
PM_API PM_NODISCARD pm_status pm_model_load_as_sized(pm_device *device, const char *dir, const pm_model_params *params,
                                                     size_t params_size, pm_model **out);
PM_NODISCARD static inline pm_status pm_model_load_as(pm_device *device, const char *dir, const pm_model_params *params,
                                                      pm_model **out)
{
    return pm_model_load_as_sized(device, dir, params, sizeof *params, out);
}

/* The same files from elsewhere, with the same weights, bit by bit. Of files in memory, and of those that the source has a view of, nothing is copied on
 * the host but small texts; others are read in pieces. Fails also as pm_tokenizer_load_from. */
PM_API PM_NODISCARD pm_status pm_model_load_from_sized(pm_device *device, const pm_source *source, size_t source_size,
                                                       pm_model **out);
PM_NODISCARD static inline pm_status pm_model_load_from(pm_device *device, const pm_source *source, pm_model **out)
{
    return pm_model_load_from_sized(device, source, sizeof *source, out);
}
/* As pm_model_load_as. */
PM_API PM_NODISCARD pm_status pm_model_load_from_as_sized(pm_device *device, const pm_source *source,
                                                          size_t source_size, const pm_model_params *params,
                                                          size_t params_size, pm_model **out);
PM_NODISCARD static inline pm_status pm_model_load_from_as(pm_device *device, const pm_source *source,
                                                           const pm_model_params *params, pm_model **out)
{
    return pm_model_load_from_as_sized(device, source, sizeof *source, params, sizeof *params, out);
}

/* Writes config.json, with Pumice's version in it, and then model.safetensors, each at once or not at all; makes the folder. Same weights,
 * same bytes. The weights' file holds a checksum, by which pm_model_load refuses a damaged one. */
PM_API PM_NODISCARD pm_status pm_model_save(const pm_model *model, const char *dir);

/* A model for fine-tuning: the weights of `from`, three new rows in its token tables for the task's special tokens, and a new head; new
 * values as pm_model_create draws them. A model that had a task keeps its special tokens, and its head where the new one has as many outputs.
 * Fails: PM_INVALID where the task was learnt for another number of tokens. */
PM_API PM_NODISCARD pm_status pm_model_for_task(const pm_model *from, const pm_task *task, uint64_t seed,
                                                pm_model **out);
/* Where the model's configuration names no token that begins a text, ends one or fills up a batch, takes these, for what pm_model_save writes. Those
 * outside the vocabulary, such as PM_TOKEN_NONE, are left out. A text should begin and end in tokens that the model was trained on. */
PM_API void pm_model_name_tokens(pm_model *model, uint32_t begin, uint32_t end, uint32_t pad);
/* What the head answers; NULL without one. Lives as long as the model. */
PM_API const pm_task *pm_model_task(const pm_model *model);

/* Rewrites a model as pm_model_save would, with no device: `from` is a folder or a GGUF file that pm_model_load reads, or OpenAI's release of GPT-1
 * (params_shapes.json, params_0.npy …; https://github.com/openai/finetune-transformer-lm), which does not say how many heads it has: 0
 * means 12. Of a tokenizer in the folder only the special tokens are taken, where config.json names none and does not say null. */
PM_API PM_NODISCARD pm_status pm_model_convert(const pm_log *log, const char *from, uint32_t heads, const char *to);

/* A GGUF file's matrices; its vectors and tables of positions are fp32. Q8_0 needs rows of a multiple of 32 numbers; others are F16. */
typedef enum pm_gguf_type { PM_GGUF_F16, PM_GGUF_F32, PM_GGUF_BF16, PM_GGUF_Q8_0 } pm_gguf_type;
/* "f16", "f32", "bf16", "q8_0"; and the type of such a name: false where there is none. */
PM_API const char *pm_gguf_type_name(pm_gguf_type type);
PM_API bool pm_gguf_type_named(const char *name, pm_gguf_type *out);

typedef struct pm_gguf_params {
    pm_gguf_type type;
} pm_gguf_params;

/* Writes a model with its tokenizer as one GGUF file for llama.cpp and the like, whole or not at all, with no device. `from` is a folder, whose
 * tokenizer and chat template are taken, too, or a GGUF file, whose keys of the tokenizer stay as they are; params: NULL for zeros. A warning tells what
 * other programs will not know of the model. Fails: as pm_model_load and pm_tokenizer_load; PM_INVALID for what GGUF has no name for: GPT-1, a task's
 * head, tokenizers of kind "char" and "gpt1" or cut in a way of their own; PM_UNSUPPORTED for a number that the type does not hold. */
PM_API PM_NODISCARD pm_status pm_model_convert_gguf_sized(const pm_log *log, const char *from, const char *to,
                                                          const pm_gguf_params *params, size_t params_size);
PM_NODISCARD static inline pm_status pm_model_convert_gguf(const pm_log *log, const char *from, const char *to,
                                                           const pm_gguf_params *params)
{
    return pm_model_convert_gguf_sized(log, from, to, params, sizeof *params);
}

PM_API void pm_model_destroy(pm_model **model);

PM_API const pm_gpt_config *pm_model_config(const pm_model *model);

/* The parameters, in a fixed order, under Hugging Face's names. */
typedef struct pm_param {
    const char *name;
    uint32_t rows, cols; /* a vector has 1 row */
    int decayed;         /* whether weight decay applies: matrices and tables, not gains and biases */
} pm_param;
PM_API size_t pm_model_param_count(const pm_model *model);
PM_API pm_param pm_model_param(const pm_model *model, size_t index);
/* How it is kept: never PM_WEIGHTS_FILE. */
PM_API pm_weights pm_model_param_type(const pm_model *model, size_t index);
/* Copy a parameter's rows x cols floats out or in; in, they are rounded to its type. Fails: as pm_model_load_as. */
PM_API PM_NODISCARD pm_status pm_model_read(const pm_model *model, size_t index, float *out);
PM_API PM_NODISCARD pm_status pm_model_write(pm_model *model, size_t index, const float *values);

#ifdef __cplusplus
}
#endif
#endif
