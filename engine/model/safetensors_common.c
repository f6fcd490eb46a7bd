/* What reading and writing safetensors files share: the types, names in log lines, checks of text and sizes. */
#include "model/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

/* Types of whole bytes; those without a name in st_dtype can be read, not written. */
static const struct {
    const char *name;
    st_dtype dtype;
    uint32_t size; /* bytes */
} dtypes[] = {
    {"F32", ST_F32, 4},       {"F16", ST_F16, 2},   {"BF16", ST_BF16, 2},     {"I32", ST_I32, 4},
    {"I64", ST_I64, 8},       {"U8", ST_U8, 1},     {"F64", ST_OTHER, 8},     {"I16", ST_OTHER, 2},
    {"I8", ST_OTHER, 1},      {"U16", ST_OTHER, 2}, {"U32", ST_OTHER, 4},     {"U64", ST_OTHER, 8},
    {"BOOL", ST_OTHER, 1},    {"C64", ST_OTHER, 8}, {"F8_E4M3", ST_OTHER, 1}, {"F8_E5M2", ST_OTHER, 1},
    {"F8_E8M0", ST_OTHER, 1},
};
enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

const char *st_dtype_name(st_dtype dtype, uint32_t *size)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (dtypes[i].dtype == dtype && dtype != ST_OTHER) {
            *size = dtypes[i].size;
            return dtypes[i].name;
        }
    return NULL;
}

bool st_dtype_find(const char *name, st_dtype *dtype, uint32_t *size)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = dtypes[i].dtype;
            *size = dtypes[i].size;
            return true;
        }
    return false;
}

st_shown st_show(const char *name)
{
    st_shown p;
    size_t i = 0;
    for (; i + 4 < sizeof p.text && name[i]; i++) p.text[i] = name[i];
    if (name[i])
        for (int dots = 0; dots < 3; dots++) p.text[i++] = '.';
    p.text[i] = 0;
    return p;
}

bool st_valid_utf8(const unsigned char *s, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned char c = s[i++];
        if (c < 0x80) continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || size - i < (size_t)more) return false;
        /* the second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF */
        unsigned char low = c == 0xe0   ? 0xa0
                            : c == 0xf0 ? 0x90
                                        : 0x80,
                      high = c == 0xed   ? 0x9f
                             : c == 0xf4 ? 0x8f
                                         : 0xbf;
        if (s[i] < low || s[i] > high) return false;
        for (int k = 1; k < more; k++)
            if (s[i + (size_t)k] < 0x80 || s[i + (size_t)k] > 0xbf) return false;
        i += (size_t)more;
    }
    return true;
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
