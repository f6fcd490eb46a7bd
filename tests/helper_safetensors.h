/* Safetensors files for tests: a sample with every type, files made by hand, and what is expected of opening them. */
#ifndef HELPER_SAFETENSORS_H
#define HELPER_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "files/safetensors.h"

/* The file at hand, in a folder that the group fixtures make and remove. */
extern char *sample_dir, sample_path[300], second_path[300];
extern pm_log log_here; /* keeps the last line; a failure gives exactly one */
int make_dir(void **state);
int remove_dir(void **state);

void put_raw(const void *bytes, size_t size);
/* Writes a file with this header length, header text and so many bytes of data: 0, 1, 2 … */
void put_file(uint64_t length, const char *header, size_t header_size, size_t data_size);
char *read_back(const char *from, size_t *size); /* malloc'd, a 0 behind it */
/* Where the text holds `part`, or NULL. */
char *in_text(char *text, size_t size, const char *part);

/* Fails the test unless opening the file gives `want`, one line that names it, and writes nothing. `what` is for the
 * test's own message. */
void refused_now(const char *what, pm_status want);
/* Fails the test unless a file with this header is refused as malformed, or taken with so many tensors. */
void refused(const char *header, size_t data_size);
void accepted(const char *header, size_t data_size, size_t tensors);

extern const unsigned char bytes5[5];
extern const float weights[6];
extern const st_meta sample_meta[3];
st_tensor tensor(const char *name, st_dtype dtype, uint32_t rank, uint64_t d0, uint64_t d1, const void *data,
                 uint64_t size);
/* Every type; a scalar, empty tensors side by side, names that need escapes, out of alphabetical order. Fills eight; returns how many. */
size_t sample(st_tensor *t);
void write_sample(void);

#endif
