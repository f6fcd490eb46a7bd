/* Generation with a key/value cache. */
#ifndef PUMICE_INFER_H
#define PUMICE_INFER_H

#include <pumice/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the next token is drawn. {0} is greedy. */
typedef struct pm_sampling {
    float temperature; /* 0: the most likely token */
    uint32_t top_k;    /* keep the k most likely; 0: all */
    /* Keep the fewest whose probability sums to at least p: down to the most likely one alone, where p is less than it has. 0 or 1: all, so
     * that {0} with a temperature draws from everything. */
    float top_p;
    uint64_t seed;
} pm_sampling;

typedef struct pm_session_params {
    uint32_t ctx;   /* tokens that the session holds; 0, or more than the model's: as many as the model's */
    bool cache_f16; /* keys and values are kept in fp16, in half of the memory; needs 16-bit storage */
} pm_session_params;

/* What a session and its model will take of a device's memory, known before anything is allocated. Bytes. Fails: PM_INVALID (config),
 * PM_NO_DEVICE_MEMORY (a tensor, or a layer's cache, is larger than any allocation), PM_NO_HOST_MEMORY. */
typedef struct pm_session_plan {
    uint64_t weights, cache, workspace;
} pm_session_plan;
PM_API PM_NODISCARD pm_status pm_session_plan_make_sized(const pm_log *log, const pm_caps *caps,
                                                         const pm_gpt_config *config, size_t config_size,
                                                         pm_session_plan *out);
PM_NODISCARD static inline pm_status pm_session_plan_make(const pm_log *log, const pm_caps *caps,
                                                          const pm_gpt_config *config, pm_session_plan *out)
{
    return pm_session_plan_make_sized(log, caps, config, sizeof *config, out);
}

/* The same with weights and a cache of other types, and of another length; NULL means zeros. Fails also: PM_INVALID (model.weights is
 * PM_WEIGHTS_FILE), PM_UNSUPPORTED (cache_f16 without 16-bit storage). */
PM_API PM_NODISCARD pm_status pm_session_plan_make_as_sized(const pm_log *log, const pm_caps *caps,
                                                            const pm_gpt_config *config, size_t config_size,
                                                            const pm_model_params *model, size_t model_size,
                                                            const pm_session_params *session, size_t session_size,
                                                            pm_session_plan *out);
PM_NODISCARD static inline pm_status pm_session_plan_make_as(const pm_log *log, const pm_caps *caps,
                                                             const pm_gpt_config *config, const pm_model_params *model,
                                                             const pm_session_params *session, pm_session_plan *out)
{
    return pm_session_plan_make_as_sized(log, caps, config, sizeof *config, model, sizeof *model, session,
                                         sizeof *session, out);
}

/* The same for a model's files, whose headers are read, and for parameters; NULL for zeros. Warnings are left to loading. Fails: as pm_model_load, but for
 * checksums. */
PM_API PM_NODISCARD pm_status pm_session_plan_load_sized(const pm_log *log, const pm_caps *caps, const char *dir,
                                                         const pm_model_params *model, size_t model_size,
                                                         const pm_session_params *session, size_t session_size,
                                                         pm_session_plan *out);
PM_NODISCARD static inline pm_status pm_session_plan_load(const pm_log *log, const pm_caps *caps, const char *dir,
                                                          const pm_model_params *model,
                                                          const pm_session_params *session, pm_session_plan *out)
{
    return pm_session_plan_load_sized(log, caps, dir, model, sizeof *model, session, sizeof *session, out);
}

/* One sequence in the making. Lives: no longer than the model. Threads: as the device. */
typedef struct pm_session pm_session;

/* Fails: PM_NO_*_MEMORY, PM_SHADER, PM_DEVICE_LOST. */
PM_API PM_NODISCARD pm_status pm_session_create(pm_model *model, pm_session **out);
/* params: NULL for zeros. Fails also: PM_UNSUPPORTED. */
PM_API PM_NODISCARD pm_status pm_session_create_as_sized(pm_model *model, const pm_session_params *params,
                                                         size_t params_size, pm_session **out);
PM_NODISCARD static inline pm_status pm_session_create_as(pm_model *model, const pm_session_params *params,
                                                          pm_session **out)
{
    return pm_session_create_as_sized(model, params, sizeof *params, out);
}
PM_API void pm_session_destroy(pm_session **session);
/* Tokens that it holds. */
PM_API uint32_t pm_session_ctx(const pm_session *session);

/* Forget everything. */
PM_API void pm_session_reset(pm_session *session);

/* Append tokens; logits of the token after the last one are ready afterwards. When the context is full the older half of it is dropped
 * and the rest read again. Fails: PM_INVALID (a token outside the vocabulary, or none), PM_NO_*_MEMORY, PM_SHADER,
 * PM_DEVICE_LOST (a new session that is fed the same tokens by the same calls has the same logits), PM_CANCELLED. After a failure the session is as it
 * was before the call; or, where it had begun to read, it is empty as after a reset, and has no logits. After a cancel it is empty only where older tokens
 * had to be dropped; where a part of the new ones was read, it may have no logits until the next feed. */
PM_API PM_NODISCARD pm_status pm_session_feed(pm_session *session, const uint32_t *tokens, size_t count);

/* The same in parts, for a program that does other things meanwhile. Begin copies the tokens, and submits the first of them. Done looks at the device,
 * submits more, and tells whether all are read; it does not wait. End waits for the rest and returns the outcome. Several sessions may be between the
 * two at once: the device takes turns. The model's weights do not change amid a feed, unless that is paused meanwhile. */
PM_API PM_NODISCARD pm_status pm_session_begin(pm_session *session, const uint32_t *tokens, size_t count);
PM_API bool pm_session_done(pm_session *session);
PM_API PM_NODISCARD pm_status pm_session_end(pm_session *session);

/* Tokens in the context; 0: it is empty. */
PM_API uint32_t pm_session_length(const pm_session *session);

/* vocab floats; valid until the next feed. NULL before the first, after a reset, and after a cancel that left none. */
PM_API const float *pm_session_logits(const pm_session *session);

/* Draw from the logits; does not feed. The draw depends on seed and on how many tokens were fed so far. Fails: PM_INVALID (nothing was fed yet; a
 * temperature that is negative or no number; a top_p outside 0 to 1), PM_DIVERGED (a logit is NaN or
 * +infinity, or all are -infinity). */
PM_API PM_NODISCARD pm_status pm_session_sample_sized(pm_session *session, const pm_sampling *sampling,
                                                      size_t sampling_size, uint32_t *token);
PM_NODISCARD static inline pm_status pm_session_sample(pm_session *session, const pm_sampling *sampling,
                                                       uint32_t *token)
{
    return pm_session_sample_sized(session, sampling, sizeof *sampling, token);
}

#ifdef __cplusplus
}
#endif
#endif
