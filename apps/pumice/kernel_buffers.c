/* --buffer: a binding's size and what it starts with. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

/* SIZE's last letter: elements of this type instead of bytes. */
static const struct {
    char letter;
    pm_scalar scalar;
} suffixes[] = {{'b', PM_SCALAR_U8},  {'h', PM_SCALAR_F16}, {'f', PM_SCALAR_F32},
                {'d', PM_SCALAR_F64}, {'i', PM_SCALAR_I32}, {'u', PM_SCALAR_U32}};

static bool bad(const char *text, const char *reason)
{
    app_error("--buffer %s: %s; give N=SIZE[:zeros|ones|iota|random|FILE], SIZE in bytes or elements as in 1024f (b h "
              "f d i u)",
              text, reason);
    return false;
}

const kernel_buffer *kernel_find_buffer(const char *option, const char *text, const pm_kernel_info *info,
                                        const kernel_buffer *buffers, size_t count, const char **rest)
{
    char key[64];
    *rest = kernel_split(text, key);
    for (uint32_t i = 0; *rest && i < info->binding_count; i++) {
        const pm_kernel_binding *b = &info->bindings[i];
        char number[16];
        snprintf(number, sizeof number, "%u", (unsigned)b->binding);
        if (strcmp(key, number) != 0 && strcmp(key, b->name) != 0) continue;
        for (size_t j = 0; j < count; j++)
            if (buffers[j].binding == b->binding) return &buffers[j];
    }
    app_error("%s %s: before the = must stand a binding's number or name; --describe lists them", option, text);
    return NULL;
}

/* ---- content ---- */

/* Steele, Lea and Flood's splitmix64: any seed, any index, the same 64 bits. */
static uint64_t random_bits(uint64_t seed, uint64_t index)
{
    uint64_t z = (seed + index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* How many whole numbers from 0 on the type has without a gap: where iota starts anew. */
static uint64_t whole_numbers(pm_scalar scalar)
{
    switch (scalar) {
    case PM_SCALAR_F16: return (1 << 11) + 1;
    case PM_SCALAR_F32: return (1 << 24) + 1;
    case PM_SCALAR_F64: return ((uint64_t)1 << 53) + 1;
    default: break;
    }
    const unsigned bits = 8 * (unsigned)pm_scalar_size(scalar) - (kernel_is_signed(scalar) ? 1 : 0);
    return bits < 64 ? (uint64_t)1 << bits : UINT64_MAX;
}

/* The bits of one element. Random whole numbers are any of the type, floats lie from -1 to 1. */
static uint64_t content(const char *fill, pm_scalar scalar, uint64_t seed, uint64_t index)
{
    const bool is_float = kernel_is_float(scalar);
    if (strcmp(fill, "random") == 0) {
        const uint64_t bits = random_bits(seed, index);
        return is_float ? kernel_float_bits(scalar, 2 * ((double)(bits >> 11) * 0x1p-53) - 1) : bits;
    }
    const uint64_t whole = strcmp(fill, "ones") == 0 ? 1 : index % whole_numbers(scalar);
    return is_float ? kernel_float_bits(scalar, (double)whole) : whole;
}

static bool read_file(const char *text, const char *path, kernel_buffer *buffer)
{
    size_t size = 0;
    char *data = app_read(path, &size);
    if (!data) {
        app_error("--buffer %s: %s: cannot be read: %s", text, path, strerror(errno));
        return false;
    }
    if (buffer->size == 0) buffer->size = size;
    if (size != buffer->size || size == 0) {
        app_error("--buffer %s: %s has %zu bytes, the buffer %llu", text, path, size, (unsigned long long)buffer->size);
        free(data);
        return false;
    }
    buffer->data = data;
    return true;
}

static bool fill_buffer(const char *text, const char *fill, uint64_t seed, kernel_buffer *buffer)
{
    const bool zeros = strcmp(fill, "zeros") == 0;
    if (!zeros && strcmp(fill, "ones") != 0 && strcmp(fill, "iota") != 0 && strcmp(fill, "random") != 0)
        return read_file(text, fill, buffer);
    const size_t size = pm_scalar_size(buffer->scalar);
    if (buffer->size == 0) return bad(text, "a size of at least 1 is needed");
    if (buffer->size <= SIZE_MAX) buffer->data = calloc(1, (size_t)buffer->size);
    if (!buffer->data) {
        app_error("--buffer %s: out of host memory", text);
        return false;
    }
    for (uint64_t i = 0; !zeros && i < buffer->size / size; i++) {
        const uint64_t bits = content(fill, buffer->scalar, seed + buffer->binding, i);
        memcpy(buffer->data + i * size, &bits, size); /* little-endian: the low bytes */
    }
    return true;
}

/* ---- one option ---- */

/* "SIZE[:FILL]" into size and type; *fill points behind the colon. */
static bool parse_size(const char *text, const char *value, kernel_buffer *buffer, const char **fill)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long number = value[0] >= '0' && value[0] <= '9' ? strtoull(value, &end, 10) : 0;
    if (!end) end = (char *)(uintptr_t)value;
    uint64_t unit = 1;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (*end == suffixes[i].letter) {
            const bool byte = suffixes[i].scalar == PM_SCALAR_U8; /* it says no sign, so the binding's own counts */
            if (!byte || buffer->scalar != PM_SCALAR_I8) buffer->scalar = suffixes[i].scalar;
            unit = pm_scalar_size(buffer->scalar);
            end++;
            break;
        }
    *fill = *end == ':' ? end + 1 : "zeros";
    if (*end != 0 && *end != ':') return bad(text, "its size cannot be read");
    if (errno != 0 || number > (1ull << 40) / unit) return bad(text, "its size is too large");
    buffer->size = number * unit;
    return true;
}

bool kernel_parse_buffers(const kernel_options *options, const pm_kernel_info *info, kernel_buffer *buffers,
                          size_t *count)
{
    bool good = true;
    *count = info->binding_count;
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const pm_kernel_binding *b = &info->bindings[i];
        const size_t size = pm_scalar_size(b->type.scalar);
        const bool known = size > 0 && b->type.scalar != PM_SCALAR_ADDRESS && b->type.scalar != PM_SCALAR_BOOL;
        buffers[i] = (kernel_buffer){
            .binding = b->binding, .scalar = known ? b->type.scalar : PM_SCALAR_U32, .written = b->writable};
    }
    for (size_t i = 0; i < options->buffers.count && good; i++) {
        const char *text = options->buffers.items[i], *value, *fill;
        kernel_buffer *buffer =
            (kernel_buffer *)(uintptr_t)kernel_find_buffer("--buffer", text, info, buffers, *count, &value);
        good = buffer != NULL;
        if (good && buffer->data) good = bad(text, "this binding was given before");
        if (good) good = parse_size(text, value, buffer, &fill) && fill_buffer(text, fill, options->seed, buffer);
    }
    for (size_t i = 0; i < *count && good; i++)
        if (!buffers[i].data) {
            good = false;
            app_error("binding %u (%s) has no buffer: give --buffer %u=SIZE[:zeros|ones|iota|random|FILE]",
                      (unsigned)buffers[i].binding, info->bindings[i].name, (unsigned)buffers[i].binding);
        }
    return good;
}

void kernel_free_buffers(kernel_buffer *buffers, size_t count)
{
    for (size_t i = 0; i < count; i++) free(buffers[i].data);
}
