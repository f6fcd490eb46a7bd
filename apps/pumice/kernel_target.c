/* --target: runs this program again as a process, with the real compiler of a GPU that is not there. AMD's driver offers such a device by itself; the
 * others run on the shims and drivers that tools/gpu-lab.sh builds. Each target has a process, because some drivers end it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "kernel.h"
#include "kernel_target.h"
#include "os/path.h"

#define TARGET_MARK "PUMICE_KERNEL_ON_TARGET"
#define TARGET_SKIP "PUMICE_KERNEL_SKIP"

/* For each family: the variable that chooses the chip, the shim in place of the kernel driver, and the driver. */
static const struct {
    const char *variable, *shim, *manifest;
    bool own; /* the driver is in the lab too, not the installed one */
} families[] = {
    [TARGET_AMD] = {"RADV_FORCE_FAMILY", NULL, "radeon_icd", false},
    [TARGET_INTEL] = {"INTEL_STUB_GPU_PLATFORM", "libintel_noop_drm_shim.so", "intel_icd", false},
    [TARGET_HASVK] = {"INTEL_STUB_GPU_PLATFORM", "libintel_noop_drm_shim.so", "intel_hasvk_icd", false},
    [TARGET_ADRENO] = {"FD_GPU_ID", "libfreedreno_noop_drm_shim.so", "freedreno", true},
    [TARGET_ADRENO_CHIP] = {"FD_SHIM_CHIP_ID", "libfreedreno_noop_drm_shim.so", "freedreno", true},
    [TARGET_MALI] = {"PAN_GPU_ID", "libpanfrost_noop_drm_shim.so", "panfrost", true},
    [TARGET_VIDEOCORE] = {"V3D_SHIM_VER", "libv3d_noop_drm_shim.so", "broadcom", true},
};

/* `standard`: part of "all", the GPUs in the table of `tools/gpu-lab.sh table`. */
static const kernel_target targets[] = {
    {"navi31", TARGET_AMD, "navi31", "Radeon RX 7900", true},
    {"navi21", TARGET_AMD, "navi21", "Radeon RX 6800", true},
    {"navi10", TARGET_AMD, "navi10", "Radeon RX 5700", true},
    {"vega10", TARGET_AMD, "vega10", "Radeon RX Vega", true},
    {"polaris10", TARGET_AMD, "polaris10", "Radeon RX 480", true},
    {"phoenix", TARGET_AMD, "phoenix", "Radeon 780M, integrated", true},
    {"rembrandt", TARGET_AMD, "rembrandt", "Radeon 680M, integrated", false},
    {"renoir", TARGET_AMD, "renoir", "Radeon Vega 8, integrated", false},
    {"gfx1201", TARGET_AMD, "gfx1201", "Radeon RX 9070", false},
    {"gfx1150", TARGET_AMD, "gfx1150", "Radeon 890M, integrated", false},
    {"fiji", TARGET_AMD, "fiji", "Radeon R9 Fury", false},
    {"hawaii", TARGET_AMD, "hawaii", "Radeon R9 290", false},
    {"tahiti", TARGET_AMD, "tahiti", "Radeon HD 7970", false},
    {"skl", TARGET_INTEL, "skl", "Skylake, HD Graphics 530", true},
    {"icl", TARGET_INTEL, "icl", "Ice Lake", false},
    {"tgl", TARGET_INTEL, "tgl", "Tiger Lake, Iris Xe", true},
    {"adl", TARGET_INTEL, "adl", "Alder Lake", false},
    {"rpl", TARGET_INTEL, "rpl", "Raptor Lake", false},
    {"dg2", TARGET_INTEL, "dg2", "Arc A770", true},
    {"mtl", TARGET_INTEL, "mtl", "Meteor Lake", false},
    {"arl", TARGET_INTEL, "arl", "Arrow Lake", false},
    {"lnl", TARGET_INTEL, "lnl", "Lunar Lake", false},
    {"bmg", TARGET_INTEL, "bmg", "Arc B580", true},
    {"hsw", TARGET_HASVK, "hsw", "Haswell", false},
    {"bdw", TARGET_HASVK, "bdw", "Broadwell", false},
    {"a610", TARGET_ADRENO_CHIP, "0x06010000", "Adreno 610", false},
    {"a618", TARGET_ADRENO, "618", "Adreno 618", false},
    {"a630", TARGET_ADRENO, "630", "Adreno 630", true},
    {"a650", TARGET_ADRENO_CHIP, "0x06050002", "Adreno 650", false},
    {"a660", TARGET_ADRENO, "660", "Adreno 660", false},
    {"a730", TARGET_ADRENO, "730", "Adreno 730", false},
    {"a740", TARGET_ADRENO, "740", "Adreno 740", true},
    {"a750", TARGET_ADRENO, "750", "Adreno 750", false},
    {"x1-85", TARGET_ADRENO_CHIP, "0x43050c01", "Adreno X1-85", true},
    {"g31", TARGET_MALI, "7093", "Mali-G31", false},
    {"g51", TARGET_MALI, "7090", "Mali-G51", false},
    {"g52", TARGET_MALI, "7212", "Mali-G52", true},
    {"g72", TARGET_MALI, "6221", "Mali-G72", false},
    {"g76", TARGET_MALI, "7211", "Mali-G76", false},
    {"g310", TARGET_MALI, "ac74", "Mali-G310", false},
    {"g610", TARGET_MALI, "a867", "Mali-G610", true},
    {"v42", TARGET_VIDEOCORE, "42", "VideoCore 4.2, Raspberry Pi 4", true},
    {"v71", TARGET_VIDEOCORE, "71", "VideoCore 7.1, Raspberry Pi 5", true},
};

