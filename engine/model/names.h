/* The names under which programs save a GPT's tensors. */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include "model/gpt.h"
#include "model/shards.h"

/* One tensor under its plain name: without "transformer." or "model." in front, and without the parts that wrappers put into a name:
 * torch.compile's "_orig_mod.", DataParallel's "module." and the like. */
typedef struct named_tensor {
    char plain[GPT_NAME_MAX]; /* "" where it is too long for any parameter's */
    const shard_tensor *tensor;
    bool used;
} named_tensor;

typedef struct name_table {
    const shard_set *set;
    named_tensor *rows; /* [set->tensor_count] by plain name */
} name_table;

/* Lives no longer than the set. */
pm_status names_open(const pm_log *log, const shard_set *set, name_table *out);
void names_close(name_table *table);

/* The tensor of a parameter, which is then used: by its full name; else by its plain name; else by the name that __metadata__ says it was
 * saved under, as safetensors' save_model does with one of two names of a shared tensor; and a tied model's token table may be there as
 * lm_head.weight alone. Fails: PM_FORMAT, with a line that tells what there is instead, or that several would fit. */
pm_status names_find(const pm_log *log, name_table *table, const pm_gpt_config *config, const char *name,
                     const shard_tensor **out);

/* The tensor of that plain name, or NULL. */
named_tensor *names_row(const name_table *table, const char *plain);

/* Tells of tensors that are not used: of buffers that transformers keeps beside the parameters as an information, of others as a warning
 * that names them, blocks beyond the configuration's as transformer.h.12.*. */
void names_tell_unused(const pm_log *log, const name_table *table, const pm_gpt_config *config);

#endif
