/* The public side: names and shapes looked up and checked, one row made. */
#include <pumice/bench.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "bench/measure.h"

/* Words of the largest operand, and the largest number in a shape. */
#define MOST_WORDS (1ull << 31)
enum { MOST_DIM = 1 << 28 };

typedef struct request {
    const case_kind *kind;
    uint32_t dims[BENCH_DIMS];
    dtype_id type;
} request;

const pm_bench_op *pm_bench_op_at(size_t index)
{
    const case_kind *kind = case_kind_at(index);
    return kind ? &kind->op : NULL;
}

static const case_kind *find(const char *name)
{
    const case_kind *kind = NULL;
    for (size_t i = 0; (kind = case_kind_at(i)) && strcmp(kind->op.name, name) != 0;) i++;
    return kind;
}

/* "matmul, matvec, …" */
static void list_ops(char *names, size_t room)
{
    const case_kind *kind;
    names[0] = 0;
    for (size_t i = 0, used = 0; (kind = case_kind_at(i)) && used < room; i++)
        used += (size_t)snprintf(names + used, room - used, "%s%s", i ? ", " : "", kind->op.name);
}

/* "512x64x7" as so many numbers from 1 on. */
static bool read_shape(const char *text, uint32_t count, uint32_t *dims)
{
    for (uint32_t i = 0; i < count; i++) {
        char *end;
        if (*text < '0' || *text > '9') return false;
        const unsigned long long value = strtoull(text, &end, 10);
        if (value < 1 || value > MOST_DIM || *end != (i + 1 < count ? 'x' : 0)) return false;
        dims[i] = (uint32_t)value;
        text = end + 1;
    }
    return true;
}

static const char *shape_of(const pm_bench_params *params, const case_kind *kind)
{
    return params->shape ? params->shape : kind->op.shapes[0];
}

static pm_status read_request(const pm_log *log, const pm_bench_params *params, request *out)
{
    const char *dtype = params->dtype ? params->dtype : "f32";
    const bool half = strcmp(dtype, dtype_name(DTYPE_F16)) == 0;
    if (!half && strcmp(dtype, dtype_name(DTYPE_F32)) != 0)
        return log_fail(log, PM_INVALID, "bench: there is no type '%s'; give f32 or f16", dtype);
    const char *op = params->op ? params->op : "";
    *out = (request){.kind = find(op)};
    if (!out->kind) {
        char names[512];
        list_ops(names, sizeof names);
        return log_fail(log, PM_INVALID, "bench: there is no operation '%s'; give one of %s", op, names);
    }
    const char *shape = shape_of(params, out->kind);
    if (!read_shape(shape, out->kind->dims, out->dims))
        return log_fail(log, PM_INVALID, "bench: %s: the shape '%s' is not %s, whole numbers such as %s", op, shape,
                        out->kind->op.form, out->kind->op.shapes[0]);
    const bool train = strcmp(op, "train-step") == 0;
    if (!out->kind->make && !train && out->dims[4] != 1)
        return log_fail(log, PM_INVALID, "bench: %s: the shape '%s' has %u sequences; a session reads one, B is 1", op,
                        shape, out->dims[4]);
    if (out->kind->make && (params->arch || params->weights))
        return log_fail(log, PM_INVALID, "bench: %s: an operation has no model; give neither family nor weights", op);
    if (params->weights > PM_WEIGHTS_BF16)
        return log_fail(log, PM_INVALID, "bench: %s: a model of no file has weights of f32, f16 or bf16", op);
    if (train && params->weights) return log_fail(log, PM_INVALID, "bench: %s: weights train in f32", op);
    out->type = half ? DTYPE_F16 : DTYPE_F32;
    if (half && !out->kind->make && !train)
        return log_fail(log, PM_INVALID, "bench: %s: a session computes in fp32; give --dtype f32", op);
    return PM_OK;
}

/* Builds the case and checks its operands and calls. The operands' numbers do not depend on the device, but scratch does. */
static pm_status make_case(const pm_log *log, const pm_caps *caps, const request *asked, const char *shape,
                           bench_case *c)
{
    /* Rows B T and columns (H + 2 K) D of attention are 32 bits. */
    const uint32_t *d = asked->dims, dims = asked->kind->dims;
    bool large = (dims == 4 && ((double)d[0] * d[2] > MOST_DIM || 3.0 * d[1] * d[3] > MOST_DIM)) ||
                 (dims == 5 && ((double)d[0] * d[3] > MOST_DIM || (d[1] + 2.0 * d[2]) * d[4] > MOST_DIM));
    *c = (bench_case){0};
    if (!large) asked->kind->make(c, caps, d);
    for (uint32_t i = 0; i < c->operand_count; i++)
        large |= (uint64_t)c->operands[i].rows * c->operands[i].cols > MOST_WORDS;
    if (large)
        return log_fail(log, PM_INVALID, "bench: %s %s: an operand would have more than 2^31 numbers",
                        asked->kind->op.name, shape);
    if (asked->type == DTYPE_F16 && !case_halve(c))
        return log_fail(log, PM_INVALID, "bench: %s has no activations that could be fp16; give --dtype f32",
                        asked->kind->op.name);
    for (uint32_t i = 0; i < c->call_count; i++) {
        const char *wrong = op_check(&c->calls[i]);
        if (wrong) return log_fail(log, PM_INVALID, "bench: %s %s: %s", asked->kind->op.name, shape, wrong);
    }
    return PM_OK;
}

pm_status pm_bench_check_sized(const pm_log *log, const pm_bench_params *given, size_t given_size)
{
    const pm_caps widest = {.bda = true}; /* operands of any size */
    pm_bench_params params;
    request asked;
    bench_case c;
    pm_status status = sized_read(log, "pm_bench_params", given, given_size, &params, sizeof params);
    if (status == PM_OK) status = read_request(log, &params, &asked);
    if (status != PM_OK) return status;
    return asked.kind->make ? make_case(log, &widest, &asked, shape_of(&params, asked.kind), &c)
                            : check_step(log, asked.dims, params.arch);
}

pm_status pm_bench_run_sized(pm_device *device, const pm_bench_params *given, size_t given_size, pm_bench_row *out)
{
    const pm_log *log = gpu_log(device);
    pm_bench_params params;
    pm_bench_row row = {0};
    request asked;
    pm_status status = sized_read(log, "pm_bench_params", given, given_size, &params, sizeof params);
    if (status == PM_OK) status = read_request(log, &params, &asked);
    if (status != PM_OK) return status;
    const char *shape = shape_of(&params, asked.kind);
    snprintf(row.op, sizeof row.op, "%s", asked.kind->op.name);
    if (!params.arch && !params.weights) /* the defaults */
        snprintf(row.shape, sizeof row.shape, "%s", shape);
    else
        snprintf(row.shape, sizeof row.shape, "%s/%s:%s", pm_arch_name(params.arch), pm_weights_name(params.weights),
                 shape);
    if (asked.type == DTYPE_F16 && !pm_device_caps(device)->storage16)
        return log_fail(log, PM_UNSUPPORTED, "bench: %s has no 16-bit storage; give --dtype f32",
                        pm_device_caps(device)->name);
    snprintf(row.dtype, sizeof row.dtype, "%s", dtype_name(asked.type));
    if (asked.kind->make) {
        bench_case c;
        status = make_case(log, pm_device_caps(device), &asked, shape, &c);
        if (status == PM_OK) status = measure_case(device, &c, params.quick, &row);
    } else {
        status = measure_step(device, asked.kind->op.name, asked.dims, asked.type, &params, &row);
    }
    if (status == PM_OK) *out = row;
    return status;
}
