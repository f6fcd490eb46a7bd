/* Temporary files beside the file that they become, for file_writer.c. */
#ifndef BASE_FILE_TEMPORARY_H
#define BASE_FILE_TEMPORARY_H

#include <stddef.h>

enum { FILE_TEMPORARY_ROOM = 64 }; /* bytes that the name needs beyond the target's */

/* Opens a new one for writing, its name in `name`, after removing those of this target that killed programs left. Returns the file, or -1
 * with errno. While it is open, no other writer takes it for a left one. */
int file_temporary_open(const char *target, char *name, size_t room);

#endif
