/* The meters of copying, of FMAs (shaders/meter.comp) and of matrix units (shaders/meter_coop.comp). */
#include <pumice/bench.h>

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "bench/timing.h"
#include "ops/op.h"
#include "push.h"

/* Invocations, rounds of a first run, and how long a run shall then take: long enough that starting it does not count. */
enum { GPU_INVOCATIONS = 1 << 20, CPU_INVOCATIONS = 1 << 12, FIRST_ROUNDS = 8, MOST_ROUNDS = 1 << 20 };
#define RUN_MS 20.0

/* Bytes of one side of the copy: several times the caches that there are (up to 128 MiB on a GPU, some 32 MiB for a few of a CPU's
 * cores), within what a binding, an allocation and a part of the memory allow. */
enum { COPY_PER = 8 };
#define GPU_COPY_BYTES (256ull << 20)
#define CPU_COPY_BYTES (64ull << 20)

static uint32_t group_size(const pm_caps *caps)
{
    uint32_t wanted = caps->serial ? 8 * caps->subgroup_size : 256;
    return wanted < caps->max_workgroup_size ? wanted : caps->max_workgroup_size;
}

static uint64_t copy_bytes(const pm_device *device)
{
    const pm_caps *caps = pm_device_caps(device);
    uint64_t bytes = caps->type == PM_DEVICE_CPU ? CPU_COPY_BYTES : GPU_COPY_BYTES, most = gpu_max_buffer(device);
    if (!caps->bda && caps->max_buffer_range < most) most = caps->max_buffer_range;
    if (caps->device_memory_free / 8 < most) most = caps->device_memory_free / 8;
    if (most < bytes) bytes = most;
    return bytes < 4096 ? 4096 : bytes / 4096 * 4096;
}

/* A program of one dispatch over `items`, `per` of them an invocation; timed. spec: d's, without the work group's size. */
static pm_status time_kernel(pm_device *device, gpu_dispatch *d, uint32_t *spec, uint64_t items, uint32_t per,
                             double *ms)
{
    const pm_caps *caps = pm_device_caps(device);
    const uint32_t size = spec[SPEC_GROUP_SIZE] = group_size(caps);
    gpu_program *program = NULL;
    pm_status status = gpu_program_create(device, "peaks", &program);
    if (status != PM_OK) return status;
    d->spec = spec;
    gpu_groups(caps, (items + (uint64_t)size * per - 1) / ((uint64_t)size * per), d->groups);
    gpu_record(program, d);
    status = gpu_program_finish(program);
    if (status == PM_OK) status = timing_best(device, program, ms);
    gpu_program_destroy(&program);
    return status;
}

/* By a kernel, and by the driver's own copy, which is better on some. On a software driver by the latter alone, a memmove(): its kernels gather, and
 * SwiftShader's accesses of 128 bits through addresses are illegal instructions. */
static pm_status measure_copy(pm_device *device, double *bytes_per_s)
{
    const uint64_t bytes = copy_bytes(device);
    gpu_buffer *from = NULL, *to = NULL;
    gpu_program *program = NULL;
    double kernel_ms = INFINITY, driver_ms = 0;
    pm_status status = gpu_buffer_create(device, GPU_WORKSPACE, bytes, "copy meter, from", &from);
    if (status == PM_OK) status = gpu_buffer_create(device, GPU_WORKSPACE, bytes, "copy meter, to", &to);
    if (status == PM_OK) status = gpu_fill(gpu_span_of(from), 0x3f800000);
    if (status != PM_OK) goto fail;

    const gpu_arg args[] = {{gpu_span_of(from), GPU_READ}, {gpu_span_of(to), GPU_WRITE}};
    const meter_push push = {.count = (uint32_t)(bytes / 16)};
    uint32_t spec[] = {[SPEC_METER_PER] = COPY_PER};
    gpu_dispatch d = {.kernel = KERNEL_meter_copy,
                      .spec_count = sizeof spec / sizeof *spec,
                      .args = args,
                      .arg_count = 2,
                      .push = &push,
                      .push_size = sizeof push,
                      .bytes = 2.0 * (double)bytes};
    if (!pm_device_caps(device)->serial) status = time_kernel(device, &d, spec, bytes / 16, COPY_PER, &kernel_ms);
    if (status == PM_OK) status = gpu_program_create(device, "copy meter", &program);
    if (status != PM_OK) goto fail;
    gpu_record_copy(program, gpu_span_of(to), gpu_span_of(from));
    status = gpu_program_finish(program);
    if (status == PM_OK) status = timing_best(device, program, &driver_ms);
    if (status != PM_OK) goto fail;
    const bool by_kernel = kernel_ms < driver_ms;
    const double ms = by_kernel ? kernel_ms : driver_ms;
    *bytes_per_s = 2e3 * (double)bytes / ms;
    log_line(gpu_log(device), PM_LOG_INFO, "peaks: %.0f MiB copied in %.3f ms at best, by %s", (double)bytes / 1048576,
             ms, by_kernel ? "a kernel" : "the driver");
fail:
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&from);
    gpu_buffer_destroy(&to);
    return status;
}

