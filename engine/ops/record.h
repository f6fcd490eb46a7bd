/* What the recorders share: views as arguments, dispatches over many elements, the device's limits in words. */
#ifndef OPS_RECORD_H
#define OPS_RECORD_H

#include "ops/op.h"
#include "push.h"

/* The recorders of the rows of ops.def. op_record() calls them. A recorder that needs another operation's work calls that one's recorder
 * directly, so that a profile counts it under the operation that was asked for. */
#define OP(id, function, name, ins, outs, ...) void op_record_##function(gpu_program *program, const op_call *call);
#define OP_FLAT(id, function, name, ins, outs, ...)
#include "ops/ops.def"
void op_record_flat(gpu_program *program, const op_call *call);

/* A product of matrices whose rows begin lda, ldb, ldc elements apart. Where a distance is even, rows may be read to an even length. */
void record_matmul(gpu_program *program, const op_call *call, uint32_t lda, uint32_t ldb, uint32_t ldc);

/* Words of scratch between the two dispatches of attention with few queries; 0 where it needs only one. */
uint64_t attention_scratch(const pm_caps *caps, const op_call *call);

static inline bool view_present(op_view v)
{
    return v.rows > 0;
}
static inline uint64_t view_count(op_view v)
{
    return (uint64_t)v.rows * v.cols;
}
/* A view's operand; an absent one is bound to nothing. */
gpu_arg arg_of(op_view v, gpu_access access);
/* `count` elements from element `first` on, rounded up to whole words. `first` must be even where two are a word. */
gpu_span span_part(gpu_span span, dtype_id type, uint64_t first, uint64_t count);
gpu_arg arg_part(op_view v, uint64_t first, uint64_t count, gpu_access access);
/* The span of a whole view; rows of a view as a view. */
gpu_span span_of(op_view v);
op_view view_rows(op_view v, uint32_t first, uint32_t count);
/* Rows of a view as an operand; of an absent one, nothing. */
gpu_arg arg_rows(op_view v, uint32_t first, uint32_t count, gpu_access access);

/* The most elements that one operand may span on this device: a multiple of 4. */
uint64_t max_operand(const pm_caps *caps);
/* The rows of `cols` elements that the next dispatch takes where `left` are left: at most what an operand may span, and then a multiple of
 * eight, so that every piece is aligned as the first. */
uint32_t rows_piece(const pm_caps *caps, uint32_t cols, uint32_t left);

/* The subgroup's size (4 or 8) where kernels for software drivers can be used, else 0. They need buffer addresses, because through
 * descriptors such a driver checks the bounds of each lane's load, which is slow. */
uint32_t software_lanes(const pm_caps *caps);

/* Whether the kernels with PAIRS among them can be used, which load two words as one, and two bytes of a cache line to prefetch it. */
bool software_pairs(const pm_caps *caps);

/* The most rounds of all loops of a kernel together, in one invocation, on a software driver. Mesa 22.3's llvmpipe ends loops there (gallivm's
 * LP_MAX_TGSI_LOOP_ITERATIONS), and results are wrong. Mesa 25's has no such limit. */
enum { SERIAL_ROUNDS = 65535 };

/* Whether the GPU has at most 64 registers an invocation, so that small tiles suit it: Mali and VideoCore, by their compilers' statistics.
 * Vulkan tells the vendor, not the number of registers. */
bool few_registers(const pm_caps *caps);
/* Whether products with 4 x 8 sums an invocation suit it: AMD's and Intel's GPUs, where they need 60 to 96 registers by their compilers'
 * statistics, and a software driver with GPU kernels. NVIDIA's GPUs were not measured. */
bool moderate_registers(const pm_caps *caps);
/* Whether large tiles, and large work groups for products of few rows, suit it: NVIDIA's GPUs, as measured on an H200. Also a software
 * driver with GPU kernels, so that tests run these variants. */
bool many_registers(const pm_caps *caps);

/* Work group size of kernels without cooperation between rows. */
uint32_t group_size(const pm_caps *caps);

