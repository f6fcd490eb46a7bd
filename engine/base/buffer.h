/* Growing bytes. Running out of memory sticks, so that only the end needs a check. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buffer {
    char *data; /* the caller's to free */
    size_t size, capacity;
    bool failed;
} buffer;

void buffer_put(buffer *b, const void *data, size_t size);

#endif
