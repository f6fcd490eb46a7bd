/* A task's head in config.json. */
#ifndef MODEL_TASK_HEAD_H
#define MODEL_TASK_HEAD_H

#include <cjson/cJSON.h>

#include "model/gpt.h"

/* "architectures" for a model with this head, NULL where Hugging Face has no class for it. */
const char *gpt_task_class(const pm_task *task, const arch_info *family);
/* Adds "pumice_task", and the labels in Hugging Face's form. */
void gpt_task_write(cJSON *root, const pm_task *task);
/* Reads "pumice_task", which must be there. Fails: PM_FORMAT. */
pm_status gpt_task_read(const pm_log *log, const char *path, const cJSON *root, pm_task *out);

/* The model keeps a copy. */
pm_status gpt_model_set_task(pm_model *model, const pm_task *task);

#endif
