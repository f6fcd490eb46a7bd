/* The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes
 * (huggingface.co/docs/safetensors). Reading trusts nothing. Files written here have a seal, "pumice.xxh64" in "__metadata__", which
 * other readers ignore. It is the XXH64 of the whole file with its own 16 digits as '0's. */
#ifndef FILES_SAFETENSORS_H
#define FILES_SAFETENSORS_H

#include "files/source.h"

/* The format's types of whole bytes: name, bytes of an element, whether Pumice writes them, too. */
#define ST_DTYPE_LIST(X)                                                                                               \
    X(F32, 4, true)                                                                                                    \
    X(F16, 2, true)                                                                                                    \
    X(BF16, 2, true)                                                                                                   \
    X(F64, 8, true)                                                                                                    \
    X(I32, 4, true)                                                                                                    \
    X(I64, 8, true)                                                                                                    \
    X(U8, 1, true)                                                                                                     \
    X(I16, 2, false)                                                                                                   \
    X(I8, 1, false)                                                                                                    \
    X(U16, 2, false)                                                                                                   \
    X(U32, 4, false)                                                                                                   \
    X(U64, 8, false)                                                                                                   \
    X(BOOL, 1, false)                                                                                                  \
    X(C64, 8, false)                                                                                                   \
    X(F8_E4M3, 1, false)                                                                                               \
    X(F8_E5M2, 1, false)                                                                                               \
    X(F8_E8M0, 1, false)

typedef enum st_dtype {
#define ST_DTYPE_ENUM(name, size, written) ST_##name,
    ST_DTYPE_LIST(ST_DTYPE_ENUM)
#undef ST_DTYPE_ENUM
        ST_DTYPES
} st_dtype;

/* The name in a file, such as "F32"; NULL outside the list. */
const char *st_dtype_name(st_dtype dtype);
/* Bytes of an element; 0 outside the list. */
uint32_t st_dtype_size(st_dtype dtype);
bool st_dtype_written(st_dtype dtype);

typedef struct st_tensor {
    char *name;
    st_dtype dtype;
    uint32_t rank;
    uint64_t shape[8];
    const void *data; /* reading: into the file, NULL where it has no memory (st_piece); writing: the caller's */
    uint64_t size;    /* bytes */
} st_tensor;

typedef struct st_meta {
    char *key, *value;
} st_meta;

typedef struct st_file {
    file_view view;
    st_tensor *tensors; /* in file order */
    uint64_t *starts;   /* where their data begin, from the file's first byte */
    size_t tensor_count;
    st_meta *meta; /* the "__metadata__" strings, without the seal */
    size_t meta_count;
    bool sealed; /* it has a seal that fits; other programs' files have none */
} st_file;

/* Opens and checks everything: header length within the file and below 100 MB, JSON well formed, names unique, dtypes and shapes
 * known, sizes = shape product x dtype, offsets in range, no overlap, no hole; the seal, where there is one. Fails: PM_IO, PM_FORMAT with
 * one line that names path and tensor. */
pm_status st_open(const pm_log *log, const char *path, st_file *out);
/* The same of any file; `found` as in file_ref_read. */
pm_status st_open_ref(const pm_log *log, const file_ref *ref, bool *found, st_file *out);
void st_close(st_file *file);
/* Bytes [at, at + size) of one of the file's tensors, as file_view_piece. */
pm_status st_piece(const pm_log *log, const char *path, const st_file *file, const st_tensor *tensor, uint64_t at,
                   size_t size, void *room, const unsigned char **out);
const st_tensor *st_find(const st_file *file, const char *name); /* or NULL */
const char *st_meta_find(const st_file *file, const char *key);  /* or NULL */

/* Writes atomically and sealed, tensors in the order given, data aligned to 8 bytes. name and data are borrowed. */
pm_status st_write(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                   const st_meta *meta, size_t meta_count);

/* The same for data that are not in memory at once. It ignores the tensors' data: put each tensor's bytes, in order, and commit. */
pm_status st_write_begin(const pm_log *log, const char *path, const st_tensor *tensors, size_t tensor_count,
                         const st_meta *meta, size_t meta_count, file_writer **out);

/* A name from a file, short enough for a log line. */
typedef struct st_shown {
    char text[84];
} st_shown;
st_shown st_show(const char *name);
/* "[16, 48]" */
st_shown st_show_shape(const uint64_t *shape, uint32_t rank);

#endif
