/* fp16 or fp32: as asked, or the faster one on the device. */
#include "train/precision.h"

#include "base/log.h"
#include "ops/op.h"

const char *pm_precision_name(pm_precision precision)
{
    return precision == PM_PRECISION_F16 ? "f16" : precision == PM_PRECISION_AUTO ? "auto" : "f32";
}

/* Rows and columns of the product that is measured, its runs, and how much faster fp16 must be. */
enum { SIZE = 512, RUNS = 3 };
static const double GAIN = 1.1;

/* The shortest time of a product (ms). Values do not matter: the buffers are zero. */
static pm_status measure(pm_device *device, dtype_id type, double *ms)
{
    const uint64_t bytes = 4ull * SIZE * SIZE;
    gpu_buffer *buffer = NULL;
    gpu_program *program = NULL;
    pm_status status = gpu_buffer_create(device, GPU_WORKSPACE, 3 * bytes, "precision", &buffer);
    if (status == PM_OK) status = gpu_fill(gpu_span_of(buffer), 0);
    if (status == PM_OK) status = gpu_program_create(device, "precision", &program);
    if (status == PM_OK) {
        op_view m[3];
        for (int i = 0; i < 3; i++)
            m[i] = (op_view){.rows = SIZE, .cols = SIZE, .type = type, .span = {buffer, (uint64_t)i * bytes, bytes}};
        op_record(program, &(op_call){.op = OP_MATMUL, .in = {m[0], m[1]}, .out = {m[2]}});
        status = gpu_program_finish(program);
    }
    *ms = 0;
    for (int i = 0; i < RUNS && status == PM_OK; i++) {
        gpu_program_stats stats;
        status = gpu_submit(program);
        if (status == PM_OK) status = gpu_wait_for(program);
        gpu_program_get_stats(program, &stats);
        if (i == 0 || stats.run_ms < *ms) *ms = stats.run_ms;
    }
    gpu_program_destroy(&program);
    gpu_buffer_destroy(&buffer);
    return status;
}

pm_status precision_choose(pm_device *device, pm_precision asked, pm_precision *out)
{
    const pm_caps *caps = pm_device_caps(device);
    if (asked == PM_PRECISION_F16 && !caps->storage16)
        return log_fail(gpu_log(device), PM_UNSUPPORTED, "precision: %s has no 16-bit storage; take f32", caps->name);
    *out = asked == PM_PRECISION_F16 ? PM_PRECISION_F16 : PM_PRECISION_F32;
    /* A software driver computes in fp32 anyway (512^3 on llvmpipe: 4.6 ms either way). Measuring that would take a second. */
    if (asked != PM_PRECISION_AUTO || !caps->storage16 || !caps->timestamps || caps->serial) return PM_OK;
    double fp32, fp16;
    pm_status status = measure(device, DTYPE_F32, &fp32);
    if (status == PM_OK) status = measure(device, DTYPE_F16, &fp16);
    if (status != PM_OK) return status;
    if (fp16 > 0 && fp32 > GAIN * fp16) *out = PM_PRECISION_F16;
    log_line(gpu_log(device), PM_LOG_INFO, "precision: a %d x %d product takes %.3f ms in fp32, %.3f in fp16: %s", SIZE,
             SIZE, fp32, fp16, *out == PM_PRECISION_F16 ? "fp16" : "fp32");
    return PM_OK;
}
