/* What rows came to so far, so that a row that shows nothing new is not run. */
#ifndef CHECK_OPTEST_SEEN_H
#define CHECK_OPTEST_SEEN_H

#include "gpu/gpu.h"

/* For which rows kernels are compiled. */
typedef enum optest_compiled {
    OPTEST_COMPILE_ALL,     /* all */
    OPTEST_COMPILE_FLAGS,   /* those that show something new: see optest_seen_kernels() */
    OPTEST_COMPILE_KERNELS, /* the same without flags: each kernel once, and each access to operands */
} optest_compiled;

/* Starts as {0}, or with `compiled`; optest_seen_free() gives back its memory. Without memory for a mark, everything counts as new. */
typedef struct optest_seen {
    optest_compiled compiled;
    uint64_t *marks; /* hashes, at places that they give; 0: free */
    size_t count, capacity;
} optest_seen;
void optest_seen_free(optest_seen *seen);

/* Whether the row, by its place in memory, was run with the very same program, on a device of the same driver. From now on it was. */
bool optest_seen_program(optest_seen *seen, const void *row, gpu_program *program);

/* But with OPTEST_COMPILE_ALL: whether the program would compile a kernel for nothing. A driver compiles a kernel for a second or more, and again for other
 * specialization constants, which have hundreds of values. So a kernel is compiled for a row only if it is the first
 *   with its types, or with such an access to its operands in any types, or
 *   with two flags of such values together, in a kernel of any types. A flag is a bit of a constant.
 * This is pairwise testing: faults that need three flags are rare. A kernel that was compiled before costs nothing. */
bool optest_seen_kernels(optest_seen *seen, const gpu_program *program);
/* Whether a kernel shows something new by these rules. From now on it does not. */
bool optest_seen_new(optest_seen *seen, const gpu_pipeline_key *key);

#endif
