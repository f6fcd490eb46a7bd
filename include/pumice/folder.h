/* What lies in a folder of models and runs, by its files' names. Paths are UTF-8. Threads: any. */
#ifndef PUMICE_FOLDER_H
#define PUMICE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include <pumice/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of files. */
enum {
    PM_FILES_MODEL = 1,       /* config.json */
    PM_FILES_GENERATION = 2,  /* generation_config.json, which counts before the model's own */
    PM_FILES_TOKENIZER = 4,   /* of all programs whose tokenizers are read */
    PM_FILES_WEIGHTS = 8,     /* also of programs whose weights are not read */
    PM_FILES_CHECKPOINT = 16, /* of a run (pumice/run.h), the present and the previous one */
    PM_FILES_RUN = 32,        /* a run's others: metrics.jsonl, loss.png */
};

/* The names of these kinds, one by one; NULL behind the last. */
PM_API const char *pm_folder_name(unsigned kinds, size_t index);
/* Whether a name is there. What cannot be looked at counts, and so does a link to nothing. */
PM_API bool pm_folder_has(const char *dir, const char *name);
/* The first file of these kinds that is there; NULL: there is none. */
PM_API const char *pm_folder_find(const char *dir, unsigned kinds);
/* Removes those that are there, so that none is read together with what is written next. */
PM_API void pm_folder_clear(const char *dir, unsigned kinds);
/* Makes the folder and those above it. Fails: PM_IO, PM_NO_HOST_MEMORY. */
PM_API PM_NODISCARD pm_status pm_folder_make(const pm_log *log, const char *dir);

#ifdef __cplusplus
}
#endif
#endif