/* The number of invocations that share `count` elements through shared memory, with at most `each` elements an invocation, but never more
 * than 256 invocations; 1 on a software driver. */
uint32_t lanes_of(const pm_caps *caps, uint32_t count, uint32_t each);
/* The number of invocations that share a row of `cols` elements: enough to keep it in registers. */
uint32_t row_lanes(const pm_caps *caps, uint32_t cols);

/* All operands' offsets (bytes), or'ed, to test their common alignment. */
uint64_t offsets_of(const gpu_arg *args, uint32_t arg_count);

/* The variants of a kernel by the width of its accesses: see shaders/common/kernel.glsl. */
typedef struct kernel_widths {
    kernel_row plain, wide, pairs;
} kernel_widths;
#define KERNEL_WIDTHS(name) ((kernel_widths){ROW_##name, ROW_##name##_wide, ROW_##name##_pairs})

/* The variant for these operands, in rows of `cols`: plain where cols is no multiple of 4. */
kernel_row width_for(const pm_caps *caps, kernel_widths kernels, const gpu_arg *args, uint32_t arg_count,
                     uint32_t cols);

/* The types for which a kernel is asked whose activations have this one. */
static inline kernel_types types_of(dtype_id act)
{
    return act == DTYPE_F16 ? TYPES_F16 : TYPES_F32;
}

/* A dispatch before it is recorded: set the fields that differ, then call one of the record_ functions. */
typedef struct launch {
    gpu_program *program;
    const pm_caps *caps; /* the program's */
    kernel_row row;      /* with `types` it gives d.kernel */
    kernel_types types;
    gpu_dispatch d;
    uint32_t spec[GPU_MAX_SPEC];
} launch;

/* Sets a specialization constant, SPEC_… of shaders/spec.h. Each that the kernel declares is to be set: below the highest that is set, others are 0,
 * not the kernel's defaults. */
void launch_spec(launch *r, uint32_t constant, uint32_t value);

/* Sets the types from those of activations and of a weight. */
void launch_types(launch *r, dtype_id act, dtype_id weight);
/* The types from those of activations and of keys and values. */
static inline kernel_types types_with_cache(dtype_id act, dtype_id cache)
{
    return act == cache ? types_of(act) : TYPES_KV16;
}

/* The record_ functions set SPEC_GROUP_SIZE. */
#define LAUNCH(program_, kernel_, args_, push_)                                                                        \
    {                                                                                                                  \
        .program = (program_), .caps = gpu_program_caps(program_), .row = (kernel_),                                   \
        .d = {.args = (args_),                                                                                         \
              .arg_count = sizeof(args_) / sizeof(args_)[0],                                                           \
              .push = &(push_),                                                                                        \
              .push_size = sizeof(push_)},                                                                             \
    }

/* Records an invocation for every `per` of `count` elements. */
void record_elements(launch *r, uint64_t count, uint32_t per);
/* The elements of flat operands that the next dispatch takes where `left` are left: at most what an operand may span. On a software
 * driver whole work groups come first (WHOLE in common/flat.glsl), and the rest follows in a dispatch of its own. */
uint64_t flat_piece(const pm_caps *caps, uint64_t left);
/* Records common/flat.glsl over `count` elements in the variant that suits the operands, and sets its constants. */
void record_flat(launch *r, kernel_widths kernels, uint64_t count);
/* Chooses the variant for rows of `cols`. Returns the elements that an invocation handles at a time, N of common/vector.glsl. */
uint32_t record_width(launch *r, kernel_widths kernels, uint32_t cols);
/* Records common/reduce.glsl over `rows` rows of `cols`, with the variant and the number of invocations a row that suit. It sets
 * SPEC_REDUCE_LANES, and with `keep` also SPEC_ROW_KEPT. */
void record_rows(launch *r, kernel_widths kernels, uint32_t rows, uint32_t cols, bool keep);
/* Records `groups` work groups of `size` invocations. */
void record_groups(launch *r, uint64_t groups, uint32_t size);
/* Records the dispatch unchanged. */
void record_dispatch(launch *r);

#endif
