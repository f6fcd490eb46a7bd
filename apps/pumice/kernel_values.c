/* Numbers of a kernel's types: from text, to text, 16-bit floats. And the options made of them: --spec, --push, --groups. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

/* ---- 16-bit floats: 1 sign, 5 exponent, 10 mantissa (IEEE 754 binary16) ---- */

static double from_half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double value = exponent == 31 ? (mantissa ? NAN : INFINITY)
                   : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                                  : ldexp(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

static uint16_t to_half(double value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return 0x7e00;
    value = fabs(value);
    int exponent;
    (void)frexp(value, &exponent);                         /* value = [0.5, 1) * 2^exponent */
    if (value >= 65520) return sign | 0x7c00;              /* rounds to infinity */
    const int unit = exponent < -13 ? -24 : exponent - 11; /* of the last place */
    const int places = (int)nearbyint(ldexp(value, -unit));
    return (uint16_t)(sign + (unit == -24 ? places : (unit + 24) * 1024 + places));
}

/* ---- scalars ---- */

double kernel_number(pm_scalar scalar, const void *data, uint64_t index)
{
    const char *at = (const char *)data + index * pm_scalar_size(scalar);
    double f64;
    float f32;
    int64_t i64;
    uint64_t u64;
    int32_t i32;
    uint32_t u32;
    int16_t i16;
    uint16_t u16;
    switch (scalar) {
    case PM_SCALAR_F16: memcpy(&u16, at, 2); return from_half(u16);
    case PM_SCALAR_F32: memcpy(&f32, at, 4); return f32;
    case PM_SCALAR_F64: memcpy(&f64, at, 8); return f64;
    case PM_SCALAR_I8: return *(const signed char *)at;
    case PM_SCALAR_U8: return *(const unsigned char *)at;
    case PM_SCALAR_I16: memcpy(&i16, at, 2); return i16;
    case PM_SCALAR_U16: memcpy(&u16, at, 2); return u16;
    case PM_SCALAR_I32: memcpy(&i32, at, 4); return i32;
    case PM_SCALAR_BOOL:
    case PM_SCALAR_U32: memcpy(&u32, at, 4); return u32;
    case PM_SCALAR_I64: memcpy(&i64, at, 8); return (double)i64;
    case PM_SCALAR_ADDRESS:
    case PM_SCALAR_U64: memcpy(&u64, at, 8); return (double)u64;
    case PM_SCALAR_OTHER: break;
    }
    return 0;
}

bool kernel_is_float(pm_scalar scalar)
{
    return scalar == PM_SCALAR_F16 || scalar == PM_SCALAR_F32 || scalar == PM_SCALAR_F64;
}

void kernel_put_number(pm_scalar scalar, void *data, double value)
{
    const uint16_t half = kernel_is_float(scalar) ? to_half(value) : 0;
    const float single = (float)value;
    const uint64_t whole = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
    if (scalar == PM_SCALAR_F16)
        memcpy(data, &half, 2);
    else if (scalar == PM_SCALAR_F32)
        memcpy(data, &single, 4);
    else if (scalar == PM_SCALAR_F64)
        memcpy(data, &value, 8);
    else
        memcpy(data, &whole, pm_scalar_size(scalar)); /* little-endian: the low bytes */
}

/* The bits of a whole number that `bytes` bytes hold, signed or not. */
static bool parse_whole(const char *text, size_t bytes, bool is_signed, uint64_t *bits)
{
    char *end = NULL;
    const bool negative = text[0] == '-';
    errno = 0;
    const unsigned long long value = strtoull(negative ? text + 1 : text, &end, 0);
    if (errno != 0 || end == text || *end != 0 || strchr(" +-\t", text[negative])) return false;
    const unsigned width = (unsigned)bytes * 8 - (is_signed ? 1 : 0);
    const unsigned long long most = width >= 64 ? UINT64_MAX : (1ull << width) - 1;
    if (value > most + (negative && is_signed ? 1 : 0) || (negative && !is_signed)) return false;
    *bits = negative ? 0 - (uint64_t)value : value;
    return true;
}

bool kernel_parse_number(pm_scalar scalar, const char *text, uint64_t *bits)
{
    if (kernel_is_float(scalar)) {
        char *end = NULL;
        const double value = strtod(text, &end);
        if (text[0] == 0 || *end != 0) return false;
        *bits = 0;
        kernel_put_number(scalar, bits, value);
        return true;
    }
    if (scalar == PM_SCALAR_BOOL) {
        *bits = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        return *bits || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    }
    if (scalar == PM_SCALAR_OTHER || scalar == PM_SCALAR_ADDRESS) return false;
    const bool is_signed =
        scalar == PM_SCALAR_I8 || scalar == PM_SCALAR_I16 || scalar == PM_SCALAR_I32 || scalar == PM_SCALAR_I64;
    return parse_whole(text, pm_scalar_size(scalar), is_signed, bits);
}

/* ---- "KEY=VALUE" ---- */

const char *kernel_split(const char *text, char key[64])
{
    const size_t length = strcspn(text, "=");
    if (length == 0 || length >= 64 || !text[length]) return NULL;
    memcpy(key, text, length);
    key[length] = 0;
    return text + length + 1;
}

bool kernel_parse_spec(const kernel_options *options, const pm_kernel_info *info, pm_kernel_value *values,
                       size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < options->spec.count; i++) {
        const char *text = options->spec.items[i];
        char key[64];
        uint64_t id = UINT64_MAX;
        const char *value = kernel_split(text, key);
        const pm_kernel_spec *found = NULL;
        if (value && !parse_whole(key, 4, false, &id)) id = UINT64_MAX;
        for (uint32_t j = 0; value && j < info->spec_count; j++)
            if (info->specs[j].id == id || strcmp(info->specs[j].name, key) == 0) found = &info->specs[j];
        for (size_t j = 0; found && j < *count; j++)
            if (values[j].id == found->id) {
                app_error("--spec %s: this constant was given before", text);
                return false;
            }
        if (!value || !found) {
            app_error(
                "--spec %s: give ID=VALUE with the number or the name of a specialization constant; %s has %u of them",
                text, options->file, (unsigned)info->spec_count);
            return false;
        }
        if (!kernel_parse_number(found->scalar, value, &values[*count].value)) {
            app_error("--spec %s: constant %u is of type %s", text, (unsigned)found->id, pm_scalar_name(found->scalar));
            return false;
        }
        values[(*count)++].id = found->id;
    }
    return true;
}

