/* The tensors of a folder or another source, from model.safetensors or from the several files that model.safetensors.index.json names. */
#ifndef FILES_SHARDS_H
#define FILES_SHARDS_H

#include "files/safetensors.h"

typedef struct shard {
    char *path;
    const char *name; /* the path's end */
    st_file file;
} shard;

typedef struct shard_tensor {
    const st_tensor *tensor;
    const shard *from;
} shard_tensor;

typedef struct shard_set {
    char *origin; /* the file that lists the tensors */
    shard *shards;
    size_t shard_count;
    shard_tensor *tensors; /* by name */
    size_t tensor_count;
} shard_set;

/* Opens all files and checks them as st_open does. An index must name files of the same folder, and each of its tensors must be in the
 * file it gives. Fails: PM_IO, PM_FORMAT with one line that names file and tensor. */
pm_status shards_open_from(const pm_log *log, const file_source *from, shard_set *out);
pm_status shards_open(const pm_log *log, const char *dir, shard_set *out);
void shards_close(shard_set *set);

#endif
