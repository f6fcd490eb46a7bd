/* Pre-training: mean negative log-likelihood of the next token, AdamW, cosine schedule, checkpoints.
 * Same model, data, parameters and device: the same bits, also across a resume. */
#ifndef PUMICE_TRAIN_H
#define PUMICE_TRAIN_H

#include <pumice/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How activations and their gradients lie in memory. Arithmetic, weights, their gradients, moments and statistics are fp32 in any case. */
typedef enum pm_precision {
    PM_PRECISION_F32,
    PM_PRECISION_F16,  /* with dynamic loss scaling: a step whose gradients overflow is skipped */
    PM_PRECISION_AUTO, /* f16 where a product is faster so on this device, as measured at the start; a plan counts f32 */
} pm_precision;

/* "f32", "f16" or "auto". */
PM_API const char *pm_precision_name(pm_precision precision);

typedef struct pm_train_params {
    uint32_t batch;          /* sequences a micro batch; 0: 12 */
    uint32_t time;           /* tokens a sequence; 0: the model's context */
    uint32_t accum;          /* micro batches a step; 0: 1 */
    uint32_t steps;          /* of the whole run, for the schedule; 0: 2000 */
    float lr;                /* highest learning rate; 0: 1e-3 */
    float min_lr;            /* where the cosine ends */
    uint32_t warmup;         /* steps of linear rise */
    float beta1, beta2, eps; /* AdamW; 0: 0.9, 0.999, 1e-8 */
    float weight_decay;      /* of matrices and tables */
    float clip;              /* largest gradient norm; 0: no clipping */
    float dropout;           /* on embeddings, attention and residual branches; negative: the model's own */
    uint64_t seed;           /* of batches and dropout */
    pm_precision precision;  /* 0: f32 */
    bool recompute; /* keep only the inputs of blocks and recompute the rest in the backward pass: the same bits */
} pm_train_params;

/* One step's outcome. */
typedef struct pm_step {
    uint32_t step;   /* 1 is the first */
    float loss;      /* mean over the step's tokens, nats */
    float grad_norm; /* before clipping */
    float lr;
    uint32_t tokens;
    bool skipped;     /* a gradient was not finite: weights and moments did not change */
    float loss_scale; /* of this step; 1 in f32 */
} pm_step;

/* A trainer's memory (bytes) and work, known before it allocates. */
typedef struct pm_train_plan {
    uint64_t weights, gradients, optimizer, workspace;
    uint32_t nodes, dispatches; /* of the training graph; dispatches only once recorded, else 0 */
    double step_flops;
} pm_train_plan;

/* Trains a model in place. Lives: no longer than the model. Threads: as the device. */
typedef struct pm_trainer pm_trainer;

/* The plan alone: allocates nothing on the device. */
PM_API PM_NODISCARD pm_status pm_train_plan_make_sized(const pm_log *log, const pm_caps *caps,
                                                       const pm_gpt_config *config, size_t config_size,
                                                       const pm_train_params *params, size_t params_size,
                                                       pm_train_plan *out);
PM_NODISCARD static inline pm_status pm_train_plan_make(const pm_log *log, const pm_caps *caps,
                                                        const pm_gpt_config *config, const pm_train_params *params,
                                                        pm_train_plan *out)
{
    return pm_train_plan_make_sized(log, caps, config, sizeof *config, params, sizeof *params, out);
}

PM_API PM_NODISCARD pm_status pm_trainer_create_sized(pm_model *model, const pm_train_params *params,
                                                      size_t params_size, pm_trainer **out);
PM_NODISCARD static inline pm_status pm_trainer_create(pm_model *model, const pm_train_params *params, pm_trainer **out)
{
    return pm_trainer_create_sized(model, params, sizeof *params, out);
}
PM_API void pm_trainer_destroy(pm_trainer **trainer);

/* One optimiser step on random windows of tokens [first, first + count) of a corpus; count > time. Blocks until done. A step has
 * batch x accum windows; which ones does not depend on how they are divided into micro batches.
 * Fails: PM_INVALID (too few tokens), PM_DEVICE_LOST, PM_CANCELLED (the step did not take place, and the next call does it). */
PM_API PM_NODISCARD pm_status pm_trainer_step(pm_trainer *trainer, const pm_corpus *corpus, size_t first, size_t count,
                                              pm_step *out);

/* One step on tokens given by the caller: for each of accum micro batches, batch x time tokens, and as many targets (negative: ignored). The loss is
 * the mean over all targets of the step. */
