/* Numbers of a kernel's types: their bits, to text and from text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

bool kernel_is_float(pm_scalar scalar)
{
    return scalar == PM_SCALAR_F16 || scalar == PM_SCALAR_F32 || scalar == PM_SCALAR_F64;
}

bool kernel_is_signed(pm_scalar scalar)
{
    return scalar == PM_SCALAR_I8 || scalar == PM_SCALAR_I16 || scalar == PM_SCALAR_I32 || scalar == PM_SCALAR_I64;
}

/* ---- bits ---- */

uint64_t kernel_whole(pm_scalar scalar, const void *data, uint64_t index)
{
    const size_t size = pm_scalar_size(scalar);
    uint64_t bits = 0;
    memcpy(&bits, (const char *)data + index * size, size); /* little-endian, as every host of a Vulkan device */
    const unsigned above = 64 - 8 * (unsigned)size;
    if (kernel_is_signed(scalar) && above > 0 && above < 64 && bits >> (63 - above) & 1)
        bits |= UINT64_MAX << (64 - above);
    return bits;
}

double kernel_number(pm_scalar scalar, const void *data, uint64_t index)
{
    const uint64_t bits = kernel_whole(scalar, data, index);
    const uint32_t low = (uint32_t)bits;
    float single;
    double number;
    switch (scalar) {
    case PM_SCALAR_F16: return pm_half_value((uint16_t)bits);
    case PM_SCALAR_F32: memcpy(&single, &low, 4); return single;
    case PM_SCALAR_F64: memcpy(&number, &bits, 8); return number;
    default: return kernel_is_signed(scalar) ? (double)(int64_t)bits : (double)bits;
    }
}

uint64_t kernel_float_bits(pm_scalar scalar, double value)
{
    const float single = (float)value;
    uint32_t low;
    uint64_t bits;
    memcpy(&low, &single, 4);
    memcpy(&bits, &value, 8);
    return scalar == PM_SCALAR_F16 ? pm_half_bits(value) : scalar == PM_SCALAR_F32 ? low : bits;
}

/* ---- to text ---- */

/* Prints a number in the fewest digits that give it back in its type. */
static void float_text(pm_scalar scalar, double value, char text[32])
{
    if (fabs(value) < 1e15 && floor(value) == value) {
        snprintf(text, 32, "%.0f", value);
        return;
    }
    for (int digits = 4; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, value);
        if (kernel_float_bits(scalar, strtod(text, NULL)) == kernel_float_bits(scalar, value)) return;
    }
}

const char *kernel_number_text(pm_scalar scalar, const void *data, uint64_t index, char text[32])
{
    const uint64_t whole = kernel_whole(scalar, data, index);
    if (kernel_is_float(scalar))
        float_text(scalar, kernel_number(scalar, data, index), text);
    else if (kernel_is_signed(scalar))
        snprintf(text, 32, "%lld", (long long)whole);
    else
        snprintf(text, 32, "%llu", (unsigned long long)whole);
    return text;
}

cJSON *kernel_number_json(pm_scalar scalar, const void *data, uint64_t index)
{
    char text[32];
    const double value = kernel_number(scalar, data, index);
    if (kernel_is_float(scalar) && !isfinite(value)) return cJSON_CreateNumber(value); /* printed as null */
    return cJSON_CreateRaw(kernel_number_text(scalar, data, index, text));
}

const char *kernel_range_text(pm_scalar scalar, char text[80])
{
    const unsigned width = 8 * (unsigned)pm_scalar_size(scalar);
    const unsigned long long most = width ? UINT64_MAX >> (64 - width + (kernel_is_signed(scalar) ? 1 : 0)) : 0;
    const char *name = pm_scalar_name(scalar);
    switch (scalar) {
    case PM_SCALAR_OTHER:
    case PM_SCALAR_ADDRESS: return name;
    case PM_SCALAR_BOOL: return "bool: true or false";
    case PM_SCALAR_F16: return "float16: -65504 to 65504";
    case PM_SCALAR_F32: return "float: -3.4028235e38 to 3.4028235e38";
    case PM_SCALAR_F64: return "double: -1.797693e308 to 1.797693e308";
    default: break;
    }
    if (kernel_is_signed(scalar))
        snprintf(text, 80, "%s: -%llu to %llu", name, most + 1, most);
    else
        snprintf(text, 80, "%s: 0 to %llu", name, most);
    return text;
}

/* ---- from text ---- */

bool kernel_parse_whole(pm_scalar scalar, const char *text, uint64_t *bits)
{
    char *end = NULL;
    const bool negative = text[0] == '-', is_signed = kernel_is_signed(scalar);
    const char *digits = text + negative;
    const bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (digits[0] < '0' || digits[0] > '9') return false;
    errno = 0;
    const unsigned long long value = strtoull(digits, &end, hexadecimal ? 16 : 10);
    const unsigned long long most = UINT64_MAX >> (64 - 8 * pm_scalar_size(scalar) + is_signed);
    if (errno != 0 || *end != 0 || (negative && !is_signed)) return false;
    if (value > most + negative) return false;
    *bits = negative ? 0 - (uint64_t)value : value;
    return true;
}

/* Refuses a number that the type would round to infinity; "inf" is allowed. */
static bool parse_float(pm_scalar scalar, const char *text, uint64_t *bits)
{
    char *end = NULL;
    errno = 0;
    const double value = strtod(text, &end);
    if (text[0] == 0 || *end != 0 || strchr(" \t\n\v\f\r", text[0])) return false;
    if (isinf(value) && errno == ERANGE) return false;
    const double rounds_to_infinity = scalar == PM_SCALAR_F16   ? 65520
                                      : scalar == PM_SCALAR_F32 ? 0x1.ffffffp127
                                                                : INFINITY;
    if (isfinite(value) && fabs(value) >= rounds_to_infinity) return false;
    *bits = kernel_float_bits(scalar, value);
    return true;
}

bool kernel_parse_number(pm_scalar scalar, const char *text, uint64_t *bits)
{
    if (kernel_is_float(scalar)) return parse_float(scalar, text, bits);
    if (scalar == PM_SCALAR_BOOL) {
        *bits = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        return *bits || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    }
    if (scalar == PM_SCALAR_OTHER || scalar == PM_SCALAR_ADDRESS) return false;
    return kernel_parse_whole(scalar, text, bits);
}
