/* HTML's named characters. */
#ifndef TEXT_ENTITIES_H
#define TEXT_ENTITIES_H

#include <stdint.h>

enum { ENTITY_NAME = 8 }; /* letters of the longest name that is known */

/* The two code points of a name; the second may be 0. NULL: no such name. */
const uint32_t *entity_find(const char *name);

#endif
