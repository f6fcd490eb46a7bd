/* A model's weights in its files: each parameter's tensor found and checked, read as floats in pieces. */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "files/shards.h"
#include "model/tensors.h"

typedef struct weights {
    pm_log log;
    shard_set set;
    tensor_list list;      /* what the family calls them */
    shard_tensor *tensors; /* [list.count] where they are */
    unsigned char *room;   /* for a piece of a file that is not in memory; NULL: all are */
    bool told;             /* of a value that is not finite */
} weights;

/* Finds every tensor of the configuration's parameters under one of the names that names.h knows. Others are left alone; a line tells of them. A
 * tied model's lm_head.weight is the token table, as Hugging Face ties it on loading; a warning tells where the two differ.
 * Fails: PM_IO, PM_FORMAT with one line that names file and tensor. */
pm_status weights_open_from(const pm_log *log, const file_source *from, const pm_gpt_config *config, weights *out);
pm_status weights_open(const pm_log *log, const char *dir, const pm_gpt_config *config, weights *out);
void weights_close(weights *w);

/* Reads F32, F16, BF16, or F64 with rounding; warns once of NaN or infinity. Read each piece once: its pages are dropped. */
gpt_source weights_source(weights *w);

#endif
