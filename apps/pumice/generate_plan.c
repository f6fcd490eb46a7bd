/* What writing with a model takes of a device's memory, from its files or from its config.json alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "again.h"
#include "generate.h"
#include "os/file.h"
#include "plan.h"

/* What a plan is made from. */
typedef struct planning {
    const app_common *common;
    const char *dir;
    pm_session_params session;
    pm_caps caps;
    pm_gpt_config config;
    pm_model_params model;
    bool files; /* else there is a config.json alone, */
    bool said;  /* which names the type of its weights */
} planning;

/* The type that config.json says its weights will have: whether it says one that is kept. */
static bool said_type(const char *dir, pm_weights *type)
{
    static const char *const keys[] = {"dtype", "torch_dtype"};
    static const struct {
        const char *name;
        pm_weights type;
    } kept[] = {{"float32", PM_WEIGHTS_F32}, {"float16", PM_WEIGHTS_F16}, {"bfloat16", PM_WEIGHTS_BF16}};
    char *path = app_join(dir, "config.json"), *text = NULL;
    size_t size;
    bool found = false;
    if (path) text = app_read(path, &size);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    const char *said = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !said; i++)
        said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, keys[i]));
    for (size_t i = 0; i < sizeof kept / sizeof *kept && said && !found; i++) {
        found = strcmp(said, kept[i].name) == 0;
        if (found) *type = kept[i].type;
    }
    cJSON_Delete(json);
    free(text);
    free(path);
    return found;
}

static pm_status plan_with(const planning *from, const pm_log *log, const pm_model_params *model,
                           const pm_session_params *params, pm_session_plan *out)
{
    if (from->files) return pm_session_plan_load(log, &from->caps, from->dir, model, params, out);
    return pm_session_plan_make_as(log, &from->caps, &from->config, model, params, out);
}

static double bytes_of(const pm_session_plan *p)
{
    return (double)p->weights + (double)p->cache + (double)p->workspace;
}

/* Whether --weights f16 takes less. A file's own types are known by their plan alone, here without the cache, which may be too large. */
static bool f16_is_less(const planning *from)
{
    const pm_log quiet = {0};
    const pm_session_params least = {.ctx = 1};
    const pm_model_params half = {.weights = PM_WEIGHTS_F16};
    pm_session_plan now, then;
    if (plan_with(from, &quiet, &half, &least, &then) != PM_OK) return false;
    return plan_with(from, &quiet, &from->model, &least, &now) != PM_OK || then.weights < now.weights;
}

/* "--cache f16 --ctx 2048 would take 812 MiB", or that nothing helps: 16 bits first, then fewer tokens. */
static void advise(const planning *from, char advice[160])
{
    enum { LEAST = 256 };
    const pm_log quiet = {0};
    pm_model_params model = from->model;
    pm_session_params params = from->session;
    pm_session_plan session;
    const uint32_t all = from->config.ctx, asked = params.ctx && params.ctx < all ? params.ctx : all;
    const bool narrow = f16_is_less(from);
    snprintf(advice, 160, "it takes a device with more memory, or a smaller model");
    params.cache_f16 = from->caps.storage16;
    if (narrow) model.weights = PM_WEIGHTS_F16;
    for (params.ctx = asked; params.ctx >= LEAST || params.ctx == asked; params.ctx /= 2) {
        char tokens[32] = "";
        const pm_status status = plan_with(from, &quiet, &model, &params, &session);
        if (status != PM_OK && status != PM_NO_DEVICE_MEMORY) return;
        if (status != PM_OK || bytes_of(&session) > (double)from->caps.device_memory_free) continue;
        if (params.ctx != asked) snprintf(tokens, sizeof tokens, "--ctx %u ", (unsigned)params.ctx);
        snprintf(advice, 160, "%s%s%swould take %.0f MiB", narrow ? "--weights f16 " : "",
                 params.cache_f16 ? "--cache f16 " : "", tokens, bytes_of(&session) / (1024.0 * 1024.0));
        return;
    }
}

/* A folder may have its weights still to come: a plan takes its config.json. */
static bool has_weights(const char *dir)
{
    os_info info;
    return pm_folder_find(dir, PM_FILES_WEIGHTS) || !os_stat(dir, &info) || info.kind != OS_FOLDER ||
           pm_folder_has(dir, "model.safetensors.index.json");
}

static void describe_weights(const planning *from, char text[64])
{
    const bool as_file = from->model.weights == PM_WEIGHTS_FILE,
               asked = app_model_params(from->common).weights != PM_WEIGHTS_FILE;
    const char *why = as_file || asked ? "" : from->said ? ", as config.json says" : "; config.json names no other";
    snprintf(text, 64, "%s%s%s", as_file ? "as the file has them" : "in ",
             as_file ? "" : pm_weights_name(from->model.weights), why);
}

/* The plan; all of it 0 and *total INFINITY where one tensor is larger than the device allocates: that is no failure, and gives no line. */
static pm_status make_plan(const planning *from, pm_session_plan *session, double *total)
{
    const pm_log quiet = {0}, log = app_log(from->common);
    *session = (pm_session_plan){0};
    *total = INFINITY;
    pm_status status = plan_with(from, &quiet, &from->model, &from->session, session);
    if (status == PM_NO_DEVICE_MEMORY) return PM_OK;
    if (status != PM_OK) return plan_with(from, &log, &from->model, &from->session, session);
    *total = bytes_of(session);
    return PM_OK;
}

int generate_fits(const app_common *common, const char *dir, const pm_session_params *params, bool print)
{
    const pm_log log = app_log(common);
    pm_session_plan session;
    double total;
    planning from = {.common = common,
                     .dir = dir,
                     .session = *params,
                     .model = app_model_params(common),
                     .files = !print || has_weights(dir)};
    pm_status status = pm_gpt_config_load(&log, dir, &from.config);
    if (status != PM_OK) return app_exit_code(status);
    if (!plan_device(common, &from.caps)) return EXIT_FAILED;
    if (!from.files && from.model.weights == PM_WEIGHTS_FILE) {
        from.model.weights = PM_WEIGHTS_F32;
        from.said = said_type(dir, &from.model.weights);
    }
    const uint32_t all = from.config.ctx, ctx = params->ctx && params->ctx < all ? params->ctx : all;
    if (params->ctx > all) app_say("--ctx %u: the model's context is %u", (unsigned)params->ctx, (unsigned)all);
    status = make_plan(&from, &session, &total);
    if (status != PM_OK) return app_exit_code(status);
    char tokens[64], stored[64];
    snprintf(tokens, sizeof tokens, "of %u tokens in %s", (unsigned)ctx, params->cache_f16 ? "f16" : "f32");
    describe_weights(&from, stored);
    plan p = {.parts = {{"weights", (double)session.weights, stored},
                        {"cache", (double)session.cache, tokens},
                        {"workspace", (double)session.workspace, NULL}},
              .total = total,
              .parameters = (double)pm_gpt_config_parameters(&from.config)};
    if (print && isfinite(total)) plan_print(common, &from.caps, &p);
    if (plan_fits(&p, &from.caps)) return EXIT_DONE;
    char advice[160];
    advise(&from, advice);
    plan_refuse(&p, &from.caps, advice);
    return EXIT_FAILED;
}
