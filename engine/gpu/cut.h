/* Cutting a list of commands into submissions of bounded time. No Vulkan. */
#ifndef GPU_CUT_H
#define GPU_CUT_H

#include "gpu/gpu.h"

/* A command, as cutting sees it. */
typedef struct gpu_work {
    double ms;          /* expected time: from assumed rates first, from measurements later */
    uint32_t groups[3]; /* of a dispatch; {1, 1, 1} where it cannot be split */
    bool whole;         /* must not be split */
} gpu_work;

/* A command, or some of a dispatch's work groups. */
typedef struct gpu_part {
    uint32_t command;
    uint32_t base[3], count[3];
    double ms;
} gpu_part;

/* Consecutive parts that are submitted together. */
typedef struct gpu_submission {
    uint32_t first, count;
    double ms; /* expected */
} gpu_submission;

typedef struct gpu_cut {
    gpu_part *parts;
    uint32_t part_count;
    gpu_submission *submissions;
    uint32_t submission_count;
} gpu_cut;

/* Estimates a command's time (ms) from its operations, its bytes and the kind of device. */
double gpu_cut_guess(pm_device_type type, double flops, double bytes);

/* How many times its estimate a command may take before it was measured. */
double gpu_cut_caution(pm_device_type type);
/* The part's share of its command's work. */
double gpu_cut_share(const gpu_work *work, const gpu_part *part);

/* Cuts so that no submission is expected to exceed `limit_ms`, as far as commands can be split. Fails, without a line:
 * PM_NO_HOST_MEMORY. */
pm_status gpu_cut_make(const gpu_work *work, uint32_t count, double limit_ms, gpu_cut *out);
/* Cuts one submission from a place on: as much as is expected to fit into limit_ms, at least one row of work groups, at most
 * `most` parts. Moves the place to its end. */
typedef struct gpu_place {
    uint32_t command, done; /* rows of its work groups */
} gpu_place;
pm_status gpu_cut_next(const gpu_work *work, uint32_t count, double limit_ms, uint32_t most, gpu_place *place,
                       gpu_cut *out);
void gpu_cut_free(gpu_cut *cut);

/* Corrects the commands' expected times by the measured times of the cut's submissions. */
void gpu_cut_learn(gpu_work *work, const gpu_cut *cut, const double *measured_ms);

#endif
