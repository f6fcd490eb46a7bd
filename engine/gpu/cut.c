/* Cuts a list of commands into submissions of bounded time. */
#include "gpu/cut.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_PARTS = 4096 }; /* of one dispatch */
#define LEAST_MS 1e-4      /* of a submission: coarse clocks may measure 0 */

/* First rates, deliberately low: a first run in too many submissions costs little, a watchdog costs the device. */
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

/* How far below the rates above a device or kernel may be. GPU drivers have a watchdog of some seconds. A factor of 64 leaves
 * 31 GFLOP/s for a discrete GPU and 3 for a phone's. A software driver has no watchdog. */
double gpu_cut_caution(pm_device_type type)
{
    return type == PM_DEVICE_CPU ? 1 : 64;
}

/* The axis along which a dispatch may be split. Kernels compute a flat index from x, y and the length of x (flat_group() in
 * shaders/common/kernel.glsl): so y or z where they have groups, and x where it is the only axis. */
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

/* Rows [first, end) of a command along its axis. */
static gpu_part part_of(const gpu_work *work, uint32_t index, uint64_t first, uint64_t end)
{
    int axis = split_axis(work->groups);
    gpu_part part = {.command = index};
    for (int k = 0; k < 3; k++) part.count[k] = work->groups[k];
    part.base[axis] = (uint32_t)first;
    part.count[axis] = (uint32_t)(end - first);
    part.ms = work->ms * (double)(end - first) / (double)work->groups[axis];
    return part;
}

double gpu_cut_share(const gpu_work *work, const gpu_part *part)
{
    double share = 1;
    for (int i = 0; i < 3; i++) share *= (double)part->count[i] / (double)work->groups[i];
    return share;
}

static void add_parts(gpu_cut *cut, const gpu_work *work, uint32_t index, uint32_t parts)
{
    uint64_t length = work->groups[split_axis(work->groups)];
    for (uint32_t i = 0; i < parts; i++)
        cut->parts[cut->part_count++] = part_of(work, index, length * i / parts, length * (i + 1) / parts);
}

static bool reserve(gpu_cut *cut, size_t parts, size_t submissions)
{
    if (parts > UINT32_MAX) return false;
    cut->parts = malloc((parts ? parts : 1) * sizeof *cut->parts);
    cut->submissions = malloc((submissions ? submissions : 1) * sizeof *cut->submissions);
    if (cut->parts && cut->submissions) return true;
    gpu_cut_free(cut);
    return false;
}

pm_status gpu_cut_make(const gpu_work *work, uint32_t count, double limit_ms, gpu_cut *out)
{
    gpu_cut cut = {0};
    size_t parts = 0;
    for (uint32_t i = 0; i < count; i++) parts += parts_of(&work[i], limit_ms);
    if (!reserve(&cut, parts, parts)) return PM_NO_HOST_MEMORY;
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

/* How many more rows of a command fit into the time left, where `done` rows are cut already; 0: none. */
static uint64_t rows_that_fit(const gpu_work *work, uint32_t done, double left_ms, bool must)
{
    uint64_t length = work->groups[split_axis(work->groups)], rest = length - done;
    double row_ms = work->ms / (double)length;
    if (row_ms * (double)rest <= left_ms) return rest;
    if (work->whole) return must ? rest : 0;
    uint64_t rows = (uint64_t)(left_ms / row_ms);
    if (rows > rest) rows = rest;
    return rows == 0 && must ? 1 : rows;
}

pm_status gpu_cut_next(const gpu_work *work, uint32_t count, double limit_ms, uint32_t most, gpu_place *place,
                       gpu_cut *out)
{
    gpu_cut cut = {.submission_count = 1};
    if (!reserve(&cut, most, 1)) return PM_NO_HOST_MEMORY;
    gpu_submission *all = cut.submissions;
    *all = (gpu_submission){0};
    while (place->command < count && cut.part_count < most) {
        const gpu_work *next = &work[place->command];
        double left = limit_ms > all->ms ? limit_ms - all->ms : 0;
        uint64_t rows = rows_that_fit(next, place->done, left, cut.part_count == 0);
        if (rows == 0) break;
        cut.parts[cut.part_count] = part_of(next, place->command, place->done, place->done + rows);
        all->ms += cut.parts[cut.part_count++].ms;
        place->done += (uint32_t)rows;
        if (place->done < next->groups[split_axis(next->groups)]) break;
        *place = (gpu_place){place->command + 1, 0};
    }
    all->count = cut.part_count;
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
        double scale = fmax(measured_ms[s], LEAST_MS) / submission->ms;
        for (uint32_t i = 0; i < submission->count; i++) {
            const gpu_part *part = &cut->parts[submission->first + i];
            if (part->command != previous) work[part->command].ms = 0;
            work[part->command].ms += part->ms * scale;
            previous = part->command;
        }
    }
}
