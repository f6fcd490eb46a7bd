/* One operation: copies of its operands, a program for each, runs in turn. */
#include "bench/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/half.h"
#include "base/log.h"
#include "base/rng.h"
#include "bench/timing.h"
#include "push.h"

/* All copies together shall be four times as large as usual last-level caches: 32 MiB beside a few cores of a CPU, 64 MiB on GPUs. */
#define CPU_ROTATION_BYTES (128ull << 20)
#define GPU_ROTATION_BYTES (256ull << 20)
enum { MOST_COPIES = 64 };
#define WARM_SECONDS 0.2

typedef struct copy {
    gpu_buffer *buffers[CASE_OPERANDS];
    gpu_program *program;
} copy;

typedef struct rotation {
    pm_device *device;
    const bench_case *c;
    copy *copies;
    uint32_t count;
} rotation;

static uint32_t copies_wanted(const pm_device *device, const bench_case *c)
{
    const pm_caps *caps = pm_device_caps(device);
    uint64_t wanted = caps->type == PM_DEVICE_CPU ? CPU_ROTATION_BYTES : GPU_ROTATION_BYTES, each = 0;
    const uint64_t most = caps->device_memory_free / 4;
    if (most < wanted) wanted = most;
    for (uint32_t i = 0; i < c->operand_count; i++) each += case_operand_bytes(&c->operands[i]);
    const uint64_t count = each ? (wanted + each - 1) / each : 1;
    /* Where even two exceed a quarter of the memory, one is what there is. */
    if (count < 2) return 2 * each > most ? 1 : 2;
    return count < MOST_COPIES ? (uint32_t)count : MOST_COPIES;
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static void fill_words(const case_operand *o, uint32_t seed, uint32_t *words)
{
    const uint64_t count = (uint64_t)o->rows * o->cols;
    const float scale = o->values == VALUES_TABLE ? 1 / sqrtf((float)o->cols) : 1;
    for (uint64_t i = 0; i < count; i += 4) {
        const rng_block block = rng_philox(seed, (uint32_t)i, (uint32_t)(i >> 32), 0, 0);
        for (uint32_t k = 0; k < 4 && i + k < count; k++) {
            float value = scale * (2 * rng_uniform(block.v[k]) - 1);
            if (o->values == VALUES_POSITIVE) value = 1 + 0.5f * value;
            if (o->values == VALUES_TOKENS || o->values == VALUES_LABELS)
                words[i + k] = o->values == VALUES_LABELS && k % 2 ? o->limit : block.v[k] % o->limit;
            else if (o->type == DTYPE_F16)
                ((uint16_t *)words)[i + k] = half_from_float(value);
            else
                memcpy(&words[i + k], &value, 4);
        }
    }
}

static pm_status fill_operand(rotation *r, uint32_t index)
{
    const case_operand *o = &r->c->operands[index];
    const uint64_t bytes = case_operand_bytes(o);
    pm_status status = PM_OK;
    if (o->values == VALUES_NONE) {
        for (uint32_t k = 0; k < r->count && status == PM_OK; k++)
            status = gpu_fill(gpu_span_of(r->copies[k].buffers[index]), 0);
        return status;
    }
    uint32_t *words = malloc(bytes);
    if (!words)
        return log_fail(gpu_log(r->device), PM_NO_HOST_MEMORY, "bench: no memory for %llu bytes of values",
                        (unsigned long long)bytes);
    const step_scalars scalars = {.seed_lo = 1, .lr = 1e-3f, .beta1_fix = 1.5f, .beta2_fix = 3.0f, .grad_scale = 1.0f};
    if (o->values == VALUES_SCALARS)
        memcpy(words, &scalars, sizeof scalars);
    else
        fill_words(o, index + 1, words);
    for (uint32_t k = 0; k < r->count && status == PM_OK; k++)
        status = gpu_write(gpu_span_of(r->copies[k].buffers[index]), words);
    free(words);
    return status;
}

/* ---- copies ---------------------------------------------------------------------------------------------------------- */

static void bind(const rotation *r, const copy *to, op_view *view)
{
    if (view->data) view->span = gpu_span_of(to->buffers[(const case_operand *)view->data - r->c->operands]);
}

static pm_status record(rotation *r, copy *to)
{
    pm_status status = gpu_program_create(r->device, "bench", &to->program);
    if (status != PM_OK) return status;
    for (uint32_t k = 0; k < r->c->call_count; k++) {
        op_call call = r->c->calls[k];
        for (uint32_t i = 0; i < OP_MAX_IN; i++) bind(r, to, &call.in[i]);
        for (uint32_t i = 0; i < OP_MAX_OUT; i++) bind(r, to, &call.out[i]);
        op_record(to->program, &call);
    }
    return gpu_program_finish(to->program);
}

static void rotation_fini(rotation *r)
{
    for (uint32_t k = 0; r->copies && k < r->count; k++) {
        gpu_program_destroy(&r->copies[k].program);
        for (uint32_t i = 0; i < r->c->operand_count; i++) gpu_buffer_destroy(&r->copies[k].buffers[i]);
    }
    free(r->copies);
}

static pm_status rotation_init(rotation *r)
{
    pm_status status = PM_OK;
    r->count = copies_wanted(r->device, r->c);
    r->copies = calloc(r->count, sizeof *r->copies);
    if (!r->copies) return log_fail(gpu_log(r->device), PM_NO_HOST_MEMORY, "bench: no memory");
    for (uint32_t k = 0; k < r->count; k++)
        for (uint32_t i = 0; i < r->c->operand_count && status == PM_OK; i++)
            status = gpu_buffer_create(r->device, GPU_WORKSPACE, case_operand_bytes(&r->c->operands[i]),
                                       "bench operand", &r->copies[k].buffers[i]);
    for (uint32_t i = 0; i < r->c->operand_count && status == PM_OK; i++) status = fill_operand(r, i);
    return status;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

/* The first run of all, with everything that has to be made for it. */
static pm_status run_cold(rotation *r, double *first_ms)
{
    const double start = os_seconds();
    double ms;
    pm_status status = record(r, &r->copies[0]);
    if (status == PM_OK) status = timing_run(r->device, r->copies[0].program, &ms);
    *first_ms = 1e3 * (os_seconds() - start);
    return status;
}

/* Every copy once; those whose submissions are still cut by guess until that has settled. Then so long that a GPU, idle while the host made the
 * operands, is at its clock again. */
static pm_status warm_up(rotation *r, bool quick)
{
    pm_status status = PM_OK;
    const double start = os_seconds();
    double ms;
    for (uint32_t k = 0; k < r->count && status == PM_OK; k++) {
        if (k > 0) status = record(r, &r->copies[k]);
        gpu_program_stats stats = {.submissions = 1};
        for (int run = 0; run < 3 && status == PM_OK && (run == 0 || stats.submissions > 1); run++) {
            status = timing_run(r->device, r->copies[k].program, &ms);
            gpu_program_get_stats(r->copies[k].program, &stats);
        }
    }
    for (uint32_t k = 0; status == PM_OK && !quick && os_seconds() - start < WARM_SECONDS; k++)
        status = timing_run(r->device, r->copies[k % r->count].program, &ms);
    return status;
}

/* Short runs that go out together on a software driver. Its threads, asleep between two of them, can be woken on one processor and stay there,
 * at half the speed that they have in a training step, where more work follows. */
enum { TOGETHER = 4 };
#define SHORT_MS 2.5

static uint32_t runs_together(const rotation *r)
{
    gpu_program_stats stats;
    gpu_program_get_stats(r->copies[0].program, &stats);
    const bool software = pm_device_caps(r->device)->type == PM_DEVICE_CPU;
    const bool brief = stats.run_ms > 0 && stats.run_ms < SHORT_MS; /* 0: no time stamps */
    return software && brief && r->count >= TOGETHER ? TOGETHER : 1;
}

/* The next `together` runs, each by its own time stamps where they are several. */
static pm_status run_some(const rotation *r, uint32_t together, timing *t)
{
    pm_status status = PM_OK;
    const uint32_t first = t->runs;
    double ms;
    if (together == 1) {
        status = timing_run(r->device, r->copies[first % r->count].program, &ms);
        if (status == PM_OK) timing_add(t, ms);
        return status;
    }
    for (uint32_t i = 0; i < together && status == PM_OK; i++)
        status = gpu_submit(r->copies[(first + i) % r->count].program);
    if (status == PM_OK) status = gpu_wait(r->device);
    for (uint32_t i = 0; i < together && status == PM_OK; i++) {
        gpu_program_stats stats;
        gpu_program_get_stats(r->copies[(first + i) % r->count].program, &stats);
        timing_add(t, stats.run_ms);
    }
    return status;
}

static void name_variant(const gpu_program *program, char *text, size_t size)
{
    enum { MOST = 8 };
    kernel_id kernels[MOST];
    const uint32_t count = gpu_program_kernels(program, kernels, MOST);
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < count && i < MOST && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "+" : "", gpu_kernel_name(kernels[i]));
}

pm_status measure_case(pm_device *device, const bench_case *c, bool quick, pm_bench_row *row)
{
    rotation r = {.device = device, .c = c};
    timing t;
    pm_status status = rotation_init(&r);
    if (status == PM_OK) status = run_cold(&r, &row->first_ms);
    if (status == PM_OK) status = warm_up(&r, quick);
    const uint32_t together = status == PM_OK ? runs_together(&r) : 1;
    timing_start(&t, quick);
    while (status == PM_OK && timing_more(&t)) status = run_some(&r, together, &t);
    if (status == PM_OK) {
        gpu_program_stats stats;
        gpu_program_get_stats(r.copies[0].program, &stats);
        name_variant(r.copies[0].program, row->variant, sizeof row->variant);
        timing_quartiles(&t, &row->ms_low, &row->ms, &row->ms_high);
        row->device_time = stats.run_ms > 0;
        row->flops = c->flops;
        row->needed_flops = c->needed_flops;
        for (uint32_t i = 0; i < c->operand_count; i++)
            row->bytes += (double)case_operand_bytes(&c->operands[i]) * c->operands[i].moves;
        row->runs = t.runs;
        row->copies = r.count;
    }
    rotation_fini(&r);
    return status;
}
