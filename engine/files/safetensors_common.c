/* What reading and writing safetensors files share: the types, names in log lines, checks of text and sizes. */
#include "files/safetensors_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
    const char *name;
    uint32_t size; /* bytes */
    bool written;
} dtypes[ST_DTYPES] = {
#define DTYPE_ROW(name, size, written) {#name, size, written},
    ST_DTYPE_LIST(DTYPE_ROW)
#undef DTYPE_ROW
};

static bool listed(st_dtype dtype)
{
    return (unsigned)dtype < ST_DTYPES;
}

const char *st_dtype_name(st_dtype dtype)
{
    return listed(dtype) ? dtypes[dtype].name : NULL;
}

uint32_t st_dtype_size(st_dtype dtype)
{
    return listed(dtype) ? dtypes[dtype].size : 0;
}

bool st_dtype_written(st_dtype dtype)
{
    return listed(dtype) && dtypes[dtype].written;
}

bool st_dtype_find(const char *name, st_dtype *dtype)
{
    for (int i = 0; i < ST_DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = (st_dtype)i;
            return true;
        }
    return false;
}

st_shown st_show(const char *name)
{
    st_shown p;
    const size_t room = sizeof p.text - sizeof "...", length = strlen(name);
    const size_t shown = utf8_valid(name, length < room ? length : room);
    snprintf(p.text, sizeof p.text, "%.*s%s", (int)shown, name, name[shown] ? "..." : "");
    return p;
}

st_shown st_show_shape(const uint64_t *shape, uint32_t rank)
{
    char text[ST_MAX_RANK * 24] = "[";
    size_t used = 1;
    for (uint32_t i = 0; i < rank && i < ST_MAX_RANK; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    snprintf(text + used, sizeof text - used, "]");
    return st_show(text);
}

bool st_tensor_size(const uint64_t *shape, uint32_t rank, uint64_t element, uint64_t *size)
{
    uint64_t total = element;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] && total > UINT64_MAX / shape[i]) return false;
        total *= shape[i];
    }
    *size = total;
    return true;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *st_find_twin(const char **list, size_t count)
{
    qsort(list, count, sizeof *list, compare_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(list[i - 1], list[i]) == 0) return list[i];
    return NULL;
}
