/* The self-test of a device. It compares every operation, forward and backward, with a reference on the CPU in double, checks memory copies, and
 * trains for a few steps. A kernel or feature that computes wrongly is switched off for this device and driver, in later runs too, where
 * another can replace it. */
#ifndef PUMICE_DOCTOR_H
#define PUMICE_DOCTOR_H

#include <pumice/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A fault found, and the kernel or feature that was switched off for it. */
typedef struct pm_doctor_finding {
    char wrong[800]; /* the operation, its shapes, and how its result differs */
    char off[64];    /* "kernel NAME" or "feature NAME"; "": switching nothing off helps */
} pm_doctor_finding;

enum { PM_DOCTOR_FINDINGS = 32 };

typedef struct pm_doctor_report {
    pm_caps caps;                /* of the device, without what is switched off */
    uint32_t operations, checks; /* operations compared, and comparisons over all shapes and formats */
    uint32_t kernels;            /* kernels that ran in these */
    uint32_t skipped;            /* checks left out for lack of device memory */
    uint32_t copies;             /* writes, fills, copies and reads of memory, compared byte for byte */
    uint32_t steps;              /* of training */
    double loss_error;           /* the largest relative difference of a step's loss from the twin's */
    double weight_error; /* sum of squared differences of the weights behind the last step over the sum of squares */
    double seconds;
    uint32_t finding_count; /* those beyond PM_DOCTOR_FINDINGS are counted, not kept */
    pm_doctor_finding findings[PM_DOCTOR_FINDINGS];
    bool fit;   /* nothing wrong is left in use */
    bool saved; /* the switches are kept for later runs; false without a cache folder */
} pm_doctor_report;

/* Called before each check with its name: an operation's, "memory", "training". */
typedef void pm_doctor_fn(void *user, const char *what);

/* Opens a device, examines it and closes it. What an earlier examination switched off is tried again; it stays
 * off where this one does not come to it, as on a device that is lowered. `tell` may be NULL. Faults are in
 * the report, and the status is still PM_OK. Fails as pm_device_open does, and with PM_DEVICE_LOST, PM_NO_*_MEMORY, PM_IO (what was
 * found cannot be kept), PM_CANCELLED by params->control (nothing is kept then). */
PM_API PM_NODISCARD pm_status pm_doctor_run_sized(const pm_device_params *params, size_t params_size,
                                                  pm_doctor_fn *tell, void *user, pm_doctor_report *out);
PM_NODISCARD static inline pm_status pm_doctor_run(const pm_device_params *params, pm_doctor_fn *tell, void *user,
                                                   pm_doctor_report *out)
{
    return pm_doctor_run_sized(params, sizeof *params, tell, user, out);
}

#ifdef __cplusplus
}
#endif
#endif
