#include "text/entities.h"

#include <stdlib.h>
#include <string.h>

static const struct entity {
    char name[ENTITY_NAME + 1];
    uint32_t codes[2]; /* the second one may be 0 */
} entities[] = {
#include "text/entities.def"
};

static int by_name(const void *name, const void *one)
{
    return strcmp(name, ((const struct entity *)one)->name);
}

const uint32_t *entity_find(const char *name)
{
    const struct entity *found = bsearch(name, entities, sizeof entities / sizeof *entities, sizeof *entities, by_name);
    return found ? found->codes : NULL;
}
