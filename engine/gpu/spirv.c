/* Reads what a module declares out of its words (SPIR-V specification, section 2.3 and the instructions named
 * below). */
#include "gpu/spirv.h"

#include <stdlib.h>
#include <string.h>

enum {
    OP_CAPABILITY = 17,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23,
    OP_TYPE_ARRAY = 28,
    OP_TYPE_STRUCT = 30,
    OP_TYPE_POINTER = 32,
    OP_CONSTANT = 43,
    OP_VARIABLE = 59,
    OP_DECORATE = 71,
    OP_MEMBER_DECORATE = 72,
};
enum { STORAGE_UNIFORM_CONSTANT = 0, STORAGE_UNIFORM = 2, STORAGE_PUSH_CONSTANT = 9, STORAGE_STORAGE_BUFFER = 12 };
enum { STORAGE_PHYSICAL = 5349 };
enum { DECORATION_SPEC_ID = 1, DECORATION_ARRAY_STRIDE = 6, DECORATION_BINDING = 33, DECORATION_SET = 34 };
enum { DECORATION_OFFSET = 35 };
enum { SPIRV_MAGIC = 0x07230203, MAX_ID = 1 << 20, MAX_DEPTH = 8 };

/* What is known of an id: where its defining instruction is, and its decorations. */
typedef struct spirv_id {
    uint32_t at; /* word index; 0: not seen */
    uint32_t spec, binding, set, stride;
} spirv_id;

typedef struct spirv_reader {
    const uint32_t *words;
    size_t count;
    spirv_id *ids;
    uint32_t bound;
} spirv_reader;

static uint32_t op_at(const spirv_reader *r, uint32_t at)
{
    return r->words[at] & 0xffff;
}
static uint32_t length_at(const spirv_reader *r, uint32_t at)
{
    return r->words[at] >> 16;
}

/* The defining instruction of an id, or 0. */
static uint32_t define(const spirv_reader *r, uint32_t id)
{
    return id < r->bound ? r->ids[id].at : 0;
}

static uint32_t member_offset(const spirv_reader *r, uint32_t type, uint32_t member)
{
    for (size_t at = 5; at < r->count; at += length_at(r, (uint32_t)at))
        if (op_at(r, (uint32_t)at) == OP_MEMBER_DECORATE && length_at(r, (uint32_t)at) >= 5 &&
            r->words[at + 1] == type && r->words[at + 2] == member && r->words[at + 3] == DECORATION_OFFSET)
            return r->words[at + 4];
    return 0;
}

/* Bytes of a type in a block; 0 for what a block of push constants does not hold. */
static uint32_t type_size(const spirv_reader *r, uint32_t type, int depth)
{
    uint32_t at = define(r, type);
    if (at == 0 || depth > MAX_DEPTH) return 0;
    const uint32_t *w = &r->words[at];
    uint32_t length = length_at(r, at);
    switch (op_at(r, at)) {
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT: return length >= 3 ? w[2] / 8 : 0;
    case OP_TYPE_VECTOR: return length >= 4 ? type_size(r, w[2], depth + 1) * w[3] : 0;
    case OP_TYPE_POINTER: return length >= 4 && w[2] == STORAGE_PHYSICAL ? 8 : 0;
    case OP_TYPE_ARRAY: {
        uint32_t n = length >= 4 ? define(r, w[3]) : 0;
        return n && op_at(r, n) == OP_CONSTANT && length_at(r, n) >= 4 ? r->ids[type].stride * r->words[n + 3] : 0;
    }
    case OP_TYPE_STRUCT: {
        if (length < 3) return 0;
        uint32_t last = length - 3;
        return member_offset(r, type, last) + type_size(r, w[2 + last], depth + 1);
    }
    default: return 0;
    }
}

static void read_push(const spirv_reader *r, uint32_t type, spirv_facts *facts)
{
    uint32_t at = define(r, type);
    if (at == 0 || op_at(r, at) != OP_TYPE_STRUCT || length_at(r, at) < 3) return;
    uint32_t members = length_at(r, at) - 2;
    facts->push_size = type_size(r, type, 0);
    facts->push_args = members - 1;
    facts->push_param = type_size(r, r->words[at + 1 + members], 0);
    for (uint32_t i = 0; i + 1 < members; i++) {
        uint32_t member = define(r, r->words[at + 2 + i]);
        if (member && op_at(r, member) == OP_TYPE_POINTER) facts->addresses++;
    }
}

/* First pass: ids and decorations. False where the words do not hold together. */
static bool index_ids(spirv_reader *r)
{
    for (size_t at = 5; at < r->count;) {
        uint32_t length = length_at(r, (uint32_t)at), op = op_at(r, (uint32_t)at);
        const uint32_t *w = &r->words[at];
        if (length == 0 || length > r->count - at) return false;
        uint32_t id = 0;
        if (op >= 19 && op <= 39 && length >= 2) id = w[1];                          /* OpType… */
        if (((op >= 41 && op <= 52) || op == OP_VARIABLE) && length >= 3) id = w[2]; /* constants, variables */
        if (id && id < r->bound) r->ids[id].at = (uint32_t)at;
        if (op == OP_DECORATE && length >= 4 && w[1] < r->bound) {
            spirv_id *target = &r->ids[w[1]];
            if (w[2] == DECORATION_SPEC_ID) target->spec = w[3];
            if (w[2] == DECORATION_BINDING) target->binding = w[3];
            if (w[2] == DECORATION_SET) target->set = w[3];
            if (w[2] == DECORATION_ARRAY_STRIDE) target->stride = w[3];
        }
        at += length;
    }
    return true;
}

static bool read_variable(const spirv_reader *r, const uint32_t *w, spirv_facts *facts)
{
    const spirv_id *id = w[2] < r->bound ? &r->ids[w[2]] : NULL;
    if (!id) return false;
    uint32_t pointer = define(r, w[1]);
    uint32_t type = pointer && length_at(r, pointer) >= 4 ? r->words[pointer + 3] : 0;
    if (w[3] == STORAGE_PUSH_CONSTANT) {
        read_push(r, type, facts);
        return true;
    }
    if (w[3] != STORAGE_STORAGE_BUFFER && w[3] != STORAGE_UNIFORM && w[3] != STORAGE_UNIFORM_CONSTANT) return true;
    if (id->binding >= 32 || (id->set != 0 && id->set != UINT32_MAX)) return false;
    facts->binding_mask |= 1u << id->binding;
    return true;
}

/* Second pass. */
static bool read_facts(const spirv_reader *r, spirv_facts *facts)
{
    for (uint32_t at = 5; at < r->count; at += length_at(r, at)) {
        uint32_t length = length_at(r, at);
        const uint32_t *w = &r->words[at];
        switch (op_at(r, at)) {
        case OP_CAPABILITY:
            if (length < 2 || facts->capability_count == SPIRV_MAX_CAPABILITIES) return false;
            facts->capabilities[facts->capability_count++] = w[1];
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

bool spirv_read(const uint32_t *words, size_t count, spirv_facts *out)
{
    if (count < 5 || count > UINT32_MAX || words[0] != SPIRV_MAGIC || words[3] == 0 || words[3] > MAX_ID) return false;
    spirv_reader r = {words, count, NULL, words[3]};
    r.ids = malloc(r.bound * sizeof *r.ids);
    if (!r.ids) return false;
    for (uint32_t i = 0; i < r.bound; i++) r.ids[i] = (spirv_id){0, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0};
    spirv_facts facts = {.version = words[1]};
    bool good = index_ids(&r) && read_facts(&r, &facts);
    free(r.ids);
    if (good) *out = facts;
    return good;
}