bool kernel_on_target(void)
{
    return getenv(TARGET_MARK) != NULL;
}

uint32_t kernel_target_skip(void)
{
    const char *text = getenv(TARGET_SKIP);
    return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

/* ---- finding the drivers ---- */

static bool lab_file(const char *name, char path[512])
{
    char *folder = os_cache_folder();
    snprintf(path, 512, "%s/pumice/gpu-lab/%s", folder ? folder : "", name);
    free(folder);
    return app_exists(path);
}

/* The manifest of an installed driver: NAME.json, or NAME.x86_64.json as other distributions have it. */
static bool installed_manifest(const char *name, char path[512])
{
    static const char *const folders[] = {"/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d",
                                          "/etc/vulkan/icd.d"};
    static const char *const ends[] = {".json", ".x86_64.json"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            snprintf(path, 512, "%s/%s%s", folders[i], name, ends[j]);
            if (app_exists(path)) return true;
        }
    return false;
}

/* Paths of shim ("" where none is needed) and manifest; false where one is missing: *lab says whether tools/gpu-lab.sh would build it. */
static bool find_driver(target_family family, char shim[512], char manifest[512], bool *lab)
{
    char name[64];
    shim[0] = 0;
    *lab = families[family].shim != NULL;
    if (families[family].shim) {
        snprintf(name, sizeof name, "lib/%s", families[family].shim);
        if (!lab_file("done", shim) || !lab_file(name, shim)) return false;
    }
    if (!families[family].own) {
        *lab = false;
        return installed_manifest(families[family].manifest, manifest);
    }
    snprintf(name, sizeof name, "%s.json", families[family].manifest);
    return lab_file(name, manifest);
}

static bool check_driver(const kernel_target *target, bool tell)
{
    char shim[512], manifest[512];
    bool lab;
    if (find_driver(target->family, shim, manifest, &lab)) return true;
    if (tell && lab)
        app_error("--target %s: its compiler is not there yet: run sh tools/gpu-lab.sh, once", target->name);
    else if (tell)
        app_error("--target %s: its driver is not installed (Debian: mesa-vulkan-drivers)", target->name);
    return false;
}

/* ---- the process ---- */

/* Starts the process without its first `skip` kernels. False, after an error line, where no process could start. */
static bool start(const kernel_target *target, uint32_t skip, char **argv, FILE *out, FILE *err, child_end *end)
{
    char shim[512], manifest[512], number[16];
    bool lab;
    if (!find_driver(target->family, shim, manifest, &lab)) return check_driver(target, true);
    snprintf(number, sizeof number, "%u", (unsigned)skip);
    const child_variable variables[] = {
        {TARGET_MARK, target->name},
        {TARGET_SKIP, number},
        {families[target->family].variable, target->chip},
        {"VK_DRIVER_FILES", manifest},
        {"VK_ICD_FILENAMES", manifest},        /* for loaders before 1.3.207 */
        {"MESA_SHADER_CACHE_DISABLE", "true"}, /* a real compilation each time */
        {"BIFROST_MESA_DEBUG", "shaderdb"},    /* Mali reports registers and spills only there */
        {"PAN_I_WANT_A_BROKEN_VULKAN_DRIVER", "1"},
        {"LD_PRELOAD", shim},
    };
    const size_t count = sizeof variables / sizeof *variables - !shim[0];
    if (child_run(argv, variables, count, out, err, KERNEL_LIMIT_S, end)) return true;
    app_error("--target %s: no process can be started: %s", target->name, strerror(errno));
    return false;
}

/* ---- what came back ---- */

/* One run of the process: the device's object, and an array with one object for each kernel that it began. */
typedef struct target_run {
    cJSON *device, *kernels;
    char error[256]; /* the first error line */
} target_run;

/* All that a process wrote, with a 0 behind it, malloc'd; NULL when short of memory. */
static char *read_all(FILE *file)
{
    char *text = NULL;
    size_t used = 0, room = 0, got = 1;
    rewind(file);
    while (got > 0) {
        if (room - used < 2) {
            room = room ? 2 * room : 65536;
            char *grown = realloc(text, room);
            if (!grown) break;
            text = grown;
        }
        got = fread(text + used, 1, room - used - 1, file);
        used += got;
        text[used] = 0;
    }
    return text;
}

/* Ends the line at its newline; returns the next one. */
static char *end_line(char *line)
{
    char *end = line + strcspn(line, "\n");
    char *next = *end ? end + 1 : end;
    *end = 0;
    return next;
}

/* A kernel's mark on stderr is an object with its name and constants; its result, on stdout, comes in the same order. */
static void read_results(FILE *out, target_run *run)
{
    char *text = read_all(out);
    int index = 0;
    for (char *line = text, *next; line && *line; line = next) {
        next = end_line(line);
        cJSON *item = cJSON_Parse(line);
        if (!item) continue;
        if (!run->device)
            run->device = item;
        else if (!cJSON_ReplaceItemInArray(run->kernels, index++, item))
            cJSON_Delete(item);
    }
    free(text);
}

static void add_mali(cJSON *kernel, const char *name, double value)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "executable", "shaderdb");
    cJSON_AddNumberToObject(item, "subgroup_size", 0);
    cJSON_AddStringToObject(item, "name", name);
    cJSON_AddNumberToObject(item, "value", value);
    cJSON_AddItemToArray(cJSON_GetObjectItem(kernel, "statistics"), item);
}

