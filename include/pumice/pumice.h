/* Pumice: train, fine-tune and run GPT models on any Vulkan GPU. This header includes all the others. */
#ifndef PUMICE_PUMICE_H
#define PUMICE_PUMICE_H

#include <pumice/autotune.h>
#include <pumice/bench.h>
#include <pumice/control.h>
#include <pumice/device.h>
#include <pumice/doctor.h>
#include <pumice/finetune.h>
#include <pumice/folder.h>
#include <pumice/infer.h>
#include <pumice/job.h>
#include <pumice/kernel.h>
#include <pumice/model.h>
#include <pumice/profile.h>
#include <pumice/run.h>
#include <pumice/source.h>
#include <pumice/status.h>
#include <pumice/task.h>
#include <pumice/text.h>
#include <pumice/train.h>

#define PM_VERSION "0.1.0"

#endif
