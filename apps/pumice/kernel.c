/* `pumice kernel`: compiles, describes, runs and times a user's own compute shader, and shows or compares its output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

enum { SHOWN = 8 };

static kernel_options options;

static arg_option table[] = {
    APP_HEAD("the kernel"),
    {ARG_LIST, "--define", "NAME[=VALUE]", &options.defines, NULL, 0, 0, "a macro for GLSL; again for more", false,
     false},
    {ARG_LIST, "--spec", "ID=VALUE", &options.spec, NULL, 0, 0,
     "a specialization constant, by number or name; again for more", false, false},
    {ARG_FLAG, "--describe", NULL, &options.describe, NULL, 0, 0, "show the interface and stop: opens no device", false,
     false},
    APP_HEAD("the run"),
    {ARG_LIST, "--buffer", "N=SIZE[:FILL]", &options.buffers, NULL, 0, 0,
     "a binding's buffer, by number or name: bytes, or elements as in 1024f (b h f d i u); FILL: zeros, ones, iota, "
     "random or a file",
     false, false},
    {ARG_LIST, "--push", "NAME=VALUE|WORDS", &options.push, NULL, 0, 0,
     "a push constant by name, or the block's words from the first on; what is not given is 0", false, false},
    {ARG_TEXT, "--groups", "X[,Y[,Z]]", &options.groups, "1", 0, 0, "work groups", false, false},
    {ARG_U32, "--runs", "N", &options.runs, "10", 1, 1e6, "timed runs, after a first one", false, false},
    {ARG_U32, "--timeout", "SECONDS", &options.timeout, "60", 0, 4e6,
     "the longest that a run may take: then the program ends, since a run cannot be cancelled; 0: no limit", false,
     false},
    {ARG_FLAG, "--unchecked", NULL, &options.unchecked, NULL, 0, 0,
     "for timing: without robustBufferAccess, the driver's checks that accesses stay within the buffers, as Pumice's "
     "own "
     "kernels run; a wrong index may then crash the program",
     false, false},
    {ARG_U64, "--seed", "N", &options.seed, "0", 0, 0, "of random content", false, false},
    APP_OPTION_DEVICE(options.common),
    APP_HEAD("the outcome"),
    {ARG_LIST, "--dump", "N=FILE", &options.dump, NULL, 0, 0, "write a buffer's bytes after the first run", false,
     false},
    {ARG_LIST, "--compare", "N=FILE[:TOLERANCE]", &options.compare, NULL, 0, 0,
     "compare a buffer after the first run with a file; exit 1 where an element is further off than the tolerance (0 "
     "if not given)",
     false, false},
    {ARG_F32, "--flops", "X", &options.flops, "0", 0, 3e38, "floating-point operations of a run, for GFLOP/s", false,
     false},
    {ARG_F32, "--bytes", "X", &options.bytes, "0", 0, 3e38, "bytes that a run moves, for GB/s", false, false},
    APP_HEAD("GPUs that are not there"),
    {ARG_TEXT, "--target", "NAME[,NAME]|all", &options.target, NULL, 0, 0,
     "build the kernel for these and tell its cost, without running it; --target help lists them", false, false},
    {ARG_TEXT, "--builtin", "NAME|all", &options.builtin, NULL, 0, 0,
     "with --target, in place of FILE: Pumice's own kernels as that GPU uses them", false, false},
    {ARG_FLAG, "--markdown", NULL, &options.markdown, NULL, 0, 0, "with --target: a document with a table for each GPU",
     false, false},
    APP_OPTION_VERBOSE(options.common),
    APP_OPTION_JSON(options.common, "print one JSON document"),
};

arg_command kernel_command = {
    "kernel",
    "FILE.comp|FILE.spv [options]",
    "Compiles, describes, runs and times a compute shader of your own",
    "The kernel binds storage buffers 0 to 15 of set 0. GLSL is compiled for Vulkan 1.1; #include looks beside the "
    "file.",
    table,
    sizeof table / sizeof *table,
};

/* ---- outcomes ---- */

