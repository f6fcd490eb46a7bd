/* A model's files, open: a folder, a program's source, or a GGUF file in place of either. What loading and conversion share. */
#ifndef MODEL_FILES_H
#define MODEL_FILES_H

#include "model/gguf_model.h"
#include "model/weights.h"

typedef struct gpt_files {
    pm_gpt_config config;
    pm_task task; /* what the head answers, where config.outputs is not 0 */
    gpt_source source;
    bool is_gguf;
    gguf_file gguf;
    gguf_weights gguf_weights;
    weights weights; /* of others */
} gpt_files;

/* Reads the configuration, and finds and checks all tensors. `out` must stay where it is. Fails as pm_model_load. */
pm_status gpt_files_open(const pm_log *log, const file_source *from, gpt_files *out);
void gpt_files_close(gpt_files *files);

/* The parameters' types in memory: [parameters], malloc'd. files: NULL where there are none, so that `kind` is not PM_WEIGHTS_FILE.
 * Fails: PM_INVALID, PM_NO_HOST_MEMORY. */
pm_status gpt_types(const pm_log *log, const pm_gpt_config *filled, const gpt_files *files, pm_weights kind,
                    dtype_id **out);

#endif