static pm_status time_sums(pm_device *device, kernel_id kernel, gpu_buffer *y, uint32_t invocations, uint32_t rounds,
                           double *flops_per_s, double *ms)
{
    const gpu_arg args[] = {{gpu_span_of(y), GPU_WRITE}};
    const pm_caps *caps = pm_device_caps(device);
    const bool units = kernel == KERNEL_meter_coop;
    const double matrix = (double)caps->coopmat_m * caps->coopmat_n * caps->coopmat_k; /* multiply-adds of a product */
    const double sums = units ? METER_MATRICES * matrix / caps->coopmat_subgroup : METER_CHAINS; /* of an invocation */
    const double flops = 2.0 * sums * METER_STEPS * rounds * invocations;
    const meter_push push = {.count = rounds, .a = units ? 0x1p-10f : 0x1p-20f};
    uint32_t spec[] = {
        [SPEC_METER_TM] = caps->coopmat_m, [SPEC_METER_TN] = caps->coopmat_n, [SPEC_METER_TK] = caps->coopmat_k};
    gpu_dispatch d = {.kernel = kernel,
                      .spec_count = units ? sizeof spec / sizeof *spec : SPEC_GROUP_SIZE + 1,
                      .args = args,
                      .arg_count = 1,
                      .push = &push,
                      .push_size = sizeof push,
                      .flops = flops};
    pm_status status = time_kernel(device, &d, spec, invocations, 1, ms);
    if (status == PM_OK) *flops_per_s = 1e3 * flops / *ms;
    return status;
}

/* A short run tells how many rounds make one of RUN_MS. */
static pm_status measure_sums(pm_device *device, kernel_id kernel, double *flops_per_s)
{
    const pm_caps *caps = pm_device_caps(device);
    const uint32_t invocations = caps->type == PM_DEVICE_CPU ? CPU_INVOCATIONS : GPU_INVOCATIONS;
    gpu_buffer *y = NULL;
    double ms;
    pm_status status = gpu_buffer_create(device, GPU_WORKSPACE, 4ull * invocations, "meter", &y);
    if (status == PM_OK) status = time_sums(device, kernel, y, invocations, FIRST_ROUNDS, flops_per_s, &ms);
    if (status == PM_OK && ms < RUN_MS) {
        const double rounds = FIRST_ROUNDS * RUN_MS / ms;
        status = time_sums(device, kernel, y, invocations, rounds < MOST_ROUNDS ? (uint32_t)rounds : MOST_ROUNDS,
                           flops_per_s, &ms);
    }
    gpu_buffer_destroy(&y);
    if (status == PM_OK)
        log_line(gpu_log(device), PM_LOG_INFO, "peaks: %.1f GFLOP/s in %.3f ms by %s", 1e-9 * *flops_per_s, ms,
                 gpu_kernel_name(kernel));
    return status;
}

pm_status pm_peaks_measure(pm_device *device, pm_peaks *out)
{
    pm_peaks peaks = {0};
    pm_status status = measure_copy(device, &peaks.copy_bytes_per_s);
    const pm_caps *caps = pm_device_caps(device);
    const kernel_id fma = caps->type == PM_DEVICE_CPU ? KERNEL_meter_fma_split : KERNEL_meter_fma;
    if (status == PM_OK) status = measure_sums(device, fma, &peaks.fma_flops_per_s);
    if (status == PM_OK && op_matrix_units(caps))
        status = measure_sums(device, KERNEL_meter_coop, &peaks.matrix_flops_per_s);
    if (status == PM_OK) *out = peaks;
    return status;
}
