/* transformers' GPT2ForSequenceClassification and OpenAIGPTForSequenceClassification in config.json. */
#ifndef MODEL_CLASSIFIER_H
#define MODEL_CLASSIFIER_H

#include <cjson/cJSON.h>

#include "model/gpt.h"

/* Reads such a model's task. Its labels are id2label's, or LABEL_0 and so on. One label alone, or problem_type "regression", is a score. *out
 * stays zero where "architectures" names no such class. It also does, with a warning, where the head gives several labels at once or several
 * scores. Fails: PM_FORMAT. */
pm_status classifier_read(const pm_log *log, const char *path, const cJSON *root, const pm_gpt_config *config,
                          pm_task *out);
/* Adds the labels and problem_type of any task with one sequence an example. The caller writes "architectures". */
void classifier_write(cJSON *root, const pm_task *task);

#endif
