/* The self-test. A failed check is repeated with each of its kernels switched off in turn: the fault is the kernel whose replacement is right.
 * Then it is repeated with features switched off, for which the device is opened again. */
#include <pumice/doctor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "base/control.h"
#include "base/log.h"
#include "base/number.h"
#include "base/sized.h"
#include "check/doctor.h"
#include "check/memory_check.h"
#include "check/optest.h"
#include "check/train_check.h"

/* Features, in the order in which they are tried. Without the last two some checks do not apply: `fused` and fp16 rows. */
static const char *const features[] = {"coopmat", "f16", "int64", "subgroup", "serial", "bda", "fused", "storage16"};
enum { FEATURES = sizeof features / sizeof *features };

typedef struct doctor {
    optest_table *table;
    optest_seen seen; /* by rows, on a software driver */
    const pm_device_params *params;
    const doctor_options *options;
    pm_device *device;
    pm_doctor_fn *tell;
    void *user;
    pm_doctor_report report;
    pm_doctor_finding unkept;   /* used when the report is full */
    bool kernels[KERNEL_COUNT]; /* the kernels that ran */
    bool row_off[ROW_COUNT], feature_off[FEATURES];
    bool had, has; /* something was off before; something is off now */
    bool opened;
    bool row_was_off[ROW_COUNT], feature_was_off[FEATURES]; /* before, and not tried now */
} doctor;

static void say(const doctor *d, const char *what)
{
    if (d->tell) d->tell(d->user, what);
}

