/* GPT-1 as OpenAI released it (github.com/openai/finetune-transformer-lm, folder model/). */
#ifndef MODEL_OPENAI_H
#define MODEL_OPENAI_H

#include "files/npy.h"
#include "model/gpt.h"

enum { OPENAI_MAX_PARTS = 100 };

typedef struct openai_release {
    char *shapes_path;
    npy_file parts[OPENAI_MAX_PARTS]; /* one long vector, cut anywhere */
    uint32_t part_count;
    uint64_t *starts; /* [parameters] where each begins in the vector, in Pumice's order */
} openai_release;

/* Whether the folder holds params_shapes.json. */
bool openai_is_release(const char *dir);

/* params_shapes.json gives all sizes but the number of heads: 0 heads mean 12. Fails: PM_IO, PM_FORMAT with one line. */
pm_status openai_open(const pm_log *log, const char *dir, uint32_t heads, pm_gpt_config *config, openai_release *out);
void openai_close(openai_release *release);

gpt_source openai_source(openai_release *release);

#endif
