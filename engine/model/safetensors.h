/* The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes
 * (huggingface.co/docs/safetensors). Reading trusts nothing. What is written here has a seal, which other readers take for one more
 * string of "__metadata__": "pumice.xxh64", the XXH64 of the whole file with its own 16 digits as '0's. */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "base/file.h"

typedef enum st_dtype { ST_F32, ST_F16, ST_BF16, ST_I32, ST_I64, ST_U8, ST_OTHER } st_dtype;

typedef struct st_tensor {
    char *name;
    st_dtype dtype;
    uint32_t rank;
    uint64_t shape[8];
    const void *data; /* reading: into the map; writing: the caller's */
    uint64_t size;    /* bytes */
} st_tensor;

typedef struct st_meta {
    char *key, *value;
} st_meta;

typedef struct st_file {
    file_map map;
    st_tensor *tensors; /* in file order */
    size_t tensor_count;
    st_meta *meta; /* the "__metadata__" strings, without the seal */
    size_t meta_count;
    bool sealed; /* it had a seal, which fits; other programs' files have none */
} st_file;

/* Opens and checks everything: header length within the file and below 100 MB, JSON well formed, names unique, dtypes and shapes
 * known, sizes = shape product x dtype, offsets in range, no overlap, no hole; the seal, where there is one. Fails: PM_IO, PM_FORMAT with
 * one line that names path and tensor. */
pm_status st_open(const pm_log *log, const char *path, st_file *out);
void st_close(st_file *file);
const st_tensor *st_find(const st_file *file, const char *name); /* or NULL */
const char *st_meta_find(const st_file *file, const char *key);  /* or NULL */

/* Writes atomically and sealed, tensors in the order given, data aligned to 8 bytes. name and data are borrowed. */
pm_status st_write(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                   const st_meta *meta, size_t meta_count);

/* The same for data that are not in memory at once: tensors' data are not looked at; put each tensor's bytes, in order, and commit. */
pm_status st_write_begin(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                         const st_meta *meta, size_t meta_count, file_writer **out);

/* A name from a file, short enough for a log line. */
typedef struct st_shown {
    char text[84];
} st_shown;
st_shown st_show(const char *name);

#endif