static bool dump(const kernel_options *o, const pm_kernel_info *info, const kernel_buffer *buffers, size_t count,
                 char *const *after)
{
    for (size_t i = 0; i < o->dump.count; i++) {
        const char *path;
        const kernel_buffer *b = kernel_find_buffer("--dump", o->dump.items[i], info, buffers, count, &path);
        if (!b || !app_replace(path, after[b - buffers], (size_t)b->size)) return false;
    }
    return true;
}

static void add_values(const kernel_buffer *buffers, size_t count, char *const *after, cJSON *report)
{
    cJSON *list = cJSON_AddArrayToObject(report, "buffers");
    for (size_t i = 0; i < count; i++) {
        cJSON *item = cJSON_CreateObject(), *first = cJSON_AddArrayToObject(item, "first");
        cJSON_AddNumberToObject(item, "binding", buffers[i].binding);
        cJSON_AddNumberToObject(item, "bytes", (double)buffers[i].size);
        cJSON_AddBoolToObject(item, "written", buffers[i].written);
        for (uint64_t k = 0; k < SHOWN && k < buffers[i].size / pm_scalar_size(buffers[i].scalar); k++)
            cJSON_AddItemToArray(first, kernel_number_json(buffers[i].scalar, after[i], k));
        cJSON_AddItemToArray(list, item);
    }
}

/* ---- running ---- */

static int compare_times(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static pm_status time_runs(pm_kernel *kernel, const kernel_options *o, cJSON *report)
{
    double *ms = calloc(o->runs, sizeof *ms);
    pm_status status = ms ? PM_OK : PM_NO_HOST_MEMORY;
    if (!ms) app_error("--runs %u: out of host memory", (unsigned)o->runs);
    for (uint32_t i = 0; i < o->runs && status == PM_OK; i++) status = pm_kernel_run(kernel, &ms[i]);
    if (status == PM_OK) {
        qsort(ms, o->runs, sizeof *ms, compare_times);
        const double median = 0.5 * (ms[(o->runs - 1) / 2] + ms[o->runs / 2]);
        cJSON_AddNumberToObject(report, "ms", median);
        cJSON_AddNumberToObject(report, "ms_min", ms[0]);
        cJSON_AddNumberToObject(report, "ms_max", ms[o->runs - 1]);
        if (o->flops > 0 && median > 0) cJSON_AddNumberToObject(report, "gflops", (double)o->flops / median * 1e-6);
        if (o->bytes > 0 && median > 0) cJSON_AddNumberToObject(report, "gbps", (double)o->bytes / median * 1e-6);
    }
    free(ms);
    return status;
}

static double number(const cJSON *json, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItem(json, name));
}

/* A number of the report, which has some as text to keep all digits. */
static const char *number_text(const cJSON *item, char text[32])
{
    if (cJSON_IsRaw(item)) return item->valuestring;
    snprintf(text, 32, "%.4g", cJSON_GetNumberValue(item));
    return text;
}

/* What a user may have left out stands here: the number of work groups, and push constants. */
static void print_launch(const cJSON *report)
{
    const cJSON *groups = cJSON_GetObjectItem(report, "groups"), *interface = cJSON_GetObjectItem(report, "interface");
    printf("launch         %.0f x %.0f x %.0f work groups%s", cJSON_GetNumberValue(cJSON_GetArrayItem(groups, 0)),
           cJSON_GetNumberValue(cJSON_GetArrayItem(groups, 1)), cJSON_GetNumberValue(cJSON_GetArrayItem(groups, 2)),
           args_given(&kernel_command, "--groups") ? "" : ", as --groups is not given");
    if (number(interface, "push_bytes") > 0 && options.push.count == 0)
        printf("; push constants are all 0, as --push is not given");
    printf("\n");
}