static bool has_feature(const pm_caps *caps, const char *name)
{
#define IS_ON(feature, meaning)                                                                                        \
    if (strcmp(name, #feature) == 0) return caps->feature;
    PM_FEATURE_LIST(IS_ON)
#undef IS_ON
    return false;
}

/* Remembers what was off before. On a lowered device some features are off, and are not tried. */
static void remember(doctor *d)
{
    for (int row = 0; row < ROW_COUNT; row++) d->row_was_off[row] = gpu_row_switched_off(d->device, (kernel_row)row);
    for (int i = 0; i < FEATURES; i++)
        d->feature_was_off[i] =
            gpu_feature_switched_off(d->device, features[i]) && !has_feature(pm_device_caps(d->device), features[i]);
    d->opened = true;
}

/* Opens the device without what was found wrong and without one more feature (FEATURES: none). Results of an earlier examination are ignored:
 * everything is tried again. */
static pm_status open_device(doctor *d, int without)
{
    char disable[512];
    int used = snprintf(disable, sizeof disable, "%s", d->params->disable ? d->params->disable : "");
    for (int i = 0; i < FEATURES && used < (int)sizeof disable; i++)
        if (d->feature_off[i] || i == without)
            used += snprintf(disable + used, sizeof disable - (size_t)used, ",%s", features[i]);
    pm_device_params params = *d->params;
    params.disable = disable;
    pm_device_close(&d->device);
    pm_status status = gpu_device_open(&params, true, &d->device);
    if (status != PM_OK) return status;
    if (!d->opened) remember(d);
    if (pm_device_caps(d->device)->type == PM_DEVICE_CPU) d->seen.compiled = OPTEST_COMPILE_KERNELS;
    d->had |= gpu_faults_forget(d->device);
    for (int row = 0; row < ROW_COUNT && status == PM_OK; row++)
        if (d->row_off[row]) status = gpu_row_switch(d->device, (kernel_row)row, false);
    if (d->options->opened) d->options->opened(d->device);
    return status;
}

static pm_doctor_finding *add_finding(doctor *d, const char *wrong)
{
    const uint32_t n = d->report.finding_count++;
    pm_doctor_finding *f = n < PM_DOCTOR_FINDINGS ? &d->report.findings[n] : &d->unkept;
    snprintf(f->wrong, sizeof f->wrong, "%s", wrong);
    f->off[0] = 0;
    return f;
}

/* Whether one of the row's kernels is at fault. That kernel stays off. */
static pm_status try_kernels(doctor *d, const optest_row *row, const optest_result *failed, pm_doctor_finding *f)
{
    for (uint32_t k = 0; k < failed->kernel_count; k++) {
        optest_result again;
        const kernel_row kernel = gpu_kernel_row(failed->kernels[k]);
        pm_status status = gpu_row_switch(d->device, kernel, false);
        if (status != PM_OK) return status == PM_UNSUPPORTED ? PM_OK : status;
        if (optest_run(d->device, row, NULL, &again)) {
            snprintf(f->off, sizeof f->off, "kernel %s", gpu_row_name(kernel));
            d->row_off[kernel] = true;
            return PM_OK;
        }
        status = gpu_row_switch(d->device, kernel, true);
        if (status != PM_OK) return status;
    }
    return PM_OK;
}

/* Whether switching a feature off makes the row right or unnecessary. That feature stays off. A feature that the device needs is not tried. */
static pm_status try_features(doctor *d, const optest_row *row, pm_doctor_finding *f)
{
    pm_status status = PM_OK;
    for (int i = 0; i < FEATURES && !f->off[0] && status == PM_OK; i++) {
        optest_result again;
        if (d->feature_off[i]) continue;
        status = open_device(d, i);
        if (status == PM_OK &&
            (!optest_applies(pm_device_caps(d->device), row) || optest_run(d->device, row, NULL, &again))) {
            snprintf(f->off, sizeof f->off, "feature %s", features[i]);
            d->feature_off[i] = true;
        }
        if (status == PM_UNSUPPORTED) status = PM_OK;
    }
    return status == PM_OK ? open_device(d, FEATURES) : status;
}

static pm_status check_row(doctor *d, const optest_row *row)
{
    optest_result result;
    if (!optest_applies(pm_device_caps(d->device), row)) return PM_OK;
    const bool right = optest_run(d->device, row, &d->seen, &result);
    if (result.repeated || result.covered) return PM_OK;
    for (uint32_t k = 0; k < result.kernel_count; k++) {
        d->report.kernels += !d->kernels[result.kernels[k]];
        d->kernels[result.kernels[k]] = true;
    }
    d->report.checks += !result.no_memory;
    d->report.skipped += result.no_memory;
    if (right || result.no_memory) return PM_OK;
    pm_status status = gpu_gate(d->device); /* a lost device gives no results, nor does a cancelled run */
    if (status != PM_OK) return status;
    pm_doctor_finding *f = add_finding(d, result.wrong);
    status = try_kernels(d, row, &result, f);
    if (status == PM_OK && !f->off[0]) status = try_features(d, row, f);
    if (status == PM_OK) status = gpu_gate(d->device); /* the tries, too, count only if they were not cancelled */
    d->has = d->has || f->off[0];
    d->report.fit = d->report.fit && f->off[0];
    return status;
}

/* Whether a row is examined: an operation's first rows, all fp16 rows, all rows for one variant, and some of the rest. All rows
 * would take minutes. On a software driver, which compiles a kernel for a second, only those of them with a new kernel. */
static bool chosen(const optest_row *row, uint32_t number)
{
    enum { FIRST = 12, EACH = 5 };
    if (!optest_some_head(&row->call)) return false;
    return row->type == DTYPE_F16 || row->variant || number < FIRST || number % EACH == 0;
}

static pm_status check_operation(doctor *d, op_id op)
{
    static const optest_set sets[] = {USUAL, HALVES};
    pm_status status = PM_OK;
    say(d, op_name(op));
    control_report(d->params->control, "doctor", (uint64_t)op, OP_COUNT);
    d->report.operations++;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        size_t count;
        uint32_t number = 0;
        const optest_row *rows = optest_rows(d->table, sets[s], &count);
        for (size_t i = 0; i < count && status == PM_OK; i++)
            if (rows[i].call.op == op && chosen(&rows[i], number++)) status = check_row(d, &rows[i]);
    }
    return status;
}

static pm_status check_memory(doctor *d)
{
    char wrong[160];
    say(d, "memory");
    const pm_status status = memory_check(d->device, &d->report.copies, wrong, sizeof wrong);
    if (status == PM_OK && wrong[0]) {
        add_finding(d, wrong);
        d->report.fit = false;
    }
    return status;
}

static pm_status check_training(doctor *d)
{
    char wrong[160];
    bool right;
    say(d, "training");
    const pm_status status = train_check(d->device, &d->report, &right);
    if (status == PM_OK && !right) {
        number_print(wrong, sizeof wrong, "training: losses are off by up to %.2g, weights by %.2g",
                     d->report.loss_error, d->report.weight_error);
        add_finding(d, wrong);
        d->report.fit = false;
    }
    return status;
}

/* Kernels that are off are stored in the device already. Features are added here, and what was off before and could not be tried. */
static pm_status keep(doctor *d)
{
    pm_status status = PM_OK;
    for (int i = 0; i < FEATURES && status == PM_OK; i++)
        if (d->feature_off[i] || d->feature_was_off[i]) status = gpu_feature_switch(d->device, features[i], false);
    for (int k = 0; k < KERNEL_COUNT; k++)
        if (d->kernels[k]) d->row_was_off[gpu_kernel_row((kernel_id)k)] = false;
    for (int row = 0; row < ROW_COUNT && status == PM_OK; row++)
        if (d->row_was_off[row]) status = gpu_row_switch(d->device, (kernel_row)row, false);
    if (status != PM_OK || !(d->had || d->has) || !gpu_faults_kept(d->device)) return status;
    status = gpu_faults_save(d->device);
    d->report.saved = status == PM_OK;
    return status;
}

pm_status doctor_run(const pm_device_params *params, const doctor_options *options, pm_doctor_fn *tell, void *user,
                     pm_doctor_report *out)
{
    doctor *d = calloc(1, sizeof *d);
    if (!d) return log_fail(&params->log, PM_NO_HOST_MEMORY, "doctor: no memory");
    const double start = os_seconds();
    *d = (doctor){.params = params, .options = options, .tell = tell, .user = user, .report.fit = true};
    d->table = optest_table_make();
    pm_status status =
        d->table ? open_device(d, FEATURES) : log_fail(&params->log, PM_NO_HOST_MEMORY, "doctor: no memory");
    if (status == PM_OK && !options->one) status = check_memory(d);
    for (int op = 0; op < OP_COUNT && status == PM_OK; op++)
        if (!options->one || options->op == (op_id)op) status = check_operation(d, (op_id)op);
    if (status == PM_OK && !options->one) status = check_training(d);
    if (status == PM_OK) status = keep(d);
    if (status == PM_OK) {
        d->report.caps = *pm_device_caps(d->device);
        d->report.seconds = os_seconds() - start;
        *out = d->report;
    }
    pm_device_close(&d->device);
    optest_table_free(d->table);
    optest_seen_free(&d->seen);
    free(d);
    return status;
}

pm_status pm_doctor_run_sized(const pm_device_params *given, size_t given_size, pm_doctor_fn *tell, void *user,
                              pm_doctor_report *out)
{
    const doctor_options whole = {0};
    pm_device_params params = {0};
    const pm_status status = sized_read(&params.log, "pm_device_params", given, given_size, &params, sizeof params);
    return status == PM_OK ? doctor_run(&params, &whole, tell, user, out) : status;
}
