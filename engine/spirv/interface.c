/* A module's interface, to describe it and to make its buffers: entry point, work group, bindings, push and specialization constants. */
#include "spirv/spirv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/log.h"
#include "spirv/reader.h"

enum { MODEL_COMPUTE = 5, MODE_LOCAL_SIZE = 17, MODE_LOCAL_SIZE_ID = 38, MAX_NESTING = 4, MAX_STEPS = 1024 };

const char *pm_scalar_name(pm_scalar scalar)
{
#define SCALAR_NAME(name, text, size) text,
    static const char *const names[] = {PM_SCALAR_LIST(SCALAR_NAME)};
#undef SCALAR_NAME
    return (unsigned)scalar < sizeof names / sizeof *names ? names[scalar] : "";
}

size_t pm_scalar_size(pm_scalar scalar)
{
#define SCALAR_SIZE(name, text, size) size,
    static const size_t sizes[] = {PM_SCALAR_LIST(SCALAR_SIZE)};
#undef SCALAR_SIZE
    return (unsigned)scalar < sizeof sizes / sizeof *sizes ? sizes[scalar] : 0;
}

double pm_half_value(uint16_t bits)
{
    return half_to_float(bits);
}

uint16_t pm_half_bits(double value)
{
    return half_from_double(value);
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static pm_scalar integer_of(uint32_t width, bool is_signed)
{
    switch (width) {
    case 8: return is_signed ? PM_SCALAR_I8 : PM_SCALAR_U8;
    case 16: return is_signed ? PM_SCALAR_I16 : PM_SCALAR_U16;
    case 32: return is_signed ? PM_SCALAR_I32 : PM_SCALAR_U32;
    case 64: return is_signed ? PM_SCALAR_I64 : PM_SCALAR_U64;
    default: return PM_SCALAR_OTHER;
    }
}

static pm_scalar scalar_of(const spirv_reader *r, uint32_t type)
{
    uint32_t at = spirv_defined(r, type, OP_TYPE_INT, 4);
    if (at) return integer_of(r->words[at + 2], r->words[at + 3] != 0);
    at = spirv_defined(r, type, OP_TYPE_FLOAT, 3);
    const uint32_t width = at ? r->words[at + 2] : 0;
    if (at)
        return width == 16   ? PM_SCALAR_F16
               : width == 32 ? PM_SCALAR_F32
               : width == 64 ? PM_SCALAR_F64
                             : PM_SCALAR_OTHER;
    if (spirv_defined(r, type, OP_TYPE_BOOL, 2)) return PM_SCALAR_BOOL;
    at = spirv_defined(r, type, OP_TYPE_POINTER, 4);
    return at && r->words[at + 2] == STORAGE_PHYSICAL ? PM_SCALAR_ADDRESS : PM_SCALAR_OTHER;
}

static pm_kernel_type type_of(const spirv_reader *r, uint32_t type)
{
    pm_kernel_type out = {PM_SCALAR_OTHER, 1, 1, 1};
    uint32_t at;
    if ((at = spirv_defined(r, type, OP_TYPE_RUNTIME_ARRAY, 3)) != 0) {
        out.elements = 0;
        type = r->words[at + 2];
    } else if ((at = spirv_defined(r, type, OP_TYPE_ARRAY, 4)) != 0) {
        out.elements = (uint32_t)spirv_of(r, r->words[at + 3])->value;
        type = r->words[at + 2];
    }
    if ((at = spirv_defined(r, type, OP_TYPE_MATRIX, 4)) != 0) {
        out.columns = r->words[at + 3];
        type = r->words[at + 2];
    }
    if ((at = spirv_defined(r, type, OP_TYPE_VECTOR, 4)) != 0) {
        out.components = r->words[at + 3];
        type = r->words[at + 2];
    }
    out.scalar = scalar_of(r, type);
    if (out.components > 4 || out.columns > 4 || out.components == 0 || out.columns == 0) {
        out.scalar = PM_SCALAR_OTHER;
        out.components = out.columns = 1;
    }
    return out;
}

/* The number of a struct's members; 0 for any other type. */
static uint32_t members_of(const spirv_reader *r, uint32_t type)
{
    const uint32_t at = spirv_defined(r, type, OP_TYPE_STRUCT, 3);
    return at ? spirv_length(r, at) - 2 : 0;
}

static uint32_t member_type(const spirv_reader *r, uint32_t type, uint32_t member)
{
    return r->words[spirv_of(r, type)->at + 2 + member];
}

static void member_name(const spirv_reader *r, uint32_t type, uint32_t member, char *text, size_t room)
{
    uint32_t at = 0;
    (void)spirv_member_of(r, type, member, SPIRV_NAME_OF_MEMBER, &at);
    spirv_text(r, at, text, room);
}

/* ---- bindings ---------------------------------------------------------------------------------------------------- */

static void name_binding(const spirv_reader *r, uint32_t variable, uint32_t block, char *text, size_t room)
{
    spirv_text(r, spirv_of(r, variable)->name, text, room);
    if (!text[0] && members_of(r, block) == 1) member_name(r, block, 0, text, room);
    if (!text[0]) spirv_text(r, spirv_of(r, block)->name, text, room);
}

/* Whether all of a block's members, or the variable itself, have the decoration. */
static bool all_members(const spirv_reader *r, uint32_t block, int32_t decoration)
{
    const uint32_t count = members_of(r, block);
    uint32_t unused;
    for (uint32_t i = 0; i < count; i++)
        if (!spirv_member_of(r, block, i, decoration, &unused)) return false;
    return count > 0;
}

/* Several variables may share a binding, as views of one buffer. The binding has the accesses of all, and name and type of the first. */
static const char *add_binding(const pm_kernel_binding *found, pm_kernel_info *info)
{
    for (uint32_t i = 0; i < info->binding_count; i++) {
        pm_kernel_binding *b = &info->bindings[i];
        if (b->set != found->set || b->binding != found->binding) continue;
        b->storage_buffer = b->storage_buffer && found->storage_buffer;
        b->readable = b->readable || found->readable;
        b->writable = b->writable || found->writable;
        if (found->fixed_size > b->fixed_size) b->fixed_size = found->fixed_size;
        return NULL;
    }
    if (info->binding_count == PM_KERNEL_BINDINGS) return "it has more than 16 bindings";
    info->bindings[info->binding_count++] = *found;
    return NULL;
}

/* NULL, or what is wrong. */
static const char *read_binding(const spirv_reader *r, const uint32_t *w, uint32_t block, pm_kernel_info *info)
{
    const spirv_id *id = spirv_of(r, w[2]);
    if (id->binding == SPIRV_NONE) return "it has a buffer or an image without a binding";
    pm_kernel_binding b = {.set = id->set == SPIRV_NONE ? 0 : id->set, .binding = id->binding};
    name_binding(r, w[2], block, b.name, sizeof b.name);
    const uint32_t count = members_of(r, block);
    b.storage_buffer =
        count > 0 && (w[3] == STORAGE_STORAGE_BUFFER || (w[3] == STORAGE_UNIFORM && spirv_of(r, block)->buffer_block));
    b.writable = b.storage_buffer && !id->non_writable && !all_members(r, block, DECORATION_NON_WRITABLE);
    b.readable = !id->non_readable && !all_members(r, block, DECORATION_NON_READABLE);
    if (count == 0) return add_binding(&b, info);
    b.type = type_of(r, member_type(r, block, count - 1));
    b.fixed_size = spirv_of(r, block)->size;
    uint32_t offset;
    if (b.type.elements == 0 && spirv_member_of(r, block, count - 1, DECORATION_OFFSET, &offset) &&
        offset > b.fixed_size)
        b.fixed_size = offset;
    return add_binding(&b, info);
}

static int compare_bindings(const void *a, const void *b)
{
    const pm_kernel_binding *x = a, *y = b;
    if (x->set != y->set) return x->set < y->set ? -1 : 1;
    return x->binding < y->binding ? -1 : x->binding > y->binding;
}

/* ---- push constants ---------------------------------------------------------------------------------------------- */

/* Lists a struct's members, those of structs within it by "outer.inner". `steps` bounds the work that a module can ask for. */
static const char *read_members(const spirv_reader *r, uint32_t block, const char *prefix, uint32_t base, int depth,
                                uint32_t *steps, pm_kernel_info *info)
{
    const uint32_t count = members_of(r, block);
    for (uint32_t i = 0; i < count; i++) {
        if (++*steps > MAX_STEPS) return "its push constants have too many members";
        char name[48], full[96];
        uint32_t offset = 0;
        const uint32_t type = member_type(r, block, i);
        (void)spirv_member_of(r, block, i, DECORATION_OFFSET, &offset);
        member_name(r, block, i, name, sizeof name);
        snprintf(full, sizeof full, "%.40s%s%.47s", prefix, prefix[0] ? "." : "", name);
        if (members_of(r, type) && depth < MAX_NESTING) {
            const char *fault = read_members(r, type, full, base + offset, depth + 1, steps, info);
            if (fault) return fault;
            continue;
        }
        if (info->member_count == PM_KERNEL_MEMBERS) return "its push constants have more than 64 members";
        pm_kernel_member *m = &info->members[info->member_count++];
        *m = (pm_kernel_member){.offset = base + offset, .type = type_of(r, type)};
        snprintf(m->name, sizeof m->name, "%.47s", full);
        const uint64_t size = spirv_of(r, type)->size;
        if (m->type.scalar == PM_SCALAR_ADDRESS)
            m->size = 8;
        else
            m->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    }
    return NULL;
}

static const char *read_variable(const spirv_reader *r, const uint32_t *w, bool initialized, pm_kernel_info *info)
{
    const uint32_t pointer = spirv_defined(r, w[1], OP_TYPE_POINTER, 4);
    if (!pointer) return "a variable's type is no pointer";
    const uint32_t type = r->words[pointer + 3];
    uint32_t steps = 0;
    if (r->words[pointer + 2] != w[3]) return "a variable and its type are of different storage classes";
    switch (w[3]) {
    case STORAGE_PUSH_CONSTANT:
        if (info->push_size) return "it has two blocks of push constants";
        if (spirv_of(r, type)->size == 0 || spirv_of(r, type)->size > 65536)
            return "its push constants have no size, or one above 64 KiB";
        info->push_size = (uint32_t)spirv_of(r, type)->size;
        return read_members(r, type, "", 0, 0, &steps, info);
    case STORAGE_WORKGROUP:
        if (spirv_of(r, type)->size == 0) return "the size of its shared memory cannot be worked out";
        info->shared_size += spirv_of(r, type)->size;
        info->shared_initialized |= initialized;
        if (info->shared_size > SPIRV_HUGE) info->shared_size = SPIRV_HUGE;
        return NULL;
    case STORAGE_STORAGE_BUFFER:
    case STORAGE_UNIFORM:
    case STORAGE_UNIFORM_CONSTANT: return read_binding(r, w, type, info);
    case STORAGE_INPUT:
    case STORAGE_PRIVATE:
    case STORAGE_FUNCTION: return NULL;
    default: return "a variable is of a storage class that Pumice does not know";
    }
}

/* ---- specialization and the work group --------------------------------------------------------------------------- */

static const char *read_spec(const spirv_reader *r, const spirv_id *id, pm_kernel_info *info)
{
    const uint32_t op = spirv_op(r, id->at);
    if (op != OP_SPEC_CONSTANT && op != OP_SPEC_TRUE && op != OP_SPEC_FALSE)
        return "a specialization id stands at something that is no specialization constant";
    for (uint32_t i = 0; i < info->spec_count; i++)
        if (info->specs[i].id == id->spec) return "two specialization constants have the same id";
    if (info->spec_count == PM_KERNEL_SPECS) return "it has more than 32 specialization constants";
    pm_kernel_spec *s = &info->specs[info->spec_count++];
    *s = (pm_kernel_spec){.id = id->spec, .scalar = scalar_of(r, r->words[id->at + 1])};
    (void)spirv_literal(r, id, &s->value);
    spirv_text(r, id->name, s->name, sizeof s->name);
    return s->scalar == PM_SCALAR_OTHER ? "a specialization constant is neither a number nor a bool" : NULL;
}

static int compare_specs(const void *a, const void *b)
{
    const pm_kernel_spec *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static const char *set_local_size(const spirv_reader *r, const uint32_t *ids, pm_kernel_info *info)
{
    for (int i = 0; i < 3; i++) {
        const spirv_id *id = spirv_of(r, ids[i]);
        if (!id->known || id->value > UINT32_MAX) return "the size of its work group cannot be worked out";
        info->local_size[i] = (uint32_t)id->value;
        info->local_size_ids[i] = id->spec;
    }
    return NULL;
}

/* The execution mode's size, or its ids. */
static const char *read_mode(const spirv_reader *r, uint32_t entry, pm_kernel_info *info)
{
    const char *fault = "it does not say how large its work group is";
    for (size_t at = 5; at < r->count; at += spirv_length(r, (uint32_t)at)) {
        const uint32_t *w = &r->words[at], op = spirv_op(r, (uint32_t)at);
        if (spirv_length(r, (uint32_t)at) < 6 || w[1] != entry) continue;
        if (op == OP_EXECUTION_MODE_ID && w[2] == MODE_LOCAL_SIZE_ID) {
            info->local_size_by_id = true;
            fault = set_local_size(r, w + 3, info);
        } else if (op == OP_EXECUTION_MODE && w[2] == MODE_LOCAL_SIZE) {
            for (int i = 0; i < 3; i++) info->local_size[i] = w[3 + i];
            fault = NULL;
        }
    }
    return fault;
}

/* A constant decorated as WorkgroupSize overrides the execution mode (section 3.21). */
static const char *read_local_size(const spirv_reader *r, uint32_t entry, pm_kernel_info *info)
{
    const char *fault = read_mode(r, entry, info);
    for (uint32_t i = 0; i < r->bound; i++) {
        const spirv_id *id = &r->ids[i];
        if (id->builtin != BUILTIN_WORKGROUP_SIZE || !id->at) continue;
        const uint32_t op = spirv_op(r, id->at);
        if ((op == OP_SPEC_COMPOSITE || op == OP_CONSTANT_COMPOSITE) && spirv_length(r, id->at) >= 6)
            return set_local_size(r, &r->words[id->at + 3], info);
    }
    return fault;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static const char *read_entry(const spirv_reader *r, const uint32_t *w, uint32_t at, uint32_t *entry,
                              pm_kernel_info *info)
{
    if (*entry != SPIRV_NONE) return "it has more than one entry point";
    if (w[1] != MODEL_COMPUTE) return "it is no compute shader";
    if (!spirv_defined(r, w[2], OP_FUNCTION, 5)) return "its entry point is no function";
    spirv_text(r, at + 3, info->entry, sizeof info->entry);
    /* The driver looks the entry point up by this name, so that a name cut or cleaned here would not be found. */
    if (!info->entry[0] || strchr(info->entry, '?') || strlen(info->entry) + 1 == sizeof info->entry)
        return "its entry point's name is empty, too long or not plain";
    *entry = w[2];
    return NULL;
}

static const char *read_all(const spirv_reader *r, pm_kernel_info *info)
{
    uint32_t entry = SPIRV_NONE;
    const char *fault = NULL;
    for (size_t at = 5; at < r->count && !fault; at += spirv_length(r, (uint32_t)at)) {
        const uint32_t length = spirv_length(r, (uint32_t)at), *w = &r->words[at];
        switch (spirv_op(r, (uint32_t)at)) {
        case OP_CAPABILITY:
            if (length < 2 || info->capability_count == PM_KERNEL_CAPABILITIES)
                return "it needs more than 32 capabilities";
            info->capabilities[info->capability_count++] = w[1];
            break;
        case OP_ENTRY_POINT:
            fault = length < 4 ? "its entry point is cut short" : read_entry(r, w, (uint32_t)at, &entry, info);
            break;
        case OP_VARIABLE: fault = length < 4 ? "a variable is cut short" : read_variable(r, w, length > 4, info); break;
        default: break;
        }
    }
    for (uint32_t i = 0; i < r->bound && !fault; i++)
        if (r->ids[i].spec != SPIRV_NONE && r->ids[i].at) fault = read_spec(r, &r->ids[i], info);
    if (!fault && entry == SPIRV_NONE) fault = "it has no entry point";
    if (!fault) fault = read_local_size(r, entry, info);
    qsort(info->bindings, info->binding_count, sizeof *info->bindings, compare_bindings);
    qsort(info->specs, info->spec_count, sizeof *info->specs, compare_specs);
    return fault;
}

pm_status pm_kernel_describe(const pm_log *log, const char *name, const uint32_t *words, size_t count,
                             const pm_kernel_value *spec, size_t spec_count, pm_kernel_info *out)
{
    spirv_reader r;
    pm_kernel_info *info = calloc(1, sizeof *info);
    if (!info) return log_fail(log, PM_NO_HOST_MEMORY, "gpu: %s: no memory to read it", name);
    for (int i = 0; i < 3; i++) info->local_size_ids[i] = SPIRV_NONE;
    pm_status status = PM_OK;
    const char *fault = spirv_open(words, count, spec, spec_count, &r);
    if (!fault) {
        info->version = words[1];
        fault = read_all(&r, info);
    }
    if (!fault) fault = spirv_body_fault(&r, info);
    if (fault == spirv_no_memory)
        status = log_fail(log, PM_NO_HOST_MEMORY, "gpu: %s: %s", name, fault);
    else if (fault)
        status = log_fail(log, PM_FORMAT, "gpu: %s: the SPIR-V cannot be used: %s", name, fault);
    for (size_t i = 0; i < spec_count && status == PM_OK; i++) {
        bool there = false;
        for (uint32_t j = 0; j < info->spec_count; j++) there |= info->specs[j].id == spec[i].id;
        if (!there) status = log_fail(log, PM_INVALID, "gpu: %s has no specialization constant %u", name, spec[i].id);
    }
    if (status == PM_OK) *out = *info;
    spirv_close(&r);
    free(info);
    return status;
}
