/* What Pumice's own modules declare: the bindings, and the block of push constants that common/kernel.glsl gives each of them. */
#include "spirv/spirv.h"

#include "spirv/reader.h"

/* The block has an address or an offset for each argument, then the kernel's struct. */
static void read_push(const spirv_reader *r, uint32_t type, spirv_facts *facts)
{
    const uint32_t at = spirv_defined(r, type, OP_TYPE_STRUCT, 3);
    if (!at) return;
    const uint32_t members = spirv_length(r, at) - 2;
    facts->push_size = (uint32_t)spirv_of(r, type)->size;
    facts->push_args = members - 1;
    facts->push_param = (uint32_t)spirv_of(r, r->words[at + 1 + members])->size;
    for (uint32_t i = 0; i + 1 < members; i++)
        if (spirv_defined(r, r->words[at + 2 + i], OP_TYPE_POINTER, 4)) facts->addresses++;
}

static bool read_variable(const spirv_reader *r, const uint32_t *w, spirv_facts *facts)
{
    const spirv_id *id = spirv_of(r, w[2]);
    const uint32_t pointer = spirv_defined(r, w[1], OP_TYPE_POINTER, 4);
    if (!pointer) return false;
    if (w[3] == STORAGE_PUSH_CONSTANT) {
        read_push(r, r->words[pointer + 3], facts);
        return true;
    }
    if (w[3] != STORAGE_STORAGE_BUFFER && w[3] != STORAGE_UNIFORM && w[3] != STORAGE_UNIFORM_CONSTANT) return true;
    if (id->binding >= 32 || (id->set != 0 && id->set != SPIRV_NONE)) return false;
    facts->binding_mask |= 1u << id->binding;
    return true;
}

static bool read_facts(const spirv_reader *r, spirv_facts *facts)
{
    for (size_t at = 5; at < r->count; at += spirv_length(r, (uint32_t)at)) {
        const uint32_t length = spirv_length(r, (uint32_t)at), *w = &r->words[at];
        switch (spirv_op(r, (uint32_t)at)) {
        case OP_CAPABILITY:
            if (length < 2 || facts->capability_count == SPIRV_MAX_CAPABILITIES) return false;
            facts->capabilities[facts->capability_count++] = w[1];
            facts->matrices |= w[1] == SPIRV_COOPERATIVE_MATRIX;
            break;
        case OP_VARIABLE:
            if (length < 4 || !read_variable(r, w, facts)) return false;
            break;
        default: break;
        }
    }
    for (uint32_t i = 0; i < r->bound; i++)
        if (r->ids[i].spec < 32) facts->spec_mask |= 1u << r->ids[i].spec;
    return true;
}

pm_status spirv_read(const uint32_t *words, size_t count, spirv_facts *out)
{
    spirv_reader r;
    spirv_facts facts = {0};
    const char *fault = spirv_open(words, count, NULL, 0, &r);
    pm_status status = !fault ? PM_OK : fault == spirv_no_memory ? PM_NO_HOST_MEMORY : PM_SHADER;
    if (status == PM_OK) {
        facts.version = words[1];
        if (!read_facts(&r, &facts)) status = PM_SHADER;
    }
    spirv_close(&r);
    if (status == PM_OK) *out = facts;
    return status;
}

void spirv_map_bindings(uint32_t *words, size_t count, uint64_t map)
{
    for (size_t at = 5; at < count && words[at] >> 16 > 0; at += words[at] >> 16) {
        uint32_t *w = &words[at];
        if ((w[0] & 0xffff) == OP_DECORATE && w[2] == DECORATION_BINDING) w[3] = map >> 4 * (w[3] & 15) & 15;
    }
}
