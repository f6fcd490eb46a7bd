/* Whether a device computes what it should: every operation, forward and backward, against its twin on the CPU in double; memory copies; a short
 * training run. What gives wrong numbers is switched off for this device and driver, and for every later run on it, as long as something else
 * can take its place. */
#ifndef PUMICE_DOCTOR_H
#define PUMICE_DOCTOR_H

#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Something that was wrong, and what was switched off for it. */
typedef struct pm_doctor_finding {
    char wrong[800]; /* the operation, its shapes, and how its result differs */
    char off[64];    /* "kernel NAME" or "feature NAME"; "": nothing that helps */
} pm_doctor_finding;

enum { PM_DOCTOR_FINDINGS = 32 };

typedef struct pm_doctor_report {
    pm_caps caps;                /* of the device, as it is used from now on */
    uint32_t operations, checks; /* compared with their twins: how many, in how many shapes and formats */
    uint32_t kernels;            /* that ran in them */
    uint32_t skipped;            /* checks that the device has no memory for */
    uint32_t copies;             /* writes, fills, copies and reads of memory, compared byte for byte */
    uint32_t steps;              /* of training */
    double loss_error;           /* the largest relative difference of a step's loss from the twin's */
    double weight_error; /* sum of squared differences of the weights behind the last step over the sum of squares */
    double seconds;
    uint32_t finding_count; /* those beyond PM_DOCTOR_FINDINGS are counted, not kept */
    pm_doctor_finding findings[PM_DOCTOR_FINDINGS];
    bool fit;   /* all is right now */
    bool saved; /* what was switched off is kept for later runs; false without a cache folder */
} pm_doctor_report;

/* Is told what is checked next: an operation's name, "memory", "training". */
typedef void pm_doctor_fn(void *user, const char *what);

/* Examines a device, which it opens and closes; what an earlier examination switched off is tried again. `tell` may be NULL. PM_OK also where
 * something is wrong: the report says what. Fails as pm_device_open does, and with PM_DEVICE_LOST, PM_NO_*_MEMORY. */
PM_API PM_NODISCARD pm_status pm_doctor_run(const pm_device_params *params, pm_doctor_fn *tell, void *user,
                                            pm_doctor_report *out);

#ifdef __cplusplus
}
#endif
#endif
