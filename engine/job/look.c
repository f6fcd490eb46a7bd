/* What a folder is to a run that would begin there. */
#include <stdlib.h>

#include <pumice/run.h>

#include "files/file.h"
#include "job/metrics.h"

/* Whether metrics.jsonl is a run's, and how many steps it has. */
static bool has_lines(const char *dir, uint32_t *steps)
{
    char *path = file_join(dir, "metrics.jsonl");
    const bool ours = path && metrics_are_of_run(path, steps);
    free(path);
    return ours;
}

pm_run_state pm_run_look(const char *dir, const char **file)
{
    enum { IN_THE_WAY = PM_FILES_TOKENIZER | PM_FILES_MODEL | PM_FILES_GENERATION | PM_FILES_RUN };
    const bool model = pm_folder_has(dir, "model.safetensors"), drawn = pm_folder_has(dir, "loss.png");
    const char *weights = pm_folder_find(dir, PM_FILES_WEIGHTS);
    uint32_t steps = 0;
    *file = NULL;
    if (pm_folder_find(dir, PM_FILES_CHECKPOINT)) return PM_RUN_SAVED;
    /* A run has its first checkpoint before its first step. */
    const bool ours = has_lines(dir, &steps);
    if (model && (drawn || (ours && steps > 0))) return PM_RUN_STRIPPED;
    /* Before that, it has no other files than these: metrics.jsonl comes first, and is empty. */
    if (ours && steps == 0 && !drawn && !pm_folder_has(dir, "generation_config.json") && (model || !weights))
        return model ? PM_RUN_BEGUN : PM_RUN_NONE;
    *file = weights ? weights : pm_folder_find(dir, IN_THE_WAY);
    return weights ? PM_RUN_MODEL : *file ? PM_RUN_FILES : PM_RUN_NONE;
}
