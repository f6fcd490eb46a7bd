/* What the recorders share: views as arguments, dispatches over many elements, the device's limits in words. */
#ifndef OPS_RECORD_H
#define OPS_RECORD_H

#include "ops/op.h"
#include "push.h"

/* One recorder for each family of operations; op_record() picks. One that needs another's work calls it here, so that a profile counts it as
 * the operation that was asked for. */
void op_record_matmul(gpu_program *program, const op_call *call);
void op_record_attention(gpu_program *program, const op_call *call);
void op_record_norm(gpu_program *program, const op_call *call);
void op_record_elementwise(gpu_program *program, const op_call *call);
void op_record_embed(gpu_program *program, const op_call *call);
void op_record_loss(gpu_program *program, const op_call *call);
void op_record_task(gpu_program *program, const op_call *call);
void op_record_optimizer(gpu_program *program, const op_call *call);

/* A product of matrices whose rows begin lda, ldb, ldc elements apart; where that is even, a row may be read to an even length. */
void record_matmul(gpu_program *program, const op_call *call, uint32_t lda, uint32_t ldb, uint32_t ldc);

/* Words that few queries' attention leaves between its two dispatches; 0: it needs one. */
uint64_t attention_scratch(const pm_caps *caps, const op_call *call);

static inline bool view_present(op_view v)
{
    return v.rows > 0;
}
static inline uint64_t view_count(op_view v)
{
    return (uint64_t)v.rows * v.cols;
}
static inline uint32_t element_bytes(bool half)
{
    return half ? 2 : 4;
}

/* A view's operand; an absent one is bound to nothing. */
gpu_arg arg_of(op_view v, gpu_access access);
/* `count` elements from element `first` on, which is even where they are halves; whole words. */
gpu_span span_part(gpu_span span, bool half, uint64_t first, uint64_t count);
gpu_arg arg_part(op_view v, uint64_t first, uint64_t count, gpu_access access);
/* All of it, and one part of it as an operand of its own. */
gpu_span span_of(op_view v);
op_view view_rows(op_view v, uint32_t first, uint32_t count);

/* The most elements that one operand may span on this device: a multiple of 4. */
uint64_t max_operand(const pm_caps *caps);

/* The subgroup's size where kernels for software drivers can be used (4 or 8), else 0. They need buffer addresses: through descriptors
 * such a driver checks the bounds of each lane's load, and its code is neither small nor fast. */
uint32_t software_lanes(const pm_caps *caps);

/* Rounds of all loops of a kernel together, for an invocation, where `serial` is: the llvmpipe of Mesa 22.3 ends them then (gallivm's
 * LP_MAX_TGSI_LOOP_ITERATIONS), and results are wrong. Mesa 25's does not. */
enum { SERIAL_ROUNDS = 65535 };

/* Whether the GPU has at most 64 registers an invocation, so that kernels with small tiles suit it: Mali and VideoCore, as docs/gpu-costs.md
 * shows. Vulkan tells the vendor, not the registers. */
bool few_registers(const pm_caps *caps);
/* Whether 4 x 8 sums an invocation of a product suit it: AMD's and Intel's GPUs, where they take 60 to 96 registers (docs/gpu-costs.md), and a
 * software driver as a GPU. NVIDIA's would, too, but that was not measured. */
bool moderate_registers(const pm_caps *caps);
/* Whether kernels with large tiles, and products of few rows by large work groups, suit it: NVIDIA's GPUs, as measured on an H200
 * (docs/bench.md), and a software driver that is asked for a GPU's kernels, which has no registers to run out of and so proves them right. */
bool many_registers(const pm_caps *caps);

/* Whether two words can be loaded as one from this span: buffers themselves are aligned. */
static inline bool paired(const pm_caps *caps, gpu_span span)
{
    return caps->bda && caps->int64 && span.offset % 8 == 0;
}

/* Invocations that share `count` elements through shared memory, at most `each` of them an invocation unless that takes more than 256; 1 on a software
 * driver. */
uint32_t lanes_of(const pm_caps *caps, uint32_t count, uint32_t each);
/* That share a row of `cols` elements: as many as can keep it in registers. */
uint32_t row_lanes(const pm_caps *caps, uint32_t cols);

/* All operands' offsets, or'ed (bytes): what they are multiples of. */
uint64_t offsets_of(const gpu_arg *args, uint32_t arg_count);

/* The variants of a kernel by the width of its accesses: see shaders/common/kernel.glsl. */
typedef struct kernel_widths {
    kernel_id plain, wide, pairs;
} kernel_widths;
#define KERNEL_WIDTHS(name) ((kernel_widths){KERNEL_##name, KERNEL_##name##_wide, KERNEL_##name##_pairs})

/* The one for these operands, in rows of `cols`: plain where that is no multiple of 4. */
kernel_id width_for(const pm_caps *caps, kernel_widths kernels, const gpu_arg *args, uint32_t arg_count, uint32_t cols);

/* What a kernel's activations are in memory: which of kernels.def's two or three kernels a row it is. */
typedef enum kernel_format { ALL_FLOAT, ACT_HALF, ACT_HALF_Y_FLOAT } kernel_format;

/* A dispatch in the making: fill what differs, then one of the record_ functions. */
typedef struct launch {
    gpu_program *program;
    kernel_format format; /* d.kernel is the fp32 one until it is recorded */
    gpu_dispatch d;
    uint32_t spec[GPU_MAX_SPEC];
} launch;

/* spec[0], the work group's size, is set by the record_ functions. */
#define LAUNCH(program_, kernel_, args_, push_)                                                                        \
    {                                                                                                                  \
        .program = (program_),                                                                                         \
        .d = {.kernel = (kernel_),                                                                                     \
              .args = (args_),                                                                                         \
              .arg_count = sizeof(args_) / sizeof(args_)[0],                                                           \
              .push = &(push_),                                                                                        \
              .push_size = sizeof(push_),                                                                              \
              .spec_count = 1},                                                                                        \
    }

/* One invocation each for `count` elements, `per` of them one after another. */
void record_elements(launch *r, uint64_t count, uint32_t per);
/* How many elements of flat operands one dispatch takes where `left` are left: no more than an operand may span; on a software driver
 * whole work groups first (WHOLE in common/flat.glsl), the rest by itself. */
uint64_t flat_piece(const pm_caps *caps, uint64_t left);
/* common/flat.glsl over `count` elements: the variant that suits the operands; spec[1] to spec[3] are PER, TAIL and WHOLE. */
void record_flat(launch *r, kernel_widths kernels, uint64_t count);
/* Takes the variant for rows of `cols`; returns the elements an invocation takes at a time, common/vector.glsl's N. */
uint32_t record_width(launch *r, kernel_widths kernels, uint32_t cols);
/* common/reduce.glsl over `rows` rows of `cols`: the variant that suits the operands, as many invocations a row as suit it; spec[1] is LANES.
 * `keep`: common/row.glsl's KEPT too, spec[3]. */
void record_rows(launch *r, kernel_widths kernels, uint32_t rows, uint32_t cols, bool keep);
/* `groups` work groups of `size` invocations. */
void record_groups(launch *r, uint64_t groups, uint32_t size);
/* As it stands. */
void record_dispatch(launch *r);

#endif
