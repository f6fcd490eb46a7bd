/* Models in GGUF files, for tests: made of PyTorch's golden folders, and read back. */
#ifndef HELPER_GGUF_MODEL_H
#define HELPER_GGUF_MODEL_H

#include "files/gguf.h"
#include "model/gguf_model.h"

/* The golden folder of a family; valid until the next call. */
const char *golden_folder(const char *name);
/* A path in the test's folder, at which nothing is; valid until the next call of test_path. */
const char *fresh_path(const char *name);
/* Fails the test unless it succeeds. */
void convert_to_gguf(const char *from, const char *to, pm_gguf_type type);
/* The floats of a tensor of so many; the caller frees. */
float *gguf_floats_of(const gguf_file *file, const char *name, size_t count);

#endif
