/* A small model in training, for tests of steps in parts and of controls. */
#ifndef HELPER_STEPS_H
#define HELPER_STEPS_H

#include <pumice/pumice.h>

enum { CTX = 32, VOCAB = 61, BATCH = 4, ACCUM = 2, STEPS = 5, TOKENS = BATCH * CTX * ACCUM };
extern const pm_gpt_config test_steps_config;

typedef struct test_steps {
    pm_device *device;
    pm_model *model;
    pm_trainer *trainer;
} test_steps;

/* `submit_ms`: short submissions, so that there are many; 0: the usual ones. */
test_steps test_steps_make(uint32_t submit_ms, pm_precision precision);
void test_steps_done(test_steps *f);

/* The tokens of a step; 0 is the first. */
void test_steps_batch(int32_t tokens[TOKENS], int32_t targets[TOKENS], uint32_t step);
void test_steps_begin(test_steps *f, uint32_t step);

/* What STEPS undisturbed calls give, with submissions of any length. */
typedef struct test_right {
    pm_step steps[STEPS];
    float *weights;
    size_t count;
} test_right;
const test_right *test_steps_undisturbed(pm_precision precision);
/* Fails the test unless these steps and weights have the same bits. */
void test_steps_expect(const test_right *r, const pm_step steps[STEPS], const pm_model *model);

#endif
