/* Numbers of a kernel's types. */
#ifndef APPS_KERNEL_VALUES_H
#define APPS_KERNEL_VALUES_H

#include "kernel.h"

bool kernel_is_float(pm_scalar scalar);
bool kernel_is_signed(pm_scalar scalar);
/* One scalar's bits; those of a signed whole number as the int64_t of the same value. */
uint64_t kernel_whole(pm_scalar scalar, const void *data, uint64_t index);
/* One scalar as a number: exact but for 64-bit whole numbers. */
double kernel_number(pm_scalar scalar, const void *data, uint64_t index);
/* The bits of the nearest number of a float type. */
uint64_t kernel_float_bits(pm_scalar scalar, double value);

/* One scalar as text and in JSON: whole numbers whole, infinity and NaN as JSON's null. */
const char *kernel_number_text(pm_scalar scalar, const void *data, uint64_t index, char text[32]);
cJSON *kernel_number_json(pm_scalar scalar, const void *data, uint64_t index);
/* "uint: 0 to 4294967295": the type and its numbers, for error lines. */
const char *kernel_range_text(pm_scalar scalar, char text[80]);

/* The bits of a number of the type, decimal or, where it is whole, hexadecimal with 0x. False where the text is not a number, or beyond the type. */
bool kernel_parse_number(pm_scalar scalar, const char *text, uint64_t *bits);
/* The same for types of whole numbers only. */
bool kernel_parse_whole(pm_scalar scalar, const char *text, uint64_t *bits);
/* Splits "key=value": the value, or NULL where there is no such form. */
const char *kernel_split(const char *text, char key[64]);

#endif
