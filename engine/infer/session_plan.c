/* What a session and its model take of a device's memory, known before anything is allocated. */
#include <pumice/infer.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sized.h"
#include "exec/pass.h"
#include "infer/session.h"
#include "model/files.h"

uint64_t session_cache_bytes(const pm_gpt_config *c, uint32_t ctx, dtype_id type)
{
    return 4 * dtype_words(type, (uint64_t)ctx * gpt_cache_columns(c));
}

uint32_t session_ctx(const pm_gpt_config *c, const pm_session_params *params)
{
    return params->ctx && params->ctx < c->ctx ? params->ctx : c->ctx;
}

pm_status session_cache_type(const pm_log *log, const pm_caps *caps, const pm_session_params *params, dtype_id *out)
{
    *out = params->cache_f16 ? DTYPE_F16 : DTYPE_F32;
    if (!params->cache_f16 || caps->storage16) return PM_OK;
    return log_fail(log, PM_UNSUPPORTED, "session: %s has no 16-bit storage; keys and values in f32 would do",
                    caps->name);
}

/* types: of the parameters, or NULL. */
static pm_status plan_session(const pm_log *log, const pm_caps *caps, const pm_gpt_config *c, const dtype_id *types,
                              const pm_session_params *params, pm_session_plan *out)
{
    const uint32_t ctx = session_ctx(c, params);
    dtype_id cache;
    pm_status status = session_cache_type(log, caps, params, &cache);
    if (status != PM_OK) return status;
    gpt_shape shapes[SESSION_SHAPES];
    session_shapes(caps, ctx, cache, shapes);
    gpt_layout layout = {0};
    const uint64_t of_layer = session_cache_bytes(c, ctx, cache);
    if (of_layer > caps->max_allocation)
        return log_fail(log, PM_NO_DEVICE_MEMORY,
                        "session: the keys and values of %" PRIu32 " tokens have %" PRIu64
                        " bytes a layer; the device allocates %" PRIu64 " at most",
                        ctx, of_layer, (uint64_t)caps->max_allocation);
    pm_session_plan plan = {.cache = c->layers * of_layer, .workspace = 4ull * c->vocab};
    status = gpt_layout_make(log, c, types, caps->max_allocation, &layout);
    if (status == PM_OK) plan.weights = layout.total_bytes + gpt_constants_bytes(c);
    gpt_layout_fini(&layout);
    for (int i = 0; i < SESSION_SHAPES && status == PM_OK; i++) {
        pass p;
        if (i == SESSION_SMALL && shapes[i].time == shapes[SESSION_CHUNK].time) break;
        status = pass_plan(&p, &(pass_target){log, caps, c, types, NULL, caps->max_allocation}, &shapes[i], false);
        plan.workspace += p.plan.total_bytes;
        pass_fini(&p);
    }
    if (status == PM_OK) *out = plan;
    return status;
}

pm_status pm_session_plan_make_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                     size_t config_size, pm_session_plan *out)
{
    return pm_session_plan_make_as_sized(log, caps, config, config_size, NULL, 0, NULL, 0, out);
}

pm_status pm_session_plan_make_as_sized(const pm_log *log, const pm_caps *caps, const pm_gpt_config *config,
                                        size_t config_size, const pm_model_params *given_model, size_t model_size,
                                        const pm_session_params *given_session, size_t session_size,
                                        pm_session_plan *out)
{
    pm_gpt_config c;
    pm_model_params model;
    pm_session_params session;
    dtype_id *types = NULL;
    pm_status status = gpt_config_read(log, config, config_size, &c);
    if (status == PM_OK) status = pm_gpt_config_check(log, &c);
    if (status == PM_OK) status = sized_read(log, "pm_model_params", given_model, model_size, &model, sizeof model);
    if (status == PM_OK)
        status = sized_read(log, "pm_session_params", given_session, session_size, &session, sizeof session);
    if (status != PM_OK) return status;
    c = gpt_config_filled(&c);
    status = gpt_types(log, &c, NULL, model.weights, &types);
    if (status == PM_OK) status = plan_session(log, caps, &c, types, &session, out);
    free(types);
    return status;
}

pm_status pm_session_plan_load_sized(const pm_log *log, const pm_caps *caps, const char *dir,
                                     const pm_model_params *given_model, size_t model_size,
                                     const pm_session_params *given_session, size_t session_size, pm_session_plan *out)
{
    const pm_log errors = log ? (pm_log){log->fn, log->user, PM_LOG_ERROR} : (pm_log){0};
    pm_model_params model;
    pm_session_params session;
    gpt_files files;
    dtype_id *types = NULL;
    pm_status status = sized_read(log, "pm_model_params", given_model, model_size, &model, sizeof model);
    if (status == PM_OK)
        status = sized_read(log, "pm_session_params", given_session, session_size, &session, sizeof session);
    if (status == PM_OK) status = gpt_files_open(&errors, &(file_source){.dir = dir, .headers = true}, &files);
    if (status != PM_OK) return status;
    status = gpt_types(log, &files.config, &files, model.weights, &types);
    if (status == PM_OK) status = plan_session(log, caps, &files.config, types, &session, out);
    free(types);
    gpt_files_close(&files);
    return status;
}
