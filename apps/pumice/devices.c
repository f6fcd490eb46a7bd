/* `pumice devices`: every adapter, its limits and features, and which one would be taken. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "app.h"
#include "device_text.h"
#include "terminal.h"

static app_common common;

static arg_option table[] = {
    APP_OPTION_DEVICE(common),
    APP_OPTION_VERBOSE(common),
    APP_OPTION_JSON(common, "print one JSON document, also where there is no device"),
};

arg_command devices_command = {
    "devices",
    "[options]",
    "Lists the Vulkan devices, their limits and features, and which one is taken",
    "PUMICE_DISABLE=f16,bda,... (or all) makes every subcommand do without optional features; a preset's name there "
    "makes the device\n"
    "offer no more than a part like it. Presets:"
#define PROFILE_LINE(id, name, like) "\n  " name ": " like
    PM_PRESET_LIST(PROFILE_LINE),
#undef PROFILE_LINE
    table,
    sizeof table / sizeof *table,
};

/* The names in PUMICE_DISABLE are already checked. */
static pm_caps lower(const pm_caps *own)
{
    pm_caps caps = *own;
    (void)app_lower_caps(&caps);
    return caps;
}

/* ---- text ---- */

static bool is_narrow(void)
{
    return terminal_is(TERMINAL_STDOUT) && terminal_columns(TERMINAL_STDOUT) < 100;
}

static void print_feature(const char *name, const char *meaning, bool there, bool used)
{
    printf("    %-14s %-9s ", name, !there ? "no" : used ? "yes" : "disabled");
    if (is_narrow()) printf("\n        ");
    app_print_wrapped(meaning, is_narrow() ? 8 : 29, 8, is_narrow() ? terminal_columns(TERMINAL_STDOUT) - 1 : INT_MAX);
}

/* A line of the description, indented; broken on a narrow terminal. */
static void print_line(const char *format, ...) PM_PRINTF(1, 2);
static void print_line(const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("    ");
    app_print_wrapped(text, 4, 8, is_narrow() ? terminal_columns(TERMINAL_STDOUT) - 1 : INT_MAX);
}

/* Prints a device as it is lowered. `own`: what the device itself offers. */
static void print_device(const pm_caps *own, size_t index, bool chosen)
{
    const pm_caps lowered = lower(own), *caps = &lowered;
    const double mib = 1.0 / (1024 * 1024);
    char version[32];
    printf("%zu%s %s\n", index, chosen ? " *" : "  ", caps->name);
    print_line("type %s, driver %s, Vulkan %s, vendor 0x%04x, device 0x%04x", device_type_name(caps->type),
               caps->driver, device_version(caps->api_version, version), (unsigned)caps->vendor_id,
               (unsigned)caps->device_id);
    print_line("memory %.0f MiB, free %.0f MiB; largest allocation %.0f MiB, largest storage buffer %.0f MiB",
               mib * (double)caps->device_memory, mib * (double)caps->device_memory_free,
               mib * (double)caps->max_allocation, mib * (double)caps->max_buffer_range);
    print_line("workgroup: %u invocations, %u KiB shared; subgroup %u (%u to %u)", (unsigned)caps->max_workgroup_size,
               (unsigned)caps->max_shared_memory / 1024, (unsigned)caps->subgroup_size, (unsigned)caps->subgroup_min,
               (unsigned)caps->subgroup_max);
    print_line("groups %u x %u x %u; %u storage buffers a stage, %u bytes of push constants, offsets by %u bytes",
               (unsigned)caps->max_group_count[0], (unsigned)caps->max_group_count[1],
               (unsigned)caps->max_group_count[2], (unsigned)caps->max_storage_buffers,
               (unsigned)caps->max_push_constants, (unsigned)caps->offset_alignment);
#define PRINT(name, meaning) print_feature(#name, meaning, own->name, caps->name);
    PM_FEATURE_LIST(PRINT)
#undef PRINT
    if (own->coopmat_m && !own->coopmat)
        print_line("The device has matrix units, but this build has no kernels for them: build with a glslc that knows "
                   "GL_KHR_cooperative_matrix (cmake -DGLSLC_COOPMAT=FILE)");
}

static void print_text(const pm_caps *list, size_t count, int chosen, const char *why)
{
    for (size_t i = 0; i < count; i++) {
        print_device(&list[i], i, (int)i == chosen);
        putchar('\n');
    }
    printf("%s takes device %d: %s\n", common.device, chosen, why);
}

/* ---- JSON ---- */

static void print_json(const pm_caps *list, size_t count, int chosen, const char *why)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *devices = cJSON_AddArrayToObject(json, "devices");
    for (size_t i = 0; i < count; i++) {
        const pm_caps used = lower(&list[i]);
        cJSON *device = cJSON_CreateObject();
        cJSON_AddItemToArray(devices, device);
        cJSON_AddNumberToObject(device, "index", (double)i);
        cJSON_AddBoolToObject(device, "chosen", (int)i == chosen);
        device_json(device, &list[i], &used);
    }
    cJSON *choice = cJSON_AddObjectToObject(json, "choice");
    cJSON_AddStringToObject(choice, "asked", common.device);
    if (chosen < 0)
        cJSON_AddNullToObject(choice, "index");
    else
        cJSON_AddNumberToObject(choice, "index", chosen);
    cJSON_AddStringToObject(choice, "why", why);
    char *text = cJSON_Print(json);
    if (text) puts(text);
    free(text);
    cJSON_Delete(json);
}

int devices_main(int argc, char **argv)
{
    switch (args_parse(&devices_command, argc - 2, argv + 2)) {
    case ARGS_HELP: return EXIT_DONE;
    case ARGS_BAD: return EXIT_USAGE;
    case ARGS_OK: break;
    }
    const pm_log log = app_log(&common);
    pm_caps *list = NULL, unused = {0};
    size_t count = 0;
    char why[160];
    if (!app_lower_caps(&unused)) return EXIT_USAGE;
    if (!app_adapters(&log, &list, &count)) {
        if (common.json) print_json(NULL, 0, -1, "Vulkan could not be asked for devices");
        return EXIT_FAILED;
    }
    const int chosen = pm_adapter_choose(list, count, common.device, why);
    if (common.json) print_json(list, count, chosen, why);
    if (chosen < 0) {
        app_error("--device %s: %s", common.device, why);
        if (count == 0) app_say_drivers();
    } else if (!common.json) {
        print_text(list, count, chosen, why);
    }
    free(list);
    return chosen < 0 ? EXIT_FAILED : EXIT_DONE;
}
