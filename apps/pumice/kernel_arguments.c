/* The options that give a kernel numbers: --spec, --push, --groups. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "kernel_values.h"

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
        if (value && !kernel_parse_whole(PM_SCALAR_U32, key, &id)) id = UINT64_MAX;
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
            char range[80];
            app_error("--spec %s: constant %u is of type %s", text, (unsigned)found->id,
                      kernel_range_text(found->scalar, range));
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
        if (!kernel_parse_whole(PM_SCALAR_U32, word, &value) || value == 0) break;
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

/* The block, and which of its bytes an option has set. */
typedef struct push_block {
    unsigned char *bytes, *set;
} push_block;

/* Marks bytes as set; false, after an error line, where one of them was set before. */
static bool claim(push_block *block, const char *text, const char *what, size_t from, size_t size)
{
    if (memchr(block->set + from, 1, size)) {
        app_error("--push %s: %s given before", text, what);
        return false;
    }
    memset(block->set + from, 1, size);
    return true;
}

static bool push_member(const char *text, const char *key, const char *value, const pm_kernel_info *info,
                        push_block *block)
{
    const pm_kernel_member *m = NULL;
    for (uint32_t i = 0; i < info->member_count && !m; i++)
        if (strcmp(info->members[i].name, key) == 0) m = &info->members[i];
    if (!m) {
        app_error("--push %s: no push constant is called %s; --describe lists them", text, key);
        return false;
    }
    const size_t size = pm_scalar_size(m->type.scalar);
    const bool packed = m->type.elements == 1 || m->type.components != 3; /* a vec3 of an array takes four places */
    const bool plain = size > 0 && packed && m->type.columns == 1 && m->type.scalar != PM_SCALAR_ADDRESS;
    if (!plain || !put_values(value, m->type.scalar, m->size / size, block->bytes + m->offset)) {
        char type[48], range[80];
        app_error("--push %s: %s is of type %s: give as many values, with commas between them (%s)", text, m->name,
                  kernel_type_text(&m->type, type), kernel_range_text(m->type.scalar, range));
        return false;
    }
    return claim(block, text, "this constant was", m->offset, m->size);
}

/* Words for the whole block: whole numbers, or floats where they have a point or an exponent. */
static bool push_words(const char *text, const pm_kernel_info *info, push_block *block)
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
        memcpy(block->bytes + 4 * i, &bits, 4);
        at += length;
        if (*at == 0) return claim(block, text, "some of these words were", 0, 4 * ((size_t)i + 1));
        at++;
    }
    app_error("--push %s: give name=value, or up to %u words, 32-bit whole numbers or floats, such as 1024,0x10,0.5",
              text, (unsigned)info->push_size / 4);
    return false;
}

bool kernel_parse_push(const kernel_options *options, const pm_kernel_info *info, unsigned char *bytes)
{
    push_block block = {bytes, calloc(1, info->push_size + 1)};
    bool good = block.set != NULL;
    if (!good) app_error("out of host memory for push constants");
    for (size_t i = 0; i < options->push.count && good; i++) {
        const char *text = options->push.items[i];
        char key[64];
        const char *value = kernel_split(text, key);
        good = value ? push_member(text, key, value, info, &block) : push_words(text, info, &block);
    }
    free(block.set);
    return good;
}