bool kernel_parse_groups(const char *text, uint32_t groups[3])
{
    const char *at = text;
    groups[0] = groups[1] = groups[2] = 1;
    for (int i = 0; i < 3; i++) {
        char word[16] = "";
        uint64_t value;
        const size_t length = strcspn(at, ",");
        if (length < sizeof word) memcpy(word, at, length);
        if (!parse_whole(word, 4, false, &value) || value == 0) break;
        groups[i] = (uint32_t)value;
        at += length;
        if (*at == 0) return true;
        at++;
    }
    app_error("--groups %s: give one to three whole numbers from 1 on: X, X,Y or X,Y,Z", text);
    return false;
}

/* ---- push constants ---- */

/* Comma-separated values into consecutive scalars from `to` on. */
static bool put_values(const char *text, pm_scalar scalar, uint64_t most, unsigned char *to)
{
    const size_t size = pm_scalar_size(scalar);
    for (uint64_t i = 0; i < most; i++) {
        char word[64] = "";
        uint64_t bits;
        const size_t length = strcspn(text, ",");
        if (length < sizeof word) memcpy(word, text, length);
        if (!kernel_parse_number(scalar, word, &bits)) return false;
        memcpy(to + i * size, &bits, size);
        text += length;
        if (*text == 0) return true;
        text++;
    }
    return false; /* more than there is room for */
}

static bool push_member(const char *text, const char *key, const char *value, const pm_kernel_info *info,
                        unsigned char *block)
{
    const pm_kernel_member *m = NULL;
    for (uint32_t i = 0; i < info->member_count && !m; i++)
        if (strcmp(info->members[i].name, key) == 0) m = &info->members[i];
    if (!m) {
        app_error("--push %s: no push constant is called %s; --describe lists them", text, key);
        return false;
    }
    const size_t size = pm_scalar_size(m->type.scalar);
    const bool packed = m->type.elements == 1 || m->type.components != 3; /* three of an array lie on four places */
    const bool plain = size > 0 && packed && m->type.columns == 1 && m->type.scalar != PM_SCALAR_ADDRESS;
    if (!plain || !put_values(value, m->type.scalar, m->size / size, block + m->offset)) {
        char type[48];
        app_error("--push %s: %s is of type %s: give as many values, with commas between them", text, m->name,
                  kernel_type_text(&m->type, type));
        return false;
    }
    return true;
}

/* Words for the whole block: whole numbers, or floats where they have a point or an exponent. */
static bool push_words(const char *text, const pm_kernel_info *info, unsigned char *block)
{
    const char *at = text;
    for (uint32_t i = 0; i < info->push_size / 4; i++) {
        char word[64] = "";
        uint64_t bits = 0;
        const size_t length = strcspn(at, ",");
        if (length < sizeof word) memcpy(word, at, length);
        const bool hexadecimal = strncmp(word, "0x", 2) == 0;
        const bool is_float = !hexadecimal && strpbrk(word, ".eE");
        if (!kernel_parse_number(is_float         ? PM_SCALAR_F32
                                 : word[0] == '-' ? PM_SCALAR_I32
                                                  : PM_SCALAR_U32,
                                 word, &bits))
            break;
        memcpy(block + 4 * i, &bits, 4);
        at += length;
        if (*at == 0) return true;
        at++;
    }
    app_error("--push %s: give name=value, or up to %u words such as 1024,0x10,0.5", text,
              (unsigned)info->push_size / 4);
    return false;
}

bool kernel_parse_push(const kernel_options *options, const pm_kernel_info *info, unsigned char *block)
{
    for (size_t i = 0; i < options->push.count; i++) {
        const char *text = options->push.items[i];
        char key[64];
        const char *value = kernel_split(text, key);
        if (!(value ? push_member(text, key, value, info, block) : push_words(text, info, block))) return false;
    }
    return true;
}
