/* XXH64, seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): checks of large files, for which hash.h's byte a turn is too slow. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct checksum {
    uint64_t lanes[4];
    uint64_t size;          /* bytes so far */
    unsigned char rest[32]; /* size % 32 of them: less than a stripe */
} checksum;

void checksum_begin(checksum *c);
/* Pieces of any size: only what they are together counts. */
void checksum_put(checksum *c, const void *data, size_t size);
uint64_t checksum_end(const checksum *c);

#endif
