/* How a session reads its tokens, for autotuning and tests, and what embedding shares with it. */
#ifndef INFER_SESSION_H
#define INFER_SESSION_H

#include <pumice/infer.h>

#include "model/gpt.h"

enum { SESSION_CHUNK_LEAST = 32 };

/* How many tokens of a prompt are read at a time: as many as keep the device busy. Where few are left, or the context has no room, a session
 * reads SESSION_CHUNK_LEAST or fewer at a time, and then one by one. */
static inline uint32_t session_chunk(const pm_caps *caps, uint32_t ctx)
{
    enum { MOST = 256 };
    uint32_t chunk = caps->serial ? SESSION_CHUNK_LEAST : MOST;
    while (chunk > SESSION_CHUNK_LEAST && chunk > ctx / 4) chunk /= 2;
    return chunk < ctx ? chunk : ctx;
}

/* The same for a prompt's end. */
static inline uint32_t session_small(uint32_t chunk)
{
    return chunk < SESSION_CHUNK_LEAST ? chunk : SESSION_CHUNK_LEAST;
}

/* What a session runs: one token, with the next one's logits; a chunk; a prompt's end. */
enum { SESSION_SINGLE, SESSION_CHUNK, SESSION_SMALL, SESSION_SHAPES };
static inline void session_shapes(const pm_caps *caps, uint32_t ctx, dtype_id cache, gpt_shape out[SESSION_SHAPES])
{
    const uint32_t chunk = session_chunk(caps, ctx);
    out[SESSION_SINGLE] = (gpt_shape){.mode = GPT_LOGITS, .batch = 1, .time = 1};
    out[SESSION_CHUNK] = (gpt_shape){.mode = GPT_PREFILL, .batch = 1, .time = chunk};
    out[SESSION_SMALL] = (gpt_shape){.mode = GPT_PREFILL, .batch = 1, .time = session_small(chunk)};
    for (int i = 0; i < SESSION_SHAPES; i++) out[i].room = ctx, out[i].cache = cache;
}

/* Bytes of a layer's keys and values. */
uint64_t session_cache_bytes(const pm_gpt_config *config, uint32_t ctx, dtype_id type);
/* The tokens that a session holds. */
uint32_t session_ctx(const pm_gpt_config *config, const pm_session_params *params);
/* How keys and values are kept. Fails: PM_UNSUPPORTED (fp16 without 16-bit storage). */
pm_status session_cache_type(const pm_log *log, const pm_caps *caps, const pm_session_params *params, dtype_id *out);

/* `token`: one id, which session_begin_hosted reads; `logits`: vocab floats in place of the session's own. Either may be NULL. The session takes both, whatever
 * comes of it. */
pm_status session_create(pm_model *model, const pm_session_params *params, gpu_buffer *token, gpu_buffer *logits,
                         pm_session **out);
/* As pm_vulkan_session_begin. */
pm_status session_begin_hosted(pm_session *session);
/* Where its logits lie. */
gpu_span session_logits(const pm_session *session);

#endif
