/* A short training run on the device against the same run on the CPU, in double. */
#ifndef CHECK_TRAIN_CHECK_H
#define CHECK_TRAIN_CHECK_H

#include <pumice/doctor.h>

/* Fills in what the report says of training. *right: the two agree. Fails: PM_NO_HOST_MEMORY, and what a trainer fails with. */
pm_status train_check(pm_device *device, pm_doctor_report *report, bool *right);

#endif
