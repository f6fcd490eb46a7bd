/* Numbers of a kernel's types. */
#ifndef APPS_KERNEL_VALUES_H
#define APPS_KERNEL_VALUES_H

#include "kernel.h"

bool kernel_is_float(pm_scalar scalar);
/* Writes one scalar; whole types take the value cut. */
void kernel_put_number(pm_scalar scalar, void *data, double value);
/* The bits of a number of the type; false where the text is none. */
bool kernel_parse_number(pm_scalar scalar, const char *text, uint64_t *bits);
/* Splits "key=value": the value, or NULL where there is no such form. */
const char *kernel_split(const char *text, char key[64]);

#endif
