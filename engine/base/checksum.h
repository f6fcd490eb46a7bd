/* XXH64, seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): checks of large files. hash.h is too slow for them: it takes a byte at a time. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct checksum {
    uint64_t lanes[4];
    uint64_t size;          /* bytes so far */
    unsigned char rest[32]; /* the last size % 32 bytes: less than a stripe */
} checksum;

void checksum_begin(checksum *c);
/* Adds bytes. The pieces' sizes do not change the result. */
void checksum_put(checksum *c, const void *data, size_t size);
uint64_t checksum_end(const checksum *c);

#endif
