/* Values that scripts of golden/ made with PyTorch. Each function fails the test where a value is missing or wrong. */
#ifndef HELPER_GOLDEN_H
#define HELPER_GOLDEN_H

#include "files/safetensors.h"

/* "dir/name" */
void golden_path(char out[512], const char *dir, const char *name);
void golden_open_tensors(const char *dir, const char *name, st_file *out);
/* A tensor of so many 32-bit values. */
const st_tensor *golden_tensor(const st_file *file, const char *name, st_dtype dtype, uint64_t count);
/* A number of the metadata. */
double golden_setting(const st_file *values, const char *key);

/* |a - b| / |b| over all elements must not exceed the tolerance; NaN fails. */
void golden_near(const char *what, const float *a, const float *b, size_t count, double tolerance);

/* `count` zeros; the caller frees. */
float *golden_floats(size_t count);

#endif
