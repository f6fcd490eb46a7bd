/* The arithmetic of cutting. */
#include "gpu/cut.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_PARTS = 4096 }; /* of one dispatch */

/* Rates to start from, deliberately low: a first run cut too fine costs little, a watchdog costs the device. */
typedef struct gpu_rates {
    double flops, bytes; /* a millisecond */
    double ms;           /* whatever the command does */
} gpu_rates;

static gpu_rates rates_of(pm_device_type type)
{
    switch (type) {
    case PM_DEVICE_DISCRETE: return (gpu_rates){2000e6, 200e6, 0.005};
    case PM_DEVICE_CPU: return (gpu_rates){10e6, 2e6, 0.02};
    default: return (gpu_rates){200e6, 20e6, 0.01};
    }
}

double gpu_cut_guess(pm_device_type type, double flops, double bytes)
{
    gpu_rates rates = rates_of(type);
    double compute = flops / rates.flops, move = bytes / rates.bytes;
    double ms = rates.ms + (compute > move ? compute : move);
    return isfinite(ms) && ms > rates.ms ? ms : rates.ms;
}

/* The axis along which a dispatch may be split: y or z where they have groups, for kernels number a flat grid by x
 * and y and read x's whole length (flat_group() in shaders/common/kernel.glsl); x only where it is the only one. */
static int split_axis(const uint32_t groups[3])
{
    if (groups[1] == 1 && groups[2] == 1) return 0;
    return groups[2] > groups[1] ? 2 : 1;
}

static uint32_t parts_of(const gpu_work *work, double limit_ms)
{
    if (work->whole || !(work->ms > limit_ms)) return 1;
    double wanted = ceil(work->ms / limit_ms);
    uint32_t most = work->groups[split_axis(work->groups)];
    if (most > MAX_PARTS) most = MAX_PARTS;
    return wanted < most ? (uint32_t)wanted : most;
}

static void add_parts(gpu_cut *cut, const gpu_work *work, uint32_t index, uint32_t parts)
{
    int axis = split_axis(work->groups);
    uint64_t length = work->groups[axis];
    for (uint32_t i = 0; i < parts; i++) {
        gpu_part part = {.command = index};
        uint64_t first = length * i / parts, end = length * (i + 1) / parts;
        for (int k = 0; k < 3; k++) part.count[k] = work->groups[k];
        part.base[axis] = (uint32_t)first;
        part.count[axis] = (uint32_t)(end - first);
        part.ms = work->ms * (double)(end - first) / (double)length;
        cut->parts[cut->part_count++] = part;
    }
}

pm_status gpu_cut_make(const gpu_work *work, uint32_t count, double limit_ms, gpu_cut *out)
{
    gpu_cut cut = {0};
    size_t parts = 0;
    for (uint32_t i = 0; i < count; i++) parts += parts_of(&work[i], limit_ms);
    if (parts > UINT32_MAX) return PM_NO_HOST_MEMORY;
    cut.parts = malloc((parts ? parts : 1) * sizeof *cut.parts);
    cut.submissions = malloc((parts ? parts : 1) * sizeof *cut.submissions);
    if (!cut.parts || !cut.submissions) {
        gpu_cut_free(&cut);
        return PM_NO_HOST_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) add_parts(&cut, &work[i], i, parts_of(&work[i], limit_ms));
    gpu_submission *last = NULL;
    for (uint32_t i = 0; i < cut.part_count; i++) {
        if (!last || last->ms + cut.parts[i].ms > limit_ms) {
            last = &cut.submissions[cut.submission_count++];
            *last = (gpu_submission){i, 0, 0};
        }
        last->count++;
        last->ms += cut.parts[i].ms;
    }
    *out = cut;
    return PM_OK;
}

void gpu_cut_free(gpu_cut *cut)
{
    free(cut->parts);
    free(cut->submissions);
    *cut = (gpu_cut){0};
}

void gpu_cut_learn(gpu_work *work, const gpu_cut *cut, const double *measured_ms)
{
    uint32_t previous = UINT32_MAX;
    for (uint32_t s = 0; s < cut->submission_count; s++) {
        const gpu_submission *submission = &cut->submissions[s];
        double scale = measured_ms[s] / submission->ms;
        for (uint32_t i = 0; i < submission->count; i++) {
            const gpu_part *part = &cut->parts[submission->first + i];
            if (part->command != previous) work[part->command].ms = 0;
            work[part->command].ms += part->ms * scale;
            previous = part->command;
        }
    }
}
