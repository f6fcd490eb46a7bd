/* Time profiles: the device's commands and the host's spans on one clock.
 *
 * A device opened with pm_device_params.profile has a profile. It collects between pm_profile_start and pm_profile_stop: totals for each kind
 * of command, and events on a time line until that is full. Its memory is bounded when the device is opened. Profiled work computes the
 * same bits.
 *
 * A command's device time begins where all earlier commands have ended, and ends where it and they have ended. So times never count twice,
 * they add up to the time the device was busy, and they include the barrier before a command. A command that runs wholly beside an earlier
 * one has a time near 0. */
#ifndef PUMICE_PROFILE_H
#define PUMICE_PROFILE_H

#include <pumice/bench.h>
#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lives: as long as its device. Threads: as the device. */
typedef struct pm_profile pm_profile;

/* The device's profile; NULL where it was opened without. */
PM_API pm_profile *pm_device_profile(pm_device *device);

/* Collect from now on, until stopped. A second start adds to the first one's rows. A program that ran in between is not measured in its
 * next run. While stopped, the profile costs time stamps only, and a program drops those at its next run after a stop. */
PM_API void pm_profile_start(pm_profile *profile);
PM_API void pm_profile_stop(pm_profile *profile);

/* Seconds on the clock that spans are measured by. */
PM_API double pm_profile_now(void);
/* Adds a span of the host, from `since` until now. `name` is copied. Does nothing where the profile is NULL, stopped, or started after
 * `since`. */
PM_API void pm_profile_span(pm_profile *profile, const char *name, double since);

/* ---- results ------------------------------------------------------------------------------------- */

#define PM_DIRECTION_LIST(X)                                                                                           \
    X(NONE, "")                                                                                                        \
    X(FORWARD, "forward")                                                                                              \
    X(BACKWARD, "backward")                                                                                            \
    X(OPTIMIZER, "optimizer")

typedef enum pm_direction {
#define PM_DIRECTION_ENUM(name, text) PM_DIRECTION_##name,
    PM_DIRECTION_LIST(PM_DIRECTION_ENUM)
#undef PM_DIRECTION_ENUM
} pm_direction;

/* As above. Never NULL. */
PM_API const char *pm_direction_name(pm_direction direction);

typedef enum pm_profile_track {
    PM_PROFILE_HOST,        /* spans, by op */
    PM_PROFILE_SUBMISSIONS, /* parts of a program submitted together, by program */
    PM_PROFILE_COMMANDS,    /* dispatches, fills, copies */
} pm_profile_track;

#define PM_PROFILE_NO_KERNEL SIZE_MAX

/* Commands, spans or submissions of one kind. Texts live as long as the profile and are never NULL. */
typedef struct pm_profile_row {
    pm_profile_track track;
    const char *program; /* "train step" */
    const char *op;      /* "matmul" */
    const char *layer;   /* "h.3" */
    pm_direction direction;
    uint32_t shape[3];  /* of the op; 0: fewer dimensions */
    const char *kernel; /* "matmul_tile", or "fill", "copy" */
    size_t variant;     /* for pm_profile_kernel_at, or PM_PROFILE_NO_KERNEL */
    uint64_t count;     /* a dispatch that was cut counts each piece */
    double total_ms, min_ms, max_ms;
    double flops, bytes; /* of all of them: bytes if each operand is touched once */
} pm_profile_row;

/* Rows are in order of appearance; some may have count 0. A row's pointer is valid until more is collected or recorded. */
PM_API size_t pm_profile_row_count(const pm_profile *profile);
PM_API const pm_profile_row *pm_profile_row_at(const pm_profile *profile, size_t index);

typedef struct pm_profile_event {
    size_t row;
    double start_ms, ms; /* since the first pm_profile_start */
    double flops, bytes;
} pm_profile_event;

/* Events are in order of their ends, track by track. */
PM_API size_t pm_profile_event_count(const pm_profile *profile);
PM_API pm_profile_event pm_profile_event_at(const pm_profile *profile, size_t index);

/* How device times were put onto the host's clock. */
typedef enum pm_profile_clock {
    PM_PROFILE_CLOCK_NONE,       /* no device times: the device has no time stamps, or nothing ran */
    PM_PROFILE_CLOCK_ESTIMATED,  /* each run is centred between its submission and the end of the wait */
    PM_PROFILE_CLOCK_CALIBRATED, /* VK_EXT_calibrated_timestamps */
} pm_profile_clock;

typedef struct pm_profile_info {
    pm_profile_clock clock;
    double seconds;        /* on the host's clock, from start to stop (or now) */
    double device_seconds; /* of these, the device was busy: the sum of all commands */
    uint64_t runs;         /* of programs */
    uint64_t missed_runs;  /* not measured: another run of the same program was still queued */
    uint64_t dropped;      /* events beyond the time line's capacity; the rows count them */
} pm_profile_info;
PM_API void pm_profile_get_info(const pm_profile *profile, pm_profile_info *out);

/* A driver's statistic of a compiled kernel (VK_KHR_pipeline_executable_properties). */
typedef struct pm_profile_statistic {
    const char *executable; /* a kernel may be compiled more than once, for several subgroup sizes say */
    const char *name, *description;
    double value;
} pm_profile_statistic;

/* A kernel with its specialization constants. Numbers are -1 where the driver has none. */
typedef struct pm_profile_kernel {
    const char *name;
    const char *constants; /* "128,1,0" */
    double registers; /* an invocation, vector registers where a device has two kinds; the largest of its executables */
    double spills;    /* registers spilled to memory, in the driver's unit */
    double shared_bytes; /* a work group */
    size_t statistic_count;
    const pm_profile_statistic *statistics;
} pm_profile_kernel;

PM_API size_t pm_profile_kernel_count(const pm_profile *profile);
PM_API pm_profile_kernel pm_profile_kernel_at(const pm_profile *profile, size_t index);

/* ---- against the device's limits, and into files ----------------------------------------------------------------- */

/* A row's rate as a share (0 to 1) of the roofline at its FLOPs per byte. The roof is the copy peak and the arithmetic peak: that of matrix
 * units for kernels with "coop" in their names, else of fp32. NaN where the row has no time or the peaks are 0. More than 1 is
 * possible: operands in a cache move faster than a large copy. */
PM_API double pm_profile_roof_share(const pm_profile_row *row, const pm_peaks *peaks);

/* Writes trace.json (Chrome's trace event format, for Perfetto), kernels.csv (a line a row) and kernels.json (the drivers' statistics) into
 * `dir`, which it makes. Each file is written whole or not at all. Fails: PM_IO, PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_profile_write(const pm_profile *profile, const char *dir, const pm_peaks *peaks);

#ifdef __cplusplus
}
#endif
#endif