/* "…shader: 169 inst, 36.000000 cycles, …, 88 quadwords, 2 threads, 1 loops, 0:0 spills:fills": the number before a word. */
static bool number_before(const char *line, const char *word, double *value)
{
    const char *at = strstr(line, word);
    if (!at || at == line) return false;
    const char *start = at - 1; /* the blank between them */
    while (start > line && strchr("0123456789.:", start[-1])) start--;
    *value = strtod(start, NULL);
    return start < at - 1;
}

/* Reads stderr: marks, what Mali's compiler says about the kernel of the last mark, and error lines. Called twice: first for the marks, whose places
 * the results then take. */
static void read_messages(FILE *err, bool marks, target_run *run)
{
    static const char *const words[] = {"inst", "cycles", "quadwords", "threads", "spills"};
    static const char *const names[] = {"Instruction Count", "Cycle Count", "Quadwords", "Thread Count", "Spill Count"};
    const size_t mark = strlen(TARGET_KERNEL_MARK);
    char *text = read_all(err);
    int index = -1;
    for (char *line = text, *next; line && *line; line = next) {
        next = end_line(line);
        if (strncmp(line, TARGET_KERNEL_MARK, mark) == 0) {
            index++;
            cJSON *item = marks ? cJSON_Parse(line + mark) : NULL;
            if (marks) cJSON_AddItemToArray(run->kernels, item ? item : cJSON_CreateObject());
        }
        if (strncmp(line, "pumice: ", 8) == 0 && !run->error[0])
            snprintf(run->error, sizeof run->error, "%.255s", line + 8);
        cJSON *kernel = !marks && index >= 0 ? cJSON_GetArrayItem(run->kernels, index) : NULL;
        if (!kernel || !strstr(line, "SHADER-DB") || !cJSON_HasObjectItem(kernel, "statistics")) continue;
        double value;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (number_before(line, words[i], &value)) add_mali(kernel, names[i], value);
    }
    free(text);
}