static void print_report(const cJSON *report)
{
    const cJSON *item, *value;
    char text[32];
    printf("\ndevice         %s%s\n", cJSON_GetStringValue(cJSON_GetObjectItem(report, "device")),
           cJSON_IsTrue(cJSON_GetObjectItem(report, "robust")) ? "; buffer bounds are checked (--unchecked: not)" : "");
    kernel_print_statistics(cJSON_GetObjectItem(report, "statistics"));
    print_launch(report);
    printf("time           %.4g ms, the median of %.0f runs (%.4g to %.4g) by %s; first run %.4g ms, after %.4g ms of "
           "building\n",
           number(report, "ms"), number(report, "runs"), number(report, "ms_min"), number(report, "ms_max"),
           cJSON_GetStringValue(cJSON_GetObjectItem(report, "clock")), number(report, "first_run_ms"),
           number(report, "build_ms"));
    if (cJSON_HasObjectItem(report, "gflops")) printf("rate           %.4g GFLOP/s\n", number(report, "gflops"));
    if (cJSON_HasObjectItem(report, "gbps")) printf("rate           %.4g GB/s\n", number(report, "gbps"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(report, "buffers"))
    {
        if (!cJSON_IsTrue(cJSON_GetObjectItem(item, "written"))) continue;
        printf("binding %-6.0f", number(item, "binding"));
        cJSON_ArrayForEach(value, cJSON_GetObjectItem(item, "first")) printf(" %s", number_text(value, text));
        printf("\n");
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(report, "compare"))
        printf("compared       binding %.0f with %s: largest difference %s, NMSE %.3g\n", number(item, "binding"),
               cJSON_GetStringValue(cJSON_GetObjectItem(item, "file")),
               number_text(cJSON_GetObjectItem(item, "max_abs"), text), number(item, "nmse"));
}

/* Fills the buffers, does the first run and reads the results. */
static pm_status first_run(pm_kernel *kernel, const kernel_options *o, const kernel_buffer *buffers, size_t count,
                           const unsigned char *push, char **after, cJSON *report)
{
    uint32_t groups[3];
    pm_status status = kernel_parse_groups(o->groups, groups) ? PM_OK : PM_INVALID;
    double ms = 0;
    cJSON *list = cJSON_AddArrayToObject(report, "groups");
    for (int i = 0; i < 3 && status == PM_OK; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(groups[i]));
    for (size_t i = 0; i < count && status == PM_OK; i++) {
        status = pm_kernel_buffer(kernel, buffers[i].binding, buffers[i].size);
        if (status == PM_OK)
            status = pm_kernel_write(kernel, buffers[i].binding, buffers[i].data, (size_t)buffers[i].size);
    }
    if (status == PM_OK) status = pm_kernel_prepare(kernel, groups, push, pm_kernel_get_info(kernel)->push_size);
    if (status == PM_OK) status = pm_kernel_run(kernel, &ms);
    for (size_t i = 0; i < count && status == PM_OK; i++) {
        after[i] = malloc((size_t)buffers[i].size);
        if (after[i])
            status = pm_kernel_read(kernel, buffers[i].binding, after[i], (size_t)buffers[i].size);
        else
            status = PM_NO_HOST_MEMORY;
        if (!after[i]) app_error("out of host memory for a buffer of %llu bytes", (unsigned long long)buffers[i].size);
    }
    cJSON_AddNumberToObject(report, "first_run_ms", ms);
    return status;
}

static pm_status run(const kernel_options *o, pm_device *device, pm_kernel *kernel, cJSON *report)
{
    const pm_kernel_info *info = pm_kernel_get_info(kernel);
    kernel_buffer buffers[PM_KERNEL_BINDINGS] = {{0}};
    char *after[PM_KERNEL_BINDINGS] = {NULL};
    unsigned char *push = calloc(1, info->push_size + 1);
    size_t count = 0;
    pm_status status = push ? PM_OK : PM_NO_HOST_MEMORY;
    if (push && !kernel_parse_push(o, info, push)) status = PM_INVALID;
    if (status == PM_OK && !kernel_parse_buffers(o, info, buffers, &count)) status = PM_INVALID;
    if (status == PM_OK) status = first_run(kernel, o, buffers, count, push, after, report);
    if (status == PM_OK) status = time_runs(kernel, o, report);
    if (status == PM_OK) {
        cJSON_AddNumberToObject(report, "first_ms", number(report, "build_ms") + number(report, "first_run_ms"));
        cJSON_AddNumberToObject(report, "runs", o->runs);
        cJSON_AddStringToObject(report, "clock",
                                pm_device_caps(device)->timestamps ? "the device's clock" : "the host's clock");
        add_values(buffers, count, after, report);
        if (!dump(o, info, buffers, count, after)) status = PM_IO;
    }
    if (status == PM_OK && !kernel_compare(o, info, buffers, count, after, report)) status = PM_FORMAT;
    for (size_t i = 0; i < count; i++) free(after[i]);
    kernel_free_buffers(buffers, count);
    free(push);
    return status;
}

static int build_and_run(const kernel_options *o, const uint32_t *words, size_t count, const pm_kernel_value *spec,
                         size_t spec_count)
{
    pm_device_params params = app_device_params(&o->common);
    params.user_kernels = true;
    params.robust = !o->unchecked;
    params.timeout_ms = 1000 * o->timeout;
    pm_device *device = NULL;
    pm_kernel *kernel = NULL;
    cJSON *report = cJSON_CreateObject();
    pm_status status = app_open(&params, &device);
    const double start = app_seconds();
    if (status == PM_OK) status = pm_kernel_create(device, o->file, words, count, spec, spec_count, &kernel);
    cJSON_AddStringToObject(report, "file", o->file);
    cJSON_AddNumberToObject(report, "build_ms", 1e3 * (app_seconds() - start));
    if (status == PM_OK) {
        cJSON_AddStringToObject(report, "device", pm_device_caps(device)->name);
        cJSON_AddBoolToObject(report, "robust", !o->unchecked);
        cJSON_AddItemToObject(report, "interface", kernel_info_json(pm_kernel_get_info(kernel)));
        cJSON_AddItemToObject(report, "statistics", kernel_statistics_json(kernel));
        status = run(o, device, kernel, report);
    }
    /* A difference is a result, and the report shows it. */
    if (status == PM_OK || cJSON_GetArraySize(cJSON_GetObjectItem(report, "compare")) > 0) {
        if (o->common.json) {
            kernel_print_json(report);
            report = NULL;
        } else {
            kernel_print_info(pm_kernel_get_info(kernel));
            print_report(report);
        }
    }
    cJSON_Delete(report);
    if (status == PM_DEVICE_LOST) { /* a driver's own work at exit may wait for a run that does not end */
        fflush(NULL);
        _Exit(EXIT_FAILED);
    }
    pm_kernel_destroy(&kernel);
    pm_device_close(&device);
    return app_exit_code(status);
}

/* ---- the command ---- */

static int describe_or_run(const kernel_options *o)
{
    pm_kernel_value spec[PM_KERNEL_SPECS];
    size_t count = 0, spec_count = 0;
    const pm_log log = app_log(&o->common);
    uint32_t *words = kernel_words(o, &count);
    pm_kernel_info *info = calloc(1, sizeof *info);
    int code = words && info ? EXIT_DONE : EXIT_FAILED;
    if (code == EXIT_DONE && pm_kernel_describe(&log, o->file, words, count, NULL, 0, info) != PM_OK)
        code = EXIT_FAILED;
    if (code == EXIT_DONE && !kernel_parse_spec(o, info, spec, &spec_count)) code = EXIT_USAGE;
    if (code == EXIT_DONE && o->describe) {
        code = app_exit_code(pm_kernel_describe(&log, o->file, words, count, spec, spec_count, info));
        if (code == EXIT_DONE && o->common.json)
            kernel_print_json(kernel_info_json(info));
        else if (code == EXIT_DONE)
            kernel_print_info(info);
    } else if (code == EXIT_DONE) {
        code = build_and_run(o, words, count, spec, spec_count);
    }
    free(words);
    free(info);
    return code;
}

int kernel_main(int argc, char **argv)
{
    const bool named = argc > 2 && argv[2][0] != '-';
    options = (kernel_options){.file = named ? argv[2] : NULL};
    switch (args_parse(&kernel_command, argc - 2 - named, argv + 2 + named)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const bool list = options.target && strcmp(options.target, "help") == 0;
    if (!list && !options.file == !options.builtin) {
        app_error(
            "kernel needs FILE.comp or FILE.spv, first, or --builtin NAME|all with --target: see pumice kernel --help");
        return EXIT_USAGE;
    }
    if ((options.builtin || options.markdown) && !options.target) {
        app_error("%s needs --target NAME", options.builtin ? "--builtin" : "--markdown");
        return EXIT_USAGE;
    }
    if (kernel_on_target()) return kernel_costs(&options);
    return options.target ? kernel_targets(&options, argv) : describe_or_run(&options);
}
