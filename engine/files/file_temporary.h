/* Temporary files beside the file that they become, for file_writer.c. */
#ifndef FILES_FILE_TEMPORARY_H
#define FILES_FILE_TEMPORARY_H

#include <stddef.h>

enum { FILE_TEMPORARY_ROOM = 64 }; /* bytes that the name needs beyond the target's */

/* Removes this target's temporary files that killed programs left, then opens a new one for writing and puts its name in `name`. Returns the
 * descriptor, or -1 with errno. While it is open, no other writer removes it. */
int file_temporary_open(const char *target, char *name, size_t room);

#endif
