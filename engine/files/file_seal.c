/* Seals: a file's checksum within the file itself. It is taken with '0's in the seal's place, so that every byte of the file counts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "files/file.h"

enum { PIECE = 4 << 20 }; /* bytes in memory at a time */

void file_seal_text(const checksum *sum, char out[FILE_SEAL_BYTES + 1])
{
    snprintf(out, FILE_SEAL_BYTES + 1, "%016" PRIx64, checksum_end(sum));
}

bool file_seal_fits(const file_map *map, size_t at)
{
    static const char zeros[FILE_SEAL_BYTES + 1] = "0000000000000000";
    char text[FILE_SEAL_BYTES + 1];
    checksum sum;
    if (map->size < FILE_SEAL_BYTES || at > map->size - FILE_SEAL_BYTES) return false;
    checksum_begin(&sum);
    checksum_put(&sum, map->data, at);
    checksum_put(&sum, zeros, FILE_SEAL_BYTES);
    for (size_t from = at + FILE_SEAL_BYTES; from < map->size;) {
        const size_t n = map->size - from < PIECE ? map->size - from : PIECE;
        checksum_put(&sum, map->data + from, n);
        file_map_drop(map, map->data + from, n);
        from += n;
    }
    file_seal_text(&sum, text);
    return memcmp(text, map->data + at, FILE_SEAL_BYTES) == 0;
}
