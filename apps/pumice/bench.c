/* `pumice bench`: times operations and whole steps, as a table or as JSON lines; compares two such files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "bench.h"
#include "process.h"
#include "terminal.h"

enum { MOST_WORDS = 64 };

static app_common common;
static const char *shape, *dtype, *arch, *weights, *compare;
static bool quick;

static arg_option table[] = {
    APP_HEAD("what"),
    {ARG_TEXT, "--shape", "MxNxK|…", &shape, NULL, 0, 0, "instead of the operations' usual shapes", false, false},
    {ARG_TEXT, "--dtype", "f32|f16", &dtype, "f32", 0, 0, "of activations in memory", false, false},
    {ARG_CHOICE, "--arch", "gpt2|gpt1|llama|mistral|qwen2|qwen3|gemma3", &arch, "gpt2", 0, 0,
     "of whole steps: the model's family", false, false},
    {ARG_CHOICE, "--weights", "f32|f16|bf16", &weights, "f32", 0, 0, "of prefill and decode: their type in memory",
     false, false},
    {ARG_FLAG, "--quick", NULL, &quick, NULL, 0, 0, "three runs each are enough", false, false},
    {ARG_TEXT, "--compare", "A.json B.json", &compare, NULL, 0, 0,
     "no measurement: two files that --json wrote, row by row", false, false},
    APP_HEAD("general"),
    APP_OPTION_DEVICE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON object a row"),
};

/* Filled in by describe_ops(): the operations come from the library. */
static char text[6000];

arg_command bench_command = {
    "bench",
    "[OP ...] [options]",
    "Times operations and whole steps, and tells how near the device's own peaks they are",
    text,
    table,
    sizeof table / sizeof *table,
};

