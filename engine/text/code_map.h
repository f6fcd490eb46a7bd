/* A number for each code point, in pages of 256. Only pages with numbers are allocated. Zero it before use. */
#ifndef TEXT_CODE_MAP_H
#define TEXT_CODE_MAP_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { CODE_PAGE = 256, CODE_PAGES = UTF8_CODES / CODE_PAGE };
#define CODE_NONE UINT32_MAX

typedef struct code_map {
    uint32_t *page[CODE_PAGES];
} code_map;

/* CODE_NONE where nothing was put. */
static inline uint32_t code_map_get(const code_map *map, uint32_t code)
{
    const uint32_t *page = map->page[code / CODE_PAGE];
    return page ? page[code % CODE_PAGE] : CODE_NONE;
}

/* False when short of memory. */
static inline bool code_map_put(code_map *map, uint32_t code, uint32_t value)
{
    uint32_t **page = &map->page[code / CODE_PAGE];
    if (!*page) {
        *page = malloc(CODE_PAGE * sizeof **page);
        if (!*page) return false;
        memset(*page, 0xFF, CODE_PAGE * sizeof **page); /* CODE_NONE */
    }
    (*page)[code % CODE_PAGE] = value;
    return true;
}

static inline void code_map_free(code_map *map)
{
    for (size_t i = 0; i < CODE_PAGES; i++) free(map->page[i]);
}

#endif
