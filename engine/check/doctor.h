/* The self-test as tests run it: on a device made faulty, or for one operation only. */
#ifndef CHECK_DOCTOR_H
#define CHECK_DOCTOR_H

#include <pumice/doctor.h>

#include "ops/op.h"

typedef struct doctor_options {
    void (*opened)(pm_device *device); /* called after each opening; may be NULL */
    bool one;                          /* examine only this operation */
    op_id op;
} doctor_options;

pm_status doctor_run(const pm_device_params *params, const doctor_options *options, pm_doctor_fn *tell, void *user,
                     pm_doctor_report *out);

#endif
