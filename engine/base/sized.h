/* Structs that callers fill, from programs built with another version of the headers. A struct grows only at its end, and 0 is each field's
 * default. The public headers pass its size in the program beside it, to functions NAME_sized. */
#ifndef BASE_SIZED_H
#define BASE_SIZED_H

#include <stddef.h>

#include <pumice/status.h>

/* Fills `to` from the caller's struct: what an older program's lacks is 0, and NULL is zeros. Fails: PM_INVALID where a newer program sets what
 * this version does not have; `to` is filled then, too. `type` names the struct. */
pm_status sized_read(const pm_log *log, const char *type, const void *from, size_t from_size, void *to, size_t to_size);

/* Fills the caller's struct: what a newer program's has beyond this version's is 0. Fails: PM_UNSUPPORTED where an older program's has no room for
 * what is not 0; nothing is written then. */
pm_status sized_write(const pm_log *log, const char *type, const void *from, size_t from_size, void *to,
                      size_t to_size);

#endif