static void describe_ops(void)
{
    size_t used = (size_t)snprintf(
        text, sizeof text,
        "\nEach operation runs on copies of its operands in turn, so that no cache serves them. ms is the median by "
        "the "
        "device's time\nstamps (whole steps: the host's time), the spread its quartiles, first ms the first run with "
        "all compilation (the driver's own\ncache of shaders is switched off unless its environment variable is set). "
        "The peaks are this device's own: a copy of large\nbuffers, fp32 multiply-adds in registers, and fp16 products "
        "of matrix units where the kernels use any.\n\n"
        "operations, and what their shapes say (usual ones behind it):\n");
    const pm_bench_op *op;
    for (size_t i = 0; (op = pm_bench_op_at(i)) && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "  %-14s %-12s %s;", op->name, op->form, op->text);
        for (size_t k = 0; op->shapes[k] && used < sizeof text; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s", op->shapes[k]);
        if (used < sizeof text && pm_bench_op_at(i + 1))
            used += (size_t)snprintf(text + used, sizeof text - used, "\n");
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

/* The arithmetic peak that counts for a row. A whole step with fp16 activations has its products on matrix units, where there are any. */
static double arithmetic(const pm_bench_row *row, const pm_peaks *peaks)
{
    const bool half_step = row->tokens > 0 && strcmp(row->dtype, "f16") == 0;
    return pm_peaks_flops(peaks, half_step ? "coop" : row->variant);
}

/* Fractions of the peaks that a row reached. */
static double of_fma(const pm_bench_row *row, const pm_peaks *peaks)
{
    return row->needed_flops / (1e-3 * row->ms * arithmetic(row, peaks));
}
static double of_copy(const pm_bench_row *row, const pm_peaks *peaks)
{
    return row->bytes / (1e-3 * row->ms * peaks->copy_bytes_per_s);
}

/* A table's line has some 120 columns: on a narrower terminal a row has several lines. */
static bool is_narrow(void)
{
    return terminal_is(TERMINAL_STDOUT) && terminal_columns(TERMINAL_STDOUT) < 120;
}

static void print_head(const pm_caps *caps, const pm_peaks *peaks)
{
    printf("%s, %s\n", caps->name, caps->driver);
    printf("peaks: %.1f GB/s copy, %.1f GFLOP/s fp32", 1e-9 * peaks->copy_bytes_per_s, 1e-9 * peaks->fma_flops_per_s);
    if (peaks->matrix_flops_per_s > 0) printf(", %.1f GFLOP/s fp16 on matrix units", 1e-9 * peaks->matrix_flops_per_s);
    printf("%s\n\n", caps->timestamps ? "" : "; no time stamps: times are the host's");
    if (is_narrow()) return;
    printf("%-14s %-22s %10s %19s %9s %8s %12s %10s  %s\n", "op", "shape", "ms", "quartiles", "GFLOP/s", "GB/s",
           "of the peak", "first ms", "kernels");
}

static void print_row(const pm_bench_row *row, const pm_peaks *peaks)
{
    const double fma = of_fma(row, peaks), copy = of_copy(row, peaks);
    char spread[32], part[32];
    snprintf(spread, sizeof spread, "%.4g … %.4g", row->ms_low, row->ms_high);
    const char *units = arithmetic(row, peaks) == peaks->fma_flops_per_s ? "fp32" : "fp16";
    snprintf(part, sizeof part, "%.1f %% %s", 100 * (fma > copy ? fma : copy), fma > copy ? units : "copy");
    if (is_narrow()) {
        printf("%s %s, %s\n  %.4g ms (%s)\n  %.2f GFLOP/s, %.2f GB/s\n  %s, first %.1f ms", row->op, row->shape,
               row->variant, row->ms, spread, 1e-6 * row->flops / row->ms, 1e-6 * row->bytes / row->ms, part,
               row->first_ms);
        if (row->tokens > 0) printf("\n  %.0f tokens/s", 1e3 * row->tokens / row->ms);
        putchar('\n');
        fflush(stdout);
        return;
    }
    /* The ellipsis is three bytes and one column. */
    printf("%-14s %-22s %10.4g %21s %9.2f %8.2f %12s %10.1f  %s", row->op, row->shape, row->ms, spread,
           1e-6 * row->flops / row->ms, 1e-6 * row->bytes / row->ms, part, row->first_ms, row->variant);
    if (row->tokens > 0) printf(", %.0f tokens/s", 1e3 * row->tokens / row->ms);
    putchar('\n');
    fflush(stdout);
}

static void print_json(const pm_bench_row *row, const pm_caps *caps, const pm_peaks *peaks)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "op", row->op);
    cJSON_AddStringToObject(json, "shape", row->shape);
    cJSON_AddStringToObject(json, "dtype", row->dtype);
    cJSON_AddStringToObject(json, "device", caps->name);
    cJSON_AddStringToObject(json, "driver", caps->driver);
    cJSON_AddStringToObject(json, "variant", row->variant);
    cJSON_AddNumberToObject(json, "ms", row->ms);
    cJSON_AddNumberToObject(json, "ms_low", row->ms_low);
    cJSON_AddNumberToObject(json, "ms_high", row->ms_high);
    cJSON_AddStringToObject(json, "clock", row->device_time ? "device" : "host");
    cJSON_AddNumberToObject(json, "runs", row->runs);
    cJSON_AddNumberToObject(json, "copies", row->copies);
    cJSON_AddNumberToObject(json, "gflops", 1e-6 * row->flops / row->ms);
    cJSON_AddNumberToObject(json, "gbps", 1e-6 * row->bytes / row->ms);
    cJSON_AddNumberToObject(json, "first_ms", row->first_ms);
    cJSON_AddNumberToObject(json, "fma_fraction", of_fma(row, peaks));
    cJSON_AddNumberToObject(json, "copy_fraction", of_copy(row, peaks));
    cJSON_AddNumberToObject(json, "peak_gflops", 1e-9 * arithmetic(row, peaks));
    cJSON_AddNumberToObject(json, "peak_gbps", 1e-9 * peaks->copy_bytes_per_s);
    if (row->tokens > 0) cJSON_AddNumberToObject(json, "tokens_per_s", 1e3 * row->tokens / row->ms);
    app_print_json(json);
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

/* A device of its own for each row, without Pumice's cache of pipelines, so that every first run is cold. */
static pm_arch family(void)
{
    pm_arch found = PM_ARCH_GPT2;
    (void)pm_arch_named(arch, &found); /* one of the option's choices */
    return found;
}

static pm_weights kept(void)
{
    pm_weights found = PM_WEIGHTS_F32;
    (void)pm_weights_named(weights, &found);
    return found;
}

static pm_status measure(const pm_bench_params *params, const pm_peaks *peaks)
{
    pm_log log = app_log(&common);
    if (!common.verbose) log.max_level = PM_LOG_ERROR; /* warnings were printed before */
    pm_device_params device_params = app_device_params(&common);
    device_params.log = log;
    device_params.cache_dir = "";
    pm_device *device = NULL;
    pm_bench_row row;
    pm_status status = app_open(&device_params, &device);
    if (status == PM_OK) status = pm_bench_run(device, params, &row);
    if (status == PM_OK && common.json) print_json(&row, pm_device_caps(device), peaks);
    if (status == PM_OK && !common.json) print_row(&row, peaks);
    pm_device_close(&device);
    return status;
}

static pm_status measure_peaks(pm_peaks *peaks)
{
    pm_device_params params = app_device_params(&common);
    params.cache_dir = "";
    pm_device *device = NULL;
    pm_status status = app_open(&params, &device);
    if (status == PM_OK) status = pm_peaks_measure(device, peaks);
    if (status == PM_OK && !common.json) print_head(pm_device_caps(device), peaks);
    pm_device_close(&device);
    return status;
}

/* Each shape of one operation; with `check` nothing is measured. */
static pm_status each_shape(const pm_bench_op *op, bool check, const pm_peaks *peaks)
{
    const pm_log log = app_log(&common);
    pm_status status = PM_OK;
    for (size_t i = 0; status == PM_OK && (shape ? i == 0 : op->shapes[i] != NULL); i++) {
        const pm_bench_params params = {.op = op->name,
                                        .shape = shape ? shape : op->shapes[i],
                                        .dtype = dtype,
                                        .quick = quick,
                                        .arch = family(),
                                        .weights = kept()};
        status = check ? pm_bench_check(&log, &params) : measure(&params, peaks);
    }
    return status;
}

static const pm_bench_op *find_op(const char *name)
{
    const pm_bench_op *op = NULL;
    for (size_t i = 0; (op = pm_bench_op_at(i)) && strcmp(op->name, name) != 0;) i++;
    return op;
}

/* Whether the operation can have fp16 activations. */
static bool has_halves(const pm_bench_op *op)
{
    const pm_log silent = {0};
    const pm_bench_params params = {.op = op->name, .dtype = "f16"};
    return pm_bench_check(&silent, &params) == PM_OK;
}

/* All operations that can have the type, or the named ones in their order. */
static pm_status each_op(const char *const *names, size_t count, bool check, const pm_peaks *peaks)
{
    pm_status status = PM_OK;
    for (size_t i = 0; status == PM_OK && (count ? i < count : pm_bench_op_at(i) != NULL); i++) {
        const pm_bench_op *op = count ? find_op(names[i]) : pm_bench_op_at(i);
        if (!count && strcmp(dtype, "f16") == 0 && !has_halves(op)) continue;
        if (!op) {
            const pm_log log = app_log(&common);
            const pm_bench_params params = {.op = names[i]};
            status = pm_bench_check(&log, &params); /* reports which there are */
        } else {
            status = each_shape(op, check, peaks);
        }
    }
    return status;
}

/* ---- the command line ------------------------------------------------------------------------------------------------ */

/* Takes the words that are neither options nor their values out of argv; the new argc. More than MOST_WORDS stay, to be refused. */
static int take_words(int argc, char **argv, const char *words[MOST_WORDS], size_t *count)
{
    int kept = 0;
    *count = 0;
    for (int i = 0; i < argc; i++) {
        bool value = false;
        for (size_t k = 0; i > 0 && k < bench_command.count; k++)
            value |= table[k].value && strcmp(argv[i - 1], table[k].name) == 0;
        if (argv[i][0] != '-' && !value && *count < MOST_WORDS)
            words[(*count)++] = argv[i];
        else
            argv[kept++] = argv[i];
    }
    return kept;
}

int bench_main(int argc, char **argv)
{
    const char *words[MOST_WORDS];
    size_t count;
    describe_ops();
    argc = take_words(argc - 2, argv + 2, words, &count);
    switch (args_parse(&bench_command, argc, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    if (compare) {
        if (count != 1) {
            app_error("--compare needs two files: --compare A.json B.json");
            return EXIT_USAGE;
        }
        return bench_compare(compare, words[0], common.json) ? EXIT_DONE : EXIT_FAILED;
    }
    if (shape && count == 0) {
        app_error("--shape %s: name the operation that it is for: see pumice bench --help", shape);
        return EXIT_USAGE;
    }
    pm_status status = each_op(words, count, true, NULL);
    if (status != PM_OK) return app_exit_code(status);
    /* Drivers keep compiled shaders on disk; a first run from there would not be cold. */
    process_set_default("MESA_SHADER_CACHE_DISABLE", "true");
    process_set_default("__GL_SHADER_DISK_CACHE", "0");
    pm_peaks peaks;
    status = measure_peaks(&peaks);
    if (status == PM_OK) status = each_op(words, count, false, &peaks);
    return app_exit_code(status);
}
