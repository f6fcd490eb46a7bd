/* Small models for tests of files: values that fp16 and bf16 hold exactly, comparison by bits. */
#ifndef HELPER_MODEL_H
#define HELPER_MODEL_H

#include <pumice/pumice.h>

/* Every parameter differs from every other and from what pm_model_create gives; all are multiples of 2^-16 with 8 significant bits. */
pm_model *test_model_make(pm_device *device, pm_arch arch, bool untied);

/* A parameter's values; the caller frees. */
float *test_model_values(const pm_model *model, size_t index);

/* Fails the test unless both have the same configuration, parameters and logits, bit by bit. */
void test_model_same(pm_model *a, pm_model *b);

#endif
