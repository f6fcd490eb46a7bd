/* An index of a SPIR-V module's words: definitions of ids, decorations, names, sizes of types, values of constants. The words are not
 * trusted: reading never leaves them and always ends. No Vulkan. */
#ifndef SPIRV_READER_H
#define SPIRV_READER_H

#include <pumice/kernel.h>

enum { /* instructions; SPIR-V specification, section 3.52 */
       OP_NAME = 5,
       OP_MEMBER_NAME = 6,
       OP_EXTENSION = 10,
       OP_MEMORY_MODEL = 14,
       OP_ENTRY_POINT = 15,
       OP_EXECUTION_MODE = 16,
       OP_CAPABILITY = 17,
       OP_TYPE_VOID = 19,
       OP_TYPE_BOOL = 20,
       OP_TYPE_INT = 21,
       OP_TYPE_FLOAT = 22,
       OP_TYPE_VECTOR = 23,
       OP_TYPE_MATRIX = 24,
       OP_TYPE_IMAGE = 25,
       OP_TYPE_SAMPLER = 26,
       OP_TYPE_SAMPLED_IMAGE = 27,
       OP_TYPE_ARRAY = 28,
       OP_TYPE_RUNTIME_ARRAY = 29,
       OP_TYPE_STRUCT = 30,
       OP_TYPE_POINTER = 32,
       OP_CONSTANT_TRUE = 41,
       OP_CONSTANT_FALSE = 42,
       OP_CONSTANT = 43,
       OP_CONSTANT_COMPOSITE = 44,
       OP_CONSTANT_NULL = 46,
       OP_SPEC_TRUE = 48,
       OP_SPEC_FALSE = 49,
       OP_SPEC_CONSTANT = 50,
       OP_SPEC_COMPOSITE = 51,
       OP_SPEC_OP = 52,
       OP_FUNCTION = 54,
       OP_FUNCTION_END = 56,
       OP_VARIABLE = 59,
       OP_DECORATE = 71,
       OP_MEMBER_DECORATE = 72,
       OP_EXECUTION_MODE_ID = 331,
};
enum { /* storage classes, section 3.7 */
       STORAGE_UNIFORM_CONSTANT = 0,
       STORAGE_INPUT = 1,
       STORAGE_UNIFORM = 2,
       STORAGE_WORKGROUP = 4,
       STORAGE_PRIVATE = 6,
       STORAGE_FUNCTION = 7,
       STORAGE_PUSH_CONSTANT = 9,
       STORAGE_STORAGE_BUFFER = 12,
       STORAGE_PHYSICAL = 5349,
};
enum { /* decorations, section 3.20 */
       DECORATION_SPEC_ID = 1,
       DECORATION_BUFFER_BLOCK = 3,
       DECORATION_ARRAY_STRIDE = 6,
       DECORATION_MATRIX_STRIDE = 7,
       DECORATION_BUILTIN = 11,
       DECORATION_NON_WRITABLE = 24,
       DECORATION_NON_READABLE = 25,
       DECORATION_BINDING = 33,
       DECORATION_SET = 34,
       DECORATION_OFFSET = 35,
};
enum { BUILTIN_WORKGROUP_SIZE = 25 };
enum { SPIRV_NAME_OF_MEMBER = -1 }; /* in spirv_member.what: the value is where the name's words begin */
#define SPIRV_NONE UINT32_MAX
#define SPIRV_HUGE ((uint64_t)1 << 40) /* the largest size: its product with a 24-bit count does not overflow */

/* The facts of an id. A decoration that is absent is SPIRV_NONE. */
typedef struct spirv_id {
    uint32_t at;   /* word index of the defining instruction; 0: none */
    uint32_t name; /* word index of its text; 0: none */
    uint32_t spec, binding, set, stride, builtin;
    bool buffer_block, non_writable, non_readable;
    bool known;     /* of a constant: value is valid */
    uint64_t value; /* of a scalar constant, specialization applied; bits */
    uint64_t size;  /* of a type, bytes; 0 for a type without one, such as a runtime array */
} spirv_id;

/* A decoration or the name of a struct's member. */
typedef struct spirv_member {
    uint32_t type, member;
    int32_t what;
    uint32_t value;
} spirv_member;

typedef struct spirv_reader spirv_reader;
struct spirv_reader {
    const uint32_t *words;
    size_t count;
    spirv_id *ids;
    uint32_t bound;
    spirv_member *members; /* sorted */
    size_t member_count;
};

/* spirv_open returns this very pointer where memory ran out, which is no fault of the words. */
extern const char spirv_no_memory[];
/* NULL, or what is wrong with the words. Needs spirv_close in either case. Constants take the given specialization values. */
const char *spirv_open(const uint32_t *words, size_t count, const pm_kernel_value *spec, size_t spec_count,
                       spirv_reader *out);
void spirv_close(spirv_reader *reader);

static inline uint32_t spirv_op(const spirv_reader *r, uint32_t at)
{
    return r->words[at] & 0xffff;
}
static inline uint32_t spirv_length(const spirv_reader *r, uint32_t at)
{
    return r->words[at] >> 16;
}
/* The word index of an id's definition if it is `op` with at least `length` words, else 0. */
uint32_t spirv_defined(const spirv_reader *r, uint32_t id, uint32_t op, uint32_t length);
/* A scalar constant's value in the module, without specialization. False where it has none. */
bool spirv_literal(const spirv_reader *r, const spirv_id *id, uint64_t *value);
/* The facts of an id; never NULL. */
const spirv_id *spirv_of(const spirv_reader *r, uint32_t id);
/* A member's decoration; false where it has none. */
bool spirv_member_of(const spirv_reader *r, uint32_t type, uint32_t member, int32_t what, uint32_t *value);
/* The text whose words begin at `at`, in printable ASCII, cut to the room; "" where there is none. */
void spirv_text(const spirv_reader *r, uint32_t at, char *text, size_t room);

#endif
