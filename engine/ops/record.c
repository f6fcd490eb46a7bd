#include "ops/record.h"

gpu_arg arg_of(op_view v, gpu_access access)
{
    if (!view_present(v)) return (gpu_arg){{NULL, 0, 0}, access};
    return (gpu_arg){span_of(v), access};
}

gpu_span span_part(gpu_span span, dtype_id type, uint64_t first, uint64_t count)
{
    return (gpu_span){span.buffer, span.offset + dtype_bytes(type, first), 4 * dtype_words(type, count)};
}

gpu_arg arg_part(op_view v, uint64_t first, uint64_t count, gpu_access access)
{
    return (gpu_arg){span_part(v.span, v.type, first, count), access};
}

gpu_span span_of(op_view v)
{
    return span_part(v.span, v.type, 0, view_count(v));
}

op_view view_rows(op_view v, uint32_t first, uint32_t count)
{
    gpu_span span = span_part(v.span, v.type, (uint64_t)first * v.cols, (uint64_t)count * v.cols);
    return (op_view){.rows = count, .cols = v.cols, .type = v.type, .span = span};
}

gpu_arg arg_rows(op_view v, uint32_t first, uint32_t count, gpu_access access)
{
    return arg_of(view_present(v) ? view_rows(v, first, count) : v, access);
}

uint64_t max_operand(const pm_caps *caps)
{
    /* A binding begins at an aligned offset at or below the operand's. */
    uint64_t words = caps->bda ? UINT32_MAX : (caps->max_buffer_range - caps->offset_alignment) / 4;
    return (words < UINT32_MAX ? words : UINT32_MAX) / 4 * 4; /* the shaders' indices are 32-bit */
}

uint32_t rows_piece(const pm_caps *caps, uint32_t cols, uint32_t left)
{
    const uint64_t most = max_operand(caps) / cols;
    if (most >= left) return left;
    return most >= 8  ? (uint32_t)(most / 8 * 8)
           : left < 8 ? left
                      : 8; /* fewer than eight: an error names the operand */
}

uint32_t group_size(const pm_caps *caps)
{
    uint32_t wanted = caps->serial ? 8 * caps->subgroup_size : 128;
    return wanted < caps->max_workgroup_size ? wanted : caps->max_workgroup_size;
}

uint32_t software_lanes(const pm_caps *caps)
{
    bool known = caps->subgroup_size == 4 || caps->subgroup_size == 8;
    return caps->serial && caps->subgroup && caps->bda && known ? caps->subgroup_size : 0;
}

bool software_pairs(const pm_caps *caps)
{
    return software_lanes(caps) > 0 && caps->int64 && caps->storage16;
}

bool few_registers(const pm_caps *caps)
{
    return caps->vendor_id == VENDOR_ARM || caps->vendor_id == VENDOR_BROADCOM;
}

/* A preset of a GPU takes that GPU's kernels instead. */
static bool software_as_gpu(const pm_caps *caps)
{
    return caps->type == PM_DEVICE_CPU && !caps->serial &&
           (caps->vendor_id == VENDOR_MESA || caps->vendor_id == VENDOR_GOOGLE);
}

bool many_registers(const pm_caps *caps)
{
    return caps->vendor_id == VENDOR_NVIDIA || software_as_gpu(caps);
}

bool moderate_registers(const pm_caps *caps)
{
    return caps->vendor_id == VENDOR_AMD || caps->vendor_id == VENDOR_INTEL || software_as_gpu(caps);
}

bool op_matrix_units(const pm_caps *caps)
{
    /* Of Intel's GPUs, Xe2 and later use them by default, told by their subgroup width. Earlier ones need autotuning. */
    return caps->coopmat && !caps->serial && (caps->vendor_id != VENDOR_INTEL || caps->coopmat_subgroup >= 16);
}

uint64_t offsets_of(const gpu_arg *args, uint32_t arg_count)
{
    uint64_t offsets = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        if (args[i].span.buffer) offsets |= args[i].span.offset;
    return offsets;
}

kernel_row width_for(const pm_caps *caps, kernel_widths kernels, const gpu_arg *args, uint32_t arg_count, uint32_t cols)
{
    const uint64_t offsets = offsets_of(args, arg_count);
    const bool pairs = software_pairs(caps) && offsets % 8 == 0;
    const kernel_row better = pairs ? kernels.pairs : !caps->serial && offsets % 16 == 0 ? kernels.wide : kernels.plain;
    const bool good = better == ROW_COUNT || gpu_row_good(caps, better);
    return cols % 4 == 0 && good ? better : kernels.plain;
}

uint32_t lanes_of(const pm_caps *caps, uint32_t count, uint32_t each)
{
    if (caps->serial) return 1;
    uint32_t most = caps->max_workgroup_size < 256 ? caps->max_workgroup_size : 256, lanes = 32;
    while (lanes < count / each && lanes * 2 <= most) lanes *= 2;
    return lanes;
}

