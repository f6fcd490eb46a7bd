/* The process that has a GPU's compiler: it builds the kernels and prints a JSON line for the device and one for each kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "kernel.h"
#include "kernel_target.h"
#include "process.h"

enum { MAX_USED = 512 };

static void print_device(const pm_caps *caps)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "device", caps->name);
    cJSON_AddStringToObject(json, "driver", caps->driver);
    app_print_json(json); /* at once: the driver may end the process at the next kernel */
}

/* The last error line, for the kernel that it is about. */
static void keep_line(void *user, pm_log_level level, const char *line)
{
    if (level == PM_LOG_ERROR) snprintf(user, 256, "%.255s", line);
}

/* ---- one kernel ---- */

static bool print_kernel(pm_device *device, char error[256], const char *name, const uint32_t *words, size_t count,
                         const pm_kernel_value *spec, size_t spec_count)
{
    pm_kernel *kernel = NULL;
    cJSON *json = cJSON_CreateObject(), *values = cJSON_AddArrayToObject(json, "spec");
    cJSON_AddStringToObject(json, "name", name);
    for (size_t i = 0; i < spec_count; i++) cJSON_AddItemToArray(values, cJSON_CreateNumber((double)spec[i].value));
    char *mark = cJSON_PrintUnformatted(json);
    fprintf(stderr, TARGET_KERNEL_MARK "%s\n", mark ? mark : "{}");
    fflush(stderr);
    free(mark);
    child_limit_time(KERNEL_LIMIT_S); /* some compilers take minutes for a kernel */
    const bool good = pm_kernel_create(device, name, words, count, spec, spec_count, &kernel) == PM_OK;
    if (good) {
        const pm_kernel_info *info = pm_kernel_get_info(kernel);
        cJSON *size = cJSON_AddArrayToObject(json, "local_size");
        for (int i = 0; i < 3; i++) cJSON_AddItemToArray(size, cJSON_CreateNumber(info->local_size[i]));
        cJSON_AddNumberToObject(json, "shared_bytes", (double)info->shared_size);
        cJSON_AddItemToObject(json, "statistics", kernel_statistics_json(kernel));
    } else {
        cJSON_AddStringToObject(json, "error", error);
    }
    app_print_json(json);
    pm_kernel_destroy(&kernel);
    return good;
}

static bool print_file(pm_device *device, char error[256], const kernel_options *options)
{
    const pm_log silent = {0};
    pm_kernel_value spec[PM_KERNEL_SPECS];
    pm_kernel_info *info = calloc(1, sizeof *info);
    size_t count = 0, spec_count = 0;
    uint32_t *words = kernel_words(options, &count);
    bool good = words && info;
    /* A fault of the module itself is reported when it is built. */
    if (good && pm_kernel_describe(&silent, options->file, words, count, NULL, 0, info) == PM_OK)
        good = kernel_parse_spec(options, info, spec, &spec_count);
    if (good) good = print_kernel(device, error, options->file, words, count, spec, spec_count);
    free(words);
    free(info);
    return good;
}

/* ---- Pumice's own ---- */

/* One step of pre-training. */
static pm_status record_training(pm_model *model, pm_precision precision)
{
    const pm_train_params params = {
        .batch = 2, .steps = 1, .clip = 1, .weight_decay = 0.1f, .dropout = 0.1f, .accum = 2, .precision = precision};
    pm_trainer *trainer = NULL;
    pm_step step;
    int32_t *tokens = calloc(2 * 2 * 256, sizeof *tokens);
    pm_status status = tokens ? pm_trainer_create(model, &params, &trainer) : PM_NO_HOST_MEMORY;
    if (status == PM_OK) status = pm_trainer_step_tokens(trainer, tokens, tokens, &step);
    free(tokens);
    pm_trainer_destroy(&trainer);
    return status;
}

/* Reads a prompt, then one token. */
static pm_status record_session(pm_model *model, bool cache_f16)
{
    pm_session *session = NULL;
    pm_status status = pm_session_create_as(model, &(pm_session_params){.cache_f16 = cache_f16}, &session);
    const uint32_t prompt[40] = {0};
    if (status == PM_OK) status = pm_session_feed(session, prompt, 40);
    if (status == PM_OK) status = pm_session_feed(session, prompt, 1);
    pm_session_destroy(&session);
    return status;
}

/* Pre-training and decoding, then decoding with all in 16 bits. */
static pm_status record_model(pm_device *device, const pm_gpt_config *config)
{
    const bool storage16 = pm_device_caps(device)->storage16;
    pm_model *model = NULL;
    pm_status status = pm_model_create(device, config, 1, &model);
    if (status == PM_OK) status = record_training(model, PM_PRECISION_F32);
    if (status == PM_OK && storage16) status = record_training(model, PM_PRECISION_F16);
    if (status == PM_OK) status = record_session(model, false);
    pm_model_destroy(&model);
    for (pm_weights w = PM_WEIGHTS_F16; w <= PM_WEIGHTS_BF16 && status == PM_OK; w++) {
        status = pm_model_create_as(device, config, 1, &(pm_model_params){w}, &model);
        if (status == PM_OK) status = record_session(model, storage16);
        pm_model_destroy(&model);
    }
    return status;
}