/* Runs the process and reads what it wrote. False, after an error line, where no process could start. */
static bool run_process(const kernel_target *target, uint32_t skip, char **argv, target_run *run, child_end *end)
{
    FILE *out = tmpfile(), *err = tmpfile();
    if (!out || !err) app_error("--target %s: no temporary file can be made: %s", target->name, strerror(errno));
    const bool good = out && err && start(target, skip, argv, out, err, end);
    if (good) {
        *run = (target_run){.kernels = cJSON_CreateArray()};
        read_messages(err, true, run);
        read_results(out, run);
        read_messages(err, false, run);
    }
    if (out) fclose(out);
    if (err) fclose(err);
    return good;
}

/* One target: {"target", "gpu", "device", "driver", "kernels": […], "error"}; NULL, after an error line, where no process could start. Where a kernel
 * ends the process, another process begins behind that kernel. */
static cJSON *run_target(const kernel_target *target, char **argv)
{
    cJSON *json = cJSON_CreateObject(), *kernels = cJSON_CreateArray();
    child_end end = {true, ""};
    char error[256] = "";
    for (uint32_t skip = 0, begun = 1; end.killed && begun > 0; skip += begun) {
        target_run run;
        if (!run_process(target, skip, argv, &run, &end)) {
            cJSON_Delete(json);
            cJSON_Delete(kernels);
            return NULL;
        }
        begun = (uint32_t)cJSON_GetArraySize(run.kernels);
        if (end.killed && begun > 0)
            cJSON_AddStringToObject(cJSON_GetArrayItem(run.kernels, (int)begun - 1), "error", end.text);
        while (cJSON_GetArraySize(run.kernels) > 0)
            cJSON_AddItemToArray(kernels, cJSON_DetachItemFromArray(run.kernels, 0));
        if (run.device && skip == 0) {
            cJSON_Delete(json);
            json = run.device;
            run.device = NULL;
        }
        if (end.text[0] && !(end.killed && begun > 0))
            snprintf(error, sizeof error, "%.255s", run.error[0] ? run.error : end.text);
        cJSON_Delete(run.device);
        cJSON_Delete(run.kernels);
    }
    cJSON_AddStringToObject(json, "target", target->name);
    cJSON_AddStringToObject(json, "gpu", target->gpu);
    cJSON_AddItemToObject(json, "kernels", kernels);
    if (error[0]) cJSON_AddStringToObject(json, "error", error);
    return json;
}

/* ---- the command ---- */

/* Whether `name` is a word of "a,b". */
static bool named(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; *at;) {
        const size_t word = strcspn(at, ",");
        if (word == length && memcmp(at, name, word) == 0) return true;
        at += word;
        at += *at == ',';
    }
    return false;
}

/* Each word must be a target; false after an error line. */
static bool check_names(const char *list)
{
    for (const char *at = list; *at || at == list;) {
        const size_t word = strcspn(at, ",");
        bool known = word == 3 && memcmp(at, "all", 3) == 0;
        for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
            known |= strlen(targets[i].name) == word && memcmp(at, targets[i].name, word) == 0;
        if (!known) {
            app_error("--target %.*s: no such GPU is known; --target help lists them", (int)word, at);
            return false;
        }
        at += word;
        at += *at == ',';
    }
    return true;
}

static int list_targets(void)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        printf("%-10s %-32s %s%s\n", targets[i].name, targets[i].gpu,
               check_driver(&targets[i], false) ? "there" : "not there", targets[i].standard ? "; in all" : "");
    return EXIT_DONE;
}

/* Compiles GLSL here first, so that its errors come once and as they are. */
static bool check_source(const kernel_options *options)
{
    size_t count;
    uint32_t *words = options->file ? kernel_words(options, &count) : NULL;
    const bool good = words || !options->file;
    free(words);
    return good;
}

int kernel_targets(const kernel_options *options, char **argv)
{
    if (strcmp(options->target, "help") == 0) return list_targets();
    if (!check_names(options->target)) return EXIT_USAGE;
    if (!check_source(options)) return EXIT_FAILED;
    const bool all = named(options->target, "all");
    cJSON *results = cJSON_CreateArray();
    bool good = true;
    for (size_t i = 0; i < sizeof targets / sizeof *targets && good; i++) {
        if (!named(options->target, targets[i].name) && !(all && targets[i].standard)) continue;
        cJSON *result = NULL;
        good = check_driver(&targets[i], true);
        if (good) result = run_target(&targets[i], argv);
        good = good && result;
        if (result) cJSON_AddItemToArray(results, result);
    }
    if (good) good = kernel_print_targets(options, results);
    cJSON_Delete(results);
    return good ? EXIT_DONE : EXIT_FAILED;
}
