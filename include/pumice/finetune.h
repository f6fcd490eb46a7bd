/* Discriminative fine-tuning: a language model with a task's head, trained on labelled examples.
 * Loss: L = L_task + lambda * L_lm (Radford et al., 2018, equation 5). L_task is the mean over a step's examples; L_lm the mean over its
 * sequences of each one's mean negative log-likelihood a token, special tokens included. Same model, data, parameters and device: the
 * same bits, also across a resume. */
#ifndef PUMICE_FINETUNE_H
#define PUMICE_FINETUNE_H

#include <pumice/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pm_finetune_params {
    uint32_t batch;          /* examples a step; 0: 32 */
    uint32_t accum;          /* micro batches that share a step's examples; 0: 1 */
    uint32_t epochs;         /* 0: 3 */
    float lr;                /* highest learning rate; 0: 6.25e-5 */
    float warmup;            /* share of the steps with a linear rise; a linear fall to 0 follows */
    float lambda;            /* 0 to 1; 0 computes no language-model loss */
    float beta1, beta2, eps; /* AdamW; 0: 0.9, 0.999, 1e-8 */
    float weight_decay;      /* of matrices and tables */
    float clip;              /* largest gradient norm; 0: no clipping */
    float dropout;           /* on embeddings, attention and residual branches; negative: the model's own */
    float dropout_head;      /* of what the head reads */
    uint64_t seed;           /* of order and dropout */
    pm_precision precision;  /* 0: f32 */
    bool recompute;          /* as in pm_train_params */
} pm_finetune_params;

/* The values of the paper and its code, and lambda 0.5. */
#define PM_FINETUNE_PARAMS                                                                                             \
    {                                                                                                                  \
        .warmup = 0.002f, .lambda = 0.5f, .weight_decay = 0.01f, .clip = 1, .dropout = -1, .dropout_head = 0.1f        \
    }

typedef struct pm_finetune_step {
    uint32_t step;   /* 1 is the first */
    float loss;      /* task_loss + lambda * lm_loss */
    float task_loss; /* mean cross-entropy in nats, or mean squared error of standardised scores */
    float lm_loss;   /* nats a token; NaN where lambda is 0 */
    float grad_norm; /* before clipping */
    float lr;
    uint32_t examples, tokens; /* of the step; tokens without padding */
    bool skipped;              /* a gradient was not finite: weights and moments did not change */
    float loss_scale;          /* of this step; 1 in f32 */
} pm_finetune_step;

/* The memory and work of fine-tuning a language model of this configuration on a set. Allocates nothing on the device. Fails: as
 * pm_finetuner_create. */
PM_API PM_NODISCARD pm_status pm_finetune_plan_make_sized(const pm_log *log, const pm_caps *caps,
                                                          const pm_gpt_config *config, size_t config_size,
                                                          const pm_taskset *set, const pm_finetune_params *params,
                                                          size_t params_size, pm_train_plan *out);
PM_NODISCARD static inline pm_status pm_finetune_plan_make(const pm_log *log, const pm_caps *caps,
                                                           const pm_gpt_config *config, const pm_taskset *set,
                                                           const pm_finetune_params *params, pm_train_plan *out)
{
    return pm_finetune_plan_make_sized(log, caps, config, sizeof *config, set, params, sizeof *params, out);
}

/* Trains a model (with a task: pm_model_for_task) in place on a labelled set. Lives: no longer than either. Threads: as the device. */
typedef struct pm_finetuner pm_finetuner;

/* Fails: PM_INVALID (a parameter out of range, a set that is not labelled or of another task), PM_NO_*_MEMORY. */
PM_API PM_NODISCARD pm_status pm_finetuner_create_sized(pm_model *model, const pm_taskset *set,
                                                        const pm_finetune_params *params, size_t params_size,
                                                        pm_finetuner **out);
PM_NODISCARD static inline pm_status pm_finetuner_create(pm_model *model, const pm_taskset *set,
                                                         const pm_finetune_params *params, pm_finetuner **out)
{
    return pm_finetuner_create_sized(model, set, params, sizeof *params, out);
}
PM_API void pm_finetuner_destroy(pm_finetuner **finetuner);

PM_API uint32_t pm_finetuner_steps(const pm_finetuner *finetuner); /* of the whole run */
/* PM_PRECISION_F32 or PM_PRECISION_F16. */
PM_API pm_precision pm_finetuner_precision(const pm_finetuner *finetuner);
PM_API uint32_t pm_finetuner_steps_done(const pm_finetuner *finetuner); /* so far */
PM_API uint32_t pm_finetuner_epoch_steps(const pm_finetuner *finetuner);

/* The next optimiser step. Each epoch takes every example once, in an order of its own, those of like length together. Blocks until done.
 * Fails: PM_INVALID (the run is over); PM_NO_*_MEMORY, PM_SHADER (the program for a length that no step had before); PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_finetuner_step(pm_finetuner *finetuner, pm_finetune_step *out);

/* The same in parts, as pm_trainer_begin, _done and _end. */
PM_API PM_NODISCARD pm_status pm_finetuner_begin(pm_finetuner *finetuner);
PM_API bool pm_finetuner_done(pm_finetuner *finetuner);
PM_API PM_NODISCARD pm_status pm_finetuner_end(pm_finetuner *finetuner, pm_finetune_step *out);

/* The head's outputs for all examples of a set: pm_taskset_all_outputs numbers. What it needs is kept for the next call with this set.
 * Fails: PM_INVALID (a set of another task), PM_NO_*_MEMORY, PM_SHADER, PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_finetuner_predict(pm_finetuner *finetuner, const pm_taskset *set, float *outputs);

/* Gradients of the last step (before clipping), parameter by parameter as pm_model_read. */
PM_API PM_NODISCARD pm_status pm_finetuner_read_gradient(const pm_finetuner *finetuner, size_t param, float *out);

/* As pm_trainer_save and pm_trainer_load. A run may go on with another lr, warmup, accum, betas, eps, weight_decay and clip; the rest must be the
 * same. */
PM_API PM_NODISCARD pm_status pm_finetuner_save(pm_finetuner *finetuner, const char *dir, const char *note);
PM_API PM_NODISCARD pm_status pm_finetuner_load(pm_finetuner *finetuner, const char *dir, char **note);

/* The same for a model alone. */
PM_API PM_NODISCARD pm_status pm_model_predict(pm_model *model, const pm_taskset *set, float *outputs);

#ifdef __cplusplus
}
#endif
#endif