/* A GPT-2 of the smallest published width, a Qwen 3 and a Gemma 3 of such heads. One layer has every shape that twelve have; Gemma's two have a window and
 * none. */
static pm_status record_models(pm_device *device)
{
    static const pm_gpt_config configs[] = {
        {.arch = PM_ARCH_GPT2, .vocab = 8192, .ctx = 256, .embd = 768, .heads = 12, .layers = 1},
        {.arch = PM_ARCH_QWEN3,
         .vocab = 8192,
         .ctx = 256,
         .embd = 1024,
         .heads = 16,
         .kv_heads = 8,
         .head = 128,
         .layers = 1},
        {.arch = PM_ARCH_GEMMA3,
         .vocab = 8192,
         .ctx = 256,
         .embd = 640,
         .heads = 4,
         .kv_heads = 1,
         .head = 256,
         .layers = 2,
         .window = 128,
         .window_period = 2}};
    pm_status status = PM_OK;
    for (size_t i = 0; i < sizeof configs / sizeof *configs && status == PM_OK; i++)
        status = record_model(device, &configs[i]);
    return status;
}

static int compare_used(const void *a, const void *b)
{
    const pm_kernel_used *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    for (uint32_t i = 0; i < x->spec_count && i < y->spec_count; i++)
        if (x->spec[i] != y->spec[i]) return x->spec[i] < y->spec[i] ? -1 : 1;
    return x->spec_count < y->spec_count ? -1 : x->spec_count > y->spec_count;
}

/* The values of constants that the module has: numbers between them are not its own. */
static size_t declared_spec(const char *name, const uint32_t *module, size_t words, const pm_kernel_used *used,
                            pm_kernel_value spec[PM_KERNEL_SPECS])
{
    const pm_log silent = {0};
    pm_kernel_info *info = calloc(1, sizeof *info);
    size_t count = 0;
    if (info && pm_kernel_describe(&silent, name, module, words, NULL, 0, info) == PM_OK)
        for (uint32_t i = 0; i < info->spec_count; i++)
            if (info->specs[i].id < used->spec_count)
                spec[count++] = (pm_kernel_value){info->specs[i].id, used->spec[info->specs[i].id]};
    free(info);
    return count;
}

/* Prints the variants that Pumice itself takes on this device: those that its programs asked for while they were
 * recorded. */
static bool print_builtin(pm_device *device, char error[256], const char *wanted)
{
    pm_kernel_used *used = calloc(MAX_USED, sizeof *used);
    const pm_status status = used ? record_models(device) : PM_NO_HOST_MEMORY;
    bool good = status == PM_OK;
    size_t count = used ? pm_device_kernels(device, used, MAX_USED) : 0, left_out = kernel_target_skip();
    if (count > MAX_USED) count = MAX_USED;
    if (!good) app_error("the programs of models could not be recorded: %s", error);
    if (count) qsort(used, count, sizeof *used, compare_used);
    for (size_t i = 0; i < count; i++) {
        const char *name = pm_builtin_name(used[i].index);
        size_t words;
        const uint32_t *module = pm_builtin_words(used[i].index, pm_device_caps(device)->bda, &words);
        pm_kernel_value spec[PM_KERNEL_SPECS];
        if (strcmp(wanted, "all") != 0 && strcmp(wanted, name) != 0) continue;
        if (left_out > 0) {
            left_out--;
            continue;
        }
        const size_t spec_count = declared_spec(name, module, words, &used[i], spec);
        good = print_kernel(device, error, name, module, words, spec, spec_count) && good;
    }
    free(used);
    return good;
}

int kernel_costs(const kernel_options *options)
{
    char error[256] = "";
    const pm_device_params params = {.log = {keep_line, error, PM_LOG_ERROR},
                                     .select = "0",
                                     .disable = process_variable("PUMICE_DISABLE"),
                                     .cache_dir = "",
                                     .compile_only = true,
                                     .user_kernels = options->file != NULL};
    pm_device *device = NULL;
    if (pm_device_open(&params, &device) != PM_OK) {
        app_error("%s", error);
        return EXIT_FAILED;
    }
    print_device(pm_device_caps(device));
    const bool good =
        options->file ? print_file(device, error, options) : print_builtin(device, error, options->builtin);
    /* The device stays open: VideoCore's driver would run a last job, which its shim cannot. */
    fflush(stdout);
    _Exit(good ? EXIT_DONE : EXIT_FAILED);
}
