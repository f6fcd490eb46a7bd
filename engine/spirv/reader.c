/* Indexing a module's words: SPIR-V specification, section 2.3. The parts of a type or a constant must be defined before it, as the
 * specification requires. So one pass finds all sizes and values, and no cycle can occur. */
#include "spirv/reader.h"

#include <stdlib.h>
#include <string.h>

enum { SPIRV_MAGIC = 0x07230203, MAX_ID = 1 << 20, HEADER = 5 };
enum {
    OP_TYPE_FIRST = 19,
    OP_TYPE_LAST = 38, /* 39, OpTypeForwardPointer, defines no id */
    OP_CONSTANT_FIRST = 41,
    OP_CONSTANT_LAST = 52
};

static const spirv_id no_id = {0,     0,     SPIRV_NONE, SPIRV_NONE, SPIRV_NONE, 0, SPIRV_NONE,
                               false, false, false,      false,      0,          0};

const spirv_id *spirv_of(const spirv_reader *r, uint32_t id)
{
    return id < r->bound ? &r->ids[id] : &no_id;
}

uint32_t spirv_defined(const spirv_reader *r, uint32_t id, uint32_t op, uint32_t length)
{
    const uint32_t at = spirv_of(r, id)->at;
    return at && spirv_op(r, at) == op && spirv_length(r, at) >= length ? at : 0;
}

/* ---- members and names ------------------------------------------------------------------------------------------- */

static int compare_members(const void *a, const void *b)
{
    const spirv_member *x = a, *y = b;
    if (x->type != y->type) return x->type < y->type ? -1 : 1;
    if (x->member != y->member) return x->member < y->member ? -1 : 1;
    if (x->what != y->what) return x->what < y->what ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value; /* equal ones: by value, for a fixed order */
}