PM_API PM_NODISCARD pm_status pm_trainer_step_tokens(pm_trainer *trainer, const int32_t *tokens, const int32_t *targets,
                                                     pm_step *out);

/* The same in parts, for a program that does other things meanwhile. Begin draws the batch, and submits the step. Done looks at the device, submits more,
 * and tells whether the step has ended; it does not wait. End waits where it must and gives the outcome. A second step may begin before the first has
 * ended: then the device goes from one to the other without a pause. They end in the order in which they began. Meanwhile the trainer's other
 * functions are PM_INVALID, and the model is neither read nor written: its weights may change at any moment. Where a step fails or is cancelled, one that began behind it does so, too, and has no end of its own.
 * The bits are those of pm_trainer_step; but where a step in fp32 is skipped, the moments of one that began before its end are corrected as if it had
 * not been. */
PM_API PM_NODISCARD pm_status pm_trainer_begin(pm_trainer *trainer, const pm_corpus *corpus, size_t first,
                                               size_t count);
PM_API PM_NODISCARD pm_status pm_trainer_begin_tokens(pm_trainer *trainer, const int32_t *tokens,
                                                      const int32_t *targets);
PM_API bool pm_trainer_done(pm_trainer *trainer);
PM_API PM_NODISCARD pm_status pm_trainer_end(pm_trainer *trainer, pm_step *out);

/* Mean loss, without dropout, over `batches` times PM_EVAL_BATCH windows drawn from the range. They are the same ones at every call, and the same for
 * every batch size. */
enum { PM_EVAL_BATCH = 12 };
PM_API PM_NODISCARD pm_status pm_trainer_eval(pm_trainer *trainer, const pm_corpus *corpus, size_t first, size_t count,
                                              uint32_t batches, float *loss);

PM_API uint32_t pm_trainer_steps_done(const pm_trainer *trainer);
/* PM_PRECISION_F32 or PM_PRECISION_F16. */
PM_API pm_precision pm_trainer_precision(const pm_trainer *trainer);
PM_API void pm_trainer_get_plan(const pm_trainer *trainer, pm_train_plan *out);

/* Gradients of the last step (before clipping), parameter by parameter as pm_model_read. */
PM_API PM_NODISCARD pm_status pm_trainer_read_gradient(const pm_trainer *trainer, size_t param, float *out);

/* What to go on from after PM_DEVICE_LOST (pumice/device.h): save now and then.
 * Weights, optimiser moments, step and parameters in one file, written at once or not at all: checkpoint.safetensors in `dir`. The one that this
 * trainer saved or loaded before stays as checkpoint.previous.safetensors, where the file system has hard links. `note` is stored and comes
 * back at load (UTF-8; may be NULL). Fails: PM_INVALID (a note that is not UTF-8), PM_IO, PM_NO_*_MEMORY, PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_trainer_save(pm_trainer *trainer, const char *dir, const char *note);
/* Goes on from there, bit for bit; where that checkpoint is damaged (a checksum tells), from the previous one, with a warning.
 * The trainer keeps the parameters that it was created with. The model's sizes, batch x accum, time, seed, dropout and precision must be those of the
 * run. The others (steps, lr, min_lr, warmup, betas, eps, weight_decay, clip; batch and accum alone) may differ: one warning names each with
 * both values. Another warning tells where the checkpoint was made on another device or driver: the bits may differ there.
 * Fails: PM_IO, PM_FORMAT (both damaged, or of another run: says which field); nothing has changed then. *note is malloc'd; may be NULL. */
PM_API PM_NODISCARD pm_status pm_trainer_load(pm_trainer *trainer, const char *dir, char **note);

/* The note of the checkpoint that pm_trainer_load or pm_finetuner_load would take: what a program needs to make model and trainer as the run had them.
 * Needs no device. Fails as they do. *note is malloc'd; without a note it is "". */
PM_API PM_NODISCARD pm_status pm_checkpoint_note(const pm_log *log, const char *dir, char **note);

/* Mean loss of a model over consecutive windows of context + 1 tokens that share no target. */
typedef struct pm_eval_result {
    double loss, perplexity;
    uint64_t tokens; /* targets */
} pm_eval_result;
PM_API PM_NODISCARD pm_status pm_model_eval(pm_model *model, const pm_corpus *corpus, pm_eval_result *out);

#ifdef __cplusplus
}
#endif
#endif
