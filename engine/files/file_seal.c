/* Seals: a file's checksum within the file itself. It is taken with '0's in the seal's place, so that every byte of the file counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "files/source.h"

enum { PIECE = 4 << 20 }; /* bytes in memory at a time */

void file_seal_text(const checksum *sum, char out[FILE_SEAL_BYTES + 1])
{
    snprintf(out, FILE_SEAL_BYTES + 1, "%016" PRIx64, checksum_end(sum));
}

pm_status file_seal_check(const pm_log *log, const char *path, const file_view *view, size_t at, bool *fits)
{
    static const char zeros[FILE_SEAL_BYTES + 1] = "0000000000000000";
    char text[FILE_SEAL_BYTES + 1], there[FILE_SEAL_BYTES] = {0};
    checksum sum;
    pm_status status = PM_OK;
    *fits = false;
    if (view->size < FILE_SEAL_BYTES || at > view->size - FILE_SEAL_BYTES) return PM_OK;
    unsigned char *room = file_view_needs_room(view) ? malloc(PIECE) : NULL;
    if (!room && file_view_needs_room(view)) return log_fail(log, PM_NO_HOST_MEMORY, "%s: no memory to check it", path);
    checksum_begin(&sum);
    for (uint64_t from = 0; status == PM_OK && from < view->size;) {
        /* Up to the seal, the seal, and from there on. */
        const uint64_t end = from < at ? at : from == at ? at + FILE_SEAL_BYTES : view->size;
        const size_t n = end - from < PIECE ? (size_t)(end - from) : PIECE;
        const unsigned char *bytes;
        status = file_view_piece(log, path, view, from, n, room, &bytes);
        if (status == PM_OK && from == at) memcpy(there, bytes, FILE_SEAL_BYTES);
        if (status == PM_OK) checksum_put(&sum, from == at ? (const void *)zeros : bytes, n);
        if (status == PM_OK && from > at) file_view_drop(view, bytes, n);
        from += n;
    }
    free(room);
    if (status != PM_OK) return status;
    file_seal_text(&sum, text);
    *fits = memcmp(text, there, FILE_SEAL_BYTES) == 0;
    return PM_OK;
}
