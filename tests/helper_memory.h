/* Host memory that runs out. In a program linked with PUMICE_FAIL_MEMORY's options (tests/CMakeLists.txt), the library's own calls of malloc, calloc,
 * realloc, strdup and free go through here. Calls of drivers and other libraries do not. */
#ifndef HELPER_MEMORY_H
#define HELPER_MEMORY_H

#include <stddef.h>

/* Counts from now on, and makes the n-th call fail; 0: none. */
void test_memory_begin(size_t n);
/* Calls since then; *leaked: how many of their blocks are still there. From now on nothing is counted. */
size_t test_memory_end(size_t *leaked);

#endif
