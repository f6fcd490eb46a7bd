/* What the drivers reported, in terms common to all: registers, spills, scratch memory, instructions, cycles,
 * occupancy. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_target.h"

/* ---- one driver's words ---- */

/* The largest value under a name; a kernel may consist of several executables. Negative: nothing has that name. */
static double statistic(const cJSON *statistics, const char *name)
{
    const cJSON *item;
    double most = -1;
    cJSON_ArrayForEach(item, statistics)
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
        const double value = cJSON_GetNumberValue(cJSON_GetObjectItem(item, "value"));
        if (text && strcmp(text, name) == 0 && value > most) most = value;
    }
    return most;
}

static double first_of(const cJSON *statistics, const char *const *names)
{
    for (; *names; names++) {
        const double value = statistic(statistics, *names);
        if (value >= 0) return value;
    }
    return -1;
}

static double sum_of(const cJSON *statistics, const char *a, const char *b)
{
    const double x = statistic(statistics, a), y = statistic(statistics, b);
    return x < 0 ? y : y < 0 ? x : x + y;
}

/* AMD: VGPRs a lane; Intel: live registers of 32 bytes; Adreno: registers of four words a lane; VideoCore and Mali report none. Spills: AMD, VGPRs
 * and SGPRs; Intel, spilling sends; Adreno, stores and loads of private memory; VideoCore, bytes; Mali, stores. */
kernel_cost kernel_cost_of(const cJSON *s)
{
    static const char *const registers[] = {"VGPRs", "Max live registers", "Registers used", NULL};
    static const char *const instructions[] = {"Instructions", "Instruction Count", NULL};
    static const char *const cycles[] = {"Latency", "Cycle Count", "Cycle count", NULL};
    static const char *const scratch[] = {"Scratch size", "Scratch Memory Size", NULL};
    static const struct {
        const char *name, *note;
    } occupancy[] = {{"Subgroups per SIMD", "waves a SIMD"},
                     {"Max Waves Per Core", "waves a core"},
                     {"Thread Count", "threads"},
                     {"Max dispatch width", "SIMD"}};
    kernel_cost cost = {
        first_of(s, registers), -1, first_of(s, scratch), first_of(s, instructions), first_of(s, cycles), -1, ""};
    cost.spills = sum_of(s, "Spilled VGPRs", "Spilled SGPRs");
    if (cost.spills < 0) cost.spills = sum_of(s, "STP Count", "LDP Count");
    if (cost.spills < 0) cost.spills = statistic(s, "Spill Size");
    if (cost.spills < 0) cost.spills = statistic(s, "Spill Count");
    for (size_t i = 0; i < sizeof occupancy / sizeof *occupancy && cost.occupancy < 0; i++) {
        cost.occupancy = statistic(s, occupancy[i].name);
        if (cost.occupancy >= 0) snprintf(cost.note, sizeof cost.note, "%s", occupancy[i].note);
    }
    return cost;
}

static const char *cell(double value, char text[24])
{
    if (value < 0) return "";
    snprintf(text, 24, "%.0f", value);
    return text;
}

/* ---- a table for each GPU ---- */

static const char *text_of(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, name));
    return text ? text : "";
}

/* "64, 1, 4", the constants' values. */
static const char *spec_text(const cJSON *kernel, char text[96])
{
    const cJSON *item;
    size_t at = 0;
    text[0] = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(kernel, "spec"))
    {
        const int n = snprintf(text + at, 96 - at, "%s%.0f", at ? " " : "", cJSON_GetNumberValue(item));
        if (n < 0 || (size_t)n >= 96 - at) break;
        at += (size_t)n;
    }
    return text;
}

