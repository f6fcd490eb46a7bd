/* Shared by the files that read and write safetensors. */
#ifndef FILES_SAFETENSORS_INTERNAL_H
#define FILES_SAFETENSORS_INTERNAL_H

#include <stdbool.h>

#include "files/safetensors.h"

enum { ST_MAX_RANK = 8, ST_MAX_HEADER = 100 * 1000 * 1000, ST_PREFIX = 8 /* bytes of the header's length */ };

#define ST_META_NAME "__metadata__"
/* The seal is the first string of the metadata, so that its place is known: behind ST_SEAL_BEGIN, its digits follow. */
#define ST_SEAL_NAME "pumice.xxh64"
#define ST_SEAL_BEGIN "{\"" ST_META_NAME "\":{\"" ST_SEAL_NAME "\":\""
enum { ST_SEAL_AT = ST_PREFIX + sizeof ST_SEAL_BEGIN - 1 };
#define ST_EXACT_LIMIT 9007199254740992.0 /* 2^53: doubles below it are exact integers */

/* The type of that name; false where there is none. */
bool st_dtype_find(const char *name, st_dtype *dtype);

/* shape product x element size, or false where it overflows 64 bits */
bool st_tensor_size(const uint64_t *shape, uint32_t rank, uint64_t element, uint64_t *size);

/* A text that occurs twice, or NULL. Sorts the list. */
const char *st_find_twin(const char **list, size_t count);

static inline pm_status st_no_memory(const pm_log *log, const char *path)
{
    return log_fail(log, PM_NO_HOST_MEMORY, "%s: out of memory for its header", path);
}

#endif
