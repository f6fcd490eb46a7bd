#include "base/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void buffer_put(buffer *b, const void *data, size_t size)
{
    if (b->failed || size == 0) return;
    if (size > b->capacity - b->size) {
        size_t capacity = (b->size + size) * 2;
        char *grown = size < SIZE_MAX / 4 && b->size < SIZE_MAX / 4 ? realloc(b->data, capacity) : NULL;
        if (!grown) {
            b->failed = true;
            return;
        }
        b->data = grown;
        b->capacity = capacity;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}
