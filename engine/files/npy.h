/* NumPy's array files (numpy.org/doc/stable/reference/generated/numpy.lib.format.html): little-endian float32 in C order. */
#ifndef FILES_NPY_H
#define FILES_NPY_H

#include "files/file.h"

typedef struct npy_file {
    file_map map;
    const unsigned char *data; /* in the map; not aligned */
    uint64_t count;            /* of numbers */
} npy_file;

/* Checks all of the header, and that the file has exactly the numbers that its shape asks for. Fails: PM_IO, PM_FORMAT with one line that
 * names path and reason. */
pm_status npy_open(const pm_log *log, const char *path, npy_file *out);
void npy_close(npy_file *file);

#endif
