/* Numbers of 16 bits.
 * Half is IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. bf16 is the upper half of a float: 8 exponent, 7 fraction bits. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdbool.h>
#include <stdint.h>

float half_to_float(uint16_t half);
/* The nearest half, ties to even. What rounds past the largest, 65504, is infinity. A NaN stays one. */
uint16_t half_from_double(double value);
uint16_t half_from_float(float value);

float bf16_to_float(uint16_t bits);
/* The nearest, ties to even. A NaN stays one, as ggml has it: quiet, its sign and upper bits kept. */
uint16_t bf16_from_float(float value);

/* The same of many. The numbers of 16 bits may lie anywhere. */
void halves_from_floats(const float *in, uint64_t count, void *out);
void floats_from_halves(const void *in, uint64_t count, float *out);
void bf16s_from_floats(const float *in, uint64_t count, void *out);
void floats_from_bf16s(const void *in, uint64_t count, float *out);
/* Whether no finite number of these would become infinite. */
bool halves_hold(const float *in, uint64_t count);
bool bf16s_hold(const float *in, uint64_t count);

#endif
