/* What a folder is to a run that would begin there. */
#include <stdlib.h>

#include <pumice/run.h>

#include "files/file.h"
#include "job/metrics.h"

/* Whether a run began here and has not come to its first checkpoint. It makes metrics.jsonl before all else. */
static bool is_begun(const char *dir)
{
    uint32_t steps = 0;
    char *path = file_join(dir, "metrics.jsonl");
    const bool ours = path && metrics_are_of_run(path, &steps);
    free(path);
    /* A run has a model before its first step: steps without a model are left from a run whose model was removed. Before that step, it has no other
     * files than these. */
    if (steps > 0) return ours && pm_folder_has(dir, "model.safetensors");
    if (!ours || pm_folder_has(dir, "generation_config.json") || pm_folder_has(dir, "loss.png")) return false;
    return pm_folder_has(dir, "model.safetensors") || !pm_folder_find(dir, PM_FILES_WEIGHTS);
}

pm_run_state pm_run_look(const char *dir, const char **file)
{
    enum { IN_THE_WAY = PM_FILES_TOKENIZER | PM_FILES_MODEL | PM_FILES_GENERATION | PM_FILES_RUN };
    const char *weights = pm_folder_find(dir, PM_FILES_WEIGHTS);
    *file = NULL;
    if (pm_folder_find(dir, PM_FILES_CHECKPOINT)) return PM_RUN_SAVED;
    if (pm_folder_has(dir, "loss.png") && pm_folder_has(dir, "model.safetensors")) return PM_RUN_STRIPPED;
    if (is_begun(dir)) return weights ? PM_RUN_BEGUN : PM_RUN_NONE;
    *file = weights ? weights : pm_folder_find(dir, IN_THE_WAY);
    return weights ? PM_RUN_MODEL : *file ? PM_RUN_FILES : PM_RUN_NONE;
}