static void print_row(const cJSON *kernel, bool markdown)
{
    char spec[96], a[24], b[24], c[24], d[24], e[24], f[24];
    const cJSON *statistics = cJSON_GetObjectItem(kernel, "statistics");
    const char *name = text_of(kernel, "name");
    if (!statistics) {
        printf(markdown ? "| %s | %s | %s |\n" : "%-24s %-28s %s\n", name, spec_text(kernel, spec),
               text_of(kernel, "error"));
        return;
    }
    const kernel_cost cost = kernel_cost_of(statistics);
    printf(markdown ? "| %s | %s | %s | %s | %s | %s | %s | %s %s |\n" : "%-24s %-28s %9s %7s %8s %8s %9s   %s %s\n",
           name, spec_text(kernel, spec), cell(cost.registers, a), cell(cost.spills, b), cell(cost.scratch, c),
           cell(cost.instructions, d), cell(cost.cycles, e), cell(cost.occupancy, f), cost.note);
}

static void print_table(const cJSON *result, bool markdown)
{
    const cJSON *kernel;
    printf(markdown ? "\n## %s: %s\n\n%s, %s\n\n" : "\n%s: %s (%s, %s)\n", text_of(result, "target"),
           text_of(result, "gpu"), text_of(result, "device"), text_of(result, "driver"));
    if (cJSON_HasObjectItem(result, "error")) printf("%s\n", text_of(result, "error"));
    if (cJSON_GetArraySize(cJSON_GetObjectItem(result, "kernels")) == 0) return;
    if (markdown && cJSON_HasObjectItem(result, "error")) printf("\n");
    if (markdown)
        printf("| kernel | constants | registers | spills | scratch | instructions | cycles | occupancy |\n| --- | --- "
               "| --: | --: | --: | --: | --: | --- |\n");
    else
        printf("%-24s %-28s %9s %7s %8s %8s %9s   %s\n", "kernel", "constants", "registers", "spills", "scratch",
               "instr.", "cycles", "occupancy");
    cJSON_ArrayForEach(kernel, cJSON_GetObjectItem(result, "kernels")) print_row(kernel, markdown);
}

/* The highest occupancy of a GPU's kernels. The smallest kernels reach the GPU's limit. */
static double full_occupancy(const cJSON *result)
{
    const cJSON *kernel;
    double most = -1;
    cJSON_ArrayForEach(kernel, cJSON_GetObjectItem(result, "kernels"))
    {
        const double value = kernel_cost_of(cJSON_GetObjectItem(kernel, "statistics")).occupancy;
        if (value > most) most = value;
    }
    return most;
}

static void print_spill(const cJSON *kernel, const kernel_cost *cost, const char *where, const char *spec)
{
    printf("%s on %s (%s): %.0f spilled", text_of(kernel, "name"), where, spec, cost->spills > 0 ? cost->spills : 0);
    if (cost->scratch > 0) printf(", %.0f bytes of scratch", cost->scratch);
    printf("\n");
}

/* Prints the kernels that were not built, or have spills or scratch memory. With `occupancy`: those below half of what fits. Intel reports no
 * occupancy, because its compiler chooses the SIMD width. */
static void print_faults(const cJSON *results, bool occupancy, bool markdown)
{
    const cJSON *result, *kernel;
    int count = 0;
    char spec[96];
    const char *title = occupancy ? "Less than half of full occupancy" : "Spills, scratch memory, not built";
    printf(markdown ? "\n## %s\n\n" : "\n%s:\n", title);
    cJSON_ArrayForEach(result, results)
    {
        const double full = full_occupancy(result);
        cJSON_ArrayForEach(kernel, cJSON_GetObjectItem(result, "kernels"))
        {
            const kernel_cost cost = kernel_cost_of(cJSON_GetObjectItem(kernel, "statistics"));
            const bool built = cJSON_HasObjectItem(kernel, "statistics"), simd = strcmp(cost.note, "SIMD") == 0;
            const bool low = cost.occupancy >= 0 && !simd && 2 * cost.occupancy < full;
            const bool spills = cost.spills > 0 || cost.scratch > 0 || !built;
            if (occupancy ? !low : !spills) continue;
            printf(markdown ? "- " : "    ");
            count++;
            spec_text(kernel, spec);
            if (occupancy)
                printf("%s on %s (%s): %.0f of %.0f %s\n", text_of(kernel, "name"), text_of(result, "target"), spec,
                       cost.occupancy, full, cost.note);
            else if (!built)
                printf("%s on %s (%s): %s\n", text_of(kernel, "name"), text_of(result, "target"), spec,
                       text_of(kernel, "error"));
            else
                print_spill(kernel, &cost, text_of(result, "target"), spec);
        }
    }
    if (count == 0) printf(markdown ? "None.\n" : "    none\n");
}

