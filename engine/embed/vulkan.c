/* What models and sessions share with a host's own work, by Vulkan's handles. */
#include <pumice/vulkan.h>

#include "base/log.h"
#include "base/sized.h"
#include "infer/session.h"
#include "model/gpt.h"

pm_status pm_vulkan_param(const pm_model *model, size_t index, pm_vulkan_buffer *out)
{
    if (index >= model->layout.count)
        return log_fail(gpu_log(model->device), PM_INVALID, "model: there is no parameter %zu", index);
    if (model->layout.types[index] != DTYPE_F32)
        return log_fail(gpu_log(model->device), PM_UNSUPPORTED, "model: %s is kept as %s, not in floats",
                        model->layout.params[index].name, dtype_name(model->layout.types[index]));
    gpu_span_for_host(gpt_span(&model->layout, model->weights, (uint32_t)index), out);
    return PM_OK;
}

void pm_vulkan_logits(const pm_session *session, pm_vulkan_buffer *out)
{
    gpu_span_for_host(session_logits(session), out);
}

pm_status pm_vulkan_session_create_sized(pm_model *model, const pm_vulkan_session *given, size_t given_size,
                                         pm_session **out)
{
    pm_device *device = model->device;
    pm_vulkan_session host;
    gpu_buffer *token = NULL, *logits = NULL;
    pm_status status = sized_read(gpu_log(device), "pm_vulkan_session", given, given_size, &host, sizeof host);
    if (status == PM_OK && host.token.buffer) status = gpu_buffer_of_host(device, &host.token, 4, "a token", &token);
    if (status == PM_OK && host.logits.buffer)
        status = gpu_buffer_of_host(device, &host.logits, 4ull * model->config.vocab, "logits", &logits);
    if (status == PM_OK) return session_create(model, &(pm_session_params){0}, token, logits, out);
    gpu_buffer_destroy(&token);
    gpu_buffer_destroy(&logits);
    return status;
}

pm_status pm_vulkan_session_begin(pm_session *session)
{
    return session_begin_hosted(session);
}