bool spirv_member_of(const spirv_reader *r, uint32_t type, uint32_t member, int32_t what, uint32_t *value)
{
    size_t low = 0, high = r->member_count;
    const spirv_member wanted = {type, member, what, 0};
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_members(&r->members[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == r->member_count) return false;
    const spirv_member *found = &r->members[low];
    if (found->type != type || found->member != member || found->what != what) return false;
    *value = found->value;
    return true;
}

void spirv_text(const spirv_reader *r, uint32_t at, char *text, size_t room)
{
    size_t used = 0;
    for (bool ended = at == 0; !ended && at < r->count; at++)
        for (int byte = 0; byte < 4 && !ended; byte++) {
            const char c = (char)(r->words[at] >> (8 * byte) & 0xff);
            ended = c == 0 || used + 1 == room;
            if (!ended) text[used++] = c;
            if (!ended && (c < ' ' || c > '~')) text[used - 1] = '?';
        }
    text[used] = 0;
}

/* ---- first pass: definitions and decorations --------------------------------------------------------------------- */

static void decorate(spirv_id *id, uint32_t decoration, uint32_t value)
{
    switch (decoration) {
    case DECORATION_SPEC_ID: id->spec = value; break;
    case DECORATION_BINDING: id->binding = value; break;
    case DECORATION_SET: id->set = value; break;
    case DECORATION_ARRAY_STRIDE: id->stride = value; break;
    case DECORATION_BUILTIN: id->builtin = value; break;
    case DECORATION_BUFFER_BLOCK: id->buffer_block = true; break;
    case DECORATION_NON_WRITABLE: id->non_writable = true; break;
    case DECORATION_NON_READABLE: id->non_readable = true; break;
    default: break;
    }
}

/* The id that a type, constant, variable or function instruction defines; 0 for other instructions. */
static uint32_t defines(const uint32_t *w, uint32_t op, uint32_t length)
{
    if (op >= OP_TYPE_FIRST && op <= OP_TYPE_LAST && length >= 2) return w[1];
    if (((op >= OP_CONSTANT_FIRST && op <= OP_CONSTANT_LAST) || op == OP_VARIABLE || op == OP_FUNCTION) && length >= 3)
        return w[2];
    return 0;
}

/* Instructions before the functions follow each other without gaps; the last one ends with the words. */
static const char *index_ids(spirv_reader *r)
{
    size_t members = 0;
    for (size_t at = HEADER; at < r->count;) {
        const uint32_t length = spirv_length(r, (uint32_t)at), op = spirv_op(r, (uint32_t)at);
        const uint32_t *w = &r->words[at];
        if (length == 0 || length > r->count - at) return "an instruction runs beyond the module's end";
        const uint32_t id = defines(w, op, length);
        if (id >= r->bound) return "an id is not below the bound that the header gives";
        if (id && r->ids[id].at) return "an id is defined twice";
        if (id) r->ids[id].at = (uint32_t)at;
        if (op == OP_DECORATE && length >= 3 && w[1] < r->bound) decorate(&r->ids[w[1]], w[2], length >= 4 ? w[3] : 0);
        if (op == OP_NAME && length >= 3 && w[1] < r->bound) r->ids[w[1]].name = (uint32_t)at + 2;
        if ((op == OP_MEMBER_DECORATE || op == OP_MEMBER_NAME) && length >= 4) members++;
        at += length;
    }
    r->members = malloc((members + 1) * sizeof *r->members);
    if (!r->members) return spirv_no_memory;
    for (size_t at = HEADER; at < r->count; at += spirv_length(r, (uint32_t)at)) {
        const uint32_t length = spirv_length(r, (uint32_t)at), op = spirv_op(r, (uint32_t)at);
        const uint32_t *w = &r->words[at];
        if (length < 4) continue;
        if (op == OP_MEMBER_DECORATE)
            r->members[r->member_count++] = (spirv_member){w[1], w[2], (int32_t)w[3], length >= 5 ? w[4] : 0};
        if (op == OP_MEMBER_NAME)
            r->members[r->member_count++] = (spirv_member){w[1], w[2], SPIRV_NAME_OF_MEMBER, (uint32_t)at + 3};
    }
    qsort(r->members, r->member_count, sizeof *r->members, compare_members);
    return NULL;
}

/* ---- second pass: values and sizes ------------------------------------------------------------------------------- */

/* Bits of an integer or float type; 32 for any other. */
static uint32_t width_of(const spirv_reader *r, uint32_t type)
{
    uint32_t at = spirv_defined(r, type, OP_TYPE_INT, 3);
    if (!at) at = spirv_defined(r, type, OP_TYPE_FLOAT, 3);
    return at ? r->words[at + 2] : 32;
}

/* The operations on specialization constants that occur in sizes. Section 3.52.14 lists all that are allowed. */
static bool compute(uint32_t op, uint64_t a, uint64_t b, uint64_t *out)
{
    switch (op) {
    case 124: *out = a; return true;                                                 /* OpBitcast */
    case 113: *out = a; return true;                                                 /* OpUConvert */
    case 128: *out = a + b; return true;                                             /* OpIAdd */
    case 130: *out = a - b; return true;                                             /* OpISub */
    case 132: *out = a * b; return true;                                             /* OpIMul */
    case 134: *out = b ? a / b : 0; return b != 0;                                   /* OpUDiv */
    case 135: *out = b ? a / b : 0; return b != 0 && a < INT32_MAX && b < INT32_MAX; /* OpSDiv, of positive numbers */
    case 137: *out = b ? a % b : 0; return b != 0;                                   /* OpUMod */
    case 194: *out = b < 32 ? a >> b : 0; return true;                               /* OpShiftRightLogical */
    case 196: *out = b < 32 ? a << b : 0; return true;                               /* OpShiftLeftLogical */
    case 197: *out = a | b; return true;                                             /* OpBitwiseOr */
    case 199: *out = a & b; return true;                                             /* OpBitwiseAnd */
    default: return false;
    }
}

static uint64_t mask_of(const spirv_reader *r, const spirv_id *id)
{
    const uint32_t width = width_of(r, r->words[id->at + 1]);
    return width >= 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

bool spirv_literal(const spirv_reader *r, const spirv_id *id, uint64_t *value)
{
    const uint32_t *w = &r->words[id->at], length = spirv_length(r, id->at), width = width_of(r, w[1]);
    switch (spirv_op(r, id->at)) {
    case OP_CONSTANT_TRUE:
    case OP_SPEC_TRUE: *value = 1; return true;
    case OP_CONSTANT_FALSE:
    case OP_SPEC_FALSE:
    case OP_CONSTANT_NULL: *value = 0; return true;
    case OP_CONSTANT:
    case OP_SPEC_CONSTANT:
        if (length < 4 || (width > 32 && length < 5)) return false;
        *value = (w[3] | (width > 32 ? (uint64_t)w[4] << 32 : 0)) & mask_of(r, id);
        return true;
    default: return false;
    }
}

/* The value of a constant that is defined before `id`. */
static bool known_before(const spirv_id *constant, const spirv_id *id)
{
    return constant->known && constant->at < id->at;
}

static void evaluate(const spirv_reader *r, spirv_id *id, const pm_kernel_value *spec, size_t spec_count)
{
    const uint32_t *w = &r->words[id->at], length = spirv_length(r, id->at);
    if (spirv_op(r, id->at) == OP_SPEC_OP) {
        const spirv_id *a = spirv_of(r, length >= 5 ? w[4] : 0), *b = spirv_of(r, length >= 6 ? w[5] : 0);
        if (length == 7 && w[3] == 169) { /* OpSelect: condition, one, other */
            const spirv_id *taken = a->value ? b : spirv_of(r, w[6]);
            id->known = known_before(a, id) && known_before(taken, id);
            id->value = taken->value;
        } else {
            const bool both = known_before(a, id) && (length < 6 || known_before(b, id));
            id->known = length >= 5 && both && compute(w[3], a->value, length >= 6 ? b->value : 0, &id->value);
        }
        id->value &= mask_of(r, id);
        return;
    }
    id->known = spirv_literal(r, id, &id->value);
    for (size_t i = 0; i < spec_count && id->spec != SPIRV_NONE; i++)
        if (spec[i].id == id->spec) id->value = spec[i].value & mask_of(r, id);
}

static uint64_t times(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0) return 0;
    return a > SPIRV_HUGE / b ? SPIRV_HUGE : a * b;
}

/* The size of a type that an instruction before `at` defines, else 0. Addresses may be declared later (OpTypeForwardPointer). */
static uint64_t size_before(const spirv_reader *r, uint32_t type, uint32_t at)
{
    const spirv_id *id = spirv_of(r, type);
    const uint32_t pointer = spirv_defined(r, type, OP_TYPE_POINTER, 4);
    if (pointer) return r->words[pointer + 2] == STORAGE_PHYSICAL ? 8 : 0;
    return id->at < at ? id->size : 0;
}

/* The largest end of a struct's members. Members without offsets (shared memory) follow each other. */
static uint64_t struct_size(const spirv_reader *r, const uint32_t *w, uint32_t length, uint32_t at)
{
    uint64_t size = 0, next = 0;
    for (uint32_t i = 0; i + 2 < length; i++) {
        uint32_t offset = 0, stride = 0;
        const bool placed = spirv_member_of(r, w[1], i, DECORATION_OFFSET, &offset);
        uint64_t bytes = size_before(r, w[2 + i], at);
        const uint32_t matrix = spirv_defined(r, w[2 + i], OP_TYPE_MATRIX, 4);
        if (matrix && spirv_member_of(r, w[1], i, DECORATION_MATRIX_STRIDE, &stride))
            bytes = times(stride, r->words[matrix + 3]);
        next = (placed ? offset : next) + bytes;
        if (next > size) size = next;
    }
    return size < SPIRV_HUGE ? size : SPIRV_HUGE;
}

static uint64_t type_size(const spirv_reader *r, const spirv_id *id)
{
    const uint32_t *w = &r->words[id->at], length = spirv_length(r, id->at);
    switch (spirv_op(r, id->at)) {
    case OP_TYPE_BOOL: return 4; /* as a specialization constant and in shared memory; no block holds one */
    case OP_TYPE_INT:
    case OP_TYPE_FLOAT: return length >= 3 ? w[2] / 8 : 0;
    case OP_TYPE_VECTOR:
    case OP_TYPE_MATRIX: return length >= 4 ? times(size_before(r, w[2], id->at), w[3]) : 0;
    case OP_TYPE_POINTER: return length >= 4 && w[2] == STORAGE_PHYSICAL ? 8 : 0;
    case OP_TYPE_ARRAY: {
        const spirv_id *n = spirv_of(r, length >= 4 ? w[3] : 0);
        if (length < 4 || !n->known || n->at > id->at) return 0;
        return times(id->stride != SPIRV_NONE ? id->stride : size_before(r, w[2], id->at), n->value);
    }
    case OP_TYPE_STRUCT: return struct_size(r, w, length, id->at);
    default: return 0;
    }
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

const char spirv_no_memory[] = "there is no memory to read it";

const char *spirv_open(const uint32_t *words, size_t count, const pm_kernel_value *spec, size_t spec_count,
                       spirv_reader *out)
{
    *out = (spirv_reader){.words = words, .count = count};
    if (count < HEADER || count > UINT32_MAX) return "it has not even a header";
    if (words[0] != SPIRV_MAGIC) return "it does not begin with SPIR-V's magic number";
    if (words[3] == 0 || words[3] > MAX_ID) return "its header has no id bound, or one above 1048576";
    out->ids = malloc(words[3] * sizeof *out->ids);
    if (!out->ids) return spirv_no_memory;
    out->bound = words[3];
    for (uint32_t i = 0; i < out->bound; i++) {
        out->ids[i] = no_id;
        out->ids[i].stride = SPIRV_NONE;
    }
    const char *fault = index_ids(out);
    if (fault) return fault;
    for (size_t at = HEADER; at < count; at += spirv_length(out, (uint32_t)at)) {
        const uint32_t op = spirv_op(out, (uint32_t)at), *w = &words[at];
        const uint32_t id = defines(w, op, spirv_length(out, (uint32_t)at));
        if (id == 0) continue;
        if (op >= OP_TYPE_FIRST && op <= OP_TYPE_LAST) out->ids[id].size = type_size(out, &out->ids[id]);
        if (op >= OP_CONSTANT_FIRST && op <= OP_CONSTANT_LAST) evaluate(out, &out->ids[id], spec, spec_count);
    }
    return NULL;
}

void spirv_close(spirv_reader *reader)
{
    free(reader->ids);
    free(reader->members);
    *reader = (spirv_reader){0};
}