/* One kernel of a file: what the driver says, in its own words. */
static void print_plain(const cJSON *result)
{
    const cJSON *kernel;
    printf("%s: %s (%s, %s)\n", text_of(result, "target"), text_of(result, "gpu"), text_of(result, "device"),
           text_of(result, "driver"));
    cJSON_ArrayForEach(kernel, cJSON_GetObjectItem(result, "kernels"))
    {
        kernel_print_statistics(cJSON_GetObjectItem(kernel, "statistics"));
    }
}

/* ---- all of it ---- */

static bool tell_errors(const cJSON *results)
{
    const cJSON *result, *kernel;
    bool good = true;
    cJSON_ArrayForEach(result, results)
    {
        bool told = false;
        cJSON_ArrayForEach(kernel, cJSON_GetObjectItem(result, "kernels"))
        {
            if (cJSON_HasObjectItem(kernel, "error") && !told) {
                app_error("--target %s: %s", text_of(result, "target"), text_of(kernel, "error"));
                told = true;
            }
        }
        if (cJSON_HasObjectItem(result, "error") && !told)
            app_error("--target %s: %s", text_of(result, "target"), text_of(result, "error"));
        good = good && !told && !cJSON_HasObjectItem(result, "error");
    }
    return good;
}

static void print_document_head(void)
{
    printf(
        "# What the default kernels cost on GPUs\n\n"
        "Written by `sh tools/gpu-lab.sh table`: the compilers of Mesa's drivers, no GPU. The kernels are those "
        "that pre-training and decoding a GPT-2 of 768\n"
        "channels, a Qwen 3 with heads of 128 and a Gemma 3 with heads of 256 take on each, with the values of their "
        "specialization constants.\n\n"
        "- registers: AMD, VGPRs a lane; Intel, live registers of 32 bytes (a SIMD16 kernel of 4-byte values takes "
        "two each); Adreno, registers of four words.\n"
        "- spills: AMD, registers; Intel and Mali, spilling stores; Adreno, stores and loads of private memory; "
        "VideoCore, bytes. scratch: bytes, where told.\n"
        "- cycles: the compilers' own static estimates (AMD: latency), good for comparing two versions of a kernel "
        "on the same GPU if their loops\n"
        "  are alike: AMD's counts 8 rounds of each, 4 of one within another, 2 further in.\n"
        "- occupancy: AMD, waves that fit on a SIMD as the driver counts them, from navi10 on by 32 lanes, though "
        "these kernels' waves have 64 (at most 40\n"
        "  on navi10, 32 on later ones, 10 on vega10, 8 on polaris10); Adreno, waves a core (16 at most); VideoCore, "
        "threads (4 at most);\n"
        "  Mali, 2 threads for all of them, 1 for half; Intel, the SIMD width.\n"
        "- A kernel whose compiler takes more than 30 s of processor time counts as not built.\n");
}

bool kernel_print_targets(const kernel_options *options, const cJSON *results)
{
    const cJSON *result;
    const bool plain = options->file && !options->markdown && cJSON_GetArraySize(results) == 1;
    if (options->common.json) {
        char *text = cJSON_Print(results);
        if (text) puts(text);
        free(text);
        return tell_errors(results);
    }
    if (plain && !tell_errors(results)) return false;
    if (options->markdown) {
        print_document_head();
        print_faults(results, false, true);
        print_faults(results, true, true);
    }
    cJSON_ArrayForEach(result, results)
    {
        if (plain)
            print_plain(result);
        else
            print_table(result, options->markdown);
    }
    if (!options->markdown && !plain) {
        print_faults(results, false, false);
        if (!options->file) print_faults(results, true, false);
    }
    return plain || tell_errors(results);
}