/* Fours of a row that an invocation keeps in registers: few on a GPU, for occupancy; a software driver has its stack. */
enum { KEPT_MOST = 4, KEPT_MOST_SERIAL = 32 };

uint32_t row_lanes(const pm_caps *caps, uint32_t cols)
{
    return lanes_of(caps, cols, few_registers(caps) ? 4 : 4 * KEPT_MOST);
}

void launch_spec(launch *r, uint32_t constant, uint32_t value)
{
    r->spec[constant] = value;
    if (r->d.spec_count <= constant) r->d.spec_count = constant + 1;
}

void launch_types(launch *r, dtype_id act, dtype_id weight)
{
    const bool narrow = act == DTYPE_F32 && weight != DTYPE_F32;
    r->types = narrow ? TYPES_W16 : types_of(act);
    if (narrow) launch_spec(r, SPEC_WEIGHT_BF16, weight == DTYPE_BF16);
}

void record_dispatch(launch *r)
{
    r->d.spec = r->spec;
    r->d.kernel = gpu_kernel_of(r->row, r->types);
    gpu_record(r->program, &r->d);
}

void record_groups(launch *r, uint64_t groups, uint32_t size)
{
    if (groups == 0) return;
    launch_spec(r, SPEC_GROUP_SIZE, size);
    gpu_groups(gpu_program_caps(r->program), groups, r->d.groups);
    record_dispatch(r);
}

void record_elements(launch *r, uint64_t count, uint32_t per)
{
    uint32_t size = group_size(gpu_program_caps(r->program));
    uint64_t each = (uint64_t)size * per;
    record_groups(r, (count + each - 1) / each, size);
}

uint32_t record_width(launch *r, kernel_widths kernels, uint32_t cols)
{
    r->row = width_for(gpu_program_caps(r->program), kernels, r->d.args, r->d.arg_count, cols);
    return r->row == kernels.plain ? 1 : 4;
}

/* Fours that an invocation handles on a software driver: so many cache lines are in flight together (common/flat.glsl). */
enum { FLAT_PER_SERIAL = 8 };

static uint32_t flat_per(const pm_caps *caps)
{
    return caps->serial ? FLAT_PER_SERIAL : 1;
}

/* The elements that a work group handles. */
static uint64_t flat_group(const pm_caps *caps)
{
    return 4ull * flat_per(caps) * group_size(caps);
}

uint64_t flat_piece(const pm_caps *caps, uint64_t left)
{
    uint64_t most = max_operand(caps), n = left < most ? left : most, groups = n / flat_group(caps);
    if (!caps->serial || groups == 0) return n;
    /* Groups that are spread over y too are rounded up: see gpu_groups(). */
    if (groups > caps->max_group_count[0]) groups = caps->max_group_count[0];
    return groups * flat_group(caps);
}

void record_flat(launch *r, kernel_widths kernels, uint64_t count)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    uint32_t per = flat_per(caps);
    r->row = width_for(caps, kernels, r->d.args, r->d.arg_count, 4);
    launch_spec(r, SPEC_FLAT_PER, per);
    launch_spec(r, SPEC_FLAT_TAIL, count % 4 != 0);
    launch_spec(r, SPEC_FLAT_WHOLE,
                count % flat_group(caps) == 0 && count / flat_group(caps) <= caps->max_group_count[0]);
    record_elements(r, (count + 3) / 4, per);
}

void record_rows(launch *r, kernel_widths kernels, uint32_t rows, uint32_t cols, bool keep)
{
    const pm_caps *caps = gpu_program_caps(r->program);
    uint32_t n = record_width(r, kernels, cols);
    bool pairs = r->row == kernels.pairs;
    uint32_t lanes = pairs ? software_lanes(caps) : row_lanes(caps, cols), size = lanes;
    /* Rows of a work group: a divisor of all rows, so that no work group is partial. */
    if (pairs) /* so there are lanes: NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
        while (2 * size <= group_size(caps) && rows % (2 * size / lanes) == 0) size *= 2;
    launch_spec(r, SPEC_REDUCE_LANES, lanes);
    if (keep) {
        uint32_t most = caps->serial ? KEPT_MOST_SERIAL : KEPT_MOST, runs = cols / (n * lanes);
        /* On a software driver the groups must not be spread over y either: gpu_groups() then rounds up. */
        bool exact = cols == runs * n * lanes && (!pairs || rows / (size / lanes) <= caps->max_group_count[0]);
        launch_spec(r, SPEC_ROW_KEPT, exact && runs <= most ? runs : 0);
    }
    if (lanes > 1)
        record_groups(r, (uint64_t)rows * lanes / size, size);
    else
        record_elements(r, rows, 1);
}
