/* The names under which programs save a GPT's tensors. */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include "files/shards.h"
#include "model/gpt.h"

/* One tensor under its plain name: without "transformer.", "model." or a multimodal model's "language_model." in front, and without the parts that
 * wrappers put into a name: torch.compile's "_orig_mod.", DataParallel's "module." and the like. */
typedef struct named_tensor {
    char plain[GPT_NAME_MAX]; /* "" where it is too long for any parameter's */
    const shard_tensor *tensor;
    bool used;
} named_tensor;

typedef struct name_table {
    const shard_set *set;
    named_tensor *rows; /* [set->tensor_count] by plain name */
} name_table;

/* The table must not outlive the set. */
pm_status names_open(const pm_log *log, const shard_set *set, name_table *out);
void names_close(name_table *table);

/* Finds a tensor and marks it as used: by its full name, else by its plain name, else by the name that __metadata__ gives for it.
 * (safetensors' save_model puts the second name of a shared tensor there.) A tied model's token table (`tied`) may also be lm_head.weight alone.
 * Fails: PM_FORMAT, with a line that tells what there is instead, or that several tensors fit. */
pm_status names_find(const pm_log *log, name_table *table, const char *name, bool tied, const shard_tensor **out);

/* The tensor of that plain name, or NULL. */
named_tensor *names_row(const name_table *table, const char *plain);

/* Another tensor of the row's plain name that is not used, or NULL. */
named_tensor *names_twin(const name_table *table, const named_tensor *row);

/* Logs tensors that are not used: an info line for buffers that transformers keeps beside the parameters, a warning for others. The warning
 * names them; a block beyond the configuration's is transformer.h.12.*. */
void names_tell_unused(const pm_log *log, const name_table *table, const pm_gpt_config *config);

#endif
